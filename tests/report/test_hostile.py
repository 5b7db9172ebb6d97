"""A report of hostile texts and figures in a real browser: nothing runs, nothing is asked for.

Each kind of payload is in every text of the run. The figures are put into the page past the checks
that refuse them, so that the page alone has to hold; without its policy and the interpreter, the
same page runs and asks.
"""

import http.server
import json
import re
import shutil
import threading
from dataclasses import replace

import pandas as pd
import pytest

from inscape.charts.specification import Refused, checked
from inscape.core.errors import RunError
from inscape.report import html, markdown
from inscape.report.compare import index
from inscape.report.folder import read
from inscape.report.page import page
from inscape.report.results import results
from tests.charts.test_export import SPEC
from tests.report import test_browser

RUN = "console.log('PWNED')"


def texts(address):
    """The kinds of payload, in words that an HTML, CSS, SVG, Markdown or template reader would
    obey."""
    return {
        "script": f"<script>{RUN}</script>",
        "end of a script": f"</script><script>{RUN}</script><!--",
        "handler": (
            f'<img src=x onerror="{RUN}"><svg onload="{RUN}"><details open ontoggle="{RUN}">'
        ),
        "attribute": f"\" autofocus onfocus=\"{RUN}\" x=\"' onmouseover='{RUN}' y='",
        "picture": f'<img src="{address}/picture"><picture><source srcset="{address}/s"></picture>',
        "frame": (
            f"<iframe srcdoc=\"<script>parent.{RUN}</script>\"></iframe><iframe src='{address}/f'>"
        ),
        "style": f"<style>@import url({address}/css); *{{background:url({address}/bg)}}</style>",
        "end of a style": f'</style><link rel="stylesheet" href="{address}/link">',
        "refresh": f'<meta http-equiv="refresh" content="0;url={address}/refresh">',
        "base": f'<base href="{address}/base/"><form action="{address}/form"><button autofocus>',
        "object": f'<object data="{address}/object"></object><embed src="{address}/embed">',
        "drawing": f'<svg><image href="{address}/image"/><use href="{address}/use#x"/></svg>',
        "markdown": (
            f"![x]({address}/md) [x](javascript:{RUN}) <{address}/auto>\n\n[r]: {address}/r"
        ),
        "template": "{{ 7 * 7 }}{% raw %}${7*7}{{ page.blocks }}",
        "address": f"javascript:{RUN}",
        "ends": "]]> \u2028 \x00 \x1b \ud800 ``` | --> &lt;script&gt;",
    }


def figures(address):
    """Specifications that run or ask where nothing stops them."""
    code = "document.title='x';console.log('PWNED')"
    point = {
        "name": "p",
        "select": {
            "type": "point",
            "on": {
                "type": "mousemove",
                "filter": [
                    "vlSelectionTuples({map: event.dataflow._handler.on, eventName: "
                    "event.view.console.log, "
                    f'_handlers: {{undefined: "{code}"}}, _handlerIndex: event.view.eval}}, {{}})'
                ],
            },
        },
    }
    link = {"x": SPEC["encoding"]["x"], "href": {"value": f"javascript:{RUN}"}}
    tooltip = {"values": [{"x": 1, "title": "t", "image": f"{address}/tooltip"}]}
    return {
        "event": {**SPEC, "mark": "bar", "params": [point]},
        "data": {**SPEC, "data": {"url": f"{address}/data.json"}},
        "image": {**SPEC, "mark": {"type": "image", "url": f"{address}/mark.png"}},
        "link": {**SPEC, "mark": "point", "encoding": link},
        "signal": {**SPEC, "title": {"text": {"signal": "event.view"}}},
        "loader": {
            **SPEC,
            "usermeta": {"embedOptions": {"config": f"{address}/c.json", "ast": False}},
        },
        "colour": {**SPEC, "mark": {"type": "bar", "fill": f"url({address}/paint.svg#a)"}},
        "tooltip": {
            **SPEC,
            "mark": {"type": "point", "tooltip": {"content": "data"}},
            "data": tooltip,
        },
    }


