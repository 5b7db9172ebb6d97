"""Shards computed elsewhere are those computed here: in order, to the byte, whoever dies on the
way.

The loop that hands shards out is tested on a stand-in for Ray that runs workers in this process, in
any order and with any death that a test asks for; then once on Ray itself, with two workers of
which one is killed.
"""

from __future__ import annotations

import copy
import logging
import os
import re
import signal
import sys
import types
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from inscape.core.errors import ClusterError, ModelError, StoreError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store.capture import capture, widths
from inscape.store.engines import choose, cluster, worker
from inscape.store.engines.local import Job, Local
from inscape.store.engines.part import Part, cut
from inscape.store.engines.ray import AHEAD, Crew, Ray
from inscape.store.harvest import harvest
from inscape.store.prepare_inputs import prepare_inputs
from inscape.store.store import Store

from .conftest import llama, sentences

SITES = "embed, resid_post.*"


def job(
    model: Model, examples: Any, at: str = "last", dtype: str = "float32", nonfinite: str = "refuse"
) -> Job:
    wanted = model.select(SITES if model.kind == "text" else "module:0:out")
    inputs = prepare_inputs(model, examples, at, None, wanted)
    return Job(model, inputs, wanted, widths(model, inputs, wanted), dtype, 64, 8, nonfinite)


def spans_of(count: int, step: int = 5) -> list[tuple[int, int]]:
    return [(i, min(count, i + step)) for i in range(0, count, step)]


def same(a: Any, b: Any) -> None:
    """Two shards, to the bit."""
    for name in ("example", "position", "token"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
    assert a.vectors.keys() == b.vectors.keys()
    for site, x in a.vectors.items():
        assert x.dtype == b.vectors[site].dtype
        assert torch.equal(x.float(), b.vectors[site].float())
    assert a.nonfinite == b.nonfinite


# -----------------------------------------------------------------------------------------------------------
# parts in place


def arrays() -> tuple[Model, np.ndarray]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    x = np.random.default_rng(0).standard_normal((23, 4)).astype(np.float32)
    x[9] = x[8]
    return Model(net, name="plain"), x


def templates(n: int = 40) -> Examples:
    """Two long beginnings that many examples share, and some that share none."""
    long = [" ".join(f"w{(i * k) % 50}" for i in range(30)) for k in (1, 3)]
    texts = [f"{long[i % 2]} w{i % 7} w{i % 5}" if i % 5 else f"w{i % 11}" for i in range(n)]
    return Examples(pd.DataFrame({"text": texts}), "text")


@pytest.mark.parametrize("at", ["last", "all", "mean", "span:head"])
def test_a_part_of_texts_gives_the_shard_that_the_whole_gives(model, examples, at):
    whole = job(model, examples, at)
    for span in spans_of(len(examples), 9):
        here = capture(
            model, whole.inputs, whole.sites, span, **whole.settings, report=lambda *_: None
        )
        sent = copy.deepcopy(cut(whole.inputs, span))
        assert len(sent.inputs.tokens) == span[1] - span[0]
        there = capture(
            model, Part(sent), whole.sites, span, **whole.settings, report=lambda *_: None
        )
        same(here, there)


def test_a_part_keeps_the_beginnings_that_its_examples_share(model):
    whole = job(model, templates(), "all")
    assert whole.inputs.sharing is not None
    for span in spans_of(40, 16):
        here = capture(
            model, whole.inputs, whole.sites, span, **whole.settings, report=lambda *_: None
        )
        there = capture(
            model,
            Part(copy.deepcopy(cut(whole.inputs, span))),
            whole.sites,
            span,
            **whole.settings,
            report=lambda *_: None,
        )
        same(here, there)


def test_a_part_of_an_array_is_its_rows_alone():
    model, x = arrays()
    whole = job(model, x)
    sent = cut(whole.inputs, (7, 12))
    assert sent.inputs.arrays[""].shape == (5, 4)
    there = capture(
        model, Part(sent), whole.sites, (7, 12), **whole.settings, report=lambda *_: None
    )
    same(
        capture(
            model, whole.inputs, whole.sites, (7, 12), **whole.settings, report=lambda *_: None
        ),
        there,
    )
    assert there.example.tolist() == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_shard_crosses_as_arrays_and_back(model, examples, dtype):
    whole = job(model, examples, "all", dtype)
    here = capture(
        model, whole.inputs, whole.sites, (3, 9), **whole.settings, report=lambda *_: None
    )
    crossed = worker.packed(here)
    assert all(isinstance(x, np.ndarray) for x in crossed["vectors"].values())
    same(here, worker.unpacked(copy.deepcopy(crossed), dtype))


# ---------------------------------------------------------------------------------------------------------
# what is sent


def test_a_live_transformers_model_is_sent_as_safetensors_and_opened_again(model):
    how, files = worker.shipped(model)
    assert {Path(name).suffix for name in files} <= {".json", ".safetensors", ".jinja"}
    there = worker.Worker(torch.get_num_threads())
    told = there.open(how, files, "cpu", model.net.config._attn_implementation)
    assert {name: told[name] for name in worker.facts(model)} == worker.facts(model)
    assert f"process {os.getpid()} on" in told["where"]
    assert there.model.name == model.name


def test_a_model_from_files_is_opened_again_by_its_name(model, tmp_path):
    model.net.save_pretrained(tmp_path / "net")
    model.tokenizer.save_pretrained(tmp_path / "net")
    how, files = worker.shipped(open_model(tmp_path / "net", dtype="bfloat16"))
    assert not files
    assert (how["what"], how["dtype"]) == (str(tmp_path / "net"), "bfloat16")
    there = worker.Worker(torch.get_num_threads())
    there.open(how, files, "cpu", "eager")
    assert there.model.net.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match=r"neither a folder nor a .gguf file") as caught:
        there.open({**how, "what": str(tmp_path / "gone")}, files, "cpu", None)
    assert "if every machine can reach it" in caught.value.__notes__[0]


