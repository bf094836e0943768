"""URLs of sessions: what is sent, and what is none."""

from __future__ import annotations

import pytest

from loadgen.importers.locust.exceptions import InvalidSchema, InvalidURL, MissingSchema
from loadgen.importers.locust.session import check_url, requoted


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a b?c=d e", "http://h/a%20b?c=d%20e"),
        ("http://h/%7Bid%7D", "http://h/%7Bid%7D"),
        ("http://h/100%", "http://h/100%25"),
        ("http://h/50%zz", "http://h/50%25zz"),
        ("http://h/\u00fc", "http://h/%C3%BC"),
        ("http://h", "http://h/"),
        ("http://h?a=1", "http://h/?a=1"),
        ("http://h/[x]{y}", "http://h/[x]%7By%7D"),
    ],
)
def test_what_may_not_stand_in_a_url_is_encoded_once(url: str, expected: str) -> None:
    assert requoted(url) == expected
    assert requoted(requoted(url)) == expected


def test_user_and_password_leave_the_url() -> None:
    assert check_url("http://u%40x:p%3A@h:81/x") == ("http://h:81/x", ("u@x", "p:"))
    assert check_url("HTTP://h/x") == ("http://h/x", None)


def test_hosts_of_other_scripts_are_encoded() -> None:
    assert check_url("http://b\u00fccher.example/")[0] == "http://xn--bcher-kva.example/"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("/x", MissingSchema),
        ("", MissingSchema),
        ("foo://h/x", InvalidSchema),
        ("http://h:12x/", InvalidURL),
        ("http:///x", InvalidURL),
    ],
)
def test_what_is_no_url_is_refused_in_the_words_of_requests(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_url(url)
    assert issubclass(error, ValueError)
