"""Can a field learn high frequencies sooner? A linear layer whose weights are composed from fixed
cosines.

    W = Λ B      B[(ω, φ), k] = α cos(ω t_k + φ)      only Λ and the bias are trained
    ω ∈ {1/F, 2/F … 1} ∪ {1, 2 … F},   φ ∈ {0, 2π/P … }
    t even over [−πF, πF], the period of the lowest ω
    Λ[:, i] ~ U(± √(6 / M) / ‖b_i‖)      M = 2 F P rows; W starts with variance 2 / inputs

On a grid of few points the high frequencies alias, in the authors' code as here. A gradient step on
Λ moves W by G Bᵀ B instead of G, which couples the weights of one unit along the inputs. After
training W is one matrix again (`folded`), and the network costs what it always did.

Cost: O(outputs · M · inputs) a step more than a plain layer, nothing after folding.
Reference: Shi, Zhou and Gu (2024), Improved implicit neural representation with Fourier
reparameterized training, arXiv:2401.07402, section 3.2 and theorem 2.
"""

from __future__ import annotations

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def fourier_basis(inputs: int, frequencies: int, phases: int) -> Float[Tensor, "m inputs"]:
    """Cosines of low and high frequencies and all phases on an even grid, one a row, low first.

    Args:
        inputs: points of the grid.
        frequencies: F, of the low and of the high set each.
        phases: P.

    Raises:
        ValueError: fewer than two inputs, or no frequency or phase.
    """
    if inputs < 2 or frequencies < 1 or phases < 1:
        raise ValueError(
            "fourier_basis: needs at least 2 inputs, 1 frequency and 1 phase, got "
            f"{inputs}, {frequencies} and {phases}"
        )
    whole = torch.arange(1, frequencies + 1, dtype=torch.float64)
    omega = torch.cat([whole / frequencies, whole])
    phi = 2 * math.pi * torch.arange(phases, dtype=torch.float64) / phases
    end = math.pi * frequencies
    t = torch.linspace(-end, end, inputs, dtype=torch.float64)
    waves = torch.cos(omega[:, None, None] * t + phi[None, :, None])
    return waves.reshape(-1, inputs)


class FourierLinear(nn.Module):
    """A linear layer with composed weights.

    Args:
        inputs: width of what comes in.
        outputs: width of what goes out.
        frequencies: F.
        phases: P.
        scale: α, the length of the basis; small ones make Λ, and so a step of Adam, large in W.
        random: replace the cosines by normal noise of the same norms: as many parameters, no
            frequencies.

    Example:
        >>> layer = FourierLinear(4, 3, frequencies=2, phases=2)
        >>> x = torch.ones(1, 4)
        >>> torch.allclose(layer(x), layer.fold()(x))
        True
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        frequencies: int = 32,
        phases: int = 8,
        scale: float = 0.05,
        random: bool = False,
    ) -> None:
        super().__init__()
        basis = scale * fourier_basis(inputs, frequencies, phases)
        norms = basis.norm(dim=1, keepdim=True)
        if random:
            noise = torch.randn(basis.shape, dtype=torch.float64)
            basis = noise / noise.norm(dim=1, keepdim=True) * norms
        self.register_buffer("basis", basis.float())
        end = math.sqrt(6 / len(basis)) / norms.T.float()
        self.coefficients = nn.Parameter((2 * torch.rand(outputs, len(basis)) - 1) * end)
        self.bias = nn.Parameter(torch.zeros(outputs))

    @property
    def weight(self) -> Float[Tensor, "outputs inputs"]:
        """The composed weights."""
        return self.coefficients @ self.basis

    def forward(self, x: Float[Tensor, "*n inputs"]) -> Float[Tensor, "*n outputs"]:
        """As a linear layer."""
        return nn.functional.linear(x, self.weight, self.bias)

    def fold(self) -> nn.Linear:
        """The plain layer that it is."""
        how = {"device": self.bias.device, "dtype": self.bias.dtype}
        made = nn.Linear(*self.weight.T.shape, **how)
        with torch.no_grad():
            made.weight.copy_(self.weight)
            made.bias.copy_(self.bias)
        return made


def folded(net: nn.Module) -> nn.Module:
    """A copy of a network in which every composed layer is a plain one.

    Args:
        net: any network, or one composed layer; it is left as it is.
    """
    if isinstance(net, FourierLinear):
        return net.fold()
    made = copy.deepcopy(net)
    for parent in list(made.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, FourierLinear):
                setattr(parent, name, layer.fold())
    return made
