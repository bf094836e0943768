"""More names than there is room for: two thousand are kept apart, the rest are counted as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.workers import SCRIPT_LABELS

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.scripts import Scripts

NAMED = SCRIPT_LABELS + 500


def test_two_thousand_labels_are_kept_apart(scripts: Scripts, target: Target) -> None:
    told = scripts(
        f"""
        from loadgen import scenario

        @scenario
        async def names_them_all(user):
            for number in range({NAMED}):
                await user.get("/", name=f"GET /{{number:04d}}")
        """,
        *("--url", target.url, "--users", "1", "--iterations", "2", "--workers", "1"),
    )
    assert told.exit_code == 0, told.result
    kept = {row["label"]: row["requests"]["ok"] for row in told.summary["labels"]}
    other = kept.pop("(other)")
    # One is the iterations', and one is for those that found no room.
    assert kept == {"names_them_all": 2} | {f"GET /{number:04d}": 2 for number in range(SCRIPT_LABELS - 2)}
    assert other == 2 * (NAMED - (SCRIPT_LABELS - 2))
    assert told.summary["requests"]["ok"] == 2 * NAMED == target.requests()["total"]
    (warning,) = [event for event in told.events if event["event"] == "labels_full"]
    assert "the rest are counted as (other)" in warning["text"]
