"""Activation patching of two prompts: which site at which position carries what makes them answer
differently.

    patch("smollm2-135m", "The capital of France is", "The capital of Italy is")

The corrupted prompt is run with one activation at a time taken from the clean prompt. Effect 1: the
answer is as it is after the clean prompt; 0: nothing changed (`inscape.control.patching`,
denoising).

Cost: sites × positions short passes, many in one batch.
Reference: Meng et al. (2022), arXiv:2202.05262; Zhang and Nanda (2023), arXiv:2309.16042.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inscape.control.patching import patch_map
from inscape.core.batch import Tokens
from inscape.core.errors import DataError
from inscape.model.model import Model
from inscape.views.grid import Grid
from inscape.workbench.picture import Picture, in_line, language_model, token_text, word


def patch(
    model: str | Path | Model,
    clean: str | Sequence[str],
    corrupted: str | Sequence[str],
    *,
    answer: str | Sequence[str] | None = None,
    wrong: str | Sequence[str] | None = None,
    sites: str = "resid_pre.*",
    progress: Callable[[int, int], None] | None = None,
) -> Picture:
    """Patch every site and position of a prompt from another one; of several pairs, the mean
    effect.

    Args:
        model: a language model or its name.
        clean: the prompt whose activations are put in; or several, of one length.
        corrupted: the prompt that is run, of as many tokens; one for each clean prompt.
        answer: the word after the clean prompt, one or one a pair; default: the top one.
        wrong: the word after the corrupted prompt, likewise; default: the top one.
        sites: what is patched: ``resid_pre.*``, ``attn_out.*``, ``mlp_out.*`` …
        progress: called after each batch of runs with (done, total).

    Raises:
        DataError: prompts of different lengths or numbers, or with one answer.
    """
    opened = language_model(model)
    pairs = _pairs(opened, clean, corrupted)
    source, base = ([pair[i] for pair in pairs] for i in (0, 1))
    ends = [opened.run(opened.collate(t), logits=True).logits[:, -1] for t in (source, base)]
    right, other = (
        _answers(opened, given, end, name)
        for given, end, name in zip((answer, wrong), ends, ("answer", "wrong"), strict=True)
    )
    if same := [i for i in range(len(pairs)) if right[i] == other[i]]:
        word_of = token_text(opened, right[same[0]])
        which = f" of pair {same[0] + 1}" if len(pairs) > 1 else ""
        raise DataError(
            f"both prompts{which} are followed by {word_of!r}; name the answer and the wrong "
            "answer to compare."
        )

    def metric(logits: Tensor, which: np.ndarray) -> Tensor:
        rows = torch.arange(len(logits))
        return logits[rows, [right[i] for i in which]] - logits[rows, [other[i] for i in which]]

    found = patch_map(opened, base, source, sites, metric, progress=progress)
    gaps = float(found.source.mean()), float(found.base.mean())
    if abs(gaps[0] - gaps[1]) < 1e-6:
        raise DataError(
            "the two prompts do not differ in these answers' logits; choose other answers or "
            "prompts."
        )
    columns = _columns(opened, pairs)
    names, order = found.sites, range(len(found.sites) - 1, -1, -1)
    change = found.values.mean(axis=2)
    hover = [
        [f"{names[i]} at {c!r}: {change[i, j]:.2f} logits" for j, c in enumerate(columns)]
        for i in order
    ]
    grid = Grid(
        "Effect of patching one activation",
        [names[i] for i in order],
        columns,
        found.effect[::-1],
        hover=hover,
        corner="site",
        key="1 restores the answer of the clean prompt, 0 leaves that of the corrupted one. "
        "Columns: clean → corrupted token.",
    )
    most = np.unravel_index(np.argmax(found.effect), found.effect.shape)
    words = [repr(in_line(token_text(opened, t[0]))) for t in (right, other)]
    of = words if len(pairs) == 1 else ["the answer", "the wrong one"]
    mean = "" if len(pairs) == 1 else f" (means over {len(pairs)} pairs)"
    said = (
        f"The logit of {of[0]} less that of {of[1]} is {gaps[0]:.2f} after the clean prompt and "
        f"{gaps[1]:.2f} after the corrupted one{mean}. The largest effect is "
        f"{found.effect[most]:.2f}, at {names[int(most[0])]}, {columns[int(most[1])]!r}."
    )
    title = " | ".join((source[0].text, base[0].text))
    return Picture(title, f"{opened.name}, sites {sites}.", said, (grid,))


def _pairs(
    model: Model, clean: str | Sequence[str], corrupted: str | Sequence[str]
) -> list[tuple[Tokens, Tokens]]:
    """Clean and corrupted prompts as tokens, all of one length."""
    one, two = ([t] if isinstance(t, str) else list(t) for t in (clean, corrupted))
    if len(one) != len(two) or not one:
        raise DataError(
            f"{len(one)} clean and {len(two)} corrupted prompts are no pairs; give one for each "
            "other."
        )
    source, base = model.tokenize(one), model.tokenize(two)
    for i, (a, b) in enumerate(zip(source, base, strict=True)):
        if len(a) != len(b):
            which = f" of pair {i + 1}" if len(one) > 1 else ""
            raise DataError(
                f"the prompts{which} have {len(a)} and {len(b)} tokens, so their positions do not "
                "correspond; choose words with as many tokens."
            )
        if len(a) != len(source[0]):
            raise DataError(
                f"pair {i + 1} has {len(a)} tokens and the first has {len(source[0])}; patch pairs "
                "of one length together."
            )
    return list(zip(source, base, strict=True))


def _answers(model: Model, given: str | Sequence[str] | None, end: Tensor, name: str) -> list[int]:
    """The token of each pair's answer: the given words, or the top token."""
    if given is None:
        return end.argmax(-1).tolist()
    words = [given] * len(end) if isinstance(given, str) else list(given)
    if len(words) != len(end):
        raise DataError(f"{name} holds {len(words)} words for {len(end)} pairs; give one for each.")
    return [word(model, w) for w in words]


def _columns(model: Model, pairs: Sequence[tuple[Tokens, Tokens]]) -> list[str]:
    """The tokens of the first pair; of several pairs, tokens that differ from pair to pair end
    in …
    """
    out = []
    for j in range(len(pairs[0][0])):
        seen = [(int(a.ids[j]), int(b.ids[j])) for a, b in pairs]
        a, b = (in_line(token_text(model, t)) for t in seen[0])
        out.append((a if a == b else f"{a} → {b}") + (" …" if len(set(seen)) > 1 else ""))
    return out
