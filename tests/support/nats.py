"""A real nats-server whose clients speak its protocol over WebSockets. Its monitoring port counts exactly."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
websocket {{
    listen: "127.0.0.1:-1"
    no_tls: true
    compression: {compression}
}}
"""


class Nats(ServerProcess):
    """`url` leads to its WebSockets."""

    def __init__(self, nats_server: Path, folder: Path, *, compression: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "nats.conf"
        config.write_text(CONFIG.format(compression=str(compression).lower()))
        super().__init__([str(nats_server), "--config", str(config)], folder)
        self.await_line("Server is ready")
        self.url = self.await_line(r"Listening for websocket clients on (\S+)")[1]
        self._monitor = self.await_line(r"Starting http monitor on (\S+)")[1]

    def totals(self) -> dict[str, Any]:
        """What it has counted since its start: connections, messages and their bytes, each way."""
        return self._ask("varz")

    def closed(self) -> list[dict[str, Any]]:
        """What it knows of each connection that has ended."""
        connections: list[dict[str, Any]] = self._ask("connz?state=closed&limit=10000")["connections"]
        return connections

    def _ask(self, what: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self._monitor}/{what}", timeout=20) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
