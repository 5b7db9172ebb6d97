"""What people have in hand: pipelines, sentence encoders, offloaded weights, position tables that
begin behind the pad.
"""

from __future__ import annotations

import importlib.util
import json
from types import SimpleNamespace

import pytest
import torch
import transformers as t
from torch import nn

from inscape.core.errors import CertificateError, ModelError, SiteError
from inscape.model.open import open

from .nets import net, tokenizer


def test_pipelines_and_sentence_encoders_open_as_the_network_inside():
    network, words = net("gpt2"), tokenizer()
    model = open(SimpleNamespace(model=network, tokenizer=words))
    assert model.net is network
    assert model.tokenizer is words
    encoder = net("bert")

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.auto_model, self.tokenizer = encoder, words

    class Encoder(nn.Sequential):
        def encode(self, texts):
            raise AssertionError

    model = open(Encoder(First(), nn.Identity()))
    assert model.net is encoder
    assert model.tokenizer is words
    assert model.run("the river", "resid_post.1")["resid_post.1"].shape[-1] == 32


@pytest.mark.parametrize("what", [3, None, SimpleNamespace(model="x"), [1]])
def test_what_is_no_network_is_said_to_be(what):
    with pytest.raises(ModelError, match="is not a network"):
        open(what)


def test_weights_that_are_not_in_memory_are_refused():
    with torch.device("meta"):
        network = t.GPT2LMHeadModel(net("gpt2").config)
    with pytest.raises(ModelError, match="is on the meta device"):
        open(network)


def test_a_buffer_that_is_not_in_memory_is_refused():
    network = net("gpt2")
    network.register_buffer("absent", torch.empty(2, device="meta"))
    with pytest.raises(ModelError, match=r"not in memory \(absent is on the meta device"):
        open(network)


def test_weights_in_which_nothing_is_computed_are_refused():
    with pytest.raises(ModelError, match="weights in float8_e4m3fn, .*net.to"):
        open(net("llama").to(torch.float8_e4m3fn))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused():
    traced = torch.jit.trace(nn.Sequential(nn.Linear(3, 3)), torch.zeros(1, 3))
    with pytest.raises(ModelError, match="TorchScript, which calls no hooks"):
        open(traced)


@pytest.mark.parametrize("pad", [0, 1, 5])
@pytest.mark.parametrize(
    ("kind", "config"),
    [(t.RobertaModel, t.RobertaConfig), (t.CamembertModel, t.CamembertConfig)],
)
def test_positions_are_counted_from_behind_the_pad(kind, config, pad):
    network = kind(
        config(
            vocab_size=120,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=40,
            pad_token_id=pad,
        )
    ).eval()
    most = open(network, tokenizer=tokenizer()).max_positions
    assert most == 40 - pad - 1
    network(torch.full((1, most), 9))
    with pytest.raises((IndexError, RuntimeError)):
        network(torch.full((1, most + 1), 9))


