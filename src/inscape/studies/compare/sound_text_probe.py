"""Does a model of text alone know what things sound like?

Reference: Ngo and Kim (2024), arXiv:2402.16998; `inscape.compare.contrastive_alignment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from inscape.compare import ContrastiveAlignment, RotatedAlignment, unseen_found
from inscape.core import child_seed, log_mel, one_torch_thread
from inscape.core.folds import Fold, random_folds
from inscape.core.measured import Measured, Role
from inscape.data import Examples
from inscape.learn import Budget
from inscape.model import open
from inscape.read import letters
from inscape.recipes.speech_encoders import CONTRASTIVE, contrastive
from inscape.store.harvest import harvest
from inscape.study import Bounded, Card, Claim, Run, arms, setting
from inscape.worlds.sounding_things import RATE, THINGS, attributes, sounds
from inscape.worlds.spoken_words import HOP, draw_lexicon, draw_voices, spoken_words, written

CARD = Card(
    slug="sound-text-probe",
    title="What Do Language Models Hear? Probing for Auditory Representations in Language Models",
    authors="Ngo and Kim",
    year=2024,
    arxiv="2402.16998",
    room="compare",
    claim="A linear probe from sounds to a language model's names finds sounds of classes that it "
    "was not trained on above chance, in many cases.",
    reproduced="Sixty-four things with sounds made by rule, embedded by an encoder that learnt "
    "from such sounds and from speech without a name or word; their names in a language model and "
    "a sentence encoder. Two linear heads are learnt by contrast on four fifths of the things and "
    "retrieve the others among all names. The same probe is asked for made-up words, spoken by "
    "rule, by how they are written.",
    controls=(
        "names permuted before the probe is trained",
        "untrained copies of both models",
        "character trigrams of the names",
        "the recipes of the sounds in place of names",
        "spoken words and their spelling",
        "an orthogonal map in place of the probe",
    ),
    claims=dict(
        heard=Claim(
            text="The better of the two models finds unseen things among the first five more often "
            "than the chance of 5 in 64, and than under permuted names",
            at_least=0.078,
            null="permuted names",
        ),
        trained=Claim(
            text="It is above the better of the two untrained copies",
            at_least=0,
            over="untrained copies",
        ),
        spoken=Claim(
            text="Unseen spoken words are found by their spelling at three times chance",
            at_least=3,
        ),
    ),
    answer="Of sounds of unseen things {heard:.1%} are found among five names of 64, where chance "
    "finds 7.8 % and character trigrams {trigrams:.1%}; that is {trained:+.3f} over untrained "
    "models (trigrams {over_trigrams:+.3f}). Unseen spoken words are found at {spoken:.1f} times "
    "chance (trigrams {words:.1f}).",
    tiny=dict(heard="any", trained="any", spoken="any"),
    differs="The authors' code is not public; the loss is their equation 1 with all training names "
    "as wrong answers. They take recordings of FSD50K, three pretrained audio models and accuracy "
    "at 3 of 144 names; here sounds made by rule, so what is tested is whether names know what the "
    "recipes say, and an encoder that has heard all sixty-four things without their names.",
    group_note="A thing is what varies: each is unseen in two of the ten splits.",
    negative="On seeds 0 to 2 the better model finds 0.165, 0.124 and 0.126 of unseen things, "
    "where chance finds 0.078 and permuted names 0.089: p is 0.02, 0.10 and 0.10. Over untrained "
    "copies it gains 0.030, 0.042 and 0.028, with intervals that hold zero: 64 things are too few "
    "to tell so small a gain.",
    seeds=3,
    minutes=dict(tiny=0.2, small=6),
    figure="found",
)


@dataclass(frozen=True)
class Config(Bounded):
    model: str = "smollm2-135m"
    encoder: str = setting("minilm-l6", "of sentences; a name, a Hub id or a folder")
    steps: int = setting(300, "of the audio encoder's training", least=1)
    width: int = setting(64, "of its tokens, a multiple of 16", least=16)
    each: int = setting(12, "sounds of a thing that are probed, and as many to learn from", least=2)
    fits: int = setting(150, "steps of the probe's training", least=1)
    words: int = setting(150, "made-up words of the control", least=20)
    draws: int = 59


PLANTED = "planted"
PRESETS = {
    "tiny": Config(PLANTED, PLANTED, steps=5, width=16, each=2, fits=30, words=20, draws=5),
    "small": Config(),
    "full": Config(steps=20_000, width=256, each=100, words=1000, draws=999),
}
LANGUAGE, SENTENCES, TRIGRAMS, RECIPES = (
    "language model",
    "sentence encoder",
    "character trigrams",
    "recipes",
)
PERMUTED, UNTRAINED = "permuted names", "untrained"
#: principal components of either side, names that are looked at, folds of things, repeats, voices
RANK, FIRST, FOLDS, REPEATS, VOICES = 32, 5, 5, 2, 4


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Embed sounds and names, align them on some things and retrieve the others."""
    run.asked("Does a model of text alone know what things sound like?")
    lexicon = draw_lexicon(config.words, rng=run.rng("lexicon"))
    x, y, own = _sounds(config, run, lexicon)
    names = _names(config, run, [f"the sound of a {name}" for name in THINGS], attributes())
    names[RECIPES] = _reduced(attributes())
    folds, probe = _folds(run, len(THINGS)), _probe(config, run)
    m = Measured("unseen things found", unit=f"accuracy@{FIRST}", kind="bounded")
    shares = {n: unseen_found(t[None], x, own, folds, probe)[0] for n, t in names.items()}
    for name, share in shares.items():
        m.put(name, share, role=_role(name))
    for name in (LANGUAGE, SENTENCES, RECIPES):
        turned = unseen_found(names[name][None], x, own, folds, RotatedAlignment())[0]
        m.put(f"{name}, orthogonal map", turned, role="baseline")
    orders = [run.rng("permuted", str(i)).permutation(len(THINGS)) for i in range(config.draws)]
    drawn = np.max(
        [
            unseen_found(names[name][orders], x, own, folds, probe).mean(axis=1)
            for name in (LANGUAGE, SENTENCES)
        ],
        axis=0,
    )
    m.put_draws(PERMUTED, drawn)
    better = m.combined("better of the two models", np.maximum, LANGUAGE, SENTENCES, null=PERMUTED)
    run.claim("heard", better)
    sides = [f"{UNTRAINED} {LANGUAGE}", f"{UNTRAINED} {SENTENCES}"]
    over = lambda a, b, c, d: np.maximum(a, b) - np.maximum(c, d)  # noqa: E731
    pair = (LANGUAGE, SENTENCES)
    run.claim("trained", m.combined("better model over untrained", over, *pair, *sides))
    over_trigrams = m.combined(
        "better model over trigrams", lambda a, b, c: np.maximum(a, b) - c, *pair, TRIGRAMS
    )
    run.show(
        "found",
        m,
        f"Sounds of unseen things found among {FIRST} of 64 names; chance is {FIRST / 64:.3f}. "
        f"Under permuted names the better model's 95 % quantile is "
        f"{np.quantile(drawn, 0.95):.3f}.",
    )
    frame = pd.DataFrame({"thing": list(THINGS), **shares})
    frame = frame.sort_values(SENTENCES, ascending=False)
    run.table("things", frame, "Thing by thing, share of its sounds found while it was unseen.")
    spoken = _spoken(config, run, y, lexicon)
    run.facts(
        trigrams=m.value(TRIGRAMS).value, over_trigrams=float(over_trigrams.value), words=spoken
    )


