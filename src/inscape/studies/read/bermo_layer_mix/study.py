"""Is the last layer the best one to read an encoder from? A learned scalar mix of all layers against the last alone.

Ten questions about sentences are asked of a frozen encoder, from how long a sentence is to whether a word in it is odd.
Each is read by the same linear probe from the last layer, from each layer, from the plain mean of the layers, from a learned
mix of them, and from their concatenation; folds hold out words, frames and clauses. The mix's weights show at which depth a
task is read. Then the encoder is fine-tuned under both heads: how fast the loss falls, how much gradient reaches each block,
and which accuracy remains when the smallest weights are pruned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.core.averages import average_evidence
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, table
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured
from inscape.core.rank_correlation import rank_correlation
from inscape.core.rng import child_seed
from inscape.core.threads import side_by_side
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.probing.class_task import ClassTask, predicted
from inscape.probing.frames import layer_of
from inscape.probing.sweep import SweepResult
from inscape.read.scalar_mix import ScalarMixProbe
from inscape.store.harvest import harvest
from inscape.store.store import Store
from inscape.studies.read.bermo_layer_mix.layer_heads import Tuned, fine_tune
from inscape.study.card import Card, Claim
from inscape.study.run import Run, bars_of
from inscape.study.settings import Settings, setting
from inscape.worlds.scrambler import scrambler

CARD = Card(
    slug="bermo-layer-mix",
    title="BERMo: What can BERT learn from ELMo?",
    authors="Kodge and Roy",
    year=2021,
    arxiv="2110.15802",
    room="read",
    claim="A learned mix of BERT's layers, one scalar each, answers probing tasks better than the last layer (2.67 % on "
    "average for semantic tasks), and fine-tuned it converges faster and stands pruning better.",
    reproduced="MiniLM-L6, frozen, mean over tokens, on ten tasks generated for this study after SentEval's; logistic "
    "heads, C chosen inside; then fine-tuning on two of the tasks under either head, with gradient norms and magnitude "
    "pruning. Small generated tasks and a distilled sentence encoder of six layers; the paper has SentEval, GLUE and BERT.",
    controls=(
        "the last layer, each layer (chosen inside the training folds), the plain mean and the concatenation of all layers",
        "an encoder of the same architecture with random weights",
        "labels shuffled within and among groups",
        "the same batches, optimiser and seed for both heads",
    ),
    claims={
        "above-last": Claim(
            text="A scalar mix of the layers reads the tasks better than the last layer",
            at_least=0.02,
            over="last layer",
        ),
        "near-best": Claim(
            text="It is at most 1.5 points below the single layer chosen for each task by inner cross-validation",
            at_least=-0.015,
            over="chosen layer",
        ),
        "parameters": Claim(
            text="It adds one parameter for each layer",
            at_most=10,
            exact="a count of the probe's parameters",
            why="One scalar a layer; the factor γ would only undo the head's penalty in a frozen probe.",
        ),
        "shuffled": Claim(
            text="With shuffled labels the mix is at chance",
            at_least=-0.03,
            at_most=0.03,
            sanity=True,
            why="Chance is the sum of the classes' squared shares.",
        ),
        "where": Claim(
            text="The centre of the mix correlates with the best single layer over tasks",
            at_least=0.5,
            null="tasks permuted",
        ),
    },
    tiny={
        "above-last": "supported",
        "near-best": "any",  # three tasks of 120 sentences: the interval is wider than the margin
        "parameters": "supported",
        "shuffled": "any",  # two shuffles of three tasks
        "where": "any",  # a rank correlation of three tasks
    },
    differs="No code of the authors is named; they fine-tune BERT on GLUE and probe with SentEval, here a distilled encoder "
    "is probed on generated tasks.",
    group_note="A group is a word, a frame or a pair of clauses, by task; all labels of a task occur in it.",
    negative="The centre of the mix correlates with the best single layer over ten tasks (seed 0, small: 0.73), but the "
    "interval [0.10, 0.94] of so few tasks crosses the criterion.",
    minutes={"tiny": 0.2, "small": 6, "full": 60},
    figure="tasks",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("minilm-l6", "an encoder; 'scrambler' is a random one made on the spot")
    data: str = setting("sentence-tasks", "a set or table: columns text, task, value, group")
    tasks: tuple[str, ...] = setting((), "only these tasks; all by default")
    limit: int = setting(240, "rows of each task, whole groups", least=20)
    folds: int = 4
    shuffles: int = setting(3, "label shuffles of each task", least=2)
    Cs: tuple[float, ...] = setting((0.01, 0.1, 1.0), "inverse penalties, chosen inside")
    max_iter: int = setting(60, "iterations of the mix")
    tuned: tuple[str, ...] = setting(("bigram shift", "odd word"), "tasks that are fine-tuned on")
    steps: int = setting(40, "steps of fine-tuning; 0 for none")
    batch: int = setting(16, "rows a step")
    seeds: int = setting(2, "fine-tuning runs of each task and head", least=1)


PRESETS = {
    "tiny": Config(
        model="scrambler",
        tasks=("word content", "topic", "tense"),
        limit=120,
        folds=2,
        shuffles=2,
        Cs=(0.1,),
        max_iter=15,
        tuned=("tense",),
        steps=10,
        seeds=1,
    ),
    "small": Config(),
    "full": Config(
        model="bert-base-uncased",
        limit=100_000,
        shuffles=20,
        steps=1000,
        seeds=5,
        tuned=("bigram shift", "odd word", "coordination inversion", "tense"),
    ),
}

LAST, BEST, MEAN, MIX, SIDE = (
    "last layer",
    "chosen layer",
    "plain mean",
    "scalar mix",
    "concatenation",
)
MIX_RANDOM = "scalar mix, random weights"


@dataclass(frozen=True, eq=False)
class Read:
    """One task: held-out predictions of every reading, the mix's weights, and predictions on shuffled labels."""

    task: ClassTask
    name: str
    made: dict[str, np.ndarray]
    layers: SweepResult
    mix: np.ndarray
    shuffled: list[dict[str, np.ndarray]]

    def accuracy(self, reading: str) -> float:
        return float((self.made[reading] == self.task.y).mean())


