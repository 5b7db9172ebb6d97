"""From a run folder to its report.

``report.html`` opens anywhere, without a network; ``figures/NAME.png``, ``.svg`` and ``.pdf`` are
for papers and slides; ``report.md`` is the same for a terminal. Only the run folder is read, so a
report can be drawn again at any time and on any machine. Cost: about two seconds, most of it
drawing the files of the figures.
"""

from __future__ import annotations

import logging
from pathlib import Path

from inscape.charts import export
from inscape.core.errors import RunError
from inscape.report import files, html, markdown
from inscape.report.compare import index
from inscape.report.files import Target
from inscape.report.folder import read
from inscape.report.page import Page, page

__all__ = ["build", "index"]

logger = logging.getLogger(__name__)


def build(run_dir: str | Path) -> Path:
    """Draw the report of a run into its folder.

    Args:
        run_dir: a finished run folder.

    Returns:
        The path of ``report.html``.

    Raises:
        RunError: the folder is missing, unfinished or damaged, or cannot be written to.
    """
    run = read(run_dir)
    found = page(run)
    target = Target(run.path, files.COPY)
    target.refuse_foreign("report.html", html.MARK)
    target.refuse_foreign("report.md", markdown.mark(found))
    _figures(target, found)
    text = html.report(found)
    target.write("report.md", markdown.text(found))
    return target.write("report.html", text)


def _figures(target: Target, found: Page) -> None:
    specs = {block.name: block.spec for block in found.blocks if block.spec is not None}
    if not specs:
        return
    try:
        for name, kind, content in export.draw(specs):
            target.write(f"figures/{name}.{kind}", content)
    except ValueError as error:
        raise RunError(
            f"A figure of {target.folder} cannot be drawn: the figure {error}."
        ) from error
    logger.info("figures of %s drawn", target.folder)
