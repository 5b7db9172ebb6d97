"""Does one linear map translate the words of one space into another?

Reference: Mikolov, Le and Sutskever (2013), arXiv:1309.4168; `inscape.compare.translation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from inscape.compare import TranslationTask, cosines, retrieved
from inscape.core import Evidence, Measured, least_rise
from inscape.model import open, shared_word_vectors
from inscape.read import frequency_order, ppmi_vectors
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.worlds import shared_factors, twin_languages

CARD = Card(
    slug="translation-matrix",
    title="Exploiting Similarities among Languages for Machine Translation",
    authors="Mikolov, Le and Sutskever",
    year=2013,
    arxiv="1309.4168",
    room="compare",
    claim="A linear map between word vectors of two languages, fitted on some pairs, translates "
    "other words with a precision@5 of almost 90 %.",
    reproduced="Two made languages that share meanings and no text, their words as PPMI vectors; "
    "and the input embeddings of English words in a text encoder and a language model.",
    controls=(
        "a shuffled dictionary",
        "the word of the same frequency rank",
        "no map",
        "maps by least squares and by rotation, with and without CSLS",
    ),
    claims=dict(
        world=Claim(
            text="With 500 pairs precision@5 is 0.6", at_least=0.6, null="shuffled dictionary"
        ),
        times=Claim(
            text="That is above ten times the best of frequency rank and shuffled dictionary",
            at_least=0,
            over="ten times the best baseline",
        ),
        pairs=Claim(
            text="Precision@5 rises from each number of pairs to the next",
            at_least=0,
            over="fewer pairs",
        ),
        frequent=Claim(
            text="The more frequent half of the words is translated at least as well",
            at_least=0,
            over="rarer half",
        ),
        real=Claim(
            text="Between two networks precision@5 is above ten times a shuffled dictionary",
            at_least=0,
            over="ten times a shuffled dictionary",
        ),
    ),
    answer="Between made languages precision@5 is {world:.2f}, {times:+.2f} over ten times the "
    "best baseline; frequent words are {frequent:+.2f} over rare ones. Between two networks it is "
    "{real:+.2f} over ten times a shuffled dictionary.",
    tiny=dict(world="any", times="any", pairs="any", frequent="any", real="supported"),
    differs="The authors fit least squares by gradient descent on skip-gram vectors of billions of "
    "words; the map here is ridge regression, and CSLS is not theirs.",
    group_note="Words that were not fitted are what varies; all words are candidates. The penalty "
    "shrinks maps of a shuffled dictionary to one point, so that they find hardly a word; ten times "
    "a baseline is therefore no less than ten times chance, five of all words.",
    minutes=dict(tiny=0.1, small=2),
    figure="by-pairs",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    source: str = setting("minilm-l6", "network whose words are translated; 'planted' for a toy")
    target: str = setting("smollm2-135m", "network that they are translated to")
    words: int = setting(2000, "of each made language", least=20)
    documents: int = setting(6000, "of each made language", least=10)
    width: int = setting(100, "of the vectors of made words", least=2)
    test: int = setting(500, "words that are not fitted", least=10)
    pairs: tuple[int, ...] = setting((50, 150, 500, 1500), "of words that are fitted, rising")
    main: int = setting(500, "pairs of the main claim; one of them", least=2)
    shared: int = setting(5000, "English words that both networks have, at most", least=100)
    draws: int = 99


PLANTED = "planted"
PRESETS = {
    "tiny": Config(PLANTED, PLANTED, 300, 600, 30, 60, (20, 60, 200), 200, 400, 39),
    "small": Config(),
    "full": Config(words=10_000, documents=60_000, width=300, draws=499),
}
MAP, SHUFFLED, RANK = "linear map", "shuffled dictionary", "frequency rank"
KINDS: dict[str, Any] = {
    MAP: {},
    "with CSLS": {"csls": 10},
    "rotation": {"kind": "orthogonal"},
}


def run(config: Config, run: Run) -> None:
    """Made languages first, then two networks."""
    run.asked("Does one linear map translate the words of one space into another?")
    made = twin_languages(config.words, config.documents, rng=run.rng("languages"))
    corpora = (made.first, made.second)
    x, y = (ppmi_vectors(c, config.width, rng=run.rng("vectors")) for c in corpora)
    spaces = TranslationTask.split(
        x, y, made.dictionary, config.test, rng=run.rng("split", str(config.words))
    )
    test, ranks = spaces.test, [np.argsort(frequency_order(c)) for c in corpora]
    m = _measured(run, spaces, config.main, config.draws)
    near = abs(ranks[1][made.dictionary] - ranks[0]) <= 2
    m.put(RANK, near[test], role="baseline")
    m.put("no map", retrieved(cosines(x[test], y), made.dictionary[test], 5), role="baseline")
    run.claim("world", m.value(MAP, null=SHUFFLED))
    run.claim("times", _over_ten_times(m, config.words, SHUFFLED, RANK))
    run.show("languages", m, f"Precision@5 with {config.main} pairs.", null=SHUFFLED)

    hits, often = spaces.hits(config.main), made.rank[test] < np.median(made.rank[test])
    halves = Measured("precision@5 by frequency", unit="share", kind="ratio")
    halves.put("more frequent half", hits * often, often)
    halves.put("rarer half", hits * ~often, ~often)
    run.claim("frequent", halves.gain("more frequent half", over="rarer half"))
    run.show("frequency", halves)
    by, points = Measured("precision@5", unit="share"), np.log10(config.pairs).tolist()
    for name, how in KINDS.items():
        grid = {
            (name, at): spaces.hits(n, **how) for n, at in zip(config.pairs, points, strict=True)
        }
        by.put_each(grid, by=("condition", "log10 of the pairs"))
    run.claim("pairs", by.combined("least rise", least_rise, *(f"{MAP}, {at}" for at in points)))
    caption = "Words of a made language translated."
    run.curve("by-pairs", by.evidence(), caption, x="log10 of the pairs")

    x, y = _networks(config, run)
    spaces = TranslationTask.split(
        x, y, np.arange(len(x)), config.test, rng=run.rng("split", str(len(x)))
    )
    m = _measured(run, spaces, len(spaces.rest), 20)  # for a mean, not for a p-value
    run.claim("real", _over_ten_times(m, len(spaces.x), SHUFFLED))
    caption = f"Precision@5 of {len(spaces.x):,} English words, those not tested as pairs."
    run.show("networks", m, caption, null=SHUFFLED)


def _measured(run: Run, spaces: TranslationTask, pairs: int, draws: int) -> Measured:
    """Precision@5 of the map, of the other maps, and of shuffled dictionaries."""
    m = Measured("precision@5", unit="share")
    m.put(MAP, spaces.hits(pairs))
    m.put(f"{MAP}, CSLS", spaces.hits(pairs, csls=10), role="baseline")
    for kind in ("orthogonal", "least squares"):
        m.put(kind, spaces.hits(pairs, kind), role="baseline")
    rng = run.rng("shuffled", str(pairs))
    m.put(SHUFFLED, [spaces.hits(pairs, shuffled=rng) for _ in range(draws)], role="null")
    return m


def _over_ten_times(m: Measured, candidates: int, *baselines: str) -> Evidence:
    """The map's precision less ten times the best baseline's, which counts as no less than chance.

    A quotient would rest on the few words that a baseline happens to hit.
    """

    def gain(own: np.ndarray, *other: np.ndarray) -> np.ndarray:
        return own - 10 * np.max([*other, np.full_like(own, 5 / candidates)], axis=0)

    return m.combined("precision@5 − 10 × the best baseline", gain, MAP, *baselines)


def _networks(config: Config, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Input embeddings of the same English words in two networks."""
    if config.source == PLANTED:
        strength = {"x": 2.0, "y": 2.0}
        x, y = shared_factors(strength, config.shared, rng=run.rng("planted")).values()
        return x, y
    models = [open(name) for name in (config.source, config.target)]
    for model in models:
        run.certificate(model.certificate)
    _, x, y = shared_word_vectors(*models, config.shared)
    return x, y