def run(config: Config, run: Run) -> None:
    """Probe every task in every way, judge, place the tasks, fine-tune."""
    examples = load(config.data)
    for column in ("task", "value"):
        if column not in examples.frame:
            raise StudyError(
                f"{config.data!r} has no column {column!r}; give a table with columns text, task, value, group."
            )
    tasks = _tasks(config, examples)
    model = (
        scrambler(examples.texts(), seed=run.seed)
        if config.model == "scrambler"
        else open(config.model)
    )
    run.certificate(model.certificate)
    run.asked(
        f"Is the last layer of {model.name} the place to read sentences from, or a learned mix of its layers?"
    )
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    found = []
    with run.progress("tasks", total=len(tasks), unit="tasks") as bar:
        for name, part in tasks.items():
            task = ClassTask.of(
                part, run, folds=config.folds, shuffles=config.shuffles, Cs=config.Cs
            )
            stores = [harvest(m, part, "embed, resid_post.*", at="mean") for m in (model, fresh)]
            found.append(_read(config, task, name, *stores))
            bar.advance()
    _claims(run, found)
    _figures(run, found)
    if config.steps:
        _tune(config, run, model, {r.name: r for r in found})
    run.answer(_answer(run, model, found))


def _tasks(config: Config, examples: Examples) -> dict[str, Examples]:
    frame = examples.frame.reset_index(drop=True)
    names = list(dict.fromkeys(frame["task"].astype(str)))
    if missing := [t for t in config.tasks if t not in names]:
        raise StudyError(
            f"There is no task {missing[0]!r} in {config.data!r}; it has {', '.join(names)}."
        )
    out = {}
    for name in config.tasks or names:
        rows = np.flatnonzero((frame["task"].astype(str) == name).to_numpy())
        if len(rows) > config.limit:  # groups are taken in turn, so that all labels of each stay
            groups = examples.groups()[rows] if examples.group else rows.astype(str)
            order = list(dict.fromkeys(groups))
            keep, count = set(), 0
            for group in order:
                size = int((groups == group).sum())
                if count + size <= config.limit:
                    keep.add(group)
                    count += size
            rows = rows[np.isin(groups, list(keep))]
        out[name] = examples.take(rows)
    return out


