"""The lens table of a 30-token prompt, as a multiple of one forward pass, on the default model.

A forward pass applies the unembedding to 30 states, the lens to 30 for every layer. How many
multiplications that is, in passes, is known before anything is timed, and stands in the row beside
what was measured:

    count = 1 + (layers − 1) · tokens · entries · width / (tokens · weights)
"""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.steering import in_turn
from inscape.model.open import open as open_model
from inscape.model.unembed import Readout
from inscape.workbench.lens import lens

PROMPT = "The museum on the hill opens at ten and closes at six."
TOKENS, ROUNDS = 30, 7


def run(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    model = open_model("smollm2-135m")
    ids = model.tokenize([" ".join([PROMPT] * 4)])[0].ids[:TOKENS]
    prompt = model.tokenizer.decode(ids)
    tokens = model.tokenize([prompt])
    readout = Readout.of(model)
    layers = len(model.atlas.blocks)
    seconds = in_turn(
        {
            "pass": lambda: model.run(tokens, logits=True),
            "last": lambda: lens(model, prompt, sites="resid_post.-1"),
            "lens": lambda: lens(model, prompt),
        },
        rounds,
    )
    whole, last = (
        median(b / a for a, b in zip(seconds["pass"], seconds[name], strict=True))
        for name in ("lens", "last")
    )
    weights = sum(p.numel() for p in model.net.parameters())
    count = len(tokens[0])
    share = readout.weight.numel() / weights
    floor = 1 + (layers - 1) * share
    note = (
        f"{count} tokens, {layers} layers, model load aside; medians of {rounds} rounds in turn, a "
        f"pass {1000 * median(seconds['pass']):.0f} ms. "
    )
    why = (
        f"The unembedding holds {share:.0%} of this small model's weights and is applied to "
        f"{layers * count} states instead of {count}: {floor:.1f} passes by the count of "
        f"multiplications. The target needs an unembedding of {0.2 / (layers - 1):.1%} of the "
        "weights or less."
    )
    unit = "× a forward pass"
    return [
        {
            "name": "lens table, every layer and position",
            "ours": whole,
            "theirs": None,
            "ratio": None,
            "target": 1.2,
            "unit": unit,
            "note": note + why,
        },
        {
            "name": "lens table, the last layer",
            "ours": last,
            "theirs": None,
            "ratio": None,
            "target": None,
            "unit": unit,
            "note": note
            + "What the lens itself adds to a pass where it reads as many states as the pass.",
        },
    ]
