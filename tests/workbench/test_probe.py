"""One's own question, from a table to a run folder: what is said, and what is never said."""

import json

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.store.harvest import harvest
from inscape.workbench.probe import _compared, probe
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


def reviews():
    rows = [
        {"text": f"{a} {b} is {q} {e}", "good": int(q == "good"), "mood": q, "noun": a}
        | {"length": float(len(a) + len(q))}
        for a in ("river", "sea", "film", "mountain", "capital", "London")
        for b in ("Paris", "London", "the sea", "a film")
        for q in ("good", "bad")
        for e in (".", "!")
    ]
    return pd.DataFrame(rows)


def asked(model, frame=None, **options):
    options = {"input": "text", "shuffles": 19, "folds": 3, **options}
    return probe(model, reviews() if frame is None else frame, **options)


def words(path):
    drawn = "".join(f.read_text() for f in (path / "figures").glob("*.json"))
    return (path / "run.json").read_text() + (path / "claims.json").read_text() + drawn


def test_a_question_ends_in_a_run_folder_with_an_answer_and_claims(model, tmp_path):
    found = asked(model, labels=["good", "length"], group="noun")
    assert found.title == "Can good and length be read from the activations of tiny?"
    assert found.targets["good"].task == "classification"
    assert found.targets["length"].task == "regression"
    assert found.selected("good").unit == "balanced accuracy"
    assert str(found.selected("good")).startswith(
        f"balanced accuracy of good at {found.results['good'].best['good']} "
    )
    path = found.save(tmp_path / "run")
    record = json.loads((path / "run.json").read_text())
    claims = json.loads((path / "claims.json").read_text())
    assert record["card"]["title"] == found.title
    assert "held-out groups (noun)" in record["answer"]
    assert record["config"]["group"] == "noun"
    assert [c["id"] for c in claims] == [
        "good-above-chance",
        "good-beyond-input",
        "length-2-above-chance",
        "length-2-beyond-input",
    ]
    assert claims[0]["at_least"] == 0.5
    assert claims[0]["value"] == pytest.approx(found.results["good"].selected[0].value)
    assert (path / "tables" / "sites-length-2.parquet").is_file()
    assert (path / "done").is_file()


def test_without_a_group_nothing_is_said_of_groups(model, tmp_path):
    found = asked(model, labels=["good"])
    record = words(found.save(tmp_path / "run"))
    assert "held-out rows" in record
    assert "groups" not in record.replace("effective groups", "")
    assert "by group" not in record
    assert "by group" in words(asked(model, labels=["good"], group="noun").save(tmp_path / "two"))


def test_repeated_inputs_and_uneven_classes_are_said(model, tmp_path):
    frame = reviews()
    frame = pd.concat([frame[frame["good"] == 1], frame[frame["good"] == 0].head(20)])
    frame = pd.concat([frame, frame.head(6)], ignore_index=True)
    record = json.loads(
        (asked(model, frame, labels=["mood"]).save(tmp_path / "r") / "run.json").read_text()
    )
    assert any("6 of 74 rows repeat the input" in w for w in record["warnings"])
    assert any("The classes of mood are uneven" in w for w in record["warnings"])


def test_random_labels_are_not_found(model):
    frame = reviews().assign(coin=np.random.default_rng(1).integers(0, 2, 96))
    found = asked(model, frame, labels=["coin"])
    assert found.verdicts["coin"] != "supported"
    assert found.answer("coin").startswith(("No:", "Not shown:"))
    # before: what is there is found
    assert asked(model, labels=["good"]).verdicts["good"] == "supported"


def test_a_store_is_asked_by_its_path_and_needs_no_data(model, tmp_path):
    examples = Examples(reviews(), "text", ("good",), group="noun")
    harvest(model, examples, "resid_post.*", to=tmp_path / "mine.store")
    found = probe(tmp_path / "mine.store", labels=["good"], shuffles=19, folds=3)
    direct = asked(model, labels=["good"], group="noun", sites="resid_post.*")
    assert found.results["good"].scores == pytest.approx(direct.results["good"].scores)
    assert found.config.group
    assert found.alone == {}
    with pytest.raises(DataError, match="the store has no label 'mood'"):
        probe(tmp_path / "mine.store", labels=["mood"])
    with pytest.raises(DataError, match="there is no column 'nouns' to group by"):
        probe(tmp_path / "mine.store", labels=["good"], group="nouns")
    with pytest.raises(DataError, match="a store has its own examples"):
        probe(tmp_path / "mine.store", reviews())


def test_questions_that_have_no_answer_are_refused_before_anything_is_computed(model, tmp_path):
    with pytest.raises(DataError, match="is no store, so examples are needed"):
        probe("smollm2-135m")
    with pytest.raises(DataError, match="no label is named"):
        asked(model, reviews()[["text", "mood"]])
    with pytest.raises(DataError, match="has one class only"):
        asked(model, reviews().assign(mood="good"), labels=["mood"])
    with pytest.raises(ValueError, match="shuffles must be at least 19"):
        asked(model, labels=["good"], shuffles=5)
    assert not (tmp_path / "home" / "stores").exists()


def test_the_end_of_an_answer_is_what_the_gain_says():
    assert _compared((0.01, 0.2)) == "the activations give more."
    assert _compared((-0.3, -0.02)) == "the activations give less."
    assert (
        _compared((-0.1, 0.1)) == _compared(None) == "that the activations give more is not shown."
    )
