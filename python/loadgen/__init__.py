"""The face of loadgen: these names and no others. Loaded on first use: every worker imports this package."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # not typing's: what is imported here, every worker holds in memory
if TYPE_CHECKING:
    from loadgen._engine import __version__ as __version__
    from loadgen.errors import (
        Interrupted,
        LoadgenError,
        PlanError,
        RunFolderError,
        TargetError,
        UsageError,
        WorkerError,
    )
    from loadgen.plan import Plan
    from loadgen.result import Result
    from loadgen.run import run
    from loadgen.shapes import Stage

__all__ = [
    "Interrupted",
    "LoadgenError",
    "Plan",
    "PlanError",
    "Result",
    "RunFolderError",
    "Stage",
    "TargetError",
    "UsageError",
    "WorkerError",
    "run",
]

_HOME = dict.fromkeys(__all__, "loadgen.errors") | {
    "Plan": "loadgen.plan",
    "Result": "loadgen.result",
    "Stage": "loadgen.shapes",
    "run": "loadgen.run",
    "__version__": "loadgen._engine",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'loadgen' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Face(ModuleType):
    """The import system hangs submodules on their package, and one has the name of a function of the face."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value.run if name == "run" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Face
