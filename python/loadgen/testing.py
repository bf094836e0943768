"""For test suites of scenarios: one iteration without a load, and a server to run it against.

def test_browse() -> None:
    with server() as target:
        outcome = run_once(browse, target.url)
    assert outcome.passed
    assert [request.status for request in outcome.requests] == [200, 200]
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loadgen.data import Feed
from loadgen.debug import Exchange, debug_run
from loadgen.errors import LoadgenError
from loadgen.target import READY, START_S, STOP_S
from loadgen.target_feed import TargetFeed
from loadgen.url import parse_url

if TYPE_CHECKING:
    from loadgen.scenario import Scenario
    from loadgen.script import Script

__all__ = ["Check", "Outcome", "SentRequest", "Server", "TargetFeed", "debug_run", "run_once", "server"]


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request of an iteration; each attempt of a retried one is one."""

    method: str
    url: str
    status: int  # 0: no answer
    elapsed: float  # seconds
    error: str | None  # why there was none, such as "connect_refused", or what broke off a stream


@dataclass(frozen=True, slots=True)
class Check:
    """One call of `user.expect`."""

    name: str
    ok: bool


@dataclass(slots=True)
class Outcome:
    """What one iteration did, its session included, in order."""

    requests: list[SentRequest] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all checks did."""
        return not self.failed_checks

    @property
    def failed_checks(self) -> list[str]:
        """The names of those that did not."""
        return [check.name for check in self.checks if not check.ok]


class Observer(Protocol):
    """What is told of an iteration while it runs."""

    def request(self, exchange: Exchange) -> None: ...
    def piece(self, exchange: Exchange, after_ns: int, piece: bytes) -> None: ...
    def left(self, exchange: Exchange, error: str | None) -> None: ...
    def handshake(self, url: str, status: int, elapsed: float, error: str | None) -> None: ...
    def message(self, message: str | bytes, *, is_sent: bool) -> None: ...
    def closed(self, url: str, code: int | None, reason: str, error: str | None) -> None: ...
    def check(self, name: str, ok: bool) -> None: ...
    def error(self, error: BaseException) -> None: ...


def run_once(
    scenario: Scenario,
    url: str,
    *,
    arguments: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run one iteration of one user against `url`, with its session, on the real engine in this process.

    `arguments` are what `--set` would give, `data` is what `user.data` begins with. An exception of the
    scenario is raised as it is; a failed check is not one: ask `outcome.passed`.
    """
    watcher = _Watcher()
    base_url = parse_url(url).text.rstrip("/")
    play(_script_of(scenario), scenario, base_url, watcher, arguments=arguments, data=data)
    if watcher.raised is not None:
        watcher.raised.add_note(watcher.note())
        raise watcher.raised
    return watcher.outcome


def play(
    script: Script,
    scenario: Scenario,
    base_url: str,
    observer: Observer,
    *,
    arguments: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """One iteration, seen by `observer`. Feeds begin with their first rows, arguments with the plan's."""
    from loadgen.rehearsal import once_in_process

    for feed in script.feeds.values():
        feed._attach(0, 1)
    all_arguments = {**(script.plan.arguments if script.plan else {}), **(arguments or {})}
    once_in_process(script, scenario, base_url, observer, arguments=all_arguments, data=data or {})


def _script_of(scenario: Scenario) -> Script:
    """The module of a scenario, seen as a script: its sessions, feeds and plan go with it."""
    from loadgen.plan import Plan
    from loadgen.scenario import Once, Session
    from loadgen.script import Script

    module = sys.modules[scenario.__module__]
    # By identity: one thing may have several names.
    found = {id(value): (name, value) for name, value in vars(module).items()}.values()
    return Script(
        path=Path(module.__file__ or scenario.function.__code__.co_filename),
        module=module,
        scenarios=(scenario,),
        sessions=tuple(value for _, value in found if isinstance(value, Session)),
        onces=tuple(value for _, value in found if isinstance(value, Once)),
        feeds={name: value for name, value in found if isinstance(value, Feed)},
        plan=next((value for _, value in found if isinstance(value, Plan)), None),
    )


class _Watcher:
    """Keeps what an iteration did."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self.raised: BaseException | None = None
        self._exchanges: list[Exchange] = []

    def request(self, exchange: Exchange) -> None:
        response = exchange.response
        self._exchanges.append(exchange)
        self.outcome.requests.append(
            SentRequest(exchange.method, exchange.url, response.status, response.elapsed, response.error)
        )

    def piece(self, exchange: Exchange, after_ns: int, piece: bytes) -> None:
        """What is read of a stream, the scenario has itself."""

    def left(self, exchange: Exchange, error: str | None) -> None:
        requests = self.outcome.requests
        place = next(place for place, other in enumerate(self._exchanges) if other is exchange)
        requests[place] = replace(requests[place], error=error)

    def handshake(self, url: str, status: int, elapsed: float, error: str | None) -> None:
        self.outcome.requests.append(SentRequest("WS", url, status, elapsed, error))

    def message(self, message: str | bytes, *, is_sent: bool) -> None:
        """Messages of a socket the scenario has itself."""

    def closed(self, url: str, code: int | None, reason: str, error: str | None) -> None:
        """So it has how it ended."""

    def check(self, name: str, ok: bool) -> None:
        self.outcome.checks.append(Check(name, ok))

    def error(self, error: BaseException) -> None:
        self.raised = self.raised or error  # what comes after it, as in a session's end, follows from it

    def note(self) -> str:
        """What had happened until then, for the exception's reader."""
        done = [
            *(f"{sent.method} {sent.url}: {sent.status or sent.error}" for sent in self.outcome.requests),
            *(f"check failed: {name}" for name in self.outcome.failed_checks),
        ]
        return "before it: " + ("; ".join(done) if done else "no request")


@dataclass(frozen=True, slots=True)
class Server:
    """The embedded target; `loadgen target --help` has its paths."""

    url: str


@contextlib.contextmanager
def server(*, feed: TargetFeed | None = None) -> Iterator[Server]:
    """The embedded target on a free port of this machine, in a process of its own, until the block ends."""
    told = (feed or TargetFeed()).to_json()
    theirs, life = os.pipe()  # however we go, the child sees the end of it
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "loadgen.target", str(theirs), "127.0.0.1", told],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[theirs],
            process_group=0,  # Ctrl-C in a test run is for the tests
            text=True,
        )
    except BaseException:
        os.close(life)
        raise
    finally:
        os.close(theirs)
    try:
        yield Server(_ready(process))
    finally:
        os.close(life)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    # A child that says nothing would be waited for without end; one that is killed ends its line.
    patience = threading.Timer(START_S, process.kill)
    patience.start()
    try:
        line = process.stdout.readline().strip()
    finally:
        patience.cancel()
    if not line.startswith(READY):
        raise LoadgenError("the embedded target did not start")
    return line.removeprefix(READY)
