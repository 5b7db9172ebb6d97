"""Maximally activating examples: the texts on which a neuron, a head or a direction is most active.

    top("smollm2-135m", "mine.csv", "mlp_act.12:345", input="text")

Each text counts by its most active token. What the top examples share suggests what a unit is for,
and no more: they are its extremes, and another data set may show others, so the quantiles over all
tokens stand beside them.

Cost: one forward pass over the texts, up to the unit's layer.
Reference: Dalvi et al. (2019), arXiv:1812.09355; Bolukbasi et al. (2021), arXiv:2104.07143, on what
they hide.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.errors import DataError, SiteError
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.views.contexts import contexts
from inscape.views.page import page, save
from inscape.workbench.picture import in_line, language_model, token_text

#: tokens shown before and after the most active one in a terminal
AROUND = 8


@dataclass(frozen=True, eq=False)
class Active:
    """A text with its activations.

    Attributes:
        text: the text.
        tokens: as text.
        values: the unit's activation at each token.
    """

    text: str
    tokens: tuple[str, ...]
    values: Float[np.ndarray, " t"]

    @property
    def peak(self) -> int:
        """The most active token."""
        return int(self.values.argmax())

    @property
    def value(self) -> float:
        """Its activation."""
        return float(self.values.max())

    def around(self, count: int = AROUND) -> str:
        """The text around the most active token, which stands in brackets."""
        before = "".join(self.tokens[max(0, self.peak - count) : self.peak])
        after = "".join(self.tokens[self.peak + 1 : self.peak + 1 + count])
        token = self.tokens[self.peak]
        gap = " " if token.startswith(" ") and before else ""
        return f"{before}{gap}[{in_line(token)}]{after}".replace("\n", "\\n")


@dataclass(frozen=True, eq=False)
class TopExamples:
    """The texts on which a unit is most active.

    Attributes:
        model: the model's name.
        unit: the site, head or coordinate.
        data: the examples' name.
        examples: the most active first.
        quantiles: the 50 %, 99 % and 99.9 % quantiles of its activation over all tokens.
        tokens: how many tokens these are of.
    """

    model: str
    unit: str
    data: str
    examples: tuple[Active, ...]
    quantiles: tuple[float, float, float]
    tokens: int

    @property
    def said(self) -> str:
        """Beside the top: what the unit does on all tokens."""
        half, much, most = self.quantiles
        return (
            f"Over all {self.tokens} tokens of {self.data} the median is {half:z.3g}, the 99 % "
            f"quantile {much:z.3g}, the 99.9 % quantile {most:z.3g}."
        )

    def rows(self) -> list[tuple[str, str]]:
        """Activation and text around the most active token, the most active first."""
        return [(f"{e.value:z.3g}", e.around()) for e in self.examples]

    def html(self) -> str:
        """A page of its own."""
        return page(
            f"{self.unit}: most active texts", [self._repr_html_()], f"{self.model}. {self.said}"
        )

    def _repr_html_(self) -> str:
        return contexts([e.tokens for e in self.examples], [e.values for e in self.examples])

    def __str__(self) -> str:
        return "\n".join([*(f"{value:>8}  {text}" for value, text in self.rows()), self.said])

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        found = [
            {"text": e.text, "tokens": e.tokens, "values": e.values, "value": e.value}
            for e in self.examples
        ]
        facts = {"model": self.model, "unit": self.unit, "data": self.data, "tokens": self.tokens}
        return {**facts, "quantiles": self.quantiles, "examples": found}

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        return save(path, self.html())


def top(
    model: str | Path | Model,
    data: str | Path | Examples | Sequence[str],
    unit: str,
    *,
    input: str | None = None,
    direction: Float[np.ndarray, " d"] | None = None,
    k: int = 10,
    limit: int | None = None,
    budget: int = 4096,
    progress: Callable[[int, int], None] | None = None,
) -> TopExamples:
    """Find the texts on which a unit is most active.

    Args:
        model: a language model or its name.
        data: examples, whatever `inscape.data.load.load` takes, or texts.
        unit: ``SITE:INDEX``, one coordinate (``mlp_act.12:345``); or a site alone: with a direction
            its projection on it, else its norm (``z.5.7`` for a head).
        input: the column that the model reads.
        direction: a direction of the site's width, scaled to length 1.
        k: how many texts.
        limit: only the first so many examples.
        budget: padded tokens a batch.
        progress: called after each batch with (texts done, total).

    Raises:
        SiteError: there is no such site or coordinate.
        DataError: there is no text.
    """
    opened = language_model(model)
    site, index = _unit(opened, unit)
    name, texts = _texts(data, input, limit)
    tokens = opened.tokenize(texts)
    best: list[tuple[float, int, np.ndarray]] = []
    every = []
    done = 0
    for rows in batches_by_length([len(t) for t in tokens], budget):
        run = opened.run(opened.collate([tokens[i] for i in rows]), capture=[site])
        for x, i in zip(run[site], rows.tolist(), strict=True):
            values = _activation(x[: len(tokens[i])].float(), index, direction, unit)
            every.append(values)
            entry = (float(values.max()), -i, values)
            if len(best) < k:
                heapq.heappush(best, entry)
            elif entry[:2] > best[0][:2]:
                heapq.heapreplace(best, entry)
        done += len(rows)
        if progress is not None:
            progress(done, len(texts))
    order = sorted(best, key=lambda entry: entry[:2], reverse=True)
    examples = tuple(
        Active(texts[-i], tuple(token_text(opened, t) for t in tokens[-i].ids.tolist()), values)
        for _, i, values in order
    )
    whole = np.concatenate(every)
    quantiles = tuple(float(q) for q in np.quantile(whole, [0.5, 0.99, 0.999]))
    return TopExamples(opened.name, unit, name, examples, quantiles, len(whole))  # type: ignore[arg-type]


def _unit(model: Model, unit: str) -> tuple[Site, int | None]:
    place, colon, number = unit.rpartition(":")
    if not colon or not number.isdigit():
        place, number = unit, ""
    chosen = model.select(place)
    if len(chosen) != 1:
        raise SiteError(f"one site is needed, and {place!r} names {len(chosen)}; name one.")
    return chosen[0], int(number) if number else None


def _activation(
    x: Float[Tensor, "t d"],
    index: int | None,
    direction: Float[np.ndarray, " given"] | None,
    unit: str,
) -> Float[np.ndarray, " t"]:
    width = x.shape[-1]
    if index is not None:
        if index >= width:
            raise SiteError(f"{unit}: the site has coordinates 0 to {width - 1}.")
        return x[:, index].cpu().numpy()
    if direction is None:
        return x.norm(dim=-1).cpu().numpy()
    if direction.shape != (width,):
        raise SiteError(f"{unit}: a direction of {width} numbers is needed, got {direction.shape}.")
    unit_length = torch.from_numpy(direction / np.linalg.norm(direction)).to(x)
    return (x @ unit_length).cpu().numpy()


def _texts(data: Any, input: str | None, limit: int | None) -> tuple[str, list[str]]:
    """The examples' name and their texts, each once."""
    if isinstance(data, list | tuple):
        name, texts = "the texts given", [str(t) for t in data][:limit]
    else:
        examples = data if isinstance(data, Examples) else load(data, input=input, limit=limit)
        name, texts = examples.card.name, examples.texts()[:limit]
    once = list(dict.fromkeys(texts))
    if not once:
        raise DataError("there is no text to look through; give one or more.")
    return name, once
