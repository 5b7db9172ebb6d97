"""Does a network store a sequence in directions, one set for each position? Small recurrent ones store it in magnitudes.

Gated recurrent networks of several sizes learn to say a sequence again. In the state after the last token one token is
exchanged for another: by subspaces, one for each position or each pair of neighbours, or by adding the difference of two
token vectors at a magnitude that depends on the position (an onion). A swap counts if the network, left alone, then says
the changed sequence and nothing else, on sequences that no swap and no network was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.control.sequence_swaps import OnionSwap, SubspaceSwap, Swaps
from inscape.core import intervals
from inscape.core.evidence import Evidence, Null, table
from inscape.core.rng import torch_generator
from inscape.core.threads import one_torch_thread, side_by_side
from inscape.study.card import Card
from inscape.study.run import Run
from inscape.worlds.sequence_repeat import (
    GRURepeater,
    OnionStore,
    Repeater,
    SlotStore,
    accuracy,
    inside,
    loss_of,
    same,
    sequences,
    train,
)

CARD = Card(
    slug="onion-representations",
    title="Recurrent Neural Networks Learn to Store and Generate Sequences using Non-Linear Representations",
    authors="Csordás, Potts, Manning and Geiger",
    year=2024,
    arxiv="2408.10920",
    room="control",
    claim="Recurrent networks too small for a direction per token and position store positions as magnitudes, which no "
    "set of linear subspaces can exchange; larger ones store them in subspaces. Not every code is linear.",
    reproduced="GRUs of 48, 64, 128 and 512 units repeat sequences of 3 to 6 out of 20 tokens; unigram and bigram subspaces "
    "and onion swaps learnt on the state after the last token, scored by the whole sequence said; linear and perceptron "
    "probes of that state. Sequences are shorter and tokens fewer than in the paper, and its probe that generates is not "
    "done here. Three networks of the smallest size, one of each other.",
    controls=(
        "an untrained network of the smallest size, with swaps learnt on it",
        "onion swaps with one magnitude for all positions",
        "onion swaps whose positions are permuted",
        "two stores made by hand, an onion and one of slots, where the answer is known",
    ),
    bar="Every network repeats at least 95 % of the sequences held out. In the smallest, onion swaps succeed at least 80 % "
    "of the time, either linear swap at most 40 %, the onion of one magnitude at most 30 %; in the largest a linear swap "
    "succeeds at least 80 %; in an untrained network nothing does more than 5 %.",
    group_note="A group is a sequence: a seventh of all sequences, told by a checksum, is in no training, of networks or of "
    "swaps.",
    negative="In GRU 512 subspaces come out 60 % of the time (seed 0, small) where 80 % was the bar: swaps are trained for "
    "400 steps there, for time. In GRU 48 one magnitude for all positions still brings out 34 %, where 30 % was the bar.",
    minutes={"tiny": 0.2, "small": 9, "full": 240},
    figure="interchange",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    sizes: tuple[int, ...] = field(
        default=(48, 64, 128, 512), metadata={"help": "units, smallest first; may be empty"}
    )
    seeds: tuple[int, ...] = field(default=(3, 1, 1, 1), metadata={"help": "networks of each size"})
    symbols: int = field(default=20, metadata={"help": "tokens"})
    shortest: int = field(default=3, metadata={"help": "sequence"})
    longest: int = field(default=6, metadata={"help": "sequence"})
    steps: tuple[int, ...] = field(
        default=(4500, 3500, 1500, 350), metadata={"help": "of training a network, at most"}
    )
    swap_steps: tuple[int, ...] = field(
        default=(1500, 1500, 1000, 400), metadata={"help": "of training a swap"}
    )
    lr: float = field(default=5e-3, metadata={"help": "learning rate up to 64 units; 0.002 beyond"})
    swap_lr: float = field(default=5e-3, metadata={"help": "learning rate of the swaps"})
    made: int = field(
        default=8, metadata={"help": "width of the onion made by hand; a third of what slots need"}
    )
    made_steps: int = field(
        default=800, metadata={"help": "of training swaps on stores made by hand"}
    )
    test: int = field(default=1000, metadata={"help": "swaps they are scored on"})

    def __post_init__(self) -> None:
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
        seeds=(5, 5, 5, 5),
        symbols=30,
        shortest=1,
        longest=9,
        steps=(60_000, 40_000, 20_000, 10_000),
        swap_steps=(20_000, 20_000, 10_000, 10_000),
        test=5000,
    ),
}

ONION, CONSTANT, UNIGRAM, BIGRAM = (
    "onion",
    "onion, one magnitude",
    "unigram subspaces",
    "bigram subspaces",
)
PERMUTED = "onion, positions permuted"
UNTRAINED, MADE_ONION, MADE_SLOTS = "untrained", "onion by hand", "slots by hand"


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one store.

    Attributes:
        store: its kind, shown in tables.
        seed: of several alike.
        task: share of held-out sequences it repeats.
        right: swap → which of the test's swaps came out, 0 or 1.
        scale: mean magnitude of the onion's vectors at each position.
        probes: probe → share of tokens it names, by position.
    """

    store: str
    seed: int
    task: float
    right: dict[str, np.ndarray]
    scale: np.ndarray
    probes: dict[str, np.ndarray]


