"""What viewers are told: everything once, however late they come and however slow they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from loadgen.live.board import ROWS_A_SECOND, Board, Looker, Seen
from loadgen.plan import Plan
from loadgen.report.feed import Feed, Told
from loadgen.report.feed_parts import ending_parts, introduction
from loadgen.result import ScriptErrorGroup
from tests.support.shown_runs import make_moment
from tests.support.steering import make_control
from tests.unit.figures import Counted, Samples
from tests.unit.results import make_result

if TYPE_CHECKING:
    from typing import Any

    from loadgen._engine import Snapshot


def open_board() -> Board:
    plan = Plan(url="http://127.0.0.1:8000/", rate=100).compile()
    return Board(opening=introduction(plan, "2026-01-02T03:04:05+00:00", []))


def told(feed: Feed | None) -> dict[str, Any]:
    assert feed is not None
    found: dict[str, Any] = msgspec.json.decode(feed.encode())
    return found


def test_before_the_run_there_is_nothing_to_tell() -> None:
    assert Board().news(Seen()) is None


def test_each_thing_is_told_once() -> None:
    board, seen = open_board(), Seen()
    first = told(board.news(seen))
    assert first["opening"]["target"] == "http://127.0.0.1:8000/"
    assert board.news(seen) is None
    board.add_moment(make_moment(1), None)
    board.add_event(Told(1.0, "stage", "stage 2"))
    second = told(board.news(seen))
    assert "opening" not in second
    assert second["moments"]["at_s"] == [1.001]
    assert [one["text"] for one in second["events"]] == ["stage 2"]
    assert board.news(seen) is None


def test_who_comes_late_or_is_slow_gets_it_all() -> None:
    board, slow = open_board(), Seen()
    board.news(slow)
    for second in range(1, 11):
        board.add_moment(make_moment(second), None)
    assert len(told(board.news(slow))["moments"]["at_s"]) == 10
    assert len(told(board.news(Seen()))["moments"]["at_s"]) == 10


def test_moments_that_were_joined_replace_those_known() -> None:
    board, seen = open_board(), Seen()
    for second in range(1, 1201):
        board.add_moment(make_moment(second), None)
    assert len(told(board.news(seen))["moments"]["at_s"]) == 1200
    board.add_moment(make_moment(1201), None)
    news = told(board.news(seen))
    assert news["afresh"] is True
    assert len(news["moments"]["at_s"]) == 601


def test_the_end_is_told_to_everybody() -> None:
    board, seen = open_board(), Seen()
    board.news(seen)
    board.ending = ending_parts(make_result())
    assert told(board.news(seen))["result"]["verdict"] == "pass"
    assert told(board.news(Seen()))["result"]["verdict"] == "pass"
    assert board.news(seen) is None


def of_labels(names: tuple[str, ...], **counted: Any) -> Snapshot:
    response = Samples([1_000_000])
    return cast("Snapshot", Counted(response=response, labels=names, **{"counters": {"sent": 1}, **counted}))


def test_many_labels_take_turns() -> None:
    names = tuple(f"label {number}" for number in range(3 * ROWS_A_SECOND))
    looker, board, seen = Looker(), open_board(), Seen()
    for second in range(1, 4):
        look = looker.look(of_labels(names))
        assert len(look.labels) == ROWS_A_SECOND
        board.add_moment(make_moment(second), look)
    news = told(board.news(seen))
    assert [row[1] for row in news["labels"]] == list(names)
    board.add_moment(make_moment(4), looker.look(of_labels(names, counters={"sent": 2})))
    assert [row[0] for row in told(board.news(seen))["labels"]] == list(range(ROWS_A_SECOND))


def test_what_is_as_it_was_is_not_told_again() -> None:
    looker, board, seen = Looker(), open_board(), Seen()
    failing = {"counters": {"sent": 2, "failed": 1}, "errors": {"reset": 1}}
    board.add_moment(make_moment(1), looker.look(of_labels(("a", "b"), **failing)))
    assert {"labels", "errors", "checks", "thresholds"} <= told(board.news(seen)).keys()
    board.add_moment(make_moment(2), looker.look(of_labels(("a", "b"), **failing)))
    assert told(board.news(seen)).keys() == {"schema", "moments"}
    failing["errors"] = {"reset": 2}
    board.add_moment(make_moment(3), looker.look(of_labels(("a", "b"), **failing)))
    assert told(board.news(seen)).keys() == {"schema", "moments", "errors"}
    assert told(board.news(Seen())).keys() > {"labels", "errors", "checks", "thresholds"}


def test_a_label_keeps_its_number_when_others_come_before_it() -> None:
    looker = Looker()
    (first,) = looker.look(of_labels(("m",))).labels
    numbers = {row.label: row.number for row in looker.look(of_labels(("a", "m"))).labels}
    assert numbers["m"] == first.number != numbers["a"]


def test_errors_have_examples_while_the_run_goes_on() -> None:
    counted = {"counters": {"sent": 9, "failed": 7}, "errors": {"reset": 3}, "statuses": {503: 4, 200: 2}}
    group = ScriptErrorGroup(
        scenario="browse", error="KeyError: 'id'\x00", file="/home/u/shop.py", line=7, code="x['id']", count=5
    )
    rows = Looker().look(of_labels(("GET /a", "GET /b\x1b"), **counted), exceptions=[group]).errors
    examples = {row.kind: row.examples for row in rows}
    assert examples == {
        "reset": ["GET /a (3)", "GET /b\\x1b (3)"],
        "status 503": ["GET /a (4)", "GET /b\\x1b (4)"],
        "exception": ["shop.py:7  x['id']"],
    }


def test_how_the_load_stands_is_told_when_it_changes() -> None:
    control, _ = make_control(rate=500)
    board, seen = open_board(), Seen()
    assert "control" not in told(board.news(seen))
    board.control = control.state
    assert told(board.news(seen))["control"] == {
        "paused": False,
        "rate_per_s": 500.0,
        "users": None,
        "can_change": list(control.state.can_change),
    }
    board.control = control.state
    assert board.news(seen) is None
    control.pause()
    board.control = control.state
    assert told(board.news(seen)) == {
        "schema": "loadgen/page/1",
        "control": told(board.news(Seen()))["control"],
    }


def test_an_answer_is_for_the_one_who_asked() -> None:
    board, asking, other = open_board(), Seen(), Seen()
    for seen in (asking, other):
        board.news(seen)
    asking.answer = None
    assert told(board.news(asking))["answer"] is None
    asking.answer = "the load is over"
    assert told(board.news(asking))["answer"] == "the load is over"
    assert board.news(asking) is None
    assert board.news(other) is None
