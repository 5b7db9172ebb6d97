"""Do p-values and intervals hold what they promise? Simulated where the truth is known, for the
groups that real data have.

    python -m benchmarks.calibration MINUTES        writes docs/calibration.md

Noise is clustered by group in features and labels alike. Rejection is the share of simulations with
p ≤ 0.05 where there is nothing; coverage that of 95 % intervals which hold the truth. Each case is
run in turn until the time is over, so that all have about as many simulations; one process a core
shares them out. Groups: equal, Zipf-sized, one of 40 %, and the cities of countries.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inscape.core.intervals import group_interval, paired_interval
from inscape.probing.detectors import scores_of_confidence
from inscape.probing.sweep import compare, sweep

PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
#: rows and features of the simulated sweeps, and shuffles of their null
ROWS, WIDTH, SHUFFLES = 240, 6, 39
#: simulations of a case at most
ENOUGH = 1000
#: a row whose rate is known less well than this, as half the width of its 95 % interval, is not
# judged
KNOWN = 0.06
#: cities per country among the 1,500 largest, largest country first
COUNTRIES = (
    [262, 193, 110, 96, 70, 58, 47, 43, 41, 37, 33, 28, 27, 24, 22, 20, 19, 18, 17, 16]
    + [14] * 4
    + [11] * 5
    + [8] * 7
    + [6] * 8
    + [4] * 12
    + [3] * 14
    + [2] * 25
    + [1] * 50
)

HEAD = """# Calibration

