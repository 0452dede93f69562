"""Where the time goes: one reading in so many of each device, and when it was at which stage of its way. A tap.

Sampled is what the device's clock said, so that a wrong one shows as time that is missing or too much. Sent, admitted
(by its broker) and delivered are instants of the run; ingested is the end of the second in which the core took it,
windowed the instant at which the window that it belongs to was closed. Alarmed is when an alarm about its device was
raised, of the reading that was the newest one of that device then, and counts from when that was ingested: for a
silence it is the silence. What nobody told (`UNTOLD_US`) is left out, and the next stage begins where the last one that
is known ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twinstorm.detectors.dating import came_us, second_before_us
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import UNTOLD_US, Device, Int


class Stage(IntEnum):
    SAMPLED = 0
    SENT = 1
    ADMITTED = 2
    DELIVERED = 3
    INGESTED = 4
    WINDOWED = 5
    ALARMED = 6


@dataclass(frozen=True)
class Latency:
    """From the stage before that is known (of an alarm: from ingested) to this one, and what it is of.

    Attributes:
        median_us, p95_us, most_us: None without a reading.
    """

    to: Stage
    readings: int
    median_us: int | None
    p95_us: int | None
    most_us: int | None

    @staticmethod
    def of(to: Stage, took_us: Int) -> Latency:
        took_us = np.sort(took_us)
        n = len(took_us)
        ranks = [(n + 1) // 2 - 1, -(-95 * n // 100) - 1, n - 1]
        told = [int(took_us[rank]) for rank in ranks] if n else [None] * 3
        return Latency(to, n, *told)


class Stages:
    """Stamps of the newest readings that carry them.

    Args:
        devices: of the fleet.
        every: readings whose number is a multiple of it.
        window_us, lateness_us: of the tumbling windows that close behind them.
        most: readings that are remembered.

    Attributes:
        stamped: readings so far.
    """

    def __init__(self, devices: int, every: int, window_us: int, lateness_us: int, most: int = 10_000) -> None:
        if min(every, window_us, most) < 1 or lateness_us < 0:
            raise ValueError("one reading in at least one, a window of more than nothing, no lateness below 0")
        self.stamped = 0
        self._every, self._window_us, self._lateness_us = every, window_us, lateness_us
        self._come: list[Int] = []
        """(readings, 4) of the second that goes on: up to delivered."""
        self._whose: list[Device] = []
        self._open: list[Int] = []
        """(readings, 5), whose window is open."""
        self._through_us = 0
        self._whole: deque[tuple[int, ...]] = deque(maxlen=most)
        """Up to windowed."""
        self._newest_us: Int = np.full(devices, UNTOLD_US, np.int64)
        """When the newest of each device was ingested that no alarm has been about yet."""
        self._alarmed_us: deque[int] = deque(maxlen=most)
        """Since then."""

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        chosen = accepted.seq % self._every == 0
        if accepted.good is not None:
            chosen &= accepted.good
        whose = accepted.device[chosen]
        if not len(whose):
            return
        untold = np.full(len(whose), UNTOLD_US)
        admitted_us = untold if accepted.admitted_us is None else accepted.admitted_us[chosen]
        columns = accepted.dated_us[chosen], accepted.sent_us[chosen], admitted_us, came_us(accepted)[chosen]
        self.stamped += len(whose)
        self._come.append(np.stack(columns, axis=1))
        self._whose.append(whose)

    def close(self, now_us: int, through_us: int | None = None) -> None:
        """See `Follower`."""
        for whose in self._whose:
            self._newest_us[whose] = now_us
        self._whose.clear()
        for stamps in self._come:
            # A stamp from the future keeps no reading waiting for ever: its clock is wrong, and no window is its own.
            sound = stamps[:, Stage.SAMPLED] <= now_us
            # Late: its window was closed before it came, and it is in none.
            open_us = np.maximum(second_before_us(stamps[:, Stage.DELIVERED]), self._through_us)
            sound &= self._closes_us(stamps) > open_us
            self._open.append(np.column_stack([stamps, np.full(len(stamps), now_us)])[sound])
        self._come.clear()
        self._through_us = max(self._through_us, now_us if through_us is None else through_us)
        if not self._open:
            return
        every = np.concatenate(self._open)
        closed = self._closes_us(every) <= self._through_us
        for row in every[closed].tolist():
            self._whole.append((*row, now_us))
        self._open = [every[~closed]]

    def alarmed(self, device: Device, now_us: int) -> None:
        """An alarm about these devices was raised in the second that was closed last."""
        since_us = self._newest_us[device]
        self._alarmed_us.extend((now_us - since_us[since_us != UNTOLD_US]).tolist())
        self._newest_us[device] = UNTOLD_US

    def _closes_us(self, stamps: Int) -> Int:
        """Where the clock of event time stands when the window of each reading is closed."""
        closes_us: Int = (stamps[:, Stage.SAMPLED] // self._window_us + 1) * self._window_us + self._lateness_us
        return closes_us

    @property
    def waiting(self) -> int:
        """Readings whose window is open."""
        return sum(len(part) for part in (*self._come, *self._open))

    def latencies(self) -> list[Latency]:
        """One a stage but the first, of the readings that are remembered; what none of them tells is left out."""
        stamps = np.array(self._whole, np.int64).reshape(-1, Stage.WINDOWED + 1)
        before_us = stamps[:, Stage.SAMPLED]
        found = []
        for stage in list(Stage)[1 : Stage.WINDOWED + 1]:
            known = stamps[:, stage] != UNTOLD_US
            if known.any() or not len(known):
                found.append(Latency.of(stage, (stamps[:, stage] - before_us)[known]))
            before_us = np.where(known, stamps[:, stage], before_us)
        return [*found, Latency.of(Stage.ALARMED, np.array(self._alarmed_us, np.int64))]
