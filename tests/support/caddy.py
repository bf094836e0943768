"""A real Caddy as the target: HTTP/1.1, HTTP/2 (in clear text: h2c) and HTTP/3, with an access log."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tests.support.ports import find_free_port
from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Leaf

CONFIG = """\
{{
	admin off
	auto_https off
	storage file_system {folder}/storage
	servers {{
		protocols {protocols}
	}}
}}
{site} {{
	bind 127.0.0.1
	{tls}
	log {{
		output file {folder}/access.log {{
			roll_disabled
		}}
	}}
	{handler}
}}
"""


class Caddy(ServerProcess):
    """Answers "hello world" to everything, or as its `handler` says."""

    def __init__(
        self,
        caddy: Path,
        folder: Path,
        *,
        tls: Leaf | None = None,
        http3: bool = False,
        core: int | None = None,
        handler: str = 'respond "hello world"',
    ) -> None:
        port = find_free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self._access_log = folder / "access.log"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "Caddyfile"
        config.write_text(
            CONFIG.format(
                folder=folder,
                handler=handler,
                protocols=("h1 h2 h3" if http3 else "h1 h2") if tls else "h1 h2c",
                site=f"{'https' if tls else 'http'}://:{port}",
                tls=f"tls {tls.certificate} {tls.key}" if tls else "",
            )
        )
        command = [str(caddy), "run", "--adapter", "caddyfile", "--config", str(config)]
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        super().__init__(command, folder, environment={"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)})
        self.await_port(port)

    def await_log(self, lines: int) -> None:
        """Until it has answered so many requests."""
        give_up_at = time.monotonic() + 20
        while self.requests_handled() < lines:
            assert time.monotonic() < give_up_at, f"fewer than {lines} requests were answered"
            time.sleep(0.01)

    def requests_handled(self) -> int:
        """Requests that it has answered and written down."""
        return self._access_log.read_bytes().count(b"\n") if self._access_log.exists() else 0

    def access_log(self) -> list[Access]:
        """Every request it answered. Stops it first, so that the last is written."""
        self.stop()
        if not self._access_log.exists():
            return []
        return [self._read(json.loads(line)) for line in self._access_log.read_text().splitlines()]

    @staticmethod
    def _read(line: dict[str, object]) -> Access:
        request = line["request"]
        assert isinstance(request, dict)
        return Access(
            connection=int(request["remote_port"]),
            method=request["method"],
            uri=request["uri"],
            status=int(str(line["status"])),
            protocol=request["proto"],
        )
