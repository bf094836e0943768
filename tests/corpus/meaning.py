"""Whether a file means the same here as with its own tool: both run it on one server, whose logs must agree.

    LOADGEN_PEERS=FOLDER python -m tests.corpus.meaning [--only ws] [--scenario talk]

FOLDER holds `locust` and `artillery`. The files are in `files`, and use what people use. Each user says who
it is, so that what one user asks can be compared in its order: for users that do the same in every run,
request by request; for what is drawn, by shares. Headers are compared too, but for the client's own name. Of
WebSockets and Socket.IO each scenario runs alone, and what both tools count is compared as well.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from tests.bench.alone import LOADGEN
from tests.corpus.logs import Asked, http_log, socketio_log, ws_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.corpus.logs import Log

    Server: TypeAlias = Callable[[], AbstractContextManager[tuple[str, Log]]]

FILES = Path(__file__).parent / "files"
PATIENCE_S = 90
# Artillery counts some failures and answers twice; loadgen counts heads too, and endpoints of all engines.
_OTHERWISE = re.compile(
    r"errors\.(undefined|Error: .*)|socketio\.response_time \(summary\)|http\.downloaded_bytes"
    r"|plugins\.metrics-by-endpoint\..*"
)
# Of virtual users that wait for ever, Artillery is told to end.
ENDLESS_S = 12


def watched(make: Callable[[str], list[str]], server: Server, patience_s: float = PATIENCE_S) -> Log:
    """What a command asks of a server of its own, by user, each in order; `make` is given its URL."""
    with server() as (url, log):
        command = make(url)
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            out, err = running.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=PATIENCE_S)
        print(f"{Path(command[0]).name}: exit code {running.returncode}")
        if os.environ.get("SHOW"):
            print(out, err, file=sys.stderr)
    return log


def kinds(log: dict[str, list[Asked]]) -> dict[str, list[list[Asked]]]:
    """What the users of each kind asked: a kind is the first word of a name."""
    found: dict[str, list[list[Asked]]] = defaultdict(list)
    for user, asked in log.items():
        found[user.partition(" ")[0]].append(asked)
    return found


def compare(theirs: dict[str, list[Asked]], ours: dict[str, list[Asked]], exact: set[str]) -> list[str]:
    """What differs."""
    their_kinds, our_kinds = kinds(theirs), kinds(ours)
    wrong = []
    if their_kinds.keys() != our_kinds.keys():
        wrong.append(f"kinds of users: {sorted(their_kinds)} and {sorted(our_kinds)}")
    for kind in sorted(their_kinds.keys() & our_kinds.keys()):
        if kind in exact:
            wrong += _in_order(kind, their_kinds[kind], our_kinds[kind])
        else:
            wrong += _by_shares(kind, their_kinds[kind], our_kinds[kind])
        wrong += _headers(kind, their_kinds[kind], our_kinds[kind])
    return wrong


def _in_order(kind: str, theirs: list[list[Asked]], ours: list[list[Asked]]) -> list[str]:
    """Users that always do the same: all of them ask the same, one after the other."""
    lists = {tuple((one.what, one.body) for one in user) for user in theirs}
    mine = {tuple((one.what, one.body) for one in user) for user in ours}
    if lists == mine:
        print(f"  {kind}: {len(theirs)} and {len(ours)} users, {len(theirs[0])} requests each, in one order")
        return []
    one, other = max(lists, key=len), max(mine, key=len)
    place = next(
        (i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    return [
        f"{kind}: order differs at request {place}: {one[place : place + 2]} and {other[place : place + 2]}"
    ]


def _by_shares(kind: str, theirs: list[list[Asked]], ours: list[list[Asked]]) -> list[str]:
    """What is drawn: shares within what chance allows, four standard deviations of their difference."""
    counts = [Counter(one.what for user in users for one in user) for users in (theirs, ours)]
    totals = [sum(count.values()) for count in counts]
    wrong = []
    for what in sorted(counts[0].keys() | counts[1].keys()):
        shares = [count[what] / total for count, total in zip(counts, totals, strict=True)]
        middle = (counts[0][what] + counts[1][what]) / sum(totals)
        allowed = 4 * (middle * (1 - middle) * (1 / totals[0] + 1 / totals[1])) ** 0.5
        told = f"{kind} {what}: {shares[0]:.3f} and {shares[1]:.3f}, {allowed:.3f} apart at most"
        if abs(shares[0] - shares[1]) > allowed:
            wrong.append(told)
        else:
            print(f"  {told}")
    return wrong


def _headers(kind: str, theirs: list[list[Asked]], ours: list[list[Asked]]) -> list[str]:
    """Of each request the same."""
    both = []
    for users in (theirs, ours):
        found: dict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
        for user in users:
            for one in user:
                found[one.what].add(one.headers)
        both.append(found)
    return [
        f"{kind} {what}: headers\n      {min(both[0][what])}\n      {min(both[1][what])}"
        for what in sorted(both[0].keys() & both[1].keys())
        if both[0][what] != both[1][what]
    ]


def failures(prefix: Path) -> Counter[tuple[str, str, str]]:
    """Of users that always do the same: how often each error came, by Locust's own table."""
    found: Counter[tuple[str, str, str]] = Counter()
    with Path(f"{prefix}_failures.csv").open() as file:
        for line in csv.DictReader(file):
            found[line["Method"], line["Name"], line["Error"]] += int(line["Occurrences"])
    return found


