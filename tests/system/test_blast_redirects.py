"""Redirects that a blast follows: each hop is a request in the results, and in the servers' logs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced
from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.nginx import AccessLine
    from tests.support.raw_server import RawConnection

CHAIN = """
    location = /start { absolute_redirect off; return 301 /mid?x=1; }
    location = /mid { return 302 /end; }
    location = /end { return 200 "there\\n"; }
    location = /post { return 303 /end; }
    location = /again { return 307 /sink; }
    location = /sink { return 200 "taken\\n"; }
    location = /gone { return 302 /nothing; }
    location = /nothing { return 404; }
    location = /loop { return 302 /loop; }
"""
MODELS = {"open": ("--tps", "200", "-d", "250ms"), "closed": ("--users", "4", "-d", "200ms")}
# Below ten arrivals no share of them is judged: a busy machine makes no difference.
FEW = ("--tps", "45", "-d", "200ms", "--workers", "1")
COUNT = 9


def labels_of(summary: dict[str, Any], kind: str = "request") -> dict[str, int]:
    return {one["label"]: one["requests"]["total"] for one in summary["labels"] if one["kind"] == kind}


def logged(lines: list[AccessLine]) -> dict[str, int]:
    return dict(Counter(f"{line.method} {line.uri.partition('?')[0]}" for line in lines))


def status_of(lines: list[AccessLine]) -> dict[str, int]:
    return {str(status): count for status, count in sorted(Counter(line.status for line in lines).items())}


def assert_followed(result: CommandResult, arrivals: int | None = None) -> dict[str, Any]:
    """All went well; the summary."""
    summary = balanced(result)
    book = summary["arrivals"]
    assert book["completed"] == book["sent"] > 0 and not summary["requests"]["failed"], result
    assert arrivals is None or book["sent"] == arrivals, result
    return summary


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_hop_is_in_the_servers_log(
    loadgen: Loadgen, nginx: NginxFactory, model: str, workers: str
) -> None:
    server = nginx(locations=CHAIN)
    result = loadgen("blast", f"{server.url}/start", "-L", *MODELS[model], "--workers", workers)
    summary = assert_followed(result)
    arrivals = summary["arrivals"]["sent"]
    lines = server.access_log()
    assert (
        labels_of(summary) == logged(lines) == dict.fromkeys(["GET /start", "GET /mid", "GET /end"], arrivals)
    )
    assert labels_of(summary, "iteration") == {"blast": arrivals}
    assert summary["requests"]["status"] == status_of(lines)
    assert Counter(line.uri for line in lines)["/mid?x=1"] == arrivals
    # The hops go on where there are connections already.
    assert len({line.connection for line in lines}) <= arrivals
    rows = {one["label"]: one["latency"] for one in summary["labels"]}
    parts = sum(rows[name]["response"]["mean_ms"] for name in ("GET /start", "GET /mid", "GET /end"))
    assert rows["blast"]["response"]["mean_ms"] >= parts * 0.999


def test_methods_and_bodies_of_many_targets(loadgen: Loadgen, nginx: NginxFactory, tmp_path: Path) -> None:
    """303 forgets the body, 307 sends it again; and a target may lead to another one's host."""
    other = nginx(locations=CHAIN)
    server = nginx(locations=CHAIN + f"location = /out {{ return 302 {other.url}/end; }}")
    (tmp_path / "body").write_text("0123456789")
    targets = tmp_path / "targets.txt"
    targets.write_text(
        f"POST {server.url}/post\n@{tmp_path}/body\n\nPUT {server.url}/again\n@{tmp_path}/body\n\n"
        f"HEAD {server.url}/post\n\nGET {server.url}/out\n\nGET {other.url}/start\n"
    )
    load = ("--tps", "225", "-d", "200ms", "--workers", "1")
    summary = assert_followed(loadgen("blast", "--targets", str(targets), "-L", *load), 45)
    lines, others = server.access_log(), other.access_log()
    expected = {"POST /post": 9, "PUT /again": 9, "HEAD /post": 9, "GET /out": 9}
    assert logged(lines) == expected | {"GET /end": 9, "PUT /sink": 9, "HEAD /end": 9}
    assert logged(others) == {"GET /end": 18, "GET /start": 9, "GET /mid": 9}
    assert labels_of(summary) == dict(Counter(logged(lines)) + Counter(logged(others)))
    bytes_of = {line.uri: line.request_bytes for line in lines if line.method == "PUT"}
    assert abs(bytes_of["/again"] - bytes_of["/sink"]) <= 1
    assert {line.status for line in lines + others} == {200, 301, 302, 303, 307}


