"""Packets of Socket.IO (5) within those of Engine.IO (4), as text. Pure: it knows no socket.

0{"sid":…}   open      2  ping, answered 3      4  a message, which is a packet of Socket.IO:
    0/ns,{…} connect   2/ns,7["name",…] event, to be answered with 3/ns,7[…]   4/ns,{…} refused
    51-2…    an event with one attachment, which follows as a binary message
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

OPEN, CLOSE, PING, PONG, MESSAGE = "01234"
CONNECT, DISCONNECT, EVENT, ACK, REFUSED, BINARY_EVENT, BINARY_ACK = "0123456"
_PACKET = re.compile(
    r"(?P<kind>[0-6])(?:(?P<count>\d+)-)?(?P<namespace>/[^,]*)?,?(?P<id>\d+)?(?P<data>.*)", re.DOTALL
)


@dataclass
class Packet:
    """One packet of Socket.IO; `missing` attachments are still to come."""

    kind: str
    namespace: str = "/"
    id: int | None = None
    data: Any = None
    missing: int = 0

    def encode(self) -> str:
        """As a message of Engine.IO."""
        space = "" if self.namespace == "/" else f"{self.namespace},"
        number = "" if self.id is None else str(self.id)
        data = "" if self.data is None else msgspec.json.encode(self.data).decode()
        return f"{MESSAGE}{self.kind}{space}{number}{data}"

    def attach(self, number: int, content: bytes) -> None:
        """Puts an attachment where its placeholder is, in the form in which JSON shows bytes."""
        self.data = _filled(self.data, number, {"type": "Buffer", "data": list(content)})
        self.missing -= 1


def decode(text: str) -> Packet:
    """What follows the 4 of a message. A ValueError where it is no packet."""
    found = _PACKET.fullmatch(text)
    if found is None:
        raise ValueError(f"no packet of Socket.IO: {text!r:.80}")
    data = msgspec.json.decode(found["data"]) if found["data"] else None
    is_binary = found["kind"] in (BINARY_EVENT, BINARY_ACK)
    return Packet(
        kind={BINARY_EVENT: EVENT, BINARY_ACK: ACK}.get(found["kind"], found["kind"]),
        namespace=(found["namespace"] or "/").partition("?")[0],
        id=None if found["id"] is None else int(found["id"]),
        data=data,
        missing=int(found["count"] or 0) if is_binary else 0,
    )


def _filled(value: Any, number: int, content: Any) -> Any:
    if isinstance(value, dict):
        if value.get("_placeholder") is True and value.get("num") == number:
            return content
        return {name: _filled(one, number, content) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, number, content) for one in value]
    return value
