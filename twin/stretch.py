"""What the machines of a small periodic group will measure at their next instants, worked out at one call.

Nothing reaches most machines most of the time. A call for sixty machines costs nearly as much as one for a thousand, so
several periods are stepped together: the machines go from step to step, but noise, sensors and rounding are one call.
If something does reach them after all, the stretch is given up: machines go back to where it began, and on to their
last instant that is over. No result depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from twinstorm.twin.flow import MINUTE_US, Int, Values
from twinstorm.twin.resolution import Steps

MACHINE_STEPS: Final = 2_048
"""Steps of machines at one call: enough that what a call costs by itself hardly counts."""
LONGEST_US: Final = 5 * MINUTE_US
"""So that little is done again when a stretch is given up."""


def periods(machines: int, every_us: int) -> int:
    """How many periods of so many machines are worth a call; 1: they are stepped one by one."""
    return max(min(MACHINE_STEPS // machines, LONGEST_US // every_us), 1)


@dataclass
class Stretch:
    """Some periods of all machines of a group.

    Attributes:
        first_us, every_us: the first instant, and the time to the next.
        seq: int64 (n,), numbers of the first readings; each is followed by the next.
        before: columns of the state before it.
        values, steps: float32 and int16 (channels, periods * n), what is measured, instant after instant.
        done: instants that are over.
    """

    first_us: int
    every_us: int
    seq: Int
    before: dict[str, NDArray[Any]]
    values: Values
    steps: Steps
    done: int = 0

    @property
    def periods(self) -> int:
        return self.values.shape[1] // len(self.seq)

    def is_at(self, now_us: int, seq: Int) -> bool:
        """Whether these readings of this instant are the next ones."""
        return (
            self.done < self.periods
            and now_us == self.first_us + self.done * self.every_us
            and int(seq[0]) == int(self.seq[0]) + self.done
        )

    def next(self, most: int = 1) -> tuple[Values, Steps]:
        """What is measured at the next instants, at most so many, instant after instant; they are over then."""
        n, first = len(self.seq), self.done
        self.done = min(first + most, self.periods)
        part = slice(first * n, self.done * n)
        return self.values[:, part], self.steps[:, part]
