"""The head of a GGUF file, checked before transformers builds a network from it.

A damaged head can ask for more blocks than there are tensors, or for a width that no memory holds:
the network would be built for hours, or filled with random numbers. A file of another kind (an
adapter, a control vector, one part of several) is told by name.

Cost: the head alone; a second for a vocabulary of 100,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inscape.core.errors import ModelError
from inscape.core.foreign import foreign

_CURE = "fetch the file again"
#: what the largest models have, and a hundred times more
LARGEST = {
    "embedding_length": 10**7,
    "feed_forward_length": 10**8,
    "attention.head_count": 10**5,
    "attention.head_count_kv": 10**5,
    "attention.key_length": 10**6,
    "attention.value_length": 10**6,
    "context_length": 2**40,
    "expert_count": 10**5,
    "vocab_size": 10**8,
}

_MATRICES = ("embedding_length", "feed_forward_length", "vocab_size")
#: what is read of the tokenizer's entries, which are long
_TOKENS = {
    f"{kind}_token_id": f"tokenizer.ggml.{name}_token_id"
    for kind, name in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
}


@dataclass(frozen=True)
class Head:
    """What the head of a GGUF file says.

    Attributes:
        name: the file's name.
        architecture: ``general.architecture``, such as ``llama``.
        entries: key → value, of the tokenizer's those of `tokens`.
        shapes: tensor → shape, as PyTorch counts axes.
        kinds: tensor → type, such as ``Q4_K``.
    """

    name: str
    architecture: str
    entries: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]

    @property
    def own(self) -> dict[str, Any]:
        """The architecture's own entries, named without it."""
        start = self.architecture + "."
        return {k.removeprefix(start): v for k, v in self.entries.items() if k.startswith(start)}

    @property
    def tokens(self) -> dict[str, int | None]:
        """``bos_token_id`` and the like; None where the file names none."""
        found = {kind: self.entries.get(name) for kind, name in _TOKENS.items()}
        return {kind: one if isinstance(one, int) else None for kind, one in found.items()}


def check_head(path: Path) -> Head:
    """Read the head of a GGUF file, and refuse one that cannot be true.

    Returns:
        What it says.

    Raises:
        ModelError: not GGUF, without an architecture, of another kind than a whole model, or a
            count that its tensors do not bear out.
    """
    from gguf import GGUFReader

    with foreign(ModelError, f"{path.name} cannot be read", _CURE):
        reader = GGUFReader(path)
        entries = {
            name: field.contents()
            for name, field in reader.fields.items()
            if not name.startswith(("GGUF.", "tokenizer.")) or name in _TOKENS.values()
        }
        shapes = {str(t.name): tuple(int(n) for n in reversed(t.shape)) for t in reader.tensors}
        kinds = {str(t.name): t.tensor_type.name for t in reader.tensors}
        numbers = sum(int(t.n_elements) for t in reader.tensors)
    named = entries.get("general.architecture")
    head = Head(path.name, named if isinstance(named, str) else "", entries, shapes, kinds)
    _check_whole(head)
    _check_counts(head, numbers)
    return head


def _check_whole(head: Head) -> None:
    """Refuse adapters, control vectors, and one part of several."""
    kind = head.entries.get("general.type", "model")
    if head.architecture == "controlvector":
        kind = "control vector"
    if kind != "model":
        raise ModelError(
            f"{head.name} holds a {kind!s:.40} and no model; open the model that it is for"
            + (" and give the vector to inscape steer." if kind == "control vector" else ".")
        )
    parts = head.entries.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            f"{head.name} is one of {parts} parts of a model; merge them first (llama-gguf-split "
            "--merge)."
        )


def _check_counts(head: Head, numbers: int) -> None:
    tensors = len(head.shapes)
    fields = {n: v for n, v in head.own.items() if n in ("block_count", *LARGEST)}
    if not head.architecture or "block_count" not in fields:
        raise ModelError(
            f"{head.name} does not say its architecture and how many blocks it has; {_CURE}."
        )
    width = fields.get("embedding_length")
    for name, value in fields.items():
        most = max(tensors, 1) if name == "block_count" else LARGEST[name]
        if name in _MATRICES and isinstance(width, int) and width > 0:
            # each is the side of a matrix whose other side is the width
            most = min(most, (4 * numbers + 2**24) // width)
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, int) or not 0 <= one <= most:
                raise ModelError(
                    f"{head.name} says {name} = {one!r:.40}, and with {tensors:,} tensors it can "
                    f"be {most:,} at most; {_CURE}."
                )
