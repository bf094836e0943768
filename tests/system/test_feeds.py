"""Data through the front door: who gets which row, over all workers, and when a run out of rows ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Target
    from tests.support.scripts import Scripts

TWO_WORKERS = ("--workers", "2", "--drain", "5s")


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.csv"
    path.write_text("number\n" + "".join(f"{number}\n" for number in range(1, 31)))
    return path


def served(target: Target) -> dict[int, int]:
    """How often each number was asked for."""
    return {
        int(path.rpartition("/")[2]): count
        for path, count in target.requests()["paths"].items()
        if path.startswith("/bytes/")
    }


def test_exhaust_deals_each_row_once_and_then_the_run_ends(
    scripts: Scripts, target: Target, numbers: Path
) -> None:
    told = scripts(
        f"""\
        from loadgen import User, csv_rows, scenario

        numbers = csv_rows({str(numbers)!r}, deal="exhaust")

        @scenario
        async def visit(user: User) -> None:
            await user.get("/bytes/{{number}}", path=numbers.row(user))
        """,
        *("--url", target.url, "--users", "4", "--duration", "10m", *TWO_WORKERS),
    )
    assert told.exit_code == 0, told.result
    assert served(target) == dict.fromkeys(range(1, 31), 1)
    arrivals = told.assert_iterations_balance()
    assert (arrivals["completed"], arrivals["failed"]) == (30, 0), told.result
    assert arrivals["unfinished"] >= 2, "of each worker the one that asked in vain"
    assert told.summary["duration_s"] < 20, told.result


def test_a_session_that_finds_no_row_sends_its_user_away_and_fails_nothing(
    scripts: Scripts, target: Target, numbers: Path
) -> None:
    told = scripts(
        f"""\
        from loadgen import User, csv_rows, scenario, session

        numbers = csv_rows({str(numbers)!r}, deal="exhaust")

        @session
        async def known(user: User):
            user.data.update(numbers.row(user))
            yield

        @scenario
        async def visit(user: User) -> None:
            await user.get("/bytes/{{number}}", path=user.data)
        """,
        *("--url", target.url, "--users", "40", "--duration", "10m", *TWO_WORKERS),
    )
    assert told.exit_code in (0, 3), told.result
    assert told.assert_iterations_balance()["failed"] == 0, told.result
    assert set(served(target)) <= set(range(1, 31))


def test_unique_rows_are_with_one_user_at_a_time_over_all_workers(
    scripts: Scripts, target: Target, numbers: Path, tmp_path: Path
) -> None:
    """A file per row, which can be made only where it is not: whoever is second fails."""
    told = scripts(
        f"""\
        from pathlib import Path

        from loadgen import User, csv_rows, scenario

        numbers = csv_rows({str(numbers)!r}, deal="unique")
        taken = Path({str(tmp_path)!r})

        @scenario
        async def visit(user: User) -> None:
            async with numbers.lease(user) as row:
                mark = taken / f"taken-{{row['number']}}"
                mark.touch(exist_ok=False)
                await user.get("/bytes/{{number}}", path=row)
                await user.pause(0.005)
                mark.unlink()
        """,
        *("--url", target.url, "--users", "80", "--duration", "1s", *TWO_WORKERS),
    )
    assert told.summary["arrivals"]["failed"] == 0, told.result
    assert told.summary["arrivals"]["completed"] > 100, told.result
    assert set(served(target)) == set(range(1, 31))


def test_a_row_taken_for_life_stays_with_its_user(scripts: Scripts, target: Target, numbers: Path) -> None:
    told = scripts(
        f"""\
        from loadgen import User, csv_rows, scenario

        numbers = csv_rows({str(numbers)!r}, deal="unique")

        @scenario
        async def visit(user: User) -> None:
            row = await numbers.take(user)
            user.expect(user.data.setdefault("row", row) == row, "still mine")
            await user.get("/bytes/{{number}}", path=row)
        """,
        *("--url", target.url, "--users", "10", "--iterations", "50", *TWO_WORKERS),
    )
    assert told.exit_code == 0, told.result
    assert len(served(target)) <= 10 and sum(served(target).values()) == 50
    assert told.summary["checks"] == [{"name": "still mine", "passed": 50, "failed": 0}]


def test_a_missing_file_is_told_at_the_line_that_names_it(scripts: Scripts) -> None:
    told = scripts(
        """\
        from loadgen import User, csv_rows, scenario

        accounts = csv_rows("accounts.csv")

        @scenario
        async def visit(user: User) -> None:
            await user.get("/")
        """,
        *("--users", "1", "--duration", "1s"),
    )
    assert told.exit_code == 2, told.result
    told.assert_says("scenario.py:3", "accounts.csv cannot be read: No such file or directory")
    told.assert_is_no_traceback()
