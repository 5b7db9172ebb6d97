"""Find studies without importing them.

Built-in studies are the files ``inscape/studies/<room>/<slug_with_underscores>.py``, or a folder of
that name with a ``study.py`` where a study has pieces that no other needs. Studies from outside
come by the entry-point group ``inscape.studies``: each entry names a module (one study) or a
package folder (every file in it that has a card). Cards are read from the source text by `ast`, so
that listing costs one parse a file; a study is imported only by `load_study`. A file whose card
cannot be read is a `Problem` with a sentence, and hides no other study.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from inscape.core.errors import StudyError, suggest
from inscape.study.card import Card, Claim

GROUP = "inscape.studies"


@dataclass(frozen=True)
class Entry:
    """A study that was found: its card, the module it lives in, its file and who brings it."""

    card: Card
    module: str
    path: Path
    source: str


@dataclass(frozen=True)
class Problem:
    """A file or entry point that should hold a study and does not: the slug it would have had, and
    why.
    """

    slug: str
    sentence: str


@dataclass
class Found:
    """Every study by slug, and what could not be read."""

    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class StudyModule:
    """A study ready to run.

    Attributes:
        card: its card.
        config: its frozen `Config` class.
        presets: its presets by name.
        run: ``run(config, run) -> None``.
        about: the docstring of its file.
        module: the module's import name.
        code: SHA-256 of its source, hex.
    """

    card: Card
    config: type
    presets: dict[str, Any]
    run: Callable[..., Any]
    about: str
    module: str
    code: str


def read_card(path: Path) -> Card | None:
    """The card in a source file, read without running it; None where the file assigns no ``CARD``.

    A file is parsed once a process, and again after it has changed.

    Raises:
        StudyError: the file is not Python, or its card is not ``Card(...)`` with literal keyword
            arguments.
    """
    state = path.stat()
    return _parsed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _parsed(path: Path, changed: int, size: int) -> Card | None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not readable as Python ({error}); correct the file.") from None
    value = next(filter(None, map(_card_value, tree.body)), None)
    if value is None:
        return None
    if (
        not isinstance(value, ast.Call)
        or ast.unparse(value.func).split(".")[-1] != "Card"
        or value.args
    ):
        raise StudyError(
            f"{path}: CARD must be written CARD = Card(slug=…, title=…, …) with keyword arguments "
            "only."
        )
    settings = {}
    for keyword in value.keywords:
        try:
            settings[keyword.arg] = _literal(keyword.value)
        except StudyError as error:
            raise StudyError(f"{path}: {error}.") from None
        except ValueError:
            raise StudyError(
                f"{path}: CARD's {keyword.arg!r} (line {keyword.value.lineno}) is computed; write "
                "it as a plain literal, so that the card can be read without running the file."
            ) from None
    return _make_card(path, settings)


def _literal(node: ast.expr) -> Any:
    """A plain literal; claims may be written ``dict(fall=Claim(…), …)``.

    Raises:
        ValueError: it is computed, or a claim cannot be made of what is written.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        values = {str(k.arg): _literal(k.value) for k in node.keywords if k.arg is not None}
        if node.func.id == "dict" and len(values) == len(node.keywords):
            return values
        if node.func.id == "Claim" and len(values) == len(node.keywords):
            try:
                return Claim(**values)
            except (TypeError, ValueError) as error:
                raise StudyError(
                    f"the claim in line {node.lineno} cannot be read: {error}"
                ) from None
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(k): _literal(v)
            for k, v in zip(node.keys, node.values, strict=True)
            if k is not None
        }
    return ast.literal_eval(node)


def _card_value(statement: ast.stmt) -> ast.expr | None:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    named = any(isinstance(t, ast.Name) and t.id == "CARD" for t in targets)
    return statement.value if named else None  # type: ignore[attr-defined]


def _make_card(path: Path, settings: dict[Any, Any]) -> Card:
    known = {f.name: f for f in dataclasses.fields(Card)}
    for name in settings:
        if name not in known:
            raise StudyError(f"{path}: a card has no {name!r}. {suggest(str(name), known, 20)}")
    for name, f in known.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in settings:
            raise StudyError(f"{path}: the card lacks {name!r}; add {name}=… to CARD.")
        if (
            name in settings
            and f.type in ("str", "int")
            and type(settings[name]).__name__ != f.type
        ):
            raise StudyError(
                f"{path}: the card's {name!r} must be {f.type}, got {settings[name]!r}."
            )
    try:
        return Card(**settings)
    except ValueError as error:
        raise StudyError(f"{path}: {error}.") from None


