"""`junit=FILE`: the run as test cases, one for each threshold and one for the run itself, for CI systems.

    testsuites > testsuite > properties, testcase (failure | error)*, system-out

A threshold that failed, or had nothing to be judged by, is a failure. Whatever else gave the run an exit code
that is not 0 is an error of the case `run`: the generator was the limit, the target could not be reached. So
is what kept a run from beginning: then that is the only case.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loadgen._engine import __version__
from loadgen.errors import ExitCode
from loadgen.files import write_whole
from loadgen.outputs.file_at_end import FileAtEnd
from loadgen.outputs.reading import shown_name
from loadgen.report.text import render
from loadgen.report.thresholds import measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen.errors import LoadgenError
    from loadgen.result import Result, ThresholdResult

_REASONS = {
    ExitCode.UNUSABLE: "the record of the run is incomplete",
    ExitCode.INVALID: "the numbers cannot be relied on",
    ExitCode.UNREACHABLE: "the target could not be reached",
    ExitCode.SCRIPT_FAILED: "the script's own errors stopped the run",
    ExitCode.INTERRUPTED: "the run was interrupted",
}


class JUnit(FileAtEnd):
    """Names and texts are made printable, which leaves no character that XML cannot have."""

    kind = "junit"

    def render(self, result: Result) -> str:
        """The whole document."""
        return _document(
            result.name,
            [_run(result), *(_threshold(threshold, result) for threshold in result.thresholds)],
            seconds=result.duration_s,
            started_at=result.started_at,
            properties={"loadgen_version": result.loadgen_version, "verdict": result.verdict},
            said=render(result),
        )

    def never_began(self, command: str, error: LoadgenError) -> None:
        """One case, which says why."""
        texts = [*error.message.splitlines(), *(error.hint or "").splitlines()]
        document = _document(
            command,
            [_case("run", command, 0, error=(error.exit_code.name.lower(), texts))],
            seconds=0,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            properties={"loadgen_version": __version__},
            said="",
        )
        write_whole(self.path, document.encode())


def _document(
    name: str,
    cases: Sequence[ET.Element],
    *,
    seconds: float,
    started_at: str,
    properties: Mapping[str, str],
    said: str,
) -> str:
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "time": _seconds(seconds),
    }
    root = ET.Element("testsuites", {"name": "loadgen", **counts})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": shown_name(name),
            **counts,
            "skipped": "0",
            "timestamp": started_at.partition(".")[0].partition("+")[0],
            "hostname": "localhost",
        },
    )
    of_suite = ET.SubElement(suite, "properties")
    for property_name, value in properties.items():
        ET.SubElement(of_suite, "property", {"name": property_name, "value": value})
    suite.extend(cases)
    if said:
        ET.SubElement(suite, "system-out").text = said
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _run(result: Result) -> ET.Element:
    reason = _REASONS.get(ExitCode(result.exit_code))
    if reason is None:
        return _case("run", result.command, result.duration_s)
    texts = [reason, *result.generator.reasons]
    if result.script is not None and result.script.stopped is not None:
        texts.append(result.script.stopped)
    return _case("run", result.command, result.duration_s, error=(result.verdict, texts))


def _threshold(threshold: ThresholdResult, result: Result) -> ET.Element:
    case = _case(threshold.expression, result.command, 0)
    if not threshold.passed:
        kind = "no data" if threshold.passed is None else "threshold"
        message = shown_name(f"{threshold.expression}: {measured(threshold, result)}")
        ET.SubElement(case, "failure", {"message": message, "type": kind}).text = message
    return case


def _case(
    name: str, command: str, seconds: float, *, error: tuple[str, Sequence[str]] | None = None
) -> ET.Element:
    """`error` is its kind and what is to be said of it, the first of it in short."""
    case = ET.Element(
        "testcase",
        {"name": shown_name(name), "classname": f"loadgen.{command}", "time": _seconds(seconds)},
    )
    if error is not None:
        kind, texts = error
        shown = [shown_name(text) for text in texts]
        ET.SubElement(case, "error", {"message": shown[0], "type": kind}).text = "\n".join(shown)
    return case


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
