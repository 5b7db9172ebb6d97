"""Do two models, two checkpoints or two stores represent the same items alike, where, and by which
measure?

    found = compare_models("smollm2-135m", "minilm-l6", "mine.csv", input="text")
    print(found)
    found.grid("debiased linear CKA")
    found.save("runs/compare")

One harvest each (or stores that are there), a layer × layer map for each measure with intervals,
permutation nulls and calibrated scores, and a similarity card of the pair of layers that CKA finds
most alike. Items are aligned by content: both sides must have been made from the same table, row
for row.

Cost: a forward pass of each model; n² (d + S T) for each measure of S × T layers, and its null as
much again. Reference: Kornblith et al. (2019), arXiv:1905.00414; Gröger, Wen and Brbić (2026),
arXiv:2602.14486 (calibrated maxima).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts.heatmap import matrix
from inscape.compare.shifts import balanced_rows, shifts
from inscape.compare.similarity_card import FEWEST, TABLES, SimilarityCard, similarity_card
from inscape.compare.similarity_map import SimilarityMap, similarity_map
from inscape.core.errors import DataError, suggest
from inscape.core.evidence import Evidence, table
from inscape.core.rng import generator
from inscape.core.shown import Shown
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store import manifest
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.study.card import Claim
from inscape.study.environment import command_line, environment
from inscape.study.folder import create
from inscape.study.recording import recording
from inscape.views.grid import Grid
from inscape.workbench.question_card import QuestionCard

#: measure by which the pair of layers of the card is chosen
CHOOSES = "debiased linear CKA"


@dataclass(frozen=True)
class CompareConfig:
    """What was asked, as the run folder keeps it."""

    model: str
    second: str
    data: str
    input: str
    group: str
    sites: str
    at: str
    prompt: str
    items: int
    permutations: int


@dataclass(frozen=True, eq=False)
class Compared:
    """Two networks compared.

    Attributes:
        config: what was asked.
        rows: sites of the first.
        columns: sites of the second.
        maps: the similarities of all pairs of sites, by measure.
        card: every measure at one pair of sites.
        at: that pair, places in `rows` and `columns`.
        certificates: of the models, as plain data.
        notes: what a reader must know.
        seed: of permutations, folds and the choice of items.
        started: when.
    """

    config: CompareConfig
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    maps: dict[str, SimilarityMap]
    card: SimilarityCard
    at: tuple[int, int]
    certificates: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    seed: int
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def title(self) -> str:
        """The question."""
        return f"Do {self.config.model} and {self.config.second} represent the same items alike?"

    def best(self, measure: str) -> Evidence:
        """The most similar pair of sites by a measure, beside the null of the most similar pair."""
        at, _ = self.maps[measure].best()
        where = {
            "first": self.rows[at[0]],
            "second": self.columns[at[1]],
            "ignores": TABLES[measure][1],
        }
        return self.maps[measure].best(name=f"{measure} of the most similar layers", where=where)[1]

    def grid(self, measure: str = CHOOSES) -> Grid:
        """The layer × layer map of a measure: similarities in the cells, null and p of each as its
        hover text.

        Args:
            measure: one of `maps`.

        Raises:
            DataError: there is no such measure.
        """
        if measure not in self.maps:
            raise DataError(f"there is no measure {measure!r}. {suggest(measure, list(self.maps))}")
        found = self.maps[measure]
        null, p = found.draws.mean(axis=0), found.p_corrected
        hover = [
            [
                f"{value:z.2f}, permuted items {null[i, j]:z.2f}, p = {p[i, j]:.2g} over all pairs"
                for j, value in enumerate(row)
            ]
            for i, row in enumerate(found.values)
        ]
        return Grid(
            f"{measure}: {self.config.model} (rows), {self.config.second} (columns)",
            self.rows,
            self.columns,
            found.values,
            hover=hover,
            corner="site",
            key=f"1: identical. Ignores {TABLES[measure][1]}.",
        )

    def _shown(self) -> Shown:
        """The most similar pair of sites by each measure, as a table."""
        heads = ("measure", self.config.model, self.config.second, "value", "interval", "null", "p")
        rows = []
        for measure in self.maps:
            e = self.best(measure)
            assert e.null is not None
            ends = f"[{e.interval[0]:z.2f}, {e.interval[1]:z.2f}]" if e.interval else ""
            sites = (str(e.where["first"]), str(e.where["second"]))
            numbers = (f"{e.value:z.2f}", ends, f"{e.null.mean:z.2f}", f"{e.p:.2g}")
            rows.append((measure, *sites, *numbers))
        notes = (
            (
                "Most similar sites by each measure; null and p are of the most similar of "
                "permuted items."
            ),
            *self.notes,
        )
        return Shown(self.title, heads, rows, notes, numbers=(3, 4, 5, 6))

    def __repr__(self) -> str:
        return str(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html() + self.grid().html()

    def frame(self, measure: str) -> pd.DataFrame:
        """Every pair of sites: value, interval, its null, p alone and corrected for the search,
        calibrated score.
        """
        found = self.maps[measure]
        corrected, scores = found.p_corrected, found.calibrated()
        rows = []
        for i, first in enumerate(self.rows):
            for j, second in enumerate(self.columns):
                e = found.evidence(i, j, where={"first": first, "second": second})
                more = {"p_corrected": corrected[i, j], "calibrated": scores[i, j]}
                rows.append({**e.row(), **more})
        return pd.DataFrame(rows)

    def answer(self) -> str:
        """What was found, in a few sentences."""
        said = []
        for measure in self.maps:
            e = self.best(measure)
            assert e.null is not None
            assert e.p is not None
            verb = (
                "more alike than chance"
                if e.p <= 0.05
                else "not shown to be more alike than chance"
            )
            said.append(
                f"By {measure}, {e.where['first']} and {e.where['second']} are most alike, "
                f"{e.value:.2f}: {verb} (the most "
                f"alike of permuted items {e.null.mean:z.2f}, p = {e.p:.2g} for the search over "
                "all pairs)."
            )
        pair = f"At {self.rows[self.at[0]]} and {self.columns[self.at[1]]}:"
        return "\n\n".join([" ".join(said), " ".join([pair, *self.card.reasons])])

    def to_dict(self) -> dict[str, Any]:
        """The best pairs and the card as plain data."""
        return {
            "title": self.title,
            "best": [self.best(measure).row() for measure in self.maps],
            "card": [e.row() for e in self.card.evidence],
            "reasons": list(self.card.reasons),
            "notes": list(self.notes),
        }

    def save(self, out: str | Path | None = None) -> Path:
        """Write a run folder, which `inscape.report.build.build` draws a report from.

        Args:
            out: the folder, new or empty; None for ``runs/compare-<time>``.

        Raises:
            RunError: the folder is taken or cannot be written.
        """
        best = {_slug(measure): self.best(measure) for measure in self.maps}
        claims = {
            f"{name}-above-chance": Claim(
                text="The most similar layers are more alike than those of permuted items, by "
                f"{e.unit}",
                at_least=0.0,
                null=e.null.kind if e.null is not None else "",
            )
            for name, e in best.items()
        }
        folder = create(out, "compare", "models", datetime.now())
        with recording(
            folder,
            QuestionCard(self.title, claims, "compare"),
            self.config,
            preset="",
            seed=self.seed,
            command=command_line(),
            environment=environment(),
            started=self.started,
        ) as run:
            for certificate in self.certificates:
                run.certificate(certificate)
            for measure in self.maps:
                name, frame = _slug(measure), self.frame(measure)
                drawn = self._chart(frame, measure)
                ignores = f"It ignores {TABLES[measure][1]}."
                run.figure(
                    f"map-{name}",
                    drawn,
                    f"{measure} of every pair of layers, calibrated: 0 is what permuted "
                    f"items reach one time in twenty, 1 is identity. {ignores}",
                )
                run.table(f"map-{name}", frame, f"{measure} of every pair of layers. {ignores}")
                run.claim(f"{name}-above-chance", best[name])
            pair = (
                f"{self.rows[self.at[0]]} of {self.config.model} and {self.columns[self.at[1]]} "
                f"of {self.config.second}"
            )
            run.table("similarity-card", table(self.card.evidence), f"Every measure at {pair}.")
            run.text("why", "\n".join(f"- {reason}" for reason in self.card.reasons))
            for note in self.notes:
                run.warn(note)
            run.answer(self.answer())
        return folder.path

    def _chart(self, frame: pd.DataFrame, measure: str) -> Any:
        cells = frame.assign(row=frame["first"], column=frame["second"], value=frame["calibrated"])
        large = max(len(self.rows), len(self.columns)) > 12
        return matrix(
            cells[["row", "column", "value"]],
            value=f"calibrated {measure}",
            row=self.config.model,
            column=self.config.second,
            domain=(0.0, 1.0),
            number=".1f" if large else ".2f",
            cell=30 if large else 64,
        )


def compare_models(
    first: str | Path | Model | Store,
    second: str | Path | Model | Store,
    data: str | Path | pd.DataFrame | Examples | None = None,
    *,
    input: str | None = None,
    group: str | None = None,
    sites: str = "embed, resid_post.*",
    at: str = "last",
    prompt: str | None = None,
    limit: int | None = None,
    items: int = 1000,
    permutations: int = 199,
    seed: int = 0,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> Compared:
    """Compare two networks on the same items.

    Args:
        first: a model or its name, a checkpoint's folder, or a store.
        second: the same, of the other side.
        data: examples, or whatever `inscape.data.load.load` takes; not with two stores, which have
            their own.
        input: the column that the models read.
        group: a column whose rows stay together in permutations; groups are cut to one size.
        sites: which sites of models; stores are compared at all of theirs.
        at: which position of each input.
        prompt: a template with one ``{}`` that each text is set into.
        limit: only the first so many examples.
        items: at most so many, drawn at random; maps cost the square of it.
        permutations: draws of the nulls, 19 or more.
        seed: of permutations, folds and the choice of items.
        progress: called after each measure with (done, total, measure).

    Returns:
        What was found; `Compared.save` keeps it.

    Raises:
        DataError: the two sides are not of the same items, or there are fewer than 40; one sentence
            names the cure.
        ValueError: too few permutations.
    """
    if permutations < 19:
        raise ValueError(
            "compare_models: permutations must be at least 19, below which no p reaches 0.05; got "
            f"{permutations}"
        )
    started = datetime.now(UTC)
    stores = [side if isinstance(side, Store) else _store(side) for side in (first, second)]
    examples = None
    if not all(stores):
        if data is None:
            missing = first if stores[0] is None else second
            name = missing.name if isinstance(missing, Model) else missing
            raise DataError(
                f"{name} is no store, so examples are needed: give data, a table of them (--data on "
                "the command line)."
            )
        examples = (
            data
            if isinstance(data, Examples)
            else load(data, input=input, group=group, limit=limit)
        )
    elif data is not None:
        raise DataError(
            "two stores have their own examples; leave the data out, or give the models."
        )
    sides = [
        store if store is not None else _harvested(side, examples, sites, at, prompt)
        for store, side in zip(stores, (first, second), strict=True)
    ]
    frame = aligned(*sides)
    rows, codes, notes = _chosen(frame, examples, group, items, generator(seed, "compare", "items"))
    vectors = [{str(k): v[rows] for k, v in side.matrices()} for side in sides]
    vectors, flat = _varying(vectors)
    notes += flat
    moved = shifts(len(rows), permutations, rng=generator(seed, "compare", "null"), groups=codes)
    maps: dict[str, SimilarityMap] = {}
    for done, (measure, (make, _)) in enumerate(TABLES.items(), 1):
        made = [[make(v) for v in side.values()] for side in vectors]
        maps[measure] = similarity_map(*made, groups=codes, shifts=moved)
        if progress is not None:
            progress(done, len(TABLES) + 1, measure)
    place, _ = maps[CHOOSES].best()
    pair = [list(side.values())[i] for side, i in zip(vectors, place, strict=True)]
    card = similarity_card(
        *pair, rng=generator(seed, "compare", "card"), groups=codes, draws=permutations
    )
    if progress is not None:
        progress(len(TABLES) + 1, len(TABLES) + 1, "similarity card")
    notes += (
        (
            f"The pair of layers of the similarity card was chosen by its {CHOOSES} on the same "
            "items, which is optimistic."
        ),
    )
    names = [str(side.manifest["model"]) for side in sides]
    config = CompareConfig(
        *names,
        data=examples.card.name if examples is not None else str(sides[0].path),
        input=examples.input if examples is not None else "",
        group=group or "",
        sites=sites,
        at=str(sides[0].manifest["recipe"]["at"]),
        prompt=prompt or "",
        items=len(rows),
        permutations=permutations,
    )
    proofs = tuple(s.certificate for s in sides if s.certificate is not None)
    return Compared(
        config, *(tuple(side) for side in vectors), maps, card, place, proofs, notes, seed, started
    )


def aligned(first: Store, second: Store) -> pd.DataFrame:
    """The rows of two stores, if they are of the same items in the same order.

    Raises:
        DataError: other data, or other rows of them; the message says which.
    """
    one, two = (s.manifest["recipe"] for s in (first, second))
    if one["data"] != two["data"]:
        raise DataError(
            f"{first.path} and {second.path} were harvested from different examples (their "
            "contents differ), so their rows "
            "are not the same items; harvest both from one table."
        )
    frames = [first.frame(), second.frame()]
    if len(frames[0]) != len(frames[1]) or (frames[0]["example"] != frames[1]["example"]).any():
        raise DataError(
            f"the two sides have {len(frames[0])} and {len(frames[1])} rows of the same examples "
            f"(at {one['at']!r} and {two['at']!r}); look at one position of each, such as 'last' "
            "or 'mean', where tokens differ."
        )
    return frames[0]


def _store(side: Any) -> Store | None:
    """The store that a path names, if it is one."""
    path = Path(side) if isinstance(side, (str, Path)) else None
    return Store(path) if path is not None and path.is_dir() and manifest.present(path) else None


def _harvested(side: Any, examples: Any, sites: str, at: str, prompt: str | None) -> Store:
    opened = side if isinstance(side, Model) else open_model(str(side))
    return harvest(opened, examples, sites, at=at, prompt=prompt)


def _chosen(
    frame: pd.DataFrame,
    examples: Examples | None,
    group: str | None,
    items: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Which rows are compared, their groups, and what a reader must know of the choice."""
    notes: tuple[str, ...] = ()
    codes = None
    if examples is not None and examples.group is not None:
        codes = examples.groups()[frame["example"].to_numpy()]
    elif group is not None:
        if group not in frame:
            raise DataError(
                f"the store has no column {group!r} to group by; it has {', '.join(frame)}."
            )
        codes = frame[group].to_numpy()
    elif frame["example"].duplicated().any():
        codes = frame["example"].to_numpy()
    rows = np.arange(len(frame))
    if codes is not None:
        codes = np.unique(np.asarray([str(c) for c in codes]), return_inverse=True)[1]
        if (count := int(codes.max()) + 1) < FEWEST:
            raise DataError(
                f"{count} groups are too few: with groups that stay together, no p below 1/{count} "
                f"exists; give at least {FEWEST} groups, or leave the group out."
            )
        rows = balanced_rows(codes, rng=rng)
        if len(rows) < len(frame):
            notes += (
                f"Groups were cut to one size: {len(rows)} of {len(frame)} rows are compared.",
            )
        size = int(np.bincount(codes[rows])[0])
        count = len(rows) // size
        if len(rows) > items and count > 1:
            kept = rng.permutation(count)[: max(items // size, 2)]
            rows = rows[np.isin(codes[rows], kept)]
    elif len(rows) > items:
        rows = np.sort(rng.permutation(len(rows))[:items])
    if len(rows) < len(frame):
        notes += (f"{len(rows)} of {len(frame)} rows, drawn at random, are compared.",)
    if len(rows) < 40:
        raise DataError(
            f"{len(rows)} rows are too few to compare representations; give at least 40 examples."
        )
    return rows, None if codes is None else codes[rows], notes


def _varying(
    vectors: Sequence[dict[str, np.ndarray]],
) -> tuple[list[dict[str, np.ndarray]], tuple[str, ...]]:
    """Sites whose rows differ; one at which all items are the same (the embedding of a full stop)
    is left out, and said.
    """
    kept, notes = [], []
    for side in vectors:
        still = [k for k, v in side.items() if len(np.unique(v, axis=0)) < max(4, len(v) // 10)]
        notes += [f"{k} is left out: it tells hardly any of the items apart." for k in still]
        kept.append({k: v for k, v in side.items() if k not in still})
        if not kept[-1]:
            raise DataError(
                "no site tells the items apart at this position; choose another with at (--at at "
                "the command line)."
            )
    return kept, tuple(notes)


def _slug(measure: str) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in measure.lower())
    return "-".join(part for part in plain.split("-") if part)
