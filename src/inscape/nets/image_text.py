"""Two towers: pictures and texts in one space, texts as frozen vectors from elsewhere.

    picture → convolutions → embedding                        text's vector → linear → embedding

Cost: that of the convolutions.
Reference: Radford et al. (2021), CLIP, arXiv:2103.00020.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from inscape.nets.plain_cnn import PlainCNN


class ImageText(nn.Module):
    """The towers.

    Args:
        text: width of a text's vector.
        embedding: width of the common space.
        channels: of the pictures.
        width: channels of the first convolution.

    Example:
        >>> import torch
        >>> net = ImageText(20, 8, 3, width=4)
        >>> net.image(torch.zeros(2, 3, 24, 24)).shape, net.text(torch.zeros(5, 20)).shape
        (torch.Size([2, 8]), torch.Size([5, 8]))
    """

    def __init__(self, text: int, embedding: int, channels: int, width: int = 16) -> None:
        super().__init__()
        self.image = PlainCNN(channels, embedding, width)
        self.text = nn.Linear(text, embedding)

    def forward(
        self, images: Float[Tensor, "n c h w"], texts: Float[Tensor, "n t"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]:
        """Embeddings of both sides."""
        return self.image(images), self.text(texts)
