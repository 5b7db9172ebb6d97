"""Nothing drifts unseen: every claim's value before the studies were rewritten, its value now, and
why it moved.

    python -m benchmarks.drift [RUN …]        writes docs/drift.md; a RUN is a run folder or a kept record, by default
                                              every record in docs/results

The values before are in ``docs/drift/before.json``; reasons, by study and claim, in
``docs/drift/why.json``. A value that moved by more than a tenth of its old interval (or 2 % without
one) and has no reason is marked: it is a bug or an omission.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import machine
from inscape.report.folder import RunFolder, read
from inscape.report.kept import kept_run
from inscape.report.markdown import plain, table

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# What moved when the studies were rewritten

Each claim's value before and after its study was rewritten: on `core/measured.py`, with intervals over groups, nulls that
are distributions and three verdicts. Written by `python -m benchmarks.drift` from runs. "Not measured any more"
names claims that were merged or replaced; the reason stands beside them. Studies, presets and seeds that were not run
before have nothing to compare with and are left out.
"""


def moved(old: dict[str, Any], value: float | None) -> bool:
    """Whether a value moved by more than a tenth of its old interval, or by 2 % where it had
    none.
    """
    if value is None or old["value"] is None:
        return value != old["value"]
    width = (old["high"] or 0) - (old["low"] or 0) if old.get("low") is not None else 0.0
    return abs(value - old["value"]) > max(0.1 * width, 0.02 * abs(old["value"]), 5e-4)


def rows_of(run: RunFolder, before: dict[str, Any], why: dict[str, str]) -> list[list[str]]:
    """One row for each claim of a run and each claim it had before."""
    old = {_plain(k): v for k, v in before.items()}
    texts = {v["text"]: k for k, v in old.items()}
    new = {_plain(str(c.get("id"))): c for c in run.claims}
    reasons = {_plain(k): v for k, v in why.items()}
    rows = []
    for id, claim in new.items():
        was = old.get(id) or old.get(texts.get(str(claim.get("text")), ""))
        value = claim.get("value")
        reason = reasons.get(id) or reasons.get("") or ""
        if was is None:
            rows.append([id, "not measured", _number(value), str(claim.get("verdict")), reason])
            continue
        if not reason and moved(was, value):
            reason = "**no reason given**"
        verdict = str(claim.get("verdict"))
        rows.append([id, _number(was["value"]), _number(value), verdict, reason])
    for id, was in old.items():
        if id not in new and was["text"] not in {c.get("text") for c in run.claims}:
            reason = reasons.get(id) or reasons.get("") or "**no reason given**"
            rows.append([id, _number(was["value"]), "not measured any more", "", reason])
    return rows


def main(paths: Sequence[str]) -> None:
    """Write docs/drift.md from run folders or kept records, in the order of studies."""
    before = json.loads((DOCS / "drift" / "before.json").read_text(encoding="utf-8"))
    reasons = DOCS / "drift" / "why.json"
    why = json.loads(reasons.read_text(encoding="utf-8")) if reasons.exists() else {}
    facts = machine()
    parts = [
        HEAD,
        f"Before: commit {before['commit']}. Now: {facts['date']}, {facts['processor']}.",
    ]
    files = [Path(p) for p in paths] or sorted((DOCS / "results").glob("*.json"))
    found = [kept_run(p) if p.is_file() else read(p) for p in files]
    runs = sorted(found, key=lambda r: (r.record["study"], str(r.record["preset"])))
    for run in runs:
        study, preset = run.record["study"], str(run.record["preset"])
        key = f"{preset}, seed {run.record['seed']}"
        old = before["tiny"].get(study, {}) if preset == "tiny" else {}
        old = before["small"].get(study, {}).get(key, old)
        if not old:
            continue
        head = f"## {study}, {key}"
        rows = rows_of(run, old, why.get(study, {}))
        parts.append(f"{head}\n\n" + _table(rows))
    (DOCS / "drift.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _table(rows: list[list[str]]) -> str:
    marked = table(["claim", "before", "now", "verdict", "why it moved"], rows, right=(1, 2))
    return marked.replace(plain("**no reason given**"), "**no reason given**")


def _plain(id: str) -> str:
    return id.replace("_", "-")


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
