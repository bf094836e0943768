"""What goes wrong with a request, under the names and in the tree that `requests` has.

Where `requests` is installed these are its own classes, because a file may import them from there; elsewhere
modules with these stand in for it while a file is loaded.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import RemoteDisconnected
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

IS_INSTALLED = find_spec("requests") is not None

if TYPE_CHECKING or not IS_INSTALLED:

    class RequestException(OSError):
        """The root of them all."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.response = kwargs.pop("response", None)
            self.request = kwargs.pop("request", None) or getattr(self.response, "request", None)
            super().__init__(*args, **kwargs)

    class InvalidJSONError(RequestException):
        """No JSON."""

    class JSONDecodeError(InvalidJSONError, json.JSONDecodeError):
        """A body that is not JSON."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            json.JSONDecodeError.__init__(self, *args)
            InvalidJSONError.__init__(self, *self.args, **kwargs)

    class HTTPError(RequestException):
        """A status of 400 or above."""

    class ConnectionError(RequestException):  # noqa: A001 - it is its name
        """No connection, or none to the end."""

    class ProxyError(ConnectionError):
        """The proxy."""

    class SSLError(ConnectionError):
        """TLS."""

    class Timeout(RequestException):
        """Time was up."""

    class ConnectTimeout(ConnectionError, Timeout):
        """While connecting."""

    class ReadTimeout(Timeout):
        """While waiting for the answer."""

    class URLRequired(RequestException):
        """A URL is needed."""

    class TooManyRedirects(RequestException):
        """Redirected on and on."""

    class MissingSchema(RequestException, ValueError):
        """A URL without http:// or https://."""

    class InvalidSchema(RequestException, ValueError):
        """A URL of another kind."""

    class InvalidURL(RequestException, ValueError):
        """No URL."""

    class InvalidHeader(RequestException, ValueError):
        """A header that cannot be sent."""

    class InvalidProxyURL(InvalidURL):
        """No URL of a proxy."""

    class ChunkedEncodingError(RequestException):
        """A chunk that is none."""

    class ContentDecodingError(RequestException):
        """A body that is not what its header says."""

    class StreamConsumedError(RequestException, TypeError):
        """It was read already."""

    class RetryError(RequestException):
        """Tried again too often."""

    class UnrewindableBodyError(RequestException):
        """A body that cannot be sent twice."""

else:
    from requests.exceptions import (  # noqa: F401 - they are this module's face
        ChunkedEncodingError,
        ConnectionError,  # noqa: A004 - it is its name
        ConnectTimeout,
        ContentDecodingError,
        HTTPError,
        InvalidHeader,
        InvalidJSONError,
        InvalidProxyURL,
        InvalidSchema,
        InvalidURL,
        JSONDecodeError,
        MissingSchema,
        ProxyError,
        ReadTimeout,
        RequestException,
        RetryError,
        SSLError,
        StreamConsumedError,
        Timeout,
        TooManyRedirects,
        UnrewindableBodyError,
        URLRequired,
    )

NAMES = tuple(
    name
    for name, found in list(globals().items())
    if isinstance(found, type) and issubclass(found, RequestException)
)

# What it is for `requests`, and what was below: that is what counts as the failure.
_KINDS: dict[str, tuple[type[Exception], Exception]] = {
    "connect_refused": (ConnectionError, ConnectionRefusedError(111, "Connection refused")),
    "reset": (ConnectionError, ConnectionResetError(104, "Connection reset by peer")),
    "closed": (ConnectionError, RemoteDisconnected("Remote end closed connection without response")),
    "connect_timeout": (ConnectTimeout, TimeoutError("timed out while connecting")),
    "timeout": (ReadTimeout, TimeoutError("timed out")),
    "name_not_resolved": (ConnectionError, OSError(-2, "Name or service not known")),
    "too_many_redirects": (TooManyRedirects, TooManyRedirects("Exceeded 30 redirects.")),
    "proxy_failed": (ProxyError, OSError("Cannot connect to proxy.")),
    "bad_response": (ConnectionError, ValueError("the answer is not HTTP")),
}


class ReadTimeoutError(Exception):
    """What `requests` finds below a ReadTimeout."""


def timed_out(host: str | None, port: int | None, timeout_s: float | None) -> tuple[Exception, Exception]:
    """An answer did not come in time: what is raised, and what is counted."""
    place = f"HTTPConnectionPool(host={host!r}, port={port})"
    error = ReadTimeout(ReadTimeoutError(f"{place}: Read timed out. (read timeout={timeout_s:g})"))
    return error, error


def failure_of(kind: str) -> tuple[Exception, Exception]:
    """For the engine's kind of a failure: what is raised, and what is counted."""
    if kind.startswith("tls_"):
        text = f"certificate verify failed: {kind}" if kind != "tls_failed" else "the TLS handshake failed"
        return SSLError(text), SSLError(text)
    of_requests, below = _KINDS.get(kind, (ConnectionError, OSError(kind)))
    return (below, below) if isinstance(below, of_requests) else (of_requests(below), below)


def stand_ins() -> dict[str, ModuleType]:
    """Modules for files that import parts of `requests`; none where it is installed."""
    if IS_INSTALLED:
        return {}
    from loadgen.importers.locust import authorization

    package, errors, auth = (_Module(name) for name in ("requests", "requests.exceptions", "requests.auth"))
    for name in NAMES:
        setattr(errors, name, globals()[name])
        setattr(package, name, globals()[name])
    for name in authorization.NAMES:
        setattr(auth, name, getattr(authorization, name))
    package.exceptions, package.auth = errors, auth  # type: ignore[attr-defined]
    package.codes = SimpleNamespace(  # type: ignore[attr-defined]
        **{status.name.lower(): status.value for status in HTTPStatus}
    )
    for verb in ("get", "options", "head", "post", "put", "patch", "delete", "request", "session", "Session"):
        setattr(package, verb, _refuse)
    warnings = _Module("urllib3.exceptions")
    warnings.InsecureRequestWarning = type("InsecureRequestWarning", (Warning,), {})  # type: ignore[attr-defined]
    urllib3 = _Module("urllib3")
    urllib3.exceptions, urllib3.disable_warnings = warnings, _nothing  # type: ignore[attr-defined]
    package.packages = SimpleNamespace(urllib3=urllib3)  # type: ignore[attr-defined]
    made = [package, errors, auth, urllib3, warnings]
    return {module.__name__: module for module in made}


class _Module(ModuleType):
    """One of them."""

    __path__: list[str]

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []


def _nothing(*_: Any, **__: Any) -> None:
    """There are no warnings of certificates to turn off."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ImportError("requests is not installed, and would block every user: use self.client")
