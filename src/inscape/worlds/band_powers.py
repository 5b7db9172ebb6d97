"""Band powers of a simulated electroencephalogram (EEG) of people who read, with a known answer.

    log power (channel, band) = pink + offset + gain · signal · (z B  if the band is planted) + noise

z is what a sentence says, some numbers of standard deviation 1. The bands that carry it are known.
Each subject has a gain, and an offset at each channel; power falls from band to band as in pink
noise, and neighbouring channels share half of the noise. Features are log powers, as EEG of reading
is published. No brain is measured: this tests methods.

Cost: sentences × channels × bands.
Reference: Hollenstein et al. (2018), ZuCo, Scientific Data 5:180291, for such features of people
who read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from inscape.core.between import check_between

BANDS = ("theta 1", "theta 2", "alpha 1", "alpha 2", "beta 1", "beta 2", "gamma 1", "gamma 2")


@dataclass(frozen=True, eq=False)
class Reader:
    """A simulated laboratory: how sentences show in band powers, and who reads.

    Attributes:
        maps: what a sentence says → log powers; zero outside planted bands,
            (features, channels, bands).
        gains: of each subject, (subjects,).
        offsets: of each subject and channel, (subjects, channels).
    """

    maps: Float64[np.ndarray, "features channels bands"]
    gains: Float64[np.ndarray, " subjects"]
    offsets: Float64[np.ndarray, "subjects channels"]

    def read(
        self, said: Float64[np.ndarray, "n features"], signal: float, *, rng: np.random.Generator
    ) -> tuple[Float64[np.ndarray, "n channels bands"], Int[np.ndarray, " n"]]:
        """Log powers while each sentence is read, and by whom.

        Args:
            said: what the sentences say, of standard deviation 1.
            signal: standard deviation of what a planted band carries at a channel, in that of its
                noise; 0 for noise alone.
            rng: of who reads, and of the noise.
        """
        n, (_, channels, bands) = len(said), self.maps.shape
        who = rng.integers(len(self.gains), size=n)
        carried = np.einsum("nf,fcb->ncb", said, self.maps) * self.gains[who][:, None, None]
        own = rng.normal(size=(n, channels + 1, bands))
        noise = (own[:, 1:] + own[:, :-1]) / np.sqrt(2)
        pink = -np.log(np.arange(bands) + 1.0)
        return pink + self.offsets[who][..., None] + signal * carried + noise, who


def band_powers(
    features: int,
    planted: tuple[int, ...],
    *,
    channels: int = 16,
    subjects: int = 12,
    rng: np.random.Generator,
) -> Reader:
    """Draw a laboratory.

    Args:
        features: of what a sentence says.
        planted: numbers of the bands that carry it, of `BANDS`.
        channels: of the measurement.
        subjects: who read.
        rng: of the maps and the subjects.

    Raises:
        ValueError: no feature, channel or subject; a band that there is not.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> power, who = band_powers(3, (2, 5), rng=rng).read(rng.normal(size=(9, 3)), 1.0, rng=rng)
        >>> power.shape, who.shape
        ((9, 16, 8), (9,))
    """
    check_between("band_powers: features", features, 1)
    check_between("band_powers: subjects", subjects, 1)
    check_between("band_powers: channels", channels, 1)
    if not set(planted) <= set(range(len(BANDS))):
        raise ValueError(f"band_powers: planted bands are 0 to {len(BANDS) - 1}, got {planted}")
    maps = rng.normal(size=(features, channels, len(BANDS))) / np.sqrt(features)
    maps *= np.isin(np.arange(len(BANDS)), planted)
    gains = np.exp(0.3 * rng.normal(size=subjects))
    return Reader(maps, gains, rng.normal(size=(subjects, channels)))
