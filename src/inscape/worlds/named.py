"""A toy world by its name: ``world:places``, ``world:lexicon(steps=100)``.

A world is a public function of this folder that needs no argument and gives a record with a
``model``, such as `inscape.worlds.places.places`. The folder's files are read as text to find them,
so that there is no list to edit and only the world asked for is imported.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from inscape.core.errors import StudyError, suggest
from inscape.data.examples import Examples

PREFIX = "world:"


class Called(NamedTuple):
    """A world's name and the arguments it is made with."""

    name: str
    arguments: dict[str, Any]


def is_world(text: str) -> bool:
    """Whether a model's or data's name is that of a world."""
    return text.startswith(PREFIX)


def called(text: str) -> Called:
    """The name and the arguments in ``world:NAME(argument=value, …)``.

    Raises:
        StudyError: it is not written so.

    Example:
        >>> called("world:lexicon(steps=100)")
        Called(name='lexicon', arguments={'steps': 100})
    """
    try:
        node = ast.parse(text.removeprefix(PREFIX).strip(), mode="eval").body
        given = node.keywords if isinstance(node, ast.Call) and not node.args else []
        name = node.func if isinstance(node, ast.Call) and not node.args else node
        arguments = {str(k.arg): ast.literal_eval(k.value) for k in given if k.arg}
    except (SyntaxError, ValueError):
        name, given, arguments = None, [], {}
    if not isinstance(name, ast.Name) or len(given) != len(arguments):
        raise StudyError(
            f"{text!r} cannot be read; write world:NAME or world:NAME(setting=value), with plain "
            "values."
        )
    return Called(name.id, arguments)


def world(text: str, seed: int = 0) -> Any:
    """Make the world of that name.

    Args:
        text: ``world:NAME`` or ``world:NAME(setting=value)``.
        seed: of the world, where `text` names none.

    Raises:
        StudyError: there is no such world, or it has no such setting.
    """
    name, arguments = called(text)
    found = worlds()
    if name not in found:
        raise StudyError(f"There is no world {name!r}. {suggest(name, found, 40)}")
    make = getattr(importlib.import_module(f"inscape.worlds.{found[name]}"), name)
    takes = list(inspect.signature(make).parameters)
    for argument in arguments:
        if argument not in takes:
            raise StudyError(
                f"The world {name!r} has no setting {argument!r}. {suggest(argument, takes, 20)}"
            )
    return make(**{"seed": seed, **arguments})


def examples_of(world: Any) -> Examples | None:
    """A world's own examples: the first field of its record that holds some; None where none
    does.
    """
    return next((v for v in vars(world).values() if isinstance(v, Examples)), None)


@cache
def worlds() -> dict[str, str]:
    """The worlds by name, each with the module that makes it."""
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8")).body
        for path in sorted(Path(__file__).parent.glob("*.py"))
    }
    records = {
        node.name
        for body in trees.values()
        for node in body
        if isinstance(node, ast.ClassDef) and any(map(_is_model, node.body))
    }
    return {
        node.name: module
        for module, body in trees.items()
        for node in body
        if isinstance(node, ast.FunctionDef) and _needs_nothing(node.args)
        if isinstance(node.returns, ast.Name) and node.returns.id in records
    }


def _is_model(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "model"


def _needs_nothing(arguments: ast.arguments) -> bool:
    """Whether every argument has a default, and the seed is one."""
    names = [a.arg for a in (*arguments.args, *arguments.kwonlyargs)]
    optional = len(arguments.defaults) == len(arguments.args) and all(arguments.kw_defaults)
    return optional and "seed" in names
