"""What TLS, HTTP/2 and HTTP/3 cost: loadgen beside wrk and h2load on nginx, and beside itself on Caddy.

    python -m tests.bench.wires --pairs 5 --duration 5

As in tests.bench.compare: nginx, one process, on the last core, the tools on the first, in alternating pairs,
requests counted by nginx.

    keep-alive   TLS 1.3, 50 connections that stay, against wrk
    connects     a connection for each request, TLS 1.3, sessions resumed as wrk does it, against wrk
    streams      HTTP/2 in clear text and over TLS, 1 and 5 connections with 10 streams each, against h2load
    HTTP/3       1 connection with 10 streams, against our own HTTP/2 over TLS, on a Caddy that counts
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.compare import Bench
from tests.bench.measure import available_cores, machine
from tests.bench.peers import (
    Peer,
    Task,
    first_number,
    loadgen_completed,
    loadgen_worker_cpu_s,
)
from tests.support.caddy import Caddy
from tests.support.certificates import Certificates
from tests.support.nginx import HELLO, Nginx

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

CONNECTIONS = 50
STREAMS = 10
NEWEST = "ssl_protocols TLSv1.3; ssl_session_cache shared:sessions:10m;"


@dataclass(frozen=True, slots=True)
class Case:
    """One nginx and the two tools on it."""

    name: str
    is_secure: bool
    is_http2: bool
    connections: int
    subject: Peer
    peer: Peer


def loadgen(users: int, *options: str) -> Peer:
    def command(binary: str, task: Task) -> list[str]:
        how = ["--workers", "1", "--no-live", "--out", str(task.folder / "run"), *options]
        return [binary, "blast", "--users", str(users), "--duration", f"{task.duration_s}s", *how, task.url]

    return Peer(
        "loadgen",
        "loadgen",
        command,
        completed=loadgen_completed,
        worker_cpu_s=loadgen_worker_cpu_s,
        exit_codes=(0, 3),  # 3: the generator was the limit, which is the point of keeping its core busy
    )


def wrk(*options: str) -> Peer:
    def command(binary: str, task: Task) -> list[str]:
        return [binary, "-t1", f"-c{CONNECTIONS}", f"-d{task.duration_s}s", *options, task.url]

    return Peer("wrk", "wrk", command, completed=first_number(r"(\d+) requests in "))


def h2load(connections: int) -> Peer:
    def command(binary: str, task: Task) -> list[str]:
        return [
            *(binary, "-t1", f"-c{connections}", f"-m{STREAMS}", "-D", str(task.duration_s)),
            task.url,
        ]

    return Peer("h2load", "h2load", command, completed=first_number(r"^requests: .* (\d+) succeeded"))


def cases(cacert: str) -> Sequence[Case]:
    trusted = ("--cacert", cacert)
    once = ("--no-keepalive", "-H", "Connection: close")
    found = [
        Case("keep-alive", True, False, CONNECTIONS, loadgen(CONNECTIONS, "--http1", *trusted), wrk()),
        Case(
            *("connects", True, False, CONNECTIONS),
            loadgen(CONNECTIONS, "--http1", *trusted, *once),
            wrk("-H", "Connection: close"),
        ),
    ]
    for is_secure in (False, True):
        for connections in (1, 5):
            users = connections * STREAMS
            capped = ("--http2", "--connections", str(connections), "--streams", str(STREAMS))
            name = f"streams, {'TLS' if is_secure else 'clear text'}, {connections} x {STREAMS}"
            subject = loadgen(users, *capped, *(trusted if is_secure else ()))
            found.append(Case(name, is_secure, True, users, subject, h2load(connections)))
    return found


def http3_beside_http2(
    folder: Path, certificates: Certificates, cores: Sequence[int], how: Namespace
) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        print("\nHTTP/3: missing: caddy")
        return
    print(f"\n== HTTP/3, 1 x {STREAMS}")
    capped = ("--cacert", str(certificates.authority), "--connections", "1", "--streams", str(STREAMS))
    http3, http2 = (
        replace(loadgen(STREAMS, f"--http{version}", *capped), name=f"HTTP/{version}") for version in (3, 2)
    )
    folder.mkdir()
    with Caddy(Path(caddy), folder / "caddy", tls=certificates.good, http3=True, core=cores[-1]) as server:
        bench = Bench(server, folder, STREAMS, cores[0])
        for version in (http3, http2):
            bench.run(version, 1, keep=False)
        bench.pairs(http3, http2, how.pairs, how.duration)
        bench.table()


def main() -> None:
    parser = argparse.ArgumentParser(description="What TLS, HTTP/2 and HTTP/3 cost.")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs for each case (%(default)s)")
    parser.add_argument("--duration", type=int, default=5, help="seconds a run (%(default)s)")
    parser.add_argument("--only", default="", help="cases whose names begin so")
    arguments = parser.parse_args()
    cores = available_cores()
    if len(cores) < 2:
        raise SystemExit("two cores are needed, one for nginx and one for the tools")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(Path(folder))
        for number, case in enumerate(cases(str(certificates.authority))):
            if not case.name.startswith(arguments.only):
                continue
            if case.peer.find() is None:
                print(f"\n{case.name}: missing: {case.peer.name}")
                continue
            print(f"\n== {case.name}")
            place = Path(folder) / f"case-{number}"
            place.mkdir()
            with Nginx(
                place / "nginx",
                locations=f"{NEWEST if case.is_secure else ''} {HELLO}",
                tls=certificates.good if case.is_secure else None,
                http2=case.is_http2,
                access_log=False,
                core=cores[-1],
            ) as nginx:
                bench = Bench(nginx, place, case.connections, cores[0])
                for tool in (case.subject, case.peer):
                    bench.run(tool, 1, keep=False)
                bench.pairs(case.subject, case.peer, arguments.pairs, arguments.duration)
                bench.table()
        if "HTTP/3".startswith(arguments.only[:6]):
            http3_beside_http2(Path(folder) / "http3", certificates, cores, arguments)


if __name__ == "__main__":
    main()
