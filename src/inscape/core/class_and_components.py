"""What rows hold in a few numbers: where they stand between two classes, and the leading components
of the rest.

    u = (mean of one class − mean of the other) / ‖·‖,   rest = X − X u uᵀ,   rest = U S Vᵀ
    numbers = X [u, v₁, v₂, …], each of mean 0 and standard deviation 1
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped

from inscape.core.item_rows import row_mask


def class_and_components(
    x: Float[np.ndarray, "n d"], positive: Shaped[np.ndarray, " n"], k: int
) -> Float[np.ndarray, "n k"]:
    """The coordinate along the difference of the classes' means, and k − 1 principal components of
    what is left, standardised.

    Args:
        x: rows, centred.
        positive: which rows are of the first class.
        k: how many numbers.

    Raises:
        ValueError: more numbers than columns, or rows of one class only.

    Example:
        >>> x = np.array([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
        >>> abs(class_and_components(x, x[:, 0] > 0, 2))[0].tolist()
        [1.0, 1.0]
    """
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"class_and_components: k must be 1 to {x.shape[1]}, got {k}")
    positive = row_mask(positive, len(x), "class_and_components: positive")
    if positive.all() or not positive.any():
        raise ValueError("class_and_components: rows of both classes are needed")
    way = x[positive].mean(axis=0) - x[~positive].mean(axis=0)
    way /= np.linalg.norm(way)
    rest = x - np.outer(x @ way, way)
    _, _, components = np.linalg.svd(rest, full_matrices=False)
    numbers = x @ np.stack([way, *components[: k - 1]], axis=1)
    return (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
