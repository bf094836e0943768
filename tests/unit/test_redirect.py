"""Redirects by the rules that httpx and browsers have, a line for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from loadgen.redirect import next_hop

BASE = "http://shop.test/api"


@dataclass
class Answer:
    status: int = 302
    method: str = "GET"
    url: str = "http://shop.test/api/a/b?q=1"
    headers: dict[str, str] = field(default_factory=dict)


def to(location: str, **fields: Any) -> Answer:
    return Answer(headers={"location": location}, **fields)


@pytest.mark.parametrize(
    ("location", "url", "label", "why"),
    [
        ("/c", "http://shop.test/c", "GET /c", "a path counts from the host, not from the base"),
        ("c?d=1", "http://shop.test/api/a/c?d=1", "GET /api/a/c", "or from where it was"),
        ("?d=1", "http://shop.test/api/a/b?d=1", "GET /api/a/b", "a query alone"),
        ("//x.test/c", "http://x.test/c", "GET x.test/c", "another host is in the label"),
        ("http://shop.test:80/", "http://shop.test:80/", "GET /", "a port that is meant anyhow is none"),
        ("http://shop.test:81", "http://shop.test:81", "GET shop.test:81/", "another is another place"),
        ("http://u:p@x.test/", "http://u:p@x.test/", "GET x.test/", "a password is in no label"),
        ("/{id}", "http://shop.test/%7Bid%7D", "GET /%7Bid%7D", "braces are not names of ours"),
        ("/caf\u00c3\u00a9", "http://shop.test/caf\u00e9", "GET /caf\u00e9", "UTF-8, as servers send it"),
    ],
)
def test_where_it_leads(location: str, url: str, label: str, why: str) -> None:
    hop = next_hop(to(location), {}, BASE)
    assert hop is not None, why
    assert (hop.url, hop.label) == (url, label), why


@pytest.mark.parametrize(
    "answer", [to("/c", status=200), to("/c", status=304), to("/c", status=300), Answer(302), Answer(0)]
)
def test_what_is_no_redirect(answer: Answer) -> None:
    assert next_hop(answer, {}, BASE) is None


def test_what_goes_along() -> None:
    options = {
        "params": {"q": 1},
        "path": {"id": 1},
        "name": "order",
        "json": {},
        "headers": {"X-Api": "1", "AUTHORIZATION": "x", "Host": "b", "Content-Type": "text/x"},
        "cookies": {"a": "1"},
        "auth": ("me", "x"),
        "timeout": 1,
        "tags": {"a": "b"},
    }
    same = next_hop(to("/c", status=307, method="POST"), options, BASE)
    assert same is not None
    assert same.options == {name: options[name] for name in options if name not in ("params", "path", "name")}
    away = next_hop(to("https://shop.test/c", status=303, method="POST"), options, BASE)
    assert away is not None and away.method == "GET"
    assert away.options == {
        "headers": [("X-Api", "1")],
        "cookies": None,
        "auth": None,
        "_trusted": False,
        "timeout": 1,
        "tags": {"a": "b"},
    }
