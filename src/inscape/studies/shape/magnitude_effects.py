"""Are numbers similar to each other as a mental number line would have them?

Numbers from 1 to 9 as digits and as words, at every layer of a decoder and of a text encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd

from inscape.charts import curves
from inscape.core import Measured, left_out
from inscape.data import Examples
from inscape.model import Model
from inscape.shape import distance_effect, every_effect
from inscape.store.harvest import harvest
from inscape.study import Bounded, Card, Claim, Needs, Run, opened, setting

CARD = Card(
    slug="magnitude-effects",
    title="Human Behavioral Benchmarking: Numeric Magnitude Comparison Effects in Large Language "
    "Models",
    authors="Shah et al.",
    year=2023,
    arxiv="2305.10782",
    room="shape",
    claim="Number embeddings of language models show the distance, size and ratio effects of human "
    "response times.",
    reproduced="1 to 9 as digits and words in SmolLM2-135M and MiniLM, averaged over 20 sentences, "
    "at every layer; the layer is chosen on one format and reported on the other.",
    controls=(
        "number order permuted",
        "nouns, letters, months",
        "untrained copies",
        "the word alone",
    ),
    claims=dict(
        distance=Claim(
            text="In both models the distance effect has R² 0.6 on the format not chosen on",
            at_least=0.6,
            null="order permuted",
        ),
        nouns=Claim(text="For nouns it is at most 0.3", at_most=0.3),
        untrained=Claim(
            text="It is above that of the untrained copy", at_least=0, over="untrained copy"
        ),
    ),
    answer="The distance effect explains {distance:.0%} of the similarities where it is weakest, "
    "{nouns:.0%} for nouns; the untrained copy has {untrained:.2f} less.",
    tiny=dict(distance="supported", nouns="any", untrained="any"),
    differs="R² is over the 36 pairs, not over means at each distance, and negative where "
    "similarity rises; the authors "
    "use words alone.",
    group_note="A group is a sentence, in which every word stands.",
    minutes=dict(tiny=0.1, small=2),
    figure="distance",
)


@dataclass(frozen=True)
class Config(Bounded):
    models: tuple[str, ...] = setting(("smollm2-135m", "minilm-l6"), "what to open")
    data: str = setting("ordered-words", "columns text, list, place, sentence, start, end")
    draws: int = 999


WORLD = "world:number_line"
PRESETS = {"tiny": Config((WORLD,), WORLD, 199), "small": Config(), "full": Config(draws=9999)}
NEEDS = Needs(columns=("list", "place", "sentence"), spans={"word": ("start", "end")})
PLACES = np.arange(1, 10)

#: list → layer × sentence × word × width
States = Mapping[str, np.ndarray]


def run(config: Config, run: Run) -> None:
    """Harvest, compare pairs, choose layers crosswise."""
    run.asked("Are numbers similar to each other as a mental number line would have them?")
    trained, fresh = {}, {}
    for name in config.models:
        model, table, _ = opened(SimpleNamespace(model=name, data=config.data), run, NEEDS)
        trained[model.name] = _states(model, table)
        fresh[model.name] = _states(model.untrained(run.seed), table)
    names = list(trained)
    sentences = np.arange(next(iter(trained.values()))["digits"].shape[2] - 1)

    def least(rows: np.ndarray) -> float:
        return min(_crosswise(_similar(trained[n], rows)) for n in names)

    def most(rows: np.ndarray, of: str) -> float:
        return max(_crosswise(_similar(trained[n], rows), of) for n in names)

    def over(rows: np.ndarray) -> float:
        return min(
            _crosswise(_similar(trained[n], rows)) - _crosswise(_similar(fresh[n], rows))
            for n in names
        )

    m = Measured("distance effect", unit="R²")
    m.put_statistic("numbers, least over models", left_out(least, sentences))
    others = {
        of: left_out(partial(most, of=of), sentences) for of in ("nouns", "letters", "months")
    }
    m.put_each({f"{of}, most over models": x for of, x in others.items()}, role="baseline")
    found = {n: _similar(trained[n], sentences) for n in names}
    orders = [run.rng("orders", str(k)).permutation(PLACES) for k in range(config.draws)]
    m.put_draws(
        "order permuted", [min(_crosswise(found[n], order=o) for n in names) for o in orders]
    )
    run.claim("distance", m.value("numbers, least over models", null="order permuted"))
    run.claim("nouns", m.value("nouns, most over models"))
    copies = Measured("distance effect over that of the untrained copy", unit="R²")
    copies.put_statistic("numbers", left_out(over, sentences))
    run.claim("untrained", copies.value("numbers"))
    run.show("effect", m, null="order permuted")
    _show(run, found, {n: _similar(fresh[n], sentences) for n in names}, trained, orders)


def _states(model: Model, table: Examples) -> States:
    """The last token of every word at every layer, (layers, 9, sentences, width) of each list."""
    store = harvest(model, table, "embed, resid_post.*", at="span:word")
    frame = table.frame.reset_index(drop=True).sort_values(["place", "sentence"], kind="stable")
    rows = {str(name): own.index.to_numpy() for name, own in frame.groupby("list", sort=False)}
    states = [x for _, x in store.matrices()]
    return {
        name: np.stack([x[which].reshape(len(PLACES), -1, x.shape[1]) for x in states])
        for name, which in rows.items()
    }


def _similar(states: States, sentences: np.ndarray) -> dict[str, np.ndarray]:
    """Cosines of the words' means over some of the sentences; −1 is the word alone."""
    found = {}
    for name, x in states.items():
        mean = x[:, :, sentences + 1].mean(axis=2).astype(np.float64)
        unit = mean / np.linalg.norm(mean, axis=2, keepdims=True)
        found[name] = unit @ unit.swapaxes(1, 2)
    return found


