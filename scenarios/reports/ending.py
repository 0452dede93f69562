"""The end of a run as lines of text: what was found and how to see it again. Command line and screen show the same."""

from __future__ import annotations

from collections.abc import Iterable

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.color import paint
from twinstorm.scenarios.reports.streams import stream_lines
from twinstorm.scenarios.reports.words import clock, duration, missed_interval, number, objective_value
from twinstorm.scenarios.result import (
    ExpectationResult,
    MaintenanceResult,
    ObjectiveResult,
    ProcessingResult,
    RunResult,
)

SIGNS = {"held": "+", "missed": "x", "inconclusive": "?"}
_STYLES = {"held": "good", "missed": "bad", "inconclusive": "warn"}

_WIDEST_NAME = 56


def ending(result: RunResult, color: bool = False) -> list[str]:
    """Everything after the timeline."""
    lines = list(judged(result, color))
    if result.maintenance is not None:
        lines.append(maintenance_line(result.maintenance))
    if result.processing is not None:
        lines.append(processing_line(result.processing))
    lines += stream_lines(result)
    lines.append(verdict_line(result, color))
    lines += [f"note: {printable(note)}" for note in result.notes]
    lines.append(f"digest: {result.digest}")
    lines.append(f"repeat: {printable(result.repeat)}")
    return lines


def judged(result: RunResult, color: bool = False) -> Iterable[str]:
    """A line for every objective and every written expectation; the implied ones are the objectives."""
    rows = [_objective_row(each) for each in result.objectives]
    rows += [_expectation_row(each) for each in result.expectations if each.line]
    names = min(max((len(name) for _, name, *_ in rows), default=0), _WIDEST_NAME)
    values = max((len(value) for _, _, value, *_ in rows), default=0)
    wanteds = max((len(wanted) for *_, wanted, _ in rows), default=0)
    for verdict, name, value, wanted, more in rows:
        sign = paint(SIGNS[verdict], _STYLES[verdict], color)
        yield f"{sign} {name.ljust(names)}  {value.ljust(values)}  {wanted.ljust(wanteds)}    {more}".rstrip()


def maintenance_line(found: MaintenanceResult) -> str:
    """``crews (condition): 2 breakdowns, 29 repairs, 29 spares, 15 h downtime, cost 18,300``."""
    counts = [(found.breakdowns, "breakdown"), (found.repairs, "repair"), (found.spares, "spare")]
    told = [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counts]
    told.append(f"{duration(found.downtime_s)} downtime")
    if found.cost:
        told.append(f"cost {found.cost:,.0f}")
    return f"crews ({found.policy}): {', '.join(told)}"


def processing_line(found: ProcessingResult) -> str:
    """``processing: 412,000 readings, 8 consumers at most, deepest lag 96,120, longest wait 41 s, 1,200 replayed``."""
    told = [f"{found.processed:,} readings"]
    if found.calls:
        told += [f"{found.consumers:,} instances at most", f"{found.cold:,} cold starts"]
    else:
        told.append(f"{found.consumers:,} consumer{'s' * (found.consumers != 1)} at most")
    told += [f"deepest lag {found.deepest:,}", f"longest wait {duration(found.longest_s)}"]
    told += [f"{count:,} {word}" for count, word in ((found.replayed, "replayed"), (found.shed, "shed")) if count]
    if found.cost:
        told.append(f"cost {found.cost:,.4g}")
    return f"processing: {', '.join(told)}"


def verdict_line(result: RunResult, color: bool = False) -> str:
    """``MISSED 1 of 3 in 6.2 s (290x)   report: runs/.../report.html``."""
    word = paint(result.verdict.upper(), _STYLES[result.verdict], color)
    pace = f" ({number(round(result.simulated_s / result.wall_s))}x)" if result.wall_s else ""
    cut = "" if result.ended == "completed" else f", {result.ended} at {clock(result.simulated_s)}"
    report = f"   report: {result.report}" if result.report else ""
    return f"{word} {tally(result)} in {duration(result.wall_s)}{pace}{cut}{report}"


def tally(result: RunResult) -> str:
    """How many expectations are as the verdict says, of how many; faults without effect by name."""
    same = sum(each.verdict == result.verdict for each in result.expectations)
    told = f"{same} of {len(result.expectations)}"
    blunt = [fault.name for fault in result.faults if not fault.bit and not fault.injected]
    if result.verdict == "inconclusive" and blunt:
        told += f", no effect of {', '.join(map(printable, blunt))}"
    return told


def _objective_row(each: ObjectiveResult) -> tuple[str, str, str, str, str]:
    interval = missed_interval(each)
    more = f"missed {interval}" if each.verdict == "missed" and interval else ""
    return each.verdict, each.name, objective_value(each), f"want {each.wanted}", more


def _expectation_row(each: ExpectationResult) -> tuple[str, str, str, str, str]:
    return each.verdict, printable(each.text), printable(each.value or "-"), f"want {each.wanted}", printable(each.why)
