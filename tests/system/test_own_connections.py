"""Iterations on connections of their own, and caps on how many run at a time, in scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.site import Asked, Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory, Target
    from tests.support.scripts import Scripts


def test_each_iteration_makes_its_own(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, lambda _: answer(200))
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            for step in range(3):
                await user.get(f"/{user.id}/{user.iteration}/{step}")

        plan = Plan(users=2, iterations=8, own_connections=True)
        """,
        *("--url", site.url, "--workers", "1"),
    )
    assert told.exit_code == 0, told.result
    by_connection: dict[int, list[Asked]] = {}
    for asked in site.asked:
        by_connection.setdefault(asked.connection, []).append(asked)
    assert len(by_connection) == 8
    for requests in by_connection.values():
        (visit,) = {asked.target.rpartition("/")[0] for asked in requests}
        assert [asked.target for asked in requests] == [f"{visit}/{step}" for step in range(3)]


def test_what_is_due_beyond_a_cap_is_dropped(scripts: Scripts, target: Target) -> None:
    told = scripts(
        """\
        from loadgen import Plan, Stage, User, scenario

        @scenario
        async def wait(user: User) -> None:
            await user.get("/delay/3000")

        plan = Plan(stages=[Stage("0s", rate=10), Stage("2s", rate=10)], caps=[("0s", 3), ("1s", 5)])
        """,
        *("--url", target.url, "--workers", "1"),
    )
    arrivals = told.assert_iterations_balance()
    assert (arrivals["sent"], arrivals["dropped"]) == (5, 15), told.result
    assert told.summary["generator"]["verdict"] != "client-limited", told.result
