"""Which expressions a figure may hold: arithmetic and comparisons of a row's fields, nothing that
reaches the page.

Vega evaluates strings such as ``datum.value > 0.5``. Its functions also reach events, views and the
page itself, so a figure that came from elsewhere may use only names from the lists here: ``datum``,
the size that it is drawn at, constants, and functions of values.

Reference: Vega's expression language, https://vega.github.io/vega/docs/expressions.
"""

from __future__ import annotations

import re

LONGEST = 2_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>===|!==|==|!=|<=|>=|&&|\|\||\*\*|[-+*/%<>!?:,.()\[\]]))""",
    re.VERBOSE,
)
CONSTANTS = frozenset("true false null NaN PI E LN2 LN10 SQRT2 SQRT1_2 MIN_VALUE MAX_VALUE".split())
FUNCTIONS = frozenset(
    """abs acos asin atan atan2 ceil clamp cos exp floor hypot log max min pow random round sin sqrt tan
    isNaN isFinite isArray isBoolean isDate isDefined isNumber isString isValid toBoolean toDate toNumber toString
    length lower upper substring slice trim pad truncate split join indexof lastindexof reverse
    format timeFormat utcFormat datetime utc time year quarter month week date day dayofyear hours minutes seconds
    milliseconds inrange lerp span extent if parseFloat parseInt""".split()
)
#: numbers: the size of the view, px
SIZES = frozenset(("width", "height"))
_HIDDEN = frozenset("constructor prototype __proto__ caller callee arguments".split())


def problem(expression: str) -> str | None:
    """What in an expression is not allowed, in a few words; None where everything is.

    Example:
        >>> problem("abs(datum.value) > 0.5"), problem("event.view")
        (None, "the name 'event'")
    """
    if len(expression) > LONGEST:
        return f"its length of {len(expression):,} characters (at most {LONGEST:,})"
    at, before, member = 0, "", False
    text = expression.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            return f"the character {text[at:].lstrip()[:1]!r}"
        at = found.end()
        token = found[0].strip()
        if token == "(" and (member or before in ("]", ")", "'")):
            return "a call of something other than a function's name"
        if found["name"]:
            called = text[at:].lstrip().startswith("(")
            if before == ".":
                allowed = token not in _HIDDEN and not called
            else:
                allowed = token in FUNCTIONS if called else token in CONSTANTS | SIZES | {"datum"}
            if not allowed:
                return f"the name {token!r}"
        if found["text"] and token[1:-1] in _HIDDEN:
            return f"the name {token[1:-1]!r}"
        if found["text"] and "\\" in token and before == "[":
            return "an escape in a field's name"
        member = bool(found["name"]) and before == "."
        before = "'" if found["text"] else token
    return None
