"""Patching, ablation, attribution and attention of prompts: identities that must hold, and what is
refused.
"""

import numpy as np
import pytest
import torch

from inscape.core.edit import Replace, Scope
from inscape.core.errors import DataError, ModelError
from inscape.model.model import Model
from inscape.workbench.ablate import ablate
from inscape.workbench.attention import attention
from inscape.workbench.attribute import attribute
from inscape.workbench.patch import patch
from inscape.workbench.picture import in_line, word
from tests.model import nets

PROMPT, OTHER = "the river of Paris is", "the river of London is"


def opened(family="llama"):
    return Model(nets.net(family), nets.tokenizer(), "tiny")


@pytest.fixture(scope="module")
def model():
    return opened()


def answers(model):
    """Two words and their logits after the prompt."""
    logits = model.run(model.tokenize([PROMPT]), logits=True).logits[0, -1].float()
    return logits


def test_patching_the_first_stream_at_the_changed_word_gives_the_clean_answer(model):
    found = patch(model, PROMPT, OTHER, answer="good", wrong="bad")
    values = found.grid().values
    assert found.grid().rows[0] == "resid_pre.2"
    assert found.grid().columns[3] == "Paris → London"
    # the embeddings differ at one word only, so that one carries everything before the first block
    assert values[-1] == pytest.approx([0, 0, 0, 1, 0], abs=1e-4)
    # what is patched at the last token of a late layer is not everything: earlier positions are
    # read again
    assert 0 < abs(values[0, -1]) < 5
    assert "resid_pre" in found.said


def test_several_pairs_are_patched_together_and_averaged(model):
    others = ("the sea of Paris is", "the sea of London is")
    both = patch(
        model,
        [PROMPT, others[0]],
        [OTHER, others[1]],
        answer=["good", "bad"],
        wrong=["bad", "film"],
    )
    one = patch(model, PROMPT, OTHER, answer="good", wrong="bad")
    two = patch(model, *others, answer="bad", wrong="film")
    assert both.grid().columns == ["the", "river …", "of", "Paris → London", "is"]
    assert "means over 2 pairs" in both.said
    assert both.grid().values[-1, 3] == pytest.approx(1, abs=1e-4)
    # Σ changes over Σ ways of the two pairs, each patched alone
    tokens = [model.tokenize([p])[0] for p in (PROMPT, others[0], OTHER, others[1])]
    ends = model.run(model.collate(tokens), logits=True).logits[:, -1].double()
    ids = [[word(model, w) for w in pair] for pair in (("good", "bad"), ("bad", "film"))]
    ways = [
        float((ends[i, a] - ends[i, b]) - (ends[i + 2, a] - ends[i + 2, b]))
        for i, (a, b) in enumerate(ids)
    ]
    expected = (one.grid().values * ways[0] + two.grid().values * ways[1]) / sum(ways)
    assert both.grid().values == pytest.approx(expected, rel=1e-3, abs=1e-4)
    with pytest.raises(DataError, match="2 clean and 1 corrupted prompts are no pairs"):
        patch(model, [PROMPT, PROMPT], [OTHER])
    with pytest.raises(DataError, match="pair 2 has 4 tokens and the first has 5"):
        patch(model, [PROMPT, "the river is good"], [OTHER, "the sea is good"])
    with pytest.raises(DataError, match="answer holds 1 words for 2 pairs"):
        patch(model, [PROMPT, others[0]], [OTHER, others[1]], answer=["good"])
    with pytest.raises(DataError, match="both prompts of pair 1 are followed by 'good'"):
        patch(model, [PROMPT, others[0]], [OTHER, others[1]], answer="good", wrong="good")


def test_pairs_that_do_not_correspond_are_refused(model):
    with pytest.raises(
        DataError, match="have 5 and 4 tokens, so their positions do not correspond"
    ):
        patch(model, PROMPT, "the river is good")
    with pytest.raises(DataError, match="both prompts are followed by 'good'"):
        patch(model, PROMPT, OTHER, answer="good", wrong="good")
    with pytest.raises(DataError, match="do not differ in these answers' logits"):
        patch(model, PROMPT, PROMPT, answer="good", wrong="bad")


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox"])
def test_components_add_up_to_the_logit_difference(family):
    model = opened(family)
    found = attribute(model, PROMPT, answer="good", wrong="bad")
    logits = answers(model)
    gap = float(logits[word(model, "good")] - logits[word(model, "bad")])
    total = float(np.nansum(found.grid().values))
    # norm offsets and the unembedding's bias belong to no component
    norm, head = model.atlas.final_norm, model.atlas.head
    ids = [word(model, w) for w in ("good", "bad")]
    rest = 0.0
    with torch.no_grad():
        if getattr(norm, "bias", None) is not None:
            rest += float((head.weight[ids[0]] - head.weight[ids[1]]) @ norm.bias)
        if getattr(head, "bias", None) is not None:
            rest += float(head.bias[ids[0]] - head.bias[ids[1]])
    assert total + rest == pytest.approx(gap, rel=1e-3, abs=1e-4)


