"""`before` and `after`: what is done once around a test, here. What `before` captures, all begin with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from loadgen.errors import ScriptFailed, UsageError
from loadgen.importers.artillery.virtual_user import UNDEFINED

if TYPE_CHECKING:
    from loadgen.script import Script


def run_before(script: Script) -> dict[str, Any]:
    """Its variables, as far as they are data. Where it fails there is no test."""
    hook: Script | None = getattr(script.module, "before", None)
    if hook is None:
        return {}
    error = _run(hook, "before")
    if error is not None:
        raise ScriptFailed(f"before: {error}")
    known = getattr(script.module, "variables", {})
    found = getattr(hook.module, "variables", {})
    return {
        name: value
        for name, value in found.items()
        if _is_data(value) and not (name in known and known[name] == value)
    }


def run_after(script: Script) -> None:
    """Where it fails, the test was what it was."""
    hook: Script | None = getattr(script.module, "after", None)
    if hook is None:
        return
    error = _run(hook, "after")
    if error is not None:
        sys.stderr.write(f"loadgen: after: {error}\n")


def _run(hook: Script, name: str) -> BaseException | None:
    from loadgen.testing import play

    base_url = hook.plan.base_url if hook.plan is not None else None
    if base_url is None or base_url.startswith("/"):
        raise UsageError(f"{name}: it needs config.target, or -t URL: it runs beside the test")
    watcher = _Watcher()
    play(hook, hook.scenarios[0], base_url.rstrip("/"), watcher)
    return watcher.raised


def _is_data(value: Any) -> bool:
    """Whether it can go to the workers."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_data(one) for name, one in value.items())
    if isinstance(value, list):
        return all(_is_data(one) for one in value)
    return value is not UNDEFINED and (value is None or isinstance(value, (str, int, float, bool)))


class _Watcher:
    """Hears of what went wrong, and of nothing else."""

    def __init__(self) -> None:
        self.raised: BaseException | None = None

    def error(self, error: BaseException) -> None:
        self.raised = self.raised or error

    def __getattr__(self, name: str) -> Any:
        return self._ignore

    def _ignore(self, *_arguments: Any) -> None:
        """All else."""
