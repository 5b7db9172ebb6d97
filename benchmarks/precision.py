"""Harvests with compiled blocks, and in bfloat16, against the same harvest as it is by default.

All residual sites of the default model at the last token. Rounds are interleaved, so that a busy
machine slows all of them; figures are medians over rounds of real (unpadded) tokens a second.
Compiling takes its time once, when a model is opened, which the note says; what bfloat16 costs in
precision is the largest error that the certificate measured in it, beside the largest relative
difference of a harvested vector from that in float32.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.harvest import SITES, interleaved, sentences
from inscape.core.errors import ModelError
from inscape.model.item import difference
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store.harvest import harvest

MODEL = "smollm2-135m"


def run(n: int = 96, rounds: int = 3) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    plain, texts = open_model(MODEL), sentences(n)
    return [_compiled(plain, texts, rounds), _bfloat16(plain, texts, rounds)]


def _compiled(plain: Model, texts: list[str], rounds: int) -> dict[str, Any]:
    name, start = "harvest with compiled blocks against without", time.perf_counter()
    try:
        model = open_model(MODEL, compile=True)
    except ModelError as error:  # no compiler here
        return {"name": name, "skipped": str(error)}
    opening = time.perf_counter() - start
    assert model.compiled is not None
    speed, gap, note = _compare(model, plain, texts, rounds)
    note += (
        f"; opening took {opening:.0f} s with compiling, vectors differ by ≤ {gap:.1e} (relative)"
    )
    return _row(name, speed, note)


def _bfloat16(plain: Model, texts: list[str], rounds: int) -> dict[str, Any]:
    name = "harvest in bfloat16 on the CPU against float32"
    model = open_model(MODEL, dtype="bfloat16")
    speed, gap, note = _compare(model, plain, texts, rounds)
    worst = max(model.certificate.items, key=lambda item: item.value)
    passed = "all checks passed" if model.certificate.passed else "NOT all checks passed"
    note += (
        f"; certificate in bfloat16: {passed}, largest error {worst.value:.1e} ({worst.name}, "
        f"allowed {worst.tolerance:.0e}); vectors differ from float32's by ≤ {gap:.1e} (relative)"
    )
    return _row(name, speed, note)


def _compare(
    ours: Model, theirs: Model, texts: list[str], rounds: int
) -> tuple[dict[str, float], float, str]:
    """Tokens a second of two models' harvests, the largest relative difference of a vector, and
    what was run.
    """
    tokens = sum(len(t) for t in theirs.tokenize(texts))
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))

        def made(model: Model) -> Any:
            to = Path(folder) / str(next(count))
            return harvest(model, texts, SITES, to=to, progress=False)

        seconds = interleaved({"ours": lambda: made(ours), "theirs": lambda: made(theirs)}, rounds)
        one, other = made(ours), made(theirs)
        pairs = [(torch.tensor(x), torch.tensor(other.matrix(s))) for s, x in one.matrices()]
    speed = {name: tokens / statistics.median(values) for name, values in seconds.items()}
    gap = max(difference(a, b) for a, b in pairs)
    return speed, gap, f"{len(texts)} sentences, {tokens} tokens, {SITES}, {rounds} rounds"


def _row(name: str, speed: dict[str, float], note: str) -> dict[str, Any]:
    return {
        "name": name,
        **speed,
        "ratio": speed["ours"] / speed["theirs"],
        "target": None,
        "unit": "tokens/s",
        "note": note,
    }
