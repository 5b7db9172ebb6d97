"""The settings that studies share, each with its help and its least value, written once.

A study's ``Config`` is a frozen dataclass on `Settings` that declares only what the study reads: a
setting that changes nothing would mislead. A field of a name in `STANDARD` needs no help of its own::

    @dataclass(frozen=True)
    class Config(Settings):
        data: str = "cities"
        folds: int = 5
        draws: int = 100
        radius: float = setting(1.0, "of the neighbourhood, in kilometres", least=0)

The seed is the run's (`inscape.study.run.Run.seed`); a study that wants another default than 0
declares ``seed``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple


class Standard(NamedTuple):
    """What a setting of this name means in every study.

    Attributes:
        help: the line that `inscape show` prints.
        least: the smallest value, or None.
    """

    help: str
    least: int | float | None = None


#: what is meant by these names, unless a study says otherwise
STANDARD = {
    "model": Standard("what to open: a name, a Hub id, a folder, or world:NAME for a toy network"),
    "data": Standard("a built-in set or a table; a toy network has data of its own"),
    "input": Standard("the data's column that the model reads; empty: found by itself"),
    "labels": Standard("columns to predict; empty: those of the data"),
    "group": Standard("grouping column for cross-validation; empty: 'group'"),
    "seed": Standard("of everything random"),
    "folds": Standard("folds of cross-validation, which keep groups whole", 2),
    "draws": Standard("draws of the null", 2),
    "shuffles": Standard("label shuffles of the null", 1),
    "limit": Standard("use the first N rows; 0 for all", 0),
}


def setting(default: Any, help: str, least: int | float | None = None) -> Any:
    """A field of a configuration.

    Args:
        default: its value where a preset names none.
        help: the line that `inscape show` prints.
        least: the smallest value that is accepted.
    """
    return dataclasses.field(default=default, metadata={"help": help, "least": least})


def help_of(field: dataclasses.Field[Any]) -> str:
    """A field's help: its own, or that of its name in every study."""
    standard = STANDARD.get(field.name, Standard(""))
    return str(field.metadata.get("help") or standard.help)


@dataclass(frozen=True)
class Bounded:
    """A configuration whose numbers are checked: the ``Config`` of a study that opens no model or
    no data.

    Raises:
        ValueError: a number below the least value of its field.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            standard = STANDARD.get(field.name, Standard(""))
            own = field.metadata.get("least")
            least = standard.least if own is None else own
            value = getattr(self, field.name)
            if least is not None and value < least:
                raise ValueError(f"{field.name} must be at least {least}, got {value}")


@dataclass(frozen=True)
class Settings(Bounded):
    """What a study opens, `inscape.study.opening.opened`; a study's ``Config`` inherits from it."""

    model: str = "smollm2-135m"
    data: str = ""
