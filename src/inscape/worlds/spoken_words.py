"""Spoken words: speech made by rule, in which every frame's phone, word and voice are known.

    source: harmonics of a pitch, falling with frequency, and noise in a band
    filter: |H(f)| = Π over k of  F_k² / √((F_k² − f²)² + (B_k f)²)          F_k: formants, B_k: bandwidths

A phone has three formants, so much voice and so much noise; stops are silent and then burst.
Formants glide from phone to phone. A voice has a pitch, a length of the vocal tract (which scales
all formants), a tilt, and a tempo. Words of two or three syllables are drawn from a lexicon, common
ones more often, so that a part of a word tells the rest: what is hidden can be foreseen.

It is no recording: there is no prosody beyond a falling pitch, no room, no dialect, and the lexicon
means nothing. What holds is that the phones are the same whoever speaks.

Cost: some 15 ms an utterance of 1.3 s on one core.
Reference: Klatt (1980), Software for a cascade/parallel formant synthesizer, JASA 67; Peterson and
Barney (1952), JASA 24, table II (formants of the vowels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.ndimage import uniform_filter1d

from inscape.core.between import check_between

#: samples a second; samples of a frame (20 ms); control points a frame
RATE, HOP, FINE = 16_000, 320, 4
#: phone → first three formants (Hz), voice, noise, middle and width of the noise (Hz), frames
PHONES: dict[str, tuple[float, ...]] = {
    "i": (270, 2290, 3010, 1.0, 0, 0, 1, 6),
    "ɪ": (390, 1990, 2550, 1.0, 0, 0, 1, 5),
    "ɛ": (530, 1840, 2480, 1.0, 0, 0, 1, 6),
    "æ": (660, 1720, 2410, 1.0, 0, 0, 1, 7),
    "ɑ": (730, 1090, 2440, 1.0, 0, 0, 1, 7),
    "ɔ": (570, 840, 2410, 1.0, 0, 0, 1, 7),
    "ʊ": (440, 1020, 2240, 1.0, 0, 0, 1, 5),
    "u": (300, 870, 2240, 1.0, 0, 0, 1, 6),
    "l": (360, 1100, 2600, 0.6, 0, 0, 1, 4),
    "r": (350, 1200, 1600, 0.6, 0, 0, 1, 4),
    "w": (300, 700, 2200, 0.6, 0, 0, 1, 4),
    "j": (280, 2250, 3000, 0.6, 0, 0, 1, 4),
    "m": (250, 1000, 2200, 0.4, 0, 0, 1, 4),
    "n": (250, 1500, 2500, 0.4, 0, 0, 1, 4),
    "s": (300, 1700, 2600, 0, 0.5, 6000, 1000, 5),
    "ʃ": (300, 1800, 2500, 0, 0.5, 3000, 800, 5),
    "f": (300, 1200, 2400, 0, 0.2, 5000, 2500, 5),
    "z": (300, 1700, 2600, 0.3, 0.3, 6000, 1000, 4),
    "v": (300, 1200, 2400, 0.3, 0.15, 5000, 2500, 4),
    "p": (350, 900, 2300, 0, 0.5, 800, 500, 4),
    "t": (350, 1700, 2600, 0, 0.6, 4500, 1200, 4),
    "k": (350, 1900, 2300, 0, 0.5, 1800, 500, 4),
    "b": (250, 900, 2300, 0.2, 0.3, 800, 500, 3),
    "d": (250, 1700, 2600, 0.2, 0.4, 4500, 1200, 3),
}
#: how each phone is written, one way for each
LETTERS = "ee i e a ah aw u oo l r w y m n s sh f z v p t k b d".split()
VOWELS, STOPS = 8, ("p", "t", "k", "b", "d")
#: bandwidths of the three formants, Hz
BANDWIDTHS = (70.0, 100.0, 150.0)


@dataclass(frozen=True, eq=False)
class Voices:
    """Who speaks.

    Attributes:
        pitch: Hz, (v,).
        tract: what formants are multiplied by, (v,).
        tilt: exponent by which harmonics fall, (v,).
        tempo: what durations are divided by, (v,).
    """

    pitch: Float[np.ndarray, " v"]
    tract: Float[np.ndarray, " v"]
    tilt: Float[np.ndarray, " v"]
    tempo: Float[np.ndarray, " v"]

    def __len__(self) -> int:
        return len(self.pitch)


@dataclass(frozen=True, eq=False)
class Speech:
    """Utterances with their truth.

    Attributes:
        waves: samples at 16 kHz, (n, frames · 320).
        phones: phone of each frame of 20 ms, by its place in `PHONES`, (n, frames).
        words: word of each frame, by its place in the lexicon, (n, frames).
        voices: who speaks, (n,).
    """

    waves: Float32[np.ndarray, "n samples"]
    phones: Int[np.ndarray, "n frames"]
    words: Int[np.ndarray, "n frames"]
    voices: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.waves)


def draw_voices(n: int, *, rng: np.random.Generator) -> Voices:
    """Draw voices: pitches from 80 to 250 Hz, and vocal tracts that are mostly shorter where the
    pitch is higher.
    """
    check_between("draw_voices: n", n, 1)
    height = rng.random(n)
    return Voices(
        pitch=80 * (250 / 80) ** height,
        tract=0.9 + 0.25 * height + rng.uniform(-0.06, 0.06, n),
        tilt=rng.uniform(0.7, 1.3, n),
        tempo=rng.uniform(0.85, 1.2, n),
    )


def draw_lexicon(words: int, *, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw words, all different, each two or three syllables of a consonant and a vowel.

    Args:
        words: how many.
        rng: of the phones.

    Raises:
        ValueError: no word, or more than there are.

    Example:
        >>> [len(w) in (4, 6) for w in draw_lexicon(3, rng=np.random.default_rng(0))]
        [True, True, True]
    """
    syllables = VOWELS * (len(PHONES) - VOWELS)
    check_between("draw_lexicon: words", words, 1, syllables**2 + syllables**3)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < words:
        size = int(rng.integers(2, 4))
        consonants = rng.integers(VOWELS, len(PHONES), size=size)
        vowels = rng.integers(VOWELS, size=size)
        found[tuple(np.stack([consonants, vowels], axis=1).ravel().tolist())] = None
    return list(found)


