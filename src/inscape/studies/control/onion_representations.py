"""Does a network store a sequence in directions, one set for each position? Small recurrent ones store it in magnitudes.

Gated recurrent networks of several sizes learn to say a sequence again. In the state after the last token one token is
exchanged for another: by subspaces, one for each position or each pair of neighbours, or by adding the difference of two
token vectors at a magnitude that depends on the position (an onion). A swap counts if the network, left alone, then says
the changed sequence and nothing else, on sequences that no swap and no network was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.control.sequence_swaps import OnionSwap, SubspaceSwap, Swaps
from inscape.core.evidence import Evidence, table
from inscape.core.measured import Measured, Role
from inscape.core.rng import torch_generator
from inscape.core.threads import one_torch_thread, side_by_side
from inscape.study.card import Card, Claim
from inscape.study.run import Run
from inscape.study.settings import Bounded, setting
from inscape.worlds.sequence_repeat import (
    GRURepeater,
    OnionStore,
    Repeater,
    SlotStore,
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
    reproduced="GRUs of 48, 64, 128 and 256 units repeat sequences of 3 to 6 out of 20 tokens; unigram and bigram subspaces "
    "and onion swaps learnt on the state after the last token until their loss stops falling, scored by the whole sequence "
    "said; linear and perceptron probes of that state. Sequences are shorter and tokens fewer than in the paper, and its "
    "probe that generates is not done here.",
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
            text="In an untrained network no swap succeeds more than 5 % of the time",
            at_most=0.05,
            sanity=True,
        ),
    },
    # only stores made by hand; in so few coordinates one magnitude brings out about as many as the criterion allows
    tiny={
        "task": "supported",
        "onion": "supported",
        "linear": "supported",
        "constant": "any",
        "large": "supported",
        "untrained": "any",
    },
    differs="The authors learn one rotation with a mask for each variable and 60,000 steps; here each position has as many "
    "fixed dimensions of a learned basis, and a swap is trained until its loss stops falling. Their onion passes token "
    "vectors through tanh; a new token may be the old one there, never here.",
    seeds=3,
    group_note="A group is a sequence: a seventh of all sequences, told by a checksum, is in no training, of networks or of "
    "swaps.",
    negative="On seeds 0 to 2 one magnitude for all positions still brings out 32 % in GRU 48, where 30 % was "
    "the bar; in GRU 256 the better subspaces bring out 58, 58 and 59 %, where 80 % was the bar.",
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

#: steps whose mean losses are compared, to tell whether a loss still falls
WINDOW = 150
#: nats a token; a loss below it has nowhere to fall
NOTHING = 0.005
ONION, CONSTANT, UNIGRAM, BIGRAM = (
    "onion",
    "onion, one magnitude",
    "unigram subspaces",
    "bigram subspaces",
)
PERMUTED = "onion, positions permuted"
UNTRAINED, MADE_ONION, MADE_SLOTS = "untrained", "onion by hand", "slots by hand"
SWAPS = (ONION, CONSTANT, PERMUTED, UNIGRAM, BIGRAM)


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one store.

    Attributes:
        store: its kind, shown in tables.
        seed: of several alike.
        task: which held-out sequences it repeats, 0 or 1.
        right: swap → which of the test's swaps came out, 0 or 1.
        steps: swap → steps after which its loss had stopped falling; None where they did not suffice.
        scale: mean magnitude of the onion's vectors at each position.
        probes: probe → share of tokens it names, by position.
    """

    store: str
    seed: int
    task: np.ndarray
    right: dict[str, np.ndarray]
    steps: dict[str, int | None]
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
    jobs.append((UNTRAINED, config.sizes[0] if config.sizes else 2 * config.made, -1, 0))
    jobs += [(MADE_ONION, config.made, -1, 0), (MADE_SLOTS, config.made * config.longest, -1, 0)]
    with run.progress("stores", total=len(jobs), unit="stores") as bar, one_torch_thread():
        found = side_by_side(lambda job: _one(config, run, job, bar.advance), jobs)
    for f in found:
        run.log(
            "%s, seed %d repeats %.1f %% of the sequences held out",
            f.store,
            f.seed,
            100 * f.task.mean(),
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
    task = _repeats(config, net, stream)
    for p in net.parameters():
        p.requires_grad_(False)
    steps = config.swap_steps[size] if size >= 0 else config.made_steps
    right: dict[str, np.ndarray] = {}
    taken: dict[str, int | None] = {}
    scale = np.zeros(config.longest)
    for name in (ONION, CONSTANT, UNIGRAM, BIGRAM):
        swap = _swap(config, net, name, stream)
        taken[name] = _learn(config, net, swap, steps, stream)
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
    return Found(store, seed, task, right, taken, scale, probes)


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
    config: Config, net: Repeater, swap: nn.Module, most: int, stream: torch.Generator
) -> int | None:
    """Adam on the cross-entropy of the changed sequence, each token told those before, until the loss stops falling.

    It has stopped where the mean of `WINDOW` steps is not 1 % below that of the `WINDOW` before, twice in a row, or where
    nothing is left, below `NOTHING`. Then, or once a fifth of the steps is left, the learning rate falls to 0 over a fifth
    of the steps.

    Returns:
        Steps after which the loss had stopped falling; None where the steps were spent before.
    """
    optimiser = torch.optim.Adam(swap.parameters(), lr=config.swap_lr)
    bigrams = getattr(swap, "bigrams", False)

    def step() -> float:
        swaps, wanted, length = _draw(config, net, 128, bigrams, stream, held_out=False)
        with torch.enable_grad():
            loss = loss_of(net.decode(swap(swaps), wanted), wanted, length)
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        return float(loss.detach())

    last = max(1, most // 5)
    losses: list[float] = []
    stopped = None
    while stopped is None and len(losses) + WINDOW <= most - last:
        losses += [step() for _ in range(WINDOW)]
        means = np.array(losses).reshape(-1, WINDOW).mean(axis=1)
        flat = len(means) > 2 and (means[-2:] > 0.99 * means[-3:-1]).all()
        if flat or means[-1] < NOTHING:
            stopped = len(losses)
    for k in range(last):
        for group in optimiser.param_groups:
            group["lr"] = config.swap_lr * (1 - k / last)
        step()
    return stopped


@torch.no_grad()
def _repeats(config: Config, net: Repeater, stream: torch.Generator) -> np.ndarray:
    """Which held-out sequences the network repeats without a mistake."""
    x, length = sequences(config.test, config.symbols, _lengths(config), stream, held_out=True)
    return same(net.repeat(net.encode(x, length)), x, length).numpy()


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


def _measured(found: list[Found], store: str) -> Measured:
    """Swaps that come out in the networks of one kind; every network is a draw."""
    alike = [f for f in found if f.store == store]
    m = Measured("swaps that come out", unit="share", where={"store": store})
    for swap in SWAPS:
        role: Role = "baseline" if swap in (CONSTANT, PERMUTED) else "treatment"
        m.put(swap, np.stack([f.right[swap] for f in alike]), role=role)
    return m


def _show(config: Config, run: Run, found: list[Found]) -> None:
    stores = [f"GRU {d}" for d in config.sizes] + [UNTRAINED, MADE_ONION, MADE_SLOTS]
    rows = []
    for store in stores:
        m = _measured(found, store)
        count = sum(f.store == store for f in found)
        for swap in SWAPS:
            rows.append(m.value(swap, where={"swap": swap, "networks": count}))
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
            "repeats": f.task.mean(),
            **{s: f.right[s].mean() for s in SWAPS},
            **{f"steps, {s}": f.steps[s] for s in f.steps},
        }
        for f in found
    ]
    run.table(
        "stores",
        pd.DataFrame(each),
        "Every store: how often it repeats, how often each swap comes out, and after how many steps the swap's loss had "
        "stopped falling (none: it still fell when the steps were spent).",
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
        pd.DataFrame(named),
    )


