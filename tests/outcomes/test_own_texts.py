"""A model's own texts begin as the given ones do, each beginning once, and go on for as long as
asked.
"""

from __future__ import annotations

from inscape.outcomes.own_texts import own_texts
from inscape.worlds.lexicon import lexicon


def test_every_beginning_is_taken_once_and_continued():
    world = lexicon(steps=1)
    texts = world.documents.texts()[:6]
    made = own_texts(world.model, texts + texts, 4, 5, seed=0, start=3)
    assert len(made) == 4
    assert len(set(made.groups())) == 4
    for text, start in zip(made.texts(), made.groups(), strict=True):
        assert text.startswith(start)
        assert any(t.startswith(start) for t in texts)
        assert len(text) > len(start)
    again = own_texts(world.model, texts + texts, 4, 5, seed=0, start=3)
    assert again.texts() == made.texts()
