"""Responses with the members that those of `requests` have. Nothing is read before it is asked for."""

from __future__ import annotations

import json as json_module
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from io import BytesIO
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec

from loadgen.importers.locust.cookies import Jar
from loadgen.importers.locust.exceptions import HTTPError, JSONDecodeError
from loadgen.importers.locust.flow import CatchResponseError, LocustError, ResponseError
from loadgen.importers.locust.mapping import CaseInsensitiveDict
from loadgen.importers.locust.streamed import Body, in_chunks, in_lines, in_text

if TYPE_CHECKING:
    from loadgen._engine import Response as EngineResponse
    from loadgen.importers.locust.session import Asked, Session

# Responses and sessions are two halves of a client, and the engine's part is private to them.

REDIRECTS = frozenset((301, 302, 303, 307, 308))
FAILED = 400  # from this status on
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*\w+\*?\s*=\s*(?:"[^"]*"|[^",;]*))*)')
_PARAMETER = re.compile(r'(\w+\*?)\s*=\s*"?([^";]*)"?')
_NO_WITH = """a response can be judged in a with-block only, and with catch_response=True:
with self.client.get("/", catch_response=True) as response:
    response.success()"""


class SentRequest:
    """A request as it was sent."""

    def __init__(self, asked: Asked) -> None:
        self.method = asked.method
        self.url = asked.url
        self.headers = CaseInsensitiveDict(asked.headers)
        self.body = asked.body

    @property
    def path_url(self) -> str:
        """Path and query."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __repr__(self) -> str:
        return f"<PreparedRequest [{self.method}]>"


class Response:
    """What came, or how it failed: then the status is 0. In a `with` block it can be judged."""

    status_code: int  # 0 where none came
    history: Sequence[Response] = ()  # those that led here
    js: Any = None
    # What the call asked listeners to be told.
    _context: Mapping[str, Any] = MappingProxyType({})
    # It waits to be judged; in its with-block it can be; what was said of it: True, or an exception.
    _waits = False
    _is_entered = False
    _said: bool | Exception | None = None
    _meta: dict[str, Any] | None = None
    # Where it is read while it comes.
    _body: Body | None = None
    # Why nothing came in the end, though something did come: what is raised, and what counts.
    _broken: tuple[Exception, Exception] | None = None

    def __init__(self, raw: EngineResponse, asked: Asked, session: Session) -> None:
        self._raw = raw
        self._asked = asked
        self._session = session
        self.status_code = raw.status

    @property
    def content(self) -> Any:
        """The body; None where nothing came."""
        if not self.status_code:
            return None
        return self._raw.content if self._body is None else self._body.whole

    @property
    def url(self) -> str | None:
        """Where it comes from in the end."""
        return self._asked.url if self.status_code else None

    @property
    def text(self) -> str | None:
        """The body as text."""
        return (self.content or b"").decode(self.encoding or "utf-8", "replace")

    @cached_property
    def encoding(self) -> str | None:
        """Of its text: what its type says. It may be set."""
        kind = self._raw.headers.get("content-type", "").lower()
        charset = re.search(r"charset\s*=\s*[\"']?([^\"';\s]+)", kind)
        if charset is not None:
            return _codec(charset[1])
        return "ISO-8859-1" if "text" in kind else "utf-8" if "application/json" in kind else None

    @property
    def apparent_encoding(self) -> str:
        """What it looks like."""
        return "utf-8"

    def json(self, **options: Any) -> Any:
        """The body, read as JSON."""
        content = self.content or b""
        if not options:
            try:
                return msgspec.json.decode(content)
            except msgspec.DecodeError:
                pass  # it is stricter: whether it is JSON, and what is wrong, says the other
        try:
            return json_module.loads(content, **options)
        except ValueError as error:
            document = error.doc if isinstance(error, json_module.JSONDecodeError) else ""
            place = error.pos if isinstance(error, json_module.JSONDecodeError) else 0
            raise JSONDecodeError(getattr(error, "msg", str(error)), document, place) from None

    @cached_property
    def headers(self) -> CaseInsensitiveDict:
        """Names in any case."""
        came = self._raw.headers
        return CaseInsensitiveDict((name, came[name]) for name, _ in came.pairs())

    @property
    def cookies(self) -> Jar:
        """What this response sets."""
        return Jar(self._raw.cookies)

    @property
    def reason(self) -> str | None:
        """What its server calls its status."""
        return self._raw._reason if self.status_code else None

    @property
    def elapsed(self) -> timedelta:
        """From sending to the end of it."""
        return timedelta(seconds=self._raw.elapsed)

    @property
    def request(self) -> SentRequest:
        """What was sent in the end."""
        return SentRequest(self._asked)

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The header Link, by what each is."""
        found = {}
        for url, rest in _LINK.findall(self.headers.get("link", "")):
            link = {"url": url, **dict(_PARAMETER.findall(rest))}
            found[link.get("rel") or url] = link
        return found

    @property
    def is_redirect(self) -> bool:
        """It leads elsewhere."""
        return self.status_code in REDIRECTS and "location" in self._raw.headers

    @property
    def is_permanent_redirect(self) -> bool:
        """For good."""
        return self.status_code in (301, 308) and "location" in self._raw.headers

    @property
    def error(self) -> Exception | None:
        """What went wrong where nothing came."""
        return None if self.status_code else self._session._errors(self)[0]

    @property
    def ok(self) -> bool:
        """A status below 400."""
        if not self.status_code:
            self.raise_for_status()
        return self.status_code < FAILED

    def __bool__(self) -> bool:
        return self.ok

    def raise_for_status(self) -> None:
        """Raises where its status is 400 or above, or nothing came; or as its with-block has said."""
        if self._said is not None:
            if isinstance(self._said, Exception):
                raise self._said
            return
        if self.status_code == 0:
            raise self._session._errors(self)[0]
        if self.status_code >= FAILED:
            raise HTTPError(self._status_text(self.url), response=self)

    def _status_text(self, where: str | None) -> str:
        status = self.status_code
        side = "Client" if status < 500 else "Server"
        return f"{status} {side} Error: {self.reason} for url: {where}"

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        """The body in pieces, of which none is longer than that."""
        chunks = in_chunks(self._pieces(), chunk_size)
        return in_text(chunks, self.encoding) if decode_unicode and self.encoding else chunks

    def iter_lines(
        self, chunk_size: int = 512, decode_unicode: bool = False, delimiter: Any = None
    ) -> Iterator[Any]:
        """The body by lines."""
        del chunk_size  # a line is there when its end is
        pieces: Iterable[Any] = self._pieces()
        return in_lines(
            in_text(pieces, self.encoding) if decode_unicode and self.encoding else pieces, delimiter
        )

    def _pieces(self) -> Iterable[bytes]:
        """As they come, or the whole as one."""
        if self._body is None or "whole" in vars(self._body):
            return [self.content] if self.content else []
        return self._body.pieces()

    __iter__ = iter_content

    @cached_property
    def raw(self) -> BytesIO | Body:
        """The body as a file."""
        return self._body or BytesIO(self.content or b"")

    def close(self) -> None:
        """No more of it is wanted."""
        if self._body is not None:
            self._body.close()

    @property
    def _outcome(self) -> EngineResponse:
        """By what the engine knows it. Where it is read while it comes the rest is let go."""
        return self._raw if self._body is None else self._body.outcome()

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    def _break(self, errors: tuple[Exception, Exception]) -> None:
        self.status_code, self._broken = 0, errors

    # What is made of it.

    @property
    def request_meta(self) -> dict[str, Any]:
        """What listeners are told. In a with-block it may be changed."""
        if self._meta is None:
            self._meta = self._make_meta()
        return self._meta

    @request_meta.setter
    def request_meta(self, meta: dict[str, Any]) -> None:
        self._meta = meta

    def _make_meta(self) -> dict[str, Any]:
        took_ms = self._raw._took_ms
        first = self._first
        return {
            "request_type": first.method,
            "response_time": took_ms,
            "name": first.name,
            "context": {**self._session.context(), **self._context},
            "response": self,
            "exception": None,
            "start_time": time.time() - took_ms / 1e3,
            "url": first.url,
            "response_length": self._length,
        }

    @property
    def _length(self) -> int:
        if self._body is None:
            return len(self.content or b"")
        length = self._raw.headers.get("content-length", "")
        return int(length) if length.isdigit() else 0

    @property
    def _first(self) -> Asked:
        """The request under whose name it counts."""
        history = self.history
        return history[0]._asked if history else self._asked

    def success(self) -> None:
        """It is one, whatever its status."""
        self._check_with()
        self._said = True

    def failure(self, error: str | Exception) -> None:
        """It is one, whatever its status."""
        self._check_with()
        self._said = error if isinstance(error, Exception) else CatchResponseError(error)

    def _check_with(self) -> None:
        if not self._is_entered:
            raise LocustError(_NO_WITH)

    def __enter__(self) -> Self:
        if not (self._waits or self._is_entered):
            raise LocustError(_NO_WITH)
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if not self._waits:
            return None  # it was counted when it came
        self._waits = False
        session = self._session
        if self._said is not None:
            session._judge(self, self._said if isinstance(self._said, Exception) else None)
            return kind is None
        if kind is None:
            session._judge(self, None if 0 < self.status_code < FAILED else session._counted(self))
            return True
        if isinstance(error, ResponseError):
            session._judge(self, error)
            return True
        # What is no judgement is the task's own. The request was sent and answered: it counts as it came.
        session._settle(self._outcome)
        return False


def _codec(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        return "utf-8"
    return name
