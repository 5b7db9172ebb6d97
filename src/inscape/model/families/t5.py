"""T5's, mT5's and umT5's encoder: a bias by distance on scores that are not divided."""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap

#: model types of both stacks
TYPES = ("t5", "mt5", "umt5")


def gated(config: Any, path: str) -> dict[str, Any]:
    """The facts of an MLP that has a gate, if the configuration says so."""
    return {"up": Tap(f"{path}.wi_1")} if config.is_gated_act else {}


def pattern(config: Any) -> int:
    """Where an attention gives its weights: after its bias, but in umT5."""
    return 1 if config and config.model_type == "umt5" else 2


def points(config: Any, mlp: str) -> dict[str, Tap]:
    """The points that both stacks have; the MLP is another layer of the block in a decoder."""
    attention, dense = "layer.0.SelfAttention", f"{mlp}.DenseReluDense"
    return {
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("layer.0.layer_norm"),
        "q": Tap(f"{attention}.q"),
        "k": Tap(f"{attention}.k"),
        "v": Tap(f"{attention}.v"),
        "pattern": Tap(attention, index=pattern(config), editable=False),
        "z": Tap(f"{attention}.o", "in"),
        "attn_out": Tap(f"{attention}.o"),
        "resid_mid": Tap(f"{mlp}.layer_norm", "in", editable=False),
        "mlp_in": Tap(f"{mlp}.layer_norm"),
        "mlp_pre": Tap(f"{dense}.{'wi_0' if config and config.is_gated_act else 'wi'}"),
        "mlp_act": Tap(f"{dense}.wo", "in"),
        "mlp_out": Tap(f"{dense}.wo"),
        "resid_post": Tap(""),
    }


def _gated(config: Any) -> dict[str, Any]:
    return gated(config, "layer.1.DenseReluDense") | {"points": points(config, "layer.1")}


FAMILY = Family(
    name="t5",
    model_types=TYPES,
    tower="encoder",
    body="encoder",
    blocks="block",
    final_norm="final_layer_norm",
    causal=False,
    act="layer.1.DenseReluDense.act",
    scale=1.0,
    bias=True,
    points=points(None, "layer.1"),
    adjust=_gated,
)
