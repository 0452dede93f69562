"""Which incidents are not what they were, and telling those who want to know, while a run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from twinstorm.detectors.core import Core
from twinstorm.detectors.panes import Pane
from twinstorm.scenarios.engine.alarm_results import alarm_result, incident_result
from twinstorm.scenarios.result import IncidentSink, Sink
from twinstorm.twin.flow import Alarm


def changed_in(pane: Pane) -> set[int]:
    """Numbers of the incidents that a pane changed."""
    alarms = (*pane.new_alarms, *pane.resolved_alarms, *pane.flapping_alarms)
    incidents = (*pane.new_incidents, *pane.resolved_incidents, *pane.escalated)
    return {each.incident for each in alarms} | {each.number for each in incidents}


class IncidentNews:
    """Knows the alarms of each incident, so that nobody walks through all of them for one that changed.

    Args:
        runbooks: page by name of an alarm.
    """

    def __init__(self, core: Core, runbooks: Mapping[str, str]) -> None:
        self._core, self._runbooks = core, runbooks
        self._alarms: dict[int, list[Alarm]] = {}
        self._seen = 0

    def tell(self, sinks: Sequence[Sink], changed: set[int]) -> None:
        """Tell of incidents as they are now, in the order of their opening.

        Args:
            changed: numbers; empty: nobody is asked whether they want to know.
        """
        told = [sink for sink in sinks if isinstance(sink, IncidentSink)] if changed else []
        if not told:
            return
        # Alarms are only ever added, and stay with the incident that they opened or joined.
        for alarm in islice(self._core.alarms, self._seen, None):
            self._alarms.setdefault(alarm.incident, []).append(alarm)
        self._seen = len(self._core.alarms)
        for number in sorted(changed):
            incident = self._core.incidents[number - 1]
            alarms = self._alarms.get(number, ())
            results = [alarm_result(alarm, self._core.registry, self._runbooks) for alarm in alarms]
            for sink in told:
                sink.incident(incident_result(incident), results)
