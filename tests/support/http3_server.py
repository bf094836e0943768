"""A server of HTTP/3 on aioquic that resumes sessions, and answers in unusual and in wrong ways by the path.

This file is also the program that it runs, which writes each request down before it answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3Connection, encode_frame
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.certificates import Leaf

ROOT = Path(__file__).parents[2]
DATA, HEADERS = 0x0, 0x1
INTERNAL_ERROR, REQUEST_REJECTED = 0x102, 0x10B
BODY = b"hello world\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it."""

    path: str
    resumed: bool


class Http3Server(ServerProcess):
    """Answers "hello world", but for the paths in `ANSWERS`."""

    def __init__(self, folder: Path, tls: Leaf, *, alpn: str = "h3") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "asked.log"
        self._log.touch()
        arguments = [str(tls.certificate), str(tls.key), str(self._log), alpn]
        super().__init__(
            [sys.executable, "-m", __name__, *arguments], folder, environment={"PYTHONPATH": str(ROOT)}
        )
        port = self.await_line(r"listening on (\d+)")[1]
        self.url = f"https://127.0.0.1:{port}"

    def asked(self) -> list[Asked]:
        """Every request that it has seen. Stops it first."""
        self.stop()
        return [Asked(**json.loads(line)) for line in self._log.read_text().splitlines()]


class Peer(QuicConnectionProtocol):
    """One connection."""

    log: Path

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.http: H3Connection | None = None
        self._paths: dict[int, str] = {}

    @property
    def quic(self) -> Any:
        return self._quic

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        for heard in self.http.handle_event(event) if self.http else []:
            if isinstance(heard, HeadersReceived):
                self._paths[heard.stream_id] = dict(heard.headers)[b":path"].decode()
            if isinstance(heard, HeadersReceived | DataReceived) and heard.stream_ended:
                self._answer(heard.stream_id)

    def _answer(self, stream: int) -> None:
        path = self._paths.pop(stream)
        with self.log.open("a") as log:
            log.write(json.dumps({"path": path, "resumed": self._quic.tls.session_resumed}) + "\n")
        ANSWERS.get(path.removeprefix("/"), hello)(self, stream)
        self.transmit()

    def send_head(
        self, stream: int, *headers: tuple[bytes, bytes], status: bytes = b"200", end: bool
    ) -> None:
        assert self.http is not None
        self.http.send_headers(stream, [(b":status", status), *headers], end_stream=end)

    def send_data(self, stream: int, data: bytes) -> None:
        assert self.http is not None
        self.http.send_data(stream, data, end_stream=True)


def hello(peer: Peer, stream: int) -> None:
    peer.send_head(stream, (b"content-length", b"%d" % len(BODY)), end=False)
    peer.send_data(stream, BODY)


def early_hints(peer: Peer, stream: int) -> None:
    for _ in range(3):
        peer.send_head(stream, (b"link", b"</style.css>; rel=preload"), status=b"103", end=False)
    hello(peer, stream)


def byte_by_byte(peer: Peer, stream: int) -> None:
    assert peer.http is not None
    peer.send_head(stream, end=False)
    for byte in BODY:
        peer.http.send_data(stream, bytes([byte]), end_stream=False)
        peer.transmit()
    peer.http.send_headers(stream, [(b"checksum", b"1")], end_stream=True)


def too_short(peer: Peer, stream: int) -> None:
    peer.send_head(stream, (b"content-length", b"100"), end=False)
    peer.send_data(stream, BODY)


def body_before_head(peer: Peer, stream: int) -> None:
    peer.quic.send_stream_data(stream, encode_frame(DATA, BODY), True)


def garbled_head(peer: Peer, stream: int) -> None:
    peer.quic.send_stream_data(stream, encode_frame(HEADERS, b"\xff" * 50), True)


def nothing(peer: Peer, stream: int) -> None:
    peer.quic.send_stream_data(stream, b"", True)


def endless_head(peer: Peer, stream: int) -> None:
    peer.quic.send_stream_data(stream, b"\x01\xbf\xff\xff\xff" + bytes(200_000), False)


def large_head(peer: Peer, stream: int) -> None:
    peer.send_head(stream, *[(b"x-%d" % number, b"y" * 1000) for number in range(90)], end=True)


ANSWERS: dict[str, Callable[[Peer, int], None]] = {
    "hints": early_hints,
    "slowly": byte_by_byte,
    "short": too_short,
    "unframed": body_before_head,
    "garbled": garbled_head,
    "nothing": nothing,
    "endless": endless_head,
    "large": large_head,
    "reset": lambda peer, stream: peer.quic.reset_stream(stream, INTERNAL_ERROR),
    "rejected": lambda peer, stream: peer.quic.reset_stream(stream, REQUEST_REJECTED),
    "closed": lambda peer, _: peer.quic.close(error_code=0x100),
    "failed": lambda peer, _: peer.quic.close(error_code=INTERNAL_ERROR),
}


async def main(certificate: str, key: str, log: str, alpn: str) -> None:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[alpn])
    configuration.load_cert_chain(certificate, key)
    Peer.log = Path(log)
    tickets: dict[bytes, Any] = {}
    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        create_protocol=Peer,
        session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}),
        session_ticket_fetcher=tickets.get,
    )
    transport: Any = server._transport  # noqa: SLF001 - where else would it say which port it has?
    sys.stdout.write(f"listening on {transport.get_extra_info('sockname')[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
