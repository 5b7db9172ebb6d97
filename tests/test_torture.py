"""The short form of `make torture`: a few hundred hostile inputs, a few kills, and that failures
would be counted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.torture import __main__ as torture
from benchmarks.torture import bombs, child, cpu_time, fuzz, hostile, kills, payloads, samples

from inscape.core.errors import DataError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def sample(tmp_path):
    folder = tmp_path / "sample"
    folder.mkdir()
    samples.READERS["JSON"][0](folder)
    return folder


def test_readers_end_in_a_sentence_and_kills_lose_nothing(tmp_path):
    names = ["JSON", "vector, GGUF", "checkpoint"]
    tallies, killed = torture.torture(6.0, 7, [*names, "harvest"], tmp_path, tmp_path / "kept")
    assert [t.reader for t in tallies] == names
    assert all(t.inputs > 5 for t in tallies)
    assert not torture._failures(tallies, killed), torture._failures(tallies, killed)
    assert killed[0]["sequences"] >= 1


def test_an_input_follows_from_its_seed(sample, tmp_path):
    def made(index: int) -> dict[str, bytes]:
        folder = child.prepare("JSON", sample, tmp_path, 3, index, tmp_path / "canary")
        return {
            p.name: p.read_bytes() if p.is_file() and not p.is_symlink() else b""
            for p in sorted(folder.iterdir())
            if not p.is_fifo()
        }

    first = made(5)
    assert first != made(6)
    assert first == made(5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("rank"), "traceback"),
        (ValueError("something"), "traceback"),
        (DataError("data.json is no good; write it again."), "refused"),
        (DataError("no file is named here"), "unclear"),
        (DataError("data.json\nin two lines"), "unclear"),
        (DataError("data.json \x1b[2J"), "refused"),
        (MemoryError(), "memory"),
    ],
)
def test_every_ending_is_told_from_the_others(sample, error, kind):
    def read(folder: Path) -> None:
        raise error

    assert child.judge(read, sample, True)[0] == kind


def test_a_limit_of_memory_is_seen_behind_a_sentence(sample):
    def read(folder: Path) -> None:
        raise DataError("data.json is no good") from MemoryError()

    assert child.judge(read, sample, True)[0] == "memory"
    assert child.judge(lambda folder: 1, sample, True)[0] == "read"


def test_a_script_in_a_page_is_seen_and_text_of_one_is_not(tmp_path):
    page = tmp_path / "a" / "b" / "report.html"
    page.parent.mkdir(parents=True)
    for text in payloads.TEXTS[:5]:
        page.write_text(f"<p>{text}</p>")
        assert payloads.escaped(page) is not None, text
        page.write_text(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>")
        assert payloads.escaped(page) is None, text


def test_an_operation_that_loses_or_leaves_something_is_caught(tmp_path):
    def careless(root: Path) -> None:
        (root / "thesis.txt").write_text("gone")
        (root / ".half").write_text("half")
        (root / "out").write_text("whole")

    done = kills._Reference("whole", {*kills.MINE, "data", ".making-mine", "home", "out"}, 0.001)
    operation = kills.Operation(careless, lambda root: (root / "out").read_text())
    tally = kills.Tally("careless")
    kills.sequence(tmp_path / "s", operation, done, np.random.default_rng(0), tally)
    assert any("thesis.txt changed" in text for text in tally.lost)
    fine = kills.Operation(
        lambda root: (root / "out").write_text("whole"), lambda root: (root / "out").read_text()
    )
    tally = kills.Tally("fine")
    kills.sequence(tmp_path / "s", fine, done, np.random.default_rng(0), tally)
    assert (tally.lost, tally.left) == ([], [])


@pytest.mark.parametrize(
    ("speed", "ready", "after"),
    [(1.0, True, 20), (0.0, False, 20), (0.1, True, 200), (0.05, False, 200), (0.0, True, 200)],
)
def test_a_hang_is_told_by_processor_time(monkeypatch, speed, ready, after):
    clock = [0.0]
    monkeypatch.setattr(cpu_time.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(cpu_time, "used", lambda session: (7 + speed * clock[0], ready))
    watched = cpu_time.Hang(4711, 20)
    while not watched.over():
        clock[0] += 0.5
    # computes; waits for nothing; a tenth of a processor; wakes now and then; gets none at all
    assert clock[0] == pytest.approx(after, abs=1)


def test_the_time_of_a_whole_session_is_counted():
    code = "import os\nif os.fork():\n os.wait()\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        end = time.monotonic() + 60
        while cpu_time.used(process.pid)[0] < 0.3 and time.monotonic() < end:
            time.sleep(0.05)
        seconds, ready = cpu_time.used(process.pid)
        assert seconds >= 0.3
        assert ready  # the child; the process itself waits for it
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    end = time.monotonic() + 60  # the child is collected by another process
    while cpu_time.used(process.pid) != (0.0, False) and time.monotonic() < end:
        time.sleep(0.05)
    assert cpu_time.used(process.pid) == (0.0, False)


def test_pickles_beside_the_inputs_would_be_noticed(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "weights.bin").write_bytes(hostile.bomb(canary))
    # only here, to see that the bomb is one
    subprocess.run(
        [sys.executable, "-m", "pickle", str(tmp_path / "weights.bin")],
        check=False,
        capture_output=True,
        env=dict(os.environ),
    )
    assert canary.exists()


def test_the_page_says_what_when_and_where():
    tally = fuzz.Tally("CSV")
    tally.counts.update(read=2, refused=7, traceback=1)
    tally.failures.append({"index": 4, "kind": "traceback", "text": "KeyError: 'a'", "kept": ""})
    one = {"operation": "harvest", "sequences": 3, "kills": 9, "lost": ["x"], "left": []}
    facts = {"date": "today", "commit": "abc", "processor": "a CPU, 2 cores"}
    text = torture.page([tally], [one], facts, 2, 1)
    assert "| CSV | 10 | 2 | 7 | 1 | 0 |" in text
    assert "| harvest | 3 | 9 | 1 | 0 |" in text
    assert "- processor: a CPU, 2 cores" in text
    assert "**CSV**, traceback: `KeyError: 'a'` (input 4), 1 in all" in text
    assert "Nothing." in torture.page([], [one | {"lost": []}], facts, 2, 1)
    assert json.dumps(one)


def test_wrong_minutes_are_refused(capsys):
    with pytest.raises(SystemExit):
        torture.main(["0"])
    assert "minutes must be more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("reader", [r for r in bombs.BOMBS if r != "CSV, gzip"])
def test_bombs_are_small_and_are_refused(tmp_path, reader):
    make, read = samples.READERS[reader]
    make(tmp_path)
    whole = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert child.judge(read, tmp_path, False) == ("read", "")
    for number, explode in enumerate(bombs.BOMBS[reader]):
        folder = tmp_path.with_name(f"{tmp_path.name}-{number}")
        shutil.copytree(tmp_path, folder)
        explode(folder)
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        assert size - whole < 12_000_000
        kind, text = child.judge(read, folder, False)
        # a column that stays a dictionary does not unfold, and is read
        assert kind == ("read" if (reader, number) == ("Parquet", 0) else "refused"), text
        shutil.rmtree(folder)
