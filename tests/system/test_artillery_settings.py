"""Artillery's flags, its config, its plugins and its exit codes, through the front door."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Asked, Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory, Target
    from tests.support.artillery import Artillery

JSON = "Content-Type: application/json"
ONE = "scenarios: [{flow: [{get: {url: /health}}]}]"


def echo(asked: Asked) -> bytes:
    return answer(200, JSON, body=asked.body or b'{"token": "t1"}')


def test_environments_flags_and_variables(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    artillery.file("more.yml", "config: {variables: {d: joined}}\n")
    artillery.file("vars.env", "# a comment\nexport FROM_FILE='in the file'\n")
    artillery.file("rows.csv", "row\n")
    script = """\
        config:
          target: http://127.0.0.1:9
          variables: {a: plain, b: plain, c: plain}
          payload: {fields: [e]}
          phases: [{duration: 1, arrivalCount: 1}, {duration: 1, arrivalCount: 1}]
          environments:
            staging:
              target: "{{ $env.SITE }}"
              variables: {a: staging}
              phases: [{arrivalCount: 2}]
        scenarios:
          - name: first
            flow:
              - post:
                  url: "{{ target }}/x"
                  json:
                    a: "{{ a }}"
                    b: "{{ b }}"
                    c: "{{ c }}"
                    d: "{{ d }}"
                    e: "{{ e }}"
                    env: "{{ $environment }}"
                    file: "{{ $processEnvironment.FROM_FILE }}"
                    dir: "{{ $dirname }}"
                    own: "{{ $scenarioFile }}"
          - {name: second, flow: [{get: {url: /second}}]}
        """
    folder = artillery.folder
    told = artillery(
        script,
        *("-e", "staging", "-v", '{"b": "flag"}', "--overrides", '{"config": {"variables": {"c": "over"}}}'),
        *("-i", str(folder / "more.yml"), "-p", str(folder / "rows.csv")),
        *("--dotenv", str(folder / "vars.env"), "--scenario-name", "^fir"),
        environment={"SITE": site.url},
    )
    assert told.exit_code == 0, told.result
    assert site.counts() == {"POST /x": 3}  # the lists of phases are merged place by place
    assert json.loads(site.asked[0].body) == {
        "a": "staging",
        "b": "flag",
        "c": "over",
        "d": "joined",
        "e": "row",
        "env": "staging",
        "file": "in the file",
        "dir": str(folder),
        "own": str(folder / "test.yml"),
    }


def test_solo_and_no_phases_are_one_arrival(artillery: Artillery, target: Target) -> None:
    assert artillery(ONE, "-t", target.url).summary["arrivals"]["sent"] == 1
    many = f"config: {{phases: [{{duration: 60, arrivalRate: 100}}]}}\n{ONE}"
    assert artillery(many, "-t", target.url, "--solo").summary["arrivals"]["sent"] == 1


def test_a_script_in_json(artillery: Artillery, target: Target) -> None:
    script = json.dumps(
        {"config": {"target": target.url}, "scenarios": [{"flow": [{"get": {"url": "/health"}}]}]}
    )
    assert artillery(script, name="test.json").summary["requests"]["ok"] == 1


def test_without_a_target_the_embedded_one_takes_the_load(artillery: Artillery) -> None:
    told = artillery(ONE)
    assert told.exit_code == 0, told.result
    told.assert_says("config.target is missing, so the embedded target takes the load")


def test_before_and_after(artillery: Artillery, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, echo)
    told = artillery(
        """\
        config: {phases: [{duration: 1, arrivalCount: 3}]}
        before:
          flow: [{post: {url: /login, json: {token: t9}, capture: {json: $.token, as: token}}}]
        after:
          flow: [{get: {url: "/logout/{{ token }}"}}]
        scenarios: [{flow: [{get: {url: "/as/{{ token }}"}}]}]
        """,
        *("-t", site.url, "-w", "2"),
    )
    assert told.exit_code == 0, told.result
    assert [asked.target for asked in site.asked] == ["/login", *["/as/t9"] * 3, "/logout/t9"]
    assert told.summary["requests"]["total"] == 3  # what is around a test is no part of it


def test_no_test_without_what_goes_before(artillery: Artillery, target: Target) -> None:
    told = artillery(
        f"before: {{flow: [{{get: {{url: /health, capture: {{json: $.nope, as: x}}}}}}]}}\n{ONE}",
        "-t",
        target.url,
    )
    assert told.exit_code == 5
    assert target.requests()["total"] == 1
    told.assert_says("before: Failed capture or match")


def test_a_failed_expectation_is_exit_code_21(artillery: Artillery, target: Target) -> None:
    script = """\
        config: {{plugins: {{expect: {settings}}}}}
        scenarios:
          - flow:
              - get: {{url: /status/201, expect: [{{statusCode: {wanted}}}, {{contentType: text/plain}}]}}
              - get: {{url: /health}}
        """
    met = artillery(
        script.format(settings="{}", wanted="[200, 201]").replace(", {contentType: text/plain}", ""),
        "-t",
        target.url,
    )
    assert met.exit_code == 0, met.result
    told = artillery(script.format(settings="{}", wanted=200), "-t", target.url)
    assert told.exit_code == 21, told.result
    checks = {row["name"]: row["failed"] for row in told.summary["checks"]}
    assert checks["statusCode: GET /status/201"] == 1
    assert told.summary["requests"]["total"] == 2 and told.summary["arrivals"]["failed"] == 0
    told.assert_says("expect: GET /status/201: not as expected: statusCode")
    ended = artillery(script.format(settings="{reportFailuresAsErrors: true}", wanted=200), "-t", target.url)
    assert ended.summary["requests"]["total"] == 1 and ended.summary["arrivals"]["failed"] == 1


@pytest.mark.parametrize(
    ("ensure", "exit_code", "said"),
    [
        (
            "{thresholds: [{http.response_time.p99: 5000}, {vusers.failed: 1}]}",
            0,
            "ok http.response_time.p99 < 5000",
        ),
        ("{thresholds: [{http.codes.200: 2}]}", 1, "fail http.codes.200 < 2"),
        ("{thresholds: [{http.codes.500: 1}]}", 1, "there is no http.codes.500 in this run"),
        (
            "{conditions: [{expression: 'http.codes.200 == 3 and vusers.completed > 2'}]}",
            0,
            "ok http.codes.200 == 3",
        ),
        ("{conditions: [{expression: 'http.codes.200 > 9', strict: false}]}", 0, "(optional)"),
        ("{p95: 5000, maxErrorRate: 0}", 0, "ok maxErrorRate < 0"),
        ("{max: 0}", 1, "fail max < 0"),
        ("{max: 5000ms}", 0, "ok max < 5000"),
        ("{max: soon}", 1, "fail max < NaN"),
        ("{conditions: [{expression: http.codes.200}]}", 1, "fail http.codes.200"),
    ],
)
def test_what_must_hold(artillery: Artillery, target: Target, ensure: str, exit_code: int, said: str) -> None:
    phases = "phases: [{duration: 1, arrivalCount: 3}]"
    told = artillery(f"config: {{{phases}, plugins: {{ensure: {ensure}}}}}\n{ONE}", "-t", target.url)
    assert told.exit_code == exit_code, told.result
    told.assert_says(said)


def test_checks_can_be_switched_off(artillery: Artillery, target: Target) -> None:
    told = artillery(
        f"config: {{ensure: {{max: 0}}}}\n{ONE}",
        "-t",
        target.url,
        environment={"ARTILLERY_DISABLE_ENSURE": "1"},
    )
    assert told.exit_code == 0, told.result


def test_satisfaction(artillery: Artillery, target: Target) -> None:
    told = artillery(
        """\
        config:
          apdex: {threshold: 200}
          ensure: {conditions: [{expression: apdex == 0.5}]}
        scenarios: [{flow: [{get: {url: /delay/300}}]}]
        """,
        *("-t", target.url),
    )
    assert told.summary["metrics"]["apdex.tolerated"] == 1
    told.assert_says("apdex score: 0.5 (poor)", "ok apdex == 0.5")


def test_labels_are_those_of_metrics_by_endpoint(artillery: Artillery, target: Target) -> None:
    script = """\
        config: {{plugins: {{metrics-by-endpoint: {settings}}}}}
        scenarios:
          - name: all
            flow:
              - get: {{url: "/health?a=1", name: look}}
              - get: {{url: "/status/{{{{ $randomNumber(200, 204) }}}}?b=2"}}
        """

    def labels(settings: str) -> set[str]:
        told = artillery(script.format(settings=settings), "-t", target.url)
        return {row["label"] for row in told.summary["labels"]} - {"all"}

    status = "GET /status/{{ $randomNumber(200, 204) }}"
    assert labels("{stripQueryString: true}") == {"GET /health (look)", status}
    assert labels("{}") == {"GET /health?a=1 (look)", f"{status}?b=2"}
    assert labels("{useOnlyRequestNames: true, stripQueryString: true}") == {"look", status}


def test_what_cannot_be_kept_is_told(artillery: Artillery, target: Target) -> None:
    told = artillery(
        """\
        config:
          plugins:
            slack: {webhookUrl: x}
            publish-metrics:
              - {type: datadog, apiKey: x}
              - {type: statsd, host: 127.0.0.1, port: 8125, prefix: x}
            metrics-by-endpoint: {groupDynamicURLs: false}
            ensure: {p90: 100}
          http: {maxSockets: 5, timout: 3, cookieJarOptions: {}}
          phases: [{duration: 1, arrivalCount: 1, ramp: 5}]
        scenarios:
          - weight: 1.5
            beforeRequests: fill
            flow:
              - get: {url: /health, headrs: {a: b}, beforeRequest: fill, json: {a: 1}, http2: true}
              - post: {url: /echo, body: {a: 1}}
              - post: {url: /echo, json: {a: 1}, form: {a: 1}}
        """,
        *("-t", target.url),
    )
    assert told.exit_code == 0, told.result
    instead = "dogstatsd=HOST:PORT, to its agent"
    notes = [event["text"] for event in told.events if event["event"] == "imported"]
    assert notes == [
        "config.http.timout is not known, and without effect: did you mean timeout?",
        "config.http.maxSockets is without effect, as in Artillery; `pool` limits connections",
        "config.http.cookieJarOptions is without effect: cookies are kept as browsers do",
        "config.plugins.slack is not known here, and without effect",
        "config.plugins.metrics-by-endpoint.groupDynamicURLs is not known here, and without effect",
        "config.plugins.ensure.p90 is not known here, and without effect",
        f"config.plugins.publish-metrics[0]: datadog is not published to; use --output {instead}",
        "config.plugins.publish-metrics[1].prefix is not known here, and without effect",
        "config.phases[0].ramp is not known, and without effect",
        "scenarios[0].weight: 1.5 is read as 1, as by Artillery",
        "scenarios[0].beforeRequests is not known, and without effect",
        "scenarios[0].flow[0].get.headrs is not known, and without effect",
        "scenarios[0].flow[0].get.http2 is without effect: requests go by HTTP/1.1",
        "scenarios[0].flow[0].get: GET with a body, which Artillery refuses to send, is sent",
        "scenarios[0].flow[0].get: there is no function fill in the processor, so it is not called",
        "scenarios[0].flow[1].post.body: it is no text, which Artillery refuses to send; it goes as JSON",
        "scenarios[0].flow[2].post: of json and form, with which Artillery sends nothing, one is sent",
    ]
    assert [output["name"] for output in told.summary["outputs"]] == ["statsd 127.0.0.1:8125"]


def test_mistakes_are_told_with_their_places(artillery: Artillery) -> None:
    told = artillery(
        """\
        config:
          target: http://127.0.0.1:9
          phases:
            - {duration: soon, arrivalRate: 1}
        scenarios:
          - flow:
              - get:
                  headers: {a: b}
              - fetch: {url: /}
              - think: forever
              - post:
                  url: /
                  capture: {json: $.a}
        """
    )
    assert told.exit_code == 2
    folder = "test.yml"
    told.assert_says(
        f"{folder}:4: config.phases[0].duration: expected whole seconds",
        f"{folder}:7: scenarios[0].flow[0].get.url: is missing",
        f"{folder}:9: scenarios[0].flow[1]: fetch is no step of this engine: there are loop, parallel, think",
        f"{folder}:10: scenarios[0].flow[2].think: expected seconds",
        f"{folder}:13: scenarios[0].flow[3].post.capture.as: is missing",
    )
    told.assert_is_no_traceback()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: {a: [}", "test.yml:1: "),
        (f"config: {{}}\nconfig: {{}}\n{ONE}", "test.yml:2: config is there twice"),
        ("scenarios: []", "scenarios: expected a list"),
        (f"config: {{payload: {{path: no.csv}}}}\n{ONE}", "config.payload.path: "),
        ("scenarios: [{engine: playwright, flow: []}]", "playwright is no engine that is known"),
        ("scenarios: [{weight: 0, flow: [{get: {url: /}}]}]", "all weights are 0"),
    ],
)
def test_what_cannot_be_read(artillery: Artillery, text: str, said: str) -> None:
    told = artillery(text)
    assert told.exit_code == 2, told.result
    told.assert_says(said)
    told.assert_is_no_traceback()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-v", "x"), "--variables: expected an object in JSON"),
        (("--overrides", "[]"), "--overrides: expected an object in JSON"),
        (("--scenario-name", "nope"), '--scenario-name: no scenario is called "nope"'),
        (("--platform", "aws:lambda"), "--platform: load comes from this machine alone"),
        (("--dotenv", "nope.env"), "--dotenv: nope.env cannot be read"),
        (("--output", "prometheu=9"), "--output: expected FILE.json, or one of"),
    ],
)
def test_wrong_flags(artillery: Artillery, arguments: tuple[str, ...], said: str) -> None:
    told = artillery(ONE, *arguments)
    assert told.exit_code == 2, told.result
    told.assert_says(said)


def test_a_rehearsal_shows_one_virtual_user(artillery: Artillery, target: Target) -> None:
    told = artillery(ONE, "-t", target.url, "--debug")
    told.assert_says("GET", "/health", "200")


def test_arrivals_can_be_listed(artillery: Artillery) -> None:
    told = artillery(f"config: {{phases: [{{duration: 2, arrivalRate: 2}}]}}\n{ONE}", "--dry-run")
    assert told.result.stdout.split("\n")[:2] == ["0 0.000000000", "1 0.500000000"]
