"""Digests as RFC 7616 computes them, and challenges as servers write them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from loadgen.auth import Bearer, Challenge, DigestAuth, challenge_in

# The example of RFC 7616, section 3.9.1.
MUFASA = DigestAuth("Mufasa", "Circle of Life")
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_rfc(algorithm: str, response: str) -> None:
    asked = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    challenge = challenge_in([asked])
    assert challenge is not None
    said = challenge.answer(MUFASA, "GET", "/dir/index.html", CNONCE)
    assert f'response="{response}"' in said
    assert 'nc=00000001, cnonce="f2/' in said
    assert "nc=00000002" in challenge.answer(MUFASA, "GET", "/", CNONCE)


def test_without_qop_it_is_as_of_old() -> None:
    """RFC 2069's example, with the response of its erratum."""
    challenge = Challenge(
        "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", None, None, False, False
    )
    said = challenge.answer(DigestAuth("Mufasa", "CircleOfLife"), "GET", "/dir/index.html")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in said
    assert "qop" not in said and "cnonce" not in said and "algorithm" not in said


@pytest.mark.parametrize(
    ("headers", "realm"),
    [
        (['Digest realm="a", nonce="n"'], "a"),
        (['Basic realm="no", Digest realm="a", nonce="n", Bearer realm="no"'], "a"),
        (['Basic realm="no"', 'digest Realm="a\\"b, c" , nonce = n'], 'a"b, c'),
        (['Digest realm="a", nonce="n", algorithm=SHA-512-256', 'Digest realm="b", nonce="n"'], "b"),
        (['Digest realm="a", nonce="n", qop="auth-int"'], None),
        (['Digest realm="a"'], None),
        (["Digest"], None),
        (['Basic realm="a"'], None),
        ([], None),
    ],
)
def test_challenges(headers: list[str], realm: str | None) -> None:
    found = challenge_in(headers)
    assert (found.realm if found else None) == realm


@pytest.mark.parametrize(
    "make", [lambda: Bearer("a\nb"), lambda: DigestAuth("a", "b\r"), lambda: DigestAuth("\0", "")]
)
def test_control_characters_are_refused_and_not_shown(make: Any) -> None:
    with pytest.raises(ValueError, match="has control characters"):
        make()


def test_no_secret_is_shown() -> None:
    assert not re.search("hush", f"{Bearer('hush')!r} {DigestAuth('me', 'hush')!r}")
