"""Low-rank adapters on disk, as PEFT keeps them: other tools load ours and we load theirs.

A folder of two files: ``adapter_model.safetensors`` with ``base_model.model.PATH.lora_A.weight``
(r, in) and ``….lora_B.weight`` (out, r), and ``adapter_config.json`` with ``peft_type`` LORA,
``r``, ``lora_alpha``, ``target_modules``, ``fan_in_fan_out``. What is known of the adapters stands
as JSON in the tensors' own metadata. What the formula (α / r) B A does not say (DoRA, ranks that
differ, trained biases, PiSSA) is refused, and so is every setting that is not known here and is on.
Adapters that wait for tokens (``alora_invocation_tokens``) do so here. No other code runs on
loading.

Reference: PEFT's checkpoint format, as documented for its version 0.18.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inscape.control.low_rank_adapter import LowRankAdapters
from inscape.core import records
from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.overwriting import refuse_foreign, replacing
from inscape.model.checkpoint_files import regular

TENSORS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_MARK = b"inscape-adapters"

_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(A|B)\.weight")
#: settings that leave an adapter at (α / r) B A whatever they say, or that are in the formula
_ANY = frozenset(
    "peft_type task_type auto_mapping peft_version base_model_name_or_path revision inference_mode "
    "r lora_alpha lora_dropout target_modules exclude_modules layers_to_transform layers_pattern "
    "fan_in_fan_out use_rslora qalora_group_size megatron_core eva_config runtime_config "
    "alora_invocation_tokens".split()
)
#: settings that change what the tensors mean but for one value, beside none, nothing and no
_PLAIN: dict[str, Any] = {"bias": "none"}
#: ways to begin that leave the base as it is; others (PiSSA, OLoRA, CorDA, LoftQ) take the
# beginning out of its weights
_SEVERAL: dict[str, tuple[Any, ...]] = {
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva")
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
        folder: made if it is not there; files of an earlier save are replaced, and no others.
        base: the model they are for: an id on the Hub or a folder.
        card: what is known of them (data, method, figures); JSON values.

    Returns:
        The folder.

    Raises:
        DataError: the folder has an adapter that `save_adapters` did not write.
    """
    folder = Path(folder)
    refuse_foreign(folder / TENSORS, _MARK, DataError)
    # the configuration has no room for a mark: it is ours if the tensors beside it are
    refuse_foreign(folder / CONFIG, b"{" if (folder / TENSORS).exists() else None, DataError)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name in adapters.names:
        for letter, part in (("A", adapters.down[name]), ("B", adapters.up[name])):
            tensors[f"base_model.model.{name}.lora_{letter}.weight"] = (
                part.detach().cpu().contiguous()
            )
    metadata = {"format": "pt", "card": json.dumps(card or {}), "made_by": _MARK.decode()}
    with replacing(folder / TENSORS) as fresh:
        save_file(tensors, fresh, metadata)
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
        "alora_invocation_tokens": list(adapters.invocation) or None,
    }
    with replacing(folder / CONFIG) as fresh:
        fresh.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def load_adapters(folder: str | Path) -> LowRankAdapters:
    """Read the two files; whether they fit a model is asked when they are attached.

    Raises:
        DataError: a file is missing or broken, another kind of adapter, or a setting that (α / r) B
            A does not cover.
    """
    folder = Path(folder)
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            pickled = name == TENSORS and (folder / "adapter_model.bin").exists()
            raise DataError(
                f"{folder} has no {name}"
                + ("; pickled weights (adapter_model.bin) are never read" if pickled else "")
                + "; give a folder as PEFT's save_pretrained writes it"
            )
        with foreign(DataError, f"{folder} cannot be read", "put the files into the folder"):
            regular(folder, folder / name, str(folder))
    config = _config(folder)
    down, up = _tensors(folder)
    if not down or set(down) != set(up):
        raise DataError(
            f"{folder}: every layer needs its lora_A and its lora_B; {len(down)} and {len(up)} are "
            "there"
        )
    rank = next(iter(down.values())).shape[0]
    if config.r is not None and config.r != rank:
        raise DataError(
            f"{folder}: {CONFIG} says rank {config.r} and the tensors have {rank}; save the "
            "adapter again"
        )
    # rank-stabilised adapters are scaled by α / √r: the same update with another α
    alpha = config.lora_alpha * (rank**0.5 if config.use_rslora else 1.0)
    names = sorted(down, key=_in_order)
    trained = [{n: part[n].requires_grad_() for n in names} for part in (down, up)]
    try:
        return LowRankAdapters(
            *trained,
            alpha,
            bool(config.fan_in_fan_out),
            tuple(config.alora_invocation_tokens or ()),
        )
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from error


def _tensors(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A and B of every layer, checked one by one."""
    found: dict[str, dict[str, torch.Tensor]] = {"A": {}, "B": {}}
    with (
        foreign(DataError, f"{folder / TENSORS} is not a safetensors file", "save it again"),
        safe_open(folder / TENSORS, framework="pt") as file,
    ):
        for key in file.keys():  # noqa: SIM118
            named = _KEY.fullmatch(key)
            if named is None:
                raise DataError(
                    f"{folder}: tensor {key!r:.80} is no lora_A or lora_B of a linear layer"
                )
            tensor = file.get_tensor(key)
            if tensor.ndim != 2 or not tensor.is_floating_point() or 0 in tensor.shape:
                raise DataError(
                    f"{folder}: tensor {key!r:.80} is {tuple(tensor.shape)} of {tensor.dtype}, not "
                    "a matrix of floats"
                )
            if not torch.isfinite(tensor).all():
                raise DataError(
                    f"{folder}: tensor {key!r:.80} holds numbers that are not finite; train or "
                    "save it again"
                )
            found[named.group(2)][named.group(1)] = tensor.to(torch.float32)
    return found["A"], found["B"]


class _Config(msgspec.Struct):
    """What is used of ``adapter_config.json``."""

    lora_alpha: float
    r: int | None = None
    use_rslora: bool | None = None
    fan_in_fan_out: bool | None = None
    alora_invocation_tokens: list[int] | None = None


def _config(folder: Path) -> _Config:
    cure = "give a folder as PEFT's save_pretrained writes it"
    config = records.read(folder / CONFIG, dict[str, Any], cure=cure)
    if config.get("peft_type") != "LORA" or "lora_alpha" not in config:
        raise DataError(
            f"{folder}: an adapter of kind {config.get('peft_type')!r:.60}, not LORA with its "
            "lora_alpha; only those are read"
        )
    for key, value in config.items():
        plain = _PLAIN.get(key, ())
        if key in _ANY or value in (None, False, "", 0) or value == plain or value in ({}, []):
            continue
        if key in _SEVERAL and value in _SEVERAL[key]:
            continue
        raise DataError(
            f"{folder}: {key} is {value!r:.80}, which is more than (α / r) B A added to the "
            "weights of the base; merge it in PEFT first"
        )
    found = records.convert(config, _Config, str(folder / CONFIG), cure=cure)
    if not math.isfinite(found.lora_alpha) or abs(found.lora_alpha) > 1e6:
        raise DataError(
            f"{folder}: lora_alpha is {found.lora_alpha!r}, and a finite number up to a million is "
            f"needed; {cure}"
        )
    return found


def _in_order(name: str) -> list[tuple[int, str]]:
    """Block 10 after block 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
