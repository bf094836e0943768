"""Feeds: what each deal deals, what no deal may do, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.data import Deal, Exhausted, Feed, NoRowFree, csv_rows, json_rows
from loadgen.errors import UsageError

if TYPE_CHECKING:
    from loadgen.rows import Row


@dataclass
class Someone:
    """What a feed sees of a user."""

    id: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))


def feed_of(count: int, deal: Deal, worker: int = 0, workers: int = 1) -> Feed:
    feed = Feed(
        lambda: iter([{"row": str(index)} for index in range(count)]), Path("rows.csv"), deal, "script.py:3"
    )
    feed._attach(worker, workers, 1)
    return feed


def numbers(rows: list[Row]) -> list[int]:
    return [int(row["row"]) for row in rows]


@pytest.mark.parametrize(
    ("count", "worker", "workers", "dealt"),
    [
        (3, 0, 1, [0, 1, 2, 0, 1]),
        (5, 0, 2, [0, 2, 4, 0, 2]),
        (5, 1, 2, [1, 3, 1, 3, 1]),
        (2, 2, 3, [0, 0, 0, 0, 0]),  # no share of its own
        (2, 3, 4, [1, 1, 1, 1, 1]),
    ],
)
def test_cycle_deals_the_next_row_of_the_share(
    count: int, worker: int, workers: int, dealt: list[int]
) -> None:
    feed = feed_of(count, "cycle", worker, workers)
    assert numbers([feed.row(Someone(index)) for index in range(5)]) == dealt


def test_random_draws_from_the_generator_of_the_user_alone() -> None:
    def draw(seed: int, feed: Feed) -> list[int]:
        someone = Someone(rng=random.Random(seed))
        return numbers([feed.row(someone) for _ in range(50)])

    one, other = feed_of(10, "random"), feed_of(10, "random")
    draw(7, other)  # what others draw before changes nothing
    assert draw(5, one) == draw(5, other) != draw(6, one)
    assert set(draw(5, one)) == set(range(10))


@given(count=st.integers(1, 60), workers=st.integers(1, 8))
def test_exhaust_deals_every_row_once_over_all_workers(count: int, workers: int) -> None:
    dealt: Counter[int] = Counter()
    for worker in range(workers):
        feed = feed_of(count, "exhaust", worker, workers)
        for _ in range(len(range(worker, count, workers))):
            dealt.update(numbers([feed.row(Someone())]))
        for _ in range(2):
            with pytest.raises(Exhausted, match=r"every row of rows\.csv was used"):
                feed.row(Someone())
    assert dealt == Counter(range(count))


@given(count=st.integers(1, 60), workers=st.integers(1, 8), deal=st.sampled_from(["cycle", "random"]))
def test_workers_deal_from_shares_that_do_not_meet(count: int, workers: int, deal: Deal) -> None:
    shares = [feed_of(count, deal, worker, workers)._share for worker in range(workers)]
    rows = numbers(list(chain.from_iterable(shares)))
    assert set(rows) == set(range(count))
    assert count < workers or len(rows) == count


def test_a_changed_row_is_whole_again_for_the_next() -> None:
    feed = feed_of(1, "cycle")
    feed.row(Someone())["row"] = "changed"
    assert feed.row(Someone()) == {"row": "0"}


class TestUnique:
    """A row is with one user at a time."""

    @given(
        count=st.integers(1, 12),
        workers=st.integers(1, 3),
        users=st.integers(1, 8),
        seed=st.integers(0, 2**32),
    )
    def test_no_row_is_ever_with_two_users(self, count: int, workers: int, users: int, seed: int) -> None:
        count = max(count, workers)
        out: Counter[int] = Counter()
        served = 0

        async def live(feed: Feed, rng: random.Random) -> None:
            nonlocal served
            for _ in range(3):
                try:
                    async with asyncio.timeout(rng.choice([0, 1, 10])), feed.lease(Someone()) as row:
                        number = int(row["row"])
                        out[number] += 1
                        assert out[number] == 1
                        try:
                            for _ in range(rng.randrange(3)):
                                await asyncio.sleep(0)
                        finally:
                            out[number] -= 1
                        served += 1
                except TimeoutError:
                    pass

        async def main() -> list[Feed]:
            feeds = [feed_of(count, "unique", worker, workers) for worker in range(workers)]
            async with asyncio.TaskGroup() as tasks:
                for worker, feed in enumerate(feeds):
                    for user in range(users):
                        tasks.create_task(live(feed, random.Random(f"{seed} {worker} {user}")))
            return feeds

        feeds = asyncio.run(main())
        back = [int(feed._share[place]["row"]) for feed in feeds for place in feed._free]
        assert sorted(back) == list(range(count))  # none was lost
        assert not any(feed._waiting for feed in feeds)

    def test_who_waits_longest_is_served_first(self) -> None:
        async def main() -> list[str]:
            feed, order = feed_of(1, "unique"), []

            async def live(name: str) -> None:
                async with feed.lease(Someone()):
                    order.append(name)
                    await asyncio.sleep(0)

            await asyncio.gather(*(live(name) for name in "abc"))
            return order

        assert asyncio.run(main()) == ["a", "b", "c"]

    def test_a_lease_is_returned_when_the_block_raises(self) -> None:
        async def main() -> None:
            feed = feed_of(1, "unique")
            for _ in range(2):
                with pytest.raises(KeyError):
                    async with feed.lease(Someone()) as row:
                        row["nothing"]

        asyncio.run(main())

    def test_a_row_that_arrives_in_the_moment_of_a_cancellation_is_not_lost(self) -> None:
        async def main() -> None:
            feed = feed_of(1, "unique")

            async def live() -> None:
                async with feed.lease(Someone()):
                    pass

            async with feed.lease(Someone()):
                waiting = asyncio.create_task(live())
                await asyncio.sleep(0)
            waiting.cancel()  # it has its row, and has not run since
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len(feed._free) == 1

        asyncio.run(main())

    def test_a_user_keeps_what_it_took_until_it_ends(self) -> None:
        async def main() -> None:
            feed = feed_of(2, "unique")
            ann, bob, eve = Someone(1), Someone(2), Someone(3)
            assert [await feed.take(ann), feed.row(ann), await feed.take(ann)] == [{"row": "0"}] * 3
            assert feed.row(bob) == {"row": "1"}
            with pytest.raises(NoRowFree, match=r"of this worker's 2, users keep 2 and 0 are on lease$"):
                await feed.take(eve)
            feed._release(ann)
            feed._release(eve)  # had none
            assert await feed.take(eve) == {"row": "0"}

        asyncio.run(main())

    def test_take_waits_for_a_lease_and_row_does_not(self) -> None:
        async def main() -> None:
            feed = feed_of(1, "unique")
            async with feed.lease(Someone(1)):
                taking = asyncio.create_task(feed.take(Someone(2)))
                await asyncio.sleep(0)
                assert not taking.done()
                with pytest.raises(NoRowFree, match="1 are on lease; take and lease wait for one"):
                    feed.row(Someone(3))
            assert await taking == {"row": "0"}

        asyncio.run(main())

    def test_nobody_waits_for_rows_that_cannot_come_back(self) -> None:
        async def main() -> None:
            feed = feed_of(1, "unique")
            async with feed.lease(Someone(1)):
                takers = [asyncio.create_task(feed.take(Someone(number))) for number in (2, 3, 4)]
                await asyncio.sleep(0)
            first, *others = await asyncio.gather(*takers, return_exceptions=True)
            assert first == {"row": "0"}
            assert all(isinstance(other, NoRowFree) for other in others)

        asyncio.run(main())

    def test_two_tasks_of_one_user_take_one_row(self) -> None:
        async def main() -> None:
            feed = feed_of(2, "unique")
            ann = Someone(1)
            async with feed.lease(Someone(2)), feed.lease(Someone(3)):
                takers = [asyncio.create_task(feed.take(ann)) for _ in range(2)]
                await asyncio.sleep(0)
            one, two = await asyncio.gather(*takers)
            assert one == two
            assert len(feed._free) == 1

        asyncio.run(main())

    def test_too_few_rows_for_the_workers_are_refused_before_the_run(self) -> None:
        for action in (lambda: feed_of(2, "unique", 0, 3), lambda: feed_of(3, "unique")._check(4)):
            with pytest.raises(
                UsageError, match=r"too few for . workers: unique rows are shared out"
            ) as caught:
                action()
            assert caught.value.hint is not None
            assert caught.value.hint.startswith("add rows, or run with --workers ")

    def test_other_deals_have_no_lease(self) -> None:
        async def main() -> None:
            with pytest.raises(
                TypeError, match=r'script.py:3: take needs deal="unique", and rows.csv has "cycle"'
            ):
                await feed_of(1, "cycle").take(Someone())
            with pytest.raises(TypeError, match='lease needs deal="unique"'):
                async with feed_of(1, "exhaust").lease(Someone()):
                    pass

        asyncio.run(main())


class TestFiles:
    """From the script to the file."""

    def test_paths_count_from_the_folder_of_the_script(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "users.csv").write_text("name\nann\n")
        (tmp_path / "orders.jsonl").write_text('{"id": 7}\n')
        script = tmp_path / "script.py"
        script.write_text(
            "from loadgen.data import csv_rows, json_rows\n"
            'users = csv_rows("data/users.csv")\norders = json_rows("orders.jsonl", "exhaust")\n'
        )
        monkeypatch.chdir("/")
        names: dict[str, Any] = {}
        exec(compile(script.read_text(), script, "exec"), names)  # noqa: S102 - as a script is loaded
        users, orders = cast("Feed", names["users"]), cast("Feed", names["orders"])
        assert users._check() == 1
        for feed in (users, orders):
            feed._attach(0, 1, 0)
        assert users.row(Someone()) == {"name": "ann"}
        assert orders.row(Someone()) == {"id": 7}
        assert users._is_loadgen_feed

    def test_a_missing_file_is_told_where_the_script_names_it(self) -> None:
        with pytest.raises(UsageError, match=r"tests/unit/missing\.csv cannot be read: No such file"):
            csv_rows("missing.csv")

    @pytest.mark.parametrize("content", ["", "name\n", "\n"])
    def test_a_file_without_rows_is_refused(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "users.csv").write_text(content)
        with pytest.raises(UsageError, match=r"users\.csv has no rows"):
            csv_rows(tmp_path / "users.csv")

    def test_a_file_that_changes_before_the_run_is_read_again(self, tmp_path: Path) -> None:
        (tmp_path / "users.csv").write_text("name\nann\n")
        feed = csv_rows(tmp_path / "users.csv")
        (tmp_path / "users.csv").write_text("name\n")
        for read in (feed._check, lambda: feed._attach(0, 1, 0)):
            with pytest.raises(UsageError, match=r"users\.csv has no rows any more"):
                read()

    def test_all_of_a_file_is_checked_before_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "users.csv").write_text("name\nann\nbob,5\n")
        feed = csv_rows(tmp_path / "users.csv")
        with pytest.raises(UsageError, match=r"users\.csv:3: 2 values where the header has 1"):
            feed._check()

    def test_a_wrong_deal_is_refused_where_it_stands(self) -> None:
        with pytest.raises(
            ValueError, match='deal: expected one of cycle, random, unique, exhaust, got "once"'
        ):
            json_rows("orders.jsonl", cast("Deal", "once"))

    def test_a_feed_that_no_worker_has_found_says_so(self) -> None:
        feed = Feed(lambda: iter([]), Path("users.csv"), "cycle", "script.py:3")
        with pytest.raises(RuntimeError, match="a feed must be a global name of the script"):
            feed.row(Someone())
