"""Every reader ends in one sentence of ours or in a sound value, whatever bytes or JSON it is
given.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from pathlib import Path

import pytest
from benchmarks.torture.samples import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inscape.core.errors import InscapeError

#: readers whose files are small, and how the sentence may name them
QUICK = [
    "CSV",
    "CSV, gzip",
    "JSON Lines",
    "JSON",
    "Parquet",
    "data set folder",
    "vector, GGUF",
    "vector, safetensors",
    "adapter folder",
    "moments",
    "store",
    "run folder",
    "record of a run",
    "tuned lens",
    "Jacobian lens",
    "images",
    "sound",
]
FUZZED = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "remove", "repeat", "number", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**30, 10**40)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["../../etc/passwd", "\0", "nan", "weights.bin"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def sound_inputs(tmp_path_factory):
    made: dict[str, Path] = {}

    def of(reader: str) -> Path:
        if reader not in made:
            made[reader] = tmp_path_factory.mktemp("sound") / "input"
            made[reader].mkdir()
            READERS[reader][0](made[reader])
        return made[reader]

    return of


def spoiled(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    found = bytearray(data)
    for kind, place, some in edits:
        at = int(place * len(found))
        if kind == "flip" and found:
            found[at] ^= some[0] or 1
        elif kind == "cut":
            del found[at:]
        elif kind == "remove":
            del found[at : at + 8 * some[0]]
        elif kind == "repeat":
            found[at:at] = found[at : at + some[0]]
        elif kind == "number":
            found[at : at + len(some)] = some
        else:
            found[at:at] = some
    return bytes(found)


def read(reader: str, folder: Path) -> str | None:
    """Read; the sentence, if it was refused. Anything else that is raised fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            READERS[reader][1](folder)
    except InscapeError as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert len(sentence) < 1000
        assert not any(word in sentence for word in ("Traceback", "weights_only", "Errno"))
        return sentence
    return None


def copied(sample: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(sample, to))


@pytest.mark.parametrize("reader", QUICK)
def test_bytes(reader, sound_inputs, tmp_path):
    sample = sound_inputs(reader)
    assert read(reader, copied(sample, tmp_path / "input")) is None
    count = len([p for p in sample.rglob("*") if p.is_file()])
    refused = []

    @FUZZED
    @given(st.integers(0, count - 1), EDITS)
    def fuzz(number, edits):
        folder = copied(sample, tmp_path / "input")
        path = sorted(p for p in folder.rglob("*") if p.is_file())[number]
        path.write_bytes(spoiled(path.read_bytes(), edits))
        refused.append(read(reader, folder))

    fuzz()
    assert any(refused), "no input was refused, so none was hostile"


#: the file that is changed
RECORDS = {
    "adapter folder": "adapter/adapter_config.json",
    "moments": "moments/moments.json",
    "store": "store/manifest.json",
    "unfinished addition": "store/adding.json",
    "run folder": "run/run.json",
    "record of a run": "records/toy-norms_*.json",
    "tuned lens": "lens/config.json",
    "data set folder": "set/state.json",
    "JSON": "data.json",
}


@pytest.mark.parametrize("reader", RECORDS)
def test_types(reader, sound_inputs, tmp_path):
    from inscape.store.manifest import sign

    sample = sound_inputs(reader)
    refused = []

    @FUZZED
    @given(st.data(), VALUES)
    def fuzz(data, value):
        folder = copied(sample, tmp_path / "input")
        (path,) = folder.glob(RECORDS[reader])
        record = json.loads(path.read_text())
        holder = record[0] if isinstance(record, list) else record
        holder[data.draw(st.sampled_from(sorted(holder)))] = value
        if "sha256" in holder:  # signed again, so that what is behind the signature is reached
            unsigned = {k: v for k, v in record.items() if k != "sha256"}
            # what has no signature is refused before
            with contextlib.suppress(ValueError):
                record = {**unsigned, "sha256": sign(unsigned)}
        path.write_bytes(json.dumps(record).encode("utf-8", "surrogatepass"))
        refused.append(read(reader, folder))

    fuzz()
    assert any(refused)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "1" * 10_000, "", "\ufeff[]"])
@pytest.mark.parametrize("reader", RECORDS)
def test_nesting_and_long_numbers(reader, text, sound_inputs, tmp_path):
    folder = copied(sound_inputs(reader), tmp_path / "input")
    (path,) = folder.glob(RECORDS[reader])
    path.write_text(text, encoding="utf-8")
    assert read(reader, folder) is not None
