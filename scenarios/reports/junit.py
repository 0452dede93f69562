"""JUnit XML: one suite a run, one case an expectation and one a fault, so that CI shows what did not hold."""

from __future__ import annotations

from collections.abc import Sequence

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.words import clock, evidence
from twinstorm.scenarios.result import ExpectationResult, FaultResult, RunResult


def junit(results: Sequence[RunResult]) -> bytes:
    """All runs as one document.

    Missed is a failure; what could not be judged, a fault without effect included, is an error, because neither may
    turn a build green. Control characters are replaced: XML cannot hold them.
    """
    document = JUnitXml("twinstorm")
    for result in results:
        document.add_testsuite(_suite(result))
    document.update_statistics()  # type: ignore[no-untyped-call]
    written: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + written + b"\n"


def _suite(result: RunResult) -> TestSuite:
    suite = TestSuite(printable(f"{result.scenario} seed {result.seed}"))
    for name in ("seed", "version", "clock", "ended", "verdict", "digest", "devices", "simulated_s", "repeat"):
        suite.add_property(name, printable(str(getattr(result, name))))
    cases = [_expectation(result, each) for each in result.expectations]
    cases += [_fault(result, each) for each in result.faults]
    if result.ended != "completed":
        cases.append(_ended(result))
    # A run judges all its expectations at once: the first case carries the time, so that the sum is right.
    if cases:
        cases[0].time = result.wall_s
    suite.add_testcases(cases)
    return suite


def _case(result: RunResult, name: str) -> TestCase:
    return TestCase(printable(name), classname=printable(result.scenario))


def _expectation(result: RunResult, each: ExpectationResult) -> TestCase:
    case = _case(result, each.text)
    if each.verdict == "held":
        return case
    at = "" if each.at_s is None else f" at {clock(each.at_s)}"
    why = f" ({each.why})" if each.why else ""
    message = printable(f"wanted {each.wanted}, found {each.value or 'nothing'}{at}{why}")
    kind = Failure if each.verdict == "missed" else Error
    finding = kind(message, each.verdict)
    line = f"line {each.line} of the scenario\n" if each.line else ""
    finding.text = f"{line}repeat: {printable(result.repeat)}"
    case.result = [finding]
    return case


def _fault(result: RunResult, fault: FaultResult) -> TestCase:
    case = _case(result, f"fault {fault.name} has an effect")
    if not fault.bit:
        case.result = [Error(f"{printable(fault.fault)} on {fault.devices:,} devices left no evidence", "inconclusive")]
    else:
        case.system_out = printable(evidence(fault.evidence))
    return case


def _ended(result: RunResult) -> TestCase:
    case = _case(result, "the run ends by itself")
    case.result = [Error(f"{result.ended} at {clock(result.simulated_s)}", result.ended)]
    return case
