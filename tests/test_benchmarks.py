"""The table of the benchmarks: what counts as met, what is written, what is refused. Nothing is
timed here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from benchmarks import __main__ as bench
from benchmarks.peers import compare, environments

ROOT = Path(__file__).parents[1]


def row(
    name: str = "x", ours: float = 1.0, ratio: float | None = 2.0, target: float | None = 1.5
) -> bench.Row:
    theirs = None if ratio is None else ours * ratio
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "target": target,
        "unit": "s",
        "note": "a note",
    }


@pytest.mark.parametrize(
    ("ours", "ratio", "target", "verdict"),
    [
        (1.0, 2.0, 1.5, "met"),
        (1.0, 1.4, 1.5, "missed"),
        (0.2, None, 0.5, "met"),
        (0.6, None, 0.5, "missed"),
        (1.0, 2.0, None, ""),
    ],
)
def test_a_target_is_met_or_missed(
    ours: float, ratio: float | None, target: float | None, verdict: str
):
    assert bench.verdict(row(ours=ours, ratio=ratio, target=target)) == verdict


def test_the_page_says_what_where_and_how():
    text = bench.page([row("fast"), row("slow", ratio=None, target=0.5)], bench.machine())
    assert "| fast | 1 s | 2 s | 2 × | ≥ 1.5 × | met |" in text
    assert "| slow | 1 s |  |  | ≤ 0.5 s | missed |" in text
    assert "- **fast**: a note" in text
    for fact in ("date", "commit", "processor", "memory", "torch", "scikit-learn"):
        assert fact in text


def test_what_cannot_be_measured_says_why_and_is_neither_met_nor_missed():
    skipped = {"name": "against a peer", "skipped": "no network"}
    assert bench.verdict(skipped) == "skipped"
    text = bench.page([row("fast"), skipped], bench.machine())
    assert "| against a peer |  |  |  |  | skipped |" in text
    assert "- **against a peer**: skipped: no network" in text


def test_some_are_measured_anew_and_the_page_says_so():
    facts = bench.machine()
    text = bench.page([row("fast"), row("slow (n)", ratio=None, target=0.5)], facts)
    now = {**facts, "date": "later", "commit": "abc"}
    again = bench.renewed(
        text, [row("slow (n)", ours=0.25, ratio=None, target=0.5)], ["memory"], now
    )
    assert "| slow (n) | 0.25 s |  |  | ≤ 0.5 s | met |" in again
    assert "| fast | 1 s | 2 s | 2 × | ≥ 1.5 × | met |" in again
    assert "- measured anew: memory, later, at abc" in again
    assert len(again.splitlines()) == len(text.splitlines()) + 1
    with pytest.raises(ValueError, match="'?other'? is 0 times in the page"):
        bench.renewed(text, [row("other")], ["memory"], now)
    with pytest.raises(ValueError, match="of another processor"):
        bench.renewed(text, [row("fast")], ["memory"], {**now, "processor": "of another kind"})
    assert bench.main(["--renew"]) == 2


def test_a_page_of_another_processor_is_refused_before_anything_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    page, ran = tmp_path / "page.md", []
    page.write_text(bench.page([row("fast")], {**bench.machine(), "processor": "another"}))
    monkeypatch.setattr(bench, "PAGE", page)
    known = {"memory": types.SimpleNamespace(run=lambda: ran.append(1) or [row("fast")])}
    monkeypatch.setattr(bench, "available", lambda: known)
    assert bench.main(["--renew", "memory"]) == 1
    assert "nothing was run" in capsys.readouterr().err
    assert not ran


def test_a_peak_is_that_of_the_process_and_not_of_the_one_that_started_it():
    code = (
        "import subprocess, sys\n"
        "held = bytearray(400 << 20)\n"
        "told = 'from benchmarks.resident import peak; print(peak())'\n"
        "print(subprocess.check_output([sys.executable, '-c', told], text=True))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert 1 << 20 < int(ran.stdout) < 200 << 20


def test_the_folder_is_walked():
    assert {"harvest", "peers", "start", "sweep"} <= set(bench.available())


def test_a_wrong_name_is_refused(capsys: pytest.CaptureFixture[str]):
    assert bench.main(["swep"]) == 2
    assert "did you mean sweep?" in capsys.readouterr().err


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """Two benchmarks of no cost, and a page of their own."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "docs" / "benchmarks.md")
    found = {
        name: types.SimpleNamespace(__doc__=f"About {name}.", run=lambda n=name: [row(n)])
        for name in ("a", "b")
    }
    monkeypatch.setattr(bench, "available", lambda: found)
    return found


