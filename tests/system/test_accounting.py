"""Nothing is left out in silence: our counts, the server's and the schedule agree to the last request."""

from __future__ import annotations

import csv
import json
import socket
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory, Target
    from tests.support.command import Loadgen
    from tests.support.raw_server import RawConnection

LOADS = {
    "poisson": ("--tps", "600", "--duration", "300ms", "--arrivals", "poisson", "--seed", "7"),
    "ramps": ("--stage", "200ms:900", "--stage", "0s:100", "--stage", "200ms:100"),
    "bursts": ("--tps", "400", "--duration", "400ms", "--arrivals", "onoff:50ms/150ms"),
    "workers": ("--tps", "900", "--duration", "300ms", "--workers", "3"),
    "users": ("--users", "4", "--duration", "200ms"),
    "users come and go": ("--stage", "150ms:6users", "--stage", "150ms:1users", "--workers", "2"),
}

# A quarter of the answers each 404 and 500, at nginx's choice: nobody can count them but by counting.
MIXED = """
location / {
    if ($request_id ~ "^[0-3]") { return 404 "none\\n"; }
    if ($request_id ~ "^[4-7]") { return 500 "broken\\n"; }
    return 200 "hello\\n";
}
"""


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_nginx_has_counted_what_we_have_counted(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str, load: tuple[str, ...]
) -> None:
    server = nginx(locations=MIXED)
    result = loadgen("blast", server.url, "--reactor", reactor, *load)
    summary = balanced(result)
    lines = server.access_log()
    assert dict(Counter(str(line.status) for line in lines)) == summary["requests"]["status"], result
    assert len(lines) == summary["requests"]["total"] > 20, result
    assert summary["requests"]["bytes_received"] == sum(line.response_bytes for line in lines), result
    assert summary["requests"]["bytes_sent"] == sum(line.request_bytes for line in lines), result
    assert (
        summary["arrivals"]["failed"]
        == summary["requests"]["status"]["404"] + summary["requests"]["status"]["500"]
    ), result
    assert not summary["requests"]["errors"], result


@pytest.mark.parametrize("load", [LOADS[name] for name in ("ramps", "workers")])
def test_every_arrival_of_the_printed_schedule_is_in_the_books(
    loadgen: Loadgen, target: Target, load: tuple[str, ...]
) -> None:
    printed = loadgen("blast", target.url, *load, "--dry-run")
    assert printed.exit_code == 0, printed
    assert target.requests()["total"] == 0, "a dry run sends nothing"
    summary = balanced(loadgen("blast", f"{target.url}/health", *load))
    assert summary["arrivals"]["scheduled"] == len(printed.stdout.splitlines()) > 20
    assert summary["arrivals"]["sent"] == summary["arrivals"]["completed"] == summary["arrivals"]["scheduled"]
    assert target.requests()["paths"] == {"/health": summary["arrivals"]["sent"]}


@pytest.mark.parametrize(
    "load",
    [
        ("--stage", "0s:50", "--stage", "700ms:400"),
        ("--tps", "250", "--duration", "700ms", "--arrivals", "poisson", "--workers", "2"),
    ],
    ids=["ramp", "poisson by two workers"],
)
def test_no_arrival_reaches_the_target_before_it_is_due(
    loadgen: Loadgen, tmp_path: Path, load: tuple[str, ...]
) -> None:
    log = tmp_path / "target.csv"
    running = loadgen.start("target", "--port", "0", "--log", str(log))
    url = running.wait_for_line(r"listening on (http://\S+)")[1]
    printed = [line.split() for line in loadgen("blast", url, *load, "--dry-run").stdout.splitlines()]
    assert [int(number) for number, _ in printed] == list(range(len(printed)))
    due = [int(seconds.replace(".", "")) for _, seconds in printed]
    assert due == sorted(due)
    result = loadgen("blast", url, *load)
    balanced(result)
    running.interrupt()
    assert running.wait().exit_code == 0
    with log.open() as file:
        received = sorted(int(row["recv_ns"]) for row in csv.DictReader(file))
    assert len(received) == len(due)
    # The target's stamps and the run's start are of one clock.
    first = json.loads((result.run_folder / "events.jsonl").read_text().splitlines()[0])
    start = first["monotonic_ns"]
    # Also of two workers' arrivals the k-th to come is not before the k-th due.
    early = [k for k, (came, at) in enumerate(zip(received, due, strict=True)) if came < start + at]
    assert not early, f"arrivals {early} came before they were due\n{result}"


