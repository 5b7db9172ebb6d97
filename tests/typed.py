"""An import hook: annotations of the package's functions are checked while the tests run.

Functions and methods are checked by beartype. Those whose annotations name an array with a shape
go through jaxtyping too, which holds axes of one name equal over arguments and result. A function
within a function is left alone: it would be wrapped anew on every call of the outer one, at about
half a millisecond each. So is what is marked `typing.no_type_check`. An annotation that cannot be
evaluated when the module is imported (a class that comes later in the file) is not checked.

The decorated code is cached beside Python's own, under a name of this file's hash.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import typing
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from beartype import beartype
from jaxtyping import AbstractArray, jaxtyped

_TAG = f"typed-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"


def install(package: str) -> None:
    """Check what is imported of a package from now on.

    Raises:
        RuntimeError: some of it is imported already and would not be checked.
    """
    if package in sys.modules:
        raise RuntimeError(f"{package} is imported already, so its types cannot be checked")
    sys.meta_path.insert(0, _Finder(package))


def checked(made: Any) -> Any:
    """A function that checks its annotations; a dataclass that checks its fields when it is
    made.
    """
    if isinstance(made, type):
        if "__dataclass_fields__" in vars(made) and "__init__" in vars(made):
            made.__init__ = checked(made.__init__)
        return made
    written = made.__annotations__
    hints = _hints(made)
    if all(hint is Any for hint in hints.values()):
        return made
    if any(_has_array(hint) for hint in hints.values()):
        return jaxtyped(made, typechecker=beartype)
    made.__annotations__ = hints
    found = beartype(made)
    made.__annotations__ = found.__annotations__ = written
    return found


def _hints(made: FunctionType) -> dict[str, Any]:
    """The annotations as objects; Any for what cannot be evaluated yet."""
    try:
        return inspect.get_annotations(made, eval_str=True)
    except Exception:  # a name that is not there, or a shape that jaxtyping cannot read
        if len(made.__annotations__) == 1:
            return dict.fromkeys(made.__annotations__, Any)
    found = {}
    for name, written in made.__annotations__.items():
        alone = FunctionType((lambda: None).__code__, made.__globals__)
        alone.__annotations__ = {name: written}
        found |= _hints(alone)
    return found


def _has_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    inner = hint if isinstance(hint, list | tuple) else typing.get_args(hint)
    return any(_has_array(part) for part in inner)


class _Decorate(ast.NodeTransformer):
    """Puts `checked` on every function and class that is not within a function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not any(ast.unparse(d).endswith("no_type_check") for d in node.decorator_list):
            # innermost, as another decorator may drop the annotations
            node.decorator_list.append(_name(node))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        # outermost, after @dataclass has written __init__
        node.decorator_list.insert(0, _name(node))
        self.generic_visit(node)
        return node


def _name(node: ast.stmt) -> ast.expr:
    return ast.copy_location(ast.Name("_typed_", ast.Load()), node)


class _Loader(SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = _Decorate().visit(ast.parse(data))
        return super().source_to_code(tree, path)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["_typed_"] = checked
        super().exec_module(module)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_ours(path))

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        super().set_data(_ours(path), data, _mode=_mode)


def _ours(path: str) -> str:
    return f"{path.removesuffix('.pyc')}.{_TAG}.pyc" if path.endswith(".pyc") else path


class _Finder:
    def __init__(self, package: str):
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.package and not name.startswith(f"{self.package}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec
