"""Sentence tasks: ten questions about sentences, from how long they are to what they mean, written
by a small grammar.

    surface      length, word content
    syntax       depth, bigram shift
    semantics    tense, subject number, odd word, coordination inversion
    beyond       sentiment, topic

After the probing tasks of Conneau et al. 2018, "What you can cram into a single vector",
arXiv:1805.01070; grammar, words and clauses are Inscape's own. Each task's group keeps a lexeme,
frame or clause pair whole, with all of its labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.core.rng import generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.sets.templated_sentiment import WORDS as OPPOSITES

PEOPLE = (
    "farmer sailor teacher doctor painter baker hunter soldier lawyer singer driver nurse writer "
    "miner pilot guard clerk tailor dancer monk judge poet cook thief"
).split()
VERBS = (
    "visit/visited follow/followed praise/praised watch/watched call/called help/helped "
    "warn/warned invite/invited trust/trusted blame/blamed thank/thanked greet/greeted hire/hired "
    "admire/admired ignore/ignored pay/paid meet/met find/found teach/taught fight/fought "
    "leave/left see/saw hear/heard catch/caught"
).split()
THINGS = "bridge candle hammer window basket mirror ladder blanket".split()
PLACES = (
    "in the village|near the river|behind the church|at the market|on the hill|after the "
    "storm|before breakfast|"
).split("|")
TOPICS = {
    "food": "soup bread cheese butter onion pepper flour honey salad sausage pastry noodle",
    "music": "violin trumpet melody choir drum flute chorus piano guitar concert rhythm ballad",
    "sea": "anchor harbour sail wave lighthouse reef tide captain shipwreck gull island cargo",
    "sport": (
        "goalkeeper racket referee stadium tournament sprint league marathon penalty medal "
        "coach boxer"
    ),
}
#: what happened first, and what came of it
CLAUSES = (
    "it began to rain/we opened the umbrella|the alarm rang/she got out of bed|he ran out of "
    "money/he sold the car|"
    "the dog barked/the thief ran away|the glass fell/it broke into pieces|she lost her key/she "
    "slept at a friend's|"
    "the sun came out/the snow melted|he studied all night/he passed the test|the baby cried/her "
    "mother picked her up|"
    "the road was blocked/we took a detour|the milk turned sour/I poured it away|the power "
    "failed/we lit some candles|"
    "the boat leaked/they swam ashore|he told a joke/everybody laughed|the oven was too hot/the "
    "cake burned|"
    "she broke her leg/they took her to hospital|the tyre burst/the bus stopped|the train was "
    "late/I missed the meeting|"
    "the price fell/more people bought one|he knocked at the door/she let him in|the batteries "
    "died/the radio fell silent|"
    "they planted a seed/a tree grew|the judge spoke/the room went quiet|the water boiled/I made "
    "the tea|"
    "he insulted her/she left the room|the bridge collapsed/the village was cut off|she won the "
    "race/they gave her a medal|"
    "the fire spread/they called for help|the shop closed/we went home hungry|he cut his "
    "finger/she fetched a bandage"
).split("|")
#: a frame with two words that fit it
FRAMES = (
    "She drank a cup of {} in the garden:tea/coffee|He parked the {} in front of the "
    "house:car/van|The {} barked all "
    "night:dog/puppy|They sailed across the {}:ocean/lake|The king wore a golden {}:crown/ring|He "
    "played the {} in "
    "the orchestra:violin/flute|She read a {} before going to sleep:book/novel|The {} examined the "
    "patient:doctor/nurse|We swam in the {} all afternoon:river/pool|The {} laid three "
    "eggs:hen/duck|He wrote the "
    "letter with a {}:pen/pencil|The baker sold fresh {}:bread/rolls|They climbed the highest "
    "{}:mountain/peak|She "
    "wore a warm {} in the winter:coat/scarf|The {} gave the pupils homework:teacher/tutor|He cut "
    "the wood with a "
    "sharp {}:axe/saw|The plane landed at the {}:airport/airfield|The judge sent him to "
    "{}:prison/jail|She poured the"
    " {} into the glass:water/milk|The {} grew in the field:wheat/corn|He put the money in the "
    "{}:bank/wallet|The cat"
    " caught a {}:mouse/bird|They watched a {} at the cinema:film/comedy|She cooked {} for "
    "dinner:rice/soup"
).split("|")

CARD = DatasetCard(
    name="sentence-tasks",
    what="Ten tasks of about 200 sentences each: length, word content, depth, tense, subject "
    "number, bigram shift, coordination inversion, sentiment, topic, odd word.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="A. Conneau, G. Kruszewski, G. Lample, L. Barrault, M. Baroni (2018), What you can "
    "cram into a single vector, arXiv:1805.01070 (the tasks)",
    get="comes with Inscape",
    group="a lexeme, frame or pair of clauses, by task, with all of its labels; what a probe is "
    "tried on has others.",
    beware="The grammar is small: scores are higher than on sentences from books, and tasks with "
    "few frames (odd word, coordination inversion) have wide intervals.",
    columns={
        "text": "the sentence",
        "task": "the task",
        "value": "its label, text",
        "lexeme": "the group",
    },
)


def load(limit: int | None = None) -> Examples:
    """All tasks, one below the other.

    Args:
        limit: only the first so many rows.

    Returns:
        Examples with label value (text), group lexeme.
    """
    rows = []
    for task, make in MAKERS.items():
        seen = set()
        for value, lexeme, text in make(generator(0, "sentence-tasks", task)):
            if text.casefold() not in seen:  # random draws repeat
                rows.append(
                    {"text": text, "task": task, "value": value, "lexeme": f"{task}: {lexeme}"}
                )
                seen.add(text.casefold())
    frame = pd.DataFrame(rows).drop_duplicates("text").reset_index(drop=True)
    return Examples(frame.iloc[:limit], "text", ("value",), "lexeme", card=CARD)


def _pick(rng: np.random.Generator, words: list[str]) -> str:
    return str(words[int(rng.integers(len(words)))])


def _clause(rng: np.random.Generator, verb: str | None = None) -> str:
    return (
        f"the {_pick(rng, PEOPLE)} {verb or _pick(rng, VERBS).split('/')[1]} the "
        f"{_pick(rng, PEOPLE)}"
    )


def _written(text: str) -> str:
    text = " ".join(text.split())
    return text[0].upper() + text[1:] + "."


def _length(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    adverbs = "quietly slowly often gladly soon again twice early".split()
    out = []
    for i in range(24):
        for value, extra in (("short", 0), ("middle", 4), ("long", 8)):
            for _ in range(3):
                tail: list[str] = []
                while len(tail) < extra:
                    tail += [*_pick(rng, PLACES[:-1]).split(), _pick(rng, adverbs)]
                out.append(
                    (
                        value,
                        PEOPLE[i],
                        _written(
                            f"the {PEOPLE[i]} {_pick(rng, VERBS).split('/')[1]} the "
                            f"{_pick(rng, PEOPLE)} {' '.join(tail[:extra])}"
                        ),
                    )
                )
    return out


def _content(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    return [
        (
            thing,
            person,
            _written(
                f"the {person} {_pick(rng, VERBS).split('/')[1]} the {_pick(rng, PEOPLE)} with a "
                f"{thing} {_pick(rng, PLACES)}"
            ),
        )
        for person in PEOPLE
        for thing in THINGS
    ]


def _depth(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    out = []
    for person in PEOPLE:
        for _ in range(3):
            a, b, c, d = (_pick(rng, PEOPLE) for _ in range(4))
            u, v, w = (_pick(rng, VERBS).split("/")[1] for _ in range(3))
            out += [
                (
                    "one",
                    person,
                    _written(f"the {person} {u} the {a} and the {b} {v} the {c} and {w} the {d}"),
                ),
                (
                    "two",
                    person,
                    _written(f"the {person} who {u} the {a} {v} the {b} and {w} the {c} and {d}"),
                ),
                (
                    "three",
                    person,
                    _written(f"the {person} who {u} the {a} who {v} the {b} {w} the {c} and {d}"),
                ),
            ]
    return out


def _tense(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    return [
        (
            value,
            verb.split("/")[0],
            _written(
                f"the {_pick(rng, PEOPLE)}s {verb.split('/')[k]} the {_pick(rng, PEOPLE)} "
                f"{_pick(rng, PLACES)}"
            ),
        )
        for verb in VERBS
        for _ in range(5)
        for k, value in enumerate(("present", "past"))
    ]


def _number(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    return [
        (
            value,
            person,
            _written(
                f"the {person}{'s' * k} {_pick(rng, VERBS).split('/')[1]} the {_pick(rng, PEOPLE)}"
                f"{'s' * int(rng.integers(2))} {_pick(rng, PLACES)}"
            ),
        )
        for person in PEOPLE
        for _ in range(5)
        for k, value in enumerate(("one", "several"))
    ]


def _shift(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    out = []
    for person in PEOPLE:
        for _ in range(5):
            did, place = _pick(rng, VERBS).split("/")[1], _pick(rng, PLACES[:-1])
            words = f"the {person} {did} the {_pick(rng, PEOPLE)} {place}".split()
            at = int(rng.integers(1, len(words) - 1))
            moved = [*words[:at], words[at + 1], words[at], *words[at + 2 :]]
            out += [
                ("as it was", person, _written(" ".join(words))),
                ("shifted", person, _written(" ".join(moved))),
            ]
    return out


def _inversion(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    out = []
    for pair in CLAUSES:
        first, second = pair.split("/")
        for join in ("and", "and then", "and so", "; after that"):
            for value, (a, b) in (("as it was", (first, second)), ("inverted", (second, first))):
                out.append((value, first, _written(f"{a} {join} {b}".replace(" ;", ";"))))
    return out


def _sentiment(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    return [
        (
            value,
            verbs,
            _written(f"the {thing} was {pair.split('/')[k]}, and I {verbs.split('/')[k]} it"),
        )
        for verbs, pairs in OPPOSITES.items()
        for pair in pairs.split()
        for thing in ("meal", "hotel", "walk")
        for k, value in enumerate(("positive", "negative"))
    ]


def _topic(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    out = []
    for i in range(12):
        for topic, words in TOPICS.items():
            word = words.split()[i]
            out += [
                (
                    topic,
                    f"word {i}",
                    _written(
                        f"the {_pick(rng, PEOPLE)} {said} the {word} {_pick(rng, PLACES[:-1])}"
                    ),
                )
                for said in (
                    "spoke of",
                    "thought about",
                    "asked about",
                    "wrote about",
                    "remembered",
                )
            ]
    return out


def _odd(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    out, words = [], [w for frame in FRAMES for w in frame.split(":")[1].split("/")]
    for i, frame in enumerate(FRAMES):
        text, fitting = frame.split(":")
        rest = [w for w in words if w not in fitting.split("/")]
        for person in ("", "I heard that ", "They say that "):
            for fit in fitting.split("/"):
                head = person + (text if not person else text[0].lower() + text[1:])
                out += [
                    ("fits", f"frame {i}", f"{head.format(fit)}."),
                    ("odd", f"frame {i}", f"{head.format(_pick(rng, rest))}."),
                ]
    return out


MAKERS = {
    "length": _length,
    "word content": _content,
    "depth": _depth,
    "tense": _tense,
    "subject number": _number,
    "bigram shift": _shift,
    "coordination inversion": _inversion,
    "sentiment": _sentiment,
    "topic": _topic,
    "odd word": _odd,
}