def locust(peer: str, folder: Path) -> list[str]:
    """One locustfile."""
    file = FILES / "locustfile.py"
    flags = ["-u", "12", "-r", "12", "-t", "8s", "--headless", "--exclude-tags", "never", "--only-summary"]

    def by(command: list[str], prefix: str) -> dict[str, list[Asked]]:
        return watched(
            lambda url: [*command, "-f", str(file), "--host", url, *flags, "--csv", str(folder / prefix)],
            http_log,
        )

    theirs = by([peer], "theirs")
    ours = by([LOADGEN, "locust"], "ours")
    wrong = compare(theirs, ours, {"ordered", "fast"})
    their_failures, our_failures = failures(folder / "theirs"), failures(folder / "ours")
    for key in sorted(their_failures.keys() | our_failures.keys()):
        if their_failures[key] != our_failures[key]:
            wrong.append(f"failures {key}: {their_failures[key]} and {our_failures[key]}")
        else:
            print(f"  failures {key}: {their_failures[key]} each")
    return wrong


def artillery(peer: str, folder: Path) -> list[str]:
    """One YAML file."""

    def by(command: list[str]) -> dict[str, list[Asked]]:
        report = str(folder / f"{Path(command[0]).name}.json")
        return watched(
            lambda url: [*command, str(FILES / "test.yml"), "--target", url, "--output", report],
            http_log,
        )

    theirs = by([peer, "run", "--quiet"])
    ours = by([LOADGEN, "run", "--quiet"])
    wrong = compare(theirs, ours, {"buy", "look"})
    counts = [Counter(user.partition(" ")[0] for user in log) for log in (theirs, ours)]
    totals = [sum(count.values()) for count in counts]
    print(f"  virtual users: {dict(counts[0])} and {dict(counts[1])}")
    share = [count["buy"] / total for count, total in zip(counts, totals, strict=True)]
    if any(
        abs(one - 0.75) > 4 * (0.75 * 0.25 / total) ** 0.5 for one, total in zip(share, totals, strict=True)
    ):
        wrong.append(f"shares of buy: {share}, where 0.75 is meant")
    reports = [
        json.loads((folder / f"{name}.json").read_text())["aggregate"]["counters"]
        for name in (Path(peer).name, "loadgen")
    ]
    for name in ("http.codes.404", "plugins.expect.failed", "plugins.expect.ok", "http.requests"):
        each = [report.get(name, 0) for report in reports]
        print(f"  {name}: {each[0]} and {each[1]}")
        if (each[0] == 0) != (each[1] == 0):
            wrong.append(f"{name}: {each[0]} and {each[1]}")
    return wrong


