"""Generations: what a model goes on with, kept in the cache by its recipe, as a harvest is.

Two studies that ask the same model the same prompts in the same way read the same files. A recipe
holds everything that decides the tokens: weights, tokenizer, prompts, lengths, temperature, seed,
the library's own code and its versions. Prompts are sorted by length and made in parts, each a
file, so what was interrupted goes on where it stopped.

Cost: of `inscape.model.continuations` once, then of reading a Parquet file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers

from inscape.core.errors import StoreError
from inscape.core.foreign import foreign
from inscape.core.home import home
from inscape.core.overwriting import replacing
from inscape.core.rng import child_seed
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.store import recipe
from inscape.store.manifest import digest

log = logging.getLogger(__name__)

#: prompts made between two files
PART = 256


def generations(
    model: Model,
    prompts: Sequence[str],
    max_new_tokens: int,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    stop: str = "",
    batch: int = 128,
    advance: Callable[[int], None] | None = None,
) -> list[list[Continuation]]:
    """Continuations of prompts without edits, made once; arguments as in
    `inscape.model.continuations`.
    """
    settings: dict[str, Any] = {"samples": samples, "temperature": temperature, "stop": stop}
    fixed = {
        "weights": model.weights_hash,
        "network": model.network_hash,
        "tokenizer": recipe.tokenizer_hash(model.tokenizer),
        "dtype": str(model.dtype),
        "device": torch.device(model.device).type,
        "tokens": max_new_tokens,
        "batch": batch,
        "code": _code(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        **settings,
    }
    order = np.argsort([len(t) for t in model.tokenize(list(prompts))], kind="stable")
    out: list[list[Continuation]] = [[] for _ in prompts]
    for part, first in enumerate(range(0, len(order), PART)):
        rows = order[first : first + PART]
        asked, stream = [prompts[i] for i in rows], child_seed(seed, "generations", str(part))
        path = home(
            "generations", f"{digest({**fixed, 'prompts': asked, 'seed': stream})[:32]}.parquet"
        )
        made = _kept(path, len(rows), samples)
        if made is not None:
            if advance is not None:
                advance(len(rows))
        else:
            made = continuations(
                model, asked, max_new_tokens, seed=stream, batch=batch, advance=advance, **settings
            )
            _write(path, made)
        for i, several in zip(rows, made, strict=True):
            out[i] = several
    return out


@cache
def _code() -> str:
    """SHA-256 (hex) of the source that makes tokens of logits; the network's own code goes by its
    version.
    """
    found = hashlib.sha256()
    for name in ("inscape.model.continuations", "inscape.model.hooks", "inscape.core.batch"):
        found.update(Path(str(import_module(name).__file__)).read_bytes())
    return found.hexdigest()


def _write(path: Path, made: list[list[Continuation]]) -> None:
    rows = [
        {
            "prompt": i,
            "text": c.text,
            "ids": c.ids,
            "logprobs": c.logprobs,
            "most": c.most,
            "ended": c.ended,
        }
        for i, several in enumerate(made)
        for c in several
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as half:  # a reader sees a whole file or none
        pd.DataFrame(rows).to_parquet(half)


def _kept(path: Path, prompts: int, samples: int) -> list[list[Continuation]] | None:
    """What a file holds; None if there is none, or if it is damaged, for then it is made again."""
    if not path.is_file():
        return None
    try:
        with foreign(StoreError, f"{path} is damaged", "it is made again"):
            found = _read(path)
            if len(found) != prompts or {len(several) for several in found} != {samples}:
                raise ValueError("prompts are missing")
    except StoreError as error:
        log.warning("%s", error)
        return None
    return found


def _read(path: Path) -> list[list[Continuation]]:
    frame = pd.read_parquet(path)
    out: list[list[Continuation]] = [[] for _ in range(int(frame["prompt"].max()) + 1)]
    for row in frame.itertuples(index=False):
        ids, logprobs, most = (
            np.asarray(row.ids, dtype=np.int64),
            np.asarray(row.logprobs),
            np.asarray(row.most),
        )
        found = Continuation(
            str(row.text),
            ids,
            logprobs.astype(np.float64),
            most.astype(np.float64),
            bool(row.ended),
        )
        out[int(row.prompt)].append(found)
    return out
