"""Challenges that a blast answers, through the front door: a server that checks every answer."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.guard import Guard
from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen

FEW = ("--tps", "45", "-d", "200ms", "--workers", "1", "-c", "1")
COUNT = 9
WHO = ("--auth", "me:secret", "--digest")


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
def test_a_challenge_is_answered_and_the_answer_counted_on(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, algorithm: str
) -> None:
    site = Site(raw_server, Guard(algorithm, lasts=4))
    result = loadgen("blast", f"{site.url}/a%20b?q=1", *WHO, "--body", "hi", "--reactor", reactor, *FEW)
    summary = balanced(result)
    # One challenge at the beginning, two for nonces that grew stale.
    assert summary["requests"]["status"] == {"200": COUNT, "401": 3}, result
    assert len(site.asked) == summary["requests"]["total"] == COUNT + 3
    assert summary["arrivals"]["completed"] == COUNT
    assert "authorization" not in site.asked[0].headers
    assert {(asked.target, asked.body) for asked in site.asked} == {("/a%20b?q=1", b"hi")}
    for file in result.run_folder.iterdir():
        assert b"secret" not in file.read_bytes(), file


@pytest.mark.parametrize("workers", ["1", "2"])
def test_users_share_what_their_worker_remembers(
    loadgen: Loadgen, raw_server: RawServerFactory, workers: str
) -> None:
    site = Site(raw_server, Guard("MD5", lasts=1_000_000, many=True))
    result = loadgen("blast", site.url, *WHO, "--users", "6", "-d", "200ms", "--workers", workers)
    summary = balanced(result)
    status = summary["requests"]["status"]
    assert status["200"] == summary["arrivals"]["completed"] == summary["arrivals"]["sent"], result
    # Each may have asked before the first answer came.
    assert 1 <= status["401"] <= 6
    assert len(site.asked) == summary["requests"]["total"]


def test_who_is_challenged_at_once_counts_on_one_nonce(
    loadgen: Loadgen, raw_server: RawServerFactory
) -> None:
    counts: list[str] = []

    def page(asked: Asked) -> bytes:
        found = re.search(r"nc=(\w+)", asked.headers.get("authorization", ""))
        if found is None:
            time.sleep(0.05)  # so that others are challenged meanwhile
            return answer(401, 'WWW-Authenticate: Digest realm="r", qop="auth", nonce="one"')
        counts.append(found[1])
        return answer()

    site = Site(raw_server, page)
    summary = balanced(loadgen("blast", site.url, *WHO, "--users", "8", "-d", "300ms", "--workers", "1"))
    assert summary["requests"]["status"]["401"] > 1
    assert len(set(counts)) == len(counts) == summary["requests"]["status"]["200"] > 8


def test_a_wrong_password_is_told_once(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, Guard("MD5"))
    summary = balanced(loadgen("blast", site.url, "--auth", "me:wrong", "--digest", *FEW))
    assert summary["arrivals"]["failed"] == COUNT
    assert len(site.asked) == summary["requests"]["total"] == COUNT + 1


def test_who_needs_no_challenge_is_asked_once(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, lambda asked: answer(401) if asked.target == "/no" else answer())
    for path, failed in (("/", 0), ("/no", COUNT)):
        summary = balanced(loadgen("blast", f"{site.url}{path}", *WHO, *FEW))
        assert summary["requests"]["total"] == COUNT
        assert summary["arrivals"]["failed"] == failed


def test_redirects_and_challenges_together(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    """A hop to the same place is answered for; one elsewhere tells nobody who asks."""
    guard = Guard("SHA-256")
    other = Site(raw_server, lambda _: answer(401, guard.challenge(stale=False)))

    def pages(asked: Asked) -> bytes:
        if (checked := guard(asked)).startswith(b"HTTP/1.1 401"):
            return checked
        return (
            moved({"/in": "/there", "/out": other.url}[asked.target]) if asked.target != "/there" else checked
        )

    site = Site(raw_server, pages)
    targets = tmp_path / "targets"
    targets.write_text(f"{site.url}/in\n{site.url}/out\n")
    load = ("--tps", "40", "-d", "200ms", "--workers", "1", "-c", "2")
    result = loadgen("blast", "--targets", str(targets), "-L", *WHO, *load)
    summary = balanced(result)
    assert summary["arrivals"]["completed"] == summary["arrivals"]["failed"] == 4, result
    assert summary["requests"]["status"] == {"200": 4, "302": 8, "401": 1 + 4}
    assert len(other.asked) == 4 and not any("authorization" in asked.headers for asked in other.asked)


def test_a_header_of_a_target_speaks_for_itself(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    site = Site(raw_server, lambda _: answer(401, Guard("MD5").challenge(stale=False)))
    targets = tmp_path / "targets"
    targets.write_text(f"{site.url}/\nAuthorization: own\n")
    summary = balanced(loadgen("blast", "--targets", str(targets), *WHO, *FEW))
    assert summary["requests"]["status"] == {"401": COUNT}
    assert {asked.headers["authorization"] for asked in site.asked} == {"own"}
