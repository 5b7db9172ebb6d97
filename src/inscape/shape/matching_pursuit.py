"""Orthogonal matching pursuit: how well do a few of some directions rebuild points?

    chosen ← chosen ∪ {j},  j the unit atom with the largest |⟨d_j, residual⟩|
    residual ← z − its projection on the chosen atoms          error = ‖residual‖²

Directions with which points share much, such as attractors of an autoencoder's latent field, leave
a smaller error than random ones.

Cost: O(n m d) for each atom that is chosen.
Reference: Pati, Rezaiifar and Krishnaprasad (1993), Asilomar 27; Fumero et al. (2025),
arXiv:2505.22785, section 5 (attractors as atoms).
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Float64
from sklearn.linear_model import orthogonal_mp
from torch import Tensor


def pursuit_error(
    z: Float[Tensor, "n d"], atoms: Float[Tensor, "m d"], most: int
) -> Float64[np.ndarray, " n"]:
    """Squared error of each point rebuilt from a few atoms, in the points' units squared.

    Args:
        z: the points.
        atoms: directions; their lengths do not matter.
        most: atoms that one point may use; all of them where there are fewer.

    Raises:
        ValueError: no atom, one of length zero, or `most` below 1.

    Example:
        >>> import torch
        >>> pursuit_error(torch.tensor([[3.0, 1.0]]), torch.eye(2), 1).round(6).tolist()
        [1.0]
    """
    lengths = atoms.norm(dim=1, keepdim=True)
    if not len(atoms) or not (lengths > 0).all() or most < 1:
        raise ValueError(
            f"pursuit_error: needs atoms that are not zero, and at least 1 of them a point; got "
            f"{len(atoms)} atoms and most={most}"
        )
    points, unit = z.double().numpy().T, (atoms / lengths).double().numpy().T
    with warnings.catch_warnings():
        # a point that is rebuilt exactly, or at right angles to all atoms, takes no more of them
        warnings.filterwarnings("ignore", "Orthogonal matching pursuit ended", RuntimeWarning)
        weights = orthogonal_mp(unit, points, n_nonzero_coefs=min(most, len(atoms)))
    return ((unit @ weights.reshape(len(atoms), -1) - points) ** 2).sum(axis=0)
