"""The head of a GGUF file, checked before transformers builds a network from it.

A damaged head can ask for more blocks than there are tensors, or for a width that no memory holds: the network would be
built for hours, or filled with random numbers.

Cost: the head alone; a second for a vocabulary of 100,000.
"""

from __future__ import annotations

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


def check_head(path: Path) -> None:
    """Refuse a GGUF file whose head cannot be true.

    Raises:
        ModelError: not GGUF, without an architecture, or a count that its tensors do not bear out.
    """
    from gguf import GGUFReader

    with foreign(ModelError, f"{path.name} cannot be read", _CURE):
        reader = GGUFReader(path)
        tensors = len(reader.tensors)
        numbers = sum(int(t.n_elements) for t in reader.tensors)
        named: Any = reader.get_field("general.architecture")
        architecture = "" if named is None else str(named.contents())
        fields = {
            name: field.contents()
            for name in ("block_count", *LARGEST)
            if (field := reader.get_field(f"{architecture}.{name}")) is not None
        }
    if not architecture or "block_count" not in fields:
        raise ModelError(
            f"{path.name} does not say its architecture and how many blocks it has; {_CURE}."
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
                    f"{path.name} says {name} = {one!r:.40}, and with {tensors:,} tensors it can be "
                    f"{most:,} at most; {_CURE}."
                )
