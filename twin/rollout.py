"""Staged rollouts of an update: how fast it goes out, and when it is called off.

The rules are those of AWS IoT Jobs (developer guide, "Job rollout, scheduling and abort configurations"): a rate that
grows by a factor each time another so many devices have been told, up to a ceiling, and an abort once a share of those
that came to an end have failed, not before a minimum number did.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_PER_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Ramp:
    """How many devices are told of an update a minute.

    Attributes:
        base_per_min: 1 to 1,000, at the beginning.
        factor: 1 to 5, of the rate from one stage to the next.
        every: devices told (or updated) in each stage.
        most_per_min: the rate grows no further.
    """

    base_per_min: int
    factor: float
    every: int
    most_per_min: int = MOST_PER_MIN

    def __post_init__(self) -> None:
        allowed = (
            ("base_per_min", self.base_per_min, 1, MOST_PER_MIN),
            ("factor", self.factor, 1, 5),
            ("every", self.every, 1, None),
            ("most_per_min", self.most_per_min, self.base_per_min, MOST_PER_MIN),
        )
        for name, value, low, high in allowed:
            if value < low or (high is not None and value > high):
                raise ValueError(f"{name} = {value} is outside {low} .. {'' if high is None else high}")

    def per_min(self, told: int) -> float:
        """The rate once so many devices have been told."""
        return float(min(self.base_per_min * self.factor ** (told // self.every), self.most_per_min))

    def minutes(self, devices: int) -> float:
        """How long it takes to tell so many devices."""
        stages, rest = divmod(devices, self.every)
        whole = sum(self.every / self.per_min(stage * self.every) for stage in range(stages))
        return whole + rest / self.per_min(devices)


@dataclass(frozen=True, slots=True)
class Abort:
    """When a rollout is called off: `share` (0..1) of those that came to an end failed, and at least `least` did."""

    share: float
    least: int

    def is_due(self, failed: int, ended: int) -> bool:
        """Whether these counts call it off.

        Args:
            failed: of those that came to an end, in whatever way is counted: failed, rejected, timed out, or all three.
        """
        return ended >= self.least and failed >= self.share * ended
