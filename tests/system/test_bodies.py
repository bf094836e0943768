"""Bodies through the front door: forms with files as servers read them, and answers that come encoded."""

from __future__ import annotations

import email
import email.policy
import gzip
import zlib
from typing import TYPE_CHECKING, Any

from tests.support.site import Asked, Site, answer, moved

if TYPE_CHECKING:
    from tests.conftest import RawServerFactory
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")


def parts(asked: Asked) -> list[tuple[Any, ...]]:
    """(name, file name, type, content), read by the standard library."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message: Any = email.message_from_bytes(head + asked.body, policy=email.policy.HTTP)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type() if "content-type" in part else "",
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def test_files_come_as_they_were_sent(scripts: Scripts, raw_server: RawServerFactory) -> None:
    """Also when a request is tried again, or sent on: a file can be read only once."""
    answers = iter([answer(503), answer(307, "Location: /there", body=b""), answer(), answer(), answer()])
    site = Site(raw_server, lambda _: next(answers))
    told = scripts(
        """\
        from loadgen import Retry, User, scenario

        @scenario
        async def visit(user: User) -> None:
            with open("notes.txt", "wb") as file:
                file.write(b"a\\r\\nb")
            with open("notes.txt", "rb") as file:
                page = await user.put(
                    "/", data={"n": 1, "many": ["x", "y"]}, files={"f": file}, follow_redirects=True,
                    retry=Retry(backoff="1ms"),
                )
            assert page.status == 200
            files = {"a": b"1", "b": ("b.bin", b"\\0"), "c": ("c", "3", "text/x-c")}
            page = await user.post("/", files=files)
            assert page.status == 200
            await user.post("/", files=[("q", ('we"ird\\r\\n', "1")), ("f", (None, "field"))])
            for wrong in ({"a": 7}, {"a": ("x",)}):
                try:
                    await user.post("/", files=wrong)
                except TypeError as error:
                    assert "files['a']" in str(error)
                else:
                    raise AssertionError
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    form = [
        ("n", None, "", b"1"),
        ("many", None, "", b"x"),
        ("many", None, "", b"y"),
        ("f", "notes.txt", "text/plain", b"a\r\nb"),
    ]
    assert [(asked.target, parts(asked)) for asked in site.asked[:3]] == [
        ("/", form),
        ("/", form),
        ("/there", form),
    ]
    assert parts(site.asked[3]) == [
        ("a", "upload", "application/octet-stream", b"1"),
        ("b", "b.bin", "application/octet-stream", b"\0"),
        ("c", "c", "text/x-c", b"3"),
    ]
    assert parts(site.asked[4]) == [
        ("q", "we%22ird%0D%0A", "application/octet-stream", b"1"),
        ("f", None, "", b"field"),
    ]


def test_encoded_answers_are_read_as_they_were_meant(scripts: Scripts, raw_server: RawServerFactory) -> None:
    def pages(asked: Asked) -> bytes:
        packed = gzip.compress(b'{"a": 1}')
        match asked.target:
            case "/gzip":
                return answer(200, "content-encoding: GZIP", body=packed)
            case "/both":
                return answer(
                    200, "Content-Encoding: deflate, gzip", body=gzip.compress(zlib.compress(b"hello"))
                )
            case "/chunked":
                head = b"HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                return head + f"{len(packed):x}\r\n".encode() + packed + b"\r\n0\r\n\r\n"
            case "/magic":
                return answer(200, "Content-Encoding: magic", body=b"as it is")
            case _:
                return answer(200, "Content-Encoding: gzip", body=b"not gzip")

    site = Site(raw_server, pages)
    told = scripts(
        """\
        from loadgen import Plan, User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/gzip")
            assert page.json() == {"a": 1} and page.text == '{"a": 1}'
            assert page.headers["Content-Encoding"] == "GZIP"
            assert page.num_bytes_downloaded == int(page.headers["Content-Length"])
            assert (await user.get("/both")).content == b"hello"
            assert (await user.get("/chunked")).json() == {"a": 1}
            assert (await user.get("/magic")).text == "as it is"
            broken = await user.get("/broken")
            assert broken.status == 200
            broken.content

        plan = Plan(compression=True)
        """,
        *("--url", site.url, *ONE),
    )
    assert {asked.headers["accept-encoding"] for asked in site.asked} == {"gzip, deflate, br, zstd"}
    assert told.summary["arrivals"]["failed"] == 1, told.result
    told.assert_says("ValueError", "the body is not gzip, though its Content-Encoding says so")
    told.assert_points_at("broken.content", quoted=False)


def test_a_bomb_is_an_error_of_the_script_that_names_the_limit(
    scripts: Scripts, raw_server: RawServerFactory
) -> None:
    bomb = gzip.compress(bytes(65 << 20))
    site = Site(raw_server, lambda _: answer(200, "Content-Encoding: gzip", body=bomb))
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            page = await user.get("/")
            user.expect(page.status == 200, "answered")
            user.expect(page.text, "read")
        """,
        *("--url", site.url, *ONE),
    )
    (check,) = told.summary["checks"]
    assert check["passed"] == 1, told.result
    told.assert_says("decoded, the body is larger than the limit of 64 MiB")
    assert len(site.asked) == 1


def test_the_order_of_options_means_nothing(scripts: Scripts, raw_server: RawServerFactory) -> None:
    """And what a plan says of redirects holds before the load as well."""
    site = Site(raw_server, lambda asked: moved("/home") if asked.target == "/once" else answer())
    told = scripts(
        """\
        from loadgen import Plan, User, once, scenario

        @once
        async def prepare(user: User) -> None:
            page = await user.get("/once")
            assert page.url.endswith("/home") and len(page.history) == 1

        @scenario
        async def visit(user: User) -> None:
            await user.post("/", json={}, tags={"a": "b"}, name="mine", headers={"Content-Type": "text/x"})

        plan = Plan(follow_redirects=True)
        """,
        *("--url", site.url, *ONE),
    )
    assert told.summary["arrivals"]["completed"] == 1, told.result
    assert [asked.target for asked in site.asked] == ["/once", "/home", "/"]
    assert site.asked[2].headers["content-type"] == "text/x"
    assert "mine [a=b]" in {label["label"] for label in told.summary["labels"]}
