"""The charts of a report: what the broker had to bear, who was online, how the objectives fared, what piled up."""

from __future__ import annotations

import re
from collections.abc import Sequence

from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.reports.series import Interval, gather, objective_key, storm_window
from twinstorm.scenarios.reports.svg import Bound, Chart, Mark, Series, Shade
from twinstorm.scenarios.reports.words import duration
from twinstorm.scenarios.result import EventRow, ObjectiveResult

POINTS = 600
"""Room of a chart: about one point a dot of its width."""

_SIGNS = {"page": "!", "ticket": "▲"}


def charts(run: RecordedRun, intervals: Sequence[Interval], events: Sequence[EventRow], end_s: float) -> list[Chart]:
    """All charts of a run; none without a recorded second."""
    if not intervals:
        return []
    drawing = _Drawing(intervals, shades(run, events, end_s), alarm_marks(events), end_s)
    objectives = {each.name: each for each in run.result.objectives} if run.result is not None else {}
    return [
        drawing.connects("Connects"),
        *_closer(run, drawing, intervals, int(end_s)),
        drawing.online(run.about.devices),
        *(drawing.objective(name, objectives.get(name)) for name in _objective_names(intervals, objectives)),
        drawing.queues(),
        drawing.readings(),
    ]


def _closer(run: RecordedRun, whole: _Drawing, intervals: Sequence[Interval], end_s: int) -> list[Chart]:
    """The connects of a short storm in a long run, second by second."""
    window = storm_window(intervals, end_s)
    if window is None:
        return []
    after_s, to_s = window
    seconds = gather(run.panes(after_s, to_s), to_s, POINTS, after_s)
    return [whole.closer(seconds, after_s, to_s).connects("Connects, closer")] if seconds else []


def shades(run: RecordedRun, events: Sequence[EventRow], end_s: float) -> list[Shade]:
    """Intervals of the faults that began: from the result, or, when a run was killed, from its events."""
    if run.result is not None:
        return [
            Shade(fault.from_s, end_s if fault.to_s is None else min(fault.to_s, end_s), f"{fault.name}: {fault.fault}")
            for fault in run.result.faults
            if fault.from_s <= end_s
        ]
    ends = {event.name: event.at_s for event in events if event.kind == "fault-end"}
    return [
        Shade(event.at_s, ends.get(event.name, end_s), f"{event.name}: {event.text.split('  ')[0]}")
        for event in events
        if event.kind == "fault"
    ]


def alarm_marks(events: Sequence[EventRow]) -> list[Mark]:
    return [
        Mark(event.at_s, f"{event.name} {event.text}", _SIGNS.get(event.severity, "▲"))
        for event in events
        if event.kind == "alarm"
    ]


def bound_of(objective: ObjectiveResult) -> float | None:
    """The number in ``at least 90 %``, in the unit of the objective's value (a share as 0..1)."""
    found = re.fullmatch(r"at (?:least|most) (\S+)\s*(.*)", objective.wanted)
    if found is None or found[2] != objective.unit:
        return None
    try:
        bound = float(found[1].replace(",", ""))
    except ValueError:
        return None
    return bound / 100 if objective.unit == "%" else bound


def _objective_names(intervals: Sequence[Interval], objectives: dict[str, ObjectiveResult]) -> list[str]:
    """Those of the result in its order; of a killed run those that were ever measured, by name."""
    if objectives:
        return list(objectives)
    prefix = objective_key("")
    return sorted({key.removeprefix(prefix) for each in intervals for key in each.low if key.startswith(prefix)})


class _Drawing:
    def __init__(
        self,
        intervals: Sequence[Interval],
        faults: Sequence[Shade],
        alarms: Sequence[Mark],
        end_s: float,
        start_s: float = 0.0,
    ) -> None:
        self._intervals = intervals
        self._faults = faults
        self._alarms = alarms
        self._start_s, self._end_s = start_s, end_s
        width_s = intervals[0].to_s - intervals[0].from_s
        self._each = "" if width_s == 1 else f", the {{}} second of every {duration(width_s)}"

    def closer(self, intervals: Sequence[Interval], start_s: float, end_s: float) -> _Drawing:
        """The same faults and alarms around a part of the run."""
        return _Drawing(intervals, self._faults, self._alarms, end_s, start_s)

    def connects(self, title: str) -> Chart:
        series = [
            Series("attempts", self._high("attempts"), "c1", area=True),
            Series("admitted", self._high("admitted"), "c2"),
            Series("refused", self._high("refused"), "c3"),
            Series("unanswered", self._high("unanswered"), "c4"),
        ]
        return self._chart(title, "per second" + self._each.format("busiest"), series)

    def online(self, devices: int) -> Chart:
        series = [Series("online", self._low("online"), "c2", area=True)]
        unit = "devices" + self._each.format("lowest")
        return self._chart("Devices online", unit, series, lowest=0.0, highest=devices)

    def objective(self, name: str, objective: ObjectiveResult | None) -> Chart:
        is_share = objective is None or objective.unit == "%"
        at_most = objective is not None and objective.wanted.startswith("at most")
        key = objective_key(name)
        values = self._high(key) if at_most else self._low(key)
        scaled = [None if value is None else value * 100 for value in values] if is_share else values
        bound = None if objective is None else bound_of(objective)
        bounds = []
        if objective is not None and bound is not None:
            bounds.append(Bound(bound * 100 if is_share else bound, objective.wanted))
        unit = "%" if is_share or objective is None else objective.unit
        return self._chart(
            f"Objective {name}",
            f"{unit} over 10 s" + self._each.format("worst"),
            [Series(name, scaled, "c5")],
            bounds=bounds,
            lowest=_floor(scaled, bounds) if is_share and not at_most else None,
            highest=100.0 if is_share and not at_most else None,
        )

    def queues(self) -> Chart:
        series = [
            Series("broker queue", self._high("queue"), "c1", area=True),
            Series("buffered in devices", self._high("buffered"), "c6"),
        ]
        return self._chart("Piled up", "messages, readings" + self._each.format("fullest"), series)

    def readings(self) -> Chart:
        series = [Series("accepted", self._low("readings"), "c2", area=True)]
        return self._chart("Readings accepted", "per second" + self._each.format("lowest"), series)

    def _chart(
        self,
        title: str,
        unit: str,
        series: Sequence[Series],
        bounds: Sequence[Bound] = (),
        lowest: float | None = None,
        highest: float | None = None,
    ) -> Chart:
        times_s = [each.to_s for each in self._intervals]
        return Chart(
            title,
            unit,
            times_s,
            series,
            self._end_s,
            self._faults,
            self._alarms,
            bounds,
            lowest,
            highest,
            self._start_s,
        )

    def _low(self, key: str) -> list[float | None]:
        return [each.low.get(key) for each in self._intervals]

    def _high(self, key: str) -> list[float | None]:
        return [each.high.get(key) for each in self._intervals]


def _floor(values: Sequence[float | None], bounds: Sequence[Bound]) -> float:
    """Where the axis of a share begins: 0 hides the difference between 99.9 and 99.5 %."""
    lowest = min([value for value in values if value is not None] + [bound.value for bound in bounds], default=0.0)
    if lowest >= 99.0:
        return 98.0
    return 80.0 if lowest >= 90.0 else 0.0
