"""Side effects on neutral text: what an edit does to a language model that reads something else.

    KL = Σ_t KL(p_t ‖ p̃_t)        loss = −Σ_t log p̃_t(next)        hits = Σ_t [argmax p̃_t = next]

over the tokens of each text, p from the model as it is and p̃ under the edit. All conditions take
turns at each batch, so the plain distributions are computed once and never kept.

Cost: one pass with the unembedding at every token for each condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.batch import Tokens
from inscape.core.edit import Edit
from inscape.core.errors import DataError
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured
from inscape.model.batching import batches_by_length
from inscape.model.model import Model

PLAIN = "as it is"


class SideEffects(NamedTuple):
    """Sums over the tokens of each text, (n,) each.

    Attributes:
        kl: divergence from the plain model, nats.
        loss: nats of the tokens that come.
        hits: how many of them were the likeliest.
        tokens: how many there are.
    """

    kl: Float[np.ndarray, " n"]
    loss: Float[np.ndarray, " n"]
    hits: Float[np.ndarray, " n"]
    tokens: Float[np.ndarray, " n"]


def side_effects(
    model: Model,
    texts: Sequence[str],
    conditions: Mapping[str, Sequence[Edit]],
    *,
    most: int = 128,
    budget: int = 512,
) -> dict[str, SideEffects]:
    """Run every condition over texts, beside the model as it is.

    Args:
        model: a language model with a head.
        texts: neutral ones; nothing of what the edits are about.
        conditions: name → edits.
        most: tokens of a text that are read.
        budget: padded tokens a batch.

    Returns:
        Name → its sums; `PLAIN` is among them.

    Raises:
        DataError: a text of one token, which predicts nothing.
        ValueError: fewer than two tokens to be read, or one text in place of a list.
    """
    if most < 2 or isinstance(texts, str):
        raise ValueError(f"side_effects: give a list of texts, and most of at least 2, got {most}")
    tokens = [
        Tokens(t.ids[:most], t.offsets[:most], t.special[:most], t.text)
        for t in model.tokenize(list(texts))
    ]
    short = next((t for t in tokens if len(t) < 2), None)
    if short is not None:
        raise DataError(
            f"the neutral text {short.text[:40]!r} has no token to predict; give texts of two "
            "tokens or more."
        )
    count = np.array([len(t) - 1.0 for t in tokens])
    found = {
        n: SideEffects(*(np.zeros(len(tokens)) for _ in range(3)), count)
        for n in (PLAIN, *conditions)
    }
    for rows in batches_by_length([len(t) for t in tokens], budget):
        batch = model.collate([tokens[i] for i in rows])
        ids = batch.inputs["input_ids"][:, 1:]
        real = (
            torch.arange(1, batch.inputs["input_ids"].shape[1])[None]
            < torch.tensor([len(tokens[i]) for i in rows])[:, None]
        )
        plain: torch.Tensor | None = None
        for name, edits in ((PLAIN, ()), *conditions.items()):
            logits = model.run(batch, logits=True, edits=list(edits)).logits
            assert logits is not None
            logs = logits[:, :-1].float().log_softmax(dim=-1)
            plain = logs if plain is None else plain
            next_ids = ids.to(logs.device)
            kl = (plain.exp() * (plain - logs)).sum(dim=-1).double().cpu()
            loss = -logs.gather(2, next_ids[..., None])[..., 0].double().cpu()
            hits = (logs.argmax(dim=-1) == next_ids).double().cpu()
            for into, values in zip(found[name][:3], (kl, loss, hits), strict=True):
                into[rows] = torch.where(real, values, 0.0).sum(dim=1).numpy()
    return found


def measured(
    found: Mapping[str, SideEffects],
    name: str,
    nulls: Sequence[str],
    groups: np.ndarray,
    kind: str,
    **where: str | float,
) -> list[Evidence]:
    """Up to three numbers of one condition, each with its interval over groups and what the null
    conditions do.

    Args:
        found: from `side_effects`.
        name: the condition.
        nulls: at least two other conditions: random vectors of the same length and strength; or
            none.
        groups: group of each text.
        kind: what the nulls are.
        where: coordinates of the rows.

    Returns:
        KL divergence from the baseline model; perplexity as a multiple of the plain model's; and,
        where the baseline model predicts any token right, the share of those that is still
        predicted.
    """
    plain, tokens = found[PLAIN], found[PLAIN].tokens
    at: dict[str, str | int | float] = {"condition": name, **where}
    codes = group_codes(np.asarray(groups))

    def shown(m: Measured) -> Evidence:
        return m.value(name, null=kind if nulls else "", name=m.name)

    def shares(what: str, part: str, of: np.ndarray, unit: str) -> Measured:
        m = Measured(what, groups=groups, unit=unit, kind="ratio", direction="lower", where=at)
        m.put(name, getattr(found[name], part), of)
        if nulls:
            m.put(kind, np.stack([getattr(found[n], part) for n in nulls]), of, role="null")
        return m

    def times(condition: str) -> Jackknife:
        return Jackknife.ratio(found[condition].loss - plain.loss, tokens, codes).exp()

    ratio = Measured(
        "perplexity, relative to the baseline model",
        groups=groups,
        unit="times",
        direction="lower",
        where=at,
    )
    ratio.put_statistic(name, times(name))
    if nulls:
        ratio.put_statistic(kind, *map(times, nulls), role="null")
    out = [
        shown(shares("KL divergence from the baseline model", "kl", tokens, "nats a token")),
        shown(ratio),
    ]
    if plain.hits.any():  # a model that predicts no token has nothing to lose
        kept = shares(
            "next-token accuracy, relative to the baseline model", "hits", plain.hits, "share"
        )
        out.append(shown(kept))
    return out


def each_measured(
    model: Model,
    texts: Sequence[str],
    conditions: Mapping[str, Sequence[Edit]],
    nulls: Mapping[str, Sequence[Edit]],
    groups: np.ndarray,
    kind: str,
    most: int = 128,
) -> list[Evidence]:
    """`side_effects` of several conditions as evidence, `measured` one after another.

    Args:
        model: a language model with a head.
        texts: neutral ones.
        conditions: name → edits.
        nulls: name → edits of at least two draws of what means nothing, or none.
        groups: group of each text.
        kind: what the nulls are.
        most: tokens of a text that are read.
    """
    found = side_effects(model, texts, {**conditions, **nulls}, most=most)
    names = list(nulls)
    return [e for name in conditions for e in measured(found, name, names, groups, kind)]


def beside_random(
    model: Model, texts: Sequence[str], edits: Sequence[Sequence[Edit]], kind: str, most: int = 128
) -> list[Evidence]:
    """`measured` of the first edits, beside the others, which are random; each text its own group.

    Args:
        model: as it stands.
        texts: neutral ones.
        edits: those in question, then at least two random ones.
        kind: what the random ones are.
        most: tokens of a text that are read.
    """
    nulls = {f"random {i}": edits[i] for i in range(1, len(edits))}
    groups = np.arange(len(texts))
    return each_measured(model, texts, {"direction": edits[0]}, nulls, groups, kind, most)
