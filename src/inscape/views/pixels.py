"""Arrays as small PNG pictures inside a page: numbers in blue for more and orange for less than
nothing, or as colours.

PNG is written here by the standard library alone (filter 0, one zlib stream), so a page needs no
picture file and no imaging package.

Cost: one compression of the pixels.
Reference: Portable Network Graphics, ISO/IEC 15948:2004.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8

from inscape.views.colours import LESS, MORE, OPAQUE


def png(pixels: UInt8[np.ndarray, "h w c"]) -> bytes:
    """A PNG file of 8-bit pixels, three channels (RGB) or four (RGBA).

    Raises:
        ValueError: another number of channels, or no pixels.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise ValueError(f"png: pixels must be (height, width, 3 or 4), got {pixels.shape}")
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    lines = np.zeros(
        (height, 1 + width * channels), dtype=np.uint8
    )  # each begins with its filter, 0
    lines[:, 1:] = pixels.reshape(height, -1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def address(pixels: UInt8[np.ndarray, "h w c"]) -> str:
    """The picture as a ``data:`` address, which is a picture in itself."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def coloured(
    values: Float[np.ndarray, "h w"], most: float | None = None, opaque: float = OPAQUE
) -> np.ndarray:
    """Numbers as pixels, transparent at zero and where there is none (NaN).

    Args:
        values: the numbers.
        most: what is coloured fully; the largest of all by default.
        opaque: how far the strongest colour hides what is below it, 0 to 1.

    Returns:
        (h, w, 4) of 8 bits.
    """
    full = most or float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    share = np.clip(np.nan_to_num(values / full), -1, 1)
    pixels = np.where(share[..., None] >= 0, np.array(MORE), np.array(LESS))
    alpha = np.abs(share)[..., None] * 255 * opaque
    return np.concatenate([pixels, alpha], axis=-1).round().astype(np.uint8)
