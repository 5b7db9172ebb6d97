"""A report: how large it is, and how soon a browser paints it.

The run is as large as the map study's: two maps of 1,500 cities, curves of 30 layers and five
series for two targets, and two tables. Painting is the browser's own *first contentful paint*, from
a file, in a headless Chromium without a network; the first round fills the disk's cache and is not
counted.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts import layers, world
from inscape.report import html
from inscape.report.folder import read
from inscape.report.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --enable-logging=stderr --v=0 "
    "--timeout=6000 --dump-dom"
).split()
#: says on the console when the first content was painted
_PROBE = """<script>
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (entry.name === "first-contentful-paint") console.log(`PAINT ${entry.startTime}`);
})).observe({ type: "paint", buffered: true });
</script>"""


def run(rounds: int = 5) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        text = html.report(page(read(example(Path(folder) / "run"))))
        size = len(text.encode()) / 1e6
        note = "two maps of 1,500 cities, curves of 30 layers, two tables, the drawing library"
        rows = [_row("report, size", size, 2.0, "MB", note)]
        if CHROMIUM is None:
            return [*rows, {"name": "report, first paint", "skipped": "there is no Chromium"}]
        seen = [first_paint(text, Path(folder) / "seen") for _ in range(rounds + 1)][1:]
        note = f"first contentful paint in headless Chromium, from a file, median of {rounds}"
        return [*rows, _row("report, first paint", statistics.median(seen) / 1000, 1.0, "s", note)]


def first_paint(text: str, folder: Path) -> float:
    """Milliseconds to the first contentful paint of a page.

    Raises:
        RuntimeError: the browser painted nothing.
    """
    folder.mkdir(exist_ok=True)
    # the page's own policy would refuse the probe
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text, count=1)
    (folder / "report.html").write_text(free.replace("</head>", f"{_PROBE}</head>", 1))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    command.append((folder / "report.html").as_uri())
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"PAINT ([\d.]+)", done.stderr)
    if found is None:
        raise RuntimeError(f"the browser painted nothing: {done.stderr[-300:]}")
    return float(found[1])


def example(folder: Path) -> Path:
    """A finished run folder of the size of the map study's."""
    rng = np.random.default_rng(0)
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    places, scores = _places(rng), _scores(rng)
    figures = {
        "layers-group": layers.score_by_layer(scores),
        "layers-random": layers.score_by_layer(scores.assign(value=scores["value"] + 0.1)),
        "map-group": world.world_map(places),
        "map-random": world.world_map(places.assign(error_km=places["error_km"] / 2)),
    }
    for name, chart in figures.items():
        (folder / "figures" / f"{name}.json").write_text(chart.to_json())
    for name, frame in {"places": places, "layers": scores}.items():
        frame.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    sections = [{"kind": "figure", "name": n, "caption": f"The figure {n}."} for n in figures]
    sections += [{"kind": "table", "name": n, "caption": n} for n in ("places", "layers")]
    claims = [
        {"id": f"c{i}", "text": f"Claim {i} of ten holds", "verdict": "supported", "value": 0.4}
        | {"low": 0.3, "high": 0.5, "unit": "R²", "at_least": 0.1}
        for i in range(10)
    ]
    record = {"study": "an-example", "asked": "Is it so?", "answer": "Yes.", "sections": sections}
    for name, value in {"run": record, "claims": claims, "certificates": []}.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "done").touch()
    return folder


def _places(rng: np.random.Generator, n: int = 1500) -> pd.DataFrame:
    latitude, longitude = rng.uniform(-50, 70, n).round(3), rng.uniform(-170, 170, n).round(3)
    return pd.DataFrame(
        {
            "city": [f"city {i}" for i in range(n)],
            "country": [f"country {i % 145}" for i in range(n)],
            "continent": rng.choice(["Europe", "Asia", "Africa", "Oceania"], n),
            "latitude": latitude,
            "longitude": longitude,
            "latitude_predicted": latitude + rng.normal(0, 9, n).round(3),
            "longitude_predicted": longitude + rng.normal(0, 30, n).round(3),
            "error_km": rng.uniform(100, 9000, n).round(1),
            "traced": np.arange(n) < 20,
            "label": "",
        }
    )


def _scores(rng: np.random.Generator) -> pd.DataFrame:
    series = ("trained model", "untrained model", "shuffled labels")
    rows = [
        (name, target, layer, value := rng.uniform(0, 0.6), value - 0.1, value + 0.1)
        for name in series
        for target in ("latitude", "longitude")
        for layer in range(-1, 30)
    ]
    return pd.DataFrame(rows, columns=["series", "target", "layer", "value", "low", "high"])


def _row(name: str, ours: float, target: float, unit: str, note: str) -> dict[str, Any]:
    bare = {"theirs": None, "ratio": None}
    return {"name": name, "ours": ours, "target": target, "unit": unit, "note": note, **bare}
