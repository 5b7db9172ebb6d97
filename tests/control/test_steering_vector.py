"""Steering vectors: what they add, the two formats read back by their own readers, and what is
refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from safetensors.numpy import load_file, save_file

from inscape.control.steering_vector import SteeringVector
from inscape.core.errors import DataError
from inscape.model.model import Model
from tests.model import nets


def vector(first=1):
    rng = np.random.default_rng(0)
    rows = {layer: rng.normal(size=nets.D) for layer in (first, 2)}
    return SteeringVector(rows, "llama", {"method": "difference of means", "accuracy": 0.75})


@pytest.mark.parametrize("name", ["v.gguf", "v.safetensors"])
def test_a_round_trip_keeps_everything(tmp_path, name):
    made = vector()
    again = SteeringVector.load(made.save(tmp_path / name))
    assert again.model_hint == "llama"
    assert again.card == made.card
    assert list(again.vectors) == [1, 2]
    assert all(np.array_equal(again.vectors[k], made.vectors[k]) for k in (1, 2))


def test_the_gguf_file_is_what_llama_cpp_reads(tmp_path):
    made = vector()
    reader = GGUFReader(made.save(tmp_path / "v.gguf"))
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    assert reader.get_field("controlvector.layer_count").contents() == 2
    found = {t.name: t for t in reader.tensors}
    assert set(found) == {"direction.1", "direction.2"}
    assert found["direction.2"].tensor_type.name == "F32"
    assert np.array_equal(found["direction.2"].data, made.vectors[2])


def test_a_file_of_another_tool_is_read(tmp_path):
    writer = GGUFWriter(tmp_path / "other.gguf", "controlvector")
    writer.add_string("controlvector.model_hint", "mistral")
    writer.add_uint32("controlvector.layer_count", 1)
    writer.add_string("general.description", "happy minus sad")
    writer.add_tensor("direction.7", np.arange(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = SteeringVector.load(tmp_path / "other.gguf")
    assert found.vectors[7].tolist() == [0, 1, 2, 3]
    assert (found.model_hint, found.card, found.width) == (
        "mistral",
        {"description": "happy minus sad"},
        4,
    )


def of_type(path, kind, values):
    """A control vector whose tensor is of a type of GGUF's."""
    which = GGMLQuantizationType[kind]
    writer = GGUFWriter(path, "controlvector")
    data = values if values.dtype.kind == "i" else quants.quantize(values[None], which)
    writer.add_tensor("direction.1", data, raw_dtype=which)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_1"])
def test_a_vector_of_any_type_holds_its_numbers_and_not_its_bytes(tmp_path, kind):
    values = np.random.default_rng(0).normal(size=64).astype(np.float32)
    found = SteeringVector.load(of_type(tmp_path / "v.gguf", kind, values)).vectors[1]
    assert found.shape == values.shape
    assert np.abs(found - values).max() < (0.5 if kind.startswith("Q") else 0.02)
    assert np.corrcoef(found, values)[0, 1] > 0.98


def test_a_vector_that_is_no_floats_is_refused(tmp_path):
    path = of_type(tmp_path / "v.gguf", "I32", np.arange(4, dtype=np.int32))
    with pytest.raises(DataError, match=r"'direction.1' is I32, which cannot be read as numbers"):
        SteeringVector.load(path)


def test_edits_add_after_the_block_and_strength_scales():
    model, made = Model(nets.net("llama")), vector()
    ids = {"input_ids": torch.tensor([[5, 9, 17]])}
    plain = model.run(ids, "resid_post.1")["resid_post.1"]
    for strength in (0.0, -2.0):
        found = model.run(ids, "resid_post.1", edits=made.edits(strength))["resid_post.1"]
        assert torch.allclose(
            found, plain + strength * torch.from_numpy(made.vectors[1]), atol=1e-5
        )


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="needs a vector for at least one block"):
        SteeringVector({})
    with pytest.raises(ValueError, match=r"vectors must be \(d,\) alike"):
        SteeringVector({1: np.ones(2), 2: np.ones(3)})
    with pytest.raises(ValueError, match="blocks count from 0 and vectors are finite"):
        SteeringVector({-1: np.ones(2)})
    with pytest.raises(DataError, match="no vector on block 0"):
        vector(first=0).save(tmp_path / "v.gguf")
    with pytest.raises(DataError, match=r"v.npz: steering vectors are saved as .gguf"):
        vector().save(tmp_path / "v.npz")
    with pytest.raises(DataError, match="there is no file"):
        SteeringVector.load(tmp_path / "none.gguf")
    (tmp_path / "v.npz").touch()
    with pytest.raises(DataError, match=r"v.npz: steering vectors are .gguf"):
        SteeringVector.load(tmp_path / "v.npz")
    for name, what in (
        ("bad.gguf", "is not a GGUF file"),
        ("bad.safetensors", "is not a safetensors file"),
    ):
        (tmp_path / name).write_bytes(b"not at all, and long enough to be looked at")
        with pytest.raises(DataError, match=what):
            SteeringVector.load(tmp_path / name)
    save_file({"weight": np.ones(2, dtype=np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"has no tensor direction.N"):
        SteeringVector.load(tmp_path / "other.safetensors")
    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(DataError, match="holds a llama file, not a control vector"):
        SteeringVector.load(tmp_path / "model.gguf")
    assert load_file(vector(first=0).save(tmp_path / "v.safetensors")).keys() == {
        "direction.0",
        "direction.2",
    }


@pytest.mark.parametrize("ending", ["gguf", "safetensors"])
def test_only_a_vector_of_ours_is_written_over(tmp_path, ending):
    path = tmp_path / f"v.{ending}"
    path.write_bytes(b"GGUF mine")
    with pytest.raises(DataError, match="already exists and was not written by this command"):
        vector().save(path)
    assert path.read_bytes() == b"GGUF mine"
    path.unlink()
    vector().save(path)
    again = SteeringVector.load(vector(first=2).save(path))
    assert list(again.vectors) == [2]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
