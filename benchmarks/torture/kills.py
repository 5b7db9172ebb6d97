"""Operations that are killed at random moments, again and again, and then carried to their end.

Each operation runs in a forked child of a process that has loaded everything, so that a kill costs
milliseconds. Beside the place it writes to lie a user's own files. After every kill they must be
there byte for byte, and so must what was finished before and what was committed meanwhile; the last
attempt must end with what an undisturbed one gives, and leave no other names behind.

    python -m benchmarks.torture.kills SECONDS SEED WORK KEEP
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from select import select
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from benchmarks.torture import samples, tiny, toy
from benchmarks.torture.cpu_time import Hang

#: files of a user's own, beside and inside the place that is written to
MINE = {
    "thesis.txt": b"mine",
    "data/mine.csv": b"a,b\n1,2\n",
    "examples-mine.jsonl": b"{}\n",
    ".making-mine/notes.txt": b"mine",
    "moments-old.safetensors": b"mine",
}
#: seconds of processor time that an undisturbed operation may take
LONGEST = 60.0
_LOOK = 1.0  # seconds between two looks at one that says nothing


@dataclass(frozen=True)
class Operation:
    """Something that is killed.

    Attributes:
        act: do it, or go on with it, in a folder.
        result: what came out, as JSON knows it.
        prepare: what must be there first.
        committed: files that are finished so far and must stay.
        free: whether attempts may leave folders of their own that were not finished, as runs do.
    """

    act: Callable[[Path], Any]
    result: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda root: None
    committed: Callable[[Path], list[Path]] = lambda root: []
    free: bool = False


@dataclass
class Tally:
    """What the kills of one operation did.

    Attributes:
        operation: its name.
        sequences: how often it was begun anew.
        kills: how often it was killed before its end.
        lost: what was missing or changed, or could not be resumed.
        left: what was left behind.
    """

    operation: str
    sequences: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@cache
def _model() -> Any:
    return tiny.model()


@cache
def _examples() -> Any:
    return tiny.examples(40)


def _digest(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _harvest(root: Path, sites: str = "resid_post.*") -> None:
    from inscape.store.harvest import harvest

    harvest(_model(), _examples(), sites, to=root / "out", shard_bytes=600, progress=False)


def _add(root: Path) -> None:
    from inscape.store.store import Store

    Store(root / "out").add(_model(), _examples(), "resid_post.1", progress=False)


def _matrices(root: Path) -> dict[str, str]:
    from inscape.store.store import Store

    store = Store(root / "out")
    return {str(site): _digest(store.matrix(site)) for site in store.sites}


def _store_files(root: Path) -> list[Path]:
    from inscape.core.errors import StoreError
    from inscape.store import manifest as manifests

    try:
        manifest = manifests.read(root / "out")
    except StoreError:
        return []
    return [root / "out" / name for name in manifests.files(manifest)]


def _moments(root: Path) -> None:
    from inscape.store.moments import moments

    moments(
        _model(),
        _examples(),
        "resid_post.*",
        to=root / "out",
        shard_bytes=600,
        commit_seconds=0.0,
        progress=False,
    )


def _means(root: Path) -> dict[str, str]:
    from inscape.store.streamed_moments import StreamedMoments

    found = StreamedMoments.open(root / "out")
    return {name: _digest(one.mean) for name, one in found.sites.items()}


def _run(root: Path) -> None:
    number = sum(p.name.startswith("run-") for p in root.iterdir())
    toy.record(root / f"run-{number}", root / "cache")


def _ran(root: Path) -> Any:
    import pandas as pd

    from inscape.core.errors import RunError
    from inscape.report.folder import read

    runs = sorted(root.glob("run-*"), key=lambda p: int(p.name[4:]))
    for path in runs[:-1]:
        if not (path / "done").exists():
            try:
                read(path)
            except RunError:
                continue
            raise AssertionError(f"{path.name} is unfinished and was read as finished")
    return pd.read_parquet(runs[-1] / "tables" / "norms.parquet").to_dict("list")


def _report(root: Path) -> None:
    from inscape.report.build import build

    build(root / "run-0")


def _reported(root: Path) -> bool:
    """Whether the report is that which is built undisturbed from the same run."""
    from inscape.report.build import build

    whole = (root / "run-0" / "report.html").read_bytes()
    os.unlink(root / "run-0" / "report.html")
    return build(root / "run-0").read_bytes() == whole


def _run_files(root: Path) -> list[Path]:
    inside = [root / "run-0" / name for name in ("run.json", "claims.json", "done", "log.txt")]
    return [*inside, *(root / "run-0" / "tables").iterdir()]


def _checkpoint(root: Path) -> None:
    from inscape.control.checkpoint import save_checkpoint
    from inscape.core.errors import ModelError

    try:
        save_checkpoint(_model(), root / "out", what="nothing was changed")
    except ModelError:
        if not (root / "out").exists():  # else an attempt before was whole
            raise


def _weights(folder: Path) -> str:
    from inscape.model.open import open

    return open(folder).weights_hash


def _conversion(root: Path) -> None:
    from inscape.model import gguf

    gguf.converted(root / "m.gguf")


def _converted(root: Path) -> str:
    return _weights(next((root / "home" / "models").glob("gguf*-*")))


def _plan(root: Path) -> None:
    from inscape.store.forecast import forecast

    forecast(_model(), _examples(), "resid_post.*", to=root / "out")


OPERATIONS = {
    "harvest": Operation(_harvest, _matrices, committed=_store_files),
    "add": Operation(
        _add,
        _matrices,
        prepare=lambda root: _harvest(root, "resid_post.0"),
        committed=lambda root: [p for p in _store_files(root) if p.name.startswith("shard")],
    ),
    "moments": Operation(_moments, _means),
    "run": Operation(_run, _ran, free=True),
    "report": Operation(_report, _reported, prepare=_run, committed=_run_files),
    "checkpoint writing": Operation(_checkpoint, lambda root: _weights(root / "out")),
    "GGUF conversion": Operation(
        _conversion, _converted, prepare=lambda root: samples.gguf(root / "m.gguf")
    ),
    "plan": Operation(_plan, lambda root: (root / "out").exists()),
}


class Failed(Exception):
    """An attempt that was not killed and did not end well."""


def _begin(root: Path, act: Callable[[Path], Any]) -> tuple[int, int]:
    """A forked child that acts, and a pipe that it tells its end through."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        return child, ours
    told = b""
    try:
        os.setsid()
        # progress bars share a lock between forked processes, and one that is killed may have it
        tqdm.set_lock(threading.RLock())
        os.close(ours)
        os.environ["INSCAPE_HOME"] = str(root / "home")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        told = b"+" + json.dumps(act(root)).encode()
    except BaseException as error:
        told = f"-{type(error).__name__}: {error}"[:500].encode()
    finally:
        os.write(theirs, told)
        os._exit(0)


