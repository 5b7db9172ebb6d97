"""R-LACE: the rank-k projection against which the best linear classifier does worst.

    max over projections P of rank d − k   min over θ   mean log loss of θᵀ P x

The removed projection A = I − P is relaxed to the Fantope {0 ⪯ A ⪯ I, tr A = k}. Each step solves
for θ (a few warm-started L-BFGS iterations), moves A along the gradient of the loss at that θ, with
AdaGrad's one step size for the whole matrix, and takes the nearest point of the Fantope. Play of
two sides circles; its weighted average converges, so it is the average that is rounded, now and
then, to its k leading eigenvectors, and kept if a fresh classifier does worse than on any before.
The opponent's penalty keeps it from answering with coefficients without bound on rows that can be
told apart perfectly. Rows are centred and given unit mean square, which changes no projection.

Cost: steps × (d³ + a few n d); some seconds at d = 384.
Reference: Ravfogel et al. (2022), Linear adversarial concept erasure, arXiv:2201.12091, §3.3 and
§3.4; averaging: Duchi, Hazan and Singer (2011), JMLR 12, for the step; Shamir and Zhang (2013),
ICML, for the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from inscape.control.orthogonal_eraser import OrthogonalEraser
from inscape.core.arrays import to_numpy
from inscape.core.projection import fantope

#: penalty of the classifier that judges a rounded projection
JUDGE = 1e-4


class RLACE(OrthogonalEraser):
    """Erase a concept by a rank-k orthogonal projection, adversarially.

    Args:
        rank: k, dimensions removed.
        steps: moves of the projection.
        step_size: of the first move, in Frobenius norm; AdaGrad's rule makes it smaller.
        penalty: L2 on the opponent's θ, in the units of scaled rows; rounding is judged with 1e-4.
        check_every: moves between two roundings.
        random_state: of the first A.

    Attributes:
        classes_: labels.
        basis_: (k, d), orthonormal rows: what is removed.
        mean_: (d,), kept along the removed directions.
        loss_: log loss (nats) of the best classifier after rounding; the label's entropy is the
            most there can be.
        entropy_: the label's entropy, nats.
    """

    def __init__(
        self,
        rank: Any = 1,
        steps: Any = 100,
        step_size: Any = 0.3,
        penalty: Any = 0.1,
        check_every: Any = 20,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.steps = steps
        self.step_size = step_size
        self.penalty = penalty
        self.check_every = check_every
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> RLACE:
        """Fit on rows and labels.

        Raises:
            ValueError: NaN, wrong shapes, a single class, a rank that is not 1 … d, no step.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        n, d = X.shape
        if not 1 <= self.rank <= d:
            raise ValueError(f"RLACE: rank must be 1 to {d}, got {self.rank}")
        if self.steps < 1 or self.check_every < 1:
            raise ValueError(
                f"RLACE: steps and check_every must be at least 1, got {self.steps} and "
                f"{self.check_every}"
            )
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"RLACE: y holds one class ({self.classes_[0]!r}); erasing needs two classes"
            )
        hot = np.eye(len(self.classes_))[codes]
        share = hot.mean(axis=0)
        self.entropy_ = float(-(share * np.log(share)).sum())
        X = X.astype(np.float64)
        self.mean_ = X.mean(axis=0)
        x = X - self.mean_
        x /= np.sqrt((x**2).mean()) or 1.0
        rng = check_random_state(self.random_state)
        start = rng.normal(size=(d, d)) / d
        a = fantope(start @ start.T, self.rank)
        theta, self.loss_ = np.zeros((len(self.classes_), d + 1)), -np.inf
        average, travelled = a, 0.0
        for step in range(self.steps):
            theta, _ = _classifier(x - x @ a, hot, self.penalty, theta, 20)
            wrong = np.exp(log_softmax((x - x @ a) @ theta[:, 1:].T + theta[:, 0], axis=1)) - hot
            uphill = -(x.T @ wrong) @ theta[:, 1:] / n  # of the loss with respect to A
            uphill = (uphill + uphill.T) / 2
            travelled += float((uphill**2).sum())
            if travelled > 0:
                a = fantope(a + self.step_size / np.sqrt(travelled) * uphill, self.rank)
            average = average + (a - average) * 3 / (step + 3)  # weights grow as step²
            if (step + 1) % self.check_every == 0 or step + 1 == self.steps:
                self._round(average, x, hot)
        return self

    def _round(self, a: np.ndarray, x: np.ndarray, hot: np.ndarray) -> None:
        """Keep the leading eigenvectors of A if the best classifier without them is the worst so
        far.
        """
        basis = np.linalg.eigh(a)[1][:, -self.rank :].T
        fresh = np.zeros((hot.shape[1], x.shape[1] + 1))
        _, loss = _classifier(x - (x @ basis.T) @ basis, hot, JUDGE, fresh, 200)
        if loss > self.loss_:
            self.loss_, self.basis_ = loss, np.ascontiguousarray(basis)


def _classifier(
    x: np.ndarray, hot: np.ndarray, penalty: float, start: np.ndarray, most: int
) -> tuple[np.ndarray, float]:
    """Softmax regression by L-BFGS from a start: weights (k, 1 + d), intercept first, and the mean
    log loss.
    """
    n, shape = len(x), start.shape

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = flat.reshape(shape)
        log_p = log_softmax(x @ theta[:, 1:].T + theta[:, 0], axis=1)
        wrong = (np.exp(log_p) - hot) / n
        gradient = np.concatenate(
            [wrong.sum(axis=0)[:, None], wrong.T @ x + penalty * theta[:, 1:]], axis=1
        )
        return float(
            -(hot * log_p).sum() / n + penalty / 2 * (theta[:, 1:] ** 2).sum()
        ), gradient.ravel()

    found = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": most}
    )
    theta = found.x.reshape(shape)
    loss = float(-(hot * log_softmax(x @ theta[:, 1:].T + theta[:, 0], axis=1)).sum() / n)
    return theta, loss
