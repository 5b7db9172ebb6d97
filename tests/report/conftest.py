"""A finished run folder with one of everything a run can hold, and its report."""

import json

import pandas as pd
import pytest

from inscape.charts import bars, layers, world
from inscape.report.build import build
from tests.charts import tables

HOSTILE = "A caption with </script><b>bold</b><!-- & <img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A finished run folder, not yet drawn. Tests that change something copy it first."""
    path = tmp_path_factory.mktemp("runs") / "toy-space-tiny"
    for name in ("tables", "figures"):
        (path / name).mkdir(parents=True)
    scores = tables.scores().assign(
        n=1500, d=64, p=0.0004, null="shuffled labels", unit="R²", warnings=""
    )
    scores.to_parquet(path / "tables" / "scores.parquet", index=False)
    long = pd.DataFrame(
        {"city": [f"city {i}" for i in range(450)], "error_km": [i + 0.5 for i in range(450)]}
    )
    long.to_parquet(path / "tables" / "cities.parquet", index=False)
    charts = {
        "score_by_layer": layers.score_by_layer(tables.scores(), interval="95 % interval"),
        "world_map": world.world_map(tables.cities().assign(city="</script><b>x</b>")),
        "country_errors": bars.values_by_group(tables.groups(30), unit="km"),
    }
    for name, chart in charts.items():
        (path / "figures" / f"{name}.json").write_text(chart.to_json())
    for name, value in {
        "run": _record(),
        "claims": _claims(),
        "certificates": [_certificate()],
    }.items():
        (path / f"{name}.json").write_text(json.dumps(value))
    (path / "log.txt").write_text("started\nfinished\n")
    (path / "done").touch()
    return path


@pytest.fixture(scope="session")
def report(folder):
    """The drawn report's path."""
    return build(folder)


def _record():
    sections = [
        {
            "kind": "figure",
            "name": "score_by_layer",
            "caption": "Scores by layer; bands are 95 % intervals.",
        },
        {"kind": "figure", "name": "world_map", "caption": HOSTILE},
        {
            "kind": "text",
            "name": "note",
            "caption": "",
            "markdown": "# Why\n\nSome *words* and <i>raw</i> [x](javascript:a)",
        },
        {"kind": "figure", "name": "country_errors", "caption": "Errors by country."},
        {"kind": "table", "name": "scores", "caption": "Every layer."},
        {"kind": "table", "name": "cities", "caption": "Every city."},
    ]
    card = {
        "slug": "toy-space",
        "title": "A Paper about Space & Time",
        "authors": "Ada Byron and Grace Murray",
        "year": 2023,
        "arxiv": "2310.02207",
        "claim": "Space is linear.",
        "reproduced": "A toy of it.",
        "controls": ["shuffled labels", "untrained model"],
    }
    return {
        **{"inscape": "0.1.0", "study": "toy-space", "card": card, "preset": "tiny", "seed": 7},
        **{
            "config": {"folds": 5, "ridge": {"alphas": [0.1, 1.0]}},
            "config_hash": "c0ffee",
            "code": {"sha256": "beef"},
        },
        **{"command": "inscape run toy-space --preset tiny --seed 7"},
        **{
            "started": "2026-01-02T03:04:05+00:00",
            "finished": "2026-01-02T03:06:10+00:00",
            "seconds": 125.2,
        },
        **{"environment": {"python": "3.11.9", "packages": {"torch": "2.13.0"}, "threads": None}},
        **{
            "asked": "Is space in there?",
            "answer": "Partly: 40 % of longitude.\n\nLatitude hardly.",
        },
        **{"warnings": ["The model is <small>."], "sections": sections},
        "arrays": [{"name": "directions", "caption": "", "shapes": {"latitude": [4, 64]}}],
    }


def _claims():
    null = {
        "kind": "shuffled labels",
        "mean": -0.01,
        "sd": 0.02,
        "low": -0.04,
        "high": 0.02,
        "draws": 20,
    }
    first = {
        "id": "longitude",
        "text": "Longitude is readable",
        "value": 0.4,
        "low": 0.31,
        "high": 0.48,
        "unit": "R²",
    }
    second = {
        "id": "latitude",
        "text": "Latitude is readable",
        "value": 0.12,
        "low": None,
        "high": None,
        "unit": "R²",
    }
    return [
        {
            **first,
            "at_least": 0.2,
            "at_most": None,
            "verdict": "supported",
            "reason": "",
            "beside": [
                {"role": "baseline", "name": "letters", "value": 0.2, "low": 0.1, "high": 0.3}
            ],
            "null": null,
            "p": 0.0004,
            "n": 1500,
            "why": "",
        },
        {
            **second,
            "at_least": 0.2,
            "at_most": None,
            "verdict": "not supported",
            "reason": "the value is not at least 0.2",
            "null": None,
            "p": None,
            "n": 1500,
            "why": "Too small.",
        },
    ]


def _certificate():
    items = [
        {
            "name": "batched = single",
            "passed": True,
            "value": 2e-6,
            "tolerance": 1e-4,
            "sites": ["*"],
            "reason": "",
        },
        {
            "name": "residual identity",
            "passed": False,
            "value": 0.3,
            "tolerance": 1e-4,
            "sites": ["mlp_out.*"],
            "reason": "norm",
        },
    ]
    return {
        "model": "toy-model",
        "weights": "ab" * 32,
        "passed": False,
        "items": items,
        "conditions": {},
    }
