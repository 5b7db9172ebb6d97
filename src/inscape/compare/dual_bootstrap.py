"""How well do models explain the dissimilarities of several subjects, for new subjects *and* new
items? The two-factor bootstrap of representational similarity analysis.

Subjects (people, networks, seeds) and items are both samples, so both are drawn anew. Drawing both
at once counts the measurements' noise three times, so three bootstraps are run, of subjects (s), of
items (c) and of both (sc), and

    V = 2 (V_s + V_c) − V_sc,   not below max(V_s, V_c) and not above V_sc

An item that is drawn twice would be at distance zero from itself: such pairs are left out
(`inscape.compare.resampled_rsa`, which makes all draws at once). The
interval is the value ± t √V with min(subjects, items) − 1 degrees of freedom.

Cost: 2 draws × models × subjects products of n² entries.
Reference: Schütt, Kipnis, Diedrichsen and Kriegeskorte (2023), Statistical inference on
representational geometries, eLife 12:e82566, "Estimating the uncertainty of model performance
estimates", eq. 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.stats import t as student

from inscape.compare.resampled_rsa import COMPARISONS, resampled_rsa
from inscape.core.errors import suggest
from inscape.core.evidence import Beside, Evidence


@dataclass(frozen=True, eq=False)
class DualBootstrap:
    """Models' similarity to subjects, with what new subjects and new items would change.

    Attributes:
        names: of the models.
        value: mean over subjects of each model's similarity, (m,).
        subjects: covariance of the models' values over drawn subjects, (m, m).
        items: over drawn items.
        both: over both at once.
        how: the comparison.
        n: subjects and items.
    """

    names: tuple[str, ...]
    value: Float64[np.ndarray, " m"]
    subjects: Float64[np.ndarray, "m m"]
    items: Float64[np.ndarray, "m m"]
    both: Float64[np.ndarray, "m m"]
    how: str
    n: tuple[int, int]

    def variance(self, weights: Float[np.ndarray, " m"]) -> float:
        """Variance of a weighted sum of the models' values, by the formula of the module."""
        w = np.asarray(weights, dtype=np.float64)
        s, c, sc = (float(w @ v @ w) for v in (self.subjects, self.items, self.both))
        return min(max(2 * (s + c) - sc, s, c), max(sc, s, c))

    def evidence(self, model: str, *, level: float = 0.95) -> Evidence:
        """A model's similarity with its interval."""
        at = np.eye(len(self.names))[self._place(model)]
        return self._evidence(f"RSA ({self.how}) of {model}", at, level, ())

    def gain(self, model: str, *, over: str, level: float = 0.95) -> Evidence:
        """How much more similar one model is than another, over the same draws."""
        eye = np.eye(len(self.names))
        at = eye[self._place(model)] - eye[self._place(over)]
        beside = (Beside("baseline", over, float(self.value[self._place(over)])),)
        return self._evidence(f"RSA ({self.how}) of {model} over {over}", at, level, beside)

    def _place(self, model: str) -> int:
        if model not in self.names:
            raise ValueError(f"DualBootstrap: no model {model!r}. {suggest(model, self.names)}")
        return self.names.index(model)

    def _evidence(
        self, name: str, weights: np.ndarray, level: float, beside: tuple[Beside, ...]
    ) -> Evidence:
        value, spread = float(weights @ self.value), np.sqrt(self.variance(weights))
        reach = float(student.ppf((1 + level) / 2, min(self.n) - 1) * spread)
        ends = (value - reach, value + reach)
        return Evidence(name, value, ends, unit=self.how, n=self.n[0], level=level, beside=beside)


def dual_bootstrap(
    matrices: Float[np.ndarray, "s n n"],
    models: dict[str, Float[np.ndarray, "n n"]],
    *,
    how: str = "rho-a",
    draws: int = 200,
    rng: np.random.Generator,
) -> DualBootstrap:
    """Compare models with the dissimilarities of several subjects.

    Args:
        matrices: symmetric dissimilarities of the same items, one matrix a subject.
        models: what each model says of the same items.
        how: cosine, pearson, spearman or rho-a.
        draws: of each of the three bootstraps.
        rng: of the draws.

    Raises:
        ValueError: fewer than 3 subjects or 6 items, another number of items in a model, too few
            draws, or an unknown comparison.
    """
    data = np.asarray(matrices, dtype=np.float64)
    said = np.stack([np.asarray(m, dtype=np.float64) for m in models.values()])
    if how not in COMPARISONS:
        raise ValueError(
            f"dual_bootstrap: how must be one of {', '.join(COMPARISONS)}, got {how!r}"
        )
    if data.ndim != 3 or len(data) < 3 or data.shape[1] < 6 or said.shape[1:] != data.shape[1:]:
        raise ValueError(
            "dual_bootstrap: needs at least 3 subjects' matrices of the same 6 or more items as "
            f"the models', got {data.shape} and {said.shape}"
        )
    if draws < 50:
        raise ValueError(f"dual_bootstrap: give at least 50 draws, got {draws}")
    s, n = data.shape[:2]
    found: list[np.ndarray] = []
    whole = np.ones((1, n))
    for subjects, items in ((True, False), (False, True), (True, True)):
        drawn, counts = np.empty((draws, s), dtype=np.intp), np.ones((draws, n))
        for k in range(draws):
            drawn[k] = rng.integers(s, size=s) if subjects else np.arange(s)
            if items:
                counts[k] = np.bincount(rng.integers(n, size=n), minlength=n)
        each = resampled_rsa(said, data, counts if items else whole, how=how)
        each = np.broadcast_to(each, (draws, *each.shape[1:]))
        means = np.take_along_axis(each, drawn[:, None], axis=2).mean(axis=2)
        found.append(np.cov(means, rowvar=False).reshape(len(said), -1))
    value = resampled_rsa(said, data, whole, how=how)[0].mean(axis=1)
    return DualBootstrap(tuple(models), value, *found, how=how, n=(s, n))
