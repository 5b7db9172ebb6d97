"""Is a forward pass an optimisation? Does each layer take a step that lowers the loss on the next
token?

At every layer and token the state is read by the last norm and the unembedding, which gives a loss
on the next token and the direction in which the state would have to move to lower it. What the
layer adds is compared with that direction: for the true next token and for one of the same
frequency. Beside it are an untrained copy of the model, updates of another layer, and random steps
of the same length. Norms of states and steps are kept for every layer, the first token of a text
apart from the rest, and for a small network at several moments of its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from inscape.charts import score_by_layer
from inscape.core import Measured, child_seed, layer_profiles, share_above
from inscape.data import Examples
from inscape.model import Model
from inscape.outcomes import own_texts
from inscape.outcomes.inner_steps import (
    OTHER,
    RANDOM,
    TRUE,
    WRONG,
    InnerSteps,
    first_token_norms,
    steps_of_sources,
    steps_while_learning,
)
from inscape.probing import lines
from inscape.study import Card, Claim, Run, Settings, opened, setting
from inscape.worlds import lexicon

CARD = Card(
    slug="inner-optimization-norms",
    title="A Meta-Learning Perspective on Transformers for Causal Language Modeling",
    authors="Wu and Varshney",
    year=2023,
    arxiv="2310.05884",
    room="read",
    claim=(
        "A causal language model's forward pass can be read as an inner optimisation that "
        "training has learnt: layer by layer the state of a token is moved to lower the loss on "
        "the token after it, and this shapes the norms of states."
    ),
    reproduced=(
        "For functions of the standard library and texts that the model made up itself: loss by "
        "layer as the last norm and the unembedding read it, cosine of each layer's update with "
        "the negative gradient of that loss, norms of states and steps; the same for a small "
        "network at several moments of its training. The paper's theorem on norms is not tested, "
        "its profiles are shown."
    ),
    controls=(
        "a token of the same frequency that does not come next",
        "an untrained copy of the model",
        "the update of another layer",
        "a random step of the same length",
        "the first token of a text, an attention sink, apart from the rest",
    ),
    claims={
        "aligned": Claim(
            text=(
                "At 80 % of the upper half of the layers or more, updates point to the true "
                "token more than to one of the same frequency (p < 0.01)"
            ),
            at_least=0.8,
            null="true and wrong token exchanged at random",
        ),
        "untrained": Claim(
            text=(
                "In an untrained copy the mean cosine of updates and descent directions is near "
                "zero"
            ),
            at_least=-0.01,
            at_most=0.01,
            sanity=True,
        ),
        "falls": Claim(
            text=(
                "After the middle the loss falls over 70 % of the layers or more, over more than "
                "with random steps"
            ),
            at_least=0.7,
            null="random steps of the same length",
        ),
    },
    tiny={
        "aligned": "supported",
        "untrained": "any",  # 0.01 is for more tokens and a wider stream than the toy has
        "falls": "any",  # two layers: the share is 0, ½ or 1
    },
    answer="In the upper half of {model} updates point to the true next token more than to another "
    "of the same frequency at {aligned:.0%} of the layers ({aligned.verdict} at 80 %). Their mean "
    "cosine with the descent direction is {cosine:.3f}, and negative at {negative:.0%} of these "
    "layers. After the middle the loss falls over {falls:.0%} of the layers, with random steps of "
    "the same length over {chance:.0%} ({falls.verdict} at 70 %). In an untrained copy the mean "
    "cosine is {untrained:.3f}.",
    differs=(
        "The paper names no code and gives no test of alignment; here updates are compared with "
        "the gradient of the loss that the last norm and the unembedding read at each layer."
    ),
    group_note=(
        "A group is a module of the library, or one text that the model made up; nothing is "
        "fitted, groups are what intervals are over."
    ),
    minutes={"tiny": 0.3, "small": 4, "full": 60},
    figure="cosine",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    model: str = setting("smollm2-135m", "a causal language model, or world:lexicon")
    data: str = setting("library-code", "texts with a group")
    input: str = ""
    group: str = ""
    rows: int = setting(500, "tokens of these texts")
    generated: int = setting(24, "texts that the model makes up; 0 for none")
    length: int = setting(40, "tokens of each")
    positions: int = setting(10, "of one text, at most")
    near: int = setting(20, "a wrong token is drawn from the N nearest in frequency")
    untrained_rows: int = setting(200, "tokens for the untrained copy")
    flips: int = setting(199, "random exchanges of true and wrong token")
    draws: int = setting(5, "random steps of each state")
    training: int = setting(180, "training steps of the small network")
    checkpoints: tuple[int, ...] = setting(
        (0, 20, 60, 120), "training steps at which the small network is measured"
    )


PRESETS = {
    "tiny": Config(
        model="world:lexicon(steps=100)",
        data="world:lexicon(steps=100)",
        rows=400,
        generated=0,
        training=100,
        checkpoints=(0, 50),
    ),
    "small": Config(),
    "full": Config(model="gpt2", rows=5000, generated=200, length=100, untrained_rows=2000),
}

FRESH = "untrained model"
LOSS, INSTEAD = "loss after the block", "after a random step instead"


def run(config: Config, run: Run) -> None:
    """Measure every step of the model, of its untrained copy, and of a small network as it
    learns."""
    model, examples, _ = opened(config, run)
    sources = [examples]
    if config.generated:
        seed = child_seed(run.seed, "generated") % 2**31
        with run.progress("texts that the model makes up", total=1, unit="batch") as bar:
            texts, count = examples.texts(), config.generated
            sources.append(own_texts(model, texts, count, config.length, seed=seed))
            bar.advance()
    run.asked(
        f"Does every layer of {model.name} take a step that lowers the loss on the next token?"
    )
    fresh, rng = model.untrained(child_seed(run.seed, "untrained")), run.rng("wrong tokens")
    how = {"seed": run.seed, "streams": run.rng, "wrong": rng}
    how |= {"most": config.positions, "near": config.near}
    with run.progress("steps of both models", unit="layers") as bar:
        found, groups = steps_of_sources(
            model,
            sources,
            config.rows,
            name="model",
            draws=config.draws,
            advance=bar.advance,
            **how,
        )
        other, codes = steps_of_sources(
            fresh, sources, config.untrained_rows, name="untrained", advance=bar.advance, **how
        )
    _cosines(config, run, found, groups)
    m = Measured("mean cosine in the untrained copy", groups=codes, unit="cosine")
    m.put(FRESH, other.cosine[TRUE].mean(axis=0))
    m.put(RANDOM, other.cosine[RANDOM].mean(axis=0), role="reference")
    why = f"Random steps have {m.value(RANDOM).value:.4f}."
    run.claim("untrained", m.value(FRESH), why=why)
    series = {name: (x, groups) for name, x in found.cosine.items()}
    series[FRESH] = other.cosine[TRUE], codes
    run.layers(
        "cosine",
        layer_profiles("cosine with the negative gradient", series),
        "Cosine of a block's update with the descent direction of the loss, mean over all tokens "
        "but the first. The same updates are compared with the direction for a token of the same "
        "frequency that does not come next.",
        series="series",
        layer="Block",
        nulls=(RANDOM,),
    )
    _losses(run, found, groups)
    _norms(run, model, examples, found, groups)
    _training(config, run)
    chance = run.claims["falls"].evidence.null
    run.facts(cosine=found.cosine[TRUE][found.upper].mean(), negative=found.negative)
    run.facts(chance=float("nan") if chance is None else chance.mean)


def _cosines(config: Config, run: Run, found: InnerSteps, groups: np.ndarray) -> None:
    """Whether updates point to the true token more than to one of the same frequency."""
    share = share_above(
        "layers whose update is aligned with the true token",
        (found.cosine[TRUE] - found.cosine[WRONG])[found.upper],
        groups,
        rng=run.rng("aligned"),
        kind="true and wrong token exchanged at random",
        flips=config.flips,
        level=0.01,
    )
    true, wrong, other = (found.cosine[s][found.upper].mean() for s in (TRUE, WRONG, OTHER))
    why = (
        f"Mean cosine in the upper half: {true:.3f} for the true token, {wrong:.3f} for the other, "
        f"{other:.3f} with another layer's update; negative for the true one in "
        f"{found.negative:.0%} of the layers."
    )
    run.claim("aligned", share, why=why)


def _losses(run: Run, found: InnerSteps, groups: np.ndarray) -> None:
    """The loss from layer to layer."""
    both = {LOSS: (found.loss, groups), INSTEAD: (found.after_random, groups)}
    run.layers(
        "loss",
        layer_profiles("loss on the next token", both, unit="nats"),
        "Loss on the next token as the last norm and the unembedding read each layer. Layer −1 is "
        "the embedding. Grey: a random step of the same length from the layer before.",
        series="series",
        nulls=(INSTEAD,),
    )
    share = share_above(
        "layers over which the loss falls",
        (found.loss[:-1] - found.loss[1:])[found.upper],
        groups,
        rng=run.rng("falls"),
        kind="random steps of the same length",
        null=found.falls,
    )
    middle, end = found.loss[len(found.step) // 2].mean(), found.loss[-1].mean()
    run.claim("falls", share, why=f"From {middle:.2f} nats in the middle to {end:.2f}.")


def _norms(
    run: Run, model: Model, examples: Examples, found: InnerSteps, groups: np.ndarray
) -> None:
    """Lengths of states and of steps, the first token apart."""
    few = examples.take(np.arange(min(40, len(examples))))
    rows = layer_profiles(
        "norm",
        {
            "state, first token": first_token_norms(model, few),
            "state, other tokens": (found.norm, groups),
            "step, other tokens": (found.step, groups),
        },
    )
    frame = lines(rows, "series")
    ends = ["value", "low", "high"]
    frame[ends] = np.log10(frame[ends].clip(lower=1e-12))
    run.figure(
        "norms",
        score_by_layer(frame, score="log₁₀ of the norm", nulls=()),
        "Norms of states after each block, and of what blocks add. The first token of a text is an "
        "attention sink.",
    )
    run.table("norms", rows, "The same, not as logarithms.")


def _training(config: Config, run: Run) -> None:
    """The same quantities while a small network learns."""
    world = lexicon(steps=config.training, seed=run.seed, keep=config.checkpoints)
    moments = {str(step): model for step, model in world.checkpoints.items()}
    frame = steps_while_learning(
        {**moments, "end": world.model},
        world.documents.take(np.arange(40)),
        world.documents,
        seed=run.seed,
        streams=partial(run.rng, "small network"),
    )
    run.table(
        "training", frame, "A small network of four blocks as it learns: upper half of its layers."
    )
