"""Descriptors on the loop: readers and writers, sockets, streams, TLS, datagrams, pipes, processes, signals.

The engine's own sockets share the one wait with all of these, so none may be forgotten there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.engine.conftest import Run
    from tests.support.certificates import Certificates

    Loop = asyncio.AbstractEventLoop


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets that do not block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


# Readers and writers


def test_a_reader_is_called_as_long_as_there_is_something(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """A reader that takes less than there is must be called again: libraries count on it."""
    ours, theirs = pair
    got = b""

    def read_one_byte() -> None:
        nonlocal got
        got += ours.recv(1)
        if len(got) == 5:
            assert loop.remove_reader(ours)
            loop.stop()

    loop.add_reader(ours, read_one_byte)
    theirs.send(b"bytes")
    loop.run_forever()
    assert got == b"bytes"
    assert not loop.remove_reader(ours)


def test_a_writer_is_called_as_long_as_there_is_room(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    calls = 0

    def write_nothing() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            loop.stop()

    loop.add_writer(ours.fileno(), write_nothing)
    loop.run_forever()
    assert calls == 5
    assert loop.remove_writer(ours.fileno())
    assert not loop.remove_writer(ours.fileno())


def test_reader_and_writer_of_one_descriptor_come_and_go_apart(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    seen: list[str] = []

    def write() -> None:
        seen.append("write")
        loop.remove_writer(ours)
        theirs.send(b"x")

    def read() -> None:
        seen.append(f"read {ours.recv(10)!r}")
        loop.remove_reader(ours)
        loop.add_writer(ours, write_again)

    def write_again() -> None:
        seen.append("write again")
        loop.remove_writer(ours)
        loop.stop()

    loop.add_reader(ours, read)
    loop.add_writer(ours, write)
    loop.run_forever()
    assert seen == ["write", "read b'x'", "write again"]


def test_a_second_reader_replaces_the_first(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    seen: list[str] = []

    def read(name: str) -> None:
        ours.recv(10)
        seen.append(name)
        loop.stop()

    loop.add_reader(ours, read, "first")
    loop.add_reader(ours, read, "second")
    theirs.send(b"x")
    loop.run_forever()
    assert seen == ["second"]
    loop.remove_reader(ours)


def test_a_reader_removed_in_the_same_round_is_not_called(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Both are ready in one wait; whoever comes first takes the other away."""
    seen: list[int] = []
    for side in pair:
        side.send(b"x")

    def read(mine: int) -> None:
        seen.append(mine)
        for side in pair:
            loop.remove_reader(side)
        loop.call_later(0.001, loop.stop)

    for number, side in enumerate(pair):
        loop.add_reader(side, read, number)
    loop.run_forever()
    assert len(seen) == 1


def test_a_descriptor_number_can_be_used_again(loop: Loop) -> None:
    numbers: set[int] = set()
    for text in (b"one", b"two", b"three"):
        reading, writing = os.pipe()
        numbers.add(reading)
        got: list[bytes] = []

        def read(descriptor: int = reading, got: list[bytes] = got) -> None:
            got.append(os.read(descriptor, 10))
            loop.stop()

        loop.add_reader(reading, read)
        os.write(writing, text)
        loop.run_forever()
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)
        assert got == [text]
    assert len(numbers) == 1