def test_an_image_pipeline_brings_its_processor():
    prepare, network = object(), net("vit")
    model = open(SimpleNamespace(model=network, image_processor=prepare, tokenizer=None))
    assert model.processor is prepare


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_pytorch_quantised_is_refused_with_the_cure():
    packed = torch.ao.quantization.quantize_dynamic(net("llama"), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(
        ModelError, match="q_proj .* is quantised to int8 .*; open the network as it was"
    ):
        open(packed)


def test_a_quantised_network_whose_rows_depend_on_the_batch_is_refused_with_its_own_reason():
    network = net("llama")
    network.config.quantization_config = {"quant_method": "bitsandbytes", "load_in_8bit": True}

    def rounded(_module, _args, out):
        scale = out.abs().max() / 7  # of the whole batch, as outliers and scales of 8 bits are
        return (out / scale).round() * scale

    network.model.layers[0].mlp.register_forward_hook(rounded)
    model = open(network)
    with pytest.raises(CertificateError, match=r"quantised \(bitsandbytes\), .* in its batch"):
        model.run([[5, 6, 7]], "resid_post.0")


@pytest.mark.parametrize("threshold", [0.0, 6.0])
def test_eight_bits_with_a_threshold_of_outliers_are_refused(threshold):
    class Linear8bitLt(nn.Linear):
        state = SimpleNamespace(threshold=threshold)

    network = net("llama")
    network.model.layers[1].mlp.up_proj.__class__ = Linear8bitLt
    if threshold:
        with pytest.raises(ModelError, match="up_proj .* 8 bits .* llm_int8_threshold=0 or in 4"):
            open(network)
    else:
        assert open(network).certificate.passed


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("threshold", [None, 0.0, 6.0])
def test_networks_and_folders_of_bitsandbytes(tmp_path, threshold):
    pytest.importorskip(
        "bitsandbytes", reason="the reference library bitsandbytes is not installed"
    )
    config = net("llama").config.to_dict() | {"hidden_size": 64, "head_dim": 16}
    torch.manual_seed(0)
    t.LlamaForCausalLM(t.LlamaConfig(**config)).eval().save_pretrained(tmp_path / "plain")
    packed = (
        t.BitsAndBytesConfig(load_in_4bit=True)
        if threshold is None
        else t.BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=threshold)
    )
    network = t.AutoModelForCausalLM.from_pretrained(
        tmp_path / "plain", quantization_config=packed, dtype=torch.float32
    )
    network.save_pretrained(tmp_path / "packed")
    again = t.AutoModelForCausalLM.from_pretrained(tmp_path / "packed", dtype=torch.float32)
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    for what, own in ((network, network), (tmp_path / "packed", again)):
        if threshold:
            with pytest.raises(ModelError, match="8 bits by bitsandbytes with a threshold of 6"):
                open(what)
            continue
        model = open(what)
        assert model.certificate.passed, str(model.certificate)
        found = model.run(ids, "resid_post.1")["resid_post.1"]
        with torch.no_grad():
            want = own(ids, output_hidden_states=True).hidden_states[2]
        torch.testing.assert_close(found, want, atol=1e-4, rtol=1e-4)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_networks_and_folders_of_torchao(tmp_path):
    ao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    network = net("llama")
    ao.quantize_(network, ao.Int8WeightOnlyConfig())
    with torch.no_grad():
        want = network(ids, output_hidden_states=True).hidden_states[2]
        plain = net("llama")(ids, output_hidden_states=True).hidden_states[2]
    assert (want - plain).norm() > 1e-3 * plain.norm()  # it is quantised
    model = open(network)
    assert model.certificate.passed, str(model.certificate)
    torch.testing.assert_close(model.run(ids, "resid_post.1")["resid_post.1"], want)
    net("llama").save_pretrained(tmp_path / "plain")
    packed = t.TorchAoConfig(ao.Int8WeightOnlyConfig())
    t.AutoModelForCausalLM.from_pretrained(
        tmp_path / "plain", quantization_config=packed, dtype=torch.float32
    ).save_pretrained(tmp_path / "packed")
    folder = open(tmp_path / "packed")
    assert folder.certificate.passed, str(folder.certificate)
    torch.testing.assert_close(folder.run(ids, "resid_post.1")["resid_post.1"], want)
    dynamic = net("llama")
    ao.quantize_(dynamic, ao.Int8DynamicActivationInt8WeightConfig())
    with pytest.raises(CertificateError, match=r"is quantised \("):
        open(dynamic).run(ids, "resid_post.1")


