"""Activation patching of two prompts: which site at which position carries what makes them answer differently.

    patch("smollm2-135m", "The capital of France is", "The capital of Italy is")

The corrupted prompt is run with one activation at a time taken from the clean prompt. Effect 1: the answer is as it is after
the clean prompt; 0: nothing changed (`inscape.control.patching`, denoising).

Cost: sites × positions short passes, many in one batch.
Reference: Meng et al. (2022), arXiv:2202.05262; Zhang and Nanda (2023), arXiv:2309.16042.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inscape.control.patching import patch_map
from inscape.core.errors import DataError
from inscape.model.model import Model
from inscape.study.picture import Picture, in_line, language_model, token_text, word
from inscape.views.grid import Grid


def patch(
    model: str | Path | Model,
    clean: str,
    corrupted: str,
    *,
    answer: str | None = None,
    wrong: str | None = None,
    sites: str = "resid_pre.*",
) -> Picture:
    """Patch every site and position of a prompt from another one.

    Args:
        model: a language model or its name.
        clean: the prompt whose activations are put in.
        corrupted: the prompt that is run, of as many tokens.
        answer: the word after the clean prompt; default: the likeliest one.
        wrong: the word after the corrupted prompt; default: the likeliest one.
        sites: what is patched: ``resid_pre.*``, ``attn_out.*``, ``mlp_out.*`` …

    Raises:
        DataError: prompts of different lengths, or with one answer.
    """
    opened = language_model(model)
    base, source = opened.tokenize([corrupted, clean])
    if len(base) != len(source):
        raise DataError(
            f"the prompts have {len(source)} and {len(base)} tokens, so their positions do not correspond; choose words "
            "with as many tokens."
        )
    ends = [opened.run([t], logits=True).logits[0, -1] for t in (source, base)]
    right, other = (
        word(opened, given) if given else int(end.argmax())
        for given, end in zip((answer, wrong), ends, strict=True)
    )
    if right == other:
        raise DataError(
            f"both prompts are followed by {token_text(opened, right)!r}; name the answer and the wrong answer to compare."
        )
    gaps = [float(end[right] - end[other]) for end in ends]
    if abs(gaps[0] - gaps[1]) < 1e-6:
        raise DataError(
            "the two prompts do not differ in these answers' logits; choose other answers or prompts."
        )
    found = patch_map(
        opened, [base], [source], sites, lambda logits, _: logits[:, right] - logits[:, other]
    )
    pairs = [
        tuple(in_line(token_text(opened, t)) for t in pair)
        for pair in zip(source.ids.tolist(), base.ids.tolist(), strict=True)
    ]
    columns = [a if a == b else f"{a} → {b}" for a, b in pairs]
    names, order = found.sites, range(len(found.sites) - 1, -1, -1)
    hover = [
        [
            f"{names[i]} at {b!r}, taken from {a!r}: {found.values[i, j, 0]:.2f} logits"
            for j, (a, b) in enumerate(pairs)
        ]
        for i in order
    ]
    words = in_line(token_text(opened, right)), in_line(token_text(opened, other))
    grid = Grid(
        "Effect of patching one activation",
        [names[i] for i in order],
        columns,
        found.effect[::-1],
        hover=hover,
        corner="site",
        key="1: the answer is as after the clean prompt; 0: as after the corrupted one. Columns: clean → corrupted token.",
    )
    most = np.unravel_index(np.argmax(found.effect), found.effect.shape)
    said = (
        f"The logit of {words[0]!r} less that of {words[1]!r} is {gaps[0]:.2f} after the clean prompt and {gaps[1]:.2f} "
        f"after the corrupted one. The largest effect is {found.effect[most]:.2f}, at {names[int(most[0])]}, "
        f"{columns[int(most[1])]!r}."
    )
    return Picture(f"{clean} | {corrupted}", f"{opened.name}, sites {sites}.", said, (grid,))
