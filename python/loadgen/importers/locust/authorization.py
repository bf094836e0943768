"""Who asks, in the ways that `requests` has: a pair, or a callable that puts headers on a request."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NAMES = ("AuthBase", "HTTPBasicAuth", "HTTPProxyAuth", "HTTPDigestAuth")


class AuthBase:
    """What callables are made of."""

    def __call__(self, request: Any) -> Any:
        raise NotImplementedError("Auth hooks must be callable.")


class HTTPBasicAuth(AuthBase):
    """User and password, in a header."""

    header = "Authorization"

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self.username = username
        self.password = password

    def __call__(self, request: Any) -> Any:
        request.headers[self.header] = basic(self.username, self.password)
        return request


class HTTPProxyAuth(HTTPBasicAuth):
    """The same for a proxy."""

    header = "Proxy-Authorization"


class HTTPDigestAuth(AuthBase):
    """An answer to a challenge, which is refused when it is used."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def handle_401(self, *_: Any, **__: Any) -> None:
        """By this it is known."""


def basic(user: str | bytes, password: str | bytes) -> str:
    """The value of the header."""
    parts = (
        text.encode("latin-1", "replace") if isinstance(text, str) else text for text in (user, password)
    )
    return "Basic " + b64encode(b":".join(parts)).decode()


def authorize(auth: Any, request: Any, headers: MutableMapping[str, str]) -> None:
    """Puts on what says who asks."""
    if auth is None:
        return
    if isinstance(auth, tuple | list) and len(auth) == 2:
        headers["Authorization"] = basic(*auth)
        return
    if hasattr(auth, "handle_401"):
        raise NotImplementedError(
            "digest authorization is not there for Locust files: loadgen scripts have DigestAuth"
        )
    changed = auth(request)
    if changed is not request and hasattr(changed, "headers"):
        headers.update(changed.headers)
