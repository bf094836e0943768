"""What verdicts and doubts are called, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.errors import ExitCode
from loadgen.units import counted, format_count

if TYPE_CHECKING:
    from loadgen.result import Result

_ENDINGS = {
    ExitCode.UNREACHABLE: "Failed: the target could not be reached",
    ExitCode.SCRIPT_FAILED: "Failed: the scenario's own errors stopped the run",
}


def headline(result: Result) -> str:
    """How the run ended, in a sentence or two."""
    asked = len(result.thresholds)
    missed = sum(one.passed is False for one in result.thresholds)
    unknown = sum(one.passed is None for one in result.thresholds)
    if result.exit_code in _ENDINGS:
        text = _ENDINGS[ExitCode(result.exit_code)]
    elif result.verdict == "invalid":
        limited = result.generator.verdict == "client-limited"
        text = "Invalid: the generator was the limit" if limited else "Invalid: the run is incomplete"
    elif missed:
        text = f"Failed: {format_count(missed)} of {counted(asked, 'threshold')} not met"
    elif result.verdict == "fail":
        text = "Failed"
    elif result.verdict == "no-data":
        text = f"No verdict: {counted(unknown, 'threshold')} without data" if unknown else "No verdict"
    else:
        text = "Passed: " + (f"{counted(asked, 'threshold')} met" if asked else "no threshold was set")
    if result.exit_code == ExitCode.INTERRUPTED:
        text = f"Interrupted. {text}"
    failed, whole, noun = result.requests.failed, result.requests.total, "request"
    if not failed and result.plan.counts_iterations and result.arrivals.failed:
        failed, whole, noun = result.arrivals.failed, result.arrivals.sent, "iteration"
    if not whole:
        return f"{text}. Nothing was sent."
    if not failed:
        return f"{text}. No request failed."
    many = "All" if failed == whole > 1 else f"{format_count(failed)} of"
    return f"{text}. {many} {counted(whole, noun)} failed."


def trust(result: Result) -> str:
    """Whether the numbers can be trusted, in a sentence."""
    generator = result.generator
    if result.verdict == "invalid" and generator.verdict != "client-limited":
        return "Do not rely on these numbers: the run is incomplete."
    return {
        "valid": "The numbers can be trusted: the generator kept up.",
        "degraded": "Read the numbers with care: the generator was not at its best.",
        "client-limited": "Do not rely on these numbers: the generator was the limit, not the target.",
    }[generator.verdict]


def changed_by_hand(result: Result) -> str | None:
    """That the load was another one than its plan's, where it was."""
    if not result.changes:
        return None
    first = f"{result.changes[0].at_s:.1f} s"
    when = f"at {first}" if len(result.changes) == 1 else f"{len(result.changes)} times from {first} on"
    return f"changed by hand {when}: this was not the load of the plan"
