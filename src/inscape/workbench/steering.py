"""Steering vectors from a labelled table: activations of two classes in, a vector a block out, with
what it separates.

    v_L = (1 / L) · calibrated contrast at block L          summed over L blocks, strength 1 is the classes' own distance

Whether the vectors hold the label is asked of groups that each was not found on: the area under the
ROC curve of held-out rows along them, averaged over the blocks and jackknifed over groups, beside
the same method's vectors for labels shuffled by group.

Cost: one harvest; folds + shuffles × folds contrasts.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from inscape.control import contrast_vectors as contrasts
from inscape.control.dose import even, scheduled
from inscape.control.random_directions import combined
from inscape.control.steering_vector import SteeringVector
from inscape.core import intervals
from inscape.core.errors import DataError, suggest
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes, group_folds
from inscape.core.formulas import mean_of
from inscape.core.jackknife import Jackknife, combine
from inscape.core.nulls import p_value, permutations
from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.data.columns import check_present
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.read.logistic import LogisticProbe
from inscape.store.harvest import harvest

METHODS = ("difference", "pca", "logistic", "lda")
#: shuffles where a direction is a product with weights, and where a method is run anew for each
SHUFFLES, FEW_SHUFFLES, FOLDS = 99, 19, 5

Found = Float[np.ndarray, "layers d"]


def _difference(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> Found:
    """Difference of means."""
    return contrasts.difference_of_means(x, y)


class Made(NamedTuple):
    """A vector and how well it separates what it was made of.

    Attributes:
        vector: scheduled evenly over its blocks; its card says how it was made.
        evidence: area under the ROC curve on held-out groups, mean over the blocks.
        classes: the two labels, from → to.
    """

    vector: SteeringVector
    evidence: Evidence
    classes: tuple[str, str]


def make_vector(
    model: Model,
    examples: Examples,
    label: str | None = None,
    *,
    layers: str | None = None,
    at: str = "last",
    method: str = "difference",
    seed: int = 0,
) -> Made:
    """Find a vector that leads from one class of texts to the other.

    Args:
        model: a text model.
        examples: labelled texts; with a group where texts are related.
        label: the column of two classes; by default the first label that has two. The vector points
            to the later one: the larger number, or the later in the alphabet.
        layers: which blocks, as in a site pattern (``"10:20"``, ``"12"``, ``"*"``); the middle
            third by default.
        at: one position of each text, or ``"mean"``.
        method: ``"difference"`` of means, ``"pca"`` of the differences of pairs (column ``pair``),
            ``"logistic"`` or ``"lda"``.
        seed: of folds, shuffles and bootstrap.

    Raises:
        DataError: no label of two classes, too few groups, or no column ``pair`` for ``"pca"``.
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"make_vector: method must be one of {', '.join(METHODS)}, got {method!r}")
    name, y, classes = two_classes(examples, label)
    sites = model.select(f"resid_post.{layers}" if layers else middle_third(model))
    rows = stacked(model, examples, sites, at)
    find, groups = _finder(method, examples), group_codes(_groups(examples), len(y))
    every = np.arange(len(y))
    directions = contrasts.calibrated(find(rows, y, every), rows, y)
    evidence = _held_out(find, rows, y, groups, seed)
    card = {
        "what": f"from {name} = {classes[0]} to {name} = {classes[1]}",
        "unit": (
            "strength 1 adds the distance between the two class means, shared between the blocks"
        ),
        "method": method,
        "at": at,
        "model": model.name,
        "weights": model.weights_hash,
        "data": examples.card.name,
        "data_fingerprint": examples.fingerprint,
        "label": name,
        "texts": len(y),
        "auc_held_out": round(float(evidence.value), 4),
        "inscape": importlib.metadata.version("inscape"),
    }
    found = {int(site.layer or 0): row for site, row in zip(sites, directions, strict=True)}
    hint = (
        ""
        if model.family is None
        else str(getattr(model.atlas.config, "model_type", model.family.name))
    )
    vector = scheduled(SteeringVector(found, hint, card), even)
    if vector.warnings:
        card["warnings"] = list(vector.warnings)
        evidence = replace(evidence, warnings=(*evidence.warnings, *vector.warnings))
        vector = replace(vector, card=card)
    return Made(vector, evidence, classes)


def two_classes(
    examples: Examples, label: str | None
) -> tuple[str, Int[np.ndarray, " n"], tuple[str, str]]:
    """The column that is contrasted, its codes 0 and 1, and their names.

    Raises:
        DataError: there is no such column, or none of two classes.
    """
    if label is not None:
        check_present(examples.frame, label)
        codes, names = examples.classes(label)
        if len(names) != 2:
            raise DataError(
                f"column {label!r} has {len(names)} classes ({', '.join(names[:4])} …), and a "
                "contrast needs two; keep the "
                "rows of two of them, or name another column with --label."
            )
        return label, codes, (names[0], names[1])
    for name in examples.labels:
        codes, names = examples.classes(name)
        if len(names) == 2:
            return name, codes, (names[0], names[1])
    known = [c for c in examples.frame.columns if c != examples.input]
    raise DataError(
        "no label of these examples has two classes; name a column that has with --label. "
        f"{suggest('', known)}"
    )


