"""Sounding things sound as their recipes say, and a listener can tell them apart."""

from __future__ import annotations

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from inscape.core.log_mel import log_mel
from inscape.worlds.sounding_things import LENGTH, RATE, THINGS, attributes, sounds

NAMES = list(THINGS)


def test_sounds_are_finite_of_one_loudness_and_variants_differ():
    made = sounds(2, rng=np.random.default_rng(0))
    assert made.waves.shape == (2 * len(THINGS), LENGTH)
    assert np.isfinite(made.waves).all()
    loud = np.sqrt((made.waves**2).mean(axis=1))
    assert loud.min() > 0.05
    assert loud.max() < 0.15
    same = (made.waves[::2] * made.waves[1::2]).mean(axis=1) / loud[::2] / loud[1::2]
    assert np.abs(same).max() < 0.9
    again = sounds(2, rng=np.random.default_rng(0))
    assert np.array_equal(made.waves, again.waves)


def test_pitch_band_and_strokes_are_where_the_recipe_has_them():
    made = sounds(4, rng=np.random.default_rng(0))
    f = np.fft.rfftfreq(LENGTH, 1 / RATE)
    power = np.abs(np.fft.rfft(made.waves)) ** 2
    centre = (power * f).sum(axis=1) / power.sum(axis=1)
    mean = dict(zip(NAMES, centre.reshape(-1, 4).mean(axis=1), strict=True))
    assert mean["foghorn"] < mean["trumpet"] < mean["referee whistle"] < mean["cricket"]
    assert mean["thunder"] < mean["wind"] < mean["waterfall"] < mean["cymbal"]
    strong = power.argmax(axis=1).reshape(-1, 4)[NAMES.index("smoke detector")]
    assert (np.abs(f[strong] / 3200 - 1) < 0.25).all()

    def spread(name: str) -> float:
        at = 4 * NAMES.index(name)
        loud = np.abs(made.waves[at : at + 4]).reshape(4, 64, -1).mean(axis=2)
        return float((loud.std(axis=1) / loud.mean(axis=1)).mean())

    assert spread("clock") > 3 * spread("waterfall")
    assert spread("footsteps") > 2 * spread("bee")


def test_a_listener_tells_things_apart_and_knows_nothing_of_what_it_has_not_heard():
    rng = np.random.default_rng(0)
    train, test = (sounds(6, things=20, rng=rng) for _ in range(2))
    x, y = (log_mel(s.waves, RATE, hop=320) for s in (train, test))
    x, y = (np.concatenate([f.mean(axis=1), f.std(axis=1)], axis=1) for f in (x, y))
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, train.things)
    assert lda.score(y, test.things) > 0.7


def test_attributes_are_standardised_and_tell_every_thing():
    a = attributes()
    assert np.allclose(a.mean(axis=0), 0)
    assert np.allclose(a.std(axis=0), 1)
    apart = np.linalg.norm(a[:, None] - a[None], axis=2) + 9 * np.eye(len(a))
    assert apart.min() > 0.1
    assert len(THINGS) == len(a) == 64
