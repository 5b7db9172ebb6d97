"""Claims: what a study must show, each judged against a bar that was set before.

A claim is passed when its value is on the bar's side: ``value ≥ bar`` for ``"at least"``, ``value ≤ bar`` for
``"at most"``. A value that is not finite passes nothing. A claim that is not passed stays in the run, with its numbers.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from inscape.core.evidence import Evidence, Null

Side = Literal["at least", "at most"]


@dataclass(frozen=True)
class Claim:
    """One claim with the evidence it was judged on; fields are those of ``claims.json``.

    Attributes:
        id: short name, stable between versions.
        text: what is claimed, in words.
        value: the number measured.
        low: lower end of its interval, None where there is none.
        high: upper end of its interval, None where there is none.
        unit: the unit of value and bar.
        bar: where the claim begins to hold.
        side: which side of the bar the claim is on.
        passed: whether the value is on that side.
        null: what chance gives, or None.
        p: p-value against the null, or None.
        n: samples it rests on, or None.
        why: a sentence on why the bar is there, or why the claim does not hold.
    """

    id: str
    text: str
    value: float
    low: float | None
    high: float | None
    unit: str
    bar: float
    side: Side
    passed: bool
    null: Null | None
    p: float | None
    n: int | None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The claim as JSON holds it: what is not finite is null."""
        return _finite(asdict(self))


def judge(
    id: str, text: str, evidence: Evidence, bar: int | float, side: str = "at least", why: str = ""
) -> Claim:
    """Judge a claim on its evidence.

    Args:
        id: short name, unique in the run.
        text: what is claimed, in words.
        evidence: the number with its interval and null.
        bar: in the unit of the evidence.
        side: ``"at least"`` or ``"at most"``.
        why: a sentence for the reader.

    Raises:
        ValueError: an unknown side, or a bar that is not a finite number.
    """
    if side not in ("at least", "at most"):
        raise ValueError(f"claim {id!r}: side must be 'at least' or 'at most', got {side!r}")
    if not math.isfinite(bar):
        raise ValueError(f"claim {id!r}: bar must be a finite number, got {bar!r}")
    value = float(evidence.value)
    passed = math.isfinite(value) and (value >= bar if side == "at least" else value <= bar)
    low, high = evidence.interval if evidence.interval is not None else (None, None)
    return Claim(
        id,
        text,
        value,
        None if low is None else float(low),
        None if high is None else float(high),
        evidence.unit,
        float(bar),
        side,  # type: ignore[arg-type]
        bool(passed),
        evidence.null,
        None if evidence.p is None else float(evidence.p),
        None if evidence.n is None else int(evidence.n),
        why,
    )


def sentence(claim: dict[str, Any]) -> str:
    """A claim of ``claims.json`` as one line of numbers.

    Example:
        >>> sentence({"value": 0.41, "low": 0.3, "high": 0.49, "unit": "R²", "bar": 0.1, "side": "at least",
        ...           "null": {"kind": "shuffled labels", "mean": 0.0, "draws": 100}, "p": 0.01, "n": 1500})
        '0.41 [0.3, 0.49] R², bar at least 0.1, null 0 (shuffled labels, 100 draws), p = 0.01, n = 1500'
    """
    value = _number(claim["value"])
    if claim.get("low") is not None and claim.get("high") is not None:
        value += f" [{_number(claim['low'])}, {_number(claim['high'])}]"
    parts = [
        f"{value} {claim.get('unit') or ''}".rstrip(),
        f"bar {claim['side']} {_number(claim['bar'])}",
    ]
    if null := claim.get("null"):
        draws = f", {null['draws']} draws" if null.get("draws", 1) > 1 else ""
        parts.append(f"null {_number(null['mean'])} ({null['kind']}{draws})")
    else:
        parts.append("no null")
    if claim.get("p") is not None:
        parts.append(f"p = {claim['p']:.2g}")
    if claim.get("n") is not None:
        parts.append(f"n = {claim['n']}")
    return ", ".join(parts)


def _number(x: int | float | None) -> str:
    if x is None:
        return "n/a"
    return (
        f"{x:z.0f}"
        if abs(x) >= 1000
        else f"{round(x, 3):z.3g}"
        if abs(x) >= 0.001 or x == 0
        else f"{x:.1g}"
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
