"""A toy study: it harvests a tiny model into the run's cache and keeps a table, a figure, texts and
a claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from inscape.core.evidence import Evidence
from inscape.study.card import Card, Claim
from inscape.study.discover import StudyModule
from inscape.study.folder import create
from inscape.study.recording import recording
from inscape.study.run import Run

CARD = Card(
    slug="toy-norms",
    title="Norms of a Toy",
    authors="Nobody",
    year=2024,
    arxiv="2310.02207",
    room="toys",
    claim="States have a norm.",
    reproduced="Norms of random states.",
    controls=("none",),
    group_note="Sentences are independent.",
    minutes={"tiny": 0.01, "small": 1},
    claims={
        "norms": Claim(
            text="The mean norm is above 0.",
            at_least=0.0,
            exact="Norms of the toy's states.",
        )
    },
    tiny={"norms": "supported"},
)


@dataclass(frozen=True)
class Config:
    """Settings of the toy."""

    site: str = "resid_post.1"


def run(config: Config, run: Run) -> None:
    """Harvest, measure, record."""
    import altair

    from benchmarks.torture.tiny import examples, model
    from inscape.store.harvest import harvest

    run.asked("Have states a norm?")
    opened = model()
    run.certificate(opened.certificate)
    store = harvest(opened, examples(), config.site, to=run.cache / "toy", progress=False)
    norms = (store.matrix(config.site) ** 2).sum(axis=1) ** 0.5
    frame = pd.DataFrame({"row": range(len(norms)), "norm": norms.astype(float)})
    run.table("norms", frame, "Norms of states")
    chart = altair.Chart(frame.head(5)).mark_bar().encode(x="row:O", y="norm:Q")
    run.figure("norms_by_row", chart, "Norms of states by row")
    run.text("remark", "A *remark* in Markdown.")
    mean = float(norms.mean())
    found = Evidence("mean norm", mean, (0.5 * mean, 2 * mean), n=len(norms), d=16)
    run.claim("norms", found)
    run.answer("Yes.")


def study() -> StudyModule:
    """The toy as a study that is ready to run."""
    return StudyModule(CARD, Config, {"tiny": Config()}, run, __doc__ or "", __name__, "0" * 64)


def record(out: Path, cache: Path) -> Path:
    """Run the toy into a new folder."""
    folder = create(out, CARD.slug, "tiny", datetime.now())
    with recording(folder, study(), Config(), preset="tiny", seed=0, cache=cache) as made:
        run(Config(), made)
    return folder.path