def _read(config: Config, task: ClassTask, name: str, store: Store, blank: Store) -> Read:
    """Every reading of one task, on the same folds."""
    layers = {str(s): m for s, m in store.matrices()}
    scaled = {
        s: (m - m.mean(axis=0)) / max(float(m.std(axis=0).mean()), 1e-9) for s, m in layers.items()
    }
    sweep = task.sweep(layers)
    last = list(layers)[-1]
    readings = {
        LAST: {last: layers[last]},
        MEAN: {"mean": np.mean(list(scaled.values()), axis=0)},
        SIDE: {"all": np.concatenate(list(scaled.values()), axis=1)},
    }
    made = {reading: predicted(task.sweep(x)) for reading, x in readings.items()}
    made[BEST] = predicted(sweep)
    stack = np.stack(list(layers.values()), axis=1)
    made[MIX], mix = _mixed(config, task, stack, task.y, sweep.folds)
    noise = np.stack([m for _, m in blank.matrices()], axis=1)
    made[MIX_RANDOM], _ = _mixed(config, task, noise, task.y, sweep.folds)
    shuffled = []
    for order in task.orders:
        y = task.y[order]
        of = {
            MIX: _mixed(config, task, stack, y, sweep.folds)[0],
            LAST: predicted(task.sweep(readings[LAST], y=y)),
            "y": y,
        }
        shuffled.append({**of, BEST: predicted(task.sweep(layers, y=y))})
    return Read(task, name, made, sweep, mix, shuffled)


