"""Sounds of several lengths as what a harvest feeds in: only those of one length share a pass.

A sound is computed without padding, so its vectors are those that it gives alone, whatever the
network's norms read (`inscape.model.sound`). Where the sounds are files, they are decoded when they
are asked for: once to be hashed and measured, once to be computed.

Cost: two decodings a file; as many passes as there are lengths, at least.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from inscape.core.batch import Batch
from inscape.core.errors import DataError
from inscape.model.sound import frames
from inscape.store.array_inputs import kept_positions
from inscape.store.inputs import Inputs, numbered


class SoundInputs(Inputs):
    """Sounds as examples; see `inscape.store.inputs.Inputs`.

    Args:
        model: reads raw sound; see `inscape.model.sound.reads_samples`.
        sounds: arrays (samples,), or what gives such an array for a number.
        at: as `inscape.store.array_inputs.ArrayInputs` takes it.
        table: what travels beside the vectors; numbers by default.
        data: its fingerprint; by default that of the sounds.

    Raises:
        DataError: another `at`, or a sound that is too short for one frame or has several channels.
    """

    text = False

    def __init__(
        self,
        model: Any,
        sounds: Sequence[np.ndarray],
        at: str,
        table: pd.DataFrame | None = None,
        data: str = "",
    ):
        self.sounds = sounds
        self.reduce = "mean" if at in ("mean", "mean-all") else "none"
        self.samples, self._contents = _measured(sounds)
        self.lengths = frames(model, torch.from_numpy(self.samples)).numpy()
        if (short := np.flatnonzero(self.lengths < 1)).size:
            first = int(short[0])
            raise DataError(
                f"sound {first + 1} has {self.samples[first]} samples, too few for one position of "
                f"{model.name}; leave it out."
            )
        self._kept = {n: kept_positions(at, n) for n in np.unique(self.lengths).tolist()}
        counts = np.array([len(self._kept[n]) for n in self.lengths.tolist()], dtype=np.int64)
        self.rows = np.ones_like(counts) if self.reduce == "mean" else counts
        self.table = numbered(len(sounds)) if table is None else table
        self.data = data or hashlib.sha256(self._contents).hexdigest()
        self.example_bytes = 4 * int(self.samples.max())

    def positions(self, i: int) -> np.ndarray:
        return self._kept[int(self.lengths[i])]

    def ids(self, i: int) -> np.ndarray:
        return np.full(len(self.kept(i)), -1, dtype=np.int64)  # there are no tokens

    def key(self, i: int) -> bytes:
        return self._contents[i].tobytes() + self.positions(i).astype("<i8").tobytes()

    def kinds(self, members: np.ndarray) -> np.ndarray:
        return self.samples[members]

    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        found = np.stack([_mono(self.sounds[int(i)], int(i)) for i in members])
        return model.batch(torch.from_numpy(found).to(model.dtype))

    def cut(self, members: np.ndarray) -> Inputs:
        part = copy.copy(self)
        part.sounds = [_mono(self.sounds[int(i)], int(i)) for i in members]
        part.samples, part._contents = self.samples[members], self._contents[members]
        part.lengths, part.rows = self.lengths[members], self.rows[members]
        part.table = self.table.iloc[members]
        return part


def _measured(sounds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Samples of each sound, (n,), and its SHA-256, (n, 32) uint8."""
    samples = np.empty(len(sounds), dtype=np.int64)
    hashes = np.empty((len(sounds), 32), dtype=np.uint8)
    for i in range(len(sounds)):
        x = _mono(sounds[i], i)
        samples[i] = len(x)
        hashes[i] = np.frombuffer(hashlib.sha256(x).digest(), dtype=np.uint8)
    return samples, hashes


def _mono(x: Any, i: int) -> np.ndarray:
    found = np.ascontiguousarray(np.asarray(x), dtype=np.float32)
    if found.ndim != 1 or not len(found):
        raise DataError(
            f"sound {i + 1} has shape {found.shape}, and a network that reads samples is fed one "
            "channel (samples,); mix the channels, or leave it out."
        )
    return found
