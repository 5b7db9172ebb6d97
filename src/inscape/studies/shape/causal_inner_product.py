"""Which inner product makes concepts orthogonal? Directions between words' unembedding vectors.

Reference: Park, Choe and Veitch (2023), arXiv:2311.03658; `inscape.control.causal_inner_product`.
"""

from dataclasses import dataclass

import numpy as np

from inscape.control import CausalInnerProduct, apart, share_direction
from inscape.core import Measured, group_folds
from inscape.model import Readout
from inscape.outcomes import WordPairs, gather
from inscape.study import Card, Claim, Needs, Run, Settings, opened, setting
from inscape.study.intervene import Condition, added, intervene

CARD = Card(
    slug="causal-inner-product",
    title="The Linear Representation Hypothesis and the Geometry of Large Language Models",
    authors="Park, Choe and Veitch",
    year=2023,
    arxiv="2311.03658",
    room="shape",
    claim="One inner product, Cov(γ)⁻¹ of the unembedding, makes separable concepts orthogonal.",
    reproduced="Pairs of one-token words of fourteen concepts; steering is read on pairs left out.",
    controls=("random pairs of words", "the Euclidean inner product", "random inner products"),
    claims=dict(
        subspace=Claim(text="70 % of concepts have a direction.", at_least=0.7, null="random"),
        orthogonal=Claim(
            text="Concepts are nearer to orthogonal.", at_least=0, null="random", over="Euclidean"
        ),
        steer=Claim(text="It steers one three times as far as others.", at_least=3, null="random"),
    ),
    answer="{subspace:.0%} of the concepts have a direction; they are {orthogonal:.2f} nearer to "
    "orthogonal ({orthogonal.verdict}); steering moves one {steer:.1f} times as far as others.",
    tiny=dict(subspace="supported", orthogonal="supported", steer="any"),
    differs="The paper has 27 concepts of LLaMA-2-7B. Logits are linear in what is steered.",
    group_note="A group is a concept; a word's pairs are in one half.",
    negative="Random pairs' directions, too, are nearer to orthogonal under the causal product, "
    "though less: they are the null now, where random inner products were.",
    minutes=dict(tiny=0.2, small=5),
)


@dataclass(frozen=True)
class Config(Settings):
    data: str = setting("word-pairs", "a table with columns concept, first, second")
    site: str = setting("final_norm", "where the last token's state is steered")
    strength: float = setting(0.5, "length of what is added, in lengths of the state", least=0)
    draws: int = 99
    steered: int = setting(39, "of the draws, how many are steered with", least=2)


WORLD, LLAMA = "world:word_forms", "meta-llama/Llama-2-7b-hf"
PRESETS = {"tiny": Config(WORLD, WORLD), "small": Config(), "full": Config(LLAMA)}


def run(config: Config, run: Run) -> None:
    """Project, compare, steer."""
    model, table, _ = opened(config, run, Needs(columns=("concept", "first", "second")))
    run.asked(f"Which inner product makes the concepts of {model.name} orthogonal?")
    pairs, words = WordPairs.of(model, table), Readout.of(model).weight.double().cpu().numpy()
    product, rng = CausalInnerProduct.of(words), run.rng("random")
    random = [pairs.random(len(words), rng) for _ in range(config.draws)]
    first, *drawn, last = (product.whitened(p.differences(words)) for p in (pairs, *random))
    m = Measured("concepts whose pairs share a direction", unit="share")
    m.put("pairs", share_direction(first, pairs.concept, last))
    m.put("random", [share_direction(x, pairs.concept, last) for x in drawn], role="null")
    run.claim("subspace", m.value("pairs", null="random"))

    plain = pairs.directions(words)
    m = Measured("distance from other concepts", unit="1 − |cosine|")
    m.put("causal", apart(product.whitened(plain)))
    m.put("Euclidean", apart(plain), role="baseline")
    bases = [rng.normal(size=2 * words.shape[1:]) for _ in random]
    m.put("random inner products", [apart(plain @ basis) for basis in bases], role="baseline")
    run.show("orthogonal", m)
    chance = [p.directions(words) for p in random]
    m.put_draws("random", [(apart(product.whitened(x)) - apart(x)).mean() for x in chance])
    run.claim("orthogonal", m.gain("causal", over="Euclidean", null="random"))

    inside, outside = group_folds(table.groups()[pairs.rows], 2, rng=run.rng("halves"))[0]
    along, *other = (p.take(inside).directions(words) for p in (pairs, *random[: config.steered]))
    texts = table.take(run.rng("contexts").permutation(len(table))[:24])
    size = config.strength * float(np.linalg.norm(gather(model, texts, config.site), axis=1).mean())
    conditions = [
        Condition("baseline", "reference"),
        *added("causal", config.site, product.dual(along), size),
        *added("Euclidean", config.site, along, size),
        *added("random", config.site, product.dual(np.concatenate(other)), size),
    ]
    done = intervene(run, model, pairs.take(outside).log_odds, texts, conditions)
    groups = np.repeat(np.arange(len(along)), len(texts))
    m = Measured("shift over that of other concepts", groups=groups, kind="ratio")
    for name, role in (("causal", "treatment"), ("Euclidean", "baseline"), ("random", "null")):
        meant, elsewhere = (x.reshape(-1, len(groups)) for x in done.effects(name, "baseline"))
        m.put(name, meant, elsewhere, role=role)
    run.show("steering", m, null="random")
    run.claim("steer", m.value("causal", null="random"))
