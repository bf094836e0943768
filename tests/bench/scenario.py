"""What Python in the way of a request costs: scenarios of loadgen beside wrk, Locust and k6, on one nginx.

    python -m tests.bench.scenario --pairs 5 --duration 10

Costs are compared as in `tests.bench.compare`: one core for the tool, pairs of runs in alternating order,
requests counted by nginx. "workers" is the time of what sends: loadgen's workers, and of Locust what passes
between the start and the end of its test, so that neither pays for its start. Then, at 1,000 users, what an
await costs over the native engine and on three loops; what 20,000 parked users take; how long a collection
stops them.

The wanted figures stand beside the measured ones. Nothing here fails for a figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.compare import Bench, PeerFailedError
from tests.bench.measure import available_cores, machine, run_pinned, start_pinned
from tests.bench.memory import watch
from tests.bench.peers import (
    Peer,
    Task,
    first_number,
    loadgen,
    loadgen_completed,
    loadgen_summary,
    loadgen_worker_cpu_s,
    wrk,
)
from tests.support.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterable

SCENARIOS = Path(__file__).with_name("scenarios")
LOCATIONS = """
location = /items { default_type application/json; return 200 '{"items": [{"id": 7, "name": "pear"}]}'; }
location / { return 200 "hello world\\n"; }
"""
MANY_USERS = 1_000
PARKED_USERS = 20_000
PARKED_S = 15
TURNS_PER_GET = 100  # as in scenarios/awaits.py
LOOPS = ("asyncio", "uvloop", "loadgen")


# The tools


def run_script(script: str, binary: str, task: Task, *, workers: int = 1) -> list[str]:
    load = ["--users", str(task.connections), "--duration", f"{task.duration_s}s", "--workers", str(workers)]
    output = ["--no-live", "--out", str(task.folder / "run")]
    return [binary, "run", str(SCENARIOS / script), "--url", task.url, *load, *output]


def run_locust_file(script: str, binary: str, task: Task) -> list[str]:
    users = ["-u", str(task.connections), "-r", str(task.connections), "-t", str(task.duration_s)]
    output = ["--no-live", "--out", str(task.folder / "run")]
    return [binary, "run", str(SCENARIOS / script), "-H", task.url, *users, *output]


def locust(script: str, binary: str, task: Task) -> list[str]:
    users = ["--users", str(task.connections), "--spawn-rate", str(task.connections)]
    quiet = [
        "--headless",
        "--only-summary",
        "--loglevel",
        "WARNING",
        "--json-file",
        str(task.folder / "locust"),
    ]
    duration = ["--run-time", f"{task.duration_s}s"]
    files = f"{SCENARIOS / script},{SCENARIOS / 'locust_cost.py'}"
    return [binary, "-f", files, "--host", task.url, *users, *duration, *quiet]


def locust_completed(_: str, task: Task) -> int:
    return sum(int(entry["num_requests"]) for entry in json.loads((task.folder / "locust.json").read_text()))


def locust_sending_cpu_s(task: Task) -> float:
    return float((task.folder / "cpu_s").read_text())


def k6(binary: str, task: Task) -> list[str]:
    load = ["--vus", str(task.connections), "--duration", f"{task.duration_s}s"]
    quiet = ["--quiet", "--no-usage-report", "--no-color"]
    return [binary, "run", *quiet, *load, "--env", f"URL={task.url}/", str(SCENARIOS / "k6_get.js")]


def script_peer(name: str, script: str) -> Peer:
    return Peer(
        name,
        "loadgen",
        partial(run_script, script),
        completed=lambda _, task: int(loadgen_summary(task)["requests"]["ok"]),
        worker_cpu_s=loadgen_worker_cpu_s,
        exit_codes=(0, 3),  # 3: the generator was the limit, as its core is meant to be
    )


def locust_peer(name: str, script: str) -> Peer:
    return Peer(
        name,
        "locust",
        partial(locust, script),
        completed=locust_completed,
        worker_cpu_s=locust_sending_cpu_s,
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
    )


LOCUST_FILE = Peer(
    "run, HttpUser",
    "loadgen",
    partial(run_locust_file, "locust_check.py"),
    completed=lambda _, task: int(loadgen_summary(task)["requests"]["ok"]),
    worker_cpu_s=loadgen_worker_cpu_s,
    exit_codes=(0, 3),
)
GET = script_peer("run, GET", "one_get.py")
JOURNEY = script_peer("run, JSON", "journey.py")
BARE = script_peer("run, bare GET", "bare_get.py")
AWAITS = script_peer("run, awaits", "awaits.py")
BLAST = Peer(
    "blast",
    "loadgen",
    loadgen("auto"),
    completed=loadgen_completed,
    worker_cpu_s=loadgen_worker_cpu_s,
    exit_codes=(0, 3),
)
WRK = Peer("wrk", "wrk", wrk, completed=first_number(r"(\d+) requests in "))
FAST = locust_peer("FastHttpUser", "locust_fast.py")
HTTP = locust_peer("HttpUser", "locust_check.py")
K6 = Peer("k6", "k6", k6, completed=first_number(r"http_reqs\.*: (\d+)"), environment={"GOMAXPROCS": "1"})


# Costs per request


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the last table."""

    what: str
    measured: str
    wanted: str


