"""Confidence from all layers at once: a small convolution over depth, with a contrastive loss
beside the classifier's.

Rows are (layers, channels): at each layer the states of one token, reduced beforehand (by PCA, say)
and laid side by side.

    h = Σ_layers a ⊙ GELU(conv(GELU(conv(x))))        p = σ(w·h + b)
    loss = (1 − λ) log loss(y, p) + λ SupCon(g(h), y)

with a weight a for each layer and channel: layers have bases of their own, so which one a pattern
is in matters.

Training standardises each (layer, channel) on its rows, drops channels out, and keeps the weights
of the epoch with the least log loss on rows set aside (whole groups, where groups are given). Few
parameters are the point: labels are few.

Cost: epochs × n × layers × channels × width × kernel multiply-adds.
Reference: Beigi et al. (2024), InternalInspector, arXiv:2406.12053, §3; Khosla et al. (2020),
arXiv:2004.11362.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.core.folds import group_codes, group_folds
from inscape.core.rng import child_seed, generator
from inscape.core.threads import one_torch_thread
from inscape.read.supervised_contrastive import supervised_contrastive


class _Net(nn.Module):
    def __init__(self, layers: int, channels: int, width: int, kernel: int, drop: float):
        super().__init__()
        self.first = nn.Conv1d(channels, width, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(width, width, kernel, padding=kernel // 2)
        self.drop = nn.Dropout(drop)
        self.depth = nn.Parameter(
            torch.full((width, layers), layers**-0.5) * torch.randn(width, layers)
        )
        self.project = nn.Linear(width, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.gelu(self.first(self.drop(x.transpose(1, 2))))
        h = (F.gelu(self.second(self.drop(h))) * self.depth).sum(dim=2)
        return self.head(self.drop(h))[:, 0], self.project(h)


@dataclass
class LayerCNN:
    """A classifier of two classes over layers.

    Attributes:
        contrast: weight λ of the contrastive loss, 0 to 1.
        width: channels inside.
        kernel: layers that a convolution sees, odd.
        epochs: at most.
        patience: epochs without a better loss after which it ends.
        batch: rows a step.
        rate: learning rate of AdamW; ``decay`` its weight decay.
        drop: share of channels dropped in training.
        temperature: of the contrastive loss.
        seed: of the weights, the order, the dropout and the rows set aside.
        loss_: log loss on the rows set aside, in nats, after `fit`.
    """

    contrast: float = 0.3
    width: int = 32
    kernel: int = 3
    epochs: int = 60
    patience: int = 12
    batch: int = 128
    rate: float = 3e-3
    decay: float = 1e-2
    drop: float = 0.3
    temperature: float = 0.2
    seed: int = 0
    loss_: float = field(default=float("nan"), init=False)

    def fit(self, x: Float[np.ndarray, "*shape"], y: np.ndarray, groups: Any = None) -> LayerCNN:
        """Train.

        Args:
            x: rows.
            y: 0 and 1.
            groups: one group per row: the rows set aside are then whole groups.

        Raises:
            ValueError: rows that are not (n, layers, channels), one class only, an even kernel, or
                λ outside 0 … 1.
        """
        x, y = np.asarray(x), np.asarray(y)
        if x.ndim != 3 or len(x) != len(y):
            raise ValueError(
                f"LayerCNN.fit: x must be (n, layers, channels) with a label each, got {x.shape}, "
                f"{y.shape}"
            )
        if set(np.unique(y).tolist()) != {0, 1}:
            raise ValueError(
                f"LayerCNN.fit: y must hold both 0 and 1, got {np.unique(y).tolist()[:4]}"
            )
        if self.kernel % 2 == 0 or not 0 <= self.contrast <= 1:
            raise ValueError("LayerCNN.fit: kernel must be odd and contrast between 0 and 1")
        codes = np.arange(len(x)) if groups is None else group_codes(groups, len(x))
        rng = generator(self.seed, "layer cnn", "aside")
        train, aside = group_folds(codes, max(2, min(6, int(codes.max()) + 1)), rng=rng)[0]
        self.mean_ = x[train].mean(axis=0)
        self.scale_ = x[train].std(axis=0) + 1e-6
        with torch.random.fork_rng(devices=[]), one_torch_thread():
            torch.manual_seed(child_seed(self.seed, "layer cnn") % 2**63)
            self.net_ = _Net(x.shape[1], x.shape[2], self.width, self.kernel, self.drop)
            self._train(x, y, train, aside)
        return self

    def _train(self, x: np.ndarray, y: np.ndarray, train: np.ndarray, aside: np.ndarray) -> None:
        rows, labels = self._tensor(x), torch.from_numpy(y.astype(np.int64))
        optimiser = torch.optim.AdamW(self.net_.parameters(), lr=self.rate, weight_decay=self.decay)
        best, left, kept = float("inf"), self.patience, copy.deepcopy(self.net_.state_dict())
        inside, outside = torch.from_numpy(train), torch.from_numpy(aside)
        for _ in range(self.epochs):
            self.net_.train()
            order = inside[torch.randperm(len(inside))]
            for first in range(0, len(order), self.batch):
                part = order[first : first + self.batch]
                eta, z = self.net_(rows[part])
                loss = F.binary_cross_entropy_with_logits(eta, labels[part].float())
                if self.contrast and len(part) > 2:
                    apart = supervised_contrastive(z, labels[part], self.temperature)
                    loss = (1 - self.contrast) * loss + self.contrast * apart
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            self.net_.eval()
            with torch.no_grad():
                held = float(
                    F.binary_cross_entropy_with_logits(
                        self.net_(rows[outside])[0], labels[outside].float()
                    )
                )
            left -= 1
            if held < best:
                best, left, kept = held, self.patience, copy.deepcopy(self.net_.state_dict())
            if left == 0:
                break
        self.net_.load_state_dict(kept)
        self.net_.eval()
        self.loss_ = best

    def decision_function(
        self, x: Float[np.ndarray, "n layers channels"]
    ) -> Float[np.ndarray, " n"]:
        """Log-odds of class 1."""
        with torch.no_grad(), one_torch_thread():
            return self.net_(self._tensor(np.asarray(x)))[0].double().numpy()

    def confidence(self, x: Float[np.ndarray, "n layers channels"]) -> Float[np.ndarray, " n"]:
        """Probability of class 1."""
        return 1.0 / (1.0 + np.exp(-self.decision_function(x)))

    def predict(self, x: Float[np.ndarray, "n layers channels"]) -> Int[np.ndarray, " n"]:
        """The likelier class, 0 or 1."""
        return (self.decision_function(x) > 0).astype(np.int64)

    def score(
        self, x: Float[np.ndarray, "n layers channels"], y: np.ndarray, sample_weight: Any = None
    ) -> float:
        """Accuracy."""
        return float(np.average(self.predict(x) == np.asarray(y), weights=sample_weight))

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(((x - self.mean_) / self.scale_).astype(np.float32))
