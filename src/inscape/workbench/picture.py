"""What was found by looking into a model: a title, a sentence and grids, shown in a terminal, in a
notebook or as a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inscape.core.errors import DataError, ModelError
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.views.grid import Grid
from inscape.views.page import escaped, page, save


@dataclass(frozen=True, eq=False)
class Picture:
    """Grids with what they say.

    Attributes:
        title: the title.
        facts: model and settings, in a sentence.
        said: what was found, in a sentence computed from the numbers.
        grids: what is shown; the first stands for all in a terminal, and of many the others open
            one by one.
        pieces: HTML made by other views, shown before the grids.
    """

    title: str
    facts: str
    said: str
    grids: tuple[Grid, ...]
    pieces: tuple[str, ...] = ()

    def grid(self) -> Grid:
        """The first grid."""
        return self.grids[0]

    def html(self) -> str:
        """A page of its own."""
        return page(self.title, [self._repr_html_()], f"{self.said} {self.facts}")

    def _repr_html_(self) -> str:
        first, *more = (g.html() for g in self.grids)
        if len(more) > 1:
            names = [escaped(g.title) for g in self.grids[1:]]
            more = [
                (
                    '<details style="font-size:13px;margin:3px '
                    f'0"><summary>{name}</summary>{one}</details>'
                )
                for name, one in zip(names, more, strict=True)
            ]
        return "".join([*self.pieces, first, *more])

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.grids), self.said])

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        grids = [
            {"title": g.title, "rows": g.rows, "columns": g.columns, "values": g.values}
            for g in self.grids
        ]
        return {"title": self.title, "facts": self.facts, "said": self.said, "grids": grids}

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        return save(path, self.html())


def language_model(model: str | Path | Model) -> Model:
    """The model, opened; refused where it is fed no text or has no canonical sites.

    Raises:
        ModelError: it is not a language model of a known family.
    """
    opened = model if isinstance(model, Model) else open_model(str(model))
    if opened.tokenizer is None or opened.family is None or opened.family.decoder:
        raise ModelError(
            f"{opened.name} is not a language model of a known family; `inscape sites` lists what "
            "can be read."
        )
    return opened


def word(model: Model, text: str) -> int:
    """The first token of a word as it stands in a sentence, with a space before it where the
    tokenizer knows one.

    Raises:
        DataError: the text is empty.
    """
    if not text.strip():
        raise DataError("an answer is empty; give a word.")
    before = text if text[0].isspace() else f" {text}"
    ids = model.tokenizer(before, add_special_tokens=False)["input_ids"]
    return int(ids[0])


def token_text(model: Model, token: int) -> str:
    """A token as text, with its leading space."""
    return str(model.tokenizer.decode([token]))


def in_line(text: str) -> str:
    """A token in one line: line ends are written out, and a token of blanks is shown as one."""
    shown = text.replace("\n", "\\n").replace("\t", "\\t")
    return shown.strip(" ") or "␣" * len(shown)
