"""The functions of a JavaScript file. A user's variables live on both sides; only what changed crosses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.errors import UsageError
from loadgen.importers.artillery.javascript.runtime import JavaScriptError, Runtime
from loadgen.importers.artillery.processor import Functions
from loadgen.importers.artillery.virtual_user import UNDEFINED, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.answer import Answer
    from loadgen.importers.artillery.flow import Params
    from loadgen.importers.artillery.virtual_user import VirtualUser

# Variables that JavaScript has of its own: the whole environment need not cross for each user.
_ENVIRONMENT = ("$env", "$processEnvironment")
# A list that is so long, and no user's own, crosses once.
TABLE = 64
_decode = msgspec.json.Decoder().decode


class Mirror:
    """What JavaScript knows of one virtual user. When it goes, so does what is kept there."""

    __slots__ = ("_gone", "known", "number")

    def __init__(self, number: int, known: dict[str, Any], gone: list[int]) -> None:
        self.number = number
        self.known = known
        self._gone = gone

    def __del__(self) -> None:
        self._gone.append(self.number)


class JavaScriptProcessor(Functions):
    """One engine for all users of a worker: modules are run once, and share their state, as under Node."""

    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__(path, patience_s)
        self._runtime = Runtime(path)
        try:
            self._names = frozenset(self._runtime.load(path))
        except JavaScriptError as error:
            raise UsageError(f"config.processor: {error}") from None
        self._runtime.emit = self._emit
        self._vu: VirtualUser | None = (
            None  # the last that called: what a timer counts is in its worker's sums
        )
        self._ticket = 0
        self._born = 0
        self._gone: list[int] = []
        self._first_lists: dict[str, list[Any]] = {}  # of each variable, what an earlier user began with
        self._tables: dict[int, tuple[Any, int]] = {}  # by identity: the table, and its number there

    def has(self, name: str) -> bool:
        return name in self._names

    @property
    def kept(self) -> int:
        """How many virtual users JavaScript still knows."""
        return int(self._runtime.count())

    @property
    def shared(self) -> int:
        """How many tables have crossed."""
        return len(self._tables)

    async def call(
        self,
        vu: VirtualUser,
        name: str,
        kind: str,
        params: Params | None = None,
        answer: Answer | None = None,
        error: VuFailed | None = None,
    ) -> object:
        given = response = body = ""
        if params is not None:
            given = _encode(params)
        if answer is not None:
            response, body = _encode(_response(answer)), answer.body
        if error is not None:
            body = error.code
        said = self._begin(vu, name, kind, given, response, body)
        if said is None:
            said = await self._end(vu, name)
        return self._take(vu, said, params) if said else None

    def if_true(self, name: str) -> Callable[[VirtualUser], object]:
        def if_true(vu: VirtualUser) -> object:
            said = self._begin(vu, name, "ifTrue", "", "", "")
            return self._take(vu, said, None) if said else None

        return if_true

    def _begin(
        self, vu: VirtualUser, name: str, kind: str, given: str, response: str, body: str
    ) -> str | None:
        """What a function has answered at once; None where its answer is still to come."""
        runtime = self._runtime
        mirror = vu.mirror
        uid = scenario = ""
        if mirror is None:
            mirror = vu.mirror = self._new_mirror(vu)
            uid, scenario = vu.uid, _encode({"name": vu.scenario})
        self._vu = vu
        self._ticket = runtime.asking = self._ticket + 1
        changes = self._changes(vu.vars, mirror.known)
        try:
            said: str | None = runtime.call(
                self._ticket, name, kind, mirror.number, uid, scenario, changes, given, response, body
            )
        except runtime.errors as error:
            raise VuFailed(runtime.placed(str(error))) from None
        runtime.pump()
        return runtime.settled.pop(self._ticket, None) if said is None else said

    async def _end(self, vu: VirtualUser, name: str) -> str:
        """The answer of a function that waits for something."""
        runtime, ticket = self._runtime, self._ticket
        future = runtime.waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            while True:
                done, _ = await asyncio.wait((future,), timeout=self.patience_s)
                if done:
                    answer: str = future.result()
                    return answer
                if not runtime.has_timers:
                    raise self.never_called_back(vu, name)
        finally:
            del runtime.waiting[ticket]

    def _take(self, vu: VirtualUser, said: str, params: Params | None) -> object:
        """What a function has changed and said."""
        try:
            found = _decode(said)
        except ValueError:  # half a surrogate pair, which JavaScript's strings may have
            found = json.loads(said)
        if "changed" in found:
            changed, mirror = found["changed"], vu.mirror
            assert mirror is not None
            vu.vars.update(changed)
            for name, value in changed.items():
                mirror.known[name] = _raw(value) if type(value) is dict or type(value) is list else value
            for name in found["gone"]:
                vu.vars.pop(name, None)
                mirror.known.pop(name, None)
        if params is not None and "params" in found:
            params.clear()
            params.update({name: _with_bytes(value) for name, value in found["params"].items()})
        if "error" in found:
            code = found["error"]
            told = self._runtime.placed(f"{code}\n{found.get('stack', '')}")
            self.tell_once(vu, f"a function of {self.path.name} failed: {told}")
            raise VuFailed(told, code)
        return found.get("value")

    def _new_mirror(self, vu: VirtualUser) -> Mirror:
        if self._runtime.early:
            self._runtime.begin_timers()
        gone, forget = self._gone, self._runtime.forget
        while gone:
            forget(gone.pop())
        for name, value in vu.vars.items():
            if type(value) is list and len(value) >= TABLE and id(value) not in self._tables:
                # What two users begin with is a payload's whole table, shared by all.
                if self._first_lists.get(name) is value:
                    self._tables[id(value)] = (value, self._runtime.share(_encode(value)))
                self._first_lists[name] = value
        self._born += 1
        return Mirror(self._born, {name: vu.vars[name] for name in _ENVIRONMENT if name in vu.vars}, gone)

    def _changes(self, variables: dict[str, Any], known: dict[str, Any]) -> str:
        """The variables that JavaScript does not know as they are, as JSON; '' where there are none."""
        changed: dict[str, Any] = {}
        for name, value in variables.items():
            if type(value) is not dict and type(value) is not list:
                if known.get(name, UNDEFINED) is not value:
                    known[name] = changed[name] = value
            elif (table := self._tables.get(id(value))) is not None:
                if known.get(name) is not value:
                    known[name], changed[name] = value, {"$table": table[1]}
            else:  # captures change what is in it, and not what it is
                text = _raw(value)
                if known.get(name) != text:
                    known[name], changed[name] = text, msgspec.Raw(text)
        return _encode(changed) if changed else ""

    def _emit(self, kind: str, name: str, value: float) -> None:
        if self._vu is not None:
            self.emit(self._vu, kind, name, value)


def _response(answer: Answer) -> dict[str, Any]:
    """A response as hooks know it, but for its body."""
    headers: dict[str, Any] = dict(answer.headers)
    if "set-cookie" in headers:
        headers["set-cookie"] = answer.set_cookies
    return {
        "statusCode": answer.status,
        "headers": headers,
        "timings": {"phases": {"firstByte": answer.first_byte_ms, "total": answer.total_ms}},
    }


def _raw(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=_portable)


def _encode(value: Any) -> str:
    return _raw(value).decode()


def _portable(value: Any) -> Any:
    """What JSON has no word for."""
    return None if value is UNDEFINED else str(value)


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    return value
