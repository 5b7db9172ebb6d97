"""What a network is besides its weights, as one hash: configuration, modules, code, constants and
buffers.

Two networks of the same weights compute different things if their activation, their ``rope_theta``,
a mask, a hook or a ``forward`` differs. What is hashed of a network, piece by piece:

    configuration   every field, but names, paths and versions
    modules         path and class of each; the code of classes, functions and hooks that come with no installed package
    constants       attributes of modules (numbers, texts, tensors, functions, objects of the user's own classes)
    buffers         those that the weights do not hold (rotary frequencies, masks)
    variables       what that code takes from around it: closures and global names

Code of installed packages goes by name and version, other code by its bytecode, so that what was
edited or typed at a prompt counts as it runs. What a forward pass itself changes (a counter, a
stored map of attention) is state and no identity: `changed` names it, and the hash leaves it out.

Cost: some milliseconds for a network of a few hundred modules.
"""

from __future__ import annotations

import functools
import hashlib
import json
import site
import sys
import sysconfig
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inscape.model.hashing import plain_bytes
from inscape.model.invocation import invocation

Pieces = dict[str, str]

#: facts of a configuration that say where it came from or how results are returned
_BESIDE = frozenset(
    "_name_or_path _commit_hash transformers_version architectures dtype torch_dtype use_cache "
    "output_attentions output_hidden_states return_dict auto_map _attn_implementation_internal "
    "_experts_implementation_internal".split()
)
#: attributes of modules that torch and transformers keep for themselves
_OWN = frozenset(
    "training _parameters _buffers _modules _non_persistent_buffers_set _backward_pre_hooks "
    "_backward_hooks _is_full_backward_hook _forward_hooks _forward_hooks_with_kwargs "
    "_forward_hooks_always_called _forward_pre_hooks _forward_pre_hooks_with_kwargs "
    "_state_dict_hooks _state_dict_pre_hooks _load_state_dict_pre_hooks "
    "_load_state_dict_post_hooks generation_config name_or_path warnings_issued "
    "_output_capturing_hooks_installed hf_device_map gradient_checkpointing "
    "_gradient_checkpointing_func _compiled_call_impl all_tied_weights_keys loss_type "
    "kernel_config is_quantized hf_quantizer quantization_method".split()
)
#: attributes by which PEFT's layers know which adapters act
_ACTING = ("_active_adapter", "_disable_adapters")
#: what rotary embeddings that depend on the longest row keep of the last pass
_ROTARY = ("inv_freq", "max_seq_len_cached", "attention_scaling")
_SIMPLE = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.Size, range)
#: members of a class that make and show its objects and compute nothing
_MAKING = frozenset(
    (
        "__init__ __new__ __repr__ __init_subclass__ __class__ __annotate__ __annotate_func__ "
        "extra_repr"
    ).split()
)
_PYTHON = sys.stdlib_module_names - {"__main__"}
#: objects of the user's own that are followed, at most
_MOST = 10_000


def pieces(net: nn.Module) -> Pieces:
    """What a network is, piece by piece: name of the piece → what it is."""
    walk = _Walk()
    walk.network(net, "")
    walk.found["|invocation"] = repr(invocation(net))
    return walk.found


def changed(before: Pieces, after: Pieces) -> frozenset[str]:
    """The pieces that a forward pass changed: state, not identity."""
    names = before.keys() | after.keys()
    return frozenset(name for name in names if before.get(name) != after.get(name))


def digest(found: Pieces, without: Iterable[str] = ()) -> str:
    """SHA-256 (hex) of pieces, some left out."""
    left = set(without)
    kept = {name: what for name, what in found.items() if name not in left}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


