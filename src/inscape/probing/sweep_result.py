"""What a sweep found, and the difference between two sweeps.

Scores are one minus a ratio of sums over held-out rows, pooled over the folds:

    R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ_train)²        accuracy = 1 − wrong / rows        AUC = 1 − discordant / pairs
    balanced accuracy = 1 − Σ w wrong / Σ w,    w = rows / (classes · rows of the class)

R² is out-of-sample R²: zero is what predicting the *training* mean of the fold gives, and below
zero is worse than that. scikit-learn's `r2_score` compares with the mean of the held-out rows
instead, which no predictor knows; where whole groups are held out that mean moves, and its R² of
the same predictions is lower. AUC compares rows of one fold only.

Three questions, three numbers per target: every site (p against the null of the maximum over
sites); the selected site, chosen in each fold by its inner score on the training rows and scored on
the held-out ones, its null selected likewise; the maximum over sites, against the null of the
maximum.

Reference: Campbell and Thompson (2008), Rev. Financ. Stud. 21, eq. 1 (out-of-sample R²); Varma and
Simon (2006), BMC Bioinformatics 7:91 (selection inside).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import norm
from scipy.stats import t as student

from inscape.core import intervals, nulls
from inscape.core.errors import DataError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.formulas import mean_of
from inscape.core.jackknife import Jackknife, combine
from inscape.core.rng import generator
from inscape.core.shown import Shown, some
from inscape.probing.sweep_chart import chart

#: sites that are shown at most
MOST = 20
_NAMES = {
    "r2": "R²",
    "accuracy": "accuracy",
    "balanced accuracy": "balanced accuracy",
    "auc": "AUC",
}
# legend: s sites, f folds, k label sets (the observed one first, then the shuffles), t targets, n
# rows


@dataclass(frozen=True, repr=False)
class SweepResult:
    """A probe sweep over sites.

    Attributes:
        metric: ``"r2"``, ``"accuracy"``, ``"balanced accuracy"`` or ``"auc"``.
        sites: the sites, in the order given.
        widths: width of each site's representation.
        targets: names of the targets.
        classes: labels of a classification, in the order of their codes; empty for regression.
        y: targets, (n, t); codes of the classes for classification.
        groups: group of each row, 0 … G − 1; each row its own where none were given.
        folds: the fold each row was held out in, (n,).
        split, shuffle: how rows were held out and labels shuffled.
        loss, base: numerator and denominator of the scores' ratio, (s, f, k, t) and (f, k, t).
        inner: inner held-out score on the training rows, (s, f, k, t): R², or minus log loss in
            nats; of an estimator of one's own R², or one minus the share of its loss.
        penalties: chosen penalty of the observed labels, (s, f, t): alpha, or 1/C; NaN of an
            estimator of one's own.
        row_loss, row_base: the same ratio row by row for the observed labels, (s, n, t) and (n, t);
            empty for AUC.
        predictions: out of fold, (s, n, t): the quantity, the log-odds (two classes) or the code of
            the class.
        seed, draws, level: of the bootstrap.
        notes: sentences every piece of evidence carries as a warning.
        resting: by site and target, a sentence where one coordinate explains most of what is
            predicted, or None.
    """

    metric: str
    sites: tuple[str, ...]
    widths: tuple[int, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...]
    y: Float[np.ndarray, "n t"]
    groups: Int[np.ndarray, " n"]
    folds: Int[np.ndarray, " n"]
    split: str
    shuffle: str
    loss: Float[np.ndarray, "s f k t"]
    base: Float[np.ndarray, "f k t"]
    inner: Float[np.ndarray, "s f k t"]
    penalties: Float[np.ndarray, "s f t"]
    row_loss: Float[np.ndarray, "s n t"]
    row_base: Float[np.ndarray, "n t"]
    predictions: Float[np.ndarray, "s n t"]
    seed: int
    draws: int
    level: float
    notes: tuple[str, ...] = ()
    resting: tuple[tuple[str | None, ...], ...] = ()

    def __repr__(self) -> str:
        return str(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _shown(self) -> Shown:
        """The site that the training folds choose, and at most twenty sites spread over all of
        them.
        """
        kept = set(some(len(self.sites), max(1, MOST // len(self.targets))))
        found = [e for s, e in self._by_site() if s in kept]
        several = len(self.targets) > 1
        rows = []
        for e in [*self.selected, *found]:
            interval = f"[{_places(e.interval[0])}, {_places(e.interval[1])}]" if e.interval else ""
            cells = (
                _places(e.value),
                interval,
                _places(e.null.mean) if e.null else "",
                "" if e.p is None else f"{e.p:.2g}",
            )
            target = (str(e.where["target"]),) if several else ()
            rows.append((str(e.where["site"]), *target, *cells))
        what = "target" if several else ""
        heads = ("site", *([what] if several else []), _NAMES[self.metric], "interval", "null", "p")
        title = f"{_NAMES[self.metric]} of {', '.join(self.targets)} at {len(self.sites)} sites"
        notes = [
            (
                "selected: the site chosen by inner cross-validation in each fold "
                f"({self._choice()}), scored on held-out rows."
            )
        ]
        if len(kept) < len(self.sites):
            notes.append(
                f"{len(kept)} of {len(self.sites)} sites are shown; table() has all of them."
            )
        numbers = tuple(range(len(heads) - 4, len(heads)))
        return Shown(title, heads, rows, (*notes, *self.notes), numbers)

    def _by_site(self) -> list[tuple[int, Evidence]]:
        return [(i // len(self.targets), e) for i, e in enumerate(self.evidence)]

    def _choice(self) -> str:
        """Which sites the folds choose, the one most chosen first:
        ``"resid_post.12 in 4 of 5 folds"``.
        """
        counts = np.bincount(self.chosen.reshape(-1), minlength=len(self.sites))
        order = np.argsort(-counts, kind="stable")[:3]
        of = f"{self.chosen.size} {'folds' if len(self.targets) == 1 else 'folds and targets'}"
        return ", ".join(f"{self.sites[i]} in {counts[i]} of {of}" for i in order if counts[i])

    def plot(self) -> alt.FacetChart | alt.LayerChart:
        """The scores by layer, with intervals and the null; bars where sites have no layers."""
        return chart(self.evidence, self.targets, self.level)

    @cached_property
    def scores(self) -> Float[np.ndarray, "s t"]:
        """Out-of-fold score of every site and target."""
        return self._all_scores[:, 0]

    @cached_property
    def null_scores(self) -> Float[np.ndarray, "s shuffles t"]:
        """The same for every shuffle; draw k is the same permutation at every site."""
        return self._all_scores[:, 1:]

    @cached_property
    def chosen(self) -> Int[np.ndarray, "f t"]:
        """Index of the site that each fold's training rows choose."""
        return self.inner[:, :, 0].argmax(axis=0)

    @cached_property
    def best(self) -> dict[str, str]:
        """Per target the site with the highest inner score, averaged over folds: for showing, not
        for scoring.
        """
        index = self.inner[:, :, 0].mean(axis=1).argmax(axis=0)
        return {t: self.sites[i] for t, i in zip(self.targets, index, strict=True)}

    @cached_property
    def best_overall(self) -> str:
        """The site with the highest inner score, averaged over folds and targets: for what is
        looked at in one place.
        """
        return self.sites[int(self.inner[:, :, 0].mean(axis=(1, 2)).argmax())]

    @cached_property
    def selected_predictions(self) -> Float[np.ndarray, "n t"]:
        """Out-of-fold predictions, each fold's from the site its training rows choose."""
        return self._by_fold(self.predictions)

    def site_statistic(self, site: int, target: int) -> Jackknife:
        """A site's score, jackknifed over groups.

        Args:
            site: its index.
            target: its index.
        """
        return self._statistic(
            self.predictions[site, :, target],
            self.row_loss[site, :, target] if self.row_loss.size else np.empty(0),
            target,
        )

    def selected_statistic(self, target: int) -> Jackknife:
        """The selected site's score, jackknifed over groups; the selection itself is not repeated.

        Args:
            target: its index.
        """
        lost = self._by_fold(self.row_loss)[:, target] if self.row_loss.size else np.empty(0)
        return self._statistic(self.selected_predictions[:, target], lost, target)

    def _statistic(self, predicted: np.ndarray, lost: np.ndarray, target: int) -> Jackknife:
        if self.metric == "auc":
            return Jackknife.auc(predicted, self.y[:, target] == 1, self.groups, self.folds)
        base = self.row_base[:, target]
        if self.metric == "accuracy":
            return Jackknife.ratio(base - lost, base, self.groups)
        if self.metric == "balanced accuracy":
            return self._balanced(lost == 0, self.y[:, target])
        return Jackknife.r2(lost, base, self.groups)

    def _balanced(self, right: np.ndarray, y: Float[np.ndarray, " n"]) -> Jackknife:
        """The mean over classes of the share of their rows that are right; a group left out is left
        out of each share.
        """
        of = [(y == c).astype(np.float64) for c in np.unique(y)]
        shares = [Jackknife.ratio(right * rows, rows, self.groups) for rows in of]
        found = combine(mean_of, *shares, kind="share")
        return replace(found, rows=len(y))

    @cached_property
    def evidence(self) -> list[Evidence]:
        """One per site and target, p against the null of the maximum over sites."""
        out = []
        for s, site in enumerate(self.sites):
            for t in range(len(self.targets)):
                null = self.null_scores[s, :, t]
                top = nulls.max_null(self.null_scores[:, :, t])
                found, value = self.site_statistic(s, t), self.scores[s, t]
                made = self._make(found, value, null, top, t, site, self.widths[s])
                out.append(self._rested(made, {s}, t))
        return out

    @cached_property
    def selected_scores(self) -> Float[np.ndarray, "k t"]:
        """Score of the selected site for the observed labels, first, and for every shuffle, which
        selects for itself.
        """
        index = self.inner.argmax(axis=0)[None]  # (1, f, k, t)
        lost = np.take_along_axis(self.loss, index, axis=0)[0].sum(axis=0)
        return _ratio(lost, self.base.sum(axis=0))

    @cached_property
    def selected(self) -> list[Evidence]:
        """One per target: the site chosen on training rows, scored on held-out ones; the null
        chooses likewise.
        """
        scores, out = self.selected_scores, []
        for t in range(len(self.targets)):
            null = scores[1:, t]
            found = self.selected_statistic(t)
            made = self._make(found, scores[0, t], null, null, t, "selected", None)
            out.append(self._rested(made, set(self.chosen[:, t].tolist()), t))
        return out

    @cached_property
    def maximum(self) -> list[Evidence]:
        """One per target: the highest score of all sites against the null of the maximum. Its value
        is optimistic.
        """
        out = []
        for t in range(len(self.targets)):
            s = int(self.scores[:, t].argmax())
            null = nulls.max_null(self.null_scores[:, :, t])
            made = self._make(
                self.site_statistic(s, t),
                self.scores[s, t],
                null,
                null,
                t,
                f"maximum ({self.sites[s]})",
                self.widths[s],
            )
            out.append(self._rested(made, {s}, t))
        return out

    def _rested(self, made: Evidence, sites: set[int], t: int) -> Evidence:
        """The evidence with a warning for each of its sites at which one coordinate explains most
        of the predictions.
        """
        told = [self.resting[s][t] for s in sorted(sites)] if self.resting else []
        more = tuple(one for one in told if one is not None)
        return replace(made, warnings=(*made.warnings, *more))

    def table(self) -> pd.DataFrame:
        """Sites, selected and maximum as one flat table."""
        return table([*self.evidence, *self.selected, *self.maximum])

    def site_draws(self, counts: Int[np.ndarray, "draws groups"]) -> Float[np.ndarray, "draws s t"]:
        """Bootstrap draws of every site's score; the weights of classes are those of all rows."""
        if self.metric == "auc":
            return np.stack([self._auc_draws(p, counts) for p in self.predictions], axis=1)
        lost = intervals.sum_by_group(np.moveaxis(self.row_loss, 0, 1), self.groups)
        base = intervals.sum_by_group(self.row_base, self.groups)[:, None].repeat(
            len(self.sites), axis=1
        )
        return intervals.bootstrap_ratio(lost, base, counts)

    def selected_draws(
        self, counts: Int[np.ndarray, "draws groups"]
    ) -> Float[np.ndarray, "draws t"]:
        """Bootstrap draws of the selected site's score; the selection itself is not redrawn."""
        if self.metric == "auc":
            return self._auc_draws(self.selected_predictions, counts)
        lost = intervals.sum_by_group(self._by_fold(self.row_loss), self.groups)
        return intervals.bootstrap_ratio(
            lost, intervals.sum_by_group(self.row_base, self.groups), counts
        )

    @cached_property
    def group_draws(self) -> Int[np.ndarray, "draws groups"]:
        """The bootstrap's draws: how often each group is in each; the same for every score, so
        differences are paired.
        """
        rng = generator(self.seed, "sweep", "bootstrap")
        return intervals.group_counts(int(self.groups.max()) + 1, self.draws, rng=rng)

    @cached_property
    def _all_scores(self) -> Float[np.ndarray, "s k t"]:
        return _ratio(self.loss.sum(axis=1), self.base.sum(axis=0))

    def _by_fold(self, x: Float[np.ndarray, "s n t"]) -> Float[np.ndarray, "n t"]:
        site = self.chosen[self.folds]  # (n, t)
        return np.take_along_axis(x, site[None], axis=0)[0]

    def _auc_draws(
        self, scores: Float[np.ndarray, "n t"], counts: np.ndarray
    ) -> Float[np.ndarray, "draws t"]:
        columns = [
            intervals.bootstrap_auc(
                scores[:, t], self.y[:, t] == 1, self.folds, self.groups, counts
            )
            for t in range(len(self.targets))
        ]
        return np.stack(columns, axis=1)

    @property
    def chance_holds(self) -> bool:
        """Whether the shuffled labels are a fair null: not where rows of groups were shuffled one
        by one.
        """
        return self.shuffle == "groups" or int(np.bincount(self.groups).max()) == 1

    def _make(
        self,
        found: Jackknife,
        value: float,
        null: np.ndarray,
        against: np.ndarray,
        t: int,
        site: str,
        d: int | None,
    ) -> Evidence:
        kind = "labels shuffled by group" if self.shuffle == "groups" else "shuffled labels"
        # rows share k probes, and the truth is the mean over training sets: Nadeau and Bengio's
        # correction, test / training
        folds = int(self.folds.max()) + 1
        ends = intervals.interval(found.widened(1 + 1 / (folds - 1)), self.level)
        p = float(nulls.p_value(float(value), against)) if len(null) else None
        return Evidence(
            name=f"{_NAMES[self.metric]} of {self.targets[t]}",
            value=float(value),
            interval=ends.ends,
            null=Null.of(kind, null) if len(null) else None,
            p=p if self.chance_holds else None,
            n=len(self.y),
            d=d,
            unit=_NAMES[self.metric],
            where={"site": site, "target": self.targets[t], "split": self.split},
            warnings=(*ends.warnings, *self.notes),
        )


