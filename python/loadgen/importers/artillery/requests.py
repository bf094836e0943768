"""A request as it goes out, made once where nothing in it varies; and redirects, as got follows them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urljoin, urlsplit

from loadgen.importers.artillery.templates import render_for
from loadgen.importers.artillery.values import is_true, json_bytes, number_of, seconds, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Compiler, Params
    from loadgen.user import Response

REDIRECTS = frozenset({300, 301, 302, 303, 304, 307, 308})
MOST_REDIRECTS = 10
TIMEOUT_S = 10.0
# What a redirect to another host does not take along.
_CREDENTIALS = frozenset({"host", "cookie", "authorization"})
# What Node calls what we call so.
_CODES = {
    "connect_refused": "ECONNREFUSED",
    "connect_timeout": "ETIMEDOUT",
    "timeout": "ETIMEDOUT",
    "reset": "ECONNRESET",
    "closed": "ECONNRESET",
    "name_not_resolved": "ENOTFOUND",
    "no_descriptors": "EMFILE",
    "no_ports": "EADDRNOTAVAIL",
    "tls_expired": "CERT_HAS_EXPIRED",
    "tls_wrong_name": "ERR_TLS_CERT_ALTNAME_INVALID",
    "tls_untrusted": "DEPTH_ZERO_SELF_SIGNED_CERT",
}
# Of a step, what its templates are in.
_RENDERED = ("headers", "json", "body", "qs", "form", "formData", "auth", "cookie")


def timeout_s(config: Mapping[str, Any]) -> float:
    """How long a response may take; NaN where what is said is no time."""
    value = config.get("timeout") or (config.get("http") or {}).get("timeout") or TIMEOUT_S
    number = number_of(value)
    return number if number == number else seconds(value) or number


def node_code(kind: str) -> str:
    """`ECONNREFUSED` for `connect_refused`: under it Artillery counts it."""
    return _CODES.get(kind, f"E{kind.replace('_', '').upper()}")


class Request:
    """What one step sends."""

    def __init__(
        self, method: str, params: Mapping[str, Any], label: str, place: str, compiler: Compiler
    ) -> None:
        self._method = method
        self._params = dict(params)
        self._label = label
        self._functions = compiler.functions
        self._folder = compiler.path.parent
        self._target = str(compiler.config.get("target") or "")
        http = compiler.config.get("http") or {}
        self.is_pooled = http.get("pool") is not None
        defaults = http.get("defaults") or {}
        old = compiler.config.get("defaults") or {}
        cookie = defaults.get("cookie") or old.get("cookie")
        self._cookie = cookie if isinstance(cookie, Mapping) else {}
        self._trace = _tracing(http.get("distributedTracing"))
        self._follows = params.get("followRedirect") is not False
        self._send = _sender(method)
        parts = {key: compiler.render(params[key]) for key in _RENDERED if params.get(key) is not None}
        if self._cookie or "cookie" in parts:
            parts["cookie"] = compiler.render({**self._cookie, **(params.get("cookie") or {})})
        self._fixed = {key: part for key, part in parts.items() if not callable(part)}
        self._made = [(key, part) for key, part in parts.items() if callable(part)]
        self._constant = {key: params[key] for key in ("gzip", "timeout") if key in params}
        self._timeout_ms = 1e3 * (number_of(params.get("timeout")) or timeout_s(compiler.config))
        url: Any = compiler.render(params.get("url") or params.get("uri"))
        self._url: Any = url
        self._check(parts, place, compiler)
        # The engine calls it so by itself, and asked for nothing else it is at its fastest.
        path = "" if callable(url) else str(url).partition("?")[0]
        self._is_usual_label = path.startswith("/") and label == f"{method} {path}"
        self._options: dict[str, Any] | None = None
        self._sends_as_is = not self._made and not callable(url) and "cookie" not in parts and not self._trace
        if not self._made:
            self._options = self._assemble({**self._constant, **self._fixed})
        if not callable(url):
            query = self._fixed.get("qs")
            if query is not None:
                self._url = _with_query(self._url, query)
            if self._url.startswith(("/", "http")):
                self._url = _checked(self._url)
            else:
                compiler.wrong(f"{place}.url", f"expected a path or http://…, got {url!r}")

    def _check(self, parts: Mapping[str, Any], place: str, compiler: Compiler) -> None:
        for key in ("headers", "qs", "form", "formData", "cookie", "auth"):
            if key in parts and not callable(parts[key]) and not isinstance(parts[key], Mapping):
                compiler.wrong(f"{place}.{key}", f"expected names and values, got {parts[key]!r}")
                self._fixed.pop(key, None)
        for name, value in (self._params.get("formData") or {}).items() if "formData" in self._fixed else ():
            if (
                isinstance(value, Mapping)
                and "fromFile" in value
                and not self._file(value["fromFile"]).is_file()
            ):
                compiler.wrong(f"{place}.formData.{name}.fromFile", f"{value['fromFile']} is not there")
                self._fixed.pop("formData", None)

    async def send(self, vu: VirtualUser) -> Response:
        """Sends it, and follows where it leads."""
        user = vu.user
        if self._sends_as_is:
            options = self._options
            assert options is not None
            url: str = self._url
            response: Response = await (
                self._send(user, url, **options) if options else self._send(user, url)
            )
        else:
            rendered = None
            if self._made:
                rendered = dict(self._fixed)
                for key, render in self._made:
                    rendered[key] = render(vu)
                options = self._assemble({**self._constant, **rendered})
            else:
                options = self._options or {}
            url = self._url_for(vu, rendered)
            cookie = (rendered or self._fixed).get("cookie")
            if cookie:
                _set_cookies(vu, cookie, url)
            if self._trace is not None:
                options = {**options, "headers": [*options.get("headers", ()), self._trace(vu)]}
            response = await self._send(user, url, **options)
        if response.status in REDIRECTS and self._follows:
            return await _follow(vu, self._method, response, options or {}, self._label)
        return response

    def _url_for(self, vu: VirtualUser, rendered: Mapping[str, Any] | None) -> str:
        if not callable(self._url):
            url: str = self._url
            if rendered is None or "qs" not in rendered or "qs" in self._fixed:
                return url
        else:
            url = text_of(self._url(vu))
        query = (rendered if rendered is not None else self._fixed).get("qs")
        return _checked(url if query is None else _with_query(url, query))

    def params(self) -> Params:
        """What a hook is given before it is sent: as it is written, its templates not yet filled in."""
        url = str(self._params.get("url") or self._params.get("uri"))
        asked: Params = _copied(self._params)
        asked["url"] = f"{self._target}{url}" if url.startswith("/") else url
        asked["method"] = self._method
        asked["timeout"] = self._timeout_ms
        return asked

    def params_for(self, vu: VirtualUser, answer: Answer) -> Params:
        """What a hook is given after it was sent."""
        asked: Params = render_for(self.params(), vu, self._functions)
        asked["url"] = answer.response.url
        return asked

    async def send_as(self, vu: VirtualUser, asked: Params) -> Response:
        """Sends what hooks have made of it; what they have put in may have templates too."""
        url = text_of(render_for(asked.get("uri") or asked.get("url") or "", vu, self._functions))
        rendered = {
            key: render_for(asked[key], vu, self._functions)
            for key in _RENDERED
            if asked.get(key) is not None and asked.get(key) is not UNDEFINED
        }
        written = render_for(self._params.get("headers") or {}, vu, self._functions)
        rendered["headers"] = {
            **{str(name).lower(): value for name, value in written.items()},
            **{str(name).lower(): value for name, value in (rendered.get("headers") or {}).items()},
        }
        cookie = {**render_for(self._cookie, vu, self._functions), **(rendered.pop("cookie", None) or {})}
        options = self._assemble({**rendered, "gzip": asked.get("gzip")})
        timeout_ms = number_of(asked.get("timeout"))
        if timeout_ms > 0:
            options["timeout"] = timeout_ms / 1e3
        options["name"] = self._label
        if rendered.get("qs"):
            url = _with_query(url, rendered["qs"])
        url = _checked(self._within(url))
        if cookie:
            _set_cookies(vu, cookie, url)
        if self._trace is not None:
            options["headers"] = [*options.get("headers", ()), self._trace(vu)]
        method = str(asked.get("method") or self._method).upper()
        response = await vu.user.request(method, url, **options)
        follows = asked.get("followRedirect", True) is not False
        if response.status in REDIRECTS and follows:
            return await _follow(vu, method, response, options, self._label)
        return response

    def _within(self, url: str) -> str:
        """A path again, where it leads to the target: its base is the run's."""
        if (
            self._target
            and url.startswith(self._target)
            and url[len(self._target) : len(self._target) + 1] == "/"
        ):
            return url[len(self._target) :]
        return url

    def _assemble(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the engine's request for what a step says, its templates filled in."""
        options: dict[str, Any] = {}
        headers = [
            (str(name).lower(), text_of(value))
            for name, value in (given.get("headers") or {}).items()
            if value is not UNDEFINED and value is not None
        ]
        names = {name for name, _ in headers}
        if given.get("gzip") is False and "accept-encoding" not in names:
            headers.append(("accept-encoding", ""))
        body, kind = self._body(given, options)
        if body is not None:
            options["content"] = body
            options["_untyped"] = True
            if kind is not None and "content-type" not in names:
                headers.append(("content-type", kind))
        headers = [pair for pair in headers if pair[0] not in ("content-length", "transfer-encoding")]
        auth = given.get("auth")
        if isinstance(auth, Mapping):
            pair = f"{text_of(auth.get('user', ''))}:{text_of(auth.get('pass', ''))}"
            headers = [one for one in headers if one[0] != "authorization"]
            headers.append(("authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        if headers:
            options["headers"] = headers
        if given.get("timeout") is not None and number_of(given["timeout"]) > 0:
            options["timeout"] = number_of(given["timeout"])
        if not self._is_usual_label:
            options["name"] = self._label
        return options

    def _body(self, given: Mapping[str, Any], options: dict[str, Any]) -> tuple[bytes | None, str | None]:
        """The body and its type, of whichever way it is said; files go as options of their own."""
        if "formData" in given:
            options["files"] = [self._part(name, value) for name, value in given["formData"].items()]
            return None, None
        if "json" in given and is_true(given["json"]):
            return json_bytes(given["json"]), "application/json"
        if "form" in given:
            return _query(given["form"]).encode(), "application/x-www-form-urlencoded"
        if "body" in given and is_true(given["body"]):
            body = given["body"]
            return (bytes(body) if isinstance(body, (bytes, bytearray)) else text_of(body).encode()), None
        return None, None

    def _part(self, name: str, value: Any) -> tuple[str, Any]:
        """A part of a form with files."""
        kind = None
        if isinstance(value, Mapping):
            kind = text_of(value["contentType"]) if value.get("contentType") else None
            if value.get("fromFile"):
                path = self._file(text_of(value["fromFile"]))
                guessed = guess_type(path.name)[0] or "application/octet-stream"
                return name, (path.name, _content(path), kind or guessed)
            value = value.get("value", value)
        return name, (None, text_of(value).encode(), kind)

    def _file(self, name: Any) -> Path:
        return self._folder / str(name)


def _sender(method: str) -> Callable[..., Any]:
    """The engine's own method, which needs no look at its name."""
    from loadgen._engine import Client

    sender: Callable[..., Any] = getattr(Client, method.lower())
    return sender


@lru_cache(256)
def _content(path: Path) -> bytes:
    """What an upload sends, read once."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise VuFailed(f"{path.name} cannot be read: {error.strerror or error}", "ENOENT") from None


def _copied(value: Any) -> Any:
    """Its own, all the way down: what one virtual user's hook changes is not another's."""
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


# What does not stay in a URL, beside what the engine sees to; to that, a brace is a place for a value.
_UNSAFE = str.maketrans({char: f"%{ord(char):02X}" for char in '{}"<>`'})


def _checked(url: str) -> str:
    url = url.translate(_UNSAFE)
    if not url.startswith(("/", "http")):
        raise VuFailed(f"Invalid URL - {url}")
    return url


def _with_query(url: str, query: Any) -> str:
    """`qs` takes the place of a query that the URL has."""
    text = _query(query) if isinstance(query, Mapping) else text_of(query)
    head = url.partition("#")[0].partition("?")[0]
    return f"{head}?{text}" if text else head


def _query(fields: Mapping[str, Any]) -> str:
    """As browsers encode forms."""
    pairs = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            text = "" if one in (None, UNDEFINED) or isinstance(one, dict) else text_of(one)
            pairs.append(f"{_encoded(str(name))}={_encoded(text)}")
    return "&".join(pairs)


def _encoded(text: str) -> str:
    return quote_plus(text, safe="*").replace("~", "%7E")


def _set_cookies(vu: VirtualUser, cookies: Mapping[str, Any], url: str) -> None:
    """Into the jar, as if the page had set them."""
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0] or "/"
    for name, value in cookies.items():
        try:
            vu.user.cookies.set(str(name), text_of(value), parts.hostname or "", folder)
        except ValueError as error:
            raise VuFailed(str(error)) from None


async def _follow(
    vu: VirtualUser, method: str, response: Response, options: dict[str, Any], label: str
) -> Response:
    """Where a response leads: the method stays, but after a 303, which is fetched by GET."""
    for _ in range(MOST_REDIRECTS):
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            return response
        url = urljoin(response.url, location)
        if response.status == 303 and method not in ("GET", "HEAD"):
            method = "GET"
            dropped = ("content", "files", "_untyped")
            options = {name: value for name, value in options.items() if name not in dropped}
        here, there = urlsplit(response.url), urlsplit(url)
        if (here.hostname, here.port) != (there.hostname, there.port):
            kept = [pair for pair in options.get("headers", ()) if pair[0] not in _CREDENTIALS]
            options = {**options, "headers": kept, "_trusted": False}
        if not url.startswith("http"):
            raise VuFailed(f"Invalid URL - {url}")
        response = await vu.user.request(method, url, **{**options, "name": f"{label} (redirected)"})
        if response.error is not None:
            return response
    if response.status in REDIRECTS and response.headers.get("location"):
        raise VuFailed("Redirected 10 times. Aborting.", "ERR_TOO_MANY_REDIRECTS")
    return response


def _tracing(wish: Any) -> Callable[[VirtualUser], tuple[str, str]] | None:
    """`traceparent` for each request, where it is asked for."""
    settings = wish if isinstance(wish, Mapping) else {"enabled": wish}
    if not is_true(settings.get("enabled", False)) or settings.get("enabled") == "false":
        return None
    flags = "00" if settings.get("sampled") is False else "01"
    prefix = str(settings.get("traceIdPrefix") or "")[:8].lower()

    def header(vu: VirtualUser) -> tuple[str, str]:
        trace = prefix + f"{vu.rng.getrandbits(128):032x}"[len(prefix) :]
        return "traceparent", f"00-{trace}-{vu.rng.getrandbits(64) or 1:016x}-{flags}"

    return header
