"""Positions: where in an example to look, written as text.

    last            the last token that is not special
    first, cls      position 0, whatever token is there (CLS of an encoder, BOS of a decoder that has one)
    all             every token that is not special
    mean            the same tokens, and the harvest averages over them; in a causal model not position 0, unless it is alone
    mean-all        the same, position 0 with them
    span:NAME       the last token of a named span (the last token of an entity)
    span_all:NAME   every token of a named span
    spans:A,B       the last token of each of several named spans, each position once, ascending
    3, -1           a position as the model sees it, special tokens counted; negative from the end

A token belongs to a span if their characters overlap, the space that a token begins or ends with
left out: it belongs to the word. Special tokens are those the tokenizer adds and those spelt out in
the text. Marks are boolean masks over the same tokens, for the scope of an edit
(`Scope(positions="mark:NAME")`).

Special tokens are left out by default because their norms dominate whatever is measured (attention
sinks: Xiao et al. 2023, arXiv:2309.17453). So does the first token of a causal model, whatever it
is: of the difference between two classes' means over all tokens, position 0 is nearly everything in
the middle of many models. The last token of an entity is where its facts are read: Meng et al.
2022, arXiv:2202.05262.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64

from inscape.core.batch import Tokens
from inscape.core.errors import DataError, suggest

CHOICES = (
    "last",
    "first",
    "cls",
    "all",
    "mean",
    "mean-all",
    "span:NAME",
    "span_all:NAME",
    "spans:NAME,NAME",
    "-1",
)


@dataclass(frozen=True)
class At:
    """A parsed position.

    Attributes:
        kind: how the tokens are found; ``"all"`` for ``mean-all`` and ``"inner"`` for ``mean``,
            ``"first"`` for ``cls`` too.
        arg: the span's name (names, separated by commas), or the position as text.
        reduce: ``"mean"`` if the harvest averages over the tokens, else ``"none"``.
    """

    kind: Literal["last", "first", "all", "inner", "span", "span_all", "spans", "index"]
    arg: str = ""
    reduce: Literal["none", "mean"] = "none"

    @property
    def single(self) -> bool:
        """Whether an example gives one row: one position, or the mean of several."""
        return self.reduce == "mean" or self.kind in ("last", "first", "span", "index")


def parse(at: str) -> At:
    """Read a position.

    Raises:
        DataError: it is none; the message lists the choices.

    Example:
        >>> parse("span:name"), parse("mean")
        (At(kind='span', arg='name', reduce='none'), At(kind='inner', arg='', reduce='mean'))
    """
    if at in ("last", "all"):
        return At("last" if at == "last" else "all")
    if at in ("first", "cls"):
        return At("first")
    if at in ("mean", "mean-all"):
        return At("inner" if at == "mean" else "all", reduce="mean")
    if match := re.fullmatch(r"(span|span_all|spans):(.+)", at, re.DOTALL):
        kinds: dict[str, Literal["span", "span_all", "spans"]] = {"span": "span", "spans": "spans"}
        return At(kinds.get(match[1], "span_all"), match[2])
    if re.fullmatch(r"-?[0-9]{1,9}", at):
        return At("index", at)
    raise DataError(f"{at!r} is not a position. {suggest(at, CHOICES)}")


def resolve(
    at: str | At,
    tokens: Tokens,
    spans: Mapping[str, tuple[int, int]] | None = None,
    *,
    causal: bool = False,
) -> Int64[np.ndarray, " p"]:
    """The positions of one example, ascending.

    Args:
        at: the position, as text or parsed.
        tokens: the example's tokens, p of which are meant.
        spans: the example's spans, characters of the text.
        causal: whether a token of the model sees none that follow it, so that ``mean`` leaves out
            position 0.

    Returns:
        At least one position, counted from 0 with special tokens included.

    Raises:
        DataError: the example has no such position, span or offsets.

    Example:
        >>> import numpy as np
        >>> tokens = Tokens(np.array([1, 7, 8, 2]), np.array([[0, 0], [0, 3], [3, 9], [0, 0]]),
        ...                 np.array([True, False, False, True]), "New York.")
        >>> resolve("last", tokens).tolist(), resolve("span:city", tokens, {"city": (0, 8)}).tolist()
        ([2], [2])
    """
    at = parse(at) if isinstance(at, str) else at
    if at.kind == "first":
        return np.zeros(1, dtype=np.int64)
    if at.kind == "index":
        number = int(at.arg)
        if not -len(tokens) <= number < len(tokens):
            raise DataError(
                f"position {number} is not in {_quote(tokens)}, which has {len(tokens)} tokens; "
                "choose another."
            )
        return np.array([number % len(tokens)], dtype=np.int64)
    if at.kind == "spans":
        return np.unique(
            [resolve(At("span", name.strip()), tokens, spans)[0] for name in at.arg.split(",")]
        )
    if at.kind in ("span", "span_all"):
        known = dict(spans or {})
        if at.arg not in known:
            raise DataError(f"the examples have no span {at.arg!r}. {suggest(at.arg, known)}")
        found = np.flatnonzero(span_mask(tokens, known[at.arg]))
        if not len(found):
            raise DataError(
                f"no token of {_quote(tokens)} lies in the span {at.arg!r} {known[at.arg]}; "
                "correct the span."
            )
        return found[-1:] if at.kind == "span" else found
    found = np.flatnonzero(~tokens.special)
    if not len(found):
        raise DataError(
            f"{_quote(tokens)} has only special tokens; choose first, or remove the example."
        )
    if at.kind == "inner" and causal and len(found) > 1:
        return found[found > 0]
    return found[-1:] if at.kind == "last" else found


def span_mask(tokens: Tokens, span: tuple[int, int]) -> Bool[np.ndarray, " tokens"]:
    """Which tokens share characters with a half-open span of the text.

    Raises:
        DataError: the tokenizer gave no character offsets.
    """
    _check_offsets(tokens)
    offsets = tight(tokens).offsets
    start, end = offsets[:, 0], offsets[:, 1]
    return (np.minimum(end, span[1]) > np.maximum(start, span[0])) & ~tokens.special


def tight(tokens: Tokens) -> Tokens:
    """The same tokens, their characters without the space before or after a word; a token of space
    alone keeps it.

    Tokens whose text is not known stay as they are.
    """
    start, end = tokens.offsets[:, 0], tokens.offsets[:, 1]
    if not tokens.text or not len(start):
        return tokens
    points = np.frombuffer(tokens.text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    kinds = {int(c): chr(int(c)).isspace() for c in np.unique(points)}
    word = ~np.isin(points, [c for c, space in kinds.items() if space])
    place = np.arange(len(word))
    # of each character the next that is no space, and one behind the last that is none
    after = np.minimum.accumulate(np.where(word, place, len(word))[::-1])[::-1]
    before = np.maximum.accumulate(np.where(word, place + 1, 0))
    first = np.append(after, len(word))[np.clip(start, 0, len(word))]
    last = np.append(0, before)[np.clip(end, 0, len(word))]
    holds = (first < last) & (start < end)
    offsets = np.stack([np.where(holds, first, start), np.where(holds, last, end)], axis=1)
    return replace(tokens, offsets=offsets)


def punctuation(tokens: Tokens, characters: str = ",.") -> Bool[np.ndarray, " tokens"]:
    """Which tokens are nothing but the given punctuation: commas and full stops, space around them
    aside.

    Sentiment is summarised at such tokens (Tigges et al. 2023, arXiv:2310.15154, section 4).
    """
    _check_offsets(tokens)
    texts = [tokens.text[a:b].strip() for a, b in tokens.offsets.tolist()]
    return (
        np.array([bool(t) and set(t) <= set(characters) for t in texts], dtype=bool)
        & ~tokens.special
    )


def content(tokens: Tokens) -> Bool[np.ndarray, " tokens"]:
    """Which tokens the tokenizer did not add itself."""
    return ~tokens.special


def _check_offsets(tokens: Tokens) -> None:
    if not tokens.offsets.any():
        raise DataError(
            f"{_quote(tokens)} has no character offsets, which spans need; use a fast tokenizer."
        )


def _quote(tokens: Tokens) -> str:
    return repr(tokens.text if len(tokens.text) <= 60 else tokens.text[:59] + "…")
