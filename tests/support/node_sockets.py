"""Node's `ws` as the server: an echo, a bus. It counts for itself; several processes of it share one port."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from tests.support.certificates import Leaf

# Where Debian's node-ws puts it.
LIBRARY = Path("/usr/share/nodejs/ws")

SCRIPT = """\
const cluster = require("node:cluster");
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { WebSocketServer } = require("ws");

const { processes, deflate, certificate, key } = JSON.parse(process.argv[2]);

function serve() {
  const counts = {
    connections: 0, most_open: 0, compressed: 0, subscriptions: 0, pings: 0,
    received: 0, sent: 0, bytes_received: 0, bytes_sent: 0,
  };
  const channels = new Map();
  const server = certificate
    ? https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
    : http.createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: deflate && { threshold: 0 } });

  function send(socket, message, options) {
    counts.sent += 1;
    counts.bytes_sent += Buffer.byteLength(message);
    socket.send(message, options);
  }

  function obey(socket, { op, id, channel, data }) {
    if (!channels.has(channel)) channels.set(channel, new Set());
    if (op === "subscribe") {
      counts.subscriptions += 1;
      channels.get(channel).add(socket);
    } else {
      const event = JSON.stringify({ op: "event", channel, data });
      for (const subscriber of channels.get(channel)) send(subscriber, event);
    }
    send(socket, JSON.stringify({ op: "done", id }));
  }

  sockets.on("connection", (socket, request) => {
    counts.connections += 1;
    counts.most_open = Math.max(counts.most_open, sockets.clients.size);
    counts.compressed += socket.extensions.includes("permessage-deflate");
    socket.on("message", (message, isBinary) => {
      counts.received += 1;
      counts.bytes_received += message.length;
      if (request.url === "/bus") obey(socket, JSON.parse(message));
      else send(socket, message, { binary: isBinary });
    });
    socket.on("ping", () => { counts.pings += 1; });
    socket.on("error", () => {});
    socket.on("close", (code) => {
      counts[`close ${code}`] = (counts[`close ${code}`] ?? 0) + 1;
      for (const subscribers of channels.values()) subscribers.delete(socket);
    });
  });

  process.on("SIGTERM", () => {
    sockets.close(() => {
      fs.writeFileSync(`counts-${process.pid}.json`, JSON.stringify(counts));
      process.exit(0);
    });
    for (const socket of sockets.clients) socket.close(1001, "going away");
  });
  server.listen(0, "127.0.0.1", 4096, () => {
    if (cluster.isPrimary) console.log(`listening on ${server.address().port}`);
  });
}

if (cluster.isWorker || processes === 1) serve();
else {
  let listening = 0;
  cluster.on("listening", (_, { port }) => {
    if (++listening === processes) console.log(`listening on ${port}`);
  });
  for (let count = 0; count < processes; count += 1) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill("SIGTERM");
  });
}
"""


class NodeSockets(ServerProcess):
    """/echo sends everything back, /bus to all subscribers. Stopped, it closes what is open with 1001."""

    def __init__(
        self, node: Path, folder: Path, *, deflate: bool = False, tls: Leaf | None = None, processes: int = 1
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.js").write_text(SCRIPT)
        options: dict[str, Any] = {"processes": processes, "deflate": deflate}
        if tls:
            options |= {"certificate": str(tls.certificate), "key": str(tls.key)}
        command = [str(node), "server.js", json.dumps(options)]
        super().__init__(command, folder, environment={"NODE_PATH": str(LIBRARY.parent)})
        self._folder = folder
        self.port = int(self.await_line(r"listening on (\d+)")[1])
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, Any]:
        """What all of its processes have counted. Stops it first, like all of them."""
        self.stop()
        counts: Counter[str] = Counter()
        for file in self._folder.glob("counts-*.json"):
            counts.update(json.loads(file.read_text()))
        return dict(counts)
