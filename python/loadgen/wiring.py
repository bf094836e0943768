"""Reads what a plan wishes of its connections. Looks at files, touches no network."""

from __future__ import annotations

import ipaddress
import ssl
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from msgspec.structs import replace

from loadgen import shapes
from loadgen.checking import Checker, at_most, one_of
from loadgen.units import quoted
from loadgen.url import Url, ascii_host
from loadgen.wire import USUAL, Proxy, Tls, Version, Wire

if TYPE_CHECKING:
    from loadgen.plan import Plan

TlsVersion = Literal["1.2", "1.3"]
PROXY_PORTS: dict[str, int] = {"http": 8080, "socks5": 1080, "socks5h": 1080}
MAX_STREAMS = 2**31 - 1
MAX_SOURCES = 4096


def read_wire(plan: Plan, url: Url | None, check: Checker, *, scripted: bool) -> Wire:
    """What a plan wishes, with each mistake told to `check`. What is `scripted` names its URLs later."""
    for field in ("insecure", "tls_resumption", "keepalive"):
        if not isinstance(getattr(plan, field), bool):
            check.wrong(field, f"expected True or False, got {quoted(getattr(plan, field))}")
    tls_min = check("tls_min", one_of(get_args(TlsVersion)), str(plan.tls_min))
    tls = Tls(
        cacert=check.optional("cacert", _read_roots, plan.cacert),
        cert=check.optional("cert", _read_file, plan.cert),
        key=check.optional("key", _read_file, plan.key),
        insecure=bool(plan.insecure),
        only_tls13=tls_min == "1.3",
        no_resumption=not plan.tls_resumption,
    )
    _check_client_certificate(tls, check)
    proxy_field, proxy_text = _wished_proxy(plan, url)
    proxy = check.optional(proxy_field, _parse_proxy, proxy_text or None)
    if proxy is not None:
        excepted = plan.noproxy if plan.noproxy is not None else getproxies_environment().get("no", "")
        proxy = replace(proxy, exceptions=excepted.replace(",", " ").split())
    unix_socket = check.optional("unix_socket", _read_socket, plan.unix_socket)
    if unix_socket is not None and proxy is not None and proxy_field == "proxy":
        check.wrong("unix_socket", f"cannot be used with {check.named('proxy')}")
    if unix_socket is not None:
        proxy = None
    if (
        plan.reactor == "uring"
        and plan.script is None
        and (
            (proxy is not None or plan.http in ("2", "3") or (url is not None and url.scheme == "https"))
            or (plan.body_file is not None or plan.expect_continue or plan.follow_redirects)
        )
    ):
        check.wrong(
            "reactor",
            "uring carries plain HTTP/1.1 only: "
            "no TLS, no HTTP/2 or 3, no proxy, no body in pieces, no redirects",
        )
    if plan.http == "3":
        is_left_out = proxy is None or (url is not None and proxy.leaves_out(url.host))
        is_led = unix_socket is not None or not is_left_out
        _check_http3(None if scripted else url, check, is_led=is_led)
    wire = Wire(
        tls=tls,
        http=check("http", one_of(get_args(Version)), str(plan.http)) or "auto",  # type: ignore[arg-type]
        streams=check.optional("streams", at_most(MAX_STREAMS), plan.streams),
        no_keepalive=not plan.keepalive,
        max_idle_ns=check.optional("max_idle", shapes.check_duration, plan.max_idle),
        max_lifetime_ns=check.optional("max_lifetime", shapes.check_duration, plan.max_lifetime),
        bind=check("bind", _parse_sources, plan.bind) or [],
        unix_socket=unix_socket,
        proxy=proxy,
    )
    return USUAL if wire == USUAL else wire


def _check_http3(url: Url | None, check: Checker, *, is_led: bool) -> None:
    # Whoever only reads plans needs no engine.
    from loadgen._engine import HAS_HTTP3

    if not HAS_HTTP3:
        check.wrong(
            "http", "this build has no HTTP/3; the wheels have it, and a build with cargo's feature http3"
        )
    elif is_led:
        check.wrong(
            "http", "HTTP/3 goes straight to the server: no unix socket, no proxy (noproxy=* leaves it out)"
        )
    elif url is not None and url.scheme != "https":
        check.wrong("http", "HTTP/3 needs a URL with https")


