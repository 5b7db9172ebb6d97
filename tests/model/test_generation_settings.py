"""What a checkpoint's generation settings say does not act on `generate` and `continuations`,
whatever the field.
"""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast

from inscape.core.errors import ModelError
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.model.open import open

from . import nets
from .nets import VOCABULARY, net

PROMPT = "w5 w77 w13 w40 w9"
#: a value of each kind of field that is not its default and would act
SPECIAL = {
    "no_repeat_ngram_size": 1,
    "repetition_penalty": 1e-3,
    "encoder_repetition_penalty": 1e-3,
    "encoder_no_repeat_ngram_size": 1,
    "num_beams": 3,
    "num_beam_groups": 3,
    "min_length": 40,
    "max_length": 8,
    "max_new_tokens": 2,
    "min_new_tokens": 10,
    "max_time": 1e-9,
    "guidance_scale": 3.0,
    "sequence_bias": [[[i], -50.0] for i in range(4, 110)],
    "bad_words_ids": [[i] for i in range(4, 110)],
    "suppress_tokens": list(range(4, 110)),
    "begin_suppress_tokens": list(range(4, 110)),
    "forced_bos_token_id": 7,
    "forced_eos_token_id": 7,
    "stop_strings": ["a"],
    "exponential_decay_length_penalty": (1, 3.0),
    "top_k": 1,
    "top_p": 1e-6,
    "min_p": 0.999,
    "top_h": 0.01,
    "typical_p": 1e-3,
    "epsilon_cutoff": 0.5,
    "eta_cutoff": 0.5,
    "temperature": 1e-3,
    "do_sample": True,
    "use_cache": False,
    "num_return_sequences": 3,
    "cache_implementation": "static",
    "prompt_lookup_num_tokens": 2,
    "num_assistant_tokens": 2,
    "return_dict_in_generate": True,
    "renormalize_logits": True,
    "token_healing": True,
    "low_memory": True,
    "penalty_alpha": 0.6,
    "decoder_start_token_id": 9,
    "pad_token_id": 7,
    "bos_token_id": 7,
}


def tokenizer():
    """A word for each of the network's tokens."""
    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3}
    words |= {f"w{i}": i for i in range(4, VOCABULARY)}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="</s>"
    )


def _model():
    network = net("qwen2")
    network.generation_config.eos_token_id = None
    return network, open(network, tokenizer=tokenizer())


def _fields() -> list[str]:
    plain = GenerationConfig().to_dict()
    return sorted({*plain, *SPECIAL} - {"eos_token_id", "transformers_version"})


def _value(field: str):
    if field in SPECIAL:
        return SPECIAL[field]
    held = GenerationConfig().to_dict()[field]
    return (not held) if isinstance(held, bool) else 2


def test_no_field_of_the_settings_acts():
    network, model = _model()
    greedy = model.generate(PROMPT, 5)
    drawn = model.generate(PROMPT, 5, temperature=1.0, seed=3)
    loop = continuations(model, [PROMPT], 5)[0][0].text
    with torch.no_grad():
        ids = tokenizer()(PROMPT)["input_ids"]
        for _ in range(5):
            ids.append(int(network(torch.tensor([ids])).logits[0, -1].argmax()))
    assert greedy == [tokenizer().decode(ids[-5:], skip_special_tokens=True)] == [loop]
    plain = network.generation_config
    for field in _fields():
        settings = GenerationConfig()
        settings.eos_token_id = None
        setattr(settings, field, _value(field))
        network.generation_config = settings
        assert model.generate(PROMPT, 5) == greedy, field
        assert model.generate(PROMPT, 5, temperature=1.0, seed=3) == drawn, field
        assert network.generation_config is settings, field
    network.generation_config = plain


def test_these_settings_would_act():
    """The values above are not idle: several of them change what transformers' own loop makes."""
    network, model = _model()
    greedy = model.generate(PROMPT, 5)
    acting = ["repetition_penalty", "suppress_tokens", "forced_eos_token_id", "bad_words_ids"]
    ids = tokenizer()(PROMPT, return_tensors="pt")["input_ids"]
    for field in acting:
        settings = GenerationConfig(
            max_new_tokens=5, do_sample=False, pad_token_id=0, **{field: SPECIAL[field]}
        )
        made = network.generate(
            ids, attention_mask=torch.ones_like(ids), generation_config=settings
        )
        assert tokenizer().batch_decode(made[:, -5:], skip_special_tokens=True) != greedy, field


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_sampling_is_of_the_whole_distribution_and_ends_at_the_end_token(temperature):
    network, model = _model()
    (free,) = continuations(model, [PROMPT], 6, temperature=temperature)
    end = int(free[0].ids[2])
    network.generation_config.eos_token_id = [end, VOCABULARY - 1]
    network.generation_config.top_k = 1
    (ended,) = continuations(model, [PROMPT], 6, temperature=temperature)
    assert ended[0].ended
    assert len(ended[0].ids) <= 2
    many = {model.generate(PROMPT, 4, temperature=1.0, seed=s)[0] for s in range(12)}
    assert len(many) > 8


def test_settings_are_put_back_when_generation_fails(monkeypatch):
    network, model = _model()
    before = network.generation_config

    def fail(*_a, **_k):
        raise RuntimeError("stopped")

    monkeypatch.setattr(network, "generate", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        model.generate(PROMPT, 3)
    assert network.generation_config is before


def test_what_cannot_be_generated_is_one_sentence():
    model = Model(net("gpt2"), nets.tokenizer(), "toy")
    assert model.generate([], 3) == []
    with pytest.raises(ModelError, match=r"2 \+ 127 tokens, and toy takes 128: ask for fewer"):
        model.generate("the river", 127)
    assert len(model.generate(["the river", "a film"], 126)) == 2
    for count, temperature in ((0, 0.0), (3, -1.0), (3, float("nan")), (3, float("inf"))):
        with pytest.raises(ValueError, match="temperature a number from 0 on, got"):
            model.generate("the river", count, temperature=temperature)
