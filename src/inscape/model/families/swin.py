"""Swin: a vision transformer in stages of growing width; attention is within windows, which are no
positions of the stream.

Blocks are numbered through all stages. Between two stages four patches become one, so the stream
that leaves the last block of a stage is not the one that enters the next block.
"""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap


def _stages(config: Any) -> dict[str, Any]:
    path = "encoder.layers.{}.blocks.{}"
    return {
        "blocks": tuple(
            path.format(stage, block)
            for stage, depth in enumerate(config.depths)
            for block in range(depth)
        )
    }


FAMILY = Family(
    name="swin",
    model_types=("swin",),
    kind="image",
    blocks="encoder.layers.0.blocks",
    final_norm="layernorm",
    head="classifier",
    causal=False,
    act="mlp.activation_fn",
    points={
        "resid_pre": Tap("", "in"),
        "attn_out": Tap("drop_path"),
        "resid_mid": Tap("layernorm_after", "in", editable=False),
        "mlp_in": Tap("layernorm_after"),
        "mlp_pre": Tap("mlp.fc1"),
        "mlp_act": Tap("mlp.fc2", "in"),
        "mlp_out": Tap("mlp.fc2"),
        "resid_post": Tap(""),
    },
    adjust=_stages,
)
