"""Does finding a variable of an algorithm in a network show that the network runs it? Not if the
map may bend.

A perceptron that has learnt whether two pairs of things are alike in being equal, and its twin with
the weights it began with, are aligned with the algorithm's inner variables: is the first pair
equal, is the second? The map from hidden layer to variables is a subset of units, a rotation or a
flow; its score is how often swapping the variable's coordinates between two cases makes the network
answer as the algorithm would. Things are random vectors, so that every test case is new, as in the
paper; and, beside, five symbols, of which all cases occur in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch

from inscape.control import RevNetMap, RotationMap, Scored, SubsetMap, align_and_score, interchanges
from inscape.core import Evidence, Measured, child_seed, one_torch_thread, table
from inscape.probing.alignments import Alignments, Where
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.worlds import HierarchicalEquality, Slots, hierarchical_equality

CARD = Card(
    slug="nonlinear-alignment-dilemma",
    title=(
        "The Non-Linear Representation Dilemma: Is Causal Abstraction Enough for Mechanistic "
        "Interpretability?"
    ),
    authors="Sutter, Minder, Hofmann and Pimentel",
    year=2025,
    arxiv="2507.08802",
    room="control",
    claim=(
        "With alignment maps that may be non-linear, even networks with random weights are found "
        "to run any algorithm: interchange accuracy says nothing without an assumption on how "
        "features are written."
    ),
    reproduced=(
        "Hierarchical equality of four random vectors of four numbers in a perceptron of three "
        "hidden layers of 16 units, and of four symbols out of five in one of 32 units; trained, "
        "and as it began. Unit subsets, rotations and RevNet flows are aligned with either "
        "equality variable, scored on fresh cases. With symbols also on every layer, and flows "
        "of several sizes on the first. The paper's second task, indirect objects in language "
        "models, is not done here."
    ),
    controls=(
        "the same network with the weights it began with",
        "maps that were not trained",
        "an algorithm that the network does not run (are the first two symbols' parities alike?)",
        "cases with a symbol that no map was trained on",
        "swapping a case with itself",
    ),
    claims={
        "flow": Claim(
            text=(
                "On unseen vectors a flow finds the variable in a network with random weights in "
                "95 % of the cases"
            ),
            at_least=0.95,
            weaker="Maps see a million and a half pairs, where the paper's see up to 64 million.",
        ),
        "rotation": Claim(text="On unseen vectors a rotation does not find it there", at_most=0.65),
        "gap": Claim(
            text="On unseen vectors the flow is at most 0.05 better on the trained network, so its "
            "success does not distinguish them",
            at_most=0.05,
        ),
        "flow-symbols": Claim(
            text=(
                "With symbols a flow finds the variable in a network with random weights in 95 % "
                "of the cases"
            ),
            at_least=0.95,
            weaker="All 625 cases of five symbols occur in training; only their pairs are new.",
        ),
        "rotation-symbols": Claim(
            text="With symbols a rotation does not find it there",
            at_most=0.65,
            weaker="All 625 cases of five symbols occur in training; only their pairs are new.",
        ),
        "gap-symbols": Claim(
            text="With symbols the flow is at most 0.05 better on the trained network",
            at_most=0.05,
            weaker="All 625 cases of five symbols occur in training; only their pairs are new.",
        ),
        "bijection": Claim(
            text="The flow is a bijection: it inverts itself",
            at_most=1e-4,
            exact="An identity up to rounding, of the maps that were fitted.",
        ),
    },
    # 60 steps leave the flow at chance on vectors; on three symbols it comes near the criterion,
    # nearer with some seeds
    tiny={
        "flow": "not supported",
        "rotation": "supported",
        "gap": "any",
        "flow-symbols": "any",
        "rotation-symbols": "supported",
        "gap-symbols": "any",
        "bijection": "supported",
    },
    answer=(
        "With random weights a flow finds the algorithm's variable in {flow:.2f} of unseen "
        "vectors ({flow.verdict}: at least 0.95), a rotation in {rotation:.2f} "
        "({rotation.verdict}: at most 0.65); on the trained network the flow does {gap:.2f} "
        "better ({gap.verdict}: at most 0.05). With five symbols, all of whose cases occur in "
        "training, the flow reaches {flow-symbols:.2f} with random weights "
        "({flow-symbols.verdict}), a rotation {rotation-symbols:.2f}, and the flow does "
        "{gap-symbols:.2f} better on the trained network ({gap-symbols.verdict}). Read "
        "interchange accuracy only beside that of a random twin, at the same map and on cases "
        "that the map has not seen."
    ),
    differs=(
        "The authors train flows of ten blocks of 16 units on up to 50 passes over 1.28 million "
        "pairs and stop early; here flows of four pairs of 128 units see fewer pairs, one "
        "variable at a time. In the results with their code flows reach 0.49 to 0.68 on the "
        "first layer with random weights, 0.73 to 0.82 with 128 units, of unseen vectors."
    ),
    seeds=3,
    group_note=(
        "A group is a base case with its source, drawn afresh for the test. With vectors no case "
        "occurs twice; with five symbols all 625 cases occur in training, so test cases are new "
        "pairs of known cases. Held-out symbols are shown beside."
    ),
    minutes={"tiny": 0.2, "small": 5, "full": 40},
    figure="first-layer",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    symbols: int = setting(5, "symbols a slot chooses from", least=3)
    width: int = setting(32, "units of a hidden layer over symbols")
    layers: int = setting(3, "hidden layers", least=1)
    train_steps: int = setting(2000, "steps of training the network on symbols")
    size: int = setting(4, "numbers of a vector")
    narrow: int = setting(16, "units of a hidden layer over vectors")
    taught: int = setting(8000, "steps of training the network on vectors")
    variable: int = setting(8, "coordinates that stand for the variable", least=1)
    pairs: int = setting(4, "coupling pairs of the flow")
    hidden: int = setting(128, "units of a coupling's perceptron")
    capacities: tuple[int, ...] = setting((2, 8, 32), "smaller flows, on the first layer")
    steps: int = setting(1000, "steps of training a map, symbols", least=1)
    lr: float = setting(3e-3, "learning rate of the flow, symbols")
    vector_steps: int = setting(3000, "steps of training a map, vectors")
    vector_lr: float = setting(1e-3, "learning rate of the flow, vectors")
    vector_draws: int = setting(300_000, "pairs of cases a map is trained on, vectors")
    batch: int = setting(512, "pairs a step, vectors")
    further: bool = setting(True, "also other layers, a wrong algorithm and a symbol held out")
    draws: int = setting(20_000, "pairs of cases a map is trained on")
    test: int = setting(3000, "fresh pairs it is scored on")
    seeds: int = setting(1, "networks, each with its twin", least=1)


PRESETS = {
    "tiny": Config(
        symbols=3,
        width=16,
        layers=2,
        train_steps=600,
        variable=4,
        pairs=2,
        hidden=64,
        capacities=(),
        steps=300,
        lr=0.01,
        further=False,
        draws=4000,
        test=800,
        taught=200,
        vector_steps=60,
        vector_draws=2000,
    ),
    "small": Config(),
    "full": Config(
        capacities=(2, 4, 8, 16, 32, 64),
        steps=5000,
        draws=200_000,
        test=20_000,
        seeds=10,
        taught=20_000,
        vector_steps=40_000,
        vector_draws=1_280_000,
        batch=1024,
    ),
}

TRAINED, RANDOM = NETS = ("trained network", "random weights")
KINDS = ("subset", "rotation", "flow")
VECTORS, SYMBOLS = "vectors", "symbols"
FURTHER = ("wrong algorithm", "symbol held out")


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train the networks, align every map, compare trained with random."""
    run.asked(
        "Does finding an algorithm's variable in a network show that the network runs the "
        "algorithm?"
    )
    kinds, found = (Slots(VECTORS, config.size), Slots(SYMBOLS, config.symbols)), []
    for seed, slots in product(range(config.seeds), kinds):
        world = _world(config, run, slots, seed)
        places = list(_places(config, slots.kind, seed))
        for where in run.each(f"align {slots.kind}", places, "maps"):
            found.append((where, _fit(config, run, world, where)))
    maps = Alignments(found)
    run.table("maps", maps.table(), "Every map that was fitted.")
    _first_layer(config, run, maps, VECTORS)
    _first_layer(config, run, maps, SYMBOLS, "-symbols")
    _further(config, run, maps)
    run.claim("bijection", maps.bijection({"map": "flow"}))


