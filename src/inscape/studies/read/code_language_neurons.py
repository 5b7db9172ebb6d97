"""Do programming languages have neurons of their own, and through which words does translation between them go?

The same small programs in six programming languages and in English. Neurons whose gate opens for one or few languages are
found by the entropy of their firing rates (LAPE) on some kinds of program; on other kinds every language's loss is measured
with each language's neurons set to zero, equally many for every language, beside random neurons of the same layers.
Between languages, the states before each token of a translation are read by the logit lens, layer by layer, and the tokens
sorted by their language; and programs are compared with their English descriptions (MEXA).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.core.counts import kth_highest
from inscape.core.edit import Edit, Replace, Scope
from inscape.core.evidence import table
from inscape.core.measured import Measured
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.positions import span_mask
from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.outcomes.token_losses import token_losses
from inscape.read.lape import Lape, equal_sets, lape
from inscape.read.logit_lens import logit_lens
from inscape.read.mexa import mexa, weighted_mean
from inscape.study.card import Card, Claim
from inscape.study.opening import opened
from inscape.study.run import Run
from inscape.study.settings import Settings, setting
from inscape.worlds.programs import KEYWORDS, NAMES, programs

CARD = Card(
    slug="code-language-neurons",
    title="How Programming Concepts and Neurons Are Shared in Code Language Models",
    authors="Kargaran, Liu, Yvon and Schütze",
    year=2025,
    arxiv="2506.01074",
    room="read",
    claim="In the middle layers a model that translates between programming languages is nearest to English and to "
    "keywords; neurons of single languages are at the bottom and the top, and languages much alike have hardly any.",
    reproduced="Templates give the same programs in six languages and English. Language neurons by the entropy of firing "
    "rates (LAPE), equally many a language, set to zero on kinds of program that they were not found on; the logit lens on "
    "translation with two examples, tokens sorted by keyword lists and the words of English reviews; alignment of programs "
    "with their English descriptions by layer (MEXA).",
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
            text="For three languages or more, zeroing a language's neurons raises its own loss at least twice as much as "
            "the others'",
            at_least=0,
            over="twice the mean rise of the other languages",
            why="Own rise less twice the others', the third highest over languages; its ends are the third highest ends. "
            "The ratio itself has no interval where the others hardly rise.",
        ),
        "random": Claim(
            text="Zeroing random neurons of the same layers does not, over all languages",
            at_most=1.2,
            sanity=True,
        ),
    },
    # the toy has few neurons, one alone for some language, so what zeroing eight of each does is chance, and none
    # of so few shuffled ones may be 0 to 0.11 of them
    tiny={"shuffled": "any", "own": "any", "random": "any"},
    answer="{model} has {neurons:,} neurons whose gate opens for one or few of the languages "
    "({shuffled:.0%} of that with labels shuffled), {most_neurons} of them for {most} and "
    "{least_neurons} for {least}; their median layer is {deep:.0f}. They {own:do|may|do not} serve "
    "their own language: with them at zero, the rise of a language's own loss less twice the others' "
    "is {own:.3f} nats a token in the third best language ({own.verdict}).",
    differs="The authors take 400 neurons a language of Llama-3.1-8B and find them on public code; here 40 of 46,080 are "
    "taken, about the same share, from programs made by templates.",
    group_note="Neurons are found on some kinds of program and judged on others; names are shared. Intervals are "
    "over kinds: programs of one kind differ in names only.",
    negative="That three languages have neurons that serve them twice as much as the others is uncertain in SmolLM2-135M: "
    "the third highest difference is 0.03 [−0.04, 0.09] nats a token (seed 0, small), over five kinds of program.",
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

CLASSES = (
    "output's keyword",
    "input's keyword",
    "keyword of both",
    "another's keyword",
    "English word",
    "other",
)


def run(config: Config, run: Run) -> None:
    """Find neurons, ablate them, translate, align."""
    made = {"programs": lambda: programs(config.count, seed=run.seed)}
    model, texts, _ = opened(config, run, made=made)
    run.asked(
        f"Does {model.name} have neurons of single programming languages, and which words do its layers predict?"
    )
    languages = list(pd.unique(texts.frame["language"]))
    kinds = list(run.rng("kinds").permutation(pd.unique(texts.frame["kind"])))
    held = texts.frame["kind"].isin(kinds[: config.held]).to_numpy()
    known, test = texts.take(~held), texts.take(held)
    some = pd.unique(test.frame["program"])[: config.judged]
    test = test.take(test.frame["program"].isin(some).to_numpy())
    found, layers = _find(config, run, model, known, languages)
    _without_keywords(run, model, known, found, languages)
    _ablate(config, run, model, test, found, layers, languages)
    _alignment(config, run, model, texts, languages)
    _translate(config, run, model, known, test, languages)
    counts = {name: int(found.belongs[k].sum()) for k, name in enumerate(languages)}
    most, least = (by(counts, key=lambda c: counts[c]) for by in (max, min))
    run.facts(most=most, least=least, most_neurons=counts[most], least_neurons=counts[least])
    picked = layers[found.selected]
    run.facts(neurons=len(picked), deep=np.median(picked) if len(picked) else float("nan"))


def _counts(run: Run, model: Model, texts: list[str], what: str) -> tuple[np.ndarray, np.ndarray]:
    """At how many tokens of each text each neuron's gate is open, (texts, neurons), and how many tokens there are."""
    tokens, out = model.tokenize(texts), None
    lengths = np.array([len(t) for t in tokens])
    with run.progress(what, total=len(texts), unit="texts") as bar:
        for rows in batches_by_length(lengths, 1024):
            batch = model.collate([tokens[i] for i in rows])
            real = (
                torch.arange(int(lengths[rows].max()))[None]
                < torch.from_numpy(lengths[rows])[:, None]
            )[..., None]
            found = model.run(batch, "mlp_pre.*")
            open_ = np.concatenate(
                [((x > 0) & real.to(x.device)).sum(dim=1).cpu().numpy() for x in found.values()],
                axis=1,
            )
            out = np.empty((len(texts), open_.shape[1]), dtype=np.float32) if out is None else out
            out[rows] = open_
            bar.advance(len(rows))
    assert out is not None
    return out, lengths


