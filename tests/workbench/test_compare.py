"""Two models on the same items: maps, the card, the run folder, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import transformers
from typer.testing import CliRunner

from inscape.cli import compare as command
from inscape.cli.main import app
from inscape.core.errors import DataError
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open as open_model
from inscape.store.harvest import harvest
from inscape.workbench.compare import compare_models
from tests.model import nets


@pytest.fixture(scope="module")
def models():
    return [
        Model(nets.net("llama"), nets.tokenizer(), "tiny"),
        Model(nets.net("bert"), nets.tokenizer(), "encoder"),
    ]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def sentences():
    rows = [
        {"text": f"{a} {b} is {q} {e}", "noun": a, "pair": f"{a} {b}"}
        for a in ("river", "sea", "film", "mountain", "capital", "London")
        for b in ("Paris", "London", "the sea", "a film")
        for q in ("good", "bad")
        for e in (".", "!")
    ]
    return pd.DataFrame(rows)


ASK = {"input": "text", "at": "mean", "permutations": 19}


def test_a_model_and_itself_are_alike_at_every_layer(models):
    told = []
    found = compare_models(
        models[0], models[0], sentences(), **ASK, progress=lambda *a: told.append(a)
    )
    assert found.rows == found.columns
    for measure, made in found.maps.items():
        # with tied distances rho-a of a thing with itself is a little below one
        assert np.diag(made.values) == pytest.approx(1, abs=1e-3), measure
        assert found.best(measure).p == pytest.approx(1 / len(made.draws + 1), abs=0.05)
    assert np.diag(found.maps["debiased linear CKA"].calibrated()) == pytest.approx(1)
    assert [done for done, _, _ in told] == [1, 2, 3, 4, 5]
    frame = found.frame("mutual 10-NN")
    assert len(frame) == len(found.rows) ** 2
    assert {"value", "low", "high", "p", "p_corrected", "calibrated", "null_mean"} <= set(frame)
    assert (frame["p_corrected"] >= frame["p"] - 1e-12).all()
    # it shows itself
    lines = str(found).splitlines()
    assert lines[0] == "Do tiny and tiny represent the same items alike?"
    assert lines[2].split()[:2] == ["debiased", "linear"]
    assert "1.00" in lines[2]
    grid = found.grid("mutual 10-NN")
    assert grid.values[1, 1] == pytest.approx(1)
    assert (grid.rows, grid.columns) == (found.rows, found.columns)
    assert grid.hover[1][1].startswith("1.00, permuted items ")
    assert found.grid().html() in found._repr_html_()
    with pytest.raises(DataError, match="no measure 'mutual 5-NN'. Did you mean 'mutual 10-NN'"):
        found.grid("mutual 5-NN")


def test_a_language_model_and_an_encoder_end_in_a_report(models, tmp_path):
    found = compare_models(*models, sentences(), **ASK)
    path = found.save(tmp_path / "out")
    record = json.loads((path / "run.json").read_text())
    assert record["card"]["title"] == "Do tiny and encoder represent the same items alike?"
    assert "chosen by its debiased linear CKA on the same items" in " ".join(record["warnings"])
    claims = json.loads((path / "claims.json").read_text())
    assert len(claims) == 4
    assert all(
        "largest of all pairs" in c["null"]["kind"] if isinstance(c["null"], dict) else True
        for c in claims
    )
    assert (path / "done").exists()
    card = pd.read_parquet(path / "tables" / "similarity-card.parquet")
    assert {"measure", "ignores", "value", "low", "null_mean", "p"} <= set(card)
    assert card["low"].notna().all()
    assert (card["null_draws"] >= 19).all()
    assert {"tiny", "encoder"} == {found.config.model, found.config.second}


def test_stores_of_the_same_table_are_compared_and_others_refused(models, tmp_path):
    examples = load(sentences(), input="text", labels=[])
    one = harvest(models[0], examples, "resid_post.*", at="mean", to=tmp_path / "one")
    two = harvest(models[1], examples, "resid_post.*", at="mean", to=tmp_path / "two")
    found = compare_models(one, tmp_path / "two", permutations=19)
    assert found.maps["mutual 10-NN"].n == 96
    with pytest.raises(DataError, match="two stores have their own examples"):
        compare_models(one, two, sentences())
    other = load(sentences()[::-1], input="text", labels=[])
    three = harvest(models[1], other, "resid_post.*", at="mean", to=tmp_path / "three")
    with pytest.raises(DataError, match="were harvested from different examples"):
        compare_models(one, three)
    every = harvest(models[1], examples, "resid_post.*", at="all", to=tmp_path / "all")
    with pytest.raises(DataError, match=r"rows of the same examples \(at 'mean' and 'all'\)"):
        compare_models(one, every)
    # a model is called by its name
    with pytest.raises(DataError, match=rf"^{models[1].name} is no store, so examples are needed"):
        compare_models(one, models[1])


def test_vision_networks_that_see_the_same_pictures_in_other_sizes_are_compared(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="images need Pillow")
    rng, birds, sides = np.random.default_rng(0), tmp_path / "birds", []
    birds.mkdir()
    for i in range(44):
        pixels = np.full((20, 20, 3), rng.integers(0, 256, 3), dtype=np.uint8)
        image.fromarray(pixels).save(birds / f"{i}.png")
    for size in (32, 16):
        config = nets.net("vit").config
        config.image_size = size
        folder = tmp_path / f"vit{size}"
        transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
        facts = {
            "image_processor_type": "ViTImageProcessor",
            "size": {"height": size, "width": size},
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(facts))
        sides.append(open_model(folder))
    found = compare_models(*sides, str(birds), at="mean", permutations=19, sites="resid_post.*")
    # pictures of one colour each: both networks see the colour, whatever their size
    assert found.best("debiased linear CKA").p <= 0.05
    first = harvest(sides[0], load(birds), "resid_post.0", at="mean", to=tmp_path / "first")
    image.fromarray(np.zeros((20, 20, 3), dtype=np.uint8)).save(birds / "7.png")
    changed = harvest(sides[1], load(birds), "resid_post.0", at="mean", to=tmp_path / "changed")
    with pytest.raises(DataError, match="were harvested from different examples"):
        compare_models(first, changed)


def test_groups_are_cut_to_one_size_and_stay_together(models):
    frame = sentences().iloc[:95]
    found = compare_models(*models, frame, group="pair", **ASK)
    assert found.maps["debiased linear CKA"].null == "groups permuted"
    assert len(found.maps["debiased linear CKA"].sizes) == 24
    assert any("Groups were cut to one size: 72 of 95 rows" in note for note in found.notes)
    fewer = compare_models(*models, sentences(), items=50, **ASK)
    assert fewer.maps["debiased linear CKA"].n == 50
    assert any("50 of 96 rows, drawn at random" in note for note in fewer.notes)


def test_what_cannot_be_compared_is_refused(models):
    with pytest.raises(ValueError, match="permutations must be at least 19"):
        compare_models(*models, sentences(), input="text", permutations=5)
    with pytest.raises(DataError, match="6 groups are too few: with groups that stay together"):
        compare_models(*models, sentences(), group="noun", **ASK)
    with pytest.raises(DataError, match="30 rows are too few"):
        compare_models(*models, sentences().iloc[:30], **ASK)
    same = pd.DataFrame({"text": [f"{w} ." for w in sentences()["text"]]})
    with pytest.raises(DataError, match="no site tells the items apart"):
        compare_models(*models, same, input="text", permutations=19, sites="embed")


def test_the_command_writes_a_report(models, monkeypatch, tmp_path):
    monkeypatch.setattr(
        command, "open_model", lambda name, *_: models[0] if name == "a" else models[1]
    )
    sentences().to_csv("mine.csv", index=False)
    call = (
        "compare",
        "a",
        "b",
        "--data",
        "mine.csv",
        "--input",
        "text",
        "--at",
        "mean",
        "--permutations",
        "19",
    )
    result = CliRunner().invoke(
        app, [*call, "--to", "out", "--json", "--quiet"], prog_name="inscape"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["comparison"]["title"] == "Do tiny and encoder represent the same items alike?"
    assert len(found["comparison"]["best"]) == 4
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h1>Do tiny and encoder represent the same items alike?</h1>" in page
    assert "It ignores rotations" in page
