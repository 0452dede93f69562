"""What happened in one pane, counted: events beside what devices are. For indicators of events (`events.py`).

Only what an objective or an expression asks for is counted; runs that ask for none of it pay nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import HOUR_US, NEVER_US, SECOND_US, Device, Int, Mask

SOONEST_US = 5 * SECOND_US
"""A reading that is dated so much later than it arrived was sampled by a clock that is wrong."""
OLDEST_US = -24 * HOUR_US
"""Nobody was commissioned before: a reading that is dated earlier comes from a clock that has lost the time."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Good and total events of a pane: numbers, or int or bool (n,), of each device."""

    good: Any
    total: Any


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What others report to the core: updates, commands, actions that ended.

    Attributes:
        device: int32 (m,), whose.
        took_us: int64 (m,), from the first try to the end; `NEVER_US`: it failed, was given up, or ended in part.
    """

    device: Device
    took_us: Int


@dataclass(frozen=True, slots=True)
class Tally:
    """Events of one pane.

    Attributes:
        accepted, repeated, refused: readings and messages that arrived: new, known already, dead letters.
        connects: CONNECTs that the broker answered or left. unauthorised: those that it refused for who they were;
            None: this broker does not tell.
        heard: what accepted readings held; None: nobody asks.
        unusual: bool (n,), devices that some detector calls unusual; None: nobody asks.
        outcomes: of each sort of report.
    """

    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    connects: int = 0
    unauthorised: int | None = None
    heard: Heard | None = None
    unusual: Mask | None = None
    outcomes: Mapping[str, Sequence[Outcomes]] = field(default_factory=dict)


class Heard:
    """What the accepted readings of a pane held, device by device: a tap of `ingest.Ingest`.

    Args:
        limits_us: delays of which it is asked who kept them.

    Attributes:
        present, expected: int32 (n,), channels with a value, and channels of the schema of their readings.
        dated: int32 (n,), readings whose date can be right. on_time: those of them that arrived within each limit.
    """

    def __init__(self, devices: int, limits_us: Sequence[int]) -> None:
        self.present, self.expected, self.dated = (np.zeros(devices, np.int32) for _ in range(3))
        self.on_time = {limit_us: np.zeros(devices, np.int32) for limit_us in limits_us}
        self._came = False

    def turn(self) -> None:
        """Begin a new pane."""
        if self._came:
            self._came = False
            for column in (self.present, self.expected, self.dated, *self.on_time.values()):
                column[:] = 0

    def take(self, accepted: Accepted) -> None:
        """See `taps.Tap`."""
        self._came = True
        mine: Any = slice(None) if accepted.good is None else accepted.good
        device, values = accepted.device[mine], accepted.values[mine]
        dated_us, at_us = accepted.dated_us[mine], accepted.arrived_us[mine]
        np.add.at(self.present, device, values.shape[1] - np.isnan(values).sum(axis=1, dtype=np.int32))
        np.add.at(self.expected, device, np.int32(values.shape[1]))
        late_us = at_us - dated_us
        sound = (late_us >= -SOONEST_US) & (dated_us >= OLDEST_US)
        np.add.at(self.dated, device[sound], 1)
        for limit_us, on_time in self.on_time.items():
            np.add.at(on_time, device[sound & (late_us <= limit_us)], 1)


def within(outcomes: Sequence[Outcomes], limit_us: int, devices: int) -> Counts:
    """Of each device, how many of these ended well within a limit, and how many ended."""
    good, total = np.zeros(devices, np.int32), np.zeros(devices, np.int32)
    for each in outcomes:
        np.add.at(total, each.device, 1)
        np.add.at(good, each.device[each.took_us <= min(limit_us, NEVER_US - 1)], 1)
    return Counts(good, total)
