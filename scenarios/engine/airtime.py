"""Segments whose links have no time for what they are to send: told as notes, for a scenario may want just that.

A transmission takes its time on air and, under a duty cycle, a silence after it in which nothing else may be sent.
Readings come every period; where that is longer than the keep-alive, pings come in between. Together they may not take
more time than there is. Repetitions come on top and are not reckoned here: what is told needs no bad luck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from twinstorm.scenarios.engine.plan import fleet_plan
from twinstorm.scenarios.language.catalogue import FAST_LINKS
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.values import decimal, show_duration
from twinstorm.twin.fleet import SegmentPlan, link_of
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.network import PING_BYTES, LinkClass
from twinstorm.twin.radio import off_us

LONGEST_KEEP_ALIVE_US: Final = 18 * 3_600 * SECOND_US
_MS_US: Final = 1_000


@dataclass(frozen=True)
class Turn:
    """One transmission.

    Attributes:
        air_us: on air. rest_us: of silence after it.
    """

    air_us: int
    rest_us: int

    @classmethod
    def of(cls, link: LinkClass, payload_bytes: int) -> Turn:
        air_us = link.air_us(payload_bytes)
        return cls(air_us, off_us(air_us, Fraction(link.duty_per_mille, 1_000)))

    @property
    def all_us(self) -> int:
        return self.air_us + self.rest_us

    def __str__(self) -> str:
        silence = f" and {_shown(self.rest_us)} of silence after it" if self.rest_us else ""
        return f"{_shown(self.air_us)} on air{silence}"


def airtime_notes(scenario: Scenario) -> list[str]:
    """A line for each segment whose readings and pings do not fit its link; without repetitions.

    Runs on links that are too fast for it to matter cost nothing.
    """
    if all(segment.link in FAST_LINKS for segment in scenario.fleet.segments):
        return []
    plan = fleet_plan(scenario)
    channels = {part.kind: len(catalogue()[part.kind].channels) for part in plan.segments}
    return list(_notes(((part, link_of(part, plan.sites)) for part in plan.segments), channels))


def _notes(parts: Iterable[tuple[SegmentPlan, LinkClass]], channels: Mapping[str, int]) -> Iterable[str]:
    for part, link in parts:
        if not link.fits(link.longest_bytes(channels[part.kind])):
            continue  # never on air: lost before it could take time
        reading, ping = Turn.of(link, link.reading_bytes(channels[part.kind])), Turn.of(link, PING_BYTES)
        told = note_of(part.every_us, part.keep_alive_us, reading, ping)
        if told:
            yield f"segment `{part.name}` has no time on `{link.name}` for all that it sends: {told}"


def note_of(every_us: int, keep_alive_us: int, reading: Turn, ping: Turn) -> str:
    """What does not fit and what would; empty if all fits."""
    if every_us < reading.all_us:
        fits_us = _up_to_ms(reading.all_us)
        longer = ""
        if 0 < keep_alive_us < fits_us <= LONGEST_KEEP_ALIVE_US:
            longer = f", with a `keep_alive` as long, or pings come on top ({ping})"
        return (
            f"a reading every {show_duration(every_us)} takes {reading}; "
            f"the shortest period that fits is {_shown(fits_us)}{longer}"
        )
    if not keep_alive_us:
        return ""
    pings = max(Fraction(1, keep_alive_us) - Fraction(1, every_us), Fraction(0))
    share = Fraction(reading.all_us, every_us) + ping.all_us * pings
    if share <= 1:
        return ""
    # Exact: the keep-alive with which the share is 1. Pings end where it reaches the period.
    left = 1 - Fraction(reading.all_us, every_us) + Fraction(ping.all_us, every_us)
    fits_us = -(-ping.all_us * left.denominator // left.numerator)
    return (
        f"a reading every {show_duration(every_us)} takes {reading}, and pings every {show_duration(keep_alive_us)} "
        f"{ping} each, together {decimal(Fraction(round(share * 1_000), 10))} % of the time that there is; "
        f"write a `keep_alive` of {_shown(_up_to_ms(fits_us))} or more"
    )


def _up_to_ms(us: int) -> int:
    return -(-us // _MS_US) * _MS_US


def _shown(us: int) -> str:
    """In seconds, to the millisecond."""
    return f"{decimal(Fraction(-(-us // _MS_US), 1_000))} s"