Rejection at 0.05 where there is nothing to find, and coverage of 95 % intervals, on simulated data whose rows cluster by
group. Written by `make calibration`; do not edit. SE is the standard error of the rate; a row holds if the 95 % interval
of its rate (Wilson's) meets the range, and is not judged where that interval is wider than ±0.06. "Never": no simulation
may give such a p. Coverage of a sweep's score is of its mean over data sets. "Effective" is the median number of effective
groups of the statistic; below 12 nothing is asked ("few groups"). Where an interval is refused (below three effective
groups) the share refused is named and coverage is of the intervals given.
"""


@dataclass
class Case:
    """One row of the page: what is simulated, and what came of each simulation."""

    what: str
    design: str
    groups: int
    rate: str
    target: str
    one: Callable[[np.random.Generator, np.ndarray], dict[str, Any]]
    found: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def sizes(design: str, groups: int, rows: int = ROWS) -> np.ndarray:
    """Group of each row."""
    if design == "countries":
        counts = np.array(COUNTRIES)
    elif design == "Zipf":
        counts = np.maximum(1, rows / np.arange(1, groups + 1) / np.log(groups + 1)).astype(int)
    elif design == "one of 40 %":
        rest = max(2, round(0.6 * rows / (groups - 1)))
        counts = np.r_[round(2 / 3 * rest * (groups - 1)), np.full(groups - 1, rest)]
    else:
        counts = np.full(groups, max(2, rows // groups))
    return np.repeat(np.arange(len(counts)), counts)


def clustered(
    rng: np.random.Generator, codes: np.ndarray, width: int = 1, icc: float = 0.4
) -> np.ndarray:
    """Standard normal columns of which a share of the variance is the group's, (n, width)."""
    own = rng.normal(size=(len(codes), width))
    return np.sqrt(icc) * rng.normal(size=(codes.max() + 1, width))[codes] + np.sqrt(1 - icc) * own


def noise(task: str, metric: str) -> Callable[..., dict[str, Any]]:
    """A sweep over two sites of noise: p of the selected site and of the maximum."""

    def one(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
        y = clustered(rng, codes)[:, 0]
        x = {str(k): clustered(rng, codes, WIDTH) for k in range(2)}
        labels = y if task == "regression" else (y > 0).astype(int)
        found = sweep(
            x, labels, groups=codes, task=task, metric=metric, shuffles=SHUFFLES, seed=_seed(rng)
        )
        selected, top = found.selected[0], found.maximum[0]
        assert selected.p is not None
        assert top.p is not None
        return {"hit": selected.p <= 0.05, "second": top.p <= 0.05}

    return one


def signal(task: str, metric: str) -> Callable[..., dict[str, Any]]:
    """A sweep with something to find: the interval of the selected score."""

    def one(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
        x = {str(k): clustered(rng, codes, WIDTH) for k in range(2)}
        y = 0.8 * x["0"][:, 0] + 0.8 * x["1"][:, 1] + clustered(rng, codes)[:, 0]
        labels = y if task == "regression" else (y > 0.3).astype(int)
        found = sweep(
            x, labels, groups=codes, task=task, metric=metric, shuffles=0, seed=_seed(rng)
        )
        e, statistic = found.selected[0], found.selected_statistic(0)
        return {"value": e.value, "interval": e.interval, "effective": statistic.effective}

    return one


def equal_sites(strength: float, task: str = "regression") -> Callable[..., dict[str, Any]]:
    """Two sites that are equally good, compared; how much there is to read decides how differences
    scatter.
    """

    def one(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
        y = clustered(rng, codes)[:, 0]
        a, b = ({"s": strength * y[:, None] + clustered(rng, codes, WIDTH)} for _ in range(2))
        labels, seed = y if task == "regression" else (y > 0.3).astype(int), _seed(rng)
        first, second = (
            sweep(x, labels, groups=codes, task=task, shuffles=SHUFFLES, seed=seed) for x in (a, b)
        )
        (e,) = compare(first, second)
        effective = (first.selected_statistic(0) - second.selected_statistic(0)).effective
        return {
            "value": e.value,
            "interval": e.interval,
            "truth": 0.0,
            "effective": effective,
            "hit": e.p is not None and e.p <= 0.05,
        }

    return one


def rows_shuffled(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
    """Clustered noise whose labels are shuffled by row: whether a p is given all the same."""
    x, y = {"s": clustered(rng, codes, WIDTH)}, (clustered(rng, codes)[:, 0] > 0).astype(int)
    split = "random" if rng.random() < 0.5 else "group"
    options: dict[str, Any] = {"groups": codes, "task": "classification", "split": split}
    found = sweep(x, y, shuffle="rows", shuffles=SHUFFLES, seed=_seed(rng), **options)
    return {"hit": found.selected[0].p is not None or not found.selected[0].warnings}


def repeated(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
    """Noise, every row of which is there once more in another group; whether it is found and said,
    and p.
    """
    x, y = rng.normal(size=(len(codes), WIDTH)), rng.integers(0, 2, len(codes))
    groups = np.r_[codes, codes + codes.max() + 1]
    found = sweep(
        {"s": np.r_[x, x]},
        np.r_[y, y],
        groups=groups,
        task="classification",
        shuffles=SHUFFLES,
        seed=_seed(rng),
    )
    e = found.selected[0]
    assert e.p is not None
    assert any("same" in told for told in e.warnings)
    assert len(np.unique(found.groups)) == codes.max() + 1
    return {"hit": e.p <= 0.05, "second": found.maximum[0].p <= 0.05}


def detector(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
    """A confidence that knows nothing, against outcomes shuffled by group."""
    right = clustered(rng, codes)[:, 0] > 0
    p = 1 / (1 + np.exp(-clustered(rng, codes)[:, 0]))
    area, *rest = scores_of_confidence({"d": p}, right, codes, rng=rng, draws=SHUFFLES)
    assert all(e.p is None for e in rest)
    return {"hit": area.p is not None and area.p <= 0.05}


def statistic(kind: str) -> Callable[..., dict[str, Any]]:
    """The interval of a plain statistic whose truth is known."""

    def one(rng: np.random.Generator, codes: np.ndarray) -> dict[str, Any]:
        x = clustered(rng, codes, 2)
        if kind == "mean":
            found, truth = group_interval(x[:, 0], codes), 0.0
        elif kind == "share":
            found, truth = group_interval((x[:, 0] > 1).astype(float), codes), 0.158655
        elif kind == "ratio":
            values = (np.exp(0.5 * x[:, 0]), np.exp(0.5 * x[:, 1]))
            found, truth = group_interval(values, codes, "ratio"), 1.0
        elif kind == "AUC":
            up = clustered(rng, codes)[:, 0] > 0
            found, truth = group_interval((x[:, 0] + up, up), codes, "auc"), 0.760250
        else:
            found, truth = paired_interval(x[:, 0] + 1, x[:, 1] + 1, codes), 0.0
        effective = found.effective_groups
        return {"value": 0.0, "interval": found.ends, "truth": truth, "effective": effective}

    return one


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def cases() -> list[Case]:
    """Every row of the page."""
    designs = [("equal", g) for g in (5, 8, 12, 25, 60)]
    designs += [("Zipf", 25), ("Zipf", 60), ("one of 40 %", 25), ("countries", len(COUNTRIES))]
    unequal = [("equal", 25), ("Zipf", 60), ("one of 40 %", 25), ("countries", len(COUNTRIES))]
    out = []
    for design, g in unequal:
        for name, task, metric in (
            ("ridge, R²", "regression", "r2"),
            ("logistic, AUC", "classification", "auc"),
        ):
            what = f"p of the selected site and of the maximum, {name}"
            out.append(Case(what, design, g, "rejection", "0.03–0.07", noise(task, metric)))
        what = "p of a detector's AUC, outcomes shuffled by group (no p for its calibration errors)"
        out.append(Case(what, design, g, "rejection", "0.03–0.07", detector))
    alike = "the difference of two equally good sites"
    for design, g in (("equal", 8), ("equal", 20), ("equal", 60), ("countries", len(COUNTRIES))):
        for much, strength in (("R² 0.84", 1.0), ("R² 0.56", 0.5)):
            what = f"p of {alike}, {much}"
            out.append(Case(what, design, g, "rejection", "0.03–0.07", equal_sites(strength)))
        what = f"p of {alike}, accuracy 0.78"
        one = equal_sites(0.5, "classification")
        out.append(Case(what, design, g, "rejection", "0.03–0.07", one))
    what = "p of noise whose rows are repeated in other groups: found, merged, said"
    out.append(Case(what, "equal", 24, "rejection", "0.03–0.07", repeated))
    what = "p given for clustered rows shuffled singly, or not warned of"
    out.append(Case(what, "equal", 25, "rejection", "never", rows_shuffled))
    for design, g in designs:
        for name, task, metric in (
            ("R²", "regression", "r2"),
            ("accuracy", "classification", "accuracy"),
            ("AUC", "classification", "auc"),
        ):
            what = f"interval of the selected score, {name}"
            out.append(Case(what, design, g, "coverage", "≥ 0.92", signal(task, metric)))
        for much, strength in (("R² 0.84", 1.0), ("R² 0.56", 0.5)):
            what = f"interval of {alike}, {much}"
            out.append(Case(what, design, g, "coverage", "≥ 0.92", equal_sites(strength)))
        for kind in ("mean", "share", "ratio", "AUC", "paired difference"):
            out.append(
                Case(
                    f"interval of a plain {kind}", design, g, "coverage", "≥ 0.92", statistic(kind)
                )
            )
    return out


def simulate(
    rows: Sequence[Case], seconds: float, seed: int = 0, part: int = 0, parts: int = 1
) -> None:
    """Simulate until the time is over or every case has enough; the case with the fewest is next.

    Of `parts` processes the one numbered `part` takes every simulation whose number leaves that
    remainder.
    """
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        number = min(range(len(rows)), key=lambda i: (_served(rows[i], parts), i))
        case = rows[number]
        if _served(case, parts) == float("inf"):
            return
        began = time.process_time()
        rng = np.random.default_rng([seed, number, part + parts * len(case.found)])
        case.found.append(case.one(rng, sizes(case.design, case.groups)))
        case.seconds += time.process_time() - began


def _part(seconds: float, part: int, parts: int) -> list[list[dict[str, Any]]]:
    """What one process found, by case (a case itself holds functions, which do not travel)."""
    rows = cases()
    simulate(rows, seconds, part=part, parts=parts)
    return [case.found for case in rows]


def simulated(seconds: float, parts: int) -> list[Case]:
    """Every case with what `parts` processes found."""
    rows = cases()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # a process a core leaves no core for threads
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parts, mp_context=fresh) as pool:
        jobs = [pool.submit(_part, seconds, part, parts) for part in range(parts)]
        for job in jobs:
            for case, found in zip(rows, job.result(), strict=True):
                case.found += found
    return rows


def _served(case: Case, parts: int = 1) -> float:
    """Simulations so far, by how often a case is due.

    Quick cases are run four times as often, since they cost nothing; p-values three times, since a
    rate of 0.05 is known to a third of itself only after hundreds of simulations.
    """
    if len(case.found) * parts >= ENOUGH:
        return float("inf")
    quick = case.found and case.seconds / len(case.found) < 0.1
    return len(case.found) / (4 if quick else 3 if case.rate == "rejection" else 1)


def summary(case: Case) -> dict[str, float]:
    """Rate, its standard error, simulations, and for coverage effective groups and the share
    without an interval.
    """
    n = len(case.found)
    if case.rate == "rejection":
        rate = float(np.mean([f["hit"] for f in case.found]))
        both = [f["second"] for f in case.found if "second" in f]
        out = {"rate": rate, "n": n, "refused": 0.0}
        return {**out, **({"second": float(np.mean(both))} if both else {}), "se": _se(rate, n)}
    middle = float(np.mean([f["value"] for f in case.found]))
    given = [f for f in case.found if f["interval"] is not None]
    held = [f["interval"][0] <= f.get("truth", middle) <= f["interval"][1] for f in given]
    rate = float(np.mean(held)) if held else float("nan")
    effective = float(np.median([f["effective"] for f in case.found]))
    refused = 1 - len(given) / n
    given_n = max(len(given), 1)
    return {
        "rate": rate,
        "n": given_n,
        "refused": refused,
        "effective": effective,
        "se": _se(rate, given_n),
    }


def _se(rate: float, n: int) -> float:
    return float(np.sqrt(max(rate * (1 - rate), 0.01) / max(n, 1)))


def wilson(rate: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate seen in n simulations."""
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return float(middle - half), float(middle + half)


def verdict(case: Case, found: dict[str, float]) -> str:
    """Whether the interval of a rate meets its range; nothing is asked below 12 effective
    groups.
    """
    if case.target == "never":
        return "held" if found["rate"] == 0 else "**missed**"
    if case.rate == "coverage" and found["effective"] < 11.5:
        return "few groups"
    low, high = (0.03, 0.07) if case.rate == "rejection" else (0.92, 1.0)
    ends = [wilson(found[k], found["n"]) for k in ("rate", "second") if k in found]
    if not all(a <= high and b >= low for a, b in ends):
        return "**missed**"
    return "held" if all(b - a <= 2 * KNOWN for a, b in ends) else "too few simulations"


def main(arguments: Sequence[str]) -> int:
    """Simulate for so many minutes and write the page."""
    from benchmarks.__main__ import machine

    minutes = float(arguments[0]) if arguments else 10.0
    rows = simulated(60 * minutes, os.cpu_count() or 1)
    head = ["what", "groups", "rate", "SE", "effective", "refused", "simulations", "range", ""]
    lines = [head, ["---"] * len(head)]
    for case in rows:
        found = summary(case)
        rate = f"{found['rate']:.3f}" + (f"; {found['second']:.3f}" if "second" in found else "")
        lines.append(
            [
                case.what,
                f"{case.design}, {case.groups}",
                f"{case.rate} {rate}",
                f"{found['se']:.3f}",
                f"{found['effective']:.1f}" if "effective" in found else "",
                f"{found['refused']:.0%}" if found["refused"] else "",
                str(found["n"]),
                case.target,
                verdict(case, found),
            ]
        )
    facts = machine()
    about = (
        f"{minutes:g} minutes on {facts['processor']}, one process a core, {facts['date']}, "
        f"commit {facts['commit']}."
    )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    PAGE.write_text(f"{HEAD}\n{about}\n\n{table}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
