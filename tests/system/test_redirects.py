"""Redirects through the front door: each hop is a request in the results, and in the servers' logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


def test_each_hop_is_a_request_with_a_label_of_its_own(
    scripts: Scripts, raw_server: RawServerFactory
) -> None:
    other = Site(raw_server, lambda asked: answer(body=asked.target.encode()))

    def pages(asked: Asked) -> bytes:
        match asked.target:
            case "/":
                return moved("/next?session=1#part", 301, "Set-Cookie: seen=1")
            case "/next?session=1":
                return moved(f"{other.url}/end/{{x}}")
            case _:
                return answer()

    site = Site(raw_server, pages)
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/")
            assert (page.status, page.text) == (200, "/end/%7Bx%7D"), page
            assert [one.status for one in page.history] == [301, 302] and page.url.endswith("/end/%7Bx%7D")
            assert page.history[1].url.endswith("/next?session=1")
            stays = await user.get("/", follow_redirects=False)
            assert (stays.status, stays.history, stays.ok) == (301, [], True)
            plain = await user.get("/plain")
            assert plain.history == []

        plan = Plan(follow_redirects=True)
        """,
        *("--url", site.url, "--users", "2", "--iterations", "10", "--workers", "1", "--drain", "5s"),
    )
    assert told.summary["arrivals"]["completed"] == 10, told.result
    assert site.counts() == {"GET /": 20, "GET /next?session=1": 10, "GET /plain": 10}
    assert other.counts() == {"GET /end/%7Bx%7D": 10}
    labels = {
        one["label"]: one["requests"]["total"] for one in told.summary["labels"] if one["kind"] == "request"
    }
    assert labels == {"GET /": 20, "GET /next": 10, "GET /plain": 10, f"GET {other.place}/end/%7Bx%7D": 10}
    assert told.summary["requests"]["total"] == len(site.asked) + len(other.asked) == 50
    assert told.summary["requests"]["status"] == {"200": 20, "301": 20, "302": 10}


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (302, "POST", "GET"),
        (302, "DELETE", "GET"),
        (302, "HEAD", "HEAD"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ],
)
def test_method_and_body(
    scripts: Scripts, raw_server: RawServerFactory, status: int, method: str, then: str
) -> None:
    site = Site(
        raw_server, lambda asked: moved("/b", status) if asked.target == "/a" else answer(204, body=b"")
    )
    told = scripts(
        f"""\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.request("{method}", "/a", json={{"x": 1}}, follow_redirects=True)
            assert page.status == 204 and page.method == "{then}"
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    first, second = site.asked
    assert (first.method, first.body) == (method, b'{"x":1}')
    kept = then == method
    assert (second.method, second.target, second.body) == (then, "/b", first.body if kept else b"")
    assert ("content-type" in second.headers) == kept


def test_who_asks_is_not_told_to_another_origin(scripts: Scripts, raw_server: RawServerFactory) -> None:
    """Not what the plan says, nor the request; and cookies go where they belong."""
    other = Site(raw_server, lambda asked: moved("/2") if asked.target == "/1" else answer())
    site = Site(
        raw_server, lambda asked: moved(f"{other.url}/1", 307) if asked.target == "/out" else moved("/out")
    )
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            user.cookies["mine"] = "1"
            for own in ({"auth": ("me", "secret")}, {}):
                page = await user.post("/in", json={}, headers={"X-Api": "kept"}, cookies={"one": "2"}, **own)
                assert page.status == 200 and len(page.history) == 3

        plan = Plan(follow_redirects=True, auth=("plan", "secret"), headers={"Proxy-Authorization": "hush"})
        """,
        *("--url", site.url.replace("127.0.0.1", "localhost"), *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert [asked.headers["authorization"] for asked in site.asked] == [
        *["Basic bWU6c2VjcmV0"] * 2,
        *["Basic cGxhbjpzZWNyZXQ="] * 2,
    ]
    assert {asked.cookies for asked in site.asked} == {"one=2; mine=1"}
    for asked in other.asked:
        assert not {"authorization", "cookie", "proxy-authorization"} & set(asked.headers), asked
        assert asked.headers["x-api"] == "kept"
    assert len(other.asked) == 4
    for file in told.result.run_folder.iterdir():
        stored = file.read_bytes().replace(b'"secret": "(redacted)"', b"")
        assert b"secret" not in stored and b"hush" not in stored, file


def test_a_loop_ends_as_an_error(scripts: Scripts, raw_server: RawServerFactory) -> None:
    """With a number in every path, which must not use up the labels."""

    def pages(asked: Asked) -> bytes:
        return moved(f"/{int(asked.target[1:]) + 1}")

    site = Site(raw_server, pages)
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/0", follow_redirects=True)
            assert (page.status, page.error) == (0, "too_many_redirects")
            assert len(page.history) == 100 + 1 and page.url.endswith("/101")
            page = await user.get("/{n}", path={"n": 1000}, follow_redirects=True)
            assert page.error == "too_many_redirects"

        plan = Plan(max_redirects=100)
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    requests = told.summary["requests"]
    assert requests["errors"] == {"too_many_redirects": 2}
    # What was not sent is counted as failed, as what a breaker holds back.
    assert len(site.asked) == requests["total"] - 2 == 202
    labels = {one["label"] for one in told.summary["labels"]}
    assert "GET (other redirects)" in labels and len(labels) < 110
    told.assert_says("redirected too often")


@pytest.mark.parametrize("location", ["", "http://[", "http://x:99999/", "mailto:me@here"])
def test_what_leads_nowhere_stands(scripts: Scripts, raw_server: RawServerFactory, location: str) -> None:
    site = Site(raw_server, lambda _: moved(location))
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/", follow_redirects=True)
            assert page.status == 302 and page.history == []
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert len(site.asked) == 1


def test_debug_shows_every_hop(scripts: Scripts, raw_server: RawServerFactory) -> None:
    site = Site(
        raw_server, lambda asked: moved("/b", 302, "Set-Cookie: s=hush") if asked.target == "/a" else answer()
    )
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            await user.get("/a", auth=("me", "hush"))
        """,
        *("--url", site.url, "--debug", "-L"),
    )
    assert told.exit_code == 0, told.result
    for words in (f"GET {site.url}/a", "< 302 in", f"GET {site.url}/b", "< 200 in", "2 requests"):
        told.assert_says(words)
    told.assert_says("Authorization: (redacted)", "Cookie: (redacted)")
    assert "hush" not in told.text and "bWU6" not in told.text
    assert site.asked[1].cookies == "s=hush"
