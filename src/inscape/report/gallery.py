"""The gallery that a repository keeps: one figure of each study with its answer, as Markdown.

Made from run folders by ``inscape gallery``. A study whose run is not given again keeps its place
and picture, so that the page grows without the folders of all runs; five studies lead, the rest
follow by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files
from inscape.report.build import build
from inscape.report.files import load
from inscape.report.folder import RunFolder, read
from inscape.report.markdown import plain
from inscape.report.results import by_study

_HEAD = """# Gallery

One figure of each study and its answer, made by `inscape gallery` from run folders.
"""
#: how a section of the page begins: the title, then the command with the study's name
_SECTION = re.compile(r"^## .+\n\n`inscape run ([a-z0-9-]+)`$", re.MULTILINE)
LEAD = (
    "space-time-neurons",
    "audit",
    "linear-shortcut-lens",
    "io-neurons",
    "sentiment-direction",
)


def gallery(runs: Sequence[str | Path], to: str | Path, lead: Sequence[str] = LEAD) -> Path:
    """Write one figure of each run with its answer; pictures go beside the page.

    Args:
        runs: finished run folders; the first of each study is shown.
        to: the Markdown file; pictures go to the folder ``gallery`` beside it. Studies that it
            shows already and that no run is given of are kept.
        lead: names of the studies that come first, in this order.

    Returns:
        The path of the page.

    Raises:
        RunError: no run is given, one cannot be read or has no figure, or nothing can be written.
    """
    refuse_foreign(to, b"ade by `inscape gallery`", RunError)
    page = Path(to)
    before = page.read_text(encoding="utf-8", errors="replace") if page.exists() else ""
    sections, pictures = _sections(before), {}
    for study, found in by_study([read(run) for run in runs]).items():
        picture = f"gallery/{study}.png"
        if f"]({picture})" not in before:  # not a picture of the page that is replaced
            refuse_foreign(page.parent / picture, None, RunError)
        sections[study], pictures[picture] = _shown(found[0], picture)
    target = files.Target(page.parent, files.ELSEWHERE)
    for picture, content in pictures.items():
        target.write(picture, content)
    order = sorted(sections, key=lambda s: (lead.index(s) if s in lead else len(lead), s))
    parts = [_HEAD.strip(), *(sections[study] for study in order)]
    return target.write(page.name, "\n\n".join(parts) + "\n")


def _shown(run: RunFolder, picture: str) -> tuple[str, bytes]:
    """The section of a run, and its picture."""
    study = run.record["study"]
    names = run.names("figure")
    if not names:
        raise RunError(f"{run.path} has no figure to show; give another run of {study}.")
    name = str(run.card.get("figure") or names[0])
    if name not in names:
        raise RunError(
            f"The card of {run.path} names the figure {name}, which the run does not have; it has "
            f"{', '.join(names)}."
        )
    build(run.path)
    content = load(run.path, f"figures/{name}.png", 256 << 20)
    caption = next(
        s["caption"] for s in run.sections if s["name"] == name and s["kind"] == "figure"
    )
    text = "\n\n".join(
        [
            f"## {plain(run.title)}",
            f"`inscape run {study}`",
            plain(str(run.record.get("answer", ""))),
            f"![The figure of {study}]({picture})",
            plain(caption),
        ]
    )
    return text, content


def _sections(text: str) -> dict[str, str]:
    """The sections of a page that this command wrote, by study."""
    starts = list(_SECTION.finditer(text))
    ends = [*(found.start() for found in starts), len(text)][1:]
    return {
        found[1]: text[found.start() : end].strip() for found, end in zip(starts, ends, strict=True)
    }
