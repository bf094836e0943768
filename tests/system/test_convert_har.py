"""`loadgen convert` of HAR files."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tests.support.converter import SECRET, Converter
from tests.support.site import Site, answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RawServerFactory


def test_a_har_file_is_a_journey_with_its_pauses(converted: Converter, site: Site) -> None:
    def entry(
        second: float, method: str, url: str, status: int, kind: str, **more: object
    ) -> dict[str, object]:
        headers = [
            {"name": "Accept", "value": "application/json"},
            {"name": "Authorization", "value": SECRET},
            {"name": ":authority", "value": "x"},
            {"name": "sec-fetch-mode", "value": "cors"},
            {"name": "Cookie", "value": f"a={SECRET}"},
        ]
        return {
            "startedDateTime": f"2026-01-01T10:00:{second:06.3f}Z",
            "time": 100,
            "request": {"method": method, "url": url, "headers": headers} | more,
            "response": {"status": status, "content": {"mimeType": kind}},
        }

    body = {"mimeType": "application/json", "text": json.dumps({"item": 7, "note": 'it\'s "fine" \u05d0'})}
    entries = [
        entry(0, "GET", "http://shop.example/items?q=tea&q=mate&empty=", 200, "application/json"),
        entry(0.2, "GET", "http://shop.example/logo.png", 200, "image/png"),
        entry(0.2, "GET", "http://ads.example/", 200, "text/html"),
        entry(0.7, "POST", "http://shop.example/orders/42/lines", 201, "application/json", postData=body),
    ]
    script = converted("shop.har", json.dumps({"log": {"entries": entries}}))
    assert "await user.pause(0.6)" in script.read_text(encoding="utf-8")
    first, second = converted.asked_by(script, site, environment={"AUTHORIZATION": "mine"})
    assert (first.target, second.target) == ("/items?q=tea&q=mate&empty=", "/orders/42/lines")
    assert json.loads(second.body) == {"item": 7, "note": 'it\'s "fine" א'}
    for asked in (first, second):
        assert asked.headers["authorization"] == "mine"
        assert asked.headers["accept"] == "application/json"
        assert not {"cookie", "sec-fetch-mode"} & asked.headers.keys()


def _entry(method: str, url: str, kind: str = "xhr", **more: Any) -> dict[str, object]:
    headers = [
        {"name": "accept", "value": "application/json"},
        {"name": "authorization", "value": f"Bearer {SECRET}"},
        {"name": "x-page", "value": "7"},
    ]
    request = {"method": method, "url": url, "headers": headers} | more
    return {"request": request, "response": {"status": 0 if kind == "ping" else 200}, "_resourceType": kind}


def _post(kind: str, **more: object) -> dict[str, Any]:
    return {"postData": {"mimeType": kind} | more}


def test_what_a_page_asks_is_kept_and_what_a_browser_does_is_not(
    converted: Converter, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    site = Site(raw_server, lambda _: answer(200))
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    home = "http://shop.example"
    text = json.dumps({"user": "ann", "password": SECRET, "key": "color", "max_tokens": 5})
    preflight = [{"name": "Access-Control-Request-Method", "value": "POST"}]
    form = [{"name": "t", "value": "x"}, {"name": "f", "fileName": "cat.png", "contentType": "image/png"}]
    binary = base64.b64encode(b"\xff\x00").decode()
    entries = [
        *(_entry("GET", f"http://static.example/{i}.js", "script") for i in range(9)),
        _entry("GET", "data:image/png;base64,AAAA", "image"),
        _entry("OPTIONS", f"{home}/login", headers=preflight),
        _entry("GET", f"{home}/blocked", "ping"),
        _entry("GET", "ws://shop.example/live", "websocket"),
        _entry("POST", f"{home}/login", **_post("application/json", text=text)),
        _entry("POST", f"{home}/form", **_post("application/x-www-form-urlencoded", params=[*form[:1]])),
        _entry("POST", f"{home}/upload", **_post("multipart/form-data", params=form)),
        _entry("POST", f"{home}/bytes", **_post("application/octet-stream", text=binary, encoding="base64")),
        _entry("GET", f"{home}/of/507f1f77bcf86cd799439011?token={SECRET}-2"),
        *(_entry("GET", f"http://other-{i}.example/") for i in range(7)),
    ]
    script = converted("shop.example_Archive [26-01-01].har", json.dumps({"log": {"entries": entries}}))
    login, filled, upload, raw, last = converted.asked_by(
        script, site, environment={"PASSWORD": "p", "TOKEN": "t", "TOKEN_2": "u"}
    )
    assert json.loads(login.body) == {"user": "ann", "password": "p", "key": "color", "max_tokens": 5}
    assert (login.headers["authorization"], login.headers["x-page"]) == ("Bearer t", "7")
    assert filled.body == b"t=x"
    assert b'filename="cat.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG' in upload.body
    assert (raw.body, raw.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    assert last.target == "/of/507f1f77bcf86cd799439011?token=u"
    for said in (
        *("style sheets left out: 9", "(OPTIONS) left out: 1", "never answered left out: 1"),
        *("the WebSocket /live left out", "7 requests to other hosts left out", "and 2 more"),
    ):
        assert said in converted.notes
    assert "async def shop_example(" in script.read_text(encoding="utf-8")
