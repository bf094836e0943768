"""The run folder: an interval log that public tools read, whole files, and disks that are full."""

from __future__ import annotations

import errno
import json
import os
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadgen.errors import RunFolderError
from loadgen.plan import Plan
from loadgen.progress import Event, Opening, Phase, Progress
from loadgen.report import page
from loadgen.run_folder import RunFolder, default_folder
from tests.unit.figures import Counted, Samples
from tests.unit.results import make_result

if TYPE_CHECKING:
    from loadgen._engine import Snapshot

MS = 1_000_000
STARTED_AT = 1_767_323_045.678


class Grown(Counted):
    """A snapshot whose difference to an earlier one is its own samples: what tests write by hand."""

    def role(self, label: str) -> str:
        return "trend" if label == "basket" else "request"

    def since(self, earlier: Grown) -> Grown:  # noqa: ARG002 - it is the interval already
        return self


def opening(**fields: Any) -> Opening:
    return Opening(plan=Plan(**fields).compile(), note=None, started_at=STARTED_AT, monotonic_ns=123_456)


def tick(
    second: float, values: list[int], *, labels: tuple[str, ...] = ("GET /",), phase: Phase = "load"
) -> Progress:
    snapshot = cast("Snapshot", Grown(response=Samples(values), service=Samples(values), labels=labels))
    return Progress(
        phase=phase,
        elapsed_s=second,
        interval_s=1.0,
        total=snapshot,
        interval=snapshot,
        now={},
        target_rate_per_s=None,
        target_users=None,
    )


