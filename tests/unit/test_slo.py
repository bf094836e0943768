"""Service levels: what may be asked, and what is over a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from loadgen.slo import parse_slo
from tests.unit.figures import Counted, Samples

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

MS = 1_000_000


def test_each_condition_is_a_share() -> None:
    p99, errors, p999 = parse_slo("p99 < 200ms, errors < 1%, GET /items: service.p99.9 <= 1s")
    assert [one.allowed for one in (p99, errors, p999)] == pytest.approx([0.01, 0.01, 0.001])
    assert [one.samples for one in (p99, errors, p999)] == [368, 368, 3688]


@pytest.mark.parametrize(
    "text",
    [
        "", "fast", "p99 > 5ms", "mean < 5ms", "max < 5ms", "errors < 10", "rate > 5/s", "p99 < 5ms over 10s",
        "p99 < 5ms after 1s", "p99 < 5ms abort", "connect.p99 < 5ms", "burn(99%) < 2", "errors < 0%",
        "p99 < 5ms,", "budget(99%) < 50%",
    ],
)  # fmt: skip
def test_what_cannot_be_searched_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_slo(text)


def test_what_never_ended_is_over_every_limit() -> None:
    snapshot = Counted(
        response=Samples([MS] * 90 + [300 * MS] * 6, 4),
        statuses={200: 96},
        errors={"timeout": 4},
        counters={"ok": 96, "failed": 4},
    )
    whole = Counted(counters={"sent": 150, "ok": 140, "failed": 5})
    counts = [
        one.count(cast("Snapshot", snapshot), cast("Snapshot", whole))
        for one in parse_slo("p99 < 200ms, errors < 1%, errors.timeout < 1%")
    ]
    # Five of the whole run have not ended, and never will.
    assert counts == [(10, 100), (9, 105), (4, 105)]
