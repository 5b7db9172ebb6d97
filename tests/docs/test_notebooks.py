"""The notebooks run from top to bottom, and lie in the repository without what they printed."""

from __future__ import annotations

import ast

import nbformat
import pytest

import inscape
from tests.docs.blocks import ROOT

BOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def test_there_are_five():
    assert [b.stem[2:] for b in BOOKS] == ["look-inside", "probe", "steer", "patch", "compare"]


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_output_and_names_what_there_is(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) >= 4
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
    # half of a lesson is words
    assert len(book.cells) - len(code) >= len(code) / 2
    for cell in code:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "inscape":
                assert hasattr(inscape, node.attr), node.attr


@pytest.mark.real
@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()
    shown = [o for cell in book.cells for o in cell.get("outputs", [])]
    assert any("text/html" in o.get("data", {}) for o in shown)
    assert not [o for o in shown if o.output_type == "error"]