def _crosswise(found: Mapping[str, np.ndarray], of: str = "", order: np.ndarray = PLACES) -> float:
    """The distance effect of each format at the layer chosen on the other, or of a list at both."""
    digits, words = (distance_effect(found[x], order) for x in ("digits", "words"))
    if of:
        return float(distance_effect(found[of], order)[[digits.argmax(), words.argmax()]].mean())
    return float(words[digits.argmax()] + digits[words.argmax()]) / 2


def _show(
    run: Run,
    found: Mapping[str, Mapping[str, np.ndarray]],
    fresh: Mapping[str, Mapping[str, np.ndarray]],
    states: Mapping[str, States],
    orders: Sequence[np.ndarray],
) -> None:
    """All effects at the chosen layers with permutation p, and the distance effect by layer."""
    rows, lines = [], []
    for name, own in found.items():
        alone = _similar(states[name], np.array([-1]))
        for form, other in (("digits", "words"), ("words", "digits")):
            layer = int(distance_effect(own[other], PLACES).argmax())
            row = {"model": name, "format": form, "layer": layer - 1}
            row |= every_effect(own[form][layer], PLACES, orders)
            row["distance, word alone"] = float(distance_effect(alone[form][layer], PLACES))
            rows.append(row)
        drawn = {of: own[of] for of in ("digits", "words", "nouns")}
        for series, x in (drawn | {"digits, untrained": fresh[name]["digits"]}).items():
            lines += [
                {"panel": name, "series": series, "x": layer - 1, "value": value}
                for layer, value in enumerate(distance_effect(x, PLACES))
            ]
    caption = (
        "Each effect at the layer chosen on the other format: R², negative where the slope is "
        "opposite, and p over permuted orders. Layer −1 is the embedding."
    )
    run.table("effects", pd.DataFrame(rows), caption)
    frame, nulls = pd.DataFrame(lines), ("nouns", "digits, untrained")
    chart = curves(frame, x="layer", y="distance effect (R²)", nulls=nulls)
    caption = "The distance effect at each layer, mean over sentences. Layer −1 is the embedding."
    run.figure("distance", chart, caption)
