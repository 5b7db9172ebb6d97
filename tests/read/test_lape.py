"""Language-specific neurons: planted ones are found, and where nothing differs nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.read.lape import Lape, equal_sets, firing_entropy, lape


def documents(rng, neurons=300, programs=30, languages=4, length=60):
    """Counts of neurons that fire alike everywhere; rows run over languages within programs."""
    language = np.tile(np.arange(languages), programs)
    counts = rng.binomial(
        length, rng.beta(2, 6, size=neurons), size=(len(language), neurons)
    ).astype(np.float64)
    return (
        counts,
        np.full(len(language), length),
        language,
        np.repeat(np.arange(programs), languages),
    )


def planted(rng, **sizes):
    counts, tokens, language, blocks = documents(rng, **sizes)
    counts[:, :3] = rng.binomial(
        tokens[0], np.where(language == 2, 0.7, 0.02)[:, None], size=(len(language), 3)
    )
    counts[:, 3] = rng.binomial(tokens[0], np.where(language <= 1, 0.7, 0.02))
    return counts, tokens, language, blocks


def test_planted_neurons_are_found_with_their_languages():
    counts, tokens, language, blocks = planted(np.random.default_rng(0))
    found = lape(
        counts,
        tokens,
        language,
        rng=np.random.default_rng(1),
        share=0.05,
        activity=0.5,
        blocks=blocks,
    )
    assert np.flatnonzero(found.selected).tolist() == [0, 1, 2, 3]
    assert found.belongs[:, 0].tolist() == [False, False, True, False]
    assert found.belongs[:, 3].tolist() == [True, True, False, False]
    assert found.null.mean() <= 0.05 * 4


def test_where_languages_do_not_differ_nothing_is_taken_though_some_neuron_is_always_lowest():
    taken = []
    for seed in range(20):
        counts, tokens, language, _ = documents(np.random.default_rng(seed))
        taken.append(
            lape(
                counts, tokens, language, rng=np.random.default_rng(seed), activity=0.5
            ).selected.sum()
        )
    assert (
        np.mean(np.array(taken) > 0) <= 0.2
    )  # 0.05 expected; the plain rule would take three every time
    counts, tokens, language, _ = planted(np.random.default_rng(0))
    order = np.random.default_rng(5).permutation(len(language))
    assert (
        lape(counts, tokens, language, rng=np.random.default_rng(1), activity=0.5).selected.sum()
        >= 3
    )
    assert (
        lape(
            counts, tokens, language[order], rng=np.random.default_rng(1), activity=0.5
        ).selected.sum()
        == 0
    )


def test_rates_and_entropies_agree_with_a_slow_loop():
    counts, tokens, language, _ = planted(np.random.default_rng(3), neurons=20)
    found = lape(counts, tokens, language, rng=np.random.default_rng(0), share=0.2, activity=0.5)
    for j in range(20):
        p = np.array(
            [counts[language == k, j].sum() / tokens[language == k].sum() for k in range(4)]
        )
        assert np.allclose(found.rates[:, j], p)
        q = p[p > 0] / p.sum()
        assert found.entropy[j] == pytest.approx(-(q * np.log(q)).sum())


def test_the_share_and_the_activity_bound_what_is_taken():
    counts, tokens, language, _ = planted(np.random.default_rng(0))
    few = lape(counts, tokens, language, rng=np.random.default_rng(1), share=0.007, activity=0.5)
    assert few.selected.sum() == 2
    idle = counts.copy()
    idle[:, 0] = (language == 2) & (
        np.arange(len(language)) % 8 == 2
    )  # one language only, but hardly ever
    found = lape(idle, tokens, language, rng=np.random.default_rng(1), share=0.05, activity=0.5)
    assert not found.selected[0]
    assert found.entropy[0] < found.entropy[found.selected].min()


def test_shuffles_stay_within_blocks():
    counts, tokens, language, blocks = documents(np.random.default_rng(0), neurons=40, programs=2)
    counts[:] = 10.0
    counts[blocks == 0, 0] = 60.0  # differs between programs, never between languages of one
    found = lape(
        counts,
        tokens,
        language,
        rng=np.random.default_rng(1),
        activity=0.1,
        shuffles=5,
        blocks=blocks,
    )
    assert np.allclose(found.entropy[0], np.log(4))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_entropy_is_between_zero_and_uniform_and_the_order_of_languages_does_not_matter(k, seed):
    rates = np.random.default_rng(seed).random((k, 5)) * (
        np.random.default_rng(seed + 1).random((k, 5)) > 0.3
    )
    entropy = firing_entropy(rates)
    assert ((entropy >= -1e-12) & (entropy <= np.log(k) + 1e-12)).all()
    assert np.allclose(entropy, firing_entropy(rates[::-1]))
    assert np.allclose(entropy, firing_entropy(3 * rates))


def test_refusals():
    rng = np.random.default_rng(0)
    counts, tokens, language, _ = documents(rng, neurons=5)
    with pytest.raises(ValueError, match="rows of counts"):
        lape(counts, tokens[1:], language, rng=rng)
    with pytest.raises(ValueError, match="at least two languages"):
        lape(counts, tokens, np.zeros_like(language), rng=rng)
    with pytest.raises(ValueError, match="more tokens than it has"):
        lape(counts + 100, tokens, language, rng=rng)
    with pytest.raises(ValueError, match="share must be between 0 and 1, got 1.5"):
        lape(counts, tokens, language, rng=rng, share=1.5)
    with pytest.raises(ValueError, match="at least one shuffle"):
        lape(counts, tokens, language, rng=rng, shuffles=0)


def test_rates_of_whole_numbers_are_rates_and_others_are_refused():
    whole = np.array([[2, 0], [1, 0]])
    assert firing_entropy(whole) == pytest.approx(firing_entropy(whole.astype(float)))
    for wrong in (np.nan, -1.0):
        with pytest.raises(ValueError, match="rates are finite and 0 or more"):
            firing_entropy(np.array([[wrong], [1.0]]))


def test_sets_and_counts_that_are_none_are_refused():
    rates = np.array([[0.9, 0.8], [0.1, 0.2]])
    none = np.zeros(2, dtype=bool)
    found = Lape(
        rates, firing_entropy(rates), 0.5, -np.inf, none, rates < 0, np.zeros(1, dtype=int)
    )
    for count in (0, -1):
        with pytest.raises(ValueError, match="count must be at least 1"):
            equal_sets(found, count)
    language = np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match="lape: counts are finite and 0 or more"):
        lape(np.full((4, 3), np.nan), np.full(4, 9), language, rng=np.random.default_rng(0))
