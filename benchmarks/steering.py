"""Generation under edits and patch maps, against what they are made of, on the default model.

*Generation*: 48 tokens after a prompt, greedy, with a vector added after every block, beside the
same without edits; both through the model's own `generate`, in turn. A tiny vector is added, so
that both say nearly the same number of tokens; the row says so where they do not. *Patch map*: the
residual stream at every position of every fourth block, two pairs of texts, beside one forward pass
under one edit for each cell: the passes are timed on a sample of the cells and multiplied up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch

from inscape.control.patching import PatchMap, patch_map
from inscape.control.steering_vector import SteeringVector
from inscape.core.edit import Replace, Scope
from inscape.model.model import Model
from inscape.model.open import open as open_model

PROMPT = "The museum on the hill opens at ten and closes at six. Visitors who come early"
TOKENS, ROUNDS, SAMPLE = 48, 5, 24
BASE = (
    "The capital of the large country of France is the city of",
    "I think that the new film was so bad that I",
)
SOURCE = (
    "The capital of the large country of Japan is the city of",
    "I think that the new film was so good that I",
)


def run(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    model = open_model("smollm2-135m")
    return [generation(model, rounds), patching(model, max(2, rounds // 2))]


def generation(model: Model, rounds: int) -> dict[str, Any]:
    """Generation's time with an edit after every block, as a multiple of that without."""
    blocks = len(model.atlas.blocks)
    rng = np.random.default_rng(0)
    width = model.width(model.sites[0])
    vector = SteeringVector({i: 1e-4 * rng.normal(size=width) for i in range(blocks)})
    edits, said = vector.edits(1.0), {}

    def say(name: str, chosen: Any) -> Callable[[], None]:
        def go() -> None:
            said[name] = model.generate(PROMPT, TOKENS, edits=chosen)[0]

        return go

    seconds = in_turn({"plain": say("plain", ()), "edited": say("edited", edits)}, rounds)
    ratio = median(b / a for a, b in zip(seconds["plain"], seconds["edited"], strict=True))
    counts = [len(model.tokenize([said[name]])[0]) for name in ("plain", "edited")]
    note = (
        f"{TOKENS} tokens after {len(model.tokenize([PROMPT])[0])}, greedy, {blocks} edits; "
        f"medians of {rounds} "
    )
    note += (
        f"rounds in turn, plain {median(seconds['plain']):.2f} s; said tokens: {counts[0]} "
        f"plain, {counts[1]} edited"
    )
    return {
        "name": "generation with an edit after every block",
        "ours": ratio,
        "theirs": None,
        "ratio": None,
        "target": 1.1,
        "unit": "× plain generation's time",
        "note": note,
    }


def patching(model: Model, rounds: int) -> dict[str, Any]:
    """A layer × position map against one pass a cell."""
    pairs = [
        (b, s)
        for b, s in zip(BASE, SOURCE, strict=True)
        if len(model.tokenize([b])[0]) == len(model.tokenize([s])[0])
    ]
    base, source = model.tokenize([pairs[0][0]]), model.tokenize([pairs[0][1]])
    sites = [f"resid_pre.{i}" for i in range(0, len(model.atlas.blocks), 4)]
    answers = (model.tokenizer(" Paris")["input_ids"][0], model.tokenizer(" Tokyo")["input_ids"][0])

    def metric(logits: torch.Tensor, _rows: np.ndarray) -> torch.Tensor:
        return logits[:, answers[0]] - logits[:, answers[1]]

    length = len(base[0])
    cells = [(i, p) for i in range(len(sites)) for p in range(length)]
    chosen = [cells[i] for i in np.random.default_rng(0).permutation(len(cells))[:SAMPLE]]
    found: dict[str, Any] = {}

    def ours() -> None:
        found["map"] = patch_map(model, base, source, sites, metric)

    def theirs() -> None:
        given = model.run(model.collate(source), sites)
        found["single"] = [
            _one(model, base, given[sites[i]], sites[i], p, metric) for i, p in chosen
        ]

    seconds = in_turn({"ours": ours, "theirs": theirs}, rounds)
    whole: PatchMap = found["map"]
    apart = max(
        abs(whole.values[i, p, 0] - value)
        for (i, p), value in zip(chosen, found["single"], strict=True)
    )
    if apart > 1e-2:
        raise AssertionError(f"the two maps differ by {apart:.2g} logits")
    mine, loop = median(seconds["ours"]), median(seconds["theirs"]) * len(cells) / len(chosen)
    note = (
        f"{len(sites)} blocks × {length} positions, one pair; medians of {rounds} rounds in turn; "
        f"the loop from {len(chosen)} of {len(cells)} cells, multiplied up; values differ by at "
        f"most {apart:.1e} logits"
    )
    return {
        "name": "patch map against one pass a cell",
        "ours": mine,
        "theirs": loop,
        "ratio": loop / mine,
        "target": 3.0,
        "unit": "s",
        "note": note,
    }


def in_turn(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; one round before the first is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _one(
    model: Model, base: Any, given: torch.Tensor, site: str, position: int, metric: Any
) -> float:
    value = torch.zeros_like(given)
    value[:, position] = given[:, position]
    edit = Replace(Scope(site, (position,)), value)
    logits = model.run(
        model.collate(base), edits=edit, logits=True, at=torch.tensor([[len(base[0]) - 1]])
    ).logits
    assert logits is not None
    return float(metric(logits[:, 0], np.zeros(1)))