def find() -> Found:
    """Look for studies in the package, then in the entry points; the first of a slug wins."""
    found = Found()
    for module, path in _files("inscape.studies", _locate("inscape.studies")):
        _add(found, module, path, "inscape", required=True)
    for point in sorted(
        importlib.metadata.entry_points(group=GROUP), key=lambda p: (p.name, p.value)
    ):
        source = point.dist.name if point.dist else point.name
        try:
            place = _locate(point.value)
        except ImportError as error:
            sentence = (
                f"The entry point {point.name!r} of {source} cannot be found ({error}); "
                f"reinstall {source}."
            )
            found.problems.append(Problem(point.name, sentence))
            continue
        for module, path in _files(point.value, place):
            _add(found, module, path, source, required=place.is_file())
    return found


def _locate(module: str) -> Path:
    """The file of a module or the folder of a package, importing neither it nor its parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        name = f"{name}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(name, list(spec.submodule_search_locations))
    if spec is None or name != module:
        raise ModuleNotFoundError(f"no module named {name!r}")
    folders = list(spec.submodule_search_locations or [])
    if not folders and not spec.origin:
        raise ModuleNotFoundError(f"{module!r} has no source file")
    return Path(folders[0] if folders else str(spec.origin))


def _files(module: str, place: Path) -> Iterator[tuple[str, Path]]:
    if place.is_file():
        yield module, place
        return
    for path in sorted(place.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py":
            yield f"{module}.{path.stem}", path
        elif (path / "study.py").is_file():
            # a study with pieces of its own is a folder; its other files are no studies
            yield f"{module}.{path.name}.study", path / "study.py"
        elif path.is_dir():
            yield from _files(f"{module}.{path.name}", path)


def _add(found: Found, module: str, path: Path, source: str, required: bool) -> None:
    """Record one file. A file without a card is an error where its place promises a study, else it
    is no study.
    """
    place = path.parent if path.name == "study.py" else path
    slug = place.stem.replace("_", "-")
    try:
        card = read_card(path)
        if card is None and not required:
            return
        if card is None:
            raise StudyError(
                f"{path}: a study needs a card; add CARD = Card(slug={slug!r}, title=…, …)."
            )
        if source == "inscape" and (card.slug != slug or card.room != place.parent.name):
            raise StudyError(
                f"{path}: the card says slug {card.slug!r} in room {card.room!r}, so the file must "
                f"be {card.room}/{card.slug.replace('-', '_')}.py."
            )
        if card.slug in found.entries:
            other = found.entries[card.slug].source
            raise StudyError(
                f"{path}: {other} already brings a study {card.slug!r}; rename this one."
            )
    except StudyError as error:
        found.problems.append(Problem(slug, str(error)))
        return
    found.entries[card.slug] = Entry(card, module, path, source)


def cards() -> dict[str, Card]:
    """The cards of all studies by slug, in order of room and slug; no study is imported."""
    entries = sorted(find().entries.values(), key=lambda e: (e.card.room, e.card.slug))
    return {e.card.slug: e.card for e in entries}


def load_study(slug: str) -> StudyModule:
    """Import one study and check that it has what a study has.

    Raises:
        StudyError: there is no such study (close names are suggested), its card cannot be read, a
            package it needs is missing, or the file lacks ``Config``, ``PRESETS`` or ``run``.
    """
    found = find()
    wanted = slug.strip().replace("_", "-")
    if wanted not in found.entries:
        for problem in found.problems:
            if problem.slug == wanted:
                raise StudyError(problem.sentence)
        raise StudyError(f"There is no study {slug!r}. {suggest(wanted, found.entries)}")
    entry = found.entries[wanted]
    try:
        module = importlib.import_module(entry.module)
    except ImportError as error:
        raise StudyError(
            f"The study {wanted!r} cannot be imported: {error}. Install what is missing, then try "
            "again."
        ) from error
    return _checked(entry, module)


def _checked(entry: Entry, module: Any) -> StudyModule:
    config = getattr(module, "Config", None)
    frozen = getattr(getattr(config, "__dataclass_params__", None), "frozen", False)
    if not (isinstance(config, type) and frozen):
        raise StudyError(
            f"{entry.path}: a study needs a frozen dataclass Config (@dataclass(frozen=True))."
        )
    presets = getattr(module, "PRESETS", None)
    if not (
        isinstance(presets, dict)
        and presets
        and all(isinstance(p, config) for p in presets.values())
    ):
        raise StudyError(
            f"{entry.path}: a study needs PRESETS, a dict from names such as 'small' to a Config."
        )
    if not callable(getattr(module, "run", None)):
        raise StudyError(f"{entry.path}: a study needs def run(config, run).")
    files = [entry.path]
    if entry.path.name == "study.py":
        files = sorted(entry.path.parent.rglob("*.py"))
    code = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    return StudyModule(
        entry.card, config, dict(presets), module.run, module.__doc__ or "", entry.module, code
    )
