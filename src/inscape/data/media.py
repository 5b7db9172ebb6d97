"""Images and sounds in files: a folder of them as a table, and their decoding, one at a time.

    faces/anna/1.png  faces/anna/2.png  faces/bela/1.png      columns file, label (anna, bela), group (the file)

The label is the sub-folder that a file lies in, if files lie in sub-folders; the group is the file
itself, which says that no two rows are known to belong together: name another column where they do
(speaker, patient, site).

Images need Pillow (``pip install 'inscape[vision]'``); sounds are WAV, integer or float, and are
mixed down to one channel. Cost: one decoding per reading; nothing is held.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from inscape.core.errors import DataError
from inscape.core.foreign import foreign

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
SOUNDS = frozenset({".wav"})
_FILE = "file"
#: pixels of the largest picture that is decoded: half a gigabyte in RGB
PIXELS = 178_956_970
#: bytes of the largest sound file: an hour and a half of CD quality
SOUND_BYTES = 10**9
#: samples of the longest sound at the rate that is asked for: an hour and three quarters of 16 kHz
SAMPLES = 10**8
_CHUNKS = 1000  # of a sound file
#: samples a second that a sound file may have
RATES = (100, 10**6)


def read_folder(folder: Path) -> pd.DataFrame | None:
    """The media of a folder and its sub-folders as a table, sorted by path; None if it holds none.

    Raises:
        DataError: images and sounds are mixed, or lie both beside and in sub-folders.
    """
    files = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in IMAGES | SOUNDS and p.is_file()
    )
    if not files:
        return None
    if len({p.suffix.lower() in IMAGES for p in files}) > 1:
        raise DataError(f"{folder} holds images and sounds; name a folder of one of the two.")
    inside = [p.relative_to(folder) for p in files]
    table = pd.DataFrame({_FILE: [str(p) for p in files], "group": [p.as_posix() for p in inside]})
    if len({len(p.parts) > 1 for p in inside}) > 1:
        alone = next(p for p in inside if len(p.parts) == 1)
        raise DataError(
            f"{folder} holds files beside its sub-folders, such as {alone}, and sub-folders are "
            "the labels; move them."
        )
    if len(inside[0].parts) > 1:
        table["label"] = [p.parts[0] for p in inside]
    return table


def image(path: str | Path) -> Any:
    """An image in RGB, as Pillow has it.

    Raises:
        DataError: it cannot be read, or Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise DataError(
            "images need Pillow; install it with: pip install 'inscape[vision]'."
        ) from None
    with (
        foreign(DataError, f"{path} cannot be read as an image", "repair it or leave it out"),
        warnings.catch_warnings(),
    ):
        # of pictures that are large, which is refused here, and of tags that are damaged
        warnings.simplefilter("ignore")
        with Image.open(path) as found:
            _check_pixels(path, *found.size)
            # a photograph says by a tag which way up it was taken
            return ImageOps.exif_transpose(found).convert("RGB")


def _check_pixels(path: str | Path, width: int, height: int) -> None:
    """Refuse a picture that would not fit in memory, before it is decoded."""
    if width * height > PIXELS:
        raise DataError(
            f"{path} has {width:,} × {height:,} pixels, and at most {PIXELS:,} are decoded; make "
            "it smaller."
        )


def sound(path: str | Path, rate: int) -> Float32[np.ndarray, " samples"]:
    """A sound as one channel between −1 and 1, at a rate in hertz (resampled by a polyphase filter
    where it differs).

    Raises:
        DataError: it cannot be read, or is empty.
    """
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    cure = "convert it to WAV or leave it out"
    with foreign(DataError, f"{path} cannot be read as WAV", cure):
        if Path(path).stat().st_size > SOUND_BYTES:
            raise DataError(f"{path} has more than {SOUND_BYTES:,} bytes of sound; cut it.")
        _check_chunks(Path(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks that are not sound
            own, x = wavfile.read(path)
    if not x.size:
        raise DataError(f"{path} holds no sound; leave it out.")
    if not RATES[0] <= own <= RATES[1]:
        raise DataError(
            f"{path} says that it has {own:,} samples a second, not {RATES[0]:,} to {RATES[1]:,}; "
            f"{cure}."
        )
    if len(x) * rate // own > SAMPLES:
        raise DataError(
            f"{path} has {len(x) * rate // own:,} samples at {rate:,} a second, and at most "
            f"{SAMPLES:,} are read; cut it."
        )
    if x.dtype == np.uint8:
        x = (x.astype(np.float64) - 128) / 128
    elif x.dtype.kind == "i":
        x = x.astype(np.float64) / -float(np.iinfo(x.dtype).min)
    mono = x.mean(axis=1) if x.ndim == 2 else x
    if not np.isfinite(mono).all():
        raise DataError(f"{path} holds samples that are not finite; {cure}.")
    if own != rate:
        step = int(np.gcd(own, rate))
        mono = resample_poly(mono.astype(np.float64), rate // step, own // step)
    return np.ascontiguousarray(mono, dtype=np.float32)


def _check_chunks(path: Path) -> None:
    """Refuse a WAV file whose chunks say that they are longer than the file: memory is taken for
    what they say.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        kind = file.read(12)[:4]
        if kind not in (b"RIFF", b"RIFX", b"RF64"):
            raise ValueError("it does not begin as WAV does")
        count = 0
        while len(head := file.read(8)) == 8:
            count += 1
            if count > _CHUNKS:  # of no bytes each, they would be walked through for minutes
                raise ValueError(f"it has more than {_CHUNKS:,} chunks")
            length = int.from_bytes(head[4:], "big" if kind == b"RIFX" else "little")
            # a pad byte at the end is often left out
            if file.tell() + length > size and not (kind == b"RF64" and length == 0xFFFFFFFF):
                raise ValueError(f"a chunk of {length:,} bytes does not fit in the file")
            file.seek(length + length % 2, 1)


class Decoded:
    """Files as an array whose first axis is the file, read when they are asked for.

    Args:
        files: their paths.
        read: one file as an array; all of one shape.

    Raises:
        DataError: a file has another shape than the first.
    """

    def __init__(self, files: Sequence[str], read: Callable[[str], np.ndarray]):
        self._files, self._read = list(files), read
        first = read(self._files[0])
        self.dtype, self.shape = first.dtype, (len(self._files), *first.shape)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        chosen = np.arange(len(self))[which]
        return np.stack([self._one(self._files[i]) for i in chosen])

    def _one(self, file: str) -> np.ndarray:
        x = self._read(file)
        if x.shape != self.shape[1:]:
            raise DataError(
                f"{file} gives an array of shape {x.shape}, and {self._files[0]} one of "
                f"{self.shape[1:]}; a network without "
                "a fixed length is fed files of one length: cut them, or harvest each length apart."
            )
        return x
