"""How connections are made: through what, how secured, for how long. Only data; wiring.py reads wishes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from loadgen.discreet import REDACTED, Discreet
from loadgen.units import counted

Version = Literal["auto", "1", "2", "3"]
ProxyKind = Literal["http", "socks5", "socks5h"]


class Tls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What https needs to know. Files are absolute."""

    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False
    only_tls13: bool = False
    no_resumption: bool = False


class Proxy(Discreet, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What connections go through."""

    kind: ProxyKind
    address: str  # host:port; resolved before the run
    userinfo: str | None
    exceptions: list[str] = field(name="except")

    def leaves_out(self, host: str) -> bool:
        """Whether a host is reached without it."""
        from loadgen._engine import leaves_out  # reports read wires, and need no engine

        return leaves_out(self.exceptions, host)


class Wire(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What holds for every connection of a run."""

    tls: Tls = Tls()
    http: Version = "auto"
    streams: int | None = None
    no_keepalive: bool = False
    max_idle_ns: int | None = None
    max_lifetime_ns: int | None = None
    bind: list[str] = []
    unix_socket: str | None = None
    proxy: Proxy | None = None


# Left out of plan.json, by identity.
USUAL = Wire()


def describe_wire(wire: Wire) -> list[str]:
    """What a reader of the figures must know, in a few words each; nothing where all is as usual."""
    told = {
        "certificates not verified": wire.tls.insecure,
        "full TLS handshakes": wire.tls.no_resumption,
        f"over {wire.unix_socket}": wire.unix_socket,
        f"through {wire.proxy.kind} proxy {wire.proxy.address}" if wire.proxy else "": wire.proxy,
        "a connection for each request": wire.no_keepalive,
        f"from {counted(len(wire.bind), 'source')}": wire.bind,
    }
    return [text for text, is_so in told.items() if is_so]


def secretless(wire: Wire) -> Wire:
    """The same without passwords."""
    if wire.proxy is None or wire.proxy.userinfo is None:
        return wire
    return replace(wire, proxy=replace(wire.proxy, userinfo=REDACTED))
