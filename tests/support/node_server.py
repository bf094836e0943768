"""Node's own servers as the target: `http` and `http2`, in clear text or over TLS. A request is logged before
it is answered, so the log is complete whenever a client has its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from tests.support.server_process import Access, ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Leaf

SCRIPT = """\
const fs = require("node:fs");
const [module, log, certificate, key] = process.argv.slice(1);
fs.writeFileSync(log, "");

function answer(request, response) {
  request.resume().on("end", () => {
    fs.appendFileSync(log, JSON.stringify({
      connection: request.socket.remotePort,
      method: request.method,
      uri: request.url,
      status: 200,
      protocol: `HTTP/${request.httpVersion}`,
    }) + "\\n");
    response.end("hello world\\n");
  });
}

const { createServer, createSecureServer } = require(`node:${module}`);
const server = certificate
  ? (createSecureServer ?? createServer)(
      { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true }, answer)
  : createServer(answer);
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
"""


class NodeServer(ServerProcess):
    """Answers "hello world" to everything. `http2` in clear text speaks only that; over TLS ALPN decides."""

    def __init__(
        self, node: Path, folder: Path, module: Literal["http", "http2"], *, tls: Leaf | None = None
    ) -> None:
        self._access_log = folder / "access.log"
        name = "https" if tls and module == "http" else module
        files = [str(tls.certificate), str(tls.key)] if tls else []
        super().__init__([str(node), "--eval", SCRIPT, "--", name, str(self._access_log), *files], folder)
        port = self.await_line(r"listening on (\d+)")[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    def access_log(self) -> list[Access]:
        """Every request it answered. Stops it first, like all of them."""
        self.stop()
        return [Access(**json.loads(line)) for line in self._access_log.read_text().splitlines()]
