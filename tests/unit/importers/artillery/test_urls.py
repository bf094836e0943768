"""URLs as Node writes them, queries and forms: each row is what Artillery sends for it."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.importers.artillery.urls import checked, form_text, with_query
from loadgen.importers.artillery.virtual_user import UNDEFINED, VuFailed


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/plain?a=b", "/plain?a=b"),
        ("/q?a={x}", "/q?a={x}"),
        ("/p{a}b", "/p%7Ba%7Db"),
        ("""/q?a="x"&b=<c>&d='e'&g=`|^~""", "/q?a=%22x%22&b=%3Cc%3E&d=%27e%27&g=`|^~"),
        ("""/p"x<c>'e'b`|^~""", "/p%22x%3Cc%3E'e'b%60|^~"),
        ("/a/../b/./c/", "/b/c/"),
        ("/a%2fb/%2e%2E/c", "/c"),
        ("/a/..", "/"),
        ("/../../a/.", "/a/"),
        ("/back\\slash?x=\\", "/back/slash?x=\\"),
        ("/empty?", "/empty"),
        ("/empty?#part", "/empty"),
        ("//double//x", "//double//x"),
        ("/a.b/.c?d=/./e", "/a.b/.c?d=/./e"),
        ("/go/http://a/{b}", "/go/http://a/%7Bb%7D"),
        ("http://host/{a}/../{b}?c={d}", "http://host/%7Bb%7D?c={d}"),
        ("http://host?x={a}", "http://host?x={a}"),
        ("/tab\tx?y=\n1 ", "/tabx?y=1"),
        ("/end[1]?a[]=1&b=$x,y;z:@!*()+", "/end[1]?a[]=1&b=$x,y;z:@!*()+"),
    ],
)
def test_urls(written: str, sent: str) -> None:
    assert checked(written) == sent


@pytest.mark.parametrize("url", ["x", " /x", "ftp://host/", ""])
def test_what_leads_nowhere_fails_the_virtual_user(url: str) -> None:
    with pytest.raises(VuFailed, match="Invalid URL - "):
        checked(url)


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ({"a": "b c", "l": [1, 2], "n": None, "o": {"k": 1}, "t": True}, "/x?a=b+c&l=1&l=2&n=&o=&t=true"),
        ({"a": "~*'{"}, "/x?a=%7E*%27%7B"),
        ({}, "/x?old=1#part"),  # nothing takes the place of nothing
        ({"a": []}, "/x?old=1#part"),
        ("a=b", "/x?a=b"),
    ],
)
def test_a_query_takes_the_place_of_the_urls(query: Any, url: str) -> None:
    assert with_query("/x?old=1#part", query) == url


def test_a_form_has_texts_of_everything() -> None:
    fields = {
        "a": [1, [2, None]],
        "b": UNDEFINED,
        "c": None,
        "d": {"k": 1},
        "e": 1.5,
        "f g": "~*'é",
        "h": True,
    }
    assert form_text(fields) == (
        "a=1%2C2%2C&b=undefined&c=null&d=%5Bobject+Object%5D&e=1.5&f+g=%7E*%27%C3%A9&h=true"
    )
