"""Networks that name digits: several random starts of one plain network, trained alike, for studies
of what they share.

Digits are shifted and rotated anew in every batch; those that the networks are judged on come from
other writers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inscape.core.measured import Role
from inscape.learn.fit import Budget
from inscape.learn.mixup import mixup
from inscape.nets.plain_cnn import PlainCNN
from inscape.study.arms import Arm, Trained, arms
from inscape.study.run import Run
from inscape.worlds.digit_views import labelled, moved, noisy

#: digits of a batch, and digits that the networks are judged on
BATCH, TEST = 64, 1000


def classifier(width: int, names: Tensor | None = None, role: Role = "treatment") -> Arm:
    """A plain convolutional network that learns what digits are called.

    Args:
        width: channels of its first layer.
        names: what all digits are called instead, as `inscape.worlds.digit_views.labelled` takes
            it.
        role: of the arm.
    """
    return Arm(
        net=lambda k: PlainCNN(1, 10, width),
        batches=lambda rng, k: labelled(BATCH, True, rng=rng, names=names),
        objective=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
        role=role,
    )


def noisy_classifier(
    width: int,
    images: Float[Tensor, "n 1 8 8"],
    names: Int[Tensor, " n"],
    *,
    noise: float = 0.1,
    mixed: bool = False,
) -> Arm:
    """A plain convolutional network that learns what certain digits are called, few or many; each is
    placed, turned and noisy anew in every batch.

    Args:
        width: channels of its first layer.
        images: the digits.
        names: what each is called, 0 to 9.
        noise: standard deviation on every pixel, where digits are 0 to 1.
        mixed: whether batches are mixed by `inscape.learn.mixup.mixup`.
    """

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        rows = rng.integers(len(images), size=BATCH)
        x = noisy(moved(images[rows], rng=rng), noise, rng=rng)
        y = F.one_hot(names[rows], 10).float()
        return mixup(x, y, rng=rng) if mixed else (x, y)

    return Arm(
        net=lambda k: PlainCNN(1, 10, width),
        batches=batches,
        objective=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
    )


def trained(
    run: Run,
    classifiers: Mapping[str, Arm],
    *,
    budget: Budget,
    networks: int,
    rng: np.random.Generator,
) -> tuple[Trained, Tensor]:
    """Train every classifier from several random starts, and show how well each names the digits of
    other writers.

    Args:
        run: the study's.
        classifiers: name → the arm, of `classifier`.
        budget: of each training.
        networks: random starts of each.
        rng: of the digits that they are judged on.

    Returns:
        What came of the trainings, and those digits, (1000, 1, 18, 18).
    """
    images, truth = labelled(TEST, False, rng=rng)
    found = arms(
        run,
        classifiers,
        metrics={"accuracy": lambda net, k: (net(images).argmax(1) == truth).numpy()},
        budget=budget,
        seeds=networks,
    )
    run.show("accuracy", found.measured("accuracy", unit="accuracy"))
    return found, images
