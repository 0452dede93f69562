"""What the values of a scenario become: small frozen types at the bottom of the language."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Rate:
    """Events per second, or a share of the fleet's devices per second."""

    per_s: Fraction
    of_fleet: bool

    def for_fleet(self, devices: int) -> Fraction:
        """Events per second for a fleet of this size; a share never falls below one device."""
        return max(self.per_s * devices, Fraction(1)) if self.of_fleet else self.per_s


@dataclass(frozen=True)
class Count:
    """A number of devices or connections, or a share of the fleet's devices."""

    value: Fraction
    of_fleet: bool

    def for_fleet(self, devices: int) -> int:
        return max(round(self.value * devices), 1) if self.of_fleet else int(self.value)


@dataclass(frozen=True)
class Range:
    """Both ends inclusive; a single value is a range of width 0. Microseconds where it is a duration."""

    low: int
    high: int


@dataclass(frozen=True)
class Instant:
    """`offset_us` from the start of the run, or from the start or end of a step. Resolved by the engine: a step that
    has not ended when asked for yields no instant."""

    step: str | None
    edge: str  # start, end; of the run if step is None
    offset_us: int
    text: str


@dataclass(frozen=True)
class Quantity:
    """A number in the unit that stands beside it, e.g. 80 and ``C``."""

    value: Fraction
    unit: str
