"""Does a network store a sequence in directions, one set for each position? Small recurrent ones
store it in magnitudes.

Gated recurrent networks of several sizes learn to say a sequence again. In the state after the last
token one token is exchanged for another: by subspaces, one for each position or each pair of
neighbours, or by adding the difference of two token vectors at a magnitude that depends on the
position (an onion). A swap counts if the network, left alone, then says the changed sequence and
nothing else, on sequences that no swap and no network was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from inscape.charts import curves
from inscape.charts import matrix as heatmap
from inscape.control.learned_swaps import (
    BIGRAM,
    CONSTANT,
    ONION,
    PERMUTED,
    SWAPS,
    UNIGRAM,
    Learned,
    learn_all,
)
from inscape.core import Evidence, one_torch_thread, side_by_side, table, torch_generator
from inscape.core.measured import Measured, Role
from inscape.read import tokens_named
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.worlds.sequence_repeat import (
    GRURepeater,
    OnionStore,
    SlotStore,
    repeated,
    train,
)

CARD = Card(
    slug="onion-representations",
    title=(
        "Recurrent Neural Networks Learn to Store and Generate Sequences using Non-Linear "
        "Representations"
    ),
    authors="Csordás, Potts, Manning and Geiger",
    year=2024,
    arxiv="2408.10920",
    room="control",
    claim=(
        "Recurrent networks too small for a direction per token and position store positions as "
        "magnitudes, which no set of linear subspaces can exchange; larger ones store them in "
        "subspaces. Not every code is linear."
    ),
    reproduced=(
        "GRUs of 48, 64, 128 and 256 units repeat sequences of 3 to 6 out of 20 tokens; unigram "
        "and bigram subspaces and onion swaps learnt on the state after the last token until "
        "their loss stops falling, scored by the whole sequence said; linear and perceptron "
        "probes of that state. Sequences are shorter and tokens fewer than in the paper, and its "
        "probe that generates is not done here."
    ),
    controls=(
        "an untrained network of the smallest size, with swaps learnt on it",
        "onion swaps with one magnitude for all positions",
        "onion swaps whose positions are permuted",
        "two stores made by hand, an onion and one of slots, where the answer is known",
    ),
    claims={
        "task": Claim(
            text="Every network repeats at least 95 % of the held-out sequences, in the worst case",
            at_least=0.95,
        ),
        "onion": Claim(
            text="In the smallest network, swaps at the position's magnitude succeed at least 80 % "
            "of the time",
            at_least=0.8,
        ),
        "linear": Claim(
            text="There the better of two subspace swaps succeeds at most 40 % of the time",
            at_most=0.4,
        ),
        "constant": Claim(
            text="There the onion with one magnitude succeeds at most 30 % of the time",
            at_most=0.3,
        ),
        "large": Claim(
            text="In the largest network the better of two subspace swaps succeeds at least 80 % "
            "of the time",
            at_least=0.8,
            weaker="The largest has 256 units here; the paper goes on to 1,024.",
        ),
        "untrained": Claim(
            text="In an untrained network no onion, unigram or bigram swap succeeds more than 5 % "
            "of the time",
            at_most=0.05,
            sanity=True,
        ),
    },
    # only stores made by hand; in so few coordinates one magnitude brings out about as many as the
    # criterion allows
    tiny={
        "task": "supported",
        "onion": "supported",
        "linear": "supported",
        "constant": "any",
        "large": "supported",
        "untrained": "any",
    },
    answer=(
        "In {small}, exchanging a token comes out {onion:.0%} of the time by adding token "
        "vectors at the position's magnitude ({onion.verdict}: at least 80 %), {linear:.0%} by "
        "subspaces ({linear.verdict}: at most 40 %) and {constant:.0%} with one magnitude for "
        "all positions ({constant.verdict}: at most 30 %). In {wide} subspaces come out "
        "{large:.0%} of the time ({large.verdict}: at least 80 %)."
    ),
    differs=(
        "The authors learn one rotation with a mask for each variable and 60,000 steps; here "
        "each position has as many fixed dimensions of a learned basis, and a swap is trained "
        "until its loss stops falling. Their onion passes token vectors through tanh; a new "
        "token may be the old one there, never here."
    ),
    seeds=3,
    group_note=(
        "A group is a sequence: a seventh of all sequences, told by a checksum, is in no "
        "training, of networks or of swaps."
    ),
    negative=(
        "On seeds 0 to 2 one magnitude for all positions still brings out 32 % in GRU 48, where "
        "30 % was the bar; in GRU 256 the better subspaces bring out 58, 58 and 59 %, where 80 % "
        "was the bar."
    ),
    minutes={"tiny": 0.2, "small": 9, "full": 240},
    figure="interchange",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    sizes: tuple[int, ...] = setting((48, 64, 128, 256), "units, smallest first; may be empty")
    seeds: tuple[int, ...] = setting((1, 1, 1, 1), "networks of each size")
    symbols: int = setting(20, "tokens")
    shortest: int = setting(3, "sequence")
    longest: int = setting(6, "sequence")
    steps: tuple[int, ...] = setting((4500, 3500, 1500, 800), "of training a network, at most")
    swap_steps: tuple[int, ...] = setting((4000, 4000, 3000, 2500), "of training a swap, at most")
    lr: float = setting(5e-3, "learning rate up to 64 units; 0.002 beyond")
    swap_lr: float = setting(5e-3, "learning rate of the swaps")
    made: int = setting(8, "width of the onion made by hand; a third of what slots need")
    made_steps: int = setting(1500, "of training swaps on stores made by hand, at most")
    test: int = setting(1000, "swaps they are scored on")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.sizes) == len(self.seeds) == len(self.steps) == len(self.swap_steps):
            raise ValueError("sizes, seeds, steps and swap_steps must be as many as each other")
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(
                f"shortest must be 1 to longest, got {self.shortest} and {self.longest}"
            )


PRESETS = {
    "tiny": Config(
        sizes=(), seeds=(), steps=(), swap_steps=(), symbols=8, shortest=2, longest=4, test=500
    ),
    "small": Config(),
    "full": Config(
        sizes=(48, 64, 128, 512),
        seeds=(5, 5, 5, 5),
        symbols=30,
        shortest=1,
        longest=9,
        steps=(60_000, 40_000, 20_000, 10_000),
        swap_steps=(20_000, 20_000, 10_000, 10_000),
        test=5000,
    ),
}

UNTRAINED, MADE_ONION, MADE_SLOTS = "untrained", "onion by hand", "slots by hand"
KINDS = {"onion by hand": OnionStore, "slots by hand": SlotStore}


@dataclass(frozen=True)
class Store:
    """One store: its kind, shown in tables, its width, its place among the sizes (−1: none), its
    seed."""

    kind: str
    width: int
    size: int = -1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one store.

    Attributes:
        store: which.
        task: which held-out sequences it repeats, 0 or 1.
        swaps: what came of every kind of swap.
        probes: probe → share of tokens it names, by position.
    """

    store: Store
    task: np.ndarray
    swaps: Learned
    probes: dict[str, np.ndarray]


