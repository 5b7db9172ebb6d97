"""The report as Markdown, for terminals and code hosts: the same content, figures as links to
their PNG files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from inscape.core.characters import visible
from inscape.report import files
from inscape.report.folder import read
from inscape.report.page import Block, Certificate, Claim, Page, page

ROWS = 20
#: what begins an item of a list or a quotation
_ITEM = r"[ \t]*(?:[-*+>]|\d{1,9}[.)])"


def build(run_dir: str | Path) -> Path:
    """Write ``report.md`` into a finished run folder and return its path.

    Raises:
        RunError: the folder is missing, unfinished or damaged, or cannot be written to.
    """
    run = read(run_dir)
    found = page(run)
    target = files.Target(run.path, files.COPY)
    target.refuse_foreign("report.md", mark(found))
    return target.write("report.md", text(found))


def mark(found: Page) -> bytes:
    """What the Markdown of this study's reports has near its beginning, and no file of somebody
    else.
    """
    return f"Study `{found.study}`.".encode()


def text(found: Page) -> str:
    """The Markdown of a report."""
    parts = [f"# {plain(found.title)}", _byline(found), _facts(found)]
    parts += ["## Question", plain(found.asked)] if found.asked else []
    parts += ["## Answer", *map(plain, found.answer)] if found.answer else []
    parts += ["## Claims", claims_table(found.claims)] if found.claims else []
    parts += ["## Evidence", *map(_block, found.blocks)] if found.blocks else []
    parts += (
        ["## The study", *(f"**{label}.** {plain(value)}" for label, value in found.card)]
        if found.card
        else []
    )
    parts += (
        ["## Certificates", *map(_certificate, found.certificates)] if found.certificates else []
    )
    parts += (
        ["## Warnings", "\n".join(f"- {plain(w)}" for w in found.warnings)]
        if found.warnings
        else []
    )
    parts += ["## How to cite", *(fenced("bibtex", entry) for entry in found.citations)]
    parts += ["## How to rerun", fenced("sh", found.command)] if found.command else []
    parts.append("## Lineage")
    for name, rows in found.lineage:
        parts.append(f"**{name}**\n\n" + "\n".join(f"- {plain(k)}: {plain(v)}" for k, v in rows))
    # it is read on terminals too, some of which obey what XML allows
    return visible("\n\n".join(part for part in parts if part) + "\n")


def _byline(found: Page) -> str:
    where = f" <{found.link}>" if found.link else ""
    return f"{plain(found.byline)}{where}. Study `{found.study}`."


def _facts(found: Page) -> str:
    return " · ".join(f"{label} {plain(value)}" for label, value in found.facts)


#: a verdict with its mark
MARKS = {"supported": "✓ supported", "not supported": "✗ not supported"}


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims with their verdicts as a Markdown table; sanity checks come after, in one of their
    own."""
    parts = []
    for sanity in (False, True):
        rows = [
            [
                c.text,
                MARKS.get(c.verdict, f"? {c.verdict}") + (f": {c.reason}" if c.reason else ""),
                f"{c.value} {c.interval}" + _tested(c),
                c.criterion,
                "; ".join(filter(None, [c.null if c.null != "none" else "", c.beside])),
                c.why,
            ]
            for c in claims
            if c.sanity == sanity
        ]
        head = ["sanity check" if sanity else "claim", "verdict", "value [interval]", "criterion"]
        head += ["null and comparisons", "note"]
        # what no claim has needs no column
        kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
        if rows:
            shown = [[row[i] for i in kept] for row in rows]
            parts.append(table([head[i] for i in kept], shown, right=()))
    return "\n\n".join(parts)


def _tested(c: Claim) -> str:
    """The p-value and the number of items of a claim, behind its interval."""
    p = f", p {'' if c.p.startswith('<') else '= '}{c.p}" if c.p else ""
    return p + (f", n = {c.n}" if c.n else "")


