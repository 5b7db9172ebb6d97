"""The content of a report, in order, as plain values: the one source of the HTML page and of the
Markdown.

First what is read in ten seconds: the question, the answer in a line, one figure, the claims. Then
the whole answer, the claims with their details, the evidence (figures, tables and texts in the
order the study recorded them), the study's card, certificates, warnings, how to cite, how to rerun,
lineage. Nothing here knows a markup; every string is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from markupsafe import Markup

from inscape.core.characters import storable
from inscape.report import cite, glyph, numbers, tables
from inscape.report.folder import RunFolder
from inscape.study.claims import VERDICTS, criterion, tally

#: letters below which a first sentence is no answer yet ("In part.", "Yes: it does.")
_SHORT = 60


@dataclass(frozen=True)
class Claim:
    """A claim as the reader sees it: text, verdict and reason, numbers as text, the picture of
    its interval."""

    text: str
    verdict: str
    reason: str
    sanity: bool
    value: str
    interval: str
    null: str
    beside: str
    criterion: str
    p: str
    n: str
    why: str
    picture: Markup


@dataclass(frozen=True)
class Block:
    """A piece of evidence: a figure, a table or a text, with its number among its kind and its
    caption.

    `under` names the figure that this table holds the numbers of: it follows the figure and has the
    same name or caption.
    """

    kind: Literal["figure", "table", "text"]
    name: str
    number: int
    caption: str
    table: tables.Table | None = None
    spec: dict[str, Any] | None = None
    text: str = ""
    under: int | None = None


@dataclass(frozen=True)
class Certificate:
    """A certificate: the model, its weights' hash, whether all passed, and the items as a table."""

    model: str
    weights: str
    passed: bool
    failed: int
    items: list[dict[str, Any]]


@dataclass(frozen=True)
class Page:
    """A report; see the module for the order.

    Attributes:
        tally: how many claims have each verdict, in words.
        checked: the same of the sanity checks.
        verdicts: how many claims have each verdict.
        headline: the answer in a line: its first sentence, or the first two where that one is
            short.
        rest: the whole answer as paragraphs where the headline is not all of it.
        hero: the name of the figure of the first screen: the one that the card names, or the first;
            empty without one.
        question: it answers a question of one's own and reproduces no paper.
    """

    title: str
    run: str
    study: str
    byline: str
    link: str | None
    card: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    asked: str
    answer: list[str]
    claims: list[Claim]
    blocks: list[Block]
    certificates: list[Certificate]
    warnings: list[str]
    citations: list[str]
    command: str
    lineage: list[tuple[str, list[tuple[str, str]]]]

    tally: str
    checked: str
    verdicts: list[tuple[str, int]]
    headline: str
    rest: list[str]
    hero: str = ""
    question: bool = False


def page(run: RunFolder) -> Page:
    """The report of a run, as plain values.

    Raises:
        RunError: a table or figure of the run cannot be read.
    """
    record, card = run.record, run.card
    year = f" ({card['year']})" if card.get("year") else ""
    version = str(record.get("inscape") or "")
    question = card.get("kind") == "question"
    answer = [part.strip() for part in str(record.get("answer") or "").split("\n\n")]
    answer = [part for part in answer if part]
    headline = _headline(answer)
    blocks = _blocks(run)
    counted = [c.get("verdict") for c in run.claims if not c.get("sanity")]
    return Page(
        title=run.title,
        run=storable(run.path.resolve().name),
        study=record["study"],
        byline=f"{card.get('authors') or ''}{year}".strip(),
        link=cite.link(card),
        card=_card(card, own=as_carded(record)),
        facts=_facts(run),
        asked=str(record.get("asked") or ""),
        answer=answer,
        claims=[claim(c) for c in run.claims],
        blocks=blocks,
        certificates=[_certificate(c) for c in run.certificates],
        warnings=[str(w) for w in record.get("warnings") or []],
        citations=[
            *([cite.paper(card)] if card.get("title") and not question else []),
            cite.inscape(version),
        ],
        command=cite.again(str(record.get("command") or "")),
        lineage=_lineage(run),
        tally=tally(run.claims),
        checked=tally([c | {"sanity": False} for c in run.claims if c.get("sanity")]),
        verdicts=[(v, counted.count(v)) for v in VERDICTS if counted.count(v)],
        headline=headline,
        rest=[] if answer == [headline] else answer,
        hero=_hero(blocks, str(card.get("figure") or "")),
        question=question,
    )


