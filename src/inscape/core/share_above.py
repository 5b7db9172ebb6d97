"""The share of sites (layers) at which a mean over clustered rows is above zero, and optionally
significantly so.

    holds_s = mean_s > 0                                  or, with a level α, also t_s > t_{1−α}
    share = mean over sites of holds_s

t_s is the mean over its jackknife deviation over groups. The interval applies the same rule to
bootstrap draws of groups. Two nulls: the sign of every group's rows flipped at random (two
conditions exchanged), or given draws of the same procedure, which may be few: then the interval of
the gain over them is a bootstrap over groups and draws.

Cost: draws · sites · groups.
Reference: MacKinnon and Webb (2017), J. Appl. Econometrics 32 (t over groups); Field and Welsh
(2007), JRSS B 69.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t

from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.intervals import group_counts, percentile, sum_by_group
from inscape.core.nulls import one_sided_p


def share_above(
    name: str,
    values: Float[np.ndarray, "sites n"],
    groups: np.ndarray,
    *,
    rng: np.random.Generator,
    kind: str,
    null: Float[np.ndarray, "draws sites n"] | None = None,
    flips: int = 0,
    level: float | None = None,
    draws: int = 500,
    **more: Any,
) -> Evidence:
    """The share as evidence.

    Args:
        name: of the evidence.
        values: above zero where the claim holds.
        groups: group of each row.
        rng: of the bootstrap and of the flips.
        kind: name of the null.
        null: values of a few draws of the same procedure, at least five; or
        flips: random flips of the groups' signs, for a p-value.
        level: of each site's one-sided t-test; None to ask for a mean above zero only.
        draws: bootstrap draws.
        more: further fields of `Evidence`.

    Raises:
        ValueError: neither null nor flips, or fewer than five draws.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(10, 60)) + 2 * (np.arange(10) < 8)[:, None]
        >>> e = share_above("x", x, np.arange(60), rng=rng, kind="signs flipped", flips=199, level=0.01)
        >>> e.value, e.p
        (0.8, 0.005)
    """
    if (null is None) == (flips == 0) or (null is not None and len(null) < 5):
        raise ValueError(f"share_above: {name} needs five draws of its null or more, or flips")
    codes = group_codes(np.asarray(groups))
    size = np.bincount(codes).astype(np.float64)

    def sums(x: np.ndarray) -> np.ndarray:
        return sum_by_group(x.T, codes).T  # (sites, groups)

    own, count = sums(values), np.ones((1, len(size)))
    boot = group_counts(len(size), draws, rng=rng).astype(np.float64)
    value = float(_holds(own, size, count, level).mean())
    drawn = _holds(own, size, boot, level).mean(axis=1)
    low, high = percentile(drawn)
    ends = (min(float(low), value), max(float(high), value))
    facts: dict[str, Any] = {"n": values.shape[1], "unit": "share of layers", **more}
    if null is None:
        signs = rng.choice([-1.0, 1.0], (flips, 1, len(size)))
        chance = np.array([_holds(own * s, size, count, level).mean() for s in signs])
        facts["p"] = one_sided_p(value, chance, str(more.get("direction", "higher")))
    else:
        others = [sums(x) for x in null]
        chance = np.array([_holds(o, size, count, level).mean() for o in others])
        each = np.stack([_holds(o, size, boot, level).mean(axis=1) for o in others])
        taken = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), size=draws) / len(
            each
        )
        gain = drawn - (each.T * taken).sum(axis=1)
        facts["over_null"] = tuple(float(x) for x in percentile(gain))
    return Evidence(name, value, ends, Null.of(kind, chance), **facts)


def _holds(
    sums: Float[np.ndarray, "sites groups"],
    size: Float[np.ndarray, " groups"],
    counts: Float[np.ndarray, "draws groups"],
    level: float | None,
) -> Bool[np.ndarray, "draws sites"]:
    total, n = counts @ sums.T, (counts @ size)[:, None]
    mean = total / n
    holds = mean > 0
    if level is None:
        return np.asarray(holds)
    without = (total[:, :, None] - sums[None]) / (n[:, :, None] - size)
    variance = (counts[:, None] * (without - mean[:, :, None]) ** 2).sum(axis=2)
    reach = t.ppf(1 - level, max(len(size) - 1, 1)) * np.sqrt(variance)
    return np.asarray(holds & (mean > reach))
