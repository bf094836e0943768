"""What CI systems demand of a JUnit report, as rules: elements and their order, attributes, sums."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from pathlib import Path

_TIME = r"\d+(\.\d+)?"
_COUNT = r"\d+"
_ANY = r"(?s).+"
# Of each element: the order of its children, and its attributes: those that must be, and those that may.
_CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"(properties )?(testcase )*(system-out )?(system-err )?",
    "properties": r"(property )*",
    "testcase": r"(skipped )?(error )*(failure )*(system-out )*(system-err )*",
}
_REQUIRED = {
    "testsuite": {"name": _ANY, "tests": _COUNT, "failures": _COUNT, "errors": _COUNT, "time": _TIME},
    "testcase": {"name": _ANY, "classname": _ANY, "time": _TIME},
    "property": {"name": _ANY, "value": ".*"},
    "failure": {"type": _ANY},
    "error": {"type": _ANY},
}
_ALLOWED = {
    "testsuites": {"name": _ANY, "tests": _COUNT, "failures": _COUNT, "errors": _COUNT, "time": _TIME},
    "testsuite": {
        "skipped": _COUNT,
        "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
        "hostname": _ANY,
        "id": _ANY,
    },
    "failure": {"message": ".*"},
    "error": {"message": ".*"},
}


def read_junit(path: Path) -> dict[str, str]:
    """Checks a report; returns how each of its cases ended: passed, failure or error."""
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - our own
    assert root.tag == "testsuites"
    for element in root.iter():
        _check(element)
    outcomes: dict[str, str] = {}
    for suite in root:
        cases = suite.findall("testcase")
        _check_sums(suite, cases)
        for case in cases:
            ends = [child.tag for child in case if child.tag in ("failure", "error")]
            assert case.attrib["name"] not in outcomes, "two cases have the same name"
            outcomes[case.attrib["name"]] = ends[0] if ends else "passed"
    _check_sums(root, list(root.iter("testcase")))
    return outcomes


def _check(element: ET.Element) -> None:
    tag = element.tag
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(_CHILDREN.get(tag, ""), children), f"{tag} has {children}"
    required = _REQUIRED.get(tag, {})
    known = required | _ALLOWED.get(tag, {})
    assert required.keys() <= element.attrib.keys() <= known.keys(), f"{tag} has {element.attrib}"
    for name, value in element.attrib.items():
        assert re.fullmatch(known[name], value), f"{tag}.{name} is {value!r}"


def _check_sums(element: ET.Element, cases: list[ET.Element]) -> None:
    counted = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
    }
    assert {name: int(element.attrib[name]) for name in counted} == counted
