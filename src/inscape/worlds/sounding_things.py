"""Sounding things: sixty-four things that can be heard, each with its name and a recipe for its
sound.

    sound = envelope(t) · (tone · Σ_k k^(−tilt) sin(2π k^stretch ∫ f) + noise in a band)

A recipe says where a pitch begins and ends and how often it goes there and back, how many partials
it has, how much tone and noise there are, and how often something strikes, how regularly, and how
fast it dies away. No two variants of a thing are equal: pitch, band, rate and decay differ by a
fifth or so. What a thing sounds like is written down in `THINGS`; a text that knows nothing of
sound knows nothing of it.

They are sketches, not recordings: a name that fits its recipe only loosely makes any reader look
worse. For claims about the world take recordings.

Cost: some 5 ms a sound of 1.3 s on one core.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float32, Float64, Int

from inscape.core.between import check_between

#: samples a second, samples of a sound (64 frames of 20 ms)
RATE, LENGTH = 16_000, 20_480
Real = float | int


@dataclass(frozen=True)
class Recipe:
    """How a thing sounds.

    Attributes:
        start, end: pitch at the beginning and at the end of its way, Hz.
        glide: ways there and back a second; 0 for one way during each stroke.
        partials: how many.
        stretch: exponent of partials, 1 for harmonics, above 1 for bars and bells.
        tilt: exponent by which partials fall.
        tone, noise: loudness.
        middle, width: of the noise's band, Hz.
        rate: strokes a second; 0 for one sound that is held.
        decay: seconds in which a stroke falls to a third.
        regular: whether strokes come in equal steps, 0 or 1.
    """

    start: Real = 440
    end: Real = 440
    glide: Real = 0
    partials: int = 1
    stretch: Real = 1
    tilt: Real = 1
    tone: Real = 0
    noise: Real = 0
    middle: Real = 1000
    width: Real = 500
    rate: Real = 0
    decay: Real = 1
    regular: Real = 1


def _held(start: Real, partials: int, tilt: Real = 1.0, **more: Real) -> Recipe:
    return replace(Recipe(start, start, partials=partials, tilt=tilt, tone=1), **more)


def _calls(start: Real, end: Real, rate: Real, decay: Real, **more: Real) -> Recipe:
    return replace(Recipe(start, end, tone=1, rate=rate, decay=decay, tilt=1.2), **more)


def _struck(start: Real, rate: Real, decay: Real, partials: int = 5, **more: Real) -> Recipe:
    made = Recipe(start, start, partials=partials, tone=1, rate=rate, decay=decay)
    return replace(made, **more)


def _hiss(middle: Real, width: Real, **more: Real) -> Recipe:
    return replace(Recipe(noise=1, middle=middle, width=width), **more)


#: name → its sound
THINGS: dict[str, Recipe] = {
    "police siren": _held(600, 6, 1.2, end=1300, glide=0.8),
    "ambulance siren": _held(650, 6, 1.2, end=950, glide=2.0),
    "fire alarm": _held(2800, 3, rate=3, decay=0.25),
    "smoke detector": _held(3200, 2, rate=2, decay=0.08),
    "alarm clock": _held(2000, 3, rate=5, decay=0.06),
    "telephone": _held(1300, 3, end=1600, glide=16, rate=1, decay=0.6),
    "foghorn": _held(110, 14, 0.8),
    "car horn": _held(400, 14, 0.6),
    "train horn": _held(300, 12, 0.7, noise=0.1),
    "trumpet": _held(460, 12, 0.7),
    "trombone": _held(200, 12, 0.8),
    "flute": _held(800, 3, 2.0, noise=0.05, middle=2500, width=1500),
    "violin": _held(620, 12, 1.0, end=640, glide=6),
    "cello": _held(170, 12, 1.1, end=176, glide=5),
    "pipe organ": _held(220, 9, 0.5),
    "referee whistle": _held(2500, 2, end=2900, glide=25, noise=0.1, middle=4000),
    "tea kettle": _held(1600, 2, end=2500, noise=0.3, middle=5000, width=2000),
    "canary": _calls(3800, 5500, 7, 0.06),
    "sparrow": _calls(4500, 3500, 4, 0.07, regular=0),
    "owl": _calls(420, 340, 1.3, 0.3, partials=2),
    "cuckoo": _calls(720, 560, 1.6, 0.3, partials=2),
    "crow": _calls(520, 440, 2, 0.2, partials=14, noise=0.4, middle=1500),
    "rooster": _calls(500, 900, 1, 0.6, partials=12),
    "duck": _calls(320, 260, 3, 0.13, partials=16, tilt=0.5),
    "dog": _calls(520, 300, 2.5, 0.1, partials=10, noise=0.3),
    "wolf": _calls(350, 600, 0.8, 0.9, partials=4),
    "cat": _calls(620, 420, 1.1, 0.4, partials=9),
    "cow": _calls(160, 120, 0.8, 0.7, partials=14),
    "sheep": _calls(360, 340, 9, 0.1, partials=14, tilt=0.8),
    "lion": _calls(100, 70, 0.8, 0.6, partials=12, noise=0.6, middle=400),
    "frog": _calls(260, 230, 6, 0.06, partials=8),
    "cricket": _calls(4500, 4500, 16, 0.02),
    "bee": _held(210, 14, 0.8, end=230, glide=3),
    "mosquito": _held(600, 10, 0.9, end=640, glide=1),
    "church bell": _struck(280, 0.9, 0.9, 9, stretch=1.3),
    "bicycle bell": _struck(2400, 3, 0.2, 4, stretch=1.3),
    "doorbell": _struck(650, 1.6, 0.4, 3, end=520),
    "wind chimes": _struck(2000, 5, 0.3, 3, stretch=1.4, regular=0),
    "gong": _struck(110, 0.8, 1.2, 14, stretch=1.25, tilt=0.5),
    "xylophone": _struck(1000, 4, 0.09, 3, stretch=1.6),
    "piano": _struck(262, 2, 0.5, 9),
    "guitar": _struck(196, 2.5, 0.35, 10),
    "bass drum": _struck(60, 2, 0.14, 3, stretch=1.3, noise=0.2, middle=120),
    "snare drum": _struck(180, 4, 0.07, 3, stretch=1.3, noise=1, middle=3500, width=2500),
    "cymbal": _hiss(7000, 2500, rate=1.2, decay=0.5),
    "maracas": _hiss(7000, 1500, rate=6, decay=0.04),
    "wood block": _struck(900, 3, 0.03, 3, stretch=1.5),
    "hammer": _struck(1300, 1.6, 0.05, 8, stretch=1.4, noise=0.6, middle=3000),
    "clock": _hiss(3000, 1200, rate=2, decay=0.012),
    "typewriter": _hiss(2500, 1500, rate=8, decay=0.015, regular=0),
    "woodpecker": _hiss(1200, 500, rate=17, decay=0.015),
    "footsteps": _hiss(350, 250, rate=2, decay=0.06),
    "rain": _hiss(5000, 2500, rate=60, decay=0.02, regular=0),
    "waterfall": _hiss(2500, 2500),
    "ocean waves": _hiss(900, 900, rate=0.8, decay=0.7),
    "wind": _hiss(420, 250),
    "thunder": _hiss(90, 80, rate=0.8, decay=0.8),
    "campfire": _hiss(3500, 2500, rate=22, decay=0.006, regular=0),
    "car engine": _held(55, 20, 0.6, noise=0.2, middle=300, width=200),
    "motorcycle": _held(95, 20, 0.5, noise=0.3, middle=500, width=300),
    "airplane": _held(130, 6, noise=1, middle=700, width=500),
    "helicopter": _hiss(300, 250, rate=12, decay=0.04),
    "chainsaw": _held(170, 20, 0.4, noise=0.5, middle=2500, width=1500),
    "vacuum cleaner": _held(320, 5, noise=1, middle=2000, width=1500),
}


@dataclass(frozen=True, eq=False)
class Sounds:
    """Sounds with their truth.

    Attributes:
        waves: samples at 16 kHz, (n, 20480).
        things: which of `THINGS`, by its place, (n,).
    """

    waves: Float32[np.ndarray, "n samples"]
    things: Int[np.ndarray, " n"]


def sounds(each: int, *, things: int = 0, rng: np.random.Generator) -> Sounds:
    """Draw variants of things, thing by thing.

    Args:
        each: variants of a thing.
        things: how many of `THINGS`, from the first on; 0 for all.
        rng: of the variants.

    Raises:
        ValueError: no variant, or more things than there are.

    Example:
        >>> made = sounds(2, things=3, rng=np.random.default_rng(0))
        >>> made.waves.shape, made.things.tolist()
        ((6, 20480), [0, 0, 1, 1, 2, 2])
    """
    check_between("sounds: each", each, 1)
    check_between("sounds: things", things, 0, len(THINGS))
    recipes = list(THINGS.values())[: things or None]
    waves = [_wave(_varied(r, rng), rng) for r in recipes for _ in range(each)]
    return Sounds(np.stack(waves).astype(np.float32), np.repeat(np.arange(len(recipes)), each))


def attributes() -> Float64[np.ndarray, "things a"]:
    """The recipes as numbers, standardised: all that there is to know of how things sound."""
    raw = np.array([[getattr(r, f.name) for f in fields(Recipe)] for r in THINGS.values()])
    quiet = raw[:, 6] == 0  # a pitch that is not heard says nothing, nor does a band
    logs = np.log(raw[:, [0, 1, 8, 9, 11]])
    logs[quiet, :2] = logs[~quiet, :2].mean(axis=0)
    still = raw[:, 7] == 0
    logs[still, 2:4] = logs[~still, 2:4].mean(axis=0)
    x = np.column_stack([logs, np.log1p(raw[:, [2, 3, 10]]), raw[:, [4, 5, 6, 7, 12]]])
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _varied(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    pitch, band, rate, decay = np.exp(rng.uniform(-0.2, 0.2, 4))
    return replace(
        recipe,
        start=recipe.start * pitch,
        end=recipe.end * pitch,
        middle=recipe.middle * band,
        width=recipe.width * band,
        rate=recipe.rate * rate,
        decay=recipe.decay * decay,
        tilt=recipe.tilt * rng.uniform(0.9, 1.1),
    )


def _wave(r: Recipe, rng: np.random.Generator) -> np.ndarray:
    """One sound, of a root mean square of about 0.1."""
    t = np.arange(LENGTH) / RATE
    last, way = t - 0.02, np.full(LENGTH, t[-1])
    if r.rate:
        gaps = np.full(400, 1 / r.rate) if r.regular else rng.exponential(1 / r.rate, 400)
        strokes = rng.uniform(0, min(0.6 / r.rate, 0.3)) + np.cumsum(gaps) - gaps[0]
        strokes = strokes[strokes < t[-1]] if (strokes < t[-1]).any() else strokes[:1]
        which = np.searchsorted(strokes, t, side="right") - 1
        last = np.where(which >= 0, t - strokes[np.maximum(which, 0)], -1.0)
        way = np.full(LENGTH, min(2 * r.decay, 1 / r.rate))
    rise = np.clip(last / 0.004, 0, 1)  # four milliseconds from silence
    loud = rise * np.exp(-np.maximum(last, 0) / r.decay) if r.rate else rise
    there = (1 - np.cos(2 * np.pi * r.glide * t)) / 2 if r.glide else np.clip(last / way, 0, 1)
    hertz = r.start * (r.end / r.start) ** there
    out = np.zeros(LENGTH)
    if r.tone:
        cycles = np.cumsum(hertz) / RATE
        for k in range(1, int(r.partials) + 1):
            above = k**r.stretch
            if above * max(r.start, r.end) < RATE / 2:
                phase = 2 * np.pi * (above * cycles + rng.random())
                out += r.tone * k**-r.tilt * np.sin(phase)
    if r.noise:
        f = np.fft.rfftfreq(LENGTH, 1 / RATE)
        shape = np.exp(-(((f - r.middle) / r.width) ** 2) / 2)
        hiss = np.fft.irfft(np.fft.rfft(rng.normal(size=LENGTH)) * shape, LENGTH)
        out += r.noise * hiss / hiss.std()
    out *= loud
    return 0.1 * out / (np.sqrt((out**2).mean()) + 1e-3) + 1e-3 * rng.normal(size=LENGTH)
