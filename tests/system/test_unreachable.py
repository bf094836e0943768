"""Targets that are not there: known before the load begins, exit code 4, and words that say what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.ports import FullServer

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen


def assert_refused(result: CommandResult, *words: str) -> None:
    """Exit code 4, a message of a line or two, nothing on stdout, no run folder."""
    assert result.exit_code == 4, result
    assert not result.stdout, result
    assert "Traceback" not in result.stderr, result
    lines = result.stderr.splitlines()
    assert lines[0].startswith("loadgen: ") and len(lines) == 2, result
    for word in words:
        assert word in result.stderr, result
    assert not list(result.folder.rglob("*")), "a run that never began leaves nothing behind"


def test_a_closed_port(loadgen: Loadgen, free_port: int) -> None:
    result = loadgen("blast", f"http://127.0.0.1:{free_port}", "--tps", "10")
    assert_refused(result, f"127.0.0.1:{free_port}", "refused", "Is the server running")


def test_a_proxy_that_is_not_there_is_told_from_the_target(loadgen: Loadgen, free_port: int) -> None:
    proxy = f"127.0.0.1:{free_port}"
    result = loadgen("blast", "http://10.0.0.1/", "--tps", "10", "-x", proxy)
    assert_refused(result, f"the proxy {proxy} cannot be reached", "refused", "--noproxy")
    result = loadgen("blast", "http://10.0.0.1/", "--tps", "10", "-x", "nowhere.invalid:1")
    assert_refused(result, 'the proxy\'s name "nowhere.invalid" does not resolve')


def test_a_name_that_does_not_resolve(loadgen: Loadgen) -> None:
    result = loadgen("blast", "http://nowhere.invalid/", "--tps", "10")
    assert_refused(result, "nowhere.invalid", "resolve", "Check")


def test_an_address_that_no_route_leads_to(loadgen: Loadgen) -> None:
    """The broadcast address takes no connections, which the kernel says without asking any network."""
    result = loadgen("blast", "http://255.255.255.255:8000/", "--tps", "10")
    assert_refused(result, "255.255.255.255:8000", "unreachable")


def test_a_server_that_accepts_nobody(loadgen: Loadgen) -> None:
    with FullServer() as server:
        result = loadgen("blast", server.url, "--tps", "10", "--timeout", "300ms")
    assert_refused(result, f"127.0.0.1:{server.port}", "no answer within")


def test_a_target_that_dies_is_counted_and_the_run_reported(
    loadgen: Loadgen, target: Target, reactor: str
) -> None:
    started = loadgen.start(
        "blast", target.url, "--reactor", reactor, "--tps", "80", "--duration", "900ms", "--workers", "2"
    )
    started.wait_for_workers(2)
    target.wait_for_requests(20)
    target.running.kill()
    result = started.wait()
    summary = balanced(result)
    assert summary["arrivals"]["scheduled"] == 72, result
    assert summary["requests"]["ok"] >= 20, result
    assert summary["requests"]["errors"]["connect_refused"] > 0, result
    # What was on its way when the target died ends in one of these; all the rest finds nobody there.
    assert set(summary["requests"]["errors"]) <= {"connect_refused", "reset", "closed"}, result
    assert summary["latency"]["response"]["max_ms"] == "inf"
    assert (result.exit_code == 3) == (summary["generator"]["verdict"] == "client-limited"), result
    assert result.exit_code in (0, 3), result
    assert "connection refused" in result.stdout, result


def test_a_target_that_dies_before_the_first_answer_was_never_reached(
    loadgen: Loadgen, target: Target
) -> None:
    """Its port answered when the run looked, and no request ever came through: exit code 4 with a report."""
    started = loadgen.start(
        "blast", target.url, "--stage", "700ms:0", "--stage", "0s:60", "--stage", "500ms:60"
    )
    started.wait_for_workers(1)
    target.running.kill()
    result = started.wait()
    summary = balanced(result)
    assert summary["requests"]["errors"] == {"connect_refused": 30}, result
    assert (summary["verdict"], result.exit_code) == ("fail", 4), result
    events = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "end"


@pytest.mark.parametrize("users", ["1", "20"])
def test_users_of_a_target_that_died_come_to_an_end(loadgen: Loadgen, target: Target, users: str) -> None:
    started = loadgen.start("blast", f"{target.url}/delay/10", "--users", users, "--duration", "600ms")
    started.wait_for_workers(1)
    target.wait_for_requests(20)
    target.running.kill()
    summary = balanced(started.wait())
    assert summary["requests"]["errors"]["connect_refused"] > 0
    assert summary["requests"]["ok"] >= 20 - int(users)
