"""Jacobians: a relation's against a backward pass for each output, and how exactly a detached one
gives a state back.

The prompt is a five-shot question to the default model and the subject its last token but one, as
in the study of linear relational embeddings. Ours makes all 576 rows for four layers, in batches,
over the tokens from the subject on, behind a constant prefix. The loop goes over the whole prompt
and asks for the same four layers at once, one backward pass an output; a few of its outputs are
timed and multiplied up, since every one costs the same. Rows done by both must agree.

The detached Jacobian of a ten-token prompt is made in both precisions; its rows are the relative
error of the reconstruction, not times.
"""

from __future__ import annotations

import time
from statistics import median

import torch

from inscape.core.edit import Add, Scope
from inscape.model.connected import connected
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.detached_jacobian import local_map
from inscape.read.local_maps import in_double
from inscape.read.subject_jacobian import subject_jacobian

PROMPT = "".join(
    f"The capital of {country} is {city}\n"
    for country, city in (
        ("Norway", "Oslo"),
        ("Kenya", "Nairobi"),
        ("Peru", "Lima"),
        ("Japan", "Tokyo"),
        ("Egypt", "Cairo"),
    )
)
QUESTION = "The capital of France is"
TEN_TOKENS = "The capital of France is the city of Paris and"
SITES, ROUNDS, OUTPUTS = ("resid_post.3", "resid_post.8", "resid_post.13", "resid_post.18"), 3, 6


def run() -> list[dict[str, object]]:
    """Time both Jacobians in turn, then measure the detached one."""
    model = open("smollm2-135m")
    return [_relation(model), *_detached(model)]


def _relation(model: Model) -> dict[str, object]:
    tokens = model.tokenize([PROMPT + QUESTION])[0]
    position, last = len(tokens) - 2, f"resid_post.{len(model.atlas.blocks) - 1}"
    width, ours, theirs, worst = model.width(last), [], [], 0.0
    for round in range(ROUNDS):
        started = time.perf_counter()
        found = subject_jacobian(model, tokens, position, SITES, last)
        ours.append(time.perf_counter() - started)
        outputs = [(round * OUTPUTS + k) * width // (ROUNDS * OUTPUTS) for k in range(OUTPUTS)]
        seconds, rows = _loop(model, tokens.ids, position, last, outputs)
        theirs.append(seconds * width / OUTPUTS)
        for k, row in zip(outputs, rows, strict=True):
            mine = found.jacobians[:, k]
            worst = max(worst, float((mine - row).norm() / row.norm()))
    if worst > 1e-3:
        raise AssertionError(f"the two disagree: rows differ by {worst:.2g}")
    seconds, loop = median(ours), median(theirs)
    note = (
        f"{width} outputs × {len(SITES)} layers, prompt of {len(tokens)} tokens, subject at the "
        f"last but one; medians of {ROUNDS} rounds in turn; the loop from {OUTPUTS} backward "
        "passes a round, multiplied up, its forward pass not counted; largest relative difference "
        f"of a row {worst:.1g}"
    )
    return {
        "name": "Jacobian of a relation",
        "ours": seconds,
        "theirs": loop,
        "ratio": loop / seconds,
        "target": 5.0,
        "unit": "s",
        "note": note,
    }


def _loop(
    model: Model, ids: object, position: int, last: str, outputs: list[int]
) -> tuple[float, list[torch.Tensor]]:
    """One backward pass for each output over the whole prompt: their seconds, and (layers, d) of
    each.
    """
    shifts = [torch.zeros(model.width(site), requires_grad=True) for site in SITES]
    edits = [
        Add(Scope(s, positions=(position,)), shift) for s, shift in zip(SITES, shifts, strict=True)
    ]
    (out,) = connected(model, torch.as_tensor(ids)[None], last, edits=edits).values()
    started = time.perf_counter()
    rows = [
        torch.stack(torch.autograd.grad(out[0, -1, k], shifts, retain_graph=True)) for k in outputs
    ]
    return time.perf_counter() - started, rows


def _detached(model: Model) -> list[dict[str, object]]:
    rows = []
    for name, target, net in (("float32", 1e-4, model), ("float64", 1e-9, in_double(model))):
        tokens = net.tokenize([TEN_TOKENS])[0]
        started = time.perf_counter()
        found = local_map(net, tokens)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "name": f"detached Jacobian gives the state back, {name}",
                "ours": found.residual,
                "theirs": None,
                "ratio": None,
                "target": target,
                "unit": "relative error",
                "note": (
                    f"{len(tokens)} tokens, all {len(found.output)} outputs of the final norm, "
                    f"made in {seconds:.1f} s"
                ),
            }
        )
    return rows
