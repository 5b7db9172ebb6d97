"""Where is it, and when was it? Coordinates of cities and birth years of people, read off a language model linearly.

A name is given to the model and the residual stream at the name's last token is harvested at every layer, once. A ridge
probe reads the coordinates off each layer; folds hold out random cities, or whole countries. Beside every score stand
the same probe on shuffled coordinates, on the input embedding, on an untrained copy of the model, and on the letters of
the name. Then single MLP neurons are correlated with the coordinates against the null of the largest correlation of all
of them, the neurons found are held at their mean, and the probe is fitted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.layers import score_by_layer
from inscape.charts.scatter import predicted_vs_true
from inscape.charts.world import world_map
from inscape.core import intervals, nulls
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.rng import child_seed
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.read.neurons import NeuronSearch, neuron_search, passing_interval
from inscape.read.surface import letters
from inscape.store.harvest import harvest
from inscape.store.hold import held_at_mean
from inscape.store.passes import gather
from inscape.store.store import Store
from inscape.study.card import Card
from inscape.study.frames import SHUFFLED, by_layer, layer_of
from inscape.study.geography import by_country, group_mean, place_table
from inscape.study.nonlinear import mlp_gain
from inscape.study.run import Run
from inscape.study.sweep import SweepResult, compare, sweep
from inscape.worlds.places import places

CARD = Card(
    slug="space-time-neurons",
    title="Language Models Represent Space and Time",
    authors="Gurnee and Tegmark",
    year=2023,
    arxiv="2310.02207",
    room="read",
    claim="Linear probes on a language model's residual stream recover where places are and when things happened, nearly "
    "as well as non-linear probes do, and single neurons go with a place's coordinates.",
    reproduced="Coordinates of the most populous cities with unique names and birth years of people, read by ridge probes "
    "at every layer at the name's last token, in three prompts; an MLP probe beside them; a search for neurons, and the "
    "probe again with those neurons held at their mean.",
    controls=(
        "coordinates shuffled among cities, or among whole countries",
        "the input embedding at the same token",
        "an untrained copy of the model",
        "character n-grams of the name",
        "the mean of the country's other cities, which needs the country to be known",
        "as many random neurons held at their mean",
    ),
    bar="In random folds the chosen layer's R² is at least 0.1 above the embedding, the letters and the untrained model, "
    "in both coordinates; shuffled labels give at most 0.02; the MLP probe gains at most 0.1 over ridge; at least five "
    "neurons pass the 99.9 % point of the permutation null. The score on held-out countries is always shown.",
    group_note="A group is a country: names and spelling tell it, so only whole countries held out show a map rather than "
    "a list of countries. For people it is WordNet's class of the occupation.",
    minutes={"tiny": 0.3, "small": 5, "full": 60},
    figure="map-group",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'places-world' is trained on the spot"},
    )
    data: str = field(
        default="cities", metadata={"help": "a set or table with numeric labels and a group"}
    )
    people: str = field(default="people", metadata={"help": "a set with years, or 'none'"})
    born_from: int = field(
        default=1500, metadata={"help": "earliest year; older ones are few and would carry the R²"}
    )
    prompts: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "templates; the main question is asked in the first. Default: three for cities, else the bare input"
        },
    )
    limit: int = field(default=1500, metadata={"help": "use the first so many rows; 0 for all"})
    prompt_limit: int = field(
        default=500, metadata={"help": "rows on which the prompts are compared; 0 for all"}
    )
    people_limit: int = field(
        default=500, metadata={"help": "use the first so many people; 0 for all"}
    )
    folds: int = field(default=5, metadata={"help": "outer folds"})
    shuffles: int = field(default=100, metadata={"help": "label shuffles of the main null"})
    neuron_null: Literal["groups", "rows"] = field(
        default="groups",
        metadata={
            "help": "'groups' shuffles whole groups' labels in the neurons' null, 'rows' single ones"
        },
    )
    neurons: int = field(
        default=50, metadata={"help": "hold at most so many of the neurons found at their mean"}
    )

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


_LEAST = {"limit": 0, "prompt_limit": 0, "people_limit": 0, "folds": 2, "shuffles": 1, "neurons": 1}
PRESETS = {
    "tiny": Config(
        model="places-world",
        data="places-world",
        people="none",
        shuffles=20,
        neurons=20,
        neuron_null="rows",
    ),
    "small": Config(),
    "full": Config(
        model="meta-llama/Llama-2-7b-hf", limit=0, prompt_limit=0, people_limit=0, shuffles=1000
    ),
}

#: a bare name of one token would stand at position 0, where attention sinks drown what is known of it
CITY_PROMPTS = ("The city of {}", "{}", "Where in the world is {}")
TRAINED, UNTRAINED, LETTERS, EMBEDDING = (
    "trained model",
    "untrained model",
    "letters of the name",
    "input embedding",
)
RANDOM, HELD = "random", "group"


@dataclass(frozen=True)
class Space:
    """One question about one set of examples: the store, and every sweep by what is probed and how rows are held out."""

    examples: Examples
    store: Store
    sweeps: dict[tuple[str, str], SweepResult]


def run(config: Config, run: Run) -> None:
    """Harvest, probe, compare, search neurons, judge."""
    model, examples = _open(config, run)
    run.certificate(model.certificate)
    what = "where places are" if _of_places(examples) else " and ".join(examples.labels)
    run.asked(
        f"Does {model.name} know {what} ({len(examples):,} rows), and is it written linearly in its layers?"
    )
    prompts = config.prompts or (CITY_PROMPTS if config.data == "cities" else ("{}",))
    main = examples.with_prompt(prompts[0])
    fresh = model.untrained(child_seed(run.seed, "untrained"))
    fresh_store = harvest(fresh, main, "embed, resid_post.::3", at="span:input")
    spelling = letters(examples.texts(), seed=child_seed(run.seed, "letters") % 2**32)
    space = Space(main, harvest(model, main, "embed, resid_post.*, mlp_act.*", at="span:input"), {})
    for split in (RANDOM, HELD):
        sources = {
            TRAINED: _layers(space.store),
            UNTRAINED: _layers(fresh_store),
            LETTERS: {"letters": spelling},
        }
        sources[EMBEDDING] = {"embed": space.store.matrix("embed")}
        for series, source in sources.items():
            # in random folds the controls are shuffled too, so that a gain over them has a null
            shuffles = config.shuffles if series == TRAINED or split == RANDOM else 0
            space.sweeps[series, split] = _sweep(config, run, main, source, split, shuffles, series)
    _scores(run, space)
    if _of_places(examples):
        _map(run, space)
    if len(prompts) > 1:
        _prompts(config, run, model, examples, prompts)
    _nonlinear(run, space)
    _neurons(config, run, space, model)
    if config.people != "none":
        _time(config, run, model)
    run.answer(_answer(space, model))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "places-world" in (config.model, config.data):
        if config.model != config.data:
            raise StudyError(_MIXED % (config.model, config.data))
        world = places(seed=run.seed)
        run.log("the toy network names the square of %.0f %% of its places", 100 * world.accuracy)
        return world.model, world.examples
    examples = load(config.data, limit=config.limit or None)
    examples.target()  # what cannot be asked is said before a model is fetched
    if examples.group is None:
        run.warn(
            "The rows have no column 'group', so each counts as its own: rows that are alike may be on both sides."
        )
    return open(config.model), examples


def _layers(store: Store) -> Callable[[], Any]:
    """The residual sites, read from the store one at a time."""
    return lambda: store.matrices([s for s in store.sites if s.point in ("embed", "resid_post")])


def _sweep(
    config: Config,
    run: Run,
    examples: Examples,
    source: Any,
    split: str,
    shuffles: int,
    series: str,
) -> SweepResult:
    with run.progress(f"probe {series}, {split} folds", unit="sites") as bar:
        return sweep(
            source,
            examples.target(),
            groups=examples.groups() if examples.group is not None else np.arange(len(examples)),
            folds=config.folds,
            split=split,
            shuffle="rows" if split == RANDOM else "groups",
            shuffles=shuffles,
            target_names=examples.labels,
            seed=run.seed,
            progress=lambda *_: bar.advance(),
        )


def weakest(found: list[Evidence]) -> Evidence:
    """The target for which a claim is hardest to hold."""
    return min(found, key=lambda e: e.value)


def _scores(run: Run, space: Space) -> None:
    """Scores by layer against every control, and the claims about them."""
    chosen = {t: layer_of(site) for t, site in space.sweeps[TRAINED, HELD].best.items()}
    for split, what in ((RANDOM, "random rows held out"), (HELD, "whole groups held out")):
        series = {name: space.sweeps[name, split] for name in (TRAINED, UNTRAINED)}
        rules = {name: space.sweeps[name, split] for name in (EMBEDDING, LETTERS)}
        chart = score_by_layer(
            by_layer(series, rules),
            score="R²",
            chosen=chosen if split == HELD else None,
            nulls=(SHUFFLED,),
        )
        run.figure(
            f"layers-{split}",
            chart,
            f"R² by layer, {what}. Layer −1 is the input embedding. {_WHY[split]}",
        )
    rows = []
    for (name, _), result in space.sweeps.items():
        rows += [replace(e, where={"representation": name, **e.where}) for e in result.selected]
    for split in (RANDOM, HELD):
        known = group_mean(space.sweeps[TRAINED, split])
        rows += [replace(e, where={"representation": "the group's mean", **e.where}) for e in known]
    run.table(
        "scores",
        table(rows),
        "R² of the layer chosen inside the training folds, beside every control.",
    )
    run.table("layers", space.sweeps[TRAINED, HELD].table(), "Every layer, whole groups held out.")
    trained = space.sweeps[TRAINED, RANDOM]
    for control, id in (
        (EMBEDDING, "above-embedding"),
        (LETTERS, "above-letters"),
        (UNTRAINED, "above-untrained"),
    ):
        gain = weakest(compare(trained, space.sweeps[control, RANDOM], names=("model", control)))
        alone = ", ".join(
            f"{e.value:z.2f} for {e.where['target']}"
            for e in space.sweeps[control, RANDOM].selected
        )
        text = f"For every target the chosen layer's R² is above that of the {control}"
        run.claim(id, text, gain, 0.1, why=f"The {control} has {alone}. {_RANDOM}")
    top = max(trained.selected, key=lambda e: e.null.mean if e.null else 0.0)
    assert top.null is not None
    ends = (top.null.low, top.null.high)
    shuffled = replace(
        top, value=top.null.mean, interval=ends, p=None, name=f"{top.name}, shuffled labels"
    )
    run.claim(
        "shuffled",
        "With shuffled labels the same procedure finds nothing",
        shuffled,
        0.02,
        "at most",
    )
    text = "On groups never seen, every target is read better than with labels shuffled by group"
    run.claim(
        "held-out",
        text,
        weakest([e.above_chance() for e in space.sweeps[TRAINED, HELD].selected]),
        0.05,
        why=_HELD,
    )


def _map(run: Run, space: Space) -> None:
    """The map as the probe draws it, and the error of every country."""
    for split in (HELD, RANDOM):
        place = place_table(space.sweeps[TRAINED, split], space.examples, run.rng("traced"))
        run.figure(
            f"map-{split}",
            world_map(place),
            f"Left, the cities; right, where the probe on the chosen layer puts them, {_MAP[split]}. Median error "
            f"{place['error_km'].median():,.0f} km; {place['mean_km'].median():,.0f} km if every city is put at the mean "
            "of the training cities. Lines lead from the truth to the prediction for some random cities.",
        )
        if split == HELD:
            run.table(
                "places",
                place.drop(columns=["traced", "label"]),
                "Every city, its country held out.",
            )
            errors = by_country(place, run.rng("countries"))
            caption = "Median error (km) of each country with enough cities, the country held out."
            run.table("countries", errors, caption)
            chart = values_by_group(
                errors, value="median error", unit="km", low_title="nearest", high_title="farthest"
            )
            caption = "Median error by country, the country held out. The tick is the error of the training mean."
            run.figure("countries", chart, caption)


def _prompts(
    config: Config, run: Run, model: Model, examples: Examples, prompts: tuple[str, ...]
) -> None:
    """The same question in other words, on fewer rows and every third layer."""
    few, rows = (
        examples.take(np.arange(min(config.prompt_limit or len(examples), len(examples)))),
        [],
    )
    for prompt in prompts:
        asked = few.with_prompt(prompt)
        store = harvest(model, asked, "embed, resid_post.::3", at="span:input")
        for split in (RANDOM, HELD):
            found = _sweep(config, run, asked, _layers(store), split, 0, repr(prompt))
            rows += [replace(e, where={"prompt": prompt, **e.where}) for e in found.selected]
    caption = f"R² of the chosen layer in each prompt, on {len(few)} rows and every third layer."
    run.table("prompts", table(rows), caption)


def _nonlinear(run: Run, space: Space) -> None:
    """An MLP probe on the layer that each fold's training rows choose: what is there but not linearly."""
    found = mlp_gain(space.store.matrix, space.sweeps[TRAINED, RANDOM], run.seed)
    caption = "What an MLP probe gains over ridge at the layer chosen in each random fold; the site named most often."
    run.table("nonlinear", table(found), caption)
    worst = max(found, key=lambda e: e.value)
    run.claim("linear", "An MLP probe finds little that ridge does not", worst, 0.1, "at most")


