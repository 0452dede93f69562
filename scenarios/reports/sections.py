"""What a report is laid out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinstorm.scenarios.reports.svg import Chart


@dataclass(frozen=True)
class Table:
    """`numbers`: columns that are aligned to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """`chart_table` repeats the charts in figures; a report that draws leaves it out."""

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    chart_table: Table | None = None
