"""A bar and a waiting show names as they are: no template, no markup, nothing that a terminal
obeys.
"""

from __future__ import annotations

import json

from inscape.core.urls import objects
from inscape.store import lease
from inscape.store.lock_waiting import acquire_lock
from inscape.store.progress import Meter
from inscape.store.storage import storage_at

NAME = "a{task.id}{0}[red]b[/red]\x1b]0;title\x07"


def test_the_name_of_a_model_is_no_template(capsys):
    with Meter(NAME, 2, 2, True) as meter:
        meter.advance(2, 2)
    shown = "".join(capsys.readouterr().err.split())
    assert "a{task.id}{0}[red]b[/red]\\x1b]0;title\\x07" in shown
    assert "\x1b]0" not in shown


def test_whoever_is_waited_for_is_named_without_escapes(capsys, monkeypatch):
    there = objects("memory://progress")
    said = {"holder": f"process 1 on {NAME}", "host": "x", "process": 1, "beat": 0}
    there.write(lease.NAME, json.dumps(said).encode())
    monkeypatch.setattr(lease, "STALE", 0.01)
    where = storage_at("memory://progress")
    monkeypatch.setattr(where, "often", 0.02)
    acquire_lock(where).release()
    shown = "".join(capsys.readouterr().err.split())
    assert "process1ona{task.id}{0}[red]b[/red]\\x1b]0;title\\x07;waiting" in shown
    assert "\x1b]0" not in shown
