"""Files that grow by whole lines, and files that are replaced as a whole."""

from __future__ import annotations

import errno
import os
import threading
from io import FileIO
from pathlib import Path

import pytest

from loadgen.files import LineFile, descriptor_of, open_in_place, write_whole


class Full(FileIO):
    """Has room for so many bytes."""

    room = 6

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if not self.room:
            raise OSError(errno.ENOSPC, "full")
        written = super().write(data[: self.room])
        self.room -= written
        return written


def test_of_lines_that_do_not_fit_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    disk = Full(path, "wb")
    file = LineFile(disk)
    file.append("one\n")
    with pytest.raises(OSError, match="full"):
        file.append("two\n")
    disk.room = 100
    file.append("three\n")
    file.close()
    assert path.read_text() == "one\nthree\n"


def test_what_others_wrote_is_not_taken_back(tmp_path: Path) -> None:
    """As where lines go to the standard output, and that is a file."""
    path = tmp_path / "lines"
    path.write_text("before\n")
    disk = Full(path, "ab")
    file = LineFile(disk, shared=True)
    with pytest.raises(OSError, match="full"):
        file.append("our own\n")
    file.close()
    assert path.read_text() == "before\nour ow"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_open_already_is_written_where_it_stands(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        file.write("one ")
        file.flush()
        path = file.fileno()
        for text in (b"two ", b"three "):
            write_whole(Path(f"/dev/fd/{path}"), text)
        with open_in_place(Path(f"/proc/self/fd/{path}")) as again:
            again.write(b"four ")
        file.write("five")
    assert (tmp_path / "file").read_text() == "one two three four five"


def test_a_reader_that_is_slow_gets_all_of_it() -> None:
    """Whoever started us may have made the standard output one that never waits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = bytes(range(256)) * 4000
    read: list[bytes] = []
    with open(reader, "rb") as end:  # noqa: PTH123 - a descriptor
        thread = threading.Thread(target=lambda: read.append(end.read()))
        thread.start()
        write_whole(Path(f"/dev/fd/{writer}"), data)
        os.close(writer)
        thread.join()
    assert read == [data]


@pytest.mark.parametrize(
    ("path", "known"),
    [("/dev/stdout", 1), ("/dev/stderr", 2), ("/dev/fd/63", 63), ("/proc/self/fd/9", 9), ("/dev/null", None)],
)
def test_which_paths_are_open_already(path: str, known: int | None) -> None:
    assert descriptor_of(Path(path)) == known
