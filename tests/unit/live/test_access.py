"""Who may look at the live page: what browsers can be made to do by others, and what they cannot."""

from __future__ import annotations

import pytest

from loadgen.errors import UsageError
from loadgen.live.access import Access, Address

LOOPBACK = Access.of(Address("127.0.0.1", 8080))
PUBLIC = Access(host="load.example", loopback=False, token="secret")  # noqa: S106


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0, True),
        ("8080", "127.0.0.1", 8080, True),
        ("127.0.0.2:0", "127.0.0.2", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),
        ("[::]:8080", "::", 8080, False),
        ("10.1.2.3:8080", "10.1.2.3", 8080, False),
        ("load.example:8080", "load.example", 8080, False),
    ],
)
def test_addresses(text: str, host: str, port: int, loopback: bool) -> None:
    address = Address.parse(text, "--page")
    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":80", "host:99999", "host:" + "9" * 5000, "http://127.0.0.1:8000/x", "1:-1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--page: expected HOST:PORT such as ") as caught:
        Address.parse(text, "--page")
    assert caught.value.hint is not None
    assert "--page=127.0.0.1:0" in caught.value.hint


def test_only_beyond_loopback_there_is_a_token_and_each_time_another() -> None:
    assert LOOPBACK.token is None
    one, other = (Access.of(Address("0.0.0.0", 0)).token for _ in range(2))
    assert one is not None and other is not None and one != other
    assert len(one) >= 20


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("127.0.0.1:8080", False),
        ("localhost:9999", False),  # through a tunnel
        ("[::1]:8080", False),
        ("evil.example:8080", True),
        ("127.0.0.1.evil.example", True),
        ("10.0.0.1:8080", True),
        ("", True),
        ("[", True),
    ],
)
def test_a_foreign_name_that_leads_here_is_refused(host: str, refused: bool) -> None:
    assert (LOOPBACK.refusal("/", [host], [], feed=False) is not None) is refused


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "127.0.0.1"]])
def test_there_is_one_host(hosts: list[str]) -> None:
    assert LOOPBACK.refusal("/", hosts, [], feed=False) is not None


@pytest.mark.parametrize(
    ("origins", "refused"),
    [
        (["http://127.0.0.1:8080"], False),
        (["https://127.0.0.1:8080"], False),  # behind a proxy
        (["http://127.0.0.1:8081"], True),
        (["http://evil.example"], True),
        (["null"], True),
        ([], True),
    ],
)
def test_only_its_own_page_opens_the_feed(origins: list[str], refused: bool) -> None:
    assert (LOOPBACK.refusal("/feed", ["127.0.0.1:8080"], origins, feed=True) is not None) is refused


@pytest.mark.parametrize(
    ("path", "host", "refused"),
    [
        ("/?token=secret", "load.example:80", False),
        ("/?token=secret", "10.1.2.3:80", False),
        ("/?token=secret", "evil.example", True),
        ("/?token=Secret", "load.example", True),
        ("/?token=", "load.example", True),
        ("/?token=sécret", "load.example", True),
        ("/", "load.example", True),
    ],
)
def test_beyond_loopback_the_token_opens(path: str, host: str, refused: bool) -> None:
    assert (PUBLIC.refusal(path, [host], [], feed=False) is not None) is refused
    assert (PUBLIC.refusal(path, [host], [f"http://{host}"], feed=True) is not None) is refused
