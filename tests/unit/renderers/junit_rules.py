"""What consumers of JUnit XML accept, as the schema of Jenkins's xunit plugin (junit-10.xsd) has it, checked on a text.

Only what a suite of its own may hold is listed: the schema also knows reruns and flaky failures.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}
OPTIONAL = {
    "testsuite": {
        "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url",
    },
    "testcase": {"classname", "time", "group"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}  # fmt: skip
CHILDREN = {
    "testsuite": {"testsuite", "properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
}
WITH_TEXT = {"failure", "error", "skipped", "system-out", "system-err"}
SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


def check_junit(text: str) -> ElementTree.Element:
    """Parse the document, assert the rules and that its counts are true; return the suite."""
    root = ElementTree.fromstring(text.encode())
    assert (root.tag, root.attrib, [child.tag for child in root]) == ("testsuites", {}, ["testsuite"])
    suite = root[0]
    for element in suite.iter():
        attributes = set(element.attrib)
        assert REQUIRED.get(element.tag, set()) <= attributes, element.attrib
        assert attributes <= REQUIRED.get(element.tag, set()) | OPTIONAL.get(element.tag, set()), element.attrib
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set()), element.tag
        if element.tag not in WITH_TEXT:
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()
        if "time" in attributes:
            assert SECONDS.fullmatch(element.attrib["time"])
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    for outcome, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == len(suite.findall(f"testcase/{outcome}"))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names)
    return suite


def outcomes(suite: ElementTree.Element) -> dict[str, str]:
    """What became of each case: "failure", "skipped" or "passed", by the name of the case."""
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in suite.findall("testcase")
    }
