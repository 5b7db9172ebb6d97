"""Fine-tuning an encoder under a head that reads the last layer, or a scalar mix of all of them.

    h = mean over tokens of h_L                              last
    h = mean over tokens of γ Σ_j softmax(s)_j h_j           mix: every layer has a path to the loss of its own

Everything else is the same: weights, batches, optimiser and seed. Recorded are the loss at every
step, the norm of the gradient that reaches each block at the first steps, accuracy on held-out
rows, and accuracy after the smallest weights of the blocks' matrices have been set to zero, with no
training after it.

Cost: one forward and one backward pass a step.
Reference: Kodge and Roy (2021), BERMo, arXiv:2110.15802; Peters et al. (2018), arXiv:1802.05365,
eq. 1 (the mix).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.core.errors import ModelError
from inscape.core.evidence import Evidence
from inscape.core.item_rows import row_mask
from inscape.core.measured import Measured
from inscape.core.rng import generator, torch_generator
from inscape.model.model import Model


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a fine-tuning run left.

    Attributes:
        loss: training loss of every step.
        gradient: norm of the gradient of each block's weights, the mean over the first ten steps,
            (blocks,).
        predicted: class codes of the held-out rows.
        pruned: share of weights set to zero → class codes of the held-out rows.
        mix: weights of the layers at the end; uniform where the last layer is read.
    """

    loss: Float[np.ndarray, " steps"]
    gradient: Float[np.ndarray, " blocks"]
    predicted: Int[np.ndarray, " n"]
    pruned: dict[float, np.ndarray]
    mix: Float[np.ndarray, " layers"]

    def steps_to(self, level: float, window: int = 5) -> int:
        """The first step at which the mean loss of the last few is below a level; one more than
        there are, if never."""
        smooth = np.convolve(self.loss, np.ones(window) / window, mode="valid")
        below = np.flatnonzero(smooth < level)
        return int(below[0]) + window if len(below) else len(self.loss) + 1


class Head(nn.Module):
    """Reads pooled layers; see the module for the two forms."""

    def __init__(self, layers: int, width: int, classes: int, mix: bool) -> None:
        super().__init__()
        self.mix = mix
        self.s, self.gamma = nn.Parameter(torch.zeros(layers)), nn.Parameter(torch.ones(()))
        self.out = nn.Linear(width, classes)

    def forward(self, states: Sequence[Tensor], keep: Tensor) -> Tensor:
        """Logits of a batch from its layers (batch, tokens, d) and the tokens that count."""
        h = states[-1]
        if self.mix:
            a = self.s.softmax(dim=0)
            h = self.gamma * torch.stack([w * x for w, x in zip(a, states, strict=True)]).sum(dim=0)
        weight = keep[:, :, None].to(h.dtype)
        return self.out((h * weight).sum(dim=1) / weight.sum(dim=1))


@dataclass(frozen=True)
class Tuning:
    """How a network is fine-tuned.

    Attributes:
        steps: of AdamW, with a linear warm-up over a tenth of them.
        batch: rows a step.
        rate: learning rate of the encoder; the head's is ten times it.
        prune: shares of the blocks' smallest weights that are set to zero afterwards.
    """

    steps: int = 60
    batch: int = 16
    rate: float = 1e-4
    prune: tuple[float, ...] = (0.5, 0.8)


