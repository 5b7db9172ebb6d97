"""Settings of a study: presets, ``--set key=value`` with the type each field declares, and the
configuration's hash.

A study's ``Config`` is a frozen dataclass with typed defaults and a line of help in each field's
metadata (``field(default=5, metadata={"help": "folds"})``). Text from the command line is converted
by the annotation: int, float, bool, str, Path, Literal, Optional, and tuples of these written
``a,b,c``. The hash is the SHA-256 of the configuration's canonical JSON, so equal settings have
equal hashes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union

from inscape.core.errors import StudyError, suggest
from inscape.study.discover import StudyModule
from inscape.study.settings import help_of
from inscape.worlds.named import is_world

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NONE = {"none", "null", ""}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a configuration as `inscape show` prints it: name, type in words, value in each
    preset, help.
    """

    name: str
    kind: str
    default: Any
    presets: dict[str, Any]
    help: str


def preset(study: StudyModule, name: str) -> Any:
    """The preset of that name.

    Raises:
        StudyError: the study has no such preset; those it has are listed.
    """
    if name not in study.presets:
        raise StudyError(
            f"The study {study.card.slug!r} has no preset {name!r}. {suggest(name, study.presets)}"
        )
    return study.presets[name]


def override(config: Any, settings: Mapping[str, Any]) -> Any:
    """A copy of `config` with some fields changed.

    Args:
        config: an instance of a study's ``Config``.
        settings: field names and new values; text is converted to the field's type, other values
            must be of it.

    Raises:
        StudyError: no such field (close names are suggested), a value of the wrong type, or one
            that the configuration itself refuses.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config:
        ...     folds: int = 5
        >>> override(Config(), {"folds": "3"})
        Config(folds=3)
    """
    hints = typing.get_type_hints(type(config))
    names = [f.name for f in dataclasses.fields(config) if f.init]
    changes = {}
    for name, value in settings.items():
        key = name.replace("-", "_")
        if key not in names:
            raise StudyError(f"There is no setting {name!r}. {suggest(key, names, 40)}")
        try:
            changes[key] = convert(value, hints[key])
        except ValueError as error:
            raise StudyError(
                f"The setting {name!r} needs {describe(hints[key])}, {error}."
            ) from None
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        raise StudyError(f"These settings cannot be used: {error}.") from None


def with_flags(
    config: Any, slug: str, flags: Mapping[str, str | None], *, seed: int | None = None
) -> Any:
    """`config` with what was given by flags such as ``--model`` and ``--labels`` put into the
    fields of those names.

    The seed of a run is the recorder's, so a configuration without a ``seed`` field takes
    ``--seed`` all the same.

    Args:
        config: a study's configuration.
        slug: the study's.
        flags: what was given by flag; None where nothing was.
        seed: the run's.

    Raises:
        StudyError: the study has no field of a flag's name, so there is nothing that the flag could
            change; or columns are named of a toy's data, which has its own.
    """
    names = {f.name for f in dataclasses.fields(config) if f.init}
    given = {k: v for k, v in flags.items() if v is not None}
    for flag in given:
        if flag not in names:
            raise StudyError(
                f"The study {slug!r} does not take --{flag}; its settings are "
                f"{', '.join(sorted(names))}."
            )
    own = {"seed": seed} if seed is not None and "seed" in names else {}
    changed = override(config, given | own)
    columns = [f"--{name}" for name in ("input", "labels", "group") if name in given]
    if columns and is_world(str(getattr(changed, "data", ""))):
        raise StudyError(
            f"The toy data {changed.data!r} has columns of its own, so {columns[0]} changes "
            "nothing; give --data, or another preset."
        )
    return changed


def own_columns(config: Any) -> dict[str, Any]:
    """The columns that a configuration names in its fields input, labels and group, as
    `inscape.data.load.load` takes them.

    A field that is empty or not there leaves the choice to the data.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config:
        ...     input: str = ""
        ...     labels: tuple[str, ...] = ("score",)
        >>> own_columns(Config())
        {'labels': ('score',)}
    """
    named = {name: getattr(config, name, None) for name in ("input", "labels", "group")}
    return {name: value for name, value in named.items() if value}


def convert(value: Any, kind: Any) -> Any:
    """`value` as the annotation `kind`; ValueError says what came instead."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(value, args)
    if origin is Literal:
        for choice in args:
            if value == choice or (isinstance(value, str) and value.strip() == str(choice)):
                return choice
        raise ValueError(f"got {value!r}")
    if kind is tuple or origin is tuple:
        return _tuple(value, args or (str, ...))
    if kind not in (int, float, bool, str, Path):
        raise ValueError(f"which cannot be given as text; got {value!r}")
    if isinstance(value, str):
        return _scalar(value, kind)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"got {value!r}")


def _optional(value: Any, args: tuple[Any, ...]) -> Any:
    if type(None) in args and (
        value is None or (isinstance(value, str) and value.strip().lower() in _NONE)
    ):
        return None
    for kind in (a for a in args if a is not type(None)):
        try:
            return convert(value, kind)
        except ValueError:
            continue
    raise ValueError(f"got {value!r}")


def _tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    parts = [p.strip() for p in value.split(",") if p.strip()] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        raise ValueError(f"got {value!r}")
    kinds = [args[0]] * len(parts) if args[-1] is Ellipsis else list(args)
    if len(kinds) != len(parts):
        raise ValueError(f"got {len(parts)} of them in {value!r}")
    return tuple(convert(p, k) for p, k in zip(parts, kinds, strict=True))


def _scalar(text: str, kind: Any) -> Any:
    if kind is bool:
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(f"got {text!r}")
        return word in _TRUE
    if kind in (str, Path):
        return kind(text)
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"got {text!r}") from None
    if number != number:
        raise ValueError(f"got {text!r}")
    return number


def describe(kind: Any) -> str:
    """An annotation in words: ``int`` is "a whole number", ``tuple[str, ...]`` is "a list a,b,c of
    texts".
    """
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        Path: "a path",
        type(None): "none",
    }
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind in words:
        return words[kind]
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple and args[-1] is Ellipsis:
        plural = {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}
        return f"a list a,b,c of {plural.get(args[0], describe(args[0]))}"
    if origin is tuple:
        return "a list of " + ", ".join(describe(a) for a in args)
    return getattr(kind, "__name__", str(kind))


def settings_of(study: StudyModule) -> list[Setting]:
    """What can be set in a study, in the order its ``Config`` declares."""
    hints = typing.get_type_hints(study.config)
    found = []
    for f in dataclasses.fields(study.config):
        if not f.init:
            continue
        default = f.default if f.default is not dataclasses.MISSING else None
        if f.default_factory is not dataclasses.MISSING:
            default = f.default_factory()
        values = {name: getattr(config, f.name) for name, config in study.presets.items()}
        found.append(Setting(f.name, describe(hints[f.name]), default, values, help_of(f)))
    return found


def as_record(config: Any) -> dict[str, Any]:
    """The configuration as JSON holds it: tuples as lists, paths as text."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def differences(config: Any, plain: Any) -> dict[str, Any]:
    """The settings in which a configuration differs from another of its kind, as JSON holds them.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config:
        ...     model: str = "toy"
        ...     folds: int = 5
        >>> differences(Config(folds=3), Config())
        {'folds': 3}
    """
    before = as_record(plain)
    return {name: value for name, value in as_record(config).items() if value != before[name]}


def config_hash(config: Any) -> str:
    """SHA-256 (hex) of the configuration's canonical JSON."""
    text = json.dumps(as_record(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
