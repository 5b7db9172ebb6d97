"""Parallel programs, and the toy network that has learnt them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.worlds.programs import (
    CLASSES,
    KEYWORDS,
    KINDS,
    LANGUAGES,
    NAMES,
    english_words,
    fill,
    programs,
    token_class,
    translation,
)
from inscape.worlds.tongues import LANGUAGES as SPOKEN
from inscape.worlds.tongues import tongues


def test_programs_are_parallel():
    examples = programs(60)
    frame = examples.frame
    assert len(frame) == 60 * len(LANGUAGES)
    assert frame.groupby("program")["language"].agg(list).map(tuple).unique().tolist() == [
        LANGUAGES
    ]
    assert frame.groupby("program")["kind"].nunique().max() == 1
    assert len(set(examples.texts())) == len(frame)
    for _, texts in frame.groupby("program")["text"]:
        names = [n for n in NAMES if all(n[0] in t or n[1] in t for t in texts)]
        assert names  # every text of a program speaks of the same things
    assert not {"X", "I", "V"} & {w for t in examples.texts() for w in t.replace("(", " ").split()}


def test_keywords_are_in_their_language_and_gone_from_the_plain_texts():
    frame = programs(40).frame
    for language, words in KEYWORDS.items():
        mine = frame[frame["language"] == language]
        if words:
            assert mine["text"].map(lambda t, w=words: any(k in t for k in w)).all()
        assert not any(set(t.split()) & words for t in mine["plain"])
    assert len(KINDS) * len(NAMES) >= 200
    assert programs(30).fingerprint == programs(30).fingerprint != programs(30, seed=1).fingerprint
    assert fill("X.each do |I| I.V", ("cars", "car", "speed")) == "cars.each do |car| car.speed"
    with pytest.raises(ValueError, match="languages must be among Python, .*, got 'Perl'"):
        programs(10, ("Perl",))


def test_the_toy_network_learns_its_programs_and_neurons_keep_to_their_language():
    world, fresh = tongues(20, steps=120), tongues(20, steps=3)
    assert world.loss < 2.5 < fresh.loss

    def active(w) -> np.ndarray:
        """Mean |activation| in texts of a language (row) of the neurons of a language (column)."""
        out = np.zeros((len(SPOKEN), len(SPOKEN)))
        for text, name in zip(w.programs.texts(), w.programs.frame["language"], strict=True):
            found = w.model.run([text], "mlp_act.*")
            mean = torch.stack([x[0].abs().mean(0) for x in found.values()]).mean(0).numpy()
            out[SPOKEN.index(name)] += [mean[w.owners == k].mean() for k in range(len(out))]
        return out / out.sum(axis=1, keepdims=True)

    assert np.diag(active(world)).min() > 0.5
    assert np.diag(active(fresh)).mean() < 0.45


def test_a_translation_ends_with_its_answer_and_shows_two_others_first():
    examples = programs(30)
    odd = (examples.frame["program"] % 2).to_numpy(dtype=bool)
    text, (start, end) = translation(examples.take(odd), examples.take(~odd), "Python", "SQL", 3)
    frame = examples.frame
    answer = frame[(frame["program"] == 6) & (frame["language"] == "SQL")]["text"].iloc[0]
    assert text[start:end] == answer
    assert end == len(text)
    assert text.count("Python:\n") == text.count("SQL:\n") == 3


def test_tokens_are_sorted_by_keywords_and_words_of_english():
    named = {t: CLASSES[token_class(t, "Python", "C")] for t in (" elif", "def", "void", "for")}
    assert named["def"] == "input's keyword"
    assert named["void"] == "output's keyword"
    assert named["for"] == "keyword of both"
    assert CLASSES[token_class("SELECT", "Python", "C")] == "another's keyword"
    assert "movie" in english_words()
    assert CLASSES[token_class(" movie", "Python", "C")] == "English word"
    assert CLASSES[token_class("+=", "Python", "C")] == "other"
    assert not english_words() & {n for names in NAMES for n in names}
