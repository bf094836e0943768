"""What is decided for the whole run is found in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loadgen.importers.locust.users import FastHttpUser, HttpUser
from loadgen.importers.locust.wide import find_wide

if TYPE_CHECKING:
    from pathlib import Path

    from loadgen.importers.locust.wide import Wide


class Plain(HttpUser):
    pass


class Careless(FastHttpUser):
    pass


class Sent(FastHttpUser):
    insecure = False
    proxy_host = "proxy"
    proxy_port = 8080
    max_retries = 2


def found_in(folder: Path, source: str, *classes: Any) -> Wide:
    file = folder / "locustfile.py"
    file.write_text(source)
    return find_wide([file], classes or [Plain])


@pytest.mark.parametrize(
    ("source", "fields", "said"),
    [
        ("client.get('/')", {}, ()),
        ("client.get('/', verify=True, stream=False, cert=None, proxies={})", {}, ()),
        ("client.get('/', verify=False)", {"insecure": True}, ("verify=False holds",)),
        ("self.fetch('/', verify=False)", {"insecure": True}, ("verify=False holds",)),
        ("self.client.verify = False", {"insecure": True}, ("verify=False holds",)),
        ("client.get('/', verify='ca.pem')", {"cacert": "ca.pem"}, ("verify='ca.pem' holds",)),
        ("client.get('/', verify=where)", {}, ("verify= is not heard everywhere: --cacert",)),
        ("client.cert = 'x.pem'", {"cert": "x.pem"}, ("cert='x.pem' holds",)),
        ("client.post('/', cert=('x', 'k'))", {"cert": "x", "key": "k"}, ("cert=('x', 'k') holds",)),
        ("connect('/', cert='x.pem')", {}, ()),
        ("a.get(x, cert='a'); a.get(x, cert='b')", {"cert": "a"}, ("cert='a' holds", "cert= is not heard")),
        (
            "client.get('/', proxies={'http': 'http://p:1', 'https': 'http://p:1'})",
            {"proxy": "http://p:1"},
            ("proxies=",),
        ),
        ("c.proxies = {'http': 'http://p:1', 'https': 'http://q:1'}", {}, ("proxies= is not heard",)),
        ("client.get('/', stream=True)", {}, ("stream=True",)),
        ("auth = HTTPDigestAuth('u', 'p')", {}, ("HTTPDigestAuth",)),
    ],
)
def test_what_is_said(tmp_path: Path, source: str, fields: dict[str, Any], said: tuple[str, ...]) -> None:
    wide = found_in(tmp_path, source)
    assert wide.fields == fields
    assert [note.startswith(word) for note, word in zip(wide.notes, said, strict=True)] == [True] * len(said)


def test_users_that_check_no_certificate_are_told_of_beside_those_that_do(tmp_path: Path) -> None:
    assert found_in(tmp_path, "", Careless) == ({"insecure": True}, ())
    both = found_in(tmp_path, "", Careless, Plain)
    assert both.fields == {"insecure": True}
    assert "Careless" in both.notes[0]


def test_what_classes_say_of_their_client(tmp_path: Path) -> None:
    wide = found_in(tmp_path, "", Sent)
    assert wide.fields == {"proxy": "http://proxy:8080"}
    assert wide.notes[1].startswith("Sent.max_retries is not heard")
