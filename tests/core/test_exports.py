"""Packages offer the public names of their files, load them on first use, and answer an unknown
name with close ones.
"""

import importlib
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import inscape
import inscape.control
import inscape.read
from inscape.core import exports


def test_every_public_name_of_a_package_is_offered_once():
    for package in exports.offering():
        module = importlib.import_module(package)
        names = exports.public_names(package)
        assert names, package
        assert set(names) <= set(dir(module))
        for name, home in names.items():
            assert getattr(module, name).__module__ == home, name
    assert len(exports.public_names("inscape.read")) > 50


def test_a_file_without_a_name_of_its_own_is_reached_as_a_module():
    for package in exports.offering():
        names = exports.public_names(package)
        for path in exports.folder(package).glob("[a-z]*.py"):
            if path.stem not in names:
                found = getattr(importlib.import_module(package), path.stem)
                assert isinstance(found, ModuleType), f"{package}.{path.stem}"


def test_a_package_does_not_offer_what_makes_it_offer():
    for package in exports.offering():
        if "export" not in exports.public_names(package):
            found = vars(importlib.import_module(package)).get("export")
            assert found is not exports.export, package


def test_a_name_of_two_files_or_of_another_file_or_folder_is_not_offered(monkeypatch, tmp_path):
    for file, text in (
        ("one.py", "def twice(): ...\ndef other(): ..."),
        ("two.py", "def twice(): ...\nclass Own: ..."),
        ("other.py", "def other(): ..."),
        ("own.py", "def own(): ..."),
    ):
        (tmp_path / file).write_text(text)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "__init__.py").touch()
    (tmp_path / "last.py").write_text("def inside(): ...")
    monkeypatch.setattr(exports, "folder", lambda package: tmp_path)
    found = exports.public_names("inscape.made_up")
    assert found == {
        "other": "inscape.made_up.other",
        "own": "inscape.made_up.own",
        "Own": "inscape.made_up.two",
    }


def test_a_function_goes_before_the_module_of_its_name_however_it_is_reached():
    code = (
        "import inscape.read.ccs, inscape.read\n"
        "from inscape.read import logit_lens\n"
        "from inscape.read.logit_lens import Reading\n"
        "print(type(inscape.read.ccs).__name__, type(logit_lens).__name__, Reading.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["function", "function", "inscape.read.logit_lens"]
    assert isinstance(inscape.read.logit_lens, FunctionType)
    # a file without such a name stays a module
    assert isinstance(inscape.read.logistic, ModuleType)


def test_offering_names_imports_none_of_them():
    code = "import sys, inscape.read; dir(inscape.read); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_new_file_is_offered_without_a_list(tmp_path, monkeypatch):
    (tmp_path / "fresh.py").write_text("class Fresh:\n    pass\n\ndef _hidden():\n    pass\n")
    monkeypatch.setattr(exports, "folder", lambda package: tmp_path)
    assert exports.public_names.__wrapped__("inscape.made") == {"Fresh": "inscape.made.fresh"}


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("opne", "inscape.open"),
        ("leace", "inscape.LeaceEraser"),
        ("jensen_shanon", "inscape.read.jensen_shannon"),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones_of_every_package(name, cure):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'.*Did you mean {cure}"):
        getattr(inscape, name)


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(AttributeError, match=r"has no attribute 'zzzzzzzzqx'$"):
        inscape.control.zzzzzzzzqx  # noqa: B018


def test_the_root_offers_its_packages():
    assert inscape.worlds is sys.modules["inscape.worlds"]
    assert {"read", "control", "logit_lens"} <= set(dir(inscape))


def test_the_type_stubs_are_those_that_make_stubs_writes():
    scripts = Path(__file__).parents[2] / "scripts"
    if not scripts.is_dir():
        pytest.skip("the scripts come with the repository only")
    sys.path.insert(0, str(scripts.parent))
    try:
        from scripts.make_stubs import stubs
    finally:
        sys.path.remove(str(scripts.parent))
    for package, text in stubs().items():
        file = exports.folder(package) / "__init__.pyi"
        assert file.read_text(encoding="utf-8") == text, f"{file} is out of step: run `make stubs`"


def test_a_line_of_a_docstring_is_no_definition():
    # the module docstring of mean_projection has a line that begins with "class means"
    assert "MeanProjection" in exports.public_names("inscape.control")
    assert "means" not in exports.public_names("inscape.control")
