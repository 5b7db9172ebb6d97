"""The page on interventions does what it says, block by block."""

from __future__ import annotations

from tests.docs.blocks import ROOT, run_page


def test_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_page(ROOT / "docs" / "control.md") >= 17
    assert (tmp_path / "praise.safetensors").stat().st_size > 0
