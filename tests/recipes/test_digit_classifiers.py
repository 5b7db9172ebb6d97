"""Networks that name digits: as many starts as asked for, judged on other writers, true and shuffled names."""

from __future__ import annotations

import numpy as np
import torch

from inscape.learn.fit import Budget
from inscape.recipes.digit_classifiers import TEST, classifier, trained
from inscape.study.arms import UNTRAINED
from inscape.worlds.digit_views import shuffled_names


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