def present(bench: Bench, peers: Iterable[Peer]) -> list[Peer]:
    """Those that are installed and do what they are asked, tried for a second each."""
    working = []
    for peer in peers:
        if peer.find() is None:
            print(f"missing: {peer.name} (put {peer.binary} on PATH or in the folder $LOADGEN_PEERS)")
            continue
        try:
            bench.run(peer, 1 if peer.binary != "locust" else 3, keep=False)
        except PeerFailedError as failure:
            print(f"left out: {peer.name}: {failure}")
        else:
            working.append(peer)
    return working


def paired(bench: Bench, subject: Peer, peer: Peer, pairs: int, duration_s: int) -> list[tuple[float, float]]:
    """Runs pairs; the cost per request of both in each, of the processes that send."""
    bench.pairs(subject, peer, pairs, duration_s)
    ours, theirs = bench.runs[subject.name][-pairs:], bench.runs[peer.name][-pairs:]
    return [(our.best_known_us, their.best_known_us) for our, their in zip(ours, theirs, strict=True)]


def spread(values: list[float], unit: str = "") -> str:
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f}–{max(values):.2f})"


def costs(bench: Bench, pairs: int, duration_s: int) -> list[Figure]:
    working = present(bench, (WRK, BLAST, GET, JOURNEY, LOCUST_FILE, FAST, HTTP, K6))
    figures = []
    for subject, peer, wanted in (
        (BLAST, WRK, ""),
        (GET, WRK, "at most 1.5"),
        (JOURNEY, WRK, "at most 2.5"),
        (LOCUST_FILE, WRK, "at most 2"),
        (GET, BLAST, ""),
    ):
        if subject in working and peer in working:
            ratios = [ours / theirs for ours, theirs in paired(bench, subject, peer, pairs, duration_s)]
            figures.append(Figure(f"{subject.name} / {peer.name}", spread(ratios), wanted))
    for peer, wanted in ((FAST, "at least 15"), (HTTP, "at least 60"), (K6, "")):
        if GET in working and peer in working:
            ratios = [theirs / ours for ours, theirs in paired(bench, GET, peer, pairs, duration_s)]
            figures.append(Figure(f"{peer.name} / {GET.name}", spread(ratios), wanted))
    if LOCUST_FILE in working and HTTP in working:
        ratios = [theirs / ours for ours, theirs in paired(bench, LOCUST_FILE, HTTP, pairs, duration_s)]
        figures.append(Figure(f"{HTTP.name} / {LOCUST_FILE.name}", spread(ratios), "at least 40"))
    return figures


# Costs per await


def awaits(bench: Bench, pairs: int, duration_s: int) -> list[Figure]:
    """Within runs of 1,000 users: what is more than the native engine, divided by the awaits."""
    working = present(bench, (BLAST, BARE, AWAITS))
    figures = []
    if BLAST in working and BARE in working:
        found = paired(bench, BARE, BLAST, pairs, duration_s)
        more_us = [ours - native for ours, native in found]
        figures.append(Figure("await user.get() over native", spread(more_us, " µs"), "at most 1.0 µs"))
    if AWAITS in working and BARE in working:
        found = paired(bench, AWAITS, BARE, pairs, duration_s)
        more_us = [(ours - bare) / TURNS_PER_GET for ours, bare in found]
        figures.append(Figure("await sleep(0) within a run", spread(more_us, " µs"), "at most 1.0 µs"))
    return figures


def loops(rounds: int, turns: int, core: int) -> list[Figure]:
    """On bare loops, 1,000 tasks: the same interpreter, the same Task and Future."""
    print(f"\nBare loops, {MANY_USERS:,} tasks, {turns} awaits each: CPU time per await, µs")
    print(f"{'':<10}{'sleep(0)':>24}{'future':>24}")
    figures = []
    costs_us: dict[tuple[str, str], list[float]] = {}
    complaints: dict[str, str] = {}
    for _ in range(rounds):
        for name in LOOPS:
            for kind in ("sleep", "future"):
                if name in complaints:
                    continue
                module = "tests.bench.scenarios.loop_turns"
                script = ["-m", module, name, kind, str(MANY_USERS), str(turns)]
                cost = run_pinned([sys.executable, *script], [core])
                if cost.exit_code:
                    complaints[name] = (cost.output.strip().splitlines() or ["no output"])[-1]
                else:
                    costs_us.setdefault((name, kind), []).append(float(cost.output))
    for name in LOOPS:
        if name in complaints:
            print(f"{name:<10}left out: {complaints[name]}")
            continue
        sleep, future = (spread(costs_us[name, kind]) for kind in ("sleep", "future"))
        print(f"{name:<10}{sleep:>24}{future:>24}")
        figures.append(Figure(f"await sleep(0), bare {name} loop", f"{sleep} µs", ""))
    return figures


