"""Activations of one site as points of a plane, with the text of each on hover.

    scatter("smollm2-135m", "reviews", "resid_post.15", by="positive")

PCA keeps the two directions of largest variance, whose shares are named on the axes; what two of
hundreds of dimensions do not show may still be there. UMAP, where it is installed, keeps
neighbourhoods; distances between its clusters mean nothing.

Cost: one forward pass over the texts, and a decomposition of (n, d).
Reference: Pearson (1901), Philos. Mag. 2; McInnes, Healy and Melville (2018), arXiv:1802.03426.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from inscape.core.errors import DataError, InscapeError, suggest
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store.harvest import harvest
from inscape.views.page import page, save
from inscape.views.points import COLOURS, points

#: points shown at most
MOST = 2000


@dataclass(frozen=True, eq=False)
class Plane:
    """Points of a plane.

    Attributes:
        model, site, at: what was read where.
        method: ``"pca"`` or ``"umap"``.
        xy: the points, (n, 2).
        texts: of each.
        groups: what each belongs to; None where nothing was asked.
        by: the column that these are of.
        shares: of the variance along the two axes; empty for UMAP.
    """

    model: str
    site: str
    at: str
    method: str
    xy: Float[np.ndarray, "n 2"]
    texts: tuple[str, ...]
    groups: tuple[str, ...] | None
    by: str
    shares: tuple[float, ...]

    def _axes(self) -> tuple[str, str]:
        if not self.shares:
            return "UMAP 1", "UMAP 2"
        first, second = (f"PC {i} ({s:.0%} of the variance)" for i, s in enumerate(self.shares, 1))
        return first, second

    def _repr_html_(self) -> str:
        title = f"{self.site} of {self.model}" + (f", by {self.by}" if self.by else "")
        return points(self.xy, self.texts, self.groups, title=title, axes=self._axes())

    def __str__(self) -> str:
        return f"{len(self.texts)} points of {self.site}, {' × '.join(self._axes())}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        facts = {"model": self.model, "site": self.site, "at": self.at, "method": self.method}
        return {
            **facts,
            "by": self.by,
            "shares": self.shares,
            "xy": self.xy,
            "texts": self.texts,
            "groups": self.groups,
        }

    def html(self) -> str:
        """A page of its own."""
        return page(
            f"{self.site} of {self.model}",
            [self._repr_html_()],
            f"{len(self.texts)} texts at the position {self.at!r}; {self.method.upper()}.",
        )

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        return save(path, self.html())


def scatter(
    model: str | Path | Model,
    data: str | Path | pd.DataFrame | Examples,
    site: str,
    *,
    by: str | None = None,
    at: str = "last",
    method: str = "pca",
    input: str | None = None,
    limit: int = 500,
) -> Plane:
    """The activations of texts at a site, as points of a plane.

    Args:
        model: a model or its name.
        data: examples, or whatever `inscape.data.load.load` takes.
        site: one site.
        by: the column that colours the points; numbers of more than eight values in five bins.
        at: which position of each text.
        method: ``"pca"`` or ``"umap"``.
        input: the column that the model reads.
        limit: texts at most, up to 2,000.

    Raises:
        ValueError: an unknown method, or a limit that is no number of texts.
        DataError: no such column, or fewer than three texts.
        InscapeError: UMAP is not installed.
    """
    if method not in ("pca", "umap"):
        raise ValueError(f"scatter: method must be 'pca' or 'umap', got {method!r}")
    if not 1 <= limit <= MOST:
        raise ValueError(f"scatter: limit must be between 1 and {MOST}, got {limit}")
    examples = data if isinstance(data, Examples) else load(data, input=input)
    examples = examples.take(np.arange(min(limit, len(examples))))
    if len(examples) < 3:
        raise DataError(f"a plane needs three texts or more, and there are {len(examples)}.")
    if by is not None and by not in examples.frame:
        raise DataError(
            f"there is no column {by!r} to colour by. {suggest(by, examples.frame.columns)}"
        )
    opened = model if isinstance(model, Model) else open_model(str(model))
    chosen = [str(s) for s in opened.select(site)]
    if len(chosen) != 1:
        raise DataError(f"{site!r} names {len(chosen)} sites; name one, such as {chosen[0]}.")
    x = harvest(opened, examples, chosen[0], at=at).matrix(chosen[0]).astype(np.float64)
    xy, shares = _pca(x) if method == "pca" else (_umap(x), ())
    groups = None if by is None else tuple(_kinds(examples.frame[by]))
    texts = tuple(examples.texts())
    return Plane(opened.name, chosen[0], at, method, xy, texts, groups, by or "", shares)


def _pca(x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n 2"], tuple[float, ...]]:
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    if len(s) < 2:  # a site of one number has one axis
        u, s = np.pad(u, ((0, 0), (0, 1))), np.pad(s, (0, 1))
    # the sign of a component means nothing; the largest coordinate is made positive
    sign = np.sign(u[np.abs(u).argmax(axis=0), np.arange(u.shape[1])])
    whole = float((s**2).sum()) or 1.0
    return (u * s * np.where(sign == 0, 1, sign))[:, :2], tuple(float(v**2) / whole for v in s[:2])


def _umap(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    try:
        from umap import UMAP
    except ImportError:
        raise InscapeError(
            "UMAP is not installed: pip install umap-learn, or take method='pca'."
        ) from None
    return np.asarray(UMAP(random_state=0, n_jobs=1).fit_transform(x), dtype=np.float64)


def _kinds(column: pd.Series) -> list[str]:
    """A column as few kinds: as it stands, or numbers of many values in five bins of equal
    counts.
    """
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > len(COLOURS):
        bins = pd.qcut(column, 5, duplicates="drop")
        return [f"{b.left:.3g} to {b.right:.3g}" for b in bins]
    return [str(v) for v in column]
