"""Results as JUnit XML, which CI servers show as tests: each CRD is a case."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree as ET

from asyncmigrate._output.clean import clean
from asyncmigrate._output.verdicts import Case, Verdict, cases_of, summary_of
from asyncmigrate._results.plan import Plan
from asyncmigrate._results.report import Report

_TAGS = {Verdict.SKIPPED: "skipped", Verdict.UNDONE: "failure", Verdict.ERROR: "error"}
_NO_XML = re.compile("[\ufffe\uffff]")  # XML 1.0 has no such characters, nor those that `clean` escapes


def result_xml(result: Plan | Report) -> str:
    """A plan or report: failures are what `plan --check` fails or a run left undone, errors what is not known."""
    command = "plan" if isinstance(result, Plan) else "run"
    cases = cases_of(result)
    suite = _suite(f"asyncmigrate {command}", cases, seconds=result.seconds)
    properties = ET.SubElement(suite, "properties")
    for name in ("context", "server"):
        ET.SubElement(properties, "property", name=name, value=_text(clean(getattr(result, name))))
    for case in cases:
        _add(suite, f"asyncmigrate.{command}", case)
    ET.SubElement(suite, "system-out").text = _text(summary_of(result))
    return _whole(suite)


def error_xml(message: str, *, reason: str) -> str:
    """An error that ended the command: a case of its own, so that nobody takes an empty file for a good one."""
    case = Case("asyncmigrate", "error", Verdict.ERROR, clean(reason), clean(message))
    suite = _suite("asyncmigrate", [case], seconds=0.0)
    _add(suite, "asyncmigrate", case)
    return _whole(suite)


def _suite(name: str, cases: list[Case], *, seconds: float) -> ET.Element:
    count = Counter(case.verdict for case in cases)
    return ET.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(count[Verdict.UNDONE]),
        errors=str(count[Verdict.ERROR]),
        skipped=str(count[Verdict.SKIPPED]),
        time=f"{seconds:.3f}",
    )


def _add(suite: ET.Element, group: str, case: Case) -> None:
    found = ET.SubElement(suite, "testcase", classname=group, name=_text(case.name))
    message = _text(f"{case.word}: {case.message}")
    match case.verdict:
        case Verdict.PASSED:
            return
        case Verdict.SKIPPED:
            ET.SubElement(found, "skipped", message=message)
        case verdict:
            said = ET.SubElement(found, _TAGS[verdict], type=_text(case.reason), message=message)
            said.text = _text("\n".join([message, *case.more]))


def _whole(suite: ET.Element) -> str:
    """The document; what is not ASCII is escaped, so that it does not matter in which encoding stdout is."""
    whole = ET.Element("testsuites", {k: suite.attrib[k] for k in ("name", "tests", "failures", "errors", "time")})
    whole.append(suite)
    ET.indent(whole)
    data: bytes = ET.tostring(whole, encoding="us-ascii", xml_declaration=True)
    return data.decode("ascii")


def _text(text: str) -> str:
    return _NO_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
