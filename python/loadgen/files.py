"""How files are written: by whole lines, or whole or not at all. It knows nothing of what is in them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import select
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What is open already, by the path that it has: `>(...)` of a shell is one.
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS = 40  # as the system has it


class LineFile:
    """A file that grows by whole lines: of what does not fit nothing stays, unless others write to it too."""

    def __init__(self, file: FileIO, *, shared: bool = False) -> None:
        self._file = file  # unbuffered, so that what is written survives whatever happens to us
        self._shared = shared
        self._length = 0

    def append(self, text: str) -> None:
        """Write lines. Raises OSError."""
        data = text.encode()
        try:
            write_all(self._file, data)
        except OSError:
            self._cut(self._length)
            raise
        self._length += len(data)

    def _cut(self, length: int) -> None:
        if self._shared:
            return
        with contextlib.suppress(OSError):  # a device or a pipe
            self._file.seek(length)
            self._file.truncate(length)

    def close(self) -> None:
        """Nothing is held back, so there is nothing to lose here."""
        self._file.close()


def write_all(file: FileIO, data: bytes) -> None:
    """All of it, in as many pieces as the system wants."""
    left = memoryview(data)
    while left:
        written: int | None = file.write(left)
        if written is None:  # whoever opened it before us does not want to wait for it; we do
            select.select([], [file], [])
        left = left[written or 0 :]


def write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing: a reader never finds half a file. A device or a pipe is written to as it is."""
    if descriptor_of(path) is not None or (path.exists() and not path.is_file()):
        with open_in_place(path) as file:
            write_all(file, data)
        return
    path = path.resolve()
    # Not mkstemp's, which are private: this one is a file like any other.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def open_in_place(path: Path, *, create: bool = False) -> FileIO:
    """A file to be written as it is. A pipe that nobody reads is an error: to wait would be for ever."""
    known = descriptor_of(path)
    if known is not None:  # opened anew, a file would be written from its beginning
        return FileIO(os.dup(known), "wb")
    flags = os.O_WRONLY | os.O_NONBLOCK | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads it") from None
        raise
    os.set_blocking(descriptor, True)
    return FileIO(descriptor, "wb")


def descriptor_of(path: Path) -> int | None:
    """Of a path that stands for something that is open already, or is a link to one that does."""
    for _ in range(_MOST_LINKS):
        if match := _DESCRIPTOR.fullmatch(str(path)):
            return int(match[1])
        if str(path) in _STREAMS or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return _STREAMS.get(str(path))


def text_of(path: Path) -> str:
    """A path for JSON and its like: bytes in it that are no UTF-8 are shown as escapes."""
    return str(path).encode(errors="backslashreplace").decode()
