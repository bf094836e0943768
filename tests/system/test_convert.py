"""`loadgen convert`: the scripts that it writes are formatted, and ask what the files ask."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Asked, Site, answer
from tests.support.socket_server import SocketServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.server import ServerConnection

    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen

    Convert = Callable[..., Path]

RUFF = Path(sys.executable).with_name("ruff")
SECRET = "s3cr3t-and-nobody-else"  # noqa: S105


@pytest.fixture
def site(raw_server: RawServerFactory) -> Site:
    return Site(raw_server, lambda asked: answer(201 if asked.method == "POST" else 200))


@pytest.fixture
def converted(loadgen: Loadgen, tmp_path: Path) -> Convert:
    """The script of a file's text: formatted, and without the secret."""

    def convert(name: str, text: str, *options: str) -> Path:
        file, script = tmp_path / name, tmp_path / "script.py"
        file.write_text(text, encoding="utf-8")
        result = loadgen("convert", str(file), "-o", str(script), *options)
        assert result.exit_code == 0, result
        assert SECRET not in script.read_text(encoding="utf-8") + result.stderr
        for command in (
            ["format", "--check", "--line-length", "88"],
            ["check", "--select", "E,F,I,UP", "--ignore", "E501"],
        ):
            looked = subprocess.run(
                [RUFF, *command, "--isolated", script], capture_output=True, text=True, check=False
            )
            assert looked.returncode == 0, f"{looked.stdout}\n{script.read_text(encoding='utf-8')}"
        return script

    return convert


def asked_by(
    loadgen: Loadgen, script: Path, site: Site, scenarios: int = 1, environment: dict[str, str] | None = None
) -> list[Asked]:
    """What one iteration of each scenario asks; every check has passed."""
    options = ["--users", "1", "--iterations", str(20 * scenarios if scenarios > 1 else 1), "--workers", "1"]
    result = loadgen("run", str(script), "--url", site.url, *options, environment=environment)
    assert result.exit_code == 0, result
    assert not [check for check in result.summary["checks"] if check["failed"]], result.summary["checks"]
    return site.asked


def test_a_har_file_is_a_journey_with_its_pauses(loadgen: Loadgen, converted: Convert, site: Site) -> None:
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
    first, second = asked_by(loadgen, script, site, environment={"AUTHORIZATION": "mine"})
    assert (first.target, second.target) == ("/items?q=tea&q=mate&empty=", "/orders/42/lines")
    assert json.loads(second.body) == {"item": 7, "note": 'it\'s "fine" א'}
    for asked in (first, second):
        assert asked.headers["authorization"] == "mine"
        assert asked.headers["accept"] == "application/json"
        assert not {"cookie", "sec-fetch-mode"} & asked.headers.keys()


def test_command_lines_of_curl_ask_the_same(
    loadgen: Loadgen, converted: Convert, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "file.bin").write_bytes(b"\x00\x01")
    text = rf"""# from a wiki
$ curl 'http://h.example/a?x=1' -H 'X-One: two words' --compressed; curl -I http://h.example/head
curl -XPUT http://h.example/json \
  -H 'Content-Type: application/json' --data-raw '{{"a": "b\n", "c": [1, 2.5, null, true]}}'
curl http://h.example/form -d a=1 --data-urlencode 'b=x y&z' -u 'me:{SECRET}' -b 'sid={SECRET}'
curl -G http://h.example/search -d q=tea && curl --json '{{"x": 1}}' http://h.example/short
curl -sST file.bin http://h.example/bytes -o/dev/null
curl -F name=value -F 'photo=@file.bin;type=image/png' http://h.example/upload
"""
    script = converted("commands.txt", text)
    asked = asked_by(loadgen, script, site, environment={"PASSWORD": "p", "COOKIE": "sid=7"})
    assert [(one.method, one.target) for one in asked] == [
        ("GET", "/a?x=1"),
        ("HEAD", "/head"),
        ("PUT", "/json"),
        ("POST", "/form"),
        ("GET", "/search?q=tea"),
        ("POST", "/short"),
        ("PUT", "/bytes"),
        ("POST", "/upload"),
    ]
    assert asked[0].headers["x-one"] == "two words"
    assert json.loads(asked[2].body) == {"a": "b\n", "c": [1, 2.5, None, True]}
    assert asked[3].body == b"a=1&b=x+y%26z"
    assert asked[3].headers["authorization"] == "Basic " + base64.b64encode(b"me:p").decode()
    assert asked[3].cookies == "sid=7"
    assert json.loads(asked[5].body) == {"x": 1}
    assert (asked[6].body, asked[6].headers["content-type"]) == (b"\x00\x01", "application/octet-stream")
    assert b'name="name"' in asked[7].body
    assert b'filename="file.bin"' in asked[7].body


