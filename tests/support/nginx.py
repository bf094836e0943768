"""A real nginx as the target: one process, a free loopback port, an access log that can be counted.

It runs without a master process, so that there is one pid to pin, to measure and to stop. Its counter of
requests comes from stub_status on a second port, apart from the traffic it counts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.ports import find_free_port, raised_descriptor_limit, wait_until_listening

if TYPE_CHECKING:
    from types import TracebackType

HELLO = 'location / { return 200 "hello world\\n"; }'

CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    log_format counted '$msec\\t$connection\\t$connection_requests\\t$request_method\\t$request_uri\\t'
                       '$status\\t$request_time\\t$request_length\\t$bytes_sent';
    access_log {access_log};
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {locations}
    }}
    server {{
        listen 127.0.0.1:{status_port};
        access_log off;
        location / {{ stub_status; }}
    }}
}}
"""


def find_nginx() -> Path | None:
    """nginx is a daemon, so it lives in sbin, which is not on everybody's PATH."""
    found = shutil.which(
        "nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    )
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One request as nginx saw it, written when the request ended. Status 499: the client went away first."""

    time_s: float
    connection: int
    connection_requests: int
    method: str
    uri: str
    status: int
    request_time_s: float
    request_bytes: int
    response_bytes: int

    @classmethod
    def parse(cls, line: str) -> AccessLine:
        time_s, connection, requests, method, uri, status, request_time_s, request_bytes, response_bytes = (
            line.split("\t")
        )
        return cls(
            float(time_s),
            int(connection),
            int(requests),
            method,
            uri,
            int(status),
            float(request_time_s),
            int(request_bytes),
            int(response_bytes),
        )


class Nginx:
    """A running nginx, stopped by its own pid. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        locations: str = HELLO,
        access_log: bool = True,
        core: int | None = None,
        binary: Path | None = None,
    ) -> None:
        nginx = binary or find_nginx()
        if nginx is None:
            raise FileNotFoundError("nginx not found: install nginx-light, or put nginx on PATH")
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._status_port = find_free_port()
        self._status_calls = 0
        self._access_log = folder / "access.log"
        self._error_log = folder / "error.log"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                access_log=f"{self._access_log} counted" if access_log else "off",
                port=self.port,
                status_port=self._status_port,
                locations=locations,
            )
        )
        command = [str(nginx), "-p", str(folder), "-c", str(config)]
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        with raised_descriptor_limit():
            self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if not wait_until_listening(self.port, still_alive=lambda: self._process.poll() is None):
            self._process.kill()
            _, complaint = self._process.communicate()
            log = self._error_log.read_text() if self._error_log.exists() else ""
            raise RuntimeError(f"nginx did not start: {complaint}{log}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def requests_handled(self) -> int:
        """Requests begun since the start, by nginx's own counter; works without an access log."""
        self._status_calls += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=5) as answer:
            # "Active connections: 1 \nserver accepts handled requests\n 3 3 7 \n…"
            counters = answer.read().decode().splitlines()[2].split()
        return int(counters[2]) - self._status_calls

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends it between two events, so every request it answered is in the log. May be called twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=10)

    def access_log(self) -> list[AccessLine]:
        """Every request it saw. Stops it first: a client can have its answer before the line is written."""
        self.stop()
        return [AccessLine.parse(line) for line in self._access_log.read_text().splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