def _judge(config: Config, run: Run, found: list[Found]) -> None:
    small = f"GRU {config.sizes[0]}" if config.sizes else MADE_ONION
    large = f"GRU {config.sizes[-1]}" if config.sizes else MADE_SLOTS

    def best(store: str, *swaps: str) -> Evidence:
        m = _measured(found, store)
        return max((m.value(swap) for swap in swaps), key=lambda e: e.value)

    task = Measured("sequences repeated", unit="share")
    for f in found:
        if f.store != UNTRAINED:
            task.put(f"{f.store}, {f.seed}", f.task)
    worst = min(task.evidence(), key=lambda e: e.value)
    fresh = float(np.mean([f.task.mean() for f in found if f.store == UNTRAINED]))
    run.claim("task", worst, why=f"An untrained network repeats {fresh:.1%}.")
    m = _measured(found, small)
    onion, constant = m.value(ONION), m.value(CONSTANT)
    linear, wide = best(small, UNIGRAM, BIGRAM), best(large, UNIGRAM, BIGRAM)
    run.claim(
        "onion",
        onion,
        why=f"{small}; with positions permuted {m.value(PERMUTED).value:.1%} come out.",
    )
    run.claim("linear", linear, why=_each(found, small))
    run.claim("constant", constant, why=f"{small}.")
    run.claim("large", wide, why=_each(found, large))
    run.claim("untrained", best(UNTRAINED, ONION, UNIGRAM, BIGRAM))
    by = run.claims
    run.answer(
        f"In {small}, exchanging a token comes out {onion.value:.0%} of the time by adding token vectors at the position's "
        f"magnitude ({by['onion'].verdict}: at least 80 %), {linear.value:.0%} by subspaces ({by['linear'].verdict}: at "
        f"most 40 %) and {constant.value:.0%} with one magnitude for all positions ({by['constant'].verdict}: at most "
        f"30 %). In {large} subspaces come out {wide.value:.0%} of the time ({by['large'].verdict}: at least 80 %)."
    )


def _each(found: list[Found], store: str) -> str:
    """Both kinds of subspaces, and whether their loss had stopped falling."""
    m, alike = _measured(found, store), [f for f in found if f.store == store]
    parts = []
    for swap in (UNIGRAM, BIGRAM):
        fell = any(f.steps[swap] is None for f in alike)
        parts.append(f"{swap} {m.value(swap).value:.1%}{' (loss still falling)' if fell else ''}")
    return f"{store}: {', '.join(parts)}."
