"""GGUF: a file computes what the network computes that it was made from, or is refused by name."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
import transformers as t

from inscape.core.errors import ModelError
from inscape.model import gguf
from inscape.model.gguf_config import KNOWN
from inscape.model.gguf_head import check_head
from inscape.model.open import open
from tests.model.gguf_files import write

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIZES = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    vocab_size=120,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    initializer_range=0.2,
)
GROUPED = dict(num_key_value_heads=2, max_position_embeddings=64)
EXPERTS = dict(
    num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, decoder_sparse_step=1
)
THETA = {"rope_type": "default", "rope_theta": 5000.0}


def moved(net):
    """Biases and norms moved off their starting values, so that one left out is seen."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("bias") or "norm" in name or "ln_" in name:
                p += 0.1 * torch.randn_like(p)
    return net.eval()


def make(kind, config, seed=0):
    torch.manual_seed(seed)
    return moved(kind(config))


NETS = {
    "llama": lambda: make(
        t.LlamaForCausalLM, t.LlamaConfig(**SIZES, **GROUPED, head_dim=8, rope_parameters=THETA)
    ),
    "llama, biased": lambda: make(
        t.LlamaForCausalLM,
        t.LlamaConfig(**SIZES, **GROUPED, head_dim=16, attention_bias=True, mlp_bias=True),
    ),
    "qwen2": lambda: make(t.Qwen2ForCausalLM, t.Qwen2Config(**SIZES, **GROUPED)),
    "qwen3": lambda: make(
        t.Qwen3ForCausalLM, t.Qwen3Config(**SIZES, **GROUPED, head_dim=16, rope_parameters=THETA)
    ),
    "qwen2moe": lambda: make(
        t.Qwen2MoeForCausalLM,
        t.Qwen2MoeConfig(**SIZES, **GROUPED, **EXPERTS, shared_expert_intermediate_size=24),
    ),
    "qwen3moe": lambda: make(
        t.Qwen3MoeForCausalLM,
        t.Qwen3MoeConfig(**SIZES, **GROUPED, **EXPERTS, head_dim=16, norm_topk_prob=True),
    ),
    "gemma2": lambda: make(
        t.Gemma2ForCausalLM,
        t.Gemma2Config(
            **SIZES,
            **GROUPED,
            head_dim=16,
            sliding_window=5,
            query_pre_attn_scalar=16,
            attn_logit_softcapping=3.0,
            final_logit_softcapping=2.0,
        ),
    ),
    "gemma3": lambda: make(
        t.Gemma3ForCausalLM,
        t.Gemma3TextConfig(
            **SIZES | {"num_hidden_layers": 7},
            **GROUPED,
            head_dim=16,
            sliding_window=5,
            query_pre_attn_scalar=16,
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "default", "rope_theta": 1e6},
            },
        ),
    ),
    "phi3": lambda: make(t.Phi3ForCausalLM, t.Phi3Config(**SIZES, **GROUPED, sliding_window=5)),
    "gpt2": lambda: make(
        t.GPT2LMHeadModel,
        t.GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=120, initializer_range=0.2
        ),
    ),
    "starcoder2": lambda: make(
        t.Starcoder2ForCausalLM, t.Starcoder2Config(**SIZES, **GROUPED, rope_parameters=THETA)
    ),
    "stablelm": lambda: make(
        t.StableLmForCausalLM,
        t.StableLmConfig(
            **SIZES,
            **GROUPED,
            use_qkv_bias=True,
            rope_parameters=THETA | {"partial_rotary_factor": 0.5},
        ),
    ),
    "bloom": lambda: make(
        t.BloomForCausalLM,
        t.BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=120, initializer_range=0.2),
    ),
    "falcon": lambda: make(
        t.FalconForCausalLM,
        t.FalconConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            vocab_size=120,
            rope_parameters=THETA,
            initializer_range=0.2,
            max_position_embeddings=64,
        ),
    ),
    "mamba": lambda: make(
        t.MambaForCausalLM,
        t.MambaConfig(
            hidden_size=32, num_hidden_layers=2, vocab_size=120, state_size=4, initializer_range=0.2
        ),
    ),
    "nemotron": lambda: make(
        t.NemotronForCausalLM,
        t.NemotronConfig(
            **SIZES,
            **GROUPED,
            head_dim=8,
            rope_parameters=THETA | {"partial_rotary_factor": 0.5},
        ),
    ),
}
IDS = torch.randint(4, 118, (1, 30), generator=torch.Generator().manual_seed(0))


