"""What becomes of other people's files: every Locust and Artillery file below a folder, run on our target.

    python -m tests.corpus FOLDER [--only TEXT] [--seconds 3]

FOLDER holds a checkout of a repository in each of its folders. Each file runs unchanged, cut short by the
flags that its own tool has for that, and with the embedded target for its host. Many name other hosts too:
all of it runs where there is no network but the loopback (`unshare`, Linux). The table goes to stdout; what
each run said, to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadgen.importers import tool_of
from tests.bench.alone import LOADGEN, target
from tests.bench.measure import available_cores

PATIENCE_S = 12
_LONELY = "LOADGEN_CORPUS_IS_CUT_OFF"
# Not tests, though they look like it: parts of other files, and what the tools' own test suites are made of.
LEFT_OUT = ("node_modules", "package", "/locust/", "/.github/")


@dataclass(frozen=True)
class Ran:
    """One file, and what became of it."""

    path: Path
    tool: str
    outcome: str
    why: str
    requests: int


def cut_off_from_all_hosts() -> None:
    """Begins anew in a network that has nothing but a loopback of its own."""
    lonely = 'ip link set lo up && exec "$@"'
    again = [sys.executable, "-m", "tests.corpus", *sys.argv[1:]]
    os.environ[_LONELY] = "1"
    os.execvp("unshare", ["unshare", "--net", "--map-root-user", "sh", "-c", lonely, "sh", *again])  # noqa: S606


def files_below(folder: Path, only: str) -> list[tuple[Path, str]]:
    """Those that are a tool's, in order."""
    found = []
    for path in sorted(folder.rglob("*")):
        place = f"/{path.relative_to(folder).as_posix()}"
        if only not in place or any(part in place for part in LEFT_OUT) or not path.is_file():
            continue
        if (tool := tool_of(path)) is not None:
            found.append((path, tool))
    return found


def command(path: Path, tool: str, url: str, seconds: int) -> list[str]:
    """As its user would write it, but short."""
    if tool == "locust":
        return [
            LOADGEN,
            "run",
            str(path),
            "--host",
            url,
            "-u",
            "5",
            "-r",
            "5",
            "-t",
            f"{seconds}s",
            "--headless",
        ]
    phases = {"config": {"phases": [{"duration": seconds, "arrivalRate": 3}]}}
    return [LOADGEN, "run", str(path), "--target", url, "--overrides", json.dumps(phases)]


def run(path: Path, tool: str, url: str, seconds: int) -> Ran:
    """One file; in its own folder, where the files that it names are."""
    with tempfile.TemporaryDirectory() as folder:
        started = subprocess.Popen(
            [*command(path, tool, url, seconds), "--out", f"{folder}/run", "--no-live"],
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            stdout, stderr = _ended(started, seconds)
        except subprocess.TimeoutExpired:
            started.kill()
            started.communicate()
            return Ran(path, tool, "hangs", f"no end {PATIENCE_S} s after Ctrl-C", 0)
        print(f"--- {path}: exit code {started.returncode}\n{stdout}{stderr}", file=sys.stderr)
        return judge(path, tool, stderr, Path(folder) / "run")


def _ended(started: subprocess.Popen[str], seconds: int) -> tuple[str, str]:
    """What it said. One that has shaped its load itself goes on for longer, until Ctrl-C."""
    try:
        return started.communicate(timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGINT)
        return started.communicate(timeout=PATIENCE_S)


def judge(path: Path, tool: str, stderr: str, folder: Path) -> Ran:
    """What the run's folder says of it; where there is none, it was refused."""
    if not (folder / "summary.json").exists():
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith("loadgen: ")), lines[-1] if lines else "")
        return Ran(path, tool, "refused", first.removeprefix("loadgen: "), 0)
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    requests = summary["requests"]["total"]
    told = [event["text"] for event in events if event["event"] == "imported"]
    broken = [event["text"] for event in events if event["event"] in ("script_error", "script_stop")]
    if broken:
        return Ran(path, tool, "its own errors", broken[0].splitlines()[0], requests)
    if told:
        return Ran(path, tool, "runs, with a warning", "; ".join(told), requests)
    why = "" if requests else "nothing is asked of the target: other hosts, or nothing at all"
    return Ran(path, tool, "runs as it is", why, requests)


def row(ran: Ran, folder: Path) -> str:
    """A line of the table."""
    why = " ".join(ran.why.replace(str(folder), "").replace("|", "\\|").split())[:160]
    place = ran.path.relative_to(folder).as_posix().replace("+", "/", 1)
    return f"| {ran.tool} | {place} | {ran.outcome} | {ran.requests:,} | {why} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose path has this in it")
    parser.add_argument("--seconds", type=int, default=3)
    chosen = parser.parse_args()
    if _LONELY not in os.environ:
        cut_off_from_all_hosts()
    folder = chosen.folder.resolve()
    print("| tool | file | what becomes of it | requests | why |\n| --- | --- | --- | ---: | --- |")
    counts: Counter[tuple[str, str]] = Counter()
    with target(available_cores()[-1]) as url:
        for path, tool in files_below(folder, chosen.only):
            ran = run(path, tool, url, chosen.seconds)
            counts[tool, ran.outcome] += 1
            print(row(ran, folder), flush=True)
    print()
    for (tool, outcome), count in sorted(counts.items()):
        print(f"{tool}: {count} {outcome}")


if __name__ == "__main__":
    main()
