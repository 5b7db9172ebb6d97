"""Adapters on disk: what is read is what was written, key by key as PEFT has it; what is not (α
/ r) B A is refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inscape.control.adapter_files import CONFIG, TENSORS, load_adapters, save_adapters
from inscape.control.low_rank_adapter import LowRankAdapters, attached
from inscape.core.errors import DataError
from inscape.model.model import Model
from tests.control.test_low_rank_adapter import DOWN, IDS, filled
from tests.model import nets


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_read_is_written(tmp_path, family):
    model = Model(nets.net(family))
    adapters = filled(model, DOWN[family], rank=2, alpha=5.0)
    again = load_adapters(
        save_adapters(adapters, tmp_path / "a", base="some/model", card={"topic": "tea"})
    )
    assert again.names == adapters.names
    assert (again.alpha, again.rank, again.fan_in_fan_out) == (5.0, 2, family == "gpt2")
    with attached(model, adapters):
        wanted = model.run(IDS, logits=True).logits
    with attached(model, again):
        assert torch.equal(model.run(IDS, logits=True).logits, wanted)


def test_keys_and_shapes_are_those_of_peft(tmp_path):
    model = Model(nets.net("llama"))
    save_adapters(
        filled(model, "model.layers.1.mlp.down_proj"),
        tmp_path,
        base="some/model",
        card={"topic": "tea"},
    )
    with safe_open(tmp_path / TENSORS, "pt") as file:
        found = {key: tuple(file.get_tensor(key).shape) for key in file.keys()}  # noqa: SIM118
        assert json.loads(file.metadata()["card"]) == {"topic": "tea"}
    stem = "base_model.model.model.layers.1.mlp.down_proj"
    assert found == {f"{stem}.lora_A.weight": (2, nets.FF), f"{stem}.lora_B.weight": (nets.D, 2)}
    config = json.loads((tmp_path / CONFIG).read_text())
    assert config["peft_type"] == "LORA"
    assert config["target_modules"] == ["model.layers.1.mlp.down_proj"]
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (
        2,
        2.0,
        "some/model",
    )


def test_rank_stabilised_adapters_are_scaled_by_the_root_of_the_rank(tmp_path):
    a, b = torch.ones(4, 3), torch.ones(2, 4)
    save_adapters(LowRankAdapters({"fc": a}, {"fc": b}, 8.0), tmp_path)
    assert float(load_adapters(tmp_path).scale) == 2.0
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(config | {"use_rslora": True}))
    assert float(load_adapters(tmp_path).scale) == pytest.approx(4.0)  # 8 / √4


def test_blocks_come_in_their_order(tmp_path):
    names = [f"layers.{i}.fc" for i in (2, 10, 1)]
    made = LowRankAdapters(
        {n: torch.ones(1, 2) for n in names}, {n: torch.ones(2, 1) for n in names}, 1.0
    )
    assert load_adapters(save_adapters(made, tmp_path)).names == [
        "layers.1.fc",
        "layers.2.fc",
        "layers.10.fc",
    ]


def test_refusals(tmp_path):
    with pytest.raises(DataError, match="has no adapter_config.json"):
        load_adapters(tmp_path)
    save_adapters(
        LowRankAdapters({"fc": torch.ones(1, 2)}, {"fc": torch.ones(2, 1)}, 1.0), tmp_path
    )
    config = json.loads((tmp_path / CONFIG).read_text())

    def with_config(text: str) -> None:
        (tmp_path / CONFIG).write_text(text)

    with_config(json.dumps(config | {"use_dora": True}))
    with pytest.raises(DataError, match="use_dora is True, which is more than"):
        load_adapters(tmp_path)
    with_config(json.dumps(config | {"peft_type": "IA3"}))
    with pytest.raises(DataError, match="kind 'IA3', not LORA"):
        load_adapters(tmp_path)
    with_config("{")
    with pytest.raises(DataError, match="is not JSON"):
        load_adapters(tmp_path)
    with_config(json.dumps(config))
    save_file({"fc.lora_A.weight": torch.ones(1, 2)}, tmp_path / TENSORS)
    with pytest.raises(DataError, match="every layer needs its lora_A and its lora_B"):
        load_adapters(tmp_path)
    save_file(
        {"fc.lora_A.weight": torch.ones(1, 2), "fc.lora_B.weight": torch.ones(2, 3)},
        tmp_path / TENSORS,
    )
    with pytest.raises(DataError, match=r"got ranks \[1, 3\]"):
        load_adapters(tmp_path)
    save_file({"fc.weight": torch.ones(1, 2)}, tmp_path / TENSORS)
    with pytest.raises(DataError, match=r"'fc.weight' is no lora_A or lora_B"):
        load_adapters(tmp_path)
    (tmp_path / TENSORS).write_bytes(b"no")
    with pytest.raises(DataError, match="is not a safetensors file"):
        load_adapters(tmp_path)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_peft_computes_what_we_do_both_ways(tmp_path, family):
    peft = pytest.importorskip("peft", reason="the reference library peft is not installed")
    model = Model(nets.net(family))
    adapters = filled(model, DOWN[family], rank=2, alpha=5.0)
    with attached(model, adapters):
        wanted = model.run(IDS, logits=True).logits
    save_adapters(adapters, tmp_path / "ours")
    theirs = peft.PeftModel.from_pretrained(nets.net(family), tmp_path / "ours").eval()
    with torch.no_grad():
        assert torch.allclose(theirs(**IDS).logits, wanted, atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    with attached(model, load_adapters(tmp_path / "theirs")):
        assert torch.allclose(model.run(IDS, logits=True).logits, wanted, atol=1e-5)


def test_only_adapters_of_ours_are_written_over(tmp_path):
    a, b = torch.randn(2, 4), torch.randn(4, 2)
    made = LowRankAdapters({"fc": a}, {"fc": b}, 8.0)
    for name in (CONFIG, TENSORS):
        (tmp_path / name).write_text("{}")
        with pytest.raises(DataError, match=f"{name} already exists and was not written by this"):
            save_adapters(made, tmp_path)
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "{}")]
        (tmp_path / name).unlink()
    save_adapters(made, tmp_path)
    assert load_adapters(save_adapters(made, tmp_path)).rank == 2


@pytest.mark.parametrize(
    "setting",
    [
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "pissa_niter_16"},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "corda"},
        {"init_lora_weights": "loftq"},
        {"rank_pattern": {"fc": 4}},
        {"use_qalora": True},
        {"arrow_config": {"top_k": 2}},
        {"a_setting_of_a_later_version": True},
    ],
)
def test_a_setting_that_is_on_and_not_known_is_refused_by_name(tmp_path, setting):
    made = LowRankAdapters({"fc": torch.ones(1, 2)}, {"fc": torch.ones(2, 1)}, 1.0)
    save_adapters(made, tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(config | setting))
    with pytest.raises(DataError, match=f"{next(iter(setting))} is .*merge it in PEFT first"):
        load_adapters(tmp_path)


def test_settings_that_are_off_are_read(tmp_path):
    made = LowRankAdapters({"fc": torch.ones(4, 8)}, {"fc": torch.ones(8, 4)}, 2.0)
    save_adapters(made, tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    off = {
        "init_lora_weights": "gaussian",
        "bias": "none",
        "loftq_config": {},
        "rank_pattern": {},
        "qalora_group_size": 16,
        "alora_invocation_tokens": None,
        "a_setting_of_a_later_version": False,
        "lora_dropout": 0.1,
        "use_rslora": True,
    }
    (tmp_path / CONFIG).write_text(json.dumps(config | off))
    assert load_adapters(tmp_path).alpha == 2.0 * 4**0.5