def _read_file(value: str) -> str:
    path = Path(value).absolute()
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"{value} cannot be read: {error.strerror or error}") from None
    return str(path)


def _read_roots(value: str) -> str:
    path = _read_file(value)
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{value} holds no certificate in PEM form") from None
    return path


def _check_client_certificate(tls: Tls, check: Checker) -> None:
    if tls.cert is None:
        if tls.key is not None:
            check.wrong("key", f"needs {check.named('cert')}, the certificate that it belongs to")
        return
    try:
        # A key with a password would ask for it; nobody is there to answer.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tls.cert, tls.key, password=lambda: b"")
    except (ssl.SSLError, ValueError):
        beside = "" if tls.key is None else f" and {tls.key}"
        check.wrong(
            "cert", f"{tls.cert}{beside}: expected a certificate and its key, in PEM form, without a password"
        )


def _read_socket(value: str) -> str:
    path = Path(value).absolute()
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except OSError as error:
        raise ValueError(f"{value} cannot be found: {error.strerror or error}") from None
    if not is_socket:
        raise ValueError(f"{value} is not a socket")
    return str(path)


def _parse_sources(value: str | Sequence[str]) -> list[str]:
    """Addresses of this machine, and ranges of them, as a list or separated by commas."""
    texts = value.split(",") if isinstance(value, str) else value
    try:
        return [source for text in texts if text.strip() for source in _range(text.strip())]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f'expected addresses of this machine such as "127.0.0.2,::1" or "127.0.0.2-127.0.0.9": {error}'
        ) from None


def _range(text: str) -> list[str]:
    """An address, or FIRST-LAST."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    start = ipaddress.ip_address(first)
    if not dash:
        return [str(start)]
    count = int(ipaddress.ip_address(last)) - int(start) + 1
    if start.version != ipaddress.ip_address(last).version or not 0 < count <= MAX_SOURCES:
        raise ValueError(f"{quoted(text)} is no range of at most {MAX_SOURCES:,} addresses")
    return [str(start + number) for number in range(count)]


def parse_resolutions(value: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """`HOST:PORT:ADDRESS` each, as curl has it: from "host:port" to the address."""
    if isinstance(value, Mapping):
        value = [f"{place}:{address}" for place, address in value.items()]
    found = {}
    for text in value:
        host, port, address = [*text.split(":", 2), "", ""][:3]
        try:
            assert host and 0 < int(port) < 65536
            found[f"{ascii_host(host).lower()}:{int(port)}"] = str(ipaddress.ip_address(address.strip("[]")))
        except (AssertionError, ValueError):
            raise ValueError(
                f'expected HOST:PORT:ADDRESS such as "api.test:443:127.0.0.1", got {quoted(text)}'
            ) from None
    return found


def _wished_proxy(plan: Plan, url: Url | None) -> tuple[str, str | None]:
    """The field that says so, and what it says; else the environment speaks, as it does to curl."""
    if plan.proxy is not None or url is None or plan.needs_embedded_target:
        return "proxy", plan.proxy
    known = getproxies_environment()
    return f"{url.scheme}_proxy", known.get(url.scheme) or known.get("all")


def _parse_proxy(text: str) -> Proxy:
    expected = 'expected a proxy such as "http://127.0.0.1:8080" or "socks5://127.0.0.1:1080"'
    parts = urlsplit(text if "://" in text else f"http://{text}")
    kind = {"socks": "socks5", "socks5": "socks5", "socks5h": "socks5h", "http": "http"}.get(parts.scheme)
    try:
        port = parts.port or PROXY_PORTS.get(kind or "", 0)
    except ValueError:
        port, kind = 0, None
    if kind is None or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(f"{expected}, got {quoted(text.rpartition('@')[2])}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    userinfo = unquote(parts.netloc.rpartition("@")[0]) if "@" in parts.netloc else None
    return Proxy(kind=kind, address=f"{host}:{port}", userinfo=userinfo, exceptions=[])  # type: ignore[arg-type]
