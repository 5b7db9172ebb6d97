"""What a run came to, read from its folder: the answer, the claims, what to open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from inscape.cli.printing import columns, paragraph
from inscape.core.errors import RunError


def outcome(path: Path) -> dict[str, Any]:
    """A run folder in a few fields.

    Raises:
        RunError: the folder is not a run, or is damaged.
    """
    if not (path / "run.json").is_file():
        raise RunError(
            f"{path} is not a run folder: it has no run.json. Give the folder that 'inscape run' printed."
        )
    try:
        record = json.loads((path / "run.json").read_text(encoding="utf-8"))
        claims = json.loads((path / "claims.json").read_text(encoding="utf-8"))
        return {
            "path": str(path),
            "study": record["study"],
            "preset": record["preset"],
            "seed": record["seed"],
            "seconds": record.get("seconds"),
            "answer": record["answer"],
            "claims": claims,
            "warnings": record["warnings"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is a damaged run folder ({type(error).__name__}: {error}); run the study again."
        ) from error


def show_outcome(found: dict[str, Any]) -> None:
    """Print the answer, every claim with its numbers, the warnings, and the report's path."""
    from inscape.study.claims import sentence, tally

    typer.echo()
    paragraph(found["answer"] or "This run gave no answer.")
    counted = [c for c in found["claims"] if not c.get("sanity")]
    checks = [c for c in found["claims"] if c.get("sanity")]
    typer.echo(f"\nClaims: {tally(counted)}")
    columns([(_mark(c), f"{c['text']}: {sentence(c)}.{_why(c)}") for c in counted])
    if checks:
        typer.echo("\nSanity checks, not counted:")
        columns([(_mark(c), f"{c['text']}: {sentence(c)}.{_why(c)}") for c in checks])
    if found["warnings"]:
        typer.echo("\nWarnings:")
        columns([("-", w) for w in found["warnings"]])
    if found.get("report"):
        typer.echo(f"\nReport: {found['report']}")


def _mark(claim: dict[str, Any]) -> str:
    verdict = str(claim.get("verdict") or "uncertain")
    return verdict.upper() if verdict == "not supported" else verdict


def _why(claim: dict[str, Any]) -> str:
    reason = str(claim.get("reason") or "")
    parts = [f"{reason[0].upper()}{reason[1:]}." if reason else "", str(claim.get("why") or "")]
    return "".join(f" {part}" for part in parts if part)
