"""`self.client` of a FastHttpUser: the same engine, with the surface and the headers of the other client."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from loadgen.importers.locust.authorization import basic
from loadgen.importers.locust.bodies import body_of_fast, encode_pairs
from loadgen.importers.locust.cookies import CookieJar
from loadgen.importers.locust.exceptions import failure_of
from loadgen.importers.locust.mapping import CaseInsensitiveDict
from loadgen.importers.locust.response import FAILED, Response
from loadgen.importers.locust.session import Asked, Session, check_url, origin_of, requoted, without
from loadgen.importers.locust.streamed import in_chunks, in_lines, in_text

# Responses and sessions are two halves of a client.

HEADERS = {"User-Agent": "loadgen", "Accept-Encoding": "gzip, deflate, br"}
TIMEOUT_S = 60.0
_OF_BODIES = frozenset({"content-length", "content-type", "content-encoding", "transfer-encoding"})


class HTTPConnectionClosed(ConnectionError):
    """The peer closed the connection before it had answered."""


class RetriesExceeded(ConnectionError):
    """Redirected on and on."""


class LocustBadStatusCode(ConnectionError):
    """A status of 400 or above."""

    def __init__(self, url: str | None, code: int) -> None:
        super().__init__()
        self.url, self.code = url, code

    def __str__(self) -> str:
        return f"URL {self.url}: code={self.code}"

    def __repr__(self) -> str:
        return f"LocustBadStatusCode(code={self.code})"


class FastResponse(Response):
    """What came, or how it failed."""

    @property
    def status(self) -> int:
        """0 where none came."""
        return self.status_code

    @property
    def url(self) -> str:
        """Where it comes from in the end."""
        return self._asked.url

    @property
    def data(self) -> Any:
        """The body; None where nothing came."""
        return self.content

    @property
    def text(self) -> str | None:
        """The body as text; None where nothing came."""
        if not self.status_code:
            return None
        return str(self.content.decode(self.encoding or "utf-8", "replace"))

    @property
    def error(self) -> Exception | None:
        """What went wrong."""
        return self._session._counted(self)

    @property
    def ok(self) -> bool:
        """A status below 400."""
        return self.status_code < FAILED

    def __bool__(self) -> bool:
        return True

    def raise_for_status(self) -> None:
        """Raises where its status is 400 or above, or nothing came; or as its with-block has said."""
        error = self.error if self._said is None else self._said
        if isinstance(error, Exception):
            raise error

    @property
    def stream(self) -> Any:
        """The body as a file."""
        return self.raw

    def read(self, size: int = -1) -> bytes:
        """So many bytes of the body, from where the last were read."""
        return self.raw.read(size)

    def readline(self) -> bytes:
        """A line of it."""
        return self.raw.readline()

    def iter_content(self, chunk_size: int | None = 1024, decode_content: bool = True) -> Iterator[Any]:
        """The body in pieces: as text, where they are."""
        for chunk in in_chunks(self._pieces(), chunk_size):
            try:
                yield chunk.decode() if decode_content else chunk
            except UnicodeDecodeError:
                yield chunk

    def iter_lines(self, *_: Any, **__: Any) -> Iterator[str]:
        """The body by lines."""
        return in_lines(in_text(self._pieces(), self.encoding or "utf-8"))

    def release(self) -> None:
        """No more of it is wanted."""
        self.close()

    def isclosed(self) -> bool:
        """Whether nothing more will come."""
        return self._body is None or self._body.is_over


class FastHttpSession(Session):
    """Requests of one user."""

    response_class = FastResponse
    # By base URL, default headers and time, for all users that have the same.
    _all_known: ClassVar[dict[Any, dict[Any, Asked]]] = {}

    def __init__(
        self,
        base_url: str | None,
        request_event: Any,
        user: Any,
        *_: Any,
        **options: Any,
    ) -> None:
        self._auth_header: str | None = None
        super().__init__(base_url, user, request_event)
        if "://" in self.base_url and "@" in urlsplit(self.base_url).netloc:
            self.base_url, credentials = check_url(self.base_url)
            self.auth_header = basic(*credentials) if credentials else None
        self.max_redirects = options.get("max_redirects") or 30
        self.timeout_s = float(options.get("network_timeout") or TIMEOUT_S)
        self.default_headers = {**HEADERS, **(options.get("headers") or options.get("default_headers") or {})}
        self.cookiejar = CookieJar(self._user, self.base_url)
        headers = tuple(self.default_headers.items())
        self._kind = (self.base_url, self.auth_header, headers, self.timeout_s)
        self._is_own = self._user is None

    # What all requests have in common. Whoever changes it has requests of his own from then on.

    @property
    def default_headers(self) -> MutableMapping[str, Any]:
        """Of every request."""
        return self._default_headers

    @default_headers.setter
    def default_headers(self, headers: Any) -> None:
        self._default_headers = CaseInsensitiveDict(headers, changed=self._forget)
        self._forget()

    @property
    def auth_header(self) -> str | None:
        """Who asks."""
        return self._auth_header

    @auth_header.setter
    def auth_header(self, header: str | None) -> None:
        self._auth_header = header
        self._forget()

    def _forget(self) -> None:
        self._is_own = True
        super()._forget()

    def _shared(self) -> dict[Any, Asked] | None:
        return None if self._is_own else self._all_known.setdefault(self._kind, {})

    # The verbs.

    def get(self, url: str, *, catch_response: bool = False, **options: Any) -> FastResponse:
        """Sends a GET."""
        if not options and self.request_name is None and self._known is not None:
            asked = self._known.get(url)
            if asked is not None:
                return self._send(asked, catch_response)  # type: ignore[return-value]
        options["catch_response"] = catch_response
        return self._ask("GET", url, options)  # type: ignore[return-value]

    def options(self, url: str, **options: Any) -> FastResponse:
        """Sends OPTIONS."""
        return self._ask("OPTIONS", url, options)  # type: ignore[return-value]

    def head(self, url: str, **options: Any) -> FastResponse:
        """Sends a HEAD."""
        return self._ask("HEAD", url, options)  # type: ignore[return-value]

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> FastResponse:
        """Sends a POST."""
        return self._ask("POST", url, {"data": data, "json": json, **options})  # type: ignore[return-value]

    def put(self, url: str, data: Any = None, json: Any = None, **options: Any) -> FastResponse:
        """Sends a PUT."""
        return self._ask("PUT", url, {"data": data, "json": json, **options})  # type: ignore[return-value]

    def patch(self, url: str, data: Any = None, json: Any = None, **options: Any) -> FastResponse:
        """Sends a PATCH."""
        return self._ask("PATCH", url, {"data": data, "json": json, **options})  # type: ignore[return-value]

    def delete(self, url: str, **options: Any) -> FastResponse:
        """Sends a DELETE."""
        return self._ask("DELETE", url, options)  # type: ignore[return-value]

    def request(self, method: str, url: str, name: str | None = None, **options: Any) -> FastResponse:
        """Sends a request."""
        return self._ask(method, url, {"name": name, **options})  # type: ignore[return-value]

    def iter_lines(self, url: str, method: str = "GET", **options: Any) -> Iterator[str]:
        """A response by lines, as they come."""
        response = self.request(method, url, stream=True, **options)
        response.raise_for_status()
        yield from response.iter_lines()

    # Preparing.

    def _meant(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if value is not None}

    def _prepare(self, method: str, url: str, name: str | None, options: dict[str, Any]) -> Asked:
        whole, credentials = check_url(
            url if url.lower().startswith(("http://", "https://")) else self.base_url + url
        )
        data, json = options.get("data"), options.get("json")
        if data:
            json = None
        body = body_of_fast(data, json, options.get("files"))
        headers = CaseInsensitiveDict(self.default_headers)
        headers.update(
            {name: value for name, value in (options.get("headers") or {}).items() if value is not None}
        )
        if json is not None:
            for known in ("Content-Type", "Accept"):
                headers.setdefault(known, "application/json")
        elif body.kind is not None:
            headers.setdefault("Content-Type", body.kind)
        headers.pop("content-length", None)
        if body.is_chunked:
            headers["Transfer-Encoding"] = "chunked"
        auth = options.get("auth")
        if auth is not None:
            headers["Authorization"] = basic(*auth)
        elif credentials is not None:
            headers.setdefault("Authorization", basic(*credentials))
        elif self.auth_header is not None:
            headers["Authorization"] = self.auth_header
        # What it does not know is put into the query.
        params = dict(options.get("params") or {}) if not isinstance(options.get("params"), str) else {}
        query = [encode_pairs(options["params"])] if options.get("params") else []
        query += [encode_pairs({name: options[name]}) for name in options.keys() - _OPTIONS - params.keys()]
        sent = [(name, str(value)) for name, value in headers.items()]
        name = url if name is None else name
        asked = Asked(method, whole, name, sent, body.content, self.timeout_s)
        asked.target = requoted(_with_query(asked.target, query))
        return asked

    def _next(self, response: Response, asked: Asked, url: str) -> Asked:
        status, method, headers, body = response.status_code, asked.method, asked.headers, asked.body
        whole = requoted(check_url(url)[0])
        left = {"cookie", "cookie2"}
        if status in (301, 302, 303):
            left |= _OF_BODIES
            method, body = method if method == "HEAD" else "GET", None
        if origin_of(whole) != origin_of(response._first.url):
            left.add("authorization")
        return Asked(method, whole, asked.name, without(headers, left), body, asked.timeout)

    # Judging.

    def _errors(self, response: Response) -> tuple[Exception, Exception]:
        error = self._counted(response) or Exception()
        return error, error

    def _counted(self, response: Response) -> Exception | None:
        if response.status_code == 0:
            if response._broken is not None:
                return response._broken[1]
            kind = response._raw.error or ""
            return HTTPConnectionClosed("connection closed.") if kind == "closed" else failure_of(kind)[1]
        if response.status_code < FAILED:
            return None
        return LocustBadStatusCode(response.url, response.status_code)

    def _too_many(self, first: Response) -> tuple[Exception, Exception]:
        error = RetriesExceeded(first._asked.url, f"Redirection limit reached ({self.max_redirects})")
        return error, error


_OPTIONS = frozenset({"params", "data", "json", "headers", "files", "auth"})


def _with_query(url: str, query: list[str]) -> str:
    joined = "&".join(query)
    if joined:
        url += ("&" if "?" in url else "?") + joined
    return url
