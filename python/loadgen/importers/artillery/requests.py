"""A request as it goes out, made once where nothing in it varies."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from loadgen.importers.artillery.bodies import body_of, check_body, parts_of
from loadgen.importers.artillery.redirects import REDIRECTS, follow
from loadgen.importers.artillery.templates import render_for
from loadgen.importers.artillery.urls import checked, sendable, with_query
from loadgen.importers.artillery.values import is_true, number_of, seconds, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler, Params
    from loadgen.user import Response

TIMEOUT_S = 10.0
# Of a step, what its templates are in.
_RENDERED = ("headers", "json", "body", "qs", "form", "formData", "auth", "cookie")


def timeout_s(config: Mapping[str, Any]) -> float:
    """How long a response may take; NaN where what is said is no time."""
    value = config.get("timeout") or (config.get("http") or {}).get("timeout") or TIMEOUT_S
    number = number_of(value)
    return number if number == number else seconds(value) or number


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
        path = checked(url).partition("?")[0] if not callable(url) and url.startswith("/") else None
        self._is_usual_label = path is not None and label == f"{method} {path}"
        self._options: dict[str, Any] | None = None
        self._sends_as_is = not self._made and not callable(url) and "cookie" not in parts and not self._trace
        if not self._made:
            self._options = self._assemble({**self._constant, **self._fixed})
        if not callable(url):
            query = self._fixed.get("qs")
            if query is not None:
                self._url = with_query(self._url, query)
            if self._url.startswith(("/", "http")):
                self._url = checked(self._url)
                if self._options is not None:
                    self._options = dict(sendable(self._url, self._options))
            else:
                compiler.wrong(f"{place}.url", f"expected a path or http://…, got {url!r}")

    def _check(self, parts: Mapping[str, Any], place: str, compiler: Compiler) -> None:
        for key in ("headers", "qs", "form", "formData", "cookie", "auth"):
            if key in parts and not callable(parts[key]) and not isinstance(parts[key], Mapping):
                compiler.wrong(f"{place}.{key}", f"expected names and values, got {parts[key]!r}")
                self._fixed.pop(key, None)
        check_body(self._method, self._params, self._folder, place, compiler)
        if compiler.mistakes:  # nothing is sent, so no file need be there
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
            response = await self._send(user, url, **sendable(url, options))
        if response.status in REDIRECTS and self._follows:
            return await follow(vu, self._method, response, options or {}, self._label)
        return response

    def _url_for(self, vu: VirtualUser, rendered: Mapping[str, Any] | None) -> str:
        if not callable(self._url):
            url: str = self._url
            if rendered is None or "qs" not in rendered or "qs" in self._fixed:
                return url
        else:
            url = text_of(self._url(vu))
        query = (rendered if rendered is not None else self._fixed).get("qs")
        return checked(url if query is None else with_query(url, query))

    def params(self) -> Params:
        """What hooks are given before it is sent: as it is written, its templates not yet filled in."""
        url = str(self._params.get("url") or self._params.get("uri"))
        asked: Params = _copied(self._params)
        asked["url"] = f"{self._target}{url}" if url.startswith("/") else url
        asked["method"] = self._method
        asked["timeout"] = self._timeout_ms
        return asked

    async def send_as(self, vu: VirtualUser, asked: Params) -> Response:
        """Sends what hooks have made of it, in which it fills in the templates: so later hooks see it."""
        url = text_of(render_for(asked.pop("uri", None) or asked.get("url") or "", vu, self._functions))
        asked["url"] = url = f"{self._target}{url}" if url.startswith("/") else url
        for key in _RENDERED:
            if asked.get(key) is not None and asked[key] is not UNDEFINED:
                asked[key] = render_for(asked[key], vu, self._functions)
        headers = asked.get("headers") or {}
        asked["headers"] = {str(name).lower(): value for name, value in headers.items()}
        given = {key: asked[key] for key in (*_RENDERED, "gzip") if asked.get(key) not in (None, UNDEFINED)}
        cookie = {**render_for(self._cookie, vu, self._functions), **(given.pop("cookie", None) or {})}
        options = self._assemble(given)
        timeout_ms = number_of(asked.get("timeout"))
        if timeout_ms > 0:
            options["timeout"] = timeout_ms / 1e3
        options["name"] = self._label
        if given.get("qs"):
            url = with_query(url, given["qs"])
        url = checked(self._within(url))
        if cookie:
            _set_cookies(vu, cookie, url)
        if self._trace is not None:
            options["headers"] = [*options.get("headers", ()), self._trace(vu)]
        method = str(asked.get("method") or self._method).upper()
        response = await vu.user.request(method, url, **sendable(url, options))
        follows = asked.get("followRedirect", True) is not False
        if response.status in REDIRECTS and follows:
            return await follow(vu, method, response, options, self._label)
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
        headers: list[tuple[str, str]] = []
        for name, value in (given.get("headers") or {}).items():
            if isinstance(value, list):
                headers += _lines(str(name).lower(), value)
            elif value is not UNDEFINED and value is not None:
                headers.append((str(name).lower(), text_of(value)))
        names = {name for name, _ in headers}
        if given.get("gzip") is False and "accept-encoding" not in names:
            headers.append(("accept-encoding", ""))
        if "formData" in given:
            options["files"] = parts_of(given["formData"], self._folder)
        body, kind = body_of(given)
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


def _sender(method: str) -> Callable[..., Any]:
    """The engine's own method, which needs no look at its name."""
    from loadgen._engine import Client

    sender: Callable[..., Any] = getattr(Client, method.lower())
    return sender


def _copied(value: Any) -> Any:
    """Its own, all the way down: what one virtual user's hook changes is not another's."""
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _lines(name: str, values: list[Any]) -> list[tuple[str, str]]:
    """A header of several values, as Node sends it: a line each, but for cookies."""
    texts = [text_of(value) for value in values]
    return [(name, "; ".join(texts))] if name == "cookie" else [(name, text) for text in texts]


def _set_cookies(vu: VirtualUser, cookies: Mapping[str, Any], url: str) -> None:
    """Into the jar, as if the page had set them."""
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0] or "/"
    for name, value in cookies.items():
        try:
            vu.user.cookies.set(str(name), text_of(value), parts.hostname or "", folder)
        except ValueError as error:
            raise VuFailed(str(error)) from None


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
