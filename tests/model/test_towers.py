"""A network of several stacks: each is a model of its own over the same weights, with the stack's
own tensors.
"""

from __future__ import annotations

import pytest
import torch
import transformers as t

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError, ModelError, SiteError
from inscape.core.site import Site
from inscape.model.certificate import certify
from inscape.model.generate import generate
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.prefix import applies
from inscape.model.skip import begun_at
from inscape.store.harvest import harvest
from tests.model.nets import tokenizer
from tests.model.tiny import tiny

SOURCE = torch.tensor([[9, 10, 11, 12, 13], [5, 6, 7, 8, 9]])
TARGET = torch.tensor([[1, 20, 21], [1, 30, 31]])
GIVEN = {"input_ids": SOURCE, "decoder_input_ids": TARGET}


@pytest.fixture(scope="module")
def t5():
    return tiny("t5 decoder")


def test_each_stack_gives_its_own_hidden_states(t5):
    encoder = open(t5)
    decoder = encoder.tower("decoder")
    assert encoder.towers == decoder.towers == ("encoder", "decoder")
    assert decoder.net is encoder.net
    assert decoder.certificate.passed
    with torch.no_grad():
        whole = t5(**GIVEN, output_hidden_states=True)
    read = encoder.run(GIVEN, "resid_post.*, embed")
    written = decoder.run(GIVEN, "resid_post.*, embed", logits=True)
    assert len(read) == 4
    assert len(written) == 3
    for i in range(2):
        torch.testing.assert_close(read[f"resid_post.{i}"], whole.encoder_hidden_states[i + 1])
    torch.testing.assert_close(written["embed"], whole.decoder_hidden_states[0])
    torch.testing.assert_close(written["resid_post.0"], whole.decoder_hidden_states[1])
    torch.testing.assert_close(written.logits, whole.logits)


def test_a_decoder_begins_with_its_start_token_where_no_tokens_are_given(t5):
    decoder = Model(t5, tower="decoder")
    alone = decoder.run({"input_ids": SOURCE}, "resid_post.1")["resid_post.1"]
    first = {"input_ids": SOURCE, "decoder_input_ids": torch.zeros(2, 1, dtype=torch.long)}
    assert alone.shape == (2, 1, 32)
    torch.testing.assert_close(alone, decoder.run(first, "resid_post.1")["resid_post.1"])


def test_a_configuration_without_a_start_token_is_refused():
    network = tiny("t5 decoder")
    network.config.decoder_start_token_id = None
    decoder = Model(network, tower="decoder")
    with pytest.raises(ModelError, match="names no decoder_start_token_id; give decoder_input_ids"):
        decoder.run({"input_ids": SOURCE}, "resid_post.1")
    decoder.run(GIVEN, "resid_post.1")


def test_positions_of_edits_and_captures_are_the_decoders(t5):
    decoder = Model(t5, tower="decoder")
    base = decoder.run(GIVEN, "resid_post.0, cross_v.0")
    assert base["cross_v.0"].shape == (2, 5, 64)  # the encoder's positions
    edit = Add(Scope("resid_post.0", positions="last"), torch.ones(32))
    changed = decoder.run(GIVEN, "resid_post.0", edits=edit)["resid_post.0"]
    moved = (changed - base["resid_post.0"]).abs().amax(-1)
    assert moved[:, :2].max() == 0
    assert torch.allclose(moved[:, 2], torch.ones(2))
    at = torch.tensor([[2], [0]])
    kept = decoder.run(GIVEN, "resid_post.0, cross_pattern.0", at=at, logits=True)
    torch.testing.assert_close(
        kept["resid_post.0"][:, 0],
        torch.stack([base["resid_post.0"][0, 2], base["resid_post.0"][1, 0]]),
    )
    whole = decoder.run(GIVEN, "cross_pattern.0", logits=True)
    rows = torch.arange(2)
    torch.testing.assert_close(
        kept["cross_pattern.0"][:, :, 0], whole["cross_pattern.0"][rows, :, at[:, 0]]
    )
    torch.testing.assert_close(kept.logits[:, 0], whole.logits[rows, at[:, 0]])


def test_positions_of_the_encoder_are_not_taken_for_the_decoders(t5):
    decoder = Model(t5, tower="decoder")
    with pytest.raises(SiteError, match="cross_v.0 has the encoder's positions, and `at` names"):
        decoder.run(GIVEN, "cross_v.0", at=torch.tensor([[1], [1]]))
    with pytest.raises(SiteError, match="an edit's positions and phase are the decoder's"):
        edit = Add(Scope("cross_k.0", positions="last"), torch.ones(64))
        decoder.run(GIVEN, "resid_post.0", edits=edit)
    base = decoder.run(GIVEN, "cross_k.0")["cross_k.0"]
    edit = Add(Scope("cross_k.0"), torch.ones(64))
    found = decoder.run(GIVEN, "cross_k.0", edits=edit)["cross_k.0"]
    torch.testing.assert_close(found, base + 1)


