"""`self.client` of Locust users: what it sends, what it makes of answers, how that is counted."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.locustfiles import ONCE
from tests.support.recorded_requests import Answer, RecordedRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.locustfiles import Locustfiles

BOTH = pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])
JSON = ("Content-Type", "application/json")
ANSWERS = {
    "/json": Answer(
        headers=(JSON, ("X-One", "1"), ("Link", '</next>; rel="next"')), body=b'{"a": [1, "\xc3\xbc"]}'
    ),
    "/missing": Answer(404, body=b"no"),
    "/broken": Answer(500),
    "/hop": Answer(302, (("Location", "/end?x=1"), ("Set-Cookie", "hop=1; Path=/"))),
    "/kept": Answer(307, (("Location", "/end"),)),
    "/loop": Answer(302, (("Location", "/loop"),)),
    "/cookie": Answer(headers=(("Set-Cookie", "sid=abc; Path=/"),)),
    "/gone": Answer(hangs_up=True),
    "/lines": Answer(body=b"one\ntwo\nthree"),
    "/empty": Answer(204, body=b""),
}


@pytest.fixture
def server() -> Iterator[RecordedRequests]:
    with RecordedRequests(ANSWERS) as server:
        yield server


def test_requests_are_sent_as_requests_would(locustfiles: Locustfiles, server: RecordedRequests) -> None:
    locustfiles.do(
        "HttpUser",
        """
        c = self.client
        c.get("/get", params={"a": [1, 2], "b": "\\u00fc x"})
        c.post("/post", data={"a": 1, "b": ["x", "y"]})
        c.post("/post", data="text")
        c.post("/post", json={"a": 1})
        c.post("/post", data=(piece for piece in [b"a", b"b"]))
        c.put("/put")
        c.delete("/delete")
        c.options("/options")
        c.head("/head")
        c.request("PATCH", "/patch", headers={"X": "1", "Accept": None}, cookies={"one": "1"})
        c.get("/auth", auth=("u", "p"))
        """,
        server.url,
    )
    assert server.lines == [
        "GET /get?a=1&a=2&b=%C3%BC+x",
        *["POST /post"] * 4,
        *("PUT /put", "DELETE /delete", "OPTIONS /options", "HEAD /head", "PATCH /patch", "GET /auth"),
    ]
    get, form, text, document, chunks, put, delete, options, head, patch, auth = server.requests
    host = server.url.removeprefix("http://")
    usual = {
        "host": host,
        "accept-encoding": "gzip, deflate, br",
        "accept": "*/*",
        "connection": "keep-alive",
    }
    assert {name: value for name, value in get.headers.items() if name != "user-agent"} == usual
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form.body == b"a=1&b=x&b=y"
    assert "content-type" not in text.headers
    assert document.headers["content-type"] == "application/json"
    assert json.loads(document.body) == {"a": 1}
    assert (chunks.headers["transfer-encoding"], chunks.body) == ("chunked", b"ab")
    assert [one.headers["content-length"] for one in (put, delete, options)] == ["0", "0", "0"]
    assert "content-length" not in head.headers
    assert "accept" not in patch.headers
    assert (patch.headers["x"], patch.headers["cookie"]) == ("1", "one=1")
    assert auth.headers["authorization"] == "Basic dTpw"


def test_requests_are_sent_as_the_fast_client_would(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "FastHttpUser",
        """
        c = self.client
        c.get("/get", params={"a": 1})
        c.post("/post", json={"a": 1})
        c.post("/post", data={"a": 1})
        c.delete("/delete")
        """,
        server.url,
    )
    get, document, form, delete = server.requests
    host = server.url.removeprefix("http://")
    usual = {"host": host, "accept-encoding": "gzip, deflate, br"}
    assert {name: value for name, value in get.headers.items() if name != "user-agent"} == usual
    assert get.line == "GET /get?a=1"
    assert (document.headers["content-type"], document.headers["accept"]) == (
        "application/json",
        "application/json",
    )
    assert form.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert "content-length" not in delete.headers
    assert run.labels == {"GET /get": (1, 0), "POST /post": (2, 0), "DELETE /delete": (1, 0)}


def test_what_all_requests_of_a_session_say(locustfiles: Locustfiles, server: RecordedRequests) -> None:
    locustfiles.do(
        "HttpUser",
        """
        c = self.client
        c.get("/cookie")
        c.headers["X-Of"] = "all"
        c.headers.update({"Accept": "text/html"})
        c.auth = ("u", "p")
        c.params = {"key": "1"}
        c.cookies.set("mine", "2")
        c.get("/a")
        assert c.cookies.get_dict() == {"sid": "abc", "mine": "2"}, c.cookies.get_dict()
        c.cookies.clear()
        del c.headers["X-Of"]
        c.get("/b", auth=("other", "p"), headers={"Accept": "text/plain"})
        """,
        server.url,
    )
    first, second, third = server.requests
    assert "cookie" not in first.headers
    assert second.line == "GET /a?key=1"
    assert second.headers["x-of"] == "all"
    assert second.headers["accept"] == "text/html"
    assert second.headers["authorization"] == "Basic dTpw"
    assert sorted(second.headers["cookie"].split("; ")) == ["mine=2", "sid=abc"]
    assert "cookie" not in third.headers
    assert "x-of" not in third.headers
    assert (third.headers["accept"], third.headers["authorization"]) == ("text/plain", "Basic b3RoZXI6cA==")


def test_the_host_may_say_who_asks(locustfiles: Locustfiles, server: RecordedRequests) -> None:
    host = server.url.replace("//", "//u:p@")
    for kind in ("HttpUser", "FastHttpUser"):
        locustfiles.do(kind, 'self.client.get("/a")', host)
    assert [request.headers["authorization"] for request in server.requests] == ["Basic dTpw"] * 2
    assert [request.headers["host"] for request in server.requests] == [
        server.url.removeprefix("http://")
    ] * 2


def test_responses_have_the_usual_members(locustfiles: Locustfiles, server: RecordedRequests) -> None:
    run = locustfiles.do(
        "HttpUser",
        """
        r = self.client.get("/json?q=1")
        assert (r.status_code, r.ok, r.reason, r.text) == (200, True, "OK", '{"a": [1, "\\u00fc"]}')
        assert r.json() == {"a": [1, "\\u00fc"]} and r.content == r.text.encode()
        assert (r.headers["x-one"], r.headers["X-ONE"], r.encoding) == ("1", "1", "utf-8")
        assert r.url == self.host + "/json?q=1" and r.request.path_url == "/json?q=1"
        assert (r.request.method, r.request.headers["accept"], r.request.body) == ("GET", "*/*", None)
        assert r.elapsed.total_seconds() > 0 and not r.is_redirect and list(r.history) == []
        assert r.links["next"]["url"] == "/next"
        assert b"".join(r.iter_content(4)) == r.content
        assert list(self.client.get("/lines").iter_lines()) == [b"one", b"two", b"three"]
        assert self.client.get("/cookie").cookies["sid"] == "abc"
        try:
            self.client.get("/lines").json()
        except ValueError as error:
            assert type(error).__name__ == "JSONDecodeError"
        r = self.client.get("/missing")
        assert (r.status_code, r.ok, bool(r)) == (404, False, False)
        try:
            r.raise_for_status()
        except OSError as error:
            assert type(error).__name__ == "HTTPError" and error.response is r
            print("raised", error)
        """,
        server.url,
    )
    assert run.errors == []
    assert f"raised 404 Client Error: Not Found for url: {server.url}/missing" in run.printed


@BOTH
def test_redirects_are_one_request(locustfiles: Locustfiles, server: RecordedRequests, kind: str) -> None:
    run = locustfiles.do(
        kind,
        """
        r = self.client.get("/hop")
        print("hops", [one.status_code for one in r.history], r.status_code)
        self.client.post("/hop", data="x", name="named")
        self.client.post("/kept", data="y")
        r = self.client.get("/hop", allow_redirects=False)
        print("stays", r.status_code)
        with self.client.get("/hop", catch_response=True) as r:
            r.failure("not that way")
        self.client.get("/loop")
        """,
        server.url,
    )
    assert run.errors == []
    assert run.printed[:2] == ["hops [302] 200", "stays 302"]
    assert server.lines[:9] == [
        *("GET /hop", "GET /end?x=1", "POST /hop", "GET /end?x=1", "POST /kept", "POST /end"),
        *("GET /hop", "GET /hop", "GET /end?x=1"),
    ]
    assert server.requests[1].headers["cookie"] == "hop=1"
    assert server.requests[5].body == b"y"
    assert server.lines[9:] == ["GET /loop"] * 31
    assert run.labels == {"GET /hop": (3, 1), "POST named": (1, 0), "POST /kept": (1, 0), "GET /loop": (1, 1)}
    assert "redirect" in run.failures["/loop"].lower()


def test_what_one_fast_client_says_of_itself_no_other_says(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "FastHttpUser",
        """
        one = self.client
        other = type(one)(self.host, self.environment.events.request, self)
        def both():
            one.get("/json")
            other.get("/json", catch_response=True).success
        both()
        one.auth_header = "Bearer one"
        both()
        other.default_headers["X-Other"] = "2"
        both()
        """,
        server.url,
    )
    assert run.errors == []
    said = [(asked.headers.get("authorization"), asked.headers.get("x-other")) for asked in server.requests]
    assert said == [(None, None)] * 2 + [
        ("Bearer one", None),
        (None, None),
        ("Bearer one", None),
        (None, "2"),
    ]


@BOTH
def test_a_with_block_judges(locustfiles: Locustfiles, server: RecordedRequests, kind: str) -> None:
    run = locustfiles.do(
        kind,
        """
        c = self.client
        def judged(path, name, say=lambda r: None):
            with c.get(path, name=name, catch_response=True) as r:
                say(r)
        judged("/missing", "forgiven", lambda r: r.success())
        judged("/json", "refused", lambda r: r.failure("wrong"))
        judged("/json", "refused with an error", lambda r: r.failure(ValueError("v")))
        judged("/missing", "left alone")
        judged("/json", "well")
        judged("/json", "before", lambda r: r.request_meta.update(name="after"))
        judged("/json", "before", lambda r: setattr(r, "request_meta", {**r.request_meta, "name": "anew"}))
        def raises(r):
            raise KeyError("k")
        try:
            judged("/json", "interrupted", raises)
        except KeyError:
            print("KeyError came through")
        try:
            c.get("/json", name="outside").failure("x")
        except Exception as error:
            print(type(error).__name__)
        with c.rename_request("renamed"):
            c.get("/json")
        """,
        server.url,
        *("--output", "influx=points"),
    )
    assert run.errors == []
    assert run.printed[:2] == ["KeyError came through", "LocustError"]
    assert {name: counts for name, counts in run.labels.items() if counts[0]} == {
        "GET forgiven": (1, 0),
        "GET refused": (1, 1),
        "GET refused with an error": (1, 1),
        "GET left alone": (1, 1),
        "GET well": (1, 0),
        "GET after": (1, 0),
        "GET anew": (1, 0),
        "GET interrupted": (1, 0),
        "GET outside": (1, 0),
        "GET renamed": (1, 0),
    }
    assert run.failures["refused"] == "CatchResponseError('wrong')"
    assert run.failures["refused with an error"] == "ValueError('v')"
    assert "404" in run.failures["left alone"]
    requests = run.result.summary["requests"]
    assert requests["errors"] == {"rejected": 2}
    # Who adds up the answers of all kinds has each request once.
    points = (run.folder / "points").read_text()
    for name, count in (("requests", requests["total"]), ("requests_failed", requests["failed"])):
        values = re.findall(rf"^loadgen_{name},.* value=(\d+) \d+$", points, re.MULTILINE)
        assert sum(map(int, values)) == count, points


def test_failures_without_an_answer(
    locustfiles: Locustfiles, server: RecordedRequests, free_port: int
) -> None:
    run = locustfiles.do(
        "HttpUser",
        f"""
        r = self.client.get("/gone")
        print(r.status_code, type(r.error).__name__, repr(r.text))
        r = self.client.get("http://127.0.0.1:{free_port}/refused")
        print(r.status_code, isinstance(r.error, OSError))
        for url in ("noslash", "/json"):
            self.client.get(url)
        """,
        server.url,
    )
    assert run.printed[:2] == ["0 ConnectionError ''", "0 True"]
    assert run.failures == {
        "/gone": "RemoteDisconnected('Remote end closed connection without response')",
        "/refused": "ConnectionRefusedError(111, 'Connection refused')",
    }
    assert len(run.errors) == 1
    assert run.errors[0].startswith("InvalidURL")
    assert "GET /json" not in server.lines


def test_failures_without_an_answer_of_the_fast_client(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "FastHttpUser",
        """
        r = self.client.get("/gone")
        print(r.status_code, r.content, r.text, type(r.error).__name__)
        print(self.client.get("/broken").error)
        """,
        server.url,
    )
    assert run.printed[:2] == ["0 None None HTTPConnectionClosed", f"URL {server.url}/broken: code=500"]
    assert run.failures["/broken"] == "LocustBadStatusCode(code=500)"


@BOTH
def test_listeners_hear_of_each_request(
    locustfiles: Locustfiles, server: RecordedRequests, kind: str
) -> None:
    listener = """