@pytest.mark.parametrize("how", ["--http1", "--http2", "tls"])
def test_over_other_wires(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, how: str
) -> None:
    """From http to https on the same host, which no plan knew of; and within one of them."""
    tls = nginx(locations=CHAIN, tls=certificates.good, http2=True)
    plain = nginx(locations=f"location / {{ return 301 {tls.url}/mid; }}")
    trust = ("--cacert", str(certificates.authority))
    if how == "tls":
        result = loadgen("blast", f"{plain.url}/old", "-L", *trust, *FEW)
        assert logged(plain.access_log()) == {"GET /old": COUNT}
    else:
        result = loadgen("blast", f"{tls.url}/mid", "-L", how, *trust, *FEW)
    summary = assert_followed(result, COUNT)
    lines = tls.access_log()
    assert logged(lines) == {"GET /mid": COUNT, "GET /end": COUNT}
    assert {line.protocol for line in lines} == {"HTTP/1.1" if how == "--http1" else "HTTP/2.0"}
    assert labels_of(summary)["GET /end"] == COUNT


def test_a_loop_ends_as_an_error_that_is_counted(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx(locations=CHAIN)
    result = loadgen("blast", f"{server.url}/loop", "-L", "--max-redirs", "3", *FEW)
    summary = balanced(result)
    assert summary["arrivals"]["failed"] == COUNT
    assert summary["requests"]["errors"] == {"too_many_redirects": COUNT}
    # What was not sent is counted as failed.
    assert len(server.access_log()) == summary["requests"]["total"] - COUNT == 4 * COUNT
    assert "redirected too often" in result.stdout


def test_the_last_answer_says_whether_an_arrival_failed(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx(locations=CHAIN)
    summary = balanced(loadgen("blast", f"{server.url}/gone", "-L", *FEW))
    assert summary["arrivals"]["failed"] == COUNT
    assert summary["requests"]["status"] == {"302": COUNT, "404": COUNT} == status_of(server.access_log())


def test_without_the_option_a_redirect_is_an_answer(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx(locations=CHAIN)
    summary = balanced(loadgen("blast", f"{server.url}/start", *FEW))
    assert summary["requests"]["status"] == {"301": COUNT} == status_of(server.access_log())
    assert labels_of(summary, "iteration") == {}


def test_who_asks_is_not_told_to_another_origin(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    other = Site(raw_server, lambda asked: moved("/2") if asked.target == "/1" else answer())
    site = Site(
        raw_server, lambda asked: moved(f"{other.url}/1", 307) if asked.target == "/b" else moved("/b", 307)
    )
    headers = [f for text in ("Cookie: a=hush", "X-Own: kept", "Host: shop.test") for f in ("-H", text)]
    result = loadgen("blast", f"{site.url}/a", "-L", "--auth", "me:hush", "--body", "hi", *headers, *FEW)
    assert_followed(result, COUNT)
    for asked in site.asked:
        assert (asked.headers["host"], asked.headers["cookie"], asked.body) == ("shop.test", "a=hush", b"hi")
        assert asked.headers["authorization"] == "Basic bWU6aHVzaA=="
    for asked in other.asked:
        assert not {"authorization", "cookie"} & set(asked.headers), asked
        assert (asked.headers["host"], asked.headers["x-own"]) == (other.place, "kept")
    assert [asked.method for asked in other.asked] == ["POST", "GET"] * COUNT
    assert (len(site.asked), len(other.asked)) == (2 * COUNT, 2 * COUNT)
    for file in result.run_folder.iterdir():
        assert b"hush" not in file.read_bytes(), file


def test_a_user_in_a_location_is_told_where_it_leads(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    other = Site(raw_server, lambda _: answer())
    site = Site(raw_server, lambda _: moved(f"http://me:s%65cret@{other.place}/in#part"))
    summary = assert_followed(loadgen("blast", site.url, "-L", *FEW), COUNT)
    assert {asked.headers["authorization"] for asked in other.asked} == {"Basic bWU6c2VjcmV0"}
    assert labels_of(summary) == {"GET /": COUNT, "GET /in": COUNT}


@pytest.mark.parametrize(
    "location", ["", "http://[", "http://x:99999/", "mailto:me@here", "http://a b/", "https:///x"]
)
def test_what_leads_nowhere_stands(loadgen: Loadgen, raw_server: RawServerFactory, location: str) -> None:
    site = Site(raw_server, lambda _: moved(location))
    summary = assert_followed(loadgen("blast", site.url, "-L", *FEW), COUNT)
    assert summary["requests"]["status"] == {"302": COUNT}
    assert len(site.asked) == COUNT


@pytest.mark.parametrize("keeps", [(), ("--no-keepalive",)], ids=["", "once"])
@pytest.mark.parametrize("framing", ["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", ""])
def test_answers_in_pieces(
    loadgen: Loadgen, raw_server: RawServerFactory, framing: str, keeps: tuple[str, ...]
) -> None:
    """A head in two parts behind an interim one, a body that comes later, or ends with the connection."""
    body = b"3\r\nabc\r\n0\r\n\r\n" if "chunked" in framing else b"abc"

    def behave(connection: RawConnection) -> None:
        while request := connection.read_request():
            if request.startswith(b"GET /b "):
                connection.send(answer())
                continue
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = f"HTTP/1.1 102 x\r\n\r\nHTTP/1.1 302 x\r\nLocation: /b\r\n{framing}\r\n".encode()
            for part in (head[:30], head[30:], body[:1], body[1:]):
                connection.send(part)
                time.sleep(0.002)
            if not framing:
                return

    server = raw_server(behave)
    summary = assert_followed(loadgen("blast", f"{server.url}/a", "-L", *keeps, *FEW), COUNT)
    assert labels_of(summary) == {"GET /a": COUNT, "GET /b": COUNT}


def test_hostile_locations(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    """Control characters are no HTTP; what is merely strange is encoded; what is long is asked for."""
    long = "/" + "x" * 60_000
    cases = {
        "/control": b"/a\x01b",
        "/huge": b"/" + b"x" * 70_000,
        "/long": long.encode(),
        "/strange": '/ü {n}\t|../é?q="'.encode(),
        "/latin": b"/\xe9",
        "/two": b"/strange-not\r\nLocation: /other",
    }

    def pages(asked: Asked) -> bytes:
        if (location := cases.get(asked.target)) is None:
            return answer()
        return b"HTTP/1.1 302 x\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"

    site = Site(raw_server, pages)
    expected = {
        "/control": {"bad_response": COUNT},
        "/huge": {"header_too_large": COUNT},
    }
    arrived = {
        "/long": long,
        "/strange": '/%C3%BC%20%7Bn%7D|../%C3%A9?q="',
        "/latin": "/%C3%A9",
        "/two": "/strange-not",
    }
    for path in cases:
        summary = balanced(loadgen("blast", f"{site.url}{path}", "-L", *FEW))
        # The name of a label has an end, too.
        assert all(len(name) <= 512 for name in labels_of(summary))
        assert summary["requests"]["errors"] == expected.get(path, {}), path
        if path in arrived:
            assert site.counts()[f"GET {arrived[path]}"] == COUNT, path
        else:
            assert summary["arrivals"]["failed"] == COUNT


def test_a_number_in_every_path_does_not_use_up_the_labels(
    loadgen: Loadgen, raw_server: RawServerFactory
) -> None:
    site = Site(raw_server, lambda asked: moved(f"/{int(asked.target[1:]) + 1}"))
    summary = balanced(loadgen("blast", f"{site.url}/0", "-L", "--max-redirs", "100", *FEW))
    assert summary["requests"]["errors"] == {"too_many_redirects": COUNT}
    assert len(site.asked) == summary["requests"]["total"] - COUNT == 101 * COUNT
    labels = labels_of(summary)
    # The last hop, which was not sent, is among the others.
    assert len(labels) == 100 and labels["other requests"] == (102 - 99) * COUNT


def test_many_origins_are_known_up_to_a_number(
    loadgen: Loadgen, raw_server: RawServerFactory, free_port: int
) -> None:
    """100 are followed to, where nobody listens; after that a redirect is the answer that it is."""
    turn = iter(range(1, 1_000_000))

    def pages(_: Asked) -> bytes:
        number = next(turn)
        return moved(f"http://127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}:{free_port}/")

    site = Site(raw_server, pages)
    result = loadgen("blast", site.url, "-L", "--users", "1", "-d", "1s", "--drain", "2s")
    summary = balanced(result)
    assert summary["requests"]["errors"] == {"connect_refused": 100} and len(site.asked) > 100, result
    assert summary["arrivals"]["completed"] == len(site.asked) - 100


@pytest.mark.parametrize("name", ["localhost", "nobody.invalid", "shop.test"])
def test_names_that_no_plan_knew(loadgen: Loadgen, raw_server: RawServerFactory, name: str) -> None:
    """One is looked up, one has no address, and of one the user says it."""
    other = Site(raw_server, lambda _: answer())
    port = other.place.rpartition(":")[2]
    site = Site(raw_server, lambda _: moved(f"http://{name}:{port}/named"))
    result = loadgen(
        "blast", site.url, "-L", "--resolve", f"shop.test:{port}:127.0.0.1", *FEW, "--drain", "20s"
    )
    summary = balanced(result)
    assert labels_of(summary) == {"GET /": COUNT, "GET /named": COUNT}
    assert summary["phases"]["dns"]["count"] == (name == "localhost"), result
    if name == "nobody.invalid":
        assert summary["requests"]["errors"] == {"name_not_resolved": COUNT}
        assert summary["arrivals"]["failed"] == COUNT
    else:
        assert summary["arrivals"]["completed"] == COUNT, result
        assert {asked.headers["host"] for asked in other.asked} == {f"{name}:{port}"}
        assert len(other.asked) == COUNT


def test_to_an_address_of_version_6(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    server = raw_server(_one_answer, host="::1")
    port = server.url.rpartition(":")[2]
    site = Site(raw_server, lambda _: moved(f"http://[::1]:{port}/six"))
    summary = assert_followed(loadgen("blast", site.url, "-L", *FEW), COUNT)
    assert labels_of(summary) == {"GET /": COUNT, "GET /six": COUNT}


def _one_answer(connection: RawConnection) -> None:
    while request := connection.read_request():
        assert b"Host: [::1]:" in request
        connection.send(answer())


def test_what_refuses_connections_fails_the_arrival(
    loadgen: Loadgen, raw_server: RawServerFactory, free_port: int
) -> None:
    site = Site(raw_server, lambda _: moved(f"http://127.0.0.1:{free_port}/"))
    summary = balanced(loadgen("blast", f"{site.url}/x", "-L", *FEW))
    assert summary["requests"]["errors"] == {"connect_refused": COUNT}
    assert summary["arrivals"]["failed"] == COUNT


def test_what_is_under_way_at_the_end_is_unfinished(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    def never(connection: RawConnection) -> None:
        while connection.read_request():
            pass

    silent = raw_server(never)
    site = Site(raw_server, lambda _: moved(f"{silent.url}/x"))
    result = loadgen("blast", site.url, "-L", *FEW, "-c", "2", "--drain", "300ms")
    summary = balanced(result)
    arrivals = summary["arrivals"]
    assert arrivals["completed"] == arrivals["failed"] == 0 < arrivals["unfinished"], result
    assert summary["requests"]["status"] == {"302": len(site.asked)}


def test_late_arrivals_are_dropped_and_hops_are_not(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    """One connection, held up for a while: what had begun goes on."""

    def pages(asked: Asked) -> bytes:
        if len(site.asked) == 1:
            time.sleep(0.3)
        return moved("/b") if asked.target == "/a" else answer()

    site = Site(raw_server, pages)
    load = ("--tps", "100", "-d", "600ms", "--workers", "1", "-c", "1", "--drop-late", "50ms")
    summary = balanced(loadgen("blast", f"{site.url}/a", "-L", *load))
    arrivals = summary["arrivals"]
    assert arrivals["scheduled"] == 60 and arrivals["dropped"] > 0
    assert arrivals["completed"] == arrivals["sent"]
    assert site.counts() == {"GET /a": arrivals["sent"], "GET /b": arrivals["sent"]}


def test_large_answers_are_read_and_not_held(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    """Only their heads are looked at."""
    site = Site(
        raw_server, lambda asked: moved("/b") if asked.target == "/" else answer(body=b"x" * 50_000_000)
    )
    summary = assert_followed(loadgen("blast", site.url, "-L", "--users", "1", "-d", "100ms"))
    assert summary["requests"]["bytes_received"] > 50_000_000
    assert summary["workers"][0]["max_rss_mb"] < 100, summary["workers"]


@pytest.mark.parametrize("expects", [False, True])
def test_a_file_is_read_again_for_the_hop(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path, *, expects: bool
) -> None:
    """Which waits for nobody's 100 where the body is gone."""
    (tmp_path / "body").write_bytes(bytes(range(250)) * 8000)
    asks = ("--expect-continue",) if expects else ()
    hops = {"/again": ("/sink", 307), "/post": ("/end", 303)}
    for path in hops:
        site = Site(
            raw_server, lambda asked: moved(*hops[asked.target]) if asked.target in hops else answer()
        )
        body = ("--body-file", str(tmp_path / "body"), *asks)
        assert_followed(loadgen("blast", f"{site.url}{path}", "-L", *body, "--users", "1", "-d", "50ms"))
        first, second = site.asked[:2]
        assert first.body == (tmp_path / "body").read_bytes()
        if path == "/again":
            assert (second.method, second.body) == ("POST", first.body)
            assert ("expect" in second.headers) == expects
        else:
            assert (second.method, second.body) == ("GET", b"")
            assert not {"expect", "content-length"} & set(second.headers)


@pytest.mark.parametrize("load", [("--tps", "200"), ("--users", "4")], ids=["open", "closed"])
@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_books_of_a_run_that_ends_in_the_middle(
    loadgen: Loadgen, raw_server: RawServerFactory, load: tuple[str, ...], how: str
) -> None:
    """An interrupt lets arrivals go on to their ends; a worker that is killed takes some along."""

    def pages(asked: Asked) -> bytes:
        time.sleep(0.02)
        return moved("/b") if asked.target == "/a" else answer()

    site = Site(raw_server, pages)
    length = "1s" if how == "killed" else "60s"
    started = loadgen.start("blast", f"{site.url}/a", "-L", *load, "-d", length, "--workers", "2")
    workers = started.wait_for_workers(2)
    give_up_at = time.monotonic() + 20
    while len(site.asked) < 40 and time.monotonic() < give_up_at:
        time.sleep(0.01)
    if how == "killed":
        os.kill(workers[1], signal.SIGKILL)
    else:
        started.interrupt()
    result = started.wait(30)
    summary = balanced(result)
    arrivals = summary["arrivals"]
    if how == "killed":
        assert summary["exit_code"] == 3 and summary["requests"]["total"] <= len(site.asked) + 8
        assert (arrivals["scheduled"], arrivals["cancelled"] > 0) == (200, True) or load[0] == "--users"
    else:
        assert summary["exit_code"] == 130
        assert arrivals["completed"] == arrivals["sent"]
        assert site.counts() == {"GET /a": arrivals["sent"], "GET /b": arrivals["sent"]}


def test_a_place_that_no_certificate_can_be_for_fails_every_hop_to_it(
    loadgen: Loadgen, nginx: NginxFactory
) -> None:
    server = nginx(locations="location / { return 302 https://127.1:9/x; }")
    result = loadgen("blast", server.url, "-L", *FEW, "--drain", "5s")
    summary = balanced(result)
    assert summary["arrivals"]["failed"] == summary["arrivals"]["sent"] == COUNT, result
    assert summary["requests"]["errors"] == {"tls_failed": COUNT}, result


def test_hops_elsewhere_have_their_share_of_a_cap(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    there = Site(raw_server, lambda _: answer())

    def page(_: Asked) -> bytes:
        time.sleep(0.02)
        return moved(f"{there.url}/b")

    here = Site(raw_server, page)
    result = loadgen(
        "blast", f"{here.url}/a", "-L", "--tps", "300", "-c", "4", "-d", "500ms", "--workers", "1"
    )
    summary = balanced(result)
    assert summary["arrivals"]["completed"] == 150, result
    assert here.counts() == {"GET /a": 150}
    assert there.counts() == {"GET /b": 150}
