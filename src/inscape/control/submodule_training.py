"""A sub-module trained to give the residual that steering would: what an edit does, in the weights,
with no hook left.

The residual h that leaves block L at the last token is a sum in which the MLP's output f(x) stands
once, and nothing else in it depends on f's weights. So its inputs x and the rest r = h − f(x) are
computed once, and training is a regression of the sub-module alone, with no pass of the model and
no cross-entropy:

    minimise over θ   mean ‖ r + f_θ(x) − h* ‖² / d

In contrastive activation steering the targets are h* = h + α v for what is to be abstained from and
h* = h − α v for what is to be answered. What an attention adds is read by the MLP after it before
it leaves the block; then f is the whole block, of which only the attention (or the linear layer
that is named) is trained. Either way the regression's residual is that of the model with the new
weights, to rounding: what is promised here is checked by one pass.

Targets are set at last tokens, but new weights act at every token. What else moves is to be
measured.

Cost: one pass of the model up to block L; then steps × the sub-module, or the block, on a batch of
rows. Reference: Yang et al. (2025), Hallucination reduction with CASAL, arXiv:2510.02324.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from inscape.control.learning_rate import rise_and_fall
from inscape.core.batch import Tokens
from inscape.core.errors import ModelError, suggest
from inscape.core.threads import one_torch_thread
from inscape.model.model import Model
from inscape.model.within_thread import own_hook

#: sub-modules that are named by what they do: the module that holds this point's tap
PARTS = {"mlp": "mlp_act", "attention": "z"}
_NARROW = 128_000  # rows × width below which one thread is faster than two


@dataclass(frozen=True, eq=False)
class Regression:
    """What training needs of a model; made by `regression`.

    Attributes:
        model: never changed.
        layer: the block.
        trained: the sub-module's path in the network.
        root: the path of what is run: the MLP, or the block.
        residual: h, what leaves the block at each last token, (n, d) float32.
        parts: rows that are run together: their numbers; arguments of `root`, first those by
            position; and r.
    """

    model: Model
    layer: int
    trained: str
    root: str
    residual: Float[Tensor, "n d"]
    parts: tuple[tuple[Tensor, tuple[tuple[Any, ...], dict[str, Any]], Float[Tensor, "_ d"]], ...]

    def predict(
        self, root: nn.Module, part: int, rows: Tensor | None = None
    ) -> Float[Tensor, "m d"]:
        """The residual at the last tokens of some rows of a part (all by default), as a copy of
        `root` gives it.
        """
        _, (args, named), rest = self.parts[part]
        if rows is not None:
            args = tuple(_rows(a, rows, len(rest)) for a in args)
            named, rest = {k: _rows(a, rows, len(rest)) for k, a in named.items()}, rest[rows]
        out = root(*args, **named)
        return rest + (out if isinstance(out, Tensor) else out[0])[:, -1]


@dataclass(frozen=True, eq=False)
class Retrained:
    """New weights of a sub-module; made by `train_submodule`.

    Attributes:
        weights: parameter's name in the network → its new value.
        losses: mean squared error of each step's batch, before the step.
        promised: the residual at the last tokens that the regression ends with, (n, d).
        left: Σ ‖promised − h*‖² / Σ ‖h − h*‖²: 0 where all targets are met, 1 where nothing was
            learnt.
    """

    weights: dict[str, Tensor]
    losses: Float[np.ndarray, " steps"]
    promised: Float[Tensor, "n d"]
    left: float

    @property
    def count(self) -> int:
        """How many weights were trained."""
        return sum(w.numel() for w in self.weights.values())

    def departure(self, before: Float[Tensor, "n d"], after: Float[Tensor, "n d"]) -> float:
        """``‖after − promised‖ / ‖promised − before‖``: how far a model with these weights is from
        what was promised.

        Args:
            before: the residual at the last tokens without these weights.
            after: with them.
        """
        return float((after - self.promised).norm() / (self.promised - before).norm())

    def put_into(self, model: Model) -> Model:
        """A copy of the model with these weights: an ordinary model without hooks, uncertified.

        Save it with `inscape.control.checkpoint.save_checkpoint`, and open it again to certify it.

        Raises:
            ModelError: the model has no such parameter.
        """
        made = model.copied("one sub-module retrained")
        own = dict(made.net.named_parameters())
        for name, value in self.weights.items():
            if name not in own or own[name].shape != value.shape:
                raise ModelError(
                    f"{model.name} has no parameter {name} of shape {tuple(value.shape)}: these "
                    "weights belong to another model"
                )
            with torch.no_grad():
                own[name].copy_(value)
        return made


def contrastive_targets(
    h: Float[Tensor, "n d"],
    abstain: Bool[np.ndarray, " n"],
    vector: Float[np.ndarray, " d"],
    strength: float = 1.0,
) -> Float[Tensor, "n d"]:
    """h + α v where the model is to abstain, h − α v where it is to answer.

    Args:
        h: residuals.
        abstain: which rows are of what is not known.
        vector: v, the mean of what is not known less that of what is.
        strength: α.

    Example:
        >>> contrastive_targets(torch.zeros(2, 1), np.array([True, False]), np.array([1.0]), 2.0).tolist()
        [[2.0], [-2.0]]
    """
    moved = np.where(abstain, strength, -strength)[:, None] * np.asarray(vector, dtype=np.float64)
    return (h.double() + torch.from_numpy(moved).to(h.device)).to(h.dtype)


def regression(
    model: Model,
    inputs: Sequence[str] | Sequence[Tokens],
    layer: int,
    submodule: str = "mlp",
    *,
    batch: int = 64,
) -> Regression:
    """Run the model once over examples and keep what the sub-module's training needs.

    Args:
        model: a causal language model.
        inputs: texts, or their tokens.
        layer: the block.
        submodule: ``"mlp"``, ``"attention"``, or the path within the block of any module with
            weights (``"mlp.down_proj"``, ``"self_attn.o_proj"``).
        batch: examples of one length that are run together.

    Raises:
        ModelError: not a causal language model, no such block, or no such sub-module.
        ValueError: no inputs.
    """
    if model.family is None or not model.family.autoregressive:
        raise ModelError(
            f"{model.name}: only blocks of a causal language model can be retrained here"
        )
    if not 0 <= layer < len(model.atlas.blocks):
        raise ModelError(f"{model.name} has blocks 0 to {len(model.atlas.blocks) - 1}, not {layer}")
    if not len(inputs):
        raise ValueError("regression: no inputs; give at least one text")
    block = model.atlas.blocks[layer]
    inside = _inside(model, block, submodule)
    at = next(name for name, module in model.net.named_modules() if module is block)
    alone = _added_alone(model, inside)
    root = f"{at}.{alone}" if alone else at
    tokens = [t for t in inputs if isinstance(t, Tokens)] or model.tokenize(
        [str(t) for t in inputs]
    )
    found: list[tuple[Tensor, Any, Tensor, Tensor]] = []
    for length in sorted({len(t) for t in tokens}):
        same = [i for i, t in enumerate(tokens) if len(t) == length]
        for first in range(0, len(same), batch):
            rows = same[first : first + batch]
            found.append(
                (
                    torch.tensor(rows),
                    *_caught(model, [tokens[i] for i in rows], layer, root, bool(alone)),
                )
            )
    residual = torch.cat([h for *_, h in found])[torch.cat([rows for rows, *_ in found]).argsort()]
    parts = [(rows, called, rest) for rows, called, rest, _ in found]
    if alone:  # the MLP sees one token at a time, so rows of all lengths are alike
        x = torch.cat([called[0][0] for _, called, _ in parts])
        parts = [(torch.cat([p[0] for p in parts]), ((x,), {}), torch.cat([p[2] for p in parts]))]
    return Regression(model, layer, f"{at}.{inside}", root, residual, tuple(parts))


def train_submodule(
    data: Regression,
    targets: Float[Tensor, "n d"],
    *,
    steps: int = 300,
    rate: float = 1e-3,
    batch: int = 128,
    rng: np.random.Generator,
    progress: Callable[[int, float], None] | None = None,
) -> Retrained:
    """Fit the sub-module's weights so that the residual at the last tokens is the targets.

    Adam, at a rate that rises for a tenth of the steps and falls to zero over the rest.

    Args:
        data: from `regression`.
        targets: h* for each example; `data.residual` itself where nothing is to change.
        steps: how many.
        rate: the highest learning rate.
        batch: rows a step, of one part (drawn by its size).
        rng: draws the batches.
        progress: called after each step with its number, from 1, and its loss.

    Raises:
        ValueError: targets of another shape.
        ModelError: a loss that is no longer a number.
    """
    if targets.shape != data.residual.shape:
        raise ValueError(
            f"train_submodule: targets must be {tuple(data.residual.shape)} like the residual, got "
            f"{tuple(targets.shape)}"
        )
    root = (
        copy.deepcopy(data.model.net.get_submodule(data.root)).float().eval().requires_grad_(False)
    )
    path = data.trained.removeprefix(data.root).lstrip(".")
    learnt = {name: p.requires_grad_() for name, p in root.get_submodule(path).named_parameters()}
    optimiser = torch.optim.Adam(learnt.values(), lr=rate)
    asked = float((data.residual - targets).double().square().sum())
    steps = (
        0 if asked == 0 else steps
    )  # Adam's steps have one length: it would walk on rounding errors
    schedule, losses = rise_and_fall(optimiser, steps), []
    wanted = [targets[rows].to(data.residual) for rows, *_ in data.parts]
    share = np.array([len(w) for w in wanted]) / len(targets)
    narrow = batch * targets.shape[1] < _NARROW
    with one_torch_thread() if narrow else nullcontext(), torch.enable_grad():
        for step in range(steps):
            k = int(rng.choice(len(share), p=share))
            few = torch.from_numpy(rng.permutation(len(wanted[k]))[:batch].copy())
            loss = (data.predict(root, k, few) - wanted[k][few]).square().mean()
            losses.append(float(loss.detach()))
            if not np.isfinite(losses[-1]):
                raise ModelError(
                    f"train_submodule: the loss of step {step} is {losses[-1]}; lower rate={rate}"
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, losses[-1])
    promised = torch.empty_like(data.residual)
    with torch.no_grad():
        for k, (rows, *_) in enumerate(data.parts):
            promised[rows] = data.predict(root, k)
    weights = {f"{data.trained}.{name}": p.detach().clone() for name, p in learnt.items()}
    left = float((promised - targets).double().square().sum()) / asked if asked else 0.0
    return Retrained(weights, np.array(losses), promised, left)


def _inside(model: Model, block: nn.Module, submodule: str) -> str:
    """The sub-module's path within the block."""
    assert model.family is not None
    path = submodule
    if submodule in PARTS:
        tap = model.family.points.get(PARTS[submodule])
        path = "" if tap is None else tap.path.rpartition(".")[0]
    known = {
        name: module
        for name, module in block.named_modules()
        if name and any(True for _ in module.parameters())
    }
    if path not in known:
        raise ModelError(
            f"{model.name}: a block has no sub-module {submodule!r}. "
            f"{suggest(submodule, [*PARTS, *known])}"
        )
    return path


