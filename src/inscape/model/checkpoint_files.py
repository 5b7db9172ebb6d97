"""The files of a checkpoint's folder, checked before any is loaded.

A folder in Hugging Face's layout can lead its readers elsewhere: an index of shards names a pickled
file or one outside the folder, a link leads out, ``config.json`` names a compute kernel on the Hub
or more layers than there are weights. Here every file that will be read is looked at first; what is
wrong is one sentence, and nothing was loaded. Weights are safetensors inside the folder, and
nothing else.

Cost: the JSON files and the headers of the weights are read once more; milliseconds.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import safe_open

from inscape.core import records
from inscape.core.errors import ModelError
from inscape.core.foreign import foreign
from inscape.core.free_space import free_memory
from inscape.model.modes import IN_PLACE

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
#: files that transformers reads from a folder
READ = re.compile(r".*\.(json|safetensors|txt|model|jinja|tiktoken|spm)")
#: kinds of attention and of experts that transformers brings itself
ATTENTION = frozenset({"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"})
#: layers that a configuration may ask for, however few tensors there are
LAYERS = 1000
#: bytes of a JSON file; the largest vocabulary known has 40 MB
LARGEST = 256 * 2**20

#: way of quantising → what is installed to open it on a CPU
PACKAGES = {"gptq": "optimum gptqmodel", "awq": "gptqmodel"}

_CURE = "fetch the checkpoint again"
_LAYERS = re.compile(r"(num|n|encoder|decoder)?_?(hidden_)?(layers?|blocks|depths?)")
_BLOCKS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_COUNT = re.compile(r"(num|n)_.*|.*_(heads|experts|labels|groups)")
_LENGTH = re.compile(r".*(positions?|position_embeddings|ctx|seq_len|source_length)")
_SIZE = re.compile(r".*(size|dim|width|channels|rank|inner|window)|[dn]_\w+")


class Index(msgspec.Struct):
    """The index of a checkpoint in shards.

    Attributes:
        weight_map: tensor → name of the file that holds it.
    """

    weight_map: dict[str, str]


class Module(msgspec.Struct):
    """A step of a sentence-transformers model.

    Attributes:
        type: its Python class.
        path: its folder.
    """

    type: str
    path: str = ""


def check(folder: str | Path, what: str, *, trust: bool = False) -> int:
    """Refuse a folder whose files are not all safetensors and plain text inside it.

    Args:
        folder: in Hugging Face's layout.
        what: how the user named it.
        trust: code that comes with the checkpoint may run.

    Returns:
        How many numbers the weights hold.

    Raises:
        ModelError: the first thing that is wrong, with its file and the cure.
    """
    folder = Path(folder)
    for path in sorted(folder.iterdir()):
        if READ.fullmatch(path.name) or path.is_symlink():
            regular(folder, path, what)
    config = _json(folder / CONFIG, dict[str, Any])
    _check_architectures(config, what)
    if not trust:
        _check_kernels(config, what)
        _check_modules(folder, what)
    _check_tokenizer(folder, what)
    _check_adapter(folder, what)
    tensors, numbers = _check_weights(folder, config, what)
    _check_sizes(config, tensors, what)
    return numbers


def quantised(config: Any) -> str | None:
    """How a checkpoint's weights are packed (``gptq``, ``bitsandbytes``); None where they are plain
    numbers.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return None
    named = isinstance(settings, dict)
    found = settings.get("quant_method") if named else getattr(settings, "quant_method", None)
    found = getattr(found, "value", found)
    return found if isinstance(found, str) else "by a method that its configuration does not name"


def check_amount(kind: Any, config: Any, held: int | None, dtype: torch.dtype, what: str) -> None:
    """Refuse a network that is far larger than its weights, or than memory, before memory is taken
    for it.

    Args:
        kind: the class, of transformers.
        config: its configuration.
        held: how many numbers the weights hold; None where that is not known yet.
        dtype: in which they are loaded.
        what: how the user named it.
    """
    make = kind._from_config if hasattr(kind, "_from_config") else kind.from_config
    with torch.device("meta"):
        asked = sum(p.numel() for p in make(copy.deepcopy(config)).parameters())
    # tied weights are kept once, heads of other tasks not at all
    if held is not None and asked > 3 * held + 2**24:
        raise ModelError(
            f"{what}: config.json asks for {asked:,} parameters and the weights hold {held:,}; "
            f"{_CURE}."
        )
    needed, free = asked * dtype.itemsize, free_memory()
    if free is not None and needed > free:
        smaller = "open it in bfloat16, or open" if dtype.itemsize > 2 else "open"
        raise ModelError(
            f"{what} has {asked:,} parameters, which take {needed / 2**30:.1f} GiB in "
            f"{str(dtype).removeprefix('torch.')}, "
            f"and {free / 2**30:.1f} GiB of memory are free; {smaller} a smaller model."
        )


