"""Reading a store, adding sites to it, and finding out what is wrong with it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from inscape.core.errors import StoreError
from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.store import manifest as manifests
from inscape.store.duplicates import expand_rows
from inscape.store.harvest import harvest
from inscape.store.store import Store

from .conftest import WORDS, close_to_rounding, llama, sentences, tokenizer


@pytest.fixture(scope="module")
def kept(model, examples, tmp_path_factory):
    """A store of several shards, made once; tests that damage it work on a copy."""
    path = tmp_path_factory.mktemp("stores") / "s"
    return harvest(model, examples, "embed, resid_post.*", at="all", to=path, shard_bytes=9000)


@pytest.fixture
def copy(kept, tmp_path):
    shutil.copytree(kept.path, tmp_path / "copy")
    return Store.open(tmp_path / "copy")


def test_what_a_store_says_of_itself(kept, examples):
    assert [str(s) for s in kept.sites] == ["embed", "resid_post.0", "resid_post.1", "resid_post.2"]
    assert f">{kept.sites[-1]}</td>" in kept._repr_html_()
    assert repr(kept).endswith(
        f"{len(kept)} rows of 40 examples × 4 sites, llama0 at 'all', float32)"
    )
    assert kept.width("embed") == 24
    assert kept.certificate is None
    assert Store.open(str(kept.path)).manifest == kept.manifest
    assert len(kept.manifest["shards"]) > 3
    assert kept.verify() == []


def test_site_names_are_read_as_everywhere(kept):
    assert np.array_equal(kept.matrix("hidden_states.2"), kept.matrix(Site("resid_post", 1)))
    with pytest.raises(
        StoreError,
        match=r"has no site mlp_out\.0; bring it with store\.add.*Choices: embed, resid_post",
    ):
        kept.matrix("mlp_out.0")


def test_matrices_go_one_by_one(kept):
    assert [str(s) for s, _ in kept.matrices()] == [str(s) for s in kept.sites]
    ((site, x),) = kept.matrices(["resid_post.2"])
    assert str(site) == "resid_post.2"
    assert np.array_equal(x, kept.matrix("resid_post.2"))


def test_take_gives_rows_in_the_order_asked(kept):
    rows = [len(kept) - 1, 0, 5]
    assert np.array_equal(kept.take("resid_post.1", rows), kept.matrix("resid_post.1")[rows])


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_batches_stream_every_row_once(kept, size, monkeypatch):
    monkeypatch.setattr("inscape.store.store._BLOCK_BYTES", 24 * 4 * 10)  # blocks of ten rows
    whole = {name: kept.matrix(name) for name in ("embed", "resid_post.2")}
    for shuffle in (None, generator(0, "batches")):
        blocks = list(kept.batches(list(whole), size, shuffle))
        rows = np.concatenate([b.rows for b in blocks])
        assert sorted(rows.tolist()) == list(range(len(kept)))
        assert (rows.tolist() == sorted(rows.tolist())) is (shuffle is None)
        assert all(len(b.rows) == size for b in blocks[:-1])
        for block in blocks:
            for name, x in whole.items():
                assert np.array_equal(block.vectors[name], x[block.rows])


def test_shuffling_is_the_generators_and_mixes_far_rows(kept, monkeypatch):
    monkeypatch.setattr("inscape.store.store._BLOCK_BYTES", 24 * 4 * 10)
    order = [
        np.concatenate([b.rows for b in kept.batches("embed", 9, generator(s, "x"))])
        for s in (0, 0, 1)
    ]
    assert np.array_equal(order[0], order[1])
    assert not np.array_equal(order[0], order[2])
    assert np.ptp(order[0][:20]) > 60
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        next(kept.batches("embed", 0))


def test_added_sites_are_what_a_harvest_of_all_would_have(copy, kept, model, examples, tmp_path):
    before = {str(s): x for s, x in copy.matrices()}
    copy.add(model, examples, "resid_post.1, mlp_out.*, final_norm")
    whole = harvest(
        model,
        examples,
        "embed,resid_post.*,mlp_out.*,final_norm",
        at="all",
        to=tmp_path / "w",
        shard_bytes=9000,
    )
    assert copy.sites == whole.sites
    for site, x in copy.matrices():
        close_to_rounding(x, whole.matrix(site))
    assert all(np.array_equal(copy.matrix(s), x) for s, x in before.items())
    assert copy.verify() == []
    assert Store.open(copy.path).manifest == copy.manifest
    assert copy.frame().equals(kept.frame())


def test_adding_nothing_new_changes_nothing(copy, model, examples):
    before = copy.manifest
    assert copy.add(model, examples, "embed").manifest == before


def test_a_reader_opened_before_goes_on_reading_what_it_opened(copy, model, examples):
    reader = Store.open(copy.path)
    x = reader.matrix("embed")
    copy.add(model, examples, "mlp_out.0")
    assert np.array_equal(reader.matrix("embed"), x)
    assert len(reader.sites) == 4
    assert len(reader.refresh().sites) == 5


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda m, e: (llama(9), e), "weights"),
        (
            lambda m, e: (Model(m.net, tokenizer(WORDS[::-1]), "m"), e),
            "tokenizer, tokens or positions",
        ),
        (lambda m, e: (m, sentences(seed=1)), "examples, tokens or positions"),
    ],
)
def test_adding_refuses_other_weights_tokenizer_or_data(copy, model, examples, other, said):
    before = copy.manifest
    with pytest.raises(
        StoreError, match=f"cannot be added to .*: it was harvested with other {said}; open what"
    ):
        copy.add(*other(model, examples), "mlp_out.0")
    assert copy.refresh().manifest == before
    assert copy.verify() == []


def test_an_interrupted_addition_goes_on_and_readers_never_see_it(
    copy, model, examples, monkeypatch
):
    before = copy.manifest
    run, calls, stop = model.run, [], [9]

    def counted(*a, **k):
        calls.append(1)
        if len(calls) == stop[0]:
            raise KeyboardInterrupt
        return run(*a, **k)

    monkeypatch.setattr(model, "run", counted)
    with pytest.raises(KeyboardInterrupt):
        copy.add(model, examples, "mlp_out.*")
    assert copy.refresh().manifest == before
    journal = json.loads((copy.path / "adding.json").read_text())
    assert 0 < len(journal["done"]) < len(before["shards"])
    calls.clear()
    stop[0] = -1
    copy.add(model, examples, "mlp_out.*")
    resumed = len(calls)
    assert not (copy.path / "adding.json").exists()
    assert copy.verify() == []
    calls.clear()
    fresh = harvest(
        model, examples, "mlp_out.*", at="all", to=copy.path.parent / "f", shard_bytes=9000
    )
    assert resumed < len(calls)
    close_to_rounding(copy.matrix("mlp_out.2"), fresh.matrix("mlp_out.2"))


def flip(file, offset=None):
    data = bytearray(file.read_bytes())
    data[len(data) // 3 if offset is None else offset] ^= 1
    file.write_bytes(data)


def test_a_flipped_byte_is_found_and_named(copy):
    name = next(iter(copy.manifest["shards"][2]["files"]))
    flip(copy.path / name)
    (problem,) = copy.verify()
    assert problem.startswith("shard 2 (distinct inputs ")
    assert "does not match its SHA-256" in problem
    with pytest.raises(StoreError, match=r"is damaged: shard 2 .* Delete it and harvest again"):
        copy.verify(strict=True)


def test_a_missing_fragment_is_found_and_reading_says_so(copy):
    name = next(iter(copy.manifest["shards"][1]["files"]))
    (copy.path / name).unlink()
    assert [p for p in copy.verify() if "shard 1" in p and "is missing" in p]
    with pytest.raises(StoreError, match=rf"cannot be read \(its file {name} is missing\)"):
        Store.open(copy.path)
    with pytest.raises(StoreError, match=r"cannot be read .*`Store\.verify` says what is damaged"):
        copy.matrix("embed")


def test_a_manifest_of_another_model_is_found(copy, examples, tmp_path):
    other = harvest(
        llama(5), examples, "embed, resid_post.*", at="all", to=tmp_path / "o", shard_bytes=9000
    )
    assert copy.verify(model=llama(0)) == []
    assert "other weights" in copy.verify(model=llama(5))[0]
    shutil.copy(other.path / manifests.NAME, copy.path / manifests.NAME)
    problems = " ".join(copy.verify())
    assert "is missing" in problems
    with pytest.raises(StoreError, match=r"cannot be read"):
        Store.open(copy.path).matrix("embed")
    renamed = manifests.read(copy.path)
    theirs = [next(iter(s["files"])) for s in renamed["shards"]]
    ours = sorted(p for p in (copy.path / "data").iterdir())
    for mine, name in zip(ours, theirs, strict=True):
        mine.rename(copy.path / name)
    with pytest.raises(
        StoreError, match=r"is of another store\); `Store\.verify` says what is damaged"
    ):
        Store.open(copy.path).matrix("embed")


@pytest.mark.parametrize("field", ["weights", "rows"])
def test_an_edited_manifest_is_found(copy, field):
    manifest = manifests.read(copy.path)
    manifest["recipe"]["weights"], manifest["rows"] = (
        ("0" * 64, 1) if field == "weights" else ("", 1)
    )
    (copy.path / manifests.NAME).write_text(json.dumps(manifest))
    problems = " ".join(copy.verify())
    assert "was changed after it was written" in problems
    assert "is not that of its recipe" in problems
    assert "rows, manifest.json says 1" in problems


def test_data_under_the_manifest_is_compared_with_it(copy):
    manifest = manifests.read(copy.path)
    sites = {
        **manifest["sites"],
        "mlp_out.0": {"column": "mlp_out.0", "width": 24, "dtype": "float32"},
    }
    manifests.write(copy.path, {**manifest, "sites": sites, "shards": manifest["shards"][1:]})
    problems = " ".join(copy.verify())
    assert "shard 0 lacks the columns mlp_out.0" in problems
    assert f"manifest.json says {manifest['rows']}" in problems
    with pytest.raises(StoreError, match="its shards do not have the rows that it says"):
        Store.open(copy.path).matrix("mlp_out.0")
    shards = [{**shard, "rows": shard["rows"] + 1} for shard in manifest["shards"]]
    manifests.write(copy.path, {**manifest, "shards": shards})
    assert "columns of other lengths" in " ".join(copy.verify())


@pytest.mark.parametrize("cut", [4, 40, -5])
def test_a_file_cut_short_is_found_and_reading_says_so(copy, cut):
    name = next(iter(copy.manifest["shards"][1]["files"]))
    data = (copy.path / name).read_bytes()
    (copy.path / name).write_bytes(data[:cut])
    assert [p for p in copy.verify() if "shard 1" in p and "does not match its SHA-256" in p]
    length = len(data[:cut])
    said = rf"cannot be read \(its file {name} has {length:,} bytes and had {len(data):,}\)"
    with pytest.raises(StoreError, match=said):
        Store.open(copy.path)
    with pytest.raises(StoreError, match=r"cannot be read \(.*(ends too soon|header is damaged)"):
        copy.matrix("resid_post.2")


def test_the_table_of_the_examples_is_verified(copy):
    (name,) = copy.manifest["beside"]
    flip(copy.path / name)
    assert copy.verify() == [
        f"the table of the examples: {name} does not match its SHA-256 checksum."
    ]


def test_shards_open_in_the_fields_own_tools(copy):
    files = [next(iter(shard["files"])) for shard in copy.manifest["shards"]]
    loaded = [load_file(copy.path / name) for name in files]
    assert set(loaded[0]) == {
        "example",
        "position",
        "token",
        "embed",
        *(f"resid_post.{i}" for i in range(3)),
    }
    x = np.concatenate([part["resid_post.1"] for part in loaded])
    which = (
        pa.ipc.open_file(copy.path / next(iter(copy.manifest["beside"])))
        .read_all()["input"]
        .to_numpy()
    )
    rows, _ = expand_rows(which, np.concatenate([part["example"] for part in loaded]))
    assert len(rows) > len(x)  # two of the examples are the same input
    assert np.array_equal(x[rows], copy.matrix("resid_post.1"))
    assert np.array_equal(
        np.concatenate([part["token"] for part in loaded])[rows], copy.frame()["token"]
    )


def test_take_refuses_rows_that_are_not_there(kept):
    assert kept.take("embed", []).shape == (0, 24)
    for rows in ([-1], [0, len(kept)]):
        with pytest.raises(ValueError, match=rf"Store\.take: rows are 0 to {len(kept) - 1}, got"):
            kept.take("embed", rows)


def test_what_is_not_a_store_is_said_to_be_none(tmp_path, copy):
    with pytest.raises(StoreError, match="there is no store at .*nowhere"):
        Store.open(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"is not a store: it has no manifest\.json"):
        Store.open(tmp_path)
    (copy.path / manifests.NAME).write_text('{"format": 1, "rec')
    with pytest.raises(StoreError, match=r"manifest\.json is damaged and cannot be read"):
        Store.open(copy.path)
    (copy.path / manifests.NAME).write_text('{"format": 3}')
    with pytest.raises(
        StoreError, match="is a store of format 3, newer than format 2 .* upgrade Inscape"
    ):
        Store.open(copy.path)
    (copy.path / manifests.NAME).write_text('{"format": 1}')
    with pytest.raises(
        StoreError,
        match="is a store of format 1, from before format 2; harvest it again into a new",
    ):
        Store.open(copy.path)
