"""One vector for each text at every layer: the mean of the residual stream over a text's tokens.

    x_l(text) = mean over tokens t of h_l(t)

How texts are compared with pictures, signals or sounds, where nothing corresponds to a token.
Special tokens are left out, and so is position 0 of a causal model (`inscape.data.positions`). It is
a harvest (`inscape.store.harvest`), kept and reused like any other; the arrays are in memory.

Cost: one forward pass; texts · layers · width numbers.
Reference: Reimers and Gurevych (2019), Sentence-BERT, arXiv:1908.10084 (mean pooling).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32

from inscape.core.site import Site
from inscape.store.harvest import harvest


def mean_states(
    model: Any, texts: Any, sites: str | Site = "embed, resid_post.*"
) -> list[Float32[np.ndarray, "n d"]]:
    """The mean over tokens of every layer.

    Args:
        model: an opened model.
        texts: n examples or plain texts, as `inscape.store.harvest.harvest` takes them.
        sites: sites or patterns; the embedding and what every block ends with by default.

    Returns:
        One array for each site, from the first layer to the last; rows in the order of the texts.

    Raises:
        SiteError: a site that the model does not have.
    """
    return [rows for _, rows in harvest(model, texts, sites, at="mean").matrices()]