def _sounds(
    config: Config, run: Run, lexicon: list[tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of sounds and of spoken words, and whose each sound is."""
    heard, new = (sounds(config.each, rng=run.rng(name)) for name in ("heard", "new"))
    voices, rng = draw_voices(VOICES, rng=run.rng("voices")), run.rng("words")
    said = [spoken_words(VOICES, voices, [word], rng=rng).waves for word in lexicon]
    every = log_mel(np.concatenate([heard.waves, new.waves, *said]), RATE, hop=HOP)
    every = (every - every.mean(axis=(0, 1))) / every.std(axis=(0, 1))
    frames, n = torch.from_numpy(every), len(heard.waves)
    # learnt from other sounds of the same things, and from the words: no name, no spelling
    arm = contrastive(torch.cat([frames[:n], frames[2 * n :]]), config.width)
    net: Any = arms(run, {CONTRASTIVE: arm}, metrics={}, budget=Budget(config.steps)).nets
    with torch.no_grad():
        h = net[CONTRASTIVE][0].layers(frames[n:])[-1].double()
    pooled = torch.cat([h.mean(dim=1), h.std(dim=1)], dim=1).numpy()
    pooled = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    return pooled[:n], pooled[n:], new.things


def _names(config: Config, run: Run, texts: list[str], truth: np.ndarray) -> dict[str, np.ndarray]:
    """Principal components of the names in both models, in untrained copies, and of trigrams."""
    out = {}
    for kind, name in ((LANGUAGE, config.model), (SENTENCES, config.encoder)):
        if name == PLANTED:
            rng, shape = run.rng("planted", kind), (len(texts), truth.shape[1])
            out[kind], out[f"{UNTRAINED} {kind}"] = (
                truth + rng.normal(size=shape),
                rng.normal(size=shape),
            )
            continue
        model, table = open(name), Examples(pd.DataFrame({"text": texts}), "text")
        copy = model.untrained(child_seed(run.seed, "untrained", kind))
        for side, net in ((kind, model), (f"{UNTRAINED} {kind}", copy)):
            ((_, states),) = harvest(net, table, "resid_post.-1", at="mean").matrices()
            out[side] = np.asarray(states, dtype=np.float64)
    out[TRIGRAMS] = letters(texts, longest=3, seed=child_seed(run.seed, "letters") % 2**32)
    return {side: _reduced(t) for side, t in out.items()}


def _reduced(x: np.ndarray) -> np.ndarray:
    """Leading principal components with a scale of about one."""
    made = PCA(min(RANK, *np.subtract(x.shape, (1, 0))), random_state=0).fit_transform(x)
    return made / made.std()


def _folds(run: Run, n: int) -> list[Fold]:
    return [
        fold
        for i in range(REPEATS)
        for fold in random_folds(n, FOLDS, rng=run.rng("folds", str(i)))
    ]


def _probe(config: Config, run: Run) -> ContrastiveAlignment:
    return ContrastiveAlignment(steps=config.fits, seed=child_seed(run.seed, "probe") % 2**32)


def _role(name: str) -> Role:
    if name in (LANGUAGE, SENTENCES):
        return "treatment"
    return "ceiling" if name == RECIPES else "baseline"


def _spoken(config: Config, run: Run, y: np.ndarray, lexicon: list[tuple[int, ...]]) -> float:
    """The probe on spoken words and their spelling; trigrams' value, in times chance."""
    texts = [written(word) for word in lexicon]
    names = _names(config, run, texts, letters(texts, width=16, longest=2))
    own, folds = np.repeat(np.arange(len(texts)), VOICES), _folds(run, len(texts))
    probe = _probe(config, run)
    m = Measured("unseen spoken words found", unit="times chance")
    for name, t in names.items():
        times = unseen_found(t[None], y, own, folds, probe)[0] * len(texts) / FIRST
        m.put(name, times, role=_role(name))
    run.claim("spoken", m.combined("better of the two models", np.maximum, LANGUAGE, SENTENCES))
    run.show("spoken", m, f"Among {FIRST} of {len(texts)} words; 1 is chance.")
    return float(m.value(TRIGRAMS).value)
