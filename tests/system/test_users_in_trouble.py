"""Users that their own script would end, or that all ask for one thing at once: none gets lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.scripts import CLOSED, ONE_WORKER

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.scripts import Scripts


# Users that must not get lost


CANCELS = """\
import asyncio
from loadgen import User, scenario, session

{session}
@scenario
async def browse(user: User) -> None:
    await user.get("/delay/5")
    {line}
"""
A_TASK_CANCELLED = "t = asyncio.create_task(asyncio.sleep(9)); t.cancel(); await t"


@pytest.mark.parametrize(
    "line",
    [
        A_TASK_CANCELLED,
        "asyncio.current_task().cancel(); await asyncio.sleep(9)",
        "asyncio.current_task().cancel()",
        "raise type('Odd', (BaseException,), {})('neither an Exception nor an exit')",
    ],
)
def test_what_is_cancelled_within_a_scenario_fails_the_iteration_and_keeps_the_user(
    scripts: Scripts, target: Target, line: str
) -> None:
    source = CANCELS.format(session="", line=line)
    told = scripts(source, "--url", target.url, "--users", "2", "--iterations", "40", *ONE_WORKER)
    told.assert_says("Odd: neither" if "Odd" in line else "CancelledError")
    told.assert_is_no_traceback()
    arrivals = told.assert_iterations_balance()
    assert (arrivals["sent"], arrivals["failed"]) == (40, 40), told.result
    assert target.requests()["paths"]["/delay/5"] == 40, "both users went on"
    assert told.exit_code == 5, "nothing in it worked"


SET_UP = """\
@session
async def signed_in(user: User):
    {before}
    yield
    {after}
"""


def test_a_cancellation_in_the_set_up_of_a_session_is_a_failed_session(
    scripts: Scripts, target: Target
) -> None:
    """Every second one comes through: no user may be missing for it."""
    before = f"user.data['n'] = user.data.get('n', 0) + 1\n    if user.data['n'] < 2: {A_TASK_CANCELLED}"
    source = CANCELS.format(session=SET_UP.format(before=before, after="pass"), line="pass")
    told = scripts(source, "--url", target.url, "--users", "2", "--iterations", "40", *ONE_WORKER)
    told.assert_points_at(A_TASK_CANCELLED, quoted=False)
    arrivals = told.assert_iterations_balance()
    assert arrivals["sent"] == 40, told.result
    assert arrivals["completed"] >= 36, told.result
    assert told.exit_code == 0, told.result


@pytest.mark.parametrize("leave", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_a_session_that_leaves_the_program_stops_the_run(
    scripts: Scripts, target: Target, leave: str
) -> None:
    source = CANCELS.format(session=SET_UP.format(before=leave, after="pass"), line="pass")
    told = scripts(source, "--url", target.url, "--users", "2", "--duration", "60s", *ONE_WORKER)
    told.assert_points_at(leave)
    assert "was lost" not in told.text, told.result
    assert told.exit_code == 5, told.result


def test_an_exit_at_the_end_of_a_session_lets_the_others_end(scripts: Scripts, target: Target) -> None:
    after = 'await user.post("/echo"); raise SystemExit(3)'
    source = CANCELS.format(session=SET_UP.format(before="pass", after=after), line="pass")
    told = scripts(source, "--url", target.url, "--users", "4", "--duration", "300ms", *ONE_WORKER)
    told.assert_points_at(after)
    assert "was lost" not in told.text, told.result
    assert target.requests()["paths"]["/echo"] == 4
    assert told.exit_code == 5, told.result


def test_an_exit_in_a_task_of_the_script_stops_the_run(scripts: Scripts, target: Target) -> None:
    """asyncio lets it through to whoever runs the loop."""
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        async def part() -> None:
            raise SystemExit(3)

        @scenario
        async def browse(user: User) -> None:
            await user.get("/health")
            task = asyncio.create_task(part())
            await asyncio.sleep(0.05)
            del task
        """,
        *("--url", target.url, "--users", "2", "--duration", "60s", *ONE_WORKER),
    )
    told.assert_says("a task of the script: SystemExit: 3 (scenario.py:5: raise SystemExit(3))")
    assert "was lost" not in told.text, told.result
    told.assert_iterations_balance()
    assert told.exit_code == 5, told.result


