"""The report in a real browser: the first screen, every figure drawn, no error, no sideways scroll.

At the width of a desk and of a phone, light and dark. The page is looked at inside a frame of that
width, because a headless window is never narrower than 500 px.
"""

import base64
import hashlib
import re
import shutil
import subprocess

import pandas as pd
import pytest

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.report.build import build
from inscape.report.compare import index

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=8000 --enable-logging=stderr "
    "--v=0"
).split()

#: says what was drawn, once everything had time to be, as one line on the console
PROBE = """<script>
setTimeout(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)), 500);
setTimeout(() => {
  const page = document.documentElement;
  const boxes = [...document.querySelectorAll("[data-figure]")];
  const drawn = boxes.filter((box) => box.querySelector("svg.marks")).length;
  const schemes = [...new Set(boxes.map((box) => box.dataset.scheme))].join("+");
  const wide = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).length;
  const over = page.scrollWidth - page.clientWidth;
  console.log(`PROBE width=${innerWidth} over=${over} drawn=${drawn}/${boxes.length} wide=${wide} scheme=${schemes}`);
}, 4000);
</script>"""


def _allowed(text):
    """The page with its policy made for the scripts and styles that are in it now, the probe's
    among them."""

    def hashes(element):
        inside = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digests = [hashlib.sha256(found.encode()).digest() for found in inside]
        return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)

    policy = re.search(r"default-src 'none'[^\"]*", text)[0]
    kept = [p for p in policy.split("; ") if not p.startswith(("script-src", "style-src"))]
    rules = [*kept, f"script-src {hashes('script')}", f"style-src {hashes('style')}"]
    return text.replace(policy, "; ".join(rules), 1)


