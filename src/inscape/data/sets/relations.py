"""Relations: fourteen lists of subjects and objects, and the question that asks for the object.

After the kinds of relation (facts, word forms, commonsense, gender) of Hernandez et al. 2023,
"Linearity of Relation Decoding in Transformer Language Models", arXiv:2308.09124; lists and
questions are Inscape's own.
"""

from __future__ import annotations

from pathlib import Path

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

#: relation → question; the subject is its last word but one, so that little has to be computed
# after it
TEMPLATES = {
    "country capital": "The capital of {} is",
    "country language": "The main language of {} is",
    "city country": "The country that contains {} is",
    "adjective opposite": "The opposite of {} is",
    "adjective comparative": "The comparative of {} is",
    "verb past": "The past tense of {} is",
    "word first letter": "The first letter of {} is",
    "number successor": "The number after {} is",
    "animal sound": "The sound made by a {} is",
    "noun plural": "The plural of {} is",
    "name gender": "The gender of someone named {} is",
    "profession place": "The workplace of a {} is",
    "country continent": "The continent of {} is",
    "thing kind": "The kind of thing that {} is",
}

CARD = DatasetCard(
    name="relations",
    what="998 pairs of subject and object in fourteen relations of 58 to 84 pairs: capitals, "
    "languages, countries, opposites, comparatives, past tenses, plurals, first letters, "
    "successors, sounds, genders of names, workplaces, continents and kinds of things.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="E. Hernandez et al. (2023), Linearity of Relation Decoding in Transformer Language "
    "Models, arXiv:2308.09124 (the idea)",
    get="comes with Inscape",
    group="subject: nothing asked about one is on both sides of a split. Objects are: many "
    "countries share a language.",
    beware="One object is listed where several would do (a wolf also barks, a painter also works "
    "outdoors), so what counts as wrong may be right. Only the first token of an answer is "
    "compared where models are asked.",
    columns={
        "text": "the question, without examples before it",
        "relation": "name of the relation",
        "subject": "what is asked about",
        "object": "the answer",
        "template": "the question with {} for the subject",
    },
)


def load(limit: int | None = None) -> Examples:
    """The pairs, relation by relation.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label object, group subject, span subject.
    """
    frame = read_table(Path(__file__).parent / "relations.csv", raw="subject")
    frame["template"] = frame["relation"].map(TEMPLATES)
    frame["text"] = [t.format(s) for t, s in zip(frame["template"], frame["subject"], strict=True)]
    frame["subject_start"] = frame["template"].map(lambda t: t.index("{}"))
    frame["subject_end"] = frame["subject_start"] + frame["subject"].map(len)
    spans = {"subject": ("subject_start", "subject_end")}
    return Examples(frame.iloc[:limit], "text", ("object",), "subject", spans, CARD)
