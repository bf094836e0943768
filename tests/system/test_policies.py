"""Retries and the breaker through the front door: what the target is sent, and what the results say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.scripts import Scripts

QUICK = ("--workers", "1", "--drain", "5s")


def test_attempts_are_requests_and_operations_are_what_the_script_sees(
    scripts: Scripts, target: Target
) -> None:
    told = scripts(
        """\
        from loadgen import Plan, Retry, User, scenario

        @scenario
        async def visit(user: User) -> None:
            good = await user.get("/")
            bad = await user.get("/status/503")
            paid = await user.post("/status/502", json={})
            once = await user.get("/status/504", retry=None)
            user.expect([r.status for r in (good, bad, paid, once)] == [200, 503, 502, 504], "the last one")

        plan = Plan(retry=Retry(attempts=3, backoff="1ms"))
        """,
        *("--url", target.url, "--users", "3", "--iterations", "30", *QUICK),
    )
    assert target.requests()["paths"] == {"/": 30, "/status/503": 90, "/status/502": 30, "/status/504": 30}
    assert told.summary["requests"]["total"] == 180, told.result
    (check,) = told.summary["checks"]
    assert (check["passed"], check["failed"]) == (30, 0), told.result
    # With a plan-wide policy each operation counts, those whose first attempt does included; `retry=None` is
    # one attempt like any other.
    script = told.summary["script"]
    assert (script["attempts"], script["retries"]) == (180, 60), told.result
    assert script["amplification"] == pytest.approx(180 / 120)


def test_an_open_circuit_spares_the_target_and_is_in_the_events(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        from loadgen import Breaker, Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/status/500")
            user.expect(page.status == 500 or page.error == "breaker_open", "one of two ways")

        plan = Plan(breaker=Breaker(over=20, open_for="10m"))
        """,
        *("--url", target.url, "--tps", "100", "--duration", "1s", *QUICK),
    )
    # A few more than 20 may have been under way when it opened.
    assert 20 <= target.requests()["total"] < 40, told.result
    requests = told.summary["requests"]
    assert requests["errors"] == {"breaker_open": 100 - requests["status"]["500"]}, told.result
    (check,) = told.summary["checks"]
    assert (check["passed"], check["failed"]) == (100, 0), told.result
    (opened,) = [event["text"] for event in told.events if event["event"] == "breaker"]
    assert opened == f"{target.url}: open for 10m: 20 of the last 20 requests failed"


def test_retry_after_is_waited_for(scripts: Scripts, target: Target) -> None:
    """The target's own answers have no such header, so a server of a few lines stands in the script."""
    told = scripts(
        """\
        import asyncio

        from loadgen import Plan, Retry, User, once, scenario

        servers = []

        async def answer(reader, writer):
            for head in (b"503 Busy\\r\\nRetry-After: 1", b"200 OK"):
                await reader.readuntil(b"\\r\\n\\r\\n")
                writer.write(b"HTTP/1.1 " + head + b"\\r\\nContent-Length: 0\\r\\n\\r\\n")
            writer.close()

        @once
        async def start() -> None:
            servers.append(await asyncio.start_server(answer, "127.0.0.1", 0))

        @scenario
        async def visit(user: User) -> None:
            host, port = servers[0].sockets[0].getsockname()
            begun = asyncio.get_running_loop().time()
            page = await user.get(f"http://{host}:{port}/")
            waited = asyncio.get_running_loop().time() - begun
            user.expect(page.status == 200 and waited >= 1, "waited as long as it was asked to")

        plan = Plan(retry=Retry(backoff="1ms"))
        """,
        *("--url", target.url, "--users", "1", "--iterations", "1", *QUICK),
    )
    (check,) = told.summary["checks"]
    assert (check["passed"], check["failed"]) == (1, 0), told.result
