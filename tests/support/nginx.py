"""A real nginx as the target: one process, a free loopback port or a unix socket, a log that can be counted.

It runs without a master process, so that there is one pid to pin, to measure and to stop. Its counter of
requests comes from stub_status on a second port, apart from the traffic it counts.
"""

from __future__ import annotations

import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import find_free_port
from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from tests.support.certificates import Leaf

HELLO = 'location / { return 200 "hello world\\n"; }'

CONFIG = """\
{modules}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
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
    log_format counted '$connection\\t$request_method\\t$request_uri\\t$status\\t$server_protocol\\t'
                       '$msec\\t$connection_requests\\t$request_time\\t$request_length\\t$bytes_sent\\t'
                       '$remote_addr\\t$ssl_protocol\\t$ssl_session_reused\\t$ssl_client_verify';
    access_log {access_log};
    ssl_protocols TLSv1.2 TLSv1.3;
    {http}
    server {{
        listen {listen} backlog=4096;
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
class AccessLine(Access):
    """One request as nginx saw it, written when the request ended. Status 499: the client went away first."""

    time_s: float
    connection_requests: int
    request_time_s: float
    request_bytes: int
    response_bytes: int
    client_address: str
    tls_version: str
    tls_resumed: bool
    client_certificate: str

    @classmethod
    def parse(cls, line: str) -> AccessLine:
        fields = line.split("\t")
        return cls(
            connection=int(fields[0]),
            method=fields[1],
            uri=fields[2],
            status=int(fields[3]),
            protocol=fields[4],
            time_s=float(fields[5]),
            connection_requests=int(fields[6]),
            request_time_s=float(fields[7]),
            request_bytes=int(fields[8]),
            response_bytes=int(fields[9]),
            client_address=fields[10],
            tls_version=fields[11],
            tls_resumed=fields[12] == "r",
            client_certificate=fields[13],
        )


class Nginx(ServerProcess):
    """A running nginx, stopped by its own pid.

    `locations` goes into its server, `http` before it; `module` is a library that it loads.
    """

    def __init__(
        self,
        folder: Path,
        *,
        locations: str = HELLO,
        http: str = "",
        tls: Leaf | None = None,
        http2: bool = False,
        unix_socket: bool = False,
        access_log: bool = True,
        core: int | None = None,
        binary: Path | None = None,
        module: Path | None = None,
    ) -> None:
        nginx = binary or find_nginx()
        if nginx is None:
            raise FileNotFoundError("nginx not found: install nginx-light, or put nginx on PATH")
        self.port = find_free_port()
        self.socket = folder / "nginx.sock"
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._status_port = find_free_port()
        self._status_calls = 0
        self._access_log = folder / "access.log"
        folder.mkdir(parents=True, exist_ok=True)
        if tls is not None:
            locations = f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key}; {locations}"
        listen = f"unix:{self.socket}" if unix_socket else f"127.0.0.1:{self.port}"
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                modules=f"load_module {module};" if module else "",
                folder=folder,
                access_log=f"{self._access_log} counted" if access_log else "off",
                http=http,
                listen=listen + " ssl" * (tls is not None) + " http2" * http2,
                status_port=self._status_port,
                locations=locations,
            )
        )
        command = [str(nginx), "-p", str(folder), "-c", str(config)]
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        super().__init__(command, folder)
        # It listens everywhere before it serves anywhere.
        self.await_port(self._status_port)

    def requests_handled(self) -> int:
        """Requests begun since the start, by nginx's own counter; works without an access log."""
        self._status_calls += 1
        with urllib.request.urlopen(f"http://127.0.0.1:{self._status_port}/", timeout=5) as answer:
            # "Active connections: 1 \nserver accepts handled requests\n 3 3 7 \n…"
            counters = answer.read().decode().splitlines()[2].split()
        return int(counters[2]) - self._status_calls

    def access_log(self) -> list[AccessLine]:
        """Every request it saw. Stops it first: a client can have its answer before the line is written."""
        self.stop()
        return [AccessLine.parse(line) for line in self._access_log.read_text().splitlines()]
