"""One connection of Socket.IO, with its namespaces: it answers pings, and hands events to who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from loadgen.errors import SocketClosed
from loadgen.importers.artillery import socketio_packets as packets
from loadgen.importers.artillery.socketio_packets import Packet
from loadgen.importers.artillery.values import string_of
from loadgen.importers.artillery.virtual_user import VuFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadgen.socket import Socket
    from loadgen.user import User

_AS_IS = "-_.!~*'()"  # what encodeURIComponent leaves alone

Listener = Callable[[list[Any], int], None]  # the arguments, and when they came, in ns


def address(target: str, path: str, query: str | Mapping[str, Any] | None) -> str:
    """Where the handshake goes; a path in the target is a namespace, and no part of it."""
    parts = urlsplit(target)
    asked = _pairs(query or {})
    whole = "&".join(
        f"{quote(name, safe=_AS_IS)}={quote(value, safe=_AS_IS)}"
        for name, value in [*asked, ("EIO", "4"), ("transport", "websocket")]
    )
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"{path.removesuffix('/')}/", whole, ""))


def _pairs(query: str | Mapping[str, Any]) -> list[tuple[str, str]]:
    """As the client of Node reads them: a `+` is no space."""
    if not isinstance(query, str):
        return [(str(name), string_of(value)) for name, value in query.items()]
    halves = (pair.partition("=") for pair in query.split("&"))
    return [(unquote(name), unquote(value)) for name, _, value in halves]


class Link:
    """Opened once; `close` it in the end."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._acks: dict[int, Listener] = {}
        self._answers: dict[str, asyncio.Future[None]] = {}  # of namespaces that are being connected
        self._connected: list[str] = []  # in the order in which they are left
        self._last_id = 0
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, user: User, url: str, headers: Mapping[str, str], patience_s: float) -> Link:
        """A connection whose server has said hello. Raises SocketClosed, or VuFailed."""
        socket = await user.ws(url, name=f"WS {urlsplit(url).path}", headers=headers, deflate=True).open()
        try:
            hello = await socket.recv(patience_s)
        except TimeoutError:
            raise VuFailed("timeout") from None
        if not isinstance(hello, str) or not hello.startswith(packets.OPEN):
            raise VuFailed("server error", "server error")
        link = cls(socket)
        link._reader = asyncio.get_running_loop().create_task(link._read(), name="socket.io")
        return link

    @property
    def socket(self) -> Socket:
        """The WebSocket below."""
        return self._socket

    async def connect(self, namespace: str, auth: Any, patience_s: float) -> None:
        """Enters a namespace, unless it is entered already."""
        if namespace in self._connected:
            return
        answer = self._answers[namespace] = asyncio.get_running_loop().create_future()
        try:
            await self._send(Packet(packets.CONNECT, namespace, data=auth))
            async with asyncio.timeout(patience_s):
                await answer
        except TimeoutError:
            raise VuFailed("timeout") from None
        finally:
            del self._answers[namespace]
        self._connected.append(namespace)

    async def emit(self, namespace: str, arguments: list[Any], on_ack: Listener | None = None) -> int | None:
        """Sends an event; the number of its acknowledgement, where one is asked for."""
        number = None
        if on_ack is not None:
            self._last_id += 1
            number = self._last_id
            self._acks[number] = on_ack
        await self._send(Packet(packets.EVENT, namespace, number, arguments))
        return number

    def listen(self, namespace: str, name: str, listener: Listener) -> None:
        """Events of this name are given to it, until `unlisten`."""
        self._listeners[namespace, name] = listener

    def unlisten(self, namespace: str, name: str, ack: int | None = None) -> None:
        """Nobody listens any more."""
        self._listeners.pop((namespace, name), None)
        if ack is not None:
            self._acks.pop(ack, None)

    async def close(self) -> None:
        """Leaves all namespaces, and reads no more. Whoever has the socket closes that."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket.open:
            for namespace in self._connected:
                await self._send(Packet(packets.DISCONNECT, namespace))

    async def _send(self, packet: Packet) -> None:
        try:
            await self._socket.send(packet.encode())
        except SocketClosed as error:
            raise VuFailed(str(error), "transport close") from None

    async def _read(self) -> None:
        waiting: Packet | None = None
        attached = 0
        try:
            while True:
                message = await self._socket.recv()
                if isinstance(message, bytes):
                    if waiting is not None:
                        waiting.attach(attached, message)
                        attached += 1
                        if not waiting.missing:
                            self._take(waiting)
                            waiting = None
                elif message.startswith(packets.PING):
                    await self._socket.send(packets.PONG + message[1:])
                elif message.startswith(packets.MESSAGE):
                    packet = packets.decode(message[1:])
                    if packet.missing:
                        waiting, attached = packet, 0
                    else:
                        self._take(packet)
        except (SocketClosed, ValueError, msgspec.DecodeError) as error:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(VuFailed(str(error), "transport close"))

    def _take(self, packet: Packet) -> None:
        answer = self._answers.get(packet.namespace)
        at_ns = self._socket.received_ns
        if packet.kind == packets.EVENT and isinstance(packet.data, list) and packet.data:
            listener = self._listeners.get((packet.namespace, str(packet.data[0])))
            if listener is not None:
                listener(packet.data[1:], at_ns)
        elif packet.kind == packets.ACK and packet.id is not None:
            on_ack = self._acks.pop(packet.id, None)
            if on_ack is not None:
                on_ack(packet.data if isinstance(packet.data, list) else [packet.data], at_ns)
        elif answer is not None and not answer.done():
            if packet.kind == packets.CONNECT:
                answer.set_result(None)
            elif packet.kind == packets.REFUSED:
                said = packet.data.get("message") if isinstance(packet.data, dict) else packet.data
                answer.set_exception(VuFailed(str(said)))
