"""The methods are read from their files: what each answers, its paper, how it is called."""

import ast
import inspect

import pytest

import inscape.control
import inscape.read
from inscape.core.exports import folder, with_methods
from inscape.core.methods import methods, signature


def test_every_file_of_an_offering_package_is_a_method_that_says_what_it_answers():
    found = {m.module for m in methods()}
    for package in with_methods():
        files = [p.stem for p in folder(package).glob("*.py") if not p.stem.startswith("_")]
        assert {f"{package}.{stem}" for stem in files} == found & {
            f"{package}.{stem}" for stem in files
        }
    assert all(len(m.answers) > 20 for m in methods())


def test_a_word_is_found_in_names_answers_and_papers():
    assert "control.LeaceEraser" in [m.name for m in methods("2306.03819")]
    assert "control.LeaceEraser" not in [m.name for m in methods("alain")]
    assert "read.LogisticProbe" in [m.name for m in methods("alain")]
    assert methods("no such word anywhere") == []


def test_the_paper_is_the_first_one_in_short():
    (leace,) = [m for m in methods() if m.name == "control.LeaceEraser"]
    assert leace.paper == "Belrose et al. (2023), arXiv:2306.03819"
    assert leace.reference.startswith("Belrose et al. (2023)")


@pytest.mark.parametrize("name", ["read.LogisticProbe", "read.logit_lens", "control.patch_map"])
def test_a_signature_names_the_arguments_that_python_sees(name):
    (method,) = [m for m in methods() if m.name == name]
    room, _, short = name.partition(".")
    seen = inspect.signature(getattr(getattr(inscape, room), short))
    inside = method.signature.partition("(")[2]
    assert all(argument in inside for argument in seen.parameters)


def test_a_signature_shortens_long_defaults_and_knows_records():
    source = (
        "def f(a, /, b=1, *rest, c, d=aaaaaaaaaaaaaaaaaaaaaaaaa(bbbbbbbbbbbbbb), **more): pass\n"
        "@dataclass\nclass R:\n    x: int\n    y: int = 2\n"
    )
    function, record = ast.parse(source).body
    assert signature(function) == "f(a, b=1, *rest, c, d=…, **more)"
    assert signature(record) == "R(x, y=2)"
