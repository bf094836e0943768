"""The plugin `ensure`: what must hold of a run's metrics when it is over. One that never came fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadgen.importers.artillery.expressions import Expression, compile_expression
from loadgen.importers.artillery.values import leading_int, number_of, text_of

if TYPE_CHECKING:
    from loadgen.importers.artillery.metrics import Metrics

_OLD = ("min", "max", "median", "p95", "p99")
_ERROR_RATE = "((vusers.created - vusers.completed)/vusers.created * 100) <= {}"


@dataclass(frozen=True)
class Check:
    """One of them, and how it went."""

    text: str
    is_strict: bool
    passed: bool
    why: str = ""

    def __str__(self) -> str:
        word = "ok" if self.passed else "fail"
        optional = "" if self.is_strict else " (optional)"
        return f"{word:<6}{self.text}{optional}{f': {self.why}' if self.why else ''}"


def expressions_of(config: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """(what is shown, the expression, whether it is strict) of all that the config says."""
    found = config.get("ensure") or (config.get("plugins") or {}).get("ensure")
    if not isinstance(found, Mapping):
        return []
    checks = []
    for one in found.get("thresholds") or []:
        if isinstance(one, Mapping) and one:
            name, most = next(iter(one.items()))
            text = f"{name} < {text_of(most)}"
            checks.append((text, text, True))
    for one in found.get("conditions") or []:
        if isinstance(one, Mapping) and "expression" in one:
            strict = one.get("strict")
            text = str(one["expression"])
            checks.append((text, text, strict if isinstance(strict, bool) else True))
    for name in found:
        if name in _OLD:
            most = leading_int(found[name])
            most_text = "NaN" if most is None else str(most)
            checks.append((f"{name} < {most_text}", f"http.response_time.{name} < {most_text}", True))
    if "maxErrorRate" in found:
        most_percent = text_of(number_of(found["maxErrorRate"]))
        checks.append((f"maxErrorRate < {most_percent}", _ERROR_RATE.format(most_percent), True))
    return checks


def run_checks(config: Mapping[str, Any], metrics: Metrics, more: Mapping[str, Any]) -> list[Check]:
    """All of them, against what the run counted."""
    values: dict[str, Any] = {**more, **metrics["counters"], **metrics["rates"]}
    for name, summary in metrics["summaries"].items():
        values |= {f"{name}.{word}": value for word, value in summary.items()}
    return [_check(*one, values) for one in expressions_of(config)]


def _check(text: str, expression: str, is_strict: bool, values: Mapping[str, Any]) -> Check:
    missing: list[str] = []

    def find(name: str) -> Any:
        if name not in values:
            missing.append(name)
            return float("nan")
        return values[name]

    try:
        passed = number_of(compile_named(expression, values)(find)) == 1
    except (ValueError, ArithmeticError) as error:
        return Check(text, is_strict, passed=False, why=str(error))
    if missing:
        return Check(text, is_strict, passed=False, why=f"there is no {missing[0]} in this run")
    return Check(text, is_strict, passed=passed)


def compile_named(text: str, values: Mapping[str, Any]) -> Expression:
    """Names of metrics may have any sign in them: those that are known stand for themselves."""
    odd = [name for name in values if not name.replace(".", "").replace("_", "").isalnum()]
    if odd:
        pattern = "|".join(re.escape(name) for name in sorted(odd, key=len, reverse=True))
        text = re.sub(pattern, lambda match: f"'{match[0]}'", text)
    return compile_expression(text, is_condition=True)
