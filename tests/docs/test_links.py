"""Every link inside the repository's documents leads somewhere, heading and all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
IMAGES = ROOT / "docs" / "images"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    out = []
    for link in LINK.findall(FENCE.sub("", text)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            out.append(link)
    return out


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    assert not broken(page, page.read_text(encoding="utf-8"))


def test_pictures_are_there_and_described():
    shown = [
        (page, link) for page in PAGES for link in IMAGE.findall(page.read_text(encoding="utf-8"))
    ]
    assert shown
    assert not [link for page, link in shown if not (page.parent / link).is_file()]


def test_a_broken_link_is_found():
    page = ROOT / "docs" / "tutorial.md"
    text = (
        "[a](glossary.md) [b](nowhere.md) [c](architecture.md#a-store) "
        "[d](architecture.md#a-cellar)"
    )
    assert broken(page, text) == ["nowhere.md", "architecture.md#a-cellar"]


def test_the_pages_are_found():
    names = {page.name for page in PAGES}
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "glossary.md",
        "architecture.md",
    } <= names


def test_decisions_are_short_and_listed():
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(folder.glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert f"]({record.name})" in listed, f"{record.name} is not listed"
        assert len(text.splitlines()) < 40
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{record.name} has no {part}"
