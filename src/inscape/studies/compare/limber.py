"""Can one linear map let a frozen language model say what a frozen network of pictures sees?

Reference: Merullo, Castricato, Eickhoff and Pavlick (2023), arXiv:2209.15162;
`inscape.model.soft_prompt`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.core import Measured, child_seed, one_torch_thread, whitened_components
from inscape.learn import Budget, Gradient, info_nce
from inscape.model import Model, SoftPrompt, classifier_weights, open, weights_hash
from inscape.nets import EfficientNetLite0, PlainCNN
from inscape.recipes import scene_batch
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms
from inscape.worlds import caption_lists, every_scene, moved_scenes, scenes

CARD = Card(
    slug="limber",
    title="Linearly Mapping from Image to Text Space",
    authors="Merullo, Castricato, Eickhoff and Pavlick",
    year=2023,
    arxiv="2209.15162",
    room="compare",
    claim="One linear map from a frozen network of pictures to a frozen language model's inputs "
    "lets it caption; all encoders transfer visual properties, and those that were supervised "
    "with language transfer categories better.",
    reproduced="EfficientNet-Lite0, supervised on ImageNet; a network trained by SimCLR on the "
    "scenes; EfficientNet-Lite0 at random weights. Features in a grid of 2 × 2, one linear map to "
    "four vectors of a language model, and captions of size, colour and shape. Attributes are "
    "scored in what is generated for combinations that no training holds. Question answering is "
    "left out, and so is CLIP.",
    controls=(
        "blind: features of zero",
        "captions of other pictures in training",
        "the map before training",
        "random weights of the encoder",
        "linear probes as the ceiling",
    ),
    claims=dict(
        blind=Claim(
            text="The supervised encoder's captions name 30 points more attributes than blind ones",
            at_least=0.3,
        ),
        random=Claim(
            text="They name 10 points more than those of an encoder of random weights",
            at_least=0.1,
        ),
        kinds=Claim(
            text="Supervised over SimCLR, shapes gain more than sizes and colours",
            at_least=0,
            over="the gain in sizes and colours",
        ),
        shuffled=Claim(
            text="Trained on captions of other pictures it is within 5 points of blind",
            at_least=-0.05,
            at_most=0.05,
            sanity=True,
        ),
        frozen=Claim(
            text="Language model and encoders have the weights that they had",
            at_least=1,
            sanity=True,
            exact="hashes of all tensors before and after",
        ),
    ),
    answer="Through one linear map of features of the supervised encoder, {model} names "
    "{blind:.0 points} more attributes than blind captions do, and {random:.0 points} more than "
    "through an encoder of random weights; on shapes it gains {kinds:.0 points} more over SimCLR "
    "than on sizes and colours.",
    # a training so short decides nothing
    tiny=dict(blind="any", random="any", kinds="any", shuffled="any", frozen="supported"),
    differs="The authors train 15,000 steps of 256 pictures of CC3M for GPT-J, from 144 to 196 "
    "vectors. Here 150 steps of 8 scenes, so features are whitened to their 64 leading components "
    "(the map remains linear), and ten captions stand before the picture, which tell the form. "
    "Decoding is greedy. The learning rate was chosen by the training loss of a seed that is not "
    "among those reported.",
    group_note="A group is a held-out combination of size, colour and shape.",
    negative="On seeds 0 to 2 the supervised encoder's captions name 14, 16 and 16 points more "
    "than blind ones, not 30, and 11, 3 and 15 more than those of random weights, with intervals "
    "that begin below 10. A linear probe of the same features names 0.82, 0.78 and 0.82 where "
    "captions name 0.41, 0.43 and 0.39. The map was given 1,200 pictures in training, the "
    "authors' map 3,840,000. Whether shapes gain more than sizes and colours changes with the "
    "seed.",
    seeds=3,
    minutes=dict(tiny=0.2, small=10),
    figure="named",
)


@dataclass(frozen=True)
class Config(Bounded):
    model: str = "smollm2-135m"
    encoder: str = setting("efficientnet-lite0", "supervised; 'planted' for one trained here")
    pictures: int = setting(800, "with captions, that maps are trained on", least=70)
    steps: int = setting(150, "of the training of each map", least=1)
    each: int = setting(8, "pictures of each held-out combination", least=1)
    simclr: int = setting(300, "steps of SimCLR's training", least=1)


PLANTED = "planted"
PRESETS = {
    "tiny": Config(PLANTED, PLANTED, 96, 20, 2, 8),
    "small": Config(),
    "full": Config(pictures=20_000, steps=15_000, each=40, simclr=10_000),
}
SUPERVISED, SIMCLR, RANDOM = "supervised", "SimCLR", "random weights"
BLIND, OTHERS = "blind", "captions of other pictures"
ROLES: dict[str, Any] = {BLIND: "baseline", OTHERS: "baseline", UNTRAINED: "reference"}
#: columns of a scene's factors in the order in which a caption says them
SPOKEN, HELD, GRID, KEPT, SHOTS, BATCH, PIXELS = (2, 1, 0), 15, 2, 64, 10, 8, 96
NAMES = ("size", "colour", "shape")


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Map each encoder's features, and score what the language model says."""
    run.asked("Can one linear map let a language model say what a network of pictures sees?")
    every = every_scene()
    combination = every[:, SPOKEN] @ [30, 5, 1]
    held = run.rng("held").permutation(np.unique(combination))[:HELD]
    known = every[~np.isin(combination, held)]
    rows = run.rng("rows").integers(len(known), size=config.pictures)
    seen = scenes(known[rows], rng=run.rng("seen"))
    tested = [run.rng("new").choice(np.flatnonzero(combination == c), config.each) for c in held]
    new = scenes(every[np.concatenate(tested)], rng=run.rng("new scenes"))
    model = (
        caption_lists(seed=child_seed(run.seed, "toy"))
        if config.model == PLANTED
        else open(config.model)
    )
    run.certificate(model.certificate)
    run.facts(model=model.name)
    said = [" ".join(c.split()[1:4]) for c in seen.captions]
    shots = "".join(f"a {words}, " for words in list(dict.fromkeys(said))[:SHOTS])
    prompt = SoftPrompt(model, shots.strip(), " a")
    ids = _ids(model, said)
    encoders, shown = _encoders(config, run, known)
    before = [weights_hash(net) for net in (model.net, *encoders.values())]
    features = {
        name: whitened_components(*(_grid(net, x.images, shown[name]) for x in (seen, new)), KEPT)
        for name, net in encoders.items()
    }
    features[BLIND] = tuple(torch.zeros_like(x) for x in features[SUPERVISED])
    order = torch.from_numpy(run.rng("others").permutation(config.pictures))
    features[OTHERS] = (features[SUPERVISED][0][order], features[SUPERVISED][1])
    maps = _trained(config, run, prompt, ids, features)
    features[UNTRAINED] = features[SUPERVISED]
    answers = _ids(model, [" ".join(c.split()[1:4]) for c in new.captions])
    with torch.no_grad():
        vectors = {name: maps[name](features[name][1]) for name in maps}
    right = {
        name: (prompt.greedy(v, 3)[:, :, None] == answers[:, None, :]).any(dim=1).double().numpy()
        for name, v in vectors.items()
    }
    probes = {name: _probed(features[name], seen.factors, new.factors) for name in encoders}
    _claims(run, right, probes, np.repeat(np.arange(HELD), config.each))
    after = [weights_hash(net) for net in (model.net, *encoders.values())]
    frozen = Measured("networks whose weights are as they were", unit="share", kind="bounded")
    frozen.put("networks", np.equal(before, after).astype(float))
    run.claim("frozen", frozen.value("networks"))
    _said(run, prompt, model, vectors, new.captions)


