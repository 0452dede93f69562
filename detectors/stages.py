"""Where the time goes: one reading in so many of each device, and when it was at which stage of its way. A tap.

Sampled is what the device's clock said, so that a wrong one shows as time that is missing or too much; sent and
delivered are instants of the run; ingested is the end of the second in which the core took it, windowed the instant at
which the window that it belongs to was closed. When its broker admitted it no reading says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twinstorm.detectors.dating import came_us, second_before_us
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Int


class Stage(IntEnum):
    SAMPLED = 0
    SENT = 1
    DELIVERED = 2
    INGESTED = 3
    WINDOWED = 4


@dataclass(frozen=True)
class Latency:
    """From the stage before to this one, and what it is of.

    Attributes:
        median_us, p95_us, most_us: None without a reading.
    """

    to: Stage
    readings: int
    median_us: int | None
    p95_us: int | None
    most_us: int | None


class Stages:
    """Stamps of the newest readings that carry them.

    Args:
        every: readings whose number is a multiple of it.
        window_us, lateness_us: of the tumbling windows that close behind them.
        most: readings that are remembered.

    Attributes:
        stamped: readings so far.
    """

    def __init__(self, every: int, window_us: int, lateness_us: int, most: int = 10_000) -> None:
        if min(every, window_us, most) < 1 or lateness_us < 0:
            raise ValueError("one reading in at least one, a window of more than nothing, no lateness below 0")
        self.stamped = 0
        self._every, self._window_us, self._lateness_us = every, window_us, lateness_us
        self._come: list[Int] = []
        """(readings, 3) of the second that goes on: sampled, sent, delivered."""
        self._open: list[Int] = []
        """(readings, 4), whose window is open."""
        self._through_us = 0
        self._whole: deque[tuple[int, ...]] = deque(maxlen=most)

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        chosen = accepted.seq % self._every == 0
        if accepted.good is not None:
            chosen &= accepted.good
        columns = accepted.dated_us, accepted.sent_us, came_us(accepted)
        stamps = np.stack([column[chosen] for column in columns], axis=1)
        if len(stamps):
            self.stamped += len(stamps)
            self._come.append(stamps)

    def close(self, now_us: int, through_us: int | None = None) -> None:
        """See `Follower`."""
        for stamps in self._come:
            # A stamp from the future keeps no reading waiting for ever: its clock is wrong, and no window is its own.
            sound = stamps[:, Stage.SAMPLED] <= now_us
            # Late: its window was closed before it came, and it is in none.
            sound &= self._closes_us(stamps) > np.maximum(
                second_before_us(stamps[:, Stage.DELIVERED]), self._through_us
            )
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

    def _closes_us(self, stamps: Int) -> Int:
        """Where the clock of event time stands when the window of each reading is closed."""
        closes_us: Int = (stamps[:, Stage.SAMPLED] // self._window_us + 1) * self._window_us + self._lateness_us
        return closes_us

    @property
    def waiting(self) -> int:
        """Readings whose window is open."""
        return sum(len(part) for part in (*self._come, *self._open))

    def latencies(self) -> list[Latency]:
        """One a stage but the first, of the readings that are remembered."""
        stamps = np.array(self._whole, np.int64).reshape(-1, len(Stage))
        found = []
        for stage in list(Stage)[1:]:
            took_us = np.sort(stamps[:, stage] - stamps[:, stage - 1])
            n = len(took_us)
            ranks = [(n + 1) // 2 - 1, -(-95 * n // 100) - 1, n - 1]
            told = [int(took_us[rank]) for rank in ranks] if n else [None] * 3
            found.append(Latency(stage, n, *told))
        return found
