"""Ours: one call, with everything it does: tokens, plan, pass, and a store on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np
from rounds import serve

from inscape.model.open import open as open_model
from inscape.store.harvest import harvest


def load(folder: str) -> Callable[[list[str]], np.ndarray]:
    """A harvest into a store that is read back, all residual sites at the last token."""
    model = open_model(folder)

    def values(texts: list[str]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as where:
            store = harvest(
                model, texts, "embed, resid_post.*", to=f"{where}/store", progress=False
            )
            return np.stack([x for _, x in store.matrices()], axis=1)

    return values


if __name__ == "__main__":
    serve(load, "inscape")
