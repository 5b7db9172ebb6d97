"""Linear shortcut: jump from one layer to another by the least-squares map between their states at
the same position.

    A, b = argmin Σ ‖A h_ℓ + b − h_ℓ′‖² + α‖A‖²

Everything comes from moments that are streamed over batches, in float64 about a shift, kept apart
by part (of the documents): for a source one eigenbasis serves every target and penalty; the penalty
is the one with the least error on each part when fitted on the others:

    Σ ‖y − ŷ‖² = S_yy − 2 B·S_xy + B·S_xx B       over rows that were not fitted, about the means that were

A map of rank r is the best one of that rank for the fitted values: A projected onto their r largest
principal directions.

Cost: n d² a source and n d e a pair to stream; d³ a source and part, d² e a part and pair to fit.
Reference: Din et al. (2023), arXiv:2303.09435, §3; Izenman (1975), Reduced-rank regression, J.
Multivariate Anal. 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.arrays import like, to_numpy
from inscape.core.edit import Affine, Scope
from inscape.core.ridge import ALPHAS, check_alphas


@dataclass(frozen=True, eq=False)
class Shortcut:
    """An affine map between the states of two layers.

    Attributes:
        weight: A, (e, d).
        bias: b, (e,).
        alpha: the penalty chosen, for features of unit root-mean-square deviation; NaN where
            nothing was fitted.
        inner: share of the target's variance explained on parts left out, at that penalty; NaN
            where nothing was chosen.
    """

    weight: Float[np.ndarray, "e d"]
    bias: Float[np.ndarray, " e"]
    alpha: float = float("nan")
    inner: float = float("nan")

    @classmethod
    def identity(cls, d: int) -> Shortcut:
        """States left as they are: the logit lens."""
        return cls(np.eye(d), np.zeros(d))

    def __call__(self, x: Any) -> Any:
        """States of the source (…, d) as states of the target (…, e), of the kind given, in
        float32.
        """
        rows = to_numpy(x)
        return like(rows @ self.weight.T.astype(np.float32) + self.bias.astype(np.float32), x)

    def edit(self, scope: Scope) -> Affine:
        """The map as an edit of the source's own site (widths must agree)."""
        return Affine(scope, torch.tensor(self.weight), torch.tensor(self.bias))


def explained(y: Float[np.ndarray, "n e"], predicted: Float[np.ndarray, "n e"]) -> float:
    """1 − Σ‖y − ŷ‖² / Σ‖y − ȳ‖², all coordinates together; not bounded below.

    Raises:
        ValueError: rows of y that are all the same, of which there is no variance to explain.
    """
    y = np.asarray(y, dtype=np.float64)
    if not len(y) or bool((y == y[0]).all()):
        raise ValueError("explained: the rows of y are all the same, so R² is undefined")
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())


@dataclass
class _Part:
    """Sums over one part's rows, about the shift: of x, of x xᵀ, of y, of x yᵀ, of ‖y‖²."""

    n: int = 0
    x: dict[str, Any] = field(default_factory=dict)
    xx: dict[str, Any] = field(default_factory=dict)
    y: dict[str, Any] = field(default_factory=dict)
    yy: dict[str, Any] = field(default_factory=dict)
    xy: dict[tuple[str, str], Any] = field(default_factory=dict)

    def plus(self, other: _Part) -> _Part:
        names = ("x", "xx", "y", "yy", "xy")
        sums = {
            f: {k: v + getattr(other, f)[k] for k, v in getattr(self, f).items()} for f in names
        }
        return replace(other, n=self.n + other.n, **sums) if self.n else other


