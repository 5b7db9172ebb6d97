"""The methods that Inscape has, read from their files: what each answers, its paper, how it is
called.

A method is one file of a package whose files are methods (`inscape.core.exports`): the first sentence
of the file says what it answers, the paragraph that begins with ``Reference:`` names its paper, and
the function or class that has the file's name, or else the first class, is what one calls. Nothing
is imported, and no list is kept.

Cost: parsing the files, about a tenth of a second for a hundred.
"""

from __future__ import annotations

import ast
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inscape.core.exports import folder, with_methods


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: how it is reached: ``"read.LogisticProbe"``.
        answers: what it answers, the first sentence of its file.
        reference: its paper, as the file names it; empty for an instrument of our own.
        signature: how it is called: ``"LogisticProbe(Cs=None, scale=True)"``.
        module: its file's import name.
        others: the file's other public names.
    """

    name: str
    answers: str
    reference: str
    signature: str
    module: str
    others: tuple[str, ...]

    @property
    def paper(self) -> str:
        """The first paper in short: ``"Alain and Bengio (2016), arXiv:1610.01644"``."""
        author = re.match(r".*?\(\d{4}\w?\)", self.reference)
        if author is None:
            return re.split(r"[;.](?:\s|$)", self.reference)[0]
        archive = re.search(r"arXiv:[\w.]+\d", self.reference.partition(";")[0])
        return f"{author[0]}, {archive[0]}" if archive else author[0]

    def says(self, word: str) -> bool:
        """Whether a word stands in any of the texts, whatever its case."""
        texts = (self.name, self.answers, self.reference, self.module, *self.others)
        return any(word.lower() in text.lower() for text in texts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def methods(word: str = "") -> list[Method]:
    """All methods, or those that a word is found in, in order of package and file.

    Example:
        >>> [m.name for m in methods("k-means")]
        ['read.KMeansDirection']
    """
    found = []
    for package in with_methods():
        for path in sorted(folder(package).glob("*.py")):
            method = _method(package, path)
            if method is not None and method.says(word):
                found.append(method)
    return found


def _method(package: str, path: Path) -> Method | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]
    if path.stem.startswith("_") or not public:
        return None
    main = _main(path.stem, public)
    text = ast.get_docstring(tree) or ""
    return Method(
        name=f"{package.removeprefix('inscape.')}.{main.name}",
        answers=_paragraphs(text)[0] if text else "",
        reference=_reference(text),
        signature=signature(main),
        module=f"{package}.{path.stem}",
        others=tuple(node.name for node in public if node is not main),
    )


def _main(stem: str, public: list[ast.ClassDef | ast.FunctionDef]) -> Any:
    letters = stem.replace("_", "")
    called = [n for n in public if isinstance(n, ast.FunctionDef) or not _record(n)]
    named = [n for n in called if n.name.lower().replace("_", "") == letters]
    classes = [n for n in called if isinstance(n, ast.ClassDef)]
    return (named or classes or called or public)[0]


def _record(node: ast.ClassDef) -> bool:
    """Whether a class only holds what a function gives back."""
    kinds = [ast.unparse(d) for d in node.decorator_list] + [ast.unparse(b) for b in node.bases]
    return any("dataclass" in kind or kind == "NamedTuple" for kind in kinds)


def signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    """A function's or a class's call, arguments with their defaults and without their types."""
    own = node
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        if not made:
            fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
            names = [_argument(ast.arg(ast.unparse(f.target)), f.value) for f in fields]
            return f"{node.name}({', '.join(names) or '…'})"
        own = made[0]
    given = own.args
    positional = [*given.posonlyargs, *given.args]
    if isinstance(node, ast.ClassDef):
        positional = positional[1:]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    parts = [_argument(a, d) for a, d in zip(positional, defaults, strict=True)]
    parts += [f"*{given.vararg.arg}"] if given.vararg else ["*"] if given.kwonlyargs else []
    parts += [_argument(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    parts += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return f"{node.name}({', '.join(parts)})"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    if default is None:
        return argument.arg
    value = ast.unparse(default)
    return f"{argument.arg}={value if len(value) <= 30 else '…'}"


def _reference(text: str) -> str:
    """What stands behind ``Reference:`` up to the end of its paragraph."""
    found = re.search(r"^Reference: (.*?)(?=\n\s*\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
