"""The tensors of a GGUF file against those that its network has: what is missing or left over is
named.

The names of a network's weights are turned into GGUF's by the ``gguf`` package's own table. A
weight without a tensor would stay random, and a tensor without a weight would be left out.
"""

from __future__ import annotations

import re
from typing import Any

from inscape.core.errors import ModelError
from inscape.model.gguf_config import ROTARY
from inscape.model.gguf_head import Head

#: names that are listed in an error
SHOWN = 5

_FUSED = re.compile(r"model\.layers\.(\d+)\.mlp\.experts\.gate_up_proj")


def check_tensors(head: Head, net: Any) -> None:
    """Refuse a file that lacks a weight of the network or holds a tensor that is none of its.

    Args:
        head: of the file.
        net: the network of its configuration; on the meta device, since only names are asked.

    Raises:
        ModelError: naming the tensors.
    """
    needed = _names(head, net)
    present = set(head.shapes) - set(ROTARY)
    check_missing(head.name, sorted(needed - present, key=_in_order))
    extra = sorted(present - needed - {"output.weight"}, key=_in_order)
    if extra:
        raise ModelError(
            f"{head.name} holds {len(extra)} tensor{'s' * (len(extra) > 1)} that "
            f"{type(net).__name__} has no place for: "
            f"{_listed(extra)}; open the checkpoint that the file was made from."
        )
    unknown = sorted({kind for kind in head.kinds.values() if not _readable(kind)})
    if unknown:
        raise ModelError(
            f"{head.name} holds tensors of the type {', '.join(unknown)}, which cannot be read "
            "here; take a file of another "
            "quantisation."
        )


def check_missing(name: str, missing: list[str]) -> None:
    """Refuse a file that lacks these."""
    if missing:
        raise ModelError(
            f"{name} lacks {len(missing)} of the tensors that its network asks for: "
            f"{_listed(missing)}; they would be "
            "random; fetch the file again."
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"{n:.60}" for n in names[:SHOWN]) + more


def _readable(kind: str) -> bool:
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

    which = GGMLQuantizationType[kind]
    _, size = GGML_QUANT_SIZES[which]
    if kind in ("F32", "F16", "F64", "BF16"):
        return kind != "F64"
    try:
        dequantize(np.zeros((1, size), dtype=np.uint8), which)
    except NotImplementedError:
        return False
    return True


def _names(head: Head, net: Any) -> set[str]:
    """GGUF's names of a network's weights."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    architecture = next(a for a, name in MODEL_ARCH_NAMES.items() if name == head.architecture)
    table = get_tensor_name_map(architecture, net.config.num_hidden_layers)
    tied = getattr(net, "_tied_weights_keys", None) or {}
    found = set()
    for name in net.state_dict():
        if name in tied and net.config.tie_word_embeddings:
            continue
        if fused := _FUSED.fullmatch(name):
            found |= {f"blk.{fused[1]}.ffn_{part}_exps.weight" for part in ("gate", "up")}
            continue
        stem, dot, ending = name.rpartition(".")
        if ending not in ("weight", "bias"):
            stem, dot, ending = name, "", ""
        theirs = _theirs(table, stem)
        if theirs is None:
            continue  # its loader says so
        if not dot and theirs.endswith("_exps"):
            dot, ending = ".", "weight"
        found.add(theirs + dot + ending)
    return found


def _theirs(table: Any, stem: str) -> str | None:
    """GGUF's name of a weight, which some converters took from the body without its head."""
    while stem:
        found = table.get_name(stem)
        if found is not None:
            return str(found)
        _, _, stem = stem.partition(".")
    return None


def _in_order(name: str) -> list[tuple[int, str]]:
    """Block 10 after block 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
