"""The views: what they say where there is no terminal, and that nothing they meet stops a run."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from loadgen.live.standing import Changes
from loadgen.live.terminal import LiveView, PlainView, QuietView, make_view
from loadgen.plan import Plan
from loadgen.progress import Event, Opening, Phase, Progress
from loadgen.threshold_grammar import parse_threshold
from loadgen.watch import State
from tests.support.steering import make_control
from tests.unit.figures import Counted, Samples
from tests.unit.scripts import scripted_plan, shop

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

MS = 1_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def opening(**fields: Any) -> Opening:
    return Opening(plan=Plan(**fields).compile(), note="a note", started_at=0.0, monotonic_ns=0)


def play(elapsed_s: float, *, phase: Phase = "load") -> Progress:
    """A look at a script's run."""
    snapshot = shop(counters={"iterations_started": 1010, "iterations_ok": 990})
    return Progress(
        phase=phase,
        elapsed_s=elapsed_s,
        interval_s=1.0,
        total=cast("Snapshot", snapshot),
        interval=cast("Snapshot", snapshot),
        now=snapshot.counters | {"users": 25},
        target_rate_per_s=1000.0,
        target_users=None,
    )


def tick(elapsed_s: float, *, phase: Phase = "load") -> Progress:
    counters = {"sent": 5000, "ok": 4990, "failed": 10, "overdue": 7, "busy_ns": 1, "blocked_ns": 3}
    lateness = {"dispatch": Samples([3000] * 5000), "lateness": Samples([MS] * 5000)}
    snapshot = Counted(response=Samples([MS] * 5000), counters=counters, histograms=lateness)
    return Progress(
        phase=phase,
        elapsed_s=elapsed_s,
        interval_s=1.0,
        total=cast("Snapshot", snapshot),
        interval=cast("Snapshot", snapshot),
        now=snapshot.counters | {"in_flight": 3, "connections": 12},
        target_rate_per_s=5000.0,
        target_users=None,
    )


@pytest.mark.parametrize(
    ("stream", "environment", "settings", "kind"),
    [
        (Terminal(), {}, {"live": True, "quiet": False}, LiveView),
        (Terminal(), {"NO_COLOR": "1"}, {"live": True, "quiet": False}, PlainView),
        (Terminal(), {"TERM": "dumb"}, {"live": True, "quiet": False}, PlainView),
        (Terminal(), {}, {"live": False, "quiet": False}, PlainView),
        (io.StringIO(), {}, {"live": True, "quiet": False}, PlainView),
        (Terminal(), {}, {"live": True, "quiet": True}, QuietView),
    ],
)
def test_the_view_suits_the_place(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    environment: dict[str, str],
    settings: dict[str, Any],
    kind: type,
) -> None:
    for name, value in ({"NO_COLOR": "", "TERM": "xterm"} | environment).items():
        monkeypatch.setenv(name, value)
    assert type(make_view(stream=stream, **settings)) is kind


def test_plain_lines_come_every_five_seconds() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.begin(opening(rate=5000))
    for second in range(1, 12):
        view.progress(tick(second + 0.01))
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["a note", "GET /: 5,000/s for 10s, 1 worker, hybrid pacing"]
    assert lines[2:] == [
        f"{second:6} s  sent 5,000/s of 5,000/s  ok 4,990/s  p50 1.00 ms  p99 1.00 ms  max 1.00 ms  "
        "errors 10  overdue 7"
        for second in (5, 10)
    ]


def standing(*values: float | None) -> list[State]:
    texts = ["errors < 1%", "p99 < 250ms over 30s", "rate > 5k/s", "requests > 100"]
    return [State(parse_threshold(text), value) for text, value in zip(texts, values, strict=True)]


def test_plain_lines_say_how_thresholds_change() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.begin(opening(rate=5000))
    for number, states in enumerate(
        [
            standing(0.5, 310.0, None, 50),
            standing(0.5, 310.0, 4000.0, 150),
            standing(0.001, 310.0, 4000.0, 150),
            standing(0.001, 310.0, 4000.0, 150),
        ],
        1,
    ):
        view.progress(replace(tick(5.0 * number), thresholds=states))
    told = [line for line in stream.getvalue().splitlines()[2:] if "requests" not in line and '"' in line]
    assert told == [
        '   5.0 s  "errors < 1%" fails so far: 50 %',
        '  10.0 s  "rate > 5k/s" fails so far: 4,000/s',
        '  15.0 s  "errors < 1%" holds again: 0.1 %',
    ]


