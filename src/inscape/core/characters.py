"""Characters that a file or a terminal must not be given, made visible.

Text from data goes into SVG and HTML, whose parsers lack some characters, and onto terminals, which
obey some. `storable` replaces what XML 1.0 lacks and what turns the direction of the text that
follows (embeddings, overrides and isolates; the marks that Arabic and Hebrew text needs stay);
`visible` writes out what a terminal would obey: control characters, escape sequences and all that
acts on direction. Cost: one pass over the text.

Reference: Extensible Markup Language 1.0 (fifth edition), production 2; ECMA-48; Unicode Standard
Annex 9.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
# what XML lacks, and embeddings, overrides and isolates of direction (U+202A to U+202E, U+2066 to
# U+2069)
_NOT_STORED = re.compile(
    "[^\t\n\r\x20-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
# C0 but tab and line feed, DEL, C1, marks of direction, line and paragraph separators, lone
# surrogates, tags
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def storable(text: str) -> str:
    """The text with U+FFFD for what XML 1.0 lacks and for what turns the direction of other text.

    Example:
        >>> storable("two\\x0blines"), storable("a tab\\t"), storable("\\u202ecod.exe")
        ('two\ufffdlines', 'a tab\\t', '\ufffdcod.exe')
    """
    return _NOT_STORED.sub(REPLACEMENT, text)


def visible(text: str) -> str:
    r"""The text with every character that a terminal would obey, other than tab and line feed, as a
    Python escape.

    Example:
        >>> print(visible("red \x1b[31m"))
        red \x1b[31m
    """
    return _OBEYED.sub(lambda found: escape(found[0]), text)


def visible_json(text: str) -> str:
    r"""JSON with the same characters as JSON's own escapes, so that a program still reads the same
    value.

    Example:
        >>> print(visible_json('"a\x9bb"'))
        "a\u009bb"
    """
    return _OBEYED.sub(lambda found: _json_escape(ord(found[0])), text)


def escape(character: str) -> str:
    """One character as Python writes it in a string."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