def written(word: tuple[int, ...]) -> str:
    """A word as it would be spelt if every phone had its letters.

    Example:
        >>> written((list(PHONES).index("ʃ"), 0))
        'shee'
    """
    return "".join(LETTERS[phone] for phone in word)


def spoken_words(
    n: int,
    voices: Voices,
    lexicon: list[tuple[int, ...]],
    *,
    frames: int = 64,
    rng: np.random.Generator,
) -> Speech:
    """Let voices speak, each in turn.

    Args:
        n: utterances.
        voices: who speaks.
        lexicon: words as phones; the k-th is drawn with a weight of 1 / (k + 3).
        frames: of 20 ms each in an utterance; the last word is cut off.
        rng: of words, durations and noise.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> said = spoken_words(2, draw_voices(2, rng=rng), draw_lexicon(5, rng=rng), frames=20, rng=rng)
        >>> said.waves.shape, said.phones.shape
        ((2, 6400), (2, 20))
    """
    odds = 1 / (np.arange(len(lexicon)) + 3)
    table = np.array(list(PHONES.values()))
    stops = np.isin(list(PHONES), STOPS)
    who = np.arange(n) % len(voices)
    waves, phones, words = [], [], []
    for v in who:
        order = rng.choice(len(lexicon), size=frames, p=odds / odds.sum())
        spoken = np.concatenate([lexicon[w] for w in order])
        of_word = np.repeat(order, [len(lexicon[w]) for w in order])
        long = table[spoken, 7] * rng.uniform(0.8, 1.2, len(spoken)) / voices.tempo[v]
        long = np.maximum(np.round(long), 2).astype(np.int64)
        place = np.repeat(np.arange(len(spoken)), long)[:frames]
        phones.append(spoken[place])
        words.append(of_word[place])
        starts = np.cumsum(long) - long
        fine = np.repeat(place, FINE)
        through = (np.arange(len(fine)) / FINE - starts[fine]) / long[fine]
        # a stop is silent at first, and its noise is the burst that follows
        burst = np.where(stops[spoken[fine]], through >= 0.6, True)
        tracks = table[spoken[fine]].T
        tracks[4] *= burst
        one = Voices(*(getattr(voices, f)[[v]] for f in Voices.__dataclass_fields__))
        waves.append(_voiced(tracks, one, rng) + _noise(tracks, rng))
    return Speech(np.stack(waves).astype(np.float32), np.stack(phones), np.stack(words), who)


def _voiced(tracks: np.ndarray, voice: Voices, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of the pitch through the formants, (samples,)."""
    (pitch,), (tract,), (tilt,) = voice.pitch, voice.tract, voice.tilt
    points = tracks.shape[1]
    formants = uniform_filter1d(tracks[:3], 2 * FINE, axis=1) * tract
    loud = uniform_filter1d(tracks[3], FINE)
    falling = np.linspace(1.1, 0.9, points) * rng.uniform(0.95, 1.05)
    hertz = pitch * falling * (1 + 0.01 * np.cumsum(rng.normal(size=points)) / points**0.5)
    count = int(min(4500 // hertz.max(), 45))
    f = np.arange(1, count + 1)[:, None] * hertz  # (harmonics, points)
    high = np.arange(1, count + 1)[:, None] ** -tilt * loud
    for formant, width in zip(formants, BANDWIDTHS, strict=True):
        high = high * formant**2 / np.hypot(formant**2 - f**2, width * f)
    cycles = np.cumsum(_stretched(hertz[None])[0]) / RATE % 1
    angles = 2 * np.pi * np.arange(1, count + 1)[:, None] * cycles
    return 0.03 * (_stretched(high).astype(np.float32) * np.sin(angles.astype(np.float32))).sum(0)


def _stretched(x: np.ndarray) -> np.ndarray:
    """Control points as samples, linearly, (k, points) to (k, samples)."""
    step = HOP // FINE
    after = np.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    share = np.arange(step) / step
    between = x[:, :, None] + (after - x)[:, :, None] * share
    return between.reshape(len(x), -1)


def _noise(tracks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise shaped into each control point's band, with overlapping windows, (samples,)."""
    step, points = HOP // FINE, tracks.shape[1]
    loud, middle, width = tracks[4:7]
    bins = np.fft.rfftfreq(2 * step, 1 / RATE)
    band = loud[:, None] * np.exp(-(((bins - middle[:, None]) / width[:, None]) ** 2) / 2)
    window = np.hanning(2 * step + 1)[:-1]
    pieces = np.fft.irfft(np.fft.rfft(rng.normal(size=(points, 2 * step))) * band) * window
    out = np.zeros((points + 1) * step)
    for half in (0, 1):
        part = pieces[:, half * step : (half + 1) * step].ravel()
        out[half * step : half * step + len(part)] += part
    return 0.1 * out[: points * step] + 1e-4 * rng.normal(size=points * step)
