"""The inputs of a harvest, a plan or a stream of moments, made from examples of any kind.

A table, texts or conversations are tokenised; token ids that come ready are taken as they are,
without the padding that their mask or lengths show; files of images or sound are prepared as the
model says; everything else is an array whose first axis is the example.

Cost: that of the inputs made, and one pass over one example of an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from inscape.core.batch import Batch, Tokens
from inscape.core.errors import DataError
from inscape.core.site import Site
from inscape.core.token_table import TokenTable
from inscape.data.examples import Examples
from inscape.model import batching
from inscape.model.as_batch import named
from inscape.model.chat import Message, is_conversation, texts_of
from inscape.model.lengths import Switches
from inscape.model.sound import reads_samples
from inscape.store.array_inputs import ArrayInputs, real_lengths
from inscape.store.example_streams import materialise
from inscape.store.inputs import Inputs, TextInputs, TokenInputs, by_position
from inscape.store.media_inputs import (
    DecodedSounds,
    MediaInputs,
    decoding,
    described_files,
    prepared,
)
from inscape.store.prefix_sharing import shared
from inscape.store.sound_inputs import SoundInputs

#: what may be harvested: a table or texts; tokens; or arrays whose first axis is the example
ExampleSource = (
    Examples
    | Sequence[str]
    | Sequence[Sequence[Message]]
    | Sequence[Tokens]
    | Sequence[np.ndarray]
    | Sequence[Sequence[int]]
    | Batch
    | Mapping[str, Any]
    | np.ndarray
    | Tensor
    | Iterable[Any]
)


def prepare_inputs(
    model: Any,
    examples: ExampleSource,
    at: str,
    prompt: str | None,
    sites: Sequence[Site],
    share: bool = True,
    device: str | None = None,
) -> Inputs:
    """The inputs that examples of any kind make; with `share`, beginnings in common are computed
    once.

    Args:
        model: tokenises, and says what it is fed.
        examples: see `ExampleSource`.
        at: which positions.
        prompt: a template with one ``{}``, or None.
        sites: what will be captured.
        share: whether beginnings in common are looked for.
        device: the kind of device that will compute; None for the model's own.

    Raises:
        DataError: there are no examples, a prompt for an array, or sites of an array network that
            give different numbers of positions where each is to be a row.
    """
    given: Any = examples
    if is_conversation(given):
        given = [given]
    elif isinstance(given, Mapping):
        given = named(model, given)
    given = materialise(model, given)
    if len(given) == 0:
        raise DataError("there are no examples to harvest; give at least one.")
    if model.family is not None and model.family.decoder:
        _check_decoded(model, given)
    table = given if isinstance(given, Examples) else None
    device = device or str(model.device.type)
    if table is None and (texts := _texts(model, given)) is not None:
        table = Examples(pd.DataFrame({"text": texts}), "text")
    if table is not None and model.kind == "text":
        return _sharing(model, TextInputs(model, table, at, prompt), share, device)
    if prompt is not None:
        raise DataError("a prompt is for texts, and these examples are an array; leave prompt out.")
    if (ready := _tokens(model, given)) is not None:
        return _sharing(model, TokenInputs(ready, at, causal=model.causal), share, device)
    if (sounds := _sounds(model, given, at)) is not None:
        _check_positions(model, sounds, at, sites)
        return sounds
    if table is not None:
        given = prepared(model, table)
    elif not isinstance(given, (Batch, np.ndarray, Tensor)):
        given = _stacked([np.asarray(x) for x in given])
    found = model.run(ArrayInputs(_head(given), "all").batch(model, [0]), capture=list(sites))
    counts = {str(site): by_position(model, site, found).shape[1] for site in sites}
    if len(set(counts.values())) > 1 and at not in ("mean", "mean-all"):
        said = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:4])
        raise DataError(
            f"these sites have different numbers of positions ({said}); harvest with at='mean', or "
            "apart."
        )
    positions = max(counts.values())
    return (
        ArrayInputs(given, at, positions)
        if table is None
        else MediaInputs(table, given, at, positions)
    )


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    shapes = [x.shape for x in arrays]
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise DataError(
            f"example {other + 1} is an array of shape {shapes[other]}, and the first one of "
            f"{shapes[0]}; give arrays of one shape, one harvest a shape."
        )
    return np.stack(arrays)


def _sounds(model: Any, given: Any, at: str) -> SoundInputs | None:
    """Sounds, where a model reads samples and is given files or arrays of several lengths; else
    None.
    """
    if not reads_samples(model) or isinstance(given, (Batch, np.ndarray, Tensor)):
        return None
    if isinstance(given, Examples):
        files = DecodedSounds(given.texts(), decoding(model, given))
        return SoundInputs(model, files, at, *described_files(given))
    arrays = [np.asarray(x) for x in given]
    ragged = len({x.shape for x in arrays}) > 1
    return SoundInputs(model, arrays, at) if ragged else None


def _check_positions(model: Any, sounds: SoundInputs, at: str, sites: Sequence[Site]) -> None:
    """Refuse to number the positions of sites that have not as many as the model's own."""
    shortest = int(sounds.samples.argmin())
    found = model.run(sounds.batch(model, [shortest]), capture=list(sites))
    for site in sites:
        count, own = by_position(model, site, found).shape[1], int(sounds.lengths[shortest])
        if count != own and at not in ("mean", "mean-all"):
            raise DataError(
                f"{site} has {count} positions where the blocks of {model.name} have {own}; "
                "harvest it with at='mean'."
            )