def _headline(answer: list[str]) -> str:
    """The first sentence of an answer; the first two where the first says little more than yes
    or no."""
    if not answer:
        return ""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z“\"(])", answer[0])
    short = len(sentences[0]) < _SHORT and len(sentences) > 1
    return " ".join(sentences[:2]) if short else sentences[0]


def _hero(blocks: list[Block], named: str) -> str:
    figures = [block.name for block in blocks if block.kind == "figure"]
    return named if named in figures else (figures[0] if figures else "")


def claim(record: dict[str, Any]) -> Claim:
    """A record of ``claims.json`` as it is read."""
    unit = f" {record['unit']}" if record.get("unit") else ""
    value, interval = numbers.with_ends(*(record.get(k) for k in ("value", "low", "high")))
    weaker = record.get("weaker")
    why = [
        str(record.get("why") or ""),
        f"Weaker than the paper's claim: {weaker}" if weaker else "",
    ]
    return Claim(
        text=str(record.get("text") or record.get("id") or ""),
        verdict=record["verdict"] if record.get("verdict") in VERDICTS else "uncertain",
        reason=str(record.get("reason") or ""),
        sanity=bool(record.get("sanity")),
        value=f"{value}{unit}",
        interval=_no_interval(record) if interval == numbers.MISSING else interval,
        null=_null(record),
        beside="; ".join(_beside(b) for b in record.get("beside") or []),
        criterion=f"{criterion(record)}{unit}",
        p=_p(record),
        n="" if record.get("n") is None else numbers.number(record["n"]),
        why=" ".join(filter(None, why)),
        picture=glyph.picture(record),
    )


def _no_interval(record: dict[str, Any]) -> str:
    return "exact" if record.get("exact") else "no interval"


def _null(record: dict[str, Any]) -> str:
    null = record.get("null") or {}
    if not null or null.get("draws") == 1:
        return "none"
    mean, span = numbers.with_ends(*(null.get(k) for k in ("mean", "low", "high")))
    spread = f" {span}" if span != numbers.MISSING and null.get("low") != null.get("high") else ""
    draws = f", {null['draws']} draws" if null.get("draws") else ""
    mean = mean if spread else numbers.number(null.get("mean"))
    return f"{mean}{spread} ({null.get('kind', 'null')}{draws})"


def _beside(beside: dict[str, Any]) -> str:
    value, span = numbers.with_ends(*(beside.get(k) for k in ("value", "low", "high")))
    ends = "" if span == numbers.MISSING else f" {span}"
    return f"{beside.get('name')}: {value}{ends} ({beside.get('role')})"


def _p(record: dict[str, Any]) -> str:
    corrected, plain = record.get("p_corrected"), record.get("p")
    if corrected is not None:
        after = "" if corrected == plain else " after correction"
        return f"{numbers.p_value(corrected)}{after}"
    return "" if plain is None else numbers.p_value(plain)


#: the preset whose models and data a card describes
_CARDED = "small"


def as_carded(record: dict[str, Any]) -> bool:
    """Whether a run used the models, data and settings that the card of its study describes."""
    changed = set(record.get("changed") or {}) - {"seed"}
    return record.get("preset") == _CARDED and not changed


def _card(card: dict[str, Any], *, own: bool) -> list[tuple[str, str]]:
    """What the card says; of another run than this one where its models or data were others."""
    of = "" if own else f", with its {_CARDED} preset (not this run)"
    labels = {
        "claim": "The paper's claim",
        "reproduced": f"What the study reproduces{of}",
        "controls": "Controls",
        "differs": "What differs from the authors' code",
        "group_note": f"What is held out together{of}",
        "negative": f"What does not reproduce{of}",
    }
    values = {
        k: "; ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v or "")
        for k, v in card.items()
    }
    return [
        (label, _sentence(values[key]))
        for key, label in labels.items()
        if values.get(key, "").strip()
    ]


def _facts(run: RunFolder) -> list[tuple[str, str]]:
    record = run.record
    models = list(dict.fromkeys(str(c.get("model")) for c in run.certificates if c.get("model")))
    asked = record.get("config") if run.card.get("kind") == "question" else None
    facts = [
        ("Model", ", ".join(models)),
        *_question(asked or {}),
        ("Preset", str(record.get("preset") or "")),
        ("Changed", _changed(record)),
        ("Seed", str(record.get("seed", ""))),
        ("Run", _date(record.get("started"))),
        (
            "Took",
            numbers.seconds(record.get("seconds")) if record.get("seconds") is not None else "",
        ),
    ]
    return [(label, value) for label, value in facts if value]


