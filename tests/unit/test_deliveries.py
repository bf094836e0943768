"""How a message spread, from what several workers know of it; and lines that nobody understands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import deliveries as module
from loadgen.deliveries import Deliveries


class Ear:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def __call__(self, kind: str, text: str) -> None:
        self.heard.append((kind, text))


def merged(*groups: str) -> Deliveries:
    ear = Ear()
    found = Deliveries(ear)
    for text in groups:
        found.hear(json.dumps({"kind": "deliveries", "groups": text}))
    found.settle()
    assert ear.heard == []
    return found


def test_parts_of_one_message_are_one_message() -> None:
    found = merged("1000 1010 1050 3,2000 2001 2001 1", "1000 1005 1020 4")
    assert found.groups == 2
    assert (found.first.min_ns, found.first.max_ns) == (1, 5)
    assert (found.last.min_ns, found.last.max_ns) == (1, 50)
    assert (found.spread.min_ns, found.spread.max_ns) == (0, 45)
    assert (found.fewest, found.most) == (1, 7)
    assert found.ahead_ns == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50), st.integers(0, 50)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_it_does_not_matter_who_tells_what_in_which_order(
    arrivals: list[tuple[int, int, int]], random: object
) -> None:
    parts = [f"{100 * stamp} {100 * stamp + a} {100 * stamp + a + b} 1" for stamp, a, b in arrivals]
    shuffled = parts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = merged(",".join(parts)), merged(*shuffled)
    for field in ("groups", "fewest", "most"):
        assert getattr(one, field) == getattr(other, field)
    for name in ("first", "last", "spread"):
        assert vars(getattr(one, name)) == vars(getattr(other, name))
    assert one.groups == len({stamp for stamp, _, _ in arrivals})
    assert one.first.count == one.last.count == one.spread.count == one.groups


def test_a_clock_that_is_ahead_is_noticed() -> None:
    found = merged("1000 900 1100 2,2000 1950 1960 1")
    assert found.ahead_ns == 100
    assert (found.first.max_ns, found.last.min_ns, found.spread.max_ns) == (0, 0, 200)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 10)
    found = Deliveries(Ear())
    for stamp in range(100):
        found.hear(f'{{"kind": "deliveries", "groups": "{stamp} {stamp} {stamp} 1"}}')
        assert len(found._pending) <= 10
    found.settle()
    assert found.groups == 100


@pytest.mark.parametrize(
    "line",
    [
        *("", "nonsense", "[]", "7", "null", "{}", '{"kind": "other"}', '{"kind": "deliveries"}'),
        '{"kind": "deliveries", "groups": 5}',
        '{"kind": "deliveries", "groups": ""}',
        '{"kind": "deliveries", "groups": "1 2 3"}',
        '{"kind": "deliveries", "groups": "1 2 3 4,x"}',
        '{"kind": "deliveries", "groups": "1 2 3 -4"}',
    ],
)
def test_what_is_no_event_is_told_once_and_counts_for_nothing(line: str) -> None:
    ear = Ear()
    found = Deliveries(ear)
    found.hear(line)
    found.hear(line)
    found.settle()
    assert [kind for kind, _ in ear.heard] == ["worker_said"]
    assert found.groups == 0
