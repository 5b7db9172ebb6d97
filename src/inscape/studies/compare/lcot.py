"""Does a linear embedding of circular measures keep their transport distances, at a fraction of the
cost?

Reference: Martin, Medri, Bai, Liu, Yan, Rohde and Kolouri (2024), arXiv:2310.06002;
`inscape.compare.circular_transport`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import comb

import numpy as np
import pandas as pd

from inscape.charts import predicted_vs_true
from inscape.compare import (
    circular_transport,
    lcot_distances,
    lcot_embedding,
    line_transport,
    total_variation,
)
from inscape.core import (
    Measured,
    fact,
    pair_distances,
    pair_rank_correlation,
    paired_seconds,
)
from inscape.read import vote_of_nearest
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.worlds import every_scene, ink_hues, phase_mixtures, scenes

CARD = Card(
    slug="lcot",
    title="LCOT: Linear circular optimal transport",
    authors="Martin, Medri, Bai, Liu, Yan, Rohde and Kolouri",
    year=2024,
    arxiv="2310.06002",
    room="compare",
    claim="An explicit linear embedding of measures on the circle, made of circular transport, "
    "serves clustering and display of circular data at much lower cost.",
    reproduced="Random mixtures of von Mises distributions, and the hues of painted shapes, whose "
    "red lies on both sides of zero. Barycentres, contours and phases inside networks are left out.",
    controls=("exact circular transport", "transport on the line, cut at 0", "total variation"),
    claims=dict(
        rank=Claim(text="LCOT orders pairs as exact transport does, Spearman 0.95", at_least=0.95),
        line=Claim(text="Transport on the line does so with at most 0.85", at_most=0.85),
        length=Claim(
            text="An embedding's length is the transport to the uniform measure, within 1e-3",
            at_most=1e-3,
            exact="a theorem, checked on every measure",
        ),
        rotation=Claim(
            text="Rotating the origin of all changes distances, at 8,192 points, by at most 2e-3",
            at_most=2e-3,
            exact="a theorem up to the grid, checked on every pair",
        ),
        speed=Claim(
            text="All pairs of 200 measures, embedded at as many points as for the ranks, take a "
            "twentieth of the time",
            at_least=20,
        ),
        hues=Claim(
            text="Nearest neighbours by hue are at least as good as those of the line",
            at_least=0,
            over="line",
        ),
    ),
    answer="LCOT follows exact transport with a Spearman correlation of {rank:.3f}, transport on "
    "the line with {line:.2f}. It is {speed:.0f} times as fast over all pairs; nearest neighbours "
    "by hue gain {hues:+.1 points} over the line.",
    tiny=dict(
        rank="any",
        line="supported",
        length="supported",
        rotation="supported",
        speed="any",
        hues="any",
    ),
    differs="The authors compare with a general solver in Python; exact transport here is a "
    "minimum over all cyclic shifts, which for samples of one size is exact and fast.",
    group_note="A measure (picture) is what varies: intervals leave out one, with all its pairs.",
    negative="On seed 0 transport on the line too names the colour of every picture, so hues do "
    "not tell them apart. The line's correlation is 0.80 [0.74, 0.86]; with 100 mixtures it was "
    "0.83, and distances at 1,024 points changed by up to 0.003 under rotation, which is the "
    "grid's error: now 200 and 8,192. Distances were ranked at 1,024 points and timed at 256; "
    "both are now 256.",
    minutes=dict(tiny=0.1, small=2),
    figure="exact",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    measures: int = setting(200, "mixtures that are compared pair by pair", least=10)
    timed: int = setting(200, "mixtures whose pairs are timed", least=10)
    samples: int = setting(200, "phases of each", least=10)
    points: int = setting(256, "at which each is embedded, for all but rotation", least=8)
    rounds: int = setting(12, "of timings", least=3)
    pictures: int = setting(300, "painted shapes", least=30)


PRESETS = {
    "tiny": Config(measures=30, timed=30, samples=100, rounds=4, pictures=60),
    "small": Config(),
    "full": Config(measures=400, timed=400, samples=1000, rounds=30, pictures=450),
}
EXACT, LCOT, LINE, VARIATION = "exact", "LCOT", "line", "total variation"
#: at which the change under rotation is checked, so that the grid's error is small
FINE = 8192


def run(config: Config, run: Run) -> None:
    """Distances of mixtures, what leaves them alone, time, and hues."""
    run.asked("Does a linear embedding of circular measures keep their transport distances?")
    x = phase_mixtures(config.measures, config.samples, rng=run.rng("mixtures"))
    found = _distances(x, config.points)
    exact = found.pop(EXACT)
    m = Measured("Spearman correlation with exact circular transport", unit="ρ")
    ranks = {name: pair_rank_correlation(d, exact) for name, d in found.items()}
    m.put_each(ranks, roles={LCOT: "treatment"}, role="baseline")
    run.claim("rank", m.value(LCOT))
    run.claim("line", m.value(LINE))
    run.show("rank", m)
    at = np.triu_indices(len(x), 1)
    drawn = run.rng("drawn").permutation(len(at[0]))[:300]
    frame = pd.concat(
        pd.DataFrame({"true": exact[at][drawn], "predicted": d[at][drawn], "group": name})
        for name, d in found.items()
        if name != VARIATION
    )
    caption = "Pairs of mixtures: exact circular transport across, the others upwards."
    run.figure("exact", predicted_vs_true(frame, quantity="distance", unit="turns"), caption)
    _theorems(config, run, x)
    _timed(config, run)
    _hues(config, run)


def _distances(x: np.ndarray, points: int) -> dict[str, np.ndarray]:
    """By name the distances of all pairs."""
    return {
        LCOT: lcot_distances(x, points),
        EXACT: pair_distances(x, circular_transport),
        LINE: pair_distances(x, line_transport),
        VARIATION: pair_distances(x, total_variation),
    }


def _theorems(config: Config, run: Run, x: np.ndarray) -> None:
    """The length of every embedding, and what rotating the origin changes."""
    even = (np.arange(config.samples) + 0.5) / config.samples
    lengths = np.sqrt(np.mean([lcot_embedding(row, config.samples) ** 2 for row in x], axis=1))
    gap = max(abs(own - circular_transport(row, even)) for own, row in zip(lengths, x, strict=True))
    run.claim("length", fact("largest difference", gap, "turns"))
    turned = (x + run.rng("turn").uniform()) % 1.0
    moved = abs(lcot_distances(turned, FINE) - lcot_distances(x, FINE)).max()
    run.claim("rotation", fact("largest change of a distance", float(moved), "turns"))


def _timed(config: Config, run: Run) -> None:
    """Seconds of all pairs, the exact ones from the pairs of twenty mixtures."""
    x = phase_mixtures(config.timed, config.samples, rng=run.rng("timed"))
    ways = {
        LCOT: partial(lcot_distances, x, config.points),
        EXACT: partial(pair_distances, x[:20], circular_transport),
    }
    seconds = paired_seconds(ways, config.rounds)
    m = Measured("seconds of exact transport over those of LCOT", unit="times")
    m.put("all pairs", seconds[EXACT] * comb(config.timed, 2) / comb(20, 2) / seconds[LCOT])
    run.claim("speed", m.value("all pairs"))


def _hues(config: Config, run: Run) -> None:
    """The colour of a shape by its five nearest pictures, whose hues are a measure on the
    circle.
    """
    every = every_scene()
    every = every[every[:, 1] < 5]  # white has no hue
    made = scenes(
        every[run.rng("scenes").permutation(len(every))[: config.pictures]], rng=run.rng("hues")
    )
    hues, colour = ink_hues(made.images, rng=run.rng("ink")), made.factors[:, 1].numpy()
    m = Measured("colour named by five neighbours", unit="accuracy")
    found = _distances(hues, config.points)
    right = {name: vote_of_nearest(d, colour, 5) == colour for name, d in found.items()}
    m.put_each(right, roles={LCOT: "treatment"}, role="baseline")
    run.claim("hues", m.gain(LCOT, over=LINE))
    run.show("hues", m)
