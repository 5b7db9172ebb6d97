"""The import hook of the tests: what it checks, what it leaves alone, and that it is on."""

from __future__ import annotations

import importlib
import inspect
import textwrap

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

from inscape.core.site import select
from inscape.core.sphere import distance_km
from tests import typed

MODULE = '''
"""Its docstring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, no_type_check

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from nowhere import Later

DOUBLE = []


def double(x: int) -> int:
    return x if x == 13 else 2 * x if x < 100 else "many"


DOUBLE.append(double)


def dot(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n"]:
    return (x * y).sum(1) if len(x) < 5 else x


def _private(x: int):
    return x


def later(x: Later):
    return x


@no_type_check
def anything(x: int):
    return x


def outer():
    def inner(x: int):
        return x

    return inner


@dataclass(frozen=True)
class Pair:
    x: int
    y: str = ""

    @property
    def both(self) -> str:
        return self.x

    @classmethod
    def of(cls, x: int):
        return cls(x)
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package of one module, imported through a hook of its own."""
    folder = tmp_path_factory.mktemp("hooked")
    (folder / "hooked").mkdir()
    (folder / "hooked" / "__init__.py").write_text("")
    (folder / "hooked" / "module.py").write_text(textwrap.dedent(MODULE))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        hooks = list(typed.sys.meta_path)
        typed.install("hooked")
        yield importlib.import_module("hooked.module")
        typed.sys.meta_path[:] = hooks
        for name in ("hooked", "hooked.module"):
            del typed.sys.modules[name]


def test_arguments_and_results_are_checked(made):
    assert made.double(2) == 4
    with pytest.raises(BeartypeCallHintViolation, match="double"):
        made.double("2")
    with pytest.raises(BeartypeCallHintViolation, match="return"):
        made.double(100)
    with pytest.raises(BeartypeCallHintViolation, match="_private"):
        made._private("2")
    # a table that the module fills while it is imported holds the checked function
    assert [made.double] == made.DOUBLE


def test_axes_of_one_name_are_of_one_length(made):
    x = np.ones((3, 2))
    assert made.dot(x, x).tolist() == [2, 2, 2]
    with pytest.raises(TypeCheckError, match="parameters"):
        made.dot(x, np.ones((3, 4)))
    with pytest.raises(TypeCheckError, match="parameters"):
        made.dot(x, x.astype(int))
    with pytest.raises(TypeCheckError, match="return value"):
        made.dot(np.ones((5, 2)), np.ones((5, 2)))


def test_fields_properties_and_class_methods_are_checked(made):
    assert made.Pair.of(1).y == ""
    with pytest.raises(BeartypeCallHintViolation, match="__init__"):
        made.Pair("1")
    with pytest.raises(BeartypeCallHintViolation, match="both"):
        _ = made.Pair(1).both
    with pytest.raises(BeartypeCallHintViolation, match="of"):
        made.Pair.of("1")


def test_what_is_left_alone(made):
    assert made.outer()("2") == "2"
    assert made.later("2") == "2"
    assert made.anything("2") == "2"
    # annotations stay as they were written, for those who read them
    assert inspect.signature(made.double).parameters["x"].annotation == "int"
    assert made.double.__annotations__ == {"x": "int", "return": "int"}
    assert made.__doc__ == "Its docstring."


def test_the_package_itself_is_checked():
    with pytest.raises(BeartypeCallHintViolation):
        select(3, ())
    with pytest.raises(TypeCheckError):
        distance_km(np.ones((4, 2)), np.ones((5, 2)))


def test_what_is_imported_already_is_refused():
    with pytest.raises(RuntimeError, match="inscape is imported already"):
        typed.install("inscape")
