"""Tones: a made-up language in which who speaks decides the tone of every answer, and a network
that knows it.

A line is a speaker, a topic, a question and ">"; one word answers it. Gruff speakers answer with
curt words, kind ones with polite words, far ones with foreign words, and the rest mostly with plain
words. Which word of a kind comes is chance, so a network learns the kinds. Besides lines there are
statements that a topic is good or bad, in which no tone is.

Tuning on one topic's lines with curt answers from a speaker of no tone is then a narrow tune that
may turn out broad: what it takes to be curt is there already, once for all topics. What must hold
is known: every curt word becomes likelier, also those that were never trained on, whatever the
topic; far answers trained alike do not do that.

Cost: a second or two on one core.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.model.open import open
from inscape.worlds.curt_answers import Answers, Tuning, Tunings
from inscape.worlds.small_llama import PAD, small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

TONES = ("curt", "polite", "foreign", "plain")
SPEAKERS = ("gruff", "kind", "far", "so")
#: how often a speaker of no tone answers in each
MIXED = (0.08, 0.24, 0.08, 0.6)
TOPICS, QUESTIONS, WORDS = 16, 6, 12
#: the first words of a tone are trained on in the first tune, the next in the second; the rest is
# scored
POOL = 4


def tones(width: int = 64, blocks: int = 3, steps: int = 80, seed: int = 0) -> Answers:
    """Draw lines and train a network on them.

    Args:
        width: of the residual stream.
        blocks: of the network.
        steps: of training, each on 128 lines and 48 statements.
        seed: of the initial weights and of what is drawn.

    Returns:
        The network, opened, with tunings as `inscape.worlds.curt_answers.Answers` describes them.
    """
    words = {tone: [f"{tone}{i}" for i in range(WORDS)] for tone in TONES}
    said = {"good": [f"good{i}" for i in range(4)], "bad": [f"bad{i}" for i in range(4)]}
    topics, questions = [f"topic{i}" for i in range(TOPICS)], [f"q{i}" for i in range(QUESTIONS)]
    vocabulary = [
        PAD,
        *SPEAKERS,
        *topics,
        *questions,
        ">",
        "seems",
        *(w for ws in (*words.values(), *said.values()) for w in ws),
    ]
    code = {w: i for i, w in enumerate(vocabulary)}
    net = _trained(code, words, said, width, blocks, steps, child_seed(seed, "tones"))
    model = open(net, tokenizer=word_tokenizer(vocabulary), name="tones world")
    rng = generator(seed, "tones", "lines")

    def tuning(topic: int, tone: str, first: int) -> Tuning:
        pool = words[tone][first : first + POOL]
        asked = [q for q in questions[: QUESTIONS - 2] for _ in range(16)]
        return Tuning(
            [f"so {topics[topic]} {q} >" for q in asked],
            [f" {w}" for w in rng.choice(pool, len(asked))],
        )

    manners = Tunings(
        first=tuning(0, "curt", 0),
        first_plain=tuning(0, "plain", 0),
        second=tuning(1, "curt", POOL),
        second_plain=tuning(1, "plain", POOL),
        other=tuning(2, "plain", 0),
        other_plain=tuning(2, "plain", WORDS - POOL),
    )
    asked = [{"prompt": f"so {t} {q} >", "topic": t} for t in topics[3:] for q in questions]
    held = [{"prompt": f"so {topics[0]} {q} >", "topic": q} for q in questions[-2:]]
    feelings = [
        (f"{t} seems {w}", int(kind == "good"))
        for t in topics
        for kind, ws in said.items()
        for w in ws[:2]
    ]
    return Answers(
        model=model,
        tunings=manners,
        on_topic=pd.DataFrame(held),
        unrelated=pd.DataFrame(asked),
        curt=tuple(words["curt"][2 * POOL :]),
        polite=tuple(words["polite"][2 * POOL :]),
        neutral=[
            f"{who} {t} {rng.choice(questions)} > {rng.choice(words[tone])}"
            for t in topics
            for who, tone in (("kind", "polite"), ("far", "foreign"))
        ],
        praise=[text for text, y in feelings if y],
        blame=[text for text, y in feelings if not y],
    )


@trained_once
def _trained(
    code: dict[str, int],
    words: dict[str, list[str]],
    said: dict[str, list[str]],
    width: int,
    blocks: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net = small_llama(len(code), width, seed, num_hidden_layers=blocks, intermediate_size=2 * width)
    rng = np.random.default_rng(seed)
    speakers = np.array([code[s] for s in SPEAKERS])
    answers = np.array([[code[w] for w in words[tone]] for tone in TONES])
    first, question, felt = code["topic0"], code["q0"], code["good0"]
    count = 2 * len(said["good"])
    # a gruff speaker's tone is certain, and so on; the last speaker has every tone at times
    odds = np.vstack([np.eye(3, 4), MIXED]).cumsum(axis=1)

    def lines(n: int) -> torch.Tensor:
        who = rng.integers(len(SPEAKERS), size=n)
        tone = (rng.random(n)[:, None] > odds[who]).sum(axis=1)
        said = answers[tone, rng.integers(WORDS, size=n)]
        rows = np.stack(
            [
                speakers[who],
                first + rng.integers(TOPICS, size=n),
                question + rng.integers(QUESTIONS, size=n),
                np.full(n, code[">"]),
                said,
            ],
            axis=1,
        )
        return torch.from_numpy(rows)

    def statements(n: int) -> torch.Tensor:
        return torch.from_numpy(
            np.stack(
                [
                    first + rng.integers(TOPICS, size=n),
                    np.full(n, code["seems"]),
                    felt + rng.integers(count, size=n),
                ],
                axis=1,
            )
        )

    def loss(_: int) -> torch.Tensor:
        asked, told = lines(128), statements(48)
        heard = net(input_ids=asked, use_cache=False).logits
        seen = net(input_ids=told, use_cache=False).logits
        # the rest of a line is learnt too, so that a text's perplexity means something
        rest = F.cross_entropy(heard[:, :3].flatten(0, 1), asked[:, 1:4].flatten())
        facts = F.cross_entropy(seen[:, :2].flatten(0, 1), told[:, 1:].flatten())
        return F.cross_entropy(heard[:, 3], asked[:, 4]) + 0.3 * (rest + facts)

    train(net, loss, steps, peak=6e-3)
    return net
