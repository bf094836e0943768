"""`loadgen convert` of command lines of curl."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.converter import SECRET, Converter
from tests.support.site import Site

if TYPE_CHECKING:
    pass


def test_command_lines_of_curl_ask_the_same(converted: Converter, site: Site, tmp_path: Path) -> None:
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
    asked = converted.asked_by(script, site, environment={"PASSWORD": "p", "COOKIE": "sid=7"})
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


FORM = (
    r'------X\r\nContent-Disposition: form-data; name="title"\r\n\r\nA cat\r\n'
    r'------X\r\nContent-Disposition: form-data; name="photo"; filename="cat.png"\r\n'
    r"Content-Type: image/png\r\n\r\n\r\n------X--\r\n"
)
BROWSER = f"""curl 'http://h.example/orders/8675309?expand=a&expand=b' \\
  -H 'accept: application/json' \\
  -H 'accept-encoding: gzip, br' \\
  -H 'authorization: Bearer {SECRET}' \\
  -b 'sid={SECRET}; theme=dark' \\
  -H 'origin: http://h.example' \\
  -H 'sec-fetch-mode: cors' \\
  -H 'user-agent: Mozilla/5.0' \\
  -H 'x-requested-with: XMLHttpRequest' ;
curl 'http://h.example/login' \\
  -H 'content-type: application/json' \\
  -H 'sec-fetch-mode: cors' \\
  --data-raw $'{{"user":"ann\\u0021","password":"{SECRET}","author":"it\\'s \\u00e9","n":"a\\\\nb"}}' ;
curl 'http://h.example/upload' \\
  -H 'content-type: multipart/form-data; boundary=----X' \\
  --data-raw $'{FORM}'
"""


def test_what_a_browser_copies_for_bash(converted: Converter, site: Site, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    script = converted("commands.txt", BROWSER)
    order, login, upload = converted.asked_by(
        script, site, environment={"TOKEN": "t", "COOKIE": "sid=7", "PASSWORD": "p"}
    )
    assert (order.target, order.cookies) == ("/orders/8675309?expand=a&expand=b", "sid=7")
    assert order.headers["authorization"] == "Bearer t"
    assert order.headers["x-requested-with"] == "XMLHttpRequest"
    assert "br" in order.headers["accept-encoding"]
    assert "Mozilla" not in order.headers["user-agent"]
    assert json.loads(login.body) == {"user": "ann!", "password": "p", "author": "it's é", "n": "a\nb"}
    assert b"A cat" in upload.body
    assert b'filename="cat.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n' in upload.body
    assert "said it of itself: Origin, Sec-…, User-Agent" in converted.notes
    text = script.read_text(encoding="utf-8")
    assert '"/orders/{id}"' in text and '"Accept": "application/json"' in text


@pytest.mark.parametrize("is_old", [False, True])
def test_what_a_browser_copies_for_windows(converted: Converter, site: Site, is_old: bool) -> None:
    if is_old:
        text = (
            'curl "http://h.example/a?x=1&y=2" ^\r\n  -H "Content-Type: application/json" ^\r\n'
            '  --data-raw "{\\"a\\":\\"b c\\"}" ^\r\n  --compressed &\r\ncurl "http://h.example/b"\r\n'
        )
    else:
        text = (
            'curl ^"http://h.example/a?x=1^&y=2^" ^\r\n  -H ^"Content-Type: application/json^" ^\r\n'
            '  --data-raw ^"^{^\\^"a^\\^":^\\^"b c^\\^"^}^" &\r\n'
            'curl ^"http://h.example/b^" ^\r\n  --data-raw ^"one^\r\n\r\ntwo^"\r\n'
        )
    first, second = converted.asked_by(converted("commands.txt", text), site)
    assert (first.method, first.target, json.loads(first.body)) == ("POST", "/a?x=1&y=2", {"a": "b c"})
    assert (second.method, second.body) == (("GET", b"") if is_old else ("POST", b"one\ntwo"))


def test_what_people_write_of_curl(converted: Converter, site: Site, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.json").write_text(f'{{"in": "{folder}"}}')
    script = converted(
        "README.txt",
        f"""# how to use it
