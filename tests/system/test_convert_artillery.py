"""`loadgen convert` of Artillery's scripts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.converter import SECRET, Converter
from tests.support.site import Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen


from websockets.sync.server import ServerConnection

from tests.support.socket_server import SocketServer

ARTILLERY = """
config:
  target: http://shop.example
  phases: [{duration: 2, arrivalRate: 5}]
  variables: {word: "a b", colors: [red], n: 5}
  payload: {path: people.csv, fields: [who, age], order: sequence}
  http: {defaults: {headers: {x-all: "yes"}}}
  plugins: {expect: {}, ensure: {thresholds: [{http.response_time.max: 60000}]}}
scenarios:
  - name: Buy things
    flow:
      - get: {url: "/items?x=1", expect: [{statusCode: 200}, {hasProperty: items}], capture: [
          {json: "$.items[1].n", as: itemId}, {header: x-mark, as: mark},
          {regexp: '"id":\\s*(\\d+)', group: 1, as: id}]}
      - get:
          url: "/items/{{ itemId }}"
          qs: {w: "{{{ word }}}", c: "{{ colors }}", m: "{{ mark }}-{{ id }}"}
      - post:
          url: /people
          json: {who: "{{ who }}", age: "{{ age }}", l: [1, null, 2.5], t: 'a "b" {{ word }}'}
      - loop:
          - put: {url: "/turns/{{ $loopCount }}", body: "turn {{ $loopCount }}"}
        count: 2-4
      - loop: [{get: {url: "/over/{{ letter }}"}}]
        over: [a, b]
        loopElement: letter
      - get: {url: /never, ifTrue: 'n > 7 and word == "x"'}
      - get: {url: /sure, ifTrue: 'n == 5 or word == "x"'}
      - get: {url: /maybe, ifTrue: "n > 7", capture: {json: $.id, as: word}}
      - get: {url: /quotes, ifTrue: "word == 'x'"}
      - think: 0
      - function: sign
      - post:
          url: /form
          form: {a: "1", b: "x y"}
          cookie: {seen: "{{ word }}"}
          auth: {user: me, pass: HUSH}
      - post: {url: /upload, formData: {field: "{{ n }}", file: {fromFile: ./people.csv}}}
      - get: {url: "/last", headers: {Authorization: "HUSH", x-user: "user {{ n }}"}}
"""


def test_a_script_of_artillery_asks_what_it_asked(
    loadgen: Loadgen, converted: Converter, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    """The same file as it is, and rewritten."""

    body = b'{"id": 7, "items": [{"n": 1}, {"n": 2}]}'
    said = answer(200, "Content-Type: application/json", "X-Mark: seen", body=body)
    there, here = Site(raw_server, lambda _: said), Site(raw_server, lambda _: said)
    (tmp_path / "people.csv").write_text("ann,41\nann,41\n")
    script = converted("test.yml", ARTILLERY.replace("HUSH", SECRET))
    text = script.read_text(encoding="utf-8")
    assert 'rate="5/s"' in text and 'thresholds=["max < 60000ms"]' in text
    assert "the function sign is not called" in text and "ifTrue: word == 'x' is not kept" in text
    for path, site in ((tmp_path / "test.yml", there), (script, here)):
        given = ["-t", site.url] if path.suffix == ".yml" else ["--url", site.url]
        secrets = {"PASSWORD": SECRET, "AUTHORIZATION": SECRET}
        result = loadgen("run", str(path), *given, "--workers", "1", environment=secrets)
        assert result.exit_code == 0, result
        assert not [check for check in result.summary["checks"] if check["failed"]]
    assert told_by(here) == told_by(there)
    assert len(here.asked) == 120


def test_what_artillery_means_by_its_phases_and_words(
    loadgen: Loadgen, converted: Converter, raw_server: RawServerFactory
) -> None:
    """Ramps bring as many, scenarios keep their weights, and what is made up or begins a URL is said so."""
    site = Site(raw_server, lambda _: answer(200, "Content-Type: application/json", body=b'{"to": "/next"}'))
    script = converted(
        "test.yml",
        """
