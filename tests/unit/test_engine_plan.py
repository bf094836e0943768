"""Questions to a plan with several loads, and what of a script's plan is kept from those who read it."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen import Bearer, DigestAuth, Plan, PlanError, Stage
from loadgen.discreet import REDACTED
from loadgen.engine_plan import AuthPlan, Credentials, EnginePlan, users_at
from loadgen.loads import LoadWish, ScenarioWish

SECOND = 1_000_000_000


def plan(*loads: LoadWish | None, **fields: Any) -> EnginePlan:
    """A script's plan with a scenario for each of these, a, b, c; None shares the common load."""
    wishes = [ScenarioWish(name=name, load=load) for name, load in zip("abc", loads, strict=False)]
    return Plan(script="/x/shop.py", base_url="http://h", scenarios=wishes, **fields).compile()


def test_loads_are_what_runs_each_once() -> None:
    poll = LoadWish(rate=5)
    assert [type(load).__name__ for load in plan(None, None, users=3).loads] == ["ClosedLoad"]
    assert [type(load).__name__ for load in plan(poll, None, users=3).loads] == ["ClosedLoad", "OpenLoad"]
    alone = plan(poll)
    assert alone.loads == [alone.load]
    assert alone.script is not None
    assert alone.script.scenarios[0].load == alone.load


def test_scenarios_have_streams_of_their_own() -> None:
    found = [load.seed for load in plan(LoadWish(rate=5), LoadWish(rate=5), None, rate=5, seed=9).loads]  # type: ignore[union-attr]
    assert len(set(found)) == 3


def test_a_scenario_lasts_as_long_as_the_plan_where_it_does_not_say() -> None:
    found = plan(LoadWish(rate=5), LoadWish(rate=5, duration="1s"), None, stages=[Stage("3s", users=5)])
    assert found.duration_ns == 3 * SECOND
    assert [sum(stage.duration_ns for stage in load.stages) // SECOND for load in found.loads] == [3, 3, 1]


def test_arrivals_of_the_plan_are_those_of_its_scenarios() -> None:
    found = plan(LoadWish(rate=5), LoadWish(rate=5, arrivals="constant"), arrivals="poisson")
    assert [load.arrivals for load in found.loads] == ["poisson", "constant"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (plan(None, users=5), "5 users for 10s"),
        (plan(None, LoadWish(users=7), users=5), "12 users for 10s"),
        (plan(None, LoadWish(rate=7), users=5), "7/s and 5 users for 10s"),
        (plan(None, LoadWish(stages=[Stage("5s", rate=7)]), rate=3), "up to 10/s for 10s"),
        (plan(None, stages=[Stage("5s", rate=9)]), "0/s to 9/s for 5s"),
        (plan(None, users=5, iterations=1), "5 users for 1 iteration, at most 1h"),
        (
            plan(None, users=5, iterations=9, iterations_per_user=3, duration="5s"),
            "5 users for 9 iterations, 3 iterations each, at most 5s",
        ),
    ],
)
def test_loads_in_words(found: EnginePlan, words: str) -> None:
    assert found.describe_load() == words


def test_users_are_those_of_all_closed_loads() -> None:
    found = plan(None, LoadWish(stages=[Stage("10s", users=10)]), LoadWish(rate=5), users=3, duration="5s")
    assert [users_at(found.loads, at * SECOND) for at in (0, 4, 6, 10)] == [3, 7, 6, 0]
    assert found.is_open


def test_iterations_end_a_run_within_the_hour() -> None:
    assert plan(None, iterations=5).duration_ns == 3600 * SECOND
    assert plan(LoadWish(rate=5), iterations=5).duration_ns == 3600 * SECOND
    assert plan(None, iterations=5, duration="2s").duration_ns == 2 * SECOND
    assert plan(None, iterations=1, users=50).workers == 1


def test_secrets_of_a_script_stay_out_of_the_stored_copy() -> None:
    found = plan(
        None,
        headers={"Authorization": "Bearer abc", "X-Ok": "shown"},
        arguments={"api_token": "abc", "size": "large"},
    )
    stored = found.redacted().script
    assert stored is not None
    assert stored.headers == [("Authorization", REDACTED), ("X-Ok", "shown")]
    assert stored.arguments == {"api_token": REDACTED, "size": "large"}


