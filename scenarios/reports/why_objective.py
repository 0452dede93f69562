"""An objective of a recorded run down to what it rests on: counts by second, devices, and the fleet around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinstorm.scenarios.reports.why import example_lines, pane_line
from twinstorm.scenarios.reports.words import clock, objective_value, share
from twinstorm.scenarios.result import JudgedRow, ObjectiveResult, PaneRow

AROUND_S = 10
"""Seconds before an instant that are shown."""


@dataclass(frozen=True)
class Instant:
    """What is recorded of the seconds up to one.

    Attributes:
        at_s: end of the second. chosen: why this one; empty: somebody asked for it.
        rows: seconds in which something counted against the objective, the last `AROUND_S`.
        named: the newest of them that names devices; None: nothing counted, or the indicator has no devices.
    """

    at_s: int
    chosen: str
    rows: Sequence[JudgedRow]
    named: JudgedRow | None
    panes: Sequence[PaneRow]


def objective_lines(objective: ObjectiveResult, summary: str, instant: Instant | None) -> list[str]:
    """What was judged, from how many counts, and what counted against it around an instant.

    Args:
        summary: what the indicator counts.
        instant: None: nothing ever counted against it.
    """
    lines = [
        f"objective {objective.name}: {objective.sli}, {objective.verdict}",
        f"  counts    {summary}",
        f"  wanted    {objective.wanted}",
        f"  value     {objective_value(objective)}",
    ]
    if objective.total:
        lines.append(f"  from      {_against(objective.bad, objective.total)}, since the warm-up")
    if objective.budget_left is not None:
        lines.append(f"  budget    {objective.budget_left * 100:.1f} % left")
    if objective.missed_from_s is not None and objective.missed_to_s is not None:
        lines.append(
            f"  broken    {clock(objective.missed_from_s)} to {clock(objective.missed_to_s)}, at least at times"
        )
    if instant is None:
        return [*lines, "", "nothing counted against it in any second after the warm-up"]
    lines += ["", f"at {clock(instant.at_s)}{instant.chosen}:"]
    lines += [f"  {clock(row.at_s)}  {_against(row.bad, row.total)}; so far {_so_far(row)}" for row in instant.rows]
    if not instant.rows or instant.rows[-1].at_s < instant.at_s:
        lines.append(f"  {clock(instant.at_s)}  nothing counted against it in this second")
    named = instant.named
    if named is not None:
        lines += ["", f"devices that counted against it at {clock(named.at_s)}, those heard longest ago first:"]
        lines += example_lines(named.devices)
    elif instant.rows:
        lines += ["", "it counts events or seconds of the whole fleet, and no devices"]
    if instant.panes:
        lines += ["", "the fleet in the seconds before:", *(pane_line(pane) for pane in instant.panes)]
    return lines


def _against(bad: int, total: int) -> str:
    part = f" ({share(bad / total, up=True)})" if total else ""
    return f"{bad:,} of {total:,}{part} counted against it"


def _so_far(row: JudgedRow) -> str:
    return f"{row.bad_so_far:,} of {row.total_so_far:,}"
