"""The cookies of a session, as `requests` has them, on the engine's jar of the user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from loadgen._engine import Cookies
    from loadgen.user import User


class Jar:
    """Cookies by name. It yields `http.cookiejar.Cookie`, and `in` knows names and cookies."""

    def __init__(self, found: Mapping[str, str] | None = None) -> None:
        self._found = found or {}

    def items(self) -> list[tuple[str, str]]:
        """Names and values."""
        return list(self._found.items())

    def keys(self) -> list[str]:
        """Names."""
        return [name for name, _ in self.items()]

    def values(self) -> list[str]:
        """Values."""
        return [value for _, value in self.items()]

    def get(self, name: str, default: Any = None, domain: str | None = None, path: str | None = None) -> Any:
        """A value."""
        del domain, path
        return self._found.get(name, default)

    def get_dict(self, domain: str | None = None, path: str | None = None) -> dict[str, str]:
        """All of them by name."""
        found = {name: self.get(name, None, domain, path) for name in self.keys()}
        return {name: value for name, value in found.items() if value is not None}

    def copy(self) -> Jar:
        """As they are now."""
        return Jar(self.get_dict())

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return str(value)

    def __iter__(self) -> Iterator[Cookie]:
        return (_cookie(name, value) for name, value in self.items())

    def __contains__(self, one: object) -> bool:
        return (one.name if isinstance(one, Cookie) else one) in self.keys()

    def __len__(self) -> int:
        return len(self.items())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.items()}>"


class CookieJar(Jar):
    """`session.cookies`: those without a domain are for the host of the user."""

    def __init__(self, user: User | None, base_url: str) -> None:
        super().__init__()
        self._user = user
        self._host = urlsplit(base_url).hostname or ""

    @property
    def _cookies(self) -> Cookies:
        if self._user is None:
            raise RuntimeError("cookies belong to a user: use self.client")
        return self._user.cookies

    def items(self) -> list[tuple[str, str]]:
        """Names and values."""
        return self._cookies.items()

    def get(self, name: str, default: Any = None, domain: str | None = None, path: str | None = None) -> Any:
        """A value."""
        return self._cookies.get(name, default, domain, path)

    def set(self, name: str, value: Any, **options: Any) -> None:
        """With `domain` and `path`, if they are given. A cookie that is None goes."""
        domain, path = options.get("domain"), options.get("path")
        if value is None:
            if name in self:
                self._cookies.delete(name, domain, path)
            return
        text = value.value if hasattr(value, "value") else value
        self._cookies.set(name, str(text), domain or self._host, path or "/")

    def set_cookie(self, cookie: Any, *_: Any, **__: Any) -> None:
        """One of `http.cookiejar`."""
        self.set(cookie.name, cookie.value, domain=cookie.domain, path=cookie.path)

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Forgets them."""
        if name is not None:
            self._cookies.delete(name, domain, path)
        else:
            self._cookies.clear(domain, path)

    clear_session_cookies = clear

    def update(self, other: Any = (), /, **more: str) -> None:
        """Adds those of a mapping or of another jar."""
        for name, value in [*pairs_of(other), *more.items()]:
            self[name] = value

    def pop(self, name: str, *default: Any) -> Any:
        """A value, of which the cookie goes."""
        value = self.get(name)
        if value is None and default:
            return default[0]
        del self[name]
        return value

    def setdefault(self, name: str, value: str) -> str:
        """A value, set where there is none."""
        if name not in self:
            self[name] = value
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        self._cookies.delete(name)


def _cookie(name: str, value: str) -> Cookie:
    """As the standard library has it; of where it goes no more is known than that it goes somewhere."""
    return Cookie(0, name, value, None, False, "", False, False, "/", True, False, None, True, None, None, {})


def pairs_of(cookies: Any) -> list[tuple[str, str]]:
    """Names and values of a mapping, of pairs, or of a jar."""
    if cookies is None:
        return []
    items: Iterable[Any] = cookies.items() if hasattr(cookies, "items") else cookies
    pairs = [item if isinstance(item, tuple) else (item.name, item.value) for item in items]
    return [(str(name), str(value)) for name, value in pairs if value is not None]
