"""A virtual user, as scripts know it. Requests are the engine's; here is what surrounds them."""

from __future__ import annotations

import asyncio
import random
import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import msgspec

from loadgen._engine import Client, Engine, Response, monotonic_ns
from loadgen._engine import Socket as EngineSocket
from loadgen._engine import Stream as EngineStream
from loadgen.body import ENDED
from loadgen.data import Exhausted
from loadgen.errors import SocketClosed
from loadgen.socket import NORMAL, Opening, Socket
from loadgen.stream import Stream
from loadgen.url import PORTS, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen.auth import Challenge, DigestAuth
    from loadgen.loop import LoadgenLoop

__all__ = ["Response", "User"]

# A name that could not be resolved is asked for again after so long.
UNRESOLVED_S = 1.0
# The kind of failure of a request to a name that has no address.
UNKNOWN = "name_not_resolved"
# What sockets take, and requests do not.
SOCKET_OPTIONS = frozenset({"subprotocols", "deflate", "ping"})
# Metrics of every run, which a script's would be hidden by.
RESERVED = frozenset({"connection_wait", "completed_rate_per_s"})


class User(Client):
    """One virtual user: one task for the whole run, between whose iterations it waits.

    `id` is unique over all workers, from 0; -1 is the user of a `@once`. `data` is the script's own;
    `arguments` are what `--set NAME=VALUE` gave.
    """

    id: int
    iteration: int
    scenario: str
    data: dict[str, Any]
    arguments: Mapping[str, str]
    _seed: int
    _rng: random.Random | None
    # Of servers that asked for a digest.
    _challenges: dict[tuple[DigestAuth, object], Challenge] | None = None
    # Those that were opened and are not closed.
    _open_sockets: set[Socket] | None = None

    def __new__(
        cls,
        engine: Engine,
        place: int,
        number: int = 0,
        seed: int = 1,
        arguments: Mapping[str, str] | None = None,
    ) -> Self:
        user = super().__new__(cls, engine, place)
        user.id = number
        user.iteration = 0
        user.scenario = ""
        user.data = {}
        user.arguments = arguments or {}
        user._seed = seed
        user._rng = None  # a generator takes 2.5 kB, and most users draw nothing
        return user

    @property
    def rng(self) -> random.Random:
        """Random numbers of this user's own: the same in every run with the same seed."""
        if self._rng is None:
            self._rng = random.Random(f"{self._seed}:{self.id}")  # noqa: S311 - repeatable is what it must be
        return self._rng

    def expect(self, ok: object, name: str) -> bool:
        """A named check: counted, and never raising. Returns whether it passed."""
        passed = bool(ok)
        self._engine.check(name, passed)
        return passed

    async def pause(self, seconds: float, most: float | None = None) -> None:
        """Waits so many seconds, or a time drawn evenly between two."""
        await asyncio.sleep(seconds if most is None else self.rng.uniform(seconds, most))

    def measure(self, name: str) -> Measure:
        """Measures a block of code, `with` or `async with`, as an operation of this name.

        It counts like a request, unless loadgen's own requests are made in it, which count themselves.
        """
        return Measure(self, name)

    def stream(self, method: str, url: str, *, measure: str = "event", **options: Any) -> Stream:
        """A request whose response is read while it comes: `async with` it, or `async for event in` it.

        `measure` says what its events are in the results: "time to first event", "gap between events",
        "events per second". Takes what other requests take; `timeout` is for its head, `idle_timeout` for
        the time between two pieces of its body: as long as `timeout`, unless it is given.
        """
        return Stream(self, method, url, measure, options)

    def ws(
        self,
        url: str,
        *,
        subprotocols: Sequence[str] = (),
        deflate: bool = False,
        ping: float | str | None = None,
        **options: Any,
    ) -> Opening:
        """A WebSocket: `async with user.ws("/feed") as ws`, or `ws = await user.ws("/feed").open()`.

        `deflate` offers compression, `ping` asks the server again and again whether it is still there. Takes
        what requests take, but for bodies; `timeout` is for the handshake, a pong and, unless they have their
        own, for replies.
        """
        known = {"subprotocols": list(subprotocols), "deflate": deflate, "ping": ping}
        return Opening(self, url, {**known, **options})

    def counter(self, name: str, amount: float = 1) -> None:
        """Adds to a sum."""
        self._engine.counter(_free(name), amount)

    def gauge(self, name: str, value: float) -> None:
        """Shows a present value."""
        self._engine.gauge(_free(name), value)

    def rate(self, name: str, ok: object) -> None:
        """Counts how often something is so."""
        self._engine.rate(_free(name), bool(ok))

    def trend(self, name: str, value: float) -> None:
        """Adds a value to a distribution."""
        self._engine.trend(_free(name), value)

    # What the client's own code and the policies need.

    async def _find_and_send(
        self, site: str, method: str, url: str, options: dict[str, Any] | None
    ) -> Response:
        """A request to a site that is not known yet: its name is looked up first, once for all users."""
        if not await self._find(site):
            return self._refuse(method, url, options or {}, UNKNOWN)
        return await super()._send(method, url, **options or {})

    async def _open(self, method: str, url: str, **options: Any) -> tuple[EngineStream | None, Response]:
        """One attempt, answered when its head has come; with what takes its body, if it was sent."""
        stream = self._stream(method, url, **options)
        if isinstance(stream, str):  # a site that is not known yet
            if not await self._find(stream):
                return None, self._refuse(method, url, options, UNKNOWN)
            stream = self._stream(method, url, **options)
            assert isinstance(stream, EngineStream)
        try:
            return stream, await stream.head
        except asyncio.CancelledError:
            stream.leave()
            raise

    async def _open_socket(self, url: str, **options: Any) -> EngineSocket:
        """A socket whose handshake is on its way."""
        asked = self._socket(url, **options)
        if isinstance(asked, str):  # a site that is not known yet
            if not await self._find(asked):
                own = {name: value for name, value in options.items() if name not in SOCKET_OPTIONS}
                refused = self._refuse(
                    "WS", url.replace("ws", "http", 1) if "://" in url else url, own, UNKNOWN
                )
                raise SocketClosed(f"{refused.url}: {UNKNOWN}", kind=UNKNOWN)
            asked = self._socket(url, **options)
            assert isinstance(asked, EngineSocket)
        return asked

    @property
    def _sockets(self) -> set[Socket]:
        if self._open_sockets is None:
            self._open_sockets = set()
        return self._open_sockets

    def _leave_sockets(self) -> None:
        """What its script has left open is closed with its end. Their answers come while others go on."""
        for left in self._open_sockets or ():
            if left.open:
                self._engine.counter("sockets left open", 1)
            left._leave(NORMAL, "")
        self._open_sockets = None

    async def _find(self, site: str) -> bool:
        """Makes a site known; whether it has an address."""
        loop = cast("LoadgenLoop", asyncio.get_running_loop())
        known = self._engine.known_addresses(site)
        if known is not None:
            self._engine.add_origin(site, known)
            return True
        lookup = loop.lookups.get(site)
        if lookup is None:
            lookup = loop.lookups[site] = loop.create_task(self._look_up(site))
        # One user that goes must not take the answer from the others.
        return await asyncio.shield(lookup)

    async def _look_up(self, site: str) -> bool:
        """Makes a site known to the engine; whether it has an address."""
        loop = cast("LoadgenLoop", asyncio.get_running_loop())
        parts = urlsplit(site)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme.replace("ws", "http")]
        begun_ns = monotonic_ns()
        try:
            found = await loop.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)
            dns_ns = monotonic_ns() - begun_ns
            hosts = [str(address[0]) for *_, address in found]
            addresses = [f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in hosts]
            self._engine.add_origin(site, addresses, None if is_address(host) else dns_ns)
        except (OSError, ValueError) as error:  # ValueError: no name can look like that
            self._event(
                "script_warning", f"{host} cannot be resolved: {getattr(error, 'strerror', None) or error}"
            )
            loop.call_later(UNRESOLVED_S, loop.lookups.pop, site, None)
            return False
        return True

    def _engine_count(self, name: str) -> None:
        if self.id >= 0:  # what is done before the load is not in its sums
            self._engine.count(name, 1)

    def _event(self, kind: str, text: str) -> None:
        tell(self._engine, kind, text=text)


class Measure:
    """A block of code that is measured; see User.measure."""

    __slots__ = ("_begun_ns", "_name", "_requests", "_user")

    def __init__(self, user: User, name: str) -> None:
        self._user = user
        self._name = name

    def __enter__(self) -> Self:
        self._requests = self._user._requests
        self._begun_ns = monotonic_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        user, engine = self._user, self._user._engine
        ok: bool | None = kind is None
        if kind is not None and (
            issubclass(kind, Exhausted)
            or (issubclass(kind, asyncio.CancelledError) and engine.phase in ENDED)
        ):
            ok = None  # broken off with the data or with the run: unfinished, and no failure
        engine.operation(user._place, self._name, self._begun_ns, user._requests > self._requests, ok)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def tell(engine: Engine, kind: str, **fields: object) -> None:
    """Tells the parent of an event. Half a surrogate pair, as undecodable bytes become, is told escaped."""
    told = {name: _printable(value) if isinstance(value, str) else value for name, value in fields.items()}
    engine.report("event " + msgspec.json.encode({"kind": kind, **told}).decode())


def _free(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name} is a metric of loadgen's own: give yours another name")
    return name


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
