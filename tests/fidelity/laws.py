"""What must come out, computed from the schedule or from the stamps of the oracle: no I/O, no tolerance.

A request cannot be received before it was due, and everything that holds an answer (a delay, a queue, a
gate, a pool of connections) is monotone in the time of arrival. So the times that these functions yield for
a schedule are lower bounds of what a true run shows, exactly, whatever the machine does; an honest run on a
quiet machine lies just above them.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MS = 1_000_000
SECOND = 1_000_000_000
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Gate:
    """The target's freeze: what is due in [start, start + length), every `every_ns`, leaves at its end."""

    start_ns: int
    length_ns: int
    every_ns: int | None = None

    def release_ns(self, due_ns: int) -> int:
        since_ns = due_ns - self.start_ns
        if since_ns < 0:
            return due_ns
        into_ns = since_ns % self.every_ns if self.every_ns else since_ns
        return due_ns - into_ns + self.length_ns if into_ns < self.length_ns else due_ns


OPEN = Gate(0, 0)


def delayed(arrivals: Iterable[int], hold_ns: int, gate: Gate = OPEN) -> list[int]:
    """Departures of a server of any capacity."""
    return [gate.release_ns(arrival_ns + hold_ns) for arrival_ns in arrivals]


def queued(arrivals: Iterable[int], service_ns: Callable[[int], int], gate: Gate = OPEN) -> list[int]:
    """Departures of one server, first come first served: Lindley. Requests are numbered from 1."""
    departures, free_ns = [], 0
    for number, arrival_ns in enumerate(arrivals, 1):
        free_ns = gate.release_ns(max(arrival_ns, free_ns) + service_ns(number))
        departures.append(free_ns)
    return departures


def pooled(dues: Iterable[int], connections: int, hold_ns: int, gate: Gate) -> list[tuple[int, int]]:
    """(sent, done) of a client with so many connections, each of which carries one request at a time."""
    free = [0] * connections
    times = []
    for due_ns in dues:
        sent_ns = max(due_ns, heapq.heappop(free))
        done_ns = gate.release_ns(sent_ns + hold_ns)
        heapq.heappush(free, done_ns)
        times.append((sent_ns, done_ns))
    return times


def spans(begins: Iterable[int], ends: Iterable[int]) -> list[float]:
    """Sorted differences; an end of 0 is one that never came."""
    return sorted(end - begin if end else math.inf for begin, end in zip(begins, ends, strict=True))


def quantile(ordered: Sequence[float], percent: float) -> float:
    """Type 1: the sample of rank ceil(p n)."""
    return ordered[max(math.ceil(percent / 100 * len(ordered) - 1e-9), 1) - 1]


def exponential_ns(mean_ns: int, seed: int, number: int) -> int:
    """The target's own draw for request `number` of a path, recomputed."""
    mixed = (_mix(seed) + number * 0x9E37_79B9_7F4A_7C15) & _MASK
    return round(-mean_ns * math.log(((_mix(mixed) >> 11) + 1) / 2**53))


def _mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB & _MASK
    return z ^ (z >> 31)