def fine_tune(
    model: Model,
    texts: Sequence[str],
    y: Int[np.ndarray, " n"],
    split: tuple[Int[np.ndarray, " m"], Int[np.ndarray, " k"]],
    how: Tuning | None = None,
    *,
    mix: bool,
    seed: int = 0,
) -> Tuned:
    """Fine-tune a copy of an encoder on one task; the model itself is left as it was.

    Args:
        model: an encoder.
        texts: all of them.
        y: class codes.
        split: rows that train, and rows that are held out.
        how: steps, batches, rates.
        mix: read a scalar mix of all layers, else the last.
        seed: of the head and of the batches; the same for both heads.

    Raises:
        ModelError: a model that gives no layers.
    """
    how, (train, test) = how or Tuning(), split
    net = copy.deepcopy(model.net).train()
    for module in net.modules():  # without dropout the two heads see the same batches the same way
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    tokens, layers = model.tokenize(texts), len(model.atlas.blocks) + 1
    width = int(model.atlas.config.hidden_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch_generator(seed, "head").initial_seed() % 2**63))
        head = Head(layers, width, int(y.max()) + 1, mix)
    blocks = _blocks(net, model)
    groups = [
        {"params": list(net.parameters()), "lr": how.rate},
        {"params": list(head.parameters()), "lr": 10 * how.rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / max(1, how.steps // 10))
    )
    rng, losses, norms = generator(seed, "batches"), [], []
    for step in range(how.steps):
        rows = rng.choice(train, size=min(how.batch, len(train)), replace=False)
        logits = _logits(model, net, head, [tokens[i] for i in rows])
        loss = F.cross_entropy(logits, torch.from_numpy(y[rows].astype(np.int64)))
        optimiser.zero_grad()
        loss.backward()
        if step < 10:
            norms.append([_norm(block) for block in blocks])
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    net.eval()
    predicted = _predict(model, net, head, tokens, test)
    pruned = {}
    for share in sorted(how.prune):
        _prune(blocks, share)
        pruned[share] = _predict(model, net, head, tokens, test)
    a = head.s.detach().softmax(dim=0).double().numpy()
    return Tuned(np.array(losses), np.array(norms).mean(axis=0), predicted, pruned, a)


def held_out(
    tuned: Sequence[Tuned],
    y: Int[np.ndarray, " k"],
    groups: Int[np.ndarray, " k"],
    level: float,
    where: Mapping[str, str],
) -> list[Evidence]:
    """How soon the loss falls, and accuracy on held-out rows without pruning and with it, over
    several seeds.

    Args:
        tuned: one fine-tuning for each seed.
        y: class codes of the held-out rows.
        groups: of those rows.
        level: the loss that is to be reached.
        where: coordinates of the evidence.

    Returns:
        Steps to the level, then the accuracy for each share pruned, beside 50 permutations of the
        labels.
    """
    m = Measured("steps to half the loss", unit="steps", direction="lower", where=where)
    m.put("steps", [t.steps_to(level) for t in tuned])
    out, rng = [m.value("steps")], np.random.default_rng(0)
    orders = [rng.permutation(len(y)) for _ in range(50)]
    for share in (0.0, *sorted(tuned[0].pruned)):
        made = [t.predicted if share == 0 else t.pruned[share] for t in tuned]
        m = Measured(f"accuracy, {share:.0%} pruned", groups=groups, unit="accuracy", where=where)
        m.put("tuned", np.stack([p == y for p in made]))
        m.put("labels permuted", np.stack([made[0] == y[o] for o in orders]), role="null")
        out.append(m.value("tuned", null="labels permuted"))
    return out


class TunedHeads(NamedTuple):
    """Both heads fine-tuned on one task, over seeds.

    Attributes:
        runs: head → one fine-tuning for each seed.
        level: half of the first loss under the first head, in nats.
    """

    runs: dict[str, list[Tuned]]
    level: float

    def curves(self, panel: str, window: int = 5) -> pd.DataFrame:
        """Training loss as `inscape.charts.curves.curves` draws it: the mean over seeds and the
        last few steps.
        """
        even = np.ones(window) / window
        return _curves(panel, self.runs, lambda t: np.convolve(t.loss, even, mode="valid"), window)

    def gradients(self, panel: str) -> pd.DataFrame:
        """Norm of the gradient of each block's weights at the first steps, likewise."""
        return _curves(panel, self.runs, lambda t: t.gradient, 0)


def tune_heads(
    model: Model,
    texts: Sequence[str],
    y: Int[np.ndarray, " n"],
    inside: Shaped[np.ndarray, " n"],
    heads: Mapping[str, bool],
    how: Tuning,
    *,
    seeds: Sequence[int],
    advance: Callable[[], object] = lambda: None,
) -> TunedHeads:
    """`fine_tune` under several heads, the same batches for all.

    Args:
        model: an encoder.
        texts: all of them.
        y: class codes.
        inside: rows that are held out.
        heads: name → whether the head reads a mix of all layers.
        how: steps, batches, rates.
        seeds: of each head's runs.
        advance: called after each run.
    """
    inside = row_mask(inside, len(y), "tune_heads: inside")
    split, runs = (np.flatnonzero(~inside), np.flatnonzero(inside)), {}
    for head, mix in heads.items():
        runs[head] = []
        for seed in seeds:
            runs[head].append(fine_tune(model, texts, y, split, how, mix=mix, seed=seed))
            advance()
    first = next(iter(runs.values()))
    return TunedHeads(runs, 0.5 * float(np.mean([t.loss[0] for t in first])))


class HeldOutTask(NamedTuple):
    """A task that heads are tuned on, and the rows that are held out of it.

    Attributes:
        texts: all of them.
        y: class codes, (n,).
        groups: of the rows, (n,).
        inside: rows that are held out, (n,).
        seeds: of each head's runs.
    """

    texts: Sequence[str]
    y: Int[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    inside: Bool[np.ndarray, " n"]
    seeds: Sequence[int]


@dataclass(frozen=True, eq=False)
class TunedTasks:
    """Heads tuned on several tasks.

    Attributes:
        tasks: by name.
        tuned: task → its runs.
    """

    tasks: Mapping[str, HeldOutTask]
    tuned: Mapping[str, TunedHeads]

    def curves(self) -> pd.DataFrame:
        """`TunedHeads.curves` of every task, a panel each."""
        every = [heads.curves(name) for name, heads in self.tuned.items()]
        return pd.concat(every, ignore_index=True)

    def gradients(self) -> pd.DataFrame:
        """`TunedHeads.gradients` of every task, a panel each."""
        every = [heads.gradients(name) for name, heads in self.tuned.items()]
        return pd.concat(every, ignore_index=True)

    def evidence(self) -> list[Evidence]:
        """`held_out` of every task and head; coordinates ``task`` and ``head``."""
        rows = []
        for name, heads in self.tuned.items():
            task = self.tasks[name]
            y, groups = task.y[task.inside], task.groups[task.inside]
            for head, runs in heads.runs.items():
                rows += held_out(runs, y, groups, heads.level, {"task": name, "head": head})
        return rows


def tune_tasks(
    model: Model,
    tasks: Mapping[str, HeldOutTask],
    heads: Mapping[str, bool],
    how: Tuning,
    *,
    advance: Callable[[], object] = lambda: None,
) -> TunedTasks:
    """`tune_heads` on several tasks, each from the model as it is.

    Args:
        model: an encoder.
        tasks: by name.
        heads: name → whether the head reads a mix of all layers.
        how: steps, batches, rates.
        advance: called after each run.
    """
    tuned = {}
    for name, task in tasks.items():
        rows = task.texts, task.y, task.inside
        tuned[name] = tune_heads(model, *rows, heads, how, seeds=task.seeds, advance=advance)
    return TunedTasks(tasks, tuned)


def _curves(
    panel: str,
    runs: Mapping[str, Sequence[Tuned]],
    of: Callable[[Tuned], np.ndarray],
    first: int,
) -> pd.DataFrame:
    rows = [
        {"series": head, "panel": panel, "x": x, "value": float(v)}
        for head, tuned in runs.items()
        for x, v in enumerate(np.mean([of(t) for t in tuned], axis=0), first)
    ]
    return pd.DataFrame(rows)


def _blocks(net: nn.Module, model: Model) -> list[nn.Module]:
    """The copy's blocks, found by the names that the model's own have."""
    names = {id(module): name for name, module in model.net.named_modules()}
    return [net.get_submodule(names[id(block)]) for block in model.atlas.blocks]


def _logits(model: Model, net: nn.Module, head: Head, tokens: Sequence[object]) -> Tensor:
    batch = model.collate(tokens)  # type: ignore[arg-type]
    states = net(**batch.inputs, output_hidden_states=True).hidden_states
    if states is None:
        raise ModelError(
            f"{model.name} gives no hidden states, which a head over layers needs; open an encoder"
        )
    keep = batch.inputs["attention_mask"].bool().clone()
    for row, t in enumerate(tokens):
        keep[row, : len(t)] = torch.from_numpy(~t.special)  # type: ignore[attr-defined, arg-type]
    return head(states, keep)


@torch.no_grad()
def _predict(
    model: Model, net: nn.Module, head: Head, tokens: Sequence[object], rows: np.ndarray
) -> np.ndarray:
    parts = [rows[i : i + 64] for i in range(0, len(rows), 64)]
    return np.concatenate(
        [
            _logits(model, net, head, [tokens[i] for i in part]).argmax(dim=1).numpy()
            for part in parts
        ]
    )


def _norm(block: nn.Module) -> float:
    return float(
        torch.sqrt(
            sum((p.grad.double() ** 2).sum() for p in block.parameters() if p.grad is not None)
        )
    )  # type: ignore[arg-type]


@torch.no_grad()
def _prune(blocks: Sequence[nn.Module], share: float) -> None:
    """The smallest weights of all matrices of the blocks together, by magnitude."""
    matrices = [m.weight for block in blocks for m in block.modules() if isinstance(m, nn.Linear)]
    sizes = torch.cat([w.abs().flatten() for w in matrices])
    line = sizes.kthvalue(max(1, int(share * sizes.numel()))).values
    for w in matrices:
        w[w.abs() <= line] = 0.0