def run(config: Config, run: Run) -> None:
    """Train the networks, learn the swaps, compare."""
    run.asked(
        "Does a recurrent network store each position of a sequence in directions of its own?"
    )
    jobs = [
        (f"GRU {d}", d, i, k) for i, d in enumerate(config.sizes) for k in range(config.seeds[i])
    ]
    jobs.sort(
        key=lambda job: -job[1]
    )  # the longest job first, so that none is left alone at the end
    if config.sizes:
        jobs.append((UNTRAINED, config.sizes[0], 0, 0))
    jobs += [(MADE_ONION, config.made, -1, 0), (MADE_SLOTS, config.made * config.longest, -1, 0)]
    with run.progress("stores", total=len(jobs), unit="stores") as bar, one_torch_thread():
        found = side_by_side(lambda job: _one(config, run, job, bar.advance), jobs)
    for f in found:
        run.log(
            "%s, seed %d repeats %.1f %% of the sequences held out", f.store, f.seed, 100 * f.task
        )
    _show(config, run, found)
    _judge(config, run, found)


def _one(
    config: Config, run: Run, job: tuple[str, int, int, int], advance: Callable[[], None]
) -> Found:
    """Train one store, learn every swap on it, probe it."""
    store, width, size, seed = job
    stream = torch_generator(run.seed, "store", store, str(seed))
    net = _store(config, job, stream)
    if store.startswith("GRU"):
        lr = config.lr if width <= 64 else min(config.lr, 2e-3)
        train(net, _lengths(config), stream, steps=config.steps[size], lr=lr)
    task = accuracy(net, _lengths(config), stream)
    for p in net.parameters():
        p.requires_grad_(False)
    steps = config.swap_steps[size] if size >= 0 else config.made_steps
    right: dict[str, np.ndarray] = {}
    scale = np.zeros(config.longest)
    for name in (ONION, CONSTANT, UNIGRAM, BIGRAM):
        swap = _swap(config, net, name, stream)
        _learn(config, net, swap, steps, stream)
        right[name] = _score(config, net, swap, stream)
        if isinstance(swap, OnionSwap) and name == ONION:
            with torch.no_grad():
                size_of = swap.scale(torch.arange(config.longest))
                difference = swap.tokens[:, None] - swap.tokens
                scale = (size_of[:, None, None] * difference).norm(dim=3).mean((1, 2)).numpy()
            right[PERMUTED] = _score(config, net, swap, stream, permuted=True)
    probes = {
        kind: _probe(config, net, kind == "perceptron", stream) for kind in ("linear", "perceptron")
    }
    advance()
    return Found(store, seed, task, right, scale, probes)


def _lengths(config: Config) -> tuple[int, int]:
    return config.shortest, config.longest


def _store(config: Config, job: tuple[str, int, int, int], stream: torch.Generator) -> Repeater:
    store, width, _, _ = job
    if store == MADE_ONION:
        return OnionStore(config.symbols, config.longest, width, stream)
    if store == MADE_SLOTS:
        return SlotStore(config.symbols, config.longest, width, stream)
    return GRURepeater(config.symbols, config.longest, width, stream)


def _swap(
    config: Config, net: Repeater, name: str, stream: torch.Generator
) -> OnionSwap | SubspaceSwap:
    if name in (ONION, CONSTANT):
        return OnionSwap(config.symbols, net.width, stream, constant=name == CONSTANT)
    return SubspaceSwap(config.longest, net.width, stream, bigrams=name == BIGRAM)


@torch.no_grad()
def _draw(
    config: Config, net: Repeater, n: int, bigrams: bool, stream: torch.Generator, held_out: bool
) -> tuple[Swaps, Tensor, Tensor]:
    """Swaps to make, the sequences that should then be said, and their lengths."""
    x, length = sequences(n, config.symbols, _lengths(config), stream, held_out)
    rows, position = torch.arange(n), (torch.rand(n, generator=stream) * length).long()
    old = x[rows, position]
    new = (old + torch.randint(1, config.symbols, (n,), generator=stream)) % config.symbols
    wanted = x.clone()
    wanted[rows, position] = new
    given = torch.randint(config.symbols, x.shape, generator=stream) * inside(
        length, config.longest
    )
    given[rows, position] = new
    if bigrams:
        beside = (torch.arange(config.longest) - position[:, None]).abs() == 1
        given = torch.where(beside, wanted, given)
    return (
        Swaps(net.encode(x, length), net.encode(given, length), position, old, new),
        wanted,
        length,
    )