# Parked users


def park(url: str, users: int, workers: int, folder: Path, cores: list[int]) -> tuple[float, float, str]:
    """Highest resident memory of the workers together and of the parent, in MB, and what the scripts told."""
    folder.mkdir()
    task = Task(url, users, PARKED_S, folder)
    binary = GET.find()
    assert binary is not None
    command = [*run_script("parked.py", binary, task, workers=workers), "--drain", "100ms"]
    with tempfile.TemporaryFile() as output:
        process = start_pinned(command, cores, output.fileno(), {"BENCH_FOLDER": str(folder)})
        watched = watch(process, interval_s=0.2)
        if process.wait() not in GET.exit_codes:
            output.seek(0)
            raise PeerFailedError(output.read().decode(errors="replace"))
    parent_mb = sum(one.highest() for one in watched if one.name == "parent")
    workers_mb = sum(one.highest() for one in watched if one.name != "parent")
    pauses = [path.read_text().split() for path in folder.glob("pauses-*")]
    if len(pauses) != workers:
        raise PeerFailedError(f"{len(pauses)} of {workers} workers told of their pauses")
    longest_ms = max(int(longest_ns) for _, longest_ns in pauses) / 1e6
    begun = sum(int(begun) for begun, _ in pauses)
    if begun != users:
        raise PeerFailedError(f"{begun:,} of {users:,} users had begun")
    return workers_mb, parent_mb, f"{longest_ms:.3f} ms"


def parked(url: str, folder: Path, cores: list[int]) -> list[Figure]:
    print(f"\n{PARKED_USERS:,} parked users: highest resident memory, and the longest full collection")
    print(f"{'workers':>8}{'users':>10}{'workers, MB':>14}{'parent, MB':>14}{'kB a user':>12}{'pause':>12}")
    figures = []
    for workers in (1, len(cores)):
        few = 10 * workers
        least_mb, _, _ = park(url, few, workers, folder / f"few-{workers}", cores)
        all_mb, parent_mb, pause = park(url, PARKED_USERS, workers, folder / f"parked-{workers}", cores)
        each_kb = (all_mb - least_mb) * 1024 / (PARKED_USERS - few)
        print(f"{workers:>8}{few:>10,}{least_mb:>14.1f}")
        print(f"{workers:>8}{PARKED_USERS:>10,}{all_mb:>14.1f}{parent_mb:>14.1f}{each_kb:>12.2f}{pause:>12}")
        figures.append(
            Figure(f"{PARKED_USERS:,} users, {workers} workers", f"{all_mb:.0f} MB", "at most 150 MB")
        )
        figures.append(Figure("longest collection after the ramp", pause, "at most 1 ms"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="What scenarios in Python cost, beside other tools.")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs a comparison (%(default)s)")
    parser.add_argument("--duration", type=int, default=5, help="seconds a run (%(default)s)")
    parser.add_argument("--connections", type=int, default=50, help="users, connections (%(default)s)")
    parser.add_argument(
        "--turns", type=int, default=1000, help="awaits of each task on a bare loop (%(default)s)"
    )
    parser.add_argument(
        "--only",
        default="costs,awaits,loops,parked",
        help="some of the parts, separated by commas (%(default)s)",
    )
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if unknown := set(parts) - {"costs", "awaits", "loops", "parked"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    cores = available_cores()
    if len(cores) < 2:
        raise SystemExit("two cores are needed, one for nginx and one for the tools")
    tool_core, nginx_core = cores[0], cores[-1]
    print(machine())
    print(f"nginx on core {nginx_core}, tools on core {tool_core}, {arguments.duration} s a run")
    for name in ("locust", "k6"):
        if binary := next(peer for peer in (FAST, K6) if peer.binary == name).find():
            print(
                subprocess.run(
                    [binary, "--version"], capture_output=True, text=True, check=False
                ).stdout.strip()
            )

    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory() as name,
        Nginx(Path(name) / "nginx", locations=LOCATIONS, access_log=False, core=nginx_core) as nginx,
    ):
        folder = Path(name)
        for part, connections in (("costs", arguments.connections), ("awaits", MANY_USERS)):
            if part in parts:
                (folder / part).mkdir()
                bench = Bench(nginx, folder / part, connections, tool_core)
                print(f"\n{connections:,} users or connections")
                measure = costs if part == "costs" else awaits
                figures += measure(bench, arguments.pairs, arguments.duration)
                bench.table()
        if "loops" in parts:
            figures += loops(arguments.pairs, arguments.turns, tool_core)
        if "parked" in parts:
            try:
                figures += parked(nginx.url, folder, cores)
            except PeerFailedError as failure:
                print(f"left out: {failure}")

    print(f"\n{'':<36}{'measured':>24}{'wanted':>18}")
    for figure in figures:
        print(f"{figure.what:<36}{figure.measured:>24}{figure.wanted:>18}")


if __name__ == "__main__":
    main()
