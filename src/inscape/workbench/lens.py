"""What a model would say at every layer and position of a prompt, by the logit lens, or by another.

    found = lens("smollm2-135m", "The capital of France is")
    found.grid()          in a notebook, a table; found.save("lens.html")

Each state of the residual stream is read by the model's own last norm and unembedding. Where a
layer's word is also the last layer's, the answer is readable there already. Early layers need not
be in the last layer's basis: a word that the lens does not find may still be there.

Cost: one forward pass, and one product with the unembedding for each layer and position.
Reference: nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al. (2023),
arXiv:2303.08112, on its limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from inscape.core.protocols import Lens
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.jacobian_lens import JacobianLens
from inscape.read.logit_lens import Reading, logit_lens
from inscape.read.tuned_lens import TunedLens
from inscape.views.grid import Grid
from inscape.views.page import page, save
from inscape.workbench.picture import in_line, language_model, token_text


@dataclass(frozen=True, eq=False)
class LensTable:
    """A prompt read by a lens.

    Attributes:
        model: the model's name.
        prompt: the prompt.
        tokens: its tokens as text.
        layers: names of the sites read, the first layer first.
        words: the most likely next tokens as text, (layers, positions, k).
        probabilities: theirs, the same shape.
        kl: divergence from what the model says in the end, nats, (layers, positions).
        by: which lens it was.
    """

    model: str
    prompt: str
    tokens: tuple[str, ...]
    layers: tuple[str, ...]
    words: np.ndarray
    probabilities: Float[np.ndarray, "layers positions k"]
    kl: Float[np.ndarray, "layers positions"]
    by: str = "logit lens"

    @property
    def settled(self) -> Int[np.ndarray, " positions"]:
        """For each position the first layer from which on the top token is the last layer's."""
        same = self.words[:, :, 0] == self.words[-1, :, 0]
        return np.array([len(s) - int(np.argmin(s[::-1])) if not s.all() else 0 for s in same.T])

    def grid(self) -> Grid:
        """Layers × positions, the top next token in each cell, coloured by its probability; the
        last layer on top.
        """
        order = range(len(self.layers) - 1, -1, -1)
        hover = [
            [
                "; ".join(
                    f"{w!r} {p:.1%}"
                    for w, p in zip(self.words[i, t], self.probabilities[i, t], strict=True)
                )
                + f" (KL {self.kl[i, t]:.2f} nats)"
                for t in range(len(self.tokens))
            ]
            for i in order
        ]
        return Grid(
            title="Next-token prediction of each layer",
            rows=[self.layers[i] for i in order],
            columns=[in_line(t) for t in self.tokens],
            values=self.probabilities[::-1, :, 0],
            text=[[in_line(w) for w in self.words[i, :, 0]] for i in order],
            hover=hover,
            corner="layer",
            key="Each cell: the top next token after the token above; the stronger the colour, the "
            "more probable. Hover for the next ones.",
        )

    def html(self) -> str:
        """A page of its own."""
        last = self.words[-1, -1], self.probabilities[-1, -1]
        said = ", ".join(f"{in_line(w)} {p:.1%}" for w, p in zip(*last, strict=True))
        facts = f"{self.model}, {self.by}. After the prompt: {said}."
        return page(self.prompt, [self.grid().html()], facts)

    def _repr_html_(self) -> str:
        return self.grid().html()

    def __str__(self) -> str:
        return str(self.grid())

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "model": self.model,
            "prompt": self.prompt,
            "tokens": self.tokens,
            "layers": self.layers,
            "words": self.words,
            "probabilities": self.probabilities,
            "kl": self.kl,
            "lens": self.by,
        }

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        return save(path, self.html())


def lens(
    model: str | Path | Model,
    prompt: str,
    *,
    sites: str = "resid_post.*",
    k: int = 5,
    by: Lens | str | Path | None = None,
) -> LensTable:
    """Read every layer and position of a prompt with a lens.

    Args:
        model: a language model or its name.
        prompt: the text.
        sites: which states of the residual stream.
        k: how many of the likeliest tokens to keep.
        by: the lens, or where one was saved: the folder of a tuned lens, the file of a Jacobian
            lens; default: the logit lens.

    Raises:
        ModelError: the model is fed no text, or has no unembedding.
        ValueError: the prompt has no token, or a site is no state of the residual stream.
    """
    opened = language_model(model)
    tokens = opened.tokenize([prompt])[0]
    wanted = opened.select(sites)
    run = opened.run([tokens], capture=wanted)
    states = torch.stack([run[site][0].float() for site in wanted])
    last = opened.select("resid_post.-1")[0]
    final = (run if last in run else opened.run([tokens], capture=[last]))[last][0].float()
    readout = Readout.of(opened)
    if by is None:
        reading = logit_lens(readout, states, final, k=k)
    else:
        reader = opened_lens(by)
        each = [
            reader.read(readout, str(s), h, final, k=k) for s, h in zip(wanted, states, strict=True)
        ]
        reading = Reading(*(np.stack(part) for part in zip(*each, strict=True)))
    words = [
        [[token_text(opened, t) for t in row] for row in layer] for layer in reading.tokens.tolist()
    ]
    return LensTable(
        opened.name,
        prompt,
        tuple(token_text(opened, t) for t in tokens.ids.tolist()),
        tuple(map(str, wanted)),
        np.array(words, dtype=object),
        np.exp(reading.log_probs),
        reading.kl,
        "logit lens" if by is None else _called(reader),
    )


def opened_lens(by: Lens | str | Path) -> Lens:
    """A lens, or the one that was saved at a path: a folder holds a tuned lens, a file a Jacobian
    lens.

    Raises:
        ModelError: there is nothing, or another thing.
    """
    if not isinstance(by, (str, Path)):
        return by
    kind = TunedLens if Path(by).is_dir() else JacobianLens
    return kind.load(by)


def _called(reader: Lens) -> str:
    """``TunedLens`` → ``"tuned lens"``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(reader).__name__).lower()
