"""What the views say of sockets while they are open."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, cast

import pytest

from loadgen.live.figures import figures_of
from loadgen.live.terminal import LiveView, PlainView
from loadgen.progress import Opening, Phase, Progress
from tests.unit.live.test_terminal import Terminal
from tests.unit.sockets import feed, socket_plan

if TYPE_CHECKING:
    from loadgen._engine import Snapshot


def look(*, phase: Phase = "load") -> Progress:
    snapshot = feed()
    return Progress(
        phase=phase,
        elapsed_s=5.0,
        interval_s=1.0,
        total=cast("Snapshot", snapshot),
        interval=cast("Snapshot", snapshot),
        now=snapshot.counters | {"connections": 97, "overdue": 0, "in_flight": 3},
        target_rate_per_s=100.0,
        target_users=None,
    )


def opening() -> Opening:
    return Opening(plan=socket_plan(), note=None, started_at=0.0, monotonic_ns=0)


def test_a_plain_line_has_all_of_it() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.begin(opening())
    view.progress(look())
    first, second = stream.getvalue().splitlines()
    assert first == "/feed: 100 sockets at 100/s, held for 9s, messages at 100/s, 1 worker, hybrid pacing"
    assert second == (
        "     5 s  sockets 97 of 100 open  opening 100/s  reconnects 2  messages sent 995/s  "
        "received 40,985/s  4.10 MB/s  p50 1.00 ms  p99 ∞  max 3.00 ms  "
        "delivery p50 5.00 ms  p99 5.00 ms  ping p50 500 µs  errors 7  dropped 5  lost 3  missing 7"
    )


def test_when_the_load_is_over_they_are_closed() -> None:
    figures = figures_of(socket_plan())(look(phase="drain"))
    assert figures.rates() == ["closing 97 sockets"]
    assert figures.requests() == []


def test_the_live_view_names_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    view = LiveView(stream)
    view.begin(opening())
    view.progress(look())
    view.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "…" not in text
    assert re.findall(r"^\w+ ", text, re.MULTILINE)[-6:] == [
        *("sockets ", "messages ", "response ", "delivery ", "trouble ", "generator ")
    ]
    for words in ("97 of 100 open", "received 40,985/s", "ping p50 500 µs", "lost 3"):
        assert words in text, words