class Listed(nn.Module):
    """A list of layers of which one is called and the list itself never."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.by_name = nn.ModuleDict({"a": nn.Linear(3, 3)})

    def forward(self, x):
        return self.by_name["a"](self.layers[0](x))


def test_what_only_holds_modules_is_no_site():
    model = open(Listed())
    assert [str(s) for s in model.sites if s.side == "out"] == [
        "module:layers.0:out",
        "module:layers.1:out",
        "module:by_name.a:out",
    ]
    x = torch.ones(2, 3)
    assert model.run(x, "module:by_name.a:out")["module:by_name.a:out"].shape == (2, 3)
    with pytest.raises(SiteError, match="module:layers.1:out: not computed in a forward pass"):
        model.run(x, "module:layers.1:out")


def test_a_bidirectional_network_of_a_causal_architecture_opens():
    """EmbeddingGemma sees the whole text at every token."""
    torch.manual_seed(0)
    config = t.Gemma3TextConfig(
        vocab_size=120,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        sliding_window=9,
        use_bidirectional_attention=True,
    )
    network = t.Gemma3TextModel(config).eval()
    model = open(network, tokenizer=tokenizer())
    assert model.certificate.passed, str(model.certificate)
    assert not model.causal
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        both = [
            network(input_ids=i, output_hidden_states=True).hidden_states for i in (ids, ids[:, :3])
        ]
    assert not torch.allclose(both[0][1][:, 0], both[1][1][:, 0], atol=1e-3)  # it sees what follows
    texts = ["the river is in Paris", "a film"]
    found = model.run(texts, "resid_post.0")["resid_post.0"]
    alone = model.run(texts[1:], "resid_post.0")["resid_post.0"]
    torch.testing.assert_close(found[1:, : alone.shape[1]], alone, atol=1e-5, rtol=1e-4)


# --- adapters
# ---------------------------------------------------------------------------------------------------------


def carried(network, kind, **settings):
    """A network in a wrapper that says of itself what a PEFT model says."""

    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network
            self.peft_config = {"default": SimpleNamespace(peft_type=kind, **settings)}

        def get_base_model(self):
            return self.inner

        def forward(self, **inputs):
            return self.inner(**inputs)

    return Wrapper()


@pytest.mark.parametrize("kind", ["LORA", "IA3", "VERA"])
def test_a_live_adapter_opens_as_the_network_that_computes_with_it(kind):
    network = net("gpt2")
    model = open(carried(network, kind))
    assert model.net is network
    assert model.certificate.passed


@pytest.mark.parametrize(
    ("kind", "settings", "named"),
    [
        ("PROMPT_TUNING", {}, "PROMPT_TUNING"),
        ("PREFIX_TUNING", {}, "PREFIX_TUNING"),
        ("A_NEW_ONE", {}, "A_NEW_ONE"),
    ],
)
def test_what_acts_outside_the_network_is_refused(kind, settings, named):
    with pytest.raises(
        ModelError, match=f"adapter 'default' of kind {named} acts in PEFT's wrapper"
    ):
        open(carried(net("gpt2"), kind, **settings))


def test_a_wrapper_that_computes_something_else_than_the_network_inside_is_refused():
    wrapper = carried(net("gpt2"), "LORA")
    plain = wrapper.forward

    def more(**inputs):
        out = plain(**inputs)
        out.logits = out.logits * 1.01
        return out

    wrapper.forward = more
    model = open(wrapper)
    with pytest.raises(CertificateError, match="part of the adapter would be left out"):
        model.run([[5, 6, 7]], "resid_post.0")
    wrapper.forward = nn.Module.forward
    with pytest.raises(CertificateError, match="PEFT's model does not run"):
        open(wrapper).run([[5, 6, 7]], "resid_post.0")


@pytest.fixture
def beside(tmp_path):
    """A model's folder with an adapter beside it, of a kind."""

    def write(**config):
        net("llama").save_pretrained(tmp_path)
        (tmp_path / "adapter_model.safetensors").write_bytes(b"not read")
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "adapter of kind PROMPT_TUNING, which acts outside"),
        ({"peft_type": "LORA"}, "without peft it would be left out; pip install peft, or move"),
    ],
)
def test_an_adapter_beside_a_model_is_not_left_out(beside, monkeypatch, config, sentence):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=sentence):
        open(beside(**config))


