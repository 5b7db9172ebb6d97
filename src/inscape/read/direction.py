"""What a linear probe found, as directions, and as an edit that removes or adds them.

A probe with coefficients (k, d) gives k unit directions in the representation. Removing them
projects out their span; adding one moves every activation along it (steering). The span is
orthonormalised by the singular value decomposition, so softmax coefficients, which sum to zero over
classes, are no special case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from inscape.core.edit import Add, Edit, ProjectOut, Scope
from inscape.core.one_coordinate import vector_warning


class LinearDirections(BaseEstimator):
    """Base of the linear probes: `direction_` and `edit` from the learned ``coef_``."""

    @property
    def direction_(self) -> Float[np.ndarray, "*k d"]:
        """Unit direction(s) of the learned coefficients: (d,) for one, (k, d) for several; zero
        where the probe is flat.
        """
        check_is_fitted(self)
        coef: Any = self.coef_
        rows = coef[0] if coef.ndim == 2 and len(coef) == 1 else coef
        size = np.linalg.norm(rows, axis=-1, keepdims=True)
        return np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)

    @property
    def warnings_(self) -> tuple[str, ...]:
        """A sentence for each direction that is one coordinate by more than half of its square."""
        rows = np.atleast_2d(self.direction_)
        told = [vector_warning(row, f"direction {k}") for k, row in enumerate(rows)]
        return tuple(one for one in told if one is not None)

    def edit(self, scope: Scope, action: str = "remove", strength: float = 1.0) -> Edit:
        """An edit that acts on what the probe reads.

        Args:
            scope: where it acts.
            action: ``"remove"`` projects out the span of the directions; ``"add"`` adds
                ``strength`` times the direction.
            strength: in the unit of the activations; for ``"add"`` only.

        Returns:
            A frozen edit; the probe can be refitted without changing it.

        Raises:
            ValueError: an unknown action, a flat probe, or ``"add"`` with several directions.
        """
        rows = np.atleast_2d(self.direction_)
        if action not in ("remove", "add"):
            raise ValueError(f"edit: action must be 'remove' or 'add', got {action!r}")
        _, size, basis = np.linalg.svd(rows, full_matrices=False)
        rank = int((size > 1e-10).sum())
        if rank == 0:
            raise ValueError(
                "edit: the probe is flat (all coefficients are zero), so it has no direction; fit "
                "it on more data"
            )
        if action == "remove":
            return ProjectOut(scope, torch.from_numpy(np.ascontiguousarray(basis[:rank])))
        if len(rows) > 1:
            raise ValueError(
                f"edit: 'add' needs one direction, and this probe has {len(rows)}; use Add with a "
                "row of direction_"
            )
        return Add(scope, torch.from_numpy(rows[0].copy()), float(strength))
