"""A picture or a sound gives the same tensors alone, in a batch, in another order and harvested;
padding that a network reads is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as t
from scipy.io import wavfile

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError, ModelError, SiteError
from inscape.core.site import Site
from inscape.data.load import load
from inscape.model.certificate import certify
from inscape.model.item import difference
from inscape.model.model import Model
from inscape.store.harvest import harvest
from tests.model.tiny import TINY, tiny, tower

ROUNDING = 1e-4
PICTURES = ("vit", "swin", "beit", "dinov2", "clip image", "siglip image")
SOUNDS = ("wav2vec2", "wav2vec2 stable", "hubert", "hubert stable")
#: samples of sounds of mixed lengths, of which two are one length
SAMPLES = (101, 230, 150, 230, 57)
ORDERS = ([0, 1, 2, 3], [3, 1, 0, 2], [2, 2, 0, 1])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def opened(name: str) -> Model:
    model = Model(tiny(name), tower=tower(name))
    assert certify(model).passed
    return model


def sites_of(model: Model) -> list[Site]:
    return [site for site in model.sites if site.point != "logits"]


def inputs_of(name: str, model: Model) -> dict[str, torch.Tensor]:
    """Four examples of what a network of pictures or sounds is fed."""
    if model.kind == "image":
        return {model._main_input(): draw(4, 3, 32, 32)}
    if "whisper" not in name:
        return {model._main_input(): draw(4, 230)}
    found = {"input_features": draw(4, 8, 24)}
    if "decoder" in name:
        ids = torch.randint(3, 120, (4, 5), generator=torch.Generator().manual_seed(1))
        found["decoder_input_ids"] = ids
    return found


def in_company(model: Model, given: dict[str, torch.Tensor], sites: list[Site]) -> None:
    alone = [model.run({k: x[[i]] for k, x in given.items()}, sites) for i in range(4)]
    assert difference(alone[0][sites[-1]], alone[1][sites[-1]]) > 0.01  # the examples differ
    for order in ORDERS:
        both = model.run({k: x[order] for k, x in given.items()}, sites)
        for place, i in enumerate(order):
            for site in sites:
                assert difference(both[site][place], alone[i][site][0]) < ROUNDING, (site, order)


def harvested(model: Model, given: dict[str, torch.Tensor], site: Site) -> None:
    right = torch.cat(
        [model.run({k: x[[i]] for k, x in given.items()}, site)[site] for i in range(4)]
    )
    for at, want in (("last", right[:, -1]), ("mean", right.mean(1))):
        for budget in (1, None):  # one a pass, all in one
            store = harvest(model, given, site, at=at, budget=budget, progress=False)
            assert difference(torch.from_numpy(np.array(store.matrix(site))), want) < ROUNDING


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", [*PICTURES, *SOUNDS, "whisper encoder", "whisper decoder"])
def test_a_picture_or_a_sound_is_the_same_in_any_company(name):
    model = opened(name)
    given = inputs_of(name, model)
    in_company(model, given, sites_of(model))
    harvested(model, given, Site("resid_post", len(model.atlas.blocks) - 1))


@pytest.mark.slow
def test_every_architecture_of_pictures_or_sounds_depends_on_nothing_beside_them():
    names = [n for n in TINY if Model(tiny(n), tower=tower(n)).kind in ("image", "audio")]
    assert len(names) > 18
    for name in names:
        model = opened(name)
        given = inputs_of(name, model)
        in_company(model, given, sites_of(model))
        harvested(model, given, Site("resid_post", len(model.atlas.blocks) - 1))


def convnet(name: str) -> torch.nn.Module:
    small = {
        "EfficientNet": dict(
            width_coefficient=0.2,
            depth_coefficient=0.2,
            hidden_dim=256,
            image_size=32,
            depth_divisor=4,
        ),
        "ResNet": dict(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"),
        "ConvNext": dict(hidden_sizes=[8, 16], depths=[1, 2], num_stages=2, patch_size=2),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = getattr(t, f"{name}Model")(getattr(t, f"{name}Config")(**small[name]))
        for parameter in made.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        made.train()(draw(16, 3, 64, 64, seed=5))  # statistics of other pictures
    return made  # in training mode, in which a batch norm would read its batch


@pytest.mark.parametrize("name", ["EfficientNet", "ResNet", "ConvNext"])
def test_a_picture_of_a_convolutional_network_is_the_same_in_any_company(name):
    model = Model(convnet(name))
    given = {"pixel_values": draw(4, 3, 64, 64)}
    paths = [p for p, m in model.net.named_modules() if isinstance(m, torch.nn.Conv2d)]
    sites = [Site("module", path=p, side="out") for p in (paths[0], paths[len(paths) // 2])]
    in_company(model, given, sites)
    right = torch.cat(
        [model.run({"pixel_values": x[None]}, sites)[sites[1]] for x in given["pixel_values"]]
    )
    for budget in (1, None):
        store = harvest(model, given, sites[1], at="mean", budget=budget, progress=False)
        found = torch.from_numpy(np.array(store.matrix(sites[1])))
        assert difference(found, right.mean((2, 3))) < ROUNDING


# --- sounds of mixed lengths
# -------------------------------------------------------------------------------------------


def sounds() -> list[np.ndarray]:
    return [draw(n, seed=i).numpy() for i, n in enumerate(SAMPLES)]


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_of_mixed_lengths_are_harvested_as_each_is_alone(name):
    model, given = opened(name), sounds()
    site = Site("resid_post", 2)
    alone = [model.run({"input_values": torch.from_numpy(x)[None]}, site)[site][0] for x in given]
    assert len({len(x) for x in alone}) == 4
    wanted = {
        "first": torch.stack([x[0] for x in alone]),
        "last": torch.stack([x[-1] for x in alone]),
        "mean": torch.stack([x.mean(0) for x in alone]),
        "all": torch.cat(alone),
    }
    for at, want in wanted.items():
        for order in ([0, 1, 2, 3, 4], [3, 0, 4, 1, 2]):
            store = harvest(model, [given[i] for i in order], site, at=at, progress=False)
            found = torch.from_numpy(np.array(store.matrix(site)))
            if at == "all":
                right = torch.cat([alone[i] for i in order])
                spots = [p for i in order for p in range(len(alone[i]))]
                assert store.frame()["position"].tolist() == spots
            else:
                right = want[order]
            assert difference(found, right) < ROUNDING


def test_a_sound_given_twice_is_computed_once_and_stands_twice():
    model, given = opened("wav2vec2"), sounds()
    site = Site("resid_post", 1)
    store = harvest(model, [given[0], given[1], given[0]], site, at="last", progress=False)
    found = np.array(store.matrix(site))
    np.testing.assert_array_equal(found[0], found[2])
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_sound_files_of_mixed_lengths_are_harvested_as_each_is_alone(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, n in enumerate(SAMPLES):
        wavfile.write(folder / f"{i}.wav", 16000, (rng.standard_normal(n) * 3000).astype(np.int16))
    model = opened("wav2vec2")
    model.processor = t.Wav2Vec2FeatureExtractor()
    site = Site("resid_post", 2)
    store = harvest(model, load(folder), site, at="last", progress=False)
    want = []
    for i in range(len(SAMPLES)):
        x = wavfile.read(folder / f"{i}.wav")[1] / 32768
        made = model.processor(x, sampling_rate=16000, return_tensors="pt")["input_values"]
        with torch.no_grad():
            want.append(model.net(made.float(), output_hidden_states=True).hidden_states[-1][0, -1])
    assert difference(torch.from_numpy(np.array(store.matrix(site))), torch.stack(want)) < ROUNDING
    assert store.frame()["id"].tolist() == [str(i) for i in range(len(SAMPLES))]


def test_what_is_no_sound_of_one_channel_is_refused():
    model = opened("wav2vec2")
    with pytest.raises(DataError, match="sound 2 has 5 samples, too few for one position"):
        harvest(model, [np.zeros(99, np.float32), np.zeros(5, np.float32)], "resid_post.0")
    with pytest.raises(DataError, match=r"sound 2 has shape \(2, 90\), .* mix the channels"):
        harvest(model, [np.zeros(99, np.float32), np.zeros((2, 90), np.float32)], "resid_post.0")
    site = "module:feature_extractor.conv_layers.0:out"
    with pytest.raises(DataError, match=r"positions where the blocks of .* at='mean'"):
        harvest(model, sounds(), site, at="all")
    with pytest.raises(DataError, match=r"example 2 is an array of shape \(3, 32, 16\)"):
        pictures = [np.zeros((3, 32, 32), np.float32), np.zeros((3, 32, 16), np.float32)]
        harvest(opened("vit"), pictures, "resid_post.0")


def padded() -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
    """Three sounds of mixed lengths in one array, under a mask of their samples."""
    rows = [torch.from_numpy(x) for x in sounds()[:3]]
    x, mask = torch.zeros(3, 230), torch.zeros(3, 230, dtype=torch.long)
    for i, row in enumerate(rows):
        x[i, : len(row)], mask[i, : len(row)] = row, 1
    return {"input_values": x, "attention_mask": mask}, rows


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "hubert stable"])
def test_padding_that_a_norm_over_the_sound_reads_is_refused(name):
    model, (given, rows) = opened(name), padded()
    with torch.no_grad():  # and the network does read it
        both = model.net(**given)[0]
        alone = model.net(rows[0][None])[0][0]
    assert difference(both[0, : len(alone)], alone) > 0.01
    with pytest.raises(ModelError, match=r"would read the padding \(it is normed over a whole"):
        model.run(given, "resid_post.0")
    ones = {**given, "attention_mask": torch.ones(3, 230, dtype=torch.long)}
    assert model.run(ones, "resid_post.0")[Site("resid_post", 0)].shape[0] == 3


def test_padding_that_a_network_leaves_out_is_left_out():
    model, (given, rows) = opened("wav2vec2 stable"), padded()
    sites = [s for s in sites_of(model) if s.point != "pattern"]
    both = model.run(given, sites)
    for i, row in enumerate(rows):
        alone = model.run({"input_values": row[None]}, sites)
        for site in sites:
            n = alone[site].shape[1]
            assert difference(both[site][i, :n], alone[site][0]) < ROUNDING, site


@pytest.mark.parametrize("positions", ["last", (-1,), (0, -2)])
def test_an_edit_of_padded_sound_acts_at_frames_and_not_at_samples(positions):
    model, (given, rows) = opened("wav2vec2 stable"), padded()
    site = Site("resid_post", 0)
    edit = Add(Scope(str(site), positions=positions), torch.full((32,), 10.0))
    before, after = (model.run(given, site, edits=e)[site] for e in (None, edit))
    for i, row in enumerate(rows):
        n = model.run({"input_values": row[None]}, site)[site].shape[1]
        moved = ((after[i] - before[i]).abs().sum(-1) > 1).nonzero().flatten().tolist()
        wanted = {"last": [n - 1], (-1,): [n - 1], (0, -2): [0, n - 2]}[positions]
        assert moved == wanted


def test_a_mask_over_whispers_frames_counts_none_of_its_positions():
    model = opened("whisper encoder")
    given = {"input_features": draw(2, 8, 24), "attention_mask": torch.ones(2, 24).long()}
    given["attention_mask"][0, 10:] = 0
    site = Site("resid_post", 0)
    edit = Add(Scope(str(site), positions="last"), torch.full((32,), 10.0))
    before, after = (model.run(given, site, edits=e)[site] for e in (None, edit))
    moved = ((after - before).abs().sum(-1) > 1).nonzero().tolist()
    assert moved == [[0, 11], [1, 11]]  # it attends to every position, whatever the mask says


def test_positions_under_a_mask_of_samples_are_refused_where_no_family_says_what_they_are():
    config = t.SEWConfig(
        hidden_size=32,
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
    model = Model(t.SEWModel(config).eval())
    assert model.family is None
    given, _ = padded()
    site = "module:encoder.layers.0:out"
    edit = Add(Scope(site, positions="last"), torch.full((32,), 10.0))
    with pytest.raises(SiteError, match="counted by a mask over 230 positions, and the site has"):
        model.run(given, site, edits=edit)
    everywhere = Add(Scope(site), torch.full((32,), 10.0))
    before, after = (model.run(given, site, edits=e)[Site.parse(site)] for e in (None, everywhere))
    assert bool(((after - before).abs().sum(-1) > 1).all())


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("vit", (2, 32, 32, 3), r"\(batch, channels, height, width\) with 3 channels, got"),
        ("vit", (3, 32, 32), r"pixel_values of .* must be \(batch, channels, height, width\), got"),
        ("wav2vec2", (230,), r"input_values of .* must be \(batch, samples\), got shape \(230,\)"),
        ("whisper encoder", (8, 24), r"must be \(batch, mel bins, frames\), got shape \(8, 24\)"),
    ],
)
def test_pictures_and_sounds_without_an_axis_are_refused_in_a_sentence(name, shape, said):
    model = Model(tiny(name), tower=tower(name))
    for given in (draw(*shape), {model._main_input(): draw(*shape)}):
        with pytest.raises(ModelError, match=said):
            model.run(given, "resid_post.0")


@pytest.mark.parametrize("name", ["vit", "wav2vec2", "whisper encoder"])
def test_bytes_and_samples_of_16_bits_are_refused_and_other_precisions_are_taken(name):
    model, shape = Model(tiny(name), tower=tower(name)), {"vit": (2, 3, 32, 32)}
    x = draw(*shape.get(name, (2, 230) if name == "wav2vec2" else (2, 8, 24)))
    site = Site.parse("resid_post.0")
    single = model.run(x, site)[site]
    torch.testing.assert_close(model.run(x.double(), site)[site], single)
    torch.testing.assert_close(model.run(x.half(), site)[site], single, atol=0.02, rtol=0.02)
    for kind in (torch.uint8, torch.int16, torch.int64):
        with pytest.raises(ModelError, match=f"are {str(kind)[6:]}, and .* its processor makes"):
            model.run((100 * x).to(kind), site)
    with pytest.raises(ModelError, match="of example 2 hold NaN or infinite numbers"):
        model.run(torch.stack([x[0], x[1] / 0]), site)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("vit", (2, 3, 24, 24), r"pixel_values \(2, 3, 24, 24\) \(Input image size"),
        ("wav2vec2", (2, 5), r"input_values \(2, 5\) \(Calculated padded input size"),
        ("whisper encoder", (2, 8, 20), r"input_features \(2, 8, 20\) \(Whisper expects"),
        ("whisper encoder", (2, 9, 24), r"input_features \(2, 9, 24\) \(Given groups"),
    ],
)
def test_sizes_that_a_network_does_not_take_are_said_with_the_shape(name, shape, said):
    model = Model(tiny(name), tower=tower(name))
    with pytest.raises(ModelError, match=f"does not run on {said}.* of the size that its"):
        model.run(draw(*shape), "resid_post.0")