def test_heads_add_up_to_their_attention(model):
    layers, heads = attribute(model, PROMPT, answer="good", wrong="bad").grids
    assert heads.values.shape == (3, 4)
    assert heads.values.sum(axis=1) == pytest.approx(layers.values[:-1, 0], rel=1e-3, abs=1e-4)


def test_an_ablated_mlp_is_one_whose_output_is_replaced(model):
    found = ablate(model, PROMPT, answer="good", to="zero")
    tokens, aim = model.tokenize([PROMPT]), word(model, "good")

    def log_prob(edits):
        logits = model.run(tokens, edits=edits, logits=True).logits[0, -1].float()
        return float(torch.log_softmax(logits, -1)[aim])

    edit = Replace(Scope("mlp_out.1"), torch.zeros(32))
    expected = log_prob([edit]) - log_prob([])
    values = found.grid().values
    assert found.grid().rows == ["2", "1", "0"]
    assert values[1, 1] == pytest.approx(expected, abs=1e-5)
    assert abs(expected) > 1e-4


def test_mean_ablation_is_over_real_tokens_of_all_prompts(model):
    prompts = [PROMPT, "the sea is"]
    found = ablate(model, prompts, what="heads")
    tokens = model.tokenize(prompts)
    z = [model.run([t], capture=["z.1.2"])["z.1.2"][0] for t in tokens]
    edit = Replace(Scope("z.1.2"), torch.cat(z).mean(0))
    changes = []
    for t in tokens:
        plain = torch.log_softmax(model.run([t], logits=True).logits[0, -1].float(), -1)
        cut = torch.log_softmax(model.run([t], edits=[edit], logits=True).logits[0, -1].float(), -1)
        changes.append(float(cut[plain.argmax()] - plain.max()))
    assert found.grid().values[1, 2] == pytest.approx(np.mean(changes), abs=1e-5)
    assert "mean over 2 prompts" in found.said


def test_attention_weights_are_the_networks_own(model):
    every, *heads = attention(model, PROMPT, layer=-1).grids
    assert every.values.shape == (4, 5)
    assert np.nansum(heads[1].values, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.isnan(heads[1].values[0, 1:]).all()
    assert every.values[1] == pytest.approx(heads[1].values[-1])
    (one,) = attention(model, PROMPT, layer=2, head=1).grids
    assert np.allclose(one.values, heads[1].values, equal_nan=True)


def test_what_is_not_there_is_refused(model):
    with pytest.raises(DataError, match="there is no layer 7; tiny has layers 0 to 2"):
        attention(model, PROMPT, layer=7)
    with pytest.raises(DataError, match="there is no head 9; tiny has heads 0 to 3"):
        attention(model, PROMPT, layer=0, head=9)
    with pytest.raises(
        ValueError, match="ablate: what must be layers, heads or neurons, got 'all'"
    ):
        ablate(model, PROMPT, what="all")
    with pytest.raises(DataError, match="there is no prompt"):
        ablate(model, [])
    with pytest.raises(DataError, match="an answer is empty"):
        attribute(model, PROMPT, answer=" ")
    with pytest.raises(ModelError, match="is not a language model of a known family"):
        attribute(Model(nets.net("llama")), PROMPT)
    with pytest.raises(ModelError, match="does not add attention and MLP to one stream"):
        attribute(opened("bert-mlm"), PROMPT)


def test_pictures_show_themselves(model, tmp_path):
    found = attention(model, "the <b> sea", layer=0)
    page = found.save(tmp_path / "a.html").read_text()
    assert "the &lt;b&gt; sea" in page
    assert "<b>" not in page
    assert found._repr_html_().count("<section>") == 6
    assert found.said in str(found)
    assert in_line("\n") == "\\n"
    assert len(found.to_dict()["grids"]) == 5


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_weighted_attention_is_weight_times_the_length_of_the_value(family):
    model = opened(family)
    found = attention(model, PROMPT, 1, 2, weighted=True)
    run = model.run(model.tokenize([PROMPT]), ["pattern.1", "v.1", "z.1"])
    heads, width = run["pattern.1"].shape[1], run["z.1"].shape[-1] // run["pattern.1"].shape[1]
    lengths = run["v.1"][0].float().reshape(5, -1, width).norm(dim=-1)
    own = lengths[:, 2 * lengths.shape[1] // heads]
    expected = run["pattern.1"][0, 2].float() * own
    expected = (expected / expected.sum(-1, keepdim=True)).numpy()
    shown = np.nan_to_num(found.grid().values)
    assert shown == pytest.approx(expected, abs=1e-5)
    assert shown != pytest.approx(np.nan_to_num(attention(model, PROMPT, 1, 2).grid().values))


def test_a_layer_shows_all_heads_small_and_each_in_full_on_demand(model):
    found = attention(model, PROMPT, 1)
    html = found._repr_html_()
    assert html.count("<img") == 4
    assert html.count("<summary>Layer 1, head") == 4
