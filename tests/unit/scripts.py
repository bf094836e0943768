"""A script's run as workers would leave it: a snapshot with all roles, and its plan. No test lives here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.engine_plan import (
    ClosedLoad,
    ClosedStage,
    EnginePlan,
    OpenLoad,
    OpenStage,
    ScenarioPlan,
    ScriptPlan,
)
from loadgen.plan import Plan
from tests.unit.figures import Counted, Samples

if TYPE_CHECKING:
    from collections.abc import Mapping

MS = 1_000_000
SECOND = 1_000_000_000

Tally = tuple[str, str, float, float, float, float]


class Label:
    """One label: what it counts, and its samples. `failed` raised or had no answer."""

    def __init__(
        self,
        role: str,
        *,
        response: Samples | None = None,
        service: Samples | None = None,
        lateness: Samples | None = None,
        failed: int = 0,
        unfinished: int = 0,
        error: str = "timeout",
    ) -> None:
        self.role = role
        self.histograms = {
            "response": response or Samples(),
            "service": service or response or Samples(),
            "lateness": lateness or Samples(),
        }
        sent = self.histograms["service"].count + self.histograms["service"].infinite
        self.counters = {
            "sent": sent,
            "ok": sent - failed - unfinished,
            "failed": failed,
            "bytes_sent": 0,
            "bytes_received": 0,
        }
        self.statuses = {200: sent - failed - unfinished} if role == "request" else {}
        self.errors = {error: failed} if failed else {}


class Scripted(Counted):
    """A snapshot of labels: totals are over requests and operations, as the engine's are."""

    def __init__(
        self,
        found: Mapping[str, Label],
        *,
        tallies: tuple[Tally, ...] = (),
        counters: dict[str, int] | None = None,
    ) -> None:
        self._found = dict(found)
        counted = [label for label in found.values() if label.role in ("request", "operation")]
        iterations = [label for label in found.values() if label.role == "iteration"]
        totals = {
            name: sum(label.counters[name] for label in counted)
            for name in ("sent", "ok", "failed", "bytes_sent", "bytes_received")
        }
        begun = sum(label.counters["sent"] for label in iterations)
        totals |= {
            "scheduled": begun,
            "iterations_started": begun,
            "iterations_ok": sum(label.counters["ok"] for label in iterations),
            "iterations_failed": sum(label.counters["failed"] for label in iterations),
        }
        errors: dict[str, int] = {}
        statuses: dict[int, int] = {}
        for label in counted:
            errors |= {kind: errors.get(kind, 0) + count for kind, count in label.errors.items()}
            statuses |= {status: statuses.get(status, 0) + count for status, count in label.statuses.items()}
        super().__init__(
            counters=totals | (counters or {}), errors=errors, statuses=statuses, labels=tuple(sorted(found))
        )
        self._tallies = list(tallies)

    @property
    def tallies(self) -> list[Tally]:
        return self._tallies

    def role(self, label: str) -> str:
        return self._found[label].role

    def label_counters(self, label: str) -> dict[str, int]:
        return self._found[label].counters

    def label_statuses(self, label: str) -> dict[int, int]:
        return self._found[label].statuses

    def label_errors(self, label: str) -> dict[str, int]:
        return self._found[label].errors

    def role_histogram(self, role: str, kind: str) -> Samples:
        return self._sum({role}, kind)

    def histogram(self, kind: str, label: str | None = None) -> Samples:
        if label is not None:
            return self._found[label].histograms.get(kind, Samples())
        return self._sum({"request", "operation"}, kind)

    def _sum(self, roles: set[str], kind: str) -> Samples:
        found = [
            label.histograms.get(kind, Samples()) for label in self._found.values() if label.role in roles
        ]
        values = [value for samples in found for value in samples.values]
        return Samples(values, sum(samples.infinite for samples in found))


def open_load(rate: float = 100, seconds: int = 10) -> OpenLoad:
    """At one rate."""
    return OpenLoad([OpenStage(seconds * SECOND, rate, rate)], "constant", 1, None)


def closed_load(users: int = 10, seconds: int = 10) -> ClosedLoad:
    """With so many users."""
    return ClosedLoad([ClosedStage(seconds * SECOND, users, users)])


def scripted_plan(
    *scenarios: ScenarioPlan, load: OpenLoad | ClosedLoad | None = None, script: Any = None, **change: Any
) -> EnginePlan:
    """A plan of scenarios; without any, of one that is called browse."""
    blast = Plan(url="http://127.0.0.1:8000/", rate=100, workers=1).compile()
    fields: dict[str, Any] = {
        "path": "/home/me/scenario.py",
        "base_url": "http://127.0.0.1:8000",
        "headers": [],
        "scenarios": list(scenarios) or [ScenarioPlan("browse", 1.0, None)],
        "iterations": None,
        "iterations_per_user": None,
        "max_users": 10_000,
        "retry": None,
        "breaker": None,
        "max_errors": None,
        "dead_after_ns": None,
        "arguments": {},
        "seed": 1,
    }
    return msgspec.structs.replace(
        blast,
        **{
            "name": "scenario 127.0.0.1:8000",
            "command": "run",
            "request": None,
            "label": "",
            "load": load or open_load(),
            "script": ScriptPlan(**fields | (script or {})),
        }
        | change,
    )


def shop(**more: Any) -> Scripted:
    """1,000 iterations of `browse`, ten of which raised: two requests each, and one of all else."""
    quick = Samples([MS] * 1000)
    return Scripted(
        {
            "browse": Label(
                "iteration",
                response=Samples([20 * MS] * 990, infinite=10),
                lateness=Samples([10_000] * 1000),
                failed=10,
                error="script_error",
            ),
            "GET /items": Label("request", response=quick, lateness=Samples([10_000] * 1000)),
            "GET /items/{id}": Label("request", response=Samples([2 * MS] * 980, infinite=20), failed=20),
            "checkout": Label("group", response=Samples([10 * MS] * 990)),
            "redis get": Label("operation", response=Samples([MS // 2] * 500)),
            "basket_size": Label("trend", response=Samples([5 * MS] * 500)),
        },
        **{
            "tallies": (
                ("check", "listing ok", 985.0, 5.0, 0.0, 0.0),
                ("check", "has price", 990.0, 0.0, 0.0, 0.0),
                ("counter", "orders", 120.0, 60.0, 0.0, 0.0),
                ("gauge", "queue_depth", 3.0, 0.0, 12.0, 50.0),
                ("rate", "found", 95.0, 5.0, 0.0, 0.0),
            ),
            "counters": {"attempts": 2080, "retries": 80, "script_ns": 2 * SECOND},
        }
        | more,
    )
