"""Where keys can be read. What they do, and how a terminal is given back, is in tests/system/test_keys.py."""

from __future__ import annotations

import io
import os
import pty
import sys
import threading
from typing import TYPE_CHECKING

from loadgen.live.keys import find_keyboard

if TYPE_CHECKING:
    import pytest


def test_who_has_no_terminal_has_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert find_keyboard() is None
    monkeypatch.setattr(sys, "stdin", io.StringIO("q"))
    assert find_keyboard() is None
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading) as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        assert find_keyboard() is None
    monkeypatch.setattr(sys, "stdin", piped)
    assert find_keyboard() is None, "closed"


def test_a_terminal_of_another_session_is_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert find_keyboard() is None
    os.close(ours)


def test_only_the_main_thread_reads_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: 1)
    ours, theirs = pty.openpty()
    found: list[int | None] = []
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert find_keyboard() == theirs
        thread = threading.Thread(target=lambda: found.append(find_keyboard()))
        thread.start()
        thread.join()
    os.close(ours)
    assert found == [None]