def test_padding_of_the_decoders_tokens_is_on_the_right(t5):
    decoder = Model(t5, tower="decoder")
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    edit = Add(Scope("resid_post.0", positions="last"), torch.ones(32))
    given = {**GIVEN, "decoder_attention_mask": mask}
    base, found = (decoder.run(given, "resid_post.0", edits=e)["resid_post.0"] for e in ((), edit))
    assert (found - base).abs().amax(-1).round().tolist() == [[0, 1, 0], [0, 0, 1]]
    with pytest.raises(ModelError, match="decoder's tokens are padded on the left"):
        decoder.run({**GIVEN, "decoder_attention_mask": 1 - mask}, "resid_post.0")


def test_what_reads_positions_of_texts_is_refused_on_a_decoder(t5):
    decoder = Model(t5, tokenizer(), tower="decoder")
    with pytest.raises(ModelError, match="their positions are none of its decoder's"):
        decoder.tokenize(["the river"])
    with pytest.raises(DataError, match="reads tokens of its own beside what its encoder reads"):
        harvest(decoder, ["the river"], "resid_post.0")
    padded = {**GIVEN, "decoder_attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]])}
    with pytest.raises(DataError, match="decoder_input_ids are padded"):
        harvest(decoder, padded, "resid_post.0")
    marked = decoder.batch(SOURCE)
    both = decoder.run(GIVEN, "module:encoder.block.1:out, resid_post.0")
    assert both["module:encoder.block.1:out"].shape == (2, 5, 32)
    with pytest.raises(ModelError, match="marks name positions of what the encoder"):
        decoder.run(type(marked)({"input_ids": SOURCE}, None, {"here": SOURCE > 0}), "embed")
    assert decoder.run("the river", "resid_post.0")["resid_post.0"].shape == (1, 1, 32)
    with (
        pytest.raises(ModelError, match="only the blocks of a causal language model"),
        begun_at(decoder, 1, torch.zeros(1, 1, 32)),
    ):
        pass
    assert "only a causal model of text" in applies(decoder, 5)


def test_modules_of_a_decoder_are_edited_at_its_positions(t5):
    decoder = Model(t5, tower="decoder")
    site = "module:decoder.block.0.layer.1.EncDecAttention.q:out"
    edit = Add(Scope(site, positions="last"), torch.ones(64))
    base, found = (decoder.run(GIVEN, "cross_q.0", edits=e)["cross_q.0"] for e in ((), edit))
    torch.testing.assert_close(found[:, 2], base[:, 2] + 1)
    torch.testing.assert_close(found[:, :2], base[:, :2])


def test_a_decoder_is_harvested_from_named_tensors(t5, tmp_path):
    decoder = Model(t5, tower="decoder")
    store = harvest(decoder, GIVEN, "resid_post.0", at="all", to=tmp_path / "store")
    want = decoder.run(GIVEN, "resid_post.0")["resid_post.0"].flatten(0, 1)
    torch.testing.assert_close(torch.from_numpy(store.matrix("resid_post.0").copy()), want)


def test_generation_is_the_decoders(t5):
    words = tokenizer()
    config = t.T5Config(**{**t5.config.to_dict(), "vocab_size": len(words)})
    network = t.T5ForConditionalGeneration(config).eval()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    decoder = open(network, tokenizer=words, tower="decoder")
    ids = decoder.tokens_of(["the river rises"])[0].ids
    with torch.no_grad():
        tokens = torch.zeros(1, 1, dtype=torch.long)
        for _ in range(4):
            given = {"input_ids": torch.from_numpy(ids)[None], "decoder_input_ids": tokens}
            logits = network(**given).logits
            tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)
    want = decoder.tokenizer.decode(tokens[0, 1:].tolist(), skip_special_tokens=True)
    assert want
    assert generate(decoder, "the river rises", 4, [], 0.0, 0) == [want]
    vector = 30 * torch.randn(32, generator=torch.Generator().manual_seed(0))
    steered = decoder.generate("the river rises", 4, edits=Add(Scope("resid_post.1"), vector))
    assert steered != [want]


def test_an_encoder_has_no_logits_at_its_positions(t5):
    encoder = Model(t5)
    assert encoder.run(GIVEN, logits=True).logits.shape == (2, 3, 120)
    with pytest.raises(ModelError, match="are its decoder's, and `at` names positions of its enc"):
        encoder.run(GIVEN, "resid_post.0", at=torch.tensor([[4], [4]]), logits=True)


