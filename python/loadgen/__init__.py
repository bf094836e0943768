"""The face of loadgen: these names and no others. Loaded on first use: every worker imports this package."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # not typing's: what is imported here, every worker holds in memory
if TYPE_CHECKING:
    from loadgen._engine import Response
    from loadgen._engine import __version__ as __version__
    from loadgen.auth import Bearer, DigestAuth
    from loadgen.circuit import Breaker
    from loadgen.data import csv_rows, json_rows
    from loadgen.errors import (
        ControlRefused,
        Interrupted,
        LoadgenError,
        NoReply,
        PlanError,
        RunFolderError,
        SocketClosed,
        StatusError,
        TargetError,
        UsageError,
        WorkerError,
    )
    from loadgen.plan import Plan
    from loadgen.result import Result
    from loadgen.retry import Retry
    from loadgen.run import run
    from loadgen.scenario import once, scenario, session
    from loadgen.shapes import Stage
    from loadgen.sockets import Sockets
    from loadgen.user import User

__all__ = [
    "Bearer",
    "Breaker",
    "ControlRefused",
    "DigestAuth",
    "Interrupted",
    "LoadgenError",
    "NoReply",
    "Plan",
    "PlanError",
    "Response",
    "Result",
    "Retry",
    "RunFolderError",
    "SocketClosed",
    "Sockets",
    "Stage",
    "StatusError",
    "TargetError",
    "UsageError",
    "User",
    "WorkerError",
    "csv_rows",
    "json_rows",
    "once",
    "run",
    "scenario",
    "session",
]

_HOME = dict.fromkeys(__all__, "loadgen.errors") | {
    "Bearer": "loadgen.auth",
    "Breaker": "loadgen.circuit",
    "DigestAuth": "loadgen.auth",
    "Plan": "loadgen.plan",
    "Response": "loadgen._engine",
    "Result": "loadgen.result",
    "Retry": "loadgen.retry",
    "Sockets": "loadgen.sockets",
    "Stage": "loadgen.shapes",
    "User": "loadgen.user",
    "csv_rows": "loadgen.data",
    "json_rows": "loadgen.data",
    "once": "loadgen.scenario",
    "run": "loadgen.run",
    "scenario": "loadgen.scenario",
    "session": "loadgen.scenario",
    "__version__": "loadgen._engine",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'loadgen' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Face(ModuleType):
    """The import system hangs submodules on their package; two have the names of functions of the face."""

    def __setattr__(self, name: str, value: object) -> None:
        same = name in ("run", "scenario") and isinstance(value, ModuleType)
        super().__setattr__(name, getattr(value, name) if same else value)


sys.modules[__name__].__class__ = _Face
