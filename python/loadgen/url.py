"""URLs as people write them, made ready for the wire. Pure text: nothing is looked up here."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, unquote, urlsplit

from loadgen.discreet import Discreet, without_userinfo
from loadgen.units import quoted

# What a path and query may hold as they are (RFC 3986), and "%", so that what is encoded already stays so.
_PATH_SAFE = "/:@!$&'()*+,;=-._~%"
_QUERY_SAFE = _PATH_SAFE + "?"
# What a URL that names no port means, by its scheme.
PORTS = {"http": 80, "https": 443}
_EXPECTED = 'expected a URL such as "http://127.0.0.1:8000/items"'


class Url(Discreet, frozen=True):
    """An http or https URL in its parts, ASCII throughout."""

    host: str  # without the brackets of an IPv6 literal
    port: int
    target: str  # path and query
    userinfo: str | None  # decoded "user:password"; never part of `text`
    scheme: str = "http"

    @property
    def authority(self) -> str:
        """`host:port` as a Host header has it."""
        # A zone such as %eth0 means something on this machine only.
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> Url:
    """Read a URL; the scheme may be left out. Errors say what was expected."""
    if re.search(r"[\x00-\x1f\x7f]", text) or not text.strip():
        raise ValueError(f"{_EXPECTED}, got {quoted(text)}")
    text = text.strip()
    if "://" not in text.split("?", 1)[0]:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{_EXPECTED}, got {quoted(without_userinfo(text))}: {error}") from None
    scheme = parts.scheme.lower()
    if scheme in ("ws", "wss"):
        raise ValueError(f"{scheme} is for sockets: loadgen ws {scheme}://…; give an http or https URL")
    if scheme not in PORTS:
        raise ValueError(f'the scheme "{parts.scheme}" is not supported: give an http or https URL')
    if not parts.hostname or port == 0:
        raise ValueError(f"{_EXPECTED}, got {quoted(without_userinfo(text))}")
    userinfo = None
    if "@" in parts.netloc:
        userinfo = unquote(parts.netloc.rpartition("@")[0])
    target = _target(parts.path, parts.query)
    return Url(ascii_host(parts.hostname), port or PORTS[scheme], target, userinfo, scheme)


def is_address(host: str) -> bool:
    """Whether it is no name, and nobody needs to be asked where it is."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def ascii_host(host: str) -> str:
    """A host name as it is asked for and sent: of other scripts, as RFC 3490 has it."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"{quoted(host)} is not an IPv6 address") from None
        return host
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{quoted(host)} is not a host name") from None
    if re.search(r"[^A-Za-z0-9._-]", name):
        raise ValueError(f"{quoted(host)} is not a host name")
    return name


def _target(path: str, query: str) -> str:
    target = quote(_lone_percent(path) or "/", safe=_PATH_SAFE)
    return f"{target}?{quote(_lone_percent(query), safe=_QUERY_SAFE)}" if query else target


def _lone_percent(text: str) -> str:
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
