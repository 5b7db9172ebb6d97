"""Trailing positions: what is left of a text so many tokens after its end.

The same filler follows every text, so whatever differs at a position behind it comes from the text.
A causal model sees nothing of what follows, so one pass over text and filler gives every distance
at once.

Cost: one forward pass over texts and filler, as long as the largest distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from inscape.core.batch import Tokens
from inscape.core.errors import DataError
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.positions import span_mask
from inscape.model.batching import batches_alike
from inscape.model.model import Model


def trailing(
    model: Model,
    examples: Examples,
    filler: str,
    distances: Sequence[int],
    sites: str | Site | Sequence[str | Site],
    *,
    budget: int = 2048,
) -> dict[int, dict[str, np.ndarray]]:
    """Activations at given numbers of tokens after the last token of each text.

    Args:
        model: a causal text model.
        examples: the texts.
        filler: put behind each, after a space.
        distances: in tokens; 0 is the text's own last token.
        sites: sites or patterns.
        budget: padded tokens a batch.

    Returns:
        Distance → site → (n, width) float32, in the order of the examples.

    Raises:
        DataError: the filler has too few tokens for the largest distance, or a distance is
            negative.
    """
    if min(distances) < 0:
        raise DataError(
            f"distances count tokens after the text, so none is negative; got {min(distances)}."
        )
    wanted, most = model.select(sites), max(distances)
    ends, cut = [], []
    for text, tokens in zip(
        examples.texts(), model.tokenize([f"{t} {filler}" for t in examples.texts()]), strict=True
    ):
        end = int(np.flatnonzero(span_mask(tokens, (0, len(text))))[-1])
        inside = int((~tokens.special[end:]).sum()) - 1
        if inside < most:
            raise DataError(
                f"the filler has {inside} tokens and {most} are asked for; give a longer one."
            )
        ends.append(end)
        cut.append(_cut(tokens, end + most + 1))
    out: dict[int, dict[str, np.ndarray]] = {distance: {} for distance in distances}
    lengths = np.array([len(t) for t in cut])
    for rows in batches_alike(lengths, model.switches.kinds(lengths), budget):
        at = torch.tensor([[ends[i] + distance for distance in distances] for i in rows])
        found = model.run(model.collate([cut[i] for i in rows]), wanted, at=at)
        for site, values in found.items():
            kept = values.float().cpu().numpy()
            for j, distance in enumerate(distances):
                here = out[distance].setdefault(
                    str(site), np.empty((len(cut), kept.shape[-1]), dtype=np.float32)
                )
                here[rows] = kept[:, j]
    return out


def _cut(tokens: Tokens, length: int) -> Tokens:
    return replace(
        tokens,
        ids=tokens.ids[:length],
        offsets=tokens.offsets[:length],
        special=tokens.special[:length],
    )
