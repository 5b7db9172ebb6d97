"""Stores and data in object stores: a local server that speaks S3, and fsspec's memory."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from inscape.core.errors import DataError, ObjectError, StoreError
from inscape.core.rng import generator
from inscape.core.urls import objects
from inscape.data.load import load
from inscape.store import lease
from inscape.store import manifest as manifests
from inscape.store import moments as moments_module
from inscape.store import writer as writers
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.storage import ObjectPrefix, storage_at
from inscape.store.store import Store
from inscape.store.streamed_moments import StreamedMoments

OPTIONS = {"sites": "embed, resid_post.*", "at": "all", "shard_bytes": 40_000, "budget": 64}


@pytest.fixture(scope="session")
def server():
    found = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    yield "http://{}:{}".format(*found.get_host_and_port())
    found.stop()


@pytest.fixture
def s3(server, monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="shelf")
    yield client
    for entry in client.list_objects_v2(Bucket="shelf").get("Contents", []):
        client.delete_object(Bucket="shelf", Key=entry["Key"])
    client.delete_bucket(Bucket="shelf")


@pytest.fixture(params=["s3://shelf/stores/one", "memory://shelf/one"])
def url(request):
    if request.param.startswith("s3"):
        request.getfixturevalue("s3")
    yield request.param
    if request.param.startswith("memory"):
        there = objects(request.param)
        for name in there.names():
            there.remove(name)


@pytest.fixture(scope="module")
def whole(model, examples, tmp_path_factory):
    return harvest(model, examples, to=tmp_path_factory.mktemp("whole") / "s", **OPTIONS)


def assert_same(store, whole):
    assert store.verify() == []
    assert store.frame().equals(whole.frame())
    for site, x in whole.matrices():
        assert store.matrix(site).tobytes() == x.tobytes()
    assert manifests.files(store.manifest) == manifests.files(whole.manifest)  # byte for byte
    assert sorted(store.place.names()) == sorted([manifests.NAME, *manifests.files(store.manifest)])


def test_a_store_in_a_bucket_is_that_of_a_folder(model, examples, whole, url):
    with pytest.raises(StoreError, match=f"there is no store at {url}"):
        Store.open(url)
    store = harvest(model, examples, to=url, **OPTIONS)
    assert_same(store, whole)
    assert store.path == url
    assert repr(Store.open(url)).startswith(f"Store('{url}', {len(whole)} rows of 40 examples")
    rows = [len(store) - 1, 0, 5, 5]
    assert np.array_equal(store.take("resid_post.1", rows), whole.matrix("resid_post.1")[rows])
    mixed = list(store.batches("embed", 50, generator(0, "batches")))
    assert sorted(np.concatenate([b.rows for b in mixed]).tolist()) == list(range(len(store)))
    assert all(np.array_equal(b.vectors["embed"], whole.matrix("embed")[b.rows]) for b in mixed)


def test_finished_it_is_returned_and_another_refused(model, examples, whole, url, monkeypatch):
    harvest(model, examples, to=url, **OPTIONS)
    monkeypatch.setattr(writers.Writer, "__init__", None)  # nothing is opened for writing
    assert_same(harvest(model, examples, to=url, **OPTIONS), whole)
    with pytest.raises(
        StoreError, match=f"the store at {url} is of another harvest, which differs in"
    ):
        harvest(model, examples, to=url, **{**OPTIONS, "at": "last"})


class Killed(BaseException):
    """Stands for the process ending here."""


@pytest.mark.parametrize(
    ("name", "count"), [("put", 1), ("put", 3), ("replace", 1), ("replace", 4)]
)
def test_interrupted_it_goes_on_to_the_same_bytes(
    model, examples, whole, s3, monkeypatch, name, count
):
    url, original, calls = "s3://shelf/s", getattr(ObjectPrefix, name), []

    def dies(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            raise Killed
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPrefix, name, dies)
        with pytest.raises(Killed):
            harvest(model, examples, to=url, **OPTIONS)
    if count > 1:
        assert len(manifests.read(url)["shards"]) < len(whole.manifest["shards"])
        with pytest.raises(StoreError, match="is unfinished"):
            Store.open(url)
    assert_same(harvest(model, examples, to=url, **OPTIONS), whole)


def test_what_an_interruption_left_is_swept_when_the_store_is_finished(
    model, examples, whole, s3, monkeypatch
):
    original, calls = ObjectPrefix.replace, []

    def dies(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPrefix, "replace", dies)
        with pytest.raises(Killed):
            harvest(model, examples, to="s3://shelf/s", **OPTIONS)
    s3.put_object(Bucket="shelf", Key="s/data/000001-0123456789abcdef.safetensors", Body=b"half")
    assert_same(harvest(model, examples, to="s3://shelf/s", **OPTIONS), whole)


def test_of_two_writers_one_goes_on_and_the_other_is_told(model, examples, whole, url, monkeypatch):
    original, calls = manifests.write, []

    def raced(where, manifest):
        calls.append(1)
        if len(calls) == 3:  # another process commits in between
            other = storage_at(url)
            other.lock()
            original(other, {**manifests.read(other), "started": "by somebody else"})
            other.release()
        original(where, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(lease, "STALE", -1)  # the first one seemed to have ended
        patch.setattr(manifests, "write", raced)
        with pytest.raises(
            StoreError, match=f"{url} is being written by somebody else, who committed first; wait"
        ):
            harvest(model, examples, to=url, **OPTIONS)
    assert len(calls) == 3
    assert manifests.read(url)["started"] == "by somebody else"
    assert_same(harvest(model, examples, to=url, **OPTIONS), whole)


def test_two_first_commits_do_not_cross(s3, monkeypatch):
    monkeypatch.setattr(lease, "STALE", -1)
    first, second = storage_at("s3://shelf/s"), storage_at("s3://shelf/s")
    for one in (first, second):
        one.lock()
    first.replace(manifests.NAME, b"{}", commit=True)
    with pytest.raises(StoreError, match="is being written by somebody else"):
        second.replace(manifests.NAME, b"[]", commit=True)
    assert first.read(manifests.NAME) == b"{}"
    for one in (first, second):
        one.release()


def test_sites_are_added_and_damage_is_found(model, examples, whole, url):
    store = harvest(model, examples, to=url, **OPTIONS)
    store.add(model, examples, "mlp_out.1")
    assert store.verify() == []
    assert np.array_equal(store.matrix("embed"), whole.matrix("embed"))
    assert np.abs(store.matrix("mlp_out.1")).max() > 0
    assert not store.place.exists("adding.json")
    first, second = (next(iter(store.manifest["shards"][i]["files"])) for i in (0, 1))
    data = bytearray(store.place.read(first))
    data[len(data) // 2] ^= 1
    objects(url).write(first, bytes(data))
    objects(url).remove(second)
    assert [p.split(" (")[0] for p in store.verify()] == ["shard 0", "shard 1"]
    with pytest.raises(StoreError, match=rf"cannot be read \(its file {second} is missing\)"):
        Store.open(url)
    with pytest.raises(StoreError, match=r"cannot be read .*`Store\.verify` says what is damaged"):
        store.matrix("embed")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "csv.gz"])
@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_data_are_loaded_from_object_stores(s3, tmp_path, suffix, kind):
    frame = pd.DataFrame({"text": ["one", "two"], "year": [1, 2]})
    file = tmp_path / f"years.{suffix}"
    if suffix == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        (frame.to_parquet if suffix == "parquet" else frame.to_csv)(file, index=False)
    root = "s3://shelf/data" if kind == "s3" else "memory://data"
    objects(root).write(file.name, file.read_bytes())
    loaded, local = load(f"{root}/{file.name}"), load(file)
    assert loaded.texts() == ["one", "two"]
    assert loaded.labels == ("year",)
    assert loaded.fingerprint == local.fingerprint


def test_errors_name_the_cure(s3, model, examples, monkeypatch):
    with pytest.raises(
        DataError, match=r"years\.csv cannot be read: there is no object s3://shelf/years\.csv"
    ):
        load("s3://shelf/years.csv")
    with pytest.raises(
        ObjectError, match="there is no bucket 'nowhere'; check the name in s3://nowhere/s"
    ):
        harvest(model, examples, to="s3://nowhere/s", **OPTIONS)
    with pytest.raises(ObjectError, match=r"names no bucket; write s3://BUCKET/PATH"):
        Store.open("s3://")
    with pytest.raises(
        ObjectError, match="cannot be opened: .*install the package that fsspec names for nosuch://"
    ):
        Store.open("nosuch://bucket/s")
    s3.put_object(Bucket="shelf", Key="mine/thesis.txt", Body=b"mine")
    with pytest.raises(StoreError, match=r"is not a store and not empty \(it has thesis.txt\)"):
        harvest(model, examples, to="s3://shelf/mine", **OPTIONS)
    with pytest.raises(StoreError, match="s3://shelf/mine is not a store: it has no manifest.json"):
        Store.open("s3://shelf/mine")


def _refusing(code, message):
    from botocore.exceptions import ClientError

    def refuse(**_):
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetObject")

    return refuse


def test_what_the_server_refuses_is_said(s3, monkeypatch):
    bucket = objects("s3://shelf/s")
    for code, said in [
        (
            "AccessDenied",
            r"access to s3://shelf/s/x is denied \(AccessDenied\); check AWS_ACCESS_KEY_ID",
        ),
        ("SlowDown", "s3://shelf/s/x cannot be used: too fast; try again"),
    ]:
        monkeypatch.setattr(bucket._client, "get_object", _refusing(code, "too fast"))
        with pytest.raises(ObjectError, match=said):
            bucket.read("x")


def test_a_server_without_conditions_is_written_after_a_look(s3, monkeypatch, caplog):
    bucket = objects("s3://shelf/s")
    real = bucket._client.put_object

    def plain(**asked):
        if {"IfMatch", "IfNoneMatch"} & asked.keys():
            _refusing("NotImplemented", "what is If-Match?")()
        return real(**asked)

    monkeypatch.setattr(bucket._client, "put_object", plain)
    tag = bucket.write("x", b"1", over=None)
    assert "does not know conditional writes" in caplog.text
    with pytest.raises(FileExistsError, match="was written by somebody else"):
        bucket.write("x", b"2", over=None)
    assert bucket.read("x") == b"1"
    bucket.write("x", b"3", over=tag)
    assert bucket.read("x") == b"3"


def test_without_credentials_botocore_or_a_network(s3, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        with pytest.raises(
            ObjectError,
            match="there are no credentials for s3://shelf/s/.*; set AWS_ACCESS_KEY_ID and",
        ):
            Store.open("s3://shelf/s")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(
            ObjectError,
            match="cannot be reached: .*check the network, AWS_ENDPOINT_URL and AWS_REGION",
        ):
            objects("s3://shelf/s").read("x")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "botocore":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ObjectError,
        match=r"s3://shelf/s needs botocore; install it with: pip install 'inscape\[s3\]'",
    ):
        objects("s3://shelf/s")


def test_moments_in_a_bucket_are_those_of_a_folder(model, examples, url, tmp_path, monkeypatch):
    options = {"at": "all", "shard_bytes": 8_000, "budget": 64, "commit_seconds": 0.0}
    with pytest.raises(StoreError, match=f"there are no moments at {url}"):
        StreamedMoments.open(url)
    whole = moments(model, examples, "embed, resid_post.1", to=tmp_path / "m", **options)
    original, calls = moments_module.capture, []

    def dies(*arguments, **settings):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(moments_module, "capture", dies)
        with pytest.raises(KeyboardInterrupt):
            moments(model, examples, "embed, resid_post.1", to=url, **options)
    with pytest.raises(StoreError, match="are unfinished"):
        StreamedMoments.open(url)
    moments(model, examples, "embed, resid_post.1", to=url, **options)
    found = StreamedMoments.open(url)
    assert len(found) == len(whole)
    assert found.site("embed").scatter.tobytes() == whole.site("embed").scatter.tobytes()
    assert len(storage_at(url).names()) == 2  # the manifest and the arrays it names


def test_of_two_writers_of_moments_one_is_told(model, examples, s3, monkeypatch):
    original, calls = moments_module.capture, []

    def other_first(*arguments, **settings):
        calls.append(1)
        if len(calls) == 1:
            moments(model, examples, "embed", to="s3://shelf/moments")
        return original(*arguments, **settings)

    monkeypatch.setattr(lease, "STALE", -1)  # the first one seemed to have ended
    monkeypatch.setattr(moments_module, "capture", other_first)
    with pytest.raises(StoreError, match="is being written by somebody else, who committed first"):
        moments(model, examples, "embed", to="s3://shelf/moments")
    assert len(StreamedMoments.open("s3://shelf/moments")) == len(examples)


OTHER = """
import sys
from inscape.store import harvest as harvests, writer
from tests.store.conftest import llama, sentences