ODD_TEXTS = {
    "an error whose text raises": ("raise Mute()", "Mute"),
    "half a surrogate pair": ('raise ValueError(os.fsdecode(b"caf\\xe9"))', r"ValueError: caf\udce9"),
}


@pytest.mark.parametrize(("line", "words"), ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_an_error_without_a_proper_text_is_told_like_any_other(
    scripts: Scripts, target: Target, line: str, words: str
) -> None:
    source = f"""\
import os
from loadgen import User, scenario

class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

@scenario
async def browse(user: User) -> None:
    await user.get("/health")
    {line}
"""
    told = scripts(source, "--url", target.url, "--users", "2", "--iterations", "20", *ONE_WORKER)
    told.assert_points_at(line, quoted=False)
    told.assert_says(words)
    arrivals = told.assert_iterations_balance()
    assert (arrivals["sent"], arrivals["failed"]) == (20, 20), told.result
    assert told.exit_code == 5, told.result


@pytest.mark.parametrize("line", ["raise Mute()", 'raise ValueError("\\udce9")'])
def test_an_error_without_a_proper_text_in_once_is_told_too(
    scripts: Scripts, target: Target, line: str
) -> None:
    source = f"""\
from loadgen import once, User, scenario

class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

@once
def prepare() -> None:
    {line}

@scenario
async def browse(user: User) -> None:
    await user.get("/health")
"""
    told = scripts(source, "--url", target.url, *CLOSED)
    told.assert_points_at(line, quoted=False)
    assert told.exit_code == 5, told.result


# Hosts besides the base's


@pytest.mark.parametrize("there", [True, False], ids=["found", "not found"])
def test_a_host_is_looked_up_once_for_all_users(scripts: Scripts, target: Target, there: bool) -> None:
    """Everybody asks in the same moment, and the name server is slow."""
    host, port = target.url.removeprefix("http://").split(":")
    told = scripts(
        f"""\
        import socket
        import time
        from loadgen import User, scenario

        real, asked = socket.getaddrinfo, []

        def slow(host, *arguments, **options):
            if host != "elsewhere.test":
                return real(host, *arguments, **options)
            asked.append(host)
            time.sleep(0.1)
            if {there}:
                return real("{host}", *arguments, **options)
            raise socket.gaierror(-2, "Name or service not known")

        socket.getaddrinfo = slow

        @scenario
        async def browse(user: User) -> None:
            response = await user.get("http://elsewhere.test:{port}/health")
            user.expect(response.ok == {there}, "as it should be")
            user.gauge("lookups", len(asked))
            await user.pause(0.01)
        """,
        *("--url", target.url, "--users", "20", "--iterations", "60", *ONE_WORKER),
    )
    (check,) = told.summary["checks"]
    assert (check["passed"], check["failed"]) == (60, 0), told.result
    assert told.summary["metrics"]["lookups"]["max"] == 1, told.result
    dns = told.summary["phases"]["dns"]
    assert dns["count"] == (1 if there else 0), told.result
    assert not there or dns["min_ms"] >= 100, "as long as the name server took"
    warned = [event for event in told.events if event["event"] == "script_warning"]
    assert len(warned) == (0 if there else 1), told.result


# What is measured when the end comes


def test_what_was_measured_when_the_run_ended_is_no_failure(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def waiting(user: User) -> None:
            with user.measure("short"):
                await asyncio.sleep(0.01)
            with user.measure("endless"):
                await asyncio.Event().wait()
        """,
        *("--url", target.url, "--users", "3", "--duration", "300ms", "--workers", "1", "--drain", "100ms"),
    )
    told.assert_is_no_traceback()
    assert told.summary["arrivals"]["unfinished"] == 3, told.result
    requests = told.summary["requests"]
    assert (requests["total"], requests["ok"], requests["failed"]) == (6, 3, 0), told.result


def test_a_timeout_around_what_is_measured_is_a_failure(scripts: Scripts, target: Target) -> None:
    """It cancels the task as the end of a run does."""
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def hasty(user: User) -> None:
            try:
                async with asyncio.timeout(0.01):
                    with user.measure("endless"):
                        await asyncio.Event().wait()
            except TimeoutError:
                pass
        """,
        *("--url", target.url, "--users", "2", "--iterations", "10", *ONE_WORKER),
    )
    requests = told.summary["requests"]
    assert (requests["ok"], requests["errors"]) == (0, {"script_error": 10}), told.result


def test_rows_that_run_out_within_a_measure_are_no_failure(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        from pathlib import Path
        from loadgen import User, csv_rows, scenario

        rows = Path(__file__).with_name("rows.csv")
        rows.write_text("n\\n" + "1\\n" * 5)
        feed = csv_rows("rows.csv", deal="exhaust")

        @scenario
        async def browse(user: User) -> None:
            with user.measure("deal"):
                feed.row(user)
            await user.get("/health")
        """,
        *("--url", target.url, "--users", "1", "--duration", "60s", *ONE_WORKER),
    )
    requests = told.summary["requests"]
    assert (requests["total"], requests["ok"], requests["failed"]) == (11, 10, 0), told.result
    assert told.exit_code == 0, told.result


@pytest.mark.parametrize("line", ['user.trend("connection_wait", 3)', 'user.counter("completed_rate_per_s")'])
def test_a_metric_named_like_one_of_every_run_is_refused(scripts: Scripts, target: Target, line: str) -> None:
    source = CANCELS.format(session="", line=line)
    told = scripts(source, "--url", target.url, "--users", "1", "--iterations", "3", *ONE_WORKER)
    told.assert_says("is a metric of loadgen's own: give yours another name")
    told.assert_points_at(line)
    assert told.assert_iterations_balance()["failed"] == 3, told.result


@pytest.mark.parametrize("line", ['user.counter("sold", float("inf"))', 'user.gauge("stock", float("nan"))'])
def test_a_metric_that_is_no_number_fails_its_iteration_and_not_the_run(
    scripts: Scripts, target: Target, line: str
) -> None:
    source = CANCELS.format(session="", line=line)
    told = scripts(source, "--url", target.url, "--users", "1", "--iterations", "3", *ONE_WORKER)
    told.assert_says("expected a finite number, got")
    told.assert_points_at(line)
    assert told.assert_iterations_balance()["failed"] == 3, told.result


def test_a_request_that_its_script_gave_up_before_it_was_sent_is_never_sent(
    scripts: Scripts, target: Target
) -> None:
    """One connection, and it is taken: what waits behind it for longer than the script does is withdrawn."""
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        async def impatient(user: User) -> None:
            try:
                async with asyncio.timeout(0.05):
                    await user.get("/bytes/7")
            except TimeoutError:
                pass

        @scenario
        async def browse(user: User) -> None:
            first = user.get("/delay/400")
            await asyncio.gather(*(impatient(user) for _ in range(5)))
            await first
            await user.get("/bytes/8")
        """,
        *("--url", target.url, "--users", "1", "--iterations", "3", "--connections", "1", *ONE_WORKER),
    )
    paths = target.requests()["paths"]
    assert (paths["/delay/400"], paths.get("/bytes/7", 0), paths["/bytes/8"]) == (3, 0, 3), told.result
    assert told.assert_iterations_balance()["completed"] == 3, told.result
    requests = told.summary["requests"]
    assert (requests["total"], requests["ok"], requests["failed"]) == (21, 6, 0), told.result
    (withdrawn,) = [label for label in told.summary["labels"] if label["label"] == "GET /bytes/7"]
    assert withdrawn["requests"]["total"] == 15, told.result
    assert withdrawn["latency"]["response"]["count"] == 15, "each of them counts as one that never ended"


def test_a_session_that_yields_twice_is_told_by_its_name(scripts: Scripts, target: Target) -> None:
    source = CANCELS.format(session=SET_UP.format(before="pass", after="yield"), line="pass")
    told = scripts(source, "--url", target.url, "--users", "1", "--iterations", "3", *ONE_WORKER)
    told.assert_says("RuntimeError: session signed_in yielded twice")
    told.assert_is_no_traceback()
    assert told.assert_iterations_balance()["completed"] == 3, told.result


def test_an_error_in_a_task_that_nobody_waits_for_is_told_at_its_line(
    scripts: Scripts, target: Target
) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        async def forgotten() -> None:
            raise LookupError("nobody looks")

        @scenario
        async def visit(user: User) -> None:
            asyncio.create_task(forgotten())
            await user.get("/")
        """,
        *("--url", target.url, "--users", "2", "--iterations", "10", "--workers", "1", "--drain", "5s"),
    )
    told.assert_points_at('raise LookupError("nobody looks")')
    assert told.exit_code == 0, told.result
