"""What one streamed call may take: redirects, retries, challenges, bodies; and how it can break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.http2_connection import (
    DATA,
    END_HEADERS,
    HEADERS,
    RST_STREAM,
    Http2Connection,
    Http2Request,
    frame,
    on_each_request,
)
from tests.support.sink import read_head, read_line

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts, Told

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"
CHALLENGE = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'


def assert_seen(told: Told) -> dict[str, Any]:
    told.assert_iterations_balance()
    checks = told.summary["checks"]
    assert checks and all(check["failed"] == 0 for check in checks), told.result
    requests: dict[str, Any] = told.summary["requests"]
    return requests


class Site:
    """Sends events from `/feed`, and there from elsewhere."""

    def __init__(self, raw_server: RawServerFactory) -> None:
        self.seen: list[bytes] = []
        self._failures = 2
        self._server = raw_server(self._serve)
        self.url = self._server.url

    @property
    def connections(self) -> int:
        return self._server.connections

    def _serve(self, connection: RawConnection) -> None:
        while request := connection.read_request():
            self.seen.append(request)
            path = request.split(b" ")[1]
            if path == b"/moved":
                # Its body has to be let go before the connection carries anything else.
                body = b"x" * 200_000
                connection.send(b"HTTP/1.1 307 x\r\nLocation: /feed\r\nSet-Cookie: a=b\r\n")
                connection.send(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            elif path == b"/round":
                connection.send(b"HTTP/1.1 302 x\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n")
            elif path == b"/secret" and b"Authorization: Digest" not in request:
                connection.send(b"HTTP/1.1 401 x\r\nContent-Length: 2\r\n" + CHALLENGE + b"\r\nno")
            elif path == b"/busy" and self._failures:
                self._failures -= 1
                connection.send(b"HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbusy")
            elif path == b"/mute":
                connection.wait_until_client_closes()
            else:
                connection.send(CHUNKED + EVENTS)


def test_a_call_may_take_several_requests(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(raw_server)
    told = scripts(
        """\
        from loadgen import DigestAuth, Retry, User, scenario

        @scenario
        async def read(user: User) -> None:
            for url, options, history in (
                ("/moved", {"follow_redirects": True}, [307]),
                ("/secret", {"auth": DigestAuth("u", "p")}, []),
                ("/busy", {"retry": Retry(backoff=0)}, []),
                ("/feed", {"files": {"f": b"content"}}, []),
            ):
                method = "POST" if "files" in options else "GET"
                async with user.stream(method, url, **options) as response:
                    user.expect(response.status == 200 and response.ok, f"{url} {response.status}")
                    user.expect([one.status for one in response.history] == history, f"{response.history}")
                    found = [event.data async for event in response.events()]
                user.expect(found == ["1", "2"], f"{url} {found} {response.error}")
            async with user.stream("GET", "/moved") as response:
                user.expect(response.status == 307, "not asked to follow")
            async with user.stream("GET", "/round", follow_redirects=True) as response:
                user.expect(response.error == "too_many_redirects", f"{response.error}")
                user.expect([piece async for piece in response.aiter_bytes()] == [], "nothing to read")
        """,
        *("--url", site.url, *ONE),
    )
    requests = assert_seen(told)
    assert requests["status"] == {"200": 4, "307": 2, "401": 1, "503": 2, "302": 11}, told.result
    assert requests["errors"] == {"too_many_redirects": 1}, told.result
    labels = {label["label"]: label["requests"]["total"] for label in told.summary["labels"]}
    assert (labels["GET /moved"], labels["GET /feed"], labels["GET /secret"]) == (2, 1, 2), labels
    assert b"Cookie: a=b\r\n" in site.seen[1] and b"content" in b"".join(site.seen)
    # What was read to its end is used again: only a stream that was left takes a connection with it.
    assert site.connections <= 3


def test_the_plan_holds_for_streams_too(scripts: Scripts, raw_server: RawServerFactory) -> None:
    told = scripts(
        """\
        from loadgen import Plan, Retry, User, scenario

        @scenario
        async def read(user: User) -> None:
            for url in ("/moved", "/busy"):
                numbers = [event.data async for event in user.stream("GET", url)]
                user.expect(numbers == ["1", "2"], f"{url} {numbers}")

        plan = Plan(follow_redirects=True, retry=Retry(backoff=0), compression=True)
        """,
        *("--url", Site(raw_server).url, *ONE),
    )
    assert assert_seen(told)["status"] == {"200": 2, "307": 1, "503": 2}, told.result


def test_a_body_is_made_while_the_answer_is_read(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def echo(connection: RawConnection) -> None:
        while read_head(connection):
            connection.send(CHUNKED)
            while size := int(read_line(connection), 16):
                data = connection.read(size + 2)
                connection.send(f"{size:x}\r\n".encode() + data)
            read_line(connection)
            connection.send(b"0\r\n\r\n")

    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def talk(user: User) -> None:
            answers, ended = asyncio.Queue(), []

            async def questions():
                try:
                    for number in range(5):
                        yield f"data: {number}\\n\\n"
                        user.expect(await answers.get() == number, "each is answered before the next")
                finally:
                    ended.append(True)

            async with user.stream("POST", "/", content=questions()) as response:
                async for event in response.events():
                    answers.put_nowait(int(event.data))
            user.expect(response.ok and ended == [True], f"{response.error}")
            async with user.stream("POST", "/", content=questions()) as response:
                async for event in response.events():
                    break
            user.expect(response.ok and ended == [True, True], "left, and so is the generator")

            async def broken():
                yield "data: 1\\n\\n"
                await asyncio.sleep(0.1)
                raise LookupError("no more")

            async with user.stream("POST", "/", content=broken()) as response:
                async for event in response.events():
                    pass
                user.expect(response.error == "script_error", f"{response.error}")
        """,
        *("--url", raw_server(echo).url, *ONE),
    )
    checks = {check["name"]: check["failed"] for check in told.summary["checks"]}
    assert set(checks.values()) == {0} and len(checks) == 4, told.result
    told.assert_points_at('raise LookupError("no more")')
    requests = told.summary["requests"]
    assert (requests["ok"], requests["errors"]) == (2, {"script_error": 1}), told.result


