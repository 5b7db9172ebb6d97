"""Three verdicts: supported only where interval, criterion and null all say so, uncertain with
its reason."""

import json
import math

import numpy as np
import pytest

from inscape.core.evidence import Beside, Evidence, Null
from inscape.study.card import Claim
from inscape.study.claims import (
    Judged,
    criterion,
    in_a_word,
    judge,
    over_seeds,
    sentence,
    tally,
    worst,
)

NULL = Null.of("shuffled labels", np.linspace(-0.1, 0.1, 199))


def verdict(evidence, **claim):
    (made,) = judge([Judged("c", Claim(text="It is so", **claim), evidence)])
    return made.verdict, made.reason


@pytest.mark.parametrize(
    ("value", "interval", "claim", "expected"),
    [
        (0.6, (0.55, 0.7), {"at_least": 0.5}, "supported"),
        (0.6, (0.45, 0.7), {"at_least": 0.5}, "uncertain"),
        (0.4, (0.3, 0.7), {"at_least": 0.5}, "not supported"),
        (0.4, (0.3, 0.45), {"at_most": 0.5}, "supported"),
        (0.4, (0.3, 0.55), {"at_most": 0.5}, "uncertain"),
        (0.6, (0.3, 0.7), {"at_most": 0.5}, "not supported"),
        (0.0, (-0.04, 0.04), {"at_least": -0.05, "at_most": 0.05}, "supported"),
        (0.0, (-0.06, 0.04), {"at_least": -0.05, "at_most": 0.05}, "uncertain"),
        (-0.06, (-0.1, 0.04), {"at_least": -0.05, "at_most": 0.05}, "not supported"),
    ],
)
def test_the_whole_interval_must_be_on_the_right_side(value, interval, claim, expected):
    assert verdict(Evidence("x", value, interval), **claim)[0] == expected


def test_a_value_without_an_interval_is_uncertain_unless_it_is_exact():
    few = Evidence("x", 0.9, warnings=("Only 3 groups.",))
    assert verdict(few, at_least=0.5) == ("uncertain", "there is no interval: Only 3 groups")
    assert verdict(few, at_least=0.5, exact="a count in a fixed network")[0] == "supported"
    assert verdict(few, at_least=0.95, exact="a count in a fixed network")[0] == "not supported"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_supports_nothing(value):
    assert verdict(Evidence("x", value, (0.6, 0.7)), at_least=0.5) == (
        "uncertain",
        "no value could be measured",
    )


def test_a_claim_with_a_null_needs_its_p():
    good = {"at_least": 0.5, "null": "shuffled labels"}
    assert verdict(Evidence("x", 0.6, (0.55, 0.7), NULL, p=0.01), **good)[0] == "supported"
    assert verdict(Evidence("x", 0.6, (0.55, 0.7), NULL, p=0.2), **good) == (
        "uncertain",
        "p = 0.2 against shuffled labels",
    )
    few = Null.of("shuffled labels", np.arange(10.0))
    assert verdict(Evidence("x", 0.6, (0.55, 0.7), few, p=1 / 11), **good) == (
        "uncertain",
        "10 draws of the null are too few for p ≤ 0.05",
    )
    assert "several draws" in verdict(Evidence("x", 0.6, (0.55, 0.7)), **good)[1]
    with pytest.raises(ValueError, match="at least two finite draws"):
        Null.of("shuffled labels", [0.0])


def test_an_expensive_null_is_judged_by_the_interval_of_the_gain_over_it():
    good = {"at_least": 0.5, "null": "trained on shuffled labels"}
    few = Null.of("trained on shuffled labels", np.arange(5.0) / 50)
    clear = Evidence("x", 0.6, (0.55, 0.7), few, over_null=(0.2, 0.6))
    assert verdict(clear, **good)[0] == "supported"
    unclear = Evidence("x", 0.6, (0.55, 0.7), few, over_null=(-0.2, 0.6))
    assert "does not exclude zero" in verdict(unclear, **good)[1]


