"""Maps of one condition are averaged over variables, networks are draws, and each stands beside its
untrained map.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.alignment_search import Scored
from inscape.probing.alignments import Alignments


def scored(right, untrained, inversion=0.0, foreign=1.0):
    return Scored(np.array(right), np.array(untrained), 1.0, inversion, foreign)


FOUND = Alignments(
    [
        ({"map": "flow", "seed": 0, "variable": 0}, scored([1.0, 1.0], [0.0, 1.0], 1e-6)),
        ({"map": "flow", "seed": 0, "variable": 1}, scored([1.0, 0.0, 1.0], [0.0, 0.0, 0.0], 3e-6)),
        ({"map": "flow", "seed": 1, "variable": 0}, scored([1.0, 1.0], [1.0, 1.0], 2e-6, 0.5)),
        ({"map": "subset", "seed": 0, "variable": 0}, scored([0.0, 1.0], [0.0, 1.0], 9.0, 0.1)),
    ]
)


def test_a_condition_is_the_mean_over_variables_and_networks_on_cases_that_all_have():
    m = FOUND.measured({"flows": {"map": "flow"}, "subsets": {"map": "subset"}})
    # network 0: cases (1, 0.5); network 1: cases (1, 1)
    assert m.value("flows").value == pytest.approx((0.75 + 1.0) / 2)
    assert len(m.conditions["flows"].draws) == 2
    assert m.value("subsets").value == 0.5
    assert m.gain("flows", over="subsets").value == pytest.approx(0.375)
    assert m.conditions["flows, before training"].role == "reference"


def test_evidence_has_its_place_and_the_untrained_map_beside_it():
    conditions = {"flows": {"map": "flow"}}
    (flows,) = FOUND.evidence(conditions)
    (second,) = FOUND.evidence({"second": {"map": "flow", "variable": 1}})
    assert flows.where == {"map": "flow", "maps": "flows"}
    assert flows.beside[0].value == pytest.approx((0.25 + 1.0) / 2)
    assert second.value == pytest.approx(2 / 3)
    assert FOUND.evidence(conditions, FOUND.measured(conditions))[0].value == flows.value


def test_the_bijection_is_the_worst_of_the_maps_asked_for():
    e = FOUND.bijection({"map": "flow"})
    assert (e.value, e.beside[0].value) == (3e-6, 0.5)
    assert FOUND.bijection({}).value == 9.0


def test_the_table_has_a_row_for_every_map():
    table = FOUND.table()
    assert table["accuracy"].round(3).tolist() == [1.0, 0.667, 1.0, 0.5]
    assert table["variable"].tolist() == [0, 1, 0, 0]


def test_a_condition_without_a_map_is_named():
    with pytest.raises(ValueError, match="no map was fitted at the coordinates of 'deep'"):
        Alignments([]).measured({"deep": {"layer": 3}})
