"""Toy networks that are trained once: a cache of weights, keyed by everything that a training
depends on.

A toy's training is a function of its arguments. What it ends with is kept as safetensors under a
hash of the arguments, of the source and the constants of the world's module and of
`inscape.worlds.small_llama`, of the versions of PyTorch and Transformers, and of the CPU's kernels
(another kernel rounds in another way and ends with other weights). Of several processes that ask
for the same toy, one trains and the others wait. A file that cannot be read is trained again.

The folder is ``toys`` in the cache (`inscape.core.home`), or the one that ``INSCAPE_TOYS`` names.
Cost: milliseconds, once trained; a few hundred kilobytes on disk a toy.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from inscape.core.home import home
from inscape.core.overwriting import replacing

log = logging.getLogger(__name__)

#: one network, or the networks at some steps
Trained = TypeVar("Trained", LlamaForCausalLM, dict[int, LlamaForCausalLM])


def trained_once(train: Callable[..., Trained]) -> Callable[..., Trained]:
    """A training whose result is read from the cache where it is there.

    Args:
        train: a function of its positional arguments alone (numbers, texts, arrays, tensors, and
            lists, mappings and dataclasses of these), which gives a network, or networks by step.

    Returns:
        The same function. Its networks are in evaluation mode and hold no gradients; the global
        random stream is left as it was.
    """

    @wraps(train)
    def found(*args: Any) -> Trained:
        folder = Path(os.environ.get("INSCAPE_TOYS") or home("toys"))
        file = folder / f"{train.__module__.rpartition('.')[2]}-{_key(train, args)}.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):
                if (kept := _read(file)) is None:
                    _write(train(*args), file)
                    kept = _read(file)
        except OSError as error:
            log.warning("the toy network is trained and not kept: %s", error)
            return train(*args)
        assert kept is not None
        return kept  # type: ignore[return-value]

    return found


def _key(train: Callable[..., Any], args: tuple[Any, ...]) -> str:
    digest = hashlib.sha256()
    about = [torch.__version__, transformers.__version__, torch.backends.cpu.get_cpu_capability()]
    for variable in ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"):
        about.append(os.environ.get(variable, ""))
    _feed(digest, [*about, train.__qualname__])
    for name in (train.__module__, "inscape.worlds.small_llama", __name__):
        module = importlib.import_module(name)
        digest.update(Path(str(module.__file__)).read_bytes())
        _feed(digest, _constants(module))
    _feed(digest, args)
    return digest.hexdigest()[:32]


def _constants(module: ModuleType) -> dict[str, Any]:
    """A module's own constants as they are now: a test may have set others than the source has."""
    simple = (int, float, str, tuple, list, dict)
    return {
        name: repr(value)
        for name, value in sorted(vars(module).items())
        if name.lstrip("_").isupper() and isinstance(value, simple)
    }


def _feed(digest: Any, x: Any) -> None:
    """Hash a value with its type and shape.

    Raises:
        TypeError: a value that is not made of numbers, texts, arrays and tensors.
    """
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    if isinstance(x, np.ndarray) and not x.dtype.hasobject:
        digest.update(f"array {x.dtype} {x.shape} ".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    elif is_dataclass(x) and not isinstance(x, type):
        _feed(digest, {f.name: getattr(x, f.name) for f in fields(x)})
    elif isinstance(x, Mapping):
        _feed(digest, [list(pair) for pair in x.items()])
    elif isinstance(x, list | tuple):
        digest.update(f"list {len(x)} ".encode())
        for one in x:
            _feed(digest, one)
    elif x is None or isinstance(x, bool | int | float | str | np.generic):
        digest.update(f"{type(x).__name__} {x!r} ".encode())
    else:
        raise TypeError(
            "trained_once: arguments must be made of numbers, texts, arrays and tensors, got "
            f"{type(x).__name__}"
        )


def _write(trained: LlamaForCausalLM | dict[int, LlamaForCausalLM], file: Path) -> None:
    nets = trained if isinstance(trained, dict) else {-1: trained}
    about = {str(step): net.config.to_json_string(use_diff=False) for step, net in nets.items()}
    weights = {
        f"{step}/{name}": x.detach().clone().contiguous()  # tied weights are written twice
        for step, net in nets.items()
        for name, x in net.state_dict().items()
    }
    with replacing(file) as fresh:
        save_file(weights, fresh, metadata={"nets": json.dumps(about)})


def _read(file: Path) -> LlamaForCausalLM | dict[int, LlamaForCausalLM] | None:
    """What a file holds; None where there is none, or one that cannot be read."""
    nets: dict[int, LlamaForCausalLM] = {}
    try:
        with safe_open(file, "pt") as opened:
            names = list(opened.keys())
            for step, config in json.loads(opened.metadata()["nets"]).items():
                with torch.random.fork_rng(devices=[]):
                    net = LlamaForCausalLM(LlamaConfig(**json.loads(config))).eval()
                mine = [name for name in names if name.startswith(f"{step}/")]
                net.load_state_dict({n.partition("/")[2]: opened.get_tensor(n) for n in mine})
                nets[int(step)] = net
    except FileNotFoundError:
        return None
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        log.warning("%s cannot be read and is trained again: %s", file, error)
        return None
    return nets[-1] if list(nets) == [-1] else nets
