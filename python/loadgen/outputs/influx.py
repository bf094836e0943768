"""`influx=URL` or `influx=FILE`: InfluxDB's line protocol, versions 1 and 2, by HTTP or into a file.

    loadgen_requests,run=blast,label=GET\\ /items,status=200 value=117 1700000000000000000

Each point is an interval's: the sum of `value` over a run is the run's count. A batch that is sent again
overwrites itself, because its points have the same times.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loadgen.outputs.family import families
from loadgen.outputs.output import Output
from loadgen.outputs.places import LiveFile, parse_file
from loadgen.outputs.post import Post
from loadgen.outputs.reading import shown_name
from loadgen.outputs.tokens import secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from loadgen.outputs.reading import Reading
    from loadgen.progress import Opening
    from loadgen.snapshot import Milliseconds
    from loadgen.timeline import Spread

EXAMPLE = "http://127.0.0.1:8086/write?db=loadgen or http://127.0.0.1:8086/api/v2/write?org=ORG&bucket=BUCKET"
_SPECIAL = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})


class Influx(Output):
    """The URL is the one that points are written to, so both versions are the same to us."""

    live = True

    def __init__(self, argument: str) -> None:
        self._post: Post | None = None
        self._path: Path | None = None
        self._file: LiveFile | None = None
        self._run = ""
        if "://" in argument:
            self._post = Post(argument, EXAMPLE, token=secret("INFLUX_TOKEN"), scheme="Token")
        else:
            self._path = parse_file(argument)
        files = [self._path] if self._path else []
        super().__init__(f"influx {self._post.shown if self._post else argument}", *files)

    def open(self) -> None:
        """Whether a file can be written is known before the load."""
        if self._path is not None:
            self._file = LiveFile(self._path)

    def begin(self, opening: Opening) -> None:
        """Points are told apart by the run's name."""
        self._run = shown_name(opening.plan.name)

    def send(self, readings: Sequence[Reading]) -> None:
        """All in one request."""
        text = "".join(line for reading in readings for line in lines(reading, self._run))
        if self._post is not None:
            self._post.send(text.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        elif self._file is not None:
            self._file.append(text)

    def abort(self) -> None:
        """Wait no longer."""
        if self._post is not None:
            self._post.abort()

    def close(self) -> None:
        """No more."""
        if self._post is not None:
            self._post.close()
        if self._file is not None:
            self._file.close()


def lines(reading: Reading, run: str) -> Iterator[str]:
    """The points of one interval."""
    for family in families(reading.interval, reading.now):
        for point in family.points:
            tags = "".join(
                f",{name}={_escaped(value)}"
                for name, value in {"run": run, **point.labels}.items()
                if value.strip()
            )
            fields = {"value": point.value} if point.latency is None else _fields(point.latency)
            text = ",".join(f"{name}={value!r}" for name, value in fields.items() if math.isfinite(value))
            if text:
                yield f"{family.name}{tags} {text} {reading.at_ns}\n"


def _fields(spread: Spread) -> Mapping[str, float]:
    """In seconds. A percentile that is infinite is left out: the protocol has no word for it."""
    names = ("mean", "p50", "p90", "p95", "p99", "p999", "max")
    seconds = {name: _seconds(getattr(spread, name)) for name in names}
    return {"count": float(spread.count)} | {name: s for name, s in seconds.items() if s is not None}


def _seconds(milliseconds: Milliseconds) -> float | None:
    if milliseconds is None:
        return None
    return math.inf if milliseconds == "inf" else round(milliseconds / 1e3, 9)


def _escaped(value: str) -> str:
    # A backslash at the end would escape what comes behind it: a space is put between.
    return value.translate(_SPECIAL) + ("\\ " if value.endswith("\\") else "")
