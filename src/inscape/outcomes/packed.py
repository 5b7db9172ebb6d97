"""Texts that begin alike, laid in one row: their beginning is computed once, also where edits act
on it.

    row        [ beginning | rest of a | rest of b … ]
    token i attends to j   iff   pos(j) ≤ pos(i), and j is of the beginning or of the same text as i

at the positions that the tokens have in their texts. A beginning is what texts share token by
token, edited alike; many texts under many edits are run in a few batches of rows of like length,
each row under its own.

Cost: of two texts of p tokens in common and s of their own, p + 2 s tokens instead of 2 (p + s).
Reference: tree attention, Cai et al. (2024), Medusa, arXiv:2401.10774, §2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Edit
from inscape.data.positions import resolve
from inscape.model import prefix
from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast

#: tokens a batch, padded
BUDGET = 1024


@dataclass(frozen=True, eq=False)
class Row:
    """Texts laid in one row.

    Attributes:
        members: the texts.
        ids: token ids, (columns,).
        text: the text that a column's token is taken from, the first member for the beginning,
            (columns,).
        position: its position there, (columns,).
        owner: which member it is of, −1 for the beginning, (columns,).
        ends: the column of each member's last token, (members,).
    """

    members: Int[np.ndarray, " m"]
    ids: Int[np.ndarray, " c"]
    text: Int[np.ndarray, " c"]
    position: Int[np.ndarray, " c"]
    owner: Int[np.ndarray, " c"]
    ends: Int[np.ndarray, " m"]

    def __len__(self) -> int:
        """Columns."""
        return len(self.ids)


def lay(
    model: Model,
    tokens: Sequence[Tokens],
    groups: Sequence[Sequence[int]],
    apart: Sequence[np.ndarray] | None = None,
) -> list[Row]:
    """Rows of the texts of each group.

    Args:
        model: one that cannot run such rows gets every text in a row of its own.
        tokens: the texts; what follows a text's last token proper is left out.
        groups: numbers of the texts that share a row, if they begin alike.
        apart: for each text a value for every token; where these differ, so do the texts.
    """
    ids = [t.ids[: int(resolve("last", t)[0]) + 1] for t in tokens]
    alone = bool(prefix.applies(model, max(map(len, ids)))) or not prefix.proved(model).passed
    rows = []
    for group in [[i] for g in groups for i in g] if alone else groups:
        start = min(len(ids[i]) for i in group) if len(group) > 1 else 0
        for i in group[1:]:
            other = ids[i][:start] != ids[group[0]][:start]
            if apart is not None:
                other |= apart[i][:start] != apart[group[0]][:start]
            start = int(other.argmax()) if other.any() else start
        rows.append(_row(ids, list(group), start))
    return rows


def answers(
    model: Model, rows: Sequence[Row], edits: Sequence[Edit] = ()
) -> Float[Tensor, "rows members v"]:
    """Logits after every member of a batch of rows; a row of fewer members repeats its last.

    Args:
        model: the model.
        rows: the batch.
        edits: their tensors are laid as the rows are, padded on the right.
    """
    width, most = max(map(len, rows)), max(len(r.ends) for r in rows)
    ids, position, owner = (torch.full((len(rows), width), fill) for fill in (0, 0, -2))
    for r, row in enumerate(rows):
        for whole, part in ((ids, row.ids), (position, row.position), (owner, row.owner)):
            whole[r, : len(row)] = torch.from_numpy(part)
    ends = torch.tensor([[*row.ends, *[row.ends[-1]] * (most - len(row.ends))] for row in rows])
    forward: dict[str, Any] = {}
    if most > 1:
        forward = {
            "position_ids": position.to(model.device),
            "attention_mask": _mask(position, owner, model),
        }
    found = model.run(
        {"input_ids": ids}, edits=list(edits), logits=True, at=ends, forward=forward
    ).logits
    assert found is not None
    return found


def verdicts(
    model: Model, words: Contrast, tokens: Sequence[Tokens], groups: Sequence[Sequence[int]]
) -> Float[np.ndarray, " n"]:
    """The contrast after every text, with no edit."""
    rows, out = lay(model, tokens, groups), np.empty(len(tokens))
    for batch in batches_by_length([len(r) for r in rows], BUDGET):
        scores = words.of_logits(answers(model, [rows[i] for i in batch]))
        for i, row in zip(batch, scores, strict=True):
            out[rows[i].members] = row[: len(rows[i].members)]
    return out


def _row(ids: Sequence[np.ndarray], group: list[int], start: int) -> Row:
    """Columns of the beginning, then of what each member has of its own."""
    pieces = [(group[0], -1, 0, start), *((i, m, start, len(ids[i])) for m, i in enumerate(group))]
    text, owner = (
        np.concatenate([np.full(b - a, p[k]) for p in pieces for a, b in [p[2:]]]) for k in (0, 1)
    )
    position = np.concatenate([np.arange(a, b) for *_, a, b in pieces])
    sizes = [len(ids[i]) - start for i in group]
    ends = np.where(np.array(sizes) > 0, start + np.cumsum(sizes), start) - 1
    whole = np.concatenate([ids[i][a:b] for i, _, a, b in pieces])
    return Row(np.array(group), whole, text, position, owner, ends)


def _mask(position: Tensor, owner: Tensor, model: Model) -> Tensor:
    """(rows, 1, tokens, tokens): 0 where a token attends, the dtype's least elsewhere; padding sees
    its row's first.
    """
    seen = position[:, None, :] <= position[:, :, None]
    seen &= (owner[:, None, :] == -1) | (owner[:, None, :] == owner[:, :, None])
    out = torch.zeros(seen.shape, dtype=model.dtype)
    return out.masked_fill(~seen, torch.finfo(model.dtype).min)[:, None].to(model.device)
