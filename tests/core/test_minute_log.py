"""A line a minute, and none before."""

from inscape.core import minute_log
from inscape.core.minute_log import MinuteLog


def test_lines_are_a_minute_apart_and_say_what_is_left(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(minute_log.time, "monotonic", lambda: now[0])
    log = MinuteLog("reading", "texts", None)
    with caplog.at_level("INFO", logger="inscape.progress"):
        for now[0], done, total in ((59.0, 1, None), (60.0, 30, None), (119.0, 40, None)):
            log.tell(done, total)
        now[0] = 125.0
        log.tell(50, 60)
    assert caplog.messages == [
        "reading: 30 texts, 0.5 a second",
        "reading: 50 of 60 texts, 0.4 a second, under a minute left",
    ]
