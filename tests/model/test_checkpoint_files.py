"""A checkpoint's files are checked before any is loaded: what leads elsewhere or runs code is
one sentence."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from inscape.core.errors import ModelError
from inscape.model import checkpoint_files
from inscape.model.open import open
from tests.model.nets import net, tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "net"
    net("llama").save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "net"))


@pytest.fixture(autouse=True)
def _nothing_is_unpickled(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", refused)


def change(folder: Path, name: str, **fields: object) -> None:
    path = folder / name
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | fields))


def shards(folder: Path, name: str) -> None:
    """Weights in shards, whose index names a file."""
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    change(folder, "model.safetensors.index.json", metadata={}, weight_map={"lm_head.weight": name})


def linked(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.safetensors"
    (folder / "model.safetensors").rename(elsewhere)
    (folder / "model.safetensors").symlink_to(elsewhere)


def pipe(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    os.mkfifo(folder / "generation_config.json")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"x": torch.ones(1)}, folder / "pytorch_model.bin")


def with_weights(name: str) -> Callable[[Path], None]:
    return lambda folder: change(folder, "config.json", transformers_weights=name)


def with_config(**fields: object) -> Callable[[Path], None]:
    return lambda folder: change(folder, "config.json", **fields)


def with_tokenizer(**fields: object) -> Callable[[Path], None]:
    return lambda folder: change(folder, "tokenizer_config.json", **fields)


def with_modules(**fields: object) -> Callable[[Path], None]:
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    return lambda folder: (
        (folder / "modules.json").write_text(json.dumps([module | fields])) and None
    )


NO_FILE = "which is no safetensors file in the folder"
HOSTILE = {
    "index names a pickle": (lambda f: shards(f, "weights.bin"), f"'weights.bin', {NO_FILE}"),
    "index leads out": (lambda f: shards(f, "../w.safetensors"), f"'../w.safetensors', {NO_FILE}"),
    "index is absolute": (lambda f: shards(f, "/w.safetensors"), f"'/w.safetensors', {NO_FILE}"),
    "index names what is not there": (
        lambda f: shards(f, "b.safetensors"),
        "b.safetensors is missing or not a regular file",
    ),
    "index is no table of names": (
        lambda f: shards(f, 7),  # type: ignore[arg-type]
        r"index.json is damaged: Expected `str`, got `int`",
    ),
    "a link leads out": (linked, "model.safetensors is a link that leads out of the folder"),
    "a pipe": (pipe, "generation_config.json is missing or not a regular file"),
    "pickled weights": (pickled, "no safetensors weights, and pickled weights are never read"),
    "weights named in config.json": (with_weights("a.bin"), f"'a.bin' as its weights, {NO_FILE}"),
    "weights that lead out": (with_weights("../a.safetensors"), NO_FILE),
    "attention from the Hub": (
        with_config(attn_implementation="some-one/kernel"),
        "'some-one/kernel' as its attn_implementation, which is code from elsewhere",
    ),
    "attention of a part": (
        with_config(text_config={"_attn_implementation": {"": "some-one/kernel:fn"}}),
        "which is code from elsewhere",
    ),
    "experts from the Hub": (with_config(experts_implementation="a/b"), "experts_implementation"),
    "layers without end": (
        with_config(num_hidden_layers=10**9),
        r"num_hidden_layers = 1000000000 and the weights are \d+ tensors; it can be 1 to 1,000",
    ),
    "no layers": (with_config(num_hidden_layers=-(2**63)), "num_hidden_layers = -92233"),
    "more than the weights hold": (
        with_config(vocab_size=2**24),
        r"config.json asks for [\d,]+ parameters and the weights hold [\d,]+",
    ),
    "labels without end": (with_config(num_labels=10**9), "asks for num_labels = 1000000000"),
    "a width without end": (with_config(hidden_size=2**40), "asks for hidden_size"),
    "positions without end": (with_config(max_position_embeddings=1e300), "max_position_emb"),
    "architectures of another type": (with_config(architectures=7), "a list of texts as archi"),
    "config.json is a list": (
        lambda f: (f / "config.json").write_text("[]"),
        "config.json is damaged: Expected `object`, got `array`",
    ),
    "config.json is nested": (
        lambda f: (f / "config.json").write_text("[" * 10**5),
        "config.json is not JSON .it is nested too deeply",
    ),
    "config.json is no text": (
        lambda f: (f / "config.json").write_bytes(b"\xff\xfe"),
        "config.json is not UTF-8",
    ),
    "a tokenizer file elsewhere": (
        with_tokenizer(vocab_file="/etc/passwd"),
        "'/etc/passwd' as vocab_file, which is outside the folder",
    ),
    "fast tokenizers elsewhere": (
        with_tokenizer(fast_tokenizer_files=["../x.json"]),
        "'../x.json' as fast_tokenizer_files, which is outside the folder",
    ),
    "a stranger's module": (
        with_modules(type="evil.Module"),
        "'evil.Module', code that is not sentence-transformers' own; read it",
    ),
    "a module elsewhere": (with_modules(path="../x"), "'../x', which is outside the folder"),
    "modules of another type": (with_modules(type=7), "modules.json is damaged"),
    "a pickled adapter": (
        lambda f: change(f, "adapter_config.json", peft_type="LORA"),
        "an adapter .adapter_config.json. without adapter_model.safetensors, and pickled",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_leads_elsewhere_is_one_sentence(folder, name):
    prepare, sentence = HOSTILE[name]
    prepare(folder)
    with pytest.raises(ModelError, match=sentence) as found:
        open(folder)
    assert "\n" not in str(found.value)
    assert "weights_only" not in str(found.value)


def test_the_same_folder_untouched_opens_and_chooses_its_own_attention(folder):
    change(
        folder,
        "config.json",
        attn_implementation="flash_attention_2",  # by no means installed
    )
    # paths of the author's machine lead nowhere, and harm nobody
    change(folder, "tokenizer_config.json", special_tokens_map_file="/no/such/place.json")
    with_modules()(folder)
    model = open(folder)
    assert model.certificate.passed
    assert model.net.config._attn_implementation == "sdpa"
    assert model.tokenizer is not None


def test_shards_and_named_weights_open(folder):
    shards(folder, "model-00001.safetensors")
    index = folder / "model.safetensors.index.json"
    names = net("llama").state_dict()
    index.write_text(
        json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001.safetensors")})
    )
    wanted = open(net("llama")).weights_hash
    assert open(folder).weights_hash == wanted
    index.unlink()
    with_weights("model-00001.safetensors")(folder)
    assert open(folder).weights_hash == wanted


def test_links_of_the_hubs_own_cache_are_inside(saved, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    shutil.copytree(saved, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert open(snapshot).certificate.passed
    outside = tmp_path / "other.json"
    outside.write_text("{}")
    (snapshot / "generation_config.json").unlink()
    (snapshot / "generation_config.json").symlink_to(outside)
    with pytest.raises(ModelError, match=r"generation_config.json is a link that leads out"):
        open(snapshot)


def test_with_trust_strangers_may_be_named_and_files_may_not(folder):
    with_modules(type="evil.Module")(folder)
    with_config(attn_implementation="some-one/kernel")(folder)
    checkpoint_files.check(folder, "it", trust=True)
    shards(folder, "weights.bin")
    with pytest.raises(ModelError, match="weights.bin"):
        checkpoint_files.check(folder, "it", trust=True)


def test_small_files_of_the_hub_are_checked_before_the_weights_come(folder):
    (folder / "model.safetensors").unlink()
    checkpoint_files.check_named(folder, "some/model")
    change(folder, "model.safetensors.index.json", weight_map={"a": "weights.bin"})
    with pytest.raises(ModelError, match="some/model: .* 'weights.bin'"):
        checkpoint_files.check_named(folder, "some/model")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(ModelError, match="names no weights"):
        checkpoint_files.check_named(folder, "some/model")


def test_attention_is_left_to_transformers_in_every_part():
    part = SimpleNamespace(
        _attn_implementation_internal="a/b", to_dict=dict, sub_configs={}, _experts=None
    )
    whole = SimpleNamespace(
        _attn_implementation_internal="a/b", sub_configs={"text": object}, text=part
    )
    checkpoint_files.own_attention(whole)
    assert part._attn_implementation_internal is whole._attn_implementation_internal is None


def test_a_damaged_header_is_named(folder):
    save_file({"a": torch.ones(1)}, folder / "model.safetensors")
    checkpoint_files.check(folder, "it")
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match=r"it cannot be loaded: model.safetensors is damaged \("):
        checkpoint_files.check(folder, "it")


def test_a_model_larger_than_memory_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    net("llama").save_pretrained(tmp_path)
    monkeypatch.setattr(checkpoint_files, "free_memory", lambda: 100_000)
    with pytest.raises(
        ModelError,
        match=r"has [\d,]+ parameters, which take 0.0 GiB in float32, and 0.0 GiB .* free; open it "
        r"in bfloat16",
    ):
        open(tmp_path)
    monkeypatch.setattr(checkpoint_files, "free_memory", lambda: None)
    assert open(tmp_path).certificate.passed


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("gptq", {"bits": 4, "group_size": 32}),
        ("awq", {"bits": 4, "group_size": 32}),
        ("bitsandbytes", {"load_in_4bit": True}),
    ],
)
def test_a_quantised_checkpoint_that_cannot_be_read_says_how_it_is_packed(
    tmp_path, method, settings
):
    needs = {"gptq": "gptqmodel", "awq": "gptqmodel", "bitsandbytes": "bitsandbytes"}[method]
    if importlib.util.find_spec(needs):
        pytest.skip(f"{needs} is installed")
    net("llama").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, **settings}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelError,
        match=rf"is quantised \({method}\), and it cannot be opened so here .*; install what",
    ):
        open(tmp_path)
