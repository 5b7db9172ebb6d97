"""Family: what an architecture calls its parts, as a table of facts.

A family says, for each canonical point, which submodule's input or output is that tensor. Nothing
is computed here and nothing is subclassed; the certificate proves the table on the checkpoint at
hand. A new family is one file in ``families/`` with a module-level ``FAMILY``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Layout = Literal[
    "whole",
    "first third",
    "second third",
    "third third",
    "first half",
    "second half",
    "head q",
    "head k",
    "head v",
    "group q",
    "group k",
    "group v",
    "split q",
    "split k",
    "split v",
    "apart",
    "heads first",
    "each head",
]

#: points at which something is added to the residual stream, in the order of computation, and the
# stream right after it
ADDED = {
    "attn_out": "resid_mid",
    "cross_out": "resid_cross",
    "mlp_out": "resid_post",
    "mixer_out": "resid_post",
}


@dataclass(frozen=True)
class Tap:
    """Where a point's tensor is.

    Attributes:
        path: submodule path, from the block for layered points, from the body otherwise; ``""`` is
            the block itself.
        side: the tensor is that module's input or its output.
        index: which element, where the module gives a tuple.
        layout: how the tensor lies inside a fused one; see `inscape.model.layout`.
        span: from and to which entry of the last axis, within what `layout` leaves (of each head
            with ``each head``).
        factor: what the module's tensor is multiplied by before it is the point's: a number, or the
            name of an attribute of the block (a learnt vector).
        editable: whether changing this tensor changes the forward pass as the point's name
            promises.
    """

    path: str
    side: Literal["in", "out"] = "out"
    index: int = 0
    layout: Layout = "whole"
    editable: bool = True
    factor: float | str = 1.0
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class Family:
    """The facts of one stack of blocks of an architecture.

    An architecture of several stacks (an encoder and a decoder, a tower for images and one for
    texts) has a table for each; the first of them, by the names of their files, is the one that is
    opened where none is asked for.

    Attributes:
        name: the family's name.
        model_types: the ``config.model_type`` values it covers.
        kind: what it is fed: text, image or audio.
        blocks: path of the list of blocks, from the body; or the paths of the blocks one by one in
            the order of computation. One that is named several times is called as often: its calls
            are blocks of their own.
        points: canonical point → tap, relative to a block.
        final_norm: path of the last norm, from the body; empty if none.
        head: path of the unembedding, from the whole model; empty if none.
        after: path of a projection between the last norm and the unembedding, from the body; empty
            if none.
        residual: ``"sum"``: resid_post = resid_pre + attn_out + mlp_out; ``"post-norm"``: each sum
            is normalised.
        norms: for post-norm families, paths in the block of the norms after each of `adds`.
        causal: whether a token sees only what comes before it.
        act: the activation function, ``mlp_act = act(mlp_pre)``: path of its module in the block,
            or, where it has none, its name among transformers' functions.
        up: where the MLP is gated, the projection of ``mlp_in`` that the activated gate multiplies.
        scale: what the inner product of a query and a key is multiplied by: a number, or the name
            of an attribute of the attention; where it has none of that name, or none is named, one
            over the root of the head's width.
        heads: the configuration's entry that says how many heads there are; by default
            ``num_attention_heads``.
        groups: heads of keys and values, where the configuration does not say it as
            ``num_key_value_heads``.
        bias: whether scores get a bias that depends on positions alone (ALiBi).
        asked: whether attention gives its weights only where ``output_attentions`` is asked for.
        packed: whether a mask and position ids alone decide what a token sees, as
            `inscape.model.prefix` needs.
        rotation: how rotary encoding is taken out: by its ``"module"``, or by ``"position_ids"`` of
            zero.
        body: path of the body inside the base model (an encoder within an encoder–decoder).
        tower: what this stack is called where there are several; empty if it is the only one.
        decoder: whether it reads an encoder beside it: the whole model is run, and positions are
            those of ``decoder_input_ids``.
        latent: for latent attention, the modules through which keys and values are compressed, one
            after another; each reads the first entries of what came before.
        states: what the network's own ``hidden_states`` begin with.
        adjust: facts that depend on the configuration: gives the changed fields.
    """

    name: str
    model_types: tuple[str, ...]
    blocks: str | tuple[str, ...]
    points: dict[str, Tap]
    kind: Literal["text", "image", "audio"] = "text"
    final_norm: str = ""
    head: str = ""
    after: str = ""
    residual: Literal["sum", "post-norm"] = "sum"
    norms: tuple[str, ...] = ()
    causal: bool = True
    act: str = ""
    up: Tap | None = None
    scale: str | float = "scaling"
    heads: str = "num_attention_heads"
    groups: int | None = None
    bias: bool = False
    asked: bool = False
    packed: bool = True
    rotation: Literal["module", "position_ids"] = "module"
    body: str = ""
    tower: str = ""
    decoder: bool = False
    latent: tuple[str, ...] = ()
    states: Literal["embed", "resid_post"] = "embed"
    adjust: Callable[[Any], dict[str, Any]] | None = field(default=None, compare=False)

    @property
    def adds(self) -> tuple[str, ...]:
        """The points at which a block adds to the residual stream, in the order of computation."""
        return tuple(point for point in ADDED if point in self.points)

    @property
    def autoregressive(self) -> bool:
        """Whether each token of what is fed in sees only those before it: a decoder beside an
        encoder reads others.
        """
        return self.causal and not self.decoder

    @property
    def cached(self) -> bool:
        """Whether a text can be continued from the keys and values of its beginning."""
        return self.autoregressive and "attn_out" in self.points
