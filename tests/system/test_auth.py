"""Who a request is from, through the front door: servers that ask for it, and files that must not have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.guard import Guard
from tests.support.site import Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
def test_a_challenge_is_answered_and_the_answer_counted_on(
    scripts: Scripts, raw_server: RawServerFactory, algorithm: str
) -> None:
    site = Site(raw_server, Guard(algorithm, lasts=4))
    told = scripts(
        """\
        from loadgen import DigestAuth, Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            for number in range(5):
                page = await user.get("/a b/{n}", path={"n": number}, params={"q": "é"})
                assert page.status == 200, page
            page = await user.post("/post", json={"x": 1})
            assert page.status == 200

        plan = Plan(auth=DigestAuth("me", "secret"))
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    # One challenge at the beginning, one for the nonce that grew stale.
    assert told.summary["requests"]["status"] == {"200": 6, "401": 2}, told.result
    assert len(site.asked) == told.summary["requests"]["total"] == 8
    assert "authorization" not in site.asked[0].headers
    assert site.asked[-1].body == b'{"x":1}'


def test_a_wrong_password_is_told_once(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, Guard("MD5"))
    told = scripts(
        """\
        from loadgen import DigestAuth, User, scenario

        @scenario
        async def visit(user: User) -> None:
            for _ in range(2):
                page = await user.get("/", auth=DigestAuth("me", "wrong"))
                assert page.status == 401
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert len(site.asked) == told.summary["requests"]["total"] == 3


def test_tokens_passwords_and_urls(scripts: Scripts, raw_server: RawServerFactory) -> None:
    other = Site(raw_server, lambda _: answer())
    site = Site(raw_server, lambda _: answer())
    told = scripts(
        f"""\
        from loadgen import Bearer, Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            await user.get("/plan")
            await user.get("/basic", auth=("me", "secret"))
            await user.get("/bearer", auth=Bearer("secret"))
            await user.get("/header", headers={{"Authorization": "own secret"}})
            await user.get("/nobody", auth=None)
            await user.get("http://me:s%65cret@{site.place}/url")
            page = await user.get("{other.url}/other")
            page = await user.get("http://me:secret@{other.place}/other")
            assert "secret" not in page.url and "secret" not in repr(page)
            try:
                await user.get("/", auth="secret")
            except TypeError as error:
                assert "secret" not in str(error)

        plan = Plan(auth=Bearer("of the plan"))
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    basic = "Basic bWU6c2VjcmV0"
    assert [asked.headers.get("authorization") for asked in site.asked] == [
        *("Bearer of the plan", basic, "Bearer secret", "own secret", None, basic)
    ]
    assert [asked.headers.get("authorization") for asked in other.asked] == [None, basic]
    for file in told.result.run_folder.iterdir():
        stored = file.read_bytes()
        assert b"of the plan" not in stored and b"bWU6" not in stored, file
    assert "me:" not in " ".join(label["label"] for label in told.summary["labels"])


def test_a_user_in_the_url_of_the_command_line(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, lambda _: answer())
    source = """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            await user.get("/")
        """
    url: Any = site.url.replace("http://", "http://me:secret@")
    for options in (ONE, ("--debug",)):
        told = scripts(source, "--url", url, *options)
        assert "secret" not in told.text and "bWU6" not in told.text, told.result
    assert [asked.headers["authorization"] for asked in site.asked] == ["Basic bWU6c2VjcmV0"] * 2
