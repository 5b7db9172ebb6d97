"""Claims: what a study must show, each judged on its evidence against a criterion that was set
before the run.

A claim is written once, in the study's card: a sentence, its criterion, and the null it is tested
against. There are three verdicts.

* **supported**: the whole interval is on the criterion's side and, where the claim names a null, p
  ≤ 0.05 after Holm's correction over the claims of the study (for a null too expensive for a
  p-value: the interval of the gain over it excludes zero);
* **not supported**: the value is on the wrong side of the criterion;
* **uncertain**: everything else, with the reason in words. That is so, too, where the evidence was
  tested on the other side of the null than the criterion lies.

A deterministic fact (an identity, a count in a fixed network) is declared ``exact`` with a reason
and needs no interval. Sanity checks of the controls are judged alike, listed apart and never
counted.

Reference: Holm (1979), A simple sequentially rejective multiple test procedure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from inscape.core.evidence import Evidence
from inscape.core.nulls import holm
from inscape.core.typeset import formatted_number, short_number, typeset
from inscape.study.card import Claim

Verdict = Literal["supported", "uncertain", "not supported"]
VERDICTS: tuple[Verdict, ...] = ("supported", "uncertain", "not supported")

#: the p-value, after correction, up to which a claim with a null is supported
LEVEL = 0.05


@dataclass(frozen=True)
class Judged:
    """A claim with the evidence it was judged on; `to_dict` gives the record of ``claims.json``.

    Attributes:
        id: short name, stable between versions.
        claim: what is claimed.
        evidence: what was measured.
        why: a sentence for the reader of this run.
        p_corrected: p after Holm's correction over the claims of the study, None where there is no
            p.
        verdict: supported, uncertain or not supported.
        reason: why it is not supported, in words; empty for a supported claim.
    """

    id: str
    claim: Claim
    evidence: Evidence
    why: str = ""
    p_corrected: float | None = None
    verdict: Verdict = "uncertain"
    reason: str = ""

    @property
    def supported(self) -> bool:
        """Whether the verdict is ``"supported"``."""
        return self.verdict == "supported"

    @property
    def value(self) -> float:
        """The number measured."""
        return float(self.evidence.value)

    def __format__(self, spec: str) -> str:
        """The number, formatted: a study's answer is a template over its claims. What rounds to
        zero has no sign.

        A specification that ends in `` points`` gives percentage points: a difference of two
        shares of 0.52 and 0.13 is ``{:.0 points}``, "39 points".

        A specification with bars gives words in place of the number, by the verdict:
        ``"supported|uncertain|not supported"``, or ``"supported|else"``.
        """
        if "|" in spec:
            words = spec.split("|")
            if len(words) > len(VERDICTS):
                raise ValueError(f"{self.id}: a claim has {len(VERDICTS)} verdicts, got {spec!r}")
            return words[min(VERDICTS.index(self.verdict), len(words) - 1)]
        points = spec.removesuffix(" points")
        if points != spec:
            return f"{formatted_number(100 * self.value, f'{points}f')} points"
        return formatted_number(self.value, spec)

    def to_dict(self) -> dict[str, Any]:
        """The claim as JSON holds it; a number that is not finite is null."""
        e = self.evidence
        low, high = e.interval if e.interval is not None else (None, None)
        over = e.over_null if e.over_null is not None else (None, None)
        record = {
            "id": self.id,
            "text": self.claim.text,
            "verdict": self.verdict,
            "reason": self.reason,
            "value": float(e.value),
            "low": None if low is None else float(low),
            "high": None if high is None else float(high),
            "unit": e.unit,
            "at_least": self.claim.at_least,
            "at_most": self.claim.at_most,
            "exact": self.claim.exact,
            "sanity": self.claim.sanity,
            "weaker": self.claim.weaker,
            "null": asdict(e.null) if e.null is not None else None,
            "over_null_low": None if over[0] is None else float(over[0]),
            "over_null_high": None if over[1] is None else float(over[1]),
            "beside": [asdict(b) for b in e.beside],
            "p": None if e.p is None else float(e.p),
            "p_corrected": self.p_corrected,
            "n": None if e.n is None else int(e.n),
            "why": typeset(" ".join(filter(None, [self.claim.why, self.why]))),
            "warnings": list(e.warnings),
        }
        return _finite(record)


def judge(claims: Sequence[Judged]) -> list[Judged]:
    """Judge the claims of one study together, since Holm's correction is over all that have a
    p-value.

    Args:
        claims: claims with their evidence; verdicts they already carry are forgotten.

    Returns:
        The same claims with corrected p, verdict and reason.

    Example:
        >>> e = Evidence("gain", 0.4, (0.3, 0.5), unit="R²")
        >>> (made,) = judge([Judged("gain", Claim(text="It gains", at_least=0.35), e)])
        >>> made.verdict, made.reason
        ('uncertain', 'the interval [0.3, 0.5] crosses the criterion')
    """
    tested = [c for c in claims if _tested(c)]
    corrected = holm(np.array([float(c.evidence.p or 0.0) for c in tested])) if tested else []
    by_id = {c.id: float(p) for c, p in zip(tested, corrected, strict=True)}
    out = []
    for claim in claims:
        p = by_id.get(claim.id)
        verdict, reason = _verdict(claim, p, len(tested))
        out.append(replace(claim, p_corrected=p, verdict=verdict, reason=reason))
    return out


def _tested(claim: Judged) -> bool:
    return bool(claim.claim.null) and not claim.claim.sanity and claim.evidence.p is not None


def _verdict(judged: Judged, p: float | None, tests: int) -> tuple[Verdict, str]:
    claim, e = judged.claim, judged.evidence
    value = float(e.value)
    if not math.isfinite(value):
        return "uncertain", "no value could be measured"
    if claim.margin(value) < 0:
        return "not supported", f"the value is not {claim.criterion}"
    if claim.exact:
        return "supported", ""
    if e.interval is None or not all(map(math.isfinite, e.interval)):
        why = "; ".join(w.removeprefix("No interval: ").rstrip(".") for w in e.warnings)
        return "uncertain", ": ".join(filter(None, ["there is no interval", why]))
    if min(claim.margin(float(end)) for end in e.interval) < 0:
        low, high = map(short_number, e.interval)
        return "uncertain", f"the interval [{low}, {high}] crosses the criterion"
    if claim.null:
        return _against_null(judged, p, tests)
    return "supported", ""


def _against_null(judged: Judged, p: float | None, tests: int) -> tuple[Verdict, str]:
    claim, e = judged.claim, judged.evidence
    asked = "lower" if claim.at_least is None else "higher"
    if None in (claim.at_least, claim.at_most) and e.direction not in (asked, "none"):
        return "uncertain", (
            f"p asks whether the value is {e.direction} than {claim.null}, and the criterion "
            f"whether it is {claim.criterion}"
        )
    if e.over_null is not None:
        low, high = e.over_null
        clear = high < 0 if e.direction == "lower" else low > 0
        span = f"[{short_number(low)}, {short_number(high)}]"
        words = f"the interval of the gain over {claim.null}, {span}, does not exclude zero"
        return ("supported", "") if clear else ("uncertain", words)
    if e.null is None or e.null.draws < 2:
        return "uncertain", f"there is no null of several draws ({claim.null})"
    if p is None:
        p = e.p if claim.sanity else None
    if p is None:
        return "uncertain", f"there is no p-value against {claim.null}"
    if p > LEVEL:
        least = 1 / (e.null.draws + 1) * (1 if claim.sanity else tests)
        if least > LEVEL:
            of = "" if tests == 1 or claim.sanity else f" with {tests} claims tested"
            return "uncertain", f"{e.null.draws} draws of the null are too few for p ≤ 0.05{of}"
        many = "" if claim.sanity or tests == 1 else f" after correction over {tests} claims"
        return "uncertain", f"p = {p:.2g} against {claim.null}{many}"
    return "supported", ""


def over_seeds(records: Sequence[Mapping[str, Any]], promised: int) -> tuple[Verdict, str]:
    """The verdict on one claim over the seeds of a study.

    It is supported where it is supported on every seed and as many seeds were run as the card
    promises; not supported where the mean value is on the wrong side; uncertain otherwise.

    Args:
        records: the claim's records of ``claims.json``, one a seed.
        promised: how many seeds the card promises.

    Returns:
        Verdict and reason.

    Raises:
        ValueError: no record is given.
    """
    if not records:
        raise ValueError("over_seeds: needs the claim's record of at least one seed")
    verdicts = [str(r.get("verdict")) for r in records]
    first = records[0]
    values = [r.get("value") for r in records]
    judged = first.get("at_least") is not None or first.get("at_most") is not None
    if judged and all(isinstance(v, int | float) for v in values):
        bars = Claim(text="-", at_least=first.get("at_least"), at_most=first.get("at_most"))
        if bars.margin(float(np.mean([float(v) for v in values if v is not None]))) < 0:
            of = f" on average over {len(values)} seeds" if len(values) > 1 else ""
            return "not supported", f"the value is not {bars.criterion}{of}"
    held = sum(v == "supported" for v in verdicts)
    if held < len(verdicts):
        reasons = list(dict.fromkeys(str(r.get("reason")) for r in records if r.get("reason")))
        where = f"supported on {held} of {len(verdicts)} seeds; " if len(verdicts) > 1 else ""
        return "uncertain", where + "; ".join(reasons)
    if len(verdicts) < promised:
        return "uncertain", f"{len(verdicts)} of {promised} seeds were run"
    return "supported", ""


def in_a_word(verdicts: Iterable[Verdict]) -> str:
    """The answer to a question that several claims answer together.

    Args:
        verdicts: of the claims.

    Returns:
        ``"Yes"`` where all are supported, ``"In part"`` where some are, ``"No"`` where all are on
        the wrong side, else ``"Not clearly"``.

    Example:
        >>> in_a_word(["supported", "uncertain"]), in_a_word(["uncertain", "not supported"])
        ('In part', 'Not clearly')
    """
    found = set(verdicts)
    if "supported" in found:
        return "Yes" if found == {"supported"} else "In part"
    return "No" if found == {"not supported"} else "Not clearly"


def tally(records: Sequence[Mapping[str, Any]]) -> str:
    """How many claims have each verdict, in words; sanity checks are not counted.

    Example:
        >>> tally([{"verdict": "supported"}, {"verdict": "uncertain"}, {"verdict": "supported", "sanity": True}])
        '1 supported, 1 uncertain'
    """
    counted = [r.get("verdict") for r in records if not r.get("sanity")]
    parts = [f"{counted.count(v)} {v}" for v in VERDICTS if counted.count(v)]
    return ", ".join(parts) or "no claims"


def sentence(claim: Mapping[str, Any]) -> str:
    """A claim of ``claims.json`` as one line of numbers.

    Example:
        >>> sentence({"value": 0.41, "low": 0.3, "high": 0.49, "unit": "R²", "at_least": 0.1,
        ...           "null": {"kind": "shuffled labels", "mean": 0.0, "draws": 100}, "p": 0.01, "n": 1500})
        '0.41 [0.3, 0.49] R², criterion at least 0.1, null 0 (shuffled labels, 100 draws), p = 0.01,
        n = 1500'
    """
    value = short_number(claim["value"])
    if claim.get("low") is not None and claim.get("high") is not None:
        value += f" [{short_number(claim['low'])}, {short_number(claim['high'])}]"
    parts = [f"{value} {claim.get('unit') or ''}".rstrip(), f"criterion {criterion(claim)}"]
    if (null := claim.get("null")) and null.get("draws", 1) > 1:
        parts.append(f"null {short_number(null['mean'])} ({null['kind']}, {null['draws']} draws)")
    parts += [
        f"{b['role']} {short_number(b['value'])} ({b['name']})" for b in claim.get("beside") or []
    ]
    corrected = claim.get("p_corrected")
    if (p := claim.get("p") if corrected is None else corrected) is not None:
        after = " after correction" if p != claim.get("p") else ""
        parts.append(f"p = {p:.2g}{after}")
    if claim.get("n") is not None:
        parts.append(f"n = {claim['n']}")
    return ", ".join(parts)


def criterion(claim: Mapping[str, Any]) -> str:
    """The criterion of a record of ``claims.json`` in words.

    Example:
        >>> criterion({"at_least": -0.05, "at_most": 0.05})
        'between −0.05 and 0.05'
    """
    ends = {"at_least": claim.get("at_least"), "at_most": claim.get("at_most")}
    if all(end is None for end in ends.values()):
        return "none"
    return Claim(text="-", **ends).criterion


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def worst(claim: Claim, found: Iterable[Evidence]) -> Evidence:
    """The evidence that makes most against a claim: a value on the wrong side first, then the end
    of an interval.

    Args:
        claim: with its criterion.
        found: the same outcome in several conditions.
    """
    return min(
        found, key=lambda e: (claim.margin(e.value) >= 0, min(map(claim.margin, e.ends), default=0))
    )