def test_of_many_thresholds_that_change_a_few_are_told() -> None:
    states = [State(parse_threshold(f"{number}: errors < 1%"), 1.0) for number in range(100)]
    lines = Changes().since_last(replace(tick(5), thresholds=states))
    assert lines[4:] == ['"4: errors < 1%" fails so far: 100 %', "95 more thresholds changed"]


def test_when_the_load_is_over_it_says_what_is_waited_for() -> None:
    stream = io.StringIO()
    PlainView(stream).progress(tick(20, phase="drain"))
    assert "waiting for 3 responses" in stream.getvalue()


def test_pacing_is_no_word_for_users() -> None:
    stream = io.StringIO()
    PlainView(stream).begin(opening(users=1))
    assert "GET /: 1 user for 10s, 1 worker\n" in stream.getvalue()


def test_events_have_their_time() -> None:
    stream = io.StringIO()
    PlainView(stream).event(Event(3.21, "worker_lost", "worker 1 was lost"))
    assert stream.getvalue() == "   3.2 s  worker 1 was lost\n"


def test_the_default_load_is_called_the_default() -> None:
    stream = io.StringIO()
    PlainView(stream).begin(opening())
    assert "GET /: 10 users for 10s (the default; --tps sets a rate)" in stream.getvalue()


def test_quiet_says_only_what_must_not_be_missed() -> None:
    stream = io.StringIO()
    view = QuietView(stream)
    view.begin(opening())
    view.progress(tick(5))
    view.event(Event(1, "worker_stalled", "stalled"))
    view.event(Event(1, "recording_failed", "the disk is full"))
    assert stream.getvalue() == "the disk is full\n"


@pytest.mark.parametrize("kind", [QuietView, PlainView])
def test_a_reader_who_has_gone_stops_nothing(kind: type[QuietView]) -> None:
    view = kind(Gone())
    view.begin(opening())
    view.progress(tick(5))
    view.event(Event(1, "recording_failed", "the disk is full"))


def test_the_live_view_draws_and_gives_the_terminal_back() -> None:
    stream = Terminal()
    view = LiveView(stream)
    view.begin(opening(url="http://127.0.0.1:8000/[red]", rate=5000))
    view.progress(tick(1))
    view.event(Event(1.0, "worker_stalled", "worker [1] :bomb: is silent"))
    view.event(Event(1.0, "gate_shut", "interrupted"))
    view.close()
    view.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "sent 5,000/s of 5,000/s" in text
    assert "overdue 7" in text
    assert "busy 25 %" in text
    assert "p99 lateness 3.00 µs" in text, "until the loop looked, not until a connection was there"
    assert "12 connections" in text
    assert "the load is over" in text
    assert "worker [1] :bomb: is silent" in text
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


def test_an_address_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    PlainView(stream).begin(opening(name="evil\x1b[2J", url="http://host/%1B[2J"))
    assert "\x1b" not in stream.getvalue()


def of_script() -> Opening:
    return Opening(plan=scripted_plan(), note=None, started_at=0.0, monotonic_ns=0)


def test_of_a_script_iterations_users_and_requests_are_said() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.begin(of_script())
    view.progress(play(5))
    view.progress(play(20, phase="drain"))
    figures = "p50 1.00 ms  p99 2.00 ms  max 2.00 ms  errors 20  failed iterations 10  failed checks 5"
    rates = "iterations begun 1,010/s of 1,000/s  ok 990/s  25 users  requests sent 2,500/s"
    assert stream.getvalue().splitlines() == [
        "browse: 100/s for 10s, 1 worker, hybrid pacing",
        f"     5 s  {rates}  {figures}",
        f"    20 s  waiting for 10 iterations  {figures}",
    ]


def test_the_live_view_of_a_script() -> None:
    stream = Terminal()
    view = LiveView(stream)
    view.begin(of_script())
    view.progress(play(1))
    view.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    for words in ("begun 1,010/s of 1,000/s", "25 users", "sent 2,500/s", "failed checks 5"):
        assert words in text


def test_the_live_view_says_that_the_load_is_paused() -> None:
    control, _ = make_control(rate=5000)
    stream = Terminal()
    view = LiveView(stream)
    view.begin(replace(opening(rate=5000), control=control))
    view.progress(tick(1))
    control.pause()
    view.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "paused, 10s left" in text
    assert "p pause" not in text, "where nobody can type, no keys are named"
