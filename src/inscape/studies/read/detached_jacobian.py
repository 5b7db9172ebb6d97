"""Is a language model, at one prompt, a linear map of its input vectors? Which one, and what does
it say?

With its gates held constant (the norms' denominators, the attention weights, the gates of the MLPs)
a network without biases is linear, and its Jacobian gives its output back. Here this is measured
for prompts of a few tokens in both precisions, beside the ordinary Jacobian, which gives nothing
back. The map's singular vectors are decoded through the unembedding and compared with the token
that the model goes on with; the same decodes are held against other prompts' tokens, and an
untrained copy shows what of the map's low rank is the architecture's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from inscape.charts import curves, score_by_layer
from inscape.core import (
    Beside,
    Measured,
    Tokens,
    child_seed,
    fact,
    table,
)
from inscape.model import Model
from inscape.read.local_maps import (
    Mapped,
    decodes,
    depths,
    exactness,
    final_ranks,
    mapped,
    named,
    random_directions,
    ranks_by_depth,
    short_prompts,
    spectra,
    steered_by_others,
)
from inscape.study import Card, Claim, Run, Settings, opened, setting

CARD = Card(
    slug="detached-jacobian",
    title="Large Language Models are Locally Linear Mappings",
    authors="Golden",
    year=2025,
    arxiv="2505.24293",
    room="read",
    claim="At one prompt, with its gates held constant, a language model is a linear map of its "
    "input embeddings, to rounding; the map has very low rank, and its first singular vectors "
    "name the next token.",
    reproduced=(
        "SmolLM2-135M-Instruct on 40 short questions: the detached Jacobian to the final norm in "
        "float32; on random output directions that of float64 and the ordinary one; decodes of "
        "left and right singular vectors, stable rank by depth, and one prompt's map at middle "
        "depth applied to another prompt. Models with biases keep them as the residual."
    ),
    controls=(
        "the ordinary Jacobian, whose gates vary",
        "decodes held against the tokens of other prompts",
        "an untrained copy of the model",
        "random vectors of the same length, for steering",
    ),
    claims={
        "float32": Claim(
            text="In float32 the map reproduces every prompt's final state",
            at_most=1e-4,
            exact="an identity of the network, true to rounding; the largest error of all prompts",
        ),
        "float64": Claim(
            text="In float64 the map reproduces every prompt's final state",
            at_most=1e-9,
            exact="an identity of the network, true to rounding; the largest error of all prompts",
        ),
        "ordinary": Claim(
            text="The ordinary Jacobian does not reproduce the state",
            at_least=0.2,
            why="The mean over prompts.",
        ),
        "unchanged": Claim(
            text="Holding gates constant leaves the logits as they are",
            at_most=1e-4,
            exact="an identity of the network, true to rounding; the largest change of all prompts",
        ),
        "named": Claim(
            text="The first left singular vectors of a prompt's map name the next token",
            at_least=0.5,
            weaker="The whole prompt's map, where the paper decodes each token's.",
        ),
        "mismatched": Claim(text="They do not name the tokens of other prompts", at_most=0.1),
        "named-each": Claim(
            text="So do those of each token's own map, which the paper decodes",
            at_least=0.5,
            why="The mean over the prompt's tokens.",
        ),
        "mismatched-each": Claim(
            text="and they do not name the tokens of other prompts", at_most=0.1
        ),
    },
    # five relations leave a share of one an interval down to 0.48; three vectors decode to 30 of
    # the toy's 99 tokens
    tiny={
        "float32": "supported",
        "float64": "supported",
        "ordinary": "supported",
        "unchanged": "supported",
        "named": "uncertain",
        "mismatched": "not supported",
        "named-each": "uncertain",
        "mismatched-each": "not supported",
    },
    answer=(
        "{yes}. With its gates held constant, {model} at a prompt is a linear map of the input "
        "vectors with a relative error of at most {float32:.1e} in float32 and {float64:.1e} in "
        "float64; the ordinary Jacobian is off by {ordinary:.2f}. The map's stable rank is "
        "{rank:.1f} ({twin:.1f} in an untrained copy). Its first left singular vectors name the "
        "token that comes next for {named:.0%} of the prompts ({named.verdict}), and another "
        "prompt's for {mismatched:.0%}; those of each token's own map for {named-each:.0%} "
        "({named-each.verdict}), and another's for {mismatched-each:.0%}."
    ),
    differs=(
        "The authors decode the first eight tokens of each token's map by itself, for a few "
        "prompts; here the first ten of three vectors, of each token's map and of the whole "
        "prompt's, counted over 40 prompts and held against other prompts' tokens."
    ),
    group_note=(
        "A group is a relation: prompts of one relation share their words. Nothing is fitted, so "
        "nothing is split."
    ),
    negative=(
        "The first left vectors of SmolLM2-135M's whole maps name other prompts' tokens too "
        "(seed 0, small: 0.18 of them). Those of each token's own map do not (0.05), and name "
        "the next token in 0.48 [0.40, 0.58] of the cases, below the criterion of one half; the "
        "last token's in 0.23."
    ),
    minutes={"tiny": 0.1, "small": 6, "full": 60},
    figure="rank",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("relations", "texts; a column relation says which are alike")
    input: str = ""
    prompts: int = setting(40, "prompts of 4 to 12 tokens, evenly over relations")
    directions: int = setting(48, "output directions for float64 and for the ordinary Jacobian")
    top: int = setting(10, "tokens that a singular vector decodes to")
    vectors: int = setting(3, "singular vectors that may name the token")
    looked_into: int = setting(4, "prompts whose maps are taken at several depths")
    depths: int = setting(4, "how many depths")
    draws: int = setting(39, "random vectors beside each steered prompt")


PRESETS = {
    "tiny": Config(
        model="world:relations", data="world:relations", prompts=20, directions=16, depths=2
    ),
    "small": Config(),
    "full": Config(prompts=200, directions=128, looked_into=40, depths=10),
}
TRAINED, UNTRAINED = "trained model", "untrained model"
NEXT, OTHER = "next token", "another prompt's token"
EACH, LAST = "by each token's map", "by the last token's map"


def run(config: Config, run: Run) -> None:
    """Map prompts, check the maps, decode them, follow them by depth, and steer with one."""
    model, examples, _ = opened(config, run)
    tokens, groups = short_prompts(model, examples, config.prompts, rng=run.rng("prompts"))
    run.asked(
        f"Is {model.name} at one prompt a linear map of its input vectors, and what does that map "
        "say?"
    )
    asked = run.each("map prompts", tokens, "prompts")
    found = [mapped(model, prompt, config.top, config.vectors) for prompt in asked]
    fresh, some = model.untrained(child_seed(run.seed, "untrained")), tokens[: config.looked_into]
    twin = [mapped(fresh, prompt, config.top, config.vectors) for prompt in some]
    _exact(config, run, model, tokens, groups, found)
    _named(config, run, groups, found, twin)
    _decoded(config, run, model, tokens, {TRAINED: found, UNTRAINED: twin})
    _depths(config, run, model, fresh, some, [m.predicted for m in found])
    exact = run.claims["float32"].supported and run.claims["float64"].supported
    rank, copy = (np.median([m.rank for m in maps]) for maps in (found, twin))
    run.facts(yes="Yes" if exact else "Not to rounding", rank=rank, twin=copy)


def _exact(
    config: Config,
    run: Run,
    model: Model,
    tokens: Sequence[Tokens],
    groups: np.ndarray,
    found: list[Mapped],
) -> None:
    """What the maps give back, in both precisions, and what the ordinary Jacobian does."""
    u = random_directions(config.directions, model.width("resid_pre.0"), rng=run.rng("directions"))
    frame, others = exactness(model, run.each("check prompts", tokens, "prompts"), found, u)
    run.table("exact", frame, "Relative error of the reconstruction of each prompt's final state.")
    m = Measured("error of the reconstruction", groups=groups, unit="relative error")
    m.put("ordinary Jacobian", frame["ordinary Jacobian"])
    ordinary = m.value("ordinary Jacobian")
    chance = Beside("baseline", "ordinary Jacobian, mean", ordinary.value)
    another = Beside("reference", "another prompt's logits, mean", float(np.mean(others)))
    more = {"direction": "lower", "n": len(frame)}
    why = {
        "float64": f"On {len(u)} random directions of the output; transformers' own RMSNorm rounds "
        "to float32, the patched one does not."
    }
    for id in ("float32", "float64"):
        name, worst = f"largest error, {id}", frame[id].max()
        largest = fact(name, worst, "relative error", beside=(chance,), **more)
        run.claim(id, largest, why=why.get(id, ""))
    run.claim("ordinary", ordinary, why=f"The median is {frame['ordinary Jacobian'].median():.2f}.")
    name, worst = "largest change of the logits", frame["logits changed"].max()
    run.claim("unchanged", fact(name, worst, "relative error", beside=(another,), **more))


def _named(
    config: Config, run: Run, groups: np.ndarray, found: list[Mapped], twin: list[Mapped]
) -> None:
    """Do the first left singular vectors name the token that comes next, or any likely token?"""
    got = named(found, groups, config.vectors)
    shares = {
        NEXT: got.own,
        f"{NEXT}, {EACH}": got.each,
        f"{NEXT}, {LAST}": got.last,
        OTHER: got.other,
        f"{OTHER}, {EACH}": got.other_each,
    }
    m = Measured("tokens named by the first left singular vectors", groups=groups, unit="share")
    m.put_each(shares, roles={OTHER: "baseline", f"{OTHER}, {EACH}": "baseline"})
    run.show(
        "named",
        m,
        f"Share of prompts whose next token is among the {config.top} that one of the first "
        f"{config.vectors} left singular vectors decodes to, and share of other prompts' tokens "
        "that are.",
    )
    mismatched = m.value(OTHER, direction="lower")
    own = m.value(NEXT, beside=(Beside("baseline", OTHER, mismatched.value),))
    fresh = float(np.mean([t.names(t.predicted, config.vectors) for t in twin]))
    run.claim("named", own, why=f"In an untrained copy {fresh:.2f}.")
    last = f"By the last token's map alone {got.last.mean():.2f}."
    run.claim("named-each", m.value(f"{NEXT}, {EACH}"), why=last)
    run.claim("mismatched-each", m.value(f"{OTHER}, {EACH}", direction="lower"))
    parts = [
        f"{share:.2f} of those of {name}"
        for share, name in ((got.near, "its relation"), (got.far, "other relations"))
        if not np.isnan(share)
    ]
    run.claim("mismatched", mismatched, why=f"They name {' and '.join(parts)}." if parts else "")


def _decoded(
    config: Config, run: Run, model: Model, tokens: Sequence[Tokens], maps: dict[str, list[Mapped]]
) -> None:
    """Words that the vectors decode to, singular values and stable ranks of the whole maps."""
    run.table(
        "decodes",
        decodes(model, tokens[:8], maps[TRAINED][:8], config.vectors),
        "What the first singular vectors of some prompts' maps decode to.",
    )
    run.figure(
        "spectrum",
        curves(
            spectra(maps),
            x="singular value, by size",
            y="over the largest",
            interval="95 % of prompts",
            nulls=(UNTRAINED,),
        ),
        "Singular values of the whole prompt's map to the final norm.",
    )
    caption = "Median stable rank of the map to the final norm."
    run.table("final-rank", final_ranks(maps), caption)


def _depths(
    config: Config,
    run: Run,
    model: Model,
    fresh: Model,
    tokens: Sequence[Tokens],
    predicted: list[int],
) -> None:
    """Stable rank of the map to each depth, and one prompt's map to the middle one, applied to the
    last input vector of another prompt."""
    layers = depths(len(model.atlas.blocks), config.depths)
    middle = layers[(len(layers) - 1) // 2]
    ranks, maps = ranks_by_depth(model, tokens, layers, middle)
    copy, _ = ranks_by_depth(fresh, tokens, layers, middle)
    frame = pd.concat({TRAINED: ranks, UNTRAINED: copy}, names=["series"]).reset_index("series")
    run.figure(
        "rank",
        score_by_layer(
            frame, score="stable rank", interval="range over prompts", nulls=(UNTRAINED,)
        ),
        "Stable rank (squared Frobenius over squared spectral norm) of the map from all input "
        "vectors to the last token's state after each block, mean and range over "
        f"{len(tokens)} prompts.",
        frame,
    )
    rise = steered_by_others(
        model,
        middle,
        maps,
        tokens,
        predicted,
        draws=config.draws,
        rng=run.rng("steer"),
    )
    if rise is None:
        run.warn(
            "No two of the prompts looked into go on with different tokens, so none could be "
            "steered to another's."
        )
        return
    run.table(
        "steering",
        table([rise]),
        "Log-probability of the steering prompt's next token in another prompt.",
    )
