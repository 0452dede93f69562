"""What was done to machines, as a section of a report."""

from __future__ import annotations

from typing import Final

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.sections import Section, Table
from twinstorm.scenarios.reports.words import clock, duration
from twinstorm.scenarios.result import MaintenanceEntry, RunResult

SHOWN: Final = 30
"""Lines in a report, the newest; the table `maintenance` of the record and `report --format json` have more."""
_HEAD: Final = ("done at", "work", "on", "devices", "because of", "asked at", "begun at", "stood still", "crew")


def log_sections(result: RunResult) -> list[Section]:
    """One, if anything was done."""
    log = result.maintenance_log
    if not log:
        return []
    lines = [f"The newest {SHOWN} of {len(log):,} lines."] if len(log) > SHOWN else []
    rows = [_row(each) for each in log[-SHOWN:]]
    return [Section("Maintenance log", lines, [Table(_HEAD, rows, frozenset({3, 7, 8}))])]


def _row(entry: MaintenanceEntry) -> tuple[str, ...]:
    return (
        clock(entry.ended_s),
        entry.work,
        printable(entry.target),
        f"{entry.devices:,}",
        printable(entry.why),
        "" if entry.asked_s is None else clock(entry.asked_s),
        "" if entry.begun_s is None else clock(entry.begun_s),
        "" if entry.still_s is None else duration(entry.still_s),
        "" if entry.crew is None else str(entry.crew + 1),
    )