def _learn(
    config: Config, net: Repeater, swap: nn.Module, steps: int, stream: torch.Generator
) -> None:
    """Adam on the cross-entropy of the changed sequence, each token told those before."""
    optimiser = torch.optim.Adam(swap.parameters(), lr=config.swap_lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    bigrams = getattr(swap, "bigrams", False)
    for _ in range(steps):
        swaps, wanted, length = _draw(config, net, 128, bigrams, stream, held_out=False)
        with torch.enable_grad():
            loss = loss_of(net.decode(swap(swaps), wanted), wanted, length)
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def _score(
    config: Config, net: Repeater, swap: nn.Module, stream: torch.Generator, permuted: bool = False
) -> np.ndarray:
    """Which swaps come out on held-out sequences: the network, left alone, says the changed sequence."""
    bigrams = getattr(swap, "bigrams", False)
    swaps, wanted, length = _draw(config, net, config.test, bigrams, stream, held_out=True)
    if permuted:
        turned = (torch.arange(config.longest) + config.longest // 2) % config.longest
        swaps = swaps._replace(position=turned[swaps.position])
    return same(net.repeat(swap(swaps)), wanted, length).numpy()


def _probe(config: Config, net: Repeater, deep: bool, stream: torch.Generator) -> np.ndarray:
    """Share of held-out tokens named, by position, by one probe of the state for all positions."""
    lengths, tokens = (config.longest, config.longest), config.symbols * config.longest
    with torch.no_grad():
        x, length = sequences(8000, config.symbols, lengths, stream)
        y, held = sequences(config.test, config.symbols, lengths, stream, held_out=True)
        h, k = net.encode(x, length), net.encode(y, held)
        mean, sd = h.mean(0), h.std(0) + 1e-6
        h, k = (h - mean) / sd, (k - mean) / sd
    layers = (
        [nn.Linear(net.width, 256), nn.ReLU(), nn.Linear(256, tokens)]
        if deep
        else [nn.Linear(net.width, tokens)]
    )
    probe = nn.Sequential(*layers)
    with torch.no_grad():
        for p in probe.parameters():
            p.copy_(
                torch.randn(p.shape, generator=stream)
                * (p.shape[-1] ** -0.5 if p.ndim == 2 else 0.0)
            )
    optimiser = torch.optim.Adam(probe.parameters(), lr=3e-3)
    for _ in range(500):
        rows = torch.randint(len(x), (256,), generator=stream)
        with torch.enable_grad():
            logits = probe(h[rows]).unflatten(1, (config.longest, config.symbols))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), x[rows].flatten())
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
    with torch.no_grad():
        said = probe(k).unflatten(1, (config.longest, config.symbols)).argmax(2)
    return (said == y).float().mean(0).numpy()


def _evidence(
    run: Run, found: list[Found], store: str, swap: str, null: Null | None = None
) -> Evidence:
    """Mean over networks of one kind, bootstrapped over the test's swaps."""
    rights = np.stack([f.right[swap] for f in found if f.store == store])
    counts = intervals.group_counts(rights.shape[1], 500, rng=run.rng("bootstrap"))
    low, high = intervals.percentile(counts @ rights.mean(axis=0) / rights.shape[1])
    return Evidence(
        "swaps that come out",
        float(rights.mean()),
        (float(low), float(high)),
        null,
        n=rights.size,
        unit="share",
        where={"store": store, "swap": swap, "networks": len(rights)},
    )


