"""Many WebSockets at once, as people write it: a part of Plan. Reads wishes and files, touches no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from loadgen import shapes
from loadgen.checking import Checker, at_most
from loadgen.engine_plan import Backoff, Expected, OpenLoad, OpenStage, SocketPlan
from loadgen.message_paths import has_value, parse_correlation, parse_expected, parse_path, parse_stamp
from loadgen.socket_messages import (
    Replies,
    messages_of,
    names_of,
    refers_to_replies,
    rows_of,
    subscriptions_of,
    values_of,
)
from loadgen.templates import has_values
from loadgen.units import quoted
from loadgen.url import Url, parse_url

T = TypeVar("T")

HOME = "/ws/echo"  # of the embedded target, where no path is given
MOST_SOCKETS = 1_000_000
LONGEST_WAIT_NS = 30 * 1_000_000_000  # between tries to open a lost socket, where nothing is said
MOST_EXPECTED = 4  # each is looked for in every message
# Rates are whole multiples of 1/3,600,000 per second in the engine.
RATE_UNIT = 3_600_000
SECOND_NS = 1_000_000_000
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
    list: Sequence[str | bytes] = ()  # each sends all of them when it has subscribed
    unsubscribe: Sequence[str | bytes] = ()  # and all of these before it is closed
    expect: str | Sequence[str] | None = None  # what replies look like: "any", PATH, PATH=VALUE
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
    for field in ("subscriptions", "correlate", "stamp", "sequence", "channel"):
        if not isinstance(value := getattr(sockets, field), (str, type(None))):
            check.wrong(f"sockets.{field}", f"expected text, got {quoted(value)}")
    switch: object = sockets.deflate
    if not isinstance(switch, bool):
        check.wrong("sockets.deflate", f"expected True or False, got {quoted(switch)}")
    kinds = dict.fromkeys(("send", "subscribe", "list", "unsubscribe"), (str, bytes))
    for field, right in {**kinds, "subprotocols": (str,), "expect": (str,)}.items():
        items: object = getattr(sockets, field)
        if field == "expect" and isinstance(items, (str, type(None))):
            continue
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
    rows = rows_of(data, check)
    names = names_of(rows)
    replies = Replies(names)
    said: dict[str, Any] = {
        "subscribe": messages_of("subscribe", sockets.subscribe, names, check),
        "subscriptions": subscriptions_of(sockets.subscriptions, names, check),
        "listing": messages_of("list", sockets.list, replies, check),
        "unsubscribe": messages_of("unsubscribe", sockets.unsubscribe, replies, check),
        "messages": messages_of("send", sockets.send, names, check),
    }
    values = values_of(rows, names, data, check)
    _check_headers(headers, check)
    _check_combination(sockets, check)
    found: dict[str, Any] = {
        "subprotocols": _subprotocols(sockets, check),
        "ping_every_ns": wish("ping", shapes.check_duration),
        "correlate": wish("correlate", parse_correlation),
        "stamp": wish("stamp", parse_stamp),
        "sequence": wish("sequence", parse_path),
        "channel": wish("channel", parse_path),
        "reconnect": wish("reconnect", _parse_backoff),
    }
    expect = _expected(sockets, check)
    correlation, texts = found["correlate"], [message.text for all_of in said.values() for message in all_of]
    if correlation is not None and texts and not any(has_value(text, correlation.request) for text in texts):
        check.wrong("sockets.correlate", f"no message has anything at {correlation.request}")
    together, each = wish("send_rate", shapes.check_rate), wish("send_rate_each", shapes.check_rate)
    load = sends = None
    leave_ns = 0
    if connections is not None and rate is not None and hold_ns is not None:
        connect_ns = _connect_ns(connections, rate, check)
        leave_ns = connect_ns if sockets.unsubscribe else 0  # as far apart as they came
        load = _load([(connect_ns, rate), (hold_ns, 0.0), (leave_ns, 0.0)], seed)
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
        leave_ns=leave_ns,
        reply=replies.paths,
        sends=sends,
        expect=expect,
        columns=names.used,
        rows=values,
        row_count=len(values),
        seed=seed,
        **said,
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
    subscribes = sockets.subscribe or sockets.subscriptions is not None
    sends = sockets.send or subscribes or sockets.list or sockets.unsubscribe
    for field in ("expect", "correlate"):
        if getattr(sockets, field) and not sends:
            check.wrong(f"sockets.{field}", "there are no replies where nothing is sent: give --send")
    for field in ("list", "unsubscribe"):
        refers = any(map(refers_to_replies, getattr(sockets, field)))
        if refers and not (subscribes and (sockets.expect or sockets.correlate)):
            text = "{{reply.…}} is of what acknowledges --subscribe: give that, and --expect or --correlate"
            check.wrong(f"sockets.{field}", text)


def _check_headers(headers: Sequence[tuple[str, str]], check: Checker) -> None:
    for index, (name, value) in enumerate(headers):
        if name.lower() in _OF_THE_HANDSHAKE:
            ours = "--subprotocol" if name.lower() == "sec-websocket-protocol" else "the handshake"
            check.wrong(f"headers[{index}]", f"{name} is written by {ours}")
        elif has_values(value):
            check.wrong(f"headers[{index}]", f"{name} cannot have a {{{{name}}}} in it: messages can")


def _expected(sockets: Sockets, check: Checker) -> list[Expected]:
    if isinstance(sockets.expect, str):
        found = [check("sockets.expect", parse_expected, sockets.expect)]
    else:
        texts = list(sockets.expect or ())
        found = [check(f"sockets.expect[{at}]", parse_expected, text) for at, text in enumerate(texts)]
    if len(found) > MOST_EXPECTED:
        check.wrong("sockets.expect", f"expected at most {MOST_EXPECTED}, got {len(found)}")
    return [expected for expected in found if expected is not None]


def _subprotocols(sockets: Sockets, check: Checker) -> list[str]:
    for index, name in enumerate(sockets.subprotocols):
        if not _TOKEN.fullmatch(name):
            check.wrong(f"sockets.subprotocols[{index}]", f"expected a name, got {quoted(name)}")
    return list(dict.fromkeys(sockets.subprotocols))


def _parse_backoff(value: str | float) -> Backoff:
    """`FIRST[..MOST]`."""
    first, dots, most = str(value).partition("..")
    first_ns = shapes.check_duration(first.strip() if dots else value)
    most_ns = shapes.check_duration(most.strip()) if dots else max(first_ns, LONGEST_WAIT_NS)
    if most_ns < first_ns:
        raise ValueError(f'expected FIRST..MOST such as "100ms..5s", got {quoted(value)}')
    return Backoff(first_ns, most_ns)
