"""Timings in turns, by a clock that the test moves."""

from __future__ import annotations

import time

import pytest

from inscape.core import paired_seconds


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    return now


def test_every_way_is_timed_in_every_round_in_turns(clock):
    called, slow = (
        [],
        iter((9.0, 9.0, 1.0, 1.0, 4.0, 4.0)),
    )  # the second round is slow, the first calls, too

    def way(name: str, takes: float):
        def work() -> None:
            called.append(name)
            clock[0] += takes * next(slow)

        return work

    seconds = paired_seconds({"one": way("one", 2.0), "other": way("other", 0.5)}, 2)
    assert called == ["one", "other"] * 3  # once before the first round, which is not counted
    assert seconds["one"].tolist() == [2.0, 8.0]
    assert seconds["other"].tolist() == [0.5, 2.0]
    assert (seconds["one"] / seconds["other"]).tolist() == [4.0, 4.0]


def test_there_is_a_round():
    with pytest.raises(ValueError, match="paired_seconds: rounds must be a whole number from 1 on"):
        paired_seconds({"one": list}, 0)


def test_waiting_is_not_counted():
    seconds = paired_seconds({"waits": lambda: time.sleep(0.2)}, 1)
    assert seconds["waits"][0] < 0.1