def test_code_and_edits_are_not_sent(model):
    plain, _ = arrays()
    with pytest.raises(
        ModelError, match=r"plain is a live Sequential, which is code, .* on='local'"
    ):
        worker.shipped(plain)
    from inscape.core.edit import Add, Scope

    with (
        model.edited([Add(Scope("resid_post.0"), torch.ones(24))]),
        pytest.raises(ModelError, match="edits are in force on llama0"),
    ):
        worker.shipped(model)


def test_names_of_engines():
    assert isinstance(choose.engine("local"), Local)
    assert choose.engine("ray") == Ray()
    assert choose.engine("ray://head:10001") == Ray("ray://head:10001")
    assert choose.engine(Ray(workers=2)) == Ray(workers=2)
    for name in ("spark", "ray://", "head:10001"):
        with pytest.raises(
            ValueError, match=f"on must be 'local', 'ray' or the address .* got '{name}'"
        ):
            choose.engine(name)


# ------------------------------------------------------------------------------------------ the
# loop, on a stand-in for Ray


class Dead(Exception):
    """A worker that is gone."""


class Gone(Exception):
    """A result that is gone."""


class Failed(Exception):
    """What a worker raised."""

    def __init__(self, cause: Exception):
        super().__init__(str(cause))
        self.cause = cause


class Ref:
    """A call that is done when it is asked about."""

    def __init__(self, actor: Actor, name: str, args: tuple[Any, ...]):
        self.actor, self.name, self.args = actor, name, args


class Actor:
    def __init__(self, ray: Stand, *args: Any):
        self.ray, self.inner, self.dead = ray, worker.Worker(*args), False

    def __getattr__(self, name: str) -> Any:
        def remote(*args: Any) -> Ref:
            ref = Ref(self, name, args)
            if name == "shard":
                self.ray.under_way += 1
                self.ray.most = max(self.ray.most, self.ray.under_way)
                self.ray.handed[args[0].first] += 1
            return ref

        return types.SimpleNamespace(remote=remote)


class Stand:
    """What `Crew` uses of Ray, in this process.

    Args:
        model: what workers open.
        deaths: first example of a shard → how many workers die at it.
        gone: first examples of shards whose first result is lost.
        seed: of the order in which calls end.
    """

    def __init__(
        self,
        model: Model,
        deaths: dict[int, int] | None = None,
        gone: set[int] | None = None,
        seed: int = 0,
    ):
        self.model, self.deaths, self.gone = model, deaths or {}, gone or set()
        self.rng = np.random.default_rng(seed)
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []
        self.handed: Counter[int] = Counter()
        self.under_way = self.most = 0
        self.machines = [{"Alive": True, "Resources": {"CPU": 2.0}}]
        self.exceptions = types.SimpleNamespace(
            RayTaskError=Failed, RayActorError=Dead, ObjectLostError=Gone
        )

    def remote(self, kind: type) -> Any:
        def make(*args: Any) -> Actor:
            self.actors.append(Actor(self, *args))
            return self.actors[-1]

        return types.SimpleNamespace(options=lambda **_: types.SimpleNamespace(remote=make))

    def nodes(self) -> list[dict[str, Any]]:
        return self.machines

    def kill(self, actor: Actor) -> None:
        actor.dead = True
        self.killed.append(actor)

    def wait(
        self, refs: list[Ref], num_returns: int, timeout: float
    ) -> tuple[list[Ref], list[Ref]]:
        if self.rng.random() < 0.2:
            return [], refs  # nothing came in time
        first = [
            ref for i, ref in enumerate(refs) if all(r.actor is not ref.actor for r in refs[:i])
        ]
        one = first[int(self.rng.integers(len(first)))]  # an actor does what it was asked in order
        return [one], [r for r in refs if r is not one]

    def get(self, ref: Ref) -> Any:
        if ref.actor.dead:
            raise Dead("the actor died\nand more")
        if ref.name == "shard":
            first = ref.args[0].first
            if self.deaths.get(first, 0):
                self.deaths[first] -= 1
                ref.actor.dead = True
                raise Dead("the actor died\nand more")
            if first in self.gone:
                self.gone.remove(first)
                raise Gone("no copy is left")
            self.under_way -= 1
        try:
            return copy.deepcopy(getattr(ref.actor.inner, ref.name)(*copy.deepcopy(ref.args)))
        except Exception as error:
            raise Failed(error) from error


