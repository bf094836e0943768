"""Artillery scripts through the front door: what goes out, by the server's own log."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RawServerFactory, Target
    from tests.support.artillery import Artillery

JSON = "Content-Type: application/json"


def echo(asked: Asked) -> bytes:
    return answer(200, JSON, body=asked.body or b'{"id": 7, "items": [{"n": 1}, {"n": 2}]}')


def test_requests_go_out_as_they_are_written(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    artillery.file("note.txt", "hello")
    told = artillery(
        """\
        config:
          target: http://127.0.0.1:9
          variables: {word: "a b", n: 5}
        scenarios:
          - flow:
              - get: {url: "/plain?x=1"}
              - get: {url: "/qs?x=1", qs: {a: "{{ word }}", l: [1, 2], t: "~*'"}}
              - get: {url: /raw, gzip: false}
              - post: {url: /json, json: {n: "{{ n }}", f: 1.0, gone: "{{ nope }}", nil: null, s: "n{{ n }}"}}
              - post: {url: /body, body: "say {{ word }}"}
              - put: {url: /form, form: {a: "{{ word }}", t: true}}
              - post: {url: /empty}
              - delete: {url: /gone}
              - patch: {url: /patch, body: x, headers: {Content-Type: text/x}}
              - head: {url: /head}
              - get: {url: /who, auth: {user: u, pass: "{{ word }}"}, headers: {X-Word: "{{ word }}"}}
              - post:
                  url: /multi
                  formData:
                    field: "{{ word }}"
                    typed: {value: "{}", contentType: application/json}
                    file: {fromFile: ./note.txt}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    by_path = {urlsplit(asked.target).path: asked for asked in site.asked}
    assert [asked.method for asked in site.asked] == [
        *("GET", "GET", "GET", "POST", "POST", "PUT", "POST", "DELETE", "PATCH", "HEAD", "GET", "POST")
    ]
    plain = by_path["/plain"]
    assert plain.target == "/plain?x=1"
    assert {name: value for name, value in plain.headers.items() if name != "user-agent"} == {
        "host": site.place,
        "accept-encoding": "gzip, deflate, br",
        "connection": "keep-alive",
    }
    assert by_path["/qs"].target == "/qs?a=a+b&l=1&l=2&t=%7E*%27"
    assert "accept-encoding" not in by_path["/raw"].headers
    assert by_path["/json"].body == b'{"n":5,"f":1,"nil":null,"s":"n5"}'
    assert by_path["/json"].headers["content-type"] == "application/json"
    assert by_path["/body"].body == b"say a b" and "content-type" not in by_path["/body"].headers
    assert by_path["/form"].body == b"a=a+b&t=true"
    assert by_path["/form"].headers["content-type"] == "application/x-www-form-urlencoded"
    assert by_path["/empty"].headers["content-length"] == "0"
    assert "content-length" not in by_path["/gone"].headers
    assert by_path["/patch"].headers["content-type"] == "text/x"
    assert by_path["/who"].headers["authorization"] == "Basic dTphIGI="
    assert by_path["/who"].headers["x-word"] == "a b"
    multi = by_path["/multi"]
    assert multi.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="field"\r\n\r\na b\r\n' in multi.body
    assert b'name="typed"\r\nContent-Type: application/json\r\n\r\n{}\r\n' in multi.body
    assert b'filename="note.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n' in multi.body


def test_each_virtual_user_is_new(artillery: Artillery, raw_server: RawServerFactory) -> None:
    """A connection, cookies and variables of its own, through all of its requests."""
    site = Site(raw_server, lambda _: answer(200, JSON, "Set-Cookie: seen=yes; Path=/"))
    script = """\
        config:
          phases: [{duration: 1, arrivalCount: 6}]
          variables: {color: [red, green, blue]}
          http: {HTTP}
        scenarios:
          - flow:
              - get: {url: "/{{ color }}"}
              - get: {url: "/{{ color }}"}
        """
    assert artillery(script.replace("{HTTP}", "{}"), "-t", site.url).exit_code == 0
    by_connection: dict[int, list[Asked]] = {}
    for asked in site.asked:
        by_connection.setdefault(asked.connection, []).append(asked)
    assert len(by_connection) == 6
    for first, second in by_connection.values():
        assert first.cookies == "" and second.cookies == "seen=yes"
        assert first.target == second.target
    assert len({asked.target for asked in site.asked}) > 1

    pooled = Site(raw_server, lambda _: answer(200, JSON, "Set-Cookie: seen=yes; Path=/"))
    assert artillery(script.replace("{HTTP}", "{pool: 1}"), "-t", pooled.url).exit_code == 0
    assert len({asked.connection for asked in pooled.asked}) == 1
    assert [asked.cookies for asked in pooled.asked].count("") == 6