def _show(config: Config, run: Run, found: list[Found]) -> None:
    stores = (
        [f"GRU {d}" for d in config.sizes]
        + [UNTRAINED] * bool(config.sizes)
        + [MADE_ONION, MADE_SLOTS]
    )
    swaps = (ONION, CONSTANT, PERMUTED, UNIGRAM, BIGRAM)
    rows = [
        _evidence(run, found, store, swap, _none(found, swap)) for store in stores for swap in swaps
    ]
    cells = pd.DataFrame(
        [{"row": e.where["swap"], "column": e.where["store"], "value": e.value} for e in rows]
    )
    chart = heatmap(cells, value="swaps that come out", domain=(0.0, 1.0))
    run.figure(
        "interchange",
        chart,
        "Share of swaps after which the store says the changed sequence, held-out sequences.",
    )
    run.table("interchange", table(rows), "The same with intervals over swaps.")
    each = [
        {
            "store": f.store,
            "seed": f.seed,
            "repeats": f.task,
            **{s: f.right[s].mean() for s in swaps},
        }
        for f in found
    ]
    run.table(
        "stores",
        pd.DataFrame(each),
        "Every store: how often it repeats, and how often each swap comes out.",
    )
    scale, named = [], []
    ends = stores if not config.sizes else [stores[0], f"GRU {config.sizes[-1]}", UNTRAINED]
    for store in stores:
        alike = [f for f in found if f.store == store]
        for j in range(config.longest):
            if store != UNTRAINED:
                times = float(np.mean([f.scale[j] / f.scale[0] for f in alike]))
                scale.append({"series": store, "x": j + 1, "value": float(np.log10(times))})
            if store in ends:
                for kind in ("linear", "perceptron"):
                    share = float(np.mean([f.probes[kind][j] for f in alike]))
                    named.append({"series": f"{kind}, {store}", "x": j + 1, "value": share})
    run.figure(
        "magnitudes",
        curves(
            pd.DataFrame(scale),
            x="position",
            y="log₁₀ of length over the first's",
            points=True,
            zero=False,
        ),
        "Length of what an onion swap adds, by position.",
    )
    chart = curves(
        pd.DataFrame(named),
        x="position",
        y="tokens named (share)",
        points=True,
        nulls=[f"{k}, {UNTRAINED}" for k in ("linear", "perceptron")],
    )
    run.figure(
        "probes",
        chart,
        "How well probes of the state name the token at each position, longest sequences.",
    )
    run.table("probes", pd.DataFrame(named), "The same numbers.")


def _none(found: list[Found], swap: str) -> Null:
    """The same swap learnt on an untrained network, where there is one; a store that is not touched never changes."""
    rights = [float(f.right[swap].mean()) for f in found if f.store == UNTRAINED]
    return Null.of("learnt on an untrained network" if rights else "no swap made", rights or [0.0])


def _judge(config: Config, run: Run, found: list[Found]) -> None:
    small = f"GRU {config.sizes[0]}" if config.sizes else MADE_ONION
    large = f"GRU {config.sizes[-1]}" if config.sizes else MADE_SLOTS

    def best(store: str) -> Evidence:
        return max(
            (_evidence(run, found, store, s, _none(found, s)) for s in (UNIGRAM, BIGRAM)),
            key=lambda e: e.value,
        )

    fresh = [f.task for f in found if f.store == UNTRAINED]
    base = (
        Null.of("untrained network", fresh)
        if fresh
        else Null.of("guessing", [config.symbols**-config.shortest])
    )
    tasks = [f.task for f in found if f.store != UNTRAINED]
    task = Evidence(
        "sequences repeated",
        min(tasks),
        (min(tasks), max(tasks)),
        base,
        n=config.test,
        unit="share",
    )
    run.claim(
        "task",
        "Every store repeats what it read",
        task,
        0.95,
        why="The worst; the interval is from worst to best.",
    )
    permuted = Null.of("positions permuted", [_evidence(run, found, small, PERMUTED).value])
    onion, linear, wide = _evidence(run, found, small, ONION, permuted), best(small), best(large)
    run.claim("onion", f"{small}: swaps at the position's magnitude come out", onion, 0.8)
    run.claim(
        "linear",
        f"{small}: swaps of subspaces do not",
        linear,
        0.4,
        "at most",
        why=f"The better of two: {linear.where['swap']}.",
    )
    constant = _evidence(run, found, small, CONSTANT, _none(found, CONSTANT))
    run.claim("constant", f"{small}: nor does the onion of one magnitude", constant, 0.3, "at most")
    run.claim(
        "large",
        f"{large}: swaps of subspaces come out",
        wide,
        0.8,
        why=f"The better of two: {wide.where['swap']}.",
    )
    if config.sizes:
        none = Null.of("the network repeats", fresh)
        worst = max(
            (_evidence(run, found, UNTRAINED, s, none) for s in (ONION, UNIGRAM, BIGRAM)),
            key=lambda e: e.value,
        )
        run.claim("untrained", "In an untrained network none comes out", worst, 0.05, "at most")
    run.answer(
        f"{'No, not when it is small' if onion.value > linear.value else 'Yes, here'}: in {small}, exchanging a token comes "
        f"out {onion.value:.0%} of the time by adding token vectors at the position's magnitude, {linear.value:.0%} by "
        f"subspaces and {constant.value:.0%} with one magnitude for all positions. In {large} subspaces come out "
        f"{wide.value:.0%} of the time."
    )
