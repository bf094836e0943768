"""HTTP to a receiver: one connection, kept; short patience; secrets in headers only, and never in words."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from loadgen.discreet import REDACTED
from loadgen.outputs.output import Refused
from loadgen.outputs.places import can_be_host
from loadgen.units import quoted

TIMEOUT_S = 5.0
LONGEST_ANSWER = 4096
SHOWN_OF_ANSWER = 120
# What passes: too much at once, or a receiver that is not well.
_AGAIN = frozenset({408, 425, 429})


def read_url(url: str, example: str) -> tuple[SplitResult, str]:
    """Its parts, and how it is shown: without user, password and query, which may hold keys."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_http = parts.scheme in ("http", "https") and parts.path.strip("/")
    if not is_http or not parts.hostname or not can_be_host(parts.hostname):
        raise ValueError(f"expected a URL such as {example}, got {quoted(_without_secrets(url))}")
    if any(not 0x20 < ord(char) < 0x7F for char in url):
        raise ValueError(f"has characters in it that a URL cannot have: {quoted(_without_secrets(url))}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts, f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


class Post:
    """One receiver, by its URL."""

    def __init__(self, url: str, example: str, *, token: str | None = None, scheme: str = "Bearer") -> None:
        parts, self.shown = read_url(url, example)
        host = parts.hostname or ""
        self._target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._headers = {"User-Agent": "loadgen"}
        secrets = [token, parts.password, unquote(parts.password or ""), parts.query]
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            encoded = base64.b64encode(pair.encode()).decode()
            secrets.append(encoded)
            self._headers["Authorization"] = f"Basic {encoded}"
        elif token:
            self._headers["Authorization"] = f"{scheme} {token}"
        self._secrets = [text for text in secrets if text]
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
        self._aborted = False

    def send(self, body: bytes, headers: dict[str, str]) -> None:
        """One POST. Raises OSError for what may go through later, Refused for what will not."""
        try:
            status, answer = self._ask(body, headers)
        except http.client.HTTPException as error:
            self._connection.close()
            raise OSError(f"no HTTP answer: {type(error).__name__}") from None
        except OSError:
            self._connection.close()
            raise
        if 200 <= status < 300:
            return
        words = f"it answered {status}"
        if answer:
            words += f": {quoted(self._discreet(answer)[:SHOWN_OF_ANSWER])}"
        raise OSError(words) if status >= 500 or status in _AGAIN else Refused(words)

    def _ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        # A connection that was kept may have been closed meanwhile; only then, and at once, another is tried.
        kept = self._connection.sock is not None
        try:
            return self._ask_once(body, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._connection.close()
            if not kept or self._aborted:
                raise
            return self._ask_once(body, headers)

    def _ask_once(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        if self._aborted:
            raise OSError("given up")
        self._connection.request("POST", self._target, body, self._headers | headers)
        response = self._connection.getresponse()
        answer = response.read(LONGEST_ANSWER)
        if not response.isclosed():  # more than anybody needs
            self._connection.close()
        return response.status, answer.decode(errors="replace").strip()

    def _discreet(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def abort(self) -> None:
        """From another thread: who waits for an answer waits no longer."""
        self._aborted = True
        held = self._connection.sock
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def _without_secrets(url: str) -> str:
    before, _, query = url.partition("?")
    # Behind the last "@" is the host, unless a "?" of the password came before.
    return REDACTED if "@" in query else before.rpartition("@")[2]