def test_what_is_captured_goes_on(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    told = artillery(
        """\
        scenarios:
          - name: shop
            flow:
              - get:
                  url: /list
                  capture:
                    - {json: "$.id", as: id}
                    - {json: "$.items[*].n", as: some}
                    - {header: content-type, as: kind}
                    - {regexp: '"id": (\\d)', group: 1, as: text}
              - post: {url: "/item/{{ id }}", json: {id: "{{ id }}", some: "{{ some }}", text: "{{ text }}"}}
              - get: {url: "/{{ kind }}"}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    _, posted, last = site.asked
    assert posted.target == "/item/7"
    body = json.loads(posted.body)
    assert body["id"] == 7 and body["some"] in (1, 2) and body["text"] == "7"
    assert last.target == "/application/json"
    labels = {row["label"] for row in told.summary["labels"]}
    assert labels == {"GET /list", "POST /item/{{ id }}", "GET /{{ kind }}", "shop"}


def test_a_failed_capture_ends_the_virtual_user(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    script = """\
        config: {phases: [{duration: 1, arrivalCount: 3}]}
        scenarios:
          - flow:
              - get: {url: /a, capture: {json: "$.nope", as: x, strict: STRICT}}
              - get: {url: /b}
        """
    told = artillery(script.replace("STRICT", "true"), "-t", site.url)
    assert site.counts() == {"GET /a": 3}
    assert told.summary["arrivals"]["failed"] == 3
    assert told.summary["metrics"]["errors.Failed capture or match"] == 3
    told.assert_is_no_traceback()
    artillery(script.replace("STRICT", "false"), "-t", site.url)
    assert site.counts() == {"GET /a": 6, "GET /b": 3}


def test_steps(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    artillery.file("rows.csv", "ann\nbob\n")
    told = artillery(
        """\
        config:
          variables: {two: 2}
          payload: {path: rows.csv, loadAll: true, name: table, fields: [who]}
        scenarios:
          - flow:
              - loop: [{get: {url: "/count/{{ $loopCount }}"}}]
                count: "{{ two }}"
              - loop: [{get: {url: "/range/{{ i }}/{{ $loopElement }}"}}]
                count: 3-5
                loopValue: i
              - loop: [{get: {url: "/over/{{ one }}/{{ $loopCount }}"}}]
                over: [a, b]
                loopElement: one
              - loop: [{get: {url: "/rows/{{ $loopElement.who }}"}}]
                over: table
              - loop: [{get: {url: /never}}]
                over: nothing
              - loop:
                  - loop: [{get: {url: "/nested/{{ outer }}/{{ $loopCount }}"}}]
                    count: 2
                count: 2
                loopValue: outer
              - think: 0
              - think: "1ms"
                jitter: "50%"
              - log: "said by {{ two }}"
              - [{get: {url: /listed}}, {get: {url: /after}}]
              - parallel: [{get: {url: /p1}}, {get: {url: /p2}}, {get: {url: /p3}}]
              - get: {url: /if, ifTrue: "two == 2 and missing != 1"}
              - get: {url: /not, ifTrue: "two > 2"}
              - get: {url: /error, ifTrue: "$two > 2 ("}
              - get: {url: /quotes, ifTrue: "two == 'x'"}
              - get: {url: /truth, ifTrue: false}
              - get: {url: /sure, probability: 100}
              - get: {url: /unlikely, probability: 0}
              - get: {url: /end}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    paths = [asked.target for asked in site.asked]
    assert paths[:14] == [
        *("/count/0", "/count/1", "/range/3/3", "/range/4/3", "/over/a/0", "/over/b/1"),
        *("/rows/ann", "/rows/bob", "/nested/0/0", "/nested/0/1", "/nested/1/0", "/nested/1/1"),
        *("/listed", "/after"),
    ]
    assert sorted(paths[14:17]) == ["/p1", "/p2", "/p3"]
    assert paths[17:22] == ["/if", "/error", "/quotes", "/truth", "/sure"] and "/unlikely" not in paths
    assert paths[-1] == "/end"
    assert len({asked.connection for asked in site.asked}) == 1  # also of those in parallel
    told.assert_says("said by 2", "cannot be read")


def test_scenarios_are_picked_by_weight(artillery: Artillery, target: Target) -> None:
    told = artillery(
        """\
        config: {phases: [{duration: 2, arrivalRate: 300}]}
        scenarios:
          - {name: often, weight: 3, flow: [{get: {url: /health}}]}
          - {name: seldom, weight: "1", flow: [{get: {url: /health}}]}
          - {name: never, weight: 0, flow: [{get: {url: /status/500}}]}
        """,
        *("-t", target.url, "--seed", "4"),
    )
    counts = {row["label"]: row["requests"]["total"] for row in told.summary["labels"]}
    assert counts["often"] + counts["seldom"] == told.summary["arrivals"]["sent"] == 600
    assert abs(counts["often"] - 450) < 4 * (600 * 0.75 * 0.25) ** 0.5
    assert "never" not in counts


def test_redirects_are_followed_as_got_follows_them(
    artillery: Artillery, raw_server: RawServerFactory
) -> None:
    elsewhere = Site(raw_server, echo)

    def pages(asked: Asked) -> bytes:
        path = urlsplit(asked.target).path
        if path == "/loop":
            return moved("/loop")
        if path == "/away":
            return moved(f"{elsewhere.url}/there")
        status = path.removeprefix("/from")
        return moved("/to", int(status)) if status.isdecimal() else answer(200, JSON, body=b'{"a": 1}')

    site = Site(raw_server, pages)
    told = artillery(
        """\
        scenarios:
          - flow:
              - post: {url: /from302, json: {a: 1}, capture: {json: $.a, as: a}}
              - post: {url: /from303, json: {a: 1}}
              - get: {url: /from301, followRedirect: false}
              - get: {url: /away, auth: {user: u, pass: p}}
              - get: {url: /loop}
              - get: {url: /never}
        """,
        *("-t", site.url),
    )
    asked = [(one.method, one.target, one.body) for one in site.asked]
    assert asked[:6] == [
        ("POST", "/from302", b'{"a":1}'),
        ("POST", "/to", b'{"a":1}'),
        ("POST", "/from303", b'{"a":1}'),
        ("GET", "/to", b""),
        ("GET", "/from301", b""),
        ("GET", "/away", b""),
    ]
    assert [path for _, path, _ in asked[6:]] == ["/loop"] * 11
    assert "authorization" in site.asked[5].headers
    assert [one.target for one in elsewhere.asked] == ["/there"]
    assert "authorization" not in elsewhere.asked[0].headers
    assert told.summary["metrics"]["errors.ERR_TOO_MANY_REDIRECTS"] == 1


def test_cookies_headers_and_traces_by_default(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    told = artillery(
        """\
        config:
          http:
            timeout: 5
            defaults: {headers: {X-All: "1", X-Some: "1"}, cookie: {kept: "yes"}}
            distributedTracing: {enabled: true, traceIdPrefix: a9}
        scenarios:
          - flow:
              - get: {url: /a, headers: {x-some: "2"}, cookie: {more: "{{ $testId }}"}}
              - get: {url: /b}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    first, second = site.asked
    assert (first.headers["x-all"], first.headers["x-some"], second.headers["x-some"]) == ("1", "2", "1")
    assert first.cookies.startswith("kept=yes; more=t")
    assert "kept=yes" in second.cookies
    traces = {asked.headers["traceparent"] for asked in site.asked}
    assert len(traces) == 2 and all(trace.startswith("00-a9") and trace.endswith("-01") for trace in traces)


def test_arrivals_beyond_a_cap_are_skipped(artillery: Artillery, target: Target) -> None:
    told = artillery(
        """\
        config: {phases: [{duration: 1, arrivalRate: 20, maxVusers: 2}]}
        scenarios: [{flow: [{get: {url: /delay/2000}}]}]
        """,
        *("-t", target.url),
    )
    arrivals = told.summary["arrivals"]
    assert (arrivals["scheduled"], arrivals["sent"], arrivals["dropped"]) == (20, 2, 18), told.result
    assert told.summary["generator"]["verdict"] != "client-limited", told.result


def test_rows_of_files_are_dealt(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    artillery.file("users.csv", "name;age\nann;1\nbob;02\n\n1_0;3.5\n")
    artillery.file("ids.csv", "5\n6\n7\n8\n")
    told = artillery(
        """\
        config:
          phases: [{duration: 1, arrivalCount: 5}]
          payload:
            - {path: users.csv, fields: [name, age], order: sequence, skipHeader: true, delimiter: ";"}
            - {path: ids.csv, fields: [id], cast: false}
        scenarios:
          - flow: [{post: {url: "/", json: {name: "{{ name }}", age: "{{ age }}", id: "{{ id }}"}}}]
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    bodies = [json.loads(asked.body) for asked in site.asked]
    assert [(body["name"], body["age"]) for body in bodies] == [
        *(("ann", 1), ("bob", 2), ("1_0", 3.5), ("ann", 1), ("bob", 2))
    ]
    assert {body["id"] for body in bodies} <= {"5", "6", "7", "8"}


def test_workers_share_the_arrivals(artillery: Artillery, target: Target) -> None:
    told = artillery(
        """\
        config: {phases: [{duration: 1, arrivalRate: 40}]}
        scenarios: [{flow: [{get: {url: "/health?{{ $uuid }}"}}, {get: {url: /health}}]}]
        """,
        *("-t", target.url, "-w", "2"),
    )
    assert told.summary["arrivals"]["completed"] == 40, told.result
    assert len(told.summary["workers"]) == 2
    assert told.summary["requests"]["ok"] == 80


def test_nobody_answers(artillery: Artillery, free_port: int) -> None:
    told = artillery(
        "scenarios: [{flow: [{get: {url: /}}, {get: {url: /never}}]}]", "-t", f"http://127.0.0.1:{free_port}"
    )
    assert told.exit_code == 4, told.result


def test_what_breaks_off_is_called_as_node_calls_it(
    artillery: Artillery, target: Target, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    told = artillery(
        """\
        config: {http: {timeout: 1}}
        scenarios:
          - {name: lost, flow: [{get: {url: /health}}, {get: {url: /drop}}, {get: {url: /never}}]}
        """,
        *("-t", target.url, "-o", str(report)),
    )
    counters = json.loads(report.read_text())["aggregate"]["counters"]
    assert counters["errors.ECONNRESET"] == 1
    assert counters["plugins.metrics-by-endpoint./drop.errors.ECONNRESET"] == 1
    assert told.summary["metrics"]["errors.ECONNRESET"] == 1, told.result
    assert Counter(row["label"] for row in told.summary["labels"])["GET /never"] == 0


def test_braces_go_out_as_node_writes_them(artillery: Artillery, raw_server: RawServerFactory) -> None:
    def pages(asked: Asked) -> bytes:
        return moved("/to?q={a}&r='b'") if asked.target == "/from" else echo(asked)

    site = Site(raw_server, pages)
    told = artillery(
        """\
        config: {variables: {filter: {a: [1]}}}
        scenarios:
          - flow:
              - get: {url: "/find?q={{ filter }}"}
              - get: {url: "/find?q={x}"}
              - get: {url: "/find/{x}", headers: {x-y: "{{ filter }}"}}
              - get: {url: /from}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    assert [asked.target for asked in site.asked] == [
        *("/find?q={%22a%22:[1]}", "/find?q={x}", "/find/%7Bx%7D", "/from", "/to?q={a}&r=%27b%27")
    ]


def test_values_have_the_texts_that_node_gives_them(
    artillery: Artillery, raw_server: RawServerFactory
) -> None:
    site = Site(raw_server, lambda _: answer(200, JSON, "Set-Cookie: sid=1; Path=/x", body=b'{"n": 0.00005}'))
    told = artillery(
        """\
        config: {variables: {n: 5, list: [[1, 2]]}}
        scenarios:
          - flow:
              - post: {url: /form, form: {a: "{{ list }}", b: "{{ nope }}", c: {d: 1}, e: null}}
              - get: {url: /take, capture: [{json: $.n, as: small}, {header: set-cookie, as: cookies}]}
              - post: {url: /json, json: {t: "x{{ small }}", cookies: "{{ cookies }}"}}
              - get: {url: /head, headers: {x-one: "{{ cookies }}", cookie: [a=1, b=2]}}
              - loop:
                  - get: {url: "{{ $loopElement }}"}
                over: ["/loop/{{ n }}", /plain]
              - loop: [{get: {url: "/half/{{ $loopCount }}"}}]
                count: 1.5
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    by_path = {asked.target: asked for asked in site.asked}
    assert by_path["/form"].body == b"a=1%2C2&b=undefined&c=%5Bobject+Object%5D&e=null"
    assert by_path["/json"].body == b'{"t":"x0.00005","cookies":["sid=1; Path=/x"]}'
    assert by_path["/head"].headers["x-one"] == "sid=1; Path=/x"
    assert by_path["/head"].cookies == "a=1; b=2"
    assert {"/loop/5", "/plain", "/half/0", "/half/1"} < by_path.keys()


def test_what_a_capture_changes_is_the_virtual_users_own(
    artillery: Artillery, raw_server: RawServerFactory
) -> None:
    site = Site(raw_server, echo)
    told = artillery(
        """\
        config:
          phases: [{duration: 1, arrivalCount: 3}]
          variables: {user: {id: none, tags: {a: 1}}}
        scenarios:
          - flow:
              - get: {url: "/before/{{ user.id }}/{{ user.tags.b }}"}
              - get: {url: /, capture: [{json: $.id, as: user.id}, {json: $.id, as: user.tags.b}]}
              - get: {url: "/after/{{ user.id }}/{{ user.tags.b }}/{{ user.tags.a }}"}
        """,
        *("-t", site.url),
    )
    assert told.exit_code == 0, told.result
    assert site.counts() == {"GET /before/none/undefined": 3, "GET /": 3, "GET /after/7/7/1": 3}
