"""From what a scenario asks of the stream of readings to the core that follows it, and what expressions see of it."""

from __future__ import annotations

from math import isnan
from typing import Final, cast

import numpy as np

from twinstorm.detectors.core import Core
from twinstorm.detectors.correlation import CorrelationPlan, NamedCorrelation
from twinstorm.detectors.figures import FigurePlan, Measure, NamedFigure
from twinstorm.detectors.named_joins import JoinPlan, NamedJoin, Side
from twinstorm.detectors.streams import Streams
from twinstorm.detectors.windows import Span
from twinstorm.scenarios.engine.select import FleetSelector
from twinstorm.scenarios.language.figures import Asked
from twinstorm.scenarios.language.model import Join, Scenario, Window
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.result import CorrelationResult, JoinKeyResult, JoinResult, WindowKeyResult, WindowResult
from twinstorm.twin.flow import SECOND_US, Mask, Registry

MOST_KEYS: Final = 10
"""Keys of a window that a result tells."""


def streams_of(scenario: Scenario, registry: Registry) -> Streams | None:
    """What follows the readings of a run; None: nobody asks for anything."""
    if not (scenario.windows or scenario.joins):
        return None
    return Streams(
        registry,
        [_plan(window) for window in scenario.windows],
        [_join_plan(join) for join in scenario.joins],
        [CorrelationPlan(each.name, each.left, each.right, each.over) for each in scenario.correlations],
    )


def _plan(window: Window) -> FigurePlan:
    return FigurePlan(
        name=window.name,
        kind=window.kind,
        channel=window.channel,
        measure=cast(Measure, window.measure),
        level=window.by,
        span=Span(window.width_us, window.every_us) if window.every_us else None,
        gap_us=window.gap_us,
        lateness_us=window.lateness_us,
    )


def _join_plan(join: Join) -> JoinPlan:
    return JoinPlan(
        name=join.name,
        left=Side(*join.left),
        right=Side(*join.right),
        level=join.by,
        before_us=join.before_us,
        after_us=join.after_us,
        lateness_us=join.lateness_us,
        above=join.above,
    )


class Figures:
    """Values of named figures. Which keys a selector names is worked out once."""

    def __init__(self, core: Core, selector: FleetSelector) -> None:
        self._core, self._selector = core, selector
        self._keys: dict[tuple[str, str, str], Mask] = {}

    def value(self, asked: Asked, selector: Selector | None) -> float | None:
        """What a figure is now; None without data."""
        streams, router = self._core.streams, self._core.router
        if asked.function == "routed":
            return None if router is None else float(router.counts[asked.of].taken)
        if streams is None:
            return None
        if asked.function == "pairs":
            return float(streams.joins[asked.of].pairs.sum())
        figure: NamedFigure | NamedJoin | NamedCorrelation
        if asked.function == "window":
            figure = streams.figures[asked.of]
        elif asked.function == "difference":
            figure = streams.joins[asked.of]
        else:
            figure = streams.correlations[asked.of]
        if selector is None:
            return figure.value(None, least=asked.least)
        place = asked.function, asked.of, selector.text
        if place not in self._keys:
            self._keys[place] = figure.keys_among(self._selector.mask(selector))
        return figure.value(self._keys[place], least=asked.least)


def window_results(streams: Streams | None) -> list[WindowResult]:
    """One a named window, in the order of the file."""
    return [] if streams is None else [_result(figure) for figure in streams.figures.values()]


def _result(figure: NamedFigure) -> WindowResult:
    plan = figure.plan
    heard = np.flatnonzero(figure.windows)
    # A key without a figure, as a deviation of one value is none, comes last.
    highest = np.nan_to_num(figure.most[heard], nan=-np.inf)
    top = heard[np.argsort(-highest, kind="stable")[:MOST_KEYS]].tolist()
    return WindowResult(
        name=plan.name,
        of=f"{plan.kind}.{plan.channel}",
        figure=plan.measure,
        unit=figure.unit,
        by=plan.level,
        every_s=None if plan.span is None else plan.span.every_us / SECOND_US,
        width_s=None if plan.span is None else plan.span.width_us / SECOND_US,
        gap_s=plan.gap_us / SECOND_US if plan.span is None else None,
        lateness_s=plan.lateness_us / SECOND_US,
        closed=figure.closed,
        late=figure.late,
        out_of_order=figure.out_of_order,
        misdated=figure.misdated,
        keys=len(heard),
        top=[
            WindowKeyResult(
                key=figure.names[key],
                windows=int(figure.windows[key]),
                last=_number(figure.last[key]),
                least=_number(figure.least[key]),
                most=_number(figure.most[key]),
            )
            for key in top
        ],
    )


def join_results(streams: Streams | None) -> list[JoinResult]:
    """One a join, in the order of the file."""
    return [] if streams is None else [_join_result(join) for join in streams.joins.values()]


def _join_result(join: NamedJoin) -> JoinResult:
    plan = join.plan
    heard = np.flatnonzero(join.pairs)
    mean = join.difference[heard] / join.pairs[heard]
    top = np.argsort(-mean, kind="stable")[:MOST_KEYS].tolist()
    pairs = int(join.pairs.sum())
    return JoinResult(
        name=plan.name,
        left=f"{plan.left.kind}.{plan.left.channel}",
        right=f"{plan.right.kind}.{plan.right.channel}",
        by=plan.level,
        pairs=pairs,
        difference=_number(join.difference.sum() / pairs) if pairs else None,
        alone=join.alone,
        late=join.late,
        misdated=join.misdated,
        waiting=join.waiting,
        keys=len(heard),
        top=[
            JoinKeyResult(
                key=join.names[int(heard[place])],
                pairs=int(join.pairs[heard[place]]),
                difference=round(float(mean[place]), 6),
            )
            for place in top
        ],
    )


def correlation_results(streams: Streams | None) -> list[CorrelationResult]:
    """One a correlation, in the order of the file; what they were when the run ended."""
    found = []
    for correlation in () if streams is None else streams.correlations.values():
        newest = correlation.newest()
        known = np.flatnonzero(~np.isnan(newest)).tolist()
        order = sorted(known, key=lambda key: -newest[key])
        found.append(
            CorrelationResult(
                name=correlation.plan.name,
                left=correlation.plan.left,
                right=correlation.plan.right,
                over=correlation.plan.over,
                keys=len(known),
                top={correlation.names[key]: round(float(newest[key]), 6) for key in order[:MOST_KEYS]},
                least=_number(newest[order[-1]]) if order else None,
            )
        )
    return found


def _number(value: float) -> float | None:
    return None if isnan(value) else round(float(value), 6)
