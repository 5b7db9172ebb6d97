"""Hostile inputs made from sound ones: flipped bytes, cut files, confused types, huge numbers, deep
nesting, foreign names.

Every input follows from a seed, so that one that fails can be made again. JSON is changed inside
(also the header of a safetensors file, whose length is then set right, and a signed manifest, which
is then signed again, so that what is behind the first check is reached too); everything else by its
bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

#: what a value is replaced by
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "x" * 100_000,
    "../../../../etc/passwd",
    "/etc/passwd",
    "weights.bin",
    "\0",
    "\x1b[2J\x07",
    "\ud800",
    "<script>alert(1)</script>",
    "nan",
    [],
    {},
    [[]],
    ["x"] * 1000,
    {"": None},
    {"x": {"y": [1]}},
)
#: eight bytes that counts and offsets are replaced by
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**62, 2**63 - 1, 2**64 - 1, 1 << 40)
_DEEP = "\ue000deep"


def spoil(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """Change one file of a folder, or two, in place."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    for _ in range(int(rng.integers(1, 3))):
        path = files[int(rng.integers(len(files)))]
        if not path.is_file() or path.is_symlink():
            continue
        kind = rng.random()
        if kind < 0.04:
            _replace(path, rng, canary)
        elif path.suffix in (".json", ".jsonl") and kind < 0.75:
            _spoil_json(path, rng)
        elif path.suffix == ".safetensors" and kind < 0.5:
            _spoil_header(path, rng)
        else:
            path.write_bytes(_spoil_bytes(path.read_bytes(), rng))


def _replace(path: Path, rng: np.random.Generator, canary: Path) -> None:
    """Put something else in a file's place."""
    path.unlink()
    choice = int(rng.integers(6))
    if choice == 0:
        path.mkdir()
    elif choice == 1:
        path.symlink_to("/etc/passwd")
    elif choice == 2:
        os.mkfifo(path)
    elif choice == 3:
        path.symlink_to(path)
    elif choice == 4:
        path.write_bytes(b"")
    for name in ("weights.bin", "pytorch_model.bin", "adapter_model.bin"):
        (path.parent / name).write_bytes(bomb(canary))


def bomb(canary: Path) -> bytes:
    """A pickle that makes a file when it is loaded, written by hand: this package imports no
    pickle.
    """
    return b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."


def _spoil_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        size = len(found)
        if not size:
            return bytes(rng.integers(0, 256, 64, dtype=np.uint8))
        # beginnings are where counts and lengths stand
        at = int(rng.integers(size if rng.random() < 0.5 else min(size, 256)))
        choice = int(rng.integers(8))
        if choice == 0:
            found[at] ^= 1 << int(rng.integers(8))
        elif choice == 1:
            found[at] = int(rng.integers(256))
        elif choice == 2:
            del found[at:]
        elif choice == 3:
            del found[at : at + int(rng.integers(1, 64))]
        elif choice == 4:
            found[at:at] = found[at : at + int(rng.integers(1, 512))]
        elif choice == 5:
            width = (1, 2, 4, 8)[int(rng.integers(4))]
            number = NUMBERS[int(rng.integers(len(NUMBERS)))] % 256**width
            found[at : at + width] = number.to_bytes(width, "little")
        elif choice == 6:
            found[at:at] = bytes(rng.integers(0, 256, 16, dtype=np.uint8))
        else:
            parts = (
                b'"',
                b",",
                b"\0",
                b"\n",
                b"\r",
                b"\xff\xfe",
                b"1e999",
                b"[" * 5000,
                b"\xef\xbb\xbf",
                b"{}",
            )
            found[at:at] = parts[int(rng.integers(len(parts)))]
    return bytes(found)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with the key of every value in it."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found += [(one, key) for key in one]
            left += one.values()
        elif isinstance(one, list):
            found += [(one, i) for i in range(len(one))]
            left += one
    return found


def confuse(value: Any, rng: np.random.Generator) -> Any:
    """A JSON value with one part of it replaced, removed, renamed, repeated or nested beyond
    measure.
    """
    places = _places(value)
    if not places or rng.random() < 0.03:
        return VALUES[int(rng.integers(len(VALUES)))]
    holder, key = places[int(rng.integers(len(places)))]
    choice = rng.random()
    if choice < 0.65:
        holder[key] = VALUES[int(rng.integers(len(VALUES)))]
    elif choice < 0.75:
        del holder[key]
    elif choice < 0.8 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif choice < 0.85 and isinstance(holder, dict):
        holder["attn_implementation"] = "some-one/kernel"
    elif choice < 0.9 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] * (2 ** int(rng.integers(1, 60)))
    elif choice < 0.95 and isinstance(holder, list):
        holder += [holder[key]] * 100
    else:
        holder[key] = _DEEP
    return value


def _dump(value: Any) -> str:
    depth = 50_000
    return json.dumps(value).replace(json.dumps(_DEEP), "[" * depth + "]" * depth)


def _spoil_json(path: Path, rng: np.random.Generator) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        if path.suffix == ".jsonl":
            lines = text.splitlines()
            at = int(rng.integers(len(lines)))
            lines[at] = _dump(confuse(json.loads(lines[at]), rng))
            text = "\n".join(lines)
        else:
            value = json.loads(text)
            signed = isinstance(value, dict) and "sha256" in value
            value = confuse(value, rng)
            if signed and isinstance(value, dict) and rng.random() < 0.8:
                value = _signed(value)
            text = _dump(value)
    except (ValueError, IndexError, RecursionError):  # spoiled before
        path.write_bytes(_spoil_bytes(path.read_bytes(), rng))
        return
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def _signed(value: dict[str, Any]) -> dict[str, Any]:
    from inscape.store.manifest import sign

    unsigned = {k: v for k, v in value.items() if k != "sha256"}
    try:
        return {**unsigned, "sha256": sign(unsigned)}
    except (ValueError, UnicodeEncodeError):
        return value


def _spoil_header(path: Path, rng: np.random.Generator) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        text = _dump(confuse(header, rng)).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, MemoryError, OverflowError):  # spoiled before
        path.write_bytes(_spoil_bytes(data, rng))
        return
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
