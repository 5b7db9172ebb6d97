"""Doses of any edit, and strengths by layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.dose import dosed, even, relative, scheduled, triangle, typical_norms, window
from inscape.control.steering_vector import SteeringVector
from inscape.core.edit import Add, ProjectOut, Scope
from inscape.model.model import Model
from tests.model import nets

VECTOR = SteeringVector(
    {layer: np.arange(1, 4, dtype=np.float32) for layer in (2, 3, 4)}, "llama", {"kept": 1}
)


def test_a_dose_is_part_of_an_edit_and_keeps_its_scope():
    h = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    erase = ProjectOut(Scope("embed", "last"), torch.tensor([[1.0, 2.0, 0.0]]))
    (none,), (half,), (whole,), (twice,) = (dosed([erase], s) for s in (0, 0.5, 1, 2))
    assert torch.equal(none.apply(h), h)
    assert torch.allclose(whole.apply(h), erase.apply(h))
    assert torch.allclose(half.apply(h), (h + erase.apply(h)) / 2)
    assert torch.allclose(twice.apply(h), 2 * erase.apply(h) - h, atol=1e-6)
    assert half.scope == erase.scope
    v = torch.ones(3)
    assert torch.allclose(dosed([Add(Scope("embed"), v)], 3.0)[0].apply(h), h + 3 * v)


def test_it_acts_in_a_network():
    model, ids = Model(nets.net("llama")), {"input_ids": torch.tensor([[5, 9, 17]])}
    add = Add(Scope("resid_post.1", "last"), torch.ones(nets.D))
    plain = model.run(ids, "resid_post.1")["resid_post.1"]
    found = model.run(ids, "resid_post.1", edits=dosed([add], 0.25))["resid_post.1"]
    assert torch.allclose(found[0, -1], plain[0, -1] + 0.25, atol=1e-5)
    assert torch.equal(found[0, :-1], plain[0, :-1])


def test_schedules_share_the_strength():
    assert sum(even(layer, [2, 3, 4]) for layer in (2, 3, 4)) == pytest.approx(1)
    assert [triangle(layer, [2, 3, 4]) for layer in (2, 3, 4)] == [0.5, 1.0, 0.5]
    assert triangle(7, [7]) == 1.0
    made = scheduled(VECTOR, window(3, 9))
    assert list(made.vectors) == [3, 4]
    assert made.card == {"kept": 1}
    assert np.array_equal(made.vectors[3], VECTOR.vectors[3])
    norms = typical_norms(
        np.stack([np.full((5, 4), 2.0), np.full((5, 4), 3.0), np.full((5, 4), 5.0)]), (2, 3, 4)
    )
    assert norms == {2: 4.0, 3: 6.0, 4: 10.0}
    sized = scheduled(VECTOR, relative(VECTOR, norms))
    assert [float(np.linalg.norm(v)) for v in sized.vectors.values()] == pytest.approx(
        [4, 6, 10], rel=1e-6
    )
    assert np.allclose(np.cross(sized.vectors[2], VECTOR.vectors[2]), 0, atol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="zero on every block"):
        scheduled(VECTOR, window(10, 12))
    with pytest.raises(ValueError, match="no norm for block 3"):
        relative(VECTOR, {2: 1.0})
    with pytest.raises(ValueError, match="a row of the vector is zero"):
        relative(SteeringVector({1: np.zeros(3)}), {1: 1.0})