def run(config: Config, run: Run) -> None:
    """Train the networks, learn the swaps, compare."""
    run.asked(
        "Does a recurrent network store each position of a sequence in directions of its own?"
    )
    stores = [
        Store(f"GRU {d}", d, i, k)
        for i, d in enumerate(config.sizes)
        for k in range(config.seeds[i])
    ]
    # the longest job first, so that none is left alone at the end
    stores.sort(key=lambda store: -store.width)
    stores += [
        Store(UNTRAINED, config.sizes[0] if config.sizes else 2 * config.made),
        Store(MADE_ONION, config.made),
        Store(MADE_SLOTS, config.made * config.longest),
    ]
    with run.progress("stores", total=len(stores), unit="stores") as bar, one_torch_thread():

        def looked(store: Store) -> Found:
            found = _look(config, run, store)
            bar.advance()
            return found

        found = side_by_side(looked, stores)
    for f in found:
        share = 100 * f.task.mean()
        run.log("%s, seed %d repeats %.1f %% held out", f.store.kind, f.store.seed, share)
    _show(config, run, found)
    _judge(config, run, found)


def _look(config: Config, run: Run, store: Store) -> Found:
    """Train one store, learn every swap on it, probe it."""
    lengths, width = (config.shortest, config.longest), store.width
    stream = torch_generator(run.seed, "store", store.kind, str(store.seed))
    net = KINDS.get(store.kind, GRURepeater)(config.symbols, config.longest, width, stream)
    most = config.made_steps if store.size < 0 else config.swap_steps[store.size]
    if store.size >= 0:
        lr = config.lr if width <= 64 else min(config.lr, 2e-3)
        train(net, lengths, stream, steps=config.steps[store.size], lr=lr)
    task = repeated(net, lengths, stream, config.test).numpy()
    net.requires_grad_(False)
    swaps = learn_all(net, lengths, most, config.test, stream, config.swap_lr)
    probes = {
        kind: tokens_named(net, config.test, stream, perceptron=kind == "perceptron")
        for kind in ("linear", "perceptron")
    }
    return Found(store, task, swaps, probes)


def _measured(found: list[Found], kind: str) -> Measured:
    """Swaps that come out in the networks of one kind; every network is a draw."""
    m = Measured("swaps that come out", unit="share", where={"store": kind})
    for swap in SWAPS:
        role: Role = "baseline" if swap in (CONSTANT, PERMUTED) else "treatment"
        m.put(swap, [f.swaps.right[swap] for f in found if f.store.kind == kind], role=role)
    return m


