"""Many runs of one kind side by side: what was varied, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.color import paint
from twinstorm.scenarios.reports.words import duration, number, objective_value
from twinstorm.scenarios.result import RunResult
from twinstorm.tui.cli.play import Outcome

_STYLES = {"HELD": "good", "MISSED": "bad", "INCONCLUSIVE": "warn"}
_MAINTENANCE = ("breakdowns", "repairs", "downtime", "cost")
_COUNTS = ("attempts", "refused", "pages")


def compared(outcomes: Sequence[Outcome], color: bool = False) -> list[str]:
    """A table for every scenario: one line a run, objectives, time to recover, connects and pages as columns."""
    lines: list[str] = []
    for name in dict.fromkeys(outcome.case.scenario.name for outcome in outcomes):
        lines += [
            *([""] if lines else []),
            *_one([each for each in outcomes if each.case.scenario.name == name], color),
        ]
    return lines


def verdict_word(outcome: Outcome) -> str:
    """HELD, MISSED, INCONCLUSIVE, or why there is no verdict."""
    if outcome.result is None:
        return "FAILED"
    return outcome.result.verdict.upper() if outcome.result.ended == "completed" else outcome.result.ended.upper()


def _one(outcomes: Sequence[Outcome], color: bool) -> Iterable[str]:
    result = next((outcome.result for outcome in outcomes if outcome.result is not None), None)
    head = [path for path, _ in outcomes[0].case.varied]
    head += ["seed", "verdict", *(_columns(result) if result is not None else []), "run"]
    rows = [[*_row(outcome, len(head) - 1), _folder(outcome)] for outcome in outcomes]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    first_number = len(outcomes[0].case.varied) + 2
    yield f"{outcomes[0].case.scenario.name}  {outcomes[0].case.scenario.fleet.devices:,} devices"
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if first_number <= column < len(head) - 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        word = row[first_number - 1]
        if word in _STYLES:
            cells[first_number - 1] = paint(cells[first_number - 1], _STYLES[word], color)
        yield "  " + "  ".join(cells).rstrip()


def _folder(outcome: Outcome) -> str:
    """Name of the run's folder: what `twinstorm report` takes."""
    return Path(outcome.result.report).parent.name if outcome.result is not None and outcome.result.report else ""


def _columns(result: RunResult) -> list[str]:
    objectives = [each.name for each in result.objectives]
    recoveries = [f"{fault.name} back after s" for fault in result.faults]
    maintenance = [] if result.maintenance is None else list(_MAINTENANCE)
    return [*objectives, *recoveries, *maintenance, *(name for name in _COUNTS if name in result.counts)]


def _row(outcome: Outcome, cells: int) -> list[str]:
    case, result = outcome.case, outcome.result
    row = [printable(value) for _, value in case.varied] + [str(case.seed), verdict_word(outcome)]
    if result is not None:
        row += [objective_value(each) for each in result.objectives]
        row += ["never" if fault.recovered_s is None else number(fault.recovered_s) for fault in result.faults]
        found = result.maintenance
        if found is not None:
            row += [f"{found.breakdowns:,}", f"{found.repairs:,}", duration(found.downtime_s), f"{found.cost:,.0f}"]
        row += [f"{result.counts[name]:,}" for name in _COUNTS if name in result.counts]
    # A variant may have other objectives or steps than the first; its surplus has no column.
    return (row + [""] * cells)[:cells]