@pytest.fixture
def opened(monkeypatch, model):
    """Workers open the model that is here."""
    monkeypatch.setattr(worker, "open_model", lambda **_: model)


def crew(ray: Stand, given: Job, count: int = 2) -> Crew:
    return Crew(ray, given, {}, {}, "cpu", count)


def locally(given: Job, spans: list[tuple[int, int]]) -> list[Any]:
    return list(Local().shards(given, spans, lambda *_: None))


@pytest.mark.parametrize("seed", range(3))
def test_shards_come_in_order_and_no_further_than_the_bound(opened, model, examples, seed):
    given, spans = job(model, examples), spans_of(len(examples), 2)
    ray, told = Stand(model, seed=seed), []
    found = list(crew(ray, given, 2).work(spans, lambda rows, tokens: told.append((rows, tokens))))
    for a, b in zip(found, locally(given, spans), strict=True):
        same(a, b)
    assert sum(rows for rows, _ in told) == len(examples)
    assert all(tokens > 0 for _, tokens in told)
    assert len(ray.actors) == 2
    assert 2 <= ray.most <= AHEAD * 2
    assert set(ray.handed.values()) == {1}


@pytest.mark.parametrize("seed", range(3))
def test_what_a_dead_worker_had_is_computed_again(opened, model, examples, seed, caplog):
    caplog.set_level(logging.WARNING, "inscape")
    given, spans = job(model, examples), spans_of(len(examples), 4)
    ray = Stand(model, {8: 2, 20: 1}, {12}, seed)
    for a, b in zip(
        crew(ray, given).work(spans, lambda *_: None), locally(given, spans), strict=True
    ):
        same(a, b)
    assert ray.deaths == {8: 0, 20: 0}
    assert not ray.gone
    assert ray.handed[8] >= 3
    assert len(ray.actors) == 2 + 4
    assert "its shards are computed again" in caplog.text


def test_a_shard_that_kills_its_workers_is_named(opened, model, examples):
    given, spans = job(model, examples), spans_of(len(examples), 4)
    ray = Stand(model, {8: 99})
    with pytest.raises(
        ClusterError,
        match=r"3 workers died at examples 8 to 11, the last with: the actor died Out of mem",
    ):
        list(crew(ray, given).work(spans, lambda *_: None))


def test_what_a_worker_refuses_is_said_as_here_and_the_store_goes_on(monkeypatch, tmp_path):
    model = llama(3)
    with torch.no_grad():
        model.net.get_input_embeddings().weight[5, 0] = float("nan")
    texts = [f"w{i % 3}" for i in range(12)] + ["w3 w4"] + ["w1"] * 3
    monkeypatch.setattr(worker, "open_model", lambda **_: model)
    with pytest.raises(
        StoreError, match=r"embed are NaN or infinite in the batch with example 12"
    ) as here:
        harvest(model, texts, "embed", at="all", to=tmp_path / "here", shard_bytes=200)
    stand = Stand(model)
    monkeypatch.setattr(cluster, "connected", lambda *_: closing_over(stand))
    with pytest.raises(
        StoreError, match=r"embed are NaN or infinite in the batch with example 12"
    ) as there:
        harvest(
            model,
            texts,
            "embed",
            at="all",
            to=tmp_path / "there",
            shard_bytes=200,
            on=Ray(workers=2),
        )
    assert str(here.value) == str(there.value)
    assert len(stand.killed) == len(stand.actors) == 2
    with pytest.raises(StoreError, match=r"unfinished: \d+ rows"):
        Store.open(tmp_path / "there")


def closing_over(stand: Stand) -> Any:
    stand.put = lambda x: x
    stand.close = lambda: None
    return closing(stand)


