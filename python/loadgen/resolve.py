"""From a host name to an address that answers, before any load. Connects and closes; sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from loadgen._engine import monotonic_ns
from loadgen.engine_plan import EnginePlan
from loadgen.errors import TargetError, UsageError
from loadgen.units import format_duration
from loadgen.url import Url, parse_url
from loadgen.wire import Proxy

# A target that takes longer than this to accept one connection is not going to take load.
PATIENCE_S = 5.0
NOTHING: Mapping[str, str] = MappingProxyType({})
Found = tuple[int, Any]


async def find_addresses(plan: EnginePlan) -> EnginePlan:
    """The plan with the addresses that its connections go to. Raises TargetError where there are none."""
    wire = plan.wire
    _check_sources(wire.bind)
    if wire.unix_socket is not None:
        await _reach_socket(wire.unix_socket)
        return plan
    if wire.proxy is not None and _leaves_all_out(plan, wire.proxy):
        plan = replace(plan, wire=replace(wire, proxy=None))
    elif wire.proxy is not None:
        (address, *_), _ = await reach(parse_url(wire.proxy.address), of_proxy=True)
        plan = replace(plan, wire=replace(wire, proxy=replace(wire.proxy, address=address)))
    if plan.mix is not None:
        found = [await _find(plan, parse_url(host.url)) for host in plan.mix.hosts]
        hosts = [replace(host, addresses=one) for host, (one, _) in zip(plan.mix.hosts, found, strict=True)]
        plan = replace(plan, mix=replace(plan.mix, hosts=hosts))
    elif plan.target_url:
        found = [await _find(plan, parse_url(plan.target_url))]
    else:  # a script may have none, and name whole URLs
        return plan
    return replace(plan, addresses=found[0][0], dns_ns=[ns for _, ns in found if ns is not None])


def _leaves_all_out(plan: EnginePlan, proxy: Proxy) -> bool:
    """Nothing goes through it, so it need not be there. Scripts and redirects may lead anywhere."""
    if plan.script is not None or plan.max_redirects is not None:
        return "*" in proxy.exceptions
    urls = [plan.target_url] if plan.mix is None else [host.url for host in plan.mix.hosts]
    return all(proxy.leaves_out(parse_url(url).host) for url in urls)


async def _find(plan: EnginePlan, url: Url) -> tuple[list[str], int | None]:
    """Where to connect to for a URL, and how long finding that took."""
    proxy = plan.wire.proxy
    if plan.wire.http == "3":  # nobody accepts a datagram: whether anybody is there, the run finds out
        return await _list(url, plan.resolve)
    if proxy is None or proxy.leaves_out(url.host):
        return await reach(url, plan.resolve)
    # Whether the target can be reached, the proxy will say; one kind asks here where a name leads.
    if proxy.kind != "socks5":
        return [], None
    return await _list(url, plan.resolve)


async def _list(url: Url, known: Mapping[str, str]) -> tuple[list[str], int | None]:
    found, dns_ns = await _look_up(url, known)
    return [_text(*one) for one in found], dns_ns


async def reach(
    url: Url, known: Mapping[str, str] = NOTHING, *, of_proxy: bool = False
) -> tuple[list[str], int | None]:
    """Those of the host's addresses that accept a connection, each `host:port`; how long finding them took.

    They are in the resolver's order; what is `known` it is not asked.
    """
    found, dns_ns = await _look_up(url, known, "the proxy's name" if of_proxy else "the name")
    problems = await asyncio.gather(*(_try(family, address) for family, address in found))
    tried = [(_text(*one), problem) for one, problem in zip(found, problems, strict=True)]
    if usable := [text for text, problem in tried if problem is None]:
        return usable, dns_ns
    why = "; ".join(f"{text}: {problem}" for text, problem in tried)
    if of_proxy:
        hint = "Is it running, and on this port? --noproxy HOST leaves it out, also one of the environment."
        raise TargetError(f"the proxy {url.authority} cannot be reached: {why}", hint=hint)
    hint = "Is the server running, and on this port? Without a URL, loadgen brings its own target."
    raise TargetError(f"{url.authority} cannot be reached: {why}", hint=hint)


def _check_sources(addresses: list[str]) -> None:
    for address in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                raise UsageError(
                    f"{address} is not an address of this machine", hint="See `ip address`."
                ) from None


async def _reach_socket(path: str) -> None:
    if problem := await _try(socket.AF_UNIX, path):
        raise TargetError(f"{path} cannot be reached: {problem}", hint="Is the server running?")


async def _look_up(
    url: Url, known: Mapping[str, str], what: str = "the name"
) -> tuple[list[Found], int | None]:
    """Family and address each; and how long it took, where there was a name to look up."""
    begun_ns = monotonic_ns()
    host = known.get(f"{url.host.lower()}:{url.port}", url.host)
    with contextlib.suppress(socket.gaierror):  # an address needs no resolver
        found = socket.getaddrinfo(
            host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
        return [(family, address) for family, _, _, _, address in found], None
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await _getaddrinfo(url)
    except socket.gaierror as error:
        raise TargetError(
            f'{what} "{url.host}" does not resolve: {error.strerror}',
            hint="Check the spelling, /etc/hosts and the name server, or give an address.",
        ) from None
    except TimeoutError:
        raise TargetError(
            f'{what} "{url.host}" was not resolved within {format_duration(PATIENCE_S * 1e9)}',
            hint="Check the name server, or give an address.",
        ) from None
    return [(family, address) for family, _, _, _, address in found], monotonic_ns() - begun_ns


async def _getaddrinfo(url: Url) -> list[Any]:
    """In a daemon thread: the loop's own executor is waited for at the end, even if the resolver hangs."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def settle(found: list[Any], error: OSError | None) -> None:
        if not answer.done():
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

    def ask() -> None:
        try:
            found, problem = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM), None
        except OSError as error:
            found, problem = [], error
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(settle, found, problem)

    threading.Thread(target=ask, daemon=True, name="resolver").start()
    return await answer


async def _try(family: int, address: Any) -> str | None:
    """What is wrong with an address; None where it accepts."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.get_running_loop().sock_connect(probe, address)
        except TimeoutError:
            return f"no answer within {format_duration(PATIENCE_S * 1e9)}"
        except OSError as error:
            known = {
                errno.ECONNREFUSED: "connection refused",
                errno.ENETUNREACH: "network unreachable",
                errno.EHOSTUNREACH: "host unreachable",
            }
            return known.get(error.errno or 0, (error.strerror or str(error)).lower())
    return None


def _text(family: int, address: Any) -> str:
    if family != socket.AF_INET6:
        return f"{address[0]}:{address[1]}"
    scope = f"%{address[3]}" if address[3] else ""
    return f"[{str(address[0]).partition('%')[0]}{scope}]:{address[1]}"
