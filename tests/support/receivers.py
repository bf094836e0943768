"""Receivers of metrics: a real Prometheus, a real InfluxDB, and servers that keep what comes."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tests.support.ports import find_free_port
from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


def fetch(url: str, *, post: bool = False) -> bytes:
    with urllib.request.urlopen(url, data=b"" if post else None, timeout=10) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


class Prometheus(ServerProcess):
    """Scrapes one target five times a second, and takes what is written to it."""

    def __init__(self, prometheus: Path, folder: Path, target_port: int) -> None:
        folder.mkdir(parents=True)
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n"
            "  - job_name: scraped\n"
            "    static_configs:\n"
            f"      - targets: ['127.0.0.1:{target_port}']\n"
        )
        self.port = find_free_port()
        command = [str(prometheus), f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver"]
        super().__init__(command, folder)
        self.url = f"http://127.0.0.1:{self.port}"
        self.await_line("Server is ready to receive web requests")

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series."""
        asked = urllib.parse.urlencode({"query": expression})
        found = json.loads(fetch(f"{self.url}/api/v1/query?{asked}"))
        assert found["status"] == "success", found
        return [(row["metric"], float(row["value"][1])) for row in found["data"]["result"]]

    def value(self, expression: str) -> float:
        """Of an expression that has one."""
        ((_, value),) = self.query(expression)
        return value


class InfluxDB(ServerProcess):
    """Version 1 with one database, `loadgen`."""

    def __init__(self, influxd: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        port = find_free_port()
        config = folder / "influxdb.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{find_free_port()}"\n'
            f'[meta]\ndir = "{folder}/meta"\n'
            f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n'
        )
        super().__init__([str(influxd), "-config", str(config)], folder)
        self.url = f"http://127.0.0.1:{port}"
        self.await_port(port)
        fetch(f"{self.url}/query?{urllib.parse.urlencode({'q': 'CREATE DATABASE loadgen'})}", post=True)

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Rows, with their columns' names and tags."""
        asked = urllib.parse.urlencode({"db": "loadgen", "q": statement})
        (result,) = json.loads(fetch(f"{self.url}/query?{asked}"))["results"]
        return [
            dict(zip(series["columns"], values, strict=True)) | series.get("tags", {})
            for series in result.get("series", [])
            for values in series["values"]
        ]


@dataclass(frozen=True)
class Posted:
    """One request that a recorder was sent."""

    path: str
    headers: dict[str, str]
    body: bytes


class Recorder:
    """An HTTP server that keeps what is posted and answers with `status`; with `silent`, never."""

    def __init__(self, *, status: int = 204, answer: bytes = b"", silent: bool = False) -> None:
        self.posted: list[Posted] = []
        self.status = status
        self._released = threading.Event()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorder.posted.append(Posted(self.path, headers, body))
                if silent:
                    recorder._released.wait(300)
                    self.close_connection = True
                    return
                self.send_response(recorder.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def wait_for(self, count: int) -> None:
        give_up_at = time.monotonic() + 20
        while len(self.posted) < count:
            assert time.monotonic() < give_up_at, f"{len(self.posted)} requests instead of {count}"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Packets:
    """A UDP port; what has come is read when all is over."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def lines(self) -> list[str]:
        """All that is there now."""
        self._socket.setblocking(False)
        found = []
        while True:
            try:
                found += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
