"""Fixtures of the tests that go through the front door: the command, the target, real counterparts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.support.certificates import Certificates
from tests.support.command import LOADGEN, Loadgen, RunningCommand
from tests.support.nginx import HELLO, Nginx, find_nginx
from tests.support.ports import find_free_port
from tests.support.raw_server import RawConnection, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.certificates import Leaf


# Who runs tests in the background ignores these, and what they start would, too.
for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored == signal.SIGINT else signal.SIG_DFL)


@dataclass(frozen=True)
class Target:
    """The embedded target, started as a user starts it."""

    url: str
    running: RunningCommand

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def requests(self) -> dict[str, Any]:
        """Its own exact counts, from /requests."""
        with urllib.request.urlopen(f"{self.url}/requests", timeout=5) as answer:  # noqa: S310
            counts: dict[str, Any] = json.load(answer)
            return counts

    def wait_for_requests(self, count: int, timeout_s: float = 20.0) -> int:
        """Until it has counted that many; returns how many there are."""
        give_up_at = time.monotonic() + timeout_s
        while (total := self.requests()["total"]) < count:
            assert time.monotonic() < give_up_at, f"{total} requests instead of {count} after {timeout_s} s"
            time.sleep(0.01)
        return int(total)


class TargetFactory(Protocol):
    def __call__(self, *options: str) -> Target: ...


class NginxFactory(Protocol):
    def __call__(
        self,
        *,
        locations: str = HELLO,
        http: str = "",
        tls: Leaf | None = None,
        http2: bool = False,
        unix_socket: bool = False,
        access_log: bool = True,
        module: Path | None = None,
    ) -> Nginx: ...


class RawServerFactory(Protocol):
    def __call__(
        self, behaviour: Callable[[RawConnection], None], *, host: str = "127.0.0.1"
    ) -> RawServer: ...


@pytest.fixture(scope="session")
def counterpart() -> Callable[[str], Path]:
    """Finds a real program to test against, or the file of a library by its whole path.

    A missing one is a visible skip, with CI set a failure.
    """

    def find(name: str) -> Path:
        if Path(name).is_absolute() and Path(name).exists():
            return Path(name)
        found = find_nginx() if name == "nginx" else shutil.which(name)
        if found:
            return Path(found)
        message = f"{name} is not installed; .ci/run installs what the tests use"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture
def loadgen(tmp_path: Path) -> Iterator[Loadgen]:
    """`loadgen("blast", …)` runs the command to its end; `loadgen.start(…)` returns it under way."""
    assert LOADGEN.exists(), f"{LOADGEN} is missing: run `make build`"
    command = Loadgen(tmp_path / "loadgen")
    yield command
    command.stop()


@pytest.fixture
def make_target(loadgen: Loadgen) -> TargetFactory:
    """Makes embedded targets, each on a free port and ready; `make_target("--feed", "blocks=0")`."""

    def start(*options: str) -> Target:
        running = loadgen.start("target", "--port", "0", *options)
        return Target(running.wait_for_line(r"listening on (http://\S+)")[1], running)

    return start


@pytest.fixture
def target(make_target: TargetFactory) -> Target:
    """One of them, as it is without options."""
    return make_target()


@pytest.fixture
def nginx(tmp_path: Path, counterpart: Callable[[str], Path]) -> Iterator[NginxFactory]:
    """Makes nginx servers; `nginx()` answers "hello world" with an access log. Options as in its class."""
    binary = counterpart("nginx")
    started: list[Nginx] = []

    def start(**options: Any) -> Nginx:
        started.append(Nginx(tmp_path / f"nginx-{len(started)}", binary=binary, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A test authority and what it signs."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody listens on."""
    return find_free_port()


@pytest.fixture
def raw_server() -> Iterator[RawServerFactory]:
    """Makes TCP servers that run a given behaviour on each connection."""
    started: list[RawServer] = []

    def start(behaviour: Callable[[RawConnection], None], *, host: str = "127.0.0.1") -> RawServer:
        started.append(RawServer(behaviour, host=host))
        return started[-1]

    yield start
    for server in started:
        server.stop()
