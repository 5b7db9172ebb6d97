"""Steering vectors: a vector for each of some blocks, added to what leaves them; read and written
as other tools do.

    h_L ← h_L + strength · v_L         after block L, at every token in scope

GGUF (llama.cpp, repeng): architecture ``controlvector``, keys ``controlvector.model_hint`` and
``.layer_count``, tensors ``direction.L``, written as float32 and read in any type that the ``gguf``
package dequantises, L from 1: block 0 cannot be named there, and a vector on it is refused.
safetensors: the same tensor names, what is known of the vector as JSON beside them under
``__metadata__``. No other code runs on loading.

Reference: Turner et al. (2023), Activation addition, arXiv:2308.10248; Zou et al. (2023),
Representation engineering, arXiv:2310.01405.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.one_coordinate import vector_warning
from inscape.core.overwriting import refuse_foreign, replacing

#: of the files that hold one
ENDINGS = (".gguf", ".safetensors")
#: by which a file is known to be written here
MARK = b"inscape-steering-vector"

_NAME = re.compile(r"direction\.(\d{1,6})")
_CURE = "write it again, or give another file"


@dataclass(frozen=True)
class SteeringVector:
    """A vector for each of some blocks.

    Attributes:
        vectors: block → (d,), float32; block L is what leaves block L, ``resid_post.L``.
        model_hint: architecture it was made for, such as ``llama``.
        card: what is known of it (model, data, method, site, figures); JSON values.

    Example:
        >>> v = SteeringVector({1: np.ones(2, dtype=np.float32)}, "llama")
        >>> v.edits(2.0)[0].apply(torch.zeros(1, 2)).tolist()
        [[2.0, 2.0]]
    """

    vectors: dict[int, np.ndarray]
    model_hint: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.vectors:
            raise ValueError("SteeringVector: needs a vector for at least one block")
        rows = {
            int(layer): np.array(v, dtype=np.float32) for layer, v in sorted(self.vectors.items())
        }
        if len({v.shape for v in rows.values()}) != 1 or next(iter(rows.values())).ndim != 1:
            raise ValueError(
                "SteeringVector: vectors must be (d,) alike, got "
                f"{[v.shape for v in rows.values()]}"
            )
        if min(rows) < 0 or not all(np.isfinite(v).all() for v in rows.values()):
            raise ValueError("SteeringVector: blocks count from 0 and vectors are finite numbers")
        object.__setattr__(self, "vectors", rows)

    @property
    def width(self) -> int:
        """d."""
        return len(next(iter(self.vectors.values())))

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each block whose vector is one coordinate by more than half of its squared
        length.
        """
        told = [vector_warning(v, f"the vector of block {n}") for n, v in self.vectors.items()]
        return tuple(one for one in told if one is not None)

    def edits(self, strength: float = 1.0, positions: str = "all", phase: str = "all") -> list[Add]:
        """An edit for each block, at the positions and in the phase of
        `inscape.core.edit.Scope`.
        """
        return [
            Add(
                Scope(f"resid_post.{layer}", positions, phase), torch.from_numpy(v), float(strength)
            )
            for layer, v in self.vectors.items()
        ]

    def save(self, path: str | Path) -> Path:
        """Write to a file: ``.gguf`` or ``.safetensors``, by its name; one that `save` wrote before
        is replaced.

        Raises:
            DataError: another ending; a vector on block 0 in GGUF; a file of another origin under
                that name.
        """
        path = Path(path)
        refuse_foreign(path, MARK, DataError)
        if path.suffix == ".safetensors":
            metadata = {
                "format": MARK.decode(),
                "model_hint": self.model_hint,
                "card": json.dumps(self.card),
            }
            with replacing(path) as fresh:
                save_file({f"direction.{n}": v for n, v in self.vectors.items()}, fresh, metadata)
        elif path.suffix == ".gguf":
            with replacing(path) as fresh:
                self._save_gguf(fresh)
        else:
            raise DataError(
                f"{path.name}: steering vectors are saved as .gguf (llama.cpp) or .safetensors; "
                "name it so"
            )
        return path

    def _save_gguf(self, path: Path) -> None:
        from gguf import GGUFWriter

        if 0 in self.vectors:
            raise DataError(
                "llama.cpp's format has no vector on block 0 (its tensors count from direction.1); "
                "leave that block out, or save as .safetensors"
            )
        writer = GGUFWriter(path, "controlvector")
        writer.add_string("inscape.format", MARK.decode())
        writer.add_string("controlvector.model_hint", self.model_hint)
        writer.add_uint32("controlvector.layer_count", len(self.vectors))
        if self.card:
            writer.add_string("general.description", json.dumps(self.card))
        for layer, vector in self.vectors.items():
            writer.add_tensor(f"direction.{layer}", vector)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    @classmethod
    def load(cls, path: str | Path) -> SteeringVector:
        """Read a ``.gguf`` control vector or a ``.safetensors`` file.

        Raises:
            DataError: no such file, another kind of file, or no ``direction.N`` in it.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(
                f"there is no file {path}; give the path of a .gguf or .safetensors steering vector"
            )
        if path.suffix == ".safetensors":
            return _from_safetensors(path)
        if path.suffix == ".gguf":
            return _from_gguf(path)
        raise DataError(
            f"{path.name}: steering vectors are .gguf (llama.cpp) or .safetensors files"
        )


def _from_safetensors(path: Path) -> SteeringVector:
    with (
        foreign(DataError, f"{path.name} is not a safetensors file", _CURE),
        safe_open(path, framework="pt") as file,
    ):
        # through PyTorch, which has bfloat16
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    for name, tensor in found.items():
        if not tensor.is_floating_point():
            raise DataError(
                f"{path.name}: tensor {name!r:.60} has the dtype {tensor.dtype}, and a vector is "
                f"made of floats; {_CURE}."
            )
    arrays = {name: tensor.to(torch.float32).numpy() for name, tensor in found.items()}
    return _made(path, arrays, metadata.get("model_hint", ""), metadata.get("card", "{}"))


def _from_gguf(path: Path) -> SteeringVector:
    from gguf import GGUFReader, dequantize

    with foreign(DataError, f"{path.name} is not a GGUF file", _CURE):
        reader = GGUFReader(path)
        keys = ("general.architecture", "controlvector.model_hint", "general.description")
        entries = {key: reader.get_field(key) for key in keys}
        texts = {key: "" if e is None else str(e.contents()) for key, e in entries.items()}
        tensors = list(reader.tensors)
    architecture, hint, card = texts.values()
    if architecture != "controlvector":
        named = "".join(c for c in architecture if c.isprintable())
        raise DataError(
            f"{path.name} holds a {named or 'nameless':.60} file, not a control vector; open "
            "models with inscape.open"
        )
    found = {}
    for tensor in tensors:
        name, kind = str(tensor.name), tensor.tensor_type
        with foreign(
            DataError,
            f"{path.name}: tensor {name!r:.60} is {kind.name}, which cannot be read as numbers",
            _CURE,
        ):
            plain = kind.name == "F64"
            values = np.array(tensor.data) if plain else dequantize(tensor.data, kind)
        # a copy, since the memory of the file is read-only
        found[name] = np.array(values, dtype=np.float32).reshape(-1)
    return _made(path, found, hint, card or "{}")


def _made(path: Path, found: dict[str, np.ndarray], hint: str, card: str) -> SteeringVector:
    vectors = {int(m.group(1)): v for name, v in found.items() if (m := _NAME.fullmatch(name))}
    if not vectors:
        raise DataError(
            f"{path.name} has no tensor direction.N, so it is no steering vector; it has "
            f"{sorted(found)[:3]}"
        )
    try:
        known = json.loads(card)
    except (ValueError, RecursionError):
        known = {"description": card}  # another tool's free text
    with foreign(DataError, f"{path.name} is no steering vector", _CURE):
        return SteeringVector(
            vectors, hint, known if isinstance(known, dict) else {"description": known}
        )
