"""Python's own `http.server` as the target: HTTP/1.1 in clear text, a thread a connection, a short queue."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

LINE = re.compile(r'"(?P<method>\S+) (?P<uri>\S+) (?P<protocol>\S+)" (?P<status>\d+) ')


class PythonServer(ServerProcess):
    """Serves the file `/hello.txt`. It writes its log before the answer, and knows connections by nothing."""

    def __init__(self, folder: Path) -> None:
        files = folder / "files"
        files.mkdir(parents=True)
        (files / "hello.txt").write_text("hello world\n")
        options = ("0", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "--directory", str(files))
        super().__init__([sys.executable, "-u", "-m", "http.server", *options], folder)
        port = self.await_line(r"Serving HTTP on \S+ port (\d+)")[1]
        self.url = f"http://127.0.0.1:{port}/hello.txt"

    def access_log(self) -> list[Access]:
        """Every request it answered. Stops it first, like all of them."""
        self.stop()
        return [
            Access(0, match["method"], match["uri"], int(match["status"]), match["protocol"])
            for match in LINE.finditer(self.output())
        ]
