"""The outcome of a run, read from its folder: answer, claims, warnings, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inscape.cli.printing import columns, paragraph, say


def outcome(path: Path) -> dict[str, Any]:
    """A run folder in a few fields.

    Raises:
        RunError: the folder is not a run, or is damaged.
    """
    from inscape.report.folder import read

    found = read(path)
    record = found.record
    return {
        "path": str(path),
        "study": record["study"],
        "preset": record.get("preset"),
        "seed": record.get("seed"),
        "seconds": record.get("seconds"),
        "answer": record.get("answer", ""),
        "claims": found.claims,
        "warnings": record.get("warnings") or [],
    }


def show_outcome(found: dict[str, Any]) -> None:
    """Print the answer, every claim with its numbers, the warnings, and the report's path."""
    from inscape.study.claims import sentence, tally

    say()
    paragraph(found["answer"] or "This run gave no answer.")
    counted = [c for c in found["claims"] if not c.get("sanity")]
    checks = [c for c in found["claims"] if c.get("sanity")]
    say(f"\nClaims: {tally(counted)}")
    columns([(_mark(c), f"{c['text']}: {sentence(c)}.{_why(c)}") for c in counted])
    if checks:
        say("\nSanity checks, not counted:")
        columns([(_mark(c), f"{c['text']}: {sentence(c)}.{_why(c)}") for c in checks])
    if found["warnings"]:
        say("\nWarnings:")
        columns([("-", w) for w in found["warnings"]])
    if found.get("report"):
        say(f"\nReport: {found['report']}")


def _mark(claim: dict[str, Any]) -> str:
    verdict = str(claim.get("verdict") or "uncertain")
    return verdict.upper() if verdict == "not supported" else verdict


def _why(claim: dict[str, Any]) -> str:
    reason = str(claim.get("reason") or "")
    parts = [f"{reason[0].upper()}{reason[1:]}." if reason else "", str(claim.get("why") or "")]
    return "".join(f" {part}" for part in parts if part)