def _world(config: Config, run: Run, slots: Slots, seed: int) -> HierarchicalEquality:
    width, steps, more = config.width, config.train_steps, "train-steps"
    if slots.kind == VECTORS:
        width, steps, more = config.narrow, config.taught, "taught"
    own = child_seed(run.seed, "net", slots.kind, str(seed))
    world = hierarchical_equality(slots, width, config.layers, steps, own)
    run.log("network %d answers %.1f %% of fresh %s", seed, 100 * world.accuracy, slots.kind)
    if world.accuracy < 0.99:
        run.warn(
            f"Network {seed} answers only {world.accuracy:.1%} of the cases of {slots.kind}: give "
            f"it more --{more}."
        )
    return world


def _places(config: Config, slots: str, seed: int) -> Iterator[Where]:
    """Every map on the first layer; of symbols, on the first network, also other layers and
    sizes."""
    jobs = [(kind, 1, config.hidden, "true") for kind in KINDS]
    if slots == SYMBOLS and config.further:
        jobs += [("flow", 1, config.hidden, what) for what in FURTHER]
        deeper = range(2, config.layers + 1) if seed == 0 else ()
        jobs += [(kind, layer, config.hidden, "true") for kind in KINDS for layer in deeper]
    if slots == SYMBOLS and seed == 0:
        jobs += [("flow", 1, hidden, "true") for hidden in config.capacities]
    for net, (kind, layer, hidden, algorithm), variable in product(NETS, jobs, (0, 1)):
        place = {"slots": slots, "network": net, "seed": seed, "map": kind, "layer": layer}
        yield place | {"hidden": hidden, "algorithm": algorithm, "variable": variable}