@pytest.fixture(scope="module")
def listener():
    """An address of this machine, and the requests that came to it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def _everywhere(value, payload):
    """The value with the payload in every text that no schema holds to a pattern."""
    if isinstance(value, dict):
        kept = {"study", "kind", "name", "slug", "figure", "verdict", "sections", "arrays"}
        return {k: v if k in kept else _everywhere(v, payload) for k, v in value.items()} | (
            {payload[:80]: payload} if "folds" in value else {}
        )
    if isinstance(value, list):
        return [_everywhere(v, payload) for v in value]
    return payload if isinstance(value, str) else value


def hostile(folder, to, payload):
    """A copy of a run folder with the payload in every text, cell, column name and label of a
    figure."""
    run = shutil.copytree(
        folder, to, ignore=shutil.ignore_patterns("report.*", "*.p?[gf]", "*.svg")
    )
    for name in ("run", "claims", "certificates"):
        file = run / f"{name}.json"
        value = _everywhere(json.loads(file.read_text()), payload)
        if name == "run":
            for section in value["sections"]:
                section["caption"] = payload
                section |= {"markdown": payload} if section["kind"] == "text" else {}
            value["study"] = "toy-space"
        file.write_text(json.dumps(value))
    frame = pd.DataFrame({payload.replace("\ud800", ""): [payload.replace("\ud800", "")] * 2})
    frame.assign(n=[1, 2]).to_parquet(run / "tables" / "cities.parquet", index=False)
    spec = {**SPEC, "title": payload, "mark": {"type": "text", "tooltip": True}}
    spec["data"] = {"values": [{"x": 1, "y": 2, "label": payload}]}
    spec["encoding"] = {**SPEC["encoding"], "text": {"field": "label"}, "color": {"field": "label"}}
    (run / "figures" / "world_map.json").write_text(json.dumps(spec))
    return run


MOVE = """<script>
setTimeout(() => {
  for (const svg of document.querySelectorAll("svg.marks, svg.marks *")) {
    for (const kind of ["mousemove", "pointermove", "mouseover", "pointerover"]) {
      svg.dispatchEvent(new MouseEvent(kind, { bubbles: true, view: window, clientX: 60, clientY: 60 }));
    }
  }
}, 2500);
</script>"""


def _drawn(found, specs):
    """The page with other figures, past the checks."""
    blocks = [
        replace(found.blocks[0], name=name, number=i + 1, spec=spec)
        for i, (name, spec) in enumerate(specs.items())
    ]
    shown = replace(found, blocks=blocks)
    return html.report(shown)


browser = pytest.mark.skipif(test_browser.CHROMIUM is None, reason="no chromium on the PATH")


@browser
def test_no_text_of_a_run_runs_or_asks(folder, tmp_path, listener):
    address, asked = listener
    payload = "\n".join(texts(address).values())
    run = hostile(folder, tmp_path / "run", payload)
    found = page(read(run))
    text = html.report(found)
    assert text.count("PWNED") > 100
    console = test_browser._console(text, tmp_path, 1280, extra=MOVE)
    # one word of a payload is wider than the page, which is no harm
    assert [re.sub(r"over=\d+ ", "", c) for c in console] == [
        "PROBE width=1280 drawn=3/3 wide=0 scheme=light"
    ]
    (tmp_path / "profile").rename(tmp_path / "profile before")
    compared = index([run, run], tmp_path / "index.html").read_text(encoding="utf-8")
    console = test_browser._console(compared, tmp_path, 1280)
    assert [re.sub(r"over=\d+ ", "", c) for c in console] == [
        "PROBE width=1280 drawn=1/1 wide=0 scheme=light"
    ]
    assert asked == []


@browser
def test_no_figure_runs_or_asks_even_where_it_was_not_refused(folder, tmp_path, listener):
    address, asked = listener
    specs = figures(address)
    text = _drawn(page(read(folder)), specs)
    console = test_browser._console(text, tmp_path, 1280, extra=MOVE)
    assert "PWNED" not in console
    assert [c for c in console if c.startswith("PROBE")]
    assert asked == []
    # the same page as it would be with code evaluated and the network allowed
    (tmp_path / "profile").rename(tmp_path / "profile before")
    policy = re.search(r"default-src 'none'[^\"]*", text)[0]
    free = text.replace(policy, "default-src * 'unsafe-inline' 'unsafe-eval' data: blob:")
    free = free.replace("ast: true", "ast: false")
    console = test_browser._console(free, tmp_path, 1280, extra=MOVE, allowed=False)
    assert "PWNED" in console
    assert {"/data.json", "/mark.png", "/c.json"} <= set(asked)


@pytest.mark.parametrize("kind", list(figures("")))
def test_each_hostile_figure_is_refused_or_loses_its_payload(kind):
    spec = figures("https://a.example")[kind]
    if kind == "loader":
        assert "usermeta" not in checked(spec)
    elif kind in ("colour", "tooltip"):
        # nothing but the page's policy and the check of the drawn picture stands between these and
        # a request
        assert checked(spec) == spec
    else:
        with pytest.raises(Refused):
            checked(spec)


@pytest.mark.parametrize("kind", list(texts("")))
def test_each_kind_of_text_stays_text_in_html_and_markdown(folder, tmp_path, kind):
    payload = texts("https://a.example")[kind]
    run = hostile(folder, tmp_path / "run", payload)
    found = page(read(run))
    text = html.report(found)
    clean = html.report(page(read(folder)))
    for tag in ("<script", "<style", "<img", "<iframe", "<link", "<base", "<object", "<form"):
        assert text.count(tag) == clean.count(tag), tag
    assert not re.findall(r'href="(?!#|figures/|tables/|data:,")[^"]*"', text)
    table = results([run, run], tmp_path / "results.md")
    details = tmp_path / "results" / "toy-space.md"
    pages = [markdown.text(found), table.read_text(), details.read_text()]
    for shown in pages:
        _is_harmless_markdown(shown)


TURNS = "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))


def test_no_text_turns_the_direction_of_what_follows(folder, tmp_path):
    payload = f"gpj.{TURNS}exe &#x202e; &#8294; \u200fשלום"
    run = hostile(folder, tmp_path / "\u202enur", payload)
    shown = {"report": html.report(page(read(run)))}
    shown["comparison"] = index([run, run], tmp_path / "index.html").read_text(encoding="utf-8")
    for name, text in shown.items():
        assert text.count("exe") > 20, name
        assert "\u200fשלום" in text  # the text itself is left
        assert not {c: text.count(c) for c in TURNS if c in text}, name
    mended = checked(json.loads((run / "figures" / "world_map.json").read_text()))
    assert not set(TURNS) & set(json.dumps(mended, ensure_ascii=False))
    assert not set(TURNS) & set(markdown.text(page(read(run))))


def _is_harmless_markdown(text):
    """No HTML, picture or link but our own, and no heading but ours, as a reader of CommonMark
    sees it."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    found = []
    for token in reader.parse(text):
        found += [token, *(token.children or [])]
    assert not [t.content for t in found if t.type in ("html_block", "html_inline")]
    links = [t.attrs["href"] for t in found if t.type == "link_open"]
    ours = r"(results/|\.\./)(toy-space|results)\.md"
    assert all(re.fullmatch(ours, link) for link in links), links
    pictures = [t.attrs["src"] for t in found if t.type == "image"]
    assert all(re.fullmatch(r"figures/[a-z_]+\.png", p) for p in pictures), pictures
    heads = [
        found[i + 1].content
        for i, t in enumerate(found)
        if t.type == "heading_open" and t.tag in ("h1", "h2")
    ]
    ours = (
        "Results Question Answer Claims Evidence The Certificates Warnings How Lineage "
        "toy-space preset"
    ).split()
    assert all(h.split()[0] in ours for h in heads[1:]), heads


@pytest.mark.parametrize("study", ["../../x", "a/b", "/etc/x", "x\x00", ".", "..", "A", "x" * 90])
def test_the_name_of_a_study_leads_nowhere(folder, tmp_path, study):
    from inscape.report.gallery import gallery

    run = shutil.copytree(folder, tmp_path / "a" / "b" / "run")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"study": study}))
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    with pytest.raises(RunError, match=r"run\.json is damaged at study: .*Run the study again"):
        gallery([run], tmp_path / "a" / "b" / "gallery.md")
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before
