"""Who a request is from, through the front door: servers that ask for it, and files that must not have it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.site import Asked, Site, answer

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


class Guard:
    """Asks for a digest, and takes each count of a nonce once. A nonce is stale after `lasts` requests."""

    def __init__(self, algorithm: str, lasts: int = 1000) -> None:
        self.algorithm = algorithm
        self.lasts = lasts
        self.nonce = 0
        self.count = 0

    def __call__(self, asked: Asked) -> bytes:
        header = asked.headers.get("authorization", "")
        fields = {name: a or b for name, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
        if not header.startswith("Digest ") or fields["nonce"] != f"n{self.nonce}":
            return self.ask(stale="nonce" in fields)
        if self.count >= self.lasts:
            return self.ask(stale=True)
        self.count += 1
        assert fields["nc"] == f"{self.count:08x}" and fields["opaque"] == "o,p"
        right = self.right_answer(asked, fields)
        return answer() if fields["response"] == right else answer(401, self.challenge(stale=False))

    def right_answer(self, asked: Asked, fields: dict[str, str]) -> str:
        def digest(text: str) -> str:
            name = self.algorithm.removesuffix("-sess").replace("-", "").lower()
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        assert fields["uri"] == asked.target
        secret = digest("me:the realm:secret")
        if self.algorithm.endswith("-sess"):
            secret = digest(f"{secret}:{fields['nonce']}:{fields['cnonce']}")
        asks = digest(f"{asked.method}:{asked.target}")
        return digest(f"{secret}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth:{asks}")

    def ask(self, *, stale: bool) -> bytes:
        self.nonce += 1
        self.count = 0
        return answer(401, 'WWW-Authenticate: Basic realm="no"', self.challenge(stale=stale))

    def challenge(self, *, stale: bool) -> str:
        said = f'realm="the realm", nonce="n{self.nonce}", qop="auth-int,auth", opaque="o,p"'
        return f"WWW-Authenticate: Digest {said}, algorithm={self.algorithm}{', stale=true' if stale else ''}"


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
