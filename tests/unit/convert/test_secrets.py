from __future__ import annotations

import pytest

from loadgen.convert.draft import Draft
from loadgen.convert.secrets import is_secret, without_secrets, without_userinfo
from loadgen.convert.source import Code


@pytest.mark.parametrize(
    ("name", "value", "is_one"),
    [
        ("password", "p", True),
        ("newPassword", "p", True),
        ("x-api-key", "k", True),
        ("Authorization", "a", True),
        ("session_id", "s", True),
        ("author", "Ann", False),
        ("coauthors", "Ann", False),
        ("key", "color", False),
        ("token_type", "bearer", False),
        ("max_tokens", 5, False),
        ("password", "", False),
        ("password", "{{password}}", False),
        ("title", "secret", False),
    ],
)
def test_a_secret_is_a_text_under_a_name_that_tells(name: str, value: object, is_one: bool) -> None:
    assert is_secret(name, value) is is_one


def test_each_secret_has_a_constant_of_its_own_and_each_is_told_once() -> None:
    draft = Draft(about="", parts=[])
    given = {
        "password": "a",
        "again": [{"password": "b"}, {"password": "a"}],
        "pairs": [("token", "c"), ("q", "d")],
    }
    assert without_secrets(draft, given) == {
        "password": Code("PASSWORD"),
        "again": [{"password": Code("PASSWORD_2")}, {"password": Code("PASSWORD")}],
        "pairs": [("token", Code("TOKEN")), ("q", "d")],
    }
    assert len(draft.notes) == len(draft.constants) == 3


def test_who_asks_is_taken_out_of_a_url() -> None:
    draft = Draft(about="", parts=[])
    assert without_userinfo(draft, "http://me:p%40@h.example:80/a@b?c") == (
        "http://h.example:80/a@b?c",
        ("me", Code("PASSWORD")),
    )
    assert without_userinfo(draft, "/a@b") == ("/a@b", None)