def check_named(folder: str | Path, what: str, *, trust: bool = False) -> None:
    """The same for a model of the Hub, of which only the small files are here yet: what they name
    is checked.
    """
    folder = Path(folder)
    config = _json(folder / CONFIG, dict[str, Any])
    _check_architectures(config, what)
    if not trust:
        _check_kernels(config, what)
        _check_modules(folder, what)
    _check_tokenizer(folder, what)
    _explicit(config, what)
    if (folder / INDEX).is_file():
        _shards(folder / INDEX, what)
    _check_sizes(config, 0, what, layers=10 * LAYERS)


def regular(folder: Path, path: Path, what: str) -> Path:
    """A file that is a regular one inside its folder, links followed.

    The Hub's own cache keeps links to its ``blobs`` beside the folder; those are inside.

    Raises:
        ModelError: it leads out, or is missing or no file.
    """
    home, real = folder.resolve(), path.resolve()
    inside = real.is_relative_to(home) or (
        home.parent.name == "snapshots" and real.is_relative_to(home.parent.parent / "blobs")
    )
    if not inside:
        raise ModelError(
            f"{what}: {path.name} is a link that leads out of the folder, to {real}; put the file "
            "itself into the folder."
        )
    if real.is_dir() and path.suffix not in (".json", ".safetensors"):
        return real
    if not real.is_file():
        raise ModelError(f"{what}: {path.name} is missing or not a regular file; {_CURE}.")
    return real


def own_attention(config: Any) -> None:
    """Leave the choice of attention and experts to transformers' own defaults, whatever the file
    said.
    """
    for part in _parts(config):
        part._attn_implementation_internal = None
        part._experts_implementation_internal = None


def _parts(config: Any) -> Iterator[Any]:
    yield config
    for name in getattr(config, "sub_configs", None) or ():
        part = getattr(config, name, None)
        if part is not None and part is not config and hasattr(part, "to_dict"):
            yield from _parts(part)


def _json(path: Path, kind: Any) -> Any:
    return records.read(path, kind, error=ModelError, cure=_CURE, largest=LARGEST)


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a nested configuration with its value."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield from one.items()
            left += one.values()
        elif isinstance(one, list):
            left += one


def _check_architectures(config: dict[str, Any], what: str) -> None:
    named = config.get("architectures")
    kind = config.get("model_type", "")
    if not (
        named is None or (isinstance(named, list) and all(isinstance(n, str) for n in named))
    ) or not isinstance(kind, str):
        raise ModelError(
            f"{what}: config.json needs a text as model_type and a list of texts as architectures, "
            f"got {kind!r:.60} and {named!r:.60}; {_CURE}."
        )


def _check_kernels(config: dict[str, Any], what: str) -> None:
    for key, value in _walk(config):
        if not re.fullmatch(r"_?(attn|experts)_implementation(_internal)?", key):
            continue
        values = value.values() if isinstance(value, dict) else [value]
        for one in values:
            if isinstance(one, str) and one not in ATTENTION and re.search(r"[/:@|]", one):
                raise ModelError(
                    f"{what}: config.json names {one!r:.80} as its {key.strip('_')}, which is code "
                    "from elsewhere; remove that line (Inscape chooses the attention itself)."
                )


def _check_modules(folder: Path, what: str) -> None:
    """The steps of a sentence-transformers model; only its transformer is opened, but a stranger's
    class is told.
    """
    path = folder / "modules.json"
    if not path.exists():
        return
    for module in _json(path, list[Module]):
        if not module.type.startswith("sentence_transformers."):
            raise ModelError(
                f"{what}: modules.json names {module.type!r:.80}, code that is not "
                "sentence-transformers' own; read it, "
                "then open it with trust_remote_code=True."
            )
        if module.path and not _plain(module.path, folder):
            raise ModelError(
                f"{what}: modules.json names {module.path!r:.80}, which is outside the folder; "
                f"{_CURE}."
            )


