"""Directions by alignment: swapping along them swaps more verdicts than along others, and training
does not lose by it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.errors import DataError
from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.aligned_directions import (
    aligned,
    closed_by,
    interchanged,
    search,
)
from inscape.outcomes.contrast import contrast
from inscape.outcomes.verdicts import Training, Verdicts
from inscape.worlds.sentiment import VERDICTS, sentiment
from tests.model import nets

SITES = ["embed", "resid_post.0", "resid_post.1"]


@pytest.fixture(scope="module")
def world():
    return sentiment(words=8, steps=80)


@pytest.fixture(scope="module")
def found(world):
    rows = np.arange(96)
    words = contrast(world.model, *VERDICTS)
    y = world.examples.frame["positive"].to_numpy()[rows]
    stream = torch.Generator().manual_seed(0)
    return aligned(
        world.model,
        world.examples.take(rows),
        y,
        words,
        SITES,
        0,
        "span:adjective",
        steps=20,
        generator=stream,
    )


def test_there_is_a_unit_line_at_every_site_with_the_label_at_its_upper_end(world, found):
    assert found.directions.shape == (3, 32)
    assert np.allclose(np.linalg.norm(found.directions, axis=1), 1)
    assert (
        abs(found.directions[1] @ found.directions[2]) > 0.3
    )  # nothing can be asked of the last site: the one before
    at = world.model.run(world.examples.texts()[:2], "embed")["embed"]
    spot = next(
        i
        for i, t in enumerate(world.model.tokenize(world.examples.texts()[:1])[0].offsets)
        if t[0] == world.examples.span(0)["adjective"][0]
    )
    coordinate = at[:, spot].double().numpy() @ found.directions[0]
    assert coordinate[0] > coordinate[1]
    assert np.mean(found.losses[-5:]) < np.mean(found.losses[:5]) + 0.05
    assert len(found.losses) == 20


def test_swapping_along_the_line_moves_verdicts_that_no_line_was_found_on(world, found):
    held = world.examples.take(np.arange(96, 144))
    words = contrast(world.model, *VERDICTS)
    clean = words.scores(world.model, held)
    random = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 2)))[0].T
    lines = np.concatenate([found.directions[:1], found.closed[None], random])
    scores, rows = interchanged(world.model, held, words, 0, "span:adjective", lines)
    assert rows.tolist() == list(range(48))
    towards = np.where(np.arange(48) % 2 == 0, 1.0, -1.0)
    moved = (towards * (clean - scores)).mean(axis=1) / (
        towards * (clean - clean[np.arange(48) ^ 1])
    ).mean()
    assert moved[0] > 0.2 > 0.1 > abs(moved[2:]).max()
    assert moved[0] > moved[1] - 0.05
    none, _ = interchanged(world.model, held, words, 1, "span:adjective", np.zeros((1, 32)))
    assert np.allclose(none[0], clean, atol=1e-4)


def test_folds_are_searched_each_at_its_site_and_judged_on_held_out_texts(world):
    y = world.examples.frame["positive"].to_numpy()
    words, done = contrast(world.model, *VERDICTS), []
    known = [
        Training(world.examples.take(rows), y[rows], rows)
        for rows in (np.arange(48), np.arange(48, 96))
    ]
    made = search(
        world.model,
        known,
        SITES,
        [0, 2],
        words,
        "span:adjective",
        steps=3,
        seed=0,
        advance=lambda: done.append(1),
    )
    assert [site for site, _ in made] == [0, 1]  # behind the last block nothing can be asked
    assert len(done) == 2
    assert abs(float(made[0][1].directions[0] @ made[1][1].directions[0])) > 0.5
    parts = tuple(world.examples.take(rows) for rows in (np.arange(96, 120), np.arange(120, 144)))
    shares = Shares(np.arange(48) // 2, np.random.default_rng(0))
    test = Verdicts(world.model, parts, words, y[96:], np.zeros(48, dtype=np.int64), shares, {})
    random = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 2)))[0].T
    tried = [np.stack([line.directions[0], *random]) for _, line in made]
    closed = closed_by(test, [0, 0], "span:adjective", tried, ["search"])
    share = closed.value("search")
    assert share.value > 0.2 > closed.value("random directions").value
    assert share.interval[0] < share.value < share.interval[1]


def test_refusals(world):
    words = contrast(world.model, *VERDICTS)
    with pytest.raises(ValueError, match="behind the last block nothing reads"):
        interchanged(
            world.model,
            world.examples.take(np.arange(2)),
            words,
            2,
            "span:adjective",
            np.eye(32)[:1],
        )
    model = Model(nets.net("llama"), nets.tokenizer())
    uneven = Examples(pd.DataFrame({"text": ["the sea", "the sea is"]}), "text")
    with pytest.raises(DataError, match="no pair has its two texts aligned token by token"):
        aligned(
            model,
            uneven,
            np.array([1, 0]),
            words,
            SITES,
            0,
            "last",
            steps=1,
            generator=torch.Generator(),
        )
