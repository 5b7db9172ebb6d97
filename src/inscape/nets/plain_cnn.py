"""A plain convolutional classifier of eight layers: no skips, so that depth is the only order.

    two at full size → stride 2, two more → stride 2 → one without padding → one of 1 × 1
    → mean over positions → classes

Widths are w, w, 2w, 2w, 2w, 4w, 4w, 4w; each convolution is followed by batch normalisation and a
rectifier. `layers` gives what each of the eight ends with.

Cost: O(positions · width²) a layer.
Reference: Springenberg et al. (2015), Striving for simplicity, arXiv:1412.6806 (All-CNN);
Kornblith et al. (2019), arXiv:1905.00414, appendix E, for these eight.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

#: of each convolution: width in units of the first's, kernel, stride, padding
SHAPES = (
    (1, 3, 1, 1),
    (1, 3, 1, 1),
    (2, 3, 2, 1),
    (2, 3, 1, 1),
    (2, 3, 1, 1),
    (4, 3, 2, 1),
    (4, 3, 1, 0),
    (4, 1, 1, 0),
)


class PlainCNN(nn.Module):
    """Eight convolutions and a classifier.

    Args:
        channels: of the pictures, which are at least 12 pixels along each side.
        classes: how many.
        width: channels of the first layer.

    Example:
        >>> import torch
        >>> net = PlainCNN(1, 10, width=4)
        >>> x = torch.zeros(2, 1, 18, 18)
        >>> net(x).shape, [tuple(h.shape[1:]) for h in net.layers(x)][-1]
        (torch.Size([2, 10]), (16, 3, 3))
    """

    def __init__(self, channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        before = channels
        for times, kernel, stride, padding in SHAPES:
            after = times * width
            conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
            self.blocks.append(nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU()))
            before = after
        self.head = nn.Linear(before, classes)

    def layers(self, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """What each convolution ends with, after its rectifier."""
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Scores of the classes."""
        return self.head(self.layers(x)[-1].mean(dim=(2, 3)))
