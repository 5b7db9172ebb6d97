"""The rules of the house that a linter does not hold: what is never written, how modules are named
and sized, what importing costs, that nothing goes untested, and that every example in a docstring
is true."""

from __future__ import annotations

import ast
import doctest
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import inscape

ROOT = Path(__file__).parents[1]
SRC, TESTS = ROOT / "src" / "inscape", ROOT / "tests"
MODULES = sorted(SRC.rglob("*.py"))
#: statements of the longest function that still fits in the head
STATEMENTS = 60
PARAMETERS = 8

#: modules that no test names and no tested module of their folder imports: how each is tested all
# the same
ELSEWHERE = {
    "__main__.py": "tests/cli/test_module.py runs it as a process of its own",
    "model/families/*.py": "walked by model/registry.py; tests/model/test_families.py runs each",
    "data/sets/*.py": "found by data/load.py; tests/data/test_sets.py loads each",
}


def relative(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _read(path: Path) -> tuple[list[tuple[str, ast.Call]], set[str]]:
    """Calls and imports of a file, from one walk."""
    called: list[tuple[str, ast.Call]] = []
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called.append((_name(node.func), node))
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return called, names


def _name(node: ast.expr) -> str:
    """A dotted name as it is written; of what is not one, the attribute alone."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return "?"
    before = _name(node.value)
    return f"?.{node.attr}" if before.startswith("?") else f"{before}.{node.attr}"


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call in a file, with the dotted name that is called (``torch.load``; a method's is
    ``?.eval``).
    """
    return _read(path)[0]


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere in it, modules and members alike."""
    return _read(path)[1]


def everywhere(rule: Callable[[Path], Iterator[str]], paths: Sequence[Path] = MODULES) -> None:
    """Every offence against a rule, said at once."""
    offences = [f"{relative(path)}: {what}" for path in paths for what in rule(path)]
    assert not offences, "\n".join(offences)


def broken(rule: Callable[[Path], Iterator[str]], source: str, folder: Path) -> list[str]:
    """What a rule says of a planted module: a rule that cannot fail guards nothing."""
    path = folder / f"planted{abs(hash(source))}.py"
    path.write_text(source, encoding="utf-8")
    return list(rule(path))


#: keywords that decide whether a call runs what it reads
SAFETY = {"shell", "allow_pickle", "weights_only", "use_safetensors", "gguf_file"}


def unsafe(path: Path) -> Iterator[str]:
    """Whatever runs what it reads."""
    for name in sorted(imported(path)):
        if name.split(".")[0] in ("pickle", "dill", "joblib", "cloudpickle", "shelve"):
            yield f"imports {name}"
    for name, call in calls(path):
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords if k.arg in SAFETY}
        weights = (
            name.endswith(".from_pretrained") and "AutoConfig" not in name and "auto." not in name
        )
        if name in ("eval", "exec", "os.system"):
            yield f"line {call.lineno}: {name}"
        if (
            keywords.get("shell", "False") != "False"
            or keywords.get("allow_pickle", "False") != "False"
        ):
            yield f"line {call.lineno}: a shell, or pickled arrays"
        if name == "torch.load" and keywords.get("weights_only") != "True":
            yield f"line {call.lineno}: torch.load without weights_only=True"
        if weights and keywords.get("use_safetensors") != "True" and "gguf_file" not in keywords:
            yield f"line {call.lineno}: weights that may be pickled"


def test_nothing_runs_what_it_reads(tmp_path):
    everywhere(unsafe)
    for planted in (
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "np.load('x', allow_pickle=True)",
        "subprocess.run('x', shell=True)",
        "Net.from_pretrained('x')",
    ):
        assert broken(unsafe, planted, tmp_path), planted
    assert not broken(unsafe, "net.eval()\ntorch.load('x', weights_only=True)\n", tmp_path)


def shapeless(path: Path) -> Iterator[str]:
    """A module says what it does; a function fits in the head."""
    # the __init__ of a folder whose files are walked may be empty
    text = path.read_text(encoding="utf-8")
    if (path.name != "__init__.py" or text) and not ast.get_docstring(tree(path)):
        yield "no docstring"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            length = sum(isinstance(n, ast.stmt) for n in ast.walk(node)) - 1
            if length > STATEMENTS:
                yield f"{node.name} has {length} statements: look for the second idea"
            given = [a.arg for a in [*node.args.posonlyargs, *node.args.args]]
            count = len([a for a in given if a not in ("self", "cls")])
            # a command's parameters are options of the shell
            if count > PARAMETERS and path.parent.name != "cli":
                yield f"{node.name} takes {count} parameters by position: make a record"


def test_a_module_says_what_it_does_and_a_function_fits_in_the_head(tmp_path):
    everywhere(shapeless)
    assert broken(shapeless, "x = 1", tmp_path) == ["no docstring"]
    long = '"""Long."""\ndef f():\n' + (STATEMENTS + 1) * "    x = 1\n"
    assert broken(shapeless, long, tmp_path) == ["f has 61 statements: look for the second idea"]
    many = ", ".join(f"a{i}" for i in range(PARAMETERS + 1))
    wide = f'"""Wide."""\ndef f({many}): ...\n'
    assert broken(shapeless, wide, tmp_path) == ["f takes 9 parameters by position: make a record"]
    assert not broken(shapeless, wide.replace("a8", "*, a8"), tmp_path)


def formatted(path: Path) -> Iterator[str]:
    """The formatter is on everywhere."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.search(r"# fmt: *(skip|off)", line):
            yield f"line {number} turns the formatter off"


def test_the_formatter_is_on_everywhere(tmp_path):
    everywhere(formatted)
    assert broken(formatted, "x = [1,2]  # fmt: skip", tmp_path)


def test_no_folder_or_module_for_what_has_no_name():
    nameless = {"utils", "util", "common", "helpers", "helper", "misc", "tools"}
    names = [part.removesuffix(".py") for p in MODULES for part in p.relative_to(SRC).parts]
    assert not nameless & set(names)


def printing(path: Path) -> Iterator[str]:
    yield from (f"line {call.lineno} prints" for name, call in calls(path) if name == "print")


def test_only_the_command_line_prints(tmp_path):
    everywhere(printing, [p for p in MODULES if not relative(p).startswith("cli/")])
    assert broken(printing, "print(1)", tmp_path)


def roundabout(path: Path) -> Iterator[str]:
    """Through the root, one cycle would hold every module."""
    if "inscape" in imported(path):
        yield "imports through the package's root"


def test_siblings_are_imported_by_module(tmp_path):
    everywhere(roundabout)
    assert broken(roundabout, "from inscape import open", tmp_path)
    assert not broken(roundabout, "from inscape.model.open import open", tmp_path)


def test_no_two_files_import_each_other_by_any_way(tmp_path):
    """Within a function and for types alone, too: `lint-imports` sees what is imported when a
    module loads.
    """
    benches = sorted((ROOT / "benchmarks").rglob("*.py"))
    circle = _circle({**{_dotted(p): p for p in MODULES}, **{_named(p): p for p in benches}})
    assert not circle, f"a circle of imports: {' → '.join(circle)}"
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("from a import two")
    two.write_text("def f():\n    from a.one import g")
    assert sorted(set(_circle({"a.one": one, "a.two": two}))) == ["a.one", "a.two"]


def _named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _circle(files: dict[str, Path]) -> list[str]:
    """The modules of one circle of imports, in turn; none where there is no circle."""
    arrows = {
        name: {other for other in imported(path) if other in files and other != name}
        for name, path in files.items()
        if path.name != "__init__.py"
    }
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def global_randomness(path: Path) -> Iterator[str]:
    """The global streams are left as they were."""
    source = path.read_text(encoding="utf-8").splitlines()
    for name, call in calls(path):
        before = "\n".join(source[max(0, call.lineno - 10) : call.lineno])
        if name in ("np.random.seed", "numpy.random.seed", "random.seed"):
            yield f"line {call.lineno}: {name}"
        if name in ("torch.manual_seed", "torch.cuda.manual_seed_all") and "fork_rng" not in before:
            yield f"line {call.lineno}: {name} outside torch.random.fork_rng"


def test_the_global_random_streams_are_left_alone(tmp_path):
    everywhere(global_randomness)
    assert broken(global_randomness, "np.random.seed(0)", tmp_path)
    assert broken(global_randomness, "torch.manual_seed(0)", tmp_path)
    assert not broken(
        global_randomness, "with torch.random.fork_rng():\n    torch.manual_seed(0)", tmp_path
    )


def test_importing_costs_nothing():
    heavy = (
        "torch",
        "transformers",
        "pandas",
        "sklearn",
        "lance",
        "pyarrow",
        "altair",
        "scipy",
        "numpy",
    )
    code = f"import sys, inscape; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_help_costs_nothing():
    heavy = ("torch", "transformers", "pandas", "sklearn", "lance", "altair")
    code = (
        "import sys\nsys.argv = ['inscape', '--help']\nfrom inscape.cli.main import main\n"
        f"try: main()\nfinally: print('heavy:', [m for m in {heavy!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("heavy: []")
    assert "Look inside:" in ran.stdout


def test_every_name_of_the_root_resolves():
    assert len(inscape.__all__) > 10
    for name in inscape.__all__:
        assert getattr(inscape, name) is not None
        assert name in dir(inscape)


def test_a_name_that_the_root_lacks_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'opne'"):
        inscape.opne  # noqa: B018


# ------------------------------------------------------------------------------------------------
# nothing goes untested


def _mirror(path: Path) -> Path:
    return TESTS / path.relative_to(SRC).parent / f"test_{path.name}"


def _dotted(path: Path) -> str:
    return ".".join(("inscape", *path.relative_to(SRC).with_suffix("").parts))


@cache
def _tested() -> set[Path]:
    """Modules with a test of their own name, those that tests import, and those that these import
    in their own folder.
    """
    named = set().union(*(imported(t) for t in TESTS.rglob("*.py") if t != Path(__file__)))
    strings = "\n".join(
        t.read_text(encoding="utf-8") for t in TESTS.rglob("*.py") if t != Path(__file__)
    )
    found = {
        p
        for p in MODULES
        if _mirror(p).is_file() or _dotted(p) in named or f'"{_dotted(p)}.' in strings
    }
    by_name = {_dotted(p): p for p in MODULES}
    reach = list(found)
    while reach:
        here = reach.pop()
        inside = {
            by_name[n] for n in imported(here) if n in by_name and by_name[n].parent == here.parent
        }
        reach.extend(inside - found)
        found |= inside
    return found


def test_nothing_goes_untested():
    left = [p for p in MODULES if p.name != "__init__.py" and p not in _tested()]
    orphans = [
        relative(p)
        for p in left
        if not any(p.relative_to(SRC).match(pattern) for pattern in ELSEWHERE)
    ]
    assert not orphans, f"no test reaches {', '.join(orphans)}"


def test_every_exception_is_one():
    untested = [p for p in MODULES if p not in _tested()]
    for pattern in ELSEWHERE:
        assert any(p.relative_to(SRC).match(pattern) for p in untested), (
            f"{pattern} is tested by name: drop the line"
        )


def test_every_study_has_a_test():
    studies = [p for p in (SRC / "studies").rglob("*.py") if p.name != "__init__.py"]
    places = {p: [_mirror(p), TESTS / "studies" / f"test_{p.name}"] for p in studies}
    assert not [relative(p) for p, where in places.items() if not any(w.is_file() for w in where)]


# ----------------------------------------------------------------------------------------- examples
# in docstrings are true


def _examples() -> list[tuple[Path, str, str, int]]:
    """Module, owner, docstring and line of every docstring with an example.

    Read from the source: the import hook that checks shapes wraps functions, and doctest's own
    finder takes what is wrapped for something imported and passes it by. This runs while tests are
    collected, in every worker, so files without an example are not parsed.
    """
    found = []
    for path in MODULES:
        if ">>>" not in path.read_text(encoding="utf-8"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and ">>>" in text:
                    found.append(
                        (path, getattr(node, "name", "module"), text, getattr(node, "lineno", 1))
                    )
    return found


@pytest.mark.parametrize(
    ("path", "owner", "text", "line"),
    [pytest.param(*e, id=f"{relative(e[0])}:{e[1]}") for e in _examples()],
)
def test_the_examples_in_docstrings_are_true(path: Path, owner: str, text: str, line: int):
    names = dict(vars(importlib.import_module(_dotted(path).removesuffix(".__init__"))))
    parsed = doctest.DocTestParser().get_doctest(text, names, owner, str(path), line)
    assert parsed.examples
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(parsed, out=said.append)
    assert not runner.failures, "".join(said)
