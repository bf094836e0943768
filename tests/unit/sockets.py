"""A run of sockets as workers would leave it: a snapshot, its plan, what was told. No test lives here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadgen.deliveries import Deliveries
from loadgen.engine_plan import EnginePlan, SocketPlan
from loadgen.plan import Plan
from loadgen.sockets import Sockets
from tests.unit.figures import Samples
from tests.unit.scripts import MS, SECOND, Label, Scripted, Tally

if TYPE_CHECKING:
    from loadgen.result import Result

URL = "ws://127.0.0.1:9000/feed"


def socket_plan(**wishes: Any) -> EnginePlan:
    """100 sockets in a second, held for nine; 100 messages a second, each with a reply."""
    usual: dict[str, Any] = {
        "connections": 100,
        "connect_rate": "100/s",
        "hold": "9s",
        "send": ['{"id": {{k}}}'],
        "send_rate": "100/s",
        "subscribe": ['{"op": "subscribe"}'],
        "expect": "any",
    }
    plan = {name: wishes.pop(name) for name in tuple(wishes) if name not in Sockets.__struct_fields__}
    fields: dict[str, Any] = {"url": URL, "workers": 1, "sockets": Sockets(**usual | wishes)}
    return Plan(**fields | plan).compile()


def sockets_of(plan: EnginePlan) -> SocketPlan:
    assert plan.sockets is not None
    return plan.sockets


_COUNTED: tuple[Tally, ...] = (
    ("counter", "sockets opened", 100.0, 100.0, 0.0, 0.0),
    ("counter", "sockets lost", 3.0, 3.0, 0.0, 0.0),
    ("counter", "reconnects", 2.0, 2.0, 0.0, 0.0),
    ("counter", "most open", 98.0, 98.0, 0.0, 0.0),
    ("counter", "messages sent", 995.0, 995.0, 0.0, 0.0),
    ("counter", "messages received", 40_985.0, 40_985.0, 0.0, 0.0),
    ("counter", "bytes sent", 12_000.0, 995.0, 0.0, 0.0),
    ("counter", "bytes received", 4_100_000.0, 40_985.0, 0.0, 0.0),
    ("counter", "unmatched replies", 1.0, 1.0, 0.0, 0.0),
    ("counter", "missing", 7.0, 3.0, 0.0, 0.0),
    ("counter", "repeated", 0.0, 0.0, 0.0, 0.0),
    ("counter", "reordered", 4.0, 4.0, 0.0, 0.0),
    ("counter", "close 1000", 97.0, 97.0, 0.0, 0.0),
    ("counter", "close 1006", 3.0, 3.0, 0.0, 0.0),
    ("counter", "refused 403", 2.0, 2.0, 0.0, 0.0),
)


def feed(tallies: tuple[Tally, ...] | None = None) -> Scripted:
    """100 sockets, of which 2 could not be opened and 3 were lost, two of these opened again."""
    found = Scripted(
        {
            "connect": Label("request", response=Samples([2 * MS] * 98, infinite=2), failed=2),
            "reconnect": Label("request", response=Samples([3 * MS] * 2)),
            "subscribe": Label("request", response=Samples([MS] * 100)),
            "send": Label(
                "request", response=Samples([MS] * 890, infinite=10), service=Samples([MS] * 895), failed=5
            ),
            "session": Label("group", response=Samples([9 * SECOND] * 97, infinite=3), failed=3),
            "ping": Label("trend", response=Samples([MS // 2] * 400)),
            "delivery": Label("trend", response=Samples([5 * MS] * 40_000)),
        },
        tallies=_COUNTED if tallies is None else tallies,
    )
    # Five messages found no open socket.
    found.counters |= {"scheduled": 1000, "dropped": 5, "cpu_ns": SECOND, "max_rss_kb": 13_000}
    found.counters |= {"iterations_started": 0, "iterations_ok": 0, "iterations_failed": 0}
    return found


def told() -> Deliveries:
    """400 messages, each to 98 to 100 sockets of two workers, the first after 1 ms, the last 4 ms later."""
    deliveries = Deliveries(lambda *_: None)
    for first_ms, receivers in ((1, 50), (2, 48)):
        groups = ",".join(
            f"{SECOND + number * MS} {SECOND + (number + first_ms) * MS} {SECOND + (number + 5) * MS} "
            f"{receivers + (2 if first_ms == 2 and number % 2 else 0)}"
            for number in range(400)
        )
        deliveries.hear(json.dumps({"kind": "deliveries", "groups": groups}))
    return deliveries


def conclude(
    plan: EnginePlan | None = None,
    snapshot: Scripted | None = None,
    deliveries: Deliveries | None = None,
) -> Result:
    """The result of it all."""
    from loadgen.conclusion import WorkerEnd, conclude_run
    from loadgen.schedule import make_schedule
    from tests.unit.test_conclusion import evidence

    compiled = plan or socket_plan()
    final: Any = snapshot or feed()
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, wrong = conclude_run(
        compiled, make_schedule(compiled), evidence(final, [final]), ends, None, deliveries or told()
    )
    assert wrong == []
    return result
