import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from inscape.core.batch import Tokens, tokenize
from inscape.core.errors import DataError
from inscape.data.load import load
from inscape.data.positions import At, content, parse, punctuation, resolve, span_mask

WORDS = ["[CLS]", "[SEP]", "[UNK]", "we", "saw", "new", "york", "city", ",", ".", "and", "left"]


@pytest.fixture(scope="module")
def tokenizer():
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


TEXT = "we saw new york, and left."
SPANS = {"place": (7, 15), "verb": (3, 6)}


def at(where, tokenizer, text=TEXT, spans=SPANS):
    return resolve(where, tokenize(tokenizer, [text])[0], spans).tolist()


def test_positions(tokenizer):
    # [CLS] we saw new york , and left . [SEP]
    assert at("last", tokenizer) == [8]
    assert at("first", tokenizer) == at("cls", tokenizer) == [0]
    assert at("all", tokenizer) == at("mean", tokenizer) == list(range(1, 9))
    assert at("span:place", tokenizer) == [4]
    assert at("span_all:place", tokenizer) == [3, 4]
    assert at("spans:place,verb", tokenizer) == [2, 4]
    assert at("spans:place, place", tokenizer) == [4]
    assert at("span:verb", tokenizer) == [2]
    assert at("-1", tokenizer) == [9]
    assert at("2", tokenizer) == [2]


def test_without_special_tokens(tokenizer):
    tokens = tokenize(tokenizer, [TEXT], add_special_tokens=False)[0]
    assert resolve("last", tokens).tolist() == [7]
    assert resolve("first", tokens).tolist() == [0]
    assert resolve("span:place", tokens, SPANS).tolist() == [3]


def test_a_token_with_its_leading_space_belongs_to_the_word():
    tokens = Tokens(
        np.arange(3), np.array([[0, 2], [2, 6], [6, 11]]), np.zeros(3, dtype=bool), "we saw york"
    )
    assert resolve("span:verb", tokens, {"verb": (3, 6)}).tolist() == [1]
    assert resolve("span:verb", tokens, {"verb": (7, 11)}).tolist() == [2]
    assert span_mask(tokens, (0, 2)).tolist() == [True, False, False]


def test_parse():
    assert parse("mean") == At("inner", reduce="mean")
    assert parse("mean-all") == At("all", reduce="mean")
    assert parse("cls") == parse("first") == At("first")
    assert parse("span:a b:c") == At("span", "a b:c")
    assert parse("-12") == At("index", "-12")
    assert [parse(x).single for x in ("last", "mean", "span:a", "3", "all", "span_all:a")] == [
        True
    ] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("special", "causal", "where", "found"),
    [
        ([False] * 4, True, "mean", [1, 2, 3]),
        ([False] * 4, True, "mean-all", [0, 1, 2, 3]),
        ([False] * 4, True, "all", [0, 1, 2, 3]),
        ([False] * 4, False, "mean", [0, 1, 2, 3]),
        ([True, False, False, False], True, "mean", [1, 2, 3]),
        ([True, False], True, "mean", [1]),
        ([False], True, "mean", [0]),
    ],
)
def test_a_mean_in_a_causal_model_is_without_position_0(special, causal, where, found):
    count = len(special)
    tokens = Tokens(np.arange(count), np.zeros((count, 2), np.int64), np.array(special))
    assert resolve(where, tokens, causal=causal).tolist() == found


@pytest.mark.parametrize("where", ["lst", "", "span:", "1.5", "--1", "mean:x", "٣"])
def test_unknown_positions_are_refused(where):
    with pytest.raises(
        DataError,
        match=r"is not a position\. .*Choices: -1, all, cls, first, last, mean, mean-all, "
        r"span:NAME",
    ):
        parse(where)


def test_close_names_are_suggested():
    with pytest.raises(DataError, match="Did you mean 'last'"):
        parse("lst")


def test_positions_that_do_not_exist(tokenizer):
    with pytest.raises(DataError, match="position 10 is not in 'we saw.*which has 10 tokens"):
        at("10", tokenizer)
    with pytest.raises(DataError, match="position -11 is not in"):
        at("-11", tokenizer)
    with pytest.raises(DataError, match=r"no span 'plac'. Did you mean 'place'"):
        at("span:plac", tokenizer)
    with pytest.raises(DataError, match="There is none to choose from"):
        at("span:place", tokenizer, spans=None)
    with pytest.raises(DataError, match="no token of .* lies in the span 'gap'"):
        at("span:gap", tokenizer, spans={"gap": (2, 3)})
    special = Tokens(np.array([0, 1]), np.zeros((2, 2), dtype=np.int64), np.ones(2, dtype=bool), "")
    for where in ("last", "all", "mean"):
        with pytest.raises(DataError, match="only special tokens"):
            resolve(where, special)
    slow = Tokens(
        np.array([5, 6]), np.zeros((2, 2), dtype=np.int64), np.zeros(2, dtype=bool), "a " * 100
    )
    assert resolve("last", slow).tolist() == [1]
    with pytest.raises(
        DataError, match="… has no character offsets.*use a fast tokenizer|no character offsets"
    ):
        resolve("span:x", slow, {"x": (0, 1)})
    with pytest.raises(DataError, match="no character offsets"):
        punctuation(slow)


def test_marks(tokenizer):
    tokens = tokenize(tokenizer, [TEXT])[0]
    assert np.flatnonzero(punctuation(tokens)).tolist() == [5, 8]
    assert np.flatnonzero(punctuation(tokens, ".")).tolist() == [8]
    assert np.flatnonzero(content(tokens)).tolist() == list(range(1, 9))
    assert np.flatnonzero(span_mask(tokens, (7, 16))).tolist() == [3, 4, 5]
    assert not span_mask(tokens, (0, 0)).any()


def test_spans_of_a_prompt_find_the_input(tokenizer):
    examples = load("cities", limit=3).with_prompt("we saw {} and left.")
    for i, tokens in enumerate(tokenize(tokenizer, examples.texts())):
        where = resolve("span:input", tokens, examples.span(i))[0]
        a, b = tokens.offsets[where]
        assert load("cities", limit=3).texts()[i].endswith(examples.texts()[i][a:b])


@given(widths=st.lists(st.integers(1, 4), min_size=1, max_size=12), data=st.data())
def test_every_span_of_a_tiled_text_has_tokens(widths, data):
    edges = np.cumsum([0, *widths])
    tokens = Tokens(
        np.arange(len(widths)),
        np.stack([edges[:-1], edges[1:]], 1),
        np.zeros(len(widths), dtype=bool),
        "x" * edges[-1],
    )
    start = data.draw(st.integers(0, int(edges[-1]) - 1))
    end = data.draw(st.integers(start + 1, int(edges[-1])))
    found = resolve("span_all:s", tokens, {"s": (start, end)})
    assert found.tolist() == [
        i for i, (a, b) in enumerate(tokens.offsets) if set(range(a, b)) & set(range(start, end))
    ]
    assert resolve("span:s", tokens, {"s": (start, end)})[0] == found[-1]
