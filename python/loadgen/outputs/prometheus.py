"""`prometheus[=[HOST:]PORT]`: an endpoint to scrape. It has the whole run up to the last second, always."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from loadgen.outputs.family import families
from loadgen.outputs.output import Output
from loadgen.outputs.places import parse_place
from loadgen.outputs.reading import BOUNDS_S, Buckets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from loadgen.outputs.family import Family
    from loadgen.outputs.reading import Reading

HOST, PORT = "127.0.0.1", 9464
LINGER_S = 10.0
SILENCE_S = 5.0  # of who has connected
_CLASSES: dict[str, type[Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Prometheus(Output):
    """Serves what was read last. When the run is over it stays until that was scraped too, or 10 seconds."""

    live = True
    linger_s = LINGER_S

    def __init__(self, argument: str) -> None:
        self._host, self._port = parse_place(argument, HOST, PORT)
        super().__init__(f"prometheus {self._host}:{self._port}")
        self._last: Reading | None = None
        self._scraped: Reading | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> str:
        """Listen. Nothing is served before the first moment."""
        self._server = _Server((self._host, self._port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        host, port = self._server.server_address[:2]
        return f"prometheus: metrics at http://{host!s}:{port}/metrics"

    def send(self, readings: Sequence[Reading]) -> None:
        """Kept for who asks."""
        self._last = readings[-1]

    def may_go(self) -> bool:
        """Whether the last moment was scraped."""
        return self._scraped is self._last

    def close(self) -> None:
        """No more. Who is being served is served to the end."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def page(self, accept: str) -> tuple[bytes, str, Reading | None]:
        """The metrics in the format that a client wants."""
        reading = self._last
        encode, content_type = choose_encoder(accept)
        return encode(_Fixed(reading)), content_type, reading

    def served(self, reading: Reading | None) -> None:
        """A client has it."""
        self._scraped = reading


class _Fixed(Collector):
    def __init__(self, reading: Reading | None) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        return metrics(self._reading) if self._reading is not None else iter(())


def metrics(reading: Reading) -> Iterator[Metric]:
    """A run up to a moment, as Prometheus's client has it."""
    for family in families(reading.total, reading.now):
        yield _metric(family)


def _metric(family: Family[Buckets]) -> Metric:
    names = list(family.points[0].labels)
    made = _CLASSES[family.kind](family.name, family.help, labels=names)
    for point in family.points:
        values = list(point.labels.values())
        if point.latency is None:
            made.add_metric(values, point.value)
        else:
            latency = point.latency
            bounds = [(str(bound), count) for bound, count in zip(BOUNDS_S, latency.at_most, strict=True)]
            made.add_metric(values, [*bounds, ("+Inf", latency.count)], latency.sum_s)
    return cast("Metric", made)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for who is being served
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], output: Prometheus) -> None:
        self.output = output
        self._clients: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of our own name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Somebody came."""
        request, address = super().get_request()
        self._clients.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        """Somebody goes."""
        self._clients.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Who has not asked by now is not waited for."""
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SILENCE_S

    def do_GET(self) -> None:
        """/metrics, and nothing else."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        page, content_type, reading = self.server.output.page(self.headers.get("Accept", ""))
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
        self.server.output.served(reading)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Scrapes are no news."""
