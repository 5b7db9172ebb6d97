"""Questions of one relation, asked with a few examples before them, and the model's answers behind
a held prefix.

    The capital of Norway is Oslo\\nThe capital of Kenya is Nairobi\\nThe capital of France is →

What stands before the subject is the same for every question of a relation and is computed once. Of
the rest (the subject's tokens and what follows them) the subject's last token is where its state is
taken or replaced, and the last token is where the answer is read, by its first token. Cost: a few
tokens a question.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Edit, Replace, Scope
from inscape.core.errors import DataError
from inscape.data.columns import check_present
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.connected import prefix_cache
from inscape.model.model import Model
from inscape.model.unembed import Readout

#: questions run at once
BATCH = 64


@dataclass(frozen=True, eq=False)
class Asked:
    """Questions of one relation put to a model.

    Attributes:
        model: whom.
        relation: its name.
        subjects, objects: of each question.
        tokens: each whole prompt.
        position: of the subject's last token, (n,).
        shared: how many tokens all prompts begin with.
        cache: keys and values of those, or None.
        answer: first token of the object, (n,).
        said: the model's own first choice, (n,).
        edits: in force at every token.
    """

    model: Model
    relation: str
    subjects: np.ndarray
    objects: np.ndarray
    tokens: Sequence[Tokens]
    position: Int[np.ndarray, " n"]
    shared: int
    cache: Any
    answer: Int[np.ndarray, " n"]
    said: Int[np.ndarray, " n"]
    edits: tuple[Edit, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Which questions the model answers rightly."""
        return self.said == self.answer

    def take(self, rows: Sequence[int] | np.ndarray) -> Asked:
        """Some of the questions."""
        rows = (
            np.flatnonzero(rows)
            if np.asarray(rows).dtype == bool
            else np.asarray(rows, dtype=np.int64)
        )
        arrays = {
            name: getattr(self, name)[rows]
            for name in ("subjects", "objects", "position", "answer", "said")
        }
        return replace(self, tokens=[self.tokens[i] for i in rows], **arrays)

    def under(self, edits: Sequence[Edit]) -> Asked:
        """The same questions with edits in force at every token, those of the prefix too; `said`
        stays as it was.
        """
        prefix = torch.from_numpy(self.tokens[0].ids[: self.shared])[None]
        return replace(
            self, edits=tuple(edits), cache=prefix_cache(self.model, prefix, list(edits))
        )

    def log_probability(self, outputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Log-probability (nats) of each right answer's first token, from last-token states."""
        readout, out = Readout.of(self.model), []
        with torch.no_grad():
            for part, answer in zip(
                _chunks(outputs), np.split(self.answer, range(256, len(self), 256)), strict=True
            ):
                logs = readout(torch.from_numpy(part).to(self.model.dtype)).double().log_softmax(-1)
                out.append(logs[torch.arange(len(part)), torch.from_numpy(answer)].cpu().numpy())
        return np.concatenate(out)

    def states(self, sites: Sequence[str], *, last: bool = False) -> Float[np.ndarray, "sites n d"]:
        """States at the subject's last token, or at the prompt's last, of every question, float32.

        Args:
            sites: where.
            last: at the last token.
        """
        out: np.ndarray | None = None
        for rows, ids, spot in self._batches():
            at = torch.full((len(rows), 1), ids.shape[1] - 1 if last else spot)
            found = self._run(ids, sites, at)
            part = np.stack([found[s][:, 0].float().cpu().numpy() for s in sites])
            if out is None:
                out = np.empty((len(sites), len(self), part.shape[2]), dtype=np.float32)
            out[:, rows] = part
        assert out is not None
        return out

    def outputs(
        self, site: str, subject: Float[np.ndarray, "n d"] | None = None, at: str = ""
    ) -> Float[np.ndarray, "n d"]:
        """Last-token states at a site, with the subject's state at another replaced.

        Args:
            site: where they are read.
            subject: states put in the place of the subjects' own; None leaves them.
            at: the site at which they are put.
        """
        out: np.ndarray | None = None
        for rows, ids, spot in self._batches():
            edits: tuple[Edit, ...] = ()
            if subject is not None:
                value = torch.from_numpy(np.ascontiguousarray(subject[rows], dtype=np.float32))[
                    :, None
                ]
                edits = (Replace(Scope(at, positions=(spot,)), value),)
            end = torch.full((len(rows), 1), ids.shape[1] - 1)
            part = self._run(ids, [site], end, edits)[site][:, 0].float().cpu().numpy()
            out = np.empty((len(self), part.shape[1]), dtype=np.float32) if out is None else out
            out[rows] = part
        assert out is not None
        return out

    def moved(
        self, site: str, steps: Mapping[str, Float[np.ndarray, "n d"]]
    ) -> Float[np.ndarray, "n d"]:
        """Last-token states at a site, with a vector added to the subject's state at each of
        several sites.

        Args:
            site: where they are read.
            steps: site → what is added there, one vector a question.
        """
        out: np.ndarray | None = None
        for rows, ids, spot in self._batches():
            edits: tuple[Edit, ...] = tuple(
                Add(
                    Scope(at, positions=(spot,)),
                    torch.from_numpy(x[rows].astype(np.float32))[:, None],
                )
                for at, x in steps.items()
            )
            end = torch.full((len(rows), 1), ids.shape[1] - 1)
            part = self._run(ids, [site], end, edits)[site][:, 0].float().cpu().numpy()
            out = np.empty((len(self), part.shape[1]), dtype=np.float32) if out is None else out
            out[rows] = part
        assert out is not None
        return out

    def _batches(self) -> Iterator[tuple[np.ndarray, torch.Tensor, int]]:
        """Rows, their tokens after the prefix, and where in them the subject ends; of one shape
        each.
        """
        shapes = np.stack(
            [[len(t) - self.shared for t in self.tokens], self.position - self.shared], axis=1
        )
        for shape in np.unique(shapes, axis=0):
            same = np.flatnonzero((shapes == shape).all(axis=1))
            for rows in np.split(same, range(BATCH, len(same), BATCH)):
                ids = torch.from_numpy(np.stack([self.tokens[i].ids[self.shared :] for i in rows]))
                yield rows, ids, int(shape[1])

    def _run(
        self,
        ids: torch.Tensor,
        sites: Sequence[str],
        at: torch.Tensor,
        edits: tuple[Edit, ...] = (),
    ) -> Any:
        forward = {}
        if self.cache is not None:
            cache = copy.deepcopy(self.cache)
            cache.batch_repeat_interleave(len(ids))
            forward = {"past_key_values": cache, "use_cache": True}
        return self.model.run(
            {"input_ids": ids}, list(sites), at=at, edits=[*self.edits, *edits], forward=forward
        )


def ask(model: Model, examples: Examples, shots: int, *, rng: np.random.Generator) -> Asked:
    """Put every question of one relation but a few, which stand before the others with their
    answers.

    Args:
        model: a causal language model with a tokenizer.
        examples: of one relation; columns ``relation``, ``subject``, ``object``, ``template``.
        shots: how many stand before; they are asked no more.
        rng: chooses them, no object twice where that can be helped.

    Raises:
        DataError: a column is missing, several relations, or too few rows.
    """
    for name in ("relation", "subject", "object", "template"):
        check_present(examples.frame, name)
    names = examples.frame["relation"].unique()
    if len(names) != 1 or len(examples) < shots + 2:
        raise DataError(
            f"ask: one relation of at least {shots + 2} rows is needed, got {len(names)} in "
            f"{len(examples)} rows."
        )
    order = rng.permutation(len(examples))
    first = examples.frame["object"].iloc[order].drop_duplicates().index
    fresh = examples.frame.index.get_indexer(first)
    shown = np.concatenate([fresh, np.setdiff1d(order, fresh)])[:shots]
    said = [
        f"{t.format(s)} {o}\n"
        for t, s, o in examples.frame[["template", "subject", "object"]]
        .iloc[shown]
        .itertuples(index=False)
    ]
    asked = examples.take(np.setdiff1d(np.arange(len(examples)), shown)).with_prompt(
        "".join(said) + "{}"
    )
    tokens = model.tokenize(asked.texts())
    position = np.array(
        [resolve("span:subject", t, asked.span(i))[0] for i, t in enumerate(tokens)]
    )
    frame = asked.frame
    shared = _shared(tokens, position)
    cache = prefix_cache(model, torch.from_numpy(tokens[0].ids[:shared])[None])
    answer = np.array([first_token(model, o) for o in frame["object"]])
    nothing = np.zeros(len(tokens), dtype=np.int64)
    arrays = (
        frame["subject"].to_numpy(),
        frame["object"].to_numpy(),
        tokens,
        position.astype(np.int64),
        shared,
        cache,
    )
    found = Asked(model, str(names[0]), *arrays, answer, nothing)
    return replace(found, said=decode(model, found.outputs(last_site(model))))


def relation_names(examples: Examples) -> list[str]:
    """The relations of a table, in order."""
    check_present(examples.frame, "relation")
    return [str(r) for r in examples.frame["relation"].unique()]


def last_site(model: Model) -> str:
    """Where the stream leaves the last block."""
    return str([s for s in model.sites if s.point == "resid_post"][-1])


def decode(model: Model, states: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """The token that final states would be continued with."""
    readout = Readout.of(model)
    with torch.no_grad():
        parts = [
            readout(torch.from_numpy(part).to(model.dtype)).argmax(-1) for part in _chunks(states)
        ]
    return torch.cat(parts).cpu().numpy()


def _chunks(states: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    for start in range(0, len(states), size):
        yield np.ascontiguousarray(states[start : start + size], dtype=np.float32)


def first_token(model: Model, word: str) -> int:
    """First token of a word after a space that shows a letter of it."""
    for token in model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]:
        if model.tokenizer.decode([token]).strip():
            return int(token)
    raise DataError(
        f"the tokenizer of {model.name} gives no token for {word!r}; leave that row out."
    )


def _shared(tokens: Sequence[Tokens], position: np.ndarray) -> int:
    """How many tokens all prompts have in common before any subject's last one."""
    least = int(position.min())
    ids = np.stack([t.ids[:least] for t in tokens]) if least else np.zeros((1, 0), dtype=np.int64)
    differ = (ids != ids[0]).any(axis=0)
    return int(differ.argmax()) if differ.any() else least
