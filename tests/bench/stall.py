"""One freeze of the target in the middle of a run: what it should look like, and what each tool makes of it.

    python -m tests.bench.stall

The embedded target answers at once, but for one freeze of S that lies wholly inside the run of T. Who comes
in the freeze waits for its end. Of requests that come at a constant rate, whatever the target does, the share
p takes no longer than

    Q(p) = L + max(0, S - (1 - p) T)        and none longer than L + S,

L being what a request takes otherwise. That is the first row; it knows nothing of any tool. The rate is asked
of every tool that can keep one. The others run as they are, in a closed loop: the law does not speak of them,
and they are here for what they say of the same freeze.

Each figure is the tool's own. The requests are cross-checked against the target's count.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import tempfile
import textwrap
import time
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.bench.compare import NOISE_WORTH_A_WORD
from tests.bench.measure import available_cores, machine, pinned_to, run_pinned
from tests.bench.peers import PEERS, Peer, Task, hey, k6, loadgen, loadgen_summary, oha, wrk
from tests.fidelity.laws import quantile
from tests.support.command import Loadgen

if TYPE_CHECKING:
    from collections.abc import Callable

PERCENTS = (50, 90, 99, 99.9)
WIDTH = 80
CONNECTIONS = 50
SPARE_CONNECTIONS = 100
# Tools may take that long to start, or to get from their start to their first request.
START_S = 2.0

WRK_SCRIPT = """\
done = function(summary, latency)
    local told = { summary.requests }
    for _, percent in ipairs({ 50, 90, 99, 99.9 }) do told[#told + 1] = latency:percentile(percent) end
    told[#told + 1] = latency.max
    print("told " .. table.concat(told, " "))
end
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says of its run."""

    requests: int
    latencies_ms: list[float | None]
    """At PERCENTS, then the longest; None where the tool has too few samples to say."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: a tool in one of its modes."""

    name: str
    binary: str
    command: Callable[[str, Task], list[str]]
    read: Callable[[str, Task], Told]
    """Its output (stdout and stderr) and the task to what it says."""
    clock: str
    """From when to when it measures; what entries share, they share word for word."""
    connections: int | None = CONNECTIONS
    """None: as many as it wants."""
    keeps_rate: bool = True

    @property
    def peer(self) -> Peer:
        return next(peer for peer in PEERS if peer.binary == self.binary)


def loadgen_command(binary: str, task: Task, *, capped: bool) -> list[str]:
    cap = ["--connections", str(task.connections)] if capped else []
    return [*loadgen("auto")(binary, task), *cap]


def read_loadgen(_: str, task: Task) -> Told:
    summary = loadgen_summary(task)
    response, generator = summary["latency"]["response"], summary["generator"]
    fields = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
    latencies_ms = [None if response[field] is None else float(response[field]) for field in fields]
    # What it thinks of its own run stands in every result; a table that left it out would flatter it.
    verdict: str = generator["verdict"]
    remark = "; ".join([f"calls its own run {verdict}", *generator["reasons"]]) if verdict != "valid" else ""
    return Told(int(summary["requests"]["total"]), latencies_ms, remark)


def oha_command(binary: str, task: Task, *, corrected: bool) -> list[str]:
    command = oha(binary, task)
    if not corrected:
        command.remove("--latency-correction")
    return [*command, "--output-format", "json", "--output", str(task.folder / "oha.json")]


def read_oha(_: str, task: Task) -> Told:
    result = json.loads((task.folder / "oha.json").read_text())
    at = result["latencyPercentiles"]
    seconds = [*(at[f"p{percent:g}"] for percent in PERCENTS), result["summary"]["slowest"]]
    # "Aborted due to deadline" counts connections that were idle at the end, too: no requests, by the target.
    errors = {name: n for name, n in result["errorDistribution"].items() if "deadline" not in name}
    remark = f"errors, not in its percentiles: {errors}" if errors else ""
    answered = sum(result["statusCodeDistribution"].values())
    return Told(answered, [second * 1000 for second in seconds], remark)


def k6_command(binary: str, task: Task) -> list[str]:
    statistics_wanted = ",".join([*(f"p({percent:g})" for percent in PERCENTS), "max"])
    summary = ["--summary-export", str(task.folder / "k6.json"), "--summary-trend-stats", statistics_wanted]
    return [*k6(binary, task), *summary]


def read_k6(_: str, task: Task) -> Told:
    metrics = json.loads((task.folder / "k6.json").read_text())["metrics"]
    duration = metrics["http_req_duration"]
    dropped = int(metrics.get("dropped_iterations", {"count": 0})["count"])
    remark = f"{dropped:,} iterations dropped, not in its percentiles" if dropped else ""
    latencies_ms = [*(duration[f"p({percent:g})"] for percent in PERCENTS), duration["max"]]
    return Told(int(metrics["http_reqs"]["count"]), latencies_ms, remark)


def hey_command(binary: str, task: Task) -> list[str]:
    rate = [] if task.rate_per_s is None else ["-q", f"{task.rate_per_s / task.connections:g}"]
    # Its flags end at the URL. Its own table ends at p99; the samples, in steps of 0.1 ms, do not.
    return [binary, "-o", "csv", *rate, *hey(binary, task)[1:]]


def read_hey(output: str, _: Task) -> Told:
    seconds = sorted(map(float, re.findall(r"^(\d+\.\d+),(?:[\d.]+,){5}\d{3},", output, re.MULTILINE)))
    at_percents = [quantile(seconds, percent) for percent in (*PERCENTS, 100)]
    return Told(len(seconds), [second * 1000 for second in at_percents])


def wrk_command(binary: str, task: Task) -> list[str]:
    script = task.folder / "told.lua"
    script.write_text(WRK_SCRIPT)
    return [*wrk(binary, task), "--script", str(script)]


def read_wrk(output: str, _: Task) -> Told:
    match = re.search(r"^told (.+)$", output, re.MULTILINE)
    if match is None:
        raise ValueError(f"wrk did not run its script to the end:\n{output}")
    requests, *microseconds = map(float, match[1].split())
    return Told(int(requests), [microsecond / 1000 for microsecond in microseconds])


def entries(enough: int) -> list[Entry]:
    """`enough` connections can hold all that come in the freeze."""
    due = "from when the request was due"
    woke = "from when its pacer woke for the request (a timer of 1 ms), sent or not"
    picked = "from when a connection took the request up"
    sent = "from the first byte sent; connecting and waiting for a free VU are left out"
    began = "from when a worker began the request; ticks missed meanwhile are left out"
    filled = (
        "from the write; then, for each slow sample, samples are made up that a steady pace would have had, "
        "the pace being its mean one (its correction, which cannot be switched off)"
    )
    return [
        Entry("loadgen", "loadgen", partial(loadgen_command, capped=False), read_loadgen, due, None),
        Entry("loadgen --connections", "loadgen", partial(loadgen_command, capped=True), read_loadgen, due),
        Entry("oha -q, corrected", "oha", partial(oha_command, corrected=True), read_oha, woke),
        Entry("oha -q", "oha", partial(oha_command, corrected=False), read_oha, picked),
        Entry("oha -q, enough", "oha", partial(oha_command, corrected=False), read_oha, picked, enough),
        Entry("k6 arrival rate", "k6", k6_command, read_k6, sent),
        Entry("k6 arrival rate, enough", "k6", k6_command, read_k6, sent, enough),
        Entry("hey -q", "hey", hey_command, read_hey, began),
        Entry("hey, closed loop", "hey", hey_command, read_hey, began, keeps_rate=False),
        Entry("wrk, closed loop", "wrk", wrk_command, read_wrk, filled, keeps_rate=False),
    ]


@dataclass(frozen=True, slots=True)
class Freeze:
    """The load and the freeze in its middle."""

    rate_per_s: int
    duration_s: int
    for_s: float

    @property
    def after_s(self) -> float:
        return (self.duration_s - self.for_s) / 2

    def law_ms(self, percent: float, otherwise_ms: float) -> float:
        return otherwise_ms + max(0.0, self.for_s - (1 - percent / 100) * self.duration_s) * 1000


class Target:
    """The embedded target, as far as a benchmark has to do with it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def freeze(self, freeze: Freeze) -> None:
        self._get(f"/stall?for={freeze.for_s * 1000:g}&after={freeze.after_s * 1000:g}")

    def count_from_zero(self) -> None:
        self._get("/requests?reset=1")

    def requests(self) -> int:
        total: int = json.loads(self._get("/requests"))["total"]
        return total

    def quiet_ms(self, count: int = 1000) -> float:
        """The median of what a request takes, one each millisecond, from a plain socket: no tool's view."""
        parts = urlsplit(self.url)
        times_ns = []
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
            for _ in range(count):
                time.sleep(0.001)
                started_ns = time.perf_counter_ns()
                connection.sendall(request)
                # The answer is one small write on the other side, so it is one read here.
                connection.recv(4096)
                times_ns.append(time.perf_counter_ns() - started_ns)
        return statistics.median(times_ns) / 1e6

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body


def run(entry: Entry, binary: str, target: Target, freeze: Freeze, folder: Path, cores: list[int]) -> str:
    """Prints its row. Returns what else there is to say of the run, or nothing."""
    rate_per_s = freeze.rate_per_s if entry.keeps_rate else None
    folder.mkdir()
    task = Task(target.url + "/", entry.connections or CONNECTIONS, freeze.duration_s, folder, rate_per_s)
    command = entry.command(binary, task)
    target.count_from_zero()
    target.freeze(freeze)
    cost = run_pinned(command, cores, entry.peer.environment)
    if cost.exit_code not in entry.peer.exit_codes:
        last_words = (cost.output.strip().splitlines() or ["no output"])[-1].strip()
        print(f"{entry.name:<24} exit code {cost.exit_code}: {last_words}"[:WIDTH], flush=True)
        return ""
    told = entry.read(cost.output, task)
    connections = "any" if entry.connections is None else f"{entry.connections:,}"
    print(row(entry.name, connections, told.requests, told.latencies_ms), flush=True)
    remarks = [told.remark] if told.remark else []
    arrived = target.requests()
    # What is in flight when a tool stops has arrived but is not told.
    if abs(arrived - told.requests) > (entry.connections or 0):
        remarks.append(f"the target counted {arrived:,} requests")
    noise = cost.others_cpu_s / cost.wall_s / len(cores)
    if noise > NOISE_WORTH_A_WORD:
        remarks.append(f"others took {noise:.0%} of its cores: take this row with care")
    return "; ".join(remarks)


def row(name: str, connections: str, requests: int, latencies_ms: list[float | None]) -> str:
    return f"{name:<24}{connections:>6}{requests:>10,}" + "".join(
        f"{milliseconds(time_ms):>8}" for time_ms in latencies_ms
    )


def milliseconds(time_ms: float | None) -> str:
    if time_ms is None:
        return "–"
    if time_ms == float("inf"):
        return "∞"
    return f"{time_ms:,.2f}" if time_ms < 10 else f"{time_ms:,.1f}" if time_ms < 100 else f"{time_ms:,.0f}"


def paragraph(text: str, indent: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def compare(freeze: Freeze, target: Target, folder: Path, cores: list[int]) -> None:
    enough = int(freeze.rate_per_s * freeze.for_s) + SPARE_CONNECTIONS
    # From where the tools run: on the target's own core an answer is there in a tenth of the time.
    with pinned_to(cores):
        otherwise_ms = target.quiet_ms()
    print(f"L = {otherwise_ms:.3f} ms, the median of 1,000 requests from a plain socket before\n")
    print(f"{'':<24}{'':>6}{'':>10}{'latency, ms':>40}")
    print(f"{'tool':<24}{'conn':>6}{'requests':>10}", end="")
    print("".join(f"{name:>8}" for name in ("p50", "p90", "p99", "p99.9", "max")))
    expected_ms = [freeze.law_ms(percent, otherwise_ms) for percent in (*PERCENTS, 100)]
    print(row("expected, by the law", "–", freeze.rate_per_s * freeze.duration_s, [*expected_ms]))

    clocks: dict[str, list[str]] = {}
    remarks: list[str] = []
    missing: list[str] = []
    for number, entry in enumerate(entries(enough)):
        binary = entry.peer.find()
        if binary is None:
            if entry.binary not in missing:
                missing.append(entry.binary)
            continue
        remark = run(entry, binary, target, freeze, folder / f"run-{number}", cores)
        if remark:
            remarks.append(f"{entry.name}: {remark}")
        names = clocks.setdefault(entry.clock, [])
        names.append(entry.name)

    step = 1 - freeze.for_s / freeze.duration_s
    print()
    other = f"there, each request that is slow for another reason adds {1000 / freeze.rate_per_s:.3g} ms."
    print(paragraph(f"The law has its step at p{step * 100:.3g}: {other}", ""))
    print("\nWhat each measures, until the answer is complete:")
    for clock, names in clocks.items():
        print(paragraph(f"{' / '.join(names)}: {clock}"))
    if remarks:
        print("\nWhat else there is to say:")
        for remark in remarks:
            print(paragraph(remark))
    print()
    where = "(put it on PATH or in the folder $LOADGEN_PEERS)"
    print(paragraph(f"missing: {', '.join(missing)} {where}" if missing else "missing: nothing"))


def main() -> None:
    parser = argparse.ArgumentParser(description="One freeze of the target, as each tool tells it.")
    parser.add_argument("--duration", type=int, default=10, help="seconds a run (%(default)s)")
    parser.add_argument("--rate", type=int, default=1_000, help="requests a second (%(default)s)")
    parser.add_argument("--stall", type=float, default=1.0, help="seconds of freeze (%(default)s)")
    arguments = parser.parse_args()
    freeze = Freeze(arguments.rate, arguments.duration, arguments.stall)
    if freeze.for_s <= 0 or freeze.rate_per_s <= 0:
        parser.error("--rate and --stall must be above 0")
    if freeze.after_s < START_S:
        parser.error(f"the freeze needs {START_S:g} s of run before and after it: more --duration")

    cores = available_cores()
    target_core, tool_cores = cores[-1], cores[:-1] or cores
    print(machine())
    print(f"target on core {target_core}, tools on {tool_cores}, one after the other")
    print(f"asked: {freeze.rate_per_s:,} requests/s for {freeze.duration_s} s; ", end="")
    print(f"freeze: {freeze.for_s:g} s, {freeze.after_s:g} s after the start")
    print("conn: connections, workers or VUs; enough: for all that comes in the freeze")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = Loadgen(folder / "target")
        try:
            with pinned_to([target_core]):
                server = start.start("target", "--port", "0")
            url = server.wait_for_line(r"listening on (http://\S+)")[1]
            compare(freeze, Target(url), folder, tool_cores)
        finally:
            start.stop()


if __name__ == "__main__":
    main()