def _mixed(
    config: Config, task: ClassTask, x: np.ndarray, y: np.ndarray, folds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out predictions of the mix, and its weights averaged over the folds."""

    def one(fold: int) -> tuple[np.ndarray, np.ndarray]:
        held = folds == fold
        probe = ScalarMixProbe(
            config.Cs, max_iter=config.max_iter, folds=3, random_state=task.seed % 2**32
        )
        probe.fit(x[~held], y[~held], groups=task.groups[~held])
        return probe.predict(x[held]), probe.mix_

    found = side_by_side(one, range(int(folds.max()) + 1))
    out = np.empty(len(y), dtype=np.int64)
    for fold, (made, _) in enumerate(found):
        out[folds == fold] = made
    return out, np.mean([mix for _, mix in found], axis=0)


def _gain(found: list[Read], a: str, b: str) -> Evidence:
    """Accuracy of one reading minus that of another, the mean over tasks; null: both on the same shuffled labels."""

    def gap(r: Read, made: dict[str, np.ndarray], y: np.ndarray) -> Jackknife:
        scores = replace(r.task.scores, metric="accuracy", y=y)
        return scores.jackknife(made[a]) - scores.jackknife(made[b])

    rounds = zip(*(r.shuffled for r in found), strict=True)
    return average_evidence(
        f"accuracy: {a} − {b}, mean of {len(found)} tasks",
        [gap(r, r.made, r.task.y) for r in found],
        null=[[gap(r, s, s["y"]) for r, s in zip(found, of, strict=True)] for of in rounds],
        kind="both on the same shuffled labels",
        expensive=True,
        unit="accuracy",
    )


def _claims(run: Run, found: list[Read]) -> None:
    mean = {reading: np.mean([r.accuracy(reading) for r in found]) for reading in found[0].made}
    said = ", ".join(f"{reading} {value:.3f}" for reading, value in mean.items())
    run.claim("above-last", _gain(found, MIX, LAST), why=f"Mean accuracies: {said}.")
    run.claim("near-best", _gain(found, MIX, BEST))
    layers, width = len(found[0].mix), found[0].layers.widths[0]
    m = Measured("parameters added to a probe of one layer", unit="parameters")
    m.put(MIX, np.array([float(layers)]))
    why = f"Concatenating all layers adds {(layers - 1) * width:,} a class."
    run.claim("parameters", m.value(MIX), why=why)
    off = [(r.name, (s[MIX] == s["y"]).mean() - _chance(s["y"])) for r in found for s in r.shuffled]
    m = Measured(
        "accuracy with shuffled labels − chance", groups=[n for n, _ in off], unit="accuracy"
    )
    m.put(MIX, np.array([value for _, value in off]))
    run.claim(
        "shuffled", m.value(MIX), why=f"{len(found)} tasks, {len(found[0].shuffled)} shuffles."
    )
    centre = np.array([r.mix @ np.arange(len(r.mix)) for r in found])
    best = np.array([float(r.layers.scores[:, 0].argmax()) for r in found])
    name = "rank correlation of the mix's centre and the best layer"
    where = rank_correlation(name, centre, best, rng=run.rng("where"), kind="tasks permuted")
    why = f"{len(found)} tasks; the best layer has the highest held-out accuracy: for showing only."
    run.claim("where", where, why=why)


def _chance(y: np.ndarray) -> float:
    share = np.bincount(y) / len(y)
    return float((share**2).sum())


def _figures(run: Run, found: list[Read]) -> None:
    rows, cells, gains = [], [], []
    for r in found:
        scores = replace(r.task.scores, metric="accuracy")
        null = [float((s[MIX] == s["y"]).mean()) for s in r.shuffled]
        for reading, made in r.made.items():
            e = scores.evidence("accuracy", made, null, where={"task": r.name, "reading": reading})
            rows.append(replace(e, p=None))
        name, where = "accuracy: scalar mix − last layer", {"task": r.name}
        gains.append(scores.evidence(name, r.made[MIX], against=[r.made[LAST]], where=where))
        cells += [
            {"row": r.name, "column": "embed" if i == 0 else f"layer {i - 1}", "value": float(w)}
            for i, w in enumerate(r.mix)
        ]
    run.figure(
        "tasks",
        bars_of(gains, "task"),
        "What the mix gains over the last layer, task by task; lines are 95 % intervals over groups.",
    )
    frame = pd.DataFrame(
        [
            {
                "series": reading,
                "target": r.name,
                "layer": layer_of(s),
                "value": v,
                "low": lo,
                "high": hi,
            }
            for r in found
            for reading, s, v, lo, hi in _curve(r)
        ]
    )
    run.figure(
        "layers",
        score_by_layer(frame, score="accuracy"),
        "Accuracy of every single layer, whole groups held out. Layer −1 is the embedding.",
    )
    run.figure(
        "mix",
        heatmap(
            pd.DataFrame(cells), value="weight", domain=(0, float(max(c["value"] for c in cells)))
        ),
        "Weights of the layers in the mix, averaged over the folds.",
    )
    run.table(
        "scores",
        table(rows),
        "Accuracy of every reading of every task; null: the mix on shuffled labels.",
    )


def _curve(r: Read) -> list[tuple[str, str, float, float, float]]:
    return [
        ("single layer", s, e.value, *(e.interval or (e.value, e.value)))
        for s, e in zip(r.layers.sites, r.layers.evidence, strict=True)
    ]


def _tune(config: Config, run: Run, model: Model, found: dict[str, Read]) -> None:
    """Fine-tuning under both heads, on the rows outside the first fold, tried on those inside."""
    curve, rows, norms = [], [], []
    names = [t for t in config.tuned if t in found]
    with run.progress("fine-tune", total=2 * len(names) * config.seeds, unit="runs") as bar:
        for name in names:
            r = found[name]
            y, texts = r.task.y, r.task.examples.texts()
            test, train = np.flatnonzero(r.layers.folds == 0), np.flatnonzero(r.layers.folds != 0)
            runs: dict[str, list[Tuned]] = {LAST: [], MIX: []}
            for head in runs:
                for seed in range(config.seeds):
                    same = child_seed(run.seed, "tune", name, str(seed))
                    runs[head].append(
                        fine_tune(
                            model,
                            texts,
                            y,
                            train,
                            test,
                            mix=head == MIX,
                            steps=config.steps,
                            batch=config.batch,
                            seed=same,
                        )
                    )
                    bar.advance()
            level = 0.5 * float(np.mean([t.loss[0] for t in runs[LAST]]))
            for head, tuned in runs.items():
                where = {"task": name, "head": head}
                rows += _tuned_rows(y[test], r.task.groups[test], where, tuned, level)
                loss = np.mean([t.loss for t in tuned], axis=0)
                smooth = np.convolve(loss, np.ones(5) / 5, mode="valid")
                curve += [
                    {"series": head, "panel": name, "x": i + 5, "value": v}
                    for i, v in enumerate(smooth)
                ]
                norms += [
                    {"series": head, "panel": name, "x": i, "value": float(v)}
                    for i, v in enumerate(np.mean([t.gradient for t in tuned], axis=0))
                ]
    if not rows:
        return
    run.figure(
        "loss",
        curves(pd.DataFrame(curve), x="step", y="training loss (nats)"),
        f"Training loss, mean of five steps and {config.seeds} seeds, the same batches for both heads.",
    )
    run.figure(
        "gradient",
        curves(pd.DataFrame(norms), x="block", y="norm of the gradient", points=True),
        "Gradient that reaches each block's weights, mean of the first ten steps.",
    )
    run.table(
        "tuned",
        table(rows),
        "Steps until the training loss is half of what it was at first, and accuracy on "
        "held-out groups, without pruning and with the smallest of the blocks' weights set to zero. Null: the same "
        "predictions on permuted labels.",
    )


def _tuned_rows(
    y: np.ndarray, groups: np.ndarray, where: dict[str, str], tuned: list[Tuned], level: float
) -> list[Evidence]:
    m = Measured("steps to half the loss", unit="steps", direction="lower", where=where)
    m.put("steps", np.array([float(t.steps_to(level)) for t in tuned]))
    out, rng = [m.value("steps")], np.random.default_rng(0)
    orders = [rng.permutation(len(y)) for _ in range(50)]
    for share in (0.0, *sorted(tuned[0].pruned)):
        made = [t.predicted if share == 0 else t.pruned[share] for t in tuned]
        m = Measured(f"accuracy, {share:.0%} pruned", groups=groups, unit="accuracy", where=where)
        m.put("tuned", np.stack([(p == y) * 1.0 for p in made]))
        m.put("labels permuted", np.stack([(made[0] == y[o]) * 1.0 for o in orders]), role="null")
        out.append(m.value("tuned", null="labels permuted"))
    return out


def _answer(run: Run, model: Model, found: list[Read]) -> str:
    mean = {reading: np.mean([r.accuracy(reading) for r in found]) for reading in found[0].made}
    claims = run.claims
    how = {"supported": "A mix", "uncertain": "Not clearly a mix", "not supported": "Not a mix"}[
        claims["above-last"].verdict
    ]
    early = [r.name for r in found if r.mix @ np.arange(len(r.mix)) < (len(r.mix) - 1) / 2]
    return (
        f"{how}. Over {len(found)} tasks a linear probe of {model.name} is right in {mean[LAST]:.1%} of held-out sentences "
        f"from the last layer, {mean[BEST]:.1%} from the layer chosen by inner cross-validation, {mean[MIX]:.1%} from a "
        f"learned mix of {len(found[0].mix)} layers, {mean[MEAN]:.1%} from their plain mean and {mean[SIDE]:.1%} from their "
        f"concatenation ({mean[MIX_RANDOM]:.1%} from a mix of an encoder with random weights). The mix leans to early "
        f"layers for {', '.join(early) if early else 'no task'}."
    )
