"""`loadgen convert` of collections of Postman's."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.support.converter import SECRET, Converter
from tests.support.site import Site

if TYPE_CHECKING:
    from pathlib import Path


def test_a_collection_of_postman_keeps_its_variables(converted: Converter, site: Site) -> None:
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
    first, second = converted.asked_by(
        converted("shop.json", json.dumps(document)), site, environment={"TOKEN": "mine"}
    )
    assert (first.target, first.headers["x-size"]) == ("/items/5?limit=10", "10")
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer mine"
    made = json.loads(second.body)
    assert (made["n"], made["t"], made["u"], len(made["id"])) == (10, "a 10 b", "", 36)


def test_what_collections_say_in_many_ways(converted: Converter, site: Site, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    made = "tests['made'] = responseCode.code === 201;\npm.environment.set('next', 1);"
    status = "pm.test('ok', () => { pm.response.to.have.status(200); });"
    listing = {
        "name": "list",
        "event": [{"listen": "test", "script": {"exec": [status]}}],
        "request": {
            "url": "{{protocol}}://{{host}}:{{port}}/items?key={{apiKey}}&to=http://a/b",
            "header": "X-One: 1\nX-Two: {{apiKey}}",  # a text, as v2.0 has it
        },
    }
    fields = [
        {"key": "f", "type": "file", "src": ["a.png", "b.png"]},
        {"key": "t", "value": "{{port}}", "type": "text"},
        {"key": "gone", "type": "file", "src": []},
        {"key": "off", "value": "x", "disabled": True},
    ]
    upload = {
        "name": "upload",
        "event": [{"listen": "test", "script": {"exec": made}}],
        "request": {
            "method": "POST",
            "url": {"protocol": "http", "host": ["shop", "example"], "port": "81", "path": ["up"]},
            "auth": {"type": "basic", "basic": {"username": "me", "password": SECRET}},
            "body": {"mode": "formdata", "formdata": fields},
        },
    }
    xml = {
        "name": "xml",
        "request": {
            "method": "PUT",
            "url": "{{nowhere}}/xml",
            "body": {"mode": "raw", "raw": "<a/>", "options": {"raw": {"language": "xml"}}},
        },
    }
    document = {
        "info": {"name": "Shop"},
        "event": [{"listen": "prerequest", "script": {"exec": ["console.log(1)"]}}],
        "variable": [
            {"key": "protocol", "value": "http"},
            {"key": "host", "value": "{{name}}.example"},
            {"key": "name", "value": "shop"},
            {"key": "port", "value": "81"},
            {"key": "apiKey", "value": SECRET},
        ],
        "item": [{"name": "Покупки", "item": [listing, upload, xml]}],
    }
    script = converted("shop.json", json.dumps(document))
    secrets = {"API_KEY": "k", "PASSWORD": "p"}
    listed, uploaded, put = converted.asked_by(script, site, environment=secrets)
    assert listed.target == "/items?key=k&to=http%3A%2F%2Fa%2Fb"
    assert (listed.headers["x-one"], listed.headers["x-two"]) == ("1", "k")
    assert uploaded.body.count(b'name="f"; filename=') == 2
    assert b'name="t"\r\n\r\n81' in uploaded.body
    assert uploaded.headers["authorization"] == "Basic " + base64.b64encode(b"me:p").decode()
    assert (put.target, put.headers["content-type"]) == ("/xml", "application/xml")
    assert "async def покупки(" in script.read_text(encoding="utf-8")
    for said in (
        *("the pre-request script of the collection", "the test script of upload was left out: it sets next"),
        *("nothing says which file gone is", "nothing says what {{nowhere}} is"),
    ):
        assert said in converted.notes
    assert "script of list" not in converted.notes


def test_what_differs_from_call_to_call_is_not_the_plans(converted: Converter, site: Site) -> None:
    sent = {"X-Run": "one", "X-Size": "{{size}}", "X-Id": "{{$guid}}"}
    header = [{"key": key, "value": value} for key, value in sent.items()]
    item = [
        {"name": path, "request": {"url": f"http://h.example/{path}", "header": header}} for path in "abc"
    ]
    document = {"info": {}, "variable": [{"key": "size", "value": "7"}], "item": item}
    script = converted("shop.json", json.dumps(document))
    asked = converted.asked_by(script, site)
    assert {(one.headers["x-run"], one.headers["x-size"]) for one in asked} == {("one", "7")}
    assert len({one.headers["x-id"] for one in asked}) == 3
    assert 'headers={"X-Run": "one"}' in script.read_text(encoding="utf-8")
