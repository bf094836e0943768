"""What is concluded of a run of sockets only, from what workers counted and told. Never waits."""

from __future__ import annotations

from collections.abc import Mapping

from loadgen.deliveries import Deliveries
from loadgen.engine_plan import CONNECT, EnginePlan
from loadgen.ledger import Ledger
from loadgen.snapshot import EMPTY, Latency, counted_by_name, summarise
from loadgen.socket_result import Delivery, Receivers, SocketConnections, SocketMessages, SocketResult


def socket_result(plan: EnginePlan, ledger: Ledger, deliveries: Deliveries) -> SocketResult:
    """The part of the summary that other runs have not."""
    counts = counted_by_name(ledger.snapshot)
    deliveries.settle()
    return SocketResult(
        connections=SocketConnections(
            asked=plan.connections,
            opened=counts.get("sockets opened", 0),
            failed=ledger.count("errors", CONNECT) or 0,
            lost=counts.get("sockets lost", 0),
            reconnects=counts.get("reconnects", 0),
            most_open=counts.get("most open", 0),
            refused=_by_code(counts, "refused "),
            closes=_by_code(counts, "close "),
        ),
        messages=SocketMessages(
            sent=counts.get("messages sent", 0),
            received=counts.get("messages received", 0),
            bytes_sent=counts.get("bytes sent", 0),
            bytes_received=counts.get("bytes received", 0),
            unmatched=counts.get("unmatched replies", 0),
        ),
        ping=_trend(ledger, "ping"),
        delivery=Delivery(
            latency=_trend(ledger, "delivery"),
            first=summarise(deliveries.first),
            last=summarise(deliveries.last),
            spread=summarise(deliveries.spread),
            groups=deliveries.groups,
            receivers=Receivers(min=deliveries.fewest, max=deliveries.most),
            missing=counts.get("missing", 0),
            repeated=counts.get("repeated", 0),
            reordered=counts.get("reordered", 0),
            clock_offset_ms=round(deliveries.ahead_ns / 1e6, 6) if deliveries.ahead_ns else None,
        ),
    )


def _by_code(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    found = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
    return dict(sorted(found.items()))


def _trend(ledger: Ledger, label: str) -> Latency:
    known = label in ledger.snapshot.labels
    return summarise(ledger.snapshot.histogram("response", label)) if known else EMPTY
