"""Responses read while they come: what scripts see of them, and what is counted, through the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.hypercorn import Hypercorn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RawServerFactory
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts, Told

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
READ = """\
from loadgen import User, scenario

@scenario
async def read(user: User) -> None:
    async with user.stream("GET", "/feed"{options}) as response:
        found = [{what}]
    user.expect({wanted}, f"{{found}} {{response.status}} {{response.error}}")
"""


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def reading(what: str, wanted: str, options: str = "") -> str:
    return READ.format(what=what, wanted=wanted, options=options)


def assert_seen(told: Told) -> dict[str, Any]:
    """Every check of the script passed, its iterations balance. Returns what is told of requests."""
    told.assert_iterations_balance()
    checks = told.summary["checks"]
    assert checks and all(check["failed"] == 0 for check in checks), told.result
    requests: dict[str, Any] = told.summary["requests"]
    return requests


def trend(told: Told, name: str) -> dict[str, Any]:
    figures: dict[str, Any] = told.summary["metrics"][name]
    return figures


def test_events_are_counted_exactly_and_measured(scripts: Scripts) -> None:
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def feed(user: User) -> None:
            feed = user.stream("GET", "/events?count=20&every=5")
            numbers = [event.json()["number"] async for event in feed]
            user.expect(numbers == list(range(1, 21)), "all of them, in order")
        """,
        *("--users", "3", "--iterations", "12", "--workers", "1", "--drain", "5s"),
    )
    requests = assert_seen(told)
    assert (requests["ok"], requests["failed"]) == (12, 0), told.result
    assert trend(told, "time to first event")["count"] == 12
    assert trend(told, "gap between events")["count"] == 12 * 19
    assert trend(told, "events per second")["count"] == 12


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfid: 7\r\ndata: Gr\xc3\xbc\xc3\x9fe\r\n: no\r\nretry: 5\r\n\r\n",
        b"id:7\rdata:Gr\xc3\xbc\xc3\x9fe\rretry:5\r\r",
    ],
    ids=["CRLF", "CR"],
)
def test_a_byte_at_a_time_makes_no_difference(
    scripts: Scripts, raw_server: RawServerFactory, body: bytes
) -> None:
    def behave(connection: RawConnection) -> None:
        connection.read_request()
        for byte in CHUNKED + b"".join(chunk(bytes([byte])) for byte in body) + b"0\r\n\r\n":
            connection.send(bytes([byte]))

    told = scripts(
        reading(
            "(e.id, e.data, e.retry) async for e in response.events()",
            'found == [("7", "Gr\\u00fc\\u00dfe", 5)] and response.ok',
        ),
        *("--url", raw_server(behave).url, *ONE),
    )
    assert assert_seen(told)["ok"] == 1


def test_bytes_lines_and_all_of_it(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def behave(connection: RawConnection) -> None:
        while connection.read_request():
            connection.send(
                CHUNKED + chunk(b"a\r") + chunk(b"\nb\xc3") + chunk(b"\xbc\n\nlast") + b"0\r\n\r\n"
            )

    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            async with user.stream("GET", "/lines") as response:
                lines = [line async for line in response.aiter_lines()]
            user.expect(lines == ["a", "b\\u00fc", "", "last"], f"{lines}")
            async with user.stream("POST", "/all", json={"stream": True}) as response:
                user.expect(response.headers["content-type"] == "text/event-stream", "headers are there")
                whole = await response.aread()
            user.expect(whole == "a\\r\\nb\\u00fc\\n\\nlast".encode(), f"{whole}")
        """,
        *("--url", raw_server(behave).url, *ONE),
    )
    assert assert_seen(told)["ok"] == 2


def test_a_stream_that_is_left_is_ok_and_closes_its_connection(
    scripts: Scripts, raw_server: RawServerFactory
) -> None:
    left = []

    def behave(connection: RawConnection) -> None:
        if not connection.read_request():
            return  # only looked whether somebody listens
        connection.send(CHUNKED + chunk(b"data: 1\n\n"))
        connection.wait_until_client_closes()  # it never ends
        left.append(True)

    server = raw_server(behave)
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            async with user.stream("GET", "/feed") as response:
                async for event in response.events():
                    break
            user.expect(event.data == "1", "one is enough")
        """,
        *("--url", server.url, "--users", "1", "--iterations", "3", "--workers", "1", "--drain", "5s"),
    )
    requests = assert_seen(told)
    assert (requests["total"], requests["ok"], requests["errors"]) == (3, 3, {}), told.result
    server.stop()
    assert len(left) == 3