@pytest.mark.parametrize("tested", [{"p": 0.01}, {"over_null": (0.2, 0.6)}])
def test_a_null_on_the_other_side_of_the_criterion_supports_nothing(tested):
    low = {"at_most": 0.5, "null": "shuffled labels"}
    wrong = Evidence("x", 0.3, (0.25, 0.35), NULL, **tested)
    assert verdict(wrong, **low) == (
        "uncertain",
        "p asks whether the value is higher than shuffled labels, and the criterion whether it is "
        "at most 0.5",
    )
    tested = {"p": 0.01} if "p" in tested else {"over_null": (-0.6, -0.2)}
    right = Evidence("x", 0.3, (0.25, 0.35), NULL, direction="lower", **tested)
    assert verdict(right, **low)[0] == "supported"
    both = {"at_least": 0.1, "at_most": 0.5, "null": "shuffled labels"}
    assert verdict(Evidence("x", 0.3, (0.25, 0.35), NULL, p=0.01), **both)[0] == "supported"


def test_holm_corrects_over_the_claims_that_are_tested_and_over_no_others():
    def claim(id, p, **more):
        named = Claim(text="It is so", at_least=0.1, null="shuffled labels", **more)
        return Judged(id, named, Evidence("x", 0.6, (0.55, 0.7), NULL, p=p))

    made = {c.id: c for c in judge([claim("a", 0.02), claim("b", 0.03)])}
    assert made["a"].p_corrected == pytest.approx(0.04)
    assert made["b"].p_corrected == pytest.approx(0.04)
    assert made["a"].verdict == "supported"
    made = {c.id: c for c in judge([claim("a", 0.02), claim("b", 0.03), claim("c", 0.04)])}
    assert made["a"].p_corrected == pytest.approx(0.06)
    assert made["a"].verdict == "uncertain"
    assert "after correction over 3 claims" in made["a"].reason
    sane = [claim("a", 0.02), claim("b", 0.03), claim("c", 0.04, sanity=True)]
    made = {c.id: c for c in judge(sane)}
    assert made["a"].verdict == "supported"
    assert made["c"].p_corrected is None


def test_a_claim_keeps_its_evidence():
    evidence = Evidence(
        "x",
        0.4,
        (0.3, 0.5),
        NULL,
        p=0.02,
        n=30,
        unit="R²",
        beside=(Beside("baseline", "letters", 0.2, 0.1, 0.3),),
        warnings=("Few groups.",),
    )
    claim = Claim(text="It is so", at_least=0.1, null="shuffled labels", weaker="a toy")
    (made,) = judge([Judged("c", claim, evidence, "Because.")])
    record = made.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["low"], record["high"], record["n"], record["p"]) == (0.3, 0.5, 30, 0.02)
    assert record["null"]["kind"] == "shuffled labels"
    assert record["beside"][0]["role"] == "baseline"
    assert record["warnings"] == ["Few groups."]
    assert (record["verdict"], record["weaker"], record["why"]) == (
        "supported",
        "a toy",
        "Because.",
    )
    assert sentence(record) == (
        "0.4 [0.3, 0.5] R², criterion at least 0.1, null 0 (shuffled labels, 199 draws), "
        "baseline 0.2 (letters), p = 0.02, n = 30"
    )


def test_what_is_not_finite_is_null_in_json():
    (made,) = judge([Judged("c", Claim(text="t", at_least=0.1), Evidence("x", math.nan))])
    assert made.to_dict()["value"] is None
    assert sentence(made.to_dict()) == "n/a, criterion at least 0.1"


def test_a_rounded_zero_has_no_sign():
    (made,) = judge([Judged("c", Claim(text="t", at_least=0.1), Evidence("x", -0.0, (-0.0, 0.5)))])
    assert sentence(made.to_dict()).startswith("0 [0, 0.5], criterion at least 0.1")
    assert criterion({"at_least": -0.5}) == "at least −0.5"
    assert criterion({"at_least": 0.999999}) == "at least 0.999999"
    assert criterion({"at_least": 1e-6, "at_most": 2 / 7}) == "between 1e−6 and 0.286"
    (made,) = judge([Judged("c", Claim(text="t", at_least=0.1), Evidence("x", -0.002))])
    assert f"{made:.2f} {made:+.1%} {made:.3f}" == "0.00 -0.2% -0.002"


