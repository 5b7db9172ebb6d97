"""The head of a GGUF file is believed only as far as its tensors bear it out."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGUFWriter

from inscape.core.errors import ModelError
from inscape.model.gguf_head import check_head


def write(path, architecture="llama", tensors=4, **counts):
    writer = GGUFWriter(path, architecture)
    for name, value in counts.items():
        writer.add_uint32(f"{architecture}.{name}", value)
    for i in range(tensors):
        writer.add_tensor(f"t{i}", np.zeros(3, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_head_that_can_be_true_passes(tmp_path):
    check_head(write(tmp_path / "a.gguf", block_count=4, embedding_length=8))


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({}, "does not say its architecture and how many blocks"),
        ({"block_count": 5}, "says block_count = 5, and with 4 tensors it can be 4 at most"),
        ({"block_count": 2, "embedding_length": 2**31}, "says embedding_length = 2147483648"),
        (
            {"block_count": 2, "embedding_length": 10**6, "vocab_size": 10**6},
            "says embedding_length = 1000000",
        ),
    ],
)
def test_counts_that_cannot_be_true_are_refused(tmp_path, counts, sentence):
    with pytest.raises(ModelError, match=f"a.gguf {sentence}.*fetch the file again"):
        check_head(write(tmp_path / "a.gguf", **counts))


def test_a_torn_file_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.gguf", block_count=1)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ModelError, match=r"a.gguf cannot be read \("):
        check_head(path)
