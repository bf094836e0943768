"""What both clients of a Locust user have in common: to ask the engine, to follow redirects, to judge.

get ─▶ known? ──yes──▶ submit ─▶ (the greenlet waits) ─▶ Response
         │no                ▲                   │ redirected: the next hop, of the same request
         └─▶ prepared ──────┘                   ▼
                                    counted by its status, or when the with-block has judged it

The engine counts a request by itself, unless a script is to judge it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from loadgen._engine import Request
from loadgen.importers.locust.driver import wait_for, wait_for_answer
from loadgen.importers.locust.exceptions import InvalidSchema, InvalidURL, MissingSchema, failure_of
from loadgen.importers.locust.failures import FAILURES
from loadgen.importers.locust.flow import LocustError
from loadgen.importers.locust.response import FAILED, REDIRECTS, Response
from loadgen.importers.locust.streamed import Body
from loadgen.url import PORTS

if TYPE_CHECKING:
    from loadgen._engine import Response as EngineResponse
    from loadgen.user import User

# Responses and sessions are two halves of a client, and the engine's part is private to them.

# Requests that are remembered, at most: by all users together, and by one whose headers are its own.
REMEMBERED, OWN_REMEMBERED = 4096, 64
_SAFE = "!#$%&'()*+,/:;=?@[]~"  # in what is encoded already
# A request that nobody gives a time may take as long as it likes, or nearly.
FOREVER_S = 86_400.0


class Asked:
    """A request that was made: it can be sent again and again."""

    __slots__ = (
        "body",
        "cookies",
        "error",
        "headers",
        "label",
        "method",
        "name",
        "request",
        "target",
        "timeout",
        "url",
    )

    def __init__(
        self,
        method: str,
        url: str,
        name: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        timeout: float | None,
        cookies: list[tuple[str, str]] | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.target = url.partition("#")[0]  # what is asked for
        self.name = name
        self.label = f"{method} {name}"
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.cookies = cookies or []  # besides the user's own
        self.request: Request | None = None
        self.error: Exception | None = None  # why it cannot be sent


class Session:
    """See the module. `user` is the Locust user whose requests these are."""

    response_class: type[Response] = Response
    max_redirects = 30
    request_name: str | None = None

    def __init__(self, base_url: str | None, user: Any, request_event: Any) -> None:
        self.base_url = base_url or ""
        self.user = user
        self._event = request_event
        self._user: User | None = getattr(user, "_loadgen", None)
        if self._user is not None:  # looked up once: both stand in the way of every request
            self._call, self._settle = self._user._call, self._user._engine.settle
        self._forget()

    # What a kind of client says for itself.

    def _prepare(self, method: str, url: str, name: str | None, options: dict[str, Any]) -> Asked:
        raise NotImplementedError

    def _next(self, response: Response, asked: Asked, url: str) -> Asked:
        raise NotImplementedError

    def _errors(self, response: Response) -> tuple[Exception, Exception]:
        """What a request that failed raises, and what counts as its failure."""
        return response._broken or failure_of(response._raw.error or "")

    def _counted(self, response: Response) -> Exception | None:
        """What its status makes of a response."""
        raise NotImplementedError

    def _shared(self) -> dict[Any, Asked] | None:
        """What is known to all users like this one."""
        raise NotImplementedError

    # Asking.

    def _forget(self) -> None:
        """What all requests say has changed."""
        self._known: dict[Any, Asked] | None = None

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> Response:
        name = options.pop("name", None) or self.request_name
        catch = options.pop("catch_response", False)
        context = options.pop("context", None)
        follow = options.pop("allow_redirects", None)
        streams = bool(options.pop("stream", False))
        if options and (options := self._meant(options)):
            return self._send(self._prepare(method, url, name, options), catch, context, follow, streams)
        known = self._known
        if known is None:
            shared = self._shared()
            known = self._known = {} if shared is None else shared
        key = url if name is None and method == "GET" else (method, url, name)
        asked = known.get(key)
        if asked is None:
            asked = self._prepare(method, url, name, {})
            if asked.error is None and (request := self._make(asked)) is not None and request.lasts:
                if len(known) >= (OWN_REMEMBERED if self._shared() is None else REMEMBERED):
                    known.clear()
                known[key] = asked
        return self._send(asked, catch, context, follow, streams)

    def _meant(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those that are for this request."""
        return options

    def _send(
        self,
        asked: Asked,
        catch: bool,
        context: Mapping[str, Any] | None = None,
        follow: bool | None = None,
        streams: bool = False,
    ) -> Response:
        request = asked.request or (self._make(asked) if asked.error is None else None)
        if request is None:
            return self._never_sent(asked, catch, context)
        if streams:
            response = self._open(request, asked, catch)
        else:
            raw = wait_for_answer(self._call, request, catch)
            response = self.response_class(raw, asked, self)
        if context:
            response._context = context
        status = response.status_code
        if status in REDIRECTS:
            follows = self._follows(asked.method) if follow is None else follow
            response = self._follow(response, catch, follows, streams)
            status = response.status_code
        if catch:
            response._waits = True
            return response
        if status >= FAILED or not status:
            self._tell(response, self._counted(response))
        elif self._event._handlers:
            self._fire(response, None)
        return response

    def _open(
        self, request: Request, asked: Asked, catch: bool, after: EngineResponse | None = None
    ) -> Response:
        """A response whose head has come. Its request ends when its body was read, or is let go."""
        user = self._user
        assert user is not None
        stream = user._submit_stream(request, catch, after)
        body = Body(user._engine, stream)
        head = stream.head
        assert head is not None
        response = self.response_class(wait_for(head), asked, self)
        response._body = body
        return response

    def _follows(self, method: str) -> bool:
        del method
        return True

    def _make(self, asked: Asked) -> Request | None:
        """Has the engine make it; None where its host has no address."""
        user = self._user
        if user is None:
            raise LocustError("this client has no user: make it with user=self, or use self.client")
        while True:
            made = user._prepare(
                asked.method,
                asked.target,
                asked.headers,
                asked.body,
                asked.label,
                asked.timeout,
                asked.cookies,
            )
            if isinstance(made, Request):
                asked.request = made
                return made
            if not wait_for(user._find(made)):
                return None

    def _never_sent(self, asked: Asked, catch: bool, context: Mapping[str, Any] | None) -> Response:
        """A request that fails before it is sent: it cannot be, or its host has no address."""
        assert self._user is not None
        error = asked.error
        kind = "name_not_resolved" if error is None else "script_error"
        raw = self._user._refuse(asked.method, asked.url, {"name": asked.label}, kind)
        response = self.response_class(raw, asked, self)
        response._context = context or {}
        if error is not None:
            response._broken = error, error
        if catch:
            response._waits = True
        else:
            self._tell(response, self._counted(response))
        return response

    # Following.

    def _follow(self, response: Response, catch: bool, follow: bool, streams: bool = False) -> Response:
        """The response at the end of a chain of redirects: all of it is one request."""
        history: list[Response] = []
        try:
            while follow and response.status_code in REDIRECTS:
                location = response._raw.headers.get("location")
                if not location:
                    break
                if len(history) >= self.max_redirects:
                    response._break(self._too_many(history[0]))
                    break
                hop = self._next(response, response._asked, urljoin(response._asked.url, _as_text(location)))
                hop.label = response._asked.label  # all of it is counted as the first
                request = self._make(hop)
                if request is None:
                    response._break(failure_of("name_not_resolved"))
                    break
                history.append(response)
                if streams:
                    response = self._open(request, hop, catch, response._outcome)
                else:
                    raw = wait_for_answer(self._call, request, catch, response._raw)
                    response = self.response_class(raw, hop, self)
                response._context = history[0]._context
                response.history = history
        except BaseException:
            self._settle(response._outcome)
            raise
        if not catch and response._raw.status in REDIRECTS:  # others were recorded as they ended
            self._settle(response._outcome, None if response.status_code else False)
        return response

    def _too_many(self, first: Response) -> tuple[Exception, Exception]:
        raise NotImplementedError

    # Judging.

    def _judge(self, response: Response, error: Exception | None) -> None:
        """A with-block has ended: this is what came of it."""
        if response._meta is not None:
            self._judge_as_told(response, response._meta, error)
            return
        self._settle(response._outcome, error is None)
        if error is not None or self._event._handlers:
            self._tell(response, error)

    def _judge_as_told(self, response: Response, meta: dict[str, Any], error: Exception | None) -> None:
        """The same, where the block has seen what listeners are told, and may have changed it."""
        first, took_ms = response._first, None
        meta["exception"] = error
        name, method = str(meta["name"]), str(meta["request_type"])
        if meta["response_time"] != response._raw._took_ms:
            took_ms = float(meta["response_time"])
        label = f"{method} {name}"
        renamed = None if label == first.label else label
        self._settle(response._outcome, error is None, renamed, took_ms)
        if error is not None:
            FAILURES.add(method, name, error)
        if self._event._handlers:
            self._fire(response, error)

    def _tell(self, response: Response, error: Exception | None) -> None:
        first = response._first
        if error is not None:
            FAILURES.add(first.method, first.name, error)
        if self._event._handlers:
            self._fire(response, error)

    def _fire(self, response: Response, error: Exception | None) -> None:
        meta = response.request_meta
        meta["exception"] = error
        self._event.tell(**meta)

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """All requests of a block are counted under a name."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def context(self) -> Mapping[str, Any]:
        """What the user says beside each of its requests."""
        return self.user.context() if hasattr(self.user, "context") else {}

    def close(self) -> None:
        """Connections are the worker's."""


