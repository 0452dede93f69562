"""Alarms on their way while a run goes on: each change of an incident is a message, sent beside the run.

A run never waits for a receiver: messages queue, of one incident that changes faster than it is told the newest state
alone, and what is on its way when the run is over has a while to arrive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinstorm.scenarios.result import AlarmResult, EventRow, IncidentResult, PaneRow, RunResult
from twinstorm.scenarios.webhook import NotDelivered, Webhook, payload

PATIENCE_S: Final = 20.0
"""How long the end of a run waits for what is on its way."""


class Courier:
    """A sink that sends; its thread ends with `close`.

    Args:
        hook: where to.
        scenario, run: names, labels of every alert.
        started_at: wall time of the start of the run, RFC 3339.
        patience_s: how long the end of the run waits for what is on its way; None: `PATIENCE_S`.

    Attributes:
        sent: messages that were taken.
        lost: those that were not.
        trouble: why the last one was not; empty: all were.
    """

    def __init__(
        self, hook: Webhook, scenario: str, run: str, started_at: str, patience_s: float | None = None
    ) -> None:
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self.sent = self.lost = 0
        self.trouble = ""
        self._hook, self._scenario, self._run, self._started_at = hook, scenario, run, started_at
        self._waiting: dict[int, Mapping[str, Any]] = {}
        """The newest state of each incident that is not told, in the order in which they first changed."""
        self._news = threading.Condition()
        self._is_over = self._has_left = False
        self._is_sending = False
        """A message has been taken from those that wait, and nobody has counted it yet."""
        self._thread = threading.Thread(target=self._carry, name="webhook", daemon=True)
        self._thread.start()

    @property
    def complaint(self) -> str:
        """What was not taken, and why; empty: all was."""
        if not self.lost:
            return ""
        return f"webhook: {self.lost:,} of {self.sent + self.lost:,} messages were lost: {self.trouble}"

    def event(self, row: EventRow) -> None:
        """Nothing."""

    def pane(self, row: PaneRow) -> None:
        """Nothing."""

    def incident(self, incident: IncidentResult, alarms: Sequence[AlarmResult]) -> None:
        """See `IncidentSink`."""
        document = payload(
            self._scenario, incident, alarms, receiver="twinstorm", started_at=self._started_at, run=self._run
        )
        if document["alerts"]:
            with self._news:
                self._waiting[incident.number] = document
                self._news.notify()

    def close(self, result: RunResult | None, why: str = "") -> None:  # noqa: ARG002
        """See `Sink`. Waits for what is on its way, for a while; the rest is lost. A second call does nothing."""
        until_s = time.monotonic() + self._patience_s
        with self._news:
            self._is_over = True
            self._news.notify()
        self._thread.join(max(until_s - time.monotonic(), 0.0))
        with self._news:
            if self._has_left or not (self._waiting or self._is_sending):
                return
            # What waits is lost as well if the thread has ended by itself, whatever ended it.
            self._has_left = True
            self.lost += self._is_sending + len(self._waiting)
            slow = f"it took longer than {self._patience_s:g} s"
            self.trouble = self.trouble or (slow if self._thread.is_alive() else "sending has ended")
            self._waiting.clear()

    def _carry(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._is_over:
                    self._news.wait()
                if not self._waiting:
                    return
                document = self._waiting.pop(next(iter(self._waiting)))
                self._is_sending = True
            trouble = ""
            try:
                self._hook.send([document])
            except NotDelivered as error:
                trouble = str(error)
            except Exception as error:
                # The next messages must not be lost too.
                trouble = f"{type(error).__name__}: {error}"
            with self._news:
                if self._has_left:
                    return
                self._is_sending = False
                if trouble:
                    self.lost += 1
                    self.trouble = trouble
                else:
                    self.sent += 1
