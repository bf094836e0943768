"""Whether a file means the same here as with its own tool: both run it on one server, whose logs must agree.

    LOADGEN_PEERS=FOLDER python -m tests.corpus.meaning [--only locust]

FOLDER holds `locust` and `artillery`. The files are in `files`, and use what people use. Each user says who
it is, so that what one user asks can be compared in its order: for users that do the same in every run,
request by request; for what is drawn, by shares. Headers are compared too, but for the client's own name.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.alone import LOADGEN

FILES = Path(__file__).parent / "files"
# What is another in every request, or is the client's own name.
_OWN = frozenset({"user-agent", "x-user", "host"})
PATIENCE_S = 90


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    what: str
    headers: tuple[tuple[str, str], ...]
    body: str


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        headers = sorted(
            (name.lower(), value) for name, value in self.headers.items() if name.lower() not in _OWN
        )
        asked = Asked(f"{self.command} {self.path}", tuple(headers), body.decode("latin-1"))
        log: dict[str, list[Asked]] = self.server.log  # type: ignore[attr-defined]
        log[self.headers.get("X-User", "")].append(asked)
        status = (
            int(path.rpartition("/")[2])
            if path.startswith("/status/")
            else 302
            if path == "/redirect"
            else 200
        )
        data = json.dumps({"path": path}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 302:
            self.send_header("Location", "/items")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """The log is kept, not printed."""


def watched(make: Any) -> dict[str, list[Asked]]:
    """What a command asks of a server of its own, by user, each in order; `make` is given its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.log = defaultdict(list)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        command = make(f"http://127.0.0.1:{server.server_port}")
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL
        )
        print(f"{Path(command[0]).name}: exit code {ended.returncode}")
        if os.environ.get("SHOW"):
            print(ended.stdout, ended.stderr, file=sys.stderr)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return server.log  # type: ignore[attr-defined, no-any-return]


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
            lambda url: [*command, "-f", str(file), "--host", url, *flags, "--csv", str(folder / prefix)]
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
        return watched(lambda url: [*command, str(FILES / "test.yml"), "--target", url, "--output", report])

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["locust", "artillery"])
    chosen = parser.parse_args()
    failed = False
    for name, look in (("locust", locust), ("artillery", artillery)):
        peer = shutil.which(name, path=os.environ.get("LOADGEN_PEERS", "")) or shutil.which(name)
        if chosen.only not in (None, name):
            continue
        if peer is None:
            raise SystemExit(f"{name} is not here: LOADGEN_PEERS says where")
        with tempfile.TemporaryDirectory() as folder:
            print(name)
            wrong = look(peer, Path(folder))
        for text in wrong:
            print(f"  DIFFERS {text}")
        failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
