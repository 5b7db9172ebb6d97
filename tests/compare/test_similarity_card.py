"""The card says which measures agree, which do not, and why."""

import numpy as np
import pytest

from inscape.compare.similarity_card import reasons, similarity_card
from inscape.core.evidence import Beside, Evidence
from tests.compare.references import pair, rotation


def test_a_rotation_leaves_the_space_and_takes_the_neurons():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12)) * np.linspace(0.5, 2, 12)
    found = similarity_card(x, x @ rotation(12), rng=rng, draws=39)
    value = {e.name: e.value for e in found.evidence}
    assert value["debiased linear CKA"] == pytest.approx(1)
    assert value["Procrustes, held out"] == pytest.approx(1)
    assert value["neurons matched one to one, held out"] < 0.7
    assert any("single neurons do not" in reason for reason in found.reasons)
    assert all(
        e.interval is not None and e.null is not None and e.where["ignores"] for e in found.evidence
    )


def test_unrelated_sides_are_found_alike_by_hardly_any_measure_and_the_biased_form_is_explained():
    rng = np.random.default_rng(1)
    found = similarity_card(
        rng.normal(size=(80, 120)), rng.normal(size=(80, 120)), rng=rng, draws=39
    )
    assert sum(e.p <= 0.05 for e in found.evidence) <= 2
    assert any("The biased CKA reads 0.6" in reason for reason in found.reasons)
    with pytest.raises(ValueError, match="has 30 rows, and this needs at least 40"):
        similarity_card(*pair(30), rng=rng)
    with pytest.raises(ValueError, match="10 groups are too few; give at least 20"):
        similarity_card(*pair(60), rng=rng, groups=np.arange(60) % 10)


def test_the_side_that_holds_more_is_named():
    x, _ = pair(300, 10)
    found = similarity_card(x, x[:, :3], rng=np.random.default_rng(0), draws=39)
    assert any("The first predicts the second better" in reason for reason in found.reasons)


NAMES = (
    "debiased linear CKA",
    "debiased RBF CKA",
    "mutual 10-NN",
    "Procrustes, held out",
    "CCA of 5 components, held out",
    "ridge R², first to second",
    "ridge R², second to first",
    "neurons matched one to one, held out",
)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0.2, 0.2, 0.2, 0.2, 0.7, 0.3, 0.3, 0.2), "Directions are shared"),
        ((0.8, 0.8, 0.8, 0.8, 0.3, 0.6, 0.6, 0.8), "A few directions of large variance agree"),
        ((0.8, 0.8, 0.2, 0.8, 0.8, 0.6, 0.6, 0.8), "who lies beside whom does not"),
        ((0.2, 0.5, 0.6, 0.2, 0.2, 0.1, 0.1, 0.2), "Neighbourhoods agree"),
        ((0.5, 0.5, 0.5, 0.3, 0.5, 0.9, 0.9, 0.5), "the same information at other scales"),
    ],
)
def test_each_reason_is_said_where_it_holds_and_not_where_it_does_not(values, says):
    found = [Evidence(n, v, p=0.01) for n, v in zip(NAMES, values, strict=True)]
    assert any(says in reason for reason in reasons(found, 100, (5, 5)))
    level = [Evidence(n, 0.8, p=0.5) for n in NAMES]
    level[0] = Evidence(NAMES[0], 0.8, p=0.5, beside=(Beside("reference", "biased form", 0.82),))
    plain = reasons(level, 100, (5, 5))
    assert len(plain) == 1
    assert plain[0].startswith("Not shown to be alike: ")
