"""A TCP server that does what a test tells it, byte by byte: the place for hostile and broken answers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    Behaviour = Callable[["RawConnection"], None]

# linger on, for 0 seconds: close() sends RST and throws away what is unsent.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class RawConnection:
    """One accepted connection, numbered from 0 in the order of arrival."""

    def __init__(self, accepted: socket.socket, number: int) -> None:
        self.socket = accepted
        self.number = number
        self._unread = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Turns to TLS, as the server. A client that does not like what it sees ends the behaviour."""
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.socket.do_handshake()

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, or b"" when the client has gone."""
        while len(self._unread) < size:
            if not self._receive():
                return b""
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def read_request(self) -> bytes:
        """The next request with its body (Content-Length only), or b"" when the client has gone."""
        while b"\r\n\r\n" not in self._unread:
            if not self._receive():
                return b""
        head, _, rest = self._unread.partition(b"\r\n\r\n")
        body_bytes = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                body_bytes = int(value)
        while len(rest) < body_bytes:
            if not self._receive():
                return b""
            rest = self._unread.partition(b"\r\n\r\n")[2]
        self._unread = rest[body_bytes:]
        return head + b"\r\n\r\n" + rest[:body_bytes]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_until_client_closes(self) -> None:
        """Swallows what comes until the client has gone or the server stops: how never to answer."""
        while self._receive():
            self._unread = b""

    def finish(self) -> None:
        """Ends what is sent with FIN, below TLS too, and leaves what comes in alone."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()

    def _receive(self) -> bool:
        received = self.socket.recv(65536)
        self._unread += received
        return bool(received)


class RawServer:
    """Runs `behaviour` once per connection, each in its own thread, then closes the connection.

    A client that goes away ends a behaviour in silence; any other error in it is raised by `stop()`.
    """

    def __init__(self, behaviour: Behaviour, *, host: str = "127.0.0.1", backlog: int = 1024) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self.connections = 0
        self._behaviour = behaviour
        self._open: set[RawConnection] = set()
        self._errors: list[Exception] = []
        self._stopping = False
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="raw server", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Cuts all connections, waits for the behaviours, raises their first error. May be repeated."""
        self._stopping = True
        # shutdown() wakes accept() and recv() in the other threads, which close() does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(timeout=10)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    # Below TLS, which is its own thread's business.
                    socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
            if thread.is_alive():
                raise RuntimeError("a behaviour of the raw server did not end when its connection was cut")
        if self._errors:
            raise self._errors.pop(0)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = RawConnection(accepted, self.connections)
            self.connections += 1
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(
                target=self._serve,
                args=(connection,),
                name=f"raw connection {connection.number}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: RawConnection) -> None:
        try:
            self._behaviour(connection)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - kept for stop(), which raises it where the test sees it
            self._errors.append(error)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
