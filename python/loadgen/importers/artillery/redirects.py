"""Where a response leads, followed as got follows it: each step counts as a request of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from loadgen.importers.artillery.urls import as_node_writes, sendable
from loadgen.importers.artillery.virtual_user import VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.user import Response

REDIRECTS = frozenset({300, 301, 302, 303, 304, 307, 308})
MOST_REDIRECTS = 10
# What a redirect to another host does not take along.
_CREDENTIALS = frozenset({"host", "cookie", "authorization"})


async def follow(
    vu: VirtualUser, method: str, response: Response, options: Mapping[str, Any], label: str
) -> Response:
    """The method stays, but after a 303, which is fetched by GET."""
    for _ in range(MOST_REDIRECTS):
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            return response
        url = as_node_writes(urljoin(response.url, location))
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
        options = sendable(url, {**options, "name": f"{label} (redirected)"})
        response = await vu.user.request(method, url, **options)
        if response.error is not None:
            return response
    if response.status in REDIRECTS and response.headers.get("location"):
        raise VuFailed("Redirected 10 times. Aborting.", "ERR_TOO_MANY_REDIRECTS")
    return response
