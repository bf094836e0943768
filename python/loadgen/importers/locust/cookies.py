"""The cookies of a session, as `requests` has them, on the engine's jar of the user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from loadgen._engine import Cookies
    from loadgen.user import User


class CookieJar(MutableMapping[str, str]):
    """`session.cookies`: those without a domain are for the host of the user."""

    def __init__(self, user: User | None, base_url: str) -> None:
        self._user = user
        self._host = urlsplit(base_url).hostname or ""

    @property
    def _cookies(self) -> Cookies:
        if self._user is None:
            raise RuntimeError("cookies belong to a user: use self.client")
        return self._user.cookies

    def set(self, name: str, value: str | None, **options: Any) -> None:
        """With `domain` and `path`, if they are given. A cookie that is None goes."""
        if value is None:
            self._cookies.clear(options.get("domain"), options.get("path")) if not name else self.pop(
                name, None
            )
            return
        domain = options.get("domain") or self._host
        self._cookies.set(name, str(value), domain, options.get("path") or "/")

    def set_cookie(self, cookie: Any) -> None:
        """One of `http.cookiejar`."""
        self.set(cookie.name, cookie.value, domain=cookie.domain, path=cookie.path)

    def get(self, name: str, default: Any = None, domain: str | None = None, path: str | None = None) -> Any:
        """Its value."""
        return self._cookies.get(name, default, domain, path)

    def get_dict(self, domain: str | None = None, path: str | None = None) -> dict[str, str]:
        """All of them by name."""
        names = self._cookies.keys()
        found = {name: self._cookies.get(name, None, domain, path) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Forgets them."""
        if name is not None:
            self._cookies.delete(name, domain, path)
        else:
            self._cookies.clear(domain, path)

    clear_session_cookies = clear

    def update(self, other: Any = (), /, **more: str) -> None:
        """Adds those of a mapping or of another jar."""
        for name, value in pairs_of(other):
            self[name] = value
        for name, value in more.items():
            self[name] = value

    def copy(self) -> dict[str, str]:
        """As they are now."""
        return self.get_dict()

    def __getitem__(self, name: str) -> str:
        return self._cookies[name]

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        del self._cookies[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cookies.keys())

    def __len__(self) -> int:
        return len(self._cookies)


def pairs_of(cookies: Mapping[str, str] | Iterable[Any] | None) -> list[tuple[str, str]]:
    """Names and values of a mapping, of pairs, or of a jar of `http.cookiejar`."""
    if cookies is None:
        return []
    items: Any = cookies.items() if isinstance(cookies, Mapping) or hasattr(cookies, "items") else cookies
    pairs = [item if isinstance(item, tuple) else (item.name, item.value) for item in items]
    return [(str(name), str(value)) for name, value in pairs if value is not None]
