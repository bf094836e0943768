"""The machine under the generator, from /proc and /sys: what it took from the workers, how near limits are.

Everything here is tolerant: what a system does not tell (macOS has no /proc) is None, never an error.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadgen._engine import monotonic_ns

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Running totals at one instant; two of them make a Strain."""

    taken_at_ns: int
    run_queue_ns: Mapping[int, int] = field(
        default_factory=dict
    )  # by pid: ready to run, but no processor was free
    steal_ticks: int | None = None
    all_ticks: int | None = None
    throttled_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """Shares of the time between two instants."""

    run_queue: float | None  # of the worker that waited most
    steal: float | None
    throttled: float | None


def sample(pids: Sequence[int]) -> Health:
    """Look now."""
    steal, total = _steal()
    waits = {pid: wait for pid in pids if (wait := _run_queue_ns(pid)) is not None}
    return Health(
        taken_at_ns=monotonic_ns(),
        run_queue_ns=waits,
        steal_ticks=steal,
        all_ticks=total,
        throttled_us=_throttled_us(),
    )


def strain(earlier: Health, later: Health) -> Strain:
    """What happened between two looks. A worker that was gone at one of them is left out."""
    elapsed_ns = later.taken_at_ns - earlier.taken_at_ns
    if elapsed_ns <= 0:
        return Strain(run_queue=None, steal=None, throttled=None)
    waits = [
        (wait - earlier.run_queue_ns[pid]) / elapsed_ns
        for pid, wait in later.run_queue_ns.items()
        if pid in earlier.run_queue_ns
    ]
    steal = None
    if None not in (earlier.steal_ticks, later.steal_ticks, earlier.all_ticks, later.all_ticks):
        ticks = (later.all_ticks or 0) - (earlier.all_ticks or 0)
        steal = ((later.steal_ticks or 0) - (earlier.steal_ticks or 0)) / ticks if ticks > 0 else None
    throttled = None
    if earlier.throttled_us is not None and later.throttled_us is not None:
        throttled = (later.throttled_us - earlier.throttled_us) * 1000 / elapsed_ns
    return Strain(run_queue=max(waits, default=None), steal=steal, throttled=throttled)


def _run_queue_ns(pid: int) -> int | None:
    """Second field of schedstat, which is about the main thread: a worker's engine runs on that."""
    fields = read(PROC / str(pid) / "schedstat").split()
    return int(fields[1]) if len(fields) == 3 else None


def _steal() -> tuple[int | None, int | None]:
    """(steal, all) ticks of all processors. Guest time is in user time already, so the sum stops at steal."""
    line = read(PROC / "stat").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None, None
    ticks = [int(value) for value in line[1:9]]
    return ticks[7], sum(ticks)


def _cgroups() -> list[Path]:
    """Where our control group's files may be: v2, seen from outside or inside its namespace, then v1."""
    lines = read(PROC / "self/cgroup").splitlines()
    path = next((line.split(":", 2)[2] for line in lines if line.startswith("0::")), "/")
    return [CGROUP / path.lstrip("/"), CGROUP, CGROUP / "cpu"]


def _throttled_us() -> int | None:
    """How long the processor quota held our control group back, since it was made."""
    for directory in _cgroups():
        lines = read(directory / "cpu.stat").splitlines()
        stat = dict(line.split() for line in lines if line.count(" ") == 1)
        if "throttled_usec" in stat:
            return int(stat["throttled_usec"])
        if "throttled_time" in stat:
            return int(stat["throttled_time"]) // 1000
    return None


def processor_quota() -> float | None:
    """How many processors' time our control group may use; None for no limit."""
    for directory in _cgroups():
        fields = read(directory / "cpu.max").split()
        if len(fields) == 2:
            return None if fields[0] == "max" else int(fields[0]) / int(fields[1])
        quota, period = (read(directory / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota and period:
            return None if quota == "-1" else int(quota) / int(period)
    return None


def read(path: Path) -> str:
    """A file of the system without the space around it; empty where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def raise_descriptor_limit() -> int:
    """The soft limit up to the hard one, for this process and its workers. Returns what is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if hard == resource.RLIM_INFINITY:
        # macOS: "unlimited" is refused; this is what it grants.
        wanted = max(soft, 10_240)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def descriptor_limits() -> tuple[int, int]:
    """(soft, hard) now in force."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def port_range() -> tuple[int, int] | None:
    """The ports that outgoing connections are given, both ends included."""
    fields = read(PROC / "sys/net/ipv4/ip_local_port_range").split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 else None


def available_bytes() -> int | None:
    """Memory that may still be had: of the system, or of our control group where that has less."""
    found = [
        int(line.split()[1]) * 1024 for line in read(PROC / "meminfo").splitlines() if "MemAvailable" in line
    ]
    for directory in _cgroups():
        limit, used = (read(directory / f"memory.{name}") for name in ("max", "current"))
        stat = dict(line.split() for line in read(directory / "memory.stat").splitlines())
        if limit.isdigit() and used.isdigit():
            # What it holds of files is given back when it is wanted.
            found.append(max(0, int(limit) - int(used) + int(stat.get("file", 0))))
    return min(found, default=None)


def near_limit(connections: int, workers: int, pairs: int = 1) -> str | None:
    """A warning where nine tenths of the descriptors or of the ports are in use.

    Each pair of an address here and one of the target has all ports.
    """
    soft, _ = descriptor_limits()
    if connections / max(workers, 1) > 0.9 * soft:
        return f"{connections:,} connections, and {soft:,} descriptors a worker: raise the limit (ulimit -n)"
    ports = port_range()
    if ports and connections / pairs > 0.9 * (ports[1] - ports[0] + 1):
        return f"{connections:,} connections, and {ports[1] - ports[0] + 1:,} local ports for one target"
    return None


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
