"""verify says in one line that a store is sound, or names what is not and ends with 1."""

import json

import numpy as np
import pytest
from torch import nn

from inscape.model.model import Model
from inscape.store.harvest import harvest

from .test_models import call


@pytest.fixture
def store(tmp_path):
    model = Model(nn.Sequential(nn.Linear(3, 4)).eval(), name="linear")
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    return harvest(model, x, "module:0:out", to=tmp_path / "s", shard_bytes=48)


def test_a_sound_store(store):
    result = call("verify", str(store.path))
    assert result.exit_code == 0, result.output
    said = f"{store.path} passes its checks: 6 rows, 1 sites, 2 shards, all checksums match.\n"
    assert result.stdout == said
    assert json.loads(call("verify", str(store.path), "--json").stdout)["sound"] is True


def test_a_damaged_store(store):
    (file,) = store.manifest["shards"][1]["files"]
    held = bytearray((store.path / file).read_bytes())
    held[-1] ^= 1
    (store.path / file).write_bytes(held)
    result = call("verify", str(store.path))
    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"{store.path} is damaged: shard 1 (examples 3 to 5): {file} does not match its SHA-256 "
        "checksum"
    )
    assert result.stdout.endswith("Delete it and harvest again.\n")
    found = json.loads(call("verify", str(store.path), "--json").stdout)
    assert (found["sound"], len(found["problems"])) == (False, 1)


def test_no_store(tmp_path):
    result = call("verify", str(tmp_path))
    assert result.exit_code == 1
    assert "there is no store at" in result.stderr
