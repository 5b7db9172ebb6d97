import ast

import numpy as np
import pytest

from inscape.core.errors import DataError
from inscape.data.card import DatasetCard, read_card
from inscape.data.load import SETS, available, load
from inscape.data.sets import (
    cities,
    emotions,
    haystack,
    library_code,
    library_text,
    people,
    reviews,
    sentence_tasks,
    templated_sentiment,
)

NAMES = (
    "cities",
    "emotions",
    "haystack",
    "library-code",
    "library-text",
    "people",
    "reviews",
    "sentence-tasks",
    "templated-sentiment",
)
#: tables of questions, whose groups are few and whose labels are words:
# tests/data/test_relations.py, tests/study
TABLES = ("imagenet-classes", "linked-questions", "ordered-words", "relations", "word-pairs")


@pytest.fixture(scope="module")
def sets():
    return {name: load(name) for name in NAMES}


def test_every_set_has_a_whole_card():
    cards = available()
    assert sorted(cards) == sorted((*NAMES, *TABLES))
    for name, card in cards.items():
        assert card.name == name
        for part in (card.what, card.source, card.licence, card.citation, card.get, card.group):
            assert part
        assert card.to_dict()["columns"]


MODULES = [
    cities,
    emotions,
    haystack,
    library_code,
    library_text,
    people,
    reviews,
    sentence_tasks,
    templated_sentiment,
]


@pytest.mark.parametrize("module", MODULES)
def test_the_card_read_is_the_card_imported(module):
    assert available()[module.CARD.name] == module.CARD
    assert module.load(limit=3).card == module.CARD


def test_a_set_without_a_card_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"a.py: a data set needs CARD = DatasetCard"):
        read_card(tmp_path / "a.py")
    (tmp_path / "b.py").write_text("CARD = DatasetCard(name=f())\n")
    with pytest.raises(ValueError, match=r"b.py: CARD must be literal"):
        read_card(tmp_path / "b.py")
    (tmp_path / "c.py").write_text("CARD = DatasetCard(name='c', what='it', colour='red')\n")
    with pytest.raises(ValueError, match=r"c.py: CARD must be literal.*colour"):
        read_card(tmp_path / "c.py")


@pytest.mark.parametrize("name", NAMES)
def test_sets_are_sane(sets, name):
    e = sets[name]
    folded = [text.casefold() for text in e.texts()]
    assert len(set(folded)) == len(folded)
    assert all(text == text.strip() for text in e.texts())
    groups, sizes = np.unique(e.groups(), return_counts=True)
    assert len(groups) >= 20
    assert sizes.max() <= 0.25 * len(e)
    for label in e.labels:
        assert len(e.classes(label)[1]) > 1
    if e.labels not in (("emotion",), ("value",)):
        assert np.isfinite(e.target()).all()
    assert set(e.card.columns) <= set(e.frame.columns)
    assert load(name).fingerprint == e.fingerprint
    few = load(name, limit=40)
    assert few.texts() == e.texts()[:40]
    assert len(set(few.groups())) >= 5


def row(examples, text):
    return examples.frame[examples.frame[examples.input] == text].iloc[0]


def test_cities(sets):
    e = sets["cities"]
    assert len(e) == 1500
    tokyo, lima = row(e, "Tokyo"), row(e, "Lima")
    assert tokyo["latitude"] == pytest.approx(35.69, abs=0.05)
    assert tokyo["longitude"] == pytest.approx(139.69, abs=0.05)
    assert (tokyo["country"], tokyo["continent"]) == ("Japan", "Asia")
    assert lima["latitude"] == pytest.approx(-12.04, abs=0.05)
    assert "London" not in e.texts()  # the rule: two populous places share the name
    assert e.frame["population"].is_monotonic_decreasing
    assert (np.abs(e.target()) <= [90, 180]).all()


def test_people(sets):
    e = sets["people"]
    frame = e.frame
    assert len(e) == 3056
    assert frame["death"].notna().sum() == 2763
    mozart, newton = row(e, "Wolfgang Amadeus Mozart"), row(e, "Isaac Newton")
    assert (mozart["birth"], mozart["death"], mozart["century"], mozart["occupation"]) == (
        1756,
        1791,
        18,
        "composer",
    )
    assert (newton["birth"], newton["death"], newton["field"]) == (1642, 1727, "mathematician")
    plato, augustus = row(e, "Plato"), row(e, "Augustus")
    assert (plato["birth"], plato["death"], plato["century"]) == (-428, -347, -5)
    assert (augustus["birth"], augustus["death"]) == (-63, 14)  # from BC to AD
    lived = frame["death"].dropna() - frame["birth"]
    assert lived.min() >= 10
    assert lived.max() <= 105
    assert ((frame["birth"] >= -1000) & (frame["birth"] < 2000) & (frame["birth"] != 0)).all()
    assert not {"Warren Harding", "Samuel Butler"} & set(
        e.texts()
    )  # impossible years; two of that name
    with pytest.raises(DataError, match="label 'death' is missing at row"):
        load("people", labels=["death"])


def test_reviews(sets):
    e = sets["reviews"]
    assert len(e) == 4000
    assert (
        e.frame.groupby("source")["positive"].agg(["size", "sum"]).to_numpy().tolist()
        == [[1000, 500]] * 4
    )
    assert (np.abs(e.target()) <= 4).all()
    assert ((e.target()[:, 0] > 0) == (e.target("positive")[:, 0] == 1)).all()
    assert max(map(len, e.texts())) <= 200
    per_source = e.frame.groupby("source")["document"].nunique()
    assert per_source["movies"] == per_source["tweets"] == 1000
    assert per_source["products"] < 300
    assert len(reviews.load(source="news")) == 1000
    with pytest.raises(ValueError, match="source must be one of"):
        reviews.load(source="books")


