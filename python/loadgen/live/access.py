"""Who may look at the live page and change the load from it. Pure: from what a request says to its refusal.

Orders come through the feed, so who may open the feed may give them, and nobody else.

What a browser may be made to do by a foreign page, and what stands against it:

    read ours under a name of its own that now leads here (DNS rebinding)    the Host must be ours
    open our feed from its own origin (WebSockets know no same-origin)      the Origin must be the Host,
                                                                            and there must be one
    anything at all, where we listen beyond loopback                         the token, which it cannot know

Ports are not compared: a tunnel (`ssh -L`) has another one at its other end.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from loadgen.errors import UsageError
from loadgen.units import quoted

DEFAULT = "127.0.0.1:0"


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0 is a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, place: str) -> Address:
        """`HOST:PORT`, or a port alone, which is on loopback. Raises UsageError."""
        host, colon, port = text.rpartition(":")
        if not colon:
            host = "127.0.0.1"
        host = host.removeprefix("[").removesuffix("]")
        is_port = re.fullmatch("[0-9]{1,5}", port) and int(port) <= 65535
        if not is_port or not host or "/" in host:
            raise UsageError(
                f"{place}: expected HOST:PORT such as 127.0.0.1:8080, got {quoted(text)}",
                hint=f"Where something else follows, write {place}={DEFAULT}.",
            )
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether nobody on another machine can come here."""
        return _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """The rule for one address."""

    host: str
    loopback: bool
    token: str | None

    @classmethod
    def of(cls, address: Address) -> Access:
        """Free on loopback; elsewhere with a new token."""
        token = None if address.is_loopback else secrets.token_urlsafe(18)
        return cls(address.host, address.is_loopback, token)

    def refusal(self, path: str, hosts: list[str], origins: list[str], *, feed: bool) -> str | None:
        """Why a request is refused; None: it is not. `feed`: it wants the live feed, not the page."""
        host = _name_of(hosts[0]) if len(hosts) == 1 else None
        if host is None or not self._is_ours(host):
            return "this name is not known here: use the address that loadgen printed"
        if feed and (len(origins) != 1 or not _same_origin(origins[0], hosts[0])):
            return "only its own page may open the feed"
        if self.token is not None:
            given = parse_qs(urlsplit(path).query).get("token", [""])[0]
            if not secrets.compare_digest(given.encode(), self.token.encode()):
                return "the token is missing or wrong: use the address that loadgen printed"
        return None

    def _is_ours(self, host: str) -> bool:
        if self.loopback:
            return _is_loopback(host)
        if host in (self.host.lower(), "localhost", socket.gethostname().lower()):
            return True
        try:
            ipaddress.ip_address(host)  # no name, so no name server can make it lead elsewhere
        except ValueError:
            return False
        return True


def _name_of(host: str) -> str | None:
    """Without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
