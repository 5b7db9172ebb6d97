"""Words with features: separable by construction, and not orthogonal as the vectors stand."""

import numpy as np
import pytest

from inscape.control.causal_inner_product import CausalInnerProduct, apart
from inscape.model.unembed import Readout
from inscape.outcomes.word_pairs import WordPairs
from inscape.worlds.word_forms import word_forms


def test_features_are_orthogonal_under_the_causal_inner_product_alone():
    world = word_forms()
    words = Readout.of(world.model).weight.double().numpy()
    pairs = WordPairs.of(world.model, world.examples)
    assert len(pairs.concepts) == 12
    assert len(pairs.rows) == 480  # every word is a token
    own = pairs.by_concept(pairs.differences(words))
    # a feature is the same vector for every stem
    assert np.allclose(pairs.differences(words), own[pairs.concept], atol=1e-5)
    white = CausalInnerProduct.of(words).whitened(own)
    assert apart(white).min() > 0.9
    assert apart(own).mean() < apart(white).mean() - 0.1
    assert word_forms(seed=1).examples.texts() == world.examples.texts()
    assert not np.allclose(Readout.of(word_forms(seed=1).model).weight.numpy(), words, atol=1e-3)


def test_too_many_features_are_refused():
    with pytest.raises(ValueError, match="features must be 2 to 16, half the width, got 17"):
        word_forms(features=17)
