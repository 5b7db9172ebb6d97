"""One's own question: can a label be read from the activations of a model, where, and beyond what
the text itself shows?

    found = probe("smollm2-135m", "mine.csv", input="text", labels=["score"], group="author")
    print(found.results["score"])
    found.save("runs/score")

One harvest (or a store that is there already), one sweep a label over all sites, with shuffled
labels, intervals and the site chosen by inner cross-validation; beside it the same probe on
character n-grams of the input. `Asked.save` writes a run folder, which a report is drawn from.

Cost: one forward pass over the examples, and the sweep (`inscape.probing.sweep`).
Reference: Alain and Bengio (2016), arXiv:1610.01644; Hewitt and Liang (2019), arXiv:1909.03368
(what a probe must beat).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.errors import DataError, suggest
from inscape.core.evidence import Evidence, table
from inscape.core.folds import group_codes
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.probing.sweep import SweepResult, compare, sweep
from inscape.probing.sweep_chart import chart
from inscape.read.surface import letters
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.study.card import Claim
from inscape.study.claims import Judged, judge
from inscape.study.environment import command_line, environment
from inscape.study.folder import create
from inscape.study.progress import progress as bar
from inscape.study.recording import recording
from inscape.workbench.question import Target, target
from inscape.workbench.question_card import QuestionCard

INPUT_ALONE = "character n-grams of the input"


@dataclass(frozen=True)
class ProbeConfig:
    """What was asked, as the run folder keeps it."""

    model: str
    data: str
    input: str
    labels: tuple[str, ...]
    group: str
    task: str
    sites: str
    at: str
    prompt: str
    folds: int
    shuffles: int


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with what was found.

    Attributes:
        config: what was asked.
        targets: the labels as they were predicted, by name.
        results: the sweep of each label.
        alone: the sweep of the input's character n-grams for each label; empty where the input is
            not text.
        certificate: of the model, as plain data; None where there is none.
        seed: of folds and shuffles.
        started: when.
    """

    config: ProbeConfig
    targets: dict[str, Target]
    results: dict[str, SweepResult]
    alone: dict[str, SweepResult]
    certificate: Mapping[str, Any] | None
    seed: int
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def title(self) -> str:
        """The question: ``"Can score be read from the activations of smollm2-135m?"``"""
        *most, last = self.targets
        names = f"{', '.join(most)} and {last}" if most else last
        return f"Can {names} be read from the activations of {self.config.model}?"

    def selected(self, label: str) -> Evidence:
        """The score at the site that inner cross-validation chooses, named after that site."""
        e = self._plain(self.results[label].selected[0])
        return replace(e, name=f"{e.name} at {self.results[label].best[label]}")

    def gain(self, label: str) -> Evidence | None:
        """What the activations add to the character n-grams of the input; None where the input is
        not text.
        """
        if label not in self.alone:
            return None
        names = ("activations", INPUT_ALONE)
        return self._plain(compare(self.results[label], self.alone[label], names=names)[0])

    def answer(self, label: str) -> str:
        """What was found for a label, in a few sentences."""
        e, result, gain = self.selected(label), self.results[label], self.gain(label)
        found = {"supported": "Yes", "not supported": "No"}.get(self.verdicts[label], "Not shown")
        said = (
            f"{found}: a linear probe predicts {label} with {_score(e)} on {self._held}, at "
            f"{result.best[label]} (chosen by "
            "inner cross-validation)."
        )
        if e.null is not None and e.p is not None:
            said += f" Shuffled labels give {e.null.mean:z.2f} (p = {e.p:.2g})."
        if gain is not None:
            alone = self._plain(self.alone[label].selected[0])
            said += f" {INPUT_ALONE[0].upper()}{INPUT_ALONE[1:]} alone give {_score(alone)}; "
            said += _compared(gain.interval)
        return said

    def save(self, out: str | Path | None = None) -> Path:
        """Write a run folder, which `inscape.report.build.build` draws a report from.

        Args:
            out: the folder, new or empty; None for ``runs/probe-<time>``.

        Raises:
            RunError: the folder is taken or cannot be written.
        """
        claims = {
            id: claim for label in self.targets for id, (claim, _) in self._claims(label).items()
        }
        folder = create(out, "probe", self._slug(next(iter(self.targets))), datetime.now())
        with recording(
            folder,
            QuestionCard(self.title, claims, "probe"),
            self.config,
            preset="",
            seed=self.seed,
            command=command_line(),
            environment=environment(),
            started=self.started,
        ) as run:
            if self.certificate is not None:
                run.certificate(self.certificate)
            for label, result in self.results.items():
                name, e = self._slug(label), self.selected(label)
                unit = e.unit[:1].upper() + e.unit[1:]
                caption = (
                    f"{unit} of {label} at every site, on {self._held}, beside shuffled labels."
                )
                null = "" if self.config.group else "shuffled labels"
                drawn = chart(result.evidence, result.targets, result.level, null)
                run.figure(f"by-layer-{name}", drawn, caption)
                for id, (_, evidence) in self._claims(label).items():
                    run.claim(id, evidence)
                found = [self._plain(x) for x in (*result.selected, *result.evidence)]
                frame = table(found).drop(columns=["split", "target"], errors="ignore")
                run.table(f"sites-{name}", frame, f"{unit} of {label} at every site.")
                for note in self.targets[label].notes:
                    run.warn(note)
            run.answer("\n\n".join(map(self.answer, self.targets)))
        return folder.path

    @property
    def _held(self) -> str:
        return f"held-out groups ({self.config.group})" if self.config.group else "held-out rows"

    def _slug(self, label: str) -> str:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in label.lower()).strip("-")
        place = list(self.targets).index(label) + 1
        return (plain[:40].strip("-") or "label") + ("" if place == 1 else f"-{place}")

    def _claims(self, label: str) -> dict[str, tuple[Claim, Evidence]]:
        """The claims on a label by id, each with its evidence."""
        e, gain, name = self.selected(label), self.gain(label), self._slug(label)
        assert e.null is not None
        least = math.ceil(1000 * self.targets[label].chance) / 1000
        on = "held-out groups" if self.config.group else "held-out rows"
        text = f"A linear probe predicts {label} on {on} better than chance"
        found = {f"{name}-above-chance": (Claim(text=text, at_least=least, null=e.null.kind), e)}
        if gain is not None:
            text = f"The activations predict {label} better than {INPUT_ALONE}"
            found[f"{name}-beyond-input"] = (Claim(text=text, at_least=0, over=INPUT_ALONE), gain)
        return found

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """Of each label, whether it can be read better than chance: supported, uncertain or not
        supported.

        p-values are corrected over the labels (Holm), as in the run folder.
        """
        claims = [
            Judged(label, *self._claims(label)[f"{self._slug(label)}-above-chance"])
            for label in self.targets
        ]
        return {c.id: c.verdict for c in judge(claims)}

    def _plain(self, e: Evidence) -> Evidence:
        """Without a word of groups where none was named."""
        if self.config.group or e.null is None:
            return e
        kind = e.null.kind.replace("labels shuffled by group", "shuffled labels")
        return replace(e, null=replace(e.null, kind=kind))


