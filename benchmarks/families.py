"""``python -m benchmarks.families``: every architecture that has a table, certified on a tiny
random network of it.

The networks are those of `tests.model.tiny`: their weights are drawn at random, and every parameter
is perturbed, so that no bias is zero and no norm is one. What the certificates measured is written
to ``docs/families.md``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import NamedTuple

import transformers
from tests.model.tiny import TINY, tiny, tower

from inscape.core.site import POINTS
from inscape.model.certificate import Certificate, certify
from inscape.model.model import Model

PAGE = Path(__file__).parents[1] / "docs" / "families.md"
HEAD = """# Families

Architectures whose sites have canonical names. A network of another architecture opens all the same, with its modules as
sites (`module:PATH:in|out`), and is not certified: there is nothing to compare them with.

Written by `python -m benchmarks.families` (`make families`): a tiny network of each, with random weights and every
parameter perturbed, is certified in full. `-` is a point that the architecture does not have, or one that no identity could
vouch for, which is then not canonical; `refused` one that failed here. A network of several stacks (an encoder and a
decoder, a tower for images and one for texts) has a table for each: `open(…, tower="decoder")`, or
`model.tower("decoder")` of one that is open. What a point is says the [glossary](glossary.md);
what each identity says, [`model/parts.py`](../src/inscape/model/parts.py).
"""
#: points every family has
EVERYWHERE = ("embed", "resid_pre", "resid_post")
#: points of a decoder that reads an encoder, of latent attention, and of blocks without attention:
# a table of their own
OTHERS = tuple(
    p
    for p in POINTS
    if p.startswith(("cross", "conv", "ssm", "mixer")) or p in ("latent", "resid_cross", "gate")
)


class Found(NamedTuple):
    """What came of one architecture: its name, the points of its sites, those refused, its
    certificate.
    """

    name: str
    table: str
    points: frozenset[str]
    refused: frozenset[str]
    certificate: Certificate


def measured(name: str) -> Found:
    """Certify one tiny network."""
    model = Model(tiny(name), tower=tower(name))
    certificate = certify(model)
    refused = frozenset(site.point for site in model.refused)
    table = model.family.name if model.family else ""
    return Found(name, table, frozenset(s.point for s in model.sites), refused, certificate)


def page(rows: list[Found]) -> str:
    """The page as Markdown."""
    certified = sum(row.certificate.passed for row in rows)
    kinds = len({row.name.split()[0] for row in rows if row.certificate.passed})
    usual = [p for p in POINTS if p not in (*EVERYWHERE, *OTHERS, "logits")]
    own = [row for row in rows if row.points & set(OTHERS)]
    items = list(dict.fromkeys(i.name for row in rows for i in row.certificate.items))
    items = [i for i in items if i not in ("every site is measured", "norms as trained")]
    rare = [i for i in items if any(p in i for p in OTHERS)]
    return "\n\n".join(
        [
            HEAD.rstrip(),
            f"{kinds} architectures, {certified} of {len(rows)} networks certified, with "
            f"transformers {transformers.__version__}. All have "
            f"{', '.join(f'`{p}`' for p in EVERYWHERE)}.",
            _table(_points(rows, usual)),
            "## Points of their own",
            (
                "Of decoders that read an encoder, of latent attention, and of blocks without "
                "attention."
            ),
            _table(_points(own, list(OTHERS))),
            "## What was measured",
            "The largest difference of each item over all layers and positions, relative to the "
            "tensor's norm; the tolerance in float32 is 1e-4 (1e-6 for repeatable).",
            _table(_values(rows, [i for i in items if i not in rare])),
            "Of the points of their own:",
            _table(_values(own, rare)) + "\n",
        ]
    )


def _points(rows: list[Found], points: list[str]) -> list[list[str]]:
    """Which points each architecture has."""
    out = [["architecture", "table", "certified", *points]]
    for row in rows:
        passed = "yes" if row.certificate.passed else "**no**"
        out.append([row.name, f"`{row.table}`", passed, *(_mark(row, p) for p in points)])
    return out


def _values(rows: list[Found], items: list[str]) -> list[list[str]]:
    """What each certificate measured."""
    out = [["architecture", *items]]
    for row in rows:
        of = {item.name: item for item in row.certificate.items}
        out.append([row.name, *(f"{of[i].value:.0e}" if i in of else "" for i in items)])
    return out


def _mark(row: Found, point: str) -> str:
    if point in row.refused:
        return "**refused**"
    return "yes" if point in row.points else "-"


def _table(lines: list[list[str]]) -> str:
    whole = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in whole)


def main() -> int:
    """Certify all and write the page; 1 if one fails."""
    logging.disable(logging.WARNING)
    rows = [measured(name) for name in TINY]
    PAGE.write_text(page(rows), encoding="utf-8")
    return 0 if all(row.certificate.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
