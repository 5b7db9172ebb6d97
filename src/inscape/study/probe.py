"""The protocol of a probing study: is something encoded, where, and is it more than the input alone
would give?

One call harvests the states, fits the same probe with the same folds on them and on every control,
and gives the sweeps; `Probed` has the evidence, the claims' gains, the figure by layer and the table::

    probed = probe(run, model, examples, Probing(at="span:input"))
    run.claim("above-letters", probed.gain(over=LETTERS))
    probed.show(run)

Sites and penalties are chosen inside the training folds. Controls: shuffled labels, an untrained
copy of the model, the input embedding at the same position, and character n-grams of the input.

Cost: one pass of the model and one of its untrained copy, and a sweep for each representation and
split. Reference: Hewitt and Liang (2019), arXiv:1909.03368; `inscape.probing.sweep` for scores,
nulls and intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inscape.charts.layers import score_by_layer
from inscape.core.evidence import Evidence, table
from inscape.core.repeated import groups_by_content
from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.probing.frames import SHUFFLED, by_layer, layer_of
from inscape.probing.sweep import SweepResult, compare, sweep
from inscape.read.surface import letters
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.study.run import Run

#: the representations that are compared
TRAINED, UNTRAINED, LETTERS, EMBEDDING = (
    "trained model",
    "untrained model",
    "character n-grams",
    "input embedding",
)
#: how rows are held out
RANDOM, HELD = "random", "group"
#: what is held out, in a caption's words
_HELD_OUT = {RANDOM: "random rows held out", HELD: "whole groups held out"}
_WHY = {
    RANDOM: (
        "Rows of one group are in training and held-out rows: group leakage inflates the score."
    ),
    HELD: "No row of a held-out group was seen in training.",
}


@dataclass(frozen=True)
class Probing:
    """How a probing study probes.

    Attributes:
        at: the position that is read, as `inscape.store.harvest.harvest` takes it.
        sites: the sites that are probed.
        also: further sites that the store is to hold.
        untrained: the sites of the untrained copy.
        controls: which of `UNTRAINED`, `LETTERS` and `EMBEDDING` stand beside the model.
        splits: which of `RANDOM` and `HELD`.
        folds: outer folds.
        shuffles: label shuffles of the null.
        shuffled: the representations that have one; where a control has it too, the gain over it
            has a p-value.
        task: ``"regression"`` or ``"classification"``.
        estimator: in place of the ridge or logistic probe, as `inscape.probing.sweep.sweep` takes
            it.
    """

    at: str = "last"
    sites: str = "embed, resid_post.*"
    also: str = ""
    untrained: str = "embed, resid_post.::3"
    controls: tuple[str, ...] = (UNTRAINED, LETTERS, EMBEDDING)
    splits: tuple[str, ...] = (HELD,)
    folds: int = 5
    shuffles: int = 100
    shuffled: tuple[str, ...] = (TRAINED,)
    task: str = "regression"
    estimator: Any = None


@dataclass(frozen=True, eq=False)
class Probed:
    """What was found.

    Attributes:
        examples: the inputs.
        store: the model's states, those probed and those asked for beside them.
        sources: representation → what `inscape.probing.sweep.sweep` takes.
        how: how it was probed.
        sweeps: (representation, split) → its sweep.
    """

    examples: Examples
    store: Store
    sources: Mapping[str, Any]
    how: Probing
    sweeps: dict[tuple[str, str], SweepResult] = field(default_factory=dict)

    def gain(self, over: str, split: str = HELD) -> Evidence:
        """The score of the model less that of a control, for the target where it is least.

        Args:
            over: one of the controls.
            split: how rows were held out.
        """
        pair = self.sweeps[TRAINED, split], self.sweeps[over, split]
        return weakest(compare(*pair, names=("model", over)))

    def above_chance(self, split: str = HELD) -> Evidence:
        """The score of the model less the mean over shuffled labels, for the target where it is
        least.
        """
        return weakest([e.above_chance() for e in self.sweeps[TRAINED, split].selected])

    def selected(self) -> list[Evidence]:
        """Of every sweep, the score at the layer that inner cross-validation chooses."""
        return [
            replace(e, where={"representation": name, **e.where, "split": split})
            for (name, split), result in self.sweeps.items()
            for e in result.selected
        ]

    def show(
        self, run: Run, beside: Sequence[Evidence] = (), why: Mapping[str, str] | None = None
    ) -> None:
        """Draw the scores by layer, and keep them as tables.

        Figures are named ``layers-SPLIT``, tables ``scores`` and ``layers``.

        Args:
            run: where they are kept.
            beside: further rows of the table of scores.
            why: by split, a sentence on what it shows.
        """
        last = self.how.splits[-1]
        chosen = {t: layer_of(site) for t, site in self.sweeps[TRAINED, last].best.items()}
        name = metric_name(self.sweeps[TRAINED, last])
        for split in self.how.splits:
            series = {n: self.sweeps[n, split] for n in (TRAINED, UNTRAINED) if self._has(n, split)}
            rules = {n: self.sweeps[n, split] for n in (EMBEDDING, LETTERS) if self._has(n, split)}
            chart = score_by_layer(
                by_layer(series, rules),
                score=name,
                chosen=chosen if split == last else None,
                nulls=(SHUFFLED,),
            )
            note = (why or _WHY)[split]
            caption = (
                f"Out-of-sample {name} by layer, {_HELD_OUT[split]}. Layer −1 is the input "
                f"embedding. {note}"
            )
            run.figure(f"layers-{split}", chart, caption)
        run.table(
            "scores",
            table([*self.selected(), *beside]),
            (
                f"Out-of-sample {name} of the layer chosen by inner cross-validation, beside every "
                "control."
            )
            + (" Zero is the R² of the training mean." if name == "R²" else ""),
        )
        caption = f"Every layer, {_HELD_OUT[last]}."
        run.table("layers", self.sweeps[TRAINED, last].table(), caption)

    def _has(self, name: str, split: str) -> bool:
        return (name, split) in self.sweeps


def probe(run: Run, model: Model, examples: Examples, how: Probing) -> Probed:
    """Harvest, and probe the model's states and every control.

    Args:
        run: gives the seed.
        model: what is probed.
        examples: the inputs; their labels are predicted, their groups kept together.
        how: where and how.
    """
    sites = ", ".join(filter(None, (how.sites, how.also)))
    store = harvest(model, examples, sites, at=how.at)
    sources: dict[str, Any] = {TRAINED: source_of(store, model, how.sites)}
    if UNTRAINED in how.controls:
        fresh = model.untrained(child_seed(run.seed, "untrained"))
        other = harvest(fresh, examples, how.untrained, at=how.at)
        sources[UNTRAINED] = source_of(other, fresh, how.untrained)
    if LETTERS in how.controls:
        sources[LETTERS] = {"letters": surface(run, examples)}
    if EMBEDDING in how.controls:
        sources[EMBEDDING] = {"embed": store.matrix("embed")}
    probed = Probed(examples, store, sources, how)
    for split in how.splits:
        for name, source in sources.items():
            shuffles = how.shuffles if name in how.shuffled else 0
            found = swept(run, source, examples, how, split=split, shuffles=shuffles, name=name)
            probed.sweeps[name, split] = found
    return probed


def swept(
    run: Run,
    source: Any,
    examples: Examples,
    how: Probing,
    *,
    split: str = HELD,
    shuffles: int = 0,
    name: str = TRAINED,
) -> SweepResult:
    """The probe at every site of one source: the same folds and groups for every source of the same
    examples.

    Args:
        run: gives the seed.
        source: as `inscape.probing.sweep.sweep` takes it, one row for each example.
        examples: with labels, and the group if there is one; without it each row counts as its own.
        how: task, estimator and folds.
        split: `RANDOM`, `HELD`, or a column whose values are held out one after another.
        shuffles: label shuffles; 0 for none.
        name: of the source, beside the progress bar.
    """
    labels = _labels(examples, how.task)
    folds = how.folds
    if split in (RANDOM, HELD):
        own = examples.groups() if examples.group is not None else np.arange(len(examples))
        groups = groups_by_content(own, examples.texts(), labels)
    else:
        groups = examples.frame[split].to_numpy().astype(str)
        folds = len(np.unique(groups))
    with run.progress(f"probe {name}, {split} folds", unit="sites") as bar:
        return sweep(
            source,
            labels,
            groups=groups,
            folds=folds,
            split=RANDOM if split == RANDOM else HELD,
            task=how.task,
            estimator=how.estimator,
            shuffle="rows" if split == RANDOM else "groups",
            shuffles=shuffles,
            repeats="keep",
            target_names=examples.labels if how.task == "regression" else examples.labels[:1],
            seed=run.seed,
            progress=lambda *_: bar.advance(),
        )


def source_of(store: Store, model: Model, sites: str) -> Callable[[], Any]:
    """A source of the sites of a store that `sites` names, read one at a time."""
    wanted = set(model.select(sites))
    return lambda: store.matrices([s for s in store.sites if s in wanted])


def surface(run: Run, examples: Examples) -> np.ndarray:
    """Character n-grams of the bare inputs, whatever prompt they stand in, (n, d)."""
    start, end = examples.spans.get("input", (None, None))
    texts = examples.texts()
    if start is not None:
        ends = zip(texts, examples.frame[start], examples.frame[end], strict=True)
        texts = [text[int(a) : int(b)] for text, a, b in ends]
    return letters(texts, seed=child_seed(run.seed, "letters") % 2**32)


def weakest(found: Sequence[Evidence]) -> Evidence:
    """For a claim about every target: the lowest value, the lowest ends of the intervals, the
    highest p.
    """
    low = min(found, key=lambda e: e.value)
    ends = [e.interval for e in found]
    tested = [e.p for e in found if e.p is not None]
    interval = None
    if all(ends):
        interval = (min(a for a, _ in ends), min(b for _, b in ends))  # type: ignore[misc]
    return replace(low, interval=interval, p=max(tested) if tested else None)


def metric_name(result: SweepResult) -> str:
    """The unit of a sweep's scores: R², accuracy, AUC."""
    return result.selected[0].unit


def _labels(examples: Examples, task: str) -> np.ndarray:
    if task == "classification":
        return examples.classes(examples.labels[0])[0]
    return examples.target()