def _ids(model: Model, captions: list[str]) -> Tensor:
    """Three tokens each: every word of a caption is one."""
    return torch.from_numpy(np.stack([t.ids for t in model.tokenize([f" {c}" for c in captions])]))


def _encoders(
    config: Config, run: Run, known: np.ndarray
) -> tuple[dict[str, nn.Module], dict[str, Callable[[Tensor], Tensor]]]:
    """The networks of pictures, and what each makes of a picture, (n, channels, h, w)."""

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        images = scene_batch(rng, known).images
        return moved_scenes(images, rng=rng), moved_scenes(images, rng=rng)

    learnt = arms(
        run,
        {
            SIMCLR: Arm(
                net=lambda k: PlainCNN(3, 32),
                batches=batches,
                objective=lambda net, views: info_nce(*map(net, views), temperature=0.2),
            )
        },
        metrics={},
        budget=Budget(config.simclr),
        name="simclr",
    ).nets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(run.seed, "random weights"))
        random = EfficientNetLite0().eval()
    large = {RANDOM: random, SUPERVISED: random}
    if config.encoder != PLANTED:
        large[SUPERVISED] = EfficientNetLite0().take(classifier_weights()).eval()
    nets = {SUPERVISED: large[SUPERVISED], SIMCLR: learnt[SIMCLR][0], RANDOM: random}

    def enlarged(net: Any) -> Callable[[Tensor], Tensor]:
        return lambda x: net.features(2 * F.interpolate(x, PIXELS, mode="bilinear") - 1)

    sees = {name: enlarged(net) for name, net in large.items()}
    return nets, sees | {SIMCLR: lambda x: nets[SIMCLR].layers(x)[-1]}


