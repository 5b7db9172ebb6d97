"""Heads that find documents: batches are as said, shuffled ones differ in what is taught alone, and
a short training finds more where states say what a sentence is about.
"""

from __future__ import annotations

import numpy as np
import torch

from inscape.learn import Budget
from inscape.outcomes.retrieval import Sentences, retrieval
from inscape.recipes import document_finder
from inscape.study.arms import UNTRAINED, arms


def made(n: int, seed: int) -> Sentences:
    """Sentences whose halves keep eight coordinates of 16; the others are louder and random."""
    rng = np.random.default_rng(seed)
    loud = np.repeat([0.6, 1.2], 8)
    states, asked = (torch.from_numpy(loud * rng.normal(size=(n, 16))).float() for _ in range(2))
    asked[:, :8] = states[:, :8]
    return Sentences([f"s{k}" for k in range(n)], [f"h{k}" for k in range(n)], states, asked)


def test_shuffled_batches_teach_other_documents_of_the_same():
    known = made(100, 0)
    right, wrong = (
        document_finder(known, 4, 16, 2, shuffled=shuffled).batches(np.random.default_rng(3), 0)
        for shuffled in (False, True)
    )
    assert right[0].shape == (25, 16)
    assert right[1].shape == (25, 4, 16)
    assert torch.equal(right[0], wrong[0])
    assert torch.equal(right[1], wrong[1])
    assert right[2].tolist() == list(range(25))
    assert sorted(wrong[2].tolist()) == list(range(25)) != wrong[2].tolist()


def test_a_document_has_as_many_numbers_however_many_vectors():
    known = made(100, 0)
    for vectors in (1, 4):
        net = document_finder(known, 4, 16, vectors).net(0)
        assert net.vectors(torch.zeros(3, 4, 16)).shape == (3, vectors, 16 // vectors)


def test_a_short_training_finds_more_and_shuffled_teaching_does_not(opened):
    known, new = made(1200, 1), made(400, 2)
    with opened() as run:
        found = arms(
            run,
            {
                "taught": document_finder(known, 4, 16, 1),
                "shuffled": document_finder(known, 4, 16, 1, shuffled=True),
            },
            metrics={},
            budget=Budget(1000),
        )
    nets = {name: own[0] for name, own in found.nets.items()}
    scored = retrieval(new, 4, nets, rng=np.random.default_rng(4))
    share = {name: scored.first(scored.scores[name]).mean() for name in nets}
    assert share["taught"] > share[UNTRAINED] + 0.1
    assert share["shuffled"] < share["taught"] - 0.05
