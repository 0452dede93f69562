"""An alarm of a recorded run down to what it rests on, as far as the record holds it."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.scenarios.reports.words import clock, number, share
from twinstorm.scenarios.result import AlarmResult, ExampleResult, PaneRow, RunResult, SeenResult

AROUND_S = 3
"""Seconds before an alarm that are shown."""
_NAMED = {
    True: "; the group names what it struck",
    False: "; the group does not name what it struck",
    None: "; its group was set, not found",
}


def alarm_lines(result: RunResult, alarm: AlarmResult, panes: Sequence[PaneRow]) -> list[str]:
    """What was raised, by which limit, about how many of whom, and what the core knew of ten of them.

    Args:
        panes: the recorded seconds up to the alarm.
    """
    of = f" of {alarm.known:,} ({share(alarm.devices / alarm.known)}) that could be judged" if alarm.known else ""
    lines = [
        f"alarm {alarm.number}: {alarm.name} {alarm.group}, {alarm.severity}, INC-{alarm.incident}",
        f"  raised    {clock(alarm.at_s)}",
        f"  affected  {alarm.devices:,} devices{of}",
        f"  score     {number(alarm.score)} at most; a device is affected from {number(alarm.limit)} on",
        f"  cause     {alarm.cause or 'none: they share nothing, or it is the whole fleet'}",
    ]
    if alarm.resolved_s is not None:
        lines.append(f"  resolved  {clock(alarm.resolved_s)}")
    if alarm.suppressed:
        lines.append(f"  not told  {alarm.suppressed}")
    if alarm.openings > 1:
        lines.append(f"  flapped   opened {alarm.openings} times")
    if alarm.wrong:
        lines.append("  wrong     somebody said so")
    if alarm.runbook:
        lines.append(f"  runbook   {alarm.runbook}")
    truth = next((fault for fault in result.faults if fault.name == alarm.fault), None)
    if truth is None:
        lines.append("  truth     no fault is behind it")
    else:
        lines.append(f"  truth     {truth.fault} ({truth.name}) on {truth.devices:,} devices{_NAMED[alarm.right]}")
    if alarm.examples:
        lines += ["", "devices of it, those heard longest ago first:"]
        lines += example_lines(alarm.examples)
    if panes:
        lines += ["", "the fleet in the seconds before:", *(pane_line(pane) for pane in panes)]
    return lines


def example_lines(examples: Sequence[ExampleResult]) -> list[str]:
    """What the core knew of devices, and the values that counted."""
    lines = []
    width = max(len(each.device) for each in examples)
    for each in examples:
        heard = "no reading ever" if each.last_s is None else f"reading {each.seq:,} arrived {clock(each.last_s)}"
        session = "session" if each.session else "no session"
        lines.append(f"  {each.device.ljust(width)}  {heard}  boot {each.boot}  {session}")
        lines += [f"    {_seen(one)}" for one in each.seen]
    return lines


def pane_line(pane: PaneRow) -> str:
    """A second of the fleet."""
    return (
        f"  {clock(pane.at_s)}  online {pane.online:,}  readings {pane.readings:,}  attempts {pane.attempts:,}"
        f"  refused {pane.refused:,}  queue {pane.queue:,}"
    )


def _seen(one: SeenResult) -> str:
    """``current_a 31.2 A at 00:02:41, score 4.1; normal 8.1 to 14.9 A``."""
    told = f"{one.channel} {one.value:g} {one.unit}".rstrip() + f" at {clock(one.at_s)}, score {number(one.score)}"
    if one.lowest is not None and one.highest is not None:
        told += f"; normal {one.lowest:g} to {one.highest:g} {one.unit}"
    elif one.highest is not None:
        told += f"; normal up to {one.highest:g} {one.unit}"
    elif one.lowest is not None:
        told += f"; normal from {one.lowest:g} {one.unit} on"
    return told.rstrip()