@events.request.add_listener
def heard(request_type, name, response_time, response_length, response, context, exception, url, start_time):
    print("heard", request_type, name, response_length, response.status_code, context, repr(exception))
    assert response_time > 0 and start_time > 1e9
"""
    body = """
self.client.get("/json", context={"of": "request"})
with self.client.get("/missing", name="n", catch_response=True) as r:
    r.failure("bad")
self.environment.events.request.fire(
    request_type="grpc", name="mine", response_time=12, response_length=5, exception=None, response=r,
    context={}, url="", start_time=2e9)
"""
    source = ONCE.format(kind=kind, lines=textwrap.indent(body, "        ")) + listener
    run = locustfiles.run(source, "-H", server.url, "-t", "20s")
    assert run.labels["grpc mine"] == (1, 0)
    assert [line for line in run.printed if line.startswith("heard")] == [
        "heard GET /json 16 200 {'of': 'request'} None",
        "heard GET n 2 404 {} CatchResponseError('bad')",
        "heard grpc mine 5 404 {} None",
    ]


@BOTH
def test_rest(locustfiles: Locustfiles, server: RecordedRequests, kind: str) -> None:
    run = locustfiles.do(
        kind,
        """
        with self.rest("POST", "/json", json={"x": 1}) as r:
            print("js", r.js["a"][0])
        with self.rest("GET", "/json", name="asserts") as r:
            assert r.js["a"] == 2, "a is not 2"
        with self.rest("GET", "/lines") as r:
            print("js", r.js)
        with self.rest_("GET", "/json") as r:
            pass
        """,
        server.url,
    )
    assert run.errors == []
    assert run.printed[:2] == ["js 1", "js None"]
    assert run.failures["asserts"] == "CatchResponseError('a is not 2')"
    assert "JSON" in run.failures["/lines"]
    assert run.labels["GET /json?_=..."] == (1, 0)
    assert server.requests[0].headers["accept"] == "application/json"


def test_what_cannot_be_sent_is_a_request_that_failed(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "HttpUser",
        """
        c = self.client
        for r in (
            c.get("/number", headers={"X": 1}),
            c.get("/line", headers={"X": "a\\nb"}),
            c.post("/nan", json={"a": float("nan")}),
        ):
            print(r.status_code, r.content, type(r.error).__name__)
        """,
        server.url,
    )
    assert run.errors == []
    assert run.printed[:3] == ["0 None InvalidHeader"] * 2 + ["0 None InvalidJSONError"]
    assert server.lines == []
    assert run.labels == {"GET /number": (1, 1), "GET /line": (1, 1), "POST /nan": (1, 1)}
    assert run.failures["/number"].startswith("InvalidHeader")


def test_what_a_request_says_goes_before_what_all_say(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "HttpUser",
        """
        c, heard = self.client, []
        c.params = {"a": 1, "b": 2}
        c.get("/own", params={"a": 3, "b": None})
        c.get("/all")
        c.params = {}
        c.hooks["response"].append(lambda r, **rest: heard.append("all"))
        c.get("/hooked", hooks={"response": lambda r, **rest: heard.append("own")})
        c.get("/hooked")
        c.get("/gone")
        print(*heard)
        with c.rename_request("renamed"):
            with c.rename_request("within"):
                pass
            c.get("/json")
        """,
        server.url,
    )
    assert run.printed[0] == "own all"
    assert server.lines[:2] == ["GET /own?a=3", "GET /all?a=1&b=2"]
    assert "GET /json" in run.labels


def test_bodies_that_are_empty_or_strange(locustfiles: Locustfiles, server: RecordedRequests) -> None:
    locustfiles.do(
        "HttpUser",
        """
        c = self.client
        c.post("/a", data="", json={"a": 1})
        c.post("/a", data={}, json={})
        c.post("/a", data=bytearray(b"abc"))
        c.post("/a", data={"l": [1, 2]}, files={"none": None, "f": ('quo"te.txt', b"DATA", "text/plain")})
        """,
        server.url,
    )
    said, empty, array, parts = server.requests
    assert json.loads(said.body) == {"a": 1}
    assert empty.body == b"{}"
    assert array.body == b"abc"
    assert parts.body.count(b"Content-Disposition") == 3
    assert b'name="f"; filename="quo%22te.txt"\r\nContent-Type: text/plain\r\n\r\nDATA' in parts.body


def test_data_goes_before_json_for_the_fast_client(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    locustfiles.do("FastHttpUser", 'self.client.post("/a", data="text", json={"a": 1})', server.url)
    assert server.requests[0].body == b"text"
    assert server.requests[0].headers["content-type"].startswith("text/plain")


def test_cookies_are_those_of_the_standard_library(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do(
        "HttpUser",
        """
        c = self.client
        r = c.get("/cookie")
        print([(one.name, one.value) for one in r.cookies], [(one.name, one.value) for one in c.cookies])
        print(dict(c.cookies), "sid" in c.cookies, len(c.cookies), c.cookies.keys())
        c.get("/own", headers={"Cookie": "mine=1"})
        c.get("/hop", headers={"Cookie": "mine=1"})
        c.cookies = {"set": "2"}
        c.get("/set")
        """,
        server.url,
    )
    assert run.errors == []
    assert run.printed[:2] == [
        "[('sid', 'abc')] [('sid', 'abc')]",
        "{'sid': 'abc'} True 1 ['sid']",
    ]
    sent = [request.headers.get("cookie") for request in server.requests[1:]]
    # A header that a request gives itself is sent in place of the jar's; a redirect leaves it behind.
    assert sent[:2] == ["mine=1", "mine=1"]
    assert sorted(str(sent[2]).split("; ")) == ["hop=1", "sid=abc"]
    assert sent[3] == "set=2"


@BOTH
def test_who_asks_is_told_to_nobody_else(
    locustfiles: Locustfiles, server: RecordedRequests, kind: str
) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    with RecordedRequests({"/away": Answer(302, (("Location", f"{elsewhere}/there"),)), **ANSWERS}) as first:
        locustfiles.do(
            kind,
            """
            self.client.get("/away", auth=("u", "p"))
            self.client.get("/hop", auth=("u", "p"))
            """,
            first.url,
        )
        assert ["authorization" in request.headers for request in first.requests] == [True] * 3
    assert server.lines == ["GET /there"]
    assert "authorization" not in server.requests[0].headers


@BOTH
def test_what_a_block_has_said_holds_for_the_response(
    locustfiles: Locustfiles, server: RecordedRequests, kind: str
) -> None:
    run = locustfiles.do(
        kind,
        """
        c = self.client
        with c.get("/json", catch_response=True) as r:
            r.failure("bad")
            try:
                r.raise_for_status()
            except Exception as error:
                print(repr(error))
        with c.get("/missing", catch_response=True) as r:
            r.success()
            print(r.raise_for_status())
        try:
            with c.get("/json"):
                print("entered")
        except Exception as error:
            print(type(error).__name__)
        with self.rest("DELETE", "/empty") as r:
            print(r.status_code, r.js)
        """,
        server.url,
    )
    assert run.printed[:4] == ["CatchResponseError('bad')", "None", "LocustError", "204 None"]
    assert run.labels == {
        "GET /json": (2, 1),
        "GET /missing": (1, 0),
        "DELETE /empty": (1, 0),
    }


def test_a_proxy_that_requests_name_holds_for_the_run(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    proxies = f'{{"http": "{server.url}", "https": "{server.url}"}}'
    run = locustfiles.do(
        "HttpUser", f'print(self.client.get("/there", proxies={proxies}).status_code)', "http://nowhere.test"
    )
    assert "200" in run.printed
    assert [request.headers["host"] for request in server.requests] == ["nowhere.test"]
    assert "holds for the whole run" in run.result.stdout + run.result.stderr


def test_certificates_that_requests_name_are_the_plans(
    locustfiles: Locustfiles, server: RecordedRequests
) -> None:
    run = locustfiles.do("HttpUser", 'self.client.get("/", verify="nowhere.pem")', server.url)
    assert run.exit_code == 2, run.result
    assert "nowhere.pem" in run.result.stderr
