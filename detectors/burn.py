"""Burn alarms: an error budget that goes too fast.

Burn is the share of errors over the share that is allowed: at burn 1 the budget lasts for just its period. A budget's
share b that goes within a window w of a period T has burnt at b T / w. That is the threshold of the window; one twelfth
of the window must lie above it as well, so that the alarm ends soon after its cause (Google, The Site Reliability
Workbook, chapter 5). Windows are sums over exact panes, never means of ratios.

Time before the first judged second counts as clean, with as many events as came since: else the first bad second of a
run would be the whole of its first hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from twinstorm.twin.flow import DAY_US, HOUR_US, SECOND_US, Severity

MONTH_US = 30 * DAY_US
SHORT_PART = 12
"""The short window is this part of the long one."""
CLEAR_US = 60 * SECOND_US
"""An alarm is over when its burn has been lower for so long."""


@dataclass(frozen=True, slots=True)
class Spend:
    """One line of a catalogue: this share of the budget, 0..1, within this time, is worth an alarm."""

    share: float
    window_us: int
    severity: Severity


WORKBOOK: Sequence[Spend] = (
    Spend(0.02, HOUR_US, Severity.PAGE),
    Spend(0.05, 6 * HOUR_US, Severity.PAGE),
    Spend(0.10, DAY_US, Severity.TICKET),
    Spend(0.10, 3 * DAY_US, Severity.TICKET),
)
"""The workbook's own, made for a budget of 30 days."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An alarm while both windows burn faster than `burn`.

    Attributes:
        long_us, short_us: whole seconds.
    """

    long_us: int
    short_us: int
    burn: float
    severity: Severity


def rules_of(period_us: int, catalogue: Sequence[Spend] = WORKBOOK) -> tuple[Rule, ...]:
    """Rules for a budget of this period, the first ones first.

    Example:
        >>> [(rule.long_us // HOUR_US, round(rule.burn, 1)) for rule in rules_of(MONTH_US)]
        [(1, 14.4), (6, 6.0), (24, 3.0), (72, 1.0)]
        >>> [round(rule.burn, 4) for rule in rules_of(28 * DAY_US)]
        [13.44, 5.6, 2.8, 0.9333]
    """
    rules = []
    for spend in catalogue:
        long_us = _whole_s(spend.window_us)
        short_us = _whole_s(-(-long_us // SHORT_PART))
        rules.append(Rule(long_us, short_us, spend.share * period_us / long_us, spend.severity))
    return tuple(rules)


def scaled(period_us: int, catalogue: Sequence[Spend] = WORKBOOK) -> tuple[Spend, ...]:
    """A catalogue made for 30 days with windows that are the same part of another period: of an hour, the hour becomes
    5 s, and thresholds stay what they are but for windows that are no whole seconds."""
    return tuple(
        Spend(spend.share, _whole_s(spend.window_us * period_us // MONTH_US), spend.severity) for spend in catalogue
    )


def as_tickets(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The same rules, of which none pages."""
    return tuple(replace(rule, severity=Severity.TICKET) for rule in rules)


def _whole_s(us: int) -> int:
    return max(-(-us // SECOND_US), 1) * SECOND_US


@dataclass(frozen=True)
class Burning:
    """When the burn of an objective is an alarm.

    Attributes:
        rules: any of them.
        least: events in the long window below which nothing is believed; None: as many as it takes that a single bad
            one is not above the threshold yet.
    """

    rules: Sequence[Rule]
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a window took of an error budget.

    Attributes:
        bad: counts against the objective. allowed: how many might be, among `total`; 0: there is no budget.
        covered: panes of it that were judged.
    """

    bad: int
    allowed: float
    total: int
    covered: int

    def burn(self, panes: int) -> float | None:
        """Over a window of so many panes, the rest of which was clean; None: no data, or no budget."""
        if not self.covered or self.allowed <= 0:
            return None
        return self.bad / (self.allowed * panes / self.covered)


class Budget(Protocol):
    """What is asked of an objective: see `objectives.Track`."""

    def spent(self, panes: int) -> Spent: ...


@dataclass
class Fire:
    """Whether the alarm of one severity is up.

    Attributes:
        rule: that fired last. burn: how fast its long window burnt then.
        true_us: when it last did.
    """

    rule: Rule
    burn: float
    true_us: int


@dataclass
class BurnWatch:
    """Follows the burn of one objective. All state is plain data."""

    burning: Burning
    fires: dict[Severity, Fire] = field(default_factory=dict)
    """Alarms that are up."""
    _spotless: bool = False

    def step(self, now_us: int, budget: Budget) -> Mapping[Severity, Fire]:
        """Look at the pane that ends now. Returns the alarms that are up after it, those of pages first.

        Without data an alarm stays what it is: nothing says that it is over. A ticket waits while a page is up.
        """
        longest = max(rule.long_us for rule in self.burning.rules)
        self._spotless = budget.spent(longest // SECOND_US).bad == 0
        if self._spotless and not self.fires:
            return self.fires
        for severity in (Severity.PAGE, Severity.TICKET):
            mine = [rule for rule in self.burning.rules if rule.severity == severity]
            answers = [(rule, self._above(rule, budget)) for rule in mine]
            fired = next(((rule, burn) for rule, (above, burn) in answers if above and burn is not None), None)
            known = any(burn is not None for _, (_, burn) in answers)
            waits = severity == Severity.TICKET and Severity.PAGE in self.fires and severity not in self.fires
            if fired is not None and not waits:
                self.fires[severity] = Fire(*fired, now_us)
            elif severity in self.fires and fired is None:
                fire = self.fires[severity]
                if not known:
                    fire.true_us = now_us
                elif now_us - fire.true_us >= CLEAR_US:
                    del self.fires[severity]
        return self.fires

    @property
    def rests(self) -> bool:
        """Nothing is up, and nothing counted against the objective within its longest window: as long as nothing does,
        nothing will be."""
        return self._spotless and not self.fires

    def _above(self, rule: Rule, budget: Budget) -> tuple[bool, float | None]:
        """Whether a rule holds, and the burn of its long window; None: no data."""
        panes = rule.long_us // SECOND_US
        long = budget.spent(panes)
        burn = long.burn(panes)
        if burn is None:
            return False, None
        least = self.burning.least
        believed = long.allowed * rule.burn >= 1.0 if least is None else long.total >= least
        if burn <= rule.burn or not believed:
            return False, burn
        panes = rule.short_us // SECOND_US
        short = budget.spent(panes).burn(panes)
        return short is not None and short > rule.burn, burn
