"""Arms: networks trained in competing ways on the same budget, seed by seed, with what each costs.

    arm = (network, batches, objective, update rule)
    for each pair k and each arm:   initialise at seed k;   train;   measure

Arms of one pair start from the same random stream and see batches drawn from the same stream, so
that differences are paired. Before anything is trained, one step of every arm is counted: arms
that differ by more than the budget's tolerance in a quantity that the budget declares equal are
refused. The *untrained arm*, the first arm's network at its initial weights, is always measured
beside the others. A run that was interrupted goes on from the saved states of its trainings.

Cost: arms × seeds × steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from inscape.charts.curves import curves
from inscape.core.errors import StudyError, suggest
from inscape.core.measured import Measured, Role
from inscape.core.rng import child_seed, generator
from inscape.learn.cost import cost
from inscape.learn.fit import Budget, Diverged, Fitted, Objective, Update, Watch, fit
from inscape.learn.gradient import Gradient
from inscape.study.progress import Advance
from inscape.study.run import Run

UNTRAINED = "untrained"
#: what arms can be required to have in common
_NAMES = {
    "parameters": "parameters",
    "trained": "trained parameters",
    "flops": "FLOPs",
    "memory": "memory",
}
QUANTITIES = tuple(_NAMES)


def _as_trained(net: nn.Module) -> nn.Module:
    return net


_ADAM = Gradient()


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        net: takes the number of the pair, 0, 1, …; gives the network, initialised from PyTorch's
            global stream, which is seeded for each pair.
        batches: takes a generator and the number of the pair; one batch.
        objective: the loss of the network on a batch.
        update: the learning rule.
        role: what it is to the other arms.
        deploy: the network as it is used after training, where that is another: folded weights, an
            encoder without its projector.
    """

    net: Callable[[int], nn.Module]
    batches: Callable[[np.random.Generator, int], Any]
    objective: Objective
    update: Update = _ADAM
    role: Role = "treatment"
    deploy: Callable[[nn.Module], nn.Module] = _as_trained


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of all arms.

    Attributes:
        nets: arm → the network of each pair, as it is used; the untrained arm among them.
        values: metric → arm → one value an item of each pair, (seeds, n).
        roles: arm → its role.
        costs: one row an arm: ``arm``, ``parameters``, ``trained``, ``flops`` and ``memory``
            (bytes) of one step, ``seconds`` of one training.
        watched: columns ``arm``, ``pair``, ``step``, ``name``, ``value``.
        losses: arm → the loss of each pair and step, on its batch before the step, (seeds, steps).
    """

    nets: dict[str, list[nn.Module]]
    values: dict[str, dict[str, np.ndarray]]
    roles: dict[str, Role]
    costs: pd.DataFrame
    watched: pd.DataFrame
    losses: dict[str, np.ndarray]

    def measured(
        self, metric: str, *, unit: str, over: str = "item", kind: str = "mean"
    ) -> Measured:
        """A metric as evidence is made from.

        Args:
            metric: its name.
            unit: its unit.
            over: ``"item"``: items are what varies, and each pair is one draw; ``"pair"``: pairs
                are what varies, each with the mean over its items.
            kind: the statistic, as in `inscape.core.measured.Measured`.

        Raises:
            ValueError: an unknown metric, or `over` that is neither.
        """
        if metric not in self.values:
            raise ValueError(f"There is no metric {metric!r}. {suggest(metric, self.values)}")
        if over not in ("item", "pair"):
            raise ValueError(f"Trained.measured: over must be 'item' or 'pair', got {over!r}")
        m = Measured(metric, unit=unit, kind=kind)
        for arm, values in self.values[metric].items():
            m.put(arm, values if over == "item" else values.mean(axis=1), role=self.roles[arm])
        return m


def arms(
    run: Run,
    arms: Mapping[str, Arm],
    *,
    metrics: Mapping[str, Callable[[nn.Module, int], Any]],
    budget: Budget,
    seeds: int = 1,
    watch: Sequence[Watch] = (),
    name: str = "arms",
) -> Trained:
    """Train every arm on every pair, measure it, and keep a table of costs.

    Args:
        run: what is written to.
        arms: by name; the first one's initial network is the untrained arm.
        metrics: by name; each takes a network as it is used and the number of the pair, and gives
            one value an item, (n,).
        budget: steps, and the quantities in which arms must agree.
        seeds: pairs.
        watch: what is measured while a network trains.
        name: of the tables, and of the random streams.

    Raises:
        StudyError: arms differ in what the budget declares equal.
        ValueError: no arm, an arm called "untrained", or an unknown quantity.
    """
    if not arms or UNTRAINED in arms:
        raise ValueError(f"arms: needs at least one arm, and none called {UNTRAINED!r}")
    counted = {arm: _counted(run, name, a) for arm, a in arms.items()}
    _check_equal(counted, budget)
    kept = _kept(run, name)
    fitted: dict[str, list[Fitted]] = {arm: [] for arm in arms}
    first = next(iter(arms.values()))
    nets: dict[str, list[nn.Module]] = {
        UNTRAINED: [first.deploy(_net(run, name, first, k)).eval() for k in range(seeds)]
    }
    total = len(arms) * seeds * budget.steps
    with run.progress(f"train {len(arms)} arms", total=total, unit="steps") as bar:
        for k in range(seeds):
            for place, (arm, a) in enumerate(arms.items()):
                keep = kept / f"{place}-{k}.pt"
                found = _fitted(run, name, a, k, budget, watch, keep, bar)
                fitted[arm].append(found)
    nets |= {arm: [a.deploy(f.net).eval() for f in fitted[arm]] for arm, a in arms.items()}
    trained = Trained(
        nets=nets,
        values={metric: _values(measure, nets) for metric, measure in metrics.items()},
        roles={UNTRAINED: "reference", **{arm: a.role for arm, a in arms.items()}},
        costs=_costs(counted, fitted),
        watched=_watched(fitted),
        losses={arm: np.stack([f.losses for f in own]) for arm, own in fitted.items()},
    )
    mean = "" if seeds == 1 else f", mean over {seeds} trainings"
    caption = (
        "What each arm costs: parameters of the network that is used, trained parameters, FLOPs "
        f"and peak memory (bytes) of one step, seconds of one training of {budget.steps:,} steps"
        f"{mean}."
    )
    if budget.equal:
        quantities = ", ".join(_NAMES[q] for q in budget.equal)
        caption += f" Required to agree within {100 * budget.tolerance:g} %: {quantities}."
    run.table(f"{name}-costs", trained.costs, caption)
    if len(trained.watched):
        _show_watched(run, trained.watched, f"{name}-watched", seeds)
    shutil.rmtree(kept, ignore_errors=True)
    return trained


def tuned(
    run: Run,
    kinds: Mapping[str, Callable[[Any], Arm]],
    choices: Sequence[Any],
    *,
    score: Callable[[nn.Module, int], Any],
    budget: Budget,
    seeds: int = 1,
    name: str = "settings",
) -> dict[str, Any]:
    """The setting that is best for each kind of arm, out of the same choices for all.

    Competitors deserve the same care: a learning rate that suits one may not suit another. What is
    chosen on are networks of their own, with weights and batches of the streams of `name`; the
    study gives them data of their own too.

    Args:
        run: what is written to.
        kinds: by name; each takes a choice and gives an arm.
        choices: learning rates, penalties.
        score: takes a network and the number of the pair; higher is better, one value or several.
        budget: of each training; it should be that of the arms which follow.
        seeds: networks of each kind and choice.
        name: of the tables, and of the random streams.

    Returns:
        Kind → choice. The mean scores are kept as a table; a training that diverges scores −∞.
    """
    kept, rows = _kept(run, name), []
    total = len(kinds) * len(choices) * seeds * budget.steps
    with run.progress("choose settings", total=total, unit="steps") as bar:
        for place, (kind, make) in enumerate(kinds.items()):
            for c, choice in enumerate(choices):
                arm, scores = make(choice), []
                for k in range(seeds):
                    keep = kept / f"{place}-{c}-{k}.pt"
                    try:
                        found = _fitted(run, name, arm, k, budget, (), keep, bar)
                    except Diverged:
                        scores.append(-np.inf)
                        continue
                    with torch.no_grad():
                        own = score(arm.deploy(found.net).eval(), k)
                    scores.append(float(np.mean(np.asarray(own))))
                rows.append({"arm": kind, "choice": choice, "score": float(np.mean(scores))})
    frame = pd.DataFrame(rows)
    caption = f"Mean score over {seeds} networks of each setting; −∞ where a training diverged."
    run.table(name, frame, caption)
    shutil.rmtree(kept, ignore_errors=True)
    best = frame.loc[frame.groupby("arm", sort=False)["score"].idxmax()]
    return dict(zip(best["arm"], best["choice"], strict=True))


def _kept(run: Run, name: str) -> Path:
    """Where the states of a run's trainings are kept until all are done."""
    return run.cache / "fits" / f"{run.identity}-{name}"


