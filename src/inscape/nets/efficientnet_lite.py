"""EfficientNet-Lite0, a classifier of pictures small enough for a processor.

    picture → 3 × 3, stride 2 → 16 blocks → 1 × 1 → mean over positions → classes
    block: 1 × 1 widens 6-fold → k × k in each channel by itself → 1 × 1 narrows; a skip where nothing changes

Every convolution is followed by batch normalisation and, but for the last of a block, by a
rectifier that ends at 6; there is no squeeze-and-excitation. Padding is that of TensorFlow, where
the weights were trained: what is odd goes to the right and below. Altogether the side shrinks to a
32nd, rounded up.

Cost: 0.4 G multiplications a picture of 224 × 224, in proportion to the area.
Reference: Tan and Le (2019), arXiv:1905.11946, table 1; Sandler et al. (2018), MobileNetV2,
arXiv:1801.04381, for the block.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

#: of each stage: blocks, kernel, stride of the first, widening, channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, WIDTH = 32, 1280


class SamePadded(nn.Conv2d):
    """A convolution without bias whose output has ⌈side / stride⌉ positions along each side."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d _ _"]:
        """Pad, then convolve."""
        around: list[int] = []
        for side in (x.shape[-1], x.shape[-2]):
            kernel, stride = self.kernel_size[0], self.stride[0]
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            around += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, around))


class _Block(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, stride: int, widen: int) -> None:
        super().__init__()
        inner = before * widen
        parts: list[nn.Module] = []
        if widen > 1:
            parts += [SamePadded(before, inner, 1), _norm(inner), nn.ReLU6()]
        parts += [SamePadded(inner, inner, kernel, stride, inner), _norm(inner), nn.ReLU6()]
        self.parts = nn.Sequential(*parts, SamePadded(inner, after, 1), _norm(after))
        self.skips = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        out = self.parts(x)
        return x + out if self.skips else out


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class EfficientNetLite0(nn.Module):
    """The network; at random weights until `take` gives it others.

    Args:
        classes: how many.

    Example:
        >>> import torch
        >>> net = EfficientNetLite0().eval()
        >>> net.features(torch.zeros(1, 3, 96, 96)).shape
        torch.Size([1, 1280, 3, 3])
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [SamePadded(3, STEM, 3, 2), _norm(STEM), nn.ReLU6()]
        before = STEM
        for count, kernel, stride, widen, after in STAGES:
            for i in range(count):
                layers.append(_Block(before, after, kernel, 1 if i else stride, widen))
                before = after
        self.body = nn.Sequential(*layers, SamePadded(before, WIDTH, 1), _norm(WIDTH), nn.ReLU6())
        self.head = nn.Linear(WIDTH, classes)

    def take(self, weights: Mapping[str, Tensor]) -> EfficientNetLite0:
        """Take weights that are in the order of computation, whatever they are called there.

        Args:
            weights: `inscape.model.classifier_rows.classifier_weights`, or as many of the same
                shapes.

        Raises:
            ValueError: another number of tensors, or other shapes.
        """
        own = self.state_dict()
        there = [tuple(x.shape) for x in weights.values()]
        if there != [tuple(x.shape) for x in own.values()]:
            raise ValueError(
                f"EfficientNetLite0.take: expected {len(own)} tensors of this network's shapes in "
                f"the order of computation, got {len(there)}"
            )
        self.load_state_dict(dict(zip(own, weights.values(), strict=True)))
        return self

    def features(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1280 _ _"]:
        """What the last convolution gives at each position, before the mean.

        Args:
            x: pictures between −1 and 1.
        """
        return self.body(x)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Scores of the classes, pictures being between −1 and 1."""
        return self.head(self.features(x).mean(dim=(2, 3)))