def test_an_error_in_a_reader_does_not_stop_the_loop(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    errors: list[Any] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail() -> None:
        ours.recv(10)
        loop.call_soon(loop.stop)
        raise LookupError("reader")

    loop.add_reader(ours, fail)
    theirs.send(b"x")
    loop.run_forever()
    loop.remove_reader(ours)
    assert [type(error) for error in errors] == [LookupError]


# Sockets


def test_plain_sockets_can_be_awaited(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            listener.setblocking(False)
            client.setblocking(False)
            accepting = asyncio.create_task(loop.sock_accept(listener))
            await loop.sock_connect(client, listener.getsockname())
            served, _ = await accepting
            with served:
                served.setblocking(False)
                sent = os.urandom(4_000_000)  # more than the kernel holds for one socket
                sending = asyncio.create_task(loop.sock_sendall(client, sent))
                got = bytearray()
                while len(got) < len(sent):
                    got += await loop.sock_recv(served, 65536)
                await sending
                assert got == sent
                buffer = bytearray(5)
                await loop.sock_sendall(served, b"bytes")
                assert await loop.sock_recv_into(client, buffer) == 5
                assert buffer == b"bytes"

    run(main())


def test_a_wait_for_a_socket_can_be_cancelled(run: Run, pair: tuple[socket.socket, socket.socket]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = pair
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.sock_recv(ours, 10), 0.001)
        theirs.send(b"later")
        assert await loop.sock_recv(ours, 10) == b"later"

    run(main())


def test_names_are_resolved(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 80)
        host, port = await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        assert (host, port) == ("127.0.0.1", "80")

    run(main())


# Streams


@asynccontextmanager
async def served(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """A server on a free port; all its handlers have ended when it is left, so nothing stays open."""
    handlers: set[asyncio.Future[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.get_running_loop().create_future()
        handlers.add(ended)
        try:
            await handler(reader, writer)
        finally:
            ended.set_result(None)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()
        await asyncio.gather(*handlers)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> None:
    """Everything that is sent comes back, while the kernel's buffers fill and empty."""

    async def send() -> None:
        writer.write(sent)
        await writer.drain()

    sending = asyncio.create_task(send())
    assert await reader.readexactly(len(sent)) == sent
    await sending
    writer.close()
    await writer.wait_closed()


def test_streams_carry_more_than_the_kernel_holds(run: Run) -> None:
    async def main() -> None:
        async with served(echo) as address:
            streams = await asyncio.open_connection(*address)
            await exchange(*streams, os.urandom(8_000_000))

    run(main())


def test_two_hundred_connections_at_once(run: Run) -> None:
    async def client(address: tuple[str, int], number: int) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for turn in range(5):
            line = f"{number} {turn}\n".encode()
            writer.write(line)
            assert await reader.readline() == line
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with served(echo, backlog=512) as address, asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(client(address, number))

    run(main())


def test_unix_sockets_are_streams_too(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        server = await asyncio.start_unix_server(echo, path)
        async with server:
            await exchange(*await asyncio.open_unix_connection(path), b"over a path")

    run(main())


def test_a_refused_connection_raises(run: Run, free_port: int) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free_port)

    run(main())


def test_a_peer_that_goes_away_ends_the_stream(run: Run) -> None:
    async def say_and_go(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    async def main() -> None:
        async with served(say_and_go) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"bye"
            assert reader.at_eof()
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_file_is_sent_whole(run: Run, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)
    path = tmp_path / "file"
    path.write_bytes(content)

    async def send_file(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with path.open("rb") as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file)
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with served(send_file) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == content
            writer.close()
            await writer.wait_closed()

    run(main())


# TLS


@pytest.fixture
def tls(certificates: Certificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server, and of a client that trusts its authority alone."""
    client = ssl.create_default_context(cafile=certificates.authority)
    return certificates.good.server_context(), client


def test_tls_streams_carry_both_ways(run: Run, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        async with served(echo, ssl=tls[0]) as address:
            streams = await asyncio.open_connection(*address, ssl=tls[1], server_hostname="localhost")
            assert streams[1].get_extra_info("cipher")
            await exchange(*streams, os.urandom(1_000_000))

    run(main())


def test_a_stream_can_turn_to_tls(run: Run, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def turn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"OK\n")
        await writer.drain()
        await writer.start_tls(tls[0])
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with served(turn) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"OK\n"
            await writer.start_tls(tls[1], server_hostname="localhost")
            writer.write(b"secret\n")
            assert await reader.readline() == b"SECRET\n"
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_certificate_that_is_not_trusted_is_refused(
    run: Run, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def main() -> None:
        async with served(echo, ssl=tls[0]) as address:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(*address, ssl=ssl.create_default_context())

    run(main())


# Datagrams


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what comes, and answers where it is told to."""

    def __init__(self, *, answer: bool, expected: int = 1) -> None:
        self._answer = answer
        self._expected = expected
        self.got: list[bytes] = []
        self.complete = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.got.append(data)
        if self._answer:
            self._transport.sendto(data.upper(), addr)
        if len(self.got) == self._expected:
            self.complete.set()


def test_datagrams_go_and_come_back(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(answer=True), local_addr=("127.0.0.1", 0)
        )
        client, protocol = await loop.create_datagram_endpoint(
            lambda: Datagrams(answer=False, expected=3), remote_addr=server.get_extra_info("sockname")
        )
        for text in (b"one", b"two", b"three"):
            client.sendto(text)
        await protocol.complete.wait()
        assert protocol.got == [b"ONE", b"TWO", b"THREE"]
        client.close()
        server.close()

    run(main())


# Pipes and processes


def test_pipes_are_streams(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        read_transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
        )
        write_transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb"))
        write_transport.write(b"through the pipe")
        write_transport.close()
        assert await reader.read() == b"through the pipe"
        read_transport.close()

    run(main())


def test_a_process_talks_and_ends(run: Run) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "import sys; print(sys.stdin.read().upper()); sys.exit(7)"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stdout, stderr = await process.communicate(b"hello")
        assert (stdout, stderr, process.returncode) == (b"HELLO\n", b"", 7)

    run(main())


def test_several_shells_run_at_once(run: Run) -> None:
    async def shell(number: int) -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_shell(
            f"echo {number} | cat; exit {number}", stdout=subprocess.PIPE
        )
        stdout, _ = await process.communicate()
        return stdout, process.returncode

    async def main() -> None:
        found = await asyncio.gather(*map(shell, range(8)))
        assert found == [(f"{number}\n".encode(), number) for number in range(8)]

    run(main())


def test_a_process_can_be_killed_when_its_time_is_up(run: Run) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "3600")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.01)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(main())


# Signals


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "busy"])
def test_a_signal_calls_its_handler(run: Run, *, idle: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        came: list[str] = []
        enough = asyncio.Event()

        def handle(word: str) -> None:
            came.append(word)
            if len(came) < 3:
                loop.call_later(0.001, os.kill, os.getpid(), signal.SIGUSR1)
            else:
                enough.set()

        async def stay_busy() -> None:
            while not enough.is_set():  # noqa: ASYNC110 - never idle is the point
                await asyncio.sleep(0)

        loop.add_signal_handler(signal.SIGUSR1, handle, "signal")
        # From a thread: nothing on the loop itself ends the wait that the signal has to end.
        sending = loop.run_in_executor(None, os.kill, os.getpid(), signal.SIGUSR1)
        await (enough.wait() if idle else stay_busy())
        await sending
        assert came == ["signal"] * 3
        assert loop.remove_signal_handler(signal.SIGUSR1)
        assert not loop.remove_signal_handler(signal.SIGUSR1)

    run(main())
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
