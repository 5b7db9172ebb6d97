"""The page on comparing representations does what it says, block by block."""

from __future__ import annotations

from tests.docs.blocks import ROOT, run_page


def test_the_page():
    assert run_page(ROOT / "docs" / "compare.md") >= 8
