"""How many sockets this machine can hold: descriptors, local ports, memory. Refuses what it surely cannot."""

from __future__ import annotations

import ipaddress
import resource
from typing import TYPE_CHECKING

from loadgen import health
from loadgen.errors import UsageError
from loadgen.units import counted, format_bytes, format_count

if TYPE_CHECKING:
    from loadgen.engine_plan import EnginePlan

# A worker's own: pipes, its block, epoll, timers, what Python has open.
OWN_DESCRIPTORS = 32
# What an idle one takes at the least: so much is the kernel's, without anything in its buffers.
SOCKET_BYTES = 4_000


def descriptors() -> int | None:
    """Sockets that a worker may have; None for no limit."""
    _, hard = health.descriptor_limits()
    return None if hard == resource.RLIM_INFINITY else max(0, hard - OWN_DESCRIPTORS)


def ports() -> int | None:
    """Sockets from one address of this machine to one of the target; None where the system does not tell."""
    found = health.port_range()
    return None if found is None else found[1] - found[0] + 1


def in_memory() -> int | None:
    """Sockets that there is room for."""
    available = health.available_bytes()
    return None if available is None else available // SOCKET_BYTES


def check_capacity(plan: EnginePlan) -> None:
    """Raises UsageError, with the remedies, for a plan whose sockets this machine cannot hold."""
    if plan.sockets is None:
        return
    wanted = plan.connections
    problems = [_lacking_descriptors(plan, wanted), _lacking_ports(plan, wanted), _lacking_memory(wanted)]
    found = [problem for problem in problems if problem is not None]
    if found:
        raise UsageError(
            f"this machine cannot hold {counted(wanted, 'socket')}: {'; '.join(what for what, _ in found)}",
            hint="\n".join(remedy for _, remedy in found),
        )


def _lacking_descriptors(plan: EnginePlan, wanted: int) -> tuple[str, str] | None:
    each, allowed = -(-wanted // plan.workers), descriptors()
    if allowed is None or each <= allowed:
        return None
    needed = each + OWN_DESCRIPTORS
    what = (
        f"a worker needs {format_count(needed)} descriptors and may have "
        f"{format_count(allowed + OWN_DESCRIPTORS)}"
    )
    remedy = (
        f"Raise the hard limit (ulimit -Hn {needed}, or docker run --ulimit nofile=1048576), "
        f"or use more workers: --workers {-(-wanted // max(allowed, 1))}."
    )
    return what, remedy


def _lacking_ports(plan: EnginePlan, wanted: int) -> tuple[str, str] | None:
    each = ports()
    if each is None or plan.wire.unix_socket is not None:
        return None
    sources, targets = max(1, len(plan.wire.bind)), max(1, len(plan.addresses))
    if wanted <= each * sources * targets:
        return None
    needed = -(-wanted // (each * targets))
    what = f"there are {format_count(each)} local ports for each pair of addresses"
    remedy = (
        f"Connect from {needed} addresses of this machine (--bind {_example(plan, needed)}), or widen the "
        'range: sysctl -w net.ipv4.ip_local_port_range="1024 65535".'
    )
    return what, remedy


def _example(plan: EnginePlan, count: int) -> str:
    """A range of loopback addresses where it would do."""
    host = plan.addresses[0].rpartition(":")[0].strip("[]") if plan.addresses else ""
    try:
        local = ipaddress.ip_address(host).is_loopback and ":" not in host
    except ValueError:
        local = False
    if not local:
        return "ADDRESS,ADDRESS"
    first = ipaddress.IPv4Address("127.0.0.2")
    return f"{first}-{first + count - 1}"


def _lacking_memory(wanted: int) -> tuple[str, str] | None:
    allowed = in_memory()
    if allowed is None or wanted <= allowed:
        return None
    needed = format_bytes(wanted * SOCKET_BYTES)
    return (
        f"they take {needed} or more and {format_bytes(allowed * SOCKET_BYTES)} are free",
        "Free memory, raise the container's limit, or open fewer.",
    )