@pytest.mark.parametrize(
    ("ending", "options", "error"),
    [("close", "", "closed"), ("never", ', timeout="300ms"', "timeout")],
)
def test_a_stream_that_breaks_ends_with_its_error_and_fails(
    scripts: Scripts, raw_server: RawServerFactory, ending: str, options: str, error: str
) -> None:
    def behave(connection: RawConnection) -> None:
        connection.read_request()
        connection.send(CHUNKED + chunk(b"data: 1\n\ndata: 2"))
        if ending == "never":
            connection.wait_until_client_closes()
        connection.finish()

    told = scripts(
        reading(
            "e.data async for e in response.events()",
            f'found == ["1"] and response.status == 200 and response.error == "{error}" and not response.ok',
            options,
        ),
        *("--url", raw_server(behave).url, *ONE),
    )
    assert assert_seen(told)["errors"] == {error: 1}, told.result


def test_a_stream_that_never_begins_says_why(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def behave(connection: RawConnection) -> None:
        connection.read_request()  # and closes

    told = scripts(
        reading(
            "e async for e in response.events()",
            'found == [] and response.status == 0 and response.error == "closed"',
        ),
        *("--url", raw_server(behave).url, *ONE),
    )
    assert assert_seen(told)["errors"] == {"closed": 1}, told.result


def test_an_event_that_is_too_large_is_refused_clearly(
    scripts: Scripts, raw_server: RawServerFactory
) -> None:
    def behave(connection: RawConnection) -> None:
        connection.read_request()
        connection.send(CHUNKED + chunk(b"data: "))
        for _ in range(10):
            connection.send(chunk(b"x" * (1 << 20)))
        connection.wait_until_client_closes()

    told = scripts(
        reading("e async for e in response.events()", "found"), "--url", raw_server(behave).url, *ONE
    )
    told.assert_says("more than 4 MB in one event")
    assert told.summary["requests"]["errors"] == {"body_too_large": 1}, told.result


def test_over_http2_streams_share_a_connection(scripts: Scripts, tmp_path: Path) -> None:
    server = Hypercorn(tmp_path / "server")
    try:
        told = scripts(
            """\
            from loadgen import User, scenario

            @scenario
            async def feed(user: User) -> None:
                numbers = []
                async with user.stream("GET", "/events/5") as response:
                    async for event in response.events():
                        numbers.append(int(event.data))
                user.expect(numbers == [1, 2, 3, 4, 5] and response.ok, f"{numbers} {response.error}")
                async with user.stream("GET", "/events/100000") as response:
                    async for event in response.events():
                        break
                user.expect(event.data == "1", "one is enough")
                page = await user.get("/")
                user.expect(page.ok, "others go on")
            """,
            *(
                "--url",
                server.url,
                "--http2",
                "--users",
                "3",
                "--iterations",
                "6",
                "--workers",
                "1",
                "--drain",
                "5s",
            ),
        )
        requests = assert_seen(told)
        assert (requests["total"], requests["ok"], requests["errors"]) == (18, 18, {}), told.result
        assert trend(told, "gap between events")["count"] == 6 * 4
        log = server.access_log()
    finally:
        server.stop()
    assert {entry.protocol for entry in log} == {"HTTP/2.0"}
    assert len({entry.connection for entry in log}) == 1