def _block(block: Block) -> str:
    if block.kind == "text":
        return prose(block.text)
    caption = f"The numbers of figure {block.under}." if block.under else block.caption
    head = f"**{block.kind.capitalize()} {block.number}.** {plain(caption)}"
    if block.kind == "figure":
        return f"![Figure {block.number}](figures/{block.name}.png)\n\n{head}"
    held = block.table
    assert held is not None
    if not held.total:
        return f"{head}\n\nNo rows."
    shown = min(held.shown, ROWS)
    rows = [[c.cells[i] for c in held.columns] for i in range(shown)]
    numeric = tuple(i for i, c in enumerate(held.columns) if c.numeric)
    same = f" {held.constant}" if held.constant else ""
    rest = (
        f"\n\n{shown} of {held.total} rows; all in `tables/{block.name}.parquet`."
        if held.total > shown
        else ""
    )
    notes = "".join(f"\n{i}. {plain(note)}" for i, note in enumerate(held.notes, start=1))
    notes = f"\n\nWarnings:\n{notes}" if notes else ""
    shown_table = table([c.label for c in held.columns], rows, numeric)
    return f"{head}{plain(same)}\n\n{shown_table}{rest}{notes}"


def _certificate(c: Certificate) -> str:
    state = "passed" if c.passed else f"{c.failed} not passed"
    rows = [
        [
            i["name"],
            "✓ passed" if i["passed"] else "✗ not passed",
            i["value"],
            i["tolerance"],
            i["sites"],
            i["reason"],
        ]
        for i in c.items
    ]
    items = table(["item", "result", "value", "tolerance", "sites", "reason"], rows, right=(2, 3))
    return f"**{plain(c.model)}**: {state}. Weights sha256 {code(c.weights)}.\n\n{items}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """A Markdown table; `right` names the columns aligned to the right."""
    rule = " | ".join("---:" if i in right else "---" for i in range(len(heads)))
    lines = [" | ".join(map(cell, line)) for line in (heads, *rows)]
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))


def cell(value: str) -> str:
    """Text for a cell of a table."""
    return plain(value).replace("|", "\\|")


def plain(value: str, inside: bool = False) -> str:
    """Text that stays text in Markdown: no markup, link, picture, heading or HTML, no line breaks.

    Args:
        value: the text.
        inside: whether it stands between brackets of ours, as a picture's description does.
    """
    brackets = r"[\[\]]" if inside else r"\](?=[(\[:])"
    special = rf"([\\`*_<~]|!(?=\[)|{brackets}|&(?=#?\w+;))"
    text = re.sub(special, r"\\\1", " ".join(str(value).split()))
    # what begins a heading, a list, a quotation or a rule, where the text begins a line
    text = re.sub(r"^(#{1,6}(?=\s|$)|[-+](?=\s|$)|>|=+$|-[- ]*$)", r"\\\1", text)
    text = re.sub(r"^(\d{1,9})([.)])(?=\s|$)", r"\1\\\2", text)
    return unlinked(text)


def unlinked(text: str) -> str:
    """Text in which a code host finds no address to make a link of."""
    text = re.sub(r"(?i)\b([a-z][a-z0-9+.-]*):(?=//)|\b(mailto|xmpp):", _colon, text)
    text = re.sub(r"(?i)\bwww\.", lambda found: found[0][:-1] + "\\.", text)
    return re.sub(r"(?<=[\w.+-])@(?=\w)", r"\\@", text)


def _colon(found: re.Match[str]) -> str:
    return found[0].removesuffix(":") + "\\:"


def prose(text: str) -> str:
    """Markdown of a run, with its emphasis, lists and code, but no heading, link, picture, HTML
    or open fence."""
    lines = []
    for line in text.replace("<", "&lt;").splitlines():
        line = re.sub(rf"^(?:{_ITEM})*[ \t]*(?:`{{3,}}|~{{3,}}).*$", "", line)
        line = re.sub(rf"^((?:{_ITEM})*[ \t]*)(#{{1,6}}(?:[ \t]|$))", r"\1\\\2", line)
        line = re.sub(r"^([ \t>]*)(=+|-+)([ \t]*)$", r"\1\\\2\3", line)
        # an escape that is already there is kept together, since a second backslash would undo it
        line = re.sub(r"(\\.)|(!(?=\[)|\](?=[(\[:]))", lambda m: m[1] or f"\\{m[2]}", line)
        lines.append(unlinked(line))
    return "\n".join(lines)


def fenced(language: str, text: str) -> str:
    """A block of code that its text cannot end."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def code(text: str) -> str:
    """Code within a line, which its text cannot end."""
    return f"`{' '.join(text.replace('`', ' ').split())}`"
