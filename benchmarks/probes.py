"""Probes in families against loops of single fits with scikit-learn: the logistic sweep at one
penalty and with the penalty chosen, and the k-sparse path.

Logistic sweep: 31 sites × 5 folds × (1 label set + 10 shuffles) at one C, n = 2,000, d = 576. In
each round ours does one site whole and the loop does a few label sets of one fold; both are
multiplied up by exact counts. The loop takes whichever of scikit-learn's solvers and numbers of
BLAS threads is fastest, at a tolerance at which its gradient is no smaller than ours at the
tolerance of `probing/sweep.py`; gradients, coefficients' scores and held-out accuracies are
compared.

With C chosen: `inscape.probing.sweep` as a user calls it, of whose six values of C each outer fold
takes the one with the least log loss over five inner folds, for labels and shuffles alike. The loop
fits scikit-learn's `LogisticRegressionCV` with the same inner folds and scoring, features scaled to
the unit in which the sweep gives C. Losses of the inner folds and held-out accuracies are compared.

k-sparse path: k = 1 … 64 at 31 sites of 1,536 neurons. A single fit ranks the neurons on the
training rows and fits scikit-learn's `LogisticRegression` to the first k; the path ranks once a
site and fits all k together. The loop is timed on whole paths of one site a round.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from threadpoolctl import threadpool_limits

from inscape.core import logistic, ridge
from inscape.core.folds import random_folds
from inscape.core.threads import side_by_side
from inscape.probing.sweep import sweep
from inscape.probing.sweep_plan import Plan, make_plan
from inscape.read.rank import mean_difference
from inscape.read.sparse import sparse_path

SITES, FOLDS, NULLS, ROWS, WIDTH, C = 31, 5, 10, 2000, 576, 1.0
NEURONS, SIZES = 1536, range(1, 65)
ROUNDS, LABEL_SETS, TOL, PATH_TOL = 3, 2, 3e-3, 1e-4
SOLVERS = ("lbfgs", "newton-cholesky")


def run() -> list[dict[str, object]]:
    """All figures."""
    return [_sweep(), _chosen(), _path()]


def _sweep() -> dict[str, object]:
    rng = np.random.default_rng(0)
    folds = random_folds(ROWS, FOLDS, rng=rng)
    ours: list[float] = []
    theirs: dict[tuple[str, str], list[float]] = {}
    worst, gradients = 0.0, [0.0, 0.0]
    for _ in range(ROUNDS):
        x = rng.normal(size=(ROWS, WIDTH)) * np.exp(0.5 * rng.normal(size=WIDTH))
        y = (x[:, :8].sum(axis=1) + 3 * rng.normal(size=ROWS) > 0).astype(np.int64)
        sets = np.stack([y] + [y[rng.permutation(ROWS)] for _ in range(NULLS)], axis=1)
        started = time.perf_counter()
        mine = _family(x, sets, folds)
        ours.append(time.perf_counter() - started)
        train, test = folds[len(ours) % FOLDS]
        for solver in SOLVERS:
            for threads in ("all BLAS threads", "one BLAS thread"):
                with threadpool_limits(1 if threads.startswith("one") else None, user_api="blas"):
                    started = time.perf_counter()
                    loop = [_single(x[train], sets[train, k], solver) for k in range(LABEL_SETS)]
                    theirs.setdefault((solver, threads), []).append(
                        (time.perf_counter() - started) / LABEL_SETS
                    )
                for k, probe in enumerate(loop):
                    mean = (mine[len(ours) % FOLDS][:, k] > 0) == sets[test, k]
                    other = probe.predict(x[test]) == sets[test, k]
                    worst = max(worst, abs(float(mean.mean() - other.mean())))
                    gradients[1] = max(
                        gradients[1],
                        _gradient(x[train], sets[train, k], probe.coef_[0], probe.intercept_[0]),
                    )
        gradients[0] = max(gradients[0], _last_gradient(x[train], sets[train, 0]))
    if worst > 2.5 / (ROWS / FOLDS):
        raise AssertionError(f"the two disagree: accuracies differ by {worst:.2g}")
    if gradients[0] > gradients[1]:
        raise AssertionError(
            f"ours stopped short of the loop: gradient {gradients[0]:.1e} against "
            f"{gradients[1]:.1e}"
        )
    best = min(theirs, key=lambda way: median(theirs[way]))
    seconds, loop_seconds = median(ours) * SITES, median(theirs[best]) * SITES * FOLDS * (1 + NULLS)
    note = (
        f"{SITES} sites × {FOLDS} folds × {1 + NULLS} label sets, n = {ROWS}, d = {WIDTH}, C = "
        f"{C:g}; medians of {ROUNDS} rounds in turn, ours from whole sites, the loop from "
        f"{LABEL_SETS} fits a round, both multiplied up to the full count; the loop with {best[0]} "
        f"and {best[1]}, the fastest of {len(theirs)} ways; gradient of the mean loss at most "
        f"{gradients[0]:.1e} for ours and {gradients[1]:.1e} for the loop; accuracies differ by at "
        f"most {worst:.1g}"
    )
    return _row("logistic sweep with shuffles", seconds, loop_seconds, 15.0, note)


def _family(
    x: np.ndarray, sets: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> list[np.ndarray]:
    basis, held = ridge.Rows(x).basis(), logistic.fold_numbers(len(x), [test for _, test in folds])

    def some(columns: np.ndarray) -> np.ndarray:
        label, fold = np.divmod(columns, len(folds))
        y, mask = logistic.one_hot(sets[:, label], 2), held[:, None] != fold
        return logistic.fit(
            basis.z, basis.w, y, np.full(len(columns), 1 / C), mask=mask, tol=TOL
        ).logits(basis.z)

    parts = side_by_side(some, np.array_split(np.arange(sets.shape[1] * len(folds)), 2))
    logits = np.concatenate(parts, axis=1)[:, :, 0]
    return [logits[test, f :: len(folds)] for f, (_, test) in enumerate(folds)]


def _chosen() -> dict[str, object]:
    """The sweep with the penalty chosen inside the training rows."""
    rng = np.random.default_rng(2)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"all BLAS threads": [], "one BLAS thread": []}
    apart, inner, same = [], [], []
    for turn in range(ROUNDS):
        x = rng.normal(size=(ROWS, WIDTH)) * np.exp(0.5 * rng.normal(size=WIDTH))
        y = (x[:, :8].sum(axis=1) + 3 * rng.normal(size=ROWS) > 0).astype(np.int64)
        how = {"task": "classification", "split": "random", "folds": FOLDS, "shuffles": NULLS}
        started = time.perf_counter()
        found = sweep({"site": x}, y, **how)
        ours.append(time.perf_counter() - started)
        rest = dict.fromkeys(("metric", "inner", "shuffle", "alphas", "target_names"))
        plan, fold = make_plan(y, None, seed=0, **how, **rest), turn % FOLDS
        for threads, seconds in theirs.items():
            with threadpool_limits(1 if threads.startswith("one") else None, user_api="blas"):
                started = time.perf_counter()
                loop = [_best(x, plan, fold, k) for k in range(LABEL_SETS)]
                seconds.append((time.perf_counter() - started) / LABEL_SETS)
        for k, (wrong, loss, c) in enumerate(loop):
            apart.append(abs(wrong - found.loss[0, fold, k, 0]) / len(plan.folds[fold][1]))
            inner.append(abs(loss + found.inner[0, fold, k, 0]))
            if k == 0:
                square = x[plan.folds[fold][0]].var(axis=0).mean()
                same.append(bool(np.isclose(square / found.penalties[0, fold, 0], c)))
    if max(inner) > 2e-3 or max(apart) > 0.02:
        raise AssertionError(
            f"the two disagree: inner log losses by {max(inner):.2g}, accuracies by "
            f"{max(apart):.2g}"
        )
    best = min(theirs, key=lambda threads: median(theirs[threads]))
    seconds, loop_seconds = median(ours) * SITES, median(theirs[best]) * SITES * FOLDS * (1 + NULLS)
    note = (
        f"{SITES} sites × {FOLDS} folds × {1 + NULLS} label sets, {len(logistic.CS)} values of C "
        f"over five inner folds, n = {ROWS}, d = {WIDTH}; medians of {ROUNDS} rounds in turn, ours "
        f"from whole sites, the loop from {LABEL_SETS} fits a round, both multiplied up to the "
        f"full count; the loop with {best}, the faster for it; the same C for {sum(same)} of "
        f"{len(same)} observed labels, log losses of the inner folds differ by at most "
        f"{max(inner):.1g}, accuracies by at most {max(apart):.1g}"
    )
    return _row("logistic sweep, C chosen in inner folds", seconds, loop_seconds, 15.0, note)


def _best(x: np.ndarray, plan: Plan, fold: int, k: int) -> tuple[float, float, float]:
    """Of scikit-learn's own search for label set k: held-out rows named wrongly, the least mean log
    loss over inner folds, and the C that has it.
    """
    train, test = plan.folds[fold]
    labels, rows = plan.labels[:, k, 0].astype(np.int64), np.arange(len(train))
    parts = [(np.setdiff1d(rows, held), held) for held in plan.inner[fold] or []]
    scale = np.sqrt(x[train].var(axis=0).mean())
    found = LogisticRegressionCV(
        Cs=np.array(logistic.CS), cv=parts, tol=1e-3, scoring="neg_log_loss", max_iter=10_000
    ).fit(x[train] / scale, labels[train])
    losses = -next(iter(found.scores_.values())).mean(axis=0)
    wrong = (found.predict(x[test] / scale) != labels[test]).sum()
    return float(wrong), float(losses.min()), float(found.C_[0])


def _single(x: np.ndarray, y: np.ndarray, solver: str) -> LogisticRegression:
    return LogisticRegression(
        C=C, solver=solver, tol=1e-3 if solver == "lbfgs" else 1e-2, max_iter=10_000
    ).fit(x, y)


def _last_gradient(x: np.ndarray, y: np.ndarray) -> float:
    basis = ridge.Rows(x).basis()
    found = logistic.fit(
        basis.z, basis.w, logistic.one_hot(y[:, None], 2), np.array([1 / C]), tol=TOL
    )
    coef = basis.v @ found.beta[1:, 0, 0]
    return _gradient(x, y, coef, float(found.beta[0, 0, 0] - coef @ basis.mean))


def _gradient(x: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: float) -> float:
    """Largest entry of the gradient of the mean loss: what scikit-learn's own tolerance is
    about.
    """
    p = 1 / (1 + np.exp(-(x @ coef + intercept)))
    return float(np.abs(np.append(x.T @ (p - y) + coef / C, (p - y).sum())).max() / len(y))


def _path() -> dict[str, object]:
    rng = np.random.default_rng(1)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {solver: [] for solver in SOLVERS}
    bare: dict[str, list[float]] = {solver: [] for solver in SOLVERS}
    worst = 0.0
    for _ in range(ROUNDS):
        sites = []
        for _ in range(4):
            x = rng.normal(size=(ROWS, NEURONS))
            sites.append(
                (x, (x[:, :40].sum(axis=1) + 6 * rng.normal(size=ROWS) > 0).astype(np.int64))
            )
        started = time.perf_counter()
        paths = side_by_side(lambda site: sparse_path(*site, SIZES, tol=PATH_TOL), sites)
        ours.append((time.perf_counter() - started) / len(sites))
        x, y = sites[0]
        for solver in SOLVERS:
            spent = [0.0, 0.0]
            for k in SIZES:
                started = time.perf_counter()
                order = np.argsort(-mean_difference(x, y[:, None])[0], kind="stable")[:k]
                chosen = x[:, order]
                z = (chosen - chosen.mean(axis=0)) / chosen.std(axis=0)
                ranked = time.perf_counter()
                probe = LogisticRegression(
                    C=1.0, solver=solver, class_weight="balanced", max_iter=1000
                ).fit(z, y)
                spent[0] += ranked - started
                spent[1] += time.perf_counter() - ranked
                worst = max(
                    worst,
                    float(np.abs(probe.decision_function(z) - paths[0].logits(x)[:, k - 1]).max()),
                )
            theirs[solver].append(sum(spent))
            bare[solver].append(spent[1])
    if worst > 2e-2:
        raise AssertionError(f"the two disagree: log-odds differ by {worst:.2g}")
    best = min(theirs, key=lambda solver: median(theirs[solver]))
    seconds, loop_seconds = median(ours) * SITES, median(theirs[best]) * SITES
    fits = median(bare[min(bare, key=lambda solver: median(bare[solver]))]) * SITES
    note = (
        f"k = 1 … {max(SIZES)} at {SITES} sites, n = {ROWS}, {NEURONS} neurons ranked by "
        f"class-mean difference; medians of {ROUNDS} rounds in turn, ours from four sites and the "
        f"loop from one, both multiplied up; the loop with {best}, the faster solver; without its "
        f"rankings the loop would take {fits:.0f} s, {fits / seconds:.1f} × ours with its own; "
        f"log-odds differ by at most {worst:.1g}"
    )
    return _row("k-sparse path", seconds, loop_seconds, 10.0, note)


def _row(name: str, ours: float, theirs: float, target: float, note: str) -> dict[str, object]:
    ratio = theirs / ours
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "target": target,
        "unit": "s",
        "note": note,
    }
