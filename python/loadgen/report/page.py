"""`report.html`: the page with all of a run's data inside, in one file. Made from the run folder alone.

The page itself is built from web/ and lies beside this file; where that was done without Node it is missing.
The data stand in it compressed and in base64, so that nothing in them can be taken for markup.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from loadgen.errors import UsageError
from loadgen.report.percentiles import Point

if TYPE_CHECKING:
    from loadgen.report.feed import Feed

T = TypeVar("T")

NAME = "report.html"
BUNDLE = Path(__file__).with_name("page.html")
# Where the data go; web/index.html has it, once.
SLOT = b"<!--feed-->"
_FILES = ("plan.json", "timeline.jsonl", "events.jsonl")


class PageMissing(UsageError):
    """This loadgen was built without the page."""


def read_bundle() -> bytes:
    """The page, without data. Raises PageMissing."""
    try:
        return BUNDLE.read_bytes()
    except FileNotFoundError:
        raise PageMissing(
            "this loadgen was built without the page",
            hint="In a checkout: install Node 18 or newer with npm, then make build.",
        ) from None


def make_report(folder: Path) -> bytes:
    """The whole file. Raises UsageError where there is no page, or no run."""
    page = read_bundle()
    before, slot, after = page.partition(SLOT)
    assert slot, "the page has no place for data"
    data = _gzip(feed_of(folder).encode())
    return b"".join([before, b'<script type="text/plain" id="feed">', b64encode(data), b"</script>", after])


def _gzip(data: bytes) -> bytes:
    """Without the time, so that the same run gives the same file."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def feed_of(folder: Path) -> Feed:
    """Everything that the files of a run folder say. A run that broke has no summary."""
    from loadgen.engine_plan import EnginePlan  # what only those need who make a page
    from loadgen.machine import Finding
    from loadgen.report.feed import Feed, Told
    from loadgen.report.feed_parts import ending_parts, introduction
    from loadgen.report.series import Series, columns
    from loadgen.report.shown import shown
    from loadgen.result import Result
    from loadgen.timeline import Moment

    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} is no run folder with a timeline: it has no {', '.join(missing)}")
    try:
        plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=EnginePlan)
        series = Series()
        for line in _lines(folder / "timeline.jsonl"):
            series.add(msgspec.json.decode(line, type=Moment))
        events = [msgspec.json.decode(line) for line in _lines(folder / "events.jsonl")]
        told = [Told(one["at_s"], one["event"], shown(one["text"])) for one in events]
        summary = _optional(folder / "summary.json", bytes)
        result = None if summary is None else Result.from_json(summary)
        machine = _optional(folder / "machine.json", list[Finding])
        distribution = _optional(folder / "distribution.json", dict[str, list[Point]])
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} cannot be read, another version may have made it: {error}") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror or error}") from None
    series.even()
    parts: dict[str, Any] = {} if result is None else ending_parts(result)
    began = result.started_at if result is not None else events[0]["time"] if events else ""
    return Feed(
        opening=introduction(plan, began, machine or []),
        moments=columns(series.moments),
        afresh=True,
        events=told,
        distribution=distribution or {},
        **parts,
    )


def _lines(path: Path) -> list[bytes]:
    """Whole lines; a run that was killed may have left half of one."""
    return [line for line in path.read_bytes().split(b"\n")[:-1] if line]


def _optional(path: Path, kind: type[T]) -> T | None:
    if not path.is_file():
        return None
    data = path.read_bytes()
    return data if kind is bytes else msgspec.json.decode(data, type=kind)  # type: ignore[return-value]