@torch.no_grad()
def _grid(net: nn.Module, images: Tensor, sees: Callable[[Tensor], Tensor]) -> Tensor:
    """Features at each place of the grid, (n, places, d)."""
    made = [F.adaptive_avg_pool2d(sees(part), GRID) for part in images.split(64)]
    return torch.cat(made).flatten(2).mT


def _trained(
    config: Config,
    run: Run,
    prompt: SoftPrompt,
    ids: Tensor,
    features: dict[str, tuple[Tensor, Tensor]],
) -> dict[str, nn.Module]:
    """One linear map for each kind of features; all begin at the mean word of the captions."""
    size = float(prompt.words.square().mean().sqrt())

    def net(k: int) -> nn.Module:
        made = nn.Linear(KEPT, prompt.words.shape[1])
        nn.init.normal_(made.weight, std=0.1 * size / KEPT**0.5)
        made.bias.data.copy_(prompt.words[ids.unique()].mean(dim=0))
        return made

    def objective(name: str) -> Callable[[nn.Module, Tensor], Tensor]:
        return lambda net, rows: prompt.loss(net(features[name][0][rows]), ids[rows])

    found = arms(
        run,
        {
            name: Arm(
                net=net,
                batches=lambda rng, k: torch.from_numpy(rng.integers(len(ids), size=BATCH)),
                objective=objective(name),
                update=Gradient(lr=3e-3, schedule="cosine"),
                role="baseline" if name in (BLIND, OTHERS, RANDOM) else "treatment",
            )
            for name in features
        },
        metrics={},
        budget=Budget(config.steps, equal=("parameters", "trained")),
        name="maps",
    )
    return {name: own[0] for name, own in found.nets.items()}


def _probed(features: tuple[Tensor, Tensor], seen: Tensor, new: Tensor) -> np.ndarray:
    """Whether linear probes of the grid's features tell each attribute of new pictures, (n, 3)."""
    x, y = (f.flatten(1).numpy() for f in features)
    found = [
        LogisticRegression(C=0.1, max_iter=500).fit(x, seen[:, f]).predict(y) == new[:, f].numpy()
        for f in SPOKEN
    ]
    return np.stack(found, axis=1).astype(float)


def _claims(
    run: Run, right: dict[str, np.ndarray], probes: dict[str, np.ndarray], groups: np.ndarray
) -> None:
    """All attributes, then size and colour, then shape."""
    kinds = Measured("attributes named", groups=groups, unit="share", kind="bounded")
    for name, parts in (("named", [0, 1, 2]), ("properties", [0, 1]), ("shapes", [2])):
        own = {arm: values[:, parts].mean(axis=1) for arm, values in right.items()}
        m = Measured(f"{name} in captions", groups=groups, unit="share", kind="bounded")
        m.put_each(own, roles=ROLES)
        kinds.put_each({f"{arm}, {name}": values for arm, values in own.items()})
        known = {f"probe, {arm}": v[:, parts].mean(axis=1) for arm, v in probes.items()}
        m.put_each(known, role="ceiling")
        what = ", ".join(NAMES[p] for p in parts)
        run.show(name, m, f"Share of {what} that a generated caption names right.")
        if name == "named":
            run.claim("blind", m.gain(SUPERVISED, over=BLIND))
            run.claim("random", m.gain(SUPERVISED, over=RANDOM))
            run.claim("shuffled", m.gain(OTHERS, over=BLIND))
    more = kinds.combined(
        "gain in shapes over that in sizes and colours",
        lambda a, b, c, d: (a - b) - (c - d),
        *(f"{arm}, {name}" for name in ("shapes", "properties") for arm in (SUPERVISED, SIMCLR)),
    )
    run.claim("kinds", more)


def _said(
    run: Run, prompt: SoftPrompt, model: Model, vectors: dict[str, Tensor], captions: list[str]
) -> None:
    """Of some pictures, what is said by each map, and the tokens nearest to the vectors."""
    rows = [
        {
            "caption": captions[i],
            "map": name,
            "said": model.tokenizer.decode(prompt.greedy(v[i : i + 1], 3)[0]),
            "nearest tokens": " | ".join(
                model.tokenizer.decode([t]) for t in prompt.nearest(v[i : i + 1])[0].tolist()
            ),
        }
        for i in range(0, len(captions), max(1, len(captions) // 5))
        for name, v in vectors.items()
    ]
    run.table("said", pd.DataFrame(rows), "What is said of five pictures, by each map.")