original, calls = writer.Writer._commit, []

def commit(self, shard):
    original(self, shard)
    calls.append(1)
    if len(calls) == 2:
        print("committed", flush=True)
        sys.stdin.readline()

writer.Writer._commit = commit
harvests.harvest(llama(), sentences(), to=sys.argv[1], progress=False, **eval(sys.argv[2]))
"""


@pytest.mark.parametrize("ends", ["finishes", "is killed"])
def test_of_two_processes_one_waits_for_the_other(
    model, examples, s3, tmp_path, monkeypatch, caplog, ends
):
    url, options = "s3://shelf/two", {**OPTIONS, "shard_bytes": 12_000}
    undisturbed = harvest(model, examples, to=tmp_path / "s", **options)
    assert len(undisturbed.manifest["shards"]) > 4
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, url, repr(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert other.stdout.readline() == b"committed\n"
        attempts, lock = [], ObjectPrefix.lock

        def counted(self):
            attempts.append(1)
            if len(attempts) == 3:  # it has been waited for
                if ends == "finishes":
                    other.communicate(b"\n", timeout=120)
                else:
                    other.kill()
                    other.wait(timeout=120)
            return lock(self)

        written, put = [], writers.Writer.put

        def counting(self, *arguments):
            written.append(1)
            return put(self, *arguments)

        monkeypatch.setattr(ObjectPrefix, "often", 0.05)
        monkeypatch.setattr(ObjectPrefix, "lock", counted)
        monkeypatch.setattr(writers.Writer, "put", counting)
        with caplog.at_level("WARNING"):
            store = harvest(model, examples, to=url, progress=False, **options)
    finally:
        other.kill()
        other.wait()
        for pipe in (other.stdin, other.stdout):
            pipe.close()
    assert f"{url} is being written by process {other.pid} on" in caplog.text
    assert len(attempts) >= 3
    assert_same(store, undisturbed)
    shards = len(undisturbed.manifest["shards"])
    # what the other committed is not computed again: at least the two shards before it was killed
    assert len(written) == 0 if ends == "finishes" else 0 < len(written) <= shards - 2
