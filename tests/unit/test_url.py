"""URLs as people write them, and what goes over the wire."""

from __future__ import annotations

import re

import pytest

from loadgen.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:8000/items?x=1", "http://127.0.0.1:8000/items?x=1"),
        ("http://host", "http://host/"),
        ("http://host:80/a", "http://host/a"),
        ("host:8000/a", "http://host:8000/a"),
        ("localhost", "http://localhost/"),
        ("HTTP://Host/A", "http://host/A"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
        ("http://host?q=1", "http://host/?q=1"),
        ("http://host/a#fragment", "http://host/a"),
        ("http://host/ä b/%20?q=ö&r=%41", "http://host/%C3%A4%20b/%20?q=%C3%B6&r=%41"),
        ("http://host/100%", "http://host/100%25"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("host/?to=http://other/", "http://host/?to=http://other/"),
        ("http://host/a;b=c,d/:@", "http://host/a;b=c,d/:@"),
    ],
)
def test_urls_become_ascii_and_complete(text: str, expected: str) -> None:
    assert parse_url(text).text == expected


def test_user_and_password_are_kept_apart() -> None:
    url = parse_url("http://me:p%40ss@host/")
    assert (url.text, url.userinfo) == ("http://host/", "me:p@ss")


def test_a_zone_stays_on_this_machine() -> None:
    url = parse_url("http://[fe80::1%25lo]:81/")
    assert (url.host, url.authority) == ("fe80::1%25lo", "[fe80::1]:81")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://host/", 'the scheme "ftp" is not supported: give an http or https URL'),
        ("http://", 'expected a URL such as "http://127.0.0.1:8000/items", got "http://"'),
        ("", "expected a URL"),
        ("http://host:99999/", "Port out of range"),
        ("http://host:0/", "expected a URL"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http://a b/", '"a b" is not a host name'),
        ("http://host/\n", "expected a URL"),
        ("http://host/\x00", "expected a URL"),
        (f"http://{'x' * 64}/", "is not a host name"),
    ],
)
def test_what_is_no_url_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_url(text)


def test_a_password_never_reaches_a_message() -> None:
    with pytest.raises(ValueError, match="got") as caught:
        parse_url("http://me:secret@host:99999/")
    assert "secret" not in str(caught.value)


def test_the_default_port_is_not_named() -> None:
    assert Url("host", 80, "/", None).authority == "host"
