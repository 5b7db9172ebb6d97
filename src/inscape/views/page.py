"""A page of one's own around pieces of HTML: opens anywhere, light and dark, narrow and wide,
without script or network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from inscape.core.characters import storable, visible
from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign, replacing

#: what every page has near its beginning, by which an earlier one is known
MARK = b'<meta name="generator" content="Inscape">'
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 28px 20px 60px; max-width: 1500px;
  background: Canvas; color: CanvasText; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 34px 0 6px; overflow-wrap: anywhere; }
p { max-width: 52em; margin: 4px 0 14px; overflow-wrap: anywhere; }
footer { margin-top: 40px; font-size: 13px; opacity: .75; }
"""


def escaped(text: object) -> str:
    """A text as HTML shows it: nothing in it is markup, and what a terminal would obey is written
    out.
    """
    return html.escape(storable(visible(str(text))))


def page(title: str, pieces: Sequence[str], facts: str = "") -> str:
    """A whole page.

    Args:
        title: its heading.
        pieces: HTML made by the views.
        facts: a sentence below the heading: model, settings.
    """
    below = f"<p>{escaped(facts)}</p>" if facts else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'{MARK.decode()}<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<title>{escaped(title)} · Inscape</title><link rel="icon" '
        f'href="data:,"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escaped(title)}</h1>{below}{''.join(pieces)}</main>"
        "<footer>Made by Inscape. This page needs no network and no other "
        "file.</footer></body></html>\n"
    )


def save(path: str | Path, text: str) -> Path:
    """Write a page in place of none or of an earlier one.

    Raises:
        RunError: there is a folder, a link or a file of somebody else, or the page cannot be
            written.
    """
    where = Path(path)
    if where.is_dir():
        raise RunError(
            f"{where} is a folder; give the name of a file, such as {where / 'page.html'}."
        )
    refuse_foreign(where, MARK, RunError)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with replacing(where) as fresh:
            fresh.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"Cannot write {where}: {error.strerror}. Give another path.") from error
    return where