def test_a_server_that_limits_keep_alive_costs_no_request(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    server = nginx(locations='keepalive_requests 10; location / { return 200 "hello\\n"; }')
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "800", "--duration", "250ms")
    summary = balanced(result)
    lines = server.access_log()
    assert summary["requests"]["status"] == {"200": 200}, result
    assert not summary["requests"]["errors"], result
    assert len(lines) == 200
    assert max(line.connection_requests for line in lines) == 10
    assert len({line.connection for line in lines}) >= 20


def test_responses_to_head_have_no_body(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    server = nginx()
    result = loadgen(
        "blast", server.url, "--reactor", reactor, "-X", "HEAD", "--tps", "200", "--duration", "300ms"
    )
    summary = balanced(result)
    lines = server.access_log()
    assert {line.method for line in lines} == {"HEAD"}
    assert summary["requests"]["status"] == {"200": 60} == {"200": len(lines)}, result
    assert summary["requests"]["bytes_received"] == sum(line.response_bytes for line in lines), result
    assert len({line.connection for line in lines}) < 60, "the connections were kept"


@pytest.mark.parametrize("size", [1, 200_000])
def test_bodies_arrive_whole_and_every_byte_is_counted(
    loadgen: Loadgen, target: Target, tmp_path: Path, reactor: str, size: int
) -> None:
    """The target answers with the body it was sent: bytes out and back are known to the last one."""
    body = bytes(index % 251 for index in range(size))
    file = tmp_path / "body"
    file.write_bytes(body)
    arguments = ("-H", "User-Agent: t", "-H", "Accept: a/b", "-H", "Content-Type: a/b")
    result = loadgen(
        "blast",
        f"{target.url}/echo",
        *("--reactor", reactor, "--body-file", str(file), "--tps", "100", "--duration", "300ms"),
        *arguments,
    )
    summary = balanced(result)
    assert summary["requests"]["status"] == {"200": 30}, result
    request = (
        f"POST /echo HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\nUser-Agent: t\r\nAccept: a/b\r\n"
        f"Content-Type: a/b\r\nContent-Length: {size}\r\n\r\n"
    ).encode() + body
    response = _answer(target.port, request)
    assert response.endswith(body)
    assert summary["requests"]["bytes_sent"] == 30 * len(request), result
    assert summary["requests"]["bytes_received"] == 30 * len(response), result
    assert target.requests()["paths"]["/echo"] == 31


@pytest.mark.parametrize("path", ["/chunked/100000", "/close"])
def test_every_framing_ends_where_it_should(
    loadgen: Loadgen, target: Target, reactor: str, path: str
) -> None:
    result = loadgen(
        "blast", f"{target.url}{path}", "--reactor", reactor, "--tps", "100", "--duration", "300ms"
    )
    summary = balanced(result)
    request = f"GET {path} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\n\r\n".encode()
    response = _answer(target.port, request)
    assert summary["requests"]["status"] == {"200": 30}, result
    assert summary["requests"]["bytes_received"] == 30 * len(response), result


def _answer(port: int, request: bytes) -> bytes:
    """One exchange, byte for byte; the half-close asks the server to end the connection after it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def test_a_body_without_a_length_ends_with_the_connection(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    response = b"HTTP/1.1 200 OK\r\n\r\n" + b"until the end " * 1000

    def answer_and_close(connection: RawConnection) -> None:
        if connection.read_request():
            connection.send(response)

    server = raw_server(answer_and_close)
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "100", "--duration", "300ms")
    summary = balanced(result)
    assert summary["requests"]["status"] == {"200": 30}, result
    assert summary["requests"]["bytes_received"] == 30 * len(response), result


def test_a_run_against_the_embedded_target_needs_no_url(loadgen: Loadgen, reactor: str) -> None:
    result = loadgen("blast", "/status/404", "--reactor", reactor, "--tps", "100", "--duration", "300ms")
    summary = balanced(result)
    assert summary["requests"]["status"] == {"404": 30}, result
    assert summary["requests"]["ok"] == 0
    assert "embedded target" in result.stderr


def test_the_rate_asked_for_is_the_rate_reported(loadgen: Loadgen, target: Target) -> None:
    """The last arrival of a slow schedule is long before the end of its time, which counts all the same."""
    result = loadgen("blast", target.url, "--tps", "2", "--duration", "1s")
    summary = balanced(result)
    assert summary["arrivals"]["scheduled"] == 2
    assert summary["target_rate_per_s"] == pytest.approx(2), result


def test_the_summary_of_many_labels_adds_up_to_json_that_others_read(
    loadgen: Loadgen, target: Target
) -> None:
    result = loadgen("blast", f"{target.url}/health?x=1", "--tps", "100", "--duration", "300ms")
    (label,) = balanced(result)["labels"]
    assert label["label"] == "GET /health", "the label is the path without its query"
    assert json.loads((result.run_folder / "plan.json").read_text())["label"] == label["label"]
