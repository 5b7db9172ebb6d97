"""The page on adding a study quotes a study that is there, and that is as short as the page
says.
"""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT, fenced

PAGE = (ROOT / "docs" / "adding-a-study.md").read_text(encoding="utf-8")
STUDY = ROOT / "src" / "inscape" / "studies" / "shape" / "causal_inner_product.py"


def test_what_is_quoted_stands_in_the_study():
    source = STUDY.read_text(encoding="utf-8")
    blocks = fenced(PAGE, "python")
    assert len(blocks) >= 4
    for line, block in blocks:
        assert block in source, f"line {line}"


def test_the_study_is_as_short_as_the_page_says():
    assert "in under a hundred lines" in " ".join(PAGE.split())
    assert len(STUDY.read_text(encoding="utf-8").splitlines()) < 100


def test_every_protocol_is_named_with_its_file():
    named = set(re.findall(r"src/inscape/study/(\w+)\.py", PAGE))
    assert {"probe", "by_layer", "intervene"} <= named
