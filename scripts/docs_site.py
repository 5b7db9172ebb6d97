"""What `make docs` adds to the pages of docs/: the first page, the API reference, and links that
lead somewhere in the site.

Called by MkDocs as a hook. Nothing is kept in the repository: the first page is the README, the
reference is made of the package's files, and links out of docs/ (to source files, to
CONTRIBUTING.md) become links to the pages that show these.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

from inscape.core.exports import folder, packages
from inscape.core.methods import methods

ROOT = Path(__file__).parents[1]
#: pages of the site that are files beside docs/
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
CODE = re.compile(r"`[^`\n]+`")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """The reference's pages in the navigation."""
    pages = [{"Methods": "reference/methods.md"}]
    pages += [{name(p): f"reference/{name(p)}.md"} for p in packages()]
    for entry in config.nav:
        if "Reference" in entry:
            entry["Reference"] = [*pages, *entry["Reference"]]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Pages that are made here."""
    made = {to: (ROOT / source).read_text(encoding="utf-8") for source, to in OUTSIDE.items()}
    made["reference/methods.md"] = catalogue()
    made |= {f"reference/{name(p)}.md": reference(p) for p in packages()}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links and cells of tables as the site needs them; blocks of code are left alone."""
    uri = page.file.src_uri
    markdown = "".join(p if i % 2 else cells(p) for i, p in enumerate(FENCE.split(markdown)))
    if uri.startswith("reference/"):
        return markdown
    source = next((s for s, to in OUTSIDE.items() if to == uri), f"docs/{uri}")

    def moved(found: re.Match[str]) -> str:
        return f"{found[1]}{target(found[2], source, uri)}{found[3]}"

    parts = FENCE.split(markdown)
    return "".join(p if i % 2 else LINK.sub(moved, p) for i, p in enumerate(parts))


def cells(text: str) -> str:
    """Tables whose code has its bars as they are: a code host takes the backslash before one away,
    the site would show it.
    """
    return "\n".join(
        CODE.sub(lambda code: code[0].replace("\\|", "|"), line) if line.startswith("|") else line
        for line in text.split("\n")
    )


def target(link: str, source: str, uri: str) -> str:
    """Where a link of a file leads in the site; to the page itself where the site has nothing of
    it.
    """
    if link.startswith(("http://", "https://", "mailto:", "#")):
        return link
    where, _, anchor = link.partition("#")
    path = os.path.normpath(PurePosixPath(source).parent / where)
    if path == "docs/decisions":
        path = "docs/decisions/README.md"
    here = PurePosixPath(uri).parent
    if path in OUTSIDE:
        to = OUTSIDE[path]
    elif path.startswith("docs/") and (ROOT / path).is_file():
        to = path.removeprefix("docs/")
    elif path.startswith("src/inscape/") and path.endswith(".py"):
        module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        package = module.split(".")[1]
        if f"inscape.{package}" not in packages() or module.count(".") != 2:
            return PurePosixPath(uri).name
        to, anchor = f"reference/{package}.md", module
    else:
        return PurePosixPath(uri).name
    relative = os.path.relpath(to, here) if str(here) != "." else to
    return f"{relative}#{anchor}" if anchor else relative


def name(package: str) -> str:
    """``inscape.read`` → ``read``."""
    return package.removeprefix("inscape.")


def modules(package: str) -> list[str]:
    """The public modules of a package's folder."""
    found = sorted(folder(package).glob("*.py"))
    return [f"{package}.{p.stem}" for p in found if not p.stem.startswith("_")]


def reference(package: str) -> str:
    """The page of a package: every public module, as its docstrings explain it."""
    parts = "\n\n".join(f"::: {module}" for module in modules(package))
    about = " ".join(
        (folder(package) / "__init__.py").read_text(encoding="utf-8").split('"""')[1:2]
    )
    return f"# {package}\n\n{about.strip()}\n\n{parts}\n"


def catalogue() -> str:
    """Every method in a table: what it answers, its paper, how it is called."""
    rows = ["| method | answers | paper | call |", "|---|---|---|---|"]
    for method in methods():
        package = method.name.split(".")[0]
        link = f"[`{method.name}`]({package}.md#{method.module})"
        cells = (method.answers, method.paper, f"`{method.signature}`")
        rows.append("| " + " | ".join([link, *(c.replace("|", "\\|") for c in cells)]) + " |")
    return "# Methods\n\nThe same list as `inscape methods`.\n\n" + "\n".join(rows) + "\n"
