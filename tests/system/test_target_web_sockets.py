"""The embedded target speaks WebSocket, to an independent client and to frames that are wrong on purpose."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.frames import CloseCode

from tests.support.ports import raised_descriptor_limit
from tests.support.web_sockets import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    connect,
    masked,
    statistics,
    wait_for,
)

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.command import Loadgen

FIN = 0x80
RSV1 = 0x40
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1_000_000]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_text_and_binary_come_back_at_every_size(target: Target, compression: str | None) -> None:
    with connect(target.url, "/ws/echo", compression=compression) as client:
        negotiated = client.response.headers.get("Sec-WebSocket-Extensions") if client.response else None
        assert bool(negotiated) == bool(compression)
        for size in SIZES:
            for message in ("é" * (size // 2), os.urandom(size)):
                client.send(message)
                assert client.recv() == message


def test_messages_in_fragments_are_put_together_and_replies_come_in_fragments(target: Target) -> None:
    with connect(target.url, "/ws/echo?fragment=3") as client:
        client.send(iter(["Zürich ", "", "and Genève"]))
        assert "".join(client.recv_streaming(decode=True)) == "Zürich and Genève"
    with RawWebSocket(target.url, "/ws/echo?fragment=2") as raw:
        raw.send(masked(TEXT, b"he"), masked(FIN | PING, b"amid"), masked(FIN, b"llo"))
        assert raw.receive() == (FIN | PONG, b"amid")
        assert [raw.receive() for _ in range(3)] == [(TEXT, b"he"), (0, b"ll"), (FIN, b"o")]


def test_deflated_messages_may_come_and_go_in_fragments(target: Target) -> None:
    with RawWebSocket(
        target.url, "/ws/echo?fragment=4", headers="Sec-WebSocket-Extensions: permessage-deflate\r\n"
    ) as raw:
        assert b"permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n" in raw.head
        message = bytes(range(200))
        for _ in range(2):  # no context is taken over
            deflater = zlib.compressobj(wbits=-15)
            deflated = deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)
            deflated = deflated.removesuffix(b"\x00\x00\xff\xff")
            raw.send(masked(RSV1 | BINARY, deflated[:5]), masked(FIN, deflated[5:]))
            first, echoed = raw.receive()
            assert first == RSV1 | BINARY
            while not first & FIN:
                first, part = raw.receive()
                echoed += part
            assert zlib.decompressobj(wbits=-15).decompress(echoed + b"\x00\x00\xff\xff") == message


def test_a_small_window_cannot_be_met_and_is_passed_over(target: Target) -> None:
    extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
    with RawWebSocket(target.url, "/ws/echo", headers=extensions) as raw:
        assert b"Extensions" not in raw.head
        raw.send(masked(FIN | RSV1 | TEXT, b"x"))
        assert raw.close_code() == CloseCode.PROTOCOL_ERROR


def test_pings_are_answered_and_the_first_subprotocol_is_taken(target: Target) -> None:
    with connect(target.url, "/ws/echo", subprotocols=["one", "two"]) as client:
        assert client.subprotocol == "one"
        assert client.ping(b"there?").wait(20)
    with RawWebSocket(target.url, "/ws/echo?no_pong=1") as raw:
        raw.send(masked(FIN | PING, b"there?"), masked(FIN | TEXT, b"yes"))
        assert raw.receive() == (FIN | TEXT, b"yes")


@pytest.mark.parametrize(
    ("sent", "back"),
    [(b"", b""), (b"\x03\xe8", b"\x03\xe8"), (b"\x0f\xa0so long", b"\x0f\xa0"), (b"\x13\x87", b"\x13\x87")],
)
def test_a_close_is_answered_with_its_own_code(target: Target, sent: bytes, back: bytes) -> None:
    with RawWebSocket(target.url, "/ws/echo") as raw:
        raw.send(masked(FIN | TEXT, b"a"), masked(FIN | CLOSE, sent))
        assert raw.receive() == (FIN | TEXT, b"a")
        assert raw.receive() == (FIN | CLOSE, back)
        assert raw.file.read() == b""


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([bytes([FIN | TEXT, 1]) + b"x"], 1002),  # no mask
        ([masked(FIN | 0x20 | TEXT, b"")], 1002),  # RSV2
        ([masked(FIN | RSV1 | TEXT, b"")], 1002),  # RSV1 without the extension
        ([masked(FIN | 3, b"")], 1002),  # reserved opcode
        ([masked(FIN | 11, b"")], 1002),  # reserved control opcode
        ([masked(PING, b"")], 1002),  # control frame in fragments
        ([masked(FIN | PING, bytes(126))], 1002),  # control frame too long
        ([masked(FIN, b"")], 1002),  # continuation of nothing
        ([masked(TEXT, b"a"), masked(FIN | TEXT, b"b")], 1002),  # a message amid another
        ([bytes([FIN | TEXT, 0xFE, 0, 5])], 1002),  # length not minimal
        ([bytes([FIN | TEXT, 0xFF]) + (1 << 63).to_bytes(8)], 1002),  # the highest bit of the length
        ([masked(FIN | CLOSE, b"\x03")], 1002),  # half a code
        ([masked(FIN | CLOSE, (1005).to_bytes(2))], 1002),  # a code that is not for the wire
        ([masked(FIN | CLOSE, (2000).to_bytes(2))], 1002),
        ([masked(FIN | CLOSE, b"\x03\xe8\xff")], 1007),  # reason not UTF-8
        ([masked(FIN | TEXT, b"\xff")], 1007),
        ([masked(FIN | TEXT, b"\xed\xa0\x80")], 1007),  # a surrogate
        ([masked(TEXT, b"\xce\xba\xe1\xbd"), masked(FIN, b"\x41")], 1007),
        ([masked(TEXT, b"\xf4\x90")], 1007),  # wrong before its message ends
        ([bytes([FIN | BINARY, 0xFF]) + ((16 << 20) + 1).to_bytes(8) + bytes(4)], 1009),
        ([masked(BINARY, bytes(1)), bytes([0, 0xFF]) + (16 << 20).to_bytes(8) + bytes(4)], 1009),
    ],
)
def test_what_no_client_may_send_fails_the_connection(target: Target, frames: list[bytes], code: int) -> None:
    with RawWebSocket(target.url, "/ws/echo") as raw:
        raw.send(*frames)
        assert raw.close_code() == code
    found = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert found["close_codes"] == {"received": {"1006": 1}, "sent": {str(code): 1}}


def test_a_deflated_bomb_is_too_big(target: Target) -> None:
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes((16 << 20) + 1)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    with RawWebSocket(
        target.url, "/ws/echo", headers="Sec-WebSocket-Extensions: permessage-deflate\r\n"
    ) as raw:
        raw.send(masked(FIN | RSV1 | BINARY, bomb[:-4]))
        assert raw.close_code() == CloseCode.MESSAGE_TOO_BIG


def test_the_largest_message_comes_back(target: Target) -> None:
    message = bytes(16 << 20)
    with connect(target.url, "/ws/echo") as client:
        client.send(message)
        assert client.recv() == message


def test_the_server_closes_after_so_many_replies(target: Target) -> None:
    with connect(target.url, "/ws/echo?close_after=2") as client:
        for message in ("a", "b", "c"):
            client.send(message)
        assert [client.recv(), client.recv()] == ["a", "b"]
        with pytest.raises(ConnectionClosedOK):
            client.recv()
    found = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert found["close_codes"] == {"received": {"1000": 1}, "sent": {"1000": 1}}


def test_a_close_may_find_no_answer(target: Target) -> None:
    with RawWebSocket(target.url, "/ws/echo?no_close=1") as raw:
        raw.send(masked(FIN | CLOSE, b"\x03\xe8"))
        found = wait_for(target.url, lambda found: bool(found["close_codes"]["received"]))
        assert found["connections"]["open"] == 1
        raw.send(masked(FIN | TEXT, b"anybody?"))
    found = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert found["close_codes"] == {"received": {"1000": 1}, "sent": {}}


def test_an_upgrade_may_be_refused_or_never_answered(target: Target) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(target.url, "/ws/echo?status=403")
    assert refused.value.response.status_code == 403
    with pytest.raises(TimeoutError):
        connect(target.url, "/ws/echo?never=1", open_timeout=0.2)
    with pytest.raises(InvalidStatus) as refused:
        connect(target.url, "/ws/echo?delay=x")
    assert refused.value.response.status_code == 400
    assert statistics(target.url)["connections"]["opened"] == 0


def test_replies_leave_after_their_delay_in_order_and_are_logged(loadgen: Loadgen, tmp_path: Path) -> None:
    log = tmp_path / "target.csv"
    running = loadgen.start("target", "--port", "0", "--log", str(log))
    url = running.wait_for_line(r"listening on (http://\S+)")[1]
    path = "/ws/echo?delay=bimodal/1/30/3"
    with connect(url, path) as client:
        for number in range(6):
            client.send(str(number))
        assert [client.recv() for _ in range(6)] == [str(number) for number in range(6)]
    running.interrupt()
    assert running.wait().exit_code == 0
    lines = [line.split(",") for line in log.read_text().splitlines()[1:]]
    assert {line[5] for line in lines} == {path}
    held = [int(due) - int(received) for _, _, received, due, _, _ in lines]
    assert held == [0, 1_000_000, 1_000_000, 30_000_000, 1_000_000, 1_000_000, 30_000_000]
    assert all(int(sent) >= int(due) for _, _, _, due, sent, _ in lines)


def test_a_frozen_server_holds_replies_and_pongs(target: Target) -> None:
    with (
        RawWebSocket(target.url, "/ws/echo") as raw,
        RawWebSocket(target.url, "/stall?for=3600000") as control,
    ):
        assert b"200 OK" in control.head
        raw.send(masked(FIN | TEXT, b"a"), masked(FIN | PING, b"b"))
        wait_for(target.url, lambda found: found["pings"]["received"] == 1)
        found = statistics(target.url)
        assert (found["messages"]["sent"], found["pongs"]["sent"]) == (0, 0)
        with RawWebSocket(target.url, "/stall?for=0"):
            assert raw.receive() == (FIN | TEXT, b"a")
            assert raw.receive() == (FIN | PONG, b"b")


def test_who_reads_nothing_is_read_no_more_and_gets_all_of_it_later(target: Target) -> None:
    count, message = 2_000, masked(FIN | BINARY, bytes(10_000))
    with RawWebSocket(target.url, "/ws/echo", receive_buffer=4096) as raw:
        raw.socket.setblocking(False)
        pending, read = message * count, bytearray()
        whole = count * (10_000 + 4)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(pending):
                sent += raw.socket.send(pending[sent : sent + 65536])
        assert sent < len(pending), "the server took all of it without an end"
        raw.socket.settimeout(20)
        while len(read) < whole:
            raw.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while sent < len(pending):
                    sent += raw.socket.send(pending[sent : sent + 65536])
            raw.socket.settimeout(20)
            read += raw.socket.recv(1 << 20)
        assert read == (b"\x82\x7e" + (10_000).to_bytes(2) + bytes(10_000)) * count


def test_what_is_no_upgrade_is_told_what_is_expected(target: Target) -> None:
    with RawWebSocket(target.url, "/ws/echo", headers="Upgrade: h2c\r\n") as raw:
        assert raw.head.startswith(b"HTTP/1.1 101 ")  # one of those offered is ours
    with connect(target.url, "/ws/feed"):
        pass
    found = statistics(target.url)
    assert found["connections"]["opened"] == 2


def test_a_server_that_stops_says_that_it_goes_away(target: Target) -> None:
    with connect(target.url, "/ws/echo") as client:
        target.running.interrupt()
        with pytest.raises(ConnectionClosedOK) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.GOING_AWAY


@pytest.mark.slow
def test_two_thousand_connections_at_rest_take_less_than_four_kilobytes_each(target: Target) -> None:
    count = 2_000
    with raised_descriptor_limit(), contextlib.ExitStack() as stack:

        def join() -> None:
            raw = stack.enter_context(RawWebSocket(target.url, "/ws/echo"))
            raw.send(masked(FIN | BINARY, bytes(300)))
            assert len(raw.receive()[1]) == 300

        for _ in range(100):  # what is taken once is no price of a connection
            join()
        before = _resident_bytes(target.running.pid)
        for _ in range(count):
            join()
        each = (_resident_bytes(target.running.pid) - before) / count
        assert statistics(target.url)["connections"]["open"] == count + 100
        assert each < 4096, each


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