def test_ctrl_c_ends_the_workers_and_what_is_committed_is_gone_on_from(
    opened, monkeypatch, model, examples, tmp_path
):
    stand = Stand(model)
    monkeypatch.setattr(cluster, "connected", lambda *_: closing_over(stand))

    def interrupt(rows: int, of: int, *_: int) -> None:
        if rows > of / 2:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"to": tmp_path / "there", "shard_bytes": 2000, "on": Ray(workers=2)}
    with pytest.raises(KeyboardInterrupt):
        harvest(model, examples, SITES, **options, progress=interrupt)
    assert len(stand.killed) == 2
    handed = sum(stand.handed.values())
    stand.handed.clear()
    again = harvest(model, examples, SITES, **options)
    whole = harvest(model, examples, SITES, to=tmp_path / "here", shard_bytes=2000)
    assert sum(stand.handed.values()) < len(whole.manifest["shards"])
    assert handed
    assert files(again.path) == files(whole.path)


def files(folder: Path) -> list[bytes]:
    """The bytes of vectors, whatever a writer calls its files."""
    store = Store.open(folder)
    return [x.tobytes() for _, x in store.matrices()] + [store.frame().to_json().encode()]


@pytest.mark.parametrize("fact", ["weights", "version of torch"])
def test_a_worker_of_another_model_or_version_is_refused(
    opened, monkeypatch, model, examples, fact
):
    given = job(model, examples)
    hands = crew(Stand(model), given)
    hands._facts = {**hands._facts, fact: "another"}
    with pytest.raises(ClusterError, match=f"differs in {fact} from this process"):
        list(hands.work([(0, 4)], lambda *_: None))


def test_a_worker_that_cannot_open_the_model_says_why(monkeypatch, model, examples):
    def refuse(**_: Any) -> Model:
        raise ModelError("there is no such folder")

    monkeypatch.setattr(worker, "open_model", refuse)
    with pytest.raises(ModelError, match="there is no such folder"):
        list(crew(Stand(model), job(model, examples)).work([(0, 4)], lambda *_: None))


def test_a_cluster_without_what_is_asked_for_is_refused(model, examples):
    ray = Stand(model)
    with pytest.raises(ClusterError, match="no GPU for workers; harvest with device='cpu'"):
        Crew(ray, job(model, examples), {}, {}, "cuda", None)
    ray.machines = [{"Alive": False, "Resources": {"CPU": 2.0}}]
    with pytest.raises(ClusterError, match="no machine of the Ray cluster has a free processor"):
        crew(ray, job(model, examples))


def test_one_worker_an_accelerator_or_a_machine(model, examples):
    ray = Stand(model)
    ray.machines = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
    ]
    assert Crew(ray, job(model, examples), {}, {}, "cuda", None).count == 4
    assert Crew(ray, job(model, examples), {}, {}, "cpu", None).count == 2


def test_ray_that_is_not_installed_or_not_there_is_said_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ClusterError, match=re.escape("pip install 'inscape[ray]'")),
        cluster.connected(None, 1, 1),
    ):
        pass

    def init(*_: Any, **__: Any) -> None:
        raise ConnectionError("ray client connection timeout\nmore")

    absent = types.SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", absent)
    with (
        pytest.raises(
            ClusterError,
            match=r"no Ray cluster can be reached at ray://nowhere:1 \(ray client connection "
            r"timeout",
        ),
        cluster.connected("ray://nowhere:1", 1, 1),
    ):
        pass


# ----------------------------------------------------------------------------------------------------------
# on Ray itself


def test_two_workers_of_ray_of_which_one_is_killed_give_the_same_bytes(model, tmp_path, caplog):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    caplog.set_level(logging.INFO, "inscape")
    examples = sentences(200)
    here = harvest(model, examples, SITES, to=tmp_path / "here", shard_bytes=2000)
    killed: list[int] = []

    def kill(rows: int, of: int, *_: int) -> None:
        if not killed and rows < of:
            found = re.findall(r"worker process (\d+) on", caplog.text)
            killed.append(int(found[-1]))
            os.kill(killed[0], signal.SIGKILL)

    there = harvest(
        model,
        examples,
        SITES,
        to=tmp_path / "there",
        shard_bytes=2000,
        on=Ray(workers=2),
        progress=kill,
    )
    assert len(here.manifest["shards"]) > 20
    assert len(killed) == 1
    assert f"worker process {killed[0]} on" in caplog.text
    assert "died; its shards are computed again" in caplog.text
    assert files(there.path) == files(here.path)
    assert there.manifest["key"] == here.manifest["key"]
    assert [s["rows"] for s in there.manifest["shards"]] == [
        s["rows"] for s in here.manifest["shards"]
    ]
    hashes = [
        [sorted(s["files"].values()) for s in store.manifest["shards"]] for store in (here, there)
    ]
    assert hashes[0] == hashes[1]
    assert "RAY_AUTH_TOKEN" not in os.environ