def _check_tokenizer(folder: Path, what: str) -> None:
    path = folder / "tokenizer_config.json"
    if not path.exists():
        return
    for key, value in _json(path, dict[str, Any]).items():
        if key == "fast_tokenizer_files":
            names = value if isinstance(value, list) else [value]
        elif key.endswith("_file") and isinstance(value, str):
            # what an author's machine had and this one has not leads nowhere
            names = [value] if Path(value).exists() else []
        else:
            continue
        for name in names:
            if not isinstance(name, str) or not _plain(name, folder):
                raise ModelError(
                    f"{what}: tokenizer_config.json names {name!r:.80} as {key}, which is outside "
                    "the folder; remove that line."
                )


def _check_adapter(folder: Path, what: str) -> None:
    """With PEFT installed, transformers loads an adapter that lies beside a model."""
    if not (folder / "adapter_config.json").exists():
        return
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{what} holds an adapter (adapter_config.json) without adapter_model.safetensors, and "
            "pickled weights are never read; save it again with safe_serialization=True."
        )
    config = _json(folder / "adapter_config.json", dict[str, Any])
    kind = config.get("peft_type")
    if kind not in IN_PLACE:
        raise ModelError(
            f"{what} holds an adapter of kind {kind!s:.60}, which acts outside the network and "
            "would be left out; move adapter_config.json out of the folder to open the model "
            "without it."
        )
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"{what} holds an adapter beside the model, and without peft it would be left out; pip "
            "install peft, or move adapter_config.json out of the folder to open the model without "
            "it."
        )


def _plain(name: str, folder: Path) -> bool:
    """Whether a name written in a file leads to a place inside its folder."""
    if not name or "\0" in name or "\\" in name or Path(name).is_absolute():
        return False
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # too long, or a circle of links
        return False


def _explicit(config: dict[str, Any], what: str) -> str | None:
    """The file of weights that config.json names itself, if it does."""
    name = config.get("transformers_weights")
    if name is None:
        return None
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors(\.index\.json)?", name):
        raise ModelError(
            f"{what}: config.json names {name!r:.80} as its weights, which is no safetensors file "
            "in the folder; remove that line."
        )
    return name


def _check_weights(folder: Path, config: dict[str, Any], what: str) -> tuple[int, int]:
    """How many tensors and how many numbers the weights hold; their headers are read, and nothing
    else of them.
    """
    named = _explicit(config, what)
    single = named or WEIGHTS
    if named is not None and named.endswith(".index.json"):
        files = _shards(folder / named, what)
    elif (folder / single).exists():
        files = [single]
    elif (folder / INDEX).exists():
        files = _shards(folder / INDEX, what)
    else:
        raise ModelError(
            f"{what} has no safetensors weights, and pickled weights are never read; convert them "
            "first."
        )
    count = numbers = 0
    for name in files:
        path = regular(folder, folder / name, what)
        with (
            foreign(ModelError, f"{what} cannot be loaded: {name} is damaged", _CURE),
            safe_open(path, framework="pt") as file,
        ):
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
            count += len(shapes)
            numbers += sum(math.prod(shape) for shape in shapes)
    return count, numbers


def _shards(path: Path, what: str) -> list[str]:
    """The files that an index names, each a safetensors file beside it."""
    for name in (found := sorted(set(_json(path, Index).weight_map.values()))):
        if not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise ModelError(
                f"{what}: {path.name} names {name!r:.80}, which is no safetensors file in the "
                "folder, and no other weights "
                f"are read; {_CURE}."
            )
    if not found:
        raise ModelError(f"{what}: {path.name} names no weights; {_CURE}.")
    return found


def _check_sizes(config: dict[str, Any], tensors: int, what: str, layers: int = LAYERS) -> None:
    """Refuse counts that no checkpoint of these weights can mean, and that would take memory or
    hours to build.
    """
    for key, value in _walk(config):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool) or not isinstance(one, (int, float)):
                continue
            most = (
                max(layers, tensors)
                if _LAYERS.fullmatch(key)
                else 2**26
                if _LENGTH.fullmatch(key)
                else 10**6
                if _COUNT.fullmatch(key)
                else 2**30
                if _SIZE.fullmatch(key)
                else None
            )
            least = 1 if key in _BLOCKS else -1  # which stands for none
            if most is not None and not least <= one <= most:
                held = f" and the weights are {tensors:,} tensors" if tensors else ""
                raise ModelError(
                    f"{what}: config.json asks for {key} = {json.dumps(one):.30}{held}; it can be "
                    f"{least} to {most:,}; {_CURE}."
                )
