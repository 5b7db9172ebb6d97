"""The twenty recipes, each one command or ten lines, run on a tiny network and on the model that
they name.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module

import pandas as pd
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from inscape.model.model import Model
from tests.docs.blocks import ROOT, fenced
from tests.model import nets

#: the module, where the package offers its function
opens = import_module("inscape.model.open")

PAGE, OTHERS = ROOT / "docs" / "recipes.md", ROOT / "docs" / "coming-from.md"
#: needs a model that speaks: a study over built-in sets of its own
REAL = {20}
TEXTS = {
    "travel": ("the train to {} was late and slow", "we took a boat to {} in the sun"),
    "food": ("the soup in {} was warm and good", "we ate fish and bread in {} at noon"),
}
PLACES = ("Paris", "Rome", "London", "Berlin", "Madrid", "Vienna", "Oslo", "Athens")


def recipes():
    """Number, language and text of each recipe."""
    found = []
    for part in re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        number = int(part.partition(".")[0])
        blocks = [(lang, text) for lang in ("sh", "python") for _, text in fenced(part, lang)]
        assert len(blocks) == 1, f"recipe {number} has {len(blocks)} blocks"
        found.append((number, *blocks[0]))
    return found


def tables(folder):
    """mine.csv and pairs.csv, as the page describes them."""
    rows = [
        {
            "text": text.format(place),
            "topic": topic,
            "author": f"a{i}",
            "score": len(place) + 3 * j + i / 7,
        }
        for i, place in enumerate(PLACES)
        for topic, texts in TEXTS.items()
        for j, text in enumerate(texts)
    ]
    pd.DataFrame(rows).to_csv(folder / "mine.csv", index=False)
    pairs = [("The capital of France is", "The capital of Italy is", "Paris", "Rome")] * 2
    names = ["clean", "corrupted", "answer", "wrong"]
    pd.DataFrame(pairs, columns=names).to_csv(folder / "pairs.csv", index=False)


def tiny():
    """A random network whose tokenizer knows the page's words."""
    words = " ".join(
        [*(t for pair in TEXTS.values() for t in pair), *PLACES, "The capital of France Italy is"]
    )
    vocabulary = [
        "[PAD]",
        "[CLS]",
        "[SEP]",
        "[UNK]",
        *dict.fromkeys(words.replace("{}", "").split()),
    ]
    assert len(vocabulary) <= nets.VOCABULARY
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", eos_token="[SEP]"
    )
    return Model(nets.net("llama"), tokenizer, "smollm2-135m")


def run(language, text):
    """Run one block; what it prints."""
    if language == "python":
        exec(compile(text, str(PAGE), "exec"), {"__name__": "recipe"})
        return
    from inscape.cli.main import app

    result = CliRunner().invoke(app, shlex.split(text)[1:], prog_name="inscape")
    assert result.exit_code == 0, result.output + result.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One folder for the whole page: a later recipe uses what an earlier one wrote."""
    folder = tmp_path_factory.mktemp("recipes")
    tables(folder)
    return folder


@pytest.fixture
def small(monkeypatch):
    """A tiny network wherever a model would be opened."""
    original, model = opens.open, tiny()
    for name, module in list(sys.modules.items()):
        if name.startswith("inscape"):
            for key, value in list(vars(module).items()):
                if value is original:
                    monkeypatch.setattr(module, key, lambda *_, **__: model)
    return model


def test_there_are_twenty_and_each_is_short():
    found = recipes()
    assert [number for number, *_ in found] == list(range(1, 21))
    for number, language, text in found:
        lines = [line for line in text.splitlines() if line.strip()]
        assert len(lines) <= (1 if language == "sh" else 10), number
        assert language == "python" or lines[0].startswith("inscape "), number


@pytest.mark.parametrize(
    ("number", "language", "text"),
    [r for r in recipes() if r[0] not in REAL],
    ids=lambda v: str(v)[:3],
)
def test_a_recipe_runs(number, language, text, place, small, monkeypatch, capsys):
    monkeypatch.chdir(place)
    run(language, text)


@pytest.mark.real
@pytest.mark.parametrize(("number", "language", "text"), recipes(), ids=lambda v: str(v)[:3])
def test_a_recipe_runs_on_the_model_it_names(number, language, text, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    run(language, text)


@pytest.mark.real
def test_what_the_recipes_leave_behind(place):
    """Pages, a store, a vector, reports: where the user stands."""
    for name in ("lens.html", "patch.html", "plane.html", "steer.html", "topic.gguf", "mine.store"):
        assert (place / name).exists(), name
    assert (place / "runs" / "topic" / "report.html").exists()
    assert (place / "runs" / "mine" / "report.html").exists()


def test_the_page_for_those_who_come_from_elsewhere(place, small, monkeypatch, capsys):
    monkeypatch.chdir(place)
    names = {}
    for _, text in fenced(OTHERS.read_text(encoding="utf-8"), "python"):
        exec(compile(text, str(OTHERS), "exec"), names)
    assert capsys.readouterr().out.startswith("True torch.Size([1, 5])")