def _show(config: Config, run: Run, found: list[Found]) -> None:
    kinds = [f"GRU {d}" for d in config.sizes] + [UNTRAINED, MADE_ONION, MADE_SLOTS]
    alike = {kind: [f for f in found if f.store.kind == kind] for kind in kinds}
    rows = [
        _measured(found, kind).value(swap, where={"swap": swap, "networks": len(alike[kind])})
        for kind in kinds
        for swap in SWAPS
    ]
    cells = table(rows).rename(columns={"swap": "row", "store": "column"})
    run.figure(
        "interchange",
        heatmap(
            cells[["row", "column", "value"]],
            value="swaps that come out",
            row="swap",
            column="store",
            domain=(0.0, 1.0),
        ),
        "Share of swaps after which the store says the changed sequence, held-out sequences.",
    )
    run.table("interchange", table(rows), "The same with intervals over swaps.")
    each = [
        {"store": f.store.kind, "seed": f.store.seed, "repeats": f.task.mean()}
        | {s: f.swaps.right[s].mean() for s in SWAPS}
        | {f"steps, {s}": steps for s, steps in f.swaps.steps.items()}
        for f in found
    ]
    run.table(
        "stores",
        pd.DataFrame(each),
        "Every store: how often it repeats, how often each swap comes out, and after how many "
        "steps the swap's loss had stopped falling (none: it still fell when the steps were "
        "spent).",
    )
    scale = [
        {
            "series": kind,
            "x": j + 1,
            "value": np.log10(np.mean([f.swaps.scale[j] / f.swaps.scale[0] for f in own])),
        }
        for kind, own in alike.items()
        if kind != UNTRAINED
        for j in range(config.longest)
    ]
    y = "log₁₀ of length over the first's"
    run.figure(
        "magnitudes",
        curves(pd.DataFrame(scale), x="position", y=y, points=True, zero=False),
        "Length of what an onion swap adds, by position.",
    )
    ends = [kinds[0], f"GRU {config.sizes[-1]}", UNTRAINED] if config.sizes else kinds
    named = pd.DataFrame(
        {
            "series": f"{probe}, {kind}",
            "x": j + 1,
            "value": float(np.mean([f.probes[probe][j] for f in alike[kind]])),
        }
        for kind in dict.fromkeys(ends)
        for j in range(config.longest)
        for probe in ("linear", "perceptron")
    )
    nulls = [f"{probe}, {UNTRAINED}" for probe in ("linear", "perceptron")]
    run.figure(
        "probes",
        curves(named, x="position", y="tokens named (share)", points=True, nulls=nulls),
        "How well probes of the state name the token at each position, longest sequences.",
        named,
    )


def _judge(config: Config, run: Run, found: list[Found]) -> None:
    small = f"GRU {config.sizes[0]}" if config.sizes else MADE_ONION
    wide = f"GRU {config.sizes[-1]}" if config.sizes else MADE_SLOTS

    def best(kind: str, *swaps: str) -> Evidence:
        m = _measured(found, kind)
        return max((m.value(swap) for swap in swaps), key=lambda e: e.value)

    task = Measured("sequences repeated", unit="share")
    for f in found:
        if f.store.kind != UNTRAINED:
            task.put(f"{f.store.kind}, {f.store.seed}", f.task)
    worst = min(task.evidence(), key=lambda e: e.value)
    fresh = float(np.mean([f.task.mean() for f in found if f.store.kind == UNTRAINED]))
    run.claim("task", worst, why=f"An untrained network repeats {fresh:.1%}.")
    m = _measured(found, small)
    permuted = f"{small}; with positions permuted {m.value(PERMUTED).value:.1%} come out."
    run.claim("onion", m.value(ONION), why=permuted)
    run.claim("linear", best(small, UNIGRAM, BIGRAM), why=_each(found, small))
    run.claim("constant", m.value(CONSTANT), why=f"{small}.")
    run.claim("large", best(wide, UNIGRAM, BIGRAM), why=_each(found, wide))
    run.claim("untrained", best(UNTRAINED, ONION, UNIGRAM, BIGRAM))
    run.facts(small=small, wide=wide)


def _each(found: list[Found], kind: str) -> str:
    """Both kinds of subspaces, and whether their loss had stopped falling."""
    m, alike = _measured(found, kind), [f for f in found if f.store.kind == kind]
    falling = {s: any(f.swaps.steps[s] is None for f in alike) for s in (UNIGRAM, BIGRAM)}
    parts = [
        f"{swap} {m.value(swap).value:.1%}{' (loss still falling)' if falls else ''}"
        for swap, falls in falling.items()
    ]
    return f"{kind}: {', '.join(parts)}."
