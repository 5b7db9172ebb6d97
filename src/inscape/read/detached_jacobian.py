"""The detached Jacobian: the linear map that a network is at one prompt, once its gates are held
constant.

    y = Σ_t J⁺_t x_t + r,   J⁺_t = ∂y/∂x_t with the gates of `inscape.model.detach` constant

x_t is what enters the first block at token t, y the state of the last token at some site. Without
biases r is rounding; with them it is what they contribute. The ordinary Jacobian, whose gates vary,
reproduces nothing: a network is not linear.

    stable rank = ‖J‖²_F / ‖J‖²₂

Cost: d backward passes over the prompt, in batches. Singular values and sums are taken in float64.
Reference: Golden (2025), Large language models are locally linear mappings, arXiv:2505.24293;
Rudelson and Vershynin (2007), J. ACM 54, for the stable rank.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Scope
from inscape.core.site import Site
from inscape.model.connected import connected
from inscape.model.detach import detached
from inscape.model.model import Model
from inscape.read.jacobian import jacobian

#: what enters the first block
INPUT = Site("resid_pre", 0)


@dataclass(frozen=True, eq=False)
class LocalMap:
    """A prompt's last state as a map of its input vectors.

    Attributes:
        inputs: what enters the first block, (tokens, d).
        output: the last token's state as the network gives it, (k,); uᵀ of it for each direction u,
            if there were any.
        jacobians: one for each token, (k, tokens, d).
    """

    inputs: Float[Tensor, "tokens d"]
    output: Float[Tensor, " k"]
    jacobians: Float[Tensor, "k tokens d"]

    @property
    def reconstruction(self) -> Float[Tensor, " k"]:
        """Σ_t J_t x_t, (k,), summed in float64."""
        return torch.einsum("ktd,td->k", self.jacobians.double(), self.inputs.double())

    @property
    def residual(self) -> float:
        """‖y − Σ_t J_t x_t‖ / ‖y‖."""
        y = self.output.double()
        return float((y - self.reconstruction).norm() / y.norm())

    @property
    def whole(self) -> Float[Tensor, "k joined"]:
        """All tokens' Jacobians side by side, (k, tokens · d): the map from the whole prompt."""
        return self.jacobians.flatten(1)

    def leading(self, count: int, token: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """First singular vectors and all singular values of the whole, or of one token's Jacobian.

        From the eigenvectors of J Jᵀ, k³ instead of k² tokens · d with a large constant; singular
        values below 1e-8 of the largest are rounding.

        Returns:
            u (k, count), s (k,), v (count, tokens · d or d).
        """
        whole = (self.whole if token is None else self.jacobians[:, token]).double()
        values, vectors = torch.linalg.eigh(whole @ whole.T)
        s, u = values.flip(0).clamp_min(0).sqrt(), vectors.flip(1)[:, :count]
        return u, s, (u.T @ whole) / s[:count, None].clamp_min(torch.finfo(s.dtype).tiny)

    def svd(self, token: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Singular vectors and values of one token's Jacobian, or of the whole: u (k, r), s (r,), v
        (r, d or tokens · d).

        With d = tokens · d, rows of v are the tokens' parts one after another.
        """
        matrix = (self.whole if token is None else self.jacobians[:, token]).double()
        return torch.linalg.svd(matrix, full_matrices=False)


def local_map(
    model: Model,
    tokens: Tokens,
    output: str | Site = "final_norm",
    *,
    detach: bool = True,
    directions: Float[Tensor, "m k"] | None = None,
    chunk: int = 288,
) -> LocalMap:
    """The Jacobian of the last token's state at a site with respect to everything that enters the
    first block.

    Args:
        model: a text model of a known family.
        tokens: the prompt.
        output: the site.
        detach: hold the gates constant; False for the ordinary Jacobian.
        directions: rows u of the output to take instead of all: a sketch of the Jacobian, (m, k).
        chunk: rows in one batch.

    Returns:
        Inputs, output and Jacobians, in the model's dtype.

    Raises:
        ValueError: more than one output site.
        SiteError, ModelError: as `inscape.model.connected.connected` and
            `inscape.model.detach.detached`.
    """
    last = model.select(output)
    if len(last) != 1:
        raise ValueError(f"local_map: one output site is needed, {output!r} names {len(last)}")
    ids = torch.from_numpy(tokens.ids)[None]
    shift = torch.zeros(
        1,
        len(tokens),
        model.width(INPUT),
        dtype=model.dtype,
        device=model.device,
        requires_grad=True,
    )
    with detached(model) if detach else nullcontext():
        seen = connected(model, ids, [INPUT, *last], edits=Add(Scope(str(INPUT)), shift))
        y = seen[last[0]][0, -1]
        rows = jacobian(y, [shift], directions=directions, chunk=chunk)[0]
    out = y.detach() if directions is None else directions.to(y.dtype) @ y.detach()
    return LocalMap(seen[INPUT][0].detach(), out, rows[:, 0])


def stable_rank(singular_values: Float[Tensor, " r"]) -> float:
    """Squared Frobenius over squared spectral norm: between 1 and the rank.

    Raises:
        ValueError: every singular value is zero.
    """
    s = singular_values.double()
    if not float(s.max()) > 0:
        raise ValueError(
            "stable_rank: every singular value is zero, so there is no largest direction"
        )
    return float((s**2).sum() / s.max() ** 2)
