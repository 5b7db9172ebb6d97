"""The pages of results that a repository keeps, as Markdown.

`results` writes a table with a row for each study (``docs/results.md``) and a page with every claim
of each study (``docs/results/STUDY.md``). They are made from run folders by ``inscape results``,
never by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inscape.core.characters import visible
from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files
from inscape.report.folder import RunFolder, read
from inscape.report.kept import keep
from inscape.report.markdown import MARKS, cell, claims_table, plain, table
from inscape.report.page import as_carded, claim
from inscape.study.card import Card
from inscape.study.claims import over_seeds, tally
from inscape.study.discover import cards

_HEAD = """# Results

The verdicts of every study that was run, on criteria that were set before the run. Made by `inscape results` from run
folders.

- *Supported*: the whole interval is on the criterion's side and, where the claim names a null, p ≤ 0.05 after Holm's
  correction over the claims of the study.
- *Not supported*: the value is on the wrong side.
- *Uncertain*: everything else; the reason is given.

Where a study trains its own network, a claim is supported if it is supported on every seed. The number is that of the
study's first claim, or of the one that its card names. The report has every claim with its numbers.
"""
_DETAILS = """Made by `inscape results` from run folders; [all studies]({back}).
"""
_MARK = b"ade by `inscape results`"


def results(runs: Sequence[str | Path], to: str | Path, records: str | Path | None = None) -> Path:
    """Write the verdicts of runs as a Markdown table, and a page of details for each study.

    Args:
        runs: finished run folders.
        to: the file of the table; the details of ``docs/results.md`` are ``docs/results/STUDY.md``.
        records: a folder in which the runs' records are kept; the pages then show every run that is
            kept there.

    Returns:
        The path of the table's file.

    Raises:
        RunError: no run is given, one cannot be read, or a file cannot be written.
    """
    page = Path(to)
    refuse_foreign(page, _MARK, RunError)
    found = [read(run) for run in runs] if records is None else keep(runs, Path(records))
    studies = by_study(found)
    for study in studies:
        refuse_foreign(page.with_suffix("") / f"{study}.md", _MARK, RunError)
    known = cards()
    parts = [_HEAD, _when(found), _overview(studies, page, known)]
    if records is not None and (left := [s for s in known if s not in studies]):
        parts.append(f"Not run yet by this version: {', '.join(left)}.")
    for study, same in studies.items():
        card = known[study].to_dict() if study in known else same[0].card
        _write(page.with_suffix("") / f"{study}.md", _details(study, same, page, card))
    return _write(page, parts)


def _when(runs: Sequence[RunFolder]) -> str:
    """How many runs the page is made from, of what days and of how many commits."""
    days = sorted(str(r.record.get("finished") or "")[:10] for r in runs)
    commits = {(r.record.get("environment") or {}).get("git", {}).get("commit") for r in runs}
    known = len(commits - {None})
    between = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    plural = "run" if len(runs) == 1 else "runs"
    of = f", of {known} commit{'s' if known > 1 else ''} of the code" if known else ""
    text = f"{len(runs)} {plural}, finished {between}{of}; the page of each study says which."
    return plain(text)


def _details(study: str, runs: list[RunFolder], page: Path, card: Mapping[str, Any]) -> list[str]:
    """Every claim of a study with its numbers, run by run; what is said of it is today's card's."""
    by = f"{card.get('authors')} ({card.get('year')}), " if card.get("authors") else ""
    back = _DETAILS.format(back=f"../{quote(page.name)}")
    parts = [f"# {study}", plain(by + runs[0].title), back]
    if differs := card.get("differs"):
        parts.append(f"**What differs from the authors' code.** {plain(str(differs))}")
    parts.append(_over_seeds(runs))
    parts += [_run(run) for run in runs]
    if negative := card.get("negative"):
        carded = any(as_carded(run.record) for run in runs)
        where = "here" if carded else "with the small preset (not these runs)"
        parts.append(f"**Does not reproduce {where}.** {plain(negative)}")
    return parts


def by_study(runs: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    """Runs by the name of their study, in alphabetical order."""
    if not runs:
        raise RunError("There is no run: give one or more run folders.")
    found: dict[str, list[RunFolder]] = {}
    for run in runs:
        found.setdefault(run.record["study"], []).append(run)
    return dict(sorted(found.items()))


def _overview(studies: dict[str, list[RunFolder]], page: Path, known: Mapping[str, Card]) -> str:
    """One row a study: verdicts over all seeds of the first preset that is shown, and one
    number."""
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
        seeds = f" ({len(same)} of {promised} seeds)" if promised > 1 else ""
        named = str(found[0].card.get("headline") or getattr(known.get(study), "headline", ""))
        # the name of a study is letters, digits and hyphens, so the link needs no escape
        link = f"[details]({quote(page.stem)}/{study}.md)"
        number = cell(_number(same, named))
        rows.append(f"| {study} | {tally(combined)}{seeds} | {number} | {link} |")
    head = ["| study | verdicts | one number | report |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _number(runs: list[RunFolder], named: str) -> str:
    """The claim that stands for a study, with its value in each run."""
    counted = [c for c in runs[0].claims if not c.get("sanity")]
    if not counted:
        return ""
    chosen = next((c for c in counted if c.get("id") == named), counted[0])
    found = [claim(c) for run in runs for c in run.claims if c.get("id") == chosen.get("id")]
    values = "; ".join(f"{c.value} {c.interval}" for c in found)
    text = found[0].text.rstrip(".")
    return f"{text}: {values}"


def _over_seeds(runs: Sequence[RunFolder]) -> str:
    """The verdicts of a study over the seeds of each preset and model, where more than one run
    says so."""
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
            unit = str(records[0].get("unit") or "")
            values = [claim(r | {"unit": ""}).value for r in records]
            shown = f"{', '.join(values)} {unit}".strip()
            mark = MARKS.get(verdict, f"? {verdict}") + (f": {reason}" if reason else "")
            rows.append([claim(records[0]).text, mark, shown, claim(records[0]).criterion])
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
    head = "## " + plain(" · ".join(filter(None, facts)))
    found = claims_table([claim(c) for c in run.claims])
    parts = [head, plain(str(record.get("answer") or "")), found]
    if warned := [f"- {plain(str(w))}" for w in record.get("warnings") or []]:
        parts.append("Warnings:\n\n" + "\n".join(warned))
    return "\n\n".join(filter(None, parts))


def _write(page: Path, parts: list[str]) -> Path:
    text = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    return _target(page).write(page.name, visible(text))


def _target(page: Path) -> files.Target:
    return files.Target(page.parent, files.ELSEWHERE)
