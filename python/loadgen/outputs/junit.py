"""`junit=FILE`: the run as test cases, one for each threshold and one for the run itself, for CI systems.

    testsuites > testsuite > properties, testcase (failure | error)*, system-out

A threshold that failed, or had nothing to be judged by, is a failure. Whatever else gave the run an exit code
that is not 0 is an error of the case `run`: the generator was the limit, the target could not be reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from loadgen.errors import ExitCode
from loadgen.outputs.file_at_end import FileAtEnd
from loadgen.outputs.reading import shown_name
from loadgen.report.text import measured, render

if TYPE_CHECKING:
    from loadgen.result import Result, ThresholdResult

_REASONS = {
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
        cases = [_run(result), *(_threshold(threshold, result) for threshold in result.thresholds)]
        counts = {
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "time": _seconds(result.duration_s),
        }
        root = ET.Element("testsuites", {"name": "loadgen", **counts})
        suite = ET.SubElement(
            root,
            "testsuite",
            {
                "name": shown_name(result.name),
                **counts,
                "skipped": "0",
                "timestamp": result.started_at.partition(".")[0].partition("+")[0],
                "hostname": "localhost",
            },
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in (("loadgen_version", result.loadgen_version), ("verdict", result.verdict)):
            ET.SubElement(properties, "property", {"name": name, "value": value})
        suite.extend(cases)
        ET.SubElement(suite, "system-out").text = render(result)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _run(result: Result) -> ET.Element:
    case = _case("run", result, result.duration_s)
    reason = _REASONS.get(ExitCode(result.exit_code))
    if reason is not None:
        texts = [reason, *result.generator.reasons]
        if result.script is not None and result.script.stopped is not None:
            texts.append(result.script.stopped)
        error = ET.SubElement(case, "error", {"message": reason, "type": result.verdict})
        error.text = "\n".join(shown_name(text) for text in texts)
    return case


def _threshold(threshold: ThresholdResult, result: Result) -> ET.Element:
    case = _case(threshold.expression, result, 0)
    if not threshold.passed:
        kind = "no data" if threshold.passed is None else "threshold"
        message = shown_name(f"{threshold.expression}: {measured(threshold, result)}")
        ET.SubElement(case, "failure", {"message": message, "type": kind}).text = message
    return case


def _case(name: str, result: Result, seconds: float) -> ET.Element:
    return ET.Element(
        "testcase",
        {"name": shown_name(name), "classname": f"loadgen.{result.command}", "time": _seconds(seconds)},
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
