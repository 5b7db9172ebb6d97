"""The card of a data set: what it is, where it comes from, and under which licence.

A built-in set states its card as one literal, ``CARD = DatasetCard(name=..., what=..., ...)``, so
that the sets can be listed by reading their source, without importing anything they need. Follows
the idea of data cards: Gebru et al. 2018, "Datasheets for Datasets", arXiv:1803.09010.
"""

from __future__ import annotations

import ast
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DatasetCard:
    """What a reader of a report must know about the examples.

    Attributes:
        name: the set's name, as `inscape.data.load.load` takes it.
        what: what an example is, and how the examples were chosen.
        source: where the data come from, with the version.
        licence: the licence, by its SPDX name where it has one.
        citation: what to cite.
        get: how to get the data.
        group: what the grouping column is, and why rows of a group must be held out together.
        columns: what each column holds, with its unit.
        beware: what in the data can mislead, with figures where they are known.
    """

    name: str
    what: str
    source: str = "given by the caller"
    licence: str = "not stated"
    citation: str = ""
    get: str = ""
    group: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    beware: str = ""

    def to_dict(self) -> dict[str, object]:
        """The card as plain JSON values."""
        return asdict(self)


def read_card(path: Path) -> DatasetCard:
    """The ``CARD`` of one set, read from its source without importing it.

    Args:
        path: the set's Python file.

    Returns:
        The card.

    Raises:
        ValueError: the file has no ``CARD = DatasetCard(...)`` of literal keyword arguments.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if [getattr(t, "id", None) for t in node.targets] == ["CARD"]:
            try:
                return DatasetCard(
                    **{str(k.arg): ast.literal_eval(k.value) for k in node.value.keywords}
                )
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{path.name}: CARD must be literal keyword arguments of DatasetCard: {error}"
                ) from error
    raise ValueError(
        f"{path.name}: a data set needs CARD = DatasetCard(name=..., what=..., ...) at its top "
        "level"
    )
