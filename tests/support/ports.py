"""Loopback ports, and the descriptors a server needs to keep many of them open."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


def find_free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now. Another may take it before you do: prefer port 0 where you can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int, *, still_alive: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Whether something accepts on the port before the time is up or the server has died."""
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if not still_alive():
                return False
            time.sleep(0.01)
        else:
            return True
    return False


@contextlib.contextmanager
def raised_descriptor_limit() -> Iterator[None]:
    """Children started inside get the hard limit of descriptors; this process gets its own back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class FullServer:
    """Listens, but its queue of connections is full and nobody accepts: who comes is never answered."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._first = socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def wait_until_somebody_waits(self, timeout_s: float = 20.0) -> None:
        """Until a connection to it is being tried."""
        give_up_at = time.monotonic() + timeout_s
        syn_sent = f" 0100007F:{self.port:04X} 02 "
        while syn_sent not in Path("/proc/net/tcp").read_text():
            assert time.monotonic() < give_up_at, f"nobody came within {timeout_s} s"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._first.close()
        self._listener.close()
