"""`run_single_user(MyUser)`, which files call to run by themselves. With loadgen the command runs them."""

from __future__ import annotations

from typing import Any

from loadgen.errors import UsageError


def run_single_user(user_class: type, *_: Any, **__: Any) -> None:
    """Says how it is done here: a file that calls it as `__main__` alone never comes here."""
    raise UsageError(
        f"run_single_user({user_class.__name__}) while the file is loaded",
        hint='Put it below if __name__ == "__main__": and run one user with: loadgen run FILE -u 1',
    )
