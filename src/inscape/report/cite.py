"""How to cite: BibTeX for the paper that was reproduced, and for Inscape; and the command again."""

from __future__ import annotations

import re
import shlex
from typing import Any

_ARXIV = re.compile(
    r"(?:arxiv:)?(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[A-Z]{2})?/\d{7})", re.IGNORECASE
)


def arxiv(card: dict[str, Any]) -> str | None:
    """The card's arXiv id, or None where the paper is elsewhere."""
    found = _ARXIV.fullmatch(str(card.get("arxiv") or "").strip())
    return found[1] if found else None


def link(card: dict[str, Any]) -> str | None:
    """Where the paper is: its arXiv page, or an address that begins with https, else None."""
    if identifier := arxiv(card):
        return f"https://arxiv.org/abs/{identifier}"
    address = str(card.get("arxiv") or "").strip()
    return address if re.fullmatch(r"https?://[^\s<>\"']+", address) else None


def paper(card: dict[str, Any]) -> str:
    """The paper as a BibTeX entry."""
    authors = str(card.get("authors") or "").strip()
    year = str(card.get("year") or "")
    first = re.sub(r"[^a-z]", "", re.split(r"[\s,]", authors)[0].lower()) if authors else ""
    word = re.sub(
        r"[^a-z]",
        "",
        next((w for w in str(card.get("title", "")).lower().split() if len(w) > 3), ""),
    )
    fields = {
        "title": f"{{{_clean(card.get('title'))}}}",
        "author": _clean(_bibtex_authors(authors)),
        "year": year,
    }
    if identifier := arxiv(card):
        fields |= {
            "eprint": identifier,
            "archivePrefix": "arXiv",
            "url": f"https://arxiv.org/abs/{identifier}",
        }
    elif address := link(card):
        fields["url"] = address
    return _entry("article", f"{first}{year}{word}" or "paper", fields)


def inscape(version: str) -> str:
    """Inscape itself as a BibTeX entry."""
    title = "{Inscape: a workbench for the inner representations of neural networks}"
    return _entry(
        "software",
        "inscape",
        {"title": title, "author": "{The Inscape authors}", "version": version},
    )


def again(command: str) -> str:
    """The command of a run without the folder that it wrote, which is taken and is nobody else's.

    Example:
        >>> again("inscape run cka --seed 1 --out /home/ada/cka")
        'inscape run cka --seed 1'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # not a line of a shell
        return command
    places = [i for i, word in enumerate(words) if word in ("--to", "--out")]
    left = {i + step for i in places for step in (0, 1)}
    left |= {i for i, word in enumerate(words) if word.startswith(("--to=", "--out="))}
    kept = [word for i, word in enumerate(words) if i not in left]
    return shlex.join(kept) if left else command


def _bibtex_authors(authors: str) -> str:
    names = [n.strip() for n in re.split(r",\s*|\s+(?:and|&)\s+", authors) if n.strip()]
    etal = [re.sub(r"\s+et al\.?$", " and others", n) for n in names]
    return " and ".join(
        "others" if n in ("et al.", "et al") else re.sub(r"^and\s+", "", n) for n in etal
    )


def _clean(text: Any) -> str:
    return re.sub(r"[{}\\]", "", str(text or "")).strip()


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    body = ",\n".join(
        f"  {name:<13} = {{{value}}}" for name, value in fields.items() if value.strip("{}")
    )
    return f"@{kind}{{{key},\n{body}\n}}"