export TOKEN={SECRET}
$ curl -sSLo /dev/null -w '%{{http_code}}' "$BASE/items/42" -H "Authorization: Bearer $TOKEN" | jq . > out.txt
$ curl --json @a/1.json http://h.example/x --next -d @b/1.json http://h.example/y 2>&1
$ curl http://h.example/p http://h.example/q/{{r}} -A mine/1 -H 'X-A: 1' -H 'X-A: 2' -e http://there.example
$ curl http://h.example/n -d '{{"a": "b=c", "secret": "{SECRET}"}}'; curl http://h.example/n --json '[NaN]'
$ curl -u me:{SECRET} http://h.example/me; curl http://you:{SECRET}-2@h.example/you
$ curl -XPOST 'http://h.example/s?api_key={SECRET}' -F 'a=1' -F 'a=2' -F "text=<a/1.json" --retry 3
""",
        "--from",
        "curl",
    )
    secrets = {"TOKEN": "t", "PASSWORD": "p", "PASSWORD_2": "q", "API_KEY": "k", "SECRET": "s"}
    asked = converted.asked_by(script, site, environment=secrets)
    assert [f"{one.method} {one.target}" for one in asked] == [
        *("GET /items/42", "POST /x", "POST /y", "GET /p", "GET /q/%7Br%7D", "POST /n", "POST /n"),
        *("GET /me", "GET /you", "POST /s?api_key=k"),
    ]
    assert asked[0].headers["authorization"] == "Bearer t"
    assert (asked[1].body, asked[1].headers["content-type"]) == (b'{"in": "a"}', "application/json")
    assert asked[2].body == b'{"in": "b"}'
    assert asked[2].headers["content-type"] == "application/x-www-form-urlencoded"
    kept = [asked[3].headers[name] for name in ("user-agent", "x-a", "referer")]
    assert kept == ["mine/1", "1, 2", "http://there.example"]
    assert json.loads(asked[5].body) == {"a": "b=c", "secret": "s"}
    assert asked[5].headers["content-type"] == "application/x-www-form-urlencoded"
    assert (asked[6].body, asked[6].headers["content-type"]) == (b"[NaN]", "application/json")
    users = [base64.b64decode(one.headers["authorization"][6:]) for one in asked[7:9]]
    assert users == [b"me:p", b"you:q"]
    assert asked[9].body.count(b'name="a"') == 2
    assert b'name="text"\r\n\r\n{"in": "a"}' in asked[9].body
    for said in ("what $BASE is", "and left out: export, jq", "curl's option --retry was left out"):
        assert said in converted.notes


def test_what_is_long_or_often_said_has_a_name(converted: Converter, site: Site) -> None:
    query = 'query Cart($id: ID!) {\n  cart(id: $id) {\n    total\n    note(is: "\\\\")\n  }\n}\n'
    headers = "-H 'X-One: 1' -H 'X-Two: 2'"
    posted = json.dumps({"query": query, "variables": {"id": 7}})
    script = converted(
        "commands.txt",
        f"""curl http://h.example/a {headers}
curl http://h.example/b {headers} -H 'X-Three: 3'
curl http://h.example/c {headers}
curl http://h.example/d
curl http://h.example/graphql --json '{posted}'
""",
    )
    asked = converted.asked_by(script, site)
    assert json.loads(asked[4].body) == {"query": query, "variables": {"id": 7}}
    kept = [[one.headers.get(f"x-{name}") for name in ("one", "two", "three")] for one in asked[:4]]
    assert kept == [["1", "2", None], ["1", "2", "3"], ["1", "2", None], [None, None, None]]
    text = script.read_text(encoding="utf-8")
    assert text.count("headers=HEADERS") == 2 and 'headers={**HEADERS, "X-Three": "3"}' in text
    assert 'CART = """\\\nquery Cart($id: ID!) {\n  cart(id: $id) {\n    total\n' in text
