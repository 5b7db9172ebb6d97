"""Every way of quantising that transformers knows: a checkpoint opens as what it says, or a
sentence says why not.
"""

from __future__ import annotations

import copy
import importlib.util
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


def packed_columns(numbers, order):
    """Whole numbers below 16 (rows, columns), eight columns to an int32, in some order."""
    rows, columns = numbers.shape
    eights = numbers.view(rows, columns // 8, 8).long()
    whole = sum(eights[:, :, place] << (4 * i) for i, place in enumerate(order))
    return torch.where(whole >= 2**31, whole - 2**32, whole).int()


def sixteenths(weight, group=32):
    """A matrix (out, in) in four bits: whole numbers, scale and zero of each group, and what it
    stands for.
    """
    grouped = weight.T.reshape(-1, group, len(weight))
    low, high = grouped.amin(1), grouped.amax(1)
    scale = ((high - low) / 15).half().float()
    zero = (-low / scale).round().clamp(1, 15)
    whole = (grouped / scale[:, None] + zero[:, None]).round().clamp(0, 15)
    stands = ((whole - zero[:, None]) * scale[:, None]).flatten(0, 1).T
    return whole.flatten(0, 1), scale.half(), zero, stands


def four_bits(method, folder):
    """A checkpoint in GPTQ's or AWQ's layout, and the network that it stands for."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "head_dim": 32, "intermediate_size": 256, "pad_token_id": 0}
    network = t.LlamaForCausalLM(t.LlamaConfig(**net("llama").config.to_dict() | sizes)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    stands, state = copy.deepcopy(network), {}
    for name, value in network.state_dict().items():
        if not name.endswith("proj.weight"):
            state[name] = value
            continue
        whole, scale, zero, means = sixteenths(value)
        stands.state_dict()[name].copy_(means)
        stem = name.removesuffix("weight")
        if method == "gptq":
            state[f"{stem}qweight"] = packed_columns(whole.T, range(8)).T
            state[f"{stem}qzeros"] = packed_columns(zero - 1, range(8))
            state[f"{stem}g_idx"] = (torch.arange(len(whole)) // 32).int()
        else:
            order = (0, 2, 4, 6, 1, 3, 5, 7)
            state[f"{stem}qweight"] = packed_columns(whole, order)
            state[f"{stem}qzeros"] = packed_columns(zero, order)
        state[f"{stem}scales"] = scale
    network.save_pretrained(folder)
    held = {name: value.contiguous() for name, value in state.items()}
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    own = {"gptq": {"desc_act": False, "sym": False}, "awq": {"zero_point": True}}[method]
    own |= {"quant_method": method, "bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": own}))
    return network, stands


@pytest.mark.skipif(importlib.util.find_spec("gptqmodel") is not None, reason="it is installed")
@pytest.mark.parametrize(("method", "needs"), [("gptq", "optimum gptqmodel"), ("awq", "gptqmodel")])
def test_a_checkpoint_in_four_bits_says_what_it_needs(tmp_path, method, needs):
    four_bits(method, tmp_path)
    with pytest.raises(ModelError, match=rf"is quantised \({method}\), .*\(pip install {needs}\)"):
        open(tmp_path)


@pytest.mark.reference
@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_a_checkpoint_in_four_bits_opens_as_the_numbers_that_it_stands_for(tmp_path, method):
    pytest.importorskip("gptqmodel", exc_type=ImportError)
    network, stands = four_bits(method, tmp_path)
    site = "resid_post.2"
    want, plain = (Model(n).run(IDS, site)[site] for n in (stands, network))
    assert (want - plain).norm() > 0.02 * plain.norm()  # it is quantised
    model = open(tmp_path)
    assert model.certificate.passed
    found = model.run(IDS, site)[site]
    assert (found - want).norm() < 2e-3 * want.norm()  # its scales are in float16


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
