"""The record of what was shown: every claim of some runs as Markdown, passed or not, with its numbers and lineage.

`results` is the page that a repository keeps (``docs/results.md``); `gallery` is one figure per study with its answer.
Both are made from run folders by ``inscape results`` and ``inscape gallery``, never by hand.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from inscape.core.errors import RunError
from inscape.report import files
from inscape.report.build import build
from inscape.report.folder import RunFolder, read
from inscape.report.markdown import plain, table
from inscape.report.page import claim

_HEAD = """# Results

Claims of the studies as they came out, each against a bar that was set before the run. Made by `inscape results` from run
folders; a claim that was missed stays, with its numbers.
"""
_GALLERY = """# Gallery

One figure of each study and its answer, made by `inscape gallery` from run folders.
"""


def results(runs: Sequence[str | Path], to: str | Path) -> Path:
    """Write the claims of runs as Markdown, one section a study, one table a run.

    Args:
        runs: finished run folders.
        to: the file.

    Raises:
        RunError: no run is given, one cannot be read, or the file cannot be written.
    """
    parts = [_HEAD]
    for study, found in _by_study(runs).items():
        parts.append(
            f"## {study}\n\n{plain(found[0].title)}. Bar: {plain(str(found[0].card.get('bar', '')))}"
        )
        parts += [_run(run) for run in found]
        if negative := found[0].card.get("negative"):
            parts.append(f"**Does not reproduce here.** {plain(negative)}")
    return files.write(_parent(to), "\n\n".join(parts) + "\n")


def gallery(runs: Sequence[str | Path], to: str | Path) -> Path:
    """Write one figure of each run with its answer; pictures go beside the page.

    Args:
        runs: finished run folders; the first of each study is shown.
        to: the Markdown file; pictures go to the folder ``gallery`` beside it.

    Raises:
        RunError: no run is given, one cannot be read or has no figure, or nothing can be written.
    """
    page = _parent(to)
    parts = [_GALLERY]
    for study, found in _by_study(runs).items():
        run = found[0]
        if not run.names("figure"):
            raise RunError(f"{run.path} has no figure to show; give another run of {study}.")
        name = str(run.card.get("figure") or run.names("figure")[0])
        build(run.path)
        picture = page.parent / "gallery" / f"{study}.png"
        try:
            picture.parent.mkdir(exist_ok=True)
            shutil.copyfile(run.path / "figures" / f"{name}.png", picture)
        except OSError as error:
            raise RunError(
                f"Cannot write {picture}: {error.strerror or error}. Give another place with --to."
            ) from error
        caption = next(
            s["caption"] for s in run.sections if s["name"] == name and s["kind"] == "figure"
        )
        parts.append(
            f"## {plain(run.title)}\n\n`inscape run {study}`\n\n{plain(str(run.record.get('answer', '')))}\n\n"
            f"![{plain(caption)}](gallery/{study}.png)\n\n{plain(caption)}"
        )
    return files.write(page, "\n\n".join(parts) + "\n")


def _by_study(runs: Sequence[str | Path]) -> dict[str, list[RunFolder]]:
    if not runs:
        raise RunError("There is no run: give one or more run folders.")
    found: dict[str, list[RunFolder]] = {}
    for path in runs:
        run = read(path)
        found.setdefault(run.record["study"], []).append(run)
    return dict(sorted(found.items()))


def _run(run: RunFolder) -> str:
    record = run.record
    where = record.get("environment") or {}
    models = ", ".join(
        dict.fromkeys(str(c.get("model")) for c in run.certificates if c.get("model"))
    )
    git = where.get("git") or {}
    commit = str(git.get("commit") or "")[:12] + (" with local changes" if git.get("dirty") else "")
    facts = [
        f"preset {record.get('preset')}",
        f"seed {record.get('seed')}",
        models,
        str(record.get("finished") or "")[:10],
        f"commit {commit}" if git else "",
        f"{where.get('cpu')}, {where.get('cores')} cores",
        f"{float(record.get('seconds') or 0):.0f} s",
    ]
    rows = []
    for c in map(claim, run.claims):
        result = "✓ passed" if c.passed else "✗ not passed"
        rows.append([c.text, result, f"{c.value} {c.interval}", c.null, c.bar, c.p, c.n, c.why])
    head = "### " + " · ".join(filter(None, facts))
    return f"{head}\n\n{plain(str(record.get('answer') or ''))}\n\n" + table(
        ["claim", "result", "value [interval]", "null", "bar", "p", "n", "why"], rows, right=()
    )


def _parent(to: str | Path) -> Path:
    path = Path(to)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror or error}. Give another place with --to."
        ) from error
    return path
