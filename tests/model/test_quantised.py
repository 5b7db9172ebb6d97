"""Every way of quantising that transformers knows: a checkpoint opens as what it says, or a sentence says why not."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import transformers as t
from safetensors.torch import save_file
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.open import open

from .nets import net

pytestmark = pytest.mark.filterwarnings("ignore")
METHODS = sorted(map(str, AUTO_QUANTIZATION_CONFIG_MAPPING))
IDS = torch.tensor([[5, 6, 7, 8]])
#: what a configuration of a method must hold
SETTINGS = {
    "gptq": {"bits": 4, "group_size": 32},
    "awq": {"bits": 4, "group_size": 32, "zero_point": True},
    "compressed-tensors": {"format": "int-quantized", "config_groups": {}},
    "quanto": {"weights": "int8"},
    "spqr": {"bits": 3, "beta1": 16, "beta2": 16, "shapes": {}},
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    made = tmp_path_factory.mktemp("model")
    net("llama").save_pretrained(made)
    return made


@pytest.fixture
def packed(saved):
    """A folder of plain weights that says of itself that they are quantised, in some way."""
    config = json.loads((saved / "config.json").read_text())

    def write(settings):
        (saved / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
        return saved

    yield write
    (saved / "config.json").write_text(json.dumps(config))


def test_the_list_is_not_empty():
    assert {"gptq", "awq", "fp8", "torchao", "compressed-tensors"} <= set(METHODS)


@pytest.mark.parametrize("settings", ["as it should be", "bare"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_ends_in_a_sentence_or_in_the_weights_as_they_are(packed, method, settings):
    more = SETTINGS.get(method, {}) if settings == "as it should be" else {}
    try:
        model = open(packed({"quant_method": method, **more}))
    except ModelError as error:
        assert f"is quantised ({method})" in str(error)
        assert "open the checkpoint that it was made from" in str(error)
    else:
        assert model.certificate.passed
        want = Model(net("llama")).run(IDS, "resid_post.2")["resid_post.2"]
        torch.testing.assert_close(model.run(IDS, "resid_post.2")["resid_post.2"], want)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "quantised .by a method that its configuration does not name"),
        ({"bits": 4}, "quantised .by a method that its configuration does not name"),
        ({"quant_method": None}, "quantised .by a method that its configuration does not name"),
        ({"quant_method": ["gptq"]}, "a method that its configuration does not name"),
        ({"quant_method": {"a": 1}}, "a method that its configuration does not name"),
        ({"quant_method": "gptq", "bits": 4, "group_size": -7}, "group_size = -7"),
        ({"quant_method": "bitnet"}, "weights have other shapes than its configuration asks for"),
        ([1], "cannot be loaded .*; fetch the checkpoint again, or repair its config.json"),
        ("gptq", "cannot be loaded .*; fetch the checkpoint again, or repair its config.json"),
        (7, "cannot be loaded .*; fetch the checkpoint again, or repair its config.json"),
    ],
)
def test_settings_that_say_nothing_are_one_sentence(packed, settings, sentence):
    with pytest.raises(ModelError, match=sentence):
        open(packed(settings))


def test_packed_weights_of_a_method_that_nobody_knows_are_not_opened_as_random_ones(packed):
    folder = packed({"quant_method": "wonder"})
    state = net("llama").state_dict()
    name = "model.layers.1.mlp.up_proj.weight"
    state[name.replace("weight", "packed")] = state.pop(name).to(torch.int8)
    held = folder / "model.safetensors"
    before = held.read_bytes()
    save_file({k: v.contiguous() for k, v in state.items()}, held, {"format": "pt"})
    try:
        with pytest.raises(ModelError, match=f"lacks 1 of the weights .*{name}"):
            open(folder)
    finally:
        held.write_bytes(before)


def eighths(weight, block=32):
    """A matrix in float8 with a scale for each square block, and what it stands for."""
    out, width = weight.shape
    squares = weight.view(out // block, block, width // block, block)
    scale = squares.abs().amax((1, 3)) / 448
    small = (squares / scale[:, None, :, None]).to(torch.float8_e4m3fn)
    whole = (small.float() * scale[:, None, :, None]).reshape(out, width)
    return small.reshape(out, width), scale, whole


def test_float8_with_scales_opens_as_the_numbers_that_it_stands_for(tmp_path):
    torch.manual_seed(0)
    config = t.LlamaConfig(
        **net("llama").config.to_dict() | {"hidden_size": 64, "head_dim": 16, "pad_token_id": 0}
    )
    network = t.LlamaForCausalLM(config).eval()
    whole, state = copy.deepcopy(network), {}
    for name, value in network.state_dict().items():
        state[name] = value
        if name.endswith("proj.weight"):
            small, scale, stands = eighths(value)
            state[name], state[f"{name}_scale_inv"] = small, scale
            whole.state_dict()[name].copy_(stands)
    network.save_pretrained(tmp_path)
    save_file(
        {k: v.contiguous() for k, v in state.items()},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [32, 32]}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    site = "resid_post.2"
    want, plain = (Model(n).run(IDS, site)[site] for n in (whole, network))
    assert (want - plain).norm() > 1e-3 * plain.norm()  # it is quantised
    model = open(tmp_path)
    assert model.certificate.passed
    torch.testing.assert_close(model.run(IDS, site)[site], want, atol=1e-4, rtol=1e-3)