def compare(
    a: SweepResult,
    b: SweepResult,
    *,
    at: str = "selected",
    names: tuple[str, str] = ("a", "b"),
) -> list[Evidence]:
    """Paired difference of two sweeps over the same rows, ``score(a) − score(b)``, jackknifed over
    groups.

    Both scores lose the same group at a time, so what makes a group hard for both cancels. p asks
    whether there is no difference. Where both sweeps shuffled the labels alike, the same difference
    on the same shuffled labels says how differences scatter, and together over sites; but on
    shuffled labels neither reads anything, and two good sites scatter more than that or less. So
    the draws are given the spread that the jackknife measures:

        z = Φ⁻¹(T_df(d / SE))      p = (1 + #{max over sites of (d* − mean d*) / sd(d*) ≥ z}) / (K + 1)

    with d the difference, SE and df of its jackknife, d* the draws. Taken as they are, the draws
    rejected two equally good sites in 0.25 of samples in place of 0.05 where R² is 0.6, and in none
    where it is 0.96. Without draws, or where the groups give no interval, there is no p.

    Args:
        a: a sweep, of a trained model, say.
        b: another over the same examples, targets and folds: an untrained copy, the input
            embedding.
        at: ``"selected"`` compares the sites selected in training folds; ``"sites"`` those that
            both have, by name, or every site of `a` with the only site of `b`.
        names: what to call the two.

    Returns:
        One per target, or one per site and target.

    Raises:
        DataError: the sweeps differ in rows, targets, groups, folds or metric, or share no site.
    """
    same = (
        a.metric == b.metric
        and a.targets == b.targets
        and all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("y", "groups", "folds"))
    )
    if not same:
        raise DataError(
            "compare: the two sweeps must have the same rows, targets, groups, metric and folds "
            "(same seed)."
        )
    if at not in ("selected", "sites"):
        raise ValueError(f"compare: at must be 'selected' or 'sites', got {at!r}")
    if at == "selected":
        pairs = ["selected"]
        value = (a.selected_scores[:1] - b.selected_scores[:1])[:1]
        chance = _shared(a, b, a.selected_scores[1:], b.selected_scores[1:])[None]
        parts = [
            [(a.selected_statistic(t), b.selected_statistic(t)) for t in range(len(a.targets))]
        ]
    else:
        only = len(b.sites) == 1
        pairs = [s for s in a.sites if only or s in b.sites]
        if not pairs:
            raise DataError("compare: the two sweeps share no site; compare them at='selected'.")
        left = [a.sites.index(s) for s in pairs]
        right = [0 if only else b.sites.index(s) for s in pairs]
        value = a.scores[left] - b.scores[right]
        chance = _shared(a, b, a.null_scores[left], b.null_scores[right])
        parts = [
            [(a.site_statistic(i, t), b.site_statistic(j, t)) for t in range(len(a.targets))]
            for i, j in zip(left, right, strict=True)
        ]
    out = []
    for t, target in enumerate(a.targets):
        found = [one - two for one, two in (parts[s][t] for s in range(len(pairs)))]
        scatter = _standardised(chance[:, :, t])
        for s, site in enumerate(pairs):
            ends = intervals.interval(found[s], a.level)
            null, p = None, None
            if scatter.shape[1] > 1 and ends.ends is not None:
                z = _standing(float(value[s, t]), found[s])
                draws = _spread(scatter[s], found[s])
                null = Null.of("no difference, spread as measured", draws)
                p = float(nulls.p_value(z, scatter.max(axis=0)))
            out.append(
                Evidence(
                    name=f"{_NAMES[a.metric]} of {target}: {names[0]} − {names[1]}",
                    value=float(value[s, t]),
                    interval=ends.ends,
                    null=null,
                    p=p if a.chance_holds and b.chance_holds else None,
                    n=len(a.y),
                    unit=_NAMES[a.metric],
                    where={"site": site, "target": target, "split": a.split},
                    warnings=(*ends.warnings, *a.notes),
                )
            )
    return sorted(out, key=lambda e: pairs.index(str(e.where["site"])))


