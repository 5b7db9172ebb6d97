"""Cluttered digits: a digit somewhere among pieces of other digits, and a small vision transformer
that names it.

A picture is a grid of cells of 4 × 4 pixels, which are the transformer's patches. A digit of 8 × 8
pixels takes four cells of its own; some of the others hold a quarter of some other digit each, the
rest are empty. Which cells are the object is known, so is the class, and a quarter of a digit alone
says little: what must then hold is that the class is read off the object's tokens after they have
looked at each other, and that taking those tokens away takes the answer away.

The digits are scikit-learn's (1,797 of 8 × 8, Alpaydin and Kaynak 1998). Training digits come
before the others in the file, whose writers are not those of the rest.

Cost: a second for a hundred steps of a small network on one core, some minutes for a good one.
Reference: cluttered MNIST, Mnih et al. (2014), arXiv:1406.6247, §4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.datasets import load_digits
from torch.nn import functional as F
from transformers import ViTConfig, ViTForImageClassification

from inscape.core.between import check_between
from inscape.core.errors import DataError
from inscape.core.rng import child_seed, generator
from inscape.model.model import Model
from inscape.model.open import open

#: pixels along a cell, cells along a picture, training digits
CELL, GRID, KNOWN = 4, 6, 1297
#: cells with a piece of another digit
CLUTTER = 8


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with their truth.

    Attributes:
        images: (n, 1, side, side), between 0 and 1.
        classes: digit of each.
        object: which cells are the digit's, row by row, (n, cells).
        source: which of scikit-learn's digits it is.
    """

    images: Float[np.ndarray, "n c h w"]
    classes: Int[np.ndarray, " n"]
    object: Bool[np.ndarray, "n cells"]
    source: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: Int[np.ndarray, " m"]) -> Pictures:
        """Some of the pictures."""
        return Pictures(
            *(getattr(self, f)[rows] for f in ("images", "classes", "object", "source"))
        )

    @classmethod
    def from_file(cls, path: str) -> Pictures:
        """Pictures of one's own.

        Args:
            path: an .npz of images, classes, object and, optionally, source.

        Raises:
            DataError: it cannot be read as such.
        """
        try:
            with np.load(path) as found:
                source = found["source"] if "source" in found else np.arange(len(found["classes"]))
                return cls(*(found[name] for name in ("images", "classes", "object")), source)
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{path} cannot be read as pictures ({error}): an .npz is needed with images, "
                "classes, object."
            ) from error


@dataclass(frozen=True, eq=False)
class ClutteredDigits:
    """A network and pictures that it was not trained on.

    Attributes:
        model: the trained vision transformer, opened and certified.
        train: pictures of training digits.
        test: pictures of the other digits.
        accuracy: on the latter.
    """

    model: Model
    train: Pictures
    test: Pictures
    accuracy: float


def pictures(n: int, known: bool, *, clutter: int = CLUTTER, rng: np.random.Generator) -> Pictures:
    """Draw pictures.

    Args:
        n: how many.
        known: of training digits, or of the others.
        clutter: cells with a piece of another digit.
        rng: the generator.

    Raises:
        ValueError: no picture, or more clutter than free cells.
    """
    check_between("pictures: n", n, 1)
    check_between("pictures: clutter", clutter, 0, GRID * GRID - 4)
    digits, names = _digits()
    pool = np.arange(KNOWN) if known else np.arange(KNOWN, len(digits))
    quarters = _cells(digits[pool, None]).reshape(-1, CELL, CELL)
    source = pool[rng.integers(len(pool), size=n)]
    top, left = rng.integers(GRID - 1, size=(2, n))
    own = ((top * GRID + left)[:, None] + np.array([0, 1, GRID, GRID + 1])).astype(np.int64)
    rows = np.arange(n)[:, None]
    cells = np.zeros((n, GRID * GRID, CELL, CELL), dtype=np.float32)
    order = rng.random((n, GRID * GRID))
    order[rows, own] = 2.0  # never under a piece of clutter
    where = np.argsort(order, axis=1)[:, :clutter]
    cells[rows, where] = quarters[rng.integers(len(quarters), size=(n, clutter))]
    cells[rows, own] = _cells(digits[source, None])
    mask = np.zeros((n, GRID * GRID), dtype=bool)
    mask[rows, own] = True
    return Pictures(_whole(cells), names[source], mask, source)


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits, (1797, 8, 8) between 0 and 1, and what they are."""
    values, names = load_digits(return_X_y=True)
    return (values.reshape(-1, 8, 8) / 16).astype(np.float32), names.astype(np.int64)


def _cells(images: np.ndarray) -> np.ndarray:
    """(n, 1, h, w) as (n, cells, 4, 4), row by row."""
    n, _, h, w = images.shape
    parts = images.reshape(n, h // CELL, CELL, w // CELL, CELL)
    return parts.transpose(0, 1, 3, 2, 4).reshape(n, -1, CELL, CELL)


def _whole(cells: np.ndarray) -> np.ndarray:
    n, side = len(cells), round(cells.shape[1] ** 0.5)
    parts = cells.reshape(n, side, side, CELL, CELL).transpose(0, 1, 3, 2, 4)
    return parts.reshape(n, 1, side * CELL, side * CELL)


def permuted_cells(
    images: Float[np.ndarray, "n c h w"], *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures whose cells are mixed, and where each cell's content came from, (n, cells)."""
    cells = _cells(images)
    order = np.argsort(rng.random(cells.shape[:2]), axis=1)
    return _whole(np.take_along_axis(cells, order[:, :, None, None], axis=1)), order


def cluttered_digits(
    blocks: int = 6,
    width: int = 64,
    *,
    steps: int = 1000,
    batch: int = 64,
    images: int = 600,
    clutter: int = CLUTTER,
    rate: float = 3e-3,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> ClutteredDigits:
    """Train a vision transformer; every step sees new pictures of the training digits.

    Args:
        blocks: of the network.
        width: of its residual stream.
        steps: of training.
        batch: pictures a step.
        images: held-out pictures, and as many of training digits.
        clutter: cells with a piece of another digit.
        rate: highest rate of learning.
        seed: of the pictures, the initial weights and the order of training.
        progress: called after each step.
    """
    config = ViTConfig(
        image_size=GRID * CELL,
        patch_size=CELL,
        num_channels=1,
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=4,
        intermediate_size=2 * width,
        num_labels=10,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,  # transformers' 0.02 is for widths of hundreds
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "cluttered digits", "weights"))
        net = ViTForImageClassification(config)
    net.set_attn_implementation("eager")  # faster than the fused kernels on so few tokens
    rng = generator(seed, "cluttered digits", "training")
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        shown = pictures(batch, True, clutter=clutter, rng=rng)
        logits = net(pixel_values=torch.from_numpy(shown.images)).logits
        loss = F.cross_entropy(logits, torch.from_numpy(shown.classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress()
    model = open(net.eval(), name=f"cluttered digits, seed {seed}")
    train = pictures(
        images, True, clutter=clutter, rng=generator(seed, "cluttered digits", "train")
    )
    test = pictures(images, False, clutter=clutter, rng=generator(seed, "cluttered digits", "test"))
    found = model.run({"pixel_values": torch.from_numpy(test.images)}, logits=True).logits
    assert found is not None
    return ClutteredDigits(
        model, train, test, float((found.argmax(-1).cpu().numpy() == test.classes).mean())
    )