def _find(
    config: Config, run: Run, model: Model, known: Examples, languages: list[str]
) -> tuple[Lape, np.ndarray]:
    """Neurons of languages, where they lie, and what shuffled labels find."""
    counts, tokens = _counts(run, model, known.texts(), "count open gates")
    sites = model.select("mlp_pre.*")
    layers = np.repeat([s.layer for s in sites], counts.shape[1] // len(sites))
    code = np.array([languages.index(name) for name in known.frame["language"]])
    found = lape(
        counts,
        tokens,
        code,
        rng=run.rng("shuffles"),
        share=config.share,
        activity=0.95,
        fdr=0.5,
        shuffles=config.shuffles,
        blocks=known.frame["program"].to_numpy(),
    )
    rows, profile = [], []
    for k, name in enumerate(languages):
        mine = found.belongs[k]
        alone = mine & (found.belongs.sum(axis=0) == 1)
        rows.append(
            {
                "language": name,
                "neurons": int(mine.sum()),
                "of it alone": int(alone.sum()),
                "median layer": float(np.median(layers[mine])) if mine.any() else np.nan,
            }
        )
        width = max(1, (int(layers.max()) + 1) // 10)
        for first in range(0, int(layers.max()) + 1, width):
            inside = (layers >= first) & (layers < first + width)
            profile.append(
                {
                    "series": name,
                    "x": first + (width - 1) / 2,
                    "value": 100 * float(mine[inside].mean()),
                }
            )
    run.table(
        "neurons", pd.DataFrame(rows), "Neurons selected for a language (and at most a few others)."
    )
    run.figure(
        "depth",
        curves(
            pd.DataFrame(profile),
            x="layer",
            y="neurons of the language (% of the layer)",
            points=True,
        ),
        "Where the neurons of each language are.",
    )
    n = int(found.selected.sum())
    m = Measured(
        "neurons found with shuffled labels, as a share of those found",
        unit="share",
        kind="ratio",
        direction="lower",
    )
    m.put("shuffled", found.null, np.full(len(found.null), float(max(n, 1))))
    why = f"{n:,} of {counts.shape[1]:,} neurons were found; {len(found.null)} shuffles."
    run.claim("shuffled", m.value("shuffled"), why=why)
    return found, layers


def _without_keywords(
    run: Run, model: Model, known: Examples, found: Lape, languages: list[str]
) -> None:
    """Whether the neurons are specific to their language without its keywords."""
    if "plain" not in known.frame or not found.selected.any():
        return
    programs_ = pd.unique(known.frame["program"])[:: max(1, known.frame["program"].nunique() // 30)]
    few = known.take(known.frame["program"].isin(programs_).to_numpy())
    counts, tokens = _counts(run, model, few.frame["plain"].tolist(), "count without keywords")
    code = np.array([languages.index(name) for name in few.frame["language"]])
    rates = np.stack(
        [counts[code == k].sum(axis=0) / tokens[code == k].sum() for k in range(len(languages))]
    )
    rows, chosen = [], found.rates.argmax(axis=0)
    for k, name in enumerate(languages):
        mine = found.selected & (chosen == k)
        if mine.any():
            kept = float((rates[:, mine].argmax(axis=0) == k).mean())
            rest = float((rates[:, ~found.selected].argmax(axis=0) == k).mean())
            rows.append(
                {
                    "language": name,
                    "neurons": int(mine.sum()),
                    "still most active there": kept,
                    "any neuron": rest,
                }
            )
    run.table(
        "keywords",
        pd.DataFrame(rows),
        "Share of the neurons that are most active for the same language on texts "
        "without its keywords.",
    )


def _ablate(
    config: Config,
    run: Run,
    model: Model,
    test: Examples,
    found: Lape,
    layers: np.ndarray,
    languages: list[str],
) -> None:
    """Every language's loss with each language's neurons at zero, and with random neurons of the same layers."""
    grids = _rises(config, run, model, test, (found, layers, languages))
    kinds = test.frame.drop_duplicates("program")["kind"].to_numpy()
    name = "own rise / mean rise of the others"
    cells, rows, gains, own, other = [], [], [], [], []
    for k, language in enumerate(languages):
        if (language, -1) not in grids:
            continue
        rest = [j for j in range(len(languages)) if j != k]
        random = np.stack([grids[language, d] for d in range(config.draws)])
        own.append(random[:, :, k])
        other.append(random[:, :, rest].mean(axis=2))
        grid = grids[language, -1]
        m = Measured(name, groups=kinds, unit="times", kind="ratio", where={"language": language})
        m.put("language's neurons", grid[:, k], grid[:, rest].mean(axis=1))
        rows.append(m.value("language's neurons"))
        m = Measured("rise of the loss", groups=kinds, unit="nats", where={"language": language})
        m.put("own", grid[:, k])
        m.put("twice the others'", 2 * grid[:, rest].mean(axis=1), role="baseline")
        gains.append(m.gain("own", over="twice the others'"))
        cells += [
            {"row": language, "column": other_one, "value": float(grid[:, j].mean())}
            for j, other_one in enumerate(languages)
        ]
    if cells:
        most = max(abs(c["value"]) for c in cells)
        run.figure(
            "rises",
            heatmap(
                pd.DataFrame(cells),
                value="rise (nats)",
                row="neurons at zero",
                column="loss of",
                domain=(-most, most),
            ),
            f"Rise of the loss per token of held-out kinds of program, {config.each} neurons a language.",
        )
    frame = table([*rows, *gains])
    if own:
        by_language = [
            float(a.sum() / b.sum()) if b.sum() else np.nan for a, b in zip(own, other, strict=True)
        ]
        frame["random neurons"] = by_language + [np.nan] * len(gains)
    run.table(
        "rises",
        frame,
        "How much more a language's own loss rises than the others'. Where the others hardly rise the ratio is large, "
        "and has no interval; the difference to twice the others' always has one.",
    )
    ranked = sorted(rows, key=lambda e: -e.value)
    said = "; ".join(f"{e.where['language']} {e.value:.1f}" for e in ranked)
    third = kth_highest("own rise − twice the others', third highest", gains, 3, unit="nats")
    run.claim("own", third, why=f"Ratios: {said}." if rows else "No language has neurons.")
    if own:
        flat = [np.concatenate([x.ravel() for x in part]) for part in (own, other)]
        m = Measured(
            f"{name}, random neurons",
            groups=np.tile(kinds, len(flat[0]) // len(kinds)),
            unit="times",
            kind="ratio",
        )
        m.put("random neurons", *flat)
        why = f"Mean rise {flat[0].mean():.3f} nats in the own language."
        run.claim("random", m.value("random neurons"), why=why)


def _rises(
    config: Config,
    run: Run,
    model: Model,
    test: Examples,
    where: tuple[Lape, np.ndarray, list[str]],
) -> dict[tuple[str, int], np.ndarray]:
    """By language and draw (−1 its own neurons): the rise of each program's loss in each language, (programs, languages)."""
    found, layers, languages = where
    texts, frame, chosen = test.texts(), test.frame, equal_sets(found, config.each)
    sets: dict[tuple[str, int], np.ndarray] = {}
    for k, name in enumerate(languages):
        if found.belongs[k].any():
            sets[name, -1] = chosen[k]
            for draw in range(config.draws):
                rng = run.rng("matched", name, str(draw))
                sets[name, draw] = _matched(chosen[k], found.selected, layers, rng)
    numbers, grids = pd.unique(frame["program"]), {}
    with run.progress("ablate neurons", total=len(sets) + 1, unit="sets") as bar:
        before = token_losses(model, texts)
        bar.advance()
        for key, neurons in sets.items():
            after = token_losses(model, texts, edits=zeroed(model, neurons, layers))
            rise = (after.nats - before.nats) / before.tokens
            wide = frame.assign(rise=rise).pivot(index="program", columns="language", values="rise")
            grids[key] = wide.loc[numbers, languages].to_numpy()
            bar.advance()
    return grids


def _alignment(
    config: Config, run: Run, model: Model, texts: Examples, languages: list[str]
) -> None:
    """MEXA: by layer, how often a program is nearest to its own English description, of all programs compared."""
    if "English" not in languages:
        return
    numbers = run.rng("aligned").permutation(pd.unique(texts.frame["program"]))[: config.aligned]
    few = texts.take(texts.frame["program"].isin(numbers).to_numpy())
    frame = few.frame.reset_index(drop=True)
    by = {n: part.index.to_numpy() for n, part in frame.groupby("language")}
    by = {n: rows[np.argsort(frame["program"].to_numpy()[rows])] for n, rows in by.items()}
    kinds, found = frame["kind"].to_numpy()[by["English"]], []
    for layer, x in enumerate(_vectors(run, model, few.texts())):
        for name in languages:
            if name == "English":
                continue
            m = Measured("aligned programs", groups=kinds, unit="share")
            m.put(name, mexa(x[by[name]], x[by["English"]]) * 1.0)
            e = m.value(name)
            low, high = e.ends
            row = {"series": name, "layer": layer, "value": e.value, "low": low, "high": high}
            found.append(row)
    shown = pd.DataFrame(found)
    run.figure(
        "alignment",
        score_by_layer(shown, score="aligned programs (share)", nulls=()),
        f"Share of {len(kinds)} programs whose mean state, weighted by position, is nearer to that of its own English "
        f"description than to any other's, and the other way round (MEXA). Chance is {1 / (2 * len(kinds) - 1):.2f}.",
        shown,
    )


def _vectors(run: Run, model: Model, texts: list[str]) -> np.ndarray:
    """The position-weighted mean of every text's states after each block, (layers, texts, d)."""
    tokens, out = model.tokenize(texts), None
    lengths = np.array([len(t) for t in tokens])
    with run.progress("align", total=len(texts), unit="texts") as bar:
        for rows in batches_by_length(lengths, 1024):
            found = model.run(model.collate([tokens[i] for i in rows]), "resid_post.*")
            part = np.stack([weighted_mean(h, lengths[rows]).cpu().numpy() for h in found.values()])
            out = np.empty((len(part), len(texts), part.shape[2])) if out is None else out
            out[:, rows] = part
            bar.advance(len(rows))
    assert out is not None
    return out


def _matched(
    neurons: np.ndarray, never: np.ndarray, layers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """As many neurons of each layer, none of any language."""
    out = np.zeros_like(neurons)
    for layer in np.unique(layers[neurons]):
        pool = np.flatnonzero((layers == layer) & ~never)
        count = min(len(pool), int((neurons & (layers == layer)).sum()))
        out[rng.choice(pool, count, replace=False)] = True
    return out


def zeroed(model: Model, neurons: np.ndarray, layers: np.ndarray) -> list[Edit]:
    """Edits that hold neurons at zero, numbered layer after layer."""
    out: list[Edit] = []
    for layer in np.unique(layers[neurons]):
        inside = np.flatnonzero(layers == layer)
        columns = tuple(int(c) for c in np.flatnonzero(neurons[inside]))
        out.append(Replace(Scope(str(Site("mlp_act", int(layer)))), torch.zeros(1), columns))
    return out


def _translate(
    config: Config, run: Run, model: Model, known: Examples, test: Examples, languages: list[str]
) -> None:
    """Translations with two examples, the states before their tokens read by the logit lens layer by layer."""
    english, kinds = _english(), test.frame.drop_duplicates("program")["kind"].to_numpy()
    sites, readout = model.select("resid_post.*"), Readout.of(model)
    codes, owners = [], []
    pairs = [p.split(">") for p in config.pairs if set(p.split(">")) <= set(languages)]
    with run.progress("translate", total=len(pairs) * config.translated, unit="programs") as bar:
        for source, target in pairs:
            for k in range(config.translated):
                text, span = _prompt(known, test, source, target, k)
                (tokens,) = model.tokenize([text])
                inside = np.flatnonzero(span_mask(tokens, span))
                at = (
                    inside[np.unique(np.linspace(0, len(inside) - 1, config.places).astype(int))]
                    - 1
                )
                states = model.run(model.collate([tokens]), sites, at=torch.from_numpy(at[None]))
                x = torch.stack([states[s][0] for s in sites])
                words = logit_lens(readout, x, k=1).tokens[..., 0]
                said = np.array(
                    [
                        [
                            _class(model.tokenizer.decode([int(t)]), source, target, english)
                            for t in row
                        ]
                        for row in words
                    ]
                )
                codes.append(said)
                owners += [kinds[k % len(kinds)]] * said.shape[1]
                bar.advance()
    said, rows = np.concatenate(codes, axis=1), []
    for layer, site in enumerate(sites):
        for c, name in enumerate(CLASSES):
            m = Measured("share of tokens", groups=owners, unit="share")
            m.put(name, (said[layer] == c) * 1.0)
            e = m.value(name)
            low, high = e.ends
            rows.append(
                {"series": name, "layer": site.layer, "value": e.value, "low": low, "high": high}
            )
    frame = pd.DataFrame(rows)
    run.figure(
        "lens",
        score_by_layer(frame, score="share of likeliest tokens", nulls=("other",)),
        "Classes of the most likely token of the logit lens at the position before each token of a translation. Other: "
        "names, numbers, signs and pieces of words.",
        frame,
    )


def _prompt(
    known: Examples, test: Examples, source: str, target: str, k: int
) -> tuple[str, tuple[int, int]]:
    """Two programs in both languages, a third in the first; the span is that of its translation."""

    def text(of: Examples, number: int, language: str) -> str:
        frame = of.frame
        return str(
            frame[(frame["program"] == number) & (frame["language"] == language)]["text"].iloc[0]
        )

    ours, theirs = pd.unique(known.frame["program"]), pd.unique(test.frame["program"])
    out = ""
    for number in map(int, (ours[(2 * k) % len(ours)], ours[(2 * k + 1) % len(ours)])):
        out += f"{source}:\n{text(known, number, source)}\n{target}:\n{text(known, number, target)}\n\n"
    asked = int(theirs[k % len(theirs)])
    out += f"{source}:\n{text(test, asked, source)}\n{target}:\n"
    answer = text(test, asked, target)
    return out + answer, (len(out), len(out) + len(answer))


def _english() -> frozenset[str]:
    """Words of English: those that human reviews use more than twice, less every keyword and every name of the programs."""
    words = pd.Series(" ".join(load("reviews").texts()).lower().split()).str.strip(".,!?\"'();:")
    counts = words.value_counts()
    ours = {w.lower() for words in KEYWORDS.values() for w in words} | {
        n for names in NAMES for n in names
    }
    return frozenset(
        w for w in counts[counts > 2].index if w.isalpha() and len(w) > 2 and w not in ours
    )


def _class(token: str, source: str, target: str, english: frozenset[str]) -> int:
    word = token.strip()
    ours, theirs = word in KEYWORDS[target], word in KEYWORDS[source]
    if ours and theirs:
        return 2
    if ours or theirs:
        return 0 if ours else 1
    if any(word in words for words in KEYWORDS.values()):
        return 3
    return 4 if word.lower() in english else 5
