"""`stream=True`: a response is read while it comes, by either client, and counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recorded_requests import Answer, RecordedRequests

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.locustfiles import Locustfiles

BOTH = pytest.mark.parametrize("kind", ["HttpUser", "FastHttpUser"])


@BOTH
def test_an_endless_body_is_read_as_far_as_one_likes(
    locustfiles: Locustfiles, target: Target, kind: str
) -> None:
    run = locustfiles.do(
        kind,
        """
        with self.client.get("/events?count=999&every=9", name="feed", stream=True, catch_response=True) as r:
            lines = r.iter_lines()
            print(r.status_code, [bool(next(lines)) for _ in range(2)])
            r.failure("enough")
        r = self.client.get("/events?count=9999&every=20", stream=True, name="closed")
        print(bool(next(r.iter_content(4))))
        r.close()
        self.client.get("/events?count=9999&every=20", stream=True, name="never read")
        """,
        target.url,
    )
    assert run.errors == []
    assert run.printed[:2] == ["200 [True, True]", "True"]
    assert run.labels == {"GET feed": (1, 1), "GET closed": (1, 0), "GET never read": (1, 0)}
    assert run.failures == {"feed": "CatchResponseError('enough')"}


@BOTH
def test_what_is_streamed_is_what_would_have_come_whole(locustfiles: Locustfiles, kind: str) -> None:
    answers = {
        "/text": Answer(
            headers=(("Content-Type", "text/plain; charset=utf-8"),), body="ä1\nb2\r\nc3".encode()
        ),
        "/hop": Answer(302, (("Location", "/text"),), body=b"moved"),
        "/missing": Answer(404, body=b"no"),
    }
    with RecordedRequests(answers) as server:
        run = locustfiles.do(
            kind,
            """
            get = lambda path: self.client.get(path, stream=True)
            print(ascii(get("/text").text), get("/text").content == get("/text").content)
            print(b"".join(get("/text").raw.read(2) for _ in range(1)), get("/text").raw.readline())
            r = get("/hop")
            print(r.status_code, [one.status_code for one in r.history], len(r.content))
            r = get("/missing")
            print(r.status_code, r.ok, r.text)
            """,
            server.url,
        )
    assert run.errors == []
    assert run.printed[:4] == [
        "'\\xe41\\nb2\\r\\nc3' True",
        "b'\\xc3\\xa4' b'\\xc3\\xa41\\n'",
        "200 [302] 10",
        "404 False no",
    ]
    assert run.labels == {"GET /text": (5, 0), "GET /hop": (1, 0), "GET /missing": (1, 1)}


def test_pieces_that_have_come_together_are_read_apart(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.do(
        "HttpUser",
        """
        import time
        raw = self.client.get("/bytes/500000", stream=True).raw
        time.sleep(0.3)
        print([len(raw.read(size)) for size in (3, 5, -1)])
        whole = self.client.get("/events?count=50&every=0").content
        raw = self.client.get("/events?count=50&every=0", stream=True).raw
        time.sleep(0.3)
        print(len(list(iter(raw.readline, b""))) - whole.count(b"\\n"))
        """,
        target.url,
    )
    assert run.errors == []
    assert run.printed[:2] == ["[3, 5, 499992]", "0"]


def test_lines_of_the_fast_client_come_one_by_one(locustfiles: Locustfiles, target: Target) -> None:
    run = locustfiles.do(
        "FastHttpUser",
        """
        lines = self.client.iter_lines("/events?count=9999&every=20")
        print(type(next(lines)).__name__)
        """,
        target.url,
    )
    assert run.errors == []
    assert run.printed[0] == "str"
