"""Arrow files of saved data sets: a damaged one is a sentence and not the end of the
interpreter.
"""

from __future__ import annotations

import json

import datasets
import pandas as pd
import pyarrow as pa
import pytest

from inscape.core.errors import DataError
from inscape.data.arrow_files import check_arrow_files
from inscape.data.load import load


@pytest.fixture
def folder(tmp_path):
    datasets.disable_progress_bars()
    frame = pd.DataFrame({"text": ["one", "two"], "y": [1.0, 2.0]})
    datasets.Dataset.from_pandas(frame).save_to_disk(str(tmp_path / "set"))
    return tmp_path / "set"


def test_a_sound_one_passes(folder):
    check_arrow_files(folder)
    assert load(folder, labels=["y"]).texts() == ["one", "two"]


def test_offsets_that_lead_nowhere_are_found(folder):
    path = next(folder.glob("*.arrow"))
    data = bytearray(path.read_bytes())
    offsets = data.find(
        (0).to_bytes(4, "little") + (3).to_bytes(4, "little") + (6).to_bytes(4, "little")
    )
    if offsets < 0:  # large strings
        offsets = data.find(b"".join(n.to_bytes(8, "little") for n in (0, 3, 6)))
    assert offsets > 0
    data[offsets + 4 : offsets + 8] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot be loaded: .*\.arrow is damaged"):
        load(folder)
    path.write_bytes(data[:200])
    with pytest.raises(DataError, match=r"\.arrow is damaged"):
        load(folder)


def test_compressed_batches_are_refused(folder):
    path = next(folder.glob("*.arrow"))
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        table = stream.read_all()
    with pa.ipc.new_stream(
        path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as file:
        file.write_table(table)
    with pytest.raises(DataError, match=r"\.arrow is damaged, .*its batches are compressed"):
        load(folder)


def test_names_that_lead_out_are_refused(folder):
    state = json.loads((folder / "state.json").read_text())
    for name in ("../x.arrow", "/etc/passwd", "a\0b"):
        state["_data_files"] = [{"filename": name}]
        (folder / "state.json").write_text(json.dumps(state))
        with pytest.raises(DataError, match="outside itself"):
            check_arrow_files(folder)
    path = next(folder.glob("*.arrow"))
    outside = path.rename(folder.parent / "outside.arrow")
    path.symlink_to(outside)
    state["_data_files"] = [{"filename": path.name}]
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match="missing or leads out"):
        check_arrow_files(folder)


def test_splits_lie_inside(folder):
    (folder.parent / "dataset_dict.json").write_text('{"splits": ["set"]}')
    check_arrow_files(folder.parent)
    (folder.parent / "dataset_dict.json").write_text('{"splits": ["../set"]}')
    with pytest.raises(DataError, match="names a split '../set' outside itself"):
        check_arrow_files(folder.parent)