def _finish(root: Path, act: Callable[[Path], Any]) -> Any:
    """Act undisturbed, in a child; what it returned."""
    child, pipe = _begin(root, act)
    watched: Hang | None = None
    try:
        told, some = b"", b"-"
        while some:
            if select([pipe], [], [], _LOOK)[0]:
                some = os.read(pipe, 65536)
                told += some
                continue
            watched = watched or Hang(child, LONGEST)
            if watched.over():
                os.killpg(child, signal.SIGKILL)
                raise Failed(f"no end in {LONGEST:.0f} s of processor time")
    finally:
        os.close(pipe)
        os.waitpid(child, 0)
    if told[:1] != b"+":
        raise Failed(told[1:].decode(errors="replace") or "it died")
    return json.loads(told[1:])


def _killed(root: Path, act: Callable[[Path], Any], after: float) -> bool:
    """Act, and kill after so many seconds; whether it was killed before its end."""
    child, pipe = _begin(root, act)
    end = time.monotonic() + after
    try:
        while time.monotonic() < end:
            done, _ = os.waitpid(child, os.WNOHANG)
            if done:
                return False
            time.sleep(min(0.001, max(end - time.monotonic(), 0)))
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:  # not yet a group of its own
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    finally:
        os.close(pipe)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _names(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*")}


def _fresh(root: Path, operation: Operation) -> dict[Path, str]:
    """A new folder with the user's files and what must be there first; what must stay, with its
    hash.
    """
    shutil.rmtree(root, ignore_errors=True)
    for name, data in MINE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "home").mkdir()
    _finish(root, lambda where: (operation.prepare(where), None)[1])
    stay = [*(root / name for name in MINE), *operation.committed(root)]
    return {path: _sha(path) for path in stay}


@dataclass
class _Reference:
    """An undisturbed attempt: what it gives, the names it leaves, its seconds."""

    result: Any
    names: set[str]
    seconds: float


