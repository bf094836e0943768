"""Servers that misbehave: each way is counted under its own kind, and none of them hangs or ends a run."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import RawServerFactory
    from tests.support.command import CommandResult, Loadgen
    from tests.support.raw_server import RawConnection

    Behaviour = Callable[[RawConnection], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n"
# Below ten, so that no share of them is judged: however busy the machine, the exit code is the same.
LOAD = ("--tps", "45", "--duration", "200ms")
COUNT = 9
TIMEOUT_S = 0.3


def answering(*pieces: bytes) -> Behaviour:
    """Sends this for a request that was read, and closes."""

    def behave(connection: RawConnection) -> None:
        for piece in pieces:
            connection.send(piece)

    return behave


def endless(head: bytes, line: bytes) -> Behaviour:
    """Goes on until the client has had enough; one that never has would fail the test by its timeout."""

    flood = line * (262_144 // len(line))

    def behave(connection: RawConnection) -> None:
        connection.send(head)
        while True:
            connection.send(flood)

    return behave


def resetting(connection: RawConnection) -> None:
    connection.reset()


def silent(connection: RawConnection) -> None:
    connection.wait_until_client_closes()


def late(connection: RawConnection) -> None:
    time.sleep(2 * TIMEOUT_S)
    connection.send(OK)
    connection.wait_until_client_closes()


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "closes without an answer": (answering(), "closed"),
    "closes within the status line": (answering(b"HTTP/1.1 20"), "closed"),
    "closes within the head": (answering(b"HTTP/1.1 200 OK\r\nContent-Le"), "closed"),
    "closes within the body": (answering(OK[:-1]), "closed"),
    "closes within a chunk": (answering(CHUNKED, b"5\r\nhel"), "closed"),
    "closes before the last chunk": (answering(CHUNKED, b"5\r\nhello\r\n"), "closed"),
    "closes after an interim response": (answering(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "closed"),
    "resets": (resetting, "reset"),
    "speaks another protocol": (answering(b"SSH-2.0-OpenSSH_9.7\r\n\r\n"), "bad_response"),
    "sends zeros": (answering(bytes(100)), "bad_response"),
    "sends a status of two digits": (answering(b"HTTP/1.1 20 OK\r\n\r\n"), "bad_response"),
    "switches protocols": (answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "bad_response"),
    "sends a wrong chunk size": (answering(CHUNKED, b"five\r\nhello\r\n0\r\n\r\n"), "bad_response"),
    "sends a chunk longer than it said": (answering(CHUNKED, b"5\r\nhello!\r\n0\r\n\r\n"), "bad_response"),
    "sends a negative length": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi"),
        "bad_response",
    ),
    "sends a length and chunks": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "bad_response",
    ),
    "sends two lengths": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"),
        "bad_response",
    ),
    "sends a length of 20 digits": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi"),
        "bad_response",
    ),
    "sends an endless header": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 64), "header_too_large"),
    "sends endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "header_too_large"),
    "sends 200 headers": (
        answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"Content-Length: 2\r\n\r\nhi"),
        "header_too_large",
    ),
    "sends an endless chunk line": (endless(CHUNKED, b"0" * 64), "header_too_large"),
    "claims a body beyond the limit": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\nhi"),
        "body_too_large",
    ),
    "answers after the timeout": (late, "timeout"),
    "never answers": (silent, "timeout"),
}
UNUSUAL: dict[str, tuple[Behaviour, str]] = {
    "interim responses first": (
        answering(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK),
        "200",
    ),
    "a length where there is no body": (answering(b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n"), "204"),
    "HTTP/1.0 to the end": (answering(b"HTTP/1.0 201 Made\r\n\r\nto the end"), "201"),
    "the same length twice": (answering(b"HTTP/1.1 202 OK\r\nContent-Length: 2, 2\r\n\r\nhi"), "202"),
    "extensions and trailers": (answering(CHUNKED, b"5;a=b\r\nhello\r\n0\r\nX-End: yes\r\n\r\n"), "200"),
    "a status that nobody knows": (answering(b"HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n"), "399"),
}


def once(behaviour: Behaviour) -> Behaviour:
    """The behaviour, when a request has been read."""

    def behave(connection: RawConnection) -> None:
        if connection.read_request():
            behaviour(connection)

    return behave


class Deal:
    """Deals each request the next of several behaviours, and remembers what is to be counted for it."""

    def __init__(self, cases: dict[str, tuple[Behaviour, str]]) -> None:
        self._next = itertools.cycle(cases.values())
        self._lock = threading.Lock()
        self.expected: Counter[str] = Counter()

    def __call__(self, connection: RawConnection) -> None:
        if connection.read_request():
            with self._lock:
                behaviour, outcome = next(self._next)
                self.expected[outcome] += 1
            behaviour(connection)


def blast(loadgen: Loadgen, url: str, reactor: str, *arguments: str) -> CommandResult:
    return loadgen("blast", url, "--reactor", reactor, *LOAD, "--threshold", "errors < 1%", *arguments)


@pytest.mark.parametrize(
    "case",
    [
        "closes within the body",
        "sends an endless header",
        "answers after the timeout",
        "never answers",
    ],
)
def test_each_failure_is_counted_under_its_kind(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, case: str
) -> None:
    behaviour, kind = HOSTILE[case]
    server = raw_server(once(behaviour))
    result = blast(loadgen, server.url, reactor, "--timeout", f"{TIMEOUT_S}s" if kind == "timeout" else "20s")
    summary = balanced(result)
    assert summary["requests"]["errors"] == {kind: COUNT}, result
    assert not summary["requests"]["status"], result
    assert (summary["verdict"], result.exit_code) == ("fail", 1), result
    assert summary["latency"]["response"]["max_ms"] == "inf", "a request without an answer never ended"


def test_failures_of_all_kinds_in_one_run_are_told_apart(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """Each connection meets another fate, and its end must not touch its neighbours."""
    deal = Deal({name: case for name, case in HOSTILE.items() if case[1] != "timeout"} | UNUSUAL)
    server = raw_server(deal)
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "150", "--duration", "600ms")
    requests = balanced(result)["requests"]
    assert requests["total"] == 90, result
    # A request may meet a connection that the server closes in that very moment, and never sees it.
    unseen = Counter(requests["errors"] | requests["status"]) - Counter(deal.expected)
    assert unseen.total() == 90 - sum(deal.expected.values()) <= 2, result
    assert set(unseen) <= {"closed", "reset"}, result


def test_unusual_but_right_responses_are_responses(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    deal = Deal(UNUSUAL)
    result = blast(loadgen, raw_server(deal).url, reactor)
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == (dict(deal.expected), {}), result
    assert (requests["ok"], result.exit_code) == (COUNT, 0), result


@pytest.mark.parametrize(
    "behaviour",
    [
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 1024),
    ],
    ids=["interim responses", "a body"],
)
def test_a_flood_keeps_no_worker_from_its_other_duties(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, behaviour: Behaviour
) -> None:
    """However fast a server sends, timeouts are seen to and the worker gives its signs of life.

    A machine that stands still for a second takes those signs too: it gets three tries.
    """
    server = raw_server(once(behaviour))
    for _ in range(3):
        result = blast(loadgen, server.url, reactor, "--timeout", f"{TIMEOUT_S}s")
        errors = balanced(result)["requests"]["errors"]
        assert sum(errors.values()) == COUNT, result
        assert set(errors) <= {"timeout", "header_too_large", "body_too_large"}, result
        if "no sign of life" not in result.stderr:
            return
    pytest.fail("the worker gave no sign of life, three times")


def test_a_server_that_closes_what_it_accepts_fails_every_request(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """It closes before it has read: whether that arrives as an end or as a reset, the kernel decides."""
    server = raw_server(lambda _: None)
    result = blast(loadgen, server.url, reactor)
    errors = balanced(result)["requests"]["errors"]
    assert set(errors) <= {"closed", "reset"}, result
    assert sum(errors.values()) == COUNT, result
    assert result.exit_code == 1, result


def test_one_byte_at_a_time_is_a_response(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    def trickle(connection: RawConnection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.read_request():
            for byte in CHUNKED + b"5\r\nhello\r\n0\r\nX-End: yes\r\n\r\n":
                connection.send(bytes([byte]))

    result = blast(loadgen, raw_server(trickle).url, reactor)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert result.exit_code == 0, result


def test_where_a_response_is_cut_makes_no_difference(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """One request for each place between two bytes."""
    response = CHUNKED + b"5\r\nhello\r\n0\r\nX-End: yes\r\n\r\n"
    cuts: Iterator[int] = itertools.cycle(range(1, len(response)))
    used: Counter[int] = Counter()
    lock = threading.Lock()

    def cut(connection: RawConnection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.read_request():
            with lock:
                at = next(cuts)
                used[at] += 1
            connection.send(response[:at])
            time.sleep(0.002)  # so that the rest comes alone; the test holds if it does not
            connection.send(response[at:])

    server = raw_server(cut)
    result = loadgen(
        "blast", server.url, "--reactor", reactor, "--tps", str(2 * len(response)), "--duration", "500ms"
    )
    requests = balanced(result)["requests"]
    assert requests["status"] == {"200": len(response)}, result
    assert not requests["errors"], result
    assert requests["bytes_received"] == len(response) ** 2, result
    assert len(used) == len(response) - 1, "every place was cut"


def test_bytes_that_nobody_asked_for_end_the_connection_and_fail_no_request(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """Whatever they are, the next response could not be told from them."""
    served: list[int] = []

    def overshare(connection: RawConnection) -> None:
        while connection.read_request():
            served.append(connection.number)
            connection.send(OK)
            connection.send(b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n")

    server = raw_server(overshare)
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "4", "--duration", "1s")
    assert balanced(result)["requests"]["status"] == {"200": 4}, result
    assert len(set(served)) == 4, "no connection carried a second request"


def test_bytes_beyond_the_end_of_a_response_belong_to_no_request(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    served: list[int] = []

    def overshare(connection: RawConnection) -> None:
        while connection.read_request():
            served.append(connection.number)
            connection.send(OK + b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n")

    server = raw_server(overshare)
    result = blast(loadgen, server.url, reactor)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert len(set(served)) == COUNT, "no connection carried a second request"


def test_connections_that_the_server_ends_between_requests_are_replaced(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """It promises to keep them and does not. At a low rate nothing is under way then, so nothing fails."""
    served: list[int] = []

    def answer_once(connection: RawConnection) -> None:
        if connection.read_request():
            served.append(connection.number)
            # Answer and end leave in one packet, so that no request fits between them.
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            connection.send(OK)

    server = raw_server(answer_once)
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "5", "--duration", "1s")
    assert balanced(result)["requests"]["status"] == {"200": 5}, result
    assert len(set(served)) == 5


def test_ipv6_is_reached_like_any_other(loadgen: Loadgen, raw_server: RawServerFactory, reactor: str) -> None:
    hosts: set[bytes] = set()

    def answer(connection: RawConnection) -> None:
        while request := connection.read_request():
            hosts.add(next(line for line in request.split(b"\r\n") if line.startswith(b"Host:")))
            connection.send(OK)

    try:
        server = raw_server(answer, host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    result = blast(loadgen, server.url, reactor)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert hosts == {f"Host: [::1]:{server.port}".encode()}


def test_users_whose_requests_fail_go_on(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """Closed model: an answer that never comes frees its user when it has timed out."""
    server = raw_server(silent)
    result = loadgen(
        *("blast", server.url, "--reactor", reactor, "--users", "3", "--duration", "700ms"),
        *("--timeout", f"{TIMEOUT_S}s"),
    )
    errors = balanced(result)["requests"]["errors"]
    assert set(errors) == {"timeout"}, result
    # Three turns fit at most, and the second begins at least where the first has ended.
    assert 3 < errors["timeout"] <= 9, result


def test_a_short_timeout_is_of_requests_and_not_of_the_look_at_the_target(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """Before the load somebody must be there; how quickly requests have to be answered is another matter."""
    result = blast(loadgen, raw_server(silent).url, reactor, "--timeout", "200us")
    requests = balanced(result)["requests"]
    assert sum(requests["errors"].values()) == COUNT, result
    assert set(requests["errors"]) <= {"timeout", "connect_timeout"}, result