def test_a_reset_in_the_middle_is_an_error(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def reset(connection: RawConnection) -> None:
        if connection.read_request():
            connection.send(CHUNKED + b"9\r\ndata: 1\n\n\r\n")
            connection.reset()

    def reset_stream(connection: Http2Connection, request: Http2Request) -> None:
        head = connection.head((":status", "200"), ("content-type", "text/event-stream"))
        connection.send(frame(HEADERS, END_HEADERS, request.stream, head))
        connection.send(frame(DATA, 0, request.stream, b"data: 1\n\n"))
        connection.send(frame(RST_STREAM, 0, request.stream, (2).to_bytes(4)))

    source = """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            async with user.stream("GET", "/feed") as response:
                found = [event.data async for event in response.events()]
            user.expect(found in (["1"], []) and response.error == "{error}", f"{{found}} {{response.error}}")
        """
    told = scripts(source.format(error="reset"), "--url", raw_server(reset).url, *ONE)
    assert assert_seen(told)["errors"] == {"reset": 1}, told.result
    url = raw_server(on_each_request(reset_stream)).url
    told = scripts(source.format(error="stream_reset"), "--url", url, "--http2", *ONE)
    assert assert_seen(told)["errors"] == {"stream_reset": 1}, told.result


def test_one_that_is_cancelled_before_its_head_is_counted_as_it_ends(
    scripts: Scripts, raw_server: RawServerFactory
) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            try:
                async with asyncio.timeout(0.1):
                    async with user.stream("GET", "/mute", timeout="400ms"):
                        user.expect(False, "it has no head")
            except TimeoutError:
                user.expect(True, "cancelled")
            await asyncio.sleep(0.6)
            numbers = [event.data async for event in user.stream("GET", "/feed")]
            user.expect(numbers == ["1", "2"], "others go on")
        """,
        *("--url", Site(raw_server).url, *ONE),
    )
    requests = assert_seen(told)
    assert (requests["ok"], requests["errors"]) == (1, {"timeout": 1}), told.result


def test_debug_shows_a_stream(scripts: Scripts, raw_server: RawServerFactory) -> None:
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            async with user.stream("GET", "/moved", follow_redirects=True) as response:
                user.expect(response.ok, "it has begun")
                numbers = [event.data async for event in response.events()]
            async with user.stream("GET", "/mute", timeout="100ms"):
                pass
        """,
        *("--url", Site(raw_server).url, "--debug"),
    )
    told.assert_says(
        *("GET http://127.0.0.1", "/moved", "< 307 in", "/feed", "< Content-Type: text/event-stream"),
        *("check passed: it has begun", ": message: 1", ": message: 2", "2 pieces read, 20 B"),
        *("no answer: timeout", "3 requests, 1 check passed"),
    )
    places = [told.text.index(words) for words in ("< 307", "check passed", "message: 1", "2 pieces read")]
    assert places == sorted(places)


def test_run_once_has_streams_among_its_requests(raw_server: RawServerFactory) -> None:
    from loadgen import User, scenario
    from loadgen.testing import run_once

    def behave(connection: RawConnection) -> None:
        while request := connection.read_request():
            connection.send(CHUNKED + b"9\r\ndata: 1\n\n\r\n")
            if b"/broken" in request:
                return
            connection.send(b"0\r\n\r\n")

    @scenario
    async def read(user: User) -> None:
        for url in ("/whole", "/broken"):
            numbers = [event.data async for event in user.stream("GET", url)]
            user.expect(numbers == ["1"], "the first is there")

    outcome = run_once(read, raw_server(behave).url)
    assert outcome.passed
    assert [(sent.status, sent.error) for sent in outcome.requests] == [(200, None), (200, "closed")]