config:
  target: http://shop.example
  phases:
    - {duration: 2, arrivalRate: 4, rampTo: 8, maxVusers: 90}
    - {pause: 1}
    - {duration: "1s", arrivalCount: 3}
  processor: ./functions.js
before:
  flow: [{get: {url: /before}}]
scenarios:
  - name: never
    weight: 0
    flow: [{get: {url: /weightless}}]
  - weight: 4
    beforeRequest: sign
    flow:
      - get: {url: "/first", capture: {json: $.to, as: to}}
      - get: {url: "{{ to }}/again"}
      - post: {url: /made, body: "{{ $randomNumber(3, 3) }} {{ $randomString(4) }} {{ unknown }}"}
      - parallel: [{get: {url: /p1}}, {get: {url: /p2}}]
      - get: {url: /sure, probability: 100}
      - get: {url: /unlikely, probability: 0}
  - {name: chat, engine: socketio, flow: [{emit: [a, b]}]}
""",
    )
    text = script.read_text(encoding="utf-8")
    for said in ("@scenario(weight=4)", "function sign", "config.processor", "chat: scenarios of the engine"):
        assert said in text
    result = loadgen("run", str(script), "--url", site.url, "--workers", "1", environment={"UNKNOWN": "u"})
    assert result.exit_code == 0, result
    asked = Counter(one.target for one in site.asked)
    expected = ("/first", "/next/again", "/made", "/p1", "/p2", "/sure")
    assert asked == dict.fromkeys(expected, 15) | {"/before": 1}
    made = next(one.body.decode().split(" ") for one in site.asked if one.target == "/made")
    assert (made[0], len(made[1]), made[2]) == ("3", 4, "u")


def test_sockets_of_artillery_say_the_same(loadgen: Loadgen, converted: Converter, tmp_path: Path) -> None:
    said: list[list[object]] = []

    def listen(connection: ServerConnection) -> None:
        assert connection.request is not None
        said[-1].append(connection.request.path)
        for message in connection:
            said[-1].append(message if message == "hello red" else json.loads(message))
            connection.send('{"ok": true}')

    with SocketServer(listen) as server:
        script = converted(
            "test.yml",
            """
config: {target: SERVER, variables: {word: red}, phases: [{duration: 1, arrivalCount: 1}]}
scenarios:
  - engine: ws
    flow:
      - connect: "{{ target }}/talk"
      - send: "hello {{ word }}"
      - loop: [{send: {payload: {turn: "{{ $loopCount }}"}, capture: {json: $.ok, as: ok}}}]
        count: 2
""".replace("SERVER", server.url),
        )
        for path in (tmp_path / "test.yml", script):
            said.append([])
            result = loadgen("run", str(path), "--workers", "1")
            assert result.exit_code == 0, result
    assert said[0] == said[1] == ["/talk", "hello red", {"turn": 0}, {"turn": 1}]


def told_by(site: Site) -> list[tuple[object, ...]]:
    """What was asked, without what only names the client, connection by connection."""
    found = []
    for asked in site.asked:
        kept = {name: asked.headers.get(name) for name in ("x-all", "x-user", "authorization")}
        kind = asked.headers.get("content-type", "").partition(";")[0]
        is_json = kind == "application/json"
        body: object = json.loads(asked.body) if is_json else len(asked.body.split(b"\r\n"))
        if kind == "application/x-www-form-urlencoded":
            body = asked.body
        found.append((asked.connection, asked.method, asked.target, asked.cookies, str(kept), str(body)))
    first: dict[object, list[object]] = {}
    for connection, *rest in found:
        first.setdefault(connection, []).append(rest)
    return sorted((len(asked), str(asked)) for asked in first.values())
