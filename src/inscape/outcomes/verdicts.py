"""Verdicts: a model's leaning towards one set of words, text by text, whole and under edits.

A verdict is right when its score lies on its label's side of the median of its context. The median
is taken anew under every edit: an edit that shifts all scores alike, because it favours one set of
words, loses no accuracy by that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.core.rng import generator
from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.data.pairs import Pairs, above_median
from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast
from inscape.outcomes.packed import verdicts as packed_verdicts


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Texts and how they are judged.

    Attributes:
        model: whose verdicts.
        parts: the texts, each ending where the verdict is due, in parts that may be edited each in
            its own way (folds).
        words: the two sets of words.
        y: label of each text, parts one after the other, 0 or 1.
        context: context of each, numbered apart in every part.
        shares: sums over their groups.
        marks: position sets that edits may name.
    """

    model: Model
    parts: tuple[Examples, ...]
    words: Contrast
    y: Int[np.ndarray, " n"]
    context: Int[np.ndarray, " n"]
    shares: Shares
    marks: Mapping[str, Any]

    def scores(
        self,
        edits: Callable[[int], Any] | None = None,
        at: Sequence[str] = (),
        model: Model | None = None,
    ) -> Float[np.ndarray, " n"]:
        """Score of every text.

        Args:
            edits: for a part's number, its edits, or a function of a batch's rows within the part
                that makes them.
            at: the marks that these edits name.
            model: another model than its own.
        """
        judge, marks = model or self.model, {name: self.marks[name] for name in at}
        made = [() if edits is None else edits(part) for part in range(len(self.parts))]
        return np.concatenate(
            [
                self.words.scores(judge, x, edits=e, marks=marks)
                for x, e in zip(self.parts, made, strict=True)
            ]
        )

    @property
    def pair_groups(self) -> list[np.ndarray]:
        """Group of each pair of neighbours, part by part."""
        cuts = np.cumsum([len(part) // 2 for part in self.parts])[:-1]
        return np.split(self.shares.groups[::2], cuts)

    def right(self, scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Which verdicts are right, 1 or 0 each."""
        return ((above_median(scores, self.context) > 0) == (self.y == 1)).astype(np.float64)

    def gap(self, scores: Float[np.ndarray, " n"]) -> float:
        """Mean score of label 1 less that of label 0, in the standard deviation that is left within
        them.
        """
        held = above_median(scores, self.context)
        up, down = held[self.y == 1], held[self.y == 0]
        spread = np.sqrt((up.var() + down.var()) / 2)
        return float((up.mean() - down.mean()) / spread) if spread > 0 else 0.0


def beside_untrained(test: Verdicts, before: Float[np.ndarray, " n"], seed: int) -> Evidence:
    """The accuracy of verdicts beside that of an untrained copy of the model.

    Args:
        test: whose verdicts.
        before: scores with no edit.
        seed: of the copy's weights.
    """
    copy = test.right(test.scores(model=test.model.untrained(seed)))
    m = Measured("accuracy of the verdicts", groups=test.shares.groups, unit="accuracy")
    m.put("the model", test.right(before))
    beside = Beside("reference", "untrained copy of the model", float(copy.mean()))
    return m.value("the model", beside=(beside,))


def panels(scores: Mapping[str, Float[np.ndarray, " n"]], test: Verdicts) -> pd.DataFrame:
    """Scores of several conditions as `inscape.charts.distributions.by_class` draws them.

    Args:
        scores: condition → score of every text.
        test: whose texts; its labels name the classes.
    """
    names = np.where(test.y == 1, "positive", "negative")
    return pd.concat(
        [
            pd.DataFrame(
                {"panel": panel, "class": names, "value": above_median(values, test.context)}
            )
            for panel, values in scores.items()
        ],
        ignore_index=True,
    )


def judge_held_out(
    model: Model,
    examples: Examples,
    pairs: Pairs,
    words: Contrast,
    marks: Mapping[str, Any],
    *,
    ends: Sequence[str],
    count: int,
    seed: int,
) -> tuple[Verdicts, list[Examples], list[str]]:
    """Texts of every fold's held-out groups, each followed by the end that the fold's training
    groups choose.

    The end chosen is the one after which training texts of opposite labels lie farthest apart
    (`Verdicts.gap`).

    Args:
        model: judged.
        examples: all texts.
        pairs: their pairs and folds; only pairs of equal length are taken.
        words: the two sets of words.
        marks: position sets.
        ends: what may be put after a text.
        count: pairs judged in all.
        seed: of the choice of pairs.

    Returns:
        The verdicts, one part a fold; training texts of each fold with its end, as many; the ends.
    """
    lengths = np.array([len(t) for t in model.tokenize(examples.texts())])
    fits = np.zeros(len(lengths), dtype=bool)
    fits[pairs.rows[lengths[pairs.rows[:, 0]] == lengths[pairs.rows[:, 1]]]] = True

    def judged(rows: Sequence[np.ndarray], after: Sequence[str]) -> Verdicts:
        parts = tuple(
            examples.take(r).with_prompt("{}" + end) for r, end in zip(rows, after, strict=True)
        )
        flat, number = np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        context = group_codes(
            [f"{f} {c}" for f, c in zip(number, pairs.context[flat], strict=True)]
        )
        shares = Shares(pairs.groups[flat], generator(seed, "bootstrap"))
        return Verdicts(model, parts, words, pairs.y[flat], context, shares, marks)

    held, chosen, known = [], [], []
    folds = int(pairs.fold.max()) + 1
    for f in range(folds):
        rng, inside = generator(seed, "texts", str(f)), pairs.fold == f
        held.append(pairs.sample(count // folds, fits & inside, rng=rng))
        rows = pairs.sample(count // folds, fits & ~inside, rng=rng)
        options = [judged([rows], [end]) for end in ends]
        best = 0 if len(ends) == 1 else int(np.argmax(_gaps(model, words, options)))
        chosen.append(ends[best])
        known.append(options[best].parts[0])
    return judged(held, chosen), known, chosen


class Training(NamedTuple):
    """Training texts of a fold with its end, opposites side by side, label 1 first, and their
    labels and groups.
    """

    texts: Examples
    y: np.ndarray
    groups: np.ndarray


def training_texts(
    examples: Examples, pairs: Pairs, ends: Sequence[str], count: int, seed: int
) -> list[Training]:
    """Texts of every fold's training groups, and last of all groups with the end that most folds
    have.

    Args:
        examples: all texts.
        pairs: their pairs and folds.
        ends: of each fold, from `judge_held_out`.
        count: pairs of each fold.
        seed: of their choice.
    """
    out = []
    for f, end in enumerate([*ends, max(ends, key=list(ends).count)]):
        rows = pairs.sample(count, pairs.fold != f, rng=generator(seed, "training", str(f)))
        out.append(
            Training(examples.take(rows).with_prompt("{}" + end), pairs.y[rows], pairs.groups[rows])
        )
    return out


def _gaps(model: Model, words: Contrast, options: Sequence[Verdicts]) -> list[float]:
    """The gap after each end; a text is computed once with all its ends behind it."""
    texts = [text for v in options for text in v.parts[0].texts()]
    n = len(texts) // len(options)
    groups = [list(range(i, len(texts), n)) for i in range(n)]
    scores = packed_verdicts(model, words, model.tokenize(texts), groups).reshape(len(options), n)
    return [v.gap(found) for v, found in zip(options, scores, strict=True)]
