"""The closing table of a run of sockets: what must stand in it, and that it lines up."""

from __future__ import annotations

from typing import Any

import msgspec

from loadgen.deliveries import Deliveries
from loadgen.report.columns import WIDTH, width_of
from loadgen.report.text import render
from loadgen.result import Result
from tests.unit.sockets import conclude, feed, socket_plan


def test_the_table() -> None:
    plan = socket_plan(thresholds=["delivery: p99 < 6ms", "missing < 1"])
    assert render(conclude(plan)) == (
        """\
ws 127.0.0.1:9000                                                  10s, 1 worker
/feed: 100 sockets at 100/s, held for 9s, messages at 100/s, hybrid pacing

sockets              count          rate
asked                  100         100/s
opened                 100
failed                   2                 2 %
lost                     3                 3 %
                         3   no complete response within the timeout
reconnects               2
most open               98
refused                  2   403
closed                  97   1000 normal
                         3   1006 without a close

messages             count          rate
offered                900
sent                   995        99.5/s   12.0 kB
received            40,985       4,098/s   4.10 MB
dropped                  5                 no socket was open
unmatched                1                 replies that nobody waited for

latency                    p50       p90       p99     p99.9       max      mean
response (1,102)       1.00 ms   2.00 ms         ∞         -         ∞   1.09 ms
service (1,097)        1.00 ms   1.00 ms   2.00 ms         -         ∞   1.09 ms
lateness                     -         -         -         -         -         -
- : too few samples; needed are: p99.9 3,688
∞ : so many requests never had an answer; mean is of those that had one

delivery                   p50       p90       p99     p99.9       max      mean
each                   5.00 ms   5.00 ms   5.00 ms   5.00 ms   5.00 ms   5.00 ms
first (400)            1.00 ms   1.00 ms   1.00 ms         -   1.00 ms   1.00 ms
last (400)             5.00 ms   5.00 ms   5.00 ms         -   5.00 ms   5.00 ms
last - first (400)     4.00 ms   4.00 ms   4.00 ms         -   4.00 ms   4.00 ms
ping (400)              500 µs    500 µs    500 µs         -    500 µs    500 µs
- : too few samples; needed are: p99.9 3,688
400 messages, known by their stamps, each to 98 to 100 receivers
order       missing 7, reordered 4

response by label                   count   failed       p50       p95       p99
send                                  895        5   1.00 ms   1.00 ms         ∞
connect                               100        2   2.00 ms   2.00 ms         -
subscribe                             100        0   1.00 ms   1.00 ms         -
reconnect                               2        0         -         -         -
session (group)                       100        3    9.00 s    9.00 s         -

status      200 1,090
errors                   7   no complete response within the timeout

thresholds
pass     delivery: p99 < 6ms                                             5.00 ms
FAIL     missing < 1                                                           7

The numbers can be trusted: the generator kept up.
7 of 1,097 requests failed, and no threshold asks about errors:
  --threshold "errors < 1%"
verdict: fail (exit code 1)
"""
    )


def changed(part: str, **change: Any) -> Result:
    result = conclude()
    assert result.sockets is not None
    new = msgspec.structs.replace(getattr(result.sockets, part), **change)
    return msgspec.structs.replace(result, sockets=msgspec.structs.replace(result.sockets, **{part: new}))


def quiet(*labels: str) -> Result:
    """A run that heard nothing under these names, and nothing of deliveries."""
    snapshot = feed(tallies=())
    for label in labels:
        snapshot.labels.remove(label)
    return conclude(socket_plan(expect=None), snapshot, Deliveries(lambda *_: None))


def test_what_has_not_happened_takes_no_room() -> None:
    text = render(quiet("ping", "delivery"))
    for word in ("delivery", "round trip", "order", "lost", "reconnects", "closed", "refused"):
        assert f"\n{word} " not in text, word
    assert "\nmessages " in text


def test_pings_alone_are_round_trips() -> None:
    text = render(quiet("delivery"))
    assert "\nround trip " in text
    assert "\ndelivery " not in text


def test_a_clock_that_is_ahead_is_said() -> None:
    text = render(changed("delivery", clock_offset_ms=12.345))
    assert "the clock of the stamps is ahead by 12.3 ms or more: delivery times are too low" in text


def test_after_an_interrupt_there_are_no_rates() -> None:
    text = render(msgspec.structs.replace(conclude(), exit_code=130))
    (line,) = [line for line in text.splitlines() if line.startswith("received ")]
    assert "/s" not in line


def test_no_line_is_wider_than_the_page() -> None:
    result = changed("connections", closes={str(code): 10**9 for code in range(1000, 1020)})
    plan = msgspec.structs.replace(result.plan, label="/" + "x" * 300)
    lines = render(msgspec.structs.replace(result, plan=plan)).splitlines()
    assert [line for line in lines if width_of(line) > WIDTH] == []
