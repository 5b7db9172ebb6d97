"""One protocol for probes, one for erasers, one for lenses: every public class that is one of these
has its methods.

Classes are found by what they have, not by a list: whatever learns from rows and labels in
`inscape.read` is a probe, in `inscape.control` an eraser; whatever is called a lens is one.
"""

from __future__ import annotations

import importlib
import inspect

import pytest

from inscape.core.exports import public_names
from inscape.core.protocols import Eraser, Lens, Oracle, Probe


def classes(package):
    for name, module in public_names(package).items():
        found = getattr(importlib.import_module(module), name)
        if inspect.isclass(found):
            yield found


def learns(kind):
    """Whether a class is fitted to rows and their labels."""
    fit = inspect.getattr_static(kind, "fit", None)
    if fit is None or not inspect.isfunction(fit):
        return False
    names = [n.lower() for n in list(inspect.signature(fit).parameters)[1:3]]
    return names == ["x", "y"]


PROBES = [k for k in classes("inscape.read") if learns(k)]
ERASERS = [k for k in classes("inscape.control") if learns(k) and hasattr(k, "transform")]
LENSES = [k for k in classes("inscape.read") if k.__name__.endswith("Lens")]


def required(method):
    """Names of a method's arguments that must be given, without self."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return [
        p.name.lower()
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def test_there_are_some_of_each():
    assert len(PROBES) > 10
    assert len(ERASERS) >= 5
    assert {k.__name__ for k in LENSES} == {"LogitLens", "TunedLens", "JacobianLens"}


@pytest.mark.parametrize("kind", PROBES, ids=lambda k: k.__name__)
def test_what_learns_to_read_is_a_probe(kind):
    assert issubclass(kind, Probe)
    assert required(kind.fit) == ["x", "y"]
    assert "groups" in inspect.signature(kind.fit).parameters
    assert required(kind.predict) == ["x"]
    assert required(kind.score) == ["x", "y"]


@pytest.mark.parametrize("kind", ERASERS, ids=lambda k: k.__name__)
def test_what_learns_to_take_out_is_an_eraser(kind):
    assert required(kind.fit) == ["x", "y"]
    if required(kind.transform) == ["x", "y"]:
        assert issubclass(kind, Oracle)
        assert not hasattr(kind, "edit")  # a network has no labels
        return
    assert issubclass(kind, Eraser)
    assert required(kind.transform) == ["x"]
    assert required(kind.edit) == ["scope"]


@pytest.mark.parametrize("kind", LENSES, ids=lambda k: k.__name__)
def test_what_is_called_a_lens_is_one(kind):
    assert issubclass(kind, Lens)
    assert inspect.ismethod(kind.fit)  # of the class: it gives the lens
    assert required(kind.read) == ["readout", "site", "h"]
    assert list(inspect.signature(kind.read).parameters)[4:6] == ["final", "k"]


def test_the_protocols_tell_others_apart():
    class Blind:
        def fit(self, X, y, groups=None):
            return self

    assert learns(Blind)
    assert not issubclass(Blind, Probe | Eraser | Lens)