def test_users_of_a_script_may_have_more_than_one_connection_each() -> None:
    assert plan(None, users=5).connections == 10_000
    assert plan(None, users=30_000).connections == 30_000


@pytest.mark.parametrize(
    ("auth", "kind"),
    [(("me", "hush"), "basic"), (Bearer("hush"), "bearer"), (DigestAuth("me", "hush"), "digest")],
)
def test_who_asks_is_known_to_workers_and_to_nobody_else(auth: Any, kind: str) -> None:
    found = plan(None, auth=auth)
    assert b"hush" in found.encode()
    stored = found.redacted()
    assert stored.script is not None and stored.script.auth == AuthPlan(kind, REDACTED, REDACTED)  # type: ignore[arg-type]
    assert b"hush" not in stored.encode()
    assert "hush" not in repr(found) + repr(auth if kind != "basic" else "")


@pytest.mark.parametrize("auth", ["hush", ("hush",), ("hu:sh", "x"), ("hush", 7)])
def test_a_mistake_in_auth_does_not_tell_it(auth: Any) -> None:
    with pytest.raises(PlanError, match=r"^auth: ") as caught:
        plan(None, auth=auth)
    assert "hu" not in str(caught.value)


def test_a_user_in_the_base_url_becomes_the_auth_of_the_base() -> None:
    wish = [ScenarioWish(name="a")]
    found = Plan(script="/x/shop.py", base_url="http://me:secret@h/api/", scenarios=wish).compile()
    assert found.script is not None
    assert found.script.base_url == "http://h/api"
    assert found.script.headers == []
    assert found.script.auth == AuthPlan("basic", "me", "secret")


def test_who_a_blast_is_for_those_who_challenge_it() -> None:
    found = Plan(rate=5, auth=DigestAuth("me", "hush")).compile()
    assert found.digest == Credentials("me", "hush") and found.counts_iterations
    assert found.request is not None and found.request.headers == []
    assert found.redacted().digest == Credentials(REDACTED, REDACTED)
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("auth", "said"), [(("me", "secret"), "Basic bWU6c2VjcmV0"), (Bearer("secret"), "Bearer secret")]
)
def test_who_else_a_blast_is_says_a_header(auth: Any, said: str) -> None:
    found = Plan(rate=5, auth=auth).compile()
    assert found.request is not None and found.request.headers == [("Authorization", said)]
    assert not found.counts_iterations and b"secret" not in found.redacted().encode()
    with pytest.raises(PlanError, match="auth: cannot be used with a header Authorization"):
        Plan(rate=5, auth=auth, headers={"authorization": "own"})


def test_a_blast_follows_redirects_where_it_is_asked_to() -> None:
    assert Plan(rate=5, max_redirects=3).compile().max_redirects is None
    found = Plan(users=5, follow_redirects=True, max_redirects=3).compile()
    assert (found.max_redirects, found.counts_iterations) == (3, True)
    # Who is sent on may leave connections behind at several hosts.
    assert (found.connections, Plan(users=5).compile().connections) == (10_000, 5)
    with pytest.raises(PlanError, match="max_redirects: expected at most 100"):
        Plan(rate=5, max_redirects=101)


def test_labels_of_hops_are_not_known_beforehand() -> None:
    text = "GET /hop: p99 < 1s"
    Plan(url="http://h/", rate=5, follow_redirects=True, thresholds=[text, "blast: p95 < 1s"])
    Plan(url="http://h/", rate=5, auth=DigestAuth("me", "x"), thresholds=["blast: p95 < 1s"])
    for fields in ({}, {"auth": DigestAuth("me", "x")}):
        with pytest.raises(PlanError, match="no request is counted as"):
            Plan(url="http://h/", rate=5, thresholds=[text], **fields)  # type: ignore[arg-type]


def test_a_blast_has_no_part_of_a_script_in_its_document() -> None:
    assert b'"script"' not in Plan(rate=5).compile().encode()
