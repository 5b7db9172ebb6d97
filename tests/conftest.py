"""What every test shares: a cache of its own, no network, quiet transformers."""

from __future__ import annotations

import itertools
import os
import random
import zlib
from collections.abc import Generator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:
    # one worker a core: threads of their own would only spin against each other
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    # numpy is loaded by a plugin of pytest before this file is, and its BLAS has read the
    # environment by then
    threadpool_limits(1)

import numpy as np
import torch

from tests import typed

# after the environment, which what it imports reads; before anything of the package is imported
typed.install("inscape")


def _seed(name: str):
    number = zlib.crc32(name.encode())
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> Generator[None, object, object]:
    """A network that a fixture makes has the same weights whichever tests ran before it."""
    _seed(f"{fixturedef.baseid}::{fixturedef.argname}")
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The global generators start anew for each test, so that its numbers do not hang on its
    worker.
    """
    _seed(item.nodeid)
    return (yield)


#: folders of few long tests
_LONG = ("studies", "worlds", "docs", "store")


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Long tests first: begun last, they would keep one worker busy while the other has nothing
    left.
    """
    root = Path(__file__).parent
    folder = {item.nodeid: item.path.relative_to(root).parts[0] for item in items}
    items.sort(
        key=lambda item: (
            _LONG.index(folder[item.nodeid]) if folder[item.nodeid] in _LONG else len(_LONG)
        )
    )


#: the user's own cache, or None where its place was left to us
_USERS = os.environ.get("INSCAPE_HOME")


@pytest.fixture(scope="session", autouse=True)
def _session_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """What fixtures of modules keep goes here; a run that asks for real models leaves the user's
    cache in place.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not any("real" in item.keywords for item in request.session.items):
            patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        # toys are trained once for all workers, whose folders lie side by side in that of the run
        base = tmp_path_factory.getbasetemp()
        run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        patch.setenv("INSCAPE_TOYS", str(run / "toys"))
        yield


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory):
    """Empty folders, one after another.

    They lie in a folder of their own: pytest numbers a new folder by looking through all that lie
    beside it, and with one for each of five thousand tests there that takes longer than many a
    test.
    """
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_home(request: pytest.FixtureRequest, _homes, monkeypatch: pytest.MonkeyPatch):
    """Tests never touch the user's cache, except those of real models, which are fetched into it
    once.
    """
    if "real" not in request.keywords:
        home = next(_homes)
        home.mkdir()
        monkeypatch.setenv("INSCAPE_HOME", str(home))
    elif _USERS is None:
        monkeypatch.delenv("INSCAPE_HOME", raising=False)
    else:
        monkeypatch.setenv("INSCAPE_HOME", _USERS)
