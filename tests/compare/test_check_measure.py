"""Every measure does what its card says, and a card that says too much or too little is refused."""

import importlib

import numpy as np
import pytest

from inscape.compare.check_measure import check_measure
from inscape.compare.measure_card import MeasureCard, card_of
from inscape.core.exports import public_names

FOUND = {}
for _name, _module in public_names("inscape.compare").items():
    _value = getattr(importlib.import_module(_module), _name)
    if hasattr(_value, "card"):
        FOUND[_name] = _value


def test_measures_have_cards():
    expected = (
        "linear_cka cka_biased rbf_cka mutual_knn jaccard cknna svcca pwcca shape_distance rsa"
    )
    assert set(expected.split()) <= FOUND.keys()


@pytest.mark.filterwarnings("ignore:CanonicalCorrelation")
@pytest.mark.parametrize("name", FOUND)
def test_every_card_is_true(name):
    check_measure(FOUND[name])


def cosine(x, y):
    """Of mean-free Gram matrices: a biased CKA, by hand."""
    k, other = (np.asarray(s) @ np.asarray(s).T for s in (x, y))
    return float(np.vdot(k, other) / np.linalg.norm(k) / np.linalg.norm(other))


GIVEN = {"neurons", "rotation", "scale"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"invariant": frozenset(GIVEN | {"shift"})},
            "shifts change it by .*, and the card says they",
        ),
        (
            {"invariant": frozenset({"neurons", "rotation"})},
            "one factor .* change nothing, and the card",
        ),
        ({"high": 0.1}, "lies outside its range of -1 to 0.1"),
        ({"identity": 0.5}, "a representation and itself give 1, not 0.5"),
        ({"symmetric": False}, "exchanging the sides changes nothing"),
        ({"unrelated": 0.9}, "unrelated representations give .*, not 0.9"),
    ],
)
def test_a_card_that_is_wrong_is_refused(changes, says):
    facts = {"name": "mine", "low": -1.0, "high": 1.0, "invariant": frozenset(GIVEN)}
    check_measure(cosine, MeasureCard(**facts))
    with pytest.raises(ValueError, match=says):
        check_measure(cosine, MeasureCard(**(facts | changes)))


def test_a_measure_that_misbehaves_is_refused():
    card = MeasureCard("mine", -9.0, 9.0, frozenset(GIVEN))

    def writes(x, y):
        x *= 1.001
        return cosine(x, y)

    def leans(x, y):
        return cosine(x, y) + 0.1 * (np.shape(x)[1] > np.shape(y)[1])

    def ordered(x, y):
        return cosine(x, y) + 1e-3 * float(
            np.sum(np.asarray(x)[0] ** 2) > np.sum(np.asarray(x)[1] ** 2)
        )

    with pytest.raises(ValueError, match="it writes into its arguments"):
        check_measure(writes, card)
    with pytest.raises(ValueError, match="exchanging the sides changes it by 0.1"):
        check_measure(leans, card)
    with pytest.raises(ValueError, match="the order of the items changes it"):
        check_measure(ordered, card)
    with pytest.raises(ValueError, match="cosine has no card"):
        check_measure(cosine)


def test_a_card_in_words():
    assert card_of(FOUND["linear_cka"]).ignores == "rotations, one factor for all neurons, shifts"
    assert MeasureCard("x", 0.0, 1.0, frozenset()).ignores == "nothing"
    with pytest.raises(ValueError, match="said to be invariant to luck"):
        MeasureCard("x", 0.0, 1.0, frozenset({"luck"}))
