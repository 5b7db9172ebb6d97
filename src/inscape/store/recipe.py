"""The recipe of a harvest: everything its vectors depend on, hashed, and the cache folder of that
hash.

Two harvests have the same recipe exactly if they must give the same bytes on one machine (and
vectors that are equal to rounding on any other, since processors add in different orders): same
weights and network (`inscape.model.identity`), tokenizer, inputs, positions, sites, dtypes,
batching, device kind, library versions and code of everything between the text and the vector. A
cache keyed by it cannot give another harvest's vectors; changing any of them is a miss.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from inscape.core.errors import StoreError
from inscape.store.inputs import Inputs, inputs_hash

#: what stands between a text and its vector, within the package
_CODE = ("model", "core/batch.py", "core/site.py", "data/positions.py", "data/examples.py")
_CODE += (
    "store/capture.py",
    "store/inputs.py",
    "store/array_inputs.py",
    "store/prepare_inputs.py",
    "store/media_inputs.py",
    "data/media.py",
)
_CODE += (
    "store/sharding.py",
    "store/disk_dtypes.py",
    "store/prefix_sharing.py",
    "store/forward_passes.py",
    "store/shard_buffer.py",
)
_CODE += ("store/duplicates.py", "store/subset_inputs.py")


@cache
def code_hash() -> str:
    """SHA-256 (hex) of the source that reads activations."""
    spec = importlib.util.find_spec("inscape")
    assert spec is not None
    root = Path(next(iter(spec.submodule_search_locations or ())))
    found = hashlib.sha256()
    for part in _CODE:
        path = root / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found.update(f"{file.relative_to(root).as_posix()}\n".encode())
            found.update(file.read_bytes())
    return found.hexdigest()


def tokenizer_hash(tokenizer: Any) -> str:
    """SHA-256 (hex) of a Hugging Face tokenizer: all that decides which ids a text gets; empty if
    there is none.

    The padding and truncation that a tokenizer was last called with are state, not identity, and
    are left out.
    """
    if tokenizer is None:
        return ""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        text = (
            backend.to_str()
        )  # version, truncation and padding, then from the added tokens on what it is
        facts = text[max(0, text.find('"added_tokens"')) :]
    else:
        facts = json.dumps(tokenizer.get_vocab(), sort_keys=True) + repr(
            getattr(tokenizer, "init_kwargs", {})
        )
    special = {k: str(v) for k, v in getattr(tokenizer, "special_tokens_map", {}).items()}
    text = f"{type(tokenizer).__name__}\n{json.dumps(special, sort_keys=True)}\n{facts}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def recipe(model: Any, inputs: Inputs, **settings: Any) -> dict[str, Any]:
    """Everything that decides a harvest's bytes, as JSON values.

    Raises:
        StoreError: edits are in force: what is kept is of the model as it is.
    """
    if getattr(model, "edits", ()):
        raise StoreError(
            f"{model.name} is under {len(model.edits)} edits, and what is harvested is the model "
            "as it is; leave the edited block, or look at it under edits with "
            "inscape.outcomes.passes."
        )
    return {
        "weights": model.weights_hash,
        "network": model.network_hash,
        # other rounding, so another store; models that are not compiled keep the key they had
        **({"compiled": str(made.backend)} if (made := getattr(model, "compiled", None)) else {}),
        "tokenizer": tokenizer_hash(model.tokenizer) if inputs.text else "",
        "model_dtype": str(model.dtype).removeprefix("torch."),
        "device": torch.device(model.device).type,
        "data": inputs.data,
        "inputs": inputs_hash(inputs),
        "prefix": inputs.sharing is not None,
        "code": code_hash(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        **settings,
    }


def cache_folder(key: str) -> Path:
    """Where the store of a recipe's hash is kept:
    ``$INSCAPE_HOME/stores``, by default ``~/.cache/inscape/stores``.
    """
    home = os.environ.get("INSCAPE_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "inscape") / "stores" / key[:32]
