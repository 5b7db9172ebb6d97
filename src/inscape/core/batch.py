"""What a model is fed: tokens of one example, and a padded batch of them.

Text becomes `Tokens` once (ids, character offsets, which are special), and examples become a
`Batch` by padding on the right. Right padding cannot shift positions: token t of an example is at
position t whatever it is batched with, and in a causal model no real token ever sees a pad.
Anything that is not text (images, audio features, plain arrays) is a batch of named tensors whose
first axis is the example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inscape.core.errors import DataError


@dataclass(frozen=True)
class Tokens:
    """One example after the tokenizer.

    Attributes:
        ids: token ids, (tokens,) int64.
        offsets: character span of each token in the text, (tokens, 2) int64; (0, 0) for special
            tokens.
        special: which tokens are no part of the text: those the tokenizer added (BOS, CLS, SEP …)
            and those spelt out in it (``<s>``, ``<|im_end|>``), (tokens,) bool. An unknown word and
            a mask are content.
        text: the text itself.
    """

    ids: np.ndarray
    offsets: np.ndarray
    special: np.ndarray
    text: str = ""

    @classmethod
    def of(cls, ids: Sequence[int] | np.ndarray, text: str = "") -> Tokens:
        """Token ids that come from no text, none of them special.

        Args:
            ids: the token ids, (tokens,).
            text: what they stand for.
        """
        n = len(ids)
        zeros = np.zeros((n, 2), dtype=np.int64)
        return cls(np.asarray(ids, dtype=np.int64), zeros, np.zeros(n, dtype=bool), text)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Batch:
    """A padded batch.

    Attributes:
        inputs: named tensors as the network's forward takes them, first axis the example
            (``input_ids`` and ``attention_mask``; ``pixel_values``; ``input_features``; ``x`` for a
            plain module).
        lengths: real positions of each example, (batch,) int64; None where every position is real.
        marks: named boolean masks (batch, positions) that a `Scope` refers to as ``mark:NAME``.
    """

    inputs: dict[str, Tensor]
    lengths: Tensor | None = None
    marks: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {len(v) for v in self.inputs.values()}
        if len(sizes) != 1 or 0 in sizes:
            shapes = {k: tuple(v.shape) for k, v in self.inputs.items()}
            raise ValueError(
                "Batch: every input needs the same, non-zero number of examples, got shapes "
                f"{shapes}"
            )

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            {k: moved(v, device) for k, v in self.inputs.items()},
            None if self.lengths is None else moved(self.lengths, device),
            {k: moved(v, device) for k, v in self.marks.items()},
        )


def moved(x: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on another device; from the host to an accelerator through pinned memory, without
    waiting for it.
    """
    waits = torch.device(device).type != "cuda" or x.device.type != "cpu"
    return x.to(device) if waits else x.pin_memory().to(device, non_blocking=True)


def tokenize(
    tokenizer: Any, texts: Sequence[str], add_special_tokens: bool = True, first: int = 0
) -> list[Tokens]:
    """Tokenise texts one way for everyone; each example is tokenised on its own, unpadded and
    untruncated.

    What the tokenizer would add and the text already spells out (a chat template writes its BOS)
    stands there once.

    Args:
        tokenizer: a Hugging Face tokenizer; a fast one gives character offsets, a slow one gives
            (0, 0) everywhere.
        texts: the texts.
        add_special_tokens: whether the tokenizer's own template (BOS, CLS, SEP) is applied.
        first: number of the first text, for messages.

    Returns:
        One `Tokens` per text.

    Raises:
        DataError: a text gives no token at all; the message names it, counted from 1.
    """
    fast = getattr(tokenizer, "is_fast", False)
    encoded = tokenizer(
        list(texts),
        add_special_tokens=add_special_tokens,
        return_offsets_mapping=fast,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        padding=False,
        truncation=False,
        verbose=False,
    )
    out, marks = [], _special_ids(tokenizer)
    spelt = _spelt_out(tokenizer) if add_special_tokens else ()
    for i, text in enumerate(texts):
        ids = np.asarray(encoded["input_ids"][i], dtype=np.int64)
        if ids.size == 0:
            raise DataError(
                f"text {first + i + 1} ({text!r:.40}) gives no tokens; leave it out, or write a "
                "word into it"
            )
        offsets = encoded["offset_mapping"][i] if fast else np.zeros((len(ids), 2))
        special = np.asarray(encoded["special_tokens_mask"][i], dtype=bool)
        special |= marks[np.minimum(ids, len(marks) - 1)]
        made = Tokens(ids, np.asarray(offsets, dtype=np.int64).reshape(-1, 2), special, text)
        stripped = text.strip()
        if spelt and (stripped.startswith(spelt) or stripped.endswith(spelt)):
            made = _once(tokenizer, made)
        out.append(made)
    return out


