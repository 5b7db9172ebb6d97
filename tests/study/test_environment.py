"""The environment says what changes numbers and names nobody."""

import getpass
import importlib
import json
import shutil
import socket
import subprocess
import sys

import pytest

from inscape.study.environment import command_line, environment

#: the package offers the function of this name
module = importlib.import_module("inscape.study.environment")


def test_it_is_json_and_names_neither_machine_nor_person():
    text = json.dumps(environment())
    assert environment()["cores"] >= 1
    assert environment()["packages"]["numpy"]
    assert f'"{socket.gethostname()}"' not in text
    assert f"/{getpass.getuser()}/" not in text


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_the_tracked_file(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    assert module._commit(file) is None  # no repository
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert module._commit(file) is None  # a repository that does not track it
    subprocess.run([*git, "add", "a.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "a"], check=True)
    found = module._commit(file)
    assert len(found["commit"]) == 40
    assert found["dirty"] is False
    file.write_text("x = 2\n")
    assert module._commit(file)["dirty"] is True


def test_the_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/inscape", "run", "toy", "--set", "a=b c"])
    assert command_line() == "inscape run toy --set 'a=b c'"
    monkeypatch.setattr(sys, "argv", ["/somewhere/script.py"])
    assert command_line() == "script.py"


def test_what_is_missing_is_none(monkeypatch):
    monkeypatch.setattr(module.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert module._memory() is None
    monkeypatch.setattr(module, "PACKAGES", ("not-a-package-at-all",))
    assert module._versions() == {}
