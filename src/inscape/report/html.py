"""A self-contained page: the templates, the drawing library and the two variants of the theme.

Every string from a run is escaped by the template engine; specifications are inlined as JSON in
which ``<``, ``>`` and ``&`` are escapes, so that no caption or datum can end a script. The page
forbids itself the network by its own policy, and every script and style but its own, which the
policy knows by their hashes: nothing is evaluated, because Vega runs expressions through its
interpreter. The library (Vega, Vega-Lite, vega-embed: about 0.9 MB) comes from vl-convert and is
inlined once, at the end: the first screen is painted before it is read, and a figure in a closed
section is drawn when the section is opened.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from inscape.charts import theme
from inscape.core.characters import storable
from inscape.report.packing import pack
from inscape.report.page import Page

#: what every page has near its beginning, by which an earlier one is known
MARK = b'<meta name="generator" content="Inscape">'
_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """A template of this folder with its style inlined, and a policy that lets only this style
    and script be used."""
    style = _style()
    policy = {"default-src": "'none'", "style-src": _hash(style), "img-src": "data:"}
    if "script" in values:
        policy["script-src"] = _hash(values["script"])
    policy |= {"base-uri": "'none'", "form-action": "'none'"}
    said = "; ".join(f"{name} {allowed}" for name, allowed in policy.items())
    return _environment().get_template(template).render(style=style, policy=Markup(said), **values)


def report(found: Page) -> str:
    """The report as one page of HTML."""
    specs = {block.name: block.spec for block in found.blocks if block.spec is not None}
    figures = {**pack(specs), "themes": themes()} if specs else None
    return render("report.html", page=found, figures=figures, script=script(bool(specs)))


def comparison(groups: list[dict[str, Any]], count: int) -> str:
    """The page that compares runs; see `inscape.report.compare`."""
    specs = {figure["key"]: figure["spec"] for group in groups for figure in group["figures"]}
    figures = {**pack(specs), "themes": themes()} if specs else None
    return render(
        "index.html", groups=groups, count=count, figures=figures, script=script(bool(specs))
    )


def script(figures: bool) -> Markup:
    """The code of a page for one script element, with the drawing library where there are
    figures."""
    parts = [(_TEMPLATES / "page.js").read_text(encoding="utf-8")]
    if figures:
        parts += [_library(), (_TEMPLATES / "figures.js").read_text(encoding="utf-8")]
    return Markup("\n".join(parts))


def themes() -> dict[str, dict[str, Any]]:
    """The configuration of figures on a light and a dark page."""
    return {"light": theme.config("light"), "dark": theme.config("dark")}


def prose(text: str) -> Markup:
    """Markdown as HTML; HTML, images and links inside it stay text, and no entity makes a character
    that a page must not hold."""
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    reader.disable(["image", "link", "autolink", "reference"])
    tokens = reader.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            # the page's own headings go down to h2
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    return Markup(storable(reader.renderer.render(tokens, reader.options, {})))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    environment.globals["marks"] = {
        "supported": ("✓", "good"),
        "uncertain": ("?", "open"),
        "not supported": ("✗", "bad"),
    }
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
    }
    return environment


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style() -> Markup:
    return Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))


@functools.cache
def _library() -> str:
    bundle = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;")
    # a library that ends its own script element would spill onto the page
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")
