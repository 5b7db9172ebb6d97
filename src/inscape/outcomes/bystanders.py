"""Bystanders: how much of what an intervention is not about comes out as before.

A task with right answers, whose scratchpads are written and answered under the intervention as any
others are; or plain texts, every token of which is foreseen or not. Hits are counted row by row, so
that what is lost is paired with what was there, and an intervention may differ from row to row.

Cost: two continuations a prompt, or one pass a text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.batch import Tokens
from inscape.data.examples import Examples
from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.outcomes.scratchpads import Act, Reasoner

#: hits and how many there could be, row by row
Hits = tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]


@dataclass(frozen=True, eq=False)
class Bystander:
    """Something an intervention is not about.

    Attributes:
        examples: its prompts or texts; with a group where they are related.
        hits: intervention (or None), place and model → hits.
        what: what a hit is.
    """

    examples: Examples
    hits: Callable[[Act | None, str, Model], Hits]
    what: str

    def groups(self) -> np.ndarray:
        """Group of each row; each its own where there is none."""
        return (
            np.arange(len(self.examples)) if self.examples.group is None else self.examples.groups()
        )


def bystander(reasoner: Reasoner, examples: Examples) -> Bystander:
    """A task where there is a column ``answer``, else plain texts; arguments as of `task`."""
    return task(reasoner, examples) if "answer" in examples.frame else foreseen(examples)


def task(reasoner: Reasoner, examples: Examples) -> Bystander:
    """A task with right answers: a hit is an answer that begins with the column ``answer``.

    Args:
        reasoner: thinks and answers; the model that is asked takes its model's place.
        examples: prompts with that column.
    """
    wanted = [str(a).strip().lower() for a in examples.frame["answer"]]

    def hits(act: Act | None, place: str, model: Model) -> Hits:
        asked = replace(reasoner, model=model)
        said = asked.answer(asked.write(examples.texts(), act, place), act, place)
        found = [s.strip().lower().startswith(w) for s, w in zip(said, wanted, strict=True)]
        return np.array(found, dtype=np.float64), np.ones(len(wanted))

    return Bystander(examples, hits, "right answers")


def foreseen(examples: Examples, most: int = 128, budget: int = 2048) -> Bystander:
    """Plain texts: a hit is a token that was the likeliest; an intervention at the scratchpad acts
    at every token.

    Args:
        examples: texts.
        most: tokens of a text that are read.
        budget: padded tokens a batch.
    """

    def hits(act: Act | None, place: str, model: Model) -> Hits:
        tokens = [
            Tokens(t.ids[:most], t.offsets[:most], t.special[:most])
            for t in model.tokenize(examples.texts())
        ]
        found, count = np.zeros(len(tokens)), np.array([len(t) - 1.0 for t in tokens])
        for rows in batches_by_length([len(t) for t in tokens], budget):
            batch = model.collate([tokens[i] for i in rows])
            logits = model.run(
                batch, logits=True, edits=[] if act is None else act(rows, "all", "all")
            ).logits
            assert logits is not None
            ids = batch.inputs["input_ids"][:, 1:]
            right = (logits[:, :-1].argmax(dim=-1).cpu() == ids).double()
            real = torch.arange(ids.shape[1])[None] < torch.from_numpy(count[rows])[:, None]
            found[rows] = torch.where(real, right, 0.0).sum(dim=1).numpy()
        return found, count

    return Bystander(examples, hits, "tokens foreseen")