def probe(
    model: str | Path | Model | Store,
    data: str | Path | pd.DataFrame | Examples | None = None,
    *,
    input: str | None = None,
    labels: Sequence[str] | None = None,
    group: str | None = None,
    task: str = "auto",
    sites: str = "embed, resid_post.*",
    at: str = "last",
    prompt: str | None = None,
    limit: int | None = None,
    folds: int = 5,
    shuffles: int = 100,
    seed: int = 0,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> Asked:
    """Ask whether labels can be read from a model's activations.

    Args:
        model: a model or its name; or a store, or the folder of one, which needs no data.
        data: examples, or whatever `inscape.data.load.load` takes.
        input: the column that the model reads.
        labels: the columns to predict; default: all number columns besides the group.
        group: the column whose values must not be in training and held-out rows at once (author,
            document); without it only repeated inputs are kept together.
        task: ``"classification"``, ``"regression"``, or ``"auto"``: text and 0/1 are classified,
            other numbers regressed.
        sites: which sites, for a model; a store is asked at all of its sites.
        at: which position of each text, as `inscape.store.harvest.harvest` takes it.
        prompt: a template with one ``{}`` that each text is set into.
        limit: only the first so many examples.
        folds: outer folds.
        shuffles: shuffles of the null, 19 or more.
        seed: of folds and shuffles.
        progress: called after each site of a label with (done, total, site), beside the bar on a
            terminal.

    Returns:
        What was found; `Asked.save` keeps it.

    Raises:
        DataError: the data cannot answer the question; one sentence says why and names the cure.
        ValueError: too few shuffles, or an unknown task.
    """
    if shuffles < 19:
        raise ValueError(
            f"probe: shuffles must be at least 19, below which no p reaches 0.05; got {shuffles}"
        )
    started = datetime.now(UTC)
    store = model if isinstance(model, Store) else _store(model)
    if store is not None and data is not None:
        raise DataError(
            "a store has its own examples, labels and groups; leave the data out, or give the "
            "model in place of the store."
        )
    if store is None and data is None:
        name = model.name if isinstance(model, Model) else model
        raise DataError(
            f"{name} is no store, so examples are needed: give a table of them, or the path of a "
            "store."
        )
    examples = None
    if store is None:
        examples = _examples(data, input, labels, group, limit)
        opened = model if isinstance(model, Model) else open_model(str(model))
        _named(examples.labels)
        for (
            label
        ) in examples.labels:  # what cannot be answered is refused before anything is computed
            target(examples.frame[label], None, None, task)
        store = harvest(opened, examples, sites, at=at, prompt=prompt)
    frame, name = store.frame(), str(store.manifest["model"])
    names = _label_names(frame, labels) if examples is None else examples.labels
    column = examples.group if examples is not None else group
    if examples is None and group is None and "group" in frame:
        column = "group"
    whole = [] if examples is None else examples.texts()
    texts = None if examples is None else [whole[i] for i in frame["example"]]
    if examples is not None and column is not None:
        groups = group_codes(examples.groups()[frame["example"].to_numpy()])
    else:
        groups = _groups(frame, column, names)
    targets = {
        label: target(frame[label].reset_index(drop=True), texts, groups, task, folds)
        for label in names
    }
    options = {"folds": folds, "shuffles": shuffles, "seed": seed}
    with bar("probing", total=len(targets) * len(store.sites), unit="sites") as shown:

        def told(*site: Any) -> None:
            shown.advance()
            if progress is not None:
                progress(*site)

        results = {
            k: _swept(t, lambda: store.matrices(), **options, progress=told)
            for k, t in targets.items()
        }
    alone = {}
    if texts is not None and len(set(texts)) > 3:
        spelled = letters(texts, seed=seed)
        alone = {
            k: _swept(
                replace(t, groups=results[k].groups), {INPUT_ALONE: spelled}, **options, keep=True
            )
            for k, t in targets.items()
        }
    config = ProbeConfig(
        model=name,
        data=examples.card.name if examples is not None else str(store.path),
        input=examples.input if examples is not None else "",
        labels=tuple(names),
        group=column or "",
        task=task,
        sites=", ".join(map(str, store.sites)),
        at=str(store.manifest["recipe"]["at"]),
        prompt=prompt or "",
        folds=folds,
        shuffles=shuffles,
    )
    return Asked(config, targets, results, alone, store.certificate, seed, started)


def _swept(t: Target, source: Any, *, keep: bool = False, **options: Any) -> SweepResult:
    return sweep(
        source,
        t.y,
        groups=t.groups,
        task=t.task,
        metric=t.metric,
        target_names=[t.name],
        repeats="keep" if keep else "merge",
        **options,
    )


def _store(model: Any) -> Store | None:
    """The store that a path names, if it is one."""
    path = Path(str(model)) if isinstance(model, (str, Path)) else None
    return Store(path) if path is not None and (path / "manifest.json").is_file() else None


def _examples(
    data: Any,
    input: str | None,
    labels: Sequence[str] | None,
    group: str | None,
    limit: int | None,
) -> Examples:
    if isinstance(data, Examples):
        given = {"input": input, "labels": labels, "group": group}
        changed = {k: v for k, v in given.items() if v is not None}
        examples = replace(data, **changed) if changed else data
        return examples if limit is None else examples.take(np.arange(min(limit, len(examples))))
    return load(data, input=input, labels=labels, group=group, limit=limit)


def _named(labels: Sequence[str]) -> None:
    if not labels:
        raise DataError(
            "no label is named: give the columns to predict with labels (--labels at the command "
            "line)."
        )


def _label_names(frame: pd.DataFrame, labels: Sequence[str] | None) -> tuple[str, ...]:
    own = [c for c in frame.columns if c not in ("example", "position", "token", "id", "group")]
    names = tuple(own if labels is None else labels)
    _named(names)
    for name in names:
        if name not in frame:
            raise DataError(f"the store has no label {name!r}. {suggest(name, own)}")
    return names


def _groups(frame: pd.DataFrame, column: str | None, labels: Sequence[str]) -> np.ndarray:
    """The group of each row; rows of one example are one group in any case."""
    if column is None:
        return frame["example"].to_numpy()
    if column not in frame or column in labels:
        choices = [c for c in frame.columns if c not in labels]
        raise DataError(f"there is no column {column!r} to group by. {suggest(column, choices)}")
    return group_codes(frame[column].astype(str).to_numpy())


def _compared(gain: tuple[float, float] | None) -> str:
    """What the interval of a gain over the input alone says, as the end of a sentence."""
    if gain is not None and gain[0] > 0:
        return "the activations give more."
    if gain is not None and gain[1] < 0:
        return "the activations give less."
    return "that the activations give more is not shown."


def _score(e: Evidence) -> str:
    ends = f" [{e.interval[0]:z.2f}, {e.interval[1]:z.2f}]" if e.interval is not None else ""
    return f"{e.unit} {e.value:z.2f}{ends}"
