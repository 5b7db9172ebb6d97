"""The vector field of a map of a space into itself: where do its iterates end?

    v(z) = f(z) − z          z ← f(z)          attractor: f(z*) = z* and nearby points come to it

For an autoencoder f(z) = E(D(z)). A trajectory has ended where ‖v(z)‖ falls below a tolerance. Ends
that lie within a radius of each other, chained by single linkage, are one attractor. Near one the
map's Jacobian has its eigenvalues inside the unit circle.

Cost: one evaluation of f a step, for trajectories that still move; m² for m ends.
Reference: Fumero et al. (2025), Navigating the latent space dynamics of neural models,
arXiv:2505.22785, definitions 1 and 2; section 5 for distances of paths to attractors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Where points went.

    Attributes:
        ends: the last point of each, (n, d).
        speed: ‖f(z) − z‖ there, (n,).
        path: the first points of each, its start among them, (kept, n, d).
    """

    ends: Float[Tensor, "n d"]
    speed: Float[Tensor, " n"]
    path: Float[Tensor, "k n d"]

    def distance_to(self, places: Float[Tensor, "m d"]) -> Float[Tensor, " n"]:
        """Distance of each path to the nearest of some places, mean over the points kept of it.

        Args:
            places: such as the attractors of other points, (m, d).
        """
        return torch.stack([torch.cdist(z, places).amin(1) for z in self.path]).mean(0)


@torch.no_grad()
def follow(
    f: Map, z: Float[Tensor, "n d"], steps: int = 2000, *, still: float = 1e-6, keep: int = 1
) -> Trajectories:
    """Iterate a map from some points.

    Args:
        f: the map, row by row.
        z: where to start, (n, d).
        steps: at most.
        still: a point that moves by less is left where it is.
        keep: points of each path that are kept.

    Raises:
        ValueError: steps or kept points below 1.

    Example:
        >>> found = follow(lambda z: z / 2, torch.ones(1, 2))
        >>> round(float(found.ends.norm()), 4), len(found.path)
        (0.0, 1)
    """
    if steps < 1 or keep < 1:
        raise ValueError(f"follow: steps and keep must be at least 1, got {steps} and {keep}")
    z, path = z.clone(), [z.clone()]
    moving = torch.arange(len(z))
    for _ in range(steps):
        new = f(z[moving])
        far = (new - z[moving]).norm(dim=1) >= still
        z[moving] = new
        if len(path) < keep:
            path.append(z.clone())
        moving = moving[far]
        if len(moving) == 0:
            break
    path += [path[-1]] * (keep - len(path))
    return Trajectories(z, (f(z) - z).norm(dim=1), torch.stack(path))


def attractors(
    ends: Float[Tensor, "n d"], radius: float
) -> tuple[Float[Tensor, "m d"], Int[np.ndarray, " n"]]:
    """The attractors among ends, and which of them each end is.

    Args:
        ends: (n, d).
        radius: two ends nearer than this are the same.

    Returns:
        The mean of each attractor's ends, (m, d), and its number for each end, (n,).

    Raises:
        ValueError: no ends, or a radius that is not positive.
    """
    if not len(ends) or radius <= 0:
        raise ValueError(
            f"attractors: needs ends and a radius above 0, got {len(ends)} and {radius}"
        )
    codes = np.zeros(len(ends), dtype=np.int64)
    if len(ends) > 1:
        codes = fcluster(linkage(ends.numpy(), "single"), radius, "distance").astype(np.int64) - 1
    means = torch.stack(
        [ends[torch.from_numpy(codes == c)].mean(0) for c in range(codes.max() + 1)]
    )
    return means, codes


def spectral_radius(f: Map, z: Float[Tensor, "n d"]) -> Float[np.ndarray, " n"]:
    """The largest |eigenvalue| of the map's Jacobian at each point; below 1 the point attracts.

    Example:
        >>> spectral_radius(lambda z: 0.5 * z, torch.zeros(1, 3)).tolist()
        [0.5]
    """
    jacobian = torch.func.vmap(torch.func.jacrev(lambda p: f(p[None])[0]))(z)
    return torch.linalg.eigvals(jacobian).abs().amax(dim=1).numpy()