def _neurons(config: Config, run: Run, space: Space, model: Model) -> None:
    """Neurons that go with a coordinate, and the probe when they are held at their mean."""
    y, store = space.examples.target(), space.store
    layers = [s for s in store.sites if s.point == "mlp_act"]
    codes = space.sweeps[TRAINED, HELD].groups
    found: dict[str, tuple[NeuronSearch, int]] = {}
    for kind, groups in (("rows", None), ("groups", codes)):
        orders = nulls.permutations(len(y), 1000, rng=run.rng("neurons", kind), groups=groups)
        search = neuron_search(store.matrices(layers), y, orders, space.examples.labels)
        passing = search.beyond(0.999)
        found[kind] = search, len(passing.drop_duplicates(["site", "neuron"]))
        caption = (
            f"The first neurons beyond the 99.9 % point of the largest |r| with {kind} shuffled."
        )
        run.table(f"neurons-{kind}", passing.head(200), caption)
    search, count = found[config.neuron_null]
    line = np.quantile(search.null, 0.999, axis=0)
    draws = intervals.group_counts(int(codes.max()) + 1, 500, rng=run.rng("neurons", "bootstrap"))
    ends = [passing_interval(x, y, line, codes, draws) for _, x in store.matrices(layers)]
    chance = Null.of(f"{config.neuron_null} shuffled", (search.null > line).any(axis=1) * 1.0)
    evidence = Evidence(
        "neurons beyond the null",
        count,
        (sum(low for low, _ in ends), sum(high for _, high in ends)),
        chance,
        n=len(y),
        d=sum(store.width(s) for s in layers),
        unit="neurons",
    )
    why = (
        f"With single rows shuffled {found['rows'][1]:,} pass, with whole groups {found['groups'][1]:,}: rows "
        "of one group are alike, and so are their labels; only the second null says what goes beyond it."
    )
    text = (
        "Single MLP neurons go with a target beyond the 99.9 % point of the null of the largest |r|"
    )
    run.claim("neurons", text, evidence, 5, why=why)
    _held_at_mean(config, run, space, model, layers)


