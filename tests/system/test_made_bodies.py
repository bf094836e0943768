"""Bodies that scripts make while they are sent: what arrives, what is pulled when, and how they end."""

from __future__ import annotations

import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sink import CONTINUE, OK, Sink, read_head, read_line

if TYPE_CHECKING:
    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts, Told

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "20s")
# A generator that writes down how far it got, and how it ended.
MADE = """\
import asyncio
from loadgen import DigestAuth, Retry, User, scenario

pulled, ended = [], []

async def pieces(count, size=1000, seconds=0):
    try:
        for number in range(count):
            pulled.append(number)
            await asyncio.sleep(seconds)
            yield bytes([number % 251]) * size
    finally:
        ended.append(True)

@scenario
async def upload(user: User) -> None:
"""


def run(scripts: Scripts, url: str, body: str, *options: str) -> Told:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return scripts(MADE + lines, "--url", url, *ONE, *options)


def assert_seen(told: Told) -> dict[str, Any]:
    told.assert_iterations_balance()
    checks = told.summary["checks"]
    assert checks and all(check["failed"] == 0 for check in checks), told.result
    requests: dict[str, Any] = told.summary["requests"]
    return requests


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_what_generators_make_arrives(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    sink = Sink(raw_server)
    url = sink.url
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off;"
        url = nginx(http2=True, locations=f"client_max_body_size 0; location / {{ {proxied} }}").url
    told = run(
        scripts,
        url,
        """\
def here():
    yield b""
    for number in range(300):
        yield bytes([number % 251]) * 1000
    yield "text"
    yield memoryview(b"x" * 300_000)

class Again:
    def __iter__(self):
        return iter([b"one", b"", b"two"])

for content in (here(), pieces(300), pieces(3, 1_000_000), iter([]), Again()):
    response = await user.put("/", content=content)
    user.expect(response.status == 200, f"{response.status} {response.error}")
user.expect(ended == [True, True], "they came to their ends")
""",
        http,
    )
    requests = assert_seen(told)
    assert requests["status"] == {"200": 5}, told.result
    many = b"".join(bytes([number % 251]) * 1000 for number in range(300))
    large = b"".join(bytes([number]) * 1_000_000 for number in range(3))
    whole = [many + b"text" + b"x" * 300_000, many, large, b"", b"onetwo"]
    assert [(one.body_bytes, one.digest) for one in sink.taken] == [
        (len(body), sha256(body).hexdigest()) for body in whole
    ]
    assert all("content-length" not in one.headers for one in sink.taken[:3])
    assert all(one.headers["content-type"] == "application/octet-stream" for one in sink.taken)
    total = sum(len(body) for body in whole)
    assert total < requests["bytes_sent"] < total + 50_000
    if http == "--http1":
        assert told.summary["phases"]["send"]["count"] == 5


def test_no_more_is_pulled_than_can_be_sent(scripts: Scripts, raw_server: RawServerFactory) -> None:
    goes_on = threading.Event()
    counts: list[int] = []

    def reluctant(connection: RawConnection) -> None:
        while headers := read_head(connection):
            if headers.get("x-go"):
                counts.append(int(headers["x-go"]))
                goes_on.set()
                connection.send(OK)
                continue
            goes_on.wait()
            while size := int(read_line(connection), 16):
                connection.read(size + 2)
            read_line(connection)
            connection.send(OK)

    told = run(
        scripts,
        raw_server(reluctant).url,
        """\
async def let_it_go():
    before = -1
    while len(pulled) > before:  # until it stands still
        before = len(pulled)
        await asyncio.sleep(0.3)
    await user.get("/go", headers={"X-Go": str(before)})

going = asyncio.create_task(let_it_go())
response = await user.put("/", content=pieces(300, 1_000_000))
await going
user.expect(response.status == 200 and len(pulled) == 300, f"{response.error} {len(pulled)}")
""",
    )
    assert assert_seen(told)["status"] == {"200": 2}
    # What the kernel holds for a peer that does not read is a few megabytes.
    assert 0 < counts[0] < 60
    assert told.summary["workers"][0]["max_rss_mb"] < 120


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_an_early_answer_stops_the_generator(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    def refuse(connection: RawConnection) -> None:
        if read_head(connection):
            read_line(connection)
            connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            while connection.read(100_000):
                pass

    url = raw_server(refuse).url
    if http == "--http2":
        url = nginx(http2=True, locations='client_max_body_size 1k; location / { return 413 "no"; }').url
    told = run(
        scripts,
        url,
        """\
response = await user.put("/", content=pieces(1000, seconds=0.02))
user.expect(response.status == 413, f"{response.status} {response.error}")
# One that was never asked for a piece has nothing to end.
user.expect(ended == [True] * bool(pulled) and len(pulled) < 1000, f"{ended} {len(pulled)}")
""",
        http,
    )
    requests = assert_seen(told)
    assert (requests["status"], requests["errors"]) == ({"413": 1}, {}), told.result


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_what_a_generator_raises_is_the_scripts_error(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    sink = Sink(raw_server)
    url = sink.url
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off;"
        url = nginx(http2=True, locations=f"client_max_body_size 0; location / {{ {proxied} }}").url
    for make in ("def", "async def"):
        told = run(
            scripts,
            url,
            f"""\
{make} broken():
    yield b"begun"
    raise LookupError("no more pieces")
await user.put("/", content=broken())
""",
            http,
        )
        assert told.summary["arrivals"]["failed"] == 1, told.result
        told.assert_points_at('raise LookupError("no more pieces")')
        assert told.summary["requests"]["errors"] == {"script_error": 1}, told.result
    told = run(scripts, url, 'await user.put("/", content=iter([b"a", 7]))', http)
    told.assert_says("content: its pieces are bytes or text, got int")
    assert sink.taken == []


@pytest.mark.parametrize("status", ["100", "417"])
def test_nothing_is_made_before_it_is_wanted(
    scripts: Scripts, raw_server: RawServerFactory, status: str
) -> None:
    def ask(connection: RawConnection) -> None:
        if headers := read_head(connection):
            assert headers["expect"] == "100-continue"
            if status == "417":
                connection.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
                return
            connection.send(CONTINUE)
            while size := int(read_line(connection), 16):
                connection.read(size + 2)
            read_line(connection)
            connection.send(OK)

    told = run(
        scripts,
        raw_server(ask).url,
        """\
response = await user.put("/", content=pieces(3), expect_continue=True)
user.expect(response.status in (200, 417), f"{response.status} {response.error}")
user.expect(len(pulled) == (3 if response.status == 200 else 0), f"{pulled}")
""",
    )
    assert assert_seen(told)["status"] == {"200" if status == "100" else status: 1}, told.result


def test_a_generator_is_not_read_twice(scripts: Scripts, raw_server: RawServerFactory) -> None:
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'

    def behave(connection: RawConnection) -> None:
        while head := connection.read_request():
            path = head.split(b" ")[1]
            if head.startswith(b"PUT"):
                while size := int(read_line(connection), 16):
                    connection.read(size + 2)
                read_line(connection)
            status, more = {
                b"/307": (b"307", b"Location: /end\r\n"),
                b"/303": (b"303", b"Location: /end\r\n"),
                b"/401": (b"401", challenge),
                b"/503": (b"503", b""),
            }.get(path, (b"200", b""))
            connection.send(b"HTTP/1.1 " + status + b" x\r\nContent-Length: 0\r\n" + more + b"\r\n")

    told = run(
        scripts,
        raw_server(behave).url,
        """\
async def refused(url, **options):
    try:
        await user.put(url, content=pieces(2), **options)
    except ValueError as error:
        return str(error)

class Again:
    def __iter__(self):
        return iter([b"one", b"two"])

again = "the body is wanted again, and a generator is read once: give bytes, a file"
found = await refused("/307", follow_redirects=True)
user.expect(again in found, f"{found}")
found = await refused("/401", auth=DigestAuth("u", "p"))
user.expect(again in found, f"{found}")
found = await refused("/503", retry=Retry())
user.expect("retry: a generator is read once" in found, f"{found}")
response = await user.put("/503", content=pieces(2), retry=None)
user.expect(response.status == 503, "an answer is an answer")
response = await user.put("/303", content=pieces(2), follow_redirects=True)
user.expect(response.method == "GET" and response.status == 200, "303 wants no body")
response = await user.put("/307", content=Again(), follow_redirects=True)
user.expect(response.status == 200 and len(response.history) == 1, "307 has it again")
response = await user.put("/503", content=Again(), retry=Retry(attempts=3, backoff=0))
user.expect(response.status == 503, "three times")
user.expect(len(ended) == 4, f"{ended}")
""",
    )
    requests = assert_seen(told)
    assert requests["status"] == {"307": 2, "401": 1, "303": 1, "200": 2, "503": 4}, told.result


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_who_waits_no_more_makes_no_more(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    sink = Sink(raw_server)
    url = sink.url
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off;"
        url = nginx(http2=True, locations=f"client_max_body_size 0; location / {{ {proxied} }}").url
    told = run(
        scripts,
        url,
        """\
try:
    async with asyncio.timeout(0.2):
        await user.put("/", content=pieces(1000, seconds=0.05))
except TimeoutError:
    pass
user.expect(ended == [True] and len(pulled) < 1000, f"{len(pulled)}")
response = await user.put("/", content=pieces(1000, seconds=0.05), timeout=0.2)
user.expect(response.error == "timeout" and len(ended) == 2, f"{response.status} {response.error}")
""",
        http,
    )
    assert assert_seen(told)["errors"] == {"script_error": 1, "timeout": 1}, told.result


def test_one_that_the_run_breaks_off_is_unfinished(scripts: Scripts, raw_server: RawServerFactory) -> None:
    told = scripts(
        MADE + '    await user.put("/", content=pieces(1000, seconds=0.05))\n',
        *("--url", Sink(raw_server).url, "--users", "2", "--duration", "300ms", "--workers", "1"),
        *("--drain", "100ms"),
    )
    arrivals = told.assert_iterations_balance()
    assert (arrivals["unfinished"], arrivals["failed"]) == (2, 0), told.result
    requests = told.summary["requests"]
    assert (requests["total"], requests["ok"], requests["failed"]) == (2, 0, 0), told.result
