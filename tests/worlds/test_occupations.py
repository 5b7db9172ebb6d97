"""The sentences: gender and occupation cross evenly, and the skew goes where it says."""

import numpy as np
import pandas as pd
import pytest

from inscape.worlds.occupations import DUTIES, MEN, WOMEN, occupations, skewed


def test_every_occupation_is_done_by_as_many_women_as_men():
    e = occupations()
    assert len(set(e.texts())) == len(e) == 1200
    counts = pd.crosstab(e.frame["occupation"], e.frame["female"])
    assert (counts == 75).all(axis=None)
    assert not set(WOMEN) & set(MEN)
    duties = [d for all_ in DUTIES.values() for d in all_]
    assert len(set(duties)) == 80
    # only name and pronoun tell the two apart
    texts = pd.Series(e.texts()).str.replace(r"\b(she|he)\b", "they", regex=True)
    bare = [t.replace(n, "N") for t, n in zip(texts, e.frame["name"], strict=True)]
    both = pd.Series(e.frame["female"].to_numpy()).groupby(bare).mean()
    assert (both == 0.5).all()


def test_the_skew_keeps_mostly_one_gender():
    e = occupations()
    kept = e.frame[skewed(e)]
    share = kept.groupby("occupation")["female"].mean()
    assert np.all((share > 0.75) | (share < 0.25))
    assert (share > 0.5).sum() == 4
    assert share["nurse"] > 0.5 > share["surgeon"]


def test_refusals():
    with pytest.raises(ValueError, match="names must be an even number from 2 to 120, got 3"):
        occupations(3)
    with pytest.raises(ValueError, match="per_name must be 1 to 80, got 0"):
        occupations(per_name=0)
