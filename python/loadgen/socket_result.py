"""What the summary has of sockets. It knows nothing of how it was made."""

from __future__ import annotations

from msgspec import Struct

from loadgen.snapshot import Latency


class SocketConnections(Struct, frozen=True, kw_only=True):
    """`opened` and `lost` count again what was opened again; `failed` are first tries."""

    asked: int
    opened: int
    failed: int
    lost: int  # before the run wanted it
    reconnects: int  # tries to open a lost one again
    most_open: int  # at a time
    refused: dict[str, int]  # by the status of the answer that was not 101
    closes: dict[str, int]  # by the code that the peer gave; 1006 where there was none


class SocketMessages(Struct, frozen=True, kw_only=True):
    """All of them, and the bytes that are in them."""

    sent: int
    received: int
    bytes_sent: int
    bytes_received: int
    unmatched: int  # replies that nobody waited for


class Receivers(Struct, frozen=True, kw_only=True):
    """Of a message: the fewest, and the most."""

    min: int | None
    max: int | None


class Delivery(Struct, frozen=True, kw_only=True):
    """From the stamp in a message to its receivers. A group is one message, known by its stamp."""

    latency: Latency  # of each receiver
    first: Latency  # of the first receiver of each message
    last: Latency
    spread: Latency  # last - first
    groups: int
    receivers: Receivers
    missing: int
    repeated: int
    reordered: int
    clock_offset_ms: float | None  # the stamps' clock is ahead of ours, by so much at least; null: it is not


class SocketResult(Struct, frozen=True, kw_only=True):
    """What there is to say of a run of sockets only."""

    connections: SocketConnections
    messages: SocketMessages
    ping: Latency  # round trips
    delivery: Delivery
