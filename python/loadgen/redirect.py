"""Where a response sends its request on to, by the rules that httpx and browsers have. It sends nothing.

| status        | method of the hop                | body            |
| 303, 302      | GET, but HEAD stays              | gone with it    |
| 301           | GET for a POST, else the same    | gone with it    |
| 307, 308      | the same                         | the same        |
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urljoin, urlsplit

STATUSES = frozenset((301, 302, 303, 307, 308))
_BODIES = ("json", "content", "data", "expect_continue")
# What only counts for the first request: it is in the URL by now, or was for this host.
_SPENT = ("params", "path", "name")
# Meant for the first origin alone.
_OF_ORIGIN = frozenset(("authorization", "cookie", "proxy-authorization", "host"))
_PORTS = {"http": 80, "https": 443}


class Answer(Protocol):
    """What is needed of a response."""

    @property
    def status(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Hop(NamedTuple):
    """The next request."""

    method: str
    url: str
    label: str
    options: dict[str, Any]


def next_hop(response: Answer, options: Mapping[str, Any], base_url: str) -> Hop | None:
    """The request that follows from a response, if one does. `options` are those of the request before."""
    if response.status not in STATUSES:
        return None
    location = response.headers.get("location", "").strip()
    if not location:
        return None
    try:
        # Braces would be taken for names of `path`.
        url = urljoin(response.url, _as_text(location)).replace("{", "%7B").replace("}", "%7D")
        origin = origin_of(url)
    except ValueError:
        return None  # no place that anybody could go to: what was answered stands
    if origin[0] not in _PORTS or not origin[1]:
        return None
    method = _method(response.status, response.method)
    carried = {name: value for name, value in options.items() if name not in _SPENT}
    if method != response.method:
        carried = {name: value for name, value in carried.items() if name not in _BODIES}
        carried["headers"] = headers_without(carried, ("content-type", "content-encoding"))
    if origin != origin_of(response.url):
        carried["headers"] = headers_without(carried, _OF_ORIGIN)
        carried |= {"auth": None, "cookies": None, "_trusted": False}
    parts = urlsplit(url)
    place = "" if origin == origin_of(base_url) else parts.netloc.rpartition("@")[2]
    return Hop(method, url, f"{method} {place}{parts.path or '/'}", carried)


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port. Raises ValueError where there can be none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _method(status: int, method: str) -> str:
    if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
        return "GET"
    return method


def headers_without(options: Mapping[str, Any], names: Collection[str]) -> list[tuple[str, str]]:
    """The headers of a request but for some."""
    headers: Any = options.get("headers") or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, value) for name, value in pairs if str(name).lower() not in names]


def _as_text(location: str) -> str:
    """Headers are read as Latin-1; a path in one is UTF-8 more often than not."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location
