"""Dose–response: what an intervention does to an outcome, strength by strength, beside
interventions that mean nothing.

    response(s) = mean over texts of (outcome under dose(s) − outcome as it is)

An outcome is any function of edits that gives a number a text; a dose is any function of a strength
that gives edits: a steering vector's, or `inscape.control.dose.dosed` of an eraser, a clamp or a
learned map. Controls are doses of the same size that mean nothing, several draws a kind. P-values
are of one strength each: the one that is judged is to be named beforehand.

Cost: strengths × (1 + draws) outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.edit import Edit
from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.contrast import Contrast
from inscape.read.coordinates import mean_vectors
from inscape.read.logistic import LogisticProbe

#: strength → edits
Dose = Callable[[float], Sequence[Edit]]
#: edits → a number for each text
Outcome = Callable[[Sequence[Edit]], Float[np.ndarray, " n"]]


def leaning(model: Model, texts: Examples, words: Contrast) -> Outcome:
    """How much rather the model goes on with one set of words than with another, after each
    text.
    """
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
    """What is said under the edits, read without them and without the prompt: a score of its mean
    state at a site.

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


def read_as_class(
    model: Model,
    prompts: Examples,
    others: Examples,
    y: Int[np.ndarray, " m"],
    site: str,
    *,
    tokens: int = 24,
    seed: int = 0,
) -> Outcome:
    """`read_back`, scored by the log-odds of a logistic probe that tells two classes of other texts
    apart.

    Args:
        model: speaks under the edits.
        prompts: each is continued once.
        others: texts that the probe is fitted to; with a group.
        y: their classes, 0 or 1.
        site: where texts are read, the mean over their tokens.
        tokens: how many are said.
        seed: of sampling.
    """
    (states,) = mean_vectors(model, others, [site])
    probe = LogisticProbe().fit(states, y, groups=others.groups())
    return read_back(model, prompts, probe.decision_function, site, tokens=tokens, seed=seed)


@dataclass(frozen=True, eq=False)
class Response:
    """What a dose does to the outcome of each text, less the outcome as it is.

    Attributes:
        strength: of the dose.
        moved: by the intervention, (n,).
        controls: kind → by each of its draws, (draws, n).
    """

    strength: float
    moved: Float[np.ndarray, " n"]
    controls: Mapping[str, Float[np.ndarray, "draws n"]]

    def measured(self, groups: np.ndarray, unit: str, signed: bool = False) -> Measured:
        """The change as a condition ``"vector"``, every kind of control as a null.

        Args:
            groups: of the texts.
            unit: of the outcome.
            signed: times the sign of the strength, so that what is expected is positive.
        """
        sign = float(np.sign(self.strength)) if signed else 1.0
        m = Measured(
            "change of the outcome",
            groups=groups,
            unit=unit,
            direction="lower" if sign * self.strength < 0 else "higher",
        )
        m.put("vector", sign * self.moved)
        for kind, draws in self.controls.items():
            m.put(kind, sign * draws, role="null")
        return m


def dose_response(
    outcome: Outcome,
    dose: Dose,
    controls: Mapping[str, Sequence[Dose]],
    strengths: Mapping[float, int],
    advance: Callable[[], None] | None = None,
) -> list[Response]:
    """The response at each strength, beside each kind of control.

    Args:
        outcome: what is asked of the texts.
        dose: the intervention.
        controls: kind → draws.
        strengths: doses, none of them 0 (there is nothing to measure at 0), each with how many
            draws of every kind stand beside it: many where it is judged, few where it is only
            shown.
        advance: called after each outcome.

    Raises:
        ValueError: no strengths, a strength of 0, or no controls.
    """
    if not strengths or 0 in strengths or not controls:
        raise ValueError(
            f"dose_response: needs strengths other than 0 and controls, got {list(strengths)}, "
            f"{list(controls)}"
        )

    def asked(edits: Sequence[Edit]) -> np.ndarray:
        found = outcome(edits)
        if advance is not None:
            advance()
        return found

    plain = asked(())
    return [
        Response(
            strength,
            asked(dose(strength)) - plain,
            {
                kind: np.stack([asked(control(strength)) - plain for control in draws[:count]])
                for kind, draws in controls.items()
            },
        )
        for strength, count in strengths.items()
    ]


def asked_in_all(controls: Mapping[str, Sequence[Dose]], strengths: Mapping[float, int]) -> int:
    """How often `dose_response` asks for an outcome."""
    beside = [min(n, len(draws)) for n in strengths.values() for draws in controls.values()]
    return 1 + len(strengths) + sum(beside)


def shown(responses: Sequence[Response], groups: np.ndarray, unit: str) -> list[Evidence]:
    """Every response beside every kind of control as rows.

    Args:
        responses: from `dose_response`.
        groups: of the texts.
        unit: of the outcome.

    Returns:
        For each strength and kind one row, that kind's draws as null; and for each kind one row
        with the mean response to its draws and their range in the interval's place.
        ``where["series"]`` tells which.
    """
    rows = []
    for r in responses:
        m = r.measured(groups, unit)
        for kind in r.controls:
            where = {"strength": r.strength, "beside": kind}
            rows.append(m.value("vector", null=kind, where={"series": "vector", **where}))
            values = [d.value for d in m.conditions[kind].draws]
            mean = m.value(kind, where={"series": kind, **where})
            rows.append(replace(mean, interval=(min(values), max(values)), level=1.0))
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
