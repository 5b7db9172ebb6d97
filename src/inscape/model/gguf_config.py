"""What a GGUF file's head says of its network, carried into the configuration entry by entry.

transformers reads a part of the entries and drops the others without a word: the scaling of rotary
positions, soft caps, a head's width, a sliding window. Here each of an architecture's entries
either has a meaning that is set, or refuses the file by name. Rotary positions:

    rope.scaling.type linear, yarn     the same kinds of ``rope_parameters``
    rope_freqs.weight                  what each frequency is divided by (Llama 3.1): ``llama3`` where its formula gives the
                                       same numbers, else ``longrope`` with the same factors for every length
    rope_factors_short, _long.weight   ``longrope`` (Phi-3)

Reference: the GGUF standard (ggml-org/ggml, docs/gguf.md) and llama.cpp's converter; for what its
files leave unsaid (Gemma's scale of attention scores, windows of Gemma 3), llama.cpp's own loader.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from inscape.core.errors import ModelError
from inscape.model.gguf_head import Head

#: architectures whose entries are all understood, each tested on a file of a small network
KNOWN = frozenset(
    (
        "llama qwen2 qwen3 qwen2moe qwen3moe gemma2 gemma3 phi3 gpt2 starcoder2 stablelm bloom "
        "falcon mamba nemotron"
    ).split()
)
#: entries that are an attribute of the configuration, under one of these names
_SAME = {
    "context_length": ("max_position_embeddings",),
    "embedding_length": ("hidden_size",),
    "block_count": ("num_hidden_layers",),
    "feed_forward_length": ("ffn_hidden_size", "n_inner", "intermediate_size"),
    "vocab_size": ("vocab_size",),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_kv_heads", "num_key_value_heads"),
    "attention.layer_norm_epsilon": (
        "layer_norm_epsilon",
        "layer_norm_eps",
        "norm_epsilon",
        "norm_eps",
    ),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps", "layer_norm_epsilon", "norm_eps"),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "expert_count": ("num_experts", "num_local_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "ssm.conv_kernel": ("conv_kernel",),
    "ssm.inner_size": ("intermediate_size",),
    "ssm.state_size": ("state_size",),
    "ssm.time_step_rank": ("time_step_rank",),
}
#: of the attributes above, those that the shapes of the tensors say again where a configuration has
# none
_BORNE_OUT = (
    "context_length",
    "feed_forward_length",
    "attention.head_count_kv",
    "attention.head_count",
)
#: entries that change no activation: of tokens, of pooling after the last, of how the file was laid
# out
_SILENT = frozenset(
    {"pooling_type", "rope.scaling.finetuned", "tensor_data_layout", "decoder_start_token_id"}
)
#: entries that mean nothing at one value
_NOTHING = {
    "attention.causal": True,
    "use_parallel_residual": True,
    "attention.clamp_kqv": 0.0,
    "logit_scale": 0.0,
    "nextn_predict_layers": 0,
    "ssm.dt_b_c_rms": False,
    "leading_dense_block_count": 0,
    "expert_count": 0,
    "expert_used_count": 0,
    "expert_shared_count": 0,
}
#: every so many blocks one sees all positions, where the file does not say it
_EVERY = {"gemma2": 2, "gemma3": 6}
#: tensors that are no weights of the network
ROTARY = ("rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight")

_CURE = "open the checkpoint that the file was made from"
#: the constants of Llama 3.1 and later, which its files hold only as factors
_LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def check_known(head: Head) -> None:
    """Refuse a file before transformers reads its configuration.

    Raises:
        ModelError: an architecture that is not understood, or sizes that differ between blocks.
    """
    if head.architecture not in KNOWN:
        raise ModelError(
            f"{head.name} is of the architecture {head.architecture!r:.40}, of which not every "
            f"entry is understood; {_CURE} "
            f"(understood: {', '.join(sorted(KNOWN))})."
        )
    for name, value in head.own.items():
        if name in _SAME and isinstance(value, list):
            raise ModelError(
                f"{head.name} says another {name} for each block, which is not understood here; "
                f"{_CURE}."
            )


def carry(head: Head, path: Path, config: Any) -> None:
    """Set on a configuration, as transformers read it, what else the head says.

    Args:
        head: of the file.
        path: the file, of which the rotary factors are read.
        config: of transformers; changed.

    Raises:
        ModelError: an entry that is not understood.
    """
    own = dict(head.own)
    for name, value in head.tokens.items():
        setattr(config, name, value)  # instead of those of the class's own tokenizer
    _carry_same(head, own, config)
    _carry_heads(head, own, config)
    _carry_window(head, own, config)
    _carry_rotary(head, own, config, _factors(head, path))
    _carry_unsaid(head, config)
    for name, value in own.items():
        if name in _SILENT or (name in _NOTHING and value == _NOTHING[name]):
            continue
        raise ModelError(
            f"{head.name} says {head.architecture}.{name} = {value!r:.60}, which is not understood "
            f"here and would be left out; {_CURE}."
        )


def _carry_same(head: Head, own: dict[str, Any], config: Any) -> None:
    for name, attributes in _SAME.items():
        if name not in own or (name in _NOTHING and own[name] == _NOTHING[name]):
            continue
        named = next((a for a in attributes if hasattr(config, a)), None)
        if named is None and name not in _BORNE_OUT:
            continue  # and is refused
        value = own.pop(name)
        if value == 0 and name in _BORNE_OUT:
            continue  # of networks that have no such thing
        if named is not None:
            setattr(config, named, value)


def _carry_heads(head: Head, own: dict[str, Any], config: Any) -> None:
    """The width of a head, and which biases there are."""
    lengths = {own.pop(n) for n in ("attention.key_length", "attention.value_length") if n in own}
    heads = getattr(config, "num_attention_heads", 0) or 1
    plain = config.hidden_size // heads
    if len(lengths) > 1:
        raise ModelError(
            f"{head.name} has keys and values of other widths ({sorted(lengths)}), which is not "
            f"understood here; {_CURE}."
        )
    width = lengths.pop() if lengths else plain
    if "head_dim" in config.to_dict():
        config.head_dim = width
    elif width != plain:
        raise ModelError(
            f"{head.name} has heads of {width} numbers, and {type(config).__name__} has room for "
            f"{plain}; {_CURE}."
        )
    if head.architecture in ("llama", "qwen3", "nemotron"):
        config.attention_bias = "blk.0.attn_q.bias" in head.shapes
    if head.architecture in ("llama", "nemotron"):
        config.mlp_bias = "blk.0.ffn_up.bias" in head.shapes
    if head.architecture in ("falcon", "bloom", "gpt2"):
        config.tie_word_embeddings = "output.weight" not in head.shapes


def _carry_window(head: Head, own: dict[str, Any], config: Any) -> None:
    window = own.pop("attention.sliding_window", None) or 0
    pattern = own.pop("attention.sliding_window_pattern", None)
    if head.architecture in _EVERY:
        every = pattern if isinstance(pattern, int) else _EVERY[head.architecture]
        blocks = range(config.num_hidden_layers)
        near = pattern if isinstance(pattern, list) else [(i + 1) % every != 0 for i in blocks]
        if len(near) != len(blocks):
            raise ModelError(
                f"{head.name} says the windows of {len(near)} blocks and has {len(blocks)}; fetch "
                "the file again."
            )
        config.layer_types = ["sliding_attention" if n else "full_attention" for n in near]
    elif pattern is not None:
        own["attention.sliding_window_pattern"] = pattern  # and is refused
    local = head.architecture in ("gemma2", "gemma3")
    if hasattr(config, "sliding_window") and (window or not local):
        # configurations of transformers begin with a window of their own, which the file's network
        # has not
        config.sliding_window = window or None
    if window and not local and head.architecture not in ("phi3", "starcoder2"):
        if window < head.own.get("context_length", 0):
            raise ModelError(
                f"{head.name} says a sliding window of {window} positions, which is not understood "
                f"for {head.architecture}; {_CURE}."
            )
        config.sliding_window = None


def _factors(head: Head, path: Path) -> dict[str, list[float]]:
    """The rotary factors among the tensors."""
    if not any(name in head.shapes for name in ROTARY):
        return {}
    from gguf import GGUFReader, dequantize

    return {
        str(t.name): np.asarray(dequantize(t.data, t.tensor_type), dtype=np.float64)
        .ravel()
        .tolist()
        for t in GGUFReader(path).tensors
        if str(t.name) in ROTARY
    }


def _carry_rotary(
    head: Head, own: dict[str, Any], config: Any, factors: dict[str, list[float]]
) -> None:
    scaling = {k: own.pop(k) for k in list(own) if k.startswith("rope.scal")}
    turned, base = own.pop("rope.dimension_count", None), own.pop("rope.freq_base", None)
    local_base = own.pop("rope.freq_base_swa", None)
    known = getattr(config, "rope_parameters", None)
    if not known:
        if factors or _kind(head, scaling) != "none":
            raise ModelError(
                f"{head.name} scales rotary positions, and {type(config).__name__} has none; "
                f"{_CURE}."
            )
        return
    layers = known.get("full_attention", known)
    layers["rope_theta"] = float(base if base is not None else 10000.0)
    if "sliding_attention" in known and local_base is not None:
        known["sliding_attention"]["rope_theta"] = float(local_base)
    elif local_base is not None and local_base != base:
        raise ModelError(
            f"{head.name} has two bases of rotary positions, which is not understood for "
            f"{head.architecture}; {_CURE}."
        )
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    share = (turned or width) / width
    if "partial_rotary_factor" in layers:
        layers["partial_rotary_factor"] = share
    elif share != 1:
        raise ModelError(
            f"{head.name} turns {turned} of the {width} numbers of a head, which is not understood "
            f"for {head.architecture}; {_CURE}."
        )
    layers |= {"rope_type": "default"} | _scaled(
        head, scaling, config, factors, round(width * share)
    )
    if "original_max_position_embeddings" in layers and hasattr(
        config, "original_max_position_embeddings"
    ):
        config.original_max_position_embeddings = layers["original_max_position_embeddings"]


def _kind(head: Head, scaling: dict[str, Any]) -> str:
    if "rope.scale_linear" in scaling and "rope.scaling.type" not in scaling:
        return "linear"
    kind = scaling.get("rope.scaling.type", "none")
    if kind not in ("none", "linear", "yarn", "longrope"):
        raise ModelError(
            f"{head.name} scales rotary positions by {kind!r:.40}, which is not understood here; "
            f"{_CURE}."
        )
    return str(kind)


def _scaled(
    head: Head,
    scaling: dict[str, Any],
    config: Any,
    factors: dict[str, list[float]],
    turned: int,
) -> dict[str, Any]:
    """What is added to ``rope_parameters``: nothing where no scaling is said."""
    kind = _kind(head, scaling)
    factor = float(scaling.pop("rope.scaling.factor", scaling.pop("rope.scale_linear", 0.0)) or 1.0)
    trained = scaling.pop("rope.scaling.original_context_length", None)
    length = scaling.pop("rope.scaling.attn_factor", None)
    for name in ("rope.scaling.type", "rope.scaling.finetuned"):
        scaling.pop(name, None)
    for name in ("rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"):
        if scaling.get(name) == 1.0:
            del scaling[name]
    if kind != "yarn" and not factors and length not in (None, 1.0):
        scaling["rope.scaling.attn_factor"] = length  # and is refused
    fast, slow = (scaling.pop(f"rope.scaling.yarn_beta_{n}", None) for n in ("fast", "slow"))
    for name, value in scaling.items():
        raise ModelError(
            f"{head.name} says {head.architecture}.{name} = {value!r:.40}, which is not understood "
            f"here; {_CURE}."
        )
    short, far = (factors.get(f"rope_factors_{n}.weight") for n in ("short", "long"))
    even = factors.get("rope_freqs.weight")
    if (short is None) != (far is None) or (even is not None and (short or kind != "none")):
        raise ModelError(
            f"{head.name} holds rotary factors that do not go together "
            f"({', '.join(sorted(factors))}, scaling "
            f"{kind!r}); fetch the file again."
        )
    for values in factors.values():
        if len(values) != turned // 2 or not all(math.isfinite(v) and v > 0 for v in values):
            raise ModelError(
                f"{head.name} holds {len(values)} rotary factors, and its heads turn {turned // 2} "
                "pairs, each by a number above zero; fetch the file again."
            )
    if even is not None:
        return _divided(even, config, turned)
    if short is not None and far is not None:
        return {
            "rope_type": "longrope",
            "short_factor": short,
            "long_factor": far,
            "original_max_position_embeddings": trained or config.max_position_embeddings,
            # without it, the formula of transformers
            **({} if length is None else {"attention_factor": float(length)}),
        }
    if kind == "linear" and factor != 1.0:
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn" and factor != 1.0:
        if trained is None:
            raise ModelError(
                f"{head.name} says yarn without rope.scaling.original_context_length; {_CURE}."
            )
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": int(trained),
            "attention_factor": (length or 1.0) * (0.1 * math.log(factor) + 1.0),
            "beta_fast": float(fast if fast is not None else 32.0),
            "beta_slow": float(slow if slow is not None else 1.0),
        }
    if kind == "longrope":
        raise ModelError(f"{head.name} says longrope without its factors; fetch the file again.")
    return {}


def _divided(factors: list[float], config: Any, turned: int) -> dict[str, Any]:
    """Frequencies divided by these factors: as Llama 3.1 names it where it is that, else spelled
    out.
    """
    base = config.rope_parameters["rope_theta"]
    inverse = base ** (-np.arange(0, turned, 2) / turned)
    waves = 2 * np.pi / inverse
    factor = max(factors)
    trained, low, high = (
        _LLAMA3["original_max_position_embeddings"],
        _LLAMA3["low_freq_factor"],
        _LLAMA3["high_freq_factor"],
    )
    smooth = np.clip((trained / waves - low) / (high - low), 0.0, 1.0)
    if np.allclose(factors, 1 / ((1 - smooth) / factor + smooth), rtol=1e-3):
        return {"rope_type": "llama3", "factor": float(factor), **_LLAMA3}
    return {
        "rope_type": "longrope",
        "short_factor": factors,
        "long_factor": factors,
        "original_max_position_embeddings": config.max_position_embeddings,
        "attention_factor": 1.0,
    }


def _carry_unsaid(head: Head, config: Any) -> None:
    """What llama.cpp knows of an architecture and its files do not say."""
    if head.architecture in ("gemma2", "gemma3"):
        # the 27 B models divide the scores by the width of a head as it would be without a width of
        # its own
        largest = config.num_hidden_layers == {"gemma2": 46, "gemma3": 62}[head.architecture]
        config.query_pre_attn_scalar = (
            config.hidden_size // config.num_attention_heads if largest else config.head_dim
        )
    if head.architecture == "falcon" and (
        config.num_kv_heads != 1 or any("attn_norm_2" in name for name in head.shapes)
    ):
        raise ModelError(
            f"{head.name} is of Falcon's newer architecture, whose queries, keys and values lie in "
            f"another order in GGUF; {_CURE}."
        )
