"""Pictures through a vision transformer, token by token: states, answers with some tokens taken away, rows for a probe.

Token 0 is the class token, the others are the cells of the picture, row by row. A token is taken away by setting its
embedding to the mean over pictures at that place, which leaves its place and takes its content.

Cost: one forward pass over the pictures for each call.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inscape.core.batch import Batch
from inscape.core.edit import Replace, Scope
from inscape.core.errors import DataError
from inscape.model.model import Model
from inscape.read.class_lens import identifiability
from inscape.read.logistic import LogisticProbe
from inscape.worlds.cluttered_digits import Pictures


def own_pictures(path: str) -> Pictures:
    """Pictures of one's own."""
    try:
        with np.load(path) as found:
            return Pictures(
                *(found[name] for name in ("images", "classes", "object")),
                found["source"] if "source" in found else np.arange(len(found["classes"])),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as pictures ({error}): an .npz is needed with images, classes, object."
        ) from error


def batches(pictures: Pictures, size: int = 100) -> list[np.ndarray]:
    return np.array_split(np.arange(len(pictures)), -(-len(pictures) // size))


def logits_of(
    model: Model, images: np.ndarray, gone: np.ndarray | None = None, mean: Tensor | None = None
) -> Tensor:
    """Class scores, with the embedding of some tokens set to its mean: gone is (n, tokens)."""
    parts = []
    for rows in np.array_split(np.arange(len(images)), -(-len(images) // 100)):
        x = {"pixel_values": torch.from_numpy(images[rows]).float()}
        edits = None
        batch = Batch(x)
        if gone is not None and mean is not None:
            batch = Batch(x, None, {"gone": torch.from_numpy(gone[rows])})
            edits = Replace(Scope("embed", "mark:gone"), mean)
        found = model.run(batch, edits=edits, logits=True).logits
        assert found is not None
        parts.append(found.float().cpu())
    return torch.cat(parts)


def states_of(model: Model, images: np.ndarray, sites: list[str]) -> dict[str, Tensor]:
    parts = [
        model.run({"pixel_values": torch.from_numpy(images[rows]).float()}, sites)
        for rows in np.array_split(np.arange(len(images)), -(-len(images) // 100))
    ]
    return {site: torch.cat([p[site].float().cpu() for p in parts]) for site in sites}


def take_away(
    model: Model,
    pictures: Pictures,
    score: np.ndarray,
    mean: Tensor,
    right: np.ndarray,
    share: float,
) -> np.ndarray:
    """Right answers lost with the embedding of this share of the cells, the highest in `score`, set to its mean, (n,)."""
    count = round(share * score.shape[1])
    gone = np.zeros((len(pictures), score.shape[1] + 1), dtype=bool)
    np.put_along_axis(gone, 1 + np.argsort(-score, axis=1, kind="stable")[:, :count], True, axis=1)
    after = logits_of(model, pictures.images, gone, mean).argmax(-1).numpy() == pictures.classes
    return right - after


def probe_rows(
    states: Tensor, pictures: Pictures, most: int = 6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some tokens of every picture with the picture's class: what a probe is trained on."""
    keep = np.linspace(0, states.shape[1] - 1, most).astype(int)
    rows = states[:, keep].reshape(-1, states.shape[-1]).numpy()
    own = states[:, 1:][torch.from_numpy(pictures.object)].numpy()
    each = pictures.object.sum(axis=1)
    y = np.concatenate([np.repeat(pictures.classes, most), np.repeat(pictures.classes, each)])
    groups = np.concatenate([np.repeat(pictures.source, most), np.repeat(pictures.source, each)])
    return np.concatenate([rows, own]), y, groups


def probed(probe: LogisticProbe, states: Tensor, y: np.ndarray) -> np.ndarray:
    scores = probe.decision_function(states.reshape(-1, states.shape[-1]).numpy())
    every = np.full((len(scores), int(max(probe.classes_.max(), y.max())) + 1), scores.min() - 1)
    every[:, probe.classes_] = scores
    return identifiability(every.reshape(*states.shape[:2], -1), y)
