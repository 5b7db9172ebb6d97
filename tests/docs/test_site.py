"""The documentation as a site: it builds without a warning, links lead on, and search works from a
folder, offline.

Skips, and says so, where MkDocs or a browser is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site that ``make docs`` has just built, or one built here."""
    if "SITE" in os.environ:
        return ROOT / os.environ["SITE"]
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr  # the configuration is strict: a warning ends it
    return folder


def test_the_pages_are_there(site):
    for name in ("index", "recipes", "coming-from", "reference/methods", "reference/read"):
        assert (site / f"{name}.html").is_file(), name
    read = (site / "reference" / "read.html").read_text(encoding="utf-8")
    assert 'id="inscape.read.logit_lens.logit_lens"' in read
    methods = (site / "reference" / "methods.html").read_text(encoding="utf-8")
    assert "arXiv:2306.03819" in methods
    # a link to a source file leads to its reference
    glossary = (site / "glossary.html").read_text(encoding="utf-8")
    assert 'href="reference/core.html#inscape.core.ridge"' in glossary
    assert "../src/" not in glossary


def test_what_is_escaped_is_shown_without_its_backslash(site):
    page = re.sub(
        r"(?s)<(pre|code|script)\b.*?</\1>", "", (site / "gallery.html").read_text("utf-8")
    )
    source = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert "\\@" in source  # a code host takes the backslash away, and so must the site
    assert not re.findall(r"\\[@<~:]", page)


def test_a_bar_in_the_code_of_a_table_has_no_backslash(site):
    assert "`inscape probe MODEL\\|STORE DATA`" in (ROOT / "README.md").read_text("utf-8")
    for name in ("index", "reference/methods"):
        page = (site / f"{name}.html").read_text("utf-8")
        codes = re.findall(r"<td[^>]*>(?:<a[^>]*>)?<code>(.*?)</code>", page)
        # signatures of methods have a bar only where a type has one
        assert any("|" in code for code in codes) or name != "index", name
        assert not [code for code in codes if "\\|" in code], name


def test_search_works_from_a_folder_and_nothing_is_fetched(site):
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        said, asked = [], []
        tab.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda r: asked.append(r.url))
        tab.goto((site / "index.html").as_uri())
        tab.keyboard.press("/")
        tab.keyboard.type("LeaceEraser")
        found = tab.locator(".md-search-result__item a").first
        found.wait_for(timeout=30_000)
        assert "control.html" in (found.get_attribute("href") or "")
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        browser.close()
