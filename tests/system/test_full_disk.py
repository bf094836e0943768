"""A disk that fills up, a place that cannot be written: the load goes on, and nothing recorded is lost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen


def assert_told(result: CommandResult, *, words: tuple[str, ...]) -> None:
    """The table is on stdout, the reason on stderr in one line each, and the exit code is 2."""
    assert result.exit_code == 2, result
    assert "response" in result.stdout and "(exit code 2)" in result.stdout, result
    assert "Traceback" not in result.stderr, result
    for word in words:
        assert word in result.stderr, result


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Two pages of a file system of their own: less than a run writes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "none", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_full_stops_no_load(loadgen: Loadgen, target: Target, small_disk: Path) -> None:
    folder, copy = small_disk / "run", small_disk.parent / "copy.json"
    result = loadgen(
        *("blast", target.url, "--tps", "9", "--duration", "1s"),
        *("--out", str(folder), "--summary-json", str(copy)),
    )
    assert_told(result, words=("No space left on device", str(folder)))
    summary = json.loads(copy.read_text())
    assert summary["requests"]["status"] == {"200": 9} == {"200": target.requests()["total"]}
    assert not (folder / "summary.json").exists(), "half a summary is none"
    assert_whole_lines(folder)


def test_a_disk_that_fills_up_takes_nothing_of_what_was_written(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    """A limit on the size of files, set while the run goes on, is met just as a full disk is."""
    folder = tmp_path / "run"
    started = loadgen.start(
        *("blast", target.url, "--tps", "11", "--duration", "800ms"),
        *("--out", str(folder), "--summary-json", "-", "--output", "junit=/dev/stderr"),
    )
    target.wait_for_requests(2)
    written = len((folder / "latency.hlog").read_bytes())
    resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (written + 10, written + 10))
    result = started.wait()
    assert result.exit_code == 2, result
    assert f"{folder} could not be written" in result.stderr, result
    assert '<error message="the record of the run is incomplete"' in result.stderr, result
    assert "response" in result.stderr, "the table goes where the summary does not"
    summary = json.loads(result.stdout)
    assert summary["requests"]["status"] == {"200": 9} == {"200": target.requests()["total"]}
    assert_whole_lines(folder)
    # The limit holds for each file: the log was cut where it stood, the head and the first lines are there.
    assert len((folder / "latency.hlog").read_bytes()) <= written + 10


@pytest.mark.parametrize("kind", ["jsonl", "csv-live", "influx"])
def test_lines_that_did_not_fit_leave_no_half_of_one(
    loadgen: Loadgen, target: Target, tmp_path: Path, kind: str
) -> None:
    """There is room again later: what comes then begins a line."""
    file, nobody = tmp_path / "lines", resource.RLIM_INFINITY
    started = loadgen.start(
        *("blast", target.url, "--tps", "20", "--duration", "6s", "--workers", "1"),
        *("--output", f"{kind}={file}"),
    )
    give_up_at = time.monotonic() + 20
    while not file.exists() or not file.stat().st_size:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    written = file.read_text()
    resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (len(written) + 10, nobody))
    started.wait_for_line(f"{kind} {file} does not take what it is sent: File too large", stream="stderr")
    assert file.read_text() == written
    resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (nobody, nobody))
    result = started.wait()
    (output,) = result.summary["outputs"]
    assert output["dropped"] >= 1, result
    assert output["sent"] >= 2, result
    later = file.read_text().removeprefix(written)
    first, *_ = later.splitlines()
    assert first.startswith(written.splitlines()[-1][:7]) and first != later, "its own line"


def assert_whole_lines(folder: Path) -> None:
    """What is there can be read: every line of the events is JSON, and no line of the log is cut."""
    for line in (folder / "events.jsonl").read_text().splitlines():
        json.loads(line)
    text = (folder / "latency.hlog").read_text()
    assert text == "" or text.endswith("\n")


def test_a_summary_that_cannot_be_written_is_told(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    """It fails when all is over: nobody would look for the reason if it were not said then."""
    folder = tmp_path / "run"
    started = loadgen.start("blast", target.url, "--tps", "12", "--duration", "700ms", "--out", str(folder))
    target.wait_for_requests(2)
    (folder / "summary.json").mkdir()
    (folder / "summary.json" / "in the way").touch()
    result = started.wait()
    assert_told(result, words=("could not be written", str(folder)))


def test_a_copy_of_the_summary_that_cannot_be_written_is_told(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)  # that nobody reads: which is seen when it is written
    result = loadgen("blast", target.url, "--tps", "30", "--duration", "300ms", "--summary-json", str(place))
    assert result.exit_code == 2, result
    assert "--summary-json" in result.stderr and str(place) in result.stderr, result
    assert "Traceback" not in result.stderr, result
    assert balanced(result)["requests"]["ok"] == 9, "the run folder has it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
def test_a_device_is_written_to_and_stays_a_device(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    """As /dev/full does: every write to it fails for want of space. It must not be replaced by a file."""
    device = tmp_path / "full"
    os.mknod(device, 0o020666, os.makedev(1, 7))
    result = loadgen("blast", target.url, "--tps", "30", "--duration", "300ms", "--summary-json", str(device))
    assert device.is_char_device(), "the device was replaced"
    assert result.exit_code == 2, result
    assert "No space left on device" in result.stderr, result


def test_a_pipe_is_written_to_and_stays_a_pipe(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    """`--summary-json >(jq .)` is such a place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    result = loadgen("blast", target.url, "--tps", "30", "--duration", "300ms", "--summary-json", str(pipe))
    assert pipe.is_fifo(), "the pipe was replaced"
    reader.join(10)
    assert json.loads(read[0]) == result.summary, result


def test_a_link_leads_to_the_file_that_is_written(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    link, file = tmp_path / "link.json", tmp_path / "file.json"
    link.symlink_to(file)
    result = loadgen("blast", target.url, "--tps", "30", "--duration", "300ms", "--summary-json", str(link))
    assert link.is_symlink(), "the link was replaced"
    assert json.loads(file.read_text()) == result.summary