class _Walk:
    """One walk over a network; each object is looked at once."""

    def __init__(self) -> None:
        self.found: Pieces = {}
        self._seen: dict[int, tuple[Any, str]] = {}  # kept alive, so that no number is used twice
        self._numbers: Counter[str] = Counter()
        self._objects = 0

    def network(self, net: nn.Module, name: str, weights: bool = False) -> None:
        """Every module of a network; with `weights` its parameters too, where no state holds
        them.
        """
        members = list(net.named_modules(prefix=name, remove_duplicate=False))
        for path, module in members:
            self._seen.setdefault(id(module), (module, f"module {path}"))
        for path, module in members:
            self._module(path, module)
            if weights:
                for key, p in [*module._parameters.items(), *module._buffers.items()]:
                    self.found[f"{path}|{key}"] = self.of(p)

    def _module(self, path: str, module: nn.Module) -> None:
        self.found[f"{path}|class"] = self._class(type(module))
        for name in sorted(module._non_persistent_buffers_set):
            if name in module._buffers and not _of_last_pass(module, name):
                self.found[f"{path}|{name}"] = self.of(module._buffers[name])
        for name, value in sorted(module.__dict__.items()):
            if not (
                name in _OWN or _of_last_pass(module, name) or _kept_by_package(module, name, value)
            ):
                self._piece(f"{path}|{name}", value)
        for kind in ("_forward_pre_hooks", "_forward_hooks"):
            own = [h for h in getattr(module, kind).values() if not packaged(h)]
            if own:
                self.found[f"{path}|{kind}"] = self.of(own)
        if isinstance(module, torch.jit.ScriptModule):
            self.found[f"{path}|script"] = str(getattr(module, "code", ""))

    def _piece(self, name: str, value: Any) -> None:
        if isinstance(value, nn.Module) and id(value) not in self._seen:
            # hidden from torch, in a list or behind object.__setattr__: no state holds its weights
            self.network(value, name, weights=True)
        else:
            self.found[name] = self.of(value)

    def _numbered(self, name: str) -> str:
        self._numbers[name] += 1
        return f"{name}#{self._numbers[name]}"

    def of(self, value: Any) -> str:
        """What a value is, as text; two that compute the same may differ, two that differ never
        agree.
        """
        if isinstance(value, Enum):
            return f"{type(value).__qualname__}.{value.name}"
        if isinstance(value, _SIMPLE):
            return f"{type(value).__name__} {value!r}"
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        self._seen[id(value)] = (value, f"again {type(value).__qualname__}")  # a circle ends here
        text = self._of(value)
        short = (
            text
            if len(text) < 80
            else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        )
        self._seen[id(value)] = (value, short)
        return short

    def _of(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return _tensor(value)
        if isinstance(value, np.ndarray):
            kept = value.tolist() if value.dtype.hasobject else None
            data = (
                repr(kept).encode() if kept is not None else np.ascontiguousarray(value).tobytes()
            )
            return f"array {value.dtype} {value.shape} {hashlib.sha256(data).hexdigest()}"
        if isinstance(value, nn.Module):
            name = self._numbered("hidden module")
            self.network(value, name, weights=True)
            return f"module {name}"
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, functools.partial):
            return f"partial {self.of(value.func)} {self.of(value.args)} {self.of(value.keywords)}"
        if isinstance(value, types.MethodType):
            return f"method {self.of(value.__func__)} {self.of(value.__self__)}"
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if hasattr(value, "to_dict") and hasattr(value, "model_type"):
            return f"configuration {type(value).__qualname__} {_configuration(value)}"
        if isinstance(value, Mapping):
            rows = sorted(
                (repr(k) if isinstance(k, _SIMPLE) else self.of(k), self.of(v))
                for k, v in value.items()
            )
            return f"{type(value).__name__} {rows}"
        if isinstance(value, (list, tuple)):
            return f"sequence {[self.of(v) for v in value]}"  # a file gives a list for a tuple
        if isinstance(value, (set, frozenset)):
            return f"{type(value).__name__} {sorted(self.of(v) for v in value)}"
        return self._object(value)

    def _object(self, value: Any) -> str:
        """A callable of C, or an object; followed only where its class is the user's own."""
        name = getattr(value, "__qualname__", "")
        if name and not hasattr(value, "__dict__"):
            return f"{getattr(value, '__module__', '')}.{name}"
        kind = type(value)
        text = self._class(kind)
        self._objects += 1
        if packaged(kind) or kind.__module__.startswith("inscape.") or self._objects > _MOST:
            return text
        held = dict(getattr(value, "__dict__", {}))
        if is_dataclass(value):
            held |= {f.name: getattr(value, f.name, None) for f in fields(value)}
        return f"{text} {self.of(held)}"

    def _class(self, kind: type) -> str:
        """A class: its name, and the code of what is no package's own."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if id(kind) in self._seen:
            return self._seen[id(kind)][1]
        self._seen[id(kind)] = (kind, name)
        parts = [name]
        for base in kind.__mro__[:-1]:
            if packaged(base):
                parts.append(f"{base.__module__}.{base.__qualname__} {_version(base)}")
                replaced = vars(base).get("forward")
                if isinstance(replaced, types.FunctionType) and not packaged(replaced):
                    parts.append(self.of(replaced))
                continue
            for key, member in sorted(vars(base).items()):
                if key in _MAKING or (key.startswith("__") and not callable(member)):
                    continue
                inner = getattr(member, "__func__", getattr(member, "fget", member))
                parts.append(f"{key} {self.of(inner)}")
        text = name + " " + hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self._seen[id(kind)] = (kind, text)
        return text

    def _function(self, f: types.FunctionType) -> str:
        name = f"{f.__module__}.{f.__qualname__}"
        if packaged(f):
            return f"function {name} {_version(f)}"
        parts = [_code(f.__code__), self.of(f.__defaults__), self.of(f.__kwdefaults__)]
        used = _names(f.__code__)
        around = self._numbered(name)
        for variable, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                self._piece(f"{around}<{variable}>", cell.cell_contents)
            except ValueError:  # not yet filled
                continue
        for variable in sorted(used & f.__globals__.keys()):
            value = f.__globals__[variable]
            if isinstance(value, types.ModuleType):
                parts.append(f"{variable} {value.__name__}")
                if not packaged(value):
                    for inner in sorted(used & vars(value).keys()):
                        self._piece(f"{around}<{variable}.{inner}>", vars(value)[inner])
            else:
                self._piece(f"{around}<{variable}>", value)
        return f"function {name} " + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _kept_by_package(module: nn.Module, name: str, value: Any) -> bool:
    """Whether an attribute is a package's bookkeeping: plans for devices, whether weights were
    initialised.
    """
    put = isinstance(value, (Tensor, np.ndarray, nn.Module)) or callable(value)
    put = put or name in _ACTING
    return name.startswith("_") and not put and packaged(type(module))


def _of_last_pass(module: nn.Module, name: str) -> bool:
    kinds = str(getattr(module, "rope_type", ""))
    if "dynamic" not in kinds and "longrope" not in kinds:
        return False
    return name.endswith(_ROTARY) and not name.endswith("original_inv_freq")


def _configuration(config: Any) -> str:
    """Every field that decides something, nested ones too, and which attention is computed."""

    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): kept(v) for k, v in value.items() if k not in _BESIDE}
        return [kept(v) for v in value] if isinstance(value, (list, tuple)) else value

    text = json.dumps(kept(config.to_dict()), sort_keys=True, default=repr)
    return f"{text} {getattr(config, '_attn_implementation', None)}"


def _tensor(x: Tensor) -> str:
    return f"tensor {x.dtype} {tuple(x.shape)} {hashlib.sha256(plain_bytes(x)).hexdigest()}"


def _code(code: types.CodeType) -> str:
    """The bytecode with its constants and names, without where it stands."""
    found = hashlib.sha256(code.co_code)
    found.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.update(_code(constant).encode())
        else:
            text = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            found.update(repr(text).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _names(code: types.CodeType) -> set[str]:
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


@cache
def _places() -> tuple[str, ...]:
    """Folders of installed packages and of Python itself."""
    paths = sysconfig.get_paths()
    found = [paths[k] for k in ("purelib", "platlib", "stdlib", "platstdlib")]
    return tuple({p.rstrip("/") + "/" for p in [*found, *site.getsitepackages()]})


def packaged(value: Any) -> bool:
    """Whether a module, class or function is an installed package's or Python's own."""
    if isinstance(value, types.FunctionType):
        file = value.__code__.co_filename
        return file.startswith(_places()) or (
            file.startswith("<") and _file(value.__module__).startswith(_places())
        )
    if isinstance(value, types.ModuleType):
        return _installed(value)
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return module is not None and _installed(module)


def _installed(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__.partition(".")[0] in _PYTHON
    return file.startswith(_places())


def _file(name: str | None) -> str:
    return str(getattr(sys.modules.get(name or ""), "__file__", None) or "")


def _version(value: Any) -> str:
    top = str(getattr(value, "__module__", "")).partition(".")[0]
    # these two have a place of their own in every key
    return (
        ""
        if top in ("torch", "transformers")
        else str(getattr(sys.modules.get(top), "__version__", ""))
    )
