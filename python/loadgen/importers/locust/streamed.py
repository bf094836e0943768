"""The body of a response that is read while it comes: what `stream=True` asks for, of either client."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loadgen.body import ENDED
from loadgen.importers.locust.driver import sleep, wait_for
from loadgen.importers.locust.exceptions import ChunkedEncodingError, failure_of

if TYPE_CHECKING:
    from loadgen._engine import Engine, Stream
    from loadgen._engine import Response as EngineResponse

# How often to look whether what was left has ended: a turn of the loop or two.
LOOK_S = 0.001


class Body:
    """What is still to come. It is read once; what is not read is let go with it."""

    def __init__(self, engine: Engine, stream: Stream) -> None:
        self._engine = engine
        self._stream = stream
        self._taken: deque[bytes] = deque()  # what has come and is not handed out

    def pieces(self) -> Iterator[bytes]:
        """As they come, to the end. Raises where they break off."""
        stream = self._stream
        while self._taken or not stream.is_drained:
            while self._taken:
                yield self._taken.popleft()
            if not stream.is_drained:
                waiting = stream.wait()
                if waiting is not None:
                    wait_for(waiting)
                self._taken += [piece for _, piece in stream.take()]
        if stream.error == "closed":
            raise ChunkedEncodingError("Connection broken: the body has not come to its end")
        if stream.error is not None:
            raise failure_of(stream.error)[0]

    @cached_property
    def whole(self) -> bytes:
        """All that is left, kept."""
        return b"".join(self.pieces())

    def read(self, size: int | None = -1, *_: Any, **__: Any) -> bytes:
        """So many bytes, or all that are left."""
        wanted = -1 if size is None else size
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if 0 <= wanted <= len(found):
                break
        if wanted >= 0:
            self._hand_back(bytes(found[wanted:]))
            del found[wanted:]
        return bytes(found)

    def readline(self) -> bytes:
        """A line, with its end."""
        found = b""
        for piece in self.pieces():
            line, end, rest = (found + piece).partition(b"\n")
            found = line + end
            if end:
                self._hand_back(rest)
                break
        return found

    def _hand_back(self, rest: bytes) -> None:
        if rest:
            self._taken.appendleft(rest)

    def outcome(self) -> EngineResponse:
        """What its request came to; what is left of it is let go."""
        while (ended := self._stream.ended) is None:
            self._stream.leave()
            sleep(LOOK_S)
        return ended

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return not self._taken and self._stream.is_drained

    def close(self) -> None:
        """The rest is not wanted."""
        if not self._stream.is_drained:
            self._stream.leave()

    def __del__(self) -> None:
        with suppress(Exception):
            if self._engine.phase not in ENDED:  # what the run breaks off is unfinished
                self.close()


def in_chunks(pieces: Iterable[bytes], size: int | None) -> Iterator[bytes]:
    """None longer than that."""
    for piece in pieces:
        step = size or len(piece)
        yield from (piece[start : start + step] for start in range(0, len(piece), step))


def in_text(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Decoded, where a character may come in two pieces."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def in_lines(pieces: Iterable[Any], delimiter: Any = None) -> Iterator[Any]:
    """Without their ends; of bytes or of text."""
    rest = None
    for piece in pieces:
        whole = piece if rest is None else rest + piece
        lines = whole.split(delimiter) if delimiter else whole.splitlines()
        rest = lines.pop() if lines and lines[-1] and lines[-1][-1] == whole[-1] else None
        yield from lines
    if rest is not None:
        yield rest
