"""What this machine allows a load generator: findings, each with what to change and how. Changes nothing."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from loadgen import capacity, health
from loadgen._engine import __version__

Status = Literal["ok", "warn", "unknown"]

# A worker opens up to 10,000 connections by itself; below this it would run out first.
ENOUGH_DESCRIPTORS = 16_384
# Each connection to one target takes a port, and keeps it for a minute after it is closed by us.
ENOUGH_PORTS = 25_000
# As many as people usually want to hold from one machine.
ENOUGH_SOCKETS = 10_000
# A burst of connects longer than the target's queue of them is dropped, and retried after a second.
ENOUGH_BACKLOG = 1_024


class Finding(Struct, frozen=True, kw_only=True):
    """One thing looked at."""

    name: str
    status: Status
    value: str
    advice: str = ""  # what to change and how, where there is something to change


def examine() -> list[Finding]:
    """Look at everything."""
    checks: list[Callable[[], Finding]] = [
        _descriptors,
        _ports,
        _sockets,
        _backlog,
        _timer_slack,
        _clock,
        _processors,
        _quota,
        _io_uring,
    ]
    return [check() for check in checks] + _versions()


def _descriptors() -> Finding:
    soft, hard = health.descriptor_limits()
    reach = "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    enough = hard == resource.RLIM_INFINITY or hard >= ENOUGH_DESCRIPTORS
    return Finding(
        name="descriptors",
        status="ok" if enough else "warn",
        value=f"{soft:,}, raised to {reach} for a run",
        advice=""
        if enough
        else f"Each connection takes one. Raise the hard limit to {ENOUGH_DESCRIPTORS:,} or more: "
        '"* hard nofile 1048576" in /etc/security/limits.conf, or docker run --ulimit nofile=1048576.',
    )


def _ports() -> Finding:
    ports = health.port_range()
    if ports is None:
        return _unknown("local ports")
    count = ports[1] - ports[0] + 1
    return Finding(
        name="local ports",
        status="ok" if count >= ENOUGH_PORTS else "warn",
        value=f"{count:,} ({ports[0]} to {ports[1]})",
        advice=""
        if count >= ENOUGH_PORTS
        else "Each connection to one target takes one, and a minute more after it is closed: "
        'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
    )


def _sockets() -> Finding:
    """What `loadgen ws` can hold at once, in one worker and to one address."""
    limits = {
        "descriptors": capacity.descriptors(),
        "local ports": capacity.ports(),
        "memory": capacity.in_memory(),
    }
    known = {name: count for name, count in limits.items() if count is not None}
    if not known:
        return _unknown("sockets")
    least = min(known, key=lambda name: known[name])
    return Finding(
        name="sockets",
        status="ok" if known[least] >= ENOUGH_SOCKETS else "warn",
        value=f"{known[least]:,} a worker from one address to another ({least})",
        advice=""
        if known[least] >= ENOUGH_SOCKETS
        else {
            "descriptors": "Raise the hard limit of descriptors, or use more workers.",
            "local ports": "Connect from several addresses: loadgen ws --bind 127.0.0.2-127.0.0.5",
            "memory": "Free memory, or raise the container's limit.",
        }[least],
    )


def _backlog() -> Finding:
    text = health.read(health.PROC / "sys/net/core/somaxconn")
    if not text.isdigit():
        return _unknown("somaxconn")
    enough = int(text) >= ENOUGH_BACKLOG
    return Finding(
        name="somaxconn",
        status="ok" if enough else "warn",
        value=f"{int(text):,}",
        advice=""
        if enough
        else "Matters where the target runs on this machine: sysctl -w net.core.somaxconn=4096",
    )


def _timer_slack() -> Finding:
    text = health.read(health.PROC / "self/timerslack_ns")
    if not text.isdigit():
        return _unknown("timer slack")
    # Workers set their own to 1 ns, so what is inherited does not matter; it is shown for those who compare
    # tools.
    return Finding(
        name="timer slack", status="ok", value=f"{int(text) / 1000:g} µs inherited, 1 ns in workers"
    )


def _clock() -> Finding:
    source = health.read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
    if not source:
        return _unknown("clock source")
    # These are read without entering the kernel: 20 ns instead of a microsecond, several times a request.
    quick = source in ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter")
    available = health.read(
        Path("/sys/devices/system/clocksource/clocksource0/available_clocksource")
    ).split()
    remedy = (
        "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource"
        if "tsc" in available
        else "no quicker one is offered here; expect some per cent more processor time"
    )
    return Finding(
        name="clock source",
        status="ok" if quick else "warn",
        value=source,
        advice="" if quick else f"Reading this clock enters the kernel: {remedy}",
    )


def _processors() -> Finding:
    usable, present = health.processors(), os.cpu_count() or 1
    return Finding(
        name="processors",
        status="ok" if usable > 1 else "warn",
        value=f"{usable} usable of {present}",
        advice=""
        if usable > 1
        else "With one, workers compete with all else: use two or more, and not the target's.",
    )


def _quota() -> Finding:
    quota = health.processor_quota()
    if quota is None:
        return Finding(name="processor quota", status="ok", value="none")
    enough = quota >= health.processors()
    return Finding(
        name="processor quota",
        status="ok" if enough else "warn",
        value=f"{quota:g} processors",
        advice=""
        if enough
        else "A worker that has used it up stands still for tens of ms: lift it (docker run without --cpus, "
        "no cpu limit in Kubernetes) or start no more workers than it covers.",
    )


def _io_uring() -> Finding:
    disabled = health.read(health.PROC / "sys/kernel/io_uring_disabled")
    if not disabled:
        return _unknown("io_uring")
    return Finding(
        name="io_uring",
        status="ok" if disabled == "0" else "warn",
        value="allowed by the kernel" if disabled == "0" else "disabled by kernel.io_uring_disabled",
        advice=""
        if disabled == "0"
        else "Workers use epoll then, at a fifth more cost: sysctl -w kernel.io_uring_disabled=0",
    )


def _versions() -> list[Finding]:
    return [
        Finding(name="loadgen", status="ok", value=__version__),
        Finding(name="python", status="ok", value=f"{platform.python_version()} ({sys.executable})"),
        Finding(
            name="system", status="ok", value=f"{platform.system()} {platform.release()} {platform.machine()}"
        ),
    ]


def _unknown(name: str) -> Finding:
    return Finding(name=name, status="unknown", value="this system does not tell")
