"""A bar on a terminal, silence elsewhere; both count."""

import io
import sys

from inscape.core import minute_log
from inscape.study.progress import progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_silent_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress("fitting", total=3, unit="fits") as bar:
        for _ in range(3):
            bar.advance()
    assert bar.done == 3
    assert sys.stderr.getvalue() == ""


def test_a_line_a_minute_without_a_terminal(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    now = iter([0.0, 30.0, 61.0, 90.0, 122.0])
    monkeypatch.setattr(minute_log.time, "monotonic", lambda: next(now))
    with (
        caplog.at_level("INFO", logger="inscape.progress"),
        progress("fitting", total=1000, unit="fits") as bar,
    ):
        for done in (100, 122, 200, 244):
            bar.reach(done)
    assert caplog.messages == [
        "fitting: 122 of 1,000 fits, 2 a second, about 7 min left",
        "fitting: 244 of 1,000 fits, 2 a second, about 6 min left",
    ]


def test_a_bar_with_count_and_rate_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("fitting", total=2000, unit="rows") as bar:
        bar.advance(1500)
        bar.advance(500)
    text = sys.stderr.getvalue()
    assert "fitting" in text
    assert "2,000/2,000 rows" in text
    assert "rows/s" in text


def test_a_bar_of_unknown_length(monkeypatch):
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("reading", unit="lines") as bar:
        bar.advance(7)
        assert bar.done == 7
        bar.reach(8, 9)
    assert "8/9 lines" in sys.stderr.getvalue()
