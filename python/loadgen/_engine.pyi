"""The Rust engine, as Python sees it. The shape is a contract: the extension is tested against this file."""

from asyncio import AbstractEventLoop, Future
from asyncio import Handle as AsyncioHandle
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context
from os import PathLike
from typing import IO, Any, Self, TypeAlias, TypedDict, Unpack, final, overload

from typing_extensions import disjoint_base

from loadgen.auth import Bearer, DigestAuth
from loadgen.headers import Headers
from loadgen.retry import Retry

__all__ = [
    "HAS_HTTP3",
    "Block",
    "Body",
    "Call",
    "Client",
    "Cookies",
    "Engine",
    "EngineError",
    "Event",
    "Histogram",
    "Request",
    "Response",
    "Schedule",
    "Snapshot",
    "Socket",
    "Stream",
    "__version__",
    "is_made",
    "json_at",
    "leaves_out",
    "monotonic_ns",
    "run_worker",
    "serve_target",
]
HAS_HTTP3: bool
__version__: str

class EngineError(Exception):
    """The engine refused what it was given, or met what it cannot mend."""

def is_made(content: object) -> bool:
    """Whether a body is made while it is sent."""

def monotonic_ns() -> int:
    """CLOCK_MONOTONIC: the clock of every stamp, in every process."""

def json_at(path: str, document: str | bytes) -> str | None:
    """The text of a value in a JSON document, such as the one at `data.id`; None where there is none."""

def leaves_out(exceptions: list[str], host: str) -> bool:
    """Whether a host is among those that a proxy is not for: as curl reads `NO_PROXY`."""

def run_worker(plan: bytes, block_fd: int, index: int, control_fd: int, report_fd: int) -> None:
    """Be worker `index` until the plan is done or the parent says stop. Holds no GIL."""

def serve_target(host: str, port: int, *, parent_fd: int | None, log: str | None, feed: str) -> None:
    """Serve the embedded target until a signal or the end of `parent_fd`. Prints its ready line on stdout.

    `feed` is JSON, as `TargetFeed` writes it.
    """

@final
class Schedule:
    """The arrivals of an open plan: a pure function of the plan."""

    def __new__(cls, plan: bytes) -> Self: ...
    @property
    def total(self) -> int:
        """Arrivals of the whole plan, over all workers."""
    @property
    def duration_ns(self) -> int: ...
    def count_before(self, ns: int) -> int:
        """Arrivals due before `ns` since the start."""
    def rate_at(self, ns: int) -> float:
        """Planned arrivals per second at `ns` since the start."""
    def changed(self, at_ns: int, load: bytes) -> Schedule:
        """The same up to an instant since the start, and from there on those of an open load.

        The load is laid from the start of the run, too; arrivals keep their numbers.
        """
    def arrivals(self, worker: int = 0, workers: int = 1) -> Iterator[tuple[int, int]]:
        """(k, due in ns since the start) for the share of one worker, in order."""

