"""GGUF files of small networks, written tensor by tensor as llama.cpp's converter lays them out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import gguf
import numpy as np

#: what `write` takes entries from: GGUF's name → attribute of the configuration, where there is one
ENTRIES = {
    "context_length": ("max_position_embeddings",),
    "embedding_length": ("hidden_size",),
    "block_count": ("num_hidden_layers",),
    "feed_forward_length": ("intermediate_size", "ffn_hidden_size"),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads",),
    "attention.key_length": ("head_dim",),
    "attention.value_length": ("head_dim",),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps",),
    "attention.layer_norm_epsilon": (
        "layer_norm_epsilon",
        "layer_norm_eps",
        "norm_epsilon",
        "norm_eps",
    ),
    "attention.sliding_window": ("sliding_window",),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "expert_count": ("num_experts",),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
}


def entries(architecture: str, config: Any) -> dict[str, Any]:
    """The entries of a configuration."""
    found: dict[str, Any] = {}
    for name, attributes in ENTRIES.items():
        values = [getattr(config, a, None) for a in attributes]
        value = next((v for v in values if v is not None), None)
        if value is not None and not isinstance(value, list):
            found[name] = value
    parameters = getattr(config, "rope_parameters", None) or {}
    own = parameters.get("full_attention", parameters)
    if own:
        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        found["rope.freq_base"] = float(own["rope_theta"])
        found["rope.dimension_count"] = int(width * own.get("partial_rotary_factor", 1.0))
    if architecture == "mamba":
        found = {k: v for k, v in found.items() if "head_count" not in k and "feed_" not in k}
        found["attention.layer_norm_rms_epsilon"] = found.pop("attention.layer_norm_epsilon")
        found |= {"feed_forward_length": 0, "attention.head_count": 0}
        found |= {
            f"ssm.{theirs}": getattr(config, ours)
            for theirs, ours in (
                ("conv_kernel", "conv_kernel"),
                ("inner_size", "intermediate_size"),
                ("state_size", "state_size"),
                ("time_step_rank", "time_step_rank"),
            )
        }
    if architecture == "falcon":
        found["attention.head_count_kv"] = 1
    return found


def permuted(w: np.ndarray, heads: int) -> np.ndarray:
    """Queries and keys as llama.cpp keeps those of Llama."""
    return w.reshape(heads, 2, -1, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def laid_out(architecture: str, config: Any, name: str, w: np.ndarray) -> np.ndarray:
    """A weight as its converter lays it out."""
    if architecture == "llama" and "q_proj" in name:
        return permuted(w, config.num_attention_heads)
    if architecture == "llama" and "k_proj" in name:
        return permuted(w, config.num_key_value_heads)
    if architecture in ("gemma2", "gemma3", "nemotron") and name.endswith("norm.weight"):
        return w + 1
    if architecture == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return w.T
    if architecture == "bloom" and "query_key_value" in name:
        parts = w.reshape(config.n_head, 3, -1, *w.shape[1:])
        return parts.swapaxes(0, 1).reshape(w.shape)
    if architecture == "mamba" and name.endswith("A_log"):
        return -np.exp(w)
    if name.endswith("conv1d.weight"):
        return w.squeeze(1)
    if name.endswith("shared_expert_gate.weight"):
        return w[0]
    return w


def tensors(architecture: str, net: Any) -> dict[str, np.ndarray]:
    """A network's weights under GGUF's names."""
    config = net.config
    which = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    table = gguf.get_tensor_name_map(which, config.num_hidden_layers)
    found: dict[str, np.ndarray] = {}
    for name, weight in net.state_dict().items():
        if config.tie_word_embeddings and name == "lm_head.weight":
            continue
        array = laid_out(architecture, config, name, weight.float().numpy())
        if name.endswith("experts.gate_up_proj"):
            block = name.split(".")[2]
            for part, half in zip(("gate", "up"), np.split(array, 2, axis=1), strict=True):
                found[f"blk.{block}.ffn_{part}_exps.weight"] = half
            continue
        stem, ending = name, ""
        for last in (".weight", ".bias"):
            if name.endswith(last):
                stem, ending = name.removesuffix(last), last
        if name.endswith("experts.down_proj"):
            ending = ".weight"
        while (theirs := table.get_name(stem)) is None:
            _, dot, stem = stem.partition(".")
            assert dot, name
        found[theirs + ending] = array
    return found


def write(
    path: Path,
    architecture: str,
    net: Any,
    *,
    more: dict[str, Any] | None = None,
    skip: Collection[str] = (),
    extra: dict[str, np.ndarray] | None = None,
    change: Callable[[str, np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Write a network as GGUF.

    Args:
        path: of the file.
        architecture: GGUF's name of it.
        net: of transformers, a causal language model.
        more: entries beside those of the configuration, or instead of them; None leaves one out.
        skip: tensors that are left out.
        extra: tensors beside the network's.
        change: what is written instead of a tensor.
    """
    writer = gguf.GGUFWriter(path, architecture)
    size = net.config.vocab_size
    words = ["<unk>", "<s>", "</s>", *(f"▁w{i}" for i in range(size - 3))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([2, 3, 3] + [1] * (size - 3))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, value in {**entries(architecture, net.config), **(more or {})}.items():
        key = name.removeprefix("/") if name.startswith("/") else f"{architecture}.{name}"
        if value is None:
            continue
        add = {
            bool: writer.add_bool,
            int: writer.add_uint32,
            float: writer.add_float32,
            str: writer.add_string,
        }
        (writer.add_array if isinstance(value, list) else add[type(value)])(key, value)
    for name, array in {**tensors(architecture, net), **(extra or {})}.items():
        if name not in skip:
            array = array if change is None else change(name, array)
            writer.add_tensor(name, np.ascontiguousarray(array, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
