"""Do languages of code have neurons of their own, and through which words does translation go?

The same small programs in six programming languages and in English. Neurons whose gate opens for one or few languages are
found by the entropy of their firing rates on some kinds of program; on other kinds every language's loss is measured with
each language's neurons at zero, beside as many random neurons of the same layers. Between languages, the states before each
token of a translation are read with the network's own unembedding, layer by layer, and the words sorted by their language.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from inscape.charts.curves import curves
from inscape.charts.heatmap import matrix as heatmap
from inscape.charts.layers import score_by_layer
from inscape.core.edit import Edit, Replace, Scope
from inscape.core.evidence import Evidence, Null, table
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.positions import span_mask
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.unembed import Readout
from inscape.read.lape import Lape, lape
from inscape.read.logit_lens import logit_lens
from inscape.store.plan import batches_by_length
from inscape.store.token_losses import token_losses
from inscape.study.card import Card
from inscape.study.run import Run
from inscape.study.shares import Shares
from inscape.worlds.programs import KEYWORDS, NAMES, programs
from inscape.worlds.tongues import tongues

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
    "rates (LAPE), set to zero on kinds of program that they were not found on; the logit lens on translation with two "
    "examples, tokens sorted by keyword lists and the words of English reviews.",
    controls=(
        "as many random neurons of the same layers",
        "language labels shuffled within each program",
        "the programs without their languages' keywords",
    ),
    bar="For at least three languages, zeroing their neurons raises their own loss at least twice as much as the mean of "
    "the others'; random neurons at most 1.2 times; shuffled labels find at most a tenth as many. The lens has no bar.",
    group_note="Neurons are found on some kinds of program and judged on others; names are shared. Intervals are over "
    "programs.",
    minutes={"tiny": 0.3, "small": 6, "full": 60},
    figure="rises",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    model: str = field(
        default="smollm2-135m",
        metadata={"help": "what to open; 'tongues-world' is trained on the spot"},
    )
    data: str = field(
        default="programs",
        metadata={"help": "texts with the columns language, program, kind, plain"},
    )
    count: int = field(default=120, metadata={"help": "programs, each in every language"})
    held: int = field(default=4, metadata={"help": "kinds of program that neurons are judged on"})
    judged: int = field(default=16, metadata={"help": "programs that neurons are judged on"})
    share: float = field(
        default=0.01, metadata={"help": "share of all neurons that is taken at most"}
    )
    shuffles: int = field(default=20, metadata={"help": "shuffles of the labels"})
    draws: int = field(default=2, metadata={"help": "random sets for each language"})
    pairs: tuple[str, ...] = field(
        default=(
            "Python>Java",
            "JavaScript>C",
            "Ruby>Python",
            "Python>SQL",
            "English>Python",
            "C>Ruby",
        ),
        metadata={"help": "translations that the lens looks at"},
    )
    translated: int = field(default=8, metadata={"help": "programs translated for each pair"})
    places: int = field(
        default=12, metadata={"help": "tokens of each translation that are looked at"}
    )


PRESETS = {
    "tiny": Config(
        model="tongues-world",
        data="tongues-world",
        count=80,
        judged=24,
        share=0.1,
        pairs=("Python>SQL", "SQL>Python"),
        translated=4,
        places=6,
        draws=5,
    ),
    "small": Config(),
    "full": Config(
        model="meta-llama/Llama-3.1-8B", count=200, judged=60, draws=10, translated=20, places=30
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
    """Find, take away, translate."""
    model, texts = _open(config, run)
    run.certificate(model.certificate)
    run.asked(
        f"Does {model.name} have neurons of single languages of code, and which words does it think in between two?"
    )
    languages = list(pd.unique(texts.frame["language"]))
    kinds = list(run.rng("kinds").permutation(pd.unique(texts.frame["kind"])))
    held = texts.frame["kind"].isin(kinds[: config.held]).to_numpy()
    known, test = texts.take(~held), texts.take(held)
    some = pd.unique(test.frame["program"])[: config.judged]
    test = test.take(test.frame["program"].isin(some).to_numpy())
    found, layers = _find(config, run, model, known, languages)
    _without_keywords(run, model, known, found, languages)
    _take_away(config, run, model, test, found, layers, languages)
    _translate(config, run, model, known, test, languages)
    run.answer(_answer(run, model, found, layers, languages))


def _open(config: Config, run: Run) -> tuple[Model, Examples]:
    if "tongues-world" in (config.model, config.data):
        world = tongues(config.count, seed=run.seed)
        run.log("the toy network has %.2f nats a token on its programs", world.loss)
        return world.model, world.programs
    texts = (
        programs(config.count, seed=run.seed) if config.data == "programs" else load(config.data)
    )
    return open(config.model), texts


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
        "neurons", pd.DataFrame(rows), "Neurons that keep to a language (and at most a few others)."
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
    null = Null.of("labels shuffled within programs", found.null / max(n, 1))
    share = Evidence(
        "neurons found with shuffled labels, as a share of those found",
        null.mean,
        (null.low, null.high),
        null,
        n=len(code),
        d=counts.shape[1],
        unit="share",
        direction="lower",
    )
    run.claim(
        "shuffled",
        "With labels shuffled within programs hardly a neuron keeps to a language",
        share,
        0.1,
        "at most",
        why=f"{n:,} of {counts.shape[1]:,} neurons were found.",
    )
    return found, layers


def _without_keywords(
    run: Run, model: Model, known: Examples, found: Lape, languages: list[str]
) -> None:
    """Do the neurons keep to their language where its keywords are gone?"""
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


def _take_away(
    config: Config,
    run: Run,
    model: Model,
    test: Examples,
    found: Lape,
    layers: np.ndarray,
    languages: list[str],
) -> None:
    """Every language's loss with each language's neurons at zero, and with random neurons of the same layers."""
    texts, frame = test.texts(), test.frame
    sets: dict[tuple[str, int], np.ndarray] = {}
    for k, name in enumerate(languages):
        if found.belongs[k].any():
            sets[name, -1] = found.belongs[k]
            for draw in range(config.draws):
                sets[name, draw] = _matched(
                    found.belongs[k], found.selected, layers, run.rng("matched", name, str(draw))
                )
    rise: dict[tuple[str, int], np.ndarray] = {}
    with run.progress("take neurons away", total=len(sets) + 1, unit="sets") as bar:
        before = token_losses(model, texts)
        bar.advance()
        for key, neurons in sets.items():
            after = token_losses(model, texts, edits=zeroed(model, neurons, layers))
            rise[key] = (after.nats - before.nats) / before.tokens
            bar.advance()
    language, program = frame["language"].to_numpy(), frame["program"].to_numpy()
    numbers = pd.unique(program)
    grids = {}  # (programs, languages): a program's rise in every language
    for key, r in rise.items():
        wide = pd.DataFrame({"p": program, "l": language, "r": r}).pivot(
            index="p", columns="l", values="r"
        )
        grids[key] = wide.loc[numbers, languages].to_numpy()
    shares = Shares(numbers, run.rng("programs"))
    cells, rows, own, other = [], [], [], []
    for k, name in enumerate(languages):
        if (name, -1) not in grids:
            continue
        rest = [j for j in range(len(languages)) if j != k]
        random = [grids[name, d] for d in range(config.draws)]
        own += [g[:, k] for g in random]
        other += [g[:, rest].mean(axis=1) for g in random]
        null = Null.of(
            "random neurons of the same layers",
            [shares.value(g[:, k], g[:, rest].mean(axis=1)) for g in random],
        )
        grid = grids[name, -1]
        rows.append(
            shares.evidence(
                "own rise / mean rise of the others",
                grid[:, k],
                grid[:, rest].mean(axis=1),
                null,
                unit="times",
                where={"language": name},
            )
        )
        for j, measured in enumerate(languages):
            cells.append({"row": name, "column": measured, "value": float(grid[:, j].mean())})
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
            "Rise of the loss per token of held-out kinds of program.",
        )
    run.table(
        "rises",
        table(rows),
        "How much more a language's own loss rises than the others'. Where the others hardly "
        "rise, the ratio is large and its interval wide.",
    )
    ranked = sorted(rows, key=lambda e: -e.value)
    third = (
        ranked[2]
        if len(ranked) > 2
        else Evidence("own rise / mean rise of the others", float("nan"), unit="times")
    )
    why = (
        "; ".join(f"{e.where['language']} {e.value:.1f}" for e in ranked) + "."
        if ranked
        else "No language has neurons."
    )
    run.claim(
        "own",
        "Zeroing a language's neurons raises its own loss more than the others', on the third best language",
        third,
        2.0,
        why=why,
    )
    if own:
        one = Null.of("no difference", [1.0])
        wide = Shares(np.tile(numbers, len(own)), run.rng("random"))
        ratio = wide.evidence(
            "own rise / mean rise of the others, random neurons",
            np.concatenate(own),
            np.concatenate(other),
            one,
            unit="times",
        )
        run.claim(
            "random",
            "Zeroing random neurons of the same layers does not, over all languages",
            ratio,
            1.2,
            "at most",
            why=f"Mean rise {np.mean(np.concatenate(own)):.3f} nats in the own language.",
        )


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
    """Translations with two examples, the states before their tokens read layer by layer."""
    english = _english()
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
                owners += [f"{source}>{target} {k}"] * said.shape[1]
                bar.advance()
    said, shares = np.concatenate(codes, axis=1), Shares(np.array(owners), run.rng("lens"))
    ones, rows = np.ones(said.shape[1]), []
    for layer, site in enumerate(sites):
        for c, name in enumerate(CLASSES):
            e = shares.evidence("share of tokens", (said[layer] == c) * 1.0, ones, unit="share")
            low, high = e.interval or (e.value, e.value)
            rows.append(
                {"series": name, "layer": site.layer, "value": e.value, "low": low, "high": high}
            )
    frame = pd.DataFrame(rows)
    run.figure(
        "lens",
        score_by_layer(frame, score="share of likeliest tokens", nulls=("other",)),
        "What the likeliest token is, when the state before each token of a translation is read as if it were the "
        "last. Other: names, numbers, signs and pieces of words.",
    )
    run.table("lens", frame, "The same numbers.")


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


def _answer(run: Run, model: Model, found: Lape, layers: np.ndarray, languages: list[str]) -> str:
    by, n = run.claims, int(found.selected.sum())
    counts = {name: int(found.belongs[k].sum()) for k, name in enumerate(languages)}
    most, least = max(counts, key=lambda c: counts[c]), min(counts, key=lambda c: counts[c])
    matter = "do" if by["own"].passed else "do not clearly"
    deep = np.median(layers[found.selected]) if n else float("nan")
    return (
        f"{model.name} has {n:,} neurons whose gate opens for one or few of the languages ({by['shuffled'].value:.0%} of "
        f"that with labels shuffled), {counts[most]} of them for {most} and {counts[least]} for {least}; half of them lie "
        f"above layer {deep:.0f}. They {matter} serve their own language: at zero they raise its loss "
        f"{by['own'].value:.1f} times as much as that of the others, on the third best language."
    )
