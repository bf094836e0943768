"""Real proxies on free ports: microsocks speaks SOCKS5, tinyproxy HTTP. Both write down what they did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.ports import find_free_port
from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

TINYPROXY = """\
Listen 127.0.0.1
Port {port}
MaxClients 200
Timeout 60
LogLevel Connect
{more}
"""


class Microsocks(ServerProcess):
    """A SOCKS5 proxy, with a name and a password where they are given."""

    def __init__(self, microsocks: Path, folder: Path, *, login: str = "") -> None:
        self.port = find_free_port()
        user, _, password = login.partition(":")
        only = ("-u", user, "-P", password) if login else ()
        super().__init__([str(microsocks), "-i", "127.0.0.1", "-p", str(self.port), *only], folder)
        self.await_port(self.port)

    def connected_to(self) -> list[str]:
        """HOST:PORT of each connection that it made."""
        return re.findall(r"connected to (\S+)", self.output())


class Tinyproxy(ServerProcess):
    """An HTTP proxy: CONNECT for what is encrypted, whole URLs for what is not."""

    def __init__(self, tinyproxy: Path, folder: Path, *, more: str = "") -> None:
        self.port = find_free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "tinyproxy.conf"
        config.write_text(TINYPROXY.format(port=self.port, more=more))
        super().__init__([str(tinyproxy), "-d", "-c", str(config)], folder)
        self.await_port(self.port)

    def requests(self) -> list[tuple[str, str]]:
        """Method and target of each request that it was sent."""
        return re.findall(r"Request \(file descriptor \d+\): (\S+) (\S+) HTTP", self.output())
