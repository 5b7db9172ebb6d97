"""Whatever a model is given, as a batch: the one door of `Model.run`, of generation and of
harvests.

    texts, messages              the tokenizer, the chat template
    token ids                    whole numbers: one list, several lists, an array or a tensor
    `Tokens`, a `Batch`          as they are
    named tensors                as the network's own forward takes them: ``input_ids`` or ``inputs_embeds``, a mask of two
                                 axes (1 for a token, 0 for padding, which is on the right) or of more (as the network reads)
    one tensor, arrays           the first input of a network that is fed no text

Padding on the left shifts positions and a mask with holes has no last token: both are refused.

Cost: none beside the tokenizer's.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils.generic import TransformersKwargs

from inscape.core.batch import Batch, Tokens
from inscape.core.errors import ModelError, suggest
from inscape.model.chat import is_conversation, several


def as_batch(model: Any, inputs: Any) -> Batch:
    """See `inscape.model.model.Model.batch`.

    Raises:
        ModelError: what was given is none of the kinds, or is padded on the left.
    """
    if isinstance(inputs, Batch):
        _read(model, inputs)
        _placed(inputs)
        return _masked(inputs)
    if isinstance(inputs, (Tensor, np.ndarray)) and not _of_texts(inputs):
        return _taken(model, _array(model, _tensor(inputs)))
    if isinstance(inputs, Mapping) and not is_conversation(inputs):
        return _taken(model, _masked(_read(model, named(model, inputs))))
    if inputs is None:
        raise ModelError(_NOTHING)
    if isinstance(inputs, (set, frozenset)):
        raise ModelError("these inputs are a set, which has no order; give a list")
    items = several(inputs)
    if not items:
        raise ModelError(_NOTHING)
    if isinstance(inputs, (bytes, bytearray)) or any(
        isinstance(i, (bytes, bytearray)) for i in items
    ):
        raise ModelError("these inputs are bytes, not text; decode them first: data.decode()")
    if all(isinstance(item, Tokens) for item in items):
        return model.collate([_held(row, tokens) for row, tokens in enumerate(items, 1)])
    ids = token_ids(items)
    if ids is not None and model.kind == "text":
        return model.collate([_checked(model, i, row) for i, row in enumerate(ids, 1)])
    if model.kind != "text" and not any(isinstance(item, str) for item in items):
        return _array(model, _tensor(items))
    return model.collate(model.tokens_of(items))


#: what tokenizers give beside token ids, whether a network reads it or not
_OF_TOKENIZERS = frozenset(
    {
        "attention_mask",
        "token_type_ids",
        "special_tokens_mask",
        "offset_mapping",
        "overflow_to_sample_mapping",
        "length",
    }
)


def _read(model: Any, batch: Batch) -> Batch:
    """The batch of a network of a known family, refused where it would leave one of the tensors
    out: classes of transformers take any name, and drop those that they do not know.
    """
    if model.family is None:
        return batch
    if "input names" not in model.notes:
        named = set(_OF_TOKENIZERS) | set(getattr(model.tokenizer, "model_input_names", ()))
        named |= set(TransformersKwargs.__annotations__)
        for module in (model.net, model.atlas.runs, model.atlas.body):
            named |= set(inspect.signature(module.forward).parameters)
        model.notes["input names"] = frozenset(named - {"kwargs", "args", "self"})
    known_names = model.notes["input names"]
    for name in batch.inputs if known_names & batch.inputs.keys() else ():
        if name not in known_names:
            raise ModelError(
                f"{model.name} has no input {name!r}, and would leave it out. "
                f"{suggest(name, sorted(known_names))}"
            )
    return batch


_NOTHING = "run: no inputs were given; give at least one text, example of token ids or array"


def _taken(model: Any, batch: Batch) -> Batch:
    """The batch of a text model, whose ids are those of (batch, positions) tokens that it has, and
    no more than it takes; of pictures or sound, with the axes that they have.
    """
    if model.kind != "text":
        return _shaped(model, batch)
    _placed(batch)
    limit = model.max_positions
    for name in ("input_ids", "decoder_input_ids", "inputs_embeds"):
        x = batch.inputs.get(name)
        if x is None:
            continue
        axes = "(batch, positions, width)" if name == "inputs_embeds" else "(batch, positions)"
        if x.ndim != axes.count(",") + 1 or not x.numel():
            raise ModelError(f"{name} must be {axes}, got shape {tuple(x.shape)}")
        mask = None if name.startswith("decoder") else batch.inputs.get("attention_mask")
        if mask is not None and mask.ndim == 2 and mask.shape != x.shape[:2]:
            raise ModelError(
                f"attention_mask is {tuple(mask.shape)} and {name} are {tuple(x.shape[:2])}; give "
                "one number for each token"
            )
        if name == "inputs_embeds":
            _embedded(model, batch, x)
        else:
            if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
                raise ModelError(
                    f"{name} are {str(x.dtype).removeprefix('torch.')}, and token ids are whole "
                    "numbers; give them as int64"
                )
            batch.inputs[name] = x.long()
            known(model, batch.inputs[name])
        if limit is not None and x.shape[1] > limit:
            raise ModelError(
                f"these inputs have {x.shape[1]} positions and {model.name} takes {limit}: shorten "
                "them, or cut them into several"
            )
    return _shaped(model, batch)


#: input → its axes
AXES = {
    "pixel_values": "(batch, channels, height, width)",
    "input_values": "(batch, samples)",
    "input_features": "(batch, mel bins, frames)",
}


def _embedded(model: Any, batch: Batch, x: Tensor) -> None:
    """Vectors in place of token ids, in the precision of the weights; refused where they are whole
    numbers, not finite, or of another width than the model's own.
    """
    own = getattr(model.net, "get_input_embeddings", lambda: None)()
    width = getattr(getattr(own, "weight", None), "shape", (None,))[-1]
    if model.family is not None and width not in (None, x.shape[2]):
        raise ModelError(
            f"inputs_embeds have {x.shape[2]} columns, and vectors of {model.name} have {width}"
        )
    batch.inputs["inputs_embeds"] = _floats(model, "inputs_embeds", x)


def _floats(model: Any, name: str, x: Tensor) -> Tensor:
    """Numbers of floating point in the precision of the weights."""
    if not x.is_floating_point():
        made = (
            "vectors as of its embedding" if name == "inputs_embeds" else "what its processor makes"
        )
        raise ModelError(
            f"{name} are {str(x.dtype).removeprefix('torch.')}, and {model.name} reads "
            f"floating-point numbers on the scale that it learnt; give {made}"
        )
    if not bool((finite := torch.isfinite(x).flatten(1).all(dim=1)).all()):
        row = int((~finite).nonzero()[0, 0]) + 1
        raise ModelError(f"{name} of example {row} hold NaN or infinite numbers; leave it out")
    weights = (p.dtype for p in model.net.parameters() if p.is_floating_point())
    return x.to(next(weights, x.dtype))


def _shaped(model: Any, batch: Batch) -> Batch:
    """Pictures or sound of a model of a known family, in the precision of its weights.

    Refused where numbers are whole (bytes of a picture, samples of 16 bits) or not finite, an axis
    is missing, or the channels are not behind the batch.
    """
    for name, axes in AXES.items():
        x = batch.inputs.get(name) if model.family is not None else None
        if x is None:
            continue
        channels = getattr(model.atlas.config, "num_channels", None) if x.ndim == 4 else None
        if x.ndim != axes.count(",") + 1 or channels not in (None, x.shape[1]):
            raise ModelError(
                f"{name} of {model.name} must be {axes}"
                f"{f' with {channels} channels' if channels else ''}, got shape {tuple(x.shape)}"
            )
        batch.inputs[name] = _floats(model, name, x)
    return batch


def _placed(batch: Batch) -> None:
    """Refuse positions that, without a mask, transformers would take for the beginnings of packed
    documents.
    """
    positions = batch.inputs.get("position_ids")
    if positions is None or "attention_mask" in batch.inputs or positions.ndim != 2:
        return
    if bool((positions.diff(dim=-1) != 1).any()):
        raise ModelError(
            "position_ids that do not count up by one may be gaps or the beginnings of packed "
            "documents; say which by an attention_mask: ones (batch, positions) for gaps, (batch, "
            "1, positions, positions) for documents"
        )


def token_ids(items: Sequence[Any]) -> list[np.ndarray] | None:
    """Lists of whole numbers as token ids, one array an example; one flat list is one example. None
    if they are not.
    """
    if all(_whole(item) for item in items):
        return [np.array([int(item) for item in items], dtype=np.int64)]
    rows = []
    for item in items:
        if isinstance(item, (Tensor, np.ndarray)):
            row = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
            if row.ndim != 1 or row.dtype.kind not in "iu":
                return None
        elif isinstance(item, (list, tuple)) and all(map(_whole, item)):
            row = np.array([int(x) for x in item], dtype=np.int64)
        else:
            return None
        rows.append(row.astype(np.int64))
    return rows


def positions_of(inputs: Mapping[str, Tensor]) -> int:
    """How many positions named tensors of a text model have.

    Raises:
        ModelError: there are neither token ids nor embeddings.
    """
    for name in ("input_ids", "inputs_embeds"):
        if name in inputs:
            return int(inputs[name].shape[1])
    raise ModelError(
        "a text model is fed input_ids or inputs_embeds, and these inputs are "
        f"{', '.join(inputs) or 'none'}"
    )


def _whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, (bool, np.bool_))


def _of_texts(x: Any) -> bool:
    return (
        isinstance(x, np.ndarray)
        and x.dtype.kind in "OUS"
        and len(x) > 0
        and isinstance(x.flat[0], str)
    )


def _tensor(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x
    try:
        if isinstance(x, (list, tuple)) and all(isinstance(row, Tensor) for row in x):
            return torch.stack(list(x))
        return torch.from_numpy(np.array(x))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            "these inputs are neither texts, token ids nor arrays of one shape; give one of these"
        ) from error


def _array(model: Any, x: Tensor) -> Batch:
    if not x.ndim:
        raise ModelError(f"these inputs are a single number, {x.item()}; give arrays or lists")
    if model.kind == "text" and x.ndim == 1 and not x.is_floating_point():
        x = x[None]
    if not len(x):
        raise ModelError(_NOTHING)
    return Batch({model._main_input(): x})


def _held(number: int, tokens: Tokens) -> Tokens:
    if not len(tokens):
        raise ModelError(f"example {number} has no token ids; leave it out")
    return tokens


def _checked(model: Any, number: int, row: np.ndarray) -> Tokens:
    """An example's token ids, which the model has; examples are counted from 1."""
    if not len(row):
        raise ModelError(f"example {number} has no token ids; leave it out")
    if model.max_positions is not None and len(row) > model.max_positions:
        raise ModelError(
            f"example {number} has {len(row)} token ids and {model.name} takes "
            f"{model.max_positions}: shorten it, or cut it "
            "into several"
        )
    return Tokens(row, np.zeros((len(row), 2), np.int64), np.zeros(len(row), dtype=bool))


