"""Harvesting every residual site at the last token, against the plain loop and against a bare
forward pass.

(a) the plain loop: batches of 32 in file order, padding, ``output_hidden_states=True``, the whole
model with its head, the last token of each layer; (b) the transformer's body alone over our own
batches, nothing captured. Rounds are interleaved, so that a busy machine slows all of them; figures
are medians over rounds of real (unpadded) tokens a second. Then prompts of eight examples with a
question each, whose beginning is shared; harvests up to the middle layer; and, where there is a
CUDA device, the same against a bare forward pass there, in bfloat16.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inscape.core.rng import generator
from inscape.model import batching
from inscape.model.batching import ACCELERATOR, CPU
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store.harvest import harvest

SITES = "embed, resid_post.*"
WORDS = (
    "the of city river and people in a large old house that was built near water by king for his "
    "who had seen many wars before peace came back to land"
).split()


def sentences(n: int, seed: int = 0) -> list[str]:
    """Texts whose lengths are those of prose sentences: log-normal, median 16 words, 4 to 72."""
    rng = generator(seed, "benchmark", "sentences")
    lengths = np.clip(np.round(np.exp(rng.normal(np.log(16), 0.6, n))), 4, 72).astype(int)
    return [" ".join(rng.choice(WORDS, size=length)) for length in lengths]


SHOTS = (
    ("A warm and funny film that never loses its way.", "positive"),
    ("The plot is dull and the actors seem lost.", "negative"),
    ("I would gladly see it again tomorrow.", "positive"),
    ("Two hours that I will never get back.", "negative"),
    ("The music alone is worth the price of a ticket.", "positive"),
    ("A mess from the first scene to the last.", "negative"),
    ("Every line is sharp and every face is alive.", "positive"),
    ("It is loud, long and empty.", "negative"),
)


def prompts(n: int, seed: int = 0) -> list[str]:
    """Prompts of eight examples and a question of 4 to 13 words each: about 150 tokens, all but the
    last words shared.
    """
    rng = generator(seed, "benchmark", "prompts")
    head = "\n".join(f"Review: {text} Sentiment: {label}" for text, label in SHOTS)
    asked = [" ".join(rng.choice(WORDS, size=int(rng.integers(4, 14)))) for _ in range(n)]
    return [f"{head}\nReview: {text}. Sentiment:" for text in asked]


def plain_loop(model: Model, texts: list[str]) -> torch.Tensor:
    """What everyone writes: (examples, layers + 1, width) at the last token."""
    found = []
    tokens = model.tokenize(texts)
    with torch.no_grad():
        for start in range(0, len(tokens), 32):
            batch = model.collate(tokens[start : start + 32])
            states = model.net(**batch.inputs, output_hidden_states=True).hidden_states
            assert batch.lengths is not None
            last = batch.lengths - 1
            found.append(torch.stack([x[torch.arange(len(last)), last] for x in states], 1))
    return torch.cat(found)


def bare_forward(model: Model, texts: list[str], budget: int) -> None:
    """The body over the batches that a harvest makes, with nothing captured."""
    tokens = model.tokenize(texts)
    with torch.no_grad():
        for chosen in batching.batches_by_length([len(t) for t in tokens], budget):
            batch = model.collate([tokens[i] for i in chosen])
            model.atlas.body(input_ids=batch.inputs["input_ids"].to(model.device), use_cache=False)
    if model.device.type == "cuda":
        torch.cuda.synchronize()


def interleaved(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; one round before the first is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def largest_difference(model: Model, texts: list[str]) -> float:
    """Largest difference of any value between the harvest and the plain loop, all sites but the
    last.

    The last entry of ``hidden_states`` is taken after the final norm, which is another site.
    """
    theirs = plain_loop(model, texts).numpy()
    with tempfile.TemporaryDirectory() as folder:
        store = harvest(model, texts, SITES, to=Path(folder) / "s", progress=False)
        return max(
            float(np.abs(x - theirs[:, i]).max())
            for i, (_, x) in enumerate(store.matrices())
            if i + 1 < len(store.sites)
        )


def run(n: int = 96, rounds: int = 3) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    model = open_model("smollm2-135m")
    return [
        *mixed(model, n, rounds),
        *templated(model, n // 4, rounds),
        *middle(model, n, rounds),
        *on_cuda(rounds),
    ]


def mixed(model: Model, n: int, rounds: int) -> list[dict[str, Any]]:
    """Sentences of mixed length."""
    texts = sentences(n)
    tokens = sum(len(t) for t in model.tokenize(texts))
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))
        seconds = interleaved(
            {
                "ours": lambda: harvest(
                    model, texts, SITES, to=Path(folder) / str(next(count)), progress=False
                ),
                "plain": lambda: plain_loop(model, texts),
                "bare": lambda: bare_forward(model, texts, CPU[0]),
            },
            rounds,
        )
    speed = {name: tokens / statistics.median(values) for name, values in seconds.items()}
    note = (
        f"{n} sentences of mixed length, {tokens} tokens, all residual sites at the last token, "
        f"{rounds} rounds"
    )
    difference = largest_difference(model, texts[:32])
    return [
        _row(
            "harvest against the plain loop",
            speed["ours"],
            speed["plain"],
            1.3,
            f"{note}; values differ by ≤ {difference:.1e}",
        ),
        _row(
            "harvest against a bare forward of the body",
            speed["ours"],
            speed["bare"],
            0.95,
            f"{note}; same batches",
        ),
    ]


def templated(model: Model, n: int, rounds: int) -> list[dict[str, Any]]:
    """Prompts with a long beginning in common, against the plain loop and against ours without
    sharing it.
    """
    texts = prompts(n)
    tokens = sum(len(t) for t in model.tokenize(texts))
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))

        def ours(prefix: bool) -> Any:
            return harvest(
                model,
                texts,
                SITES,
                to=Path(folder) / str(next(count)),
                prefix=prefix,
                progress=False,
            )

        ways = {
            "ours": lambda: ours(True),
            "whole": lambda: ours(False),
            "plain": lambda: plain_loop(model, texts),
        }
        seconds = interleaved(ways, rounds)
        shared, whole = ours(True), ours(False)
        gap = max(float(np.abs(x - whole.matrix(site)).max()) for site, x in shared.matrices())
    speed = {name: tokens / statistics.median(values) for name, values in seconds.items()}
    note = f"{n} prompts of eight examples and a question, {tokens} tokens in all, {rounds} rounds"
    note += f"; values differ by ≤ {gap:.1e} from passes over whole prompts"
    return [
        _row("templated prompts against the plain loop", speed["ours"], speed["plain"], 5.0, note),
        _row(
            "templated prompts against ours without sharing",
            speed["ours"],
            speed["whole"],
            None,
            note,
        ),
    ]


def middle(model: Model, n: int, rounds: int) -> list[dict[str, Any]]:
    """The time of half the layers as a share of that of all."""
    texts, layers = sentences(n), len(model.atlas.blocks)
    half = layers // 2
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))

        def ours(sites: str) -> Any:
            return harvest(model, texts, sites, to=Path(folder) / str(next(count)), progress=False)

        ways = {"half": lambda: ours(f"embed, resid_post.0:{half}"), "all": lambda: ours(SITES)}
        seconds = interleaved(ways, rounds)
    share = statistics.median(a / b for a, b in zip(seconds["half"], seconds["all"], strict=True))
    note = (
        f"{n} sentences, residual sites of the first {half} of {layers} layers, in pairs with "
        f"all, {rounds} rounds"
    )
    row = _row("harvest to the middle layer", share, 1.0, half / layers + 0.05, note)
    return [{**row, "theirs": None, "ratio": None, "unit": "of the time of all layers"}]


def on_cuda(rounds: int) -> list[dict[str, Any]]:
    """The harvest on an accelerator against a bare forward pass there; nothing where there is
    none.
    """
    if not torch.cuda.is_available():
        return []
    model, texts = open_model("smollm2-135m", device="cuda", dtype="bfloat16"), sentences(20_000)
    tokens = sum(len(t) for t in model.tokenize(texts))
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(1000))
        ways = {
            "ours": lambda: harvest(
                model, texts, "resid_post.*", to=Path(folder) / str(next(count)), progress=False
            ),
            "bare": lambda: bare_forward(model, texts, ACCELERATOR[0]),
        }
        seconds = interleaved(ways, rounds)
    speed = {name: tokens / statistics.median(values) for name, values in seconds.items()}
    note = (
        f"{len(texts)} sentences, {tokens} tokens, bfloat16 on {torch.cuda.get_device_name()}, "
        f"{rounds} rounds"
    )
    return [
        _row("harvest on CUDA against a bare forward", speed["ours"], speed["bare"], None, note)
    ]


def _row(name: str, ours: float, theirs: float, target: float | None, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ours / theirs,
        "target": target,
        "unit": "tokens/s",
        "note": note,
    }


if __name__ == "__main__":
    import json
    import sys

    json.dump(run(), sys.stdout, indent=1, ensure_ascii=False)