def middle_third(model: Model) -> str:
    """The middle third of a model's blocks as a pattern, never block 0 alone, which no GGUF vector
    can hold.
    """
    count = len(model.atlas.blocks)
    start = min(max(1, count // 3), count - 1)
    return f"resid_post.{start}:{max(start + 1, -(-2 * count // 3))}"


def fitting(model: Model, vector: SteeringVector, name: str) -> SteeringVector:
    """The vector, if it can act on the model.

    Raises:
        DataError: another width, or a block that the model does not have.
    """
    last = max(vector.vectors)
    count = len(model.atlas.blocks)
    if last >= count:
        raise DataError(
            f"{name} has a vector for block {last}, and {model.name} has blocks 0 to {count - 1}; "
            "it was made for another model "
            f"({vector.card.get('model') or vector.model_hint or 'unnamed'}): make one with "
            "'inscape vector'."
        )
    width = model.width(Site("resid_post", last))
    if width != vector.width:
        raise DataError(
            f"{name} has {vector.width} numbers a block, and the residual stream of {model.name} "
            f"has {width}; it was made for another model "
            f"({vector.card.get('model') or vector.model_hint or 'unnamed'}): make one with "
            "'inscape vector'."
        )
    return vector


def stacked(
    model: Model, examples: Examples, sites: list[Site], at: str
) -> Float[np.ndarray, "layers n d"]:
    """One row of each example at each site.

    Raises:
        DataError: `at` names several positions of an example.
    """
    store = harvest(model, examples, [str(site) for site in sites], at=at)
    found = {str(site): x for site, x in store.matrices()}
    rows = np.stack([found[str(site)] for site in sites])
    if rows.shape[1] != len(examples):
        raise DataError(
            f"at={at!r} gives several rows of a text, and a contrast needs one; choose last, mean "
            "or span:NAME."
        )
    return rows


def _groups(examples: Examples) -> np.ndarray:
    return np.arange(len(examples)) if examples.group is None else examples.groups()


def _finder(method: str, examples: Examples) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Any]:
    """From rows of all layers, labels and which examples they are, to directions."""
    if method == "difference":
        return _difference
    if method == "lda":
        return lambda x, y, _: contrasts.discriminant(x, y)
    if method == "logistic":
        return lambda x, y, _: contrasts.fitted(x, y, LogisticProbe())
    if "pair" not in examples.frame:
        raise DataError(
            "method pca takes differences of pairs, and there is no column 'pair'; add one, or "
            "choose difference."
        )
    pair = group_codes(examples.frame["pair"].to_numpy())

    def of_pairs(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Any:
        first = {int(pair[r]): i for i, r in enumerate(rows) if y[i] == 0}
        both = [
            (i, first[int(pair[r])])
            for i, r in enumerate(rows)
            if y[i] == 1 and int(pair[r]) in first
        ]
        return contrasts.pca_of_differences(x, y, np.array(both, dtype=np.int64).reshape(-1, 2))

    return of_pairs


def _held_out(find: Any, x: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int) -> Evidence:
    count = int(groups.max()) + 1
    folds = group_folds(groups, min(FOLDS, count), rng=generator(seed, "vector", "folds"))
    shuffles = SHUFFLES if find is _difference else FEW_SHUFFLES
    orders = permutations(
        len(y), shuffles, rng=generator(seed, "vector", "shuffles"), groups=groups, labels=y
    )
    fold_of_row, scores = np.empty(len(y), dtype=np.int64), np.zeros((1 + shuffles, len(x), len(y)))
    for f, (train, held) in enumerate(folds):
        fold_of_row[held] = f
        labels = y[train]
        if labels.min() == labels.max():
            raise DataError(
                "without one of the folds only one class is left: groups and label go together, so "
                "the label cannot be held out; choose another group column."
            )
        own = contrasts.calibrated(find(x[:, train], labels, train), x[:, train], labels)
        for k, rows in enumerate([own, *_shuffled(find, x[:, train], y[orders[:, train]], train)]):
            scores[k][:, held] = np.einsum("lnd,ld->ln", x[:, held], rows)

    def area(scores: np.ndarray, up: np.ndarray) -> Jackknife:
        layers = [Jackknife.auc(s, up, groups, fold_of_row) for s in scores]
        mean = combine(mean_of, *layers, kind="area")
        return replace(mean, rows=layers[0].rows)

    found = area(scores[0], y == 1)
    # rows share a direction a fold: Nadeau and Bengio's correction, test / training
    ends = intervals.interval(found.widened(1 + 1 / (len(folds) - 1)))
    none = [area(s, y[o] == 1).value for s, o in zip(scores[1:], orders, strict=True)]
    return Evidence(
        "AUC along the vector, groups held out",
        found.value,
        ends.ends,
        Null.of("labels shuffled by group", none),
        float(p_value(found.value, np.array(none))),
        n=len(y),
        d=x.shape[2],
        unit="AUC",
        warnings=ends.warnings,
    )


def _shuffled(
    find: Any, x: np.ndarray, labels: Int[np.ndarray, "k n"], train: np.ndarray
) -> Iterable[np.ndarray]:
    """Directions that the same method finds for shuffled labels; zero where it finds none (one
    class, no pair).
    """
    if find is _difference:
        yield from combined(x, np.stack([_means(y) for y in labels]))
        return
    for y in labels:
        try:
            yield contrasts.calibrated(find(x, y, train), x, y)
        except ValueError:
            yield np.zeros((len(x), x.shape[2]))


def _means(y: np.ndarray) -> np.ndarray:
    up, down = max(1, int((y == 1).sum())), max(1, int((y == 0).sum()))
    return np.where(y == 1, 1 / up, -1 / down)
