"""Scratchpads written and decisions taken under edits: what a model that thinks first finally says.

A reply is made in two parts. The scratchpad is written token by token; it ends where the model
closes it, or is closed for it after so many tokens. Then the prompt with its scratchpad is read
again and answered, with the edits at the very tokens where they acted while it was written:

    place         while writing                 while answering
    scratchpad    tokens as they are written    the scratchpad's tokens; neither its close nor the answer
    prompt        the prompt's tokens           the prompt's tokens
    random        as many tokens as a scratchpad may have, drawn from both
    everywhere    all tokens                    all tokens

So an edit of the scratchpad never acts at the token where the answer is read: it must be carried
there. Writing under edits and answering without them says what the words alone carry; answering
under edits a scratchpad that was written without them, what the states alone carry.

Cost: two continuations a prompt.
Reference: Yamaguchi et al. (2025), arXiv:2507.03167, for edits of the reasoning alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from inscape.control.masked import masked
from inscape.core.batch import Tokens
from inscape.core.edit import Edit
from inscape.core.folds import group_folds
from inscape.core.rng import generator
from inscape.data.positions import span_mask
from inscape.model.batching import batches_by_length
from inscape.model.continuations import continuations
from inscape.model.model import Model

SCRATCHPAD, PROMPT, RANDOM, EVERYWHERE = "scratchpad", "prompt", "random", "everywhere"
#: numbers of prompts, positions and phase of a scope → edits of theirs
Act = Callable[[np.ndarray, "str | tuple[int, ...]", str], list[Edit]]


@dataclass(frozen=True)
class Written:
    """Prompts with their scratchpads.

    Attributes:
        prompts: as they were asked.
        scratchpads: what was written after each, without its close.
        closed: which of them the model closed itself, (n,).
    """

    prompts: tuple[str, ...]
    scratchpads: tuple[str, ...]
    closed: Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Reasoner:
    """A model that thinks before it answers.

    Attributes:
        model: a causal language model with a fast tokenizer.
        close: what ends a scratchpad, with the white space around it.
        tokens: of a scratchpad at most.
        said: tokens of an answer at most.
        temperature: of writing; answers are greedy.
        seed: of writing: every prompt keeps its random numbers whatever edits act.
    """

    model: Model
    close: str
    tokens: int = 150
    said: int = 24
    temperature: float = 0.0
    seed: int = 0

    def write(
        self, prompts: Sequence[str], act: Act | None = None, place: str = SCRATCHPAD, draw: int = 0
    ) -> Written:
        """Write a scratchpad for each prompt.

        Args:
            prompts: texts.
            act: edits, or None.
            place: where they act.
            draw: which of the random sets of positions.
        """
        lengths = [len(t) for t in self.model.tokenize(list(prompts))]

        def edits(rows: np.ndarray) -> list[Edit]:
            if act is None:
                return []
            if place == RANDOM:
                return act(rows, self.places(lengths[int(rows[0])], draw), "all")
            return act(
                rows, "all", {SCRATCHPAD: "generated", PROMPT: "prompt", EVERYWHERE: "all"}[place]
            )

        made = continuations(
            self.model,
            list(prompts),
            self.tokens,
            temperature=self.temperature,
            seed=self.seed,
            edits=() if act is None else edits,
        )
        cut = [one[0].text.partition(self.close.strip()) for one in made]
        return Written(
            tuple(prompts),
            tuple(c[0].rstrip() for c in cut),
            np.array([bool(c[1]) for c in cut], dtype=bool),
        )

    def answer(
        self, written: Written, act: Act | None = None, place: str = SCRATCHPAD, draw: int = 0
    ) -> list[str]:
        """What is said after each scratchpad; arguments as of `write`."""
        texts = self.texts(written)
        parts = [] if act is None else self.parts(written)
        lengths = (
            [len(t) for t in self.model.tokenize(list(written.prompts))] if place == RANDOM else []
        )

        def where(row: int) -> np.ndarray:
            prompt, scratchpad = parts[row]
            if place == RANDOM:
                inside = np.isin(np.arange(len(prompt)), self.places(lengths[row], draw))
                return inside & (prompt | scratchpad)
            return scratchpad if place == SCRATCHPAD else prompt

        def edits(rows: np.ndarray) -> list[Edit]:
            if act is None:
                return []
            if place == EVERYWHERE:
                return act(rows, "all", "all")
            mask = torch.from_numpy(np.stack([where(int(i)) for i in rows]))
            return masked(act(rows, "all", "prompt"), mask)

        made = continuations(self.model, texts, self.said, edits=() if act is None else edits)
        return [one[0].text for one in made]

    def texts(self, written: Written) -> list[str]:
        """Prompts with scratchpads, closed: where the answer begins."""
        return [
            p + s + self.close for p, s in zip(written.prompts, written.scratchpads, strict=True)
        ]

    def parts(
        self, written: Written
    ) -> list[tuple[Bool[np.ndarray, " t"], Bool[np.ndarray, " t"]]]:
        """Tokens of the prompt and of the scratchpad in each closed text; a close is in neither.

        Raises:
            DataError: the tokenizer gives no character offsets.
        """
        return [
            self._parts(t, len(p), len(s))
            for t, p, s in zip(
                self.model.tokenize(self.texts(written)),
                written.prompts,
                written.scratchpads,
                strict=True,
            )
        ]

    def places(self, length: int, draw: int) -> tuple[int, ...]:
        """Random positions of a prompt so long and its scratchpad: as many as the scratchpad may
        have tokens.
        """
        rng = generator(self.seed, "places", str(draw), str(length))
        return tuple(sorted(int(p) for p in rng.permutation(length + self.tokens)[: self.tokens]))

    def states(
        self, written: Written, sites: Sequence[str], first: int = 150, budget: int = 4096
    ) -> dict[str, tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]]:
        """At each site the mean over the first tokens of the scratchpad, and the prompt's last
        token.

        Args:
            written: without edits.
            sites: where.
            first: so many tokens of a scratchpad; an empty one is read at the prompt's last token.
            budget: padded tokens a batch.
        """
        tokens, parts = self.model.tokenize(self.texts(written)), self.parts(written)
        out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for rows in batches_by_length([len(t) for t in tokens], budget):
            found = self.model.run(self.model.collate([tokens[i] for i in rows]), list(sites))
            for site in sites:
                x = found[site].double().cpu().numpy()
                if site not in out:
                    out[site] = (
                        np.empty((len(tokens), x.shape[-1])),
                        np.empty((len(tokens), x.shape[-1])),
                    )
                for b, i in enumerate(rows):
                    end = int(np.flatnonzero(parts[i][0])[-1])
                    inside = np.flatnonzero(parts[i][1])[:first]
                    out[site][0][i] = x[b, inside].mean(axis=0) if len(inside) else x[b, end]
                    out[site][1][i] = x[b, end]
        return out

    @staticmethod
    def _parts(tokens: Tokens, prompt: int, scratchpad: int) -> tuple[np.ndarray, np.ndarray]:
        inside = span_mask(tokens, (prompt, prompt + scratchpad))
        first = int(np.flatnonzero(tokens.offsets[:, 1] > prompt)[0])
        # what the tokenizer puts before the prompt belongs to it
        return (np.arange(len(tokens)) < first) & ~inside, inside


def halves(
    groups: Sequence[object] | np.ndarray, *, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Which half of the groups each row is in, 0 or 1.

    Args:
        groups: group of each row.
        rng: deals the groups.
    """
    half = np.zeros(len(groups), dtype=np.int64)
    half[group_folds(groups, 2, rng=rng)[0][1]] = 1
    return half


def verdicts(
    answers: Sequence[str], declines: Sequence[str], answered: Sequence[str] = ()
) -> Int[np.ndarray, " n"]:
    """1 where an answer declines, 0 where it answers, −1 where it does neither.

    Args:
        answers: what was said.
        declines: an answer with one of these in it declines, whatever their case.
        answered: one with one of these in it, and none of the others, answers; any that says
            something if there are none.

    Example:
        >>> verdicts(["I'm sorry, no.", "Take two eggs.", ""], ["i'm sorry"]).tolist()
        [1, 0, -1]
    """
    out = []
    for text in answers:
        low = text.lower()
        if any(d.lower() in low for d in declines):
            out.append(1)
        else:
            fits = any(a.lower() in low for a in answered) if answered else bool(low.strip())
            out.append(0 if fits else -1)
    return np.array(out, dtype=np.int64)
