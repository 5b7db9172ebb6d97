"""Log-mel frames: against another implementation, and where a tone is seen."""

from __future__ import annotations

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank, spectrogram

from inscape.core.log_mel import log_mel


def test_frames_are_those_of_another_implementation():
    waves = np.random.default_rng(0).normal(size=(2, 4000))
    found = log_mel(waves, 16_000, hop=320, bands=30)
    filters = mel_filter_bank(257, 30, 0.0, 8000.0, 16_000)
    window = np.hanning(401)[:-1]
    for i in range(2):
        shifted = np.pad(waves[i], (40, 400))  # theirs begins a frame at its first sample
        other = spectrogram(
            shifted, window, 400, 320, 512, power=2.0, center=False, mel_filters=filters
        )
        other = np.log(other.T[:12] + 1e-6)
        assert found[i] == pytest.approx(other, abs=1e-3)


def test_a_tone_is_seen_in_its_band_and_its_frames():
    time = np.arange(16_000) / 16_000
    centres = np.array([np.argmax(f) for f in mel_filter_bank(257, 40, 0, 8000, 16_000).T])
    for hertz in (500, 2000, 5000):
        tone = np.sin(2 * np.pi * hertz * time) * (time >= 0.5)
        frames = log_mel(tone[None], 16_000, hop=320)[0]
        band = int(frames[30:].mean(axis=0).argmax())
        assert abs(centres[band] * 16_000 / 512 - hertz) < 0.1 * hertz
        assert (frames[26:, band] > frames[:24, band].max() + 5).all()


def test_what_holds_no_frame_is_refused():
    with pytest.raises(ValueError, match="a window of at least the hop"):
        log_mel(np.zeros((1, 1000)), 16_000, hop=500)
    with pytest.raises(ValueError, match="a sound of at least one hop"):
        log_mel(np.zeros((1, 100)), 16_000, hop=320)
