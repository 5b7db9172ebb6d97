"""Low-rank adapters on disk, as PEFT keeps them: other tools load ours and we load theirs.

A folder of two files: ``adapter_model.safetensors`` with ``base_model.model.PATH.lora_A.weight`` (r, in) and
``….lora_B.weight`` (out, r), and ``adapter_config.json`` with ``peft_type`` LORA, ``r``, ``lora_alpha``,
``target_modules``, ``fan_in_fan_out``. What is known of the adapters stands as JSON in the tensors' own metadata. What the
formula (α / r) B A does not say (DoRA, ranks that differ, trained biases) is refused. No other code runs on loading.

Reference: PEFT's checkpoint format, as documented for its version 0.18.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from inscape.control.low_rank_adapter import LowRankAdapters
from inscape.core.errors import DataError

TENSORS, CONFIG = "adapter_model.safetensors", "adapter_config.json"

_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(A|B)\.weight")
#: settings that change what the tensors mean, and the value that leaves it at (α / r) B A
_PLAIN: dict[str, Any] = {
    "use_dora": False,
    "use_qalora": False,
    "lora_bias": False,
    "bias": "none",
    "rank_pattern": {},
    "alpha_pattern": {},
    "layer_replication": None,
    "modules_to_save": None,
    "trainable_token_indices": None,
}


def save_adapters(
    adapters: LowRankAdapters,
    folder: str | Path,
    *,
    base: str = "",
    card: dict[str, Any] | None = None,
) -> Path:
    """Write the two files.

    Args:
        adapters: any.
        folder: made if it is not there; files of an earlier save are replaced.
        base: the model they are for: an id on the Hub or a folder.
        card: what is known of them (data, method, figures); JSON values.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name in adapters.names:
        for letter, part in (("A", adapters.down[name]), ("B", adapters.up[name])):
            tensors[f"base_model.model.{name}.lora_{letter}.weight"] = (
                part.detach().cpu().contiguous()
            )
    save_file(tensors, folder / TENSORS, {"format": "pt", "card": json.dumps(card or {})})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base or None,
        "inference_mode": True,
        "r": adapters.rank,
        "lora_alpha": adapters.alpha,
        "lora_dropout": 0.0,
        "target_modules": adapters.names,
        "fan_in_fan_out": adapters.fan_in_fan_out,
        "bias": "none",
        "use_rslora": False,
        "init_lora_weights": True,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def load_adapters(folder: str | Path) -> LowRankAdapters:
    """Read the two files; whether they fit a model is asked when they are attached.

    Raises:
        DataError: a file is missing or broken, another kind of adapter, or a setting that (α / r) B A does not cover.
    """
    folder = Path(folder)
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder} has no {name}; give a folder as PEFT's save_pretrained writes it"
            )
    config = _config(folder)
    down: dict[str, torch.Tensor] = {}
    up: dict[str, torch.Tensor] = {}
    try:
        with safe_open(folder / TENSORS, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                found = _KEY.fullmatch(key)
                if found is None:
                    raise DataError(
                        f"{folder}: tensor {key!r} is no lora_A or lora_B of a linear layer"
                    )
                (down if found.group(2) == "A" else up)[found.group(1)] = file.get_tensor(key).to(
                    torch.float32
                )
    except SafetensorError as error:
        raise DataError(f"{folder / TENSORS} is not a safetensors file: {error}") from error
    if not down or set(down) != set(up):
        raise DataError(
            f"{folder}: every layer needs its lora_A and its lora_B; {len(down)} and {len(up)} are there"
        )
    rank = next(iter(down.values())).shape[0]
    # rank-stabilised adapters are scaled by α / √r: the same update with another α
    alpha = float(config["lora_alpha"]) * (rank**0.5 if config.get("use_rslora") else 1.0)
    names = sorted(down, key=_in_order)
    trained = [{n: part[n].requires_grad_() for n in names} for part in (down, up)]
    try:
        return LowRankAdapters(*trained, alpha, bool(config.get("fan_in_fan_out")))
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from error


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{folder / CONFIG} is not JSON: {error}") from error
    if (
        not isinstance(config, dict)
        or config.get("peft_type") != "LORA"
        or "lora_alpha" not in config
    ):
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise DataError(
            f"{folder}: an adapter of kind {kind!r}, not LORA with its lora_alpha; only those are read"
        )
    for key, plain in _PLAIN.items():
        if config.get(key, plain) not in (plain, None):
            raise DataError(
                f"{folder}: {key} is {config[key]!r}, which is more than (α / r) B A; merge it in PEFT first"
            )
    return config


def _in_order(name: str) -> list[tuple[int, str]]:
    """Block 10 after block 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