def _fitted(
    run: Run,
    name: str,
    arm: Arm,
    k: int,
    budget: Budget,
    watch: Sequence[Watch],
    keep: Path,
    bar: Advance,
) -> Fitted:
    return fit(
        _net(run, name, arm, k),
        partial(_batch, arm, k),
        arm.objective,
        budget,
        arm.update,
        watch,
        rng=generator(run.seed, name, "batches", str(k)),
        keep=keep,
        advance=bar.advance,
    )


def _show_watched(run: Run, watched: pd.DataFrame, name: str, seeds: int) -> None:
    of = "one network of each arm" if seeds == 1 else f"mean over {seeds} networks of each arm"
    caption = f"Measured during training, {of}."
    run.table(name, watched, caption)
    mean = watched.groupby(["arm", "name", "step"], as_index=False, sort=False)["value"].mean()
    shown = mean.rename(columns={"arm": "series", "name": "panel", "step": "x"})
    names = list(pd.unique(watched["name"]))
    if len(names) == 1:
        chart = curves(shown.drop(columns="panel"), x="step", y=names[0])
    else:
        chart = curves(shown, x="step")
    run.figure(name, chart, caption)


def _net(run: Run, name: str, arm: Arm, k: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(run.seed, name, "weights", str(k)))
        return arm.net(k)


