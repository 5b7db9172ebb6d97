"""Do programming languages have neurons of their own, and through which words does translation
between them go?

The same small programs in six programming languages and in English. Neurons whose gate opens for
one or few languages are found by the entropy of their firing rates (LAPE) on some kinds of program;
on other kinds every language's loss is measured with each language's neurons set to zero, equally
many for every language, beside random neurons of the same layers. Between languages, the states
before each token of a translation are read by the logit lens, layer by layer, and the tokens sorted
by their language; and programs are compared with their English descriptions (MEXA).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from inscape.charts import cells, curves
from inscape.charts import matrix as heatmap
from inscape.core import Measured, kth_highest, measured_grid
from inscape.data import Examples
from inscape.model import Model
from inscape.outcomes import (
    Passage,
    lens_classes,
    loss_rises,
    neuron_sets,
    open_gates,
    own_rises,
    placed,
    still_active,
    text_means,
)
from inscape.read import Lape, lape, mexa_by_layer
from inscape.study import Card, Claim, Run, Settings, opened, setting
from inscape.worlds.programs import CLASSES, programs, token_class, translation

CARD = Card(
    slug="code-language-neurons",
    title="How Programming Concepts and Neurons Are Shared in Code Language Models",
    authors="Kargaran, Liu, Yvon and Schütze",
    year=2025,
    arxiv="2506.01074",
    room="read",
    claim="In the middle layers a model that translates between programming languages is nearest "
    "to English and to keywords; neurons of single languages are at the bottom and the top, and "
    "languages much alike have hardly any.",
    reproduced="Templates give the same programs in six languages and English. Language neurons by "
    "the entropy of firing rates (LAPE), equally many a language, set to zero on kinds of program "
    "that they were not found on; the logit lens on translation with two examples, tokens sorted "
    "by keyword lists and the words of English reviews; alignment of programs with their English "
    "descriptions by layer (MEXA).",
    controls=(
        "as many random neurons of the same layers",
        "language labels shuffled within each program",
        "the programs without their languages' keywords",
    ),
    claims={
        "shuffled": Claim(
            text="With labels shuffled within programs few neurons are found",
            at_most=0.1,
            sanity=True,
        ),
        "own": Claim(
            text="For three languages or more, zeroing a language's neurons raises its own loss at "
            "least twice as much as the others'",
            at_least=0,
            over="twice the mean rise of the other languages",
            why="Own rise less twice the others', the third highest over languages; its ends are "
            "the third highest ends. The ratio itself has no interval where the others hardly "
            "rise.",
        ),
        "random": Claim(
            text="Zeroing random neurons of the same layers does not, over all languages",
            at_most=1.2,
            sanity=True,
        ),
    },
    # the toy has few neurons, one alone for some language, so what zeroing eight of each does is
    # chance, and none of so few shuffled ones may be 0 to 0.11 of them
    tiny={"shuffled": "any", "own": "any", "random": "any"},
    answer="{model} has {neurons:,} neurons whose gate opens for one or few of the languages "
    "({shuffled:.0%} of that with labels shuffled), {most_neurons} of them for {most} and "
    "{least_neurons} for {least}; their median layer is {deep:.0f}. They {own:do|may|do not} serve "
    "their own language: with them at zero, the rise of a language's own loss less twice the "
    "others' is {own:.3f} nats a token in the third best language ({own.verdict}).",
    differs="The authors take 400 neurons a language of Llama-3.1-8B and find them on public code; "
    "here 40 of 46,080 are taken, about the same share, from programs made by templates.",
    group_note="Neurons are found on some kinds of program and judged on others; names are shared. "
    "Intervals are over kinds: programs of one kind differ in names only.",
    negative="That three languages have neurons that serve them twice as much as the others is "
    "uncertain in SmolLM2-135M: the third highest difference is 0.03 [−0.04, 0.09] nats a token "
    "(seed 0, small), over five kinds of program.",
    minutes={"tiny": 0.3, "small": 6, "full": 60},
    figure="rises",
)


@dataclass(frozen=True)
class Config(Settings):
    """The settings of the study."""

    data: str = setting("programs", "texts with the columns language, program, kind, plain")
    count: int = setting(120, "programs, each in every language")
    held: int = setting(5, "kinds of program that neurons are judged on")
    judged: int = setting(15, "programs that neurons are judged on")
    share: float = setting(0.01, "share of all neurons that LAPE selects at most")
    each: int = setting(40, "neurons of each language set to zero")
    shuffles: int = setting(60, "shuffles of the labels")
    draws: int = setting(2, "random sets for each language")
    pairs: tuple[str, ...] = setting(
        (
            "Python>Java",
            "JavaScript>C",
            "Ruby>Python",
            "Python>SQL",
            "English>Python",
            "C>Ruby",
        ),
        "translations that the lens reads",
    )
    aligned: int = setting(60, "programs that are compared with their descriptions")
    translated: int = setting(8, "programs translated for each pair")
    places: int = setting(12, "tokens of each translation that are read")


PRESETS = {
    "tiny": Config(
        model="world:tongues",
        data="world:tongues",
        judged=24,
        held=7,
        share=0.3,  # every neuron of the toy has a language
        each=24,
        pairs=("Python>SQL", "SQL>Python"),
        translated=4,
        places=6,
        draws=5,
    ),
    "small": Config(),
    "full": Config(
        model="meta-llama/Llama-3.1-8B",
        each=400,
        count=200,
        judged=60,
        draws=10,
        translated=20,
        places=30,
    ),
}


def run(config: Config, run: Run) -> None:
    """Find neurons, ablate them, translate, align."""
    made = {"programs": lambda: programs(config.count, seed=run.seed)}
    model, texts, _ = opened(config, run, made=made)
    run.asked(
        f"Does {model.name} have neurons of single programming languages, and which words do its "
        "layers predict?"
    )
    languages = list(pd.unique(texts.frame["language"]))
    kinds = list(run.rng("kinds").permutation(pd.unique(texts.frame["kind"])))
    held = texts.frame["kind"].isin(kinds[: config.held]).to_numpy()
    known, test = texts.take(~held), texts.take(held)
    test = _programs(test, pd.unique(test.frame["program"])[: config.judged])
    found, layers = _find(config, run, model, known, languages)
    _without_keywords(run, model, known, found, languages)
    _ablate(config, run, model, test, found, layers)
    _alignment(config, run, model, texts)
    _translate(config, run, model, known, test)


def _programs(texts: Examples, numbers: np.ndarray) -> Examples:
    return texts.take(texts.frame["program"].isin(numbers).to_numpy())


def _codes(texts: Examples, languages: list[str]) -> np.ndarray:
    return np.array([languages.index(name) for name in texts.frame["language"]])


def _find(
    config: Config, run: Run, model: Model, known: Examples, languages: list[str]
) -> tuple[Lape, np.ndarray]:
    """Neurons of languages, where they lie, and what shuffled labels find."""
    with run.progress("count open gates", total=len(known), unit="texts") as bar:
        counts, tokens, layers = open_gates(model, known.texts(), bar.advance)
    found = lape(
        counts,
        tokens,
        _codes(known, languages),
        rng=run.rng("shuffles"),
        share=config.share,
        activity=0.95,
        fdr=0.5,
        shuffles=config.shuffles,
        blocks=known.frame["program"].to_numpy(),
    )
    frame, profile = placed(found, layers, languages)
    run.table("neurons", frame, "Neurons selected for a language (and at most a few others).")
    share = "neurons of the language (% of the layer)"
    depth = curves(profile, x="layer", y=share, points=True)
    run.figure("depth", depth, "Where the neurons of each language are.")
    name, n = "neurons found with shuffled labels, as a share of those found", found.selected.sum()
    m = Measured(name, unit="share", kind="ratio", direction="lower")
    m.put("shuffled", found.null, np.full(len(found.null), max(n, 1)))
    why = f"{n:,} of {counts.shape[1]:,} neurons were found; {len(found.null)} shuffles."
    run.claim("shuffled", m.value("shuffled"), why=why)
    size, deep = frame.set_index("language")["neurons"], layers[found.selected]
    run.facts(
        neurons=len(deep),
        most=size.idxmax(),
        least=size.idxmin(),
        most_neurons=size.max(),
        least_neurons=size.min(),
        deep=np.median(deep) if len(deep) else float("nan"),
    )
    return found, layers


def _without_keywords(
    run: Run, model: Model, known: Examples, found: Lape, languages: list[str]
) -> None:
    """Whether the neurons are specific to their language without its keywords."""
    if "plain" not in known.frame or not found.selected.any():
        return
    numbers = pd.unique(known.frame["program"])
    few = _programs(known, numbers[:: max(1, len(numbers) // 30)])
    with run.progress("count without keywords", total=len(few), unit="texts") as bar:
        gates = open_gates(model, few.frame["plain"].tolist(), bar.advance)
    caption = (
        "Share of the neurons that are most active for the same language on texts without its "
        "keywords."
    )
    frame = still_active(found, gates, _codes(few, languages), languages)
    run.table("keywords", frame, caption)


def _ablate(
    config: Config, run: Run, model: Model, test: Examples, found: Lape, layers: np.ndarray
) -> None:
    """Every language's loss with each language's neurons at zero, and with random neurons of the
    same layers."""
    languages = list(pd.unique(test.frame["language"]))
    options = {"each": config.each, "draws": config.draws, "rng": run.rng}
    sets = neuron_sets(found, layers, languages, **options)
    with run.progress("ablate neurons", total=len(sets) + 1, unit="sets") as bar:
        grids = loss_rises(model, test, sets, languages, bar.advance)
    rises = own_rises(grids, languages, test.frame.drop_duplicates("program")["kind"].to_numpy())
    means = {name: grid.mean(axis=0) for (name, k), grid in grids.items() if k < 0}
    if means:
        frame = cells(np.stack([*means.values()]), [*means], languages)
        most = float(frame["value"].abs().max())
        of = {"row": "neurons at zero", "column": "loss of", "domain": (-most, most)}
        run.figure(
            "rises",
            heatmap(frame, value="rise (nats)", **of),
            f"Rise of the loss per token of held-out kinds of program, {config.each} neurons a "
            "language.",
        )
    run.table(
        "rises",
        rises.table(),
        "How much more a language's own loss rises than the others'. Where the others hardly rise "
        "the ratio is large, and has no interval; the difference to twice the others' always has "
        "one.",
    )
    name = "own rise − twice the others', third highest"
    why = f"Ratios: {rises.ranked}." if rises.ratios else "No language has neurons."
    run.claim("own", kth_highest(name, rises.gains, 3, unit="nats"), why=why)
    if rises.random is not None:
        why = f"Mean rise {rises.random_rise:.3f} nats in the own language."
        run.claim("random", rises.random, why=why)


def _alignment(config: Config, run: Run, model: Model, texts: Examples) -> None:
    """MEXA: by layer, how often a program is nearest to its own English description, of all
    programs compared."""
    if "English" not in set(texts.frame["language"]):
        return
    numbers = run.rng("aligned").permutation(pd.unique(texts.frame["program"]))[: config.aligned]
    few = _programs(texts, numbers)
    with run.progress("align", total=len(few), unit="texts") as bar:
        layers = text_means(model, few.texts(), bar.advance)
    numbers, spoken = (few.frame[name].to_numpy() for name in ("program", "language"))
    found = mexa_by_layer(layers, numbers, spoken, "English")
    kinds = few.frame["kind"].to_numpy()[found.rows]
    run.layers(
        "alignment",
        measured_grid(
            "aligned programs", found.cells, ("series", "layer"), groups=kinds, unit="share"
        ),
        f"Share of {len(kinds)} programs whose mean state, weighted by position, is nearer to that "
        "of its own English description than to any other's, and the other way round (MEXA). "
        f"Chance is {found.chance:.2f}.",
        series="series",
    )


def _translate(config: Config, run: Run, model: Model, known: Examples, test: Examples) -> None:
    """Translations with two examples, the states before their tokens read by the logit lens layer
    by layer."""
    kinds = test.frame.drop_duplicates("program")["kind"].to_numpy()
    pairs = [tuple(p.split(">")) for p in config.pairs]
    passages = [
        Passage(
            *translation(known, test, source, target, k),
            partial(token_class, source=source, target=target),
            kinds[k % len(kinds)],
        )
        for source, target in pairs
        if {source, target} <= set(test.frame["language"])
        for k in range(config.translated)
    ]
    with run.progress("translate", total=len(passages), unit="programs") as bar:
        found, owners = lens_classes(model, passages, config.places, bar.advance)
    grid = {(name, i): own == c for i, own in enumerate(found) for c, name in enumerate(CLASSES)}
    run.layers(
        "lens",
        measured_grid("share of tokens", grid, ("series", "layer"), groups=owners, unit="share"),
        "Classes of the most likely token of the logit lens at the position before each token of a "
        "translation. Other: names, numbers, signs and pieces of words.",
        series="series",
        nulls=("other",),
    )
