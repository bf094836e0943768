"""Many WebSockets at once, as people write it: a part of Plan. Reads wishes and files, touches no network."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from loadgen import shapes
from loadgen.checking import Checker, at_most
from loadgen.engine_plan import (
    Backoff,
    Encoding,
    Message,
    OpenLoad,
    OpenStage,
    SocketPlan,
)
from loadgen.errors import UsageError
from loadgen.message_paths import has_value, parse_correlation, parse_expected, parse_path, parse_stamp
from loadgen.mix import read_rows, row_values
from loadgen.rows import Row, shown
from loadgen.subscriptions import read_subscriptions
from loadgen.templates import GENERATED, OF_SOCKETS, Names, around_values, has_values
from loadgen.units import quoted
from loadgen.url import Url, parse_url

T = TypeVar("T")

HOME = "/ws/echo"  # of the embedded target, where no path is given
MOST_SOCKETS = 1_000_000
# So many different messages have labels of their own.
MOST_SEPARATE = 20
LONGEST_WAIT_NS = 30 * 1_000_000_000  # between tries to open a lost socket, where nothing is said
# Rates are whole multiples of 1/3,600,000 per second in the engine.
RATE_UNIT = 3_600_000
SECOND_NS = 1_000_000_000
_COLUMN = re.compile(r"\{\{\d+\}\}")
_LONE = re.compile("[\ud800-\udfff]")  # what is left of bytes that were no UTF-8
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OF_THE_HANDSHAKE = frozenset(
    {"upgrade", "connection", "content-length", "transfer-encoding"}
    | {f"sec-websocket-{name}" for name in ("key", "version", "accept", "extensions", "protocol")}
)


class Sockets(Struct, frozen=True, kw_only=True):
    """Sockets to open, and what goes over them. `Plan(url="ws://…", sockets=Sockets(connections=1000))`."""

    connections: str | int = 10
    connect_rate: str | float = "100/s"
    hold: str | float = "10s"  # once all are due
    send: Sequence[str | bytes] = ()  # in turn, by the open sockets in turn; bytes are binary messages
    send_rate: str | float | None = None  # of all sockets together
    send_rate_each: str | float | None = None  # of each; 1/s where there is something to send
    subscribe: Sequence[str | bytes] = ()  # each socket sends all of them when it is open
    subscriptions: str | None = None  # a file, of which each socket sends one: see loadgen.subscriptions
    expect: str | None = None  # what a reply looks like: "any", PATH, PATH=VALUE
    correlate: str | None = None  # what a message and its reply have in common: PATH, PATH=PATH
    stamp: str | None = None  # when a message was sent: PATH[:ns|us|ms|s][:wall]
    sequence: str | None = None  # the number of a message in its stream: PATH
    channel: str | None = None  # which stream that is: PATH
    ping: str | float | None = None  # each socket asks so often whether the peer is there
    reconnect: str | float | None = None  # lost sockets are opened again: FIRST[..MOST] to wait
    subprotocols: Sequence[str] = ()
    deflate: bool = False  # offer compression


class Crowd(NamedTuple):
    """What the engine is told of sockets: how many, when they are opened, what they do."""

    connections: int
    load: OpenLoad
    plan: SocketPlan


def parse_socket_url(text: str) -> Url:
    """A URL of sockets. http and https say the same; a scheme may be left out."""
    scheme, there, rest = text.strip().partition("://")
    if there and scheme.lower() not in ("ws", "wss", "http", "https"):
        raise ValueError(f'the scheme "{scheme}" is not supported: give a ws or wss URL')
    if has_values(text):
        raise ValueError("cannot have a {{name}} in it: messages can")
    secure = scheme.lower() in ("wss", "https")
    return parse_url(f"http{'s' if secure else ''}://{rest}" if there else text)


def check_types(sockets: Any, check: Checker) -> None:
    """What a script got wrong by kind. Numbers and lengths of time are left to their parsers."""
    if not isinstance(sockets, Sockets):
        check.wrong("sockets", f"expected Sockets(...), got {quoted(sockets)}")
        return
    for field in ("subscriptions", "expect", "correlate", "stamp", "sequence", "channel"):
        if not isinstance(value := getattr(sockets, field), (str, type(None))):
            check.wrong(f"sockets.{field}", f"expected text, got {quoted(value)}")
    switch: object = sockets.deflate
    if not isinstance(switch, bool):
        check.wrong("sockets.deflate", f"expected True or False, got {quoted(switch)}")
    kinds = {"send": (str, bytes), "subscribe": (str, bytes), "subprotocols": (str,)}
    for field, right in kinds.items():
        items: object = getattr(sockets, field)
        what = "text or bytes" if bytes in right else "text"
        if isinstance(items, (str, bytes)) or not isinstance(items, Sequence):
            check.wrong(f"sockets.{field}", f"expected a list, each {what}, got {quoted(items)}")
            continue
        for index, item in enumerate(items):
            if not isinstance(item, right):
                check.wrong(f"sockets.{field}[{index}]", f"expected {what}, got {quoted(item)}")


def compile_sockets(
    sockets: Sockets, url: Url, headers: list[tuple[str, str]], data: str | None, seed: int, check: Checker
) -> Crowd | None:
    """What the engine is told of it, or None and the mistakes."""
    before = len(check.mistakes)

    def wish(field: str, parse: Callable[..., T]) -> T | None:
        return check.optional(f"sockets.{field}", parse, getattr(sockets, field))

    connections = check("sockets.connections", at_most(MOST_SOCKETS), sockets.connections)
    rate = check("sockets.connect_rate", shapes.check_rate, sockets.connect_rate)
    hold_ns = check("sockets.hold", partial(shapes.check_duration, at_least_ns=0), sockets.hold)
    rows = _rows(data, check)
    names = Names(list(dict.fromkeys(name for row in rows[:1] for name in row)), [*GENERATED, *OF_SOCKETS])
    subscribe = _messages("subscribe", sockets.subscribe, names, check)
    messages = _messages("send", sockets.send, names, check)
    subscriptions = _subscriptions(sockets, names, check)
    values = _values(rows, names, data, check)
    _check_headers(headers, check)
    _check_combination(sockets, check)
    found: dict[str, Any] = {
        "subprotocols": _subprotocols(sockets, check),
        "ping_every_ns": wish("ping", shapes.check_duration),
        "expect": wish("expect", parse_expected),
        "correlate": wish("correlate", parse_correlation),
        "stamp": wish("stamp", parse_stamp),
        "sequence": wish("sequence", parse_path),
        "channel": wish("channel", parse_path),
        "reconnect": wish("reconnect", _parse_backoff),
    }
    correlation, texts = (
        found["correlate"],
        [message.text for message in (*messages, *subscribe, *subscriptions)],
    )
    if correlation is not None and texts and not any(has_value(text, correlation.request) for text in texts):
        check.wrong("sockets.correlate", f"no message has anything at {correlation.request}")
    together, each = wish("send_rate", shapes.check_rate), wish("send_rate_each", shapes.check_rate)
    load = sends = None
    if connections is not None and rate is not None and hold_ns is not None:
        connect_ns = _connect_ns(connections, rate, check)
        load = _load([(connect_ns, rate), (hold_ns, 0.0)], seed)
        send_rate = _send_rate(sockets, together, each, connections, check)
        if send_rate is not None:
            sends = _load([(connect_ns, 0.0), (hold_ns, send_rate)], seed)
        if send_rate is not None and hold_ns == 0:
            check.wrong("sockets.hold", "no message would be due: they are while the sockets are held")
    if len(check.mistakes) > before or connections is None or load is None:
        return None
    plan = SocketPlan(
        url=url.text.replace("http", "ws", 1),
        headers=headers,
        deflate=sockets.deflate,
        subscribe=subscribe,
        subscriptions=subscriptions,
        messages=messages,
        sends=sends,
        columns=names.used,
        rows=values,
        row_count=len(values),
        seed=seed,
        **found,
    )
    return Crowd(connections, load, plan)


def _connect_ns(connections: int, rate: float, check: Checker) -> int:
    """How long the connects take: exactly so many are due in that time."""
    connect_ns = connections * SECOND_NS * RATE_UNIT // round(rate * RATE_UNIT)
    if connect_ns > shapes.MAX_DURATION_NS:
        check.wrong("sockets.connect_rate", "so many connects would take more than 30 days: raise the rate")
    return connect_ns


def _load(stages: Sequence[tuple[int, float]], seed: int) -> OpenLoad:
    flat = [OpenStage(duration_ns, rate, rate) for duration_ns, rate in stages if duration_ns > 0]
    return OpenLoad(stages=flat, arrivals="constant", seed=seed, drop_after_ns=None)


def _send_rate(
    sockets: Sockets, together: float | None, each: float | None, connections: int, check: Checker
) -> float | None:
    """Of all sockets together; None where nothing is sent."""
    if not sockets.send or together is not None:
        return together
    rate = (1.0 if each is None else each) * connections
    if rate > shapes.MAX_RATE:
        check.wrong("sockets.send_rate_each", "expected at most 10,000,000/s from all sockets together")
    return rate


def _check_combination(sockets: Sockets, check: Checker) -> None:
    if sockets.send_rate is not None and sockets.send_rate_each is not None:
        other = check.named("sockets.send_rate")
        text = f"cannot be used with {other}: one of all, one of each"
        check.wrong("sockets.send_rate_each", text)
    for field in ("send_rate", "send_rate_each"):
        if getattr(sockets, field) is not None and not sockets.send:
            check.wrong(f"sockets.{field}", "there is nothing to send: give --send")
    if sockets.channel is not None and sockets.sequence is None:
        check.wrong("sockets.channel", "says which stream a number is of, and needs --sequence beside it")
    sends = sockets.send or sockets.subscribe or sockets.subscriptions is not None
    for field in ("expect", "correlate"):
        if getattr(sockets, field) is not None and not sends:
            check.wrong(f"sockets.{field}", "there are no replies where nothing is sent: give --send")


def _check_headers(headers: Sequence[tuple[str, str]], check: Checker) -> None:
    for index, (name, value) in enumerate(headers):
        if name.lower() in _OF_THE_HANDSHAKE:
            ours = "--subprotocol" if name.lower() == "sec-websocket-protocol" else "the handshake"
            check.wrong(f"headers[{index}]", f"{name} is written by {ours}")
        elif has_values(value):
            check.wrong(f"headers[{index}]", f"{name} cannot have a {{{{name}}}} in it: messages can")


def _subprotocols(sockets: Sockets, check: Checker) -> list[str]:
    for index, name in enumerate(sockets.subprotocols):
        if not _TOKEN.fullmatch(name):
            check.wrong(f"sockets.subprotocols[{index}]", f"expected a name, got {quoted(name)}")
    return list(dict.fromkeys(sockets.subprotocols))


def _messages(field: str, texts: Sequence[str | bytes], names: Names, check: Checker) -> list[Message]:
    """Few have a label each; more have one together."""
    found = []
    for index, text in enumerate(texts):
        label = field if len(texts) == 1 or len(texts) > MOST_SEPARATE else f"{field} {index + 1}"
        message = check(f"sockets.{field}[{index}]", partial(_message, label=label, names=names), text)
        if message is not None:
            found.append(message)
    return found


def _subscriptions(sockets: Sockets, names: Names, check: Checker) -> list[Message]:
    if sockets.subscriptions is None:
        return []
    place = "sockets.subscriptions"
    try:
        wanted = read_subscriptions(sockets.subscriptions)
    except UsageError as error:
        check.wrong(place, f"{error.message}{f' ({error.hint})' if error.hint else ''}")
        return []
    read = (check(place, partial(_message, label=one.label, names=names), one.text) for one in wanted)
    return [message for message in read if message is not None]


def _message(text: str | bytes, label: str, names: Names) -> Message:
    if isinstance(text, str) and _LONE.search(text):
        raise ValueError("is not UTF-8: send it as bytes")
    if isinstance(text, bytes):
        body = names.number_body(text)
        encoding = _encoding(body.decode(errors="replace"))
        return Message(b64encode(body).decode("ascii"), label, binary=True, encoding=encoding)
    numbered = names.number(text)
    return Message(numbered, label, encoding=_encoding(numbered))


def _encoding(text: str) -> Encoding:
    """As within JSON where that is what it is, with any values; else as they are in the row."""
    try:
        found = msgspec.json.decode(around_values(text, str, instead="0"))
    except msgspec.DecodeError:
        found = None
    is_json = isinstance(found, (dict, list)) or not _COLUMN.search(text)
    return "json" if is_json else "raw"


def _rows(data: str | None, check: Checker) -> list[Row]:
    if data is None:
        return []
    try:
        return read_rows(data)
    except UsageError as error:
        check.wrong("data", f"{error.message}{f' ({error.hint})' if error.hint else ''}")
        return []


def _values(rows: list[Row], names: Names, data: str | None, check: Checker) -> list[list[str]]:
    if data is None or not rows or check.mistakes:
        return []
    if not names.used:
        check.wrong("data", "no {{name}} of its columns stands in what is sent")
        return []
    try:
        return row_values(rows, names.used)
    except ValueError as error:
        check.wrong("data", f"{shown(Path(data))}: {error}")
        return []


def _parse_backoff(value: str | float) -> Backoff:
    """`FIRST[..MOST]`."""
    first, dots, most = str(value).partition("..")
    first_ns = shapes.check_duration(first.strip() if dots else value)
    most_ns = shapes.check_duration(most.strip()) if dots else max(first_ns, LONGEST_WAIT_NS)
    if most_ns < first_ns:
        raise ValueError(f'expected FIRST..MOST such as "100ms..5s", got {quoted(value)}')
    return Backoff(first_ns, most_ns)
