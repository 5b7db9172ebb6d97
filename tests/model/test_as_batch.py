"""Whatever a model is given reaches the network as what it is, or is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import inscape
from inscape.core.batch import Batch, Tokens
from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError, ModelError
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.chat import as_users, chat
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.harvest import harvest

from .nets import VOCABULARY, D, net, tokenizer

SITE = "resid_post.1"
CHAT = (
    "{{ bos_token }}{% for m in messages %} {{ m.role }} {{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %} assistant{% endif %}"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


def words(single: str = "<s> $A", chat: str | None = CHAT, **named) -> PreTrainedTokenizerFast:
    table = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "<turn>": 4, "<mask>": 5}
    table |= {"user": 6, "assistant": 7} | {f"w{i}": i for i in range(8, VOCABULARY)}
    inner = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[("<s>", 1), ("</s>", 2), ("<turn>", 4)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **{
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
            "additional_special_tokens": ["<turn>"],
            **named,
        },
    )
    made.chat_template = chat
    return made


@pytest.fixture(scope="module")
def model():
    return open(net("llama"), tokenizer=words())


def _truth(model, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model.net(torch.tensor([ids]), output_hidden_states=True).hidden_states[2][0]


# --- tokens
# -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("single", "text", "ids", "special"),
    [
        ("<s> $A", "w8 w9", [1, 8, 9], [1, 0, 0]),
        ("<s> $A", "<s> w8 w9", [1, 8, 9], [1, 0, 0]),
        ("<s> $A", "  <s> w8", [1, 8], [1, 0]),
        ("<s> $A </s>", "<s> w8 </s>", [1, 8, 2], [1, 0, 1]),
        ("<s> $A </s>", "w8 </s>", [1, 8, 2], [1, 0, 1]),
        ("$A </s>", "w8 </s> </s>", [8, 2, 2], [0, 1, 1]),
        ("<s> <turn> $A", "<s> w8", [1, 8], [1, 0]),
        ("<s> <turn> $A", "w8", [1, 4, 8], [1, 1, 0]),
        ("<s> $A", "w8 <turn> w9 </s>", [1, 8, 4, 9, 2], [1, 0, 1, 0, 1]),
        ("<s> $A", "w8 <mask> nothing", [1, 8, 5, 3], [1, 0, 0, 0]),
        ("$A", "<s> <s> w8", [1, 1, 8], [1, 1, 0]),
        ("<s> $A", "<s>", [1], [1]),
    ],
)
def test_special_tokens_stand_once_and_are_no_content(single, text, ids, special):
    model = open(net("llama"), tokenizer=words(single))
    (tokens,) = model.tokenize([text])
    assert tokens.ids.tolist() == ids
    assert tokens.special.astype(int).tolist() == special
    assert len(tokens.offsets) == len(ids)


def test_a_tokenizer_whose_unknown_is_its_end_token_still_marks_it():
    model = open(net("llama"), tokenizer=words("$A", unk_token="</s>"))
    assert model.tokenize(["w8 </s> w9"])[0].special.tolist() == [False, True, False]


def test_a_chat_templates_text_gives_the_templates_own_ids(model):
    messages = [{"role": "user", "content": "w9 w10"}]
    right = model.tokenizer.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=False
    )
    text = chat(model, messages)
    assert model.tokenize([text])[0].ids.tolist() == right == [1, 6, 9, 10, 7]
    for given in (messages, [messages], {"messages": messages}, text, right, [right]):
        found = model.run(given, SITE)[SITE]
        torch.testing.assert_close(found[0], _truth(model, right), atol=1e-5, rtol=1e-4)
    assert model.generate(messages, 4) == model.generate([text], 4)
    answered = [*messages, {"role": "assistant", "content": "w11"}]
    assert model.tokenize([answered])[0].ids.tolist() == [1, 6, 9, 10, 7, 11]


def test_conversations_are_harvested_and_a_chat_template_is_a_prompt(model):
    talks = [[{"role": "user", "content": f"w{i} w{i + 1}"}] for i in (9, 20, 31)]
    want = [_truth(model, [1, 6, i, i + 1, 7])[-1].numpy() for i in (9, 20, 31)]
    np.testing.assert_allclose(harvest(model, talks, SITE).matrix(SITE), want, atol=1e-4)
    texts = [t[0]["content"] for t in talks]
    found = harvest(model, texts, SITE, prompt=chat(model, "{}")).matrix(SITE)
    np.testing.assert_allclose(found, want, atol=1e-4)


def test_texts_become_messages_of_users_where_there_is_a_template(model):
    assert as_users(model, ["w9", "w10 w11"]) == [chat(model, "w9"), chat(model, "w10 w11")]
    plain = open(net("llama"), tokenizer=words(chat=None))
    assert as_users(plain, ["w9", "w10 w11"]) == ["w9", "w10 w11"]


def test_messages_need_a_template_that_takes_them(model):
    plain = open(net("llama"), tokenizer=words(chat=None))
    with pytest.raises(ModelError, match="has no chat template"):
        plain.run([{"role": "user", "content": "w9"}], SITE)
    strict = open(
        net("llama"), tokenizer=words(chat="{{ raise_exception('roles must alternate') }}")
    )
    with pytest.raises(ModelError, match="roles must alternate"):
        strict.run([{"role": "user", "content": "w9"}], SITE)
    with pytest.raises(ModelError, match="a list of messages"):
        chat(model, [{"role": "user"}])


@pytest.mark.parametrize(
    ("template", "text", "span", "word"),
    [
        ("bytes", "city of Paris is", (0, 5), "ty"),
        ("bytes", "city of Paris is", (4, 13), "ĠParis"),
        ("bytes", "city of Paris is", (7, 14), "ĠParis"),
    ],
)
def test_a_space_belongs_to_the_word_it_stands_before(template, text, span, word):
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        ["The city of Paris is nice"] * 4,
        trainers.BpeTrainer(
            vocab_size=290, initial_alphabet=alphabet, special_tokens=["<pad>"], show_progress=False
        ),
    )
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>")
    config = net("llama").config
    config.vocab_size = len(tokenizer)
    model = open(type(net("llama"))(config).eval(), tokenizer=tokenizer)
    (tokens,) = model.tokenize([text])
    (spot,) = resolve("span:w", tokens, {"w": span})
    assert tokenizer.convert_ids_to_tokens([int(tokens.ids[spot])]) == [word]
    frame = pd.DataFrame({"text": [text], "a": [span[0]], "b": [span[1]]})
    store = harvest(model, Examples(frame, "text", spans={"w": ("a", "b")}), SITE, at="span:w")
    assert tokenizer.convert_ids_to_tokens(store.frame()["token"].tolist()) == [word]


# --- ids, arrays, named tensors
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        [9, 10, 11],
        [[9, 10, 11]],
        ((9, 10, 11),),
        [np.array([9, 10, 11])],
        [torch.tensor([9, 10, 11])],
        np.array([[9, 10, 11]]),
        np.array([9, 10, 11]),
        torch.tensor([9, 10, 11]),
        {"input_ids": [9, 10, 11]},
        {"input_ids": [[9, 10, 11]], "attention_mask": [[1, 1, 1]]},
        {"input_ids": np.array([[9, 10, 11, 0]]), "attention_mask": np.array([[1, 1, 1, 0]])},
        {"input_ids": torch.tensor([[9, 10, 11]]), "attention_mask": None},
        "w9 w10 w11",
        np.array(["w9 w10 w11"]),
        pd.Series(["w9 w10 w11"]),
    ],
)
def test_ids_in_any_container_are_ids(given):
    model = open(net("llama"), tokenizer=words("$A"))
    found = model.run(given, SITE)[SITE][0, :3]
    torch.testing.assert_close(found, _truth(model, [9, 10, 11]), atol=1e-5, rtol=1e-4)


def test_ragged_lists_of_ids_and_a_tokenizers_own_lists(model):
    rows = [[9, 10, 11], [12], [13, 14]]
    for given in (rows, {"input_ids": rows}, model.tokenizer(["w9 w10", "w11"])):
        ids = (
            rows if isinstance(given, list) or "attention_mask" not in given else given["input_ids"]
        )
        found = model.run(given, SITE)[SITE]
        for i, row in enumerate(ids):
            want = _truth(model, row)
            torch.testing.assert_close(found[i, : len(row)], want, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert-mlm"])
def test_embeddings_go_in_as_they_are(family):
    model = open(net(family))
    ids = torch.tensor([[9, 10, 11, 12], [13, 14, 15, 16]])
    x = model.net.get_input_embeddings()(ids).detach()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    given = {"inputs_embeds": x, "attention_mask": mask}
    found, want = (
        model.run(i, SITE, logits=True) for i in (given, {"input_ids": ids, "attention_mask": mask})
    )
    torch.testing.assert_close(found[SITE][0], want[SITE][0])
    torch.testing.assert_close(found[SITE][1, :2], want[SITE][1, :2])
    edit = Add(Scope(SITE, positions="last"), torch.ones(D))
    moved = (model.run(given, SITE, edits=edit)[SITE] - found[SITE]).abs().sum(-1) > 0.1
    assert moved.tolist() == [[False] * 3 + [True], [False, True, False, False]]
    whole = harvest(model, {"inputs_embeds": x}, SITE, at="all").matrix(SITE)
    np.testing.assert_allclose(whole, model.run(ids, SITE)[SITE].flatten(0, 1), atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "bert-mlm"])
def test_a_mask_of_four_axes_reaches_the_network(family):
    model = open(net(family))
    ids = torch.tensor([[9, 10, 11, 12], [13, 14, 15, 16]])
    sees = torch.eye(4, dtype=torch.bool).expand(2, 1, 4, 4)
    given = {"input_ids": ids, "attention_mask": sees}
    with torch.no_grad():
        want = model.net(**given, output_hidden_states=True).hidden_states[2]
    found = model.run(given, SITE)[SITE]
    torch.testing.assert_close(found, want)
    assert not torch.allclose(found, model.run(ids, SITE)[SITE], atol=1e-3)
    rows = harvest(model, given, SITE, at="last").matrix(SITE)
    np.testing.assert_allclose(rows, want[:, -1], atol=1e-5)


@pytest.mark.parametrize("mask", [[0, 1, 1], [1, 0, 1]])
def test_padding_on_the_left_is_refused_by_every_door(model, mask):
    given = {"input_ids": torch.tensor([[9, 10, 11]]), "attention_mask": torch.tensor([mask])}
    for inputs in (given, Batch(given)):
        with pytest.raises(ModelError, match="padded on the left"):
            model.run(inputs, SITE)
    with pytest.raises(DataError, match="padded on the left"):
        harvest(model, given, SITE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no inputs"),
        ([[]], "example 1 has no token ids"),
        ([9, 500], "500 is not a token id"),
        ([[9], [-1]], "-1 is not a token id"),
        (["w9", 3], "item 2 is of type int"),
        ([1.5, 2.5], "item 1 is of type float"),
        ([None], "item 1 is of type NoneType"),
        ({"input_ids": torch.ones(1, 2).long(), "inputs_embeds": torch.ones(1, 2, D)}, "both"),
        ({"tokens": torch.ones(1, 2)}, "input_ids or inputs_embeds"),
        (
            {"input_ids": torch.ones(1, 2).long(), "attention_mask": torch.zeros(1, 2).long()},
            "padding alone",
        ),
    ],
)
def test_what_is_no_input_is_said_to_be(model, given, said):
    with pytest.raises(ModelError, match=said):
        model.run(given, SITE)


def test_a_network_of_arrays_takes_lists_of_them():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU())
    model = open(plain)
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    want = plain(torch.tensor(rows)).detach()
    for given in (rows, [torch.tensor(r) for r in rows], np.array(rows, np.float32)):
        x = model.batch(given).inputs["x"].float()
        torch.testing.assert_close(model.run(x, "module:1:out")["module:1:out"], want)
    with pytest.raises(ModelError, match="arrays of one shape"):
        model.batch([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.tensor([[5, 99999]]), "99999 is not a token id of .*, which has 120"),
        ({"input_ids": torch.tensor([[5, -100]])}, "-100 is not a token id"),
        ([[5, 120]], "120 is not a token id"),
        (torch.zeros(1, 2, 3, dtype=torch.long), r"\(batch, positions\), got shape \(1, 2, 3\)"),
        (torch.zeros(2, 0, dtype=torch.long), r"\(batch, positions\), got shape \(2, 0\)"),
        (
            {"inputs_embeds": torch.zeros(4, 32)},
            r"\(batch, positions, width\), got shape \(4, 32\)",
        ),
        (torch.full((1, 129), 5), "have 129 positions and .* takes 128: shorten them"),
        ([[5] * 129, [6]], "example 1 has 129 token ids and .* takes 128: shorten it"),
    ],
)
def test_ids_that_no_network_takes_are_one_sentence(given, said):
    with pytest.raises(ModelError, match=said):
        open(net("gpt2")).run(given, "resid_post.0")
    # the last that are taken
    found = open(net("gpt2")).run(torch.full((1, 128), 119), "resid_post.0")
    assert found["resid_post.0"].shape[1] == 128


# --- nothing to run
# -----------------------------------------------------------------------------------------------------

NO_TOKENS = r"text {} \({}\) gives no tokens; leave it out, or write a word into it"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", NO_TOKENS.format(1, "''")),
        (["the", ""], NO_TOKENS.format(2, "''")),
        (["the", "river", " \n "], NO_TOKENS.format(3, r"' \\n '")),
        ([], "run: no inputs were given; give at least one text"),
        ({}, "run: no inputs were given; give at least one text"),
        ([[]], "example 1 has no token ids; leave it out"),
        ([[5], []], "example 2 has no token ids; leave it out"),
        ({"input_ids": [[5], []]}, "example 2 has no token ids; leave it out"),
        (
            {"input_ids": [["a"], ["b", "c"]]},
            "input_ids are not whole numbers, one list an example",
        ),
        (
            [Tokens(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, bool))],
            "example 1 has no token ids; leave it out",
        ),
        ([[5, 120]], "120 is not a token id"),
    ],
)
def test_inputs_that_hold_nothing_are_named_by_their_row(given, sentence):
    model = Model(net("llama"), tokenizer())
    with pytest.raises((ModelError, DataError), match=sentence):
        model.run(given, "resid_post.1")


def test_a_special_token_that_the_tokenizer_adds_is_something_to_run():
    model = Model(net("llama"), tokenizer("[CLS] $A"))
    found = model.run(["the river", ""], "resid_post.1")["resid_post.1"]
    alone = model.run([[1]], "resid_post.1")["resid_post.1"]
    torch.testing.assert_close(found[1, :1], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "verb", ["generate", "lens", "attribute", "attention", "ablate", "patch", "continuations"]
)
def test_every_verb_names_a_prompt_without_tokens(verb):
    model = Model(net("llama"), tokenizer())
    calls = {
        "generate": lambda: model.generate(["the", " "], 2),
        "lens": lambda: inscape.lens(model, " "),
        "attribute": lambda: inscape.attribute(model, " "),
        "attention": lambda: inscape.attention(model, " ", layer=0),
        "ablate": lambda: inscape.ablate(model, ["the", " "]),
        "patch": lambda: inscape.patch(model, " ", "the"),
        "continuations": lambda: continuations(model, ["the", " "], 2),
    }
    with pytest.raises(DataError, match=r"text [12] \(' '\) gives no tokens; leave it out"):
        calls[verb]()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["the", ""], "empty at row 2"),
        (["the", " "], r"empty at row 2|text 2 \(' '\) gives no tokens"),
        ([[5], []], "example 2 has no token ids; leave it out"),
        ([[5], [6, 120]], "120 is not a token id"),
        ([], "no examples to harvest; give at least one"),
    ],
)
def test_a_harvest_names_what_holds_nothing(given, sentence):
    model = Model(net("llama"), tokenizer())
    with pytest.raises((ModelError, DataError), match=sentence):
        harvest(model, given, "resid_post.1", at="last", progress=False)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_ids_of_any_whole_numbers_are_ids(model, dtype):
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(
        model.run(ids.to(dtype), SITE)[SITE], model.run(ids, SITE)[SITE], rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.tensor([[5.0, 6.0]]), "input_ids are float32, and token ids are whole numbers"),
        ({"input_ids": torch.tensor([[True, False]])}, "input_ids are bool, and token ids are"),
        (b"the river", "these inputs are bytes, not text"),
        ([b"the", b"river"], "these inputs are bytes, not text"),
    ],
)
def test_numbers_and_bytes_that_are_no_ids_are_refused(model, given, said):
    with pytest.raises(ModelError, match=said):
        model.run(given, SITE)


def test_positions_of_ones_own_reach_the_network_as_positions():
    """Without a mask, transformers takes gaps for packed documents, in which no token sees those
    before it.
    """
    network = net("llama")
    ids, positions = torch.tensor([[5, 6, 7]]), torch.tensor([[0, 5, 9]])
    model = Model(network)
    mask = torch.ones_like(ids)
    given = {"input_ids": ids, "position_ids": positions, "attention_mask": mask}
    with torch.no_grad():
        own = network(ids, position_ids=positions, output_hidden_states=True).hidden_states[2]
    plain = model.run(ids, SITE)[SITE]
    assert not torch.allclose(own, plain, atol=1e-3)
    torch.testing.assert_close(model.run(given, SITE)[SITE], own)
    bare = {"input_ids": ids, "position_ids": positions}
    for unsaid in (bare, Batch(bare)):
        with pytest.raises(ModelError, match="gaps or the beginnings of packed documents"):
            model.run(unsaid, SITE)
    counted = {"input_ids": ids, "position_ids": torch.tensor([[0, 1, 2]])}
    torch.testing.assert_close(model.run(counted, SITE)[SITE], plain)


def test_a_length_without_end_is_no_limit():
    torch.manual_seed(0)
    facts = dict(vocab_size=120, d_model=32, n_layer=2, n_head=4, d_inner=48)
    network = t.XLNetModel(t.XLNetConfig(**facts)).eval()
    assert network.config.max_position_embeddings == -1
    model, site = Model(network), "module:layer.1:out"
    ids = [5, 6, 7, 9]
    with torch.no_grad():
        right = network(torch.tensor([ids])).last_hidden_state
    torch.testing.assert_close(model.run([ids], site)[site], right)
