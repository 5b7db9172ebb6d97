"""Pictures of the views and of a report, at the widths of a phone and of a desk, light and dark:
``make screenshots``.

The views are made on the default model, the report by the tiny preset of a study. Needs Playwright
and a Chromium; the pictures are reduced to 64 colours, so that a dozen of them weigh less than a
photograph.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import inscape
from inscape.report.build import build
from inscape.study.runner import run_study
from inscape.views.overlay import overlay
from inscape.views.page import page
from inscape.workbench.steering import make_vector

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = {1280: 800, 390: 844}
SCHEMES = ("light", "dark")
CLEAN, CORRUPTED = "The capital of France is the city of", "The capital of Italy is the city of"


def pieces() -> list[str]:
    """Every view once, on the default model."""
    model = inscape.open("smollm2-135m")
    reviews = inscape.load("reviews", limit=60)
    vector = make_vector(
        model, inscape.load("templated-sentiment", limit=120), "positive", layers="12:18"
    ).vector
    found = [
        inscape.lens(model, "The capital of France is", sites="resid_post.::4"),
        inscape.patch(model, CLEAN, CORRUPTED, answer="Paris", wrong="Rome", sites="resid_pre.::5"),
        inscape.attention(model, "The capital of France is", 15, weighted=True),
        inscape.steer(
            model, vector, ["My holiday by the sea was"], strengths=(-4, 4), max_new_tokens=20
        ),
        inscape.scatter(model, reviews, "resid_post.15", by="positive"),
        inscape.top(model, reviews, "mlp_act.20:100", k=4),
    ]
    made = [one._repr_html_() for one in found]
    return [
        *made,
        overlay(disc(), np.outer(*2 * [np.hanning(8)]), title="Image with overlay", what="weight"),
    ]


def disc() -> np.ndarray:
    """A drawn picture: a disc on a ground of two colours."""
    y, x = np.mgrid[:128, :128]
    ground = np.where(x[..., None] < 64, (90, 140, 90), (120, 120, 170))
    return np.where(
        (((x - 64) ** 2 + (y - 60) ** 2) < 900)[..., None], (220, 180, 90), ground
    ).astype(np.uint8)


def main() -> None:
    """Make the pages, photograph each four times."""
    browser_path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        views = Path(folder) / "views.html"
        views.write_text(page("Views", pieces(), "Every view, on smollm2-135m."), encoding="utf-8")
        run = run_study("space-time-neurons", "tiny", Path(folder) / "run")
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name, path in (("views", views), ("report", build(run))):
            for width, height in SIZES.items():
                for scheme in SCHEMES:
                    tab = browser.new_page(
                        viewport={"width": width, "height": height},
                        color_scheme=scheme,
                    )
                    tab.goto(Path(path).as_uri())
                    tab.wait_for_timeout(2500)
                    with Image.open(
                        io.BytesIO(tab.screenshot(full_page=name == "views"))
                    ) as picture:
                        few = picture.convert("RGB").quantize(64)
                        few.save(IMAGES / f"{name}-{width}-{scheme}.png", optimize=True)
                    tab.close()
        browser.close()


if __name__ == "__main__":
    main()
