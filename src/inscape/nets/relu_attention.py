"""Attention with a rectifier for a kernel: linear in the number of tokens, and of rank d.

    weight(i, j) ∝ relu(q_i) · relu(k_j)
    out_i = relu(q_i) (Σ_j relu(k_j)ᵀ v_j) / (relu(q_i) · Σ_j relu(k_j))

Cost: O(n d²).
Reference: Katharopoulos, Vyas, Pappas and Fleuret (2020), Transformers are RNNs, arXiv:2006.16236,
eq. 5; Cai et al. (2022), EfficientViT, arXiv:2205.14756, for the rectifier.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def relu_attention(
    q: Float[Tensor, "*b n d"], k: Float[Tensor, "*b n d"], v: Float[Tensor, "*b n e"]
) -> Float[Tensor, "*b n e"]:
    """Weighted means of values; zero for a query that no key answers.

    Args:
        q: queries.
        k: keys.
        v: values.

    Example:
        >>> from torch import eye
        >>> relu_attention(eye(2), eye(2), eye(2))[0].round(decimals=3).tolist()
        [1.0, 0.0]
    """
    q, k = q.relu(), k.relu()
    top = q @ (k.transpose(-2, -1) @ v)
    bottom = q @ k.sum(-2).unsqueeze(-1)
    return top / bottom.clamp_min(1e-6)
