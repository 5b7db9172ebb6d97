"""What heads read: the right token of a padded batch, the positions asked for, and bodies published
without a head.
"""

from __future__ import annotations

import pytest
import torch
import transformers as t

from inscape.core.errors import ModelError
from inscape.model.open import open

from .nets import NETS, net

MANY = dict(num_labels=3)


def _classifier(kind, family: str, **more):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = NETS[family][1]()
        config.num_labels = 3
        for name, value in more.items():
            setattr(config, name, value)
        made = kind(config).eval()
        with torch.no_grad():
            for p in made.parameters():
                p.add_(0.1 * torch.randn_like(p))
    return made


CLASSIFIERS = {
    "llama": t.LlamaForSequenceClassification,
    "gpt2": t.GPT2ForSequenceClassification,
    "opt": t.OPTForSequenceClassification,
}


@pytest.mark.parametrize("pad", [0, 7])
@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_classifier_on_a_causal_body_reads_the_last_token(family, pad):
    model = open(_classifier(CLASSIFIERS[family], family, pad_token_id=pad))
    rows = [[9, 30, 11], [12, 13, 14, 15, 16, 17, 18], [20]]
    together = model.run(rows, logits=True).logits
    alone = torch.cat([model.run([row], logits=True).logits for row in rows])
    assert together.shape == (3, 3)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    # padded with another id than the head knows, and a mask
    ids = torch.full((3, 7), 99)
    mask = torch.zeros(3, 7, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = torch.tensor(row), 1
    given = model.run({"input_ids": ids, "attention_mask": mask}, logits=True).logits
    torch.testing.assert_close(given, alone, atol=1e-5, rtol=1e-4)


def test_a_classifier_without_a_pad_is_refused_where_it_needs_one():
    model = open(_classifier(t.GPT2ForSequenceClassification, "gpt2", pad_token_id=None))
    model.run([[9, 30, 11]], logits=True)
    with pytest.raises(ModelError, match="names no pad_token_id"):
        model.run([[9, 30, 11], [9]], logits=True)


@pytest.mark.parametrize("family", ["bert-mlm", "llama", "distilbert", "bloom"])
def test_logits_are_those_of_the_positions_asked_for(family):
    if family == "distilbert":
        network = t.DistilBertForMaskedLM(
            t.DistilBertConfig(vocab_size=120, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
        ).eval()
    elif family == "bloom":
        network = t.BloomForCausalLM(
            t.BloomConfig(vocab_size=120, hidden_size=32, n_layer=2, n_head=4)
        )
        network = network.eval()
    else:
        network = net(family)
    model = open(network)
    given = {
        "input_ids": torch.randint(4, 118, (2, 9), generator=torch.Generator().manual_seed(0)),
        "attention_mask": torch.ones(2, 9, dtype=torch.long),
    }
    with torch.no_grad():
        whole = network(**given).logits
    found = model.run(given, logits=True, at=torch.tensor([[8], [3]])).logits
    assert found.shape == (2, 1, 120)
    torch.testing.assert_close(
        found[:, 0], torch.stack([whole[0, 8], whole[1, 3]]), atol=1e-4, rtol=1e-4
    )


def test_a_body_that_names_a_head_it_does_not_bring_opens_as_a_body(tmp_path):
    network = net("bert-mlm")
    network.bert.config.architectures = ["BertForMaskedLM"]
    network.bert.save_pretrained(tmp_path)
    config = t.BertConfig.from_pretrained(tmp_path)
    config.architectures = ["BertForMaskedLM"]
    config.save_pretrained(tmp_path)
    model = open(tmp_path)
    assert type(model.net) is t.BertModel
    ids = torch.tensor([[9, 10, 11]])
    torch.testing.assert_close(
        model.run(ids, "resid_post.1")["resid_post.1"],
        open(network).run(ids, "resid_post.1")["resid_post.1"],
    )


@pytest.mark.parametrize("before", [False, True])
def test_a_narrow_vocabulary_behind_opt_is_certified(before):
    config = NETS["opt"][1]()
    config.word_embed_proj_dim, config.do_layer_norm_before = 16, before
    model = open(t.OPTForCausalLM(config).eval())
    assert [item.name for item in model.certificate.items if not item.passed] == []
    model.run([[5, 6, 7]], "resid_post.*")


def test_an_encoder_decoder_is_given_its_first_token():
    config = dict(vocab_size=120, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    network = t.T5ForConditionalGeneration(t.T5Config(**config, decoder_start_token_id=0)).eval()
    model = open(network)
    ids, site = torch.tensor([[9, 10, 11]]), "module:encoder.block.1:out"
    with torch.no_grad():
        want = network.encoder(ids, output_hidden_states=True).hidden_states
    found = model.run({"input_ids": ids}, ["module:encoder.block.0:out", site])
    torch.testing.assert_close(found["module:encoder.block.0:out"], want[1])
    network.config.decoder_start_token_id = None
    model.run({"input_ids": ids}, site)
    with pytest.raises(ModelError, match="names no decoder_start_token_id"):
        model.run({"input_ids": ids}, logits=True)


class _Config:
    def __init__(self, kind, **more):
        self.peft_type = kind
        self.__dict__.update(more)


class _Adapted(torch.nn.Module):
    """What a live PEFT model shows of itself."""

    def __init__(self, network, config):
        super().__init__()
        self.inner, self.peft_config = network, {"default": config}

    def get_base_model(self):
        return self.inner

    def forward(self, **inputs):
        return self.inner(**inputs)


def test_live_adapters_open_as_the_network_that_holds_them():
    network = net("gpt2")
    assert open(_Adapted(network, _Config("LORA"))).net is network
    for config in (
        _Config("PROMPT_TUNING"),
        _Config("XLORA"),
    ):
        with pytest.raises(ModelError, match="acts in PEFT's wrapper"):
            open(_Adapted(network, config))


def test_of_several_heads_the_words_are_the_logits_or_they_are_named():
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    torch.manual_seed(0)
    network = t.BertForPreTraining(net("bert").config).eval()
    with torch.no_grad():
        want = network(ids).prediction_logits
    at = torch.tensor([[3], [1]])
    found = open(network).run(ids, logits=True, at=at).logits
    torch.testing.assert_close(found[:, 0], torch.stack([want[0, 3], want[1, 1]]))
    answers = open(t.BertForQuestionAnswering(net("bert").config).eval())
    with pytest.raises(ModelError, match=r"several heads \(start_logits, end_logits\) and none"):
        answers.run(ids, logits=True)
    assert answers.run(ids, "resid_post.0")["resid_post.0"].shape[:2] == (2, 4)
    choices = open(t.BertForMultipleChoice(net("bert").config).eval())
    with pytest.raises(ModelError, match="compares several choices of one example"):
        choices.run(ids, logits=True)
    with pytest.raises(ModelError, match="is a body without a head"):
        open(t.BertModel(net("bert").config).eval()).run(ids, logits=True)
