"""The needles are where they were put."""

from __future__ import annotations

import numpy as np

from inscape.worlds.needles import NEURONS, needles


def test_a_planted_neuron_is_large_on_its_language_alone_and_a_fresh_copy_has_none():
    world = needles(texts=8)
    frame = world.examples.frame
    texts = frame[frame["feature"] == "text"]
    act = np.stack(
        [world.model.run(t, "mlp_act.0")["mlp_act.0"][0].mean(dim=0).numpy() for t in texts["text"]]
    )
    fresh = world.model.untrained(0)
    blank = np.stack(
        [fresh.run(t, "mlp_act.0")["mlp_act.0"][0].mean(dim=0).numpy() for t in texts["text"]]
    )
    assert list(world.neurons.values()) == list(NEURONS)
    for language, neuron in world.neurons.items():
        own = (texts["value"] == language).to_numpy()
        assert act[own, neuron].min() > 5 * act[~own, neuron].max()
        assert not blank[own, neuron].min() > 5 * np.abs(blank[~own, neuron]).max()


def test_texts_are_told_apart_by_groups_and_spans_point_at_words():
    examples = needles(texts=8).examples
    pair = examples.frame[examples.frame["scope"] == "word"]
    assert set(pair["value"]) == {"one", "apart"}
    assert (pair.groupby("lexeme")["value"].nunique() == 2).all()
    row = pair.iloc[0]
    assert row["text"].split()[-1] == row["text"][row["word_start"] : row["word_end"]]
