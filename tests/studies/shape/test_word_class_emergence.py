"""The study in its tiny preset: every layer of both kinds of network, trained and not."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest

from inscape.core.rng import generator
from inscape.study.runner import run_study
from inscape.worlds.word_classes import bigram_accuracy, text
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("word-class-emergence", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_layer_is_looked_at(folder):
    frame = pd.read_parquet(folder / "tables" / "layers.parquet")
    assert len(frame) == 2 * 2 * 3
    assert frame["GDV"].between(-1, 0.1).all()
    embedding = frame[frame["layer"] == "embedding"]
    # the embedding of the last word clusters by that word's class if by any
    assert (frame["probe"] > 1 / 9).mean() > 0.8
    assert len(embedding) == 4


def test_bigrams_are_counted_on_the_text_that_networks_are_trained_on(folder):
    probe = pd.read_parquet(folder / "tables" / "probe.parquet").set_index("condition")["value"]
    rng = partial(generator, 0)
    written = text(5000, rng=rng("text"))
    new = text(5000, rng=rng("test")).windows(200, 9, rng=rng("test", "windows"))
    assert probe["bigrams"] == pytest.approx(bigram_accuracy(written.pairs(), new))