def logits(net):
    with torch.no_grad():
        return net(input_ids=IDS).logits


def gap(a, b):
    return float((a - b).norm() / b.norm())


def architecture(name):
    return name.partition(",")[0]


@pytest.mark.parametrize("name", NETS)
def test_a_file_computes_what_its_network_computes(tmp_path, name):
    net = NETS[name]()
    model = open(write(tmp_path / "a.gguf", architecture(name), net))
    assert gap(logits(model.net), logits(net)) < 1e-4
    assert name == "mamba" or model.certificate.passed, model.certificate


def test_every_understood_architecture_is_tested():
    assert {architecture(name) for name in NETS} == KNOWN


# --- rotary positions
# -------------------------------------------------------------------------------------------------


def llama(**parameters):
    config = t.LlamaConfig(
        **SIZES,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"} | parameters,
    )
    return make(t.LlamaForCausalLM, config)


def rotary(net):
    return net.model.rotary_emb.inv_freq


def llama3(trained, base=500.0, turned=16):
    """Factors as llama.cpp's converter writes them."""
    waves = 2 * np.pi / base ** (-np.arange(0, turned, 2) / turned)
    smooth = np.clip((trained / waves - 1) / 3, 0, 1)
    return 1 / ((1 - smooth) / 8 + smooth)


SCALED = {
    "linear": (
        {"rope_type": "linear", "factor": 4.0},
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
    ),
    "an old name of it": ({"rope_type": "linear", "factor": 4.0}, {"rope.scale_linear": 4.0}),
    "yarn": (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 16,
        },
    ),
    "none": ({}, {"rope.scaling.type": "none"}),
}


@pytest.mark.parametrize("kind", SCALED)
def test_scaling_of_rotary_positions_is_carried_over(tmp_path, kind):
    parameters, said = SCALED[kind]
    net = llama(**parameters)
    model = open(write(tmp_path / "a.gguf", "llama", net, more=said))
    assert gap(logits(model.net), logits(net)) < 1e-4
    if parameters:
        assert gap(logits(llama()), logits(net)) > 1e-3  # without it another network


@pytest.mark.parametrize(("trained", "kind"), [(8192, "llama3"), (24, "longrope")])
def test_factors_of_frequencies_are_carried_over(tmp_path, trained, kind):
    net = llama(
        rope_type="llama3",
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=trained,
        rope_theta=5e5,
    )
    factors = llama3(trained, 5e5)
    assert factors.max() > 2
    model = open(write(tmp_path / "a.gguf", "llama", net, extra={"rope_freqs.weight": factors}))
    assert model.net.config.rope_parameters["rope_type"] == kind
    torch.testing.assert_close(rotary(model.net), rotary(net), rtol=1e-3, atol=0)
    assert gap(logits(model.net), logits(net)) < 1e-4
    assert model.certificate.passed


def test_short_and_long_factors_are_carried_over(tmp_path):
    short, far = [1.0, 1.1, 1.2, 1.3], [2.0, 4.0, 6.0, 8.0]
    scaled = {"rope_type": "longrope", "short_factor": short, "long_factor": far}
    net = make(
        t.Phi3ForCausalLM,
        t.Phi3Config(
            **SIZES,
            **GROUPED,
            original_max_position_embeddings=16,
            rope_parameters=scaled | {"rope_theta": 1e4, "partial_rotary_factor": 1.0},
        ),
    )
    factors = {
        "rope_factors_short.weight": np.array(short),
        "rope_factors_long.weight": np.array(far),
    }
    said = {"rope.scaling.original_context_length": 16}
    for more in ({}, {"rope.scaling.attn_factor": float(np.sqrt(1 + np.log(4) / np.log(16)))}):
        path = write(tmp_path / f"{len(more)}.gguf", "phi3", net, more=said | more, extra=factors)
        model = open(path)
        for n in (10, 30):
            with torch.no_grad():
                ours, theirs = (m(input_ids=IDS[:, :n]).logits for m in (model.net, net))
            assert gap(ours, theirs) < 1e-4


