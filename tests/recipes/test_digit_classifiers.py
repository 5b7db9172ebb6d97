"""Networks that name digits: as many starts as asked for, judged on other writers, true and
shuffled names.
"""

from __future__ import annotations

import numpy as np
import torch

from inscape.learn.fit import Budget
from inscape.recipes.digit_classifiers import BATCH, TEST, classifier, noisy_classifier, trained
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds.digit_views import drawn_digits, moved, shuffled_names


def test_networks_learn_the_names_they_are_given(opened):
    other = shuffled_names(rng=np.random.default_rng(1))
    with opened() as run:
        found, images = trained(
            run,
            {"true": classifier(4), "shuffled": classifier(4, other, role="baseline")},
            budget=Budget(150),
            networks=2,
            rng=np.random.default_rng(0),
        )
    assert images.shape == (TEST, 1, 18, 18)
    assert found.roles == {"true": "treatment", "shuffled": "baseline", UNTRAINED: "reference"}
    assert {arm: len(nets) for arm, nets in found.nets.items()} == dict.fromkeys(found.roles, 2)
    right = {arm: values.mean() for arm, values in found.values["accuracy"].items()}
    assert right["true"] > 0.4 > 0.25 > right["shuffled"]
    first, second = (net.state_dict() for net in found.nets["true"])
    assert any(not torch.equal(x, second[name]) for name, x in first.items())


def test_batches_are_of_the_digits_given_with_noise_and_mixed_where_asked():
    images, names = drawn_digits(5, True, rng=np.random.default_rng(0))
    streams = lambda: np.random.default_rng(1)  # noqa: E731
    x, y = noisy_classifier(4, images, names, noise=0.0).batches(streams(), 0)
    rng = streams()
    rows = rng.integers(5, size=BATCH)
    assert torch.equal(x, moved(images[rows], rng=rng))
    assert torch.equal(y.argmax(1), names[rows])
    loud, same = noisy_classifier(4, images, names, noise=0.3).batches(streams(), 0)
    assert abs((loud - x).std() - 0.3) < 0.01
    assert torch.equal(same, y)
    mixed, shares = noisy_classifier(4, images, names, noise=0.0, mixed=True).batches(streams(), 0)
    assert ((shares > 0) & (shares < 1)).any()
    torch.testing.assert_close(shares.sum(1), torch.ones(BATCH))
    assert not torch.equal(mixed, x)


def test_a_few_digits_are_learnt(opened):
    images, names = drawn_digits(10, True, rng=np.random.default_rng(0))
    test = moved(images.repeat(20, 1, 1, 1), rng=np.random.default_rng(1))
    with opened() as run:
        found = arms(
            run,
            {"few": noisy_classifier(4, images, names)},
            metrics={"right": lambda net, k: (net(test).argmax(1) == names.repeat(20)).numpy()},
            budget=Budget(150),
        )
    right = {arm: values.mean() for arm, values in found.values["right"].items()}
    assert right["few"] > right[UNTRAINED] + 0.3
