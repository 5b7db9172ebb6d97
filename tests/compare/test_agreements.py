"""Every measure that another library has too, against that library in an environment of its own."""

import pytest
from benchmarks import agreements
from benchmarks.agreements import Row, page
from benchmarks.peers.environments import Unavailable


@pytest.mark.reference
def test_all_agree_or_disagree_where_it_is_known_why():
    try:
        found = agreements.rows()
    except Unavailable as why:
        pytest.skip(f"the other libraries are not available: {why}")
    assert len(found) > 25
    assert [r for r in found if not r.holds] == []


def test_those_that_need_no_environment_agree():
    found = agreements._here(agreements.data())
    assert len(found) == 2
    assert all(r.holds for r in found)


def test_a_gap_is_an_error_and_a_known_disagreement_that_is_gone_as_well(
    monkeypatch, tmp_path, capsys
):
    fine, apart = Row("`a`", "Peer 1", 1e-12, 1e-10), Row("`b`", "Peer 1", 0.5, 0.1, "another unit")
    monkeypatch.setattr(agreements, "PAGE", tmp_path / "agreements.md")
    for broken in (
        Row("`c`", "Peer 1", 1e-3, 1e-10),
        Row("`c`", "Peer 1", 0.0, 0.1, "another unit"),
    ):
        monkeypatch.setattr(agreements, "rows", lambda broken=broken: [fine, apart, broken])
        assert agreements.main() == 1
        assert "`c` against Peer 1" in capsys.readouterr().err
        assert not agreements.PAGE.exists()
    text = page([fine, apart], "today")
    assert "| `a` | Peer 1 | 1e-12 | 1e-10 |" in text
    assert "| `b` | Peer 1 | 0.5 | another unit |" in text.split("## Known disagreements")[1]