def _held_at_mean(config: Config, run: Run, space: Space, model: Model, layers: list[Site]) -> None:
    """The probe again with neurons held at their mean: chosen on half of the groups, measured on the other half."""
    store, y, codes = space.store, space.examples.target(), space.sweeps[TRAINED, HELD].groups
    inside = run.rng("neurons", "half").permutation(int(codes.max()) + 1)[codes] <= codes.max() / 2
    ranked = neuron_search(
        ((s, x[inside]) for s, x in store.matrices(layers)),
        y[inside],
        np.arange(inside.sum())[None],
        space.examples.labels,
    )
    chosen = ranked.table.drop_duplicates(["site", "neuron"]).head(config.neurons)
    rng, outside = run.rng("neurons", "random"), np.flatnonzero(~inside)
    anyone = chosen.assign(neuron=[rng.integers(store.width(s)) for s in chosen["site"]])
    rest, rows = space.examples.take(outside), []
    enough = min(len(np.unique(codes[rows])) for rows in (inside, outside)) >= config.folds
    splits = (RANDOM, HELD) if enough else (RANDOM,)
    half = space.examples.take(np.flatnonzero(inside))
    layer = {
        str(s): store.matrix(s)[inside] for s in store.sites if s.point in ("embed", "resid_post")
    }
    looked = _sweep(config, run, half, layer, splits[-1], 0, "the half that chooses")
    site = looked.sites[int(looked.inner[:, :, 0].mean(axis=(1, 2)).argmax())]
    for name, neurons in (("neurons found", chosen), ("random neurons, same layers", anyone)):
        x = gather(model, rest, site, at="span:input", edits=held_at_mean(store, neurons))
        for split in splits:
            before = _sweep(
                config, run, rest, {site: store.matrix(site)[outside]}, split, 0, "before"
            )
            after = _sweep(config, run, rest, {site: x}, split, 0, name)
            fall = compare(before, after, at="sites", names=("as it is", "held at mean"))
            rows += [replace(e, where={"held at mean": name, **e.where}) for e in fall]
    caption = (
        f"Fall of R² at {site} with {len(chosen)} neurons mean-ablated; "
        "neurons and layer chosen on other groups."
    )
    run.table("held-at-mean", table(rows), caption)


