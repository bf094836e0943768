"""From what people write to what the engine reads; all mistakes at once, each with its place."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import Plan, PlanError, Stage
from loadgen.engine_plan import (
    ClosedLoad,
    ClosedStage,
    EnginePlan,
    OnOff,
    OpenLoad,
    OpenStage,
    Request,
    users_at,
)

SECOND = 1_000_000_000
URL = "http://127.0.0.1:8000/items?x=1"


def mistakes(**fields: object) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Plan(**fields).compile()  # type: ignore[arg-type]
    return [str(mistake) for mistake in caught.value.mistakes]


def open_load(plan: Plan) -> OpenLoad:
    load = plan.compile().load
    assert isinstance(load, OpenLoad)
    return load


def request_of(plan: Plan | EnginePlan) -> Request:
    compiled = plan.compile() if isinstance(plan, Plan) else plan
    assert compiled.request is not None
    return compiled.request


def test_the_document_is_the_one_that_the_engine_reads() -> None:
    plan = Plan(url=URL, rate="5000/s", method="POST", headers=[("Accept", "*/*")], body=b"hi", workers=1)
    assert msgspec.json.decode(plan.compile().encode()) == {
        "schema": "loadgen/plan/1",
        "name": "blast 127.0.0.1:8000",
        "command": "blast",
        "request": {"method": "POST", "url": URL, "headers": [["Accept", "*/*"]], "body": "aGk="},
        "label": "POST /items",
        "addresses": [],
        "load": {
            "model": "open",
            "stages": [{"duration_ns": 10 * SECOND, "from_rate": 5000.0, "to_rate": 5000.0}],
            "arrivals": "constant",
            "seed": 1,
            "drop_after_ns": None,
        },
        "connections": 10_000,
        "workers": 1,
        "pacing": "hybrid",
        "timeout_ns": 30 * SECOND,
        "drain_ns": 30 * SECOND,
        "reactor": "auto",
        "thresholds": [],
        "origins": dict.fromkeys(("url", "method", "headers", "body", "rate", "workers"), "plan"),
    }


def test_ten_users_for_ten_seconds_where_nothing_is_said() -> None:
    assert Plan().compile().load == ClosedLoad(stages=[ClosedStage(10 * SECOND, 10, 10)])


@pytest.mark.parametrize(
    ("plan", "load"),
    [
        (Plan(users=3, duration="2s"), ClosedLoad(stages=[ClosedStage(2 * SECOND, 3, 3)])),
        (Plan(stages=[Stage("2s", users=4)]), ClosedLoad(stages=[ClosedStage(2 * SECOND, 0, 4)])),
        (
            Plan(stages=[Stage("0s", rate=5), Stage("1s", rate="10/s")], seed=7),
            OpenLoad(stages=[OpenStage(SECOND, 5.0, 10.0)], arrivals="constant", seed=7, drop_after_ns=None),
        ),
        (
            Plan(rate=5, arrivals="onoff:200ms/800ms", drop_late="1s"),
            OpenLoad(
                stages=[OpenStage(10 * SECOND, 5.0, 5.0)],
                arrivals=OnOff(SECOND // 5, SECOND // 5 * 4),
                seed=1,
                drop_after_ns=SECOND,
            ),
        ),
        (Plan(preset="smoke", users=5), ClosedLoad(stages=[ClosedStage(30 * SECOND, 1, 1)])),
    ],
)
def test_loads(plan: Plan, load: OpenLoad | ClosedLoad) -> None:
    assert plan.compile().load == load


def test_a_preset_is_scaled_by_the_rate_and_stretched_by_the_duration() -> None:
    stages = open_load(Plan(preset="spike", rate=100, duration="100s")).stages
    assert max(stage.to_rate for stage in stages) == 1000
    assert sum(stage.duration_ns for stage in stages) == 100 * SECOND


def test_all_mistakes_are_reported_together() -> None:
    found = mistakes(
        url="ftp://host/",
        method="G ET",
        headers=[("bad name", "x"), ("X", "a\r\nb")],
        rate="fast",
        duration="-1s",
        stages=(),
        arrivals="sometimes",
        connections="0",
        workers="many",
        pacing="slow",
        timeout="0s",
        drain="x",
        reactor="kqueue",
        seed="-1",
        thresholds=["p99 < 1ms", "p99"],
    )
    places = [text.split(":")[0] for text in found]
    assert " ".join(sorted(places)) == (
        "arrivals connections drain duration headers[0] headers[1] method pacing rate reactor seed "
        "thresholds[1] timeout url workers"
    )
    assert 'rate: expected a rate such as "500/s", got "fast"' in found


def test_places_are_those_that_the_user_knows() -> None:
    origins = {"rate": "--tps", "timeout": "LOADGEN_TIMEOUT", "thresholds": "--threshold"}
    found = mistakes(rate="fast", timeout="x", thresholds=["p99"], origins=origins)
    assert [text.split(":")[0] for text in found] == ["--tps", "LOADGEN_TIMEOUT", "--threshold"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": 0}, 'rate: expected a rate above 0, got "0"'),
        ({"rate": 5, "users": 5}, "users: cannot be used with rate: a rate is the open model"),
        ({"rate": 5, "stages": [Stage("1s", rate=5)]}, "rate: cannot be used with stages"),
        ({"duration": 5, "stages": [Stage("1s", rate=5)]}, "duration: cannot be used with stages"),
        (
            {"stages": [Stage("1s", rate=5), Stage("1s", users=5)]},
            "stages: expected all stages in rates or all",
        ),
        ({"stages": [Stage("1s")]}, "stages[0]: expected either a rate or users"),
        ({"stages": [Stage("1s", rate="x")]}, 'stages[0]: expected a rate such as "500/s", got "x"'),
        ({"stages": [Stage("1s", rate=0)]}, "stages: these stages hold no load"),
        ({"users": 5, "arrivals": "poisson"}, "arrivals: needs a rate"),
        ({"body_file": "/nonexistent"}, "body_file: /nonexistent cannot be read: No such file"),
        ({"body_file": "/"}, "body_file: / cannot be read: Is a directory"),
        ({"body_file": "/dev/null"}, "body_file: /dev/null is no regular file"),
        ({"body_file": __file__, "body": "x"}, "body_file: cannot be used with body"),
        ({"body_file": __file__, "url": "http://a/{{k}}"}, "body_file: is for one request, the same every"),
        ({"body_file": __file__, "reactor": "uring"}, "reactor: uring carries plain HTTP/1.1 only"),
        ({"expect_continue": True}, "expect_continue: there is no body to ask about"),
        ({"preset": "soup"}, 'preset: expected one of smoke, load, stress, spike, soak, got "soup"'),
        ({"workers": 5000}, "workers: expected at most 1,024, got"),
    ],
)
def test_what_does_not_go_together(fields: dict[str, object], message: str) -> None:
    (found,) = mistakes(**fields)
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"url": 5}, "url", 'expected text, got "5"'),
        ({"method": 5}, "method", "expected text"),
        ({"preset": []}, "preset", "expected text"),
        ({"rate": 5, "arrivals": None}, "arrivals", "expected text"),
        ({"body": 5}, "body", "expected bytes or text"),
        ({"headers": "A: b"}, "headers", "expected a list, each a header"),
        ({"headers": ["ab"]}, "headers[0]", "expected a header"),
        ({"headers": {"A": 5}}, "headers[0]", "expected a header"),
        ({"thresholds": "p99 < 1s"}, "thresholds", "expected a list"),
        ({"thresholds": ["p99 < 1s", 5]}, "thresholds[1]", "expected text"),
        ({"thresholds": None}, "thresholds", "expected a list"),
        ({"stages": "30s:5"}, "stages", "expected a list"),
        ({"stages": Stage("30s", rate=5)}, "stages", "expected a list"),
        ({"stages": ["30s:5"]}, "stages[0]", "expected a stage"),
        ({"timeout": None}, "timeout", 'expected a duration such as "30s"'),
        ({"drain": []}, "drain", "expected a duration"),
        ({"pacing": None}, "pacing", "expected one of eco, hybrid, spin"),
        ({"rate": []}, "rate", "expected a rate"),
        ({"users": 1.5}, "users", "expected a whole number"),
        ({"rate": 5, "seed": 2**64}, "seed", "expected at most 18,446,744,073,709,551,615"),
        ({"connections": 2_000_000}, "connections", "expected at most 1,000,000"),
        ({"thresholds": ["GET /b: p99 < 1s"]}, "thresholds[0]", 'the only label is "GET /"'),
        ({"connections": 2, "workers": 3}, "workers", "cannot be more than connections (2)"),
    ],
)
def test_what_a_script_gets_wrong_has_its_place(fields: dict[str, object], place: str, words: str) -> None:
    (found,) = mistakes(**fields)
    assert found.startswith(f"{place}: ")
    assert words in found


def test_headers_may_be_a_mapping_and_a_body_text() -> None:
    request = request_of(Plan(headers={"A": "b"}, body="é"))
    assert (request.headers, request.body) == ([("A", "b")], "é".encode())


@pytest.mark.parametrize(
    ("plan", "connections"),
    [
        (Plan(rate=5), 10_000),
        (Plan(users=30_000), 30_000),
        (Plan(stages=[Stage("1s", users=7), Stage("1s", users=2)]), 7),
        (Plan(users=50, connections=5), 5),
    ],
)
def test_the_cap_on_connections_is_in_the_plan(plan: Plan, connections: int) -> None:
    assert plan.compile().connections == connections


def test_no_more_workers_than_connections_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.compiling.processors", lambda: 9)
    assert Plan(rate=5).compile().workers == 8
    assert Plan(rate=5, connections=3).compile().workers == 3


def test_the_environment_may_speak_of_arrivals_when_there_is_no_rate() -> None:
    Plan(users=5, arrivals="poisson", origins={"arrivals": "LOADGEN_ARRIVALS"})


@given(st.floats(0.001, 1e6), st.integers(1, 3600), st.integers(1, 64))
def test_a_compiled_plan_reads_back(rate: float, seconds: int, workers: int) -> None:
    compiled = Plan(url=URL, rate=rate, duration=seconds, workers=workers).compile()
    assert msgspec.json.decode(compiled.encode(), type=EnginePlan) == compiled
    assert compiled.duration_ns == seconds * SECOND


def test_unknown_fields_are_refused() -> None:
    document = msgspec.json.decode(Plan().compile().encode())
    with pytest.raises(msgspec.ValidationError, match="unknown field `extra`"):
        msgspec.convert(document | {"extra": 1}, EnginePlan)


def test_a_body_makes_it_a_post() -> None:
    assert request_of(Plan(body=b"")).method == "POST"
    assert request_of(Plan(body=b"", method="PUT")).method == "PUT"


def test_secrets_stay_out_of_the_stored_copy() -> None:
    plan = Plan(url="http://me:secret@host/", headers=[("Cookie", "secret"), ("X-Ok", "shown")]).compile()
    assert ("Authorization", "Basic bWU6c2VjcmV0") in request_of(plan).headers
    stored = plan.redacted().encode()
    assert b"secret" not in stored
    assert b"bWU6c2VjcmV0" not in stored
    assert b"shown" in stored


def test_a_path_alone_is_a_path_on_the_embedded_target() -> None:
    plan = Plan(url="/delay/5")
    assert plan.needs_embedded_target
    there = plan.at("http://127.0.0.1:4321")
    assert not there.needs_embedded_target
    assert request_of(there).url == "http://127.0.0.1:4321/delay/5"
    assert there.compile().name == plan.compile().name == "blast embedded target"
    assert there.compile().origins == {"url": "plan"}


def test_closed_plans_start_no_more_workers_than_users() -> None:
    assert Plan(users=1).compile().workers == 1


def test_users_follow_their_stages() -> None:
    plan = Plan(stages=[Stage("10s", users=10), Stage("10s", users=10)]).compile()
    assert [users_at(plan.loads, ns * SECOND) for ns in (0, 5, 10, 15, 20)] == [0, 5, 10, 10, 0]


def test_a_plan_of_a_script_is_no_run_by_itself() -> None:
    plan = Plan(base_url="http://h/", users=5, max_errors="5%")
    with pytest.raises(PlanError) as caught:
        plan.compile()
    assert [mistake.place for mistake in caught.value.mistakes] == ["base_url", "max_errors"]


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"base_url": 5}, "base_url", "expected text"),
        ({"base_url": "ftp://h"}, "base_url", 'the scheme "ftp" is not supported'),
        ({"iterations": 0}, "iterations", "expected a whole number, 1 or more"),
        ({"max_users": "x"}, "max_users", "expected a whole number"),
        ({"max_errors": 0}, "max_errors", "expected a number of iterations such as 100"),
        ({"max_errors": "101%"}, "max_errors", "expected a number of iterations"),
        ({"max_errors": True}, "max_errors", "expected a number of iterations"),
        ({"arguments": ["a"]}, "arguments", "expected names and values"),
        ({"arguments": {"a": 5}}, "arguments['a']", "expected text, as --set gives it"),
        ({"retry": 3}, "retry", "expected Retry(...)"),
        ({"breaker": True}, "breaker", "expected Breaker(...)"),
        ({"caps": 5}, "caps", "expected pairs such as"),
        ({"caps": [("soon", 5)]}, "caps", "expected a duration"),
        ({"caps": [("0s", 0)]}, "caps", "expected a whole number"),
        ({"caps": [("2s", 5), ("1s", 5)]}, "caps", "expected them in the order of time"),
        ({"own_connections": True, "http": "2"}, "own_connections", "needs HTTP/1.1"),
    ],
)
def test_what_is_wrong_in_a_plan_of_a_script(fields: dict[str, object], place: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan(**fields)  # type: ignore[arg-type]
    (found,) = caught.value.mistakes
    assert found.place == place
    assert words in found.text
