"""A picture with numbers laid over it, patch by patch: what a vision model attends to, or where a
score comes from.

The box below the picture takes the overlay away and brings it back (a check box, so the keyboard
works it); the numbers are in a list that opens, for those who cannot see the colours.
"""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Float

from inscape.views.page import escaped
from inscape.views.pixels import address, coloured


def overlay(
    image: np.ndarray,
    values: Float[np.ndarray, "*shape"],
    *,
    title: str = "",
    what: str = "value",
) -> str:
    """A picture with a number for each of its patches, as a piece of HTML.

    Args:
        image: the picture, 8-bit RGB, (height, width, 3).
        values: a number for each patch, (rows, columns), rows from the top.
        title: what is shown.
        what: what the numbers are, unit included.

    Raises:
        ValueError: a picture that is not (h, w, 3) of 8 bits, or values that are not a grid.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"overlay: image must be (height, width, 3) of 8 bits, got {image.shape} of "
            f"{image.dtype}"
        )
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"overlay: values must be (rows, columns), got {values.shape}")
    below, above = address(image), address(coloured(values, opaque=0.6))
    key = "v" + hashlib.sha256((below + above + title).encode()).hexdigest()[:10]
    head = f"<h2>{escaped(title)}</h2>" if title else ""
    row, column = (int(i) for i in np.unravel_index(np.nanargmax(values), values.shape))
    most = (
        f"The largest {what} is {values[row, column]:z.3g}, in row {row + 1}, column {column + 1}."
    )
    listed = "".join(
        f"<li>row {r + 1}: {', '.join(f'{v:z.3g}' for v in line)}</li>"
        for r, line in enumerate(values.tolist())
    )
    shape = f"aspect-ratio:{image.shape[1]}/{image.shape[0]}"
    put = "position:absolute;inset:0;width:100%;height:100%;image-rendering:pixelated"
    return (
        f'<section class="{key}">{head}<style>.{key} input:not(:checked)~figure '
        f"img+img{{display:none}}</style>"
        f'<input type="checkbox" checked id="{key}"> <label for="{key}">Show '
        f"{escaped(what)}</label>"
        f'<figure style="position:relative;margin:6px 0;width:min(100%,420px);{shape}">'
        f'<img src="{below}" alt="the picture" style="{put}">'
        f'<img src="{above}" alt="{escaped(most)}" style="{put}"></figure>'
        f"<p>{escaped(most)} Blue: above zero; orange: below.</p>"
        "<details><summary>All numbers</summary><ol "
        f"style='list-style:none;padding:0;font-size:13px'>{listed}</ol>"
        f"</details></section>"
    )
