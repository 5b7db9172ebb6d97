"""Files of images or sound as what a harvest feeds in: each is decoded and prepared as the model's
own preprocessor says.

Files are read a batch at a time and never held: once to be hashed as they reach the network, once
to be computed. Cost: two decodings and one more reading a file; memory of a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.errors import DataError
from inscape.data import media
from inscape.data.examples import Examples
from inscape.store.array_inputs import ArrayInputs
from inscape.store.inputs import described


class MediaInputs(ArrayInputs):
    """Files of a table as examples; see `inscape.store.inputs.Inputs`.

    Args:
        examples: the table; its input column holds paths.
        files: the same files, prepared.
        at, positions: as `ArrayInputs` takes them.
    """

    def __init__(self, examples: Examples, files: media.Decoded, at: str, positions: int = 1):
        super().__init__(files, at, positions)  # type: ignore[arg-type]
        self.table, self.data = described_files(examples)


def described_files(examples: Examples) -> tuple[pd.DataFrame, str]:
    """What travels beside the vectors of a table of files, and a fingerprint of table and files."""
    table, data = described(examples)
    # the files themselves: two networks prepare the same pictures in two ways
    return table, f"{data} {_contents(examples.texts())}"


def _contents(files: Sequence[str]) -> str:
    """SHA-256 of the files' bytes, in order."""
    found = hashlib.sha256()
    for name in files:
        with open(name, "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def prepared(model: Any, examples: Examples) -> media.Decoded:
    """The files of a table as the network is fed them, an array whose first axis is the file.

    Raises:
        DataError: as `decoding` raises it, or the files give arrays of different shapes.
    """
    return media.Decoded(examples.texts(), decoding(model, examples))


class DecodedSounds(Sequence[np.ndarray]):
    """Sound files, each decoded when it is asked for.

    Args:
        files: their paths.
        read: one file as an array (samples,).
    """

    def __init__(self, files: Sequence[str], read: Callable[[str], np.ndarray]):
        self._files, self._read = list(files), read

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, i: Any) -> Any:
        return self._read(self._files[i])


def decoding(model: Any, examples: Examples) -> Callable[[str], np.ndarray]:
    """How a file of a table becomes what the network is fed.

    Raises:
        DataError: they are no files of images or sound, one cannot be read, or the model does not
            say how they are prepared.
    """
    files = examples.texts()
    suffixes = {f".{name.rpartition('.')[2]}".lower() for name in files}
    pictures = suffixes <= media.IMAGES
    if not pictures and not suffixes <= media.SOUNDS:
        raise DataError(
            f"{model.name} does not read text: give a folder of images or sound, an array whose "
            "first axis is the example, or a dictionary of them by the names of its inputs."
        )
    processor = getattr(model, "processor", None)
    if processor is None:
        raise DataError(
            f"{model.name} comes without a preprocessor_config.json, which says how its "
            f"{'images' if pictures else 'sounds'} are prepared; open it with processor=…, or give "
            "arrays."
        )
    if pictures != hasattr(processor, "image_mean"):
        raise DataError(
            f"{model.name} is fed {'sound' if pictures else 'images'}, and {files[0]} is none."
        )

    def read(file: str) -> np.ndarray:
        if pictures:
            made = processor(media.image(file), return_tensors="np")
        else:
            rate = int(processor.sampling_rate)
            made = processor(media.sound(file, rate), sampling_rate=rate, return_tensors="np")
        return np.asarray(made[processor.model_input_names[0]][0])

    return read