def known(model: Any, ids: Tensor | np.ndarray) -> None:
    """Refuse ids that are none of a model's tokens."""
    size = getattr(model.atlas.config, "vocab_size", None)
    least, most = int(ids.min()), int(ids.max())
    if least < 0 or (isinstance(size, int) and most >= size):
        raise ModelError(
            f"{least if least < 0 else most} is not a token id of {model.name}, which has {size}; "
            "give ids from 0 on"
        )


def named(model: Any, inputs: Mapping[str, Any]) -> Batch:
    """Named tensors, arrays or a tokenizer's lists as a batch; its mask is not looked at.

    Raises:
        ModelError: both token ids and embeddings, or values that are no arrays of one shape.
    """
    given = {str(name): x for name, x in inputs.items() if x is not None}
    if not given:
        raise ModelError(_NOTHING)
    if "input_ids" in given and "inputs_embeds" in given:
        raise ModelError("these inputs hold both input_ids and inputs_embeds; give one of the two")
    ids = given.get("input_ids")
    if (
        isinstance(ids, (list, tuple))
        and len({len(r) if isinstance(r, (list, tuple)) else 0 for r in ids}) > 1
    ):
        # a tokenizer's lists without padding
        rows = token_ids(ids)
        if rows is None:
            raise ModelError("input_ids are not whole numbers, one list an example; give token ids")
        return model.collate([_checked(model, i, row) for i, row in enumerate(rows, 1)])
    found = {name: _tensor(x) for name, x in given.items()}
    if "input_ids" in found and found["input_ids"].ndim == 1:
        found = {name: x[None] for name, x in found.items()}
    if any(x.ndim and not len(x) for x in found.values()):
        raise ModelError(_NOTHING)
    if len({x.shape[:1] for x in found.values()}) > 1 or any(x.ndim == 0 for x in found.values()):
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in found.items())
        raise ModelError(
            "the first axis of every input is the examples', and these inputs have different "
            f"numbers of them ({shapes}); give each an axis of examples, or put what all of them "
            "share (the edges of a graph, say) into the network"
        )
    return Batch(found)


def _masked(batch: Batch) -> Batch:
    """The batch with its lengths read off a mask of two axes, where it does not say them itself."""
    mask = batch.inputs.get("attention_mask")
    if mask is None or mask.ndim != 2 or batch.lengths is not None:
        return batch
    real = mask != 0
    if not bool((real[:, 1:] <= real[:, :-1]).all()):
        raise ModelError(
            "these inputs are padded on the left (or their mask has holes), which shifts "
            "positions; pad on the right "
            "(tokenizer.padding_side = 'right')"
        )
    if not bool(real[:, 0].all()):
        row = int((~real[:, 0]).nonzero()[0, 0]) + 1
        raise ModelError(f"example {row} of these inputs is padding alone; remove it")
    return Batch(batch.inputs, real.sum(1), batch.marks)
