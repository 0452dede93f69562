"""For how long an answer about a fleet holds, so that nobody looks at every device every second.

An answer (who is fresh, that nobody is silent) is worked out from what the core knows at the end of a pane. It changes
by time alone, at an instant that can be foreseen, or by news: readings, session events, reboots. News that cannot
matter at once matters a known time later at the earliest: whoever is heard now is not silent for a while.

All instants here are lower bounds. Looking too early costs a pass over the fleet and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter

from twinstorm.twin.flow import NEVER_US, Int


@dataclass(frozen=True, slots=True)
class News:
    """What came since the last pane: the earliest instant of each sort; `NEVER_US`: nothing of it came.

    Attributes:
        reading_us: when a reading arrived.
        session_us: of a birth, or of the end of a session.
        reboot_us: of a new boot number.
        waking_us: when a reading came of a device that somebody had given up for now: one that was not fresh.
        broker_us: of other counters of the broker: CONNECTs, refusals, messages that wait; or it went down, or up.
    """

    reading_us: int = NEVER_US
    session_us: int = NEVER_US
    reboot_us: int = NEVER_US
    waking_us: int = NEVER_US
    broker_us: int = NEVER_US


UNKNOWN_NEWS = News(-NEVER_US, -NEVER_US, -NEVER_US, -NEVER_US, -NEVER_US)
"""Anything may have come: no answer outlives it."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """Until when an answer holds.

    Attributes:
        until_us: it holds before this instant if there is no news.
        reading_us, session_us, reboot_us, waking_us, broker_us: how long after news of that sort it still holds; 0:
            not a moment, `NEVER_US`: such news cannot change it.
        silence_us: for all devices or one each: whatever is said above, by time and readings alone it changes only when
            a device has been silent for so long, or when one that was is heard again; None: nobody says so.
    """

    until_us: int
    reading_us: int = NEVER_US
    session_us: int = NEVER_US
    reboot_us: int = NEVER_US
    waking_us: int = NEVER_US
    broker_us: int = NEVER_US
    silence_us: Int | int | None = field(default=None, compare=False)

    def after(self, news: News, until_us: int) -> int:
        """Until when an answer that held until `until_us` holds, now that this has come."""
        return min(
            until_us,
            news.reading_us + self.reading_us,
            news.session_us + self.session_us,
            news.reboot_us + self.reboot_us,
            news.waking_us + self.waking_us,
            news.broker_us + self.broker_us,
        )


FOR_NOW = Lasting(-NEVER_US)
"""The answer is that of one pane."""


def jointly(answers: Iterable[Lasting]) -> Lasting:
    """For how long all of these hold."""
    return Lasting(*map(min, zip(*map(_columns, answers), strict=True)))


_columns = attrgetter(*(each.name for each in fields(Lasting) if each.compare))


def silences_us(answers: Iterable[Lasting]) -> list[Int | int] | None:
    """The silences of devices (`Lasting.silence_us`) that change some of these; None: other silences do as well."""
    found: list[Int | int] = []
    for each in answers:
        if min(each.until_us, each.reading_us, each.waking_us) == NEVER_US or _goes_by_clock(each):
            continue
        if each.silence_us is None:
            return None
        found.append(each.silence_us)
    return found


def clock_us(answers: Iterable[Lasting]) -> int:
    """Until when those of these hold that change by the clock, whatever readings come."""
    return min((each.until_us for each in answers if _goes_by_clock(each)), default=NEVER_US)


def _goes_by_clock(answer: Lasting) -> bool:
    return answer.silence_us is None and min(answer.reading_us, answer.waking_us) == NEVER_US


@dataclass
class Hold:
    """Follows one answer from pane to pane."""

    _lasting: Lasting = field(default=FOR_NOW)
    _until_us: int = -NEVER_US

    def still(self, now_us: int, news: News) -> bool:
        """Whether the answer holds at `now_us`, the end of a pane in which this came. Ask once a pane."""
        if self._until_us <= now_us:
            return False
        self._until_us = self._lasting.after(news, self._until_us)
        return now_us < self._until_us

    def holds_at(self, now_us: int) -> bool:
        """Whether the answer holds at this instant if there is no more news; does not count as asking."""
        return now_us < self._until_us

    @property
    def lasting(self) -> Lasting:
        """For how long the answer holds from here on."""
        known = self._lasting
        return Lasting(
            self._until_us,
            known.reading_us,
            known.session_us,
            known.reboot_us,
            known.waking_us,
            known.broker_us,
            known.silence_us,
        )

    def renew(self, lasting: Lasting) -> None:
        """There is a new answer."""
        self._lasting, self._until_us = lasting, lasting.until_us
