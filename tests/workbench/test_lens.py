"""The lens table: its last layer is the model's own answer, and its cells are what the logit lens
reads.
"""

import numpy as np
import pytest
import torch

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.jacobian_lens import JacobianLens
from inscape.read.logit_lens import LogitLens
from inscape.read.tuned_lens import TunedLens
from inscape.workbench.lens import LensTable, lens
from inscape.workbench.picture import in_line
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def test_the_last_layer_says_what_the_model_says(model):
    found = lens(model, "the river is good", k=3)
    tokens = model.tokenize(["the river is good"])
    logits = model.run(tokens, capture=["logits"]).logits[0].float()
    p = torch.softmax(logits, dim=-1)
    assert found.words.shape == (3, 4, 3)
    assert found.tokens == ("the", "river", "is", "good")
    best = [model.tokenizer.decode([int(i)]) for i in logits.argmax(-1)]
    assert found.words[-1, :, 0].tolist() == best
    assert found.probabilities[-1, :, 0] == pytest.approx(p.max(-1).values.numpy(), rel=1e-3)
    assert found.kl[-1] == pytest.approx(0, abs=1e-5)
    assert (found.kl[0] > 1e-3).any()


def test_an_earlier_layer_is_read_by_the_last_norm_and_unembedding(model):
    found = lens(model, "the sea is bad", sites="resid_post.0")
    state = model.run(model.tokenize(["the sea is bad"]), capture=["resid_post.0"])["resid_post.0"]
    scores = Readout.of(model)(state[0].float())
    assert found.layers == ("resid_post.0",)
    assert found.words[0, :, 0].tolist() == [
        model.tokenizer.decode([int(i)]) for i in scores.argmax(-1)
    ]
    # the last layer is read for comparison, though it is not shown
    assert (found.kl > 0).all()


def test_a_position_settles_at_the_layer_from_which_its_word_stays():
    words = np.array([[["a"], ["x"]], [["b"], ["x"]], [["b"], ["x"]]], dtype=object)
    table = LensTable(
        "m", "p", ("1", "2"), ("0", "1", "2"), words, np.ones((3, 2, 1)), np.zeros((3, 2))
    )
    assert table.settled.tolist() == [1, 0]


def test_it_shows_itself_last_layer_first(model, tmp_path):
    found = lens(model, "the <b> sea")
    lines = str(found).splitlines()
    assert lines[2].startswith("resid_post.2")
    assert lines[4].startswith("resid_post.0")
    text = found.save(tmp_path / "lens.html").read_text()
    assert "<h1>the &lt;b&gt; sea</h1>" in text
    assert "KL" in text
    assert in_line(" Paris\n") == "Paris\\n"
    assert in_line("  ") == "␣␣"


def test_a_network_without_words_is_refused():
    with pytest.raises(ModelError, match="is not a language model of a known family"):
        lens(Model(nets.net("llama")), "the sea")


def test_another_lens_reads_the_same_table(model, tmp_path):
    texts = ["the river is good", "the sea is bad"]
    tuned = TunedLens.fit(model, texts, steps=2)
    tuned.save(tmp_path / "tuned")
    jacobian = JacobianLens.fit(model, texts)
    jacobian.save(tmp_path / "jacobian.pt")
    plain = lens(model, texts[0])
    assert lens(model, texts[0], by=LogitLens()).kl == pytest.approx(plain.kl, abs=1e-5)
    for by, name in (
        (tmp_path / "tuned", "tuned lens"),
        (tmp_path / "jacobian.pt", "Jacobian lens"),
    ):
        found = lens(model, texts[0], by=by)
        assert found.by.lower() == name.lower()
        assert name.lower() in found.html().lower()
        assert found.kl[-1] == pytest.approx(0, abs=1e-5)
        assert found.kl[0] != pytest.approx(plain.kl[0], abs=1e-6)
    with pytest.raises(ModelError, match="not a Jacobian lens"):
        lens(model, texts[0], by=tmp_path / "none.pt")