def _added_alone(model: Model, inside: str) -> str:
    """The path within the block of the MLP, if the sub-module is in it and what it gives is added
    to the stream as it is.
    """
    assert model.family is not None
    points = model.family.points
    mlp = points["mlp_act"].path.rpartition(".")[0] if "mlp_act" in points else ""
    whole = bool(mlp) and "mlp_out" in points and points["mlp_out"].path.startswith(mlp)
    return (
        mlp
        if whole and model.family.residual == "sum" and f"{inside}.".startswith(f"{mlp}.")
        else ""
    )


@torch.no_grad()
def _caught(
    model: Model, tokens: list[Tokens], layer: int, root: str, alone: bool
) -> tuple[tuple[tuple[Any, ...], dict[str, Any]], Tensor, Tensor]:
    """Arguments of the root, r and h at the last token of examples of one length."""
    called: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    out = f"resid_post.{layer}"
    module = model.net.get_submodule(root)
    handle = module.register_forward_pre_hook(
        own_hook(lambda _m, a, k: called.append((a, dict(k)))), with_kwargs=True
    )
    try:
        h = model.run(tokens, out)[out][:, -1].float()
    finally:
        handle.remove()
    args, named = called[-1]
    if not alone:
        args, named = tuple(_float(a) for a in args), {k: _float(a) for k, a in named.items()}
        return (args, named), torch.zeros_like(h), h
    x = args[0][:, -1:].detach().clone()
    return ((x.float(),), {}), h - module(x)[:, -1].float(), h


def _float(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(_float(y) for y in x)
    return x.detach().float() if isinstance(x, Tensor) and x.is_floating_point() else x


def _rows(x: Any, rows: Tensor, n: int) -> Any:
    """Some rows of whatever has one for each example."""
    if isinstance(x, tuple):
        return tuple(_rows(y, rows, n) for y in x)
    return x[rows] if isinstance(x, Tensor) and x.ndim and len(x) == n else x
