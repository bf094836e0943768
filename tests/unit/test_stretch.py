"""A stretch of a run: what is under way at its ends belongs to whichever side it ended on."""

from __future__ import annotations

import pytest

from loadgen.ledger import Ledger
from loadgen.stretch import Stretch
from loadgen.threshold_grammar import parse_threshold
from tests.unit.figures import Counted, Samples

MS = 1_000_000


def under_way(sent: int, ok: int, failed: int) -> Counted:
    return Counted(
        response=Samples([MS] * (ok + failed)),
        service=Samples([MS] * (ok + failed)),
        statuses={200: ok, 500: failed},
        counters={"scheduled": sent, "sent": sent, "ok": ok, "failed": failed},
    )


@pytest.mark.parametrize(
    ("sentence", "sent", "ok", "failed", "text", "value"),
    [
        ("what is in flight is no error", 100, 40, 10, "errors < 1", 10),
        ("and in no share", 100, 40, 10, "errors < 1%", 0.2),
        ("of a label neither", 100, 40, 10, "GET /: errors < 1%", 0.2),
        ("and no sample that never ended", 100, 40, 10, "max < 1s", 1.0),
        ("the rate is of what was sent", 100, 40, 10, "rate > 1/s", 50),
        ("more ended than was sent", 5, 40, 10, "errors < 1%", 0.2),
        ("nothing ended", 100, 0, 0, "errors < 1%", None),
    ],
)
def test_a_run_so_far(sentence: str, sent: int, ok: int, failed: int, text: str, value: float | None) -> None:
    stretch = Stretch(under_way(sent, ok, failed), scripted=False, sent=sent, length_s=2)
    assert parse_threshold(text).measure(stretch) == value, sentence


def test_what_never_ended_is_known_at_the_end() -> None:
    whole = Ledger(under_way(100, 80, 10), sent_in_time=100, load_s=10)
    stretch = Stretch(under_way(50, 30, 10), scripted=False, sent=50, length_s=5, whole=whole)
    assert stretch.count("requests", None) == 30 + 10 + 10
    assert stretch.count("errors", "GET /") == 10 + 10
