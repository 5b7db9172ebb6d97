"""The scrambler loses words layer by layer."""

from __future__ import annotations

import numpy as np

from inscape.read.logistic import LogisticProbe
from inscape.worlds.scrambler import scrambled_tasks, scrambler


def test_words_are_read_from_the_embedding_and_less_and_less_further_up():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(30)]
    texts = [" ".join(rng.choice(words, size=6)) + "." for _ in range(160)]
    y = np.array([int("w0" in t.split()[:6] or "w1" in t.split()[:6]) for t in texts])
    y[0] = 1
    model = scrambler(texts)
    assert model.certificate is not None
    scores = []
    for site in ("embed", "resid_post.0", "resid_post.3"):
        x = np.stack([model.run(t, site)[site][0, 1:-1].mean(dim=0).numpy() for t in texts])
        scores.append(LogisticProbe((1.0,), tol=1e-3).fit(x[:100], y[:100]).score(x[100:], y[100:]))
    assert scores[0] > scores[2] + 0.05


def test_the_named_world_knows_the_words_of_its_tasks():
    world = scrambled_tasks(seed=3)
    assert {"task", "value"} <= set(world.examples.frame)
    unknown = world.model.tokenizer.unk_token_id
    assert all(unknown not in t.ids for t in world.model.tokenize(world.examples.texts()[:50]))
