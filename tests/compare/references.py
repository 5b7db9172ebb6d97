"""Slow, clear versions of the estimators, as they are written in the papers, and data with a known
relation.
"""

from __future__ import annotations

import numpy as np


def pair(n=60, d=7, e=5, seed=0, shared=1.0):
    """Two representations that share three factors."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 3)) * shared
    x = common @ rng.normal(size=(3, d)) + rng.normal(size=(n, d)) + 3
    y = common @ rng.normal(size=(3, e)) + rng.normal(size=(n, e)) - 1
    return x, y


def rotation(d, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def hsic_1(k, other):
    """Song et al. (2012), eq. 5, on n × n kernels."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(n)
    terms = np.trace(k @ other) + (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    return (terms - 2 * (one @ k @ other @ one) / (n - 2)) / (n * (n - 3))


def cka_1(k, other):
    return hsic_1(k, other) / np.sqrt(hsic_1(k, k) * hsic_1(other, other))
