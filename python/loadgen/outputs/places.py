"""Where receivers are: HOST:PORT, and files that must be writable before the load begins."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from loadgen.files import LineFile, descriptor_of, open_in_place
from loadgen.outputs.output import Refused
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


class LiveFile(LineFile):
    """Lines of a run under way. What was there stays until there is a first one: the run may be refused."""

    def __init__(self, path: Path) -> None:
        super().__init__(open_in_place(path, create=True), shared=descriptor_of(path) is not None)
        self._is_new = False

    def append(self, text: str) -> None:
        """Whole lines. What cannot be written is not tried again: a line is never there twice."""
        if not self._is_new:
            self._is_new = True
            self._cut(0)
        try:
            super().append(text)
        except OSError as error:
            raise Refused(error.strerror or str(error)) from None
