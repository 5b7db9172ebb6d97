"""Harvesting beside the peers: the same sentences, sites, positions, weights and machine, each way
in its own process.

Ways take rounds in turn while the others wait, all with torch's own number of threads; figures are
medians over rounds of real tokens a second. Peak memory is that of the process since its model was
loaded. What crosses between processes is texts, seconds and arrays. A peer that cannot be had, or
that dies, is told as skipped and fails nothing else.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from benchmarks.harvest import sentences
from benchmarks.peers.environments import HERE, Unavailable, environment
from inscape.model import zoo

#: name of the script → what is compared with, and the requirements it needs besides ours
WAYS = {
    "plain_loop": ("the plain loop", None),
    "transformer_lens": ("TransformerLens", "transformer_lens"),
    "nnsight": ("nnsight", "nnsight"),
}
TARGET = 1.8
Row = dict[str, Any]


class Way:
    """A process that answers rounds; see `benchmarks.peers.rounds`.

    Args:
        script: name after ``by_``.
        python: of its environment.
        model: the model's folder.
        texts: the file with the texts.
        out: where it leaves its values.

    Raises:
        Unavailable: it ended before its model was loaded.
    """

    def __init__(self, script: str, python: Path, model: Path, texts: Path, out: Path):
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "disabled"}
        command = [str(python), str(HERE / f"by_{script}.py"), str(model), str(texts), str(out)]
        self.seconds: list[float] = []
        self.errors, self.out = out.with_suffix(".log"), out
        with self.errors.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | quiet,
            )
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise

    def round(self) -> None:
        """One round over all texts."""
        assert self.process.stdin is not None
        try:
            print("round", file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        self.seconds.append(self._answer()["seconds"])

    def finish(self) -> np.ndarray:
        """The values, (texts, sites, width); the peak of its memory is in `facts` from then on."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.facts |= self._answer()
        self.process.wait()
        return load_file(self.out)["values"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> Unavailable:
        code = self.process.wait()
        said = [
            line for line in self.errors.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
        return Unavailable(f"it ended with {code} ({said[-1] if said else 'no word'})")

    def __enter__(self) -> Way:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it was doing."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        self.process.wait()


def run(n: int = 96, rounds: int = 3) -> list[Row]:
    """Rows of the benchmark table: speed and peak memory against each; a peer that cannot be had is
    skipped.
    """
    model, texts = zoo.fetch("smollm2-135m"), sentences(n)
    tokens = sum(len(ids) for ids in AutoTokenizer.from_pretrained(model)(texts)["input_ids"])
    skipped: dict[str, str] = {}
    ways: dict[str, Way] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        for script in ("inscape", *WAYS):
            try:
                ways[script] = stack.enter_context(_begun(script, model, folder))
            except Unavailable as why:
                if script == "inscape":
                    raise
                skipped[script] = str(why)
        for _ in range(rounds):
            for way in ways.values():
                way.round()
        values = {script: way.finish() for script, way in ways.items()}
    ours = ways["inscape"]
    note = (
        f"{n} sentences of mixed length, {tokens} tokens, all {values['inscape'].shape[1]} "
        "residual sites at the last "
    )
    note += f"token, float32, {rounds} rounds in turn, {ours.facts['threads']} threads each"
    rows: list[Row] = []
    for script, (name, needs) in WAYS.items():
        if script in skipped:
            rows += [
                {"name": f"{what} against {name}", "skipped": skipped[script]}
                for what in ("harvest", "memory")
            ]
            continue
        whose = note if needs is None else f"{name} {ways[script].facts['version']}; {note}"
        apart, largest = (
            np.abs(values["inscape"] - values[script]).max(),
            np.abs(values["inscape"]).max(),
        )
        rows += _rows(
            name,
            ours,
            ways[script],
            tokens,
            f"{whose}; values differ by ≤ {apart:.1e}, the largest is {largest:.0f}",
        )
    return rows


def _begun(script: str, model: Path, folder: Path) -> Way:
    """A way whose caches are filled by one round that is thrown away."""
    needs = WAYS[script][1] if script in WAYS else None
    python = Path(sys.executable) if needs is None else environment(needs)
    way = Way(script, python, model, folder / "texts.json", folder / f"{script}.safetensors")
    try:
        way.round()
    except BaseException:
        way.close()
        raise
    way.seconds.clear()
    return way


def _rows(name: str, ours: Way, theirs: Way, tokens: int, note: str) -> list[Row]:
    """Speed and memory of two ways."""
    speed = [tokens / statistics.median(way.seconds) for way in (ours, theirs)]
    peak = [way.facts["peak"] / 2**20 for way in (ours, theirs)]
    held = (
        "peak resident memory of the process once its model is loaded, weights and runtime included"
    )
    return [
        _row(f"harvest against {name}", *speed, speed[0] / speed[1], TARGET, "tokens/s", note),
        _row(f"memory against {name}", *peak, peak[1] / peak[0], None, "MiB", held),
    ]


def _row(
    name: str, ours: float, theirs: float, ratio: float, target: float | None, unit: str, note: str
) -> Row:
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "target": target,
        "unit": unit,
        "note": note,
    }
