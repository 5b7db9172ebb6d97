"""Log-mel spectrograms: sound as networks of speech take it.

    X[t, b] = log( ε + Σ_f M[b, f] |FFT(window · frame t)[f]|² )

M are triangles equally wide on the mel scale. A frame's window is centred on its middle, so that
frame t is of the samples around (t + ½) hop.

Cost: O(samples · log window).
Reference: Davis and Mermelstein (1980), IEEE TASSP 28; O'Shaughnessy (1987) for the scale.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32


def log_mel(
    waves: Float[np.ndarray, "n samples"],
    rate: int,
    *,
    hop: int,
    bands: int = 40,
    window: int = 400,
    floor: float = 1e-6,
) -> Float32[np.ndarray, "n frames bands"]:
    """Log-mel spectrograms of sounds of one length.

    Args:
        waves: samples.
        rate: samples a second.
        hop: samples from frame to frame; what is left at the end is no frame.
        bands: of the mel scale, from 0 to half the rate.
        window: samples of a frame's window, at least `hop`.
        floor: ε.

    Raises:
        ValueError: a window shorter than the hop, or sounds shorter than a hop.

    Example:
        >>> log_mel(np.zeros((2, 1600)), 16_000, hop=320).shape
        (2, 5, 40)
    """
    from transformers.audio_utils import mel_filter_bank

    frames = waves.shape[1] // hop
    if window < hop or not frames:
        raise ValueError(
            f"log_mel: needs a window of at least the hop and a sound of at least one hop, got "
            f"window {window}, hop {hop} and {waves.shape[1]} samples"
        )
    size = 1 << (window - 1).bit_length()
    before = (window - hop) // 2
    padded = np.pad(waves, ((0, 0), (before, window)))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)
    pieces = pieces[:, : frames * hop : hop]
    filters = mel_filter_bank(size // 2 + 1, bands, 0.0, rate / 2, rate)
    shape = np.hanning(window + 1)[:-1]
    out = np.empty((len(waves), frames, bands), dtype=np.float32)
    for i, own in enumerate(pieces):  # one sound at a time: spectra take more room than sounds
        power = np.abs(np.fft.rfft(own * shape, size)) ** 2
        out[i] = np.log(power @ filters + floor)
    return out