def read_log(path: Path) -> dict[str, list[HdrHistogram]]:
    """By an independent reader."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000_000, 3))
    found: dict[str, list[HdrHistogram]] = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.setdefault(unquote(histogram.get_tag()), []).append(histogram)
    reader.close()
    return found


def test_public_tools_read_the_log(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    folder.progress(tick(1.0, [MS, 2 * MS], labels=("GET /a,b c",)))
    folder.progress(tick(2.0, [3 * MS], labels=("GET /a,b c",)))
    folder.close()
    found = read_log(tmp_path / "run/latency.hlog")
    assert sorted(found) == ["lateness", "response", "response:GET /a,b c", "service"]
    first, second = found["response"]
    assert (first.get_total_count(), second.get_total_count()) == (2, 1)
    assert second.get_max_value() == pytest.approx(3 * MS, rel=0.001)
    assert first.get_start_time_stamp() == pytest.approx(STARTED_AT * 1000, abs=1)
    assert second.get_start_time_stamp() == pytest.approx((STARTED_AT + 1) * 1000, abs=1)
    assert second.get_end_time_stamp() == pytest.approx((STARTED_AT + 2) * 1000, abs=1)


def test_the_maximum_is_in_milliseconds(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    folder.progress(tick(1.0, [1_500_000]))
    folder.close()
    line = next(
        line
        for line in (tmp_path / "run/latency.hlog").read_text().splitlines()
        if line.startswith("Tag=response,")
    )
    assert line.split(",")[1:4] == ["0.000", "1.000", "1.500"]


def test_many_labels_share_one_line_a_second_and_some_lines_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadgen.run_folder._LINES_AHEAD", 20)
    labels = tuple(f"label {number}" for number in range(5))
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    for second in range(1, 16):
        folder.progress(tick(float(second), [MS], labels=labels))
    folder.close()
    found = read_log(tmp_path / "run/latency.hlog")
    assert len(found["response"]) == 15
    starts_s = [
        histogram.get_start_time_stamp() / 1000 - STARTED_AT for histogram in found["response:label 0"]
    ]
    assert starts_s == pytest.approx([0, 1, 2, 3, 4, 5, 10], abs=0.01), "each second first, then each fifth"
    assert [len(found[f"response:{label}"]) for label in labels] == [7] * 5


def test_the_plan_is_stored_without_secrets(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening(url="http://me:secret@host/", headers=[("Cookie", "secret")]))
    folder.close()
    stored = (tmp_path / "run/plan.json").read_text()
    assert "secret" not in stored
    assert json.loads(stored)["schema"] == "loadgen/plan/1"


def test_events_are_lines_of_json(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.event(Event(1.2345, "worker_lost", 'worker 1 "é"\nwas lost'))
    folder.close()
    (line,) = (tmp_path / "run/events.jsonl").read_text().splitlines()
    event = json.loads(line)
    assert (event["at_s"], event["event"], event["text"]) == (1.234, "worker_lost", 'worker 1 "é"\nwas lost')


def test_the_first_event_says_when_it_all_began_on_the_clock_of_stamps(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    folder.event(Event(0.0, "start", ""))
    folder.event(Event(1.0, "end", ""))
    folder.close()
    events = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert [event.get("monotonic_ns") for event in events] == [123_456, None]


def test_the_summary_is_the_result(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.end(make_result())
    folder.close()
    assert (tmp_path / "run/summary.json").read_bytes() == make_result().to_json()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "events.jsonl",
        "latency.hlog",
        "summary.json",
        "timeline.jsonl",
    ]


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening(rate=5))
    folder.close()
    with pytest.raises(RunFolderError, match="already holds a run"):
        RunFolder.create(tmp_path / "run")


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        RunFolderError, match=r"cannot be written: Not a directory|cannot be written: File exists"
    ):
        RunFolder.create(tmp_path / "file" / "run")


def test_a_full_disk_costs_the_log_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    folder.progress(tick(1.0, [MS]))
    whole = (tmp_path / "run/latency.hlog").read_bytes()

    def full(file: FileIO, data: bytes) -> None:
        file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("loadgen.files.write_all", full)
        folder.progress(tick(2.0, [MS]))
    assert folder.failure == f"{tmp_path}/run could not be written: No space left on device"
    folder.progress(tick(3.0, [MS]))
    folder.end(make_result())
    folder.close()
    assert (tmp_path / "run/latency.hlog").read_bytes() == whole
    assert (tmp_path / "run/summary.json").exists()


def test_the_default_place_has_time_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with default_folder("blast [::1]:8000/a b", now=0) as first:
        assert first.parent == Path("runs")
        assert first.name.endswith("-blast-1-8000-a-b")
        assert first.is_dir()
        with default_folder("blast [::1]:8000/a b", now=0) as second:
            assert second.name == f"{first.name}-2"
            (second / "plan.json").touch()
    assert [one.name for one in Path("runs").iterdir()] == [second.name], "what is empty goes again"


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run").close()
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    RunFolder.create(tmp_path / "mine").close()
    assert [one.name for one in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_the_stored_plan_reads_back(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    begun = opening(rate=5)
    folder.begin(begun)
    folder.close()
    stored = (tmp_path / "run/plan.json").read_bytes()
    assert msgspec.json.decode(stored, type=type(begun.plan)) == begun.plan


def test_a_scripts_own_values_are_no_responses(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening())
    folder.progress(tick(1.0, [MS], labels=("basket",)))
    folder.progress(tick(2.0, [MS], labels=("GET /",)))
    folder.close()
    assert {"trend:basket", "response:GET /"} <= set(read_log(tmp_path / "run/latency.hlog"))


@pytest.mark.parametrize("bundle", ["missing", "directory"])
def test_a_report_that_cannot_be_made_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    if bundle == "directory":
        (tmp_path / bundle).mkdir()
    monkeypatch.setattr(page, "BUNDLE", tmp_path / bundle)
    folder = RunFolder.create(tmp_path / "run")
    folder.begin(opening(url="http://127.0.0.1:8000/", rate=10))
    folder.progress(tick(1.0, [MS] * 5000))
    folder.end(make_result())
    folder.close()
    assert folder.failure is None
    words = {"missing": "built without the page", "directory": "Is a directory"}[bundle]
    assert folder.missing_report is not None
    assert words in folder.missing_report
    assert json.loads((tmp_path / "run/distribution.json").read_text())["response"][-1] == [100.0, 1.0]
    assert (tmp_path / "run/summary.json").exists()
