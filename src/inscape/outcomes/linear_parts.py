"""One part of one block replaced by a linear map of what it reads, or by its mean: how far the
answers move.

    attention    what it writes from what it reads (behind the norm)
    MLP          likewise
    norm         what the MLP reads from the state before its norm

What is measured is KL(plain ‖ replaced) of the next-token distribution at some positions. The first
token keeps its own value: it is an attention sink, which no map was fitted on.

Cost: two passes over a few texts for each part.
Reference: Din et al. (2023), arXiv:2303.09435, §6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from inscape.core.edit import Replace, Scope
from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.linear_shortcut import Shortcut, ShortcutMoments

#: what a block's parts read and write
PARTS = {
    "attention": ("attn_in", "attn_out"),
    "MLP": ("mlp_in", "mlp_out"),
    "norm": ("resid_mid", "mlp_in"),
}


def part_pairs(model: Model, every: int) -> dict[tuple[str, int], tuple[str, str]]:
    """(part, block) → what it reads and what it writes, in every k-th block.

    Args:
        model: the model; parts that it does not have are left out.
        every: k; 0 for none.
    """
    have = {str(s) for s in model.sites}
    blocks = range(every // 2, len(model.atlas.blocks), every) if every else ()
    pairs = {(kind, i): (f"{a}.{i}", f"{b}.{i}") for kind, (a, b) in PARTS.items() for i in blocks}
    return {part: pair for part, pair in pairs.items() if have.issuperset(pair)}


def replaced_parts(
    model: Model,
    texts: Examples,
    pairs: Mapping[tuple[str, int], tuple[str, str]],
    moments: ShortcutMoments,
    fits: Mapping[tuple[str, str], Shortcut],
    *,
    rng: np.random.Generator,
    advance: Callable[[], object],
) -> list[Evidence]:
    """KL of the answers under the linear map of each part, beside that under its mean.

    Args:
        model: a language model.
        texts: a few texts of two tokens or more, with a group.
        pairs: as `part_pairs` gives them.
        moments: of the pairs.
        fits: their maps.
        rng: draws up to eight positions of each text.
        advance: called after each part.

    Returns:
        Evidence with the coordinates ``part`` and ``inner R²``, of the map on rows left out.
    """
    tokens = model.tokenize(texts.texts())
    batch, most = model.collate(tokens), int(min(len(t) for t in tokens)) - 1
    drawn = [1 + np.sort(rng.permutation(len(t) - 1)[: min(8, most)]) for t in tokens]
    spots = torch.from_numpy(np.stack(drawn))
    plain = model.run(batch, sorted({site for pair in pairs.values() for site in pair}), at=None)

    def answers(edits: Replace | None = None) -> Tensor:
        logits = model.run(batch, edits=edits, at=spots, logits=True).logits
        assert logits is not None
        return torch.log_softmax(logits.double(), -1)

    before = answers()

    def moved(target: str, value: Tensor) -> np.ndarray:
        value[:, 0] = plain[target][:, 0]
        after = answers(Replace(Scope(target), value))
        return (before.exp() * (before - after)).sum(-1).flatten().cpu().numpy()

    groups, rows = np.repeat(group_codes(texts.groups()), spots.shape[1]), []
    name = "KL from the final distribution"
    for (kind, i), (source, target) in pairs.items():
        m = Measured(name, groups=groups, unit="nats", direction="lower")
        fit, like = fits[source, target], plain[target]
        m.put("linear", moved(target, fit(plain[source].float()).to(like.dtype)))
        mean = torch.tensor(moments.mean_shift(source, target).bias + moments.mean_of(source))
        m.put("mean", moved(target, mean.to(like).expand_as(like).clone()), role="baseline")
        beside = (Beside("baseline", "mean", float(m.value("mean").value)),)
        where = {"part": f"{kind}, block {i}", "inner R²": fit.inner}
        rows.append(m.value("linear", where=where, beside=beside))
        advance()
    return rows
