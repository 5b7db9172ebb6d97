"""The language of feelings: what must hold in it does."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.feelings import feelings


def test_the_net_names_feelings_that_no_word_alone_tells_and_a_fresh_one_does_not():
    world = feelings(settings=8, steps=150)
    assert world.accuracy > 0.95
    assert world.asked == pytest.approx(0.75, abs=0.05)  # two settings of eight are misnamed
    y, classes = world.examples.classes("emotion")
    assert len(classes) == 7
    first = np.array([t.split()[0] for t in world.examples.texts()])
    same = [len(set(y[first == w])) for w in set(first) if (first == w).sum() > 2]
    assert min(same) > 1  # one word goes with several feelings
    fresh = (
        world.model.untrained(1).run(world.examples.texts(), logits=True).logits[:, -1].argmax(-1)
    )
    trained = world.model.run(world.examples.texts(), logits=True).logits[:, -1].argmax(-1)
    names = world.model.tokenizer.convert_ids_to_tokens(trained)
    assert names == [classes[i] for i in y]
    assert (
        np.array(world.model.tokenizer.convert_ids_to_tokens(fresh)) == np.array(names)
    ).mean() < 0.4
    assert sorted(
        {
            len(set(world.examples.frame[world.examples.frame["setting"] == s]["emotion"]))
            for s in world.examples.frame["setting"]
        }
    ) == [7]
