"""Dose–response: what an intervention does to an outcome, strength by strength, beside interventions that mean nothing.

    response(s) = mean over texts of (outcome under dose(s) − outcome as it is)

An outcome is any function of edits that gives a number a text; a dose is any function of a strength that gives edits: a
steering vector's, or `inscape.control.dose.dosed` of an eraser, a clamp or a learned map. Controls are doses of the same
size that mean nothing, several draws a kind. P-values are of one strength each: the one that is judged is to be named
beforehand.

Cost: strengths × (1 + draws) outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from inscape.core.edit import Edit
from inscape.core.evidence import Evidence
from inscape.data.examples import Examples
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.store.contrast import Contrast
from inscape.store.coordinates import mean_vectors
from inscape.study.shares import Shares

#: strength → edits
Dose = Callable[[float], Sequence[Edit]]
#: edits → a number for each text
Outcome = Callable[[Sequence[Edit]], Float[np.ndarray, " n"]]


def leaning(model: Model, texts: Examples, words: Contrast) -> Outcome:
    """How much rather the model goes on with one set of words than with another, after each text."""
    return lambda edits: words.scores(model, texts, edits=list(edits))


def read_back(
    model: Model,
    prompts: Examples,
    score: Callable[[Float[np.ndarray, "n d"]], np.ndarray],
    site: str,
    *,
    tokens: int = 24,
    temperature: float = 1.0,
    seed: int = 0,
) -> Outcome:
    """What is said under the edits, read without them and without the prompt: a score of its mean state at a site.

    Args:
        model: speaks under the edits, reads without any.
        prompts: each is continued once, with random numbers of its own that no edit changes.
        score: of the mean states of what was said, (n, d) → (n,): a probe's decision function.
        site: where states are read.
        tokens: how many are said.
        temperature: of sampling.
        seed: of sampling.
    """
    texts = prompts.texts()

    def outcome(edits: Sequence[Edit]) -> np.ndarray:
        said = continuations(
            model, texts, tokens, temperature=temperature, seed=seed, edits=list(edits)
        )
        frame = pd.DataFrame({"text": [one[0].text.strip() or "." for one in said]})
        (states,) = mean_vectors(model, Examples(frame, "text"), [site])
        return np.asarray(score(states), dtype=np.float64)

    return outcome


def dose_response(
    outcome: Outcome,
    dose: Dose,
    controls: Mapping[str, Sequence[Dose]],
    strengths: Sequence[float],
    shares: Shares,
    *,
    unit: str = "",
    advance: Callable[[], None] | None = None,
) -> list[Evidence]:
    """The response at each strength, beside each kind of control.

    Args:
        outcome: what is asked of the texts.
        dose: the intervention.
        controls: kind → draws.
        strengths: doses, none of them 0: there is nothing to measure at 0.
        shares: over the groups of the texts.
        unit: of the outcome.
        advance: called after each outcome.

    Returns:
        For each strength and kind one row: the response, its interval over groups, that kind's draws as null; and for each
        kind one row with the mean response to its draws, in ``where["series"]``.

    Raises:
        ValueError: no strengths, a strength of 0, or no controls.
    """
    if not len(strengths) or 0 in strengths or not controls:
        raise ValueError(
            f"dose_response: needs strengths other than 0 and controls, got {list(strengths)}, {list(controls)}"
        )

    def asked(edits: Sequence[Edit]) -> np.ndarray:
        found = outcome(edits)
        if advance is not None:
            advance()
        return found

    plain = asked(())
    ones, rows = np.ones(len(plain)), []
    for strength in strengths:
        moved = asked(dose(strength)) - plain
        for kind, draws in controls.items():
            null = np.stack([asked(control(strength)) - plain for control in draws])
            values = np.array([shares.value(part, ones) for part in null])
            # for a negative strength the response is expected below the null
            signed = np.sign(strength)
            one = shares.evidence(
                "change of the outcome",
                moved,
                ones,
                draws=signed * values,
                kind=kind,
                unit=unit,
                where={"series": "vector", "strength": strength, "beside": kind},
            )
            p = (1 + int((signed * values >= signed * one.value).sum())) / (len(values) + 1)
            rows.append(replace(_turned(one, float(signed)), p=p))
            mean = shares.evidence(
                "change of the outcome",
                null.mean(axis=0),
                ones,
                unit=unit,
                where={"series": kind, "strength": strength, "beside": kind},
            )
            ends = (float(values.min()), float(values.max()))
            rows.append(
                replace(
                    mean, interval=ends, null=replace(rows[-1].null, kind="single draws"), level=1.0
                )
            )
    return rows


def drawn(rows: Sequence[Evidence]) -> pd.DataFrame:
    """The rows as `inscape.charts.curves.curves` draws them, with 0 at strength 0."""
    seen: dict[tuple[str, float], dict[str, object]] = {}
    for e in rows:
        series, strength = str(e.where["series"]), float(e.where["strength"])
        low, high = e.ends
        seen.setdefault(
            (series, 0.0), {"series": series, "x": 0.0, "value": 0.0, "low": 0.0, "high": 0.0}
        )
        seen[series, strength] = {
            "series": series,
            "x": strength,
            "value": e.value,
            "low": low,
            "high": high,
        }
    frame = pd.DataFrame(list(seen.values()))
    order = {name: i for i, name in enumerate(dict.fromkeys(frame["series"]))}
    return frame.sort_values(
        ["series", "x"], key=lambda c: c.map(order) if c.name == "series" else c, ignore_index=True
    )


def _turned(e: Evidence, sign: float) -> Evidence:
    """Evidence whose null was made of numbers times the sign, with the null turned back."""
    assert e.null is not None
    low, high = sorted((sign * e.null.low, sign * e.null.high))
    return replace(e, null=replace(e.null, mean=sign * e.null.mean, low=low, high=high))