def _shared(a: SweepResult, b: SweepResult, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The difference on the same shuffled labels; no draws where the sweeps shuffled otherwise."""
    if one.shape == two.shape and a.shuffle == b.shuffle:
        return one - two
    return one[..., :0, :]


def _standardised(draws: Float[np.ndarray, "s k"]) -> Float[np.ndarray, "s k"]:
    """Each site's draws about their mean, in standard deviations; zero where all are equal."""
    if draws.shape[1] < 2:
        return draws
    about = draws - draws.mean(axis=1, keepdims=True)
    spread = draws.std(axis=1, ddof=1, keepdims=True)
    return np.divide(about, spread, out=np.zeros_like(about), where=spread > 1e-12)


def _standing(value: float, found: Jackknife) -> float:
    """A difference in standard errors of its jackknife, as a standard normal quantile."""
    if not (error := float(np.sqrt(found.variance))):
        return float(np.sign(value)) * np.inf if value else 0.0
    df = intervals.degrees_of_freedom(found)
    # the tail that is small, so that large differences keep their order
    return -float(np.sign(value)) * float(norm.ppf(student.sf(abs(value) / error, df)))


def _spread(scatter: Float[np.ndarray, " k"], found: Jackknife) -> Float[np.ndarray, " k"]:
    """Standard draws with the jackknife's standard error and Student's tails: the scale of the
    difference.
    """
    tails = student.isf(norm.sf(np.clip(scatter, -6, 6)), intervals.degrees_of_freedom(found))
    return np.sqrt(found.variance) * tails


def _places(x: float) -> str:
    return f"{x:z.3f}"


def _ratio(loss: np.ndarray, base: np.ndarray) -> np.ndarray:
    # a shuffle may leave nothing to compare (no fold with both classes): chance, one half, for AUC
    return 1.0 - np.divide(
        loss, base, out=np.full(np.broadcast_shapes(loss.shape, base.shape), 0.5), where=base > 0
    )