@final
class Block:
    """One worker's shared memory: a memfd with one writer."""

    def __new__(cls, labels: int = 1) -> Self: ...
    @property
    def fd(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def heartbeat_ns(self) -> int:
        """The worker's last sign of life; it gives one at least every 250 ms."""
    def close(self) -> None: ...

@final
class Snapshot:
    """The sums of several blocks at one instant.

    Without a label, what is asked is summed over labels whose role is request or operation.
    """

    @staticmethod
    def read(blocks: Sequence[Block]) -> Snapshot: ...
    @property
    def taken_at_ns(self) -> int: ...
    def since(self, earlier: Snapshot) -> Snapshot:
        """The interval between two snapshots."""
    @property
    def counters(self) -> dict[str, int]: ...
    @property
    def statuses(self) -> dict[int, int]: ...
    @property
    def errors(self) -> dict[str, int]: ...
    @property
    def labels(self) -> list[str]: ...
    def label_counters(self, label: str) -> dict[str, int]: ...
    def label_statuses(self, label: str) -> dict[int, int]: ...
    def label_errors(self, label: str) -> dict[str, int]: ...
    def histogram(self, kind: str, label: str | None = None) -> Histogram:
        """`kind`: response, service, connect, send, first_byte, receive, lateness; and the two parts of
        lateness: dispatch, until the loop got round to it, and pool_wait, from then on for a connection.
        """
    def role(self, label: str) -> str:
        """What a label counts: request, operation, group, iteration or trend."""
    def role_counters(self, role: str) -> dict[str, int]: ...
    def role_histogram(self, role: str, kind: str) -> Histogram: ...
    @property
    def tallies(self) -> list[tuple[str, str, float, float, float, float]]:
        """(kind, name, values): check (passed, failed), counter (sum, count), rate (true, false),
        gauge (last, least, most, count).
        """

@final
class Histogram:
    """One distribution: finite samples in ns, and the number of samples that never ended."""

    @property
    def count(self) -> int:
        """Finite samples."""
    @property
    def infinite(self) -> int:
        """Samples that never ended: dropped, cancelled, failed without an answer, unfinished."""
    @property
    def overflow(self) -> int:
        """Samples clamped at the top, which is 2^42 ns, 73 minutes."""
    @property
    def mean_ns(self) -> float | None: ...
    @property
    def stddev_ns(self) -> float | None: ...
    @property
    def min_ns(self) -> int | None: ...
    @property
    def max_ns(self) -> int | None: ...
    def percentile(self, percent: float) -> float | None:
        """Type 1 over finite and infinite samples: `math.inf` in the infinite part, None when empty."""
    def count_above(self, ns: int) -> int:
        """Finite samples above `ns`."""
    def encode(self) -> str:
        """HdrHistogram V2, compressed, base64: the payload of one line of an interval log."""
    def buckets(self) -> list[tuple[int, int, int]]:
        """(lowest, highest, count) of every bucket that is not empty."""

_Query: TypeAlias = Mapping[str, object] | Sequence[tuple[str, object]]
_Fields: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
_Content: TypeAlias = bytes | str | IO[bytes] | IO[str]
# What makes it while it is sent; it is asked for a piece when the last one is on its way.
_Pieces: TypeAlias = Iterable[bytes | str] | AsyncIterable[bytes | str]
_File: TypeAlias = _Content | tuple[str | None, _Content] | tuple[str | None, _Content, str | None]
_Files: TypeAlias = Mapping[str, _File] | Sequence[tuple[str, _File]]

@final
class Response:
    """A response, or how its request failed: then `status` is 0 and `error` says how."""

    @property
    def status(self) -> int: ...
    @property
    def ok(self) -> bool:
        """A status below 400."""
    @property
    def error(self) -> str | None:
        """The kind of failure, such as "connect_refused" or "timeout"."""
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def content(self) -> bytes:
        """The body, decoded. Raises a ValueError where it is not what its header says, or too large."""
    @property
    def num_bytes_downloaded(self) -> int:
        """Of the body as it came, encoded and with the frames of its chunks."""
    @property
    def cookies(self) -> dict[str, str]:
        """What this response sets; the user's own jar is `user.cookies`."""
    @property
    def history(self) -> list[Response]:
        """The redirects that led here, the first one first."""
    def _set_history(self, responses: list[Response]) -> None: ...
    @property
    def text(self) -> str: ...
    def json(self) -> Any:
        """The body, read as JSON. Raises a ValueError that says where it is not."""
    @property
    def elapsed(self) -> float:
        """Seconds from sending to the last byte."""
    @property
    def timings(self) -> dict[str, float]:
        """Its parts in seconds: first_byte, receive."""
    @property
    def _took_ms(self) -> float: ...
    @property
    def _reason(self) -> str: ...
    def raise_for_status(self) -> None:
        """Raises loadgen.StatusError unless `ok`."""

@final
class Request:
    """A request that was made once, to be sent again and again. `loadgen.importers.locust` is made of it."""

    @property
    def lasts(self) -> bool:
        """It counts under its own name: those that are sent before the load do not."""

@final
class Event:
    """A server-sent event."""

    @property
    def event(self) -> str:
        """Its type: "message" where the server does not say."""
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str:
        """The last that the server has given."""
    @property
    def retry(self) -> int | None:
        """How many milliseconds to wait before connecting again, where this event says so."""
    def json(self) -> Any:
        """The data, read as JSON. Raises a ValueError that says where it is not."""

@final
class Call:
    """A request that blocking code waits for."""

    @property
    def response(self) -> Response | None:
        """The answer; None before it has come."""
    def give_up(self) -> None:
        """Nobody waits any more."""

@final
class Stream:
    """A response that is taken while it comes. `loadgen.stream` is made on top of it."""

    @property
    def head(self) -> Future[Response]: ...
    @property
    def sent_ns(self) -> int: ...
    @property
    def is_drained(self) -> bool: ...
    @property
    def error(self) -> str | None: ...
    @property
    def ended(self) -> Response | None: ...
    def wait(self) -> Future[None] | None: ...
    def take(self) -> list[tuple[int, bytes]]: ...
    def take_events(self) -> list[tuple[int, Event]]: ...
    def leave(self) -> None: ...

@final
class Socket:
    """A WebSocket of a script's. `loadgen.socket` is made on top of it."""

    @property
    def url(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def asked_ns(self) -> int: ...
    @property
    def timeout_ns(self) -> int: ...
    @property
    def opened_ns(self) -> int: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def status(self) -> int: ...
    @property
    def error(self) -> str | None: ...
    @property
    def subprotocol(self) -> str | None: ...
    @property
    def close_code(self) -> int | None: ...
    @property
    def close_reason(self) -> str | None: ...
    @property
    def pong_ns(self) -> tuple[int, int]: ...
    @property
    def lags(self) -> bool: ...
    def wait(self) -> Future[None]: ...
    def take(self) -> list[tuple[int, str | bytes]]: ...
    def send(self, message: str | bytes) -> bool: ...
    def ping(self) -> int: ...
    def leave(self, code: int, reason: str) -> None: ...

@final
class Cookies:
    """The cookies of one user, sent where RFC 6265 says."""

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Without a domain: for the host of the base URL."""
    @overload
    def get(
        self, name: str, default: None = None, domain: str | None = None, path: str | None = None
    ) -> str | None: ...
    @overload
    def get(self, name: str, default: str, domain: str | None = None, path: str | None = None) -> str: ...
    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Raises a KeyError where there is none."""
    def clear(self, domain: str | None = None, path: str | None = None) -> None: ...
    def keys(self) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...
    def __getitem__(self, name: str, /) -> str: ...
    def __setitem__(self, name: str, value: str, /) -> None: ...
    def __delitem__(self, name: str, /) -> None: ...
    def __contains__(self, name: str, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...

class _Options(TypedDict, total=False):
    params: _Query | None
    headers: _Fields | None
    cookies: _Fields | None  # besides the user's own
    auth: tuple[str, str] | Bearer | DigestAuth | None
    path: Mapping[str, object] | None  # fills the URL's {names}, whose template is the label
    name: str | None
    timeout: float | str | None
    json: Any
    content: (
        _Content | PathLike[str] | Sequence[_Content | PathLike[str]] | _Pieces | None
    )  # files are read while they are sent
    data: _Query | None
    files: _Files | None
    tags: _Fields | None
    retry: Retry | None
    follow_redirects: bool | None
    expect_continue: bool | None  # ask whether the body is wanted, before it is sent

@disjoint_base
class Client:
    """The requests of a virtual user. A method returns an awaitable; the request is on its way already."""

    def __new__(cls, engine: Engine, place: int) -> Self: ...
    @property
    def _engine(self) -> Engine: ...
    @property
    def _place(self) -> int: ...
    @property
    def _requests(self) -> int: ...
    @property
    def cookies(self) -> Cookies:
        """What this user keeps of what responses set."""
    def request(self, method: str, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a request."""
    def _send(self, method: str, url: str, **options: Any) -> Awaitable[Response]: ...
    def _stream(self, method: str, url: str, **options: Any) -> Stream | str: ...
    def _socket(
        self, url: str, subprotocols: Sequence[str], deflate: bool, ping: float | str | None, **options: Any
    ) -> Socket | str: ...
    def _render(self, method: str, url: str, **options: Any) -> bytes: ...
    def _refuse(self, method: str, url: str, options: dict[str, Any], error: str) -> Response: ...
    def _prepare(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        label: str,
        timeout: float | None,
        cookies: list[tuple[str, str]],
    ) -> Request | str: ...
    def _call(
        self, waiting: object, request: Request, later: bool, after: Response | None = None
    ) -> Call: ...
    def _submit_stream(self, request: Request, later: bool, after: Response | None = None) -> Stream: ...
    def get(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a GET."""
    def post(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a POST."""
    def put(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a PUT."""
    def patch(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a PATCH."""
    def delete(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a DELETE."""
    def head(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends a HEAD."""
    def options(self, url: str, **options: Unpack[_Options]) -> Awaitable[Response]:
        """Sends OPTIONS."""

@final
class Body:
    """A body that is made while it is sent. `loadgen.body` is made on top of it."""

    def __new__(cls, engine: Engine) -> Self: ...
    def wanted(self) -> Future[None] | None: ...
    def add(self, piece: bytes | str) -> None: ...
    def end(self) -> None: ...
    def break_off(self) -> None: ...

@final
class Engine:
    """The engine of a worker that runs Python: one thread, one wait. See rust/python/src/engine.rs."""

    def __new__(
        cls,
        plan: bytes,
        *,
        block_fd: int | None = None,
        index: int = 0,
        control_fd: int | None = None,
        report_fd: int | None = None,
    ) -> Self: ...
    def attach(self, owner: AbstractEventLoop) -> None: ...
    def set_spawn(self, spawn: Callable[[int], None]) -> None: ...
    def set_manners(self, *, cookies: bool = True, authorization: str | None = None) -> None: ...
    def set_policy(self, policy: Callable[..., Awaitable[Response]], *, always: bool = True) -> None: ...
    @property
    def policy(self) -> Callable[..., Awaitable[Response]]: ...
    def call_soon(
        self, callback: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> AsyncioHandle: ...
    def push(self, handle: AsyncioHandle) -> None: ...
    def detach(self) -> None: ...
    def turn(self, timer: float | None, stopping: bool) -> list[tuple[int, int]]: ...
    def run_ready(self) -> None: ...
    @property
    def running_since_ns(self) -> int: ...
    @property
    def turns(self) -> int: ...
    def watch(self, fd: int, what: int, is_new: bool) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def calibrate(self) -> None: ...
    @property
    def sockets(self) -> int: ...
    def report(self, line: str) -> None: ...
    @property
    def phase(self) -> str: ...
    def finish(self) -> None: ...
    def born(self, stream: int) -> tuple[int, int]: ...
    def park(
        self, place: int, ok: bool | None = None, error: str | None = None, rest_s: float = 0.0
    ) -> Future[int | None]: ...
    def go_on(self, place: int, ok: bool) -> Future[int | None] | int | None: ...
    def cast(self, place: int, scenario: int) -> None: ...
    def gone(self, place: int, ok: bool | None = None, *, for_good: bool = False) -> None: ...
    def add_origin(self, site: str, addresses: Sequence[str], dns_ns: int | None = None) -> None: ...
    def known_addresses(self, site: str) -> list[str] | None: ...
    def operation(
        self,
        place: int,
        name: str,
        begun_ns: int,
        is_group: bool,
        ok: bool | None,
        ended_ns: int | None = None,
        error: str | None = None,
    ) -> None: ...
    def check(self, name: str, passed: bool) -> None: ...
    def counter(self, name: str, amount: float) -> None: ...
    def gauge(self, name: str, value: float) -> None: ...
    def rate(self, name: str, is_true: bool) -> None: ...
    def trend(self, name: str, value: float) -> None: ...
    def count(self, what: str, amount: int) -> None: ...
    def settle(
        self,
        response: Response,
        ok: bool | None = None,
        name: str | None = None,
        took_ms: float | None = None,
    ) -> None: ...
    def foreign(self, name: str, took_ms: float, length: int, ok: bool) -> None: ...
    def snapshot(self) -> Snapshot: ...
    def close_the_books(self) -> None: ...
