"""The Rust engine, as Python sees it. The shape is a contract: the extension is tested against this file."""

from collections.abc import Iterator, Sequence
from typing import Self, final

__all__ = [
    "Block",
    "EngineError",
    "Histogram",
    "Schedule",
    "Snapshot",
    "__version__",
    "monotonic_ns",
    "run_worker",
    "serve_target",
]
__version__: str

class EngineError(Exception):
    """The engine refused what it was given, or met what it cannot mend."""

def monotonic_ns() -> int:
    """CLOCK_MONOTONIC: the clock of every stamp, in every process."""

def run_worker(plan: bytes, block_fd: int, index: int, control_fd: int, report_fd: int) -> None:
    """Be worker `index` until the plan is done or the parent says stop. Holds no GIL."""

def serve_target(host: str, port: int, *, parent_fd: int | None, log: str | None) -> None:
    """Serve the embedded target until a signal or the end of `parent_fd`. Prints its ready line on stdout."""

@final
class Schedule:
    """The arrivals of an open plan: a pure function of the plan."""

    def __new__(cls, plan: bytes) -> Self: ...
    @property
    def total(self) -> int:
        """Arrivals of the whole plan, over all workers."""
    @property
    def duration_ns(self) -> int: ...
    def count_before(self, ns: int) -> int:
        """Arrivals due before `ns` since the start."""
    def rate_at(self, ns: int) -> float:
        """Planned arrivals per second at `ns` since the start."""
    def arrivals(self, worker: int = 0, workers: int = 1) -> Iterator[tuple[int, int]]:
        """(k, due in ns since the start) for the share of one worker, in order."""

@final
class Block:
    """One worker's shared memory: a memfd with one writer."""

    def __new__(cls, labels: int = 1) -> Self: ...
    @property
    def fd(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def heartbeat_ns(self) -> int:
        """The worker's last sign of life; it gives one at least every 250 ms."""
    def close(self) -> None: ...

@final
class Snapshot:
    """The sums of several blocks at one instant.

    Without a label, what is asked is summed over labels whose role is request or operation.
    """

    @staticmethod
    def read(blocks: Sequence[Block]) -> Snapshot: ...
    @property
    def taken_at_ns(self) -> int: ...
    def since(self, earlier: Snapshot) -> Snapshot:
        """The interval between two snapshots."""
    @property
    def counters(self) -> dict[str, int]: ...
    @property
    def statuses(self) -> dict[int, int]: ...
    @property
    def errors(self) -> dict[str, int]: ...
    @property
    def labels(self) -> list[str]: ...
    def label_counters(self, label: str) -> dict[str, int]: ...
    def label_statuses(self, label: str) -> dict[int, int]: ...
    def label_errors(self, label: str) -> dict[str, int]: ...
    def histogram(self, kind: str, label: str | None = None) -> Histogram:
        """`kind`: response, service, connect, first_byte, receive, lateness; and the two parts of lateness:
        dispatch, until the loop got round to it, and pool_wait, from then on for a connection.
        """
    def role(self, label: str) -> str:
        """What a label counts: request, operation, group, iteration or trend."""
    def role_counters(self, role: str) -> dict[str, int]: ...
    def role_histogram(self, role: str, kind: str) -> Histogram: ...
    @property
    def tallies(self) -> list[tuple[str, str, float, float, float, float]]:
        """(kind, name, values): check (passed, failed), counter (sum, count), gauge (last, least, most, count),
        rate (true, false).
        """

@final
class Histogram:
    """One distribution: finite samples in ns, and the number of samples that never ended."""

    @property
    def count(self) -> int:
        """Finite samples."""
    @property
    def infinite(self) -> int:
        """Samples that never ended: dropped, cancelled, failed without an answer, unfinished."""
    @property
    def overflow(self) -> int:
        """Samples clamped at the top, which is 2^42 ns, 73 minutes."""
    @property
    def mean_ns(self) -> float | None: ...
    @property
    def stddev_ns(self) -> float | None: ...
    @property
    def min_ns(self) -> int | None: ...
    @property
    def max_ns(self) -> int | None: ...
    def percentile(self, percent: float) -> float | None:
        """Type 1 over finite and infinite samples: `math.inf` in the infinite part, None when empty."""
    def count_above(self, ns: int) -> int:
        """Finite samples above `ns`."""
    def encode(self) -> str:
        """HdrHistogram V2, compressed, base64: the payload of one line of an interval log."""
    def buckets(self) -> list[tuple[int, int, int]]:
        """(lowest, highest, count) of every bucket that is not empty."""
