"""Texts on which something is most active: its value, and the text with every token coloured.

Of a long text the part around its most active token is shown; the rest opens below it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.views.page import escaped
from inscape.views.tokens import strip

#: tokens shown before and after the most active one
AROUND = 24


def contexts(
    tokens: Sequence[Sequence[str]], values: Sequence[Float[np.ndarray, " _"]], around: int = AROUND
) -> str:
    """Texts with a number for each token, as a piece of HTML, in the order given.

    Args:
        tokens: of each text, blanks included.
        values: a number for each token.
        around: tokens shown before and after the largest.

    Raises:
        ValueError: another number of values than tokens.
    """
    if [len(t) for t in tokens] != [len(v) for v in values]:
        raise ValueError(
            f"contexts: a value is needed for each token, got {[len(v) for v in values]} for "
            f"{[len(t) for t in tokens]}"
        )
    full = max((float(np.abs(v).max()) for v in values if len(v)), default=0.0) or 1.0
    rows = []
    for text, value in zip(tokens, values, strict=True):
        peak = int(np.argmax(value)) if len(value) else 0
        first, end = max(0, peak - around), min(len(text), peak + around + 1)
        few = strip(text[first:end], value[first:end], full)
        shown = f"{'… ' if first else ''}{few}{' …' if end < len(text) else ''}"
        if end - first < len(text):
            whole = strip(text, value, full)
            shown += f"<details><summary>whole text</summary>{whole}</details>"
        number = f"{value[peak]:z.3g}" if len(value) else "–"
        rows.append(
            '<tr><td style="text-align:right;vertical-align:top;padding:3px 12px 3px '
            '0;font-variant-numeric:tabular-nums">'
            f'<b>{escaped(number)}</b></td><td style="padding:3px '
            f'0;overflow-wrap:anywhere">{shown}</td></tr>'
        )
    return (
        '<table style="border-collapse:collapse;margin-top:12px;font-size:14px;line-height:1.6"><thead><tr>'
        '<th scope="col" style="text-align:right;padding-right:12px">value</th>'
        '<th scope="col" style="text-align:left">text, each token coloured by its '
        "value</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
