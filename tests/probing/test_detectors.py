"""Detectors: the token that knows is chosen inside the folds, parts of a result are those of a
smaller sweep, confidences are compared on the same answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inscape.core.errors import DataError
from inscape.core.intervals import auc
from inscape.probing.detectors import (
    auc_by_kind,
    best_by_brier,
    by_token,
    confidence,
    detect,
    detect_each,
    ece_ratio,
    fitted,
    fold_of,
    held_out_odds,
    only,
    reliability_frame,
    risk_frame,
    scores_of_confidence,
    scores_of_others,
    scores_of_others_each,
    states,
    transfer_each,
)
from inscape.read.calibration import ece
from inscape.store.harvest import harvest
from tests.store.conftest import llama, sentences


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    y, groups = rng.integers(0, 2, 240), np.arange(240) % 24
    x = {
        f"resid_post.{k}@{t}": rng.normal(size=(240, 6))
        for k in range(2)
        for t in ("prompt", "exact")
    }
    x["resid_post.1@exact"][:, 2] += 1.5 * (2 * y - 1)
    return x, y, groups, detect(x, y, groups, shuffles=5)


def test_what_knows_is_chosen_and_what_does_not_is_not(found):
    _, _, groups, result = found
    assert [result.sites[i] for i in result.chosen[:, 0]] == ["resid_post.1@exact"] * 5
    assert only(result, "exact").selected[0].value > 0.9
    assert only(result, "prompt").selected[0].value < 0.65
    assert result.selected[0].null.high < 0.7
    for train, test in fold_of(result):
        assert not set(groups[train]) & set(groups[test])


def test_a_part_of_a_result_is_a_smaller_sweep(found):
    x, y, groups, result = found
    part = only(result, "exact")
    alone = detect(
        {n.partition("@")[0]: v for n, v in x.items() if n.endswith("exact")}, y, groups, shuffles=5
    )
    assert part.sites == alone.sites == ("resid_post.0", "resid_post.1")
    assert part.selected == alone.selected
    named = by_token(result, {"exact": "exact answer", "prompt": "end of the prompt"})
    assert named["exact answer"].selected == part.selected
    with pytest.raises(DataError, match=r"no candidate looks at the token 'first'.*exact, prompt"):
        only(result, "first")


def test_fitted_probes_are_those_of_the_folds(found):
    x, _, groups, result = found
    for probe, (_, test) in zip(fitted(result, x, groups), fold_of(result), strict=True):
        scores = probe.decision_function(x["resid_post.1@exact"][test])
        assert np.corrcoef(scores, result.selected_predictions[test, 0])[0, 1] > 0.999


def test_further_rows_are_scored_by_the_probe_that_has_not_seen_their_kin(found):
    x, _, groups, result = found
    like = np.random.default_rng(1).permutation(240)[:50]
    others = {n: v[like] for n, v in x.items()}
    scores = scores_of_others(result, x, groups, others, like)
    expected = np.empty(240)
    for probe, (_, test) in zip(fitted(result, x, groups), fold_of(result), strict=True):
        expected[test] = probe.decision_function(x["resid_post.1@exact"][test])
    assert scores == pytest.approx(expected[like])


def test_confidences_beside_chance(found):
    _, y, groups, result = found
    p = {"detector": confidence(result), "nothing": np.full(len(y), y.mean())}
    rows = scores_of_confidence(p, y, groups, rng=np.random.default_rng(1), draws=50)
    by = {(e.where["confidence"], e.name): e for e in rows}
    assert by["detector", "AUC"].value == pytest.approx(roc_auc_score(y, p["detector"]))
    assert by["detector", "AUC"].p < 0.05 < by["nothing", "AUC"].p
    low, high = by["detector", "AUC"].interval
    assert low < by["detector", "AUC"].value < high
    assert all(by["detector", m].p is None for m in ("ECE", "Brier score", "AURC"))
    assert all(by["detector", m].null is None for m in ("ECE", "Brier score", "AURC"))
    assert by["detector", "Brier score"].value < by["nothing", "Brier score"].value
    assert by["detector", "AURC"].value < by["nothing", "AURC"].value
    assert by["nothing", "ECE"].value < 1e-9
    frame = risk_frame(p, y, points=20)
    assert frame.groupby("series")["x"].max().tolist() == [1.0, 1.0]
    assert np.isnan(auc(np.ones(3), np.ones(3)))


def test_states_are_the_rows_of_the_tokens(tmp_path):
    model, examples = llama(), sentences()
    frame = examples.frame.assign(
        a=[len(t) - 1 for t in examples.texts()], b=[len(t) for t in examples.texts()]
    )
    examples = type(examples)(
        frame, "text", (), "group", {"head": ("from", "to"), "end": ("a", "b")}
    )
    store = harvest(model, examples, "resid_post.*", at="spans:head,end", to=tmp_path / "s")
    for name, x in states(store, model, examples, ["end", "head"]):
        site, _, token = name.partition("@")
        alone = harvest(model, examples, site, at=f"span:{token}", to=tmp_path / name).matrix(site)
        np.testing.assert_allclose(x, alone, atol=1e-5)


def test_parts_are_detected_by_themselves_and_score_only_their_own(found):
    x, y, groups, _ = found
    parts = {"even": np.arange(0, 240, 2), "odd": np.arange(1, 240, 2)}
    steps = []
    each = detect_each(x, y, groups, parts, folds=3, seed=0, advance=lambda: steps.append(1))
    assert len(steps) == len(x) * 2
    rows = parts["odd"]
    alone = detect({n: v[rows] for n, v in x.items()}, y[rows], groups[rows], folds=3, name="odd")
    assert each["odd"].selected == alone.selected
    like = np.array([1, 2, 3, 8])
    others = {n: v[like] for n, v in x.items()}
    scores = scores_of_others_each(each, x, groups, parts, others, like)
    odd = scores_of_others(
        each["odd"],
        {n: v[rows] for n, v in x.items()},
        groups[rows],
        {n: v[[0, 2]] for n, v in others.items()},
        np.searchsorted(rows, [1, 3]),
    )
    assert np.allclose(scores[[0, 2]], odd)
    assert np.isfinite(scores).all()


def test_reliability_is_drawn_by_series_and_calibrated_bins_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = rng.random(20_000) < p
    shown = reliability_frame({"own": p, "halved": p / 2}, y, bins=5)
    own, halved = (shown[shown["series"] == name] for name in ("own", "halved"))
    assert len(own) == len(halved) == 5
    assert np.abs(own["value"] - own["x"]).max() < 0.03
    assert halved["x"].to_numpy() == pytest.approx(own["x"].to_numpy() / 2)
    assert halved["value"].to_numpy() == pytest.approx(own["value"].to_numpy())


def test_held_out_odds_are_of_a_probe_that_has_not_seen_the_rows():
    rng = np.random.default_rng(0)
    y, groups = rng.integers(0, 2, 240), np.arange(240) % 24
    x = rng.normal(size=(240, 4)) + 1.5 * y[:, None]
    fold = np.flatnonzero(groups >= 6), np.flatnonzero(groups < 6)
    odds = held_out_odds(x, y, groups, fold)
    assert odds.shape == fold[1].shape
    assert roc_auc_score(y[fold[1]], odds) > 0.95
    turned = y.copy()
    turned[fold[1]] = 1 - y[fold[1]]
    assert np.array_equal(held_out_odds(x, turned, groups, fold), odds)
    other = held_out_odds(rng.normal(size=(240, 4)), y, groups, fold)
    assert roc_auc_score(y[fold[1]], other) < 0.75


def test_within_kinds_an_easy_kind_is_not_told_from_a_hard_one():
    rng = np.random.default_rng(1)
    kinds = np.repeat(["easy", "hard", "sure"], 200)
    share = np.repeat([0.9, 0.1, 1.0], 200)
    y = (rng.random(600) < share).astype(int)
    confidences = {"which kind": share + 0.01 * rng.random(600), "knows": y + rng.random(600) - 0.5}
    assert roc_auc_score(y, confidences["which kind"]) > 0.9
    found = auc_by_kind(confidences, y, kinds).set_index("confidence")
    assert list(found) == ["easy", "hard", "sure"]
    assert np.isnan(found["sure"]).all()
    for kind in ("easy", "hard"):
        assert abs(found.loc["which kind", kind] - 0.5) < 0.15
        rows = kinds == kind
        wanted = roc_auc_score(y[rows], confidences["knows"][rows])
        assert found.loc["knows", kind] == pytest.approx(wanted)


def test_a_ratio_of_calibration_errors_has_a_group_interval_and_what_is_beside():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, 600)
    y, groups = (rng.random(600) < p).astype(int), np.arange(600) % 60
    confidences = {"calibrated": p, "sure": np.where(p > 0.5, 0.99, 0.01), "half": p / 2}
    found = ece_ratio(confidences, "calibrated", y, groups, over="sure", beside=("half",))
    error = {name: ece(q, y.astype(float), 10, "mass") for name, q in confidences.items()}
    assert found.value == pytest.approx(error["calibrated"] / error["sure"])
    assert found.value < 0.5
    assert found.ends[0] < found.value < found.ends[1] < 1
    assert (found.name, found.direction) == ("ECE / ECE of the sure", "lower")
    (half,) = found.beside
    assert (half.role, half.name) == ("baseline", "half")
    assert half.value == pytest.approx(error["half"] / error["sure"])
    assert half.low < half.value < half.high
    one = ece_ratio(confidences, "sure", y, groups, over="sure")
    assert one.value == 1


def test_what_two_tasks_share_transfers_and_what_is_a_tasks_own_does_not():
    rng = np.random.default_rng(3)
    y, groups = rng.integers(0, 2, 360), np.repeat(np.arange(60), 6)
    x = rng.normal(size=(360, 6))
    parts = {"first": np.arange(0, 240), "second": np.arange(240, 360)}
    own = x.copy()
    for column, rows in enumerate(parts.values()):
        own[rows, column] += 3 * y[rows]
    shared = x + 3 * y[:, None] * (np.arange(6) == 2)
    for name, z, across in (("own", own, False), ("shared", shared, True)):
        found = detect_each({name: z}, y, groups, parts, folds=3, seed=0)
        moved = transfer_each(z, y, groups, parts, found)
        assert moved.names == ("first", "second")
        assert moved.auc.diagonal().min() > 0.95
        rest = moved.auc[~np.eye(2, dtype=bool)]
        assert (rest > 0.9).all() == across
        for k, (part, rows) in enumerate(parts.items()):
            # on the diagonal rows are held out in the folds of the part's own sweep
            alone = detect({name: z[rows]}, y[rows], groups[rows], folds=3, seed=0)
            wanted = found[part].selected[0].value
            assert alone.selected[0].value == pytest.approx(wanted)
            assert moved.auc[k, k] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    "right", [["yes", "no"] * 10, [1, 2] * 10, [1.0, np.nan] * 10, [0.5, 1.0] * 10]
)
def test_outcomes_are_right_or_wrong(right):
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match=r"right must hold 1 \(right\) or 0 \(wrong\)"):
        detect({"a": x}, np.array(right), np.arange(20), folds=2)


def test_rows_of_a_part_rise():
    part = {"a": np.array([2, 0, 1])}
    with pytest.raises(ValueError, match="the rows of a must rise; sort them"):
        scores_of_others_each({}, {}, np.arange(3), part, {}, np.array([0]))


def test_the_best_confidence_is_chosen_on_training_rows_alone():
    rng = np.random.default_rng(0)
    p, groups = rng.uniform(size=600), np.repeat(np.arange(60), 10)
    y = (rng.random(600) < p).astype(float)
    train = np.arange(400)
    y[400:] = 1 - y[400:]  # held-out rows, where the best of the training rows is the worst
    seen = []

    def fitted(fold):
        seen.extend(np.concatenate(fold))
        assert not set(groups[fold[0]]) & set(groups[fold[1]])
        rate = np.full(len(fold[1]), y[fold[0]].mean())
        return {"base rate": rate, "own": p[fold[1]], "turned": 1 - p[fold[1]]}

    rng = np.random.default_rng(1)
    assert best_by_brier(fitted, y, groups, train, folds=3, rng=rng) == "own"
    assert set(seen) == set(train)
