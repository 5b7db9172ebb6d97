"""Inputs that are small on disk and large in memory, which no flipped byte makes: the first inputs
of their readers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import wave
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def _zipped(folder: Path) -> None:
    # members of a gzip file follow each other, and one of 100 MB is compressed once
    member = gzip.compress(b"a" * 10**8, compresslevel=1)
    (folder / "data.csv.gz").write_bytes(gzip.compress(b"text\n") + member * 40)


def _wide(folder: Path) -> None:
    names = ",".join(f"c{i}" for i in range(500_000))
    (folder / "data.csv").write_text(f"text,{names}\n" + f"a{',' * 500_000}\n" * 3)


def _strangers(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        records = [json.dumps({f"k{i}": i}) for i in range(300_000)]
        lines = name.endswith("l")
        text = "\n".join(records) if lines else f"[{','.join(records)}]"
        (folder / name).write_text(text)

    return make


def _picture(folder: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
    (folder / "b.png").write_bytes(png + chunk(b"IEND", b""))


def _slow_sound(folder: Path) -> None:
    with wave.open(str(folder / "b.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(bytes(5_000_000))


def _parquet(folder: Path, table: pa.Table, times: int, **options: Any) -> None:
    """A table again and again: making a bomb must not take what reading it would."""
    with pq.ParquetWriter(folder / "data.parquet", table.schema, **options) as file:
        for _ in range(times):
            file.write_table(table)


def _repeated(rows: int, length: int, keep: bool) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        codes = pa.array(np.zeros(rows, dtype=np.int32))
        column = pa.DictionaryArray.from_arrays(codes, pa.array(["a" * length]))
        _parquet(folder, pa.table({"text": column}), 1, store_schema=keep)

    return make


def _long_text(folder: Path) -> None:
    text = pa.table({"text": ["a" * 10**8]})
    _parquet(folder, text, 4, compression="zstd", use_dictionary=False)


def _same_beginning(folder: Path) -> None:
    words = pa.table({"text": ["a" * 50_000 + str(i) for i in range(1000)]})
    encoding = {"text": "DELTA_BYTE_ARRAY"}
    _parquet(folder, words, 8, use_dictionary=False, column_encoding=encoding)


def _packed(path: Path, name: str, kind: Callable[..., Any]) -> None:
    table = pa.table({name: ["a" * 10**8]})
    with kind(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
        for _ in range(4):
            file.write_table(table)


def _packed_set(folder: Path) -> None:
    _packed(next((folder / "set").glob("*.arrow")), "text", pa.ipc.new_stream)


def _manifest(folder: Path) -> dict[str, Any]:
    from inscape.store import manifest as manifests

    return manifests.read(folder / "store")


def _edited(folder: Path, **changed: Any) -> None:
    from inscape.store import manifest as manifests

    manifests.write(folder / "store", {**_manifest(folder), **changed})


def _packed_store(folder: Path) -> None:
    (name,) = _manifest(folder)["beside"]
    path = folder / "store" / name
    _packed(path, "id", pa.ipc.new_file)
    data = path.read_bytes()
    _edited(folder, beside={name: hashlib.sha256(data).hexdigest()}, beside_bytes={name: len(data)})


def _long_store(folder: Path) -> None:
    shards = _manifest(folder)["shards"]
    _edited(folder, shards=[{**shards[0], "rows": 2**40}], rows=2**40)


def _broad_store(folder: Path) -> None:
    sites = _manifest(folder)["sites"]
    _edited(folder, sites={name: {**site, "width": 2**40} for name, site in sites.items()})


#: reader → what makes a bomb of a sound input, in place
BOMBS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "CSV": (_wide,),
    "CSV, gzip": (_zipped,),
    "JSON Lines": (_strangers("data.jsonl"),),
    "JSON": (_strangers("data.json"),),
    "images": (_picture,),
    "sound": (_slow_sound,),
    "Parquet": (
        _repeated(200_000, 20_000, True),
        _repeated(4000, 500_000, False),
        _repeated(30_000_000, 3, True),
        _long_text,
        _same_beginning,
    ),
    "data set folder": (_packed_set,),
    "store": (_packed_store, _long_store, _broad_store),
}
