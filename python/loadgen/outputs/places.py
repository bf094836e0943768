"""Where receivers are: HOST:PORT, and files that must be writable before the load begins."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from loadgen.outputs.output import Refused
from loadgen.run_folder import open_in_place
from loadgen.units import quoted


def parse_place(text: str, host: str, port: int) -> tuple[str, int]:
    """`HOST:PORT`, `[::1]:PORT`, `:PORT` or `PORT`; what is not said is as usual."""
    if not text:
        return host, port
    before, _, number = text.rpartition(":")
    before = before.removeprefix("[").removesuffix("]")
    if (
        not (number.isascii() and number.isdigit() and int(number) <= 65535)
        or any(not char.isprintable() or char in " /@?#" for char in before)
        or not can_be_host(before)
    ):
        raise ValueError(f"expected HOST:PORT such as {host}:{port}, got {quoted(text)}")
    return before or host, int(number)


def can_be_host(name: str) -> bool:
    """Whether it can be looked up at all: a name such as `a..b` is an exception to whoever tries."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def parse_file(text: str) -> Path:
    """A path, with `~` for somebody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"there is no such home as in {quoted(text)}") from None


def check_writable(path: Path) -> None:
    """Raises OSError where a file that is written at the end could not be. It leaves nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{path} is a folder")
    if path.is_file():
        path.open("ab").close()
    elif path.exists():
        return  # a device or a pipe, which nobody may read yet
    elif not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {path.parent}")
    elif not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, f"the folder {path.parent} cannot be written")


class LineFile:
    """A file for lines. One that cannot be written any more takes nothing: a line is never there twice."""

    def __init__(self, path: Path) -> None:
        self._file = open_in_place(path, create=True)
        self._is_new = False

    def append(self, text: str) -> None:
        """Whole lines. The first begin the file anew: of a run that is refused, what was there stays."""
        if not self._is_new:
            self._is_new = True
            with contextlib.suppress(OSError):  # a device or a pipe
                self._file.truncate(0)
        left = memoryview(text.encode())
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise Refused(error.strerror or str(error)) from None

    def close(self) -> None:
        """Nothing is held back."""
        self._file.close()
