"""Tuned lens: an affine translator for each layer, trained so that its state, read by the last norm
and unembedding, says what the network will say.

    lens_ℓ(h) = softmax(W_U norm(h + A_ℓ h + b_ℓ)),   (A_ℓ, b_ℓ) = argmin mean KL(p_L ‖ lens_ℓ),   A_ℓ = 0, b_ℓ = 0 at first

so that before training it is the logit lens. Layers share each batch's final distribution and
nothing else. Translator i reads the state that enters block i (the embedding for i = 0), as in the
published lenses, which `load` opens: a folder with ``config.json`` and ``params.pt``, of which
tensors alone are read.

Budget: published lenses see 250 steps of 262,144 tokens each. `train_tuned_lens` sees 250 steps of
64 rows by default, a four-thousandth of it: enough for a first look. Before conclusions give more
``steps`` and a larger ``batch``, or `load` a published lens.

Cost: for each step and layer three products of the batch with the unembedding, and one a step for
the final states. Reference: Belrose et al. (2023), Eliciting latent predictions from transformers
with the tuned lens, arXiv:2303.08112.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core import records
from inscape.core.arrays import to_numpy
from inscape.core.errors import InscapeError, ModelError
from inscape.core.foreign import reason
from inscape.core.overwriting import refuse_foreign
from inscape.core.rng import torch_generator
from inscape.core.torch_files import load_tensors
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.logit_lens import Reading, logit_lens

_CONFIG = 1 << 20  # bytes of config.json
Progress = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class TunedLens:
    """The translators of a network.

    Attributes:
        weight: A, (layers, d, d).
        bias: b, (layers, d).
        model: name of the network that it was trained for.
    """

    weight: Float[Tensor, "layers d d"]
    bias: Float[Tensor, "layers d"]
    model: str = ""

    def __call__(self, layer: int, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """States that enter block `layer`, as states of the last layer."""
        weight, bias = self.weight[layer].to(h), self.bias[layer].to(h)
        return h + h @ weight.T + bias

    @classmethod
    def fit(
        cls, model: Model, texts: Sequence[str], *, tokens: int = 4000, **options: Any
    ) -> TunedLens:
        """Train a lens on a model's own states of texts.

        The first token of each text is left out: its states are an attention sink's, ten or more
        times as long as others.

        Args:
            model: a language model.
            texts: what it reads.
            tokens: states at most; all layers of these are in memory.
            options: of `train_tuned_lens`.

        Raises:
            ValueError: no text has two tokens.
        """
        sites = model.select("resid_pre.*")
        last = model.select("resid_post.-1")[0]
        parts: list[Tensor] = []
        for text in model.tokenize(list(texts)):
            if sum(p.shape[1] for p in parts) >= tokens:
                break
            if len(text) > 1:
                run = model.run([text], [*sites, last])
                parts.append(torch.stack([run[s][0, 1:].float().cpu() for s in [*sites, last]]))
        if not parts:
            raise ValueError("TunedLens.fit: no text has two tokens or more; give longer ones")
        states = torch.cat(parts, dim=1)[:, :tokens]
        return train_tuned_lens(
            Readout.of(model), states[:-1], states[-1], model=model.name, **options
        )

    def read(
        self, readout: Readout, site: str, h: Any, final: Any = None, *, k: int = 10
    ) -> Reading:
        """What states would say after their translator; those that leave the last block are read as
        they are.

        Raises:
            ValueError: a site that is no state of the residual stream between blocks, or of a layer
                beyond the lens.
        """
        layer = entered(site, len(self.weight))
        states = torch.as_tensor(to_numpy(h)) if not isinstance(h, Tensor) else h
        return logit_lens(
            readout, states if layer == len(self.weight) else self(layer, states), final, k=k
        )

    def save(self, folder: str | Path) -> None:
        """Write the lens in the published layout: ``config.json`` and ``params.pt``.

        Raises:
            ModelError: one of the two is there already.
        """
        path = Path(folder)
        for name in ("config.json", "params.pt"):
            refuse_foreign(path / name, None, ModelError)
        path.mkdir(parents=True, exist_ok=True)
        layers, d = self.bias.shape
        config = {
            "base_model_name_or_path": self.model,
            "d_model": d,
            "num_hidden_layers": layers,
            "bias": True,
            "base_model_revision": None,
            "unembed_hash": None,
            "lens_type": "linear_tuned_lens",
        }
        state = {
            f"{i}.{name}": getattr(self, name)[i].clone()
            for i in range(layers)
            for name in ("weight", "bias")
        }
        torch.save(state, path / "params.pt")
        (path / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> TunedLens:
        """Open a lens in the published layout.

        Raises:
            ModelError: a file is missing, or the tensors are not those that the configuration
                names.
        """
        path = Path(folder)
        try:
            config = records.read(path / "config.json", dict[str, Any], largest=_CONFIG)
            state = load_tensors(path / "params.pt")
            layers, d = int(config["num_hidden_layers"]), int(config["d_model"])
            weight = torch.stack([state[f"{i}.weight"] for i in range(layers)])
            bias = torch.zeros(weight.shape[:2])
            if config.get("bias", True):
                bias = torch.stack([state[f"{i}.bias"] for i in range(layers)])
        except (
            InscapeError,
            OSError,
            KeyError,
            ValueError,
            RuntimeError,
            TypeError,
            OverflowError,
        ) as error:
            raise ModelError(
                f"{path} is not a tuned lens ({reason(error)}): a folder with config.json and "
                "params.pt is needed, with tensors i.weight and i.bias for every layer."
            ) from error
        except (
            Exception
        ) as error:  # the loader that refuses to run code has an error of its own kind
            raise ModelError(
                f"{path / 'params.pt'} holds more than tensors, so it was not opened."
            ) from error
        if weight.shape != (layers, d, d) or bias.shape != (layers, d):
            raise ModelError(
                f"{path}: config.json says {layers} layers of width {d}, and params.pt holds "
                f"{tuple(weight.shape)}; one of "
                "the two belongs to another lens."
            )
        return cls(weight.float(), bias.float(), str(config.get("base_model_name_or_path", "")))


def entered(site: str, blocks: int) -> int:
    """The block that a state enters; `blocks` for what leaves the last.

    Raises:
        ValueError: the site is no state of the residual stream between blocks, or of a layer that
            is not there.

    Example:
        >>> entered("resid_post.3", 12), entered("resid_pre.3", 12)
        (4, 3)
    """
    point, _, number = str(site).partition(".")
    shift = {"resid_pre": 0, "resid_post": 1}.get(point)
    layer = int(number) + shift if shift is not None and number.isdecimal() else -1
    if not 0 <= layer <= blocks:
        raise ValueError(
            f"a lens of {blocks} blocks reads resid_pre.* and resid_post.*, got {site!r}"
        )
    return layer


def train_tuned_lens(
    readout: Readout,
    x: Float[Tensor, "layers n d"],
    final: Float[Tensor, "n d"],
    *,
    steps: int = 250,
    batch: int = 64,
    rate: float = 1e-3,
    decay: float = 1e-3,
    seed: int = 0,
    model: str = "",
    progress: Progress | None = None,
) -> TunedLens:
    """Train translators on states that are at hand.

    Args:
        readout: the network's last norm and unembedding; left as it is.
        x: states that enter each block.
        final: states that leave the last one, for the same rows.
        steps: of Adam, the rate falling linearly to zero; as many as the authors take.
        batch: rows a step, drawn with replacement; the authors take 262,144.
        rate: of learning.
        decay: of the weights towards zero, which is towards the identity.
        seed: of the draws.
        model: name to keep in the lens.
        progress: called after each step with its number and the mean KL.

    Returns:
        The lens.

    Raises:
        ValueError: fewer than one step or row.
        InscapeError: the loss is not finite.
    """
    if steps < 1 or x.shape[1] < 1:
        raise ValueError(
            f"train_tuned_lens: needs at least one step and one row, got {steps} and {x.shape[1]}"
        )
    layers, _, d = x.shape
    weight = torch.zeros(layers, d, d, dtype=torch.float32, requires_grad=True)
    bias = torch.zeros(layers, d, dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.AdamW([weight, bias], lr=rate, weight_decay=decay)
    draw = torch_generator(seed, "tuned lens")
    for step in range(steps):
        rows = torch.randint(x.shape[1], (batch,), generator=draw)
        with torch.no_grad():
            goal = torch.log_softmax(readout(final[rows].float()), -1)
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        total = 0.0
        for i in range(layers):  # one layer's scores at a time
            h = x[i, rows].float()
            said = torch.log_softmax(readout(h + h @ weight[i].T + bias[i]), -1)
            loss = (goal.exp() * (goal - said)).sum(-1).mean()
            loss.backward()
            total += float(loss.detach())
        if not torch.isfinite(torch.tensor(total)):
            raise InscapeError(
                f"the tuned lens diverged at step {step}: give a smaller rate than {rate}."
            )
        optimiser.step()
        if progress is not None:
            progress(step + 1, total / layers)
    return TunedLens(weight.detach(), bias.detach(), model)


def translated(lens: TunedLens, x: Any) -> Tensor:
    """States of every layer through their translators, (layers, n, d): what
    `inscape.read.logit_lens` then reads.
    """
    stacked = torch.as_tensor(x)
    if stacked.ndim != 3 or len(stacked) != len(lens.weight):
        raise ValueError(
            f"translated: x must be ({len(lens.weight)}, n, d), got shape {tuple(stacked.shape)}"
        )
    return torch.stack([lens(i, h) for i, h in enumerate(stacked)])
