"""What a scenario asks of the stream of readings by their stamps: a tap that looks at each stamp once for all."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.detectors.correlation import CorrelationPlan, NamedCorrelation
from twinstorm.detectors.dating import Dating, was_late
from twinstorm.detectors.figures import FigurePlan, NamedFigure, figures_of
from twinstorm.detectors.named_joins import JoinPlan, NamedJoin
from twinstorm.detectors.rule_alarms import RuleAlarm
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Registry


class Streams:
    """Named figures, joins and correlations of a fleet.

    Args:
        correlations: of figures.

    Raises:
        ValueError: a plan that this fleet cannot follow.

    Attributes:
        figures, joins, correlations: by name.
    """

    def __init__(
        self,
        registry: Registry,
        figures: Sequence[FigurePlan],
        joins: Sequence[JoinPlan] = (),
        correlations: Sequence[CorrelationPlan] = (),
    ) -> None:
        self.figures = figures_of(registry, figures)
        self.joins = {plan.name: NamedJoin(registry, plan) for plan in joins}
        self.correlations = {
            plan.name: NamedCorrelation(plan, self.figures[plan.left], self.figures[plan.right])
            for plan in correlations
        }
        self._kinds = registry.kinds
        self._dating = Dating(len(registry))
        self._figures_of: dict[int, list[NamedFigure]] = {}
        for figure in self.figures.values():
            self._figures_of.setdefault(registry.kinds.index(figure.plan.kind), []).append(figure)
        self._joins_of: dict[int, list[NamedJoin]] = {}
        for join in self.joins.values():
            for side in (join.plan.left, join.plan.right):
                self._joins_of.setdefault(registry.kinds.index(side.kind), []).append(join)

    @property
    def alarms(self) -> list[RuleAlarm]:
        """Of joins, for the core to look at."""
        return [join.alarm for join in self.joins.values() if join.alarm is not None]

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        figures, joins = self._figures_of.get(accepted.code, ()), self._joins_of.get(accepted.code, ())
        if not (figures or joins) or not len(accepted.device):
            return
        where, misdated, out_of_order = self._dating.look(accepted)
        for figure in figures:
            figure.misdated += misdated
            figure.out_of_order += out_of_order
            late = was_late(accepted, figure.plan.lateness_us)
            figure.take(accepted.device, accepted.dated_us, accepted.values, where, late)
        for join in joins:
            join.misdated += misdated
            late = was_late(accepted, join.plan.lateness_us)
            join.take(self._kinds[accepted.code], accepted.device, accepted.dated_us, accepted.values, where, late)

    def close(self, now_us: int, through_us: int | None = None) -> None:
        """See `Follower`."""
        until_us = now_us if through_us is None else through_us
        closed = {name: figure.close(until_us) for name, figure in self.figures.items()}
        for join in self.joins.values():
            join.close(now_us, until_us)
        for correlation in self.correlations.values():
            correlation.take(closed[correlation.plan.left], closed[correlation.plan.right])