def _reference(root: Path, operation: Operation) -> _Reference:
    _fresh(root, operation)
    begun = time.monotonic()
    _finish(root, lambda where: (operation.act(where), None)[1])
    seconds = time.monotonic() - begun
    names = _names(root)
    return _Reference(_finish(root, operation.result), names, seconds)


def sequence(
    root: Path, operation: Operation, reference: _Reference, rng: np.random.Generator, tally: Tally
) -> None:
    """Kill an operation several times, then carry it to its end, and look at everything."""
    tally.sequences += 1
    stay = _fresh(root, operation)
    for attempt in range(int(rng.integers(3, 16))):
        # early moments more often: an operation that goes on has less left to do
        if not _killed(root, operation.act, float(rng.beta(1, 2) * reference.seconds)):
            break
        tally.kills += 1
        changed = [p for p, sha in stay.items() if _sha(p) != sha]
        if changed:
            tally.lost.append(f"after kill {attempt + 1}: {changed[0].relative_to(root)} changed")
            return
        stay |= {path: _sha(path) for path in operation.committed(root)}
    try:
        _finish(root, lambda where: (operation.act(where), None)[1])
        names = _names(root)
        found = _finish(root, operation.result)
    except Failed as error:
        tally.lost.append(f"cannot be finished: {error}")
        return
    changed = [p for p, sha in stay.items() if _sha(p) != sha]
    if changed:
        tally.lost.append(f"at the end: {changed[0].relative_to(root)} changed")
    if found != reference.result:
        tally.lost.append("the result is another")
    strange = sorted(names - reference.names)
    if operation.free:
        last = max(int(p.name[4:]) for p in root.glob("run-*"))
        own = {f"run-{n}" for n in range(last)}
        strange = [n for n in strange if n.split("/")[0] not in own]
        whole = {n.split("/", 1)[1] for n in reference.names if n.startswith("run-0/")}
        strange = [n for n in strange if n.partition("/")[2] not in {"", *whole}]
    tally.left += strange[:3]


def _load(root: Path, names: list[str]) -> None:
    """Load everything once, here, so that no forked child has to.

    All but reports are done once: the renderer of figures has threads, which a fork does not take
    along.
    """
    import torch
    import vl_convert  # noqa: F401

    import inscape.report.build  # noqa: F401

    torch.set_num_threads(1)
    home = os.environ.get("INSCAPE_HOME")
    os.environ["INSCAPE_HOME"] = str(root / "home")
    for name in names:
        shutil.rmtree(root, ignore_errors=True)
        (root / "home").mkdir(parents=True)
        OPERATIONS[name].prepare(root)
        if name != "report":
            OPERATIONS[name].act(root)
    if home is None:
        del os.environ["INSCAPE_HOME"]
    else:
        os.environ["INSCAPE_HOME"] = home


def main(arguments: list[str]) -> int:
    """Kill operations in turn for so many seconds; the counts, as JSON, on standard output."""
    seconds, seed, work, keep = float(arguments[0]), int(arguments[1]), *map(Path, arguments[2:4])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = arguments[4:] or list(OPERATIONS)
    _load(work / "sequence", names)
    tallies = {name: Tally(name) for name in names}
    rng = np.random.default_rng(seed)
    references: dict[str, _Reference] = {}
    spent = dict.fromkeys(names, 0.0)
    end = time.monotonic() + seconds
    while time.monotonic() < end or any(t.sequences == 0 for t in tallies.values()):
        # the one that had least time so far
        name = min(names, key=spent.__getitem__)
        begun, tally, root = time.monotonic(), tallies[name], work / "sequence"
        before = len(tally.lost) + len(tally.left)
        try:
            if name not in references:
                references[name] = _reference(root, OPERATIONS[name])
            sequence(root, OPERATIONS[name], references[name], rng, tally)
        except Failed as error:
            tally.sequences += 1
            tally.lost.append(f"cannot be done at all: {error}")
        if len(tally.lost) + len(tally.left) > before:
            target = keep / f"{name}-{seed}-{tally.sequences}".replace(" ", "-")
            if len(tally.lost) + len(tally.left) < 20 and not target.exists():
                keep.mkdir(parents=True, exist_ok=True)
                shutil.move(root, target)
        spent[name] += time.monotonic() - begun
    print(json.dumps([vars(tally) for tally in tallies.values()]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
