"""A small autoencoder of vectors between 0 and 1, with a bounded latent.

    encode: linear, rectifier, linear, tanh          decode: linear, rectifier, linear, sigmoid

Bounded on both sides, so that encoding what was decoded can be repeated for ever without leaving.

Cost: that of four linear layers.
Reference: Hinton and Salakhutdinov (2006), Science 313.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Encoder and decoder.

    Args:
        d: numbers in an input.
        latent: numbers in a latent.
        hidden: width of both hidden layers.
    """

    def __init__(self, d: int, latent: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, latent), nn.Tanh()
        )
        self.decode = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, d), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Reconstructions."""
        return self.decode(self.encode(x))

    def round_trip(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n latent"]:
        """Latents decoded and encoded again, E(D(z)): the map whose iterates
        `inscape.shape.latent_field.follow` follows.
        """
        return self.encode(self.decode(z))
