"""Packets of Socket.IO as its protocol has them, both ways."""

from __future__ import annotations

import pytest

from loadgen.importers.artillery.socketio_link import address
from loadgen.importers.artillery.socketio_packets import ACK, CONNECT, DISCONNECT, EVENT, Packet, decode


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Packet(CONNECT), "40"),
        (Packet(CONNECT, "/admin", data={"token": "1"}), '40/admin,{"token":"1"}'),
        (Packet(DISCONNECT, "/admin"), "41/admin,"),
        (Packet(EVENT, data=["foo"]), '42["foo"]'),
        (Packet(EVENT, "/admin", 12, ["foo", {"a": "ü"}]), '42/admin,12["foo",{"a":"ü"}]'),
        (Packet(ACK, "/admin", 13, []), "43/admin,13[]"),
    ],
)
def test_packets_go_and_come_as_they_were(packet: Packet, text: str) -> None:
    assert packet.encode() == text
    assert decode(text[1:]) == packet


def test_attachments_take_their_places() -> None:
    packet = decode('52-/files,7["two",{"a":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]')
    assert (packet.kind, packet.namespace, packet.id, packet.missing) == (EVENT, "/files", 7, 2)
    packet.attach(0, b"\x00")
    packet.attach(1, b"ab")
    assert packet.missing == 0
    assert packet.data == [
        "two",
        {"a": {"type": "Buffer", "data": [97, 98]}},
        {"type": "Buffer", "data": [0]},
    ]


@pytest.mark.parametrize("text", ["", "x", "9[]", '2["a"', "2[}"])
def test_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize(
    ("target", "path", "query", "found"),
    [
        ("http://h:1", "/socket.io", None, "ws://h:1/socket.io/?EIO=4&transport=websocket"),
        ("https://h/space", "/socket.io/", "a=1", "wss://h/socket.io/?a=1&EIO=4&transport=websocket"),
        ("ws://h", "/own", {"a": "x y"}, "ws://h/own/?a=x%20y&EIO=4&transport=websocket"),
    ],
)
def test_where_the_handshake_goes(
    target: str, path: str, query: str | dict[str, str] | None, found: str
) -> None:
    assert address(target, path, query) == found
