"""What the closing table has of sockets only: connections, messages, deliveries. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

from loadgen.engine_plan import CONNECT, OpenLoad
from loadgen.error_kinds import ERROR_WORDS
from loadgen.errors import ExitCode
from loadgen.report.latencies import footnotes, latency_rows
from loadgen.result import Result
from loadgen.snapshot import Latency
from loadgen.socket_result import Delivery, SocketResult
from loadgen.units import counted, format_bytes, format_count, format_percent, format_rate, printable

# What the peers' close codes say, of those that are common.
_CODES = {
    "1000": "normal",
    "1001": "going away",
    "1002": "protocol error",
    "1003": "cannot take this",
    "1005": "without a code",
    "1006": "without a close",
    "1007": "not UTF-8",
    "1008": "policy",
    "1009": "too big",
    "1011": "server error",
    "1012": "restart",
    "1013": "try again later",
}


def connections(result: Result, sockets: SocketResult) -> list[str]:
    """How many sockets there were, and what became of them."""
    found = sockets.connections
    load = result.plan.load
    rate = format_rate(load.stages[0].to_rate) if isinstance(load, OpenLoad) else ""
    rows = [
        ("asked", found.asked, rate),
        ("opened", found.opened, ""),
        ("failed", found.failed, ""),
        ("lost", found.lost, ""),
        ("reconnects", found.reconnects, ""),
        ("most open", found.most_open, ""),
    ]
    lines = [f"{'sockets':<12}{'count':>14}{'rate':>14}"]
    for name, count, rate_text in rows:
        if not count and name in ("lost", "reconnects"):
            continue
        whole = {"failed": found.asked, "lost": found.opened}.get(name, 0)
        share = format_percent(count / whole) if count and count <= whole else ""
        lines.append(f"{name:<12}{format_count(count):>14}{rate_text:>14}   {share}".rstrip())
        if name == "lost":
            lines += _by_code("", _losses(result), {})
    lines += _by_code("refused", found.refused, {})
    return lines + _by_code("closed", found.closes, _CODES)


def _losses(result: Result) -> Mapping[str, int]:
    """Why open sockets were lost, in words."""
    errors = next((row.requests.errors for row in result.labels if row.label == "session"), {})
    return {ERROR_WORDS.get(kind, printable(kind)): count for kind, count in errors.items()}


def _by_code(name: str, counts: Mapping[str, int], words: Mapping[str, str]) -> list[str]:
    lines = []
    for code, count in counts.items():
        lines.append(f"{name:<12}{format_count(count):>14}   {code} {words.get(code, '')}".rstrip())
        name = ""
    return lines


def messages(result: Result, sockets: SocketResult) -> list[str]:
    """Each way. What was due is of `--send`; what was sent, also of subscriptions."""
    found, arrivals = sockets.messages, result.arrivals
    lines = [f"{'messages':<12}{'count':>14}{'rate':>14}"]
    seconds = result.duration_s
    interrupted = result.exit_code == ExitCode.INTERRUPTED
    if result.plan.sockets is not None and result.plan.sockets.sends is not None:
        offered = _offered(result)
        lines.append(f"{'offered':<12}{format_count(offered):>14}")
    for name, count, size in (
        ("sent", found.sent, found.bytes_sent),
        ("received", found.received, found.bytes_received),
    ):
        rate = "" if interrupted or not count else format_rate(count / seconds)
        remark = format_bytes(size) if count else ""
        lines.append(f"{name:<12}{format_count(count):>14}{rate:>14}   {remark}")
    for name, count, why in (
        ("dropped", arrivals.dropped, "no socket was open"),
        ("cancelled", arrivals.cancelled, ""),
        ("unmatched", found.unmatched, "replies that nobody waited for"),
    ):
        if count:
            lines.append(f"{name:<12}{format_count(count):>14}{'':>14}   {why}")
    return lines


def _offered(result: Result) -> int:
    """Messages that were due; the other arrivals are connects."""
    return result.arrivals.scheduled - sum(
        row.requests.total for row in result.labels if row.label == CONNECT
    )


def deliveries(sockets: SocketResult) -> list[str]:
    """From the stamps in messages to their receivers, and the round trips of pings."""
    found = sockets.delivery
    rows: dict[str, Latency] = {
        "each": found.latency,
        "first": found.first,
        "last": found.last,
        "last - first": found.spread,
        "ping": sockets.ping,
    }
    rows = {name: row for name, row in rows.items() if row.count}
    if not rows:
        return _order(found)
    title = "delivery" if found.latency.count else "round trip"
    return latency_rows(title, rows) + footnotes(list(rows.values())) + _groups(found) + _order(found)


def _groups(found: Delivery) -> list[str]:
    lines = []
    fewest, most = found.receivers.min, found.receivers.max
    if found.groups and fewest is not None and most is not None:
        receivers = counted(most, "receiver") if fewest == most else f"{fewest:,} to {most:,} receivers"
        lines.append(f"{counted(found.groups, 'message')}, known by their stamps, each to {receivers}")
    if found.clock_offset_ms is not None:
        offset = f"{found.clock_offset_ms:.3g} ms"
        lines.append(f"the clock of the stamps is ahead by {offset} or more: delivery times are too low")
    return lines


def _order(found: Delivery) -> list[str]:
    counts = {"missing": found.missing, "repeated": found.repeated, "reordered": found.reordered}
    told = [f"{name} {format_count(count)}" for name, count in counts.items() if count]
    return [f"{'order':<12}{', '.join(told)}"] if told else []
