"""What a model generates under several conditions, side by side: the baseline first, what differs
from it marked.

A row for each prompt, a column for each condition; on a narrow screen the conditions stand one
below another. From the first word on that is not the baseline's, a text is marked, so that one sees
where the paths part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inscape.core.characters import visible
from inscape.views.page import escaped

_ROW = "display:flex;flex-wrap:wrap;gap:12px;margin:0 0 20px"
_BOX = (
    "flex:1 1 16em;min-width:0;border:1px solid "
    "rgba(128,128,128,.35);border-radius:6px;padding:8px 10px;"
    "overflow-wrap:anywhere;white-space:pre-wrap;font-size:14px;line-height:1.45"
)
_NAME = "display:block;font-size:12px;font-weight:600;opacity:.75;white-space:normal"
_MARK = "background:rgba(31,119,200,.18);color:inherit"


def parted(text: str, baseline: str) -> tuple[str, str]:
    """A text in two: the words it has in common with the baseline from the start, and the rest.

    Example:
        >>> parted("The sea was calm.", "The sea was rough.")
        ('The sea was ', 'calm.')
    """
    same = 0
    for a, b in zip(text, baseline, strict=False):
        if a != b:
            break
        same += 1
    if same < len(text):
        same = max((text.rfind(c, 0, same) for c in " \n\t"), default=-1) + 1
    return text[:same], text[same:]


def generations(prompts: Sequence[str], said: Mapping[str, Sequence[str]]) -> str:
    """Texts under several conditions as a piece of HTML.

    Args:
        prompts: what was continued.
        said: condition → a text for each prompt; the first condition is the baseline.

    Raises:
        ValueError: no condition, or another number of texts than prompts.

    Example:
        >>> generations(["My day was"], {"baseline": [" fine"], "steered": [" grand"]}).count("<mark")
        1
    """
    check(prompts, said)
    base = next(iter(said.values()))
    rows = []
    for i, prompt in enumerate(prompts):
        boxes = []
        for j, (name, texts) in enumerate(said.items()):
            same, other = parted(texts[i], base[i]) if j else (texts[i], "")
            marked = f'<mark style="{_MARK}">{escaped(other)}</mark>' if other else ""
            boxes.append(
                f'<div role="listitem" style="{_BOX}"><span style="{_NAME}">{escaped(name)}</span>'
                f"{escaped(same)}{marked}</div>"
            )
        rows.append(
            f'<p style="margin:0 0 6px;overflow-wrap:anywhere"><b>{escaped(prompt)}</b></p>'
            f'<div role="list" style="{_ROW}">{"".join(boxes)}</div>'
        )
    return f'<section style="margin-top:20px">{"".join(rows)}</section>'


def lines(prompts: Sequence[str], said: Mapping[str, Sequence[str]]) -> list[str]:
    """The same for a terminal: each prompt, and below it what every condition gives."""
    check(prompts, said)
    wide = max(len(visible(name)) for name in said)
    out = []
    for i, prompt in enumerate(prompts):
        out.append(visible(prompt))
        for name, texts in said.items():
            text = " ".join(visible(texts[i]).split()) or "(nothing)"
            out.append(f"  {visible(name).ljust(wide)}  {text}")
    return out


def check(prompts: Sequence[str], said: Mapping[str, Sequence[str]]) -> None:
    """Refuse texts that do not belong to the prompts."""
    if not said or any(len(texts) != len(prompts) for texts in said.values()):
        counts = {name: len(texts) for name, texts in said.items()}
        raise ValueError(
            f"generations: every condition needs a text for each of {len(prompts)} prompts, got "
            f"{counts}"
        )