def _time(config: Config, run: Run, model: Model) -> None:
    """Birth years of people: the time half of the question."""
    people = load(config.people)
    born = people.target(people.labels[0])[:, 0] >= config.born_from
    rows = np.flatnonzero(born)[: config.people_limit or None]
    people = people.take(rows).with_prompt("{}")
    store = harvest(model, people, "embed, resid_post.*", at="span:input")
    found = {
        TRAINED: _sweep(
            config, run, people, _layers(store), HELD, max(19, config.shuffles // 5), "years"
        )
    }
    words = letters(
        people.frame[people.input].tolist(), seed=child_seed(run.seed, "letters") % 2**32
    )
    found[LETTERS] = _sweep(config, run, people, {"letters": words}, HELD, 0, LETTERS)
    rows = [
        replace(e, where={"representation": n, **e.where})
        for n, r in found.items()
        for e in r.selected
    ]
    run.table(
        "years",
        table(rows),
        f"R² of the year of birth of {len(people)} people born from {config.born_from}.",
    )
    best = found[TRAINED]
    frame = pd.DataFrame(
        {"true": best.y[:, 0], "predicted": best.selected_predictions[:, 0], "name": people.texts()}
    )
    run.figure(
        "years",
        predicted_vs_true(frame, quantity="year of birth", number="d"),
        "Year of birth, true and read off the chosen layer, whole occupations held out.",
    )


def _answer(space: Space, model: Model) -> str:
    held = weakest(space.sweeps[TRAINED, HELD].selected)
    both = {
        s: " and ".join(
            f"{e.value:z.2f} for {e.where['target']}" for e in space.sweeps[TRAINED, s].selected
        )
        for s in (RANDOM, HELD)
    }
    assert held.null is not None
    known = held.value > held.null.high and held.interval is not None and held.interval[0] > 0
    what, groups = (
        ("positions", "countries") if _of_places(space.examples) else ("the labels", "groups")
    )
    return (
        f"{'Yes, in part' if known else 'Not shown'}. A linear probe on {model.name} reads {what} off the layer that the "
        f"training data choose with R² of {both[RANDOM]} when random rows are held out. That alone does not show it: a "
        f"probe may recognise the group of a row ({groups} are the groups here) and look the group up. With whole "
        f"{groups} held out, R² is {both[HELD]} ({held.null.mean:z.2f} with labels shuffled by group, at most "
        f"{held.null.high:z.2f} in 97.5 % of shuffles): "
        + (
            "what is left was not looked up."
            if known
            else "not beyond what chance and the interval allow."
        )
    )


def _of_places(examples: Examples) -> bool:
    return {"latitude", "longitude"} <= set(examples.labels)


_MIXED = (
    "'places-world' is a toy network with a map of its own, and goes with no other model or data: give both --model and "
    "--data, not %r with %r, or take the preset small."
)
_RANDOM = "In random folds, as the paper has it; the score on held-out groups shows what is more than recognising them."
_HELD = "R² less its mean over shuffles; an R² of zero is what predicting the mean of the training groups gives."
_WHY = {
    RANDOM: "Rows of one group (a country, for cities) are on both sides, so recognising the group already scores.",
    HELD: "Only this is an answer: no row of a held-out group was seen, so there is no group to look up.",
}
_MAP = {
    RANDOM: "fitted on other cities, of the same countries too",
    HELD: "fitted on other countries only",
}