def _special_ids(tokenizer: Any) -> np.ndarray:
    """Which ids are special tokens, (ids,) bool; the last entry stands for all beyond it."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    ids = {int(i) for i, token in added.items() if getattr(token, "special", False)}
    ids |= {int(i) for i in getattr(tokenizer, "all_special_ids", ()) if i is not None}
    named = [getattr(tokenizer, f"{n}_token_id", None) for n in ("bos", "eos", "cls", "sep")]
    for name in ("unk", "mask"):
        found = getattr(tokenizer, f"{name}_token_id", None)
        if (
            found not in named
        ):  # in a vocabulary of bytes nothing is unknown, and its name is the end token's
            ids.discard(found)
    out = np.zeros(max(ids, default=-1) + 2, dtype=bool)
    out[list(ids)] = True
    return out


def _spelt_out(tokenizer: Any) -> tuple[str, ...]:
    """How the tokens are spelt that a tokenizer may add at the ends of a text."""
    named = (getattr(tokenizer, f"{n}_token", None) for n in ("bos", "eos", "cls", "sep"))
    return tuple({str(token) for token in named if token})


def _once(tokenizer: Any, made: Tokens) -> Tokens:
    """Tokens of a text that spells out special tokens at its ends: those the tokenizer added
    besides are left out.
    """
    own = tokenizer(made.text, add_special_tokens=False, verbose=False)["input_ids"]
    count, ids = len(own), made.ids.tolist()
    before = next((p for p in range(len(ids) - count + 1) if ids[p : p + count] == own), None)
    if before is None or not count:
        return made
    end = before + count
    keep = np.ones(len(ids), dtype=bool)
    if own[0] in ids[:before]:
        keep[ids.index(own[0]) : before] = False
    if own[-1] in ids[end:]:
        keep[end : end + ids[end:].index(own[-1]) + 1] = False
    return Tokens(made.ids[keep], made.offsets[keep], made.special[keep], made.text)


def collate(
    tokens: Sequence[Tokens],
    pad_id: int = 0,
    marks: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Batch:
    """Right-pad examples into a batch.

    Args:
        tokens: the examples.
        pad_id: the id to fill with; its value does not matter to a masked or causal model.
        marks: per name, one boolean array (tokens,) for each example.

    Returns:
        A batch with ``input_ids``, ``attention_mask``, lengths and padded marks.
    """
    lengths = torch.tensor([len(t) for t in tokens])
    width = int(lengths.max())
    ids = torch.full((len(tokens), width), pad_id, dtype=torch.long)
    for row, t in enumerate(tokens):
        ids[row, : len(t)] = torch.from_numpy(t.ids)
    mask = (torch.arange(width)[None] < lengths[:, None]).long()
    padded: dict[str, Tensor] = {}
    for name, rows in (marks or {}).items():
        padded[name] = torch.zeros(len(tokens), width, dtype=torch.bool)
        for row, values in enumerate(rows):
            padded[name][row, : len(values)] = torch.from_numpy(np.asarray(values, dtype=bool))
    return Batch({"input_ids": ids, "attention_mask": mask}, lengths, padded)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text without special tokens.

    Args:
        tokenizer: as transformers has them.
        text: the text.
    """
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
