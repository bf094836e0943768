"""Headers in any case, whose owner hears of changes."""

from __future__ import annotations

from loadgen.importers.locust.mapping import CaseInsensitiveDict


def test_names_are_found_in_any_case_and_sent_as_they_were_spelt_last() -> None:
    headers = CaseInsensitiveDict({"Accept": "a"}, accept="b")
    assert headers["ACCEPT"] == "b"
    assert dict(headers) == {"accept": "b"}
    assert "aCCept" in headers
    assert headers == {"ACCEPT": "b"}
    assert headers != {"Accept": "c"}


def test_a_copy_is_its_own() -> None:
    headers = CaseInsensitiveDict({"A": "1"})
    headers.copy()["A"] = "2"
    assert headers["a"] == "1"


def test_every_change_is_told() -> None:
    told: list[str] = []
    headers = CaseInsensitiveDict({"A": "1"}, changed=lambda: told.append("changed"))
    assert told == []
    headers["B"] = "2"
    headers.update({"C": "3"})
    del headers["b"]
    headers.setdefault("D", "4")
    headers.pop("a")
    assert len(told) == 5