def _check_decoded(model: Any, given: Any) -> None:
    """Refuse what does not say the tokens of a decoder: positions of its sites are theirs."""
    inputs = given.inputs if isinstance(given, Batch) else {}
    if "decoder_input_ids" not in inputs:
        raise DataError(
            f"the decoder of {model.name} reads tokens of its own beside what its encoder reads; "
            "give named tensors with decoder_input_ids among them, or harvest "
            "model.tower('encoder')."
        )
    mask = inputs.get("decoder_attention_mask")
    if mask is not None and not bool(mask.bool().all()):
        raise DataError(
            "decoder_input_ids are padded, and the padding would be harvested like the rest; give "
            "examples of one length without padding, one harvest a length."
        )


def _sharing(model: Any, inputs: TokenInputs, share: bool, device: str) -> TokenInputs:
    # of a network of no known family nothing says that padding is left out of what it computes
    inputs.switches = Switches(each=(0,)) if model.family is None else model.switches
    if share:
        overhead = batching.limits(device)[1]
        ready = inputs.tokens
        ids = ready.ids if isinstance(ready, TokenTable) else [t.ids for t in ready]
        inputs.sharing = shared(model, ids, inputs.positions, overhead)
    return inputs


def _texts(model: Any, given: Any) -> list[str] | None:
    """Texts and conversations as texts; None if they are something else."""
    if isinstance(given, (Batch, Tensor, TokenTable)) or (
        isinstance(given, np.ndarray) and given.dtype.kind not in "OU"
    ):
        return None
    items = list(given)
    return texts_of(model, items) if _readable(items[0]) else None


def _readable(item: Any) -> bool:
    return isinstance(item, str) or is_conversation(item)


def _empty(row: Any) -> bool:
    return not isinstance(row, str) and hasattr(row, "__len__") and len(row) == 0


def _head(given: Any) -> Batch | np.ndarray | Tensor:
    """The first example."""
    return (
        Batch({name: x[:1] for name, x in given.inputs.items()})
        if isinstance(given, Batch)
        else given[:1]
    )


def _tokens(model: Any, given: Any) -> Sequence[Tokens] | None:
    """Token ids that came ready, as examples of a model of text; None if they are something
    else.
    """
    if model.kind != "text":
        return None
    if isinstance(given, TokenTable):
        return given
    if isinstance(given, Batch):
        if (
            not set(given.inputs) <= {"input_ids", "attention_mask"}
            or "input_ids" not in given.inputs
            or given.inputs["input_ids"].ndim != 2
            or given.inputs.get("attention_mask", given.inputs["input_ids"]).ndim != 2
        ):
            return None
        ids = given.inputs["input_ids"].cpu().numpy()
        lengths = real_lengths(given)
        rows: Sequence[Any] = (
            ids if lengths is None else [x[: int(k)] for x, k in zip(ids, lengths, strict=True)]
        )
    else:
        rows = given.cpu().numpy() if isinstance(given, Tensor) else given
    none = next((i for i, row in enumerate(rows, 1) if _empty(row)), None)
    if none is not None:
        raise DataError(f"example {none} has no token ids; leave it out.")
    if all(isinstance(row, Tokens) for row in rows):
        return list(rows)
    if any(isinstance(row, str) for row in rows):
        return None
    found = [np.asarray(row) for row in rows]
    wrong = next(
        (i for i, x in enumerate(found) if x.ndim != 1 or x.dtype.kind not in "iu" or not len(x)),
        None,
    )
    if wrong is not None:
        raise DataError(
            f"{model.name} reads text, and example {wrong} is an array of {found[wrong].dtype} of "
            f"shape {found[wrong].shape}; give texts, or token ids: whole numbers, one row an "
            "example."
        )
    return [
        Tokens(x.astype(np.int64), np.zeros((len(x), 2), np.int64), np.zeros(len(x), dtype=bool))
        for x in found
    ]