def sockets(file: str, server: Server, only: str | None, peer: str, folder: Path) -> list[str]:
    """One YAML file of WebSockets or Socket.IO: each scenario alone, so that all can be compared exactly."""
    scenarios = yaml.safe_load((FILES / file).read_text())["scenarios"]
    names = [one["name"] for one in scenarios if only in (None, one["name"])]

    def run(name: str) -> list[tuple[Log, Any]]:
        found: list[tuple[Log, Any]] = []
        for command in ([peer, "run", "--quiet"], [LOADGEN, "run", "--quiet", "--drain", "5s"]):
            report = folder / f"{name}-{len(found)}.json"
            flags = ["--scenario-name", name, "--output", str(report)]
            make = partial(_command, [*command, str(FILES / file), *flags])
            log = watched(make, server, ENDLESS_S if name == "endless" else PATIENCE_S)
            if name == "endless":  # there a virtual user waits for ever, and here for the timeout
                log = {
                    user: [one for one in asked if one.what != "disconnect /"] for user, asked in log.items()
                }
            # Whoever is told to end writes no report.
            found.append((log, json.loads(report.read_text())["aggregate"] if report.exists() else None))
        return found

    wrong = []
    with ThreadPoolExecutor(2) as pool:  # most of the time is Artillery's start and its end
        for name, ((theirs, their_report), (ours, our_report)) in zip(
            names, pool.map(run, names), strict=True
        ):
            print(f" {name}")
            found = compare(theirs, ours, set(kinds(theirs)))
            if their_report is not None:
                found += counted(their_report, our_report)
            elif (given_up := our_report["counters"].get("errors.response timeout")) != len(ours):
                found.append(f"of {len(ours)} users that wait for ever, {given_up} are given up")
            wrong += [f"{name}: {text}" for text in found]
    return wrong


def _command(command: list[str], url: str) -> list[str]:
    return [*command, "--target", url]


def counted(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """What both count: counters by name, of summaries how much is in them, of rates that they are there."""
    wrong = []
    both = [
        report["counters"]
        | {f"{name} (summary)": one["count"] for name, one in report["summaries"].items()}
        | {f"{name} (rate)": 1 for name in report["rates"]}
        for report in (theirs, ours)
    ]
    for name in sorted(both[0].keys() | both[1].keys()):
        each = [counters.get(name, 0) for counters in both]
        if each[0] == each[1]:
            print(f"  {name}: {each[0]:g} each")
        elif _OTHERWISE.fullmatch(name):
            print(f"  {name}: {each[0]:g} and {each[1]:g}, as docs/artillery.md says")
        else:
            wrong.append(f"{name}: {each[0]:g} and {each[1]:g}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["locust", "artillery", "ws", "socketio"])
    parser.add_argument("--scenario", help="of WebSockets and Socket.IO this one alone")
    chosen = parser.parse_args()
    failed = False
    looks: dict[str, tuple[str, Callable[[str, Path], list[str]]]] = {
        "locust": ("locust", locust),
        "artillery": ("artillery", artillery),
        "ws": ("artillery", partial(sockets, "ws.yml", ws_log, chosen.scenario)),
        "socketio options": (
            "artillery",
            partial(sockets, "socketio-options.yml", socketio_log, chosen.scenario),
        ),
        "socketio": ("artillery", partial(sockets, "socketio.yml", socketio_log, chosen.scenario)),
    }
    for name, (tool, look) in looks.items():
        peer = shutil.which(tool, path=os.environ.get("LOADGEN_PEERS", "")) or shutil.which(tool)
        if chosen.only not in (None, name.partition(" ")[0]):
            continue
        if peer is None:
            raise SystemExit(f"{tool} is not here: LOADGEN_PEERS says where")
        with tempfile.TemporaryDirectory() as folder:
            print(name)
            wrong = look(peer, Path(folder))
        for text in wrong:
            print(f"  DIFFERS {text}")
        failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
