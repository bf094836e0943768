"""Who a request says it is from: a token, or the answer to a server's challenge (RFC 7616). It sends nothing.

A user and password as a plain tuple are Basic, which the engine writes itself. No secret is in any `repr`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from loadgen.discreet import Discreet
from loadgen.engine_plan import AuthPlan, basic_authorization

_EXPECTED = 'expected ("user", "password"), Bearer("token") or DigestAuth("user", "password")'
_PARAMETER = re.compile(r'\s*([A-Za-z*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Bearer(Discreet, frozen=True):
    """A token, in `Authorization: Bearer`."""

    token: str

    def __post_init__(self) -> None:
        _check("token", self.token)

    @property
    def authorization(self) -> str:
        """The value of the header."""
        return f"Bearer {self.token}"


class DigestAuth(Discreet, frozen=True):
    """A user and password, proved by an answer to the server's challenge: MD5 or SHA-256, qop=auth."""

    username: str
    password: str

    def __post_init__(self) -> None:
        _check("username", self.username)
        _check("password", self.password)


class Challenge(Struct):
    """What a server asked, and how often it was answered."""

    realm: str
    nonce: str
    algorithm: str | None  # as it came; None means MD5
    opaque: str | None
    qop: bool
    stale: bool
    answers: int = 0

    def answer(self, auth: DigestAuth, method: str, target: str, cnonce: str | None = None) -> str:
        """The value of `Authorization` for one request. `cnonce` is drawn unless given."""
        self.answers += 1
        count = f"{self.answers:08x}"
        cnonce = cnonce or os.urandom(8).hex()
        name = (self.algorithm or "MD5").upper()
        digest = _hash(_HASHES[name.removesuffix("-SESS")])
        secret = digest(f"{auth.username}:{self.realm}:{auth.password}")
        if name.endswith("-SESS"):
            secret = digest(f"{secret}:{self.nonce}:{cnonce}")
        asked = digest(f"{method}:{target}")
        middle = f"{count}:{cnonce}:auth:" if self.qop else ""
        parts = [
            f'username="{_escaped(auth.username)}"',
            f'realm="{_escaped(self.realm)}"',
            f'nonce="{_escaped(self.nonce)}"',
            f'uri="{target}"',
            f'response="{digest(f"{secret}:{self.nonce}:{middle}{asked}")}"',
        ]
        if self.algorithm:
            parts.append(f"algorithm={self.algorithm}")
        if self.opaque is not None:
            parts.append(f'opaque="{_escaped(self.opaque)}"')
        if self.qop:
            parts += ["qop=auth", f"nc={count}", f'cnonce="{cnonce}"']
        return f"Digest {', '.join(parts)}"


def challenge_in(headers: Sequence[str]) -> Challenge | None:
    """The first Digest challenge in `WWW-Authenticate` that can be answered: servers name the best first."""
    for header in headers:
        for start in re.finditer(r"(?:^|,)\s*Digest\s+", header, re.IGNORECASE):
            found = _parameters(header[start.end() :])
            algorithm = found.get("algorithm")
            known = (algorithm or "MD5").upper().removesuffix("-SESS") in _HASHES
            qop = [one.strip().lower() for one in found.get("qop", "").split(",")]
            if "nonce" in found and "realm" in found and known and (qop == [""] or "auth" in qop):
                return Challenge(
                    realm=found["realm"],
                    nonce=found["nonce"],
                    algorithm=algorithm,
                    opaque=found.get("opaque"),
                    qop="auth" in qop,
                    stale=found.get("stale", "").lower() == "true",
                )
    return None


def compile_auth(auth: object) -> AuthPlan:
    """What `Plan(auth=…)` says. The words of a mistake hold nothing of what was given."""
    if isinstance(auth, AuthPlan):
        return auth
    if isinstance(auth, Bearer):
        return AuthPlan("bearer", "", auth.token)
    if isinstance(auth, DigestAuth):
        return AuthPlan("digest", auth.username, auth.password)
    if isinstance(auth, (tuple, list)) and len(auth) == 2 and all(isinstance(part, str) for part in auth):
        user, password = auth
        if ":" in user:
            raise ValueError("the name of a user has no colon")
        return AuthPlan("basic", user, password)
    raise ValueError(f"{_EXPECTED}, got {type(auth).__name__}")


def authorization_of(plan: AuthPlan | None) -> str | None:
    """The header that all requests to the base have, where it is known beforehand."""
    if plan is None or plan.kind == "digest":
        return None
    if plan.kind == "bearer":
        return Bearer(plan.secret).authorization
    return basic_authorization(f"{plan.username}:{plan.secret}")


def digest_of(plan: AuthPlan | None) -> DigestAuth | None:
    """Where it is answers to challenges."""
    return DigestAuth(plan.username, plan.secret) if plan is not None and plan.kind == "digest" else None


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        name, inner, bare = match.groups()
        found.setdefault(name.lower(), bare if inner is None else re.sub(r"\\(.)", r"\1", inner))
        at = match.end()
    return found


def _hash(name: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _check(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{field}: expected text, got {type(value).__name__}")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError(f"{field}: has control characters")