def _batch(arm: Arm, k: int, rng: np.random.Generator) -> Any:
    return arm.batches(rng, k)


def _counted(run: Run, name: str, arm: Arm) -> dict[str, int]:
    """Parameters of an arm, and what one step costs, on a network of its own."""
    net = _net(run, name, arm, 0)
    used = sum(p.numel() for p in arm.deploy(net).parameters())
    batch = _batch(arm, 0, generator(run.seed, name, "batches", "0"))
    steps = arm.update(net, 2)
    one = cost(lambda: steps.step(arm.objective, batch))
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    return {"parameters": used, "trained": trained, "flops": one.flops, "memory": one.memory}


def _check_equal(counted: Mapping[str, Mapping[str, int]], budget: Budget) -> None:
    for quantity in budget.equal:
        if quantity not in QUANTITIES:
            raise ValueError(
                f"Budget: {quantity!r} cannot be compared. {suggest(quantity, QUANTITIES)}"
            )
        found = {arm: c[quantity] for arm, c in counted.items()}
        least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        if found[most] > (1 + budget.tolerance) * found[least]:
            raise StudyError(
                f"The arms {least!r} and {most!r} have {found[least]:,} and {found[most]:,} "
                f"{quantity}, more than {budget.tolerance:.0%} apart. Change a width, or take "
                f"{quantity!r} out of the budget's equal quantities and say so on the card."
            )


def _values(
    measure: Callable[[nn.Module, int], Any], nets: Mapping[str, Sequence[nn.Module]]
) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {
            arm: np.stack([np.atleast_1d(np.asarray(measure(net, k))) for k, net in enumerate(own)])
            for arm, own in nets.items()
        }


def _costs(
    counted: Mapping[str, Mapping[str, int]], fitted: Mapping[str, Sequence[Fitted]]
) -> pd.DataFrame:
    rows = [
        {"arm": arm, **c, "seconds": float(np.mean([f.seconds for f in fitted[arm]]))}
        for arm, c in counted.items()
    ]
    return pd.DataFrame(rows)


def _watched(fitted: Mapping[str, Sequence[Fitted]]) -> pd.DataFrame:
    parts = [
        f.watched.assign(arm=arm, pair=k) for arm, own in fitted.items() for k, f in enumerate(own)
    ]
    return pd.concat(parts, ignore_index=True)[["arm", "pair", "step", "name", "value"]]