def test_only_far_layers_of_gemma3_are_scaled(tmp_path):
    net = NETS["gemma3"]()
    config = net.config
    config.rope_parameters["full_attention"] |= {"rope_type": "linear", "factor": 8.0}
    scaled = type(net)(config).eval()
    scaled.load_state_dict(net.state_dict())
    said = {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    model = open(write(tmp_path / "a.gguf", "gemma3", scaled, more=said))
    assert gap(logits(model.net), logits(scaled)) < 1e-4


# --- refusals
# ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "another kind of scaling": (
        {"rope.scaling.type": "dynamic"},
        "scales rotary positions by 'dynamic', which is not understood here; open the checkpoint",
    ),
    "yarn without its length": (
        {"rope.scaling.type": "yarn", "rope.scaling.factor": 2.0},
        "says yarn without rope.scaling.original_context_length",
    ),
    "longrope without its factors": ({"rope.scaling.type": "longrope"}, "without its factors"),
    "a detail of yarn": (
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 2.0,
            "rope.scaling.original_context_length": 16,
            "rope.scaling.yarn_log_multiplier": 0.1,
        },
        r"llama.rope.scaling.yarn_log_multiplier = 0.1",
    ),
    "a factor without its kind": (
        {"rope.scaling.attn_factor": 1.5},
        "llama.rope.scaling.attn_factor = 1.5, which is not understood",
    ),
    "a scale of attention": (
        {"attention.scale": 0.5},
        "llama.attention.scale = 0.5, which is not understood here and would be left out",
    ),
    "a scale of logits": ({"logit_scale": 0.25}, "llama.logit_scale = 0.25"),
    "experts": ({"expert_count": 4}, "llama.expert_count = 4"),
    "a window": ({"attention.sliding_window": 8}, "sliding window of 8 positions"),
    "two bases": ({"rope.freq_base_swa": 3.0}, "two bases of rotary positions"),
    "heads that are turned in part": (
        {"rope.dimension_count": 8},
        "turns 8 of the 16 numbers of a head",
    ),
    "values of another width": ({"attention.value_length": 8}, r"of other widths \(\[8, 16\]\)"),
    "heads that differ between blocks": (
        {"attention.head_count_kv": [2, 4]},
        "another attention.head_count_kv for each block",
    ),
    "one part of several": ({"/split.count": 3}, "is one of 3 parts of a model; merge them first"),
    "an adapter": ({"/general.type": "adapter"}, "holds a adapter and no model"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_entry_that_is_not_understood_is_named(tmp_path, what):
    more, sentence = REFUSED[what]
    with pytest.raises(ModelError, match=f"a.gguf .*{sentence}"):
        open(write(tmp_path / "a.gguf", "llama", llama(), more=more))


def test_entries_that_say_nothing_are_let_through(tmp_path):
    net = llama()
    more = {
        "attention.sliding_window": 64,
        "expert_count": 0,
        "/general.basename": "tiny",
        "/some.other.tool": 3,
        "rope.scaling.finetuned": True,
    }
    model = open(write(tmp_path / "a.gguf", "llama", net, more=more))
    assert gap(logits(model.net), logits(net)) < 1e-4


def test_another_architecture_is_named(tmp_path):
    path = write(tmp_path / "a.gguf", "llama", llama(), more={"/rwkv6.block_count": 2})
    data = path.read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0rwkv6", 1)
    path.write_bytes(data)
    assert check_head(path).architecture == "rwkv6"
    with pytest.raises(ModelError, match=r"architecture 'rwkv6', of which not every entry .*qwen2"):
        open(path)


def test_missing_tensors_are_named(tmp_path):
    skip = ("blk.1.ffn_up.weight", "blk.0.attn_q.weight")
    with pytest.raises(
        ModelError,
        match=r"lacks 2 of the tensors .*: blk.0.attn_q.weight, blk.1.ffn_up.weight; they would be "
        r"random",
    ):
        open(write(tmp_path / "a.gguf", "llama", llama(), skip=skip))


@pytest.mark.parametrize("part", ["gate", "up"])
def test_half_of_fused_experts_is_missed(tmp_path, part):
    name = f"blk.1.ffn_{part}_exps.weight"
    with pytest.raises(ModelError, match=f"lacks 1 of the tensors .*{re.escape(name)}"):
        open(write(tmp_path / "a.gguf", "qwen3moe", NETS["qwen3moe"](), skip=(name,)))


@pytest.mark.parametrize(
    "name", ["blk.0.attn_q_norm.weight", "blk.2.attn_q.weight", "blk.1.attn_q.scale"]
)
def test_tensors_that_are_left_over_are_named(tmp_path, name):
    with pytest.raises(
        ModelError,
        match=rf"holds 1 tensor that LlamaForCausalLM has no place for: {name}; open the",
    ):
        open(write(tmp_path / "a.gguf", "llama", llama(), extra={name: np.ones(16)}))


def test_rotary_factors_must_fit(tmp_path):
    with pytest.raises(ModelError, match="holds 3 rotary factors, and its heads turn 8 pairs"):
        open(write(tmp_path / "a.gguf", "llama", llama(), extra={"rope_freqs.weight": np.ones(3)}))
    factors = {"rope_factors_long.weight": np.ones(8)}
    with pytest.raises(ModelError, match="rotary factors that do not go together"):
        open(write(tmp_path / "b.gguf", "llama", llama(), extra=factors))
    with pytest.raises(ModelError, match="scales rotary positions, and GPT2Config has none"):
        open(
            write(tmp_path / "c.gguf", "gpt2", NETS["gpt2"](), more={"rope.scaling.type": "linear"})
        )


def test_falcons_other_order_of_heads_is_refused(tmp_path):
    more = {"attention.head_count_kv": 2}
    with pytest.raises(ModelError, match="Falcon's newer architecture"):
        open(write(tmp_path / "a.gguf", "falcon", NETS["falcon"](), more=more))


def test_gemmas_largest_models_have_a_scale_of_their_own(tmp_path):
    config = t.Gemma2Config(
        **SIZES | {"num_hidden_layers": 46, "hidden_size": 16, "intermediate_size": 16},
        **GROUPED,
        head_dim=8,
        query_pre_attn_scalar=4,
    )
    net = make(t.Gemma2ForCausalLM, config)
    model = open(write(tmp_path / "a.gguf", "gemma2", net))
    assert model.net.config.query_pre_attn_scalar == 4
    assert gap(logits(model.net), logits(net)) < 1e-3


def test_a_folder_that_another_process_installed_meanwhile_is_taken_as_it_is(tmp_path):
    for name in ("work", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
    gguf.install(tmp_path / "work", tmp_path / "target")
    assert (tmp_path / "target" / "config.json").read_text() == "target"
    (tmp_path / "target" / "config.json").rename(tmp_path / "target" / "mine.json")
    with pytest.raises(OSError, match="not empty"):
        gguf.install(tmp_path / "work", tmp_path / "target")


@pytest.mark.parametrize("beside", ["tokenizer_config.json", "preprocessor_config.json"])
def test_code_beside_a_file_is_neither_run_nor_asked_about(tmp_path, monkeypatch, beside):
    from benchmarks.torture import samples

    from inscape.model.processor import processor_of

    canary = tmp_path / "canary"
    (tmp_path / "code.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n")
    own = {"AutoTokenizer": ["code.Own", None], "AutoImageProcessor": "code.Own"}
    facts = {"auto_map": own, "image_processor_type": "Own", "tokenizer_class": "Own"}
    (tmp_path / beside).write_text(json.dumps(facts))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("the user was asked"))
    if beside == "preprocessor_config.json":
        assert processor_of(str(tmp_path)) is None
    else:
        samples.gguf(tmp_path / "m.gguf")
        with pytest.raises(ModelError, match=r"m\.gguf cannot be read \(code of its own, which is"):
            open(tmp_path / "m.gguf")
    assert not canary.exists()
