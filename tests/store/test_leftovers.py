"""What is left when the end comes right after the last commit is removed by the same call made
again.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from inscape.core.errors import StoreError
from inscape.store.forecast import forecast
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.storage import LocalFolder
from inscape.store.store import Store


class Died(BaseException):
    """As sudden as a kill."""


@contextmanager
def death_at_the_first_removal():
    def remove(self, name):
        raise Died(name)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Died):
        patch.setattr(LocalFolder, "remove", remove)
        yield


def test_the_journal_of_an_addition(model, examples, tmp_path):
    harvest(model, examples, "resid_post.0", to=tmp_path / "s", progress=False)
    with death_at_the_first_removal():
        Store(tmp_path / "s").add(model, examples, "resid_post.1", progress=False)
    store = Store(tmp_path / "s")
    assert (tmp_path / "s" / "adding.json").exists()
    before = store.matrix("resid_post.1").tobytes()
    (tmp_path / "s" / "mine.txt").write_text("mine")
    store.add(model, examples, "resid_post.1", progress=False)
    assert not (tmp_path / "s" / "adding.json").exists()
    assert (tmp_path / "s" / "mine.txt").read_text() == "mine"
    assert Store(tmp_path / "s").matrix("resid_post.1").tobytes() == before


def test_an_unfinished_addition_of_other_sites_stays(model, examples, tmp_path, monkeypatch):
    harvest(model, examples, "resid_post.0", to=tmp_path / "s", progress=False)

    def died(*_):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("inscape.store.add._commit", died)
        with pytest.raises(Died):
            Store(tmp_path / "s").add(model, examples, "resid_post.1", progress=False)
    there = sorted(p.name for p in (tmp_path / "s").rglob("*"))
    assert "adding.json" in there
    Store(tmp_path / "s").add(model, examples, "resid_post.0", progress=False)
    assert sorted(p.name for p in (tmp_path / "s").rglob("*")) == there


def test_arrays_of_moments(model, examples, tmp_path):
    options = {"to": tmp_path / "m", "shard_bytes": 2000, "commit_seconds": 0.0, "progress": False}
    with death_at_the_first_removal():
        moments(model, examples, "resid_post.0", **options)
    moments(model, examples, "resid_post.0", **options)
    (tmp_path / "m" / ("moments-" + 16 * "0" + ".safetensors")).write_bytes(b"old")
    moments(model, examples, "resid_post.0", **options)
    assert len(list((tmp_path / "m").glob("moments-*.safetensors"))) == 1


@pytest.mark.parametrize("verb", ["harvest", "moments", "plan"])
def test_the_small_store_of_a_plan_that_was_killed(model, examples, tmp_path, verb):
    """It lies in the folder itself where that was there already, and is no reason to refuse it."""
    folder = tmp_path / "s"
    (folder / ".making-inscape-plan-0123456789abcdef" / "store").mkdir(parents=True)
    (tmp_path / ".making-inscape-plan-0123456789abcdef").mkdir()  # of another place
    call = {"harvest": harvest, "moments": moments, "plan": forecast}[verb]
    call(model, examples, "embed", to=folder)
    assert not list(folder.glob(".making-*"))
    other = tmp_path / "other"
    other.mkdir()
    (other / ".making-inscape-plan-mine").mkdir()  # not a name of ours
    with pytest.raises(StoreError, match=r"\.making-inscape-plan-mine"):
        call(model, examples, "embed", to=other)
    assert (other / ".making-inscape-plan-mine").is_dir()