def test_a_bias_of_the_logits_is_measured():
    network = tiny("bart decoder")
    network.final_logits_bias.normal_(generator=torch.Generator().manual_seed(0))
    model = Model(network, tower="decoder")
    assert certify(model).passed
    model.net.register_buffer("final_logits_bias", network.final_logits_bias + 1)
    from inscape.model.unembed import Readout

    last = model.run(GIVEN, "resid_post.1", logits=True)
    torch.testing.assert_close(
        Readout.of(model)(last["resid_post.1"]), last.logits, atol=1e-4, rtol=1e-4
    )


def test_two_towers_of_one_network():
    network = tiny("clip image")
    image = open(network)
    text = image.tower("text")
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert (image.kind, text.kind) == ("image", "text")
    with torch.no_grad():
        seen = network.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states
        read = network.text_model(input_ids=SOURCE, output_hidden_states=True).hidden_states
    module = "module:vision_model.encoder.layers.0:out"
    found = image.run(pixels, f"resid_post.0, {module}")
    torch.testing.assert_close(found["resid_post.0"], seen[1])
    torch.testing.assert_close(found[module], seen[1])
    found = text.run(SOURCE, "resid_post.0")["resid_post.0"]
    torch.testing.assert_close(found, read[1])
    assert (image.width("mlp_act.0"), text.width("mlp_act.0")) == (40, 48)
    with pytest.raises(
        ModelError, match=r"has no logits: it is one of several towers \(image, text"
    ):
        image.run(pixels, logits=True)


def test_a_tower_that_is_not_there_is_refused(t5):
    with pytest.raises(ModelError, match=r"has no tower 'decode'.*decoder"):
        open(t5, tower="decode")
    with pytest.raises(ModelError, match="has no towers, so tower='text' means nothing"):
        open(tiny("llama"), tower="text")


def test_a_class_that_holds_one_stack_alone_opens_as_that():
    config = t.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=120)
    model = open(t.T5EncoderModel(config).eval())
    assert model.towers == ("encoder",)
    assert model.certificate.passed
    facts = dict(d_model=32, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=48)
    config = t.BartConfig(**facts, vocab_size=120, is_decoder=True, is_encoder_decoder=False)
    assert open(t.BartForCausalLM(config).eval()).family is None


def test_the_queries_of_a_pattern_are_kept_at_positions():
    model = Model(tiny("llama"))
    ids, at = torch.tensor([[7, 3, 9, 5, 12]]), torch.tensor([[4, 1]])
    kept = model.run(ids, "pattern.1, pattern.1.2", at=at)
    whole = model.run(ids, "pattern.1")["pattern.1"]
    torch.testing.assert_close(kept["pattern.1"], whole[:, :, [4, 1]])
    torch.testing.assert_close(kept["pattern.1.2"], whole[:, 2, [4, 1]])


def test_calls_of_one_layer_are_blocks_of_their_own():
    network = tiny("albert grouped")
    model = Model(network)
    assert len(model.atlas.blocks) == 8
    assert len({id(b) for b in model.atlas.blocks}) == 4
    ids = torch.tensor([[7, 3, 9, 5, 12]])
    with torch.no_grad():
        states = network.albert(ids, output_hidden_states=True).hidden_states
    sites = [Site("resid_post", i) for i in range(8)]
    base = model.run(ids, sites)
    for site in sites:
        torch.testing.assert_close(base[site], states[site.layer + 1])
    vector = torch.randn(5, 32, generator=torch.Generator().manual_seed(5))
    edited = model.run(ids, [*sites, "v.5"], edits=Add(Scope("v.5"), vector))
    for site in sites:
        same = torch.equal(edited[site], base[site])
        assert same == (site.layer < 5), site
    torch.testing.assert_close(edited["v.5"], model.run(ids, "v.5")["v.5"] + vector)


def test_positions_are_the_towers_own(t5):
    encoder, decoder = Model(t5), Model(t5, tower="decoder")
    last = torch.tensor([[-1], [-1]])
    for model, count in ((encoder, 5), (decoder, 3)):
        whole = model.run(GIVEN, "resid_post.0")["resid_post.0"]
        assert whole.shape[1] == count
        found = model.run(GIVEN, "resid_post.0", at=last)["resid_post.0"]
        torch.testing.assert_close(found, whole[:, -1:])
        with pytest.raises(SiteError, match=f"names position {count} of example 0, which has"):
            model.run(GIVEN, "resid_post.0", at=torch.full((2, 1), count))
