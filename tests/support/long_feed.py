"""A live page that has been on for an hour: a real run's page and feed, with an hour put before it."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Origin

from loadgen.report.series import Series, columns
from tests.support.shown_runs import make_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.timeline import Moment

HOUR_S = 3600
SCHEMA = "loadgen/page/1"


class LongFeed:
    """`url` is where; `with` it, while the run behind it goes on."""

    def __init__(self, behind: str, seconds: int = HOUR_S, *, sent: int = 500) -> None:
        self._behind = urlsplit(behind)
        self._seconds = seconds
        series = Series()
        for second in range(1, seconds + 1):
            series.add(make_moment(second, sent=sent + second * 7 % 101))
        self._past: Sequence[Moment] = series.moments
        with urllib.request.urlopen(behind, timeout=10) as answer:  # noqa: S310
            self._page: bytes = answer.read()
        self._server = serve(self._relay, "127.0.0.1", 0, process_request=self._answer, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        if urlsplit(request.path).path == "/feed":
            return None
        found = request.path == "/"
        headers = Headers({"Content-Type": "text/html; charset=utf-8", "Connection": "close"})
        headers["Content-Length"] = str(len(self._page) if found else 0)
        return Response(200 if found else 404, "", headers, self._page if found else b"")

    def _relay(self, viewer: ServerConnection) -> None:
        place = self._behind.netloc
        feed = f"ws://{place}/feed"
        with (
            contextlib.suppress(ConnectionClosed),
            connect(feed, origin=Origin(f"http://{place}"), proxy=None, max_size=None) as run,
        ):
            past: dict[str, Any] = {"schema": SCHEMA, "moments": columns(self._past), "afresh": True}
            for number, message in enumerate(run):
                news = self._later(json.loads(message))
                if number == 0:
                    past["opening"] = news.pop("opening")
                    viewer.send(msgspec.json.encode(past), text=True)
                viewer.send(json.dumps(news))

    def _later(self, news: dict[str, Any]) -> dict[str, Any]:
        """What is told an hour later."""
        news.pop("afresh", None)
        if "opening" in news:
            news["opening"]["duration_s"] += self._seconds
        if "moments" in news:
            news["moments"]["at_s"] = [at_s + self._seconds for at_s in news["moments"]["at_s"]]
        for told in news.get("events", []):
            told["at_s"] += self._seconds
        return news
