"""Cookies through the front door: what each user is told, and says again, by the server's own log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.site import Asked, Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


def test_each_user_has_cookies_of_its_own(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def pages(asked: Asked) -> bytes:
        if asked.target.startswith("/login"):
            return answer(
                200, f"set-cookie: sid={asked.target[7:]}; Path=/; HttpOnly", "SET-COOKIE: theme=dark; path=/"
            )
        return answer(200, body=asked.cookies.encode())

    site = Site(raw_server, pages)
    told = scripts(
        """\
        from loadgen import User, scenario, session

        @session
        async def logged_in(user: User):
            page = await user.get("/login/{id}", path={"id": user.id})
            user.expect(page.cookies == {"sid": str(user.id), "theme": "dark"}, "the response has them")
            yield
            await user.get("/logout")

        @scenario
        async def visit(user: User) -> None:
            for page in (await user.get("/plain"), await user.get("/query", params={"a": 1})):
                user.expect(page.text == f"sid={user.id}; theme=dark", "said again")
        """,
        *("--url", site.url, "--users", "3", "--iterations", "30", "--workers", "1", "--drain", "5s"),
    )
    assert all(check["failed"] == 0 for check in told.summary["checks"]), told.result
    assert len(site.asked) == told.summary["requests"]["total"] == 66, told.result
    for asked in site.asked:
        if not asked.target.startswith("/login"):
            assert asked.cookies in [f"sid={user}; theme=dark" for user in range(3)], asked
    assert sorted(asked.cookies for asked in site.asked if asked.target == "/logout") == [
        f"sid={user}; theme=dark" for user in range(3)
    ]


def test_a_script_can_read_and_write_them(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(
        raw_server, lambda asked: answer(200, "Set-Cookie: a=server" if asked.target == "/set" else "X: y")
    )
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            await user.get("/set")
            assert user.cookies["a"] == user.cookies.get("a") == "server" and "b" not in user.cookies
            user.cookies.set("b", "mine", path="/b")
            user.cookies["c"] = "3"
            assert list(user.cookies) == ["a", "b", "c"] and len(user.cookies) == 3
            assert dict(user.cookies) == {"a": "server", "b": "mine", "c": "3"}
            assert "mine" not in repr(user.cookies)
            await user.get("/b/1")
            await user.get("/2", cookies={"a": "other"})
            await user.get("/3", headers={"Cookie": "all=mine"})
            user.cookies.delete("a")
            del user.cookies["c"]
            await user.get("/4")
            user.cookies.clear()
            assert not user.cookies and user.cookies.get("a", "none") == "none"
            await user.post("/5", json={})
            try:
                user.cookies["a"]
            except KeyError as error:
                assert error.args == ("a",)
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert [(asked.target, asked.cookies) for asked in site.asked] == [
        ("/set", ""),
        ("/b/1", "b=mine; a=server; c=3"),
        ("/2", "a=other; c=3"),
        ("/3", "all=mine"),
        ("/4", ""),
        ("/5", ""),
    ]


def test_without_cookies_nothing_is_kept(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(raw_server, lambda _: answer(200, "Set-Cookie: a=1"))
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            for _ in range(3):
                page = await user.get("/")
                assert page.cookies == {"a": "1"} and not user.cookies

        plan = Plan(cookies=False)
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert [asked.cookies for asked in site.asked] == ["", "", ""]


def test_a_server_cannot_fill_the_memory(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def pages(asked: Asked) -> bytes:
        number = int(asked.target[1:])
        many = [f"Set-Cookie: n{number}_{one}=x" for one in range(40)]
        return answer(200, *many, f"Set-Cookie: huge={'x' * 5000}", "Set-Cookie: top=1; Domain=com")

    site = Site(raw_server, pages)
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            for number in range(5):
                await user.get(f"/{number}")
            assert len(user.cookies) == 50 and "huge" not in user.cookies and "top" not in user.cookies
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert "n0_0=" in site.asked[1].cookies and "n0_0=" not in site.asked[4].cookies, "the oldest went"


@pytest.mark.parametrize(
    "code",
    [
        'user.cookies["a"] = "1\\r\\nX-Evil: 1"',
        'user.cookies["a\\n"] = "1"',
        'await user.get("/", cookies={"a": "1\\r\\nX-Evil: 1"})',
        'await user.get("/", cookies={"a": "1; b=2"})',
        'await user.get("/", auth=("me", "x"), headers={"X": "1\\r\\nX-Evil: 1"})',
        'await user.get("/", auth=Bearer("1\\r\\nX-Evil: 1"))',
        'await user.get("/", auth=DigestAuth("me\\r\\n", "x"))',
    ],
)
def test_nothing_smuggles_a_header(scripts: Scripts, raw_server: RawServerFactory, code: str) -> None:
    site = Site(raw_server, lambda _: answer())
    told = scripts(
        f"""\
        from loadgen import Bearer, DigestAuth, User, scenario

        @scenario
        async def visit(user: User) -> None:
            {code}
        """,
        *("--url", site.url, *ONE),
    )
    assert not site.asked, told.result
    assert told.summary["arrivals"]["failed"] == 1, told.result
    told.assert_says("ValueError")
    told.assert_points_at(code, quoted=False)
