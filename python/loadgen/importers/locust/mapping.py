"""Headers as `requests` has them: any case, the last spelling is sent. Tells its owner of every change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any


class CaseInsensitiveDict(MutableMapping[str, Any]):
    """A mapping of names in any case."""

    __slots__ = ("_changed", "_items")

    def __init__(
        self,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        *,
        changed: Callable[[], None] | None = None,
        **more: Any,
    ) -> None:
        self._items: dict[str, tuple[str, Any]] = {}
        self._changed: Callable[[], None] | None = None
        self.update({} if data is None else data, **more)
        self._changed = changed

    def __setitem__(self, name: str, value: Any) -> None:
        self._items[_text(name).lower()] = (_text(name), value)
        if self._changed is not None:
            self._changed()

    def __getitem__(self, name: str) -> Any:
        return self._items[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]
        if self._changed is not None:
            self._changed()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self.lower_items()) == dict(CaseInsensitiveDict(other).lower_items())

    __hash__ = None  # type: ignore[assignment]

    def lower_items(self) -> Iterator[tuple[str, Any]]:
        """With names in small letters."""
        return ((name, value) for name, (_, value) in self._items.items())

    def copy(self) -> CaseInsensitiveDict:
        """One of its own."""
        return CaseInsensitiveDict(self._items.values())

    def __repr__(self) -> str:
        return str(dict(self.items()))


def _text(name: str | bytes) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else name
