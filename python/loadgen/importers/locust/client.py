"""`self.client` of a HttpUser: a session with the surface that those of `requests` have."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from loadgen.importers.locust.authorization import authorize
from loadgen.importers.locust.bodies import Body, body_of_requests, encode_pairs
from loadgen.importers.locust.cookies import CookieJar, pairs_of
from loadgen.importers.locust.exceptions import (
    HTTPError,
    InvalidHeader,
    InvalidJSONError,
    TooManyRedirects,
    timed_out,
)
from loadgen.importers.locust.mapping import CaseInsensitiveDict
from loadgen.importers.locust.response import FAILED, Response
from loadgen.importers.locust.session import (
    FOREVER_S,
    REMEMBERED,
    Asked,
    Session,
    check_url,
    origin_of,
    requoted,
    without,
)

# Responses and sessions are two halves of a client.

# What `requests` says of itself, but for the name.
HEADERS = {
    "User-Agent": "loadgen",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept": "*/*",
    "Connection": "keep-alive",
}
_OF_BODIES = ("content-length", "content-type", "transfer-encoding")


class HttpSession(Session):
    """Requests of one user, with what all of them have in common."""

    # By base URL and name, for users whose sessions are as they were made.
    _untouched: ClassVar[dict[str, dict[Any, Asked]]] = {}

    def __init__(
        self,
        base_url: str | None,
        request_event: Any,
        user: Any,
        *_: Any,
        pool_manager: Any = None,
        **__: Any,
    ) -> None:
        del pool_manager  # connections are the worker's
        self._auth: Any = None
        self._params: Any = {}
        self._is_own = True
        super().__init__(base_url, user, request_event)
        self.headers = CaseInsensitiveDict(HEADERS)
        if "://" in self.base_url and "@" in urlsplit(self.base_url).netloc:
            self.base_url, self.auth = check_url(self.base_url)
        else:
            self._is_own = False
        self._cookies = CookieJar(self._user, self.base_url)
        self.verify: Any = True
        self.cert: Any = None
        self.proxies: dict[str, str] = {}
        self._hooks: dict[str, Any] = {"response": []}
        self._is_hooked = False
        self.stream = False
        self.trust_env = False
        self.adapters: dict[str, Any] = {}

    # What all requests have in common. Whoever changes it has requests of his own from then on.

    @property
    def headers(self) -> MutableMapping[str, Any]:
        """Of every request."""
        return self._headers

    @headers.setter
    def headers(self, headers: Any) -> None:
        self._headers = CaseInsensitiveDict(headers, changed=self._forget)
        self._forget()

    @property
    def auth(self) -> Any:
        """Who asks."""
        return self._auth

    @auth.setter
    def auth(self, auth: Any) -> None:
        self._auth = auth
        self._forget()

    @property
    def params(self) -> Any:
        """In the query of every request."""
        self._forget()  # it may be changed where it lies
        return self._params

    @params.setter
    def params(self, params: Any) -> None:
        self._params = params
        self._forget()

    @property
    def cookies(self) -> CookieJar:
        """Of every request to where they belong."""
        return self._cookies

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        pairs = pairs_of(cookies)  # first: they may be its own
        self._cookies.clear()
        self._cookies.update(pairs)

    @property
    def hooks(self) -> dict[str, Any]:
        """What is called with each response."""
        self._is_hooked = True  # it may be changed where it lies
        self._forget()
        return self._hooks

    @hooks.setter
    def hooks(self, hooks: dict[str, Any]) -> None:
        self._hooks, self._is_hooked = hooks, True
        self._forget()

    def _forget(self) -> None:
        self._is_own = True
        super()._forget()

    def _shared(self) -> dict[Any, Asked] | None:
        return None if self._is_own or self._user is None else self._untouched.setdefault(self.base_url, {})

    # The verbs.

    def get(self, url: str, *, catch_response: bool = False, **options: Any) -> Response:
        """Sends a GET."""
        if not (options or self._is_hooked or self._known is None or self.request_name):
            asked = self._known.get(url)
            if asked is not None:
                return self._send(asked, catch_response)
        options["catch_response"] = catch_response
        return self._request("GET", url, options)

    def options(self, url: str, **options: Any) -> Response:
        """Sends OPTIONS."""
        return self._request("OPTIONS", url, options)

    def head(self, url: str, **options: Any) -> Response:
        """Sends a HEAD."""
        return self._request("HEAD", url, options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Sends a POST."""
        return self._request("POST", url, _with(options, data, json))

    def put(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Sends a PUT."""
        return self._request("PUT", url, _with(options, data, json))

    def patch(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Sends a PATCH."""
        return self._request("PATCH", url, _with(options, data, json))

    def delete(self, url: str, **options: Any) -> Response:
        """Sends a DELETE."""
        return self._request("DELETE", url, options)

    def request(self, method: str, url: str, name: str | None = None, **options: Any) -> Response:
        """Sends a request."""
        if name is not None:
            options["name"] = name
        return self._request(method, url, options)

    def _request(self, method: str, url: str, options: dict[str, Any]) -> Response:
        if not self._is_hooked and "hooks" not in options:
            return self._ask(method, url, options)
        given = _hooks_of(options.pop("hooks", None) or {})
        response = self._ask(method, url, options)
        for hook in (given or _hooks_of(self._hooks)) if response.status_code else ():
            answer = hook(response)
            response = response if answer is None else answer
        return response

    # Preparing.

    def _meant(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if value is not None and name not in _RUN_WIDE}

    def _follows(self, method: str) -> bool:
        return method != "HEAD"

    def _prepare(self, method: str, url: str, name: str | None, options: dict[str, Any]) -> Asked:
        for unknown in options.keys() - _OPTIONS:
            raise TypeError(f"HttpSession.request() got an unexpected keyword argument {unknown!r}")
        url = url.lstrip()
        whole, credentials = check_url(
            url if url.lower().startswith(("http://", "https://")) else self.base_url + url
        )
        whole = _with_query(whole, _merged(self._params, options.get("params")))
        headers = self._headers.copy()
        headers.update(options.get("headers") or {})
        kept = {name: value for name, value in headers.items() if value is not None}
        auth = options.get("auth") or self._auth or credentials
        asked = Asked(
            method,
            whole,
            _path_url(whole) if name is None else name,
            [],
            None,
            _timeout_s(options.get("timeout")),
            pairs_of(options.get("cookies")),
        )
        try:
            body = body_of_requests(options.get("data"), options.get("json"), options.get("files"))
            asked.body = _content(method, body)
            asked.headers = _headers(kept, body, auth, asked)
        except (InvalidHeader, InvalidJSONError) as error:  # counts as a request that failed
            asked.error = error
        return asked

    def _next(self, response: Response, asked: Asked, url: str) -> Asked:
        """By the rules of `requests`."""
        status, method = response.status_code, asked.method
        if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
            method = "GET"
        whole = requoted(check_url(url)[0])
        left, body = {"cookie"}, asked.body
        if status not in (307, 308):
            left.update(_OF_BODIES)
            body = None
        if _leaves(asked.url, whole):
            left.add("authorization")
        headers = without(asked.headers, left)
        return Asked(method, whole, asked.name, headers, body, asked.timeout, asked.cookies)

    # Judging.

    def _errors(self, response: Response) -> tuple[Exception, Exception]:
        if response._raw.error != "timeout":
            return super()._errors(response)
        _, host, port = origin_of(response._asked.url)
        return timed_out(host, port, response._asked.timeout)

    def _counted(self, response: Response) -> Exception | None:
        if response.status_code == 0:
            return self._errors(response)[1]
        if response.status_code < FAILED:
            return None
        # Under the name, because each URL would be a kind of failure of its own.
        return HTTPError(response._status_text(response._first.name), response=response)

    def _too_many(self, first: Response) -> tuple[Exception, Exception]:
        error = TooManyRedirects(f"Exceeded {self.max_redirects} redirects.", response=first)
        return error, error

    def mount(self, prefix: str, adapter: Any) -> None:
        """Adapters are for connections of `requests`; those here are the worker's."""
        self.adapters[prefix] = adapter

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# Of the run, and not of a request: the importer says so before it begins.
_RUN_WIDE = frozenset({"verify", "cert", "proxies"})
_OPTIONS = frozenset({"params", "data", "json", "headers", "cookies", "files", "auth", "timeout"})


def _with(options: dict[str, Any], data: Any, json: Any) -> dict[str, Any]:
    if data is not None:
        options["data"] = data
    if json is not None:
        options["json"] = json
    return options


def _hooks_of(hooks: Mapping[str, Any]) -> list[Any]:
    found = hooks.get("response") or []
    return list(found) if isinstance(found, list | tuple) else [found]


def _content(method: str, body: Body) -> bytes | None:
    """Without a body its length is said, but where nobody expects one."""
    return b"" if body.content is None and method.upper() not in ("GET", "HEAD") else body.content


def _headers(kept: dict[str, Any], body: Body, auth: Any, asked: Asked) -> list[tuple[str, str]]:
    headers = CaseInsensitiveDict(kept)
    if body.kind is not None and "content-type" not in headers:
        headers["Content-Type"] = body.kind
    headers.pop("content-length", None)
    if body.is_chunked:
        headers["Transfer-Encoding"] = "chunked"
    if auth is not None:
        authorize(auth, _Unsent(asked, headers), headers)
    return [(name, _value(name, value)) for name, value in headers.items()]


class _Unsent:
    """What a callable that says who asks is given."""

    def __init__(self, asked: Asked, headers: CaseInsensitiveDict) -> None:
        self.method, self.url, self.body, self.headers = asked.method, asked.url, asked.body, headers
        self.hooks: dict[str, list[Any]] = {"response": []}

    @property
    def path_url(self) -> str:
        """Path and query."""
        return _path_url(self.url)

    def register_hook(self, *_: Any, **__: Any) -> None:
        """Nothing is called afterwards."""


def _value(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        raise InvalidHeader(
            f"Header part ({value!r}) from ({name!r}, {value!r}) must be of type str or bytes"
        )
    if value[:1].isspace() or "\r" in value or "\n" in value:
        raise InvalidHeader(
            # Which it is, not what it holds: it may be a secret, and this is kept.
            f"Invalid leading whitespace, reserved character(s), or return character(s) in header {name!r}"
        )
    return value


def _timeout_s(given: Any) -> float:
    """The longest that a request may take; of a pair, what the answer may."""
    if isinstance(given, tuple | list):
        given = given[-1]
    return FOREVER_S if given is None else float(given)


def _merged(common: Any, own: Any) -> Any:
    """What a request says goes before what all say; where it says None, none is sent."""
    if not own:
        own = {}
    elif not isinstance(own, Mapping) or not isinstance(common, Mapping):
        return own
    if not isinstance(common, Mapping):
        return own or common
    return {name: value for name, value in {**common, **own}.items() if value is not None}


def _with_query(url: str, params: Any) -> str:
    url, mark, fragment = url.partition("#")
    query = encode_pairs(params) if params else ""
    if query:
        url += ("&" if "?" in url else "?") + query
    return requoted(url) + mark + fragment


@lru_cache(REMEMBERED)
def _path_url(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _leaves(before: str, after: str) -> bool:
    """Whether what says who asks must be left behind."""
    old, new = urlsplit(before), urlsplit(after)
    if old.hostname != new.hostname:
        return True
    if old.scheme == "http" and old.port in (80, None) and new.scheme == "https" and new.port in (443, None):
        return False
    return origin_of(before) != origin_of(after)
