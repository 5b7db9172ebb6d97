"""What the records of a run folder hold: ``run.json``, ``claims.json`` and ``certificates.json`` as
types.

A record is checked once, when it is read; whatever differs from what a run writes ends in one
sentence that names the file, the place in it, what belongs there and what came. Fields that are not
named here are kept as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from inscape.core.characters import storable, visible
from inscape.core.errors import RunError
from inscape.report.files import CURE

NAME = r"^[a-z0-9][a-z0-9_.-]{0,79}$"
BYTES, DEPTH, VALUES, LETTERS = 32 << 20, 32, 1_000_000, 200_000


def _nothing(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_nothing), Field(max_length=LETTERS)]
Name = Annotated[str, Field(pattern=NAME)]
Number = Annotated[float, Field(ge=-1e150, le=1e150, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=-(2**63), le=2**63)]
Words = list[Text]


class Record(BaseModel):
    """Fields by name; others are kept."""

    model_config = ConfigDict(extra="allow", strict=True, regex_engine="python-re")


class Card(Record):
    """A study's card."""

    title: Text = ""
    authors: Text = ""
    year: Count | Text = ""
    arxiv: Text = ""
    claim: Text = ""
    reproduced: Text = ""
    controls: Words | Text = ""
    group_note: Text = ""
    negative: Text = ""
    figure: Annotated[str, Field(pattern=rf"{NAME}|^$")] | None = None
    seeds: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    differs: Words | Text = ""


class Section(Record):
    """A table, figure or text."""

    kind: Literal["table", "figure", "text"]
    name: Name
    caption: Text = ""
    markdown: Text = ""
    text: Text = ""


class Arrays(Record):
    """Arrays kept under one name."""

    name: Name
    caption: Text = ""
    shapes: dict[Text, list[Count]] = {}


class Commit(Record):
    """The commit of the code."""

    commit: Text = ""
    dirty: bool | None = None


class Environment(Record):
    """The machine and the versions."""

    cpu: Text = ""
    cores: Count | None = None
    git: Commit | None = None


class Run(Record):
    """``run.json``."""

    study: Name
    inscape: Text = ""
    card: Card | None = None
    preset: Text = ""
    seed: Count | None = None
    config: dict[str, Any] | None = None
    config_hash: Text = ""
    changed: dict[str, Any] | None = None
    code: Any = None
    command: Text = ""
    started: Text = ""
    finished: Text = ""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    environment: Environment | None = None
    asked: Text = ""
    answer: Text = ""
    warnings: Words | None = None
    sections: Annotated[list[Section], Field(max_length=2_000)] | None = None
    arrays: Annotated[list[Arrays], Field(max_length=2_000)] | None = None
    failed: Text = ""


class Null(Record):
    """What chance gives."""

    kind: Text = "null"
    mean: Number | None = None
    sd: Number | None = None
    low: Number | None = None
    high: Number | None = None
    draws: Count = 1


class Beside(Record):
    """A number that a claim's is seen beside."""

    role: Text = ""
    name: Text = ""
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None


class Claim(Record):
    """A claim with its criterion, numbers and verdict."""

    id: Text = ""
    text: Text = ""
    verdict: Text = ""
    reason: Text = ""
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    unit: Text = ""
    at_least: Number | None = None
    at_most: Number | None = None
    exact: Text = ""
    sanity: bool | None = None
    weaker: Text = ""
    null: Null | None = None
    over_null_low: Number | None = None
    over_null_high: Number | None = None
    beside: list[Beside] | None = None
    p: Number | None = None
    p_corrected: Number | None = None
    n: Count | None = None
    why: Text = ""

    @model_validator(mode="after")
    def _range(self) -> Claim:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least must not be above at_most")
        return self


class Item(Record):
    """One item of a certificate."""

    name: Text = ""
    passed: bool | None = None
    value: Number | None = None
    tolerance: Number | None = None
    sites: Words | None = None
    reason: Text = ""


class Certificate(Record):
    """What was checked of a model."""

    model: Text = ""
    weights: Text = ""
    passed: bool | None = None
    items: Annotated[list[Item], Field(max_length=10_000)] | None = None


T = TypeVar("T")
_CLAIMS = TypeAdapter(Annotated[list[Claim], Field(max_length=10_000)])
_CERTIFICATES = TypeAdapter(Annotated[list[Certificate], Field(max_length=1_000)])


def run(file: Path, content: bytes) -> dict[str, Any]:
    """``run.json`` as plain values, with only the fields that it has.

    Raises:
        RunError: it is damaged, or no run wrote it.
    """
    found = _validate(file, lambda value: Run.model_validate(value), parsed(file, content))
    return found.model_dump(exclude_unset=True)


def claims(file: Path, content: bytes) -> list[dict[str, Any]]:
    """``claims.json`` as plain values; a field that it lacks is empty.

    Raises:
        RunError: it is damaged, or no run wrote it.
    """
    found = _validate(file, _CLAIMS.validate_python, parsed(file, content))
    return [claim.model_dump() for claim in found]


def certificates(file: Path, content: bytes) -> list[dict[str, Any]]:
    """``certificates.json`` as plain values; a field that it lacks is empty.

    Raises:
        RunError: it is damaged, or no run wrote it.
    """
    found = _validate(file, _CERTIFICATES.validate_python, parsed(file, content))
    return [certificate.model_dump() for certificate in found]


def parsed(file: Path, content: bytes) -> Any:
    """JSON as values: bounded in depth and number, with characters that a page cannot hold
    replaced.

    Raises:
        RunError: it is not JSON, or beyond the bounds.
    """
    try:
        value = json.loads(content.decode(), parse_constant=_refuse_constant)
        return _Clean().copy(value, 0)
    except RecursionError as error:
        raise RunError(f"{file} is damaged: it is nested too deeply. {CURE}") from error
    except ValueError as error:
        raise RunError(f"{file} cannot be read: {_first(error)}. {CURE}") from error


class _Clean:
    def __init__(self) -> None:
        self._values = 0

    def copy(self, value: Any, depth: int) -> Any:
        self._values += 1
        if depth > DEPTH or self._values > VALUES:
            what = (
                f"nested more than {DEPTH} levels" if depth > DEPTH else f"over {VALUES:,} values"
            )
            raise ValueError(f"it holds {what}")
        if isinstance(value, dict):
            return {storable(k): self.copy(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [self.copy(v, depth + 1) for v in value]
        if isinstance(value, int) and abs(value) > 2**64:
            raise ValueError("a whole number is larger than 2^64")
        if isinstance(value, float) and abs(value) == float("inf"):
            raise ValueError("a number is infinite")
        return storable(value) if isinstance(value, str) else value


def _validate(file: Path, validator: Any, value: Any) -> Any:
    try:
        return validator(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        came = visible(repr(first["input"]))
        came = came if len(came) <= 60 else f"{came[:57]}…"
        message = first["msg"][0].lower() + first["msg"][1:]
        raise RunError(
            f"{file} is damaged{' at ' + where if where else ''}: {message}, got {came}. {CURE}"
        ) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return visible(lines[0])[:200].rstrip(".")
