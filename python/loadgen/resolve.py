"""From a host name to an address that answers, before any load. Connects and closes; sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Any

from loadgen.errors import TargetError
from loadgen.units import format_duration
from loadgen.url import Url

# A target that takes longer than this to accept one connection is not going to take load.
PATIENCE_S = 5.0


async def reach(url: Url) -> str:
    """The first of the host's addresses, in the resolver's order, that accepts a connection: `host:port`."""
    addresses = await _look_up(url)
    failures: list[str] = []
    for family, address in addresses:
        problem = await _try(family, address)
        if problem is None:
            return _text(family, address)
        failures.append(f"{_text(family, address)}: {problem}")
    raise TargetError(
        f"{url.authority} cannot be reached: {'; '.join(failures)}",
        hint="Is the server running, and on this port? Without a URL, loadgen brings its own target.",
    )


async def _look_up(url: Url) -> list[tuple[int, tuple[object, ...]]]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await _getaddrinfo(url)
    except socket.gaierror as error:
        raise TargetError(
            f'the name "{url.host}" does not resolve: {error.strerror}',
            hint="Check the spelling, /etc/hosts and the name server, or give an address.",
        ) from None
    except TimeoutError:
        raise TargetError(
            f'the name "{url.host}" was not resolved within {format_duration(PATIENCE_S * 1e9)}',
            hint="Check the name server, or give an address.",
        ) from None
    return [(family, address) for family, _, _, _, address in found]


async def _getaddrinfo(url: Url) -> list[Any]:
    """In a daemon thread: the loop's own executor is waited for at the end, even if the resolver hangs."""
    with contextlib.suppress(socket.gaierror):  # an address needs no resolver
        return socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
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


async def _try(family: int, address: tuple[object, ...]) -> str | None:
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


def _text(family: int, address: tuple[object, ...]) -> str:
    if family != socket.AF_INET6:
        return f"{address[0]}:{address[1]}"
    scope = f"%{address[3]}" if address[3] else ""
    return f"[{str(address[0]).partition('%')[0]}{scope}]:{address[1]}"
