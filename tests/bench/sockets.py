"""What a WebSocket costs: loadgen beside k6 and Artillery on one embedded target, and loadgen by itself.

    python -m tests.bench.sockets --pairs 3 --duration 10
    python -m tests.bench.sockets --only crowd --sockets 30000 --duration 60

The target, one process, on the last core, the tools on the first, in turns. Messages and sockets are counted
by the target, for all alike. The CPU time of a run that does next to nothing is taken off each.

    memory     resident memory of the whole tool with a thousand and more idle sockets, less that with 10, for
               each socket that the target has open
    messages   500 sockets whose messages come back: CPU time for each; of more than the tool can send, and of
               what it sends on time
    connects   sockets that are opened, then closed: CPU time for each; of more than the tool can open, and of
               what it opens on time
    events     500 sockets that have subscribed, and read what comes: CPU time for each that is delivered
    bare       what the system takes of a client that makes one call for each of these, and does nothing else:
               `cargo build --release --example ws_floor` makes its rows
    crowd      loadgen alone: sockets that are held and pinged. Where one process may not have descriptors
               enough, several workers hold them, to several processes of Node's `ws` on one port
    fan-out    loadgen alone: 100 messages a second to 1,000 subscribers
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from tests.bench.alone import QUIET, alone, stats, target
from tests.bench.crowd import crowd
from tests.bench.measure import available_cores, machine, run_pinned, start_pinned
from tests.bench.socket_tools import TOOLS, Crowd, Task, Tool
from tests.support.processes import children_of

BATCH = 500
MEMORY = "memory for an idle socket, kB"
MESSAGE_MOST = "CPU for a message, all it can send, µs"
MESSAGE_ON_TIME = "CPU for a message, sent on time, µs"
SOCKET_MOST = "CPU for a socket, all it can open, µs"
SOCKET_ON_TIME = "CPU for a socket, opened on time, µs"
EVENT = "CPU for an event delivered, µs"
FLOOR = Path(__file__).parents[2] / "target/release/examples/ws_floor"


def tree_mb(pid: int) -> float:
    """Resident memory of a process and all below it, shared pages counted once for each."""
    total, left = 0.0, [pid]
    while left:
        one = left.pop()
        try:
            left += children_of(one)
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


@dataclass(frozen=True, slots=True)
class Trial:
    """One tool beside one target. What it takes to start is in no figure."""

    tool: Tool
    binary: str
    url: str
    duration_s: int
    start_s: float = 0.0

    def started(self) -> Self:
        """The same, knowing the CPU time of a run in which next to nothing happens."""
        return replace(self, start_s=self._cpu_s(Crowd(10, 500), hold_s=1))

    def _command(self, folder: str, crowd: Crowd, hold_s: int, each_per_s: int = 0) -> list[str]:
        url = f"{self.url.replace('http', 'ws')}/ws/echo"
        return self.tool.command(
            self.binary, Task(url, crowd.sockets, crowd.rate_per_s, hold_s, each_per_s, Path(folder))
        )

    def _cpu_s(self, crowd: Crowd, hold_s: int, each_per_s: int = 0) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = self._command(folder, crowd, hold_s, each_per_s)
            return run_pinned(command, available_cores()[:1]).cpu_s - self.start_s

    def idle_kb(self) -> float:
        """Memory for each socket that is held: of many, less that of ten."""
        many = self.tool.idle
        (few_mb, few_open), (many_mb, many_open) = (
            self._idle(replace(many, sockets=sockets)) for sockets in (10, many.sockets)
        )
        return (many_mb - few_mb) * 1000 / max(1, many_open - few_open)

    def _idle(self, crowd: Crowd) -> tuple[float, int]:
        """The most memory that a tool takes while the most sockets are open, and how many that are."""
        hold_s = self.tool.idle.sockets // crowd.rate_per_s + 5  # until all are there, and then some
        most_mb, most_open = 0.0, 0
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
            command = self._command(folder, crowd, hold_s)
            process = start_pinned(command, available_cores()[:1], output.fileno())
            while process.poll() is None:
                found_mb, found_open = tree_mb(process.pid), stats(self.url)["connections"]["open"]
                if found_open > most_open:
                    most_mb, most_open = found_mb, found_open
                elif found_open == most_open:
                    most_mb = max(most_mb, found_mb)
                time.sleep(0.2)
        return most_mb, most_open

    def message_us(self, each_per_s: int) -> float:
        """CPU time for each message that went to the target and came back."""
        before = stats(self.url)["messages"]["sent"]
        cpu_s = self._cpu_s(Crowd(BATCH, 500), self.duration_s, each_per_s)
        done: int = stats(self.url)["messages"]["sent"] - before
        return cpu_s / max(1, done) * 1e6

    def socket_us(self, crowd: Crowd) -> float:
        """CPU time for each socket that was opened and closed."""
        before = stats(self.url)["connections"]["opened"]
        cpu_s = self._cpu_s(crowd, hold_s=0)
        done: int = stats(self.url)["connections"]["opened"] - before
        return cpu_s / max(1, done) * 1e6

    def event_us(self) -> float:
        """CPU time for each event that was delivered."""
        command = partial(self.tool.command, self.binary)
        return event_us(command, self.tool.events_per_s, self.duration_s, self.start_s)

    def figures(self) -> Iterator[tuple[str, float]]:
        tool, trial = self.tool, self.started()
        yield MEMORY, trial.idle_kb()
        yield MESSAGE_MOST, trial.message_us(tool.each_per_s)
        yield MESSAGE_ON_TIME, trial.message_us(tool.on_time_per_s)
        yield SOCKET_MOST, trial.socket_us(tool.storm)
        yield SOCKET_ON_TIME, trial.socket_us(tool.connects)
        yield EVENT, trial.event_us()


def event_us(
    command: Callable[[Task], list[str]], events_per_s: int, duration_s: int, start_s: float = 0.0
) -> float:
    """CPU time for each event that was delivered. Until all have subscribed, others have events already."""
    feed = [f"--feed=blocks={events_per_s}/s", "--feed=transactions=0", "--feed=network_stats=0"]
    with tempfile.TemporaryDirectory() as folder, target(available_cores()[-1], *feed) as url:
        subscribe = '{"op":"subscribe","id":"1","channel":"blocks"}'
        task = Task(
            f"{url.replace('http', 'ws')}/ws/feed", BATCH, 500, duration_s, 0, Path(folder), subscribe
        )
        cost = run_pinned(command(task), available_cores()[:1])
        done: int = stats(url)["channels"]["blocks"]["delivered"]
        return (cost.cpu_s - start_s) / max(1, done) * 1e6


def bare_figures(url: str, duration_s: int) -> Iterator[tuple[str, float]]:
    """What the system alone takes of that."""
    place = url.partition("//")[2]
    message_us, socket_us = map(float, run_pinned([str(FLOOR), place], available_cores()[:1]).output.split())
    yield MESSAGE_ON_TIME, message_us
    yield SOCKET_ON_TIME, socket_us

    def command(task: Task) -> list[str]:
        return [str(FLOOR), task.url.split("/")[2], str(task.hold_s)]

    yield EVENT, event_us(command, TOOLS[0].events_per_s, duration_s)


def compare(pairs: int, duration_s: int) -> None:
    """Every tool that is there, in turns."""
    here = [(tool, binary) for tool in TOOLS if (binary := tool.find())]
    for tool in TOOLS:
        if tool not in [one for one, _ in here]:
            print(f"{tool.name} is not here: its rows are missing")
    found: dict[tuple[str, str], list[float]] = {}
    with target(available_cores()[-1], *QUIET) as url:
        for _ in range(pairs):
            for tool, binary in here:
                for what, figure in Trial(tool, binary, url, duration_s).figures():
                    found.setdefault((what, tool.name), []).append(figure)
            for what, figure in bare_figures(url, duration_s) if FLOOR.exists() else ():
                found.setdefault((what, "bare"), []).append(figure)
    own = {what: statistics.median(values) for (what, name), values in found.items() if name == "loadgen"}
    print(f"{'':55}{'median':>10}{'least':>10}{'most':>10}   of loadgen's")
    for (what, name), values in sorted(found.items()):
        middle = statistics.median(values)
        ratio = f"{middle / own[what]:10.1f}" if own.get(what) else ""
        print(f"{what + ': ' + name:55}{middle:10.1f}{min(values):10.1f}{max(values):10.1f}{ratio}")


def fan_out(duration_s: int) -> None:
    """One message to a thousand, a hundred times a second."""
    feed = ["--feed=blocks=100/s", "--feed=transactions=0", "--feed=network_stats=0"]
    with target(available_cores()[-1], *feed) as url:
        options = [
            *("--connections", "1000", "--connect-rate", "1000/s", "--hold", f"{duration_s}s"),
            *("--subscribe", '{"op":"subscribe","id":"{{uuid}}","channel":"blocks"}'),
            *("--correlate", "id", "--stamp", "ts_ns:ns", "--sequence", "seq", "--channel", "channel"),
            *("--workers", "1"),
        ]
        summary = alone(f"{url.replace('http', 'ws')}/ws/feed", options, available_cores()[:1])
        counts = stats(url)["channels"]["blocks"]
    print("the target:", json.dumps(counts))
    print("loadgen:   ", json.dumps(summary["sockets"]["delivery"]))
    cpu_s = sum(worker["cpu_s"] for worker in summary["workers"])
    print(f"CPU for a delivery: {cpu_s / max(1, counts['delivered']) * 1e6:.2f} µs of the worker")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--duration", type=int, default=10)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--only", choices=["compare", "crowd", "fan-out"])
    chosen = parser.parse_args()
    print(machine())
    if chosen.only in (None, "compare"):
        compare(chosen.pairs, chosen.duration)
    if chosen.only in (None, "crowd"):
        crowd(chosen.sockets, chosen.duration)
    if chosen.only in (None, "fan-out"):
        fan_out(chosen.duration)


if __name__ == "__main__":
    main()
