"""Is the last layer the best one to read an encoder from? A learned scalar mix of all layers
against the last alone.

Ten questions about sentences are asked of a frozen encoder, from how long a sentence is to whether
a word in it is odd. Each is read by the same linear probe from the last layer, from each layer,
from the plain mean of the layers, from a learned mix of them, and from their concatenation; folds
hold out words, frames and clauses. The mix's weights show at which depth a task is read. Then the
encoder is fine-tuned under both heads: how fast the loss falls, how much gradient reaches each
block, and which accuracy remains when the smallest weights are pruned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inscape.charts import cells, curves
from inscape.charts import matrix as heatmap
from inscape.control import HeldOutTask, Tuning, tune_tasks
from inscape.core import child_seed, fact
from inscape.data import tasks_of
from inscape.model import Model
from inscape.probing import ClassTask, layer_of
from inscape.probing.layer_mixes import (
    BEST,
    LAST,
    MEAN,
    MIX,
    MIX_RANDOM,
    SIDE,
    MixReadings,
    centre_against_best,
    mean_accuracy,
    mean_gain,
    mix_readings,
    shuffled_above_chance,
)
from inscape.store.harvest import harvest
from inscape.study import Card, Claim, Needs, Run, Settings, bars_of, opened, setting

CARD = Card(
    slug="bermo-layer-mix",
    title="BERMo: What can BERT learn from ELMo?",
    authors="Kodge and Roy",
    year=2021,
    arxiv="2110.15802",
    room="read",
    claim="A learned mix of BERT's layers, one scalar each, answers probing tasks better than the "
    "last layer (2.67 % on average for semantic tasks), and fine-tuned it converges faster and "
    "stands pruning better.",
    reproduced="MiniLM-L6, frozen, mean over tokens, on ten tasks generated for this study after "
    "SentEval's; logistic heads, C chosen inside; then fine-tuning on two of the tasks under "
    "either head, with gradient norms and magnitude pruning. Small generated tasks and a distilled "
    "sentence encoder of six layers; the paper has SentEval, GLUE and BERT.",
    controls=(
        "the last layer, each layer (chosen inside the training folds), the plain mean and the "
        "concatenation of all layers",
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
            text="It is at most 1.5 points below the single layer chosen for each task by inner "
            "cross-validation",
            at_least=-0.015,
            over="chosen layer",
        ),
        "parameters": Claim(
            text="It adds one parameter for each layer",
            at_most=10,
            exact="a count of the probe's parameters",
            why="One scalar a layer; the factor γ would only undo the head's penalty in a frozen "
            "probe.",
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
    answer="{above-last:A mix|Not clearly a mix|Not a mix}. Over {tasks} tasks a linear probe of "
    "{model} is right in {last:.1%} of held-out sentences from the last layer, {best:.1%} from the "
    "layer chosen by inner cross-validation, {mix:.1%} from a learned mix of {layers} layers, "
    "{mean:.1%} from their plain mean and {side:.1%} from their concatenation ({random:.1%} from a "
    "mix of an encoder with random weights). The mix leans to early layers for {early}.",
    differs="No code of the authors is named; they fine-tune BERT on GLUE and probe with SentEval, "
    "here a distilled encoder is probed on generated tasks.",
    group_note="A group is a word, a frame or a pair of clauses, by task; all labels of a task "
    "occur in it.",
    negative="The centre of the mix correlates with the best single layer over ten tasks by 0.42 "
    "only (seed 0, small). Five of the tasks are read as well from several layers, whose mean "
    "counts as the best: with the earliest of them, which counted before, it was 0.73. Most of "
    "the mix's gain is that of the plain mean (84.8 % from the last layer, 89.5 % from the mean, "
    "90.3 % from the mix). Fine-tuned, the mix is no faster: half of the first loss is reached "
    "after 18.5 and 26 steps, with the last layer alone after 14.5 and 18.5 (two tasks, two runs "
    "each); with 80 % of the weights pruned either head is at chance.",
    minutes={"tiny": 0.2, "small": 6, "full": 60},
    figure="tasks",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("minilm-l6", "an encoder, or world:scrambled_tasks, a random one")
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
        model="world:scrambled_tasks",
        data="world:scrambled_tasks",
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


def run(config: Config, run: Run) -> None:
    """Probe every task in every way, judge, place the tasks, fine-tune."""
    model, examples, _ = opened(config, run, Needs(columns=("task", "value")))
    tasks = tasks_of(examples, config.tasks, config.limit)
    run.asked(
        f"Is the last layer of {model.name} the place to read sentences from, or a learned mix of "
        "its layers?"
    )
    fresh, found = model.untrained(child_seed(run.seed, "untrained")), []
    options = {"folds": config.folds, "shuffles": config.shuffles, "Cs": config.Cs}
    with run.progress("tasks", total=len(tasks), unit="tasks") as bar:
        for name, part in tasks.items():
            task = ClassTask.of(part, run, **options)
            stores = [harvest(m, part, "embed, resid_post.*", at="mean") for m in (model, fresh)]
            states = [{str(s): x for s, x in store.matrices()} for store in stores]
            made = mix_readings(name, task, *states, Cs=config.Cs, max_iter=config.max_iter)
            found.append(made)
            bar.advance()
    _claims(run, found)
    _figures(run, found)
    if config.steps:
        _tune(config, run, model, found)


def _claims(run: Run, found: list[MixReadings]) -> None:
    mean = mean_accuracy(found)
    said = ", ".join(f"{reading} {value:.3f}" for reading, value in mean.items())
    run.claim("above-last", mean_gain(found, MIX, LAST), why=f"Mean accuracies: {said}.")
    run.claim("near-best", mean_gain(found, MIX, BEST))
    layers, width = len(found[0].mix), found[0].layers.widths[0]
    added = fact("parameters added to a probe of one layer", float(layers), "parameters")
    more = f"Concatenating all layers adds {(layers - 1) * width:,} a class."
    run.claim("parameters", added, why=more)
    many = f"{len(found)} tasks, {len(found[0].shuffled)} shuffles."
    run.claim("shuffled", shuffled_above_chance(found), why=many)
    where = centre_against_best(found, rng=run.rng("where"))
    best = "the best layer has the highest held-out accuracy: for showing only."
    run.claim("where", where, why=f"{len(found)} tasks; {best}")
    early = ", ".join(r.name for r in found if r.centre < (layers - 1) / 2) or "no task"
    run.facts(
        tasks=len(found),
        layers=layers,
        early=early,
        last=mean[LAST],
        best=mean[BEST],
        mix=mean[MIX],
        mean=mean[MEAN],
        side=mean[SIDE],
        random=mean[MIX_RANDOM],
    )


def _figures(run: Run, found: list[MixReadings]) -> None:
    gained = "What the mix gains over the last layer, task by task"
    gains = bars_of([r.gain(MIX, LAST) for r in found], "task")
    run.figure("tasks", gains, f"{gained}; lines are 95 % intervals over groups.")
    single = [e for r in found for e in r.by_layer()]
    held = "Accuracy of every single layer, whole groups held out. Layer −1 is the embedding."
    run.layers("layers", single, held, series="lens")
    mixes = np.stack([r.mix for r in found])
    sites = [f"layer {i}" if i >= 0 else "embed" for i in map(layer_of, found[0].layers.sites)]
    frame = cells(mixes, [r.name for r in found], sites)
    run.figure(
        "mix",
        heatmap(frame, value="weight", row="task", column="layer", domain=(0, float(mixes.max()))),
        "Weights of the layers in the mix, averaged over the folds.",
    )
    every = "Accuracy of every reading of every task; null: the mix on shuffled labels."
    run.table("scores", [e for r in found for e in r.evidence()], every)


def _tune(config: Config, run: Run, model: Model, found: list[MixReadings]) -> None:
    """Fine-tuning under both heads, on the rows outside the first fold, tried on those inside."""
    chosen = [r for name in config.tuned for r in found if r.name == name]
    if not chosen:
        return
    tasks = {}
    for r in chosen:
        seeds = [child_seed(run.seed, "tune", r.name, str(k)) for k in range(config.seeds)]
        rows = r.task.examples.texts(), r.task.y, r.task.groups
        tasks[r.name] = HeldOutTask(*rows, r.layers.folds == 0, seeds)
    heads, how = {LAST: False, MIX: True}, Tuning(config.steps, config.batch)
    with run.progress("fine-tune", total=2 * len(chosen) * config.seeds, unit="runs") as bar:
        tuned = tune_tasks(model, tasks, heads, how, advance=bar.advance)
    run.figure(
        "loss",
        curves(tuned.curves(), x="step", y="training loss (nats)"),
        f"Training loss, mean of five steps and {config.seeds} seeds, the same batches for both "
        "heads.",
    )
    run.figure(
        "gradient",
        curves(tuned.gradients(), x="block", y="norm of the gradient", points=True),
        "Gradient that reaches each block's weights, mean of the first ten steps.",
    )
    run.table(
        "tuned",
        tuned.evidence(),
        "Steps until the training loss is half of what it was at first, and accuracy on held-out "
        "groups, without pruning and with the smallest of the blocks' weights set to zero. Null: "
        "the same predictions on permuted labels.",
    )
