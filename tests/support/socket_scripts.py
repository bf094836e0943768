"""Scripts that use `user.ws`, as tests write them, and what must hold of what is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.books import label

if TYPE_CHECKING:
    from tests.support.scripts import Told

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "5s")
TEN = ("--users", "2", "--iterations", "10", "--workers", "1", "--drain", "5s")
HEAD = """\
import asyncio, json
from loadgen import NoReply, SocketClosed, User, scenario, session

"""


def scenario(*lines: str, head: str = "") -> str:
    """A script with one scenario of these lines."""
    return f"{HEAD}{head}\n@scenario\nasync def use(user: User) -> None:\n" + "\n".join(
        f"    {line}" for line in lines
    )


def balanced(told: Told) -> dict[str, int]:
    """The identities of a scripted run, without statuses: operations have none. Returns the arrivals."""
    arrivals: dict[str, int] = told.summary["arrivals"]
    begun = arrivals["sent"]
    assert arrivals["scheduled"] == begun + arrivals["dropped"] + arrivals["cancelled"], told.result
    assert begun == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"], told.result
    requests = told.summary["requests"]
    assert sum(requests["errors"].values()) == requests["failed"], told.result
    return arrivals


def assert_checked(told: Told) -> None:
    """Every check of the script passed, its iterations balance, and no error is laid at its door."""
    balanced(told)
    checks = told.summary["checks"]
    assert checks and all(check["failed"] == 0 for check in checks), told.result
    assert told.summary["script"]["errors"] == [], told.result


def requests_of(told: Told, name: str) -> dict[str, Any]:
    """What is counted under a label."""
    requests: dict[str, Any] = label(told.summary, name)["requests"]
    return requests


def counter(told: Told, name: str) -> float:
    """What the run counted under a name; 0 where it never did."""
    found: float = told.summary["metrics"].get(name, 0)
    return found