@lru_cache(REMEMBERED)
def check_url(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL that is sent, without what is in it of user and password; and them."""
    scheme, mark, _ = url.partition("://")
    if not mark:
        raise MissingSchema(f"Invalid URL {url!r}: No scheme supplied. Perhaps you meant https://{url}?")
    if scheme.lower() not in ("http", "https"):
        raise InvalidSchema(f"No connection adapters were found for {url!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidURL(f"Failed to parse: {url!r} is not a valid host or port") from None
    host = parts.hostname or ""
    if not host:
        raise InvalidURL(f"Invalid URL {url!r}: No host supplied")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise InvalidURL("URL has an invalid label.") from None
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    credentials = (unquote(user), unquote(password)) if user or colon else None
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    return parts._replace(scheme=scheme.lower(), netloc=place).geturl(), credentials


@lru_cache(REMEMBERED)
def requoted(url: str) -> str:
    """With what may not stand in a URL encoded, and nothing encoded twice."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    if not slash:
        place, mark, query = place.partition("?")
        path = mark + query
    try:
        encoded = quote(path, safe=_SAFE if _is_encoded(path) else _SAFE.replace("%", ""))
    except UnicodeEncodeError:
        encoded = quote(path.encode("utf-8", "surrogateescape"), safe=_SAFE)
    return f"{scheme}://{place}/{encoded}"


def _is_encoded(path: str) -> bool:
    parts = path.split("%")[1:]
    return all(
        len(part) > 1 and all(digit in "0123456789abcdefABCDEF" for digit in part[:2]) for part in parts
    )


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def without(headers: list[tuple[str, str]], names: Collection[str]) -> list[tuple[str, str]]:
    """Those that have none of these names, in small letters."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def _as_text(location: str) -> str:
    """Headers are read as Latin-1; a path in one is UTF-8 more often than not."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location