def _console(text, tmp_path, width, dark=False, extra="", allowed=True):
    """What a page says on the console of headless Chromium, with the probe in it."""
    head, _, tail = text.rpartition("</body>")
    page = f"{head}{extra}{PROBE}</body>{tail}"
    page = _allowed(page) if allowed else page
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    frame = f'<iframe src="page.html" style="border:0;width:{width}px;height:1500px"></iframe>'
    scheme = "<meta name=color-scheme content='light dark'>"
    (tmp_path / "frame.html").write_text(f"<!doctype html>{scheme}<body style='margin:0'>{frame}")
    preferred = ["--blink-settings=preferredColorScheme=0"] if dark else []
    profile = [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1600", "--dump-dom"]
    command = [CHROMIUM, *FLAGS, *preferred, *profile, (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return re.findall(r'CONSOLE[^"]*"(.*)", source', done.stderr)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_drawn_without_error_and_nothing_scrolls_sideways(
    report, tmp_path, width, dark
):
    console = _console(report.read_text(encoding="utf-8"), tmp_path, width, dark)
    scheme = "dark" if dark else "light"
    assert console == [f"PROBE width={width} over=0 drawn=3/3 wide=0 scheme={scheme}"]


def test_the_check_itself_sees_an_error_and_a_page_that_is_too_wide(report, tmp_path):
    planted = '<table width="2000"><tr><td>wide</table><script>console.error("planted")</script>'
    console = _console(report.read_text(encoding="utf-8"), tmp_path, 390, extra=planted)
    assert console[0] == "planted"
    assert int(re.search(r"over=(\d+)", console[-1])[1]) > 1000


FIRST = """<script>
setTimeout(() => {
  const bottom = (name) => {
    const found = [...document.querySelectorAll(name)].map((e) => e.getBoundingClientRect().bottom);
    return Math.round(Math.max(...found));
  };
  const open = document.querySelectorAll("details[open]").length;
  const parts = ["h1", ".answer", ".hero svg.marks", ".strip"].map(bottom);
  console.log(`FIRST ${parts.join(" ")} open=${open}`);
}, 400);
</script>"""


def test_the_first_screen_holds_question_answer_figure_and_claims(report, tmp_path):
    console = _console(report.read_text(encoding="utf-8"), tmp_path, 1280, extra=FIRST)
    found = re.fullmatch(r"FIRST (\d+) (\d+) (\d+) (\d+) open=(\d+)", console[0])
    assert found, console
    question, answer, figure, claims, opened = map(int, found.groups())
    assert 0 < question < answer < min(figure, claims)
    assert max(figure, claims) < 800
    assert opened == 2  # a certificate that did not pass


FITTED = """<script>
setTimeout(() => {
  const box = document.querySelector(".hero .chart"), drawn = box.querySelector("svg.marks");
  const scale = drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width;
  const blank = box.clientHeight - drawn.getBoundingClientRect().height;
  console.log(`FITTED ${scale.toFixed(2)} ${Math.round(blank)}`);
}, 1500);
</script>"""


def _drawn_as(folder, tmp_path, chart):
    """The report of a run whose first figure is this chart."""
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    (own / "figures" / "score_by_layer.json").write_text(chart.to_json())
    return build(own).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_first_figure_of_four_panels_is_not_drawn_small(folder, tmp_path, width):
    rows = [(p, s, x, 0.1 * x) for p in "abcd" for s in ("one", "two") for x in range(5)]
    frame = pd.DataFrame(rows, columns=["panel", "series", "x", "value"])
    page = _drawn_as(folder, tmp_path, curves(frame, x="step", y="error"))
    found = re.fullmatch(
        r"FITTED ([\d.]+) (-?\d+)", _console(page, tmp_path, width, extra=FITTED)[0]
    )
    assert found
    assert float(found[1]) > 0.85


TITLED = """<script>
setTimeout(() => {
  const texts = [...document.querySelectorAll(".hero .role-axis-title text")];
  const upright = texts.map((text) => text.getBoundingClientRect()).filter((box) => box.height > box.width);
  let over = -Infinity;
  for (const one of upright) for (const two of upright) {
    const beside = one === two || Math.abs(one.left - two.left) > 4;
    if (!beside) over = Math.max(over, Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top));
  }
  console.log(`TITLED ${upright.length} ${Math.round(over)}`);
}, 1500);
</script>"""


def test_titles_of_axes_of_low_panels_do_not_lie_on_each_other(folder, tmp_path):
    rows = [(p, "one", x, 0.1 * x) for p in "abcdefghi" for x in range(5)]
    frame = pd.DataFrame(rows, columns=["panel", "series", "x", "value"])
    chart = curves(frame, x="step", y="held-out accuracy above the majority's share")
    page = _drawn_as(folder, tmp_path, chart)
    found = re.fullmatch(r"TITLED (\d+) (-?\d+)", _console(page, tmp_path, 390, extra=TITLED)[0])
    assert found
    assert int(found[1]) >= 4
    assert int(found[2]) <= 0


def test_no_room_is_left_below_a_low_figure(folder, tmp_path):
    frame = pd.DataFrame({"group": ["a"], "value": [1.0], "low": [0.5], "high": [1.5]})
    page = _drawn_as(folder, tmp_path, values_by_group(frame))
    found = re.fullmatch(
        r"FITTED ([\d.]+) (-?\d+)", _console(page, tmp_path, 1280, extra=FITTED)[0]
    )
    assert found
    assert abs(int(found[2])) < 20  # a page waits with 150 px of room


SORTED = """<script>
setTimeout(() => {
  const table = document.querySelector("#table-1 table");
  const heads = [...table.tHead.rows[0].cells];
  const at = heads.findIndex((head) => head.textContent === "value");
  const number = (row) => Number(row.cells[at].textContent.replace("−", "-"));
  const cells = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map(number);
  const press = () => heads[at].querySelector("button").click();
  const before = cells();
  press();
  const up = cells();
  const aria = heads[at].getAttribute("aria-sort");
  press();
  const down = cells();
  press();
  const same = cells().join() === before.join();
  const input = document.querySelector("#table-1 input");
  input.value = "longitude trained";
  input.dispatchEvent(new Event("input"));
  const rising = (list) => list.every((v, i) => !i || v >= list[i - 1]);
  const moved = before.join() !== up.join();
  const ordered = rising(up) && rising([...down].reverse());
  console.log(`SORTED ${before.length} ${ordered} ${moved} ${aria} ${same} ${cells().length}`);
}, 400);
</script>"""


def test_a_table_sorts_by_number_and_filters_by_words(report, tmp_path):
    console = _console(report.read_text(encoding="utf-8"), tmp_path, 1280, extra=SORTED)
    assert re.fullmatch(r"SORTED 18 true true ascending true [1-9]", console[0]), console


def test_the_comparison_page_fits_a_phone(folder, tmp_path):
    text = index([folder, folder], to=tmp_path / "index.html").read_text(encoding="utf-8")
    assert _console(text, tmp_path, 390) == ["PROBE width=390 over=0 drawn=1/1 wide=0 scheme=light"]


def test_nothing_is_cut_off_on_paper(report, tmp_path):
    """What a sheet shows: its rules, at the width of A4 between its margins. A table that is too
    wide would be cut."""
    text = report.read_text(encoding="utf-8")
    assert text.count("@media print") == 1
    cells = "".join(f"<td>a word and {i}</td>" for i in range(12))
    planted = f'<div class="scroll"><table class="data"><tr>{cells}</tr></table></div>'
    paper = text.replace("@media print", "@media all")
    assert _console(paper, tmp_path, 700, extra=planted) == [
        "PROBE width=700 over=0 drawn=3/3 wide=0 scheme=light"
    ]
    unwrapped = paper.replace(
        "white-space: normal; overflow-wrap: break-word", "white-space: nowrap"
    )
    over = _console(unwrapped, tmp_path, 700, extra=planted)[0]
    assert int(re.search(r"over=(\d+)", over)[1]) > 0  # the check sees a table that is too wide
