"""What is decided for the whole run is found in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadgen.importers.locust.wide import find_wide

if TYPE_CHECKING:
    from pathlib import Path


class Plain:
    pass


class Careless:
    insecure = True


@pytest.mark.parametrize(
    ("source", "insecure", "said"),
    [
        ("client.get('/')", False, ()),
        ("client.get('/', verify=True, stream=False, cert=None)", False, ()),
        ("client.get('/', verify=False)", True, ("verify=False",)),
        ("self.client.verify = False", True, ("verify=False",)),
        ("client.get('/', stream=True)", False, ("stream=True",)),
        ("client.get('/', proxies={'http': 'x'})", False, ("proxies=",)),
        ("client.cert = 'x.pem'", False, ("cert=",)),
        ("auth = HTTPDigestAuth('u', 'p')", False, ("HTTPDigestAuth",)),
    ],
)
def test_what_is_said(tmp_path: Path, source: str, insecure: bool, said: tuple[str, ...]) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text(source)
    wide = find_wide([file], [Plain])
    assert wide.insecure is insecure
    assert [note.startswith(word) for note, word in zip(wide.notes, said, strict=True)] == [True] * len(said)


def test_users_that_check_no_certificate_are_told_of_beside_those_that_do(tmp_path: Path) -> None:
    file = tmp_path / "locustfile.py"
    file.write_text("")
    assert find_wide([file], [Careless]) == (True, ())
    both = find_wide([file], [Careless, Plain])
    assert both.insecure
    assert "Careless" in both.notes[0]