def _fit(config: Config, run: Run, world: HierarchicalEquality, where: Where) -> Scored:
    net = world.trained if where["network"] == TRAINED else world.random
    layer, algorithm, names = where["layer"], where["algorithm"], [str(v) for v in where.values()]
    n, steps, batch, lr = config.draws, config.steps, 256, config.lr
    if where["slots"] == VECTORS:
        n, steps, batch = config.vector_draws, config.vector_steps, config.batch
        lr = config.vector_lr
    cases = partial(interchanges, world.slots, net, layer, where["variable"], algorithm=algorithm)
    train = cases(n, rng=run.rng("pairs", *names))
    # the test is the same for all maps and both networks, so that they are paired
    same = [str(where[k]) for k in ("slots", "seed", "layer", "algorithm", "variable")]
    test = cases(config.test, test=True, rng=run.rng("test", *same))
    stream = torch.Generator().manual_seed(child_seed(run.seed, "map", *names) % 2**63)
    flow = partial(RevNetMap, pairs=config.pairs, hidden=where["hidden"])
    kind = {"subset": SubsetMap, "rotation": RotationMap, "flow": flow}[where["map"]]
    return align_and_score(
        kind(train.base.shape[1], config.variable, stream),
        train,
        test,
        lambda h, _: net.finish(h, layer),
        steps=steps,
        batch=batch,
        lr=lr if where["map"] == "flow" else 1e-2,
        generator=stream,
    )


def _first_layer(config: Config, run: Run, found: Alignments, slots: str, suffix: str = "") -> None:
    """Every map on the first layer of both networks, and what flows find that is not there."""
    base = {"slots": slots, "layer": 1, "hidden": config.hidden, "algorithm": "true"}
    kinds = {f"{n}, {k}": {**base, "network": n, "map": k} for n, k in product(NETS, KINDS)}
    m, extra = found.measured(kinds), []
    for what in FURTHER if config.further and slots == SYMBOLS else ():
        # other cases, so not paired with the others
        flows = {**base, "algorithm": what, "map": "flow"}
        more = {f"{net}, flow, {what}": {**flows, "network": net} for net in NETS}
        extra += found.evidence(more)
    rows = found.evidence(kinds, m)
    run.show(
        "first-layer" + suffix,
        [*rows, *extra],
        f"Accuracy of swapping the variable, {slots}, first layer, mean over networks and both "
        "variables. Tick: the map before training.",
        by="maps",
    )
    _claims(run, m, {str(e.where["maps"]): e for e in rows}, extra, suffix)


def _claims(
    run: Run, m: Measured, value: dict[str, Evidence], extra: Sequence[Evidence], suffix: str
) -> None:
    subset, turn, flow = (f"{RANDOM}, {kind}" for kind in KINDS)
    said = [f"{e.where['algorithm']}: {e.value:.2f}" for e in extra if e.where["network"] == RANDOM]
    why = f"With random weights, {'; '.join(said)}." if said else ""
    run.claim("flow" + suffix, value[flow], why=why)
    run.claim(
        "rotation" + suffix, value[turn], why=f"A subset of units: {value[subset].value:.2f}."
    )
    gap = m.gain(f"{TRAINED}, flow", over=flow, name="trained less random, flow")
    less = m.gain(f"{TRAINED}, rotation", over=turn).value
    run.claim("gap" + suffix, gap, why=f"Of rotations: {less:.2f}.")


def _further(config: Config, run: Run, found: Alignments) -> None:
    """Accuracy by layer for every map, and by size for flows, on the first network over symbols."""
    base = {"slots": SYMBOLS, "algorithm": "true", "seed": 0}
    if config.further and config.layers > 1:
        rows = []
        for layer in range(1, config.layers + 1):
            at = {**base, "layer": layer, "hidden": config.hidden}
            kinds = {f"{k}, {n}": {**at, "network": n, "map": k} for n, k in product(NETS, KINDS)}
            rows += found.evidence(kinds)
        run.layers(
            "layers",
            rows,
            "Interchange accuracy by hidden layer, symbols, first network and its twin.",
            series="maps",
            layer="Hidden layer",
        )
    if config.capacities:
        flow = {**base, "layer": 1, "map": "flow"}
        sizes = {
            f"{net}, {hidden} units": {**flow, "network": net, "hidden": hidden}
            for net, hidden in product(NETS, (*config.capacities, config.hidden))
        }
        run.table(
            "capacity",
            table(found.evidence(sizes)),
            "Flows of several sizes, symbols, first layer, first network.",
        )