def test_a_corrected_p_value_says_so():
    record = {"value": 0.4, "at_least": 0.1, "p": 0.02, "p_corrected": 0.04}
    assert sentence(record) == "0.4, criterion at least 0.1, p = 0.04 after correction"
    assert sentence(record | {"p_corrected": 0.02}).endswith("p = 0.02")
    assert sentence(record | {"p_corrected": None}).endswith("p = 0.02")


def test_numbers_below_zero_have_a_minus_sign():
    low = Evidence("x", 0.2, (-0.1, 0.5))
    assert verdict(low, at_least=0)[1] == "the interval [−0.1, 0.5] crosses the criterion"
    record = {"value": -0.2, "low": -3e-4, "high": 0.1, "at_most": 0}
    assert sentence(record) == "−0.2 [−0.0003, 0.1], criterion at most 0"


def test_a_difference_of_shares_is_said_in_points():
    gain = Judged("c", Claim(text="It gains", at_least=0), Evidence("share", 0.391, (0.3, 0.5)))
    assert f"{gain:.0 points} more, {gain:+.1 points}" == "39 points more, +39.1 points"
    none = Judged("c", Claim(text="It gains", at_least=0), Evidence("share", -0.0004, (-0.1, 0.1)))
    assert f"{none:+.1 points}" == "+0.0 points"
    (made,) = judge([Judged("c", Claim(text="t", at_least=0.1), Evidence("x", math.nan))])
    assert f"{made:.2f}" == "nan"


def test_over_seeds_every_seed_must_support_it():
    def record(verdict, value, reason=""):
        return {"verdict": verdict, "value": value, "at_least": 0.5, "reason": reason}

    good, open_ = record("supported", 0.6), record("uncertain", 0.6, "the interval crosses")
    bad = record("not supported", 0.2)
    assert over_seeds([good] * 3, 3) == ("supported", "")
    assert over_seeds([good] * 2, 3) == ("uncertain", "2 of 3 seeds were run")
    assert over_seeds([good, good, open_], 3) == (
        "uncertain",
        "supported on 2 of 3 seeds; the interval crosses",
    )
    assert over_seeds([good, bad, bad], 3)[0] == "not supported"
    assert over_seeds([good, good, bad], 3)[0] == "not supported"
    assert over_seeds([record("supported", 0.9), good, record("not supported", 0.45)], 3)[0] == (
        "uncertain"
    )
    with pytest.raises(ValueError, match="at least one seed"):
        over_seeds([], 3)


def test_sanity_checks_are_not_counted():
    records = [{"verdict": "supported"}, {"verdict": "not supported", "sanity": True}]
    assert tally(records) == "1 supported"
    assert tally([]) == "no claims"


def test_a_claim_is_said_by_its_number_or_by_words_for_its_verdict():
    judged = {
        v: Judged("c", Claim(text="It is so", at_least=0), Evidence("x", 0.5), verdict=v)
        for v in ("supported", "uncertain", "not supported")
    }
    said = {
        v: f"{j:.1%}, {j.verdict}, {j:does|may|does not}, {j:more|less}" for v, j in judged.items()
    }
    assert said["supported"] == "50.0%, supported, does, more"
    assert said["uncertain"] == "50.0%, uncertain, may, less"
    assert said["not supported"] == "50.0%, not supported, does not, less"
    with pytest.raises(ValueError, match=r"c: a claim has 3 verdicts, got 'a\|b\|c\|d'"):
        f"{judged['supported']:a|b|c|d}"


def test_the_worst_is_on_the_wrong_side_or_reaches_furthest_over():
    wide, narrow, wrong = (
        Evidence("x", 0.2, (0.05, 0.4)),
        Evidence("x", 0.15, (0.14, 0.16)),
        Evidence("x", 0.09, (0.085, 0.095)),
    )
    claim = Claim(text="x", at_least=0.1)
    assert worst(claim, [wide, narrow]) is wide
    assert worst(claim, [wide, narrow, wrong]) is wrong


def test_several_verdicts_in_a_word():
    yes, maybe, no = "supported", "uncertain", "not supported"
    assert in_a_word([yes, yes]) == "Yes"
    assert in_a_word([yes, no]) == in_a_word([maybe, yes]) == "In part"
    assert in_a_word([no, no]) == "No"
    assert in_a_word([maybe, no]) == in_a_word([maybe, maybe]) == "Not clearly"
