"""The record of what was shown: every claim of some runs as Markdown, with its verdict, its numbers and its lineage.

`results` is the page that a repository keeps (``docs/results.md``); `gallery` is one figure per study with its answer.
Both are made from run folders by ``inscape results`` and ``inscape gallery``, never by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from inscape.core.characters import visible
from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files
from inscape.report.build import build
from inscape.report.files import load
from inscape.report.folder import RunFolder, read
from inscape.report.kept import keep
from inscape.report.markdown import MARKS, claims_table, plain, table
from inscape.report.page import claim
from inscape.study.claims import over_seeds, tally
from inscape.study.discover import cards

_HEAD = """# Results

Every claim of every study, judged against a criterion that was set before the run. Made by `inscape results` from run
folders. A claim is *supported* where its whole interval is on the criterion's side and, where it names a null, p ≤ 0.05
after Holm's correction over the claims of the study; *not supported* where its value is on the wrong side; *uncertain*
otherwise, with the reason. A claim that is not supported stays, with its numbers. Where a study trains its own network,
the verdict is over its seeds: supported on every one of them.
"""
_GALLERY = """# Gallery

One figure of each study and its answer, made by `inscape gallery` from run folders.
"""


def results(runs: Sequence[str | Path], to: str | Path, records: str | Path | None = None) -> Path:
    """Write the claims of runs as Markdown, one section a study, one table a run.

    Args:
        runs: finished run folders.
        to: the file.
        records: a folder in which the runs' records are kept; the page then shows every run that is kept there.

    Raises:
        RunError: no run is given, one cannot be read, or the file cannot be written.
    """
    refuse_foreign(to, b"ade by `inscape results`", RunError)
    parts = [_HEAD]
    if records is None:
        found_studies = _by_study([read(run) for run in runs])
    else:
        found_studies = _by_study(keep(runs, Path(records)))
    parts.append(_overview(found_studies))
    if records is not None and (left := [s for s in cards() if s not in found_studies]):
        parts.append(f"Not run yet by this version: {', '.join(left)}.")
    for study, found in found_studies.items():
        card = found[0].card
        by = f"{card.get('authors')} ({card.get('year')}), " if card.get("authors") else ""
        parts.append(f"## {study}\n\n{plain(by + found[0].title)}")
        if differs := card.get("differs"):
            parts.append(f"What differs from the authors' code: {plain(str(differs))}")
        parts.append(_over_seeds(found))
        parts += [_run(run) for run in found]
        if negative := found[0].card.get("negative"):
            parts.append(f"**Does not reproduce here.** {plain(negative)}")
    return _write(Path(to), parts)


def gallery(runs: Sequence[str | Path], to: str | Path) -> Path:
    """Write one figure of each run with its answer; pictures go beside the page.

    Args:
        runs: finished run folders; the first of each study is shown.
        to: the Markdown file; pictures go to the folder ``gallery`` beside it.

    Raises:
        RunError: no run is given, one cannot be read or has no figure, or nothing can be written.
    """
    refuse_foreign(to, b"ade by `inscape gallery`", RunError)
    page = Path(to)
    before = page.read_text(encoding="utf-8", errors="replace") if page.exists() else ""
    parts, pictures = [_GALLERY], {}
    for study, found in _by_study([read(run) for run in runs]).items():
        run = found[0]
        names = run.names("figure")
        if not names:
            raise RunError(f"{run.path} has no figure to show; give another run of {study}.")
        name = str(run.card.get("figure") or names[0])
        if name not in names:
            raise RunError(
                f"The card of {run.path} names the figure {name}, which the run has not; it has {', '.join(names)}."
            )
        picture = f"gallery/{study}.png"
        if f"]({picture})" not in before:  # not a picture of the page that is replaced
            refuse_foreign(page.parent / picture, None, RunError)
        build(run.path)
        pictures[picture] = load(run.path, f"figures/{name}.png", 256 << 20)
        caption = next(
            s["caption"] for s in run.sections if s["name"] == name and s["kind"] == "figure"
        )
        parts.append(
            f"## {plain(run.title)}\n\n`inscape run {study}`\n\n{plain(str(run.record.get('answer', '')))}\n\n"
            f"![{plain(caption, inside=True)}]({picture})\n\n{plain(caption)}"
        )
    for picture, content in pictures.items():
        _target(page).write(picture, content)
    return _write(page, parts)


def _by_study(runs: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    if not runs:
        raise RunError("There is no run: give one or more run folders.")
    found: dict[str, list[RunFolder]] = {}
    for run in runs:
        found.setdefault(run.record["study"], []).append(run)
    return dict(sorted(found.items()))


def _overview(studies: dict[str, list[RunFolder]]) -> str:
    """One row a study: its verdicts over all seeds of the first preset that is shown."""
    rows = []
    for study, found in studies.items():
        preset = found[0].record.get("preset")
        same = [r for r in found if r.record.get("preset") == preset]
        promised = int(found[0].card.get("seeds") or 1)
        combined = []
        for id in dict.fromkeys(c.get("id") for run in same for c in run.claims):
            records = [c for run in same for c in run.claims if c.get("id") == id]
            verdict, _ = over_seeds(records, promised)
            combined.append({"verdict": verdict, "sanity": records[0].get("sanity")})
        # the name of a study is letters, digits and hyphens, so the link needs no escape
        rows.append(f"| [{study}](#{study}) | {tally(combined)} | {len(same)} of {promised} |")
    return "\n".join(["| study | verdicts | seeds run |", "| --- | --- | --- |", *rows])


def _over_seeds(runs: Sequence[RunFolder]) -> str:
    """The verdicts of a study over the seeds of each preset and model, where more than one run says so."""
    parts = []
    settings: dict[tuple[str, str], list[RunFolder]] = {}
    for run in runs:
        config = {k: v for k, v in (run.record.get("config") or {}).items() if k != "seed"}
        key = (str(run.record.get("preset")), json.dumps(config, sort_keys=True, default=str))
        settings.setdefault(key, []).append(run)
    for (preset, _), same in settings.items():
        promised = int(same[0].card.get("seeds") or 1)
        if len(same) == 1 and promised == 1:
            continue
        seeds = ", ".join(str(r.record.get("seed")) for r in same)
        rows = []
        for id in dict.fromkeys(c.get("id") for run in same for c in run.claims):
            records = [c for run in same for c in run.claims if c.get("id") == id]
            if records[0].get("sanity"):
                continue
            verdict, reason = over_seeds(records, promised)
            values = ", ".join(claim(r).value for r in records)
            mark = MARKS.get(verdict, f"? {verdict}") + (f": {reason}" if reason else "")
            rows.append([claim(records[0]).text, mark, values, claim(records[0]).criterion])
        head = ["claim", f"verdict over seeds {seeds}", "value on each seed", "criterion"]
        parts.append(f"**Preset {plain(preset)}, over seeds**\n\n" + table(head, rows, right=()))
    return "\n\n".join(parts)


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
    head = "### " + plain(" · ".join(filter(None, facts)))
    found = claims_table([claim(c) for c in run.claims])
    parts = [head, plain(str(record.get("answer") or "")), found]
    if warned := [f"- {plain(str(w))}" for w in record.get("warnings") or []]:
        parts.append("Warnings:\n\n" + "\n".join(warned))
    return "\n\n".join(filter(None, parts))


def _write(page: Path, parts: list[str]) -> Path:
    return _target(page).write(page.name, visible("\n\n".join(filter(None, parts)) + "\n"))


def _target(page: Path) -> files.Target:
    return files.Target(page.parent, files.ELSEWHERE)
