"""A toy study: is the mean of n draws from a normal distribution near the true mean?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from inscape.core.errors import DataError
from inscape.core.evidence import Evidence, Null
from inscape.study.card import Card, Claim
from inscape.study.run import Run

CARD = Card(
    slug="toy-mean",
    title="The Mean of a Sample",
    authors="Gauss",
    year=1809,
    arxiv="2310.02207",
    room="toys",
    claim="The sample mean approaches the true mean as the sample grows.",
    reproduced="Draws from a normal distribution.",
    controls=("draws with mean 0",),
    claims=dict(
        near=Claim(text="The sample mean is near the true mean", at_least=1, null="mean 0"),
        far=Claim(text="The sample mean is beyond reach", at_least=102, null="mean 0"),
    ),
    tiny=dict(near="supported", far="not supported"),
    group_note="Draws are independent, so there is no group.",
    minutes={"tiny": 0.01, "small": 3},
)


@dataclass(frozen=True)
class Config:
    """Settings of the toy."""

    n: int = field(default=100, metadata={"help": "How many draws."})
    mean: float = field(default=2.0, metadata={"help": "The true mean."})
    names: tuple[str, ...] = field(
        default=("a", "b"), metadata={"help": "Names that are written down."}
    )
    model: str = field(default="none", metadata={"help": "A model that is not opened."})
    fail: str = field(
        default="", metadata={"help": "How to fail: data, bug, interrupt, wait, disk."}
    )

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be at least 2, got {self.n}")


PRESETS = {"tiny": Config(n=20), "small": Config(), "full": Config(n=1000)}


def run(config: Config, run: Run) -> None:
    """Draw, average, claim."""
    run.asked("Is the sample mean near the true mean?")
    draws = run.rng("draws").normal(config.mean, 1, config.n)
    null = run.rng("null").normal(0, 1, (50, config.n)).mean(axis=1)
    with run.progress("averaging", total=1) as bar:
        value = float(draws.mean())
        bar.advance()
    run.table("draws", pd.DataFrame({"draw": draws}), "All draws.")
    run.text("method", "The **mean** of the draws.")
    run.arrays("draws", {"draws": draws})
    run.certificate({"model": config.model, "weights": "0", "passed": True, "items": []})
    _fail(config.fail)
    evidence = Evidence(
        "mean",
        value,
        (value - 0.2, value + 0.2),
        Null.of("mean 0", null),
        p=1 / 51,
        n=config.n,
        unit="units",
    )
    run.claim("near", evidence, why="Two deviations.")
    run.claim("far", evidence)
    run.figure("dots", _dots(draws), "The draws.")
    run.warn("This is a toy.")
    run.answer(f"The mean of {config.n} draws is {value:.2f}, and the truth is {config.mean:.2f}.")


def _fail(how: str) -> None:
    if how == "data":
        raise DataError("The draws are missing; draw them again.")
    if how == "bug":
        raise ZeroDivisionError("division by zero")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "wait":
        time.sleep(60)
    if how == "disk":
        raise OSError(28, "No space left on device", "store")


def _dots(draws: np.ndarray) -> dict:
    values = [{"draw": float(d)} for d in draws[:10]]
    encoding = {"x": {"field": "draw", "type": "quantitative"}}
    schema = "https://vega.github.io/schema/vega-lite/v6.json"
    return {"$schema": schema, "data": {"values": values}, "mark": "point", "encoding": encoding}