def test_all_of_them_are_written_and_some_are_not(plain, capsys: pytest.CaptureFixture[str]):
    assert bench.main(["a"]) == 0
    assert not bench.PAGE.exists()
    assert "Only some were run" in capsys.readouterr().out
    assert bench.main([]) == 0
    assert "| b |" in bench.PAGE.read_text(encoding="utf-8")


def test_one_that_is_skipped_fails_nothing(plain, capsys: pytest.CaptureFixture[str]):
    plain["a"].run = lambda: [{"name": "a peer", "skipped": "no network"}]
    assert bench.main([]) == 0
    shown = capsys.readouterr().out
    assert "a peer skipped: no network" in shown
    assert "1 measured, 0 below target" in shown
    assert bench.PAGE.exists()


def test_one_that_fails_hides_no_other_and_nothing_is_written(
    plain, capsys: pytest.CaptureFixture[str]
):
    plain["a"].run = lambda: 1 / 0
    assert bench.main([]) == 1
    shown = capsys.readouterr()
    assert "a failed: ZeroDivisionError" in shown.err
    assert "1 measured" in shown.out
    assert not bench.PAGE.exists()


# ------------------------------------------------------------------------------------- the peers,
# without their libraries


WAY = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
from rounds import serve

def load(folder):
    print("a library that prints")
    return lambda texts: np.full((len(texts), 2, 3), {value}, dtype=np.float32)

serve(load, "numpy")
"""


def way(script: str, folder: Path, value: float = 1.0, source: str = WAY) -> compare.Way:
    """A process that answers rounds at no cost."""
    (folder / f"by_{script}.py").write_text(
        source.format(here=str(environments.HERE), value=value), encoding="utf-8"
    )
    (folder / "texts.json").write_text('["one", "two"]', encoding="utf-8")
    return compare.Way(
        script,
        Path(sys.executable),
        folder,
        folder / "texts.json",
        folder / f"{script}.safetensors",
    )


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "HERE", tmp_path)
    return tmp_path


def test_a_way_answers_rounds_and_leaves_its_values(scripts: Path):
    with way("mine", scripts, 2.5) as asked:
        asked.round()
        asked.round()
        values = asked.finish()
    assert len(asked.seconds) == 2
    assert values.shape == (2, 2, 3)
    assert (values == 2.5).all()
    assert asked.facts["peak"] > 1 << 20
    assert asked.facts["threads"] >= 1


def test_a_way_that_dies_says_its_last_word(scripts: Path):
    with pytest.raises(
        environments.Unavailable,
        match=r"ended with 1 \(ModuleNotFoundError: No module named 'no_such'\)",
    ):
        way("mine", scripts, source="import no_such")
    with (
        way("mine", scripts, source=WAY.replace("np.full(", "1 / 0 + np.full(")) as asked,
        pytest.raises(environments.Unavailable, match="ZeroDivisionError"),
    ):
        asked.round()


def test_an_environment_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    offline = tmp_path / "python"
    offline.write_text(
        "#!/bin/sh\nmkdir -p $3\necho 'ERROR: no matching distribution' >&2\nexit 1\n",
        encoding="utf-8",
    )
    offline.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(offline))
    with pytest.raises(
        environments.Unavailable, match=r"cannot be made \(no matching distribution\)"
    ):
        environments.environment("nnsight")
    assert not list((tmp_path / "home" / "peers").iterdir())


@pytest.mark.parametrize("peer", [needs for _, needs in compare.WAYS.values() if needs])
def test_the_peers_packages_are_pinned(peer: str):
    lines = (environments.HERE / f"{peer}.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in lines
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