def test_a_folder_of_an_adapter_alone_says_what_to_open(beside):
    folder = beside(peft_type="LORA")
    (folder / "config.json").unlink()
    with pytest.raises(
        ModelError, match="holds an adapter and no model; open the model that it was"
    ):
        open(folder)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_live_adapters_of_peft_and_those_beside_a_model(tmp_path):
    peft = pytest.importorskip("peft", reason="the reference library peft is not installed")
    ids = torch.tensor([[5, 6, 7, 8]])
    common = dict(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"])
    for config in (
        peft.LoraConfig(**common, init_lora_weights=False),
        peft.LoraConfig(**common, use_dora=True, init_lora_weights=False),
        peft.LoraConfig(**common, init_lora_weights="pissa", r=4),
        peft.LoraConfig(**common, init_lora_weights="olora", r=4),
        peft.LoraConfig(**common, use_rslora=True, init_lora_weights=False),
        peft.IA3Config(**common, feedforward_modules=[], init_ia3_weights=False),
    ):
        wrapper = peft.get_peft_model(net("llama"), config).eval()
        with torch.no_grad():
            for p in wrapper.parameters():
                if p.requires_grad:
                    p += 0.1 * torch.randn_like(p)
            want = wrapper(input_ids=ids).logits
        assert (want - net("llama")(ids).logits).norm() / want.norm() > 0.01
        model = open(wrapper)
        assert model.certificate.passed
        torch.testing.assert_close(model.run(ids, logits=True).logits, want, atol=1e-4, rtol=1e-4)
    net("llama").save_pretrained(tmp_path)
    wrapper.save_pretrained(tmp_path)
    found = open(tmp_path).run(ids, logits=True).logits
    torch.testing.assert_close(found, want, atol=1e-4, rtol=1e-4)


def test_weights_without_a_shape_are_refused_with_the_cure():
    network = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ModelError, match="has no shape before its first pass; call the network"):
        open(network)
    x = torch.randn(2, 4)
    right = network(x).detach()
    torch.testing.assert_close(open(network).run(x, "module:0:out")["module:0:out"], right)


def test_sparse_weights_have_a_hash_that_tells_them_apart():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4).to_sparse(), requires_grad=False)
            self.last = nn.Identity()

        def forward(self, x):
            return self.last(torch.sparse.mm(self.weight, x.T).T)

    network, x = Sparse(), torch.randn(2, 4)
    dense, model = network.weight.to_dense(), open(network)
    torch.testing.assert_close(model.run(x, "module:last:out")["module:last:out"], x @ dense.T)
    before = model.weights_hash
    network.weight = nn.Parameter((2 * dense).to_sparse(), requires_grad=False)
    assert model.weights_hash != before


def test_a_network_without_blocks_is_refused():
    facts = dict(vocab_size=50, hidden_size=16, intermediate_size=16, num_attention_heads=2)
    network = t.LlamaForCausalLM(t.LlamaConfig(**facts, num_hidden_layers=0))
    with pytest.raises(ModelError, match="LlamaForCausalLM has no blocks"):
        open(network)


def test_a_head_that_does_not_run_leaves_the_rest_certified():
    """Parts in several dtypes: the blocks compute, and the head takes another dtype than the last
    norm gives.
    """
    network = net("llama")
    network.lm_head.half()
    model = open(network)
    failed = [item for item in model.certificate.items if not item.passed]
    assert [item.name for item in failed] == ["its forward pass runs"]
    assert "same dtype" in failed[0].reason
    assert set(map(str, model.refused)) == {"logits"}
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        right = network.model(ids, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(model.run(ids, "resid_post.1")["resid_post.1"], right)


def test_a_block_that_stands_twice_in_its_list_is_refused_where_its_cache_makes_two_networks():
    """Both calls write to one place of a cache of keys and values: with it, the network computes
    something else.
    """
    network = net("llama")
    network.model.layers[1] = network.model.layers[0]
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        own, bare = (network(ids, use_cache=cache).logits for cache in (True, False))
    assert not torch.allclose(own, bare, atol=1e-3)
    model = open(network)
    with pytest.raises(CertificateError, match="resid_post.1 is refused on LlamaForCausalLM"):
        model.run(ids, "resid_post.1")
