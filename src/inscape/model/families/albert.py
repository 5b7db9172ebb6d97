"""ALBERT: a BERT whose blocks share their weights, so that each call of the one layer is a
block.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.bert import FAMILY as BERT
from inscape.model.family import Family, Tap


def _called(config: Any) -> dict[str, Any]:
    """Layers stand in groups, each called for its share of the depth, one after another within a
    group.
    """
    share = config.num_hidden_layers / config.num_hidden_groups
    path = "encoder.albert_layer_groups.{}.albert_layers.{}"
    depth, inner = range(config.num_hidden_layers), range(config.inner_group_num)
    return {"blocks": tuple(path.format(int(i / share), j) for i in depth for j in inner)}


FAMILY = Family(
    name="albert",
    model_types=("albert",),
    blocks="encoder.albert_layer_groups.0.albert_layers",
    residual="post-norm",
    norms=("attention.LayerNorm", "full_layer_layer_norm"),
    causal=False,
    act="activation",
    points={
        **BERT.points,
        "q": Tap("attention.query"),
        "k": Tap("attention.key"),
        "v": Tap("attention.value"),
        "pattern": Tap("attention", index=1, editable=False),
        "z": Tap("attention.dense", "in"),
        "attn_out": Tap("attention.dense"),
        "resid_mid": Tap("attention.LayerNorm"),
        "mlp_pre": Tap("ffn"),
        "mlp_act": Tap("ffn_output", "in"),
        "mlp_out": Tap("ffn_output"),
    },
    adjust=_called,
)