def test_an_openapi_document_is_a_scenario_for_each_operation(
    loadgen: Loadgen, converted: Convert, site: Site
) -> None:
    document = """
openapi: 3.1.0
info: {title: "Shop \\"quoted\\"", version: "1"}
servers: [{url: "https://{where}.example/v1", variables: {where: {default: test}}}]
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    Item:
      allOf:
        - {type: object, required: [name], properties: {name: {type: string, example: tea}}}
        - type: object
          required: [price, kind, again]
          properties:
            price: {type: number, minimum: 2}
            kind: {enum: [black, green]}
            again: {type: array, items: {$ref: "#/components/schemas/Item"}}
paths:
  /items:
    get:
      operationId: listItems
      parameters: [{in: query, name: limit, required: true, example: 10}, {in: query, name: other}]
      responses: {"200": {description: ok}}
    post:
      security: [{token: []}]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Item"}}}}
      responses: {"201": {description: made}}
  /items/{id}:
    parameters: [{in: path, name: id, required: true, schema: {type: string, format: uuid}}]
    get: {responses: {"2XX": {description: ok}}}
"""
    script = converted("api.yaml", document)
    asked = asked_by(loadgen, script, site, scenarios=3, environment={"TOKEN": "t"})
    targets = {(one.method, one.target.rsplit("-", 1)[0]) for one in asked}
    assert targets == {
        ("GET", "/items?limit=10"),
        ("POST", "/items"),
        ("GET", "/items/123e4567-e89b-12d3-a456"),
    }
    made = next(one for one in asked if one.method == "POST")
    item = json.loads(made.body)
    assert (item["name"], item["price"], item["kind"]) == ("tea", 2, "black")
    assert made.headers["authorization"] == "Bearer t"


def test_a_collection_of_postman_keeps_its_variables(
    loadgen: Loadgen, converted: Convert, site: Site
) -> None:
    def header(name: str, value: str) -> dict[str, str]:
        return {"key": name, "value": value}

    raw = '{"n": {{size}}, "id": "{{$guid}}", "t": "a {{size}} b", "u": "{{unknown}}"}'
    listing = {
        "name": "list",
        "event": [{"listen": "test", "script": {"exec": ["pm.response.to.have.status(200);"]}}],
        "request": {
            "method": "GET",
            "header": [header("X-Size", "{{size}}")],
            "url": {"raw": "{{base}}/items/:id?limit={{size}}", "variable": [header("id", "5")]},
        },
    }
    making = {
        "name": "make",
        "request": {
            "method": "POST",
            "header": [header("Content-Type", "application/json")],
            "body": {"mode": "raw", "raw": raw},
            "url": "{{base}}/items",
        },
    }
    document = {
        "info": {"name": "Shop"},
        "variable": [header("base", "shop.example"), header("size", "10")],
        "auth": {"type": "bearer", "bearer": [header("token", SECRET)]},
        "item": [{"name": "Items", "item": [listing, {"name": "deep", "item": [making]}]}],
    }
    first, second = asked_by(
        loadgen, converted("shop.json", json.dumps(document)), site, environment={"TOKEN": "mine"}
    )
    assert (first.target, first.headers["x-size"]) == ("/items/5?limit=10", "10")
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer mine"
    made = json.loads(second.body)
    assert (made["n"], made["t"], made["u"], len(made["id"])) == (10, "a 10 b", "", 36)


@pytest.mark.parametrize("form", ["blocks", "lines"])
def test_targets_of_vegeta_are_scenarios(
    loadgen: Loadgen, converted: Convert, site: Site, tmp_path: Path, form: str
) -> None:
    (tmp_path / "body.json").write_text('{"a": 1}')
    blocks = """# a comment
GET http://h.example/
X-Account: 8675309

POST http://h.example/things
Content-Type: application/json
@body.json
"""
    lines = [
        {"method": "GET", "url": "http://h.example/", "header": {"X-Account": ["8675309"]}},
        {
            "method": "POST",
            "url": "http://h.example/things",
            "header": {"Content-Type": ["application/json"]},
            "body": base64.b64encode(b'{"a": 1}').decode(),
        },
    ]
    text = blocks if form == "blocks" else "\n".join(json.dumps(line) for line in lines)
    asked = asked_by(loadgen, converted("targets.txt", text), site, scenarios=2)
    got = next(one for one in asked if one.method == "GET")
    posted = next(one for one in asked if one.method == "POST")
    assert (got.target, got.headers["x-account"]) == ("/", "8675309")
    assert (posted.target, json.loads(posted.body)) == ("/things", {"a": 1})
    assert posted.headers["content-type"] == "application/json"


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
          qs: {w: "{{ word }}", c: "{{ colors }}", m: "{{ mark }}-{{ id }}"}
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
    loadgen: Loadgen, converted: Convert, raw_server: RawServerFactory, tmp_path: Path
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
    loadgen: Loadgen, converted: Convert, raw_server: RawServerFactory
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


def test_sockets_of_artillery_say_the_same(loadgen: Loadgen, converted: Convert, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("empty.txt", "", "nothing that loadgen can rewrite"),
        ("words.txt", "these are only words", "nothing that loadgen can rewrite"),
        ("empty.har", '{"log": {"entries": []}}', "there is no request in it"),
        ("broken.har", '{"log": {"entries": [{"request": {}}]}}', "not a HAR file as loadgen knows it"),
        ("open.txt", "curl 'http://h.example/", "the command lines cannot be read"),
        ("none.txt", "curl -H 'A: b'", "there is no URL"),
        ("targets.txt", "GET http://h.example/\nnonsense\n", 'line 2: expected "METHOD URL"'),
        ("test.yml", "config: {}\nscenarios: [{flow: [{think: 1}]}]", "there is no request in it"),
        ("open.yml", "config: {phases: []}\nscenarios: [{", "open.yml:2"),
    ],
)
def test_what_cannot_be_rewritten_is_said(
    loadgen: Loadgen, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = loadgen("convert", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_script_that_is_there_is_not_written_over(loadgen: Loadgen, tmp_path: Path) -> None:
    file, script = tmp_path / "commands.txt", tmp_path / "script.py"
    file.write_text("curl http://h.example/")
    script.write_text("mine")
    result = loadgen("convert", str(file), "-o", str(script))
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert script.read_text() == "mine"
    assert loadgen("convert", str(file), "-o", str(script), "--force").exit_code == 0
    assert "user.get" in script.read_text()
