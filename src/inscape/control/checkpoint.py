"""An edited model as an ordinary checkpoint: a folder that ``transformers`` opens, with a card that
says what was done.

The weights are safetensors as ``save_pretrained`` writes them, the tokenizer lies beside them,
``README.md`` is the card for people and ``inscape.json`` the same for programs: what was changed,
of which weights, by which version.

Cost: the size of the model on disk.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inscape.core.errors import ModelError
from inscape.core.workplace import sweep, workplace
from inscape.model.model import Model

CARD = "inscape.json"


def save_checkpoint(
    made: Model,
    folder: str | Path,
    *,
    what: str,
    of: Model | None = None,
    details: Mapping[str, Any] | None = None,
) -> Path:
    """Save a merged, orthogonalised or otherwise edited copy.

    Args:
        made: the copy; a model of ``transformers``.
        folder: new or empty.
        what: one sentence saying what was done to it.
        of: the model it was made of, for its name and the hash of its weights.
        details: figures and settings for the card; JSON values.

    Returns:
        The folder; ``inscape.open`` and ``from_pretrained`` both take it.

    Raises:
        ModelError: not a model of ``transformers``, or a folder with something in it.
        ValueError: no sentence.
    """
    folder = Path(folder)
    if not what.strip():
        raise ValueError(
            "save_checkpoint: what=… says in a sentence what was done to the model; it is empty"
        )
    if not hasattr(made.net, "save_pretrained"):
        raise ModelError(
            f"{made.name} is a {type(made.net).__name__}, not a model of transformers; save its "
            "state_dict"
        )
    target = Path(os.path.abspath(folder))
    sweep(target.parent, target.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} is there already and is not an empty folder; name a new one")
    card = {
        "what": what.strip(),
        "made_of": {"model": of.name, "weights": of.weights_hash, **of.source}
        if of is not None
        else made.source,
        "weights": made.weights_hash,
        "details": dict(details or {}),
        "inscape": importlib.metadata.version("inscape"),
    }
    net: Any = made.net
    with workplace(target.parent, target.name) as place:
        work = place / "checkpoint"
        net.save_pretrained(work)
        if made.tokenizer is not None:
            made.tokenizer.save_pretrained(work)
        (work / CARD).write_text(
            json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (work / "README.md").write_text(_readme(card, made.name), encoding="utf-8")
        try:
            # in one step, which an empty folder in the way does not hinder and a full one does
            work.rename(target)
        except OSError as error:
            raise ModelError(
                f"{folder} cannot be made ({error.strerror}); name a new folder, where you may "
                "write"
            ) from error
    return folder


def _readme(card: Mapping[str, Any], name: str) -> str:
    of = card["made_of"]
    rows = {
        **{f"made of: {key}": v for key, v in of.items()},
        "weights": card["weights"],
        **card["details"],
    }
    told = {
        key: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        for key, v in rows.items()
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in told.items())
    return (
        f"---\nlibrary_name: transformers\n---\n\n# {name}\n\n{card['what']}\n\n| | |\n| --- | --- "
        f"|\n{table}\n\n"
        f"Made with Inscape {card['inscape']}.\n"
    )