class ShortcutMoments:
    """Streams states of several sites and fits the maps between them.

    Args:
        pairs: (source, target) names; pairs with one source share its decomposition.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(400, 3))
        >>> moments = ShortcutMoments([("a", "b")])
        >>> for part, rows in enumerate((x[:200], x[200:])):
        ...     moments.add({"a": rows, "b": 2 * rows + 1}, part)
        >>> moments.fit()["a", "b"].weight.round(2).diagonal().tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = list(dict.fromkeys((str(a), str(b)) for a, b in pairs))
        if not self.pairs:
            raise ValueError("ShortcutMoments: needs at least one pair (source, target)")
        self._shift: dict[str, np.ndarray] = {}
        self._parts: dict[int, _Part] = {}

    def add(self, states: Mapping[str, Any], part: int = 0) -> None:
        """Take in rows.

        Args:
            states: site → (n, d), the same rows for every site of the pairs.
            part: which part they belong to; rows of one document belong to one part.

        Raises:
            ValueError: a site is missing, the numbers of rows differ, or a number is not finite.
        """
        names = dict.fromkeys(name for pair in self.pairs for name in pair)
        if missing := [name for name in names if name not in states]:
            raise ValueError(
                f"ShortcutMoments.add: states of {missing[0]} are missing; give every site of the "
                "pairs"
            )
        rows = {name: np.asarray(to_numpy(states[name]), dtype=np.float64) for name in names}
        if broken := [name for name, x in rows.items() if not np.isfinite(x).all()]:
            raise ValueError(
                f"ShortcutMoments.add: states of {broken[0]} hold NaN or infinite numbers; leave those "
                "rows out at every site"
            )
        if len({len(x) for x in rows.values()}) != 1:
            raise ValueError(
                "ShortcutMoments.add: rows differ between sites: "
                f"{ {k: len(x) for k, x in rows.items()} }"
            )
        for name, x in rows.items():
            rows[name] = x - self._shift.setdefault(name, x.mean(axis=0))
        sources, targets = (dict.fromkeys(pair[i] for pair in self.pairs) for i in (0, 1))
        found = _Part(len(next(iter(rows.values()))))
        found.x = {s: rows[s].sum(axis=0) for s in sources}
        found.xx = {s: rows[s].T @ rows[s] for s in sources}
        found.y = {t: rows[t].sum(axis=0) for t in targets}
        found.yy = {t: float((rows[t] ** 2).sum()) for t in targets}
        found.xy = {(s, t): rows[s].T @ rows[t] for s, t in self.pairs}
        self._parts[part] = self._parts.get(part, _Part()).plus(found)

    @property
    def n(self) -> int:
        """Rows so far."""
        return sum(p.n for p in self._parts.values())

    def mean_of(self, source: str) -> Float[np.ndarray, " d"]:
        """The mean state of a source."""
        return self._sum(self._parts.values()).x[source] / self.n + self._shift[source]

    def mean_shift(self, source: str, target: str) -> Shortcut:
        """The identity and the difference of the means: what a map does that knows no direction."""
        whole = self._sum(self._parts.values())
        bias = (
            (whole.y[target] - whole.x[source]) / whole.n
            + self._shift[target]
            - self._shift[source]
        )
        return Shortcut(np.eye(len(bias)), bias)

    def limit(self, source: str, target: str, fit: Shortcut, rank: int) -> Shortcut:
        """The best map of that rank for what `fit` predicts.

        Raises:
            ValueError: a rank below 1.
        """
        if rank < 1:
            raise ValueError(f"ShortcutMoments.limit: rank must be at least 1, got {rank}")
        whole = self._sum(self._parts.values())
        scatter = whole.xx[source] - np.outer(whole.x[source], whole.x[source] / whole.n)
        _, u = np.linalg.eigh(fit.weight @ scatter @ fit.weight.T)
        weight = u[:, -rank:] @ (u[:, -rank:].T @ fit.weight)
        mean_x, mean_y = (
            whole.x[source] / whole.n + self._shift[source],
            whole.y[target] / whole.n + self._shift[target],
        )
        return Shortcut(weight, mean_y - weight @ mean_x, fit.alpha)

    def fit(self, alphas: Sequence[float] | np.ndarray = ALPHAS) -> dict[tuple[str, str], Shortcut]:
        """The map of every pair.

        Args:
            alphas: penalties for features of unit deviation; with more than one, at least two parts
                are needed.

        Raises:
            ValueError: several penalties and one part only, or no rows.
        """
        grid = check_alphas(alphas)
        if not self._parts or (len(grid) > 1 and len(self._parts) < 2):
            raise ValueError(
                f"ShortcutMoments.fit: {len(self._parts)} parts cannot choose among {len(grid)} "
                "penalties; give rows of two parts or more, or one penalty"
            )
        found: dict[tuple[str, str], Shortcut] = {}
        for source in dict.fromkeys(s for s, _ in self.pairs):
            targets = [t for s, t in self.pairs if s == source]
            found |= {(source, t): fit for t, fit in self._fit(source, targets, grid).items()}
        return {pair: found[pair] for pair in self.pairs}

    def _fit(self, source: str, targets: list[str], grid: np.ndarray) -> dict[str, Shortcut]:
        errors, base = {t: np.zeros(len(grid)) for t in targets}, dict.fromkeys(targets, 0.0)
        for held, part in self._parts.items() if len(grid) > 1 else ():
            train = self._sum([p for k, p in self._parts.items() if k != held])
            w, v, scale = _basis(train, source)
            mean_x = train.x[source] / train.n
            gram = (
                v.T
                @ _about(part.xx[source], part.x[source], part.x[source], mean_x, mean_x, part.n)
                @ v
            )
            for t in targets:
                mean_y = train.y[t] / train.n
                cross = v.T @ _about(
                    part.xy[source, t], part.x[source], part.y[t], mean_x, mean_y, part.n
                )
                inside = v.T @ _centred(train, source, t)
                square = (
                    part.yy[t] - 2 * float(part.y[t] @ mean_y) + part.n * float(mean_y @ mean_y)
                )
                base[t] += square
                # B is a scaling of the rows of VᵀC, so that both sums over targets are made once
                # for all penalties
                explains, power = (inside * cross).sum(axis=1), gram * (inside @ inside.T)
                for i, alpha in enumerate(grid * scale):
                    shrunk = 1.0 / (w + alpha)
                    errors[t][i] += (
                        square - 2 * float(shrunk @ explains) + float(shrunk @ power @ shrunk)
                    )
        whole = self._sum(self._parts.values())
        w, v, scale = _basis(whole, source)
        out = {}
        for t in targets:
            best = int(errors[t].argmin())
            b = (v.T @ _centred(whole, source, t)) / (w + grid[best] * scale)[:, None]
            weight = (v @ b).T
            mean_x, mean_y = (
                whole.x[source] / whole.n + self._shift[source],
                whole.y[t] / whole.n + self._shift[t],
            )
            inner = 1 - errors[t][best] / base[t] if len(grid) > 1 else float("nan")
            out[t] = Shortcut(weight, mean_y - weight @ mean_x, float(grid[best]), float(inner))
        return out

    def through_origin(self, source: str, target: str, alpha: float) -> Shortcut:
        """The map without an intercept, ``(Σ h hᵀ + αI)⁻¹ Σ h h′ᵀ``: the map of Din et al., with a
        penalty.

        Args:
            source: a source.
            target: a target of it.
            alpha: penalty for features of unit root-mean-square deviation.
        """
        whole, n = self._sum(self._parts.values()), self.n
        a, b = self._shift[source], self._shift[target]
        sx, sy = whole.x[source], whole.y[target]
        square = whole.xx[source] + np.outer(sx, a) + np.outer(a, sx) + n * np.outer(a, a)
        cross = whole.xy[source, target] + np.outer(sx, b) + np.outer(a, sy) + n * np.outer(a, b)
        scale = _basis(whole, source)[2]
        ridge = square + alpha * scale * np.eye(len(square))
        # least squares, since states may span less than the space
        weight = np.linalg.lstsq(ridge, cross, rcond=None)[0].T
        return Shortcut(weight, np.zeros(len(b)), alpha)

    @staticmethod
    def _sum(parts: Any) -> _Part:
        total = _Part()
        for part in parts:
            total = total.plus(part)
        return total


def _basis(part: _Part, source: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Eigenvalues above rounding and eigenvectors of the scatter, and the mean squared deviation of
    a feature.
    """
    w, v = np.linalg.eigh(part.xx[source] - np.outer(part.x[source], part.x[source] / part.n))
    keep = w > max(part.n, len(w)) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)
    return w[keep], v[:, keep], float(max(w.sum(), 0.0) / (part.n * len(w))) or 1.0


def _centred(part: _Part, source: str, target: str) -> np.ndarray:
    return part.xy[source, target] - np.outer(part.x[source], part.y[target] / part.n)


def _about(
    s: np.ndarray, x: np.ndarray, y: np.ndarray, mean_x: np.ndarray, mean_y: np.ndarray, n: int
) -> np.ndarray:
    """Σ (x − a)(y − b)ᵀ from Σ x yᵀ and the sums."""
    return s - np.outer(x, mean_y) - np.outer(mean_x, y) + n * np.outer(mean_x, mean_y)
