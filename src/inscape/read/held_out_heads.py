"""Heads held out: which heads write a direction is said on training pairs, and how much they write
on others.

    share = Σ_pairs Σ_heads (write of label 1 − write of label 0) / Σ_pairs (stream of label 1 −
    stream of label 0)

along each fold's direction, behind the block where its training pairs' streams differ most. Two
nulls are made alike, with heads chosen anew: labels swapped in half of the groups, and random
directions.

Cost: one pass over training and held-out texts (`inscape.read.head_writes`).
Reference: Tigges et al. (2023), arXiv:2310.15154, §3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from inscape.core.between import check_between
from inscape.core.evidence import Evidence, Null
from inscape.core.shares import Shares
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.coordinates import coordinates
from inscape.read.head_writes import Mark, head_writes

SHARE = "share of what the stream holds"


def clearest(
    model: Model,
    examples: Examples,
    sites: Sequence[str],
    directions: Float[np.ndarray, "s d"],
    mark: Mark,
) -> int:
    """The site at which opposites differ most along its direction at these tokens.

    The unit is the standard deviation of the difference.

    Args:
        model: the model.
        examples: rows 2i and 2i + 1 are opposites, label 1 first; training texts.
        sites: of the residual stream.
        directions: one each.
        mark: which tokens.
    """
    tokens = model.tokenize(examples.texts())
    found = coordinates(model, examples, sites, directions[:, None])
    held = [
        x[np.asarray(mark(t, examples.span(i)), dtype=bool), :, 0].mean(axis=0)
        for i, (x, t) in enumerate(zip(found, tokens, strict=True))
    ]
    change = np.stack(held)[::2] - np.stack(held)[1::2]
    spread = change.std(axis=0)
    return int(
        np.argmax(
            np.divide(change.mean(axis=0), spread, out=np.zeros(len(sites)), where=spread > 1e-6)
        )
    )


def leading(difference: Float[np.ndarray, "n l h"], count: int) -> Int[np.ndarray, "c 2"]:
    """The heads of largest mean difference, (layer, head) each, the first first; all where there are
    fewer.

    Raises:
        ValueError: a count below 1.
    """
    mean = difference.mean(axis=0)
    check_between("leading: count", count, 1)
    return np.stack(
        np.unravel_index(np.argsort(-mean, axis=None, kind="stable")[:count], mean.shape), axis=1
    )


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Differences between opposites in training and in held-out texts, of several folds.

    Attributes:
        train: for each fold what every head writes, label 1 less label 0, (pairs, layers, heads,
            k).
        train_groups: group of each of those pairs.
        test: of the held-out pairs, fold after fold, (pairs, layers, heads, k).
        mlps: of the same, (pairs, layers, k).
        whole: the difference in the stream along the first direction, (pairs,).
        groups: group of each held-out pair.
        folds: fold of each.
    """

    train: list[np.ndarray]
    train_groups: list[np.ndarray]
    test: np.ndarray
    mlps: np.ndarray
    whole: np.ndarray
    groups: np.ndarray
    folds: np.ndarray

    def led(
        self, count: int, k: int = 0, turned: Int[np.ndarray, " g"] | None = None
    ) -> Float[np.ndarray, " n"]:
        """What the heads write in held-out pairs that wrote most in training ones.

        Args:
            count: how many heads; chosen in each fold's training pairs.
            k: along which direction.
            turned: groups whose labels are swapped, in training and test alike: a null.
        """
        turned = np.array([], dtype=np.int64) if turned is None else turned
        out = np.empty(len(self.whole))
        for f, (train, groups) in enumerate(zip(self.train, self.train_groups, strict=True)):
            sign = np.where(np.isin(groups, turned), -1.0, 1.0)
            heads = leading(train[..., k] * sign[:, None, None], count)
            out[self.folds == f] = self.test[self.folds == f][:, heads[:, 0], heads[:, 1], k].sum(
                axis=1
            )
        return out * np.where(np.isin(self.groups, turned), -1.0, 1.0)

    def shuffled(self, count: int, draws: int, rng: np.random.Generator) -> list[float]:
        """Shares of the leading heads with the labels of half of the groups swapped."""
        groups = np.unique(np.concatenate([self.groups, *self.train_groups]))
        halves = [rng.permutation(groups)[: len(groups) // 2] for _ in range(draws)]
        return [float(self.led(count, turned=half).sum() / self.whole.sum()) for half in halves]


class Fold(NamedTuple):
    """One fold: what heads are chosen on, and what they are measured on.

    Attributes:
        train: training texts; rows 2i and 2i + 1 are opposites, label 1 first.
        test: held-out texts in the same order.
        train_groups: group of each training pair.
        groups: group of each held-out pair.
        directions: at every site the direction in question, then random ones, (sites, k, d).
    """

    train: Examples
    test: Examples
    train_groups: np.ndarray
    groups: np.ndarray
    directions: Float[np.ndarray, "sites k d"]


def held_out(
    model: Model, folds: Sequence[Fold], sites: Sequence[str], mark: Mark
) -> tuple[HeldOut, list[int]]:
    """What heads write in every fold, at the site that its training texts choose.

    Args:
        model: heads must write for themselves.
        folds: texts and directions of each.
        sites: where blocks leave the residual stream, those that may be chosen.
        mark: which tokens.

    Returns:
        The differences, and the block behind which each fold's stream is looked at.
    """
    kept: dict[str, list[np.ndarray]] = {"train": [], "test": [], "mlps": [], "whole": []}
    layers = []
    for fold in folds:
        at = clearest(model, fold.train, sites, fold.directions[:, 0], mark)
        layers.append(int(Site.parse(sites[at]).layer or 0))
        for name, texts in (("train", fold.train), ("test", fold.test)):
            found = head_writes(model, texts, layers[-1], fold.directions[at], mark)
            kept[name].append(found.heads[::2] - found.heads[1::2])
        kept["mlps"].append(found.mlps[::2] - found.mlps[1::2])
        kept["whole"].append(found.stream[::2, 0] - found.stream[1::2, 0])
    held = HeldOut(
        kept["train"],
        [fold.train_groups for fold in folds],
        **{name: np.concatenate(kept[name]) for name in ("test", "mlps", "whole")},
        groups=np.concatenate([fold.groups for fold in folds]),
        folds=np.repeat(np.arange(len(folds)), [len(x) for x in kept["whole"]]),
    )
    return held, layers


def writers(
    held: HeldOut, shares: Shares, count: int, shown: int, rng: np.random.Generator
) -> list[Evidence]:
    """Shares of the leading heads together, of all heads, of all MLPs, and of each head that leads.

    Args:
        held: the differences.
        shares: over the held-out pairs.
        count: heads chosen in each fold's training pairs.
        shown: how many heads are shown, those that lead over all training pairs.
        rng: of the swapped labels.

    Returns:
        The first has the null of swapped labels and its p, the others that of random directions.
    """

    def share(part: Float[np.ndarray, " n"]) -> float:
        return shares.value(part, held.whole)

    ks = range(1, held.test.shape[-1])
    chance = np.array(held.shuffled(count, 200, rng))
    first = shares.evidence(
        SHARE,
        held.led(count),
        held.whole,
        draws=chance,
        unit="share",
        kind="labels swapped in half of the groups",
        where={"writer": f"{count} heads"},
    )
    random = Null.of(
        "random directions, heads chosen alike", [share(held.led(count, k)) for k in ks]
    )
    out = [
        first,
        shares.evidence(
            SHARE,
            held.led(count),
            held.whole,
            random,
            unit="share",
            where={"writer": f"the {count} heads chosen on other words"},
        ),
    ]
    pooled = np.concatenate([t[..., 0] / t[..., 0].sum(axis=(1, 2)).mean() for t in held.train])
    parts = {"all heads": held.test.sum(axis=(1, 2)), "all MLPs": held.mlps.sum(axis=1)}
    for layer, head in leading(pooled, shown):
        parts[f"layer {layer}, head {head}"] = held.test[:, layer, head]
    for name, part in parts.items():
        null = Null.of("random directions", [share(part[:, k]) for k in ks])
        out.append(
            shares.evidence(
                SHARE, part[:, 0], held.whole, null, unit="share", where={"writer": name}
            )
        )
    return out
