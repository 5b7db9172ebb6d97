"""Every view in a real browser: at the width of a desk and of a phone, light and dark, by keyboard,
with hostile text.

Playwright drives the Chromium that the system has. Where one of the two is missing the tests skip
and say so.
"""

import shutil

import numpy as np
import pytest

from inscape.views.contexts import contexts
from inscape.views.generations import generations
from inscape.views.grid import Grid
from inscape.views.heads import heads
from inscape.views.overlay import overlay
from inscape.views.page import page
from inscape.views.points import points
from inscape.views.tokens import strip

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

#: what would run, load or leave its place if it were taken for markup
HOSTILE = [
    "<script>window.struck = 1</script>",
    "<img src=x onerror='window.struck = 1'>",
    "\"'><svg onload=window.struck=1>",
    "</style></div></table>",
    "\u202eright to left\u202c",
    "a word " * 30,
]


def everything():
    """A page of all views, made of hostile texts."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 6))
    grid = Grid(
        HOSTILE[0],
        HOSTILE,
        HOSTILE,
        values,
        hover=[[f"{t} {i}" for t in HOSTILE] for i in range(6)],
        corner=HOSTILE[1],
        key=HOSTILE[2],
    )
    weights = rng.random((4, 6, 6))
    image = rng.integers(0, 256, (32, 48, 3)).astype(np.uint8)
    pieces = [
        grid.html(),
        strip(HOSTILE, values[0]),
        generations(HOSTILE, {HOSTILE[0]: HOSTILE, HOSTILE[1]: HOSTILE[::-1]}),
        points(values[:, :2], HOSTILE, HOSTILE, title=HOSTILE[0], axes=(HOSTILE[1], HOSTILE[2])),
        overlay(image, values, title=HOSTILE[0], what=HOSTILE[1]),
        heads(HOSTILE, weights, title=HOSTILE[0], key=HOSTILE[1]),
        contexts([HOSTILE * 10], [rng.normal(size=60)]),
    ]
    return page(HOSTILE[0], pieces, HOSTILE[1])


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "page.html"
    path.write_text(everything(), encoding="utf-8")
    return path.as_uri()


def opened(browser, address, width=1280, scheme="light"):
    """The page, what its console complains of, and what it asks for beside itself."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda r: asked.append(r.url) if not r.url.startswith("data:") else None)
    tab.goto(address)
    return tab, said, [url for url in asked if url != address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_asks_for_nothing(browser, address, width, scheme):
    tab, said, asked = opened(browser, address, width, scheme)
    assert said == []
    assert asked == []
    assert (
        tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        <= 0
    )
    assert tab.evaluate("window.struck") is None
    assert tab.locator("script, [onerror], [onload], img[src='x']").count() == 0
    # as text it is there, word for word
    assert HOSTILE[0] in tab.locator("h1").inner_text()
    # dark is dark: text and ground differ by far in both schemes
    ground, ink = (
        tab.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )
    light = [sum(int(c) for c in colour[4:-1].split(",")[:3]) / 765 for colour in (ground, ink)]
    assert abs(light[0] - light[1]) > 0.8
    assert (light[0] > 0.5) == (scheme == "light")
    tab.close()


def test_the_keyboard_reaches_points_lists_and_the_overlay(browser, address):
    tab, *_ = opened(browser, address)
    stops, seen = [], set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        place = tab.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        if place in seen:  # round the page once
            break
        seen.add(place)
        stops.append(tab.evaluate("document.activeElement.tagName.toLowerCase()"))
        if stops[-1] == "g":
            shown = tab.evaluate(
                "getComputedStyle(document.activeElement.querySelector('foreignObject')).visibility"
            )
            assert shown == "visible"
    assert stops.count("g") == len(HOSTILE)
    assert {"div", "summary", "input"} <= set(stops)
    above = tab.locator("figure > img + img").first
    assert above.is_visible()
    tab.locator("input[type=checkbox]").focus()
    tab.keyboard.press("Space")
    assert not above.is_visible()
    tab.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("details").first.evaluate("e => e.open")
    tab.close()


def test_a_point_under_the_pointer_says_its_text(browser, address):
    tab, *_ = opened(browser, address)
    point = tab.locator("svg g").nth(5)
    words = point.locator("foreignObject div")
    assert not words.is_visible()
    point.locator(":scope > :first-child").hover(force=True)
    assert words.is_visible()
    assert words.inner_text().startswith("a word")
    tab.close()


def test_the_checks_see_what_they_are_for(browser, tmp_path):
    path = tmp_path / "planted.html"
    path.write_text(
        "<!doctype html><body><div style='width:3000px'>wide</div><img "
        "src='http://127.0.0.1:9/x.png'>"
        "<script>console.error('planted')</script>"
    )
    tab, said, asked = opened(browser, path.as_uri(), 390)
    assert "planted" in said
    assert asked == ["http://127.0.0.1:9/x.png"]
    assert tab.evaluate("document.documentElement.scrollWidth") > 2000
    tab.close()
