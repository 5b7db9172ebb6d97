"""A worker: one process and one device, with a model that it opened itself and shards that it is
asked for.

A model that came from files is opened again by its name: zoo, Hub id or folder. A live transformers
model is sent once, as the safetensors and JSON files that it would be saved as. Any other live
network is code, which is not sent. What a worker opened is compared by hash with what is harvested
here, with the code and the libraries that read it, before any shard of it is taken.

Cost: opening the model once a worker; its vectors cross once.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.utils import logging as hf_logging

from inscape.core.errors import InscapeError, ModelError
from inscape.core.site import Site
from inscape.model.open import open as open_model
from inscape.store import recipe as recipes
from inscape.store.capture import Shard, capture
from inscape.store.disk_dtypes import TORCH_DTYPES
from inscape.store.engines.part import Cut, Part

#: file name → its bytes, (size,) uint8
Files = dict[str, np.ndarray]


def facts(model: Any) -> dict[str, str]:
    """What must be the same here and there, in words."""
    return {
        "weights": model.weights_hash,
        "network": model.network_hash,
        "dtype of the model": str(model.dtype),
        "code that reads activations": recipes.code_hash(),
        "version of torch": torch.__version__,
        "version of transformers": transformers.__version__,
    }


def shipped(model: Any) -> tuple[dict[str, Any], Files]:
    """How workers open a model: what they give to `inscape.model.open.open`, and the files of a
    live one.

    Raises:
        ModelError: a live network that has no files, or edits that stand on the model.
    """
    if model.edits:
        raise ModelError(
            f"edits are in force on {model.name}, and workers open it without them; harvest "
            "outside their block."
        )
    dtype = str(model.dtype).removeprefix("torch.")
    if model.origin is not None:
        return {**model.origin, "name": model.name, "dtype": dtype}, {}
    if not isinstance(model.net, transformers.PreTrainedModel):
        raise ModelError(
            f"{model.name} is a live {type(model.net).__name__}, which is code, and Ray workers "
            "open models from files only; harvest it with on='local'."
        )
    with tempfile.TemporaryDirectory() as folder, _no_bar():
        model.net.save_pretrained(folder)
        if model.tokenizer is not None:
            model.tokenizer.save_pretrained(folder)
        files = {
            p.name: np.fromfile(p, dtype=np.uint8)
            for p in sorted(Path(folder).iterdir())
            if p.is_file()
        }
    return {"what": "", "name": model.name, "dtype": dtype, "family": model.family}, files


@contextmanager
def _no_bar() -> Iterator[None]:
    """Without the bar that transformers draws while it saves."""
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()


class Worker:
    """What runs there; made a Ray actor by `inscape.store.engines.ray`.

    Args:
        threads: of torch.
    """

    def __init__(self, threads: int):
        torch.set_num_threads(threads)
        self.model: Any = None

    def open(
        self, how: dict[str, Any], files: Files, device: str, attention: str | None
    ) -> dict[str, str]:
        """Open the model, and tell what it is and where."""
        here = f"process {os.getpid()} on {socket.gethostname()}"
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                content.tofile(Path(folder, name))
            given = {**how, "what": folder} if files else how
            try:
                self.model = open_model(**given, device=device)
            except InscapeError as error:
                error.add_note(
                    f"So said {here}; a model is found by workers if every machine can reach it."
                )
                raise
        if attention is not None and attention != self.model.net.config._attn_implementation:
            self.model.net.set_attn_implementation(attention)
        return {"where": here, **facts(self.model)}

    def shard(self, part: Cut, sites: list[Site], settings: dict[str, Any]) -> dict[str, Any]:
        """One shard, as arrays; and the padded tokens that it took."""
        inputs, tokens = Part(part), 0

        def report(_rows: int, made: int) -> None:
            nonlocal tokens
            tokens += made

        span = (part.first, part.first + len(part.inputs))
        return packed(capture(self.model, inputs, sites, span, **settings, report=report)) | {
            "tokens": tokens
        }


def packed(shard: Shard) -> dict[str, Any]:
    """A shard as numpy arrays, which cross between processes without being copied into a pickle."""
    vectors = {
        s: (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()
        for s, x in shard.vectors.items()
    }
    beside = {"example": shard.example, "position": shard.position, "token": shard.token}
    return {**beside, "vectors": vectors, "nonfinite": shard.nonfinite}


def unpacked(found: dict[str, Any], dtype: str) -> Shard:
    """A shard of its own memory: what arrives lies in the object store, which it lets go of."""
    vectors = {
        site: torch.from_numpy(x.copy()).view(TORCH_DTYPES[dtype])
        for site, x in found["vectors"].items()
    }
    beside = (np.array(found[name]) for name in ("example", "position", "token"))
    return Shard(*beside, vectors, found["nonfinite"])
