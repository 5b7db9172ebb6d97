"""DeepSeek 2 and 3: keys and values are made of one compressed state, the MLP is a sum over routed
experts.

Keys lie in two modules, a part without position of each head and one with it that all heads share,
so there is no ``k``, and nothing that would vouch for a ``q``.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.experts import FAMILY as EXPERTS
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in EXPERTS.points.items() if p not in ("q", "k")}


def _compressed(config: Any) -> dict[str, Any]:
    of_key, of_value = config.qk_nope_head_dim, config.v_head_dim
    v = Tap("self_attn.kv_b_proj", layout="each head", span=(of_key, of_key + of_value))
    return {"points": {**FAMILY.points, "v": v}}


FAMILY = Family(
    name="deepseek",
    model_types=("deepseek_v2", "deepseek_v3"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    packed=False,
    latent=("self_attn.kv_a_proj_with_mqa", "self_attn.kv_a_layernorm"),
    points={**_POINTS, "latent": Tap("self_attn.kv_a_layernorm"), "mlp_out": Tap("mlp")},
    adjust=_compressed,
)
