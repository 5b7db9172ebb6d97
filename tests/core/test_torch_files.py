"""PyTorch's own files: tensors come back, and pickles, pipes, compressed parts and tensors out of
nothing do not.
"""

from __future__ import annotations

import os
import zipfile

import pytest
import torch

from inscape.core.torch_files import load_tensors


class Harm:
    """What a pickle of makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_tensors_in_containers_come_back(tmp_path):
    kept = {"J": {1: torch.ones(2, 2), 3: torch.zeros(2, 2).T}, "n": 4, "names": ["a", ("b",)]}
    kept["row"] = torch.arange(9.0).reshape(3, 3)[:, 1]
    torch.save(kept, tmp_path / "a.pt")
    found = load_tensors(tmp_path / "a.pt")
    assert torch.equal(found["J"][1], kept["J"][1])
    assert torch.equal(found["row"], kept["row"])
    assert found["names"] == ["a", ("b",)]


def test_code_is_not_run(tmp_path):
    torch.save({"a": Harm(tmp_path / "made")}, tmp_path / "a.pt")
    with pytest.raises(Exception, match="[Ww]eights only"):
        load_tensors(tmp_path / "a.pt")
    assert not (tmp_path / "made").exists()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.pt")
    with pytest.raises(ValueError, match="a.pt is not a regular file"):
        load_tensors(tmp_path / "a.pt")


def test_a_bare_pickle_is_no_archive(tmp_path):
    torch.save(torch.ones(2), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="a.pt is not a file that torch.save writes"):
        load_tensors(tmp_path / "a.pt")


def test_compressed_parts_are_not_unfolded(tmp_path):
    torch.save(torch.zeros(1_000_000), tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as plain,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    assert (tmp_path / "b.pt").stat().st_size < 20_000
    with pytest.raises(ValueError, match="b.pt is compressed"):
        load_tensors(tmp_path / "b.pt")
    assert load_tensors(tmp_path / "a.pt").shape == (1_000_000,)


def test_a_tensor_out_of_one_number_is_refused(tmp_path):
    torch.save({"a": [torch.zeros(1).expand(2**30, 2**10)]}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"a tensor of \(1073741824, 1024\) that it does not hold"):
        load_tensors(tmp_path / "a.pt")


def test_one_tensor_under_many_names_is_refused(tmp_path):
    one = torch.zeros(1000)
    torch.save({i: one for i in range(3)}, tmp_path / "a.pt")
    assert len(load_tensors(tmp_path / "a.pt")) == 3
    torch.save({i: one for i in range(300)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a tensor of \(1000,\) that it does not hold"):
        load_tensors(tmp_path / "a.pt")
