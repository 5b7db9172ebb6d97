"""Public names of a package, found in its files and loaded on first use.

A package such as ``inscape.read`` has one method a file, one such as ``inscape.core`` one tool.
`export` lets it offer every public class and function of those files
(``inscape.read.LogisticProbe``) without importing one: names are read from the source text, and a
module is imported when one of its names is asked for. A new file is offered as soon as it is there;
no list is kept.

Where a function has the name of its module (``inscape.read.logit_lens``), the package offers the
function; ``from inscape.read.logit_lens import Reading`` works as ever. Cost: reading the files
once, a few milliseconds a package.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

#: a definition, and no line of a docstring that begins with one of the words
_PUBLIC = re.compile(r"^(?:class|def) ([A-Za-z]\w*)(?=[(:\[])", re.MULTILINE)


class Exports(ModuleType):
    """A package whose names load on first use."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return sorted(public_names(self.__name__))
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = public_names(self.__name__).get(name)
        if module is not None:
            value = getattr(importlib.import_module(module), name)
        elif (folder(self.__name__) / f"{name}.py").is_file():
            value = importlib.import_module(f"{self.__name__}.{name}")
        else:
            raise AttributeError(unknown(self.__name__, name), name=name, obj=self)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # the import system binds a module that was loaded to its name here; a function of that name
        # goes before it
        inside = isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}"
        own = getattr(value, name, None) if inside else None
        if getattr(own, "__module__", None) == f"{self.__name__}.{name}":
            value = own
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *public_names(self.__name__)})


def export(package: str, *, methods: bool = False) -> None:
    """Let a package offer the public names of its files; called in its ``__init__`` with
    ``__name__``.

    Args:
        package: its import name.
        methods: whether each of its files is a method, which `inscape.core.methods` lists.
    """
    module = sys.modules[package]
    vars(module).pop("export", None)  # a package offers what its files have, and not this function
    module.__class__ = Exports


@cache
def public_names(package: str) -> dict[str, str]:
    """Public classes and functions of a package's own files, each with the module that has it.

    A name that two files have, or that is the name of another file or of a folder, is not among
    them: it is imported from its module.

    Args:
        package: its import name; neither it nor a module of it is imported.
    """
    files = [p for p in sorted(folder(package).glob("*.py")) if not p.stem.startswith("_")]
    stems = {p.stem for p in files} | {p.parent.name for p in folder(package).glob("*/*.py")}
    homes = dict[str, list[str]]()
    for path in files:
        for name in _PUBLIC.findall(path.read_text(encoding="utf-8")):
            if name == path.stem or name not in stems:
                homes.setdefault(name, []).append(f"{package}.{path.stem}")
    return {name: own[0] for name, own in homes.items() if len({*own}) == 1}


def folder(package: str) -> Path:
    """The folder of a package of Inscape."""
    return Path(__file__).parents[1].joinpath(*package.split(".")[1:])


@cache
def packages() -> tuple[str, ...]:
    """The packages that hold methods, tools and data: all but the studies and what draws and
    prints.
    """
    left = {"cli", "studies", "report"}
    return tuple(
        f"inscape.{p.parent.name}"
        for p in sorted(folder("inscape").glob("*/__init__.py"))
        if p.parent.name not in left
    )


def unknown(package: str, name: str, own: Iterable[str] = ()) -> str:
    """A sentence for a name that a package lacks, with close names of every package.

    Names of which a word begins with the asked one come first (``leace`` finds ``LeaceEraser``),
    then those that are spelled alike; names that lie nearer to the root go before others.

    Args:
        package: where it was looked for.
        name: what was looked for.
        own: names that the package itself has.

    Example:
        >>> unknown("inscape", "LogisticProb")
        "module 'inscape' has no attribute 'LogisticProb'. Did you mean inscape.read.LogisticProbe?"
    """
    sentence = f"module {package!r} has no attribute {name!r}"
    places: dict[str, list[str]] = {}
    for public in own:
        places.setdefault(_words(public), []).append(f"{package}.{public}")
    for where in sorted(packages(), key=lambda p: p not in offering()):
        for public, module in public_names(where).items():
            path = where if where in offering() else module
            places.setdefault(_words(public), []).append(f"{path}.{public}")
    asked = _words(name)
    inside = [k for k in places if len(asked) > 2 and f"_{asked}" in f"_{k}"]
    inside.sort(key=lambda k: (places[k][0].count("."), len(k)))
    close = difflib.get_close_matches(asked, places, n=3, cutoff=0.75)
    close.sort(key=lambda k: places[k][0].count("."))  # stable: alike in depth, the closest first
    listed = _listed(places[key][0] for key in [*inside[:3], *close])
    return f"{sentence}. Did you mean {listed}?" if listed else sentence


def _words(name: str) -> str:
    """``LeaceEraser`` and ``leace_eraser`` alike: ``leace_eraser``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@cache
def offering() -> tuple[str, ...]:
    """The packages that offer their names by `export`."""
    return tuple(p for p in packages() if "export(__name__" in _init(p))


@cache
def with_methods() -> tuple[str, ...]:
    """Those of them of which each file is a method."""
    return tuple(p for p in offering() if "export(__name__, methods=True)" in _init(p))


def _init(package: str) -> str:
    return (folder(package) / "__init__.py").read_text(encoding="utf-8")


def _listed(names: Iterable[str], most: int = 3) -> str:
    *some, last = [*dict.fromkeys(names)][:most] or [""]
    return f"{', '.join(some)} or {last}" if some else last


def stub(names: dict[str, str]) -> str:
    """The text of a type stub that imports each name from its module."""
    by_module: dict[str, list[str]] = {}
    for name, module in names.items():
        by_module.setdefault(module, []).append(name)
    lines = [
        '"""Made by `make stubs`: what loads on first use, for editors and type checkers."""',
        "",
    ]
    for module, own in sorted(by_module.items()):
        lines += [f"from {module} import {name} as {name}" for name in sorted(own)]
    return "\n".join(lines) + "\n"
