"""Readers at every layer: one measurement for each score, gains across layers, what is drawn."""

import numpy as np
import pytest
import torch

from inscape.study.by_layer import Score, by_layer
from tests.study.recorder import Recorder

N, SITES = 40, ("embed", "resid_post.0", "resid_post.1")
GROUPS = np.repeat(np.arange(20), 2)
STATES = {site: torch.full((N, 2), float(i)) for i, site in enumerate(SITES)}


def reader(factor):
    return lambda states: np.stack([factor * x[:, 0].numpy() for x in states.values()])


@pytest.fixture
def found():
    readers = {"double": reader(2.0), "plain": reader(1.0)}
    scores = {"size": Score("units", lambda r: r), "square": Score("units²", lambda r: r**2)}
    return by_layer(Recorder(), readers, STATES, scores, GROUPS)


def test_every_reader_has_every_score_at_every_layer(found):
    rows = {(e.where["lens"], e.where["site"]): e.value for e in found.evidence("square")}
    assert rows["double", "resid_post.1"] == pytest.approx(16)
    assert rows["plain", "resid_post.1"] == pytest.approx(4)
    assert rows["plain", "embed"] == 0
    assert len(rows) == 6
    assert found.sites == SITES


def test_gains_across_layers_are_paired(found):
    def mean(gains):
        return gains.mean(axis=0)

    every = found.across("gain", "size", mean, "double", over="plain")
    assert every.value == pytest.approx((0 + 1 + 2) / 3)
    last = found.across("gain", "size", mean, "double", over="plain", sites=SITES[-1:])
    assert last.value == pytest.approx(2)
    lowest = found.across("least", "size", lambda g: g.min(axis=0), "plain", over="double")
    assert lowest.value == pytest.approx(-2)


def test_figures_are_those_asked_for_and_the_table_has_all(found):
    run = Recorder()
    found.show(run, {"size": "sizes"}, nulls=("plain",), note="Of forty items.")
    assert list(run.figures) == ["sizes"]
    assert run.figures["sizes"].endswith("Of forty items.")
    assert len(run.tables["layers"]) == 12


def test_a_score_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"size of 'plain' must be \(layers, items\) = \(3, 40\)"):
        by_layer(
            Recorder(), {"plain": reader(1.0)}, STATES, {"size": Score("", np.transpose)}, GROUPS
        )
