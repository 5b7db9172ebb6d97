"""Emotions: situations told without naming a feeling, seven ways each, one for each of seven
emotions.

The texts are in ``emotion_situations.txt``: a setting a line, then what happens in it that makes
angry, disgusts, frightens, gladdens, saddens, surprises, or leaves cold. Emotions after Ekman 1992,
"An argument for basic emotions", Cognition and Emotion 6; the situations are Inscape's own.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples

#: emotion: words that name it, none of which is in a situation; the first is the name
WORDS = {
    "anger": "furious outraged livid enraged irate indignant",
    "disgust": "disgusted revolted repulsed sickened nauseated grossed-out",
    "fear": "terrified afraid scared frightened panicked petrified",
    "joy": "delighted overjoyed joyful elated thrilled jubilant",
    "sadness": "sad heartbroken sorrowful miserable grieving dejected",
    "surprise": "surprised astonished amazed startled stunned astounded",
    "neutral": "calm unmoved indifferent composed unconcerned detached",
}
#: valence and arousal, −1 to 1: where the words for them are placed on Russell's circle, to one
# decimal
CIRCLE = {
    "anger": (-0.6, 0.7),
    "disgust": (-0.7, 0.3),
    "fear": (-0.6, 0.8),
    "joy": (0.8, 0.5),
    "sadness": (-0.7, -0.4),
    "surprise": (0.2, 0.7),
    "neutral": (0.0, -0.5),
}

CARD = DatasetCard(
    name="emotions",
    what="420 situations of one sentence: 60 settings (kitchen, bus, hospital …), in each of which "
    "something happens that arouses anger, disgust, fear, joy, sadness, surprise, or nothing. No "
    "situation names a feeling.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="P. Ekman (1992), An argument for basic emotions, Cognition and Emotion 6; J. A. "
    "Russell (1980), A circumplex "
    "model of affect, J. Personality and Social Psychology 39 (the places on the circle, to one "
    "decimal)",
    get="comes with Inscape",
    group="setting: its seven situations share their vocabulary, so a held-out setting brings "
    "words not seen, and words of "
    "the setting say nothing of the emotion.",
    beware="One author wrote all of them, and emotions have their habits: neutral ones are "
    "shorter, disgusting ones speak "
    "of bodies, surprising ones of what cannot be. The bag of words is the measure of that.",
    columns={
        "text": "the situation",
        "emotion": "anger, disgust, fear, joy, sadness, surprise or neutral",
        "setting": "the setting, the group",
        "word": "a word that names the emotion, for the explicit form",
    },
)


def load(limit: int | None = None) -> Examples:
    """The situations, setting by setting.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label emotion (text), group setting.
    """
    lines = (
        (Path(__file__).parent / "emotion_situations.txt").read_text(encoding="utf-8").splitlines()
    )
    rows = []
    for number, line in enumerate(lines):
        setting, *texts = (part.strip() for part in line.split("|"))
        for (emotion, words), text in zip(WORDS.items(), texts, strict=True):
            names = words.split()
            rows.append(
                {
                    "text": text,
                    "emotion": emotion,
                    "setting": setting,
                    "word": names[number % len(names)],
                }
            )
    return Examples(pd.DataFrame(rows[:limit]), "text", ("emotion",), "setting", card=CARD)
