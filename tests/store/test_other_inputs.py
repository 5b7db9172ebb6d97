"""Images, sound, ready tokens and plain arrays through the same door: what is kept is what a plain
hook sees.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from inscape.core.batch import Batch, Tokens
from inscape.core.errors import DataError, ModelError
from inscape.model.model import Model
from inscape.probing.sweep import sweep
from inscape.store.array_inputs import ArrayInputs
from inscape.store.forecast import forecast
from inscape.store.harvest import harvest
from inscape.store.inputs import inputs_hash
from inscape.store.moments import moments
from inscape.store.prepare_inputs import prepare_inputs
from tests.model.nets import net

from .conftest import close_to_rounding, llama

RNG = np.random.default_rng(0)
IDS = RNG.integers(2, 60, (6, 7))
LENGTHS = [7, 4, 7, 1, 6, 7]


def hooked(network: nn.Module, module: nn.Module, run) -> Tensor:
    """What a module gives, by a plain forward hook."""
    caught: list[Tensor] = []
    handle = module.register_forward_hook(
        lambda _m, _args, out: caught.append(out[0] if isinstance(out, tuple) else out)
    )
    with torch.no_grad():
        run(network)
    handle.remove()
    assert float(caught[0].abs().max()) > 1e-3
    return caught[0]


def every_verb(model: Model, x, site: str, expected: np.ndarray, folder, at: str = "mean") -> None:
    """Harvest, moments, forecast and a sweep of one site agree with `expected`, one row an
    example.
    """
    store = harvest(model, x, site, at=at, to=folder / "s", shard_bytes=4 * expected.shape[1] * 3)
    assert len(store.manifest["shards"]) > 1
    close_to_rounding(store.matrix(site), expected)
    streamed = moments(model, x, site, at=at)
    rounding = 1.2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(streamed.site(site).mean, expected.mean(0), atol=rounding)
    assert forecast(model, x, site, at=at, to=folder / "s2").rows == len(expected)
    y = expected @ RNG.standard_normal(expected.shape[1])
    found = sweep({site: store.matrix(site)}, y, split="random", folds=3, shuffles=3, draws=10)
    assert found.sites == (site,)


@pytest.fixture(scope="module")
def vit() -> Model:
    return Model(net("vit"))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return RNG.standard_normal((12, 3, 32, 32)).astype(np.float32)


def test_images_of_a_vision_transformer(vit, pictures, tmp_path):
    expected = hooked(
        vit.net, vit.net.vit.layers[1], lambda n: n(pixel_values=torch.from_numpy(pictures))
    )
    every_verb(vit, pictures, "resid_post.1", expected.mean(1).numpy(), tmp_path)
    batch = Batch({"pixel_values": torch.from_numpy(pictures)})
    first = harvest(vit, batch, "resid_post.1", at="first", to=tmp_path / "cls").matrix(
        "resid_post.1"
    )
    close_to_rounding(first, expected[:, 0].numpy())
    whole = harvest(vit, batch, "resid_post.1", at="all", to=tmp_path / "all")
    close_to_rounding(whole.matrix("resid_post.1"), expected.flatten(0, 1).numpy())
    assert whole.frame()["position"].tolist()[:18] == [*range(17), 0]


def test_widths_are_those_of_what_runs(vit):
    assert (vit.width("resid_post.0"), vit.width("mlp_act.0"), vit.width("logits")) == (32, 64, 7)
    whisper = Model(net("whisper"))
    assert (whisper.width("resid_post.0"), whisper.width("mlp_act.0")) == (32, 64)
    with pytest.raises(
        ModelError, match="what Sequential is fed is not known.*run it on an input of yours"
    ):
        Model(nn.Sequential(nn.Linear(3, 4))).width("module:0:out")


def test_features_of_sound_of_a_whisper_encoder(tmp_path):
    model = Model(net("whisper"))
    x = RNG.standard_normal((10, 8, 24)).astype(np.float32)
    expected = hooked(
        model.net,
        model.net.encoder.layers[1],
        lambda n: n.encoder(input_features=torch.from_numpy(x)),
    )
    every_verb(model, x, "resid_post.1", expected.mean(1).numpy(), tmp_path)


def wav2vec2() -> Model:
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_stride=(5, 2),
        conv_kernel=(10, 3),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        vocab_size=10,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(transformers.Wav2Vec2Model(config).eval())


def test_waveforms_of_a_network_of_no_family(tmp_path):
    model, x = wav2vec2(), RNG.standard_normal((9, 400)).astype(np.float32)
    expected = hooked(model.net, model.net.encoder.layers[0], lambda n: n(torch.from_numpy(x)))
    every_verb(model, x, "module:encoder.layers.0:out", expected.mean(1).numpy(), tmp_path)
    conv = model.net.feature_extractor.conv_layers[1].conv
    site = "module:feature_extractor.conv_layers.1.conv:out"
    expected = hooked(model.net, conv, lambda n: n(torch.from_numpy(x))).mean(
        2
    )  # (batch, channels, steps)
    close_to_rounding(harvest(model, x, site, at="mean", to=tmp_path / "c").matrix(site), expected)


def test_padded_sound_is_refused_rather_than_harvested_with_its_padding():
    mask = torch.ones(3, 400, dtype=torch.long)
    mask[1, 300:] = 0
    batch = Batch({"input_values": torch.zeros(3, 400), "attention_mask": mask})
    with pytest.raises(
        DataError, match="example 1 of these arrays is padded, .* one harvest a length"
    ):
        harvest(wav2vec2(), batch, "module:encoder.layers.0:out", at="mean")


def ready() -> dict[str, object]:
    """The same token ids in every form in which they may come."""
    rows = [row[:k] for row, k in zip(IDS, LENGTHS, strict=True)]
    mask = torch.arange(7)[None] < torch.tensor(LENGTHS)[:, None]
    ids = torch.from_numpy(np.where(mask, IDS, 1))
    return {
        "masked batch": Batch({"input_ids": ids, "attention_mask": mask.long()}),
        "batch with lengths": Batch({"input_ids": ids}, torch.tensor(LENGTHS)),
        "named arrays": {"input_ids": ids.numpy(), "attention_mask": mask.numpy().astype(int)},
        "ragged rows": rows,
        "lists": [row.tolist() for row in rows],
        "Tokens": [
            Tokens(r, np.zeros((len(r), 2), np.int64), np.zeros(len(r), bool)) for r in rows
        ],
    }


@pytest.mark.parametrize("form", list(ready()))
@pytest.mark.parametrize("at", ["last", "mean", "mean-all", "all"])
def test_tokens_that_come_ready_are_kept_without_their_padding(model, tmp_path, form, at):
    store = harvest(model, ready()[form], "resid_post.1", at=at, to=tmp_path / "s", shard_bytes=300)
    rows = []
    for ids, k in zip(IDS, LENGTHS, strict=True):
        one = torch.from_numpy(ids[:k])[None]
        x = hooked(model.net, model.net.model.layers[1], lambda n, one=one: n(one))[0]
        # a mean leaves out the first position, where the model is causal and there are others
        means = {"mean": [x[k > 1 :].mean(0)], "mean-all": [x.mean(0)]}
        rows += {"last": [x[-1]], **means, "all": list(x)}[at]
    close_to_rounding(store.matrix("resid_post.1"), torch.stack(rows).numpy())
    if at == "last":
        assert store.frame()["token"].tolist() == [
            int(i[k - 1]) for i, k in zip(IDS, LENGTHS, strict=True)
        ]


def test_ids_of_one_length_are_an_array(model, tmp_path):
    expected = hooked(model.net, model.net.model.layers[0], lambda n: n(torch.from_numpy(IDS)))[
        :, -1
    ]
    every_verb(model, IDS, "resid_post.0", expected.numpy(), tmp_path, at="last")


def test_what_is_not_token_ids_is_said_to_be(model):
    with pytest.raises(
        DataError,
        match=r"reads text, and example 0 is an array of float64 of shape \(3,\); give texts",
    ):
        harvest(model, np.zeros((2, 3)), "resid_post.0")
    left = {
        "input_ids": torch.ones(1, 3, dtype=torch.long),
        "attention_mask": torch.tensor([[0, 1, 1]]),
    }
    with pytest.raises(
        DataError, match="padded on the left, which shifts positions; pad on the right"
    ):
        harvest(model, left, "resid_post.0")


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.out = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, a, b):
        return self.out(self.left(a) + self.right(b))


def drawn(made) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Model(made())


def test_named_tensors(tmp_path):
    model = drawn(Two)
    a, b = (RNG.standard_normal((8, k)) for k in (3, 2))  # doubles, as numpy makes them
    named = {"a": torch.from_numpy(a), "b": torch.from_numpy(b)}
    expected = hooked(model.net, model.net.out, lambda n: n(*(x.float() for x in named.values())))
    every_verb(model, named, "module:out:out", expected.numpy(), tmp_path, at="last")
    batch = Batch(named)
    x = harvest(model, batch, "module:out:out", to=tmp_path / "b").matrix("module:out:out")
    close_to_rounding(x, expected.numpy())


def test_a_memory_map_of_doubles_through_an_mlp(tmp_path):
    model = drawn(lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)))
    x = RNG.standard_normal((20, 3))
    x[7] = x[2]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = hooked(model.net, model.net[1], lambda n: n(torch.from_numpy(x).float()))
    every_verb(model, mapped, "module:1:out", expected.numpy(), tmp_path, at="last")
    assert isinstance(mapped, np.memmap)


def test_feature_maps_have_one_position_a_pixel(tmp_path):
    model = drawn(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    )
    x = RNG.standard_normal((6, 3, 8, 8)).astype(np.float32)
    maps = hooked(model.net, model.net[0], lambda n: n(torch.from_numpy(x)))
    store = harvest(model, x, "module:0:out", at="all", to=tmp_path / "all")
    close_to_rounding(store.matrix("module:0:out"), maps.permute(0, 2, 3, 1).reshape(-1, 4).numpy())
    with pytest.raises(
        DataError, match=r"different numbers of positions \(module:0:out 36, module:3:out 1\)"
    ):
        harvest(model, x, ["module:0:out", "module:3:out"], at="all")
    every_verb(model, x, "module:0:out", maps.mean((2, 3)).numpy(), tmp_path)


def test_texts_for_a_network_of_arrays_are_refused():
    with pytest.raises(
        DataError,
        match="Sequential does not read text: give a folder of images or sound, an array whose "
        "first",
    ):
        harvest(Model(nn.Sequential(nn.Linear(3, 4))), ["a", "b"], "module:0:out")


def test_two_arrays_of_the_same_bytes_are_told_apart(tmp_path):
    """A hash of bytes alone would take a row of one shape or type for a row of another."""
    x = RNG.standard_normal((4, 6)).astype(np.float32)
    forms = [x, x.reshape(4, 2, 3), x.view(np.int32), x[::-1].copy()]
    keys = {ArrayInputs(form, "last").data for form in forms}
    assert len(keys) == 4
    every, last = ArrayInputs(x, "all", 2), ArrayInputs(x, "last", 2)
    assert every.data == last.data  # the same examples, at other positions
    assert inputs_hash(every) != inputs_hash(last)


def test_a_model_of_text_keeps_its_own_door(tmp_path):
    model = llama(2)
    kinds = [
        type(prepare_inputs(model, x, "last", None, [])).__name__ for x in (["w1"], [[0, 3]], IDS)
    ]
    assert kinds == ["TextInputs", "TokenInputs", "TokenInputs"]
    a = harvest(model, ["w1 w2"], "embed", to=tmp_path / "a").matrix("embed")
    b = harvest(model, [[0, 3, 4]], "embed", to=tmp_path / "b").matrix("embed")
    assert np.array_equal(a, b)
