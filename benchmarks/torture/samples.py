"""One sound input of every kind that Inscape reads: what the hostile ones are made from.

Each is a folder with one file or more; `READERS` says how each is read. Everything is tiny: a model
of two blocks, forty sentences, pictures of eight pixels.
"""

from __future__ import annotations

import gzip
import json
import shutil
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torture.tiny import examples, model, network, table, tokenizer


def _csv(folder: Path) -> None:
    table().to_csv(folder / "data.csv", index=False)


def _zipped(folder: Path) -> None:
    (folder / "data.csv.gz").write_bytes(gzip.compress(table().to_csv(index=False).encode()))


def _lines(folder: Path) -> None:
    table().to_json(folder / "data.jsonl", orient="records", lines=True)


def _json(folder: Path) -> None:
    table().to_json(folder / "data.json", orient="records")


def _parquet(folder: Path) -> None:
    table().to_parquet(folder / "data.parquet", index=False)


def _dataset(folder: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_pandas(table()).save_to_disk(str(folder / "set"))


def _vector(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from inscape.control.steering_vector import SteeringVector

        rows = {n: np.full(16, n, dtype=np.float32) for n in (1, 2)}
        SteeringVector(rows, "llama", {"what": "a vector"}).save(folder / name)

    return make


def _adapter(folder: Path) -> None:
    import torch

    from inscape.control.adapter_files import save_adapters
    from inscape.control.low_rank_adapter import LowRankAdapters

    names = [f"model.layers.{i}.mlp.up_proj" for i in range(2)]
    down, up = ({n: torch.ones(s) for n in names} for s in ((2, 16), (24, 2)))
    save_adapters(LowRankAdapters(down, up, 4.0), folder / "adapter")


def _moments(folder: Path) -> None:
    from inscape.store.moments import moments

    moments(model(), examples(), "resid_post.*", pairs="all", to=folder / "moments", progress=False)


def _store(folder: Path, sites: str = "resid_post.*") -> None:
    from inscape.store.harvest import harvest

    harvest(model(), examples(), sites, to=folder / "store", shard_bytes=1000, progress=False)


def _image(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    for suffix in ("png", "jpg", "bmp", "gif", "webp", "tif"):
        picture.save(folder / f"a.{suffix}")


def _sound(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(rng.integers(-9999, 9999, 400, dtype=np.int16).tobytes())


def _checkpoint(folder: Path) -> None:
    network().save_pretrained(folder / "net")
    tokenizer().save_pretrained(folder / "net")


def _shards(folder: Path) -> None:
    _checkpoint(folder)
    inside = folder / "net"
    (inside / "model.safetensors").rename(inside / "model-1.safetensors")
    names = [name for name in network().state_dict() if name != "lm_head.weight"]
    names.append("lm_head.weight")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-1.safetensors")}
    (inside / "model.safetensors.index.json").write_text(json.dumps(index))


def gguf(path: Path) -> None:
    """The network's shape as a GGUF file of random numbers."""
    from gguf import GGUFWriter

    width, hidden, words = 16, 24, 64
    writer = GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, 64),
        (writer.add_embedding_length, width),
        (writer.add_block_count, 2),
        (writer.add_feed_forward_length, hidden),
        (writer.add_head_count, 2),
        (writer.add_head_count_kv, 2),
        (writer.add_rope_dimension_count, 8),
        (writer.add_vocab_size, words),
    ):
        add(value)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = ["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(3, words))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * words)
    writer.add_token_types([2, 3, 3, *[1] * (words - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (words, width), "output_norm": (width,), "output": (words, width)}
    for block in range(2):
        shapes |= {f"blk.{block}.{n}": (width,) for n in ("attn_norm", "ffn_norm")}
        shapes |= {f"blk.{block}.attn_{n}": (width, width) for n in ("q", "k", "v", "output")}
        shapes |= {f"blk.{block}.ffn_{n}": (hidden, width) for n in ("gate", "up")}
        shapes[f"blk.{block}.ffn_down"] = (width, hidden)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tuned_lens(folder: Path) -> None:
    import torch

    from inscape.read.tuned_lens import TunedLens

    TunedLens(torch.ones(2, 8, 8), torch.zeros(2, 8), "tiny").save(folder / "lens")


def _jacobian_lens(folder: Path) -> None:
    import torch

    from inscape.read.jacobian_lens import JacobianLens

    JacobianLens({i: torch.ones(8, 8) for i in range(2)}, 3).save(folder / "lens.pt")


def _unfinished_addition(folder: Path) -> None:
    """A store with the journal of an addition of sites that stopped before its commit."""
    from unittest.mock import patch

    from inscape.store import add

    class Stopped(Exception):
        pass

    _store(folder, "resid_post.0")
    with patch.object(add, "_commit", side_effect=Stopped):
        try:
            _read_addition(folder)
        except Stopped:
            return
    raise AssertionError("the addition was not stopped")


def _read_addition(folder: Path) -> Any:
    from inscape.store.store import Store

    return Store(folder / "store").add(_model(), examples(), "resid_post.1", progress=False)


@cache
def _model() -> Any:
    return model()


def _record(folder: Path) -> None:
    from inscape.report.kept import keep

    _run(folder)
    keep([folder / "run"], folder / "records")
    shutil.rmtree(folder / "run")


def _read_record(folder: Path) -> Any:
    from inscape.report.kept import keep
    from inscape.report.results import by_study

    return by_study(keep([], folder / "records"))


def _run(folder: Path) -> None:
    from benchmarks.torture import toy

    toy.record(folder / "run", folder.parent / f"{folder.name}-cache")


def _load(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from inscape.data.load import load

        return load(folder / name)

    return read


def _read_vector(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from inscape.control.steering_vector import SteeringVector

        return SteeringVector.load(folder / name)

    return read


def _read_adapter(folder: Path) -> Any:
    from inscape.control.adapter_files import load_adapters

    return load_adapters(folder / "adapter")


def _read_moments(folder: Path) -> Any:
    from inscape.store.streamed_moments import StreamedMoments

    found = StreamedMoments.open(folder / "moments")
    return found.cka("resid_post.0", "resid_post.1")


def _read_store(folder: Path) -> Any:
    from inscape.store.store import Store

    store = Store(folder / "store")
    store.frame()
    return store.matrix("resid_post.0")


def _read_tuned_lens(folder: Path) -> Any:
    from inscape.read.tuned_lens import TunedLens

    return TunedLens.load(folder / "lens")


def _read_jacobian_lens(folder: Path) -> Any:
    from inscape.read.jacobian_lens import JacobianLens

    return JacobianLens.load(folder / "lens.pt")


def _read_images(folder: Path) -> Any:
    from inscape.data.media import image, read_folder

    found = read_folder(folder)
    return None if found is None else [image(file) for file in found["file"]]


def _read_sound(folder: Path) -> Any:
    from inscape.data.media import read_folder, sound

    found = read_folder(folder)
    return None if found is None else [sound(file, 16_000) for file in found["file"]]


def _open(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from inscape.model.open import open

        return open(folder / name)

    return read


def _read_run(folder: Path) -> Any:
    from inscape.report.folder import read
    from inscape.report.page import page

    return page(read(folder / "run"))


def _report(folder: Path) -> Any:
    from inscape.report.build import build

    return build(folder / "run")


#: reader → (how a sound input is made, how it is read)
READERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "CSV": (_csv, _load("data.csv")),
    "CSV, gzip": (_zipped, _load("data.csv.gz")),
    "JSON Lines": (_lines, _load("data.jsonl")),
    "JSON": (_json, _load("data.json")),
    "Parquet": (_parquet, _load("data.parquet")),
    "data set folder": (_dataset, _load("set")),
    "vector, GGUF": (_vector("v.gguf"), _read_vector("v.gguf")),
    "vector, safetensors": (_vector("v.safetensors"), _read_vector("v.safetensors")),
    "adapter folder": (_adapter, _read_adapter),
    "moments": (_moments, _read_moments),
    "store": (_store, _read_store),
    "unfinished addition": (_unfinished_addition, _read_addition),
    "run folder": (_run, _read_run),
    "record of a run": (_record, _read_record),
    "tuned lens": (_tuned_lens, _read_tuned_lens),
    "Jacobian lens": (_jacobian_lens, _read_jacobian_lens),
    "images": (_image, _read_images),
    "sound": (_sound, _read_sound),
    "checkpoint": (_checkpoint, _open("net")),
    "checkpoint in shards": (_shards, _open("net")),
    "model, GGUF": (lambda folder: gguf(folder / "m.gguf"), _open("m.gguf")),
}
#: reports are slow, and are looked at afterwards
REPORT = (_run, _report)