def test_templated_sentiment(sets):
    e = sets["templated-sentiment"]
    assert len(e) == 1440
    assert e.target().mean() == 0.5
    for i in range(len(e)):
        text, spans = e.texts()[i], e.span(i)
        assert text[slice(*spans["adjective"])] == e.frame["adjective"].iloc[i]
        assert text[slice(*spans["verb"])] == e.frame["verb"].iloc[i]
        assert spans["end"][1] == len(text)
    positive, negative = e.frame[e.frame["positive"] == 1], e.frame[e.frame["positive"] == 0]
    for column in ("pair", "template", "subject", "words"):
        assert positive[column].tolist() == negative[column].tolist()
    assert (
        positive["adjective"].str.len().to_numpy() == negative["adjective"].str.len().to_numpy()
    ).all()
    for word in ("adjective", "verb"):  # no word straddles groups or classes
        assert (e.frame.groupby(word)["words"].nunique() == 1).all()
        assert (e.frame.groupby(word)["positive"].nunique() == 1).all()
    assert e.frame["adjective"].nunique() == 80
    assert [len(load("templated-sentiment", limit=k)) for k in (1, 2, 7)] == [2, 2, 6]


def test_the_licences_are_shipped():
    notices = (SETS / "LICENSES.md").read_text(encoding="utf-8")
    for part in (
        "Princeton University",
        "Copyright (c) 2016 C.J. Hutto",
        "Natural Earth",
        "GeoNames",
        "land-110m.json",
    ):
        assert part in notices


def test_cards_are_plain_literals():
    for path in SETS.glob("[!_]*.py"):
        assert isinstance(read_card(path), DatasetCard)
        ast.parse(path.read_text(encoding="utf-8"))


def test_library_passages_are_prose_and_functions_are_code(sets):
    prose, code = sets["library-text"], sets["library-code"]
    assert len(prose) > 500
    assert len(code) > 1000
    for e in (prose, code):
        assert e.frame["text"].str.len().between(100, library_text.LONGEST).all()
        assert e.frame["module"].value_counts().max() < 0.15 * len(e)
    assert not prose.frame["text"].str.contains(">>>").any()
    assert (prose.frame["words"] > 15).mean() > 0.95
    parsed = [ast.parse(text) for text in code.texts()]
    assert all(isinstance(tree.body[0], ast.FunctionDef) for tree in parsed)
    assert all(ast.get_docstring(tree.body[0]) is None for tree in parsed)


def test_a_form_feed_in_a_module_moves_no_function(monkeypatch):
    source = "\f\nx = 1\n\f\n" + "def f(a):\n" + '    """Say."""\n' + "    a = 1\n" * 30
    source += "def g(a):\n" + f'    """{200 * "x"}"""\n'
    monkeypatch.setattr(library_code, "modules", lambda: [("made", ast.parse(source), source)])
    found = library_code.functions.__wrapped__()
    assert found["text"].tolist() == ["def f(a):\n" + ("    a = 1\n" * 30).rstrip("\n")]


def test_a_long_passage_is_cut_where_something_ends():
    sentence = "This says nothing that matters to anybody at all. "
    cut = library_text.cut(sentence * 40)
    assert cut.endswith("at all.")
    assert len(cut) > library_text.LONGEST - len(sentence)
    assert library_text.cut("short") == "short"
    assert len(library_text.cut("x" * 2000)) == library_text.LONGEST


def test_emotions_are_seven_to_a_setting_and_never_named(sets):
    e = sets["emotions"]
    assert len(e) == 420
    assert set(e.frame.groupby("setting")["emotion"].nunique()) == {7}
    named = {word for words in emotions.WORDS.values() for word in words.split()} | set(
        emotions.WORDS
    )
    said = {word.strip(".,") for text in e.texts() for word in text.casefold().split()}
    assert not named & said
    assert set(e.frame["word"]) <= named
    assert set(emotions.CIRCLE) == set(emotions.WORDS)


def test_the_haystack_has_each_feature_in_question_at_a_word_or_a_text(sets):
    e = sets["haystack"]
    counts = e.frame.groupby("feature")["lexeme"].nunique()
    assert counts.min() >= 8
    assert e.frame.groupby("feature")["value"].nunique().min() >= 2
    word = e.frame[e.frame["scope"] == "word"].iloc[-1]
    assert word["text"].split()[-1] == word["text"][word["word_start"] : word["word_end"]]
    sentences = e.frame[(e.frame["feature"] == "text") & (e.frame["value"] != "Python")]
    assert set(sentences.groupby("lexeme")["value"].nunique()) == {5}


def test_sentence_tasks_have_every_label_in_each_group(sets):
    e = sets["sentence-tasks"]
    tasks = e.frame.groupby("task")
    assert len(tasks) == 10
    for _, part in tasks:
        labels = part["value"].nunique()
        assert (part.groupby("lexeme")["value"].nunique() >= min(labels, 2)).mean() > 0.9
        assert len(part) >= 190
    shifted = e.frame[e.frame["task"] == "bigram shift"]
    assert sorted(shifted["text"].iloc[0].lower()) == sorted(shifted["text"].iloc[1].lower())


def test_classes_of_imagenet_stand_in_the_order_of_a_classifiers_outputs():
    names = load("imagenet-classes")
    assert len(names) == 1000
    texts = names.texts()
    assert (texts[0], texts[1], texts[207], texts[281]) == (
        "tench",
        "goldfish",
        "Golden Retriever",
        "tabby cat",
    )
    assert len(set(texts)) == 998
    assert len(load("imagenet-classes", limit=5)) == 5