def _changed(record: dict[str, Any]) -> str:
    """The settings that differ from the preset's: ``"data mine.csv, labels score"``."""
    changed = {k: v for k, v in (record.get("changed") or {}).items() if k != "seed"}
    return ", ".join(f"{name} {value}" for name, value in _flat(changed))


def _question(config: dict[str, Any]) -> list[tuple[str, str]]:
    """What a question of one's own was asked of."""
    labels = {"data": "Data", "labels": "Labels", "group": "Held out together", "at": "Position"}
    values = {
        k: ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v or "")
        for k, v in config.items()
    }
    return [(label, values[key]) for key, label in labels.items() if values.get(key)]


def _blocks(run: RunFolder) -> list[Block]:
    counts = {"figure": 0, "table": 0, "text": 0}
    blocks = []
    for section in run.sections:
        kind, name = section["kind"], section["name"]
        counts[kind] += 1
        caption = _sentence(str(section.get("caption") or ""))
        table = tables.view(run.table(name)) if kind == "table" else None
        spec = run.figure(name) if kind == "figure" else None
        text = str(section.get("markdown") or section.get("text") or "")
        under = _under(blocks, kind, name, caption)
        blocks.append(Block(kind, name, counts[kind], caption, table, spec, text, under))
    return blocks


def _sentence(text: str) -> str:
    """A caption whose first word, where it is a plain one, has a capital: not k-NN or d′."""
    first = re.match(r"[a-z]{3,}(?=[\s,.:;])", text)
    return text[:1].upper() + text[1:] if first else text


def _under(blocks: list[Block], kind: str, name: str, caption: str) -> int | None:
    """The number of the figure just before a table that holds its numbers: of the same name, or
    the same caption."""
    before = blocks[-1] if blocks else None
    if kind != "table" or before is None or before.kind != "figure":
        return None
    same = name == before.name or caption in ("", "The same numbers.")
    return before.number if same or before.caption.startswith(caption) else None


def _certificate(record: dict[str, Any]) -> Certificate:
    items = []
    for item in record.get("items") or []:
        sites = item.get("sites") or []
        items.append(
            {
                "name": str(item.get("name") or ""),
                "passed": bool(item.get("passed")),
                "value": numbers.number(item.get("value")),
                "tolerance": numbers.number(item.get("tolerance")),
                "sites": "all" if list(sites) == ["*"] else ", ".join(map(str, sites)),
                "reason": str(item.get("reason") or ""),
            }
        )
    failed = sum(not item["passed"] for item in items)
    return Certificate(
        str(record.get("model") or "model"),
        str(record.get("weights") or ""),
        bool(record.get("passed")),
        failed,
        items,
    )


#: names in a run's record that a reader would not guess
_FACTS = {
    "git.commit": "commit",
    "git.dirty": "uncommitted changes",
    "memory_gib": "memory, GiB",
    "cpu": "processor",
}


def _lineage(run: RunFolder) -> list[tuple[str, list[tuple[str, str]]]]:
    record = run.record
    weights = [
        (f"weights of {c.get('model')}", f"sha256 {c.get('weights')}") for c in run.certificates
    ]
    code = record.get("code")
    what = [
        (
            "study",
            ", preset ".join(filter(None, [str(record["study"]), str(record.get("preset") or "")])),
        ),
        ("seed", str(record.get("seed"))),
        ("started", str(record.get("started") or "")),
        ("finished", str(record.get("finished") or "")),
        ("Inscape", str(record.get("inscape") or "")),
        ("hash of the settings", str(record.get("config_hash") or "")),
        *weights,
        *(list(_flat({"hash of the code": code})) if code else []),
    ]
    parts = [("Run", [(k, v) for k, v in what if v])]
    for name in ("config", "environment"):
        if record.get(name):
            facts = [
                (_FACTS.get(k, k.removeprefix("packages.")), v) for k, v in _flat(record[name])
            ]
            parts.append(({"config": "Settings"}.get(name, name.capitalize()), facts))
    arrays = [
        (
            str(a.get("name")),
            ", ".join(f"{k} {'×'.join(map(str, s))}" for k, s in (a.get("shapes") or {}).items()),
        )
        for a in record.get("arrays") or []
        if isinstance(a, dict)
    ]
    return [*parts, ("Arrays", arrays)] if arrays else parts


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    else:
        yield name, numbers.MISSING if value is None else str(value)


def _date(text: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text or "")
    return f"{moment.day} {moment:%B %Y}"
