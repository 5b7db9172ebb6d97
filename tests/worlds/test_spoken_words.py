"""Spoken words sound as they are labelled: pitches, formants and noise are where they should be."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from inscape.core.log_mel import log_mel
from inscape.worlds.spoken_words import (
    HOP,
    PHONES,
    RATE,
    VOWELS,
    Voices,
    draw_lexicon,
    draw_voices,
    spoken_words,
    written,
)

NAMES = list(PHONES)


def one(pitch: float, tract: float = 1.0) -> Voices:
    return Voices(*(np.array([v]) for v in (pitch, tract, 1.0, 1.0)))


def power(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(wave), 1 / RATE), np.abs(
        np.fft.rfft(wave * np.hanning(len(wave)))
    ) ** 2


def vowel(name: str, tract: float = 1.0) -> np.ndarray:
    """One vowel held for a second at about 100 Hz."""
    lexicon = [(NAMES.index(name),)]
    return spoken_words(
        1, one(100.0, tract), lexicon, frames=50, rng=np.random.default_rng(0)
    ).waves[0]


def test_a_vowel_has_the_pitch_of_the_voice():
    wave = vowel("ɑ")[25 * HOP : 29 * HOP]  # the pitch falls from 110 to 90 Hz
    lags = np.correlate(wave, wave, "full")[len(wave) - 1 :]
    assert RATE / (100 + int(lags[100:250].argmax())) == pytest.approx(100, rel=0.12)


def test_a_vowel_has_its_formants_and_a_shorter_tract_raises_them():
    def ratio(wave: np.ndarray, first: float, second: float) -> float:
        f, p = power(wave)
        near = [p[np.abs(f - c) < 120].mean() for c in (first, second)]
        return near[0] / near[1]

    high, low = PHONES["i"][1], PHONES["ɑ"][1]
    assert ratio(vowel("i"), high, low) > 3
    assert ratio(vowel("ɑ"), high, low) < 0.1
    raised = 1.25 * low
    assert ratio(vowel("ɑ", 1.25), raised, low) > 3 * ratio(vowel("ɑ"), raised, low)


def test_fricatives_are_noise_in_their_band_and_stops_are_silent_before_the_burst():
    s = spoken_words(1, one(120.0), [(NAMES.index("s"),)], frames=40, rng=np.random.default_rng(0))
    f, p = power(s.waves[0])
    assert p[f > 4000].sum() > 20 * p[f < 3000].sum()
    t = spoken_words(1, one(120.0), [(NAMES.index("t"),)], frames=8, rng=np.random.default_rng(0))
    loud = np.abs(t.waves[0, : 4 * HOP]).reshape(4, -1).mean(axis=1)
    assert loud[3] > 20 * loud[0]


def test_a_linear_reader_names_phones_of_new_voices_and_words_follow_each_other():
    rng = np.random.default_rng(0)
    lexicon, voices = draw_lexicon(20, rng=rng), draw_voices(12, rng=rng)
    said = spoken_words(48, voices, lexicon, frames=40, rng=rng)
    x = log_mel(said.waves, RATE, hop=HOP).reshape(-1, 40)
    y, who = said.phones.ravel(), np.repeat(said.voices, 40)
    known = who < 9
    x = (x - x[known].mean(axis=0)) / x[known].std(axis=0)
    reader = LogisticRegression(C=0.1, max_iter=1000).fit(x[known], y[known])
    commonest = np.bincount(y[~known]).max() / (~known).sum()
    assert reader.score(x[~known], y[~known]) > 0.6 > commonest + 0.3
    row = said.words[0]
    ends = np.flatnonzero(np.diff(row)) + 1
    for start, end in itertools.pairwise(ends):
        heard = said.phones[0, start:end]
        changes = heard[np.r_[True, np.diff(heard) != 0]].tolist()
        word = list(lexicon[row[start]])
        if changes.count(word[0]) == 1:  # a word said twice running is one stretch
            assert changes == word


def test_the_same_generator_says_the_same_and_voices_differ():
    rng = np.random.default_rng(0)
    lexicon = draw_lexicon(5, rng=rng)
    assert len(set(lexicon)) == 5
    assert all(min(w[::2]) >= VOWELS > max(w[1::2]) for w in lexicon)
    first, second = (
        spoken_words(2, one(float(p)), lexicon, frames=20, rng=np.random.default_rng(1))
        for p in (90, 200)
    )
    again = spoken_words(2, one(90.0), lexicon, frames=20, rng=np.random.default_rng(1))
    assert np.array_equal(first.waves, again.waves)
    assert np.array_equal(first.phones, second.phones)
    assert not np.allclose(first.waves, second.waves, atol=0.01)
    voices = draw_voices(200, rng=rng)
    assert len(voices) == 200
    assert np.corrcoef(voices.pitch, voices.tract)[0, 1] > 0.6
    quick = replace(voices, tempo=np.full(200, 2.0))
    words = [
        len(
            np.unique(
                np.diff(
                    spoken_words(1, v, lexicon, rng=np.random.default_rng(3)).phones[0]
                ).nonzero()
            )
        )
        for v in (voices, quick)
    ]
    assert words[1] > words[0]


def test_words_are_written_as_they_are_said():
    assert written(tuple(NAMES.index(p) for p in "kætɑ")) == "katah"
    lexicon = draw_lexicon(300, rng=np.random.default_rng(0))
    assert len({written(w) for w in lexicon}) > 295
