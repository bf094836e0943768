"""A site that asks for a digest, and takes each count of a nonce once. Over tests.support.site."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING

from tests.support.site import answer

if TYPE_CHECKING:
    from tests.support.site import Asked


class Guard:
    """Lets `me` with `secret` in. A nonce is stale after `lasts` requests; with `many`, several hold."""

    def __init__(self, algorithm: str, lasts: int = 1000, *, many: bool = False) -> None:
        self.algorithm = algorithm
        self.lasts = lasts
        self.many = many
        self.nonce = 0
        self._counts: dict[str, set[str]] = {}  # that were taken, by the nonce
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> bytes:
        with self._lock:
            return self._answer(asked)

    def _answer(self, asked: Asked) -> bytes:
        header = asked.headers.get("authorization", "")
        fields = {name: a or b for name, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
        if not header.startswith("Digest ") or fields["nonce"] not in self._counts:
            return self.ask(stale="nonce" in fields)
        counts = self._counts[fields["nonce"]]
        if len(counts) >= self.lasts:
            return self.ask(stale=True)
        assert fields["nc"] not in counts and fields["opaque"] == "o,p"
        counts.add(fields["nc"])
        assert self.many or fields["nc"] == f"{len(counts):08x}"
        right = self.right_answer(asked, fields)
        return answer() if fields["response"] == right else answer(401, self.challenge(stale=False))

    def right_answer(self, asked: Asked, fields: dict[str, str]) -> str:
        def digest(text: str) -> str:
            name = self.algorithm.removesuffix("-sess").replace("-", "").lower()
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        assert fields["uri"] == asked.target
        secret = digest("me:the realm:secret")
        if self.algorithm.endswith("-sess"):
            secret = digest(f"{secret}:{fields['nonce']}:{fields['cnonce']}")
        asks = digest(f"{asked.method}:{asked.target}")
        return digest(f"{secret}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth:{asks}")

    def ask(self, *, stale: bool) -> bytes:
        self.nonce += 1
        if not self.many:
            self._counts.clear()
        self._counts[f"n{self.nonce}"] = set()
        return answer(401, 'WWW-Authenticate: Basic realm="no"', self.challenge(stale=stale))

    def challenge(self, *, stale: bool) -> str:
        said = f'realm="the realm", nonce="n{self.nonce}", qop="auth-int,auth", opaque="o,p"'
        return f"WWW-Authenticate: Digest {said}, algorithm={self.algorithm}{', stale=true' if stale else ''}"
