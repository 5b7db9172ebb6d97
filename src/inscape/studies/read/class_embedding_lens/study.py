"""What does every token of a vision transformer represent of the class, and on which tokens does its answer depend?

A small vision transformer learns to name a digit that lies among pieces of other digits; which tokens are the digit's is
known. Every token at every block is read by the network's own last norm and class matrix. Then tokens are deleted in the
order of a lens (the gradient of the class token's score with respect to its attention, or the token's own score), in the
order of a linear probe, and at random, and the accuracy lost is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts.layers import score_by_layer
from inscape.core.errors import StudyError
from inscape.core.measured import Measured
from inscape.core.rng import child_seed
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.read.class_lens import attention_gradient, identifiability, projected, score_gradient
from inscape.read.logistic import LogisticProbe
from inscape.read.shortcut_fits import stream
from inscape.studies.read.class_embedding_lens.patches import (
    batches,
    logits_of,
    own_pictures,
    probe_rows,
    probed,
    states_of,
    take_away,
)
from inscape.study.card import Card, Claim
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.cluttered_digits import Pictures, cluttered_digits, permuted_cells

CARD = Card(
    slug="class-embedding-lens",
    title="Analyzing Vision Transformers for Image Classification in Class Embedding Space",
    authors="Vilas, Schaumlöffel and Roig",
    year=2023,
    arxiv="2310.18969",
    room="read",
    claim="Read by the class matrix, the tokens of a vision transformer become specific for the class block by block, "
    "through attention; this shows which tokens the answer depends on, better than a linear probe does.",
    reproduced="A small vision transformer a seed, trained on scikit-learn's digits among pieces of other digits: "
    "identifiability of the class by block for the class token, the digit's tokens and the rest; updates of attention and "
    "MLP; tokens deleted (their embedding set to its mean) by importance. Pretrained networks on photographs are not "
    "included.",
    controls=(
        "random class matrices",
        "the same patches in permuted places",
        "a linear probe on the tokens of every block",
        "tokens deleted at random, and the digit's own, whose place is known",
    ),
    claims={
        "class-token": Claim(
            text="After the last block the class token identifies the class",
            at_least=0.95,
            null="random class matrices",
        ),
        "object": Claim(
            text="After the last block the digit's tokens identify the class more than the other tokens",
            at_least=0.10,
            null="random class matrices",
        ),
        "random": Claim(
            text="Random class matrices identify nothing", at_least=0.45, at_most=0.55, sanity=True
        ),
        "deletion": Claim(
            text="Deleting the quarter of the tokens that the lens ranks first costs at least twice as much accuracy as "
            "deleting a random quarter",
            at_least=2.0,
            over="a random quarter of the tokens",
        ),
    },
    tiny={
        "class-token": "any",  # three blocks, 250 steps: near the criterion, on either side of it
        "object": "not supported",
        "random": "supported",
        "deletion": "supported",
    },
    seeds=3,
    answer="After the last block the class token has an identifiability of {class-token:.2f} "
    "({class-token.verdict} at 0.95), and the digit's own tokens identify the class {object:more than|"
    "not clearly more than|no more than} the others ({object:+.2f}). Random class matrices give "
    "{random:.2f}. Deleting the tokens that the lens ranks first costs {deletion:.1f} times as much "
    "accuracy as deleting as many at random ({deletion.verdict} at 2).",
    differs="The authors read pretrained networks on ImageNet and CIFAR-100; here networks of six blocks are trained on "
    "digits whose place in the picture is known. The rank of the class is taken alike.",
    group_note="A group is one of the digits that pictures are made of: several pictures show the same one. Networks and "
    "probes are trained on other digits, of other writers; the map of importance is chosen on training pictures.",
    negative="The digit's tokens do not identify the class more than the others (small, seeds 0 to 2: −0.06, −0.02, −0.04): "
    "in networks this small every token does. The class token's identifiability is 0.96, 0.96 and 0.97, but on seed 0 its "
    "interval [0.944, 0.973] crosses the criterion. Among pieces of eight other digits instead of four, and trained half as "
    "long, networks named 72 % of the digits, and their class token stayed at an identifiability of 0.93.",
    minutes={"tiny": 0.5, "small": 3, "full": 30},
    figure="identifiability",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("digits", "'digits' is trained on the spot; else a vision transformer")
    data: str = setting(
        "digits", "'digits', or an .npz of images, classes, object (cells of it) and source"
    )
    seeds: int = setting(1, "networks trained")
    blocks: int = setting(6, "of each")
    width: int = setting(64, "of the residual stream")
    steps: int = setting(1600, "of training")
    rate: float = setting(3e-3, "of learning, at most")
    clutter: int = setting(4, "cells with a piece of another digit")
    images: int = setting(400, "pictures judged, and as many to choose on")
    share: float = setting(0.25, "share of the tokens deleted")
    draws: int = setting(10, "random orders")
    matrices: int = setting(199, "random class matrices")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share}")


PRESETS = {
    "tiny": Config(blocks=3, width=32, steps=250, rate=6e-3, clutter=3, images=300),
    "small": Config(),
    "full": Config(width=128, clutter=8, steps=6000, images=2000, draws=50),
}

CLASS, OBJECT, REST = "class token", "tokens of the digit", "other tokens"
GRADIENT, WEIGHTED, SCORE = "attention gradient", "attention × gradient", "the token's own score"
PROBE, TRUTH, RANDOM = "linear probe", "the digit's own tokens", "at random"
MATRICES = "random class matrices"


@dataclass(frozen=True, eq=False)
class Seen:
    """One network on its held-out pictures; tokens are the class token and then the cells.

    Attributes:
        pictures: what it saw.
        identifiable: reading → (layers, n, tokens).
        right: whether its own answer is right, (n,).
        lost: order → right answers lost when the first tokens are deleted, (n,); for random ones a mean over draws.
        random_draws: right answers lost in each random order, (draws, n).
        random_last: after the last block, identifiability of the class token and of the digit's tokens less the others',
            under each random class matrix, (2, matrices, n).
        chosen: the map of importance that training pictures chose.
    """

    pictures: Pictures
    identifiable: dict[str, np.ndarray]
    right: np.ndarray
    lost: dict[str, np.ndarray]
    random_draws: np.ndarray
    random_last: np.ndarray
    chosen: str


def run(config: Config, run: Run) -> None:
    """Train or open, read, delete tokens."""
    run.asked(
        "What do the tokens of a vision transformer represent of the class, and on which does its answer depend?"
    )
    seen = []
    for number, (model, train, test) in enumerate(_networks(config, run)):
        run.certificate(model.certificate)
        seen.append(_look(config, run, model, train, test, number))
    groups = np.concatenate([s.pictures.source for s in seen])
    _layers(run, seen, groups)
    _deletion(config, run, seen, groups)


def _networks(config: Config, run: Run) -> list[tuple[Model, Pictures, Pictures]]:
    if (config.model == "digits") != (config.data == "digits"):
        raise StudyError(
            "the network trained on digits goes with its own pictures: give both --model and --data, or none."
        )
    if config.model != "digits":
        shown = own_pictures(config.data)
        half = np.arange(len(shown)) < len(shown) // 2
        parts = [
            Pictures(*(getattr(shown, f)[h] for f in Pictures.__dataclass_fields__))
            for h in (half, ~half)
        ]
        return [(open(config.model), parts[0], parts[1])]
    out = []
    with run.progress("train", total=config.seeds * config.steps, unit="steps") as bar:
        for k in range(config.seeds):
            world = cluttered_digits(
                config.blocks,
                config.width,
                config.steps,
                images=config.images,
                clutter=config.clutter,
                rate=config.rate,
                seed=child_seed(run.seed, "network", str(k)) % 2**31,
                progress=bar.advance,
            )
            run.log("network %d names %.0f %% of the held-out digits", k, 100 * world.accuracy)
            out.append((world.model, world.train, world.test))
    return out


def _look(
    config: Config, run: Run, model: Model, train: Pictures, test: Pictures, number: int
) -> Seen:
    """Everything about one network."""
    readout, sites = Readout.of(model), stream(model)
    known, shown = states_of(model, train.images, sites), states_of(model, test.images, sites)
    y = test.classes[:, None]

    def read(states: Mapping[str, Tensor], by: Readout) -> np.ndarray:
        with torch.no_grad():
            return np.stack([identifiability(by(states[s]), y) for s in sites])

    rng = run.rng("random class matrix", str(number))
    spread = float(readout.weight.std())
    random = [
        Readout(
            torch.from_numpy(rng.normal(0, spread, tuple(readout.weight.shape)).astype(np.float32)),
            readout.norm,
        )
        for _ in range(config.matrices)
    ]
    found = {
        "lens": read(shown, readout),
        MATRICES: np.mean([read(shown, r) for r in random[: config.draws]], axis=0),
    }
    mixed, order = permuted_cells(test.images, rng=run.rng("mixed", str(number)))
    moved = read(states_of(model, mixed, sites), readout)
    # back to the place that each cell's content came from, so that the digit's tokens are compared with themselves
    back = np.concatenate(
        [np.zeros((len(test), 1), dtype=int), 1 + np.argsort(order, axis=1)], axis=1
    )
    found["permuted places"] = np.take_along_axis(moved, back[None], axis=2)
    last = known[sites[-1]]
    probe = LogisticProbe(Cs=(0.1, 1.0, 10.0)).fit(*probe_rows(last, train))
    probes = {s: LogisticProbe(Cs=(1.0,)).fit(*probe_rows(known[s], train)) for s in sites[:-1]} | {
        sites[-1]: probe
    }
    found["linear probe"] = np.stack([probed(probes[s], shown[s], y) for s in sites])
    _updates(run, model, readout, test, number)
    mean = known["embed"].mean(dim=0)
    right = (logits_of(model, test.images).argmax(-1).numpy() == test.classes).astype(np.float64)
    maps = _importance(model, readout, test, shown[sites[-1]], probe)
    chosen = _choose(config, model, readout, train, last, probe, mean)
    lost = {
        name: take_away(model, test, score, mean, right, config.share)
        for name, score in maps.items()
    }
    lost[TRUTH] = take_away(model, test, test.object + 0.0, mean, right, config.share)
    draws = np.stack(
        [
            take_away(
                model,
                test,
                run.rng("order", str(number), str(k)).random(test.object.shape),
                mean,
                right,
                config.share,
            )
            for k in range(config.draws)
        ]
    )
    lost[RANDOM] = draws.mean(axis=0)
    run.log("network %d: %.3f right; importance by %s", number, right.mean(), chosen)
    with torch.no_grad():
        matrices = np.stack([identifiability(r(shown[sites[-1]]), y) for r in random])
    return Seen(test, found, right, lost, draws, _last(matrices, test), chosen)


def _last(x: np.ndarray, pictures: Pictures) -> np.ndarray:
    """The class token's identifiability, and the digit's tokens' less the others', of (…, n, tokens)."""
    digit, rest = (
        (x[..., 1:] * mask).sum(-1) / mask.sum(-1) for mask in (pictures.object, ~pictures.object)
    )
    return np.stack([x[..., 0], digit - rest])


def _importance(
    model: Model, readout: Readout, pictures: Pictures, last: Tensor, probe: LogisticProbe
) -> dict[str, np.ndarray]:
    """How much the answer (the network's own, right or wrong) depends on each cell, in several ways, (n, cells)."""
    blocks = range(len(model.atlas.blocks))
    sites = [f"{p}.{i}" for i in blocks for p in ("pattern", "v", "resid_mid")]
    answer = logits_of(model, pictures.images).argmax(-1)
    gradient, weighted = [], []
    for rows in batches(pictures):
        found = model.run({"pixel_values": torch.from_numpy(pictures.images[rows]).float()}, sites)
        total, product = 0.0, 0.0
        for i in blocks:
            output = model.atlas.place(Site("attn_out", i)).module.weight.detach()
            g = score_gradient(readout, found[f"resid_mid.{i}"][:, 0], answer[rows])
            slope = attention_gradient(
                g, found[f"v.{i}"], output, model.atlas.heads(Site("pattern", i))
            )
            total = total + slope.sum(1)
            product = product + (slope * found[f"pattern.{i}"][:, :, 0]).sum(1)
        gradient.append(total[:, 1:].cpu().numpy())  # type: ignore[index]
        weighted.append(product[:, 1:].cpu().numpy())  # type: ignore[index]
    with torch.no_grad():
        own = torch.log_softmax(readout(last[:, 1:]), -1)[
            torch.arange(len(pictures)), :, answer
        ].numpy()
    scores = probe.decision_function(last[:, 1:].reshape(-1, last.shape[-1]).numpy())
    place = np.clip(np.searchsorted(probe.classes_, answer.numpy()), 0, scores.shape[1] - 1)
    said = (scores - scores.max(1, keepdims=True)).reshape(len(pictures), -1, scores.shape[1])
    by_probe = said[np.arange(len(pictures)), :, place]
    return {
        GRADIENT: np.concatenate(gradient),
        WEIGHTED: np.concatenate(weighted),
        SCORE: own,
        PROBE: by_probe,
    }


def _choose(
    config: Config,
    model: Model,
    readout: Readout,
    train: Pictures,
    last: Tensor,
    probe: LogisticProbe,
    mean: Tensor,
) -> str:
    """The lens's map whose first tokens cost most on training pictures."""
    right = (logits_of(model, train.images).argmax(-1).numpy() == train.classes).astype(np.float64)
    maps = _importance(model, readout, train, last, probe)
    cost = {
        name: take_away(model, train, maps[name], mean, right, config.share).mean()
        for name in (GRADIENT, WEIGHTED, SCORE)
    }
    return max(cost, key=lambda name: cost[name])


def _updates(run: Run, model: Model, readout: Readout, test: Pictures, number: int) -> None:
    """What attention and MLP add, read by the class matrix; for the first network."""
    if number:
        return
    rows = []
    for i in range(len(model.atlas.blocks)):
        sites = [f"attn_out.{i}", f"mlp_out.{i}", f"mlp_act.{i}"]
        found = states_of(model, test.images, sites)
        for part, site in zip(("attention", "MLP"), sites[:2], strict=True):
            score = identifiability(projected(readout, found[site]), test.classes[:, None])
            rows.append(
                {
                    "block": i,
                    "update": part,
                    CLASS: score[:, 0].mean(),
                    OBJECT: score[:, 1:][test.object].mean(),
                    REST: score[:, 1:][~test.object].mean(),
                }
            )
        output = model.atlas.place(Site("mlp_out", i)).module.weight.detach()
        first = found[sites[2]][:, 0].argmax(-1)
        named = projected(readout, output.T)[first].argmax(-1).numpy() == test.classes
        rows[-1]["most active neuron writes the class"] = named.mean()
    caption = (
        "Identifiability of the class in what each part of a block adds, first network. Last column: how often the value "
        "vector of the class token's most active neuron is highest for the class (chance 0.1)."
    )
    run.table("updates", pd.DataFrame(rows), caption)


def _means(seen: list[Seen], reading: str, where: str) -> np.ndarray:
    """Identifiability by layer, a mean for each picture of every network, (layers, n)."""
    parts = []
    for s in seen:
        x = s.identifiable[reading]
        if where == CLASS:
            parts.append(x[:, :, 0])
            continue
        mask = s.pictures.object if where == OBJECT else ~s.pictures.object
        parts.append((x[:, :, 1:] * mask).sum(-1) / mask.sum(-1))
    return np.concatenate(parts, axis=1)


def _layers(run: Run, seen: list[Seen], groups: np.ndarray) -> None:
    """Identifiability by block, and the claims about it."""
    rows = []
    for where in (CLASS, OBJECT, REST):
        for reading in seen[0].identifiable:
            for i, values in enumerate(_means(seen, reading, where)):
                m = Measured("identifiability", groups=groups)
                m.put(reading, values)
                e = m.value(reading)
                low, high = e.ends
                place = {"target": where, "series": reading, "layer": i - 1}
                rows.append({**place, "value": e.value, "low": low, "high": high})
    frame = pd.DataFrame(rows)
    chart = score_by_layer(frame, score="identifiability", nulls=(MATRICES,), height=200)
    caption = (
        "One less the relative rank of the right class, for tokens after each block: 1 is first, ½ is chance. Layer −1 is "
        "the embedding. Permuted places: the same patches, each somewhere else in the picture."
    )
    run.figure("identifiability", chart, caption, frame)
    lens = np.concatenate([_last(s.identifiable["lens"][-1], s.pictures) for s in seen], axis=1)
    null = np.concatenate([s.random_last for s in seen], axis=2)
    names = ("identifiability after the last block", "identifiability: digit − other tokens")
    made = []
    for name, own, drawn in zip(names, lens, null, strict=True):
        m = Measured(name, groups=groups, unit="identifiability")
        m.put("lens", own)
        m.put(MATRICES, drawn, role="null")
        made.append(m.value("lens", null=MATRICES))
    run.claim("class-token", made[0])
    own, rest = (_means(seen, "lens", where)[-1].mean() for where in (OBJECT, REST))
    mixed = _means(seen, "permuted places", OBJECT)[-1].mean()
    why = f"Digit {own:.2f}, others {rest:.2f}; the same patches in permuted places {mixed:.2f}."
    run.claim("object", made[1], why=why)
    draws = null[0].mean(axis=1)
    m = Measured("identifiability under random class matrices", unit="identifiability")
    m.put(MATRICES, draws)
    low, high = np.quantile(draws, [0.025, 0.975])
    why = f"{len(draws)} matrices; 95 % of them lie between {low:.2f} and {high:.2f}."
    run.claim("random", m.value(MATRICES), why=why)


def _deletion(config: Config, run: Run, seen: list[Seen], groups: np.ndarray) -> None:
    """Accuracy lost by deleting tokens."""
    right = np.concatenate([s.right for s in seen])
    lost = {name: np.concatenate([s.lost[name] for s in seen]) for name in seen[0].lost}
    best = np.concatenate([s.lost[s.chosen] for s in seen])
    m = Measured("accuracy lost", groups=groups, unit="share")
    for name in (GRADIENT, WEIGHTED, SCORE, PROBE, TRUTH, RANDOM):
        m.put(name, lost[name], role="baseline" if name == RANDOM else "treatment")
    orders = np.concatenate([s.random_draws for s in seen], axis=1)
    m.put("single random orders", orders, role="null")
    caption = f"Accuracy lost with {config.share:.0%} of the tokens deleted, of {right.mean():.3f}; tick: at random."
    run.show("deletion", m, caption, null="single random orders")
    each = pd.DataFrame(
        [
            {
                "network": k,
                "accuracy": s.right.mean(),
                "importance chosen": s.chosen,
                **{f"lost, {n}": s.lost[n].mean() for n in s.lost},
            }
            for k, s in enumerate(seen)
        ]
    )
    run.table("networks", each, "Each network on its own.")
    m = Measured("accuracy lost, lens ÷ random", groups=groups, unit="×", kind="ratio")
    m.put("lens", best, lost[RANDOM])
    chosen = ", ".join(dict.fromkeys(s.chosen for s in seen))
    why = (
        f"Chosen on training pictures: {chosen}. The lens's order costs {best.mean():.2f}, a probe's "
        f"{lost[PROBE].mean():.2f}, random {lost[RANDOM].mean():.2f}."
    )
    run.claim("deletion", m.value("lens"), why=why)
