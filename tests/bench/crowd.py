"""Sockets that are held and pinged, by as many workers and server processes as have descriptors for them."""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.alone import QUIET, alone, stats, target
from tests.bench.measure import available_cores, pinned_to
from tests.support.node_sockets import LIBRARY, NodeSockets

# What a process has open beside its sockets, and what the kernel deals one of several too many.
SPARE_DESCRIPTORS = 500
# One address has fewer ports than this to one other.
ONE_SOURCE = 20_000
PING_S = 10
Counts = Callable[[], dict[str, int]]


def processes_for(sockets: int) -> int:
    """How many it takes to hold them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 if most == resource.RLIM_INFINITY else -(-sockets // (most - SPARE_DESCRIPTORS))


@contextmanager
def embedded(core: int) -> Iterator[tuple[str, Counts]]:
    """The embedded target without events: where its sockets are, and what it has counted."""
    with target(core, *QUIET) as url:

        def counts() -> dict[str, int]:
            found = stats(url)
            return {"connections": found["connections"]["opened"], "pings": found["pings"]["received"]}

        yield f"{url.replace('http', 'ws')}/ws/echo", counts


@contextmanager
def several(core: int, processes: int) -> Iterator[tuple[str, Counts]]:
    """The same of Node's `ws` in several processes on one port."""
    node = shutil.which("node")
    if node is None or not LIBRARY.exists():
        raise SystemExit("Node and its ws (Debian: nodejs, node-ws) are not here: more processes need them")
    with tempfile.TemporaryDirectory() as folder:
        with pinned_to([core]):
            server = NodeSockets(Path(node), Path(folder), processes=processes)
        with server:
            yield f"{server.url}/echo", server.counts


def crowd(sockets: int, duration_s: int) -> None:
    """Holds them, and says what that took."""
    cores = available_cores()
    processes = processes_for(sockets)
    options = ["--connections", str(sockets), "--connect-rate", "1000/s", "--hold", f"{duration_s}s"]
    options += ["--ping", f"{PING_S}s", "--workers", str(processes)]
    options += ["--bind", "127.0.0.2-127.0.0.5"] if sockets > ONE_SOURCE else []
    server = embedded(cores[-1]) if processes == 1 else several(cores[-1], processes)
    # On all cores: where the parent shares one with a worker, what it does once a second makes connects late.
    with server as (url, counts):
        summary = alone(url, options, cores)
        found = counts()
    held = summary["sockets"]["connections"]
    print(f"sockets    {held['most_open']:,} held, {held['failed']:,} failed, {held['lost']:,} lost")
    print(f"the server {found['connections']:,} opened, {found['pings']:,} pings, processes: {processes}")
    (connect,) = [label["latency"]["response"] for label in summary["labels"] if label["label"] == "connect"]
    print(f"connect    {figures(connect)}")
    print(f"ping       {figures(summary['sockets']['ping'])}")
    resident_mb = sum(worker["max_rss_mb"] for worker in summary["workers"])
    each_kb = resident_mb * 1000 / max(1, held["most_open"])
    print(f"memory     {resident_mb:.1f} MB in all workers, {each_kb:.1f} kB for each socket")
    print(f"generator  {summary['generator']['verdict']}")
    for reason in summary["generator"]["reasons"]:
        print(f"           - {reason}")


def figures(latency: dict[str, Any]) -> str:
    """The percentiles that are told of each."""
    told = [("p50", "p50_ms"), ("p99", "p99_ms"), ("max", "max_ms")]
    return ", ".join(
        f"{name} {'-' if latency[field] is None else format(latency[field], '.3f')} ms"
        for name, field in told
    )
