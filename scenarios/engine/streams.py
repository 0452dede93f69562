"""From what a scenario asks of the stream of readings to the core that follows it, and what expressions see of it."""

from __future__ import annotations

from math import isnan
from typing import Final, cast

import numpy as np

from twinstorm.detectors.core import Core
from twinstorm.detectors.figures import FigurePlan, Measure, NamedFigure
from twinstorm.detectors.streams import Streams
from twinstorm.detectors.windows import Span
from twinstorm.scenarios.engine.select import FleetSelector
from twinstorm.scenarios.language.figures import Asked
from twinstorm.scenarios.language.model import Scenario, Window
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.result import WindowKeyResult, WindowResult
from twinstorm.twin.flow import SECOND_US, Mask, Registry

MOST_KEYS: Final = 10
"""Keys of a window that a result tells."""


def streams_of(scenario: Scenario, registry: Registry) -> Streams | None:
    """What follows the readings of a run; None: nobody asks for anything."""
    return Streams(registry, [_plan(window) for window in scenario.windows]) if scenario.windows else None


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


class Figures:
    """Values of named figures. Which keys a selector names is worked out once."""

    def __init__(self, core: Core, selector: FleetSelector) -> None:
        self._core, self._selector = core, selector
        self._keys: dict[tuple[str, str], Mask] = {}

    def value(self, asked: Asked, selector: Selector | None) -> float | None:
        """What a figure is now; None without data."""
        streams, router = self._core.streams, self._core.router
        if asked.function == "routed":
            return None if router is None else float(router.counts[asked.of].taken)
        if streams is None:
            return None
        figure = streams.figures[asked.of]
        return figure.value(None if selector is None else self._among(figure, selector), least=asked.least)

    def _among(self, figure: NamedFigure, selector: Selector) -> Mask:
        place = figure.plan.name, selector.text
        if place not in self._keys:
            self._keys[place] = figure.keys_among(self._selector.mask(selector))
        return self._keys[place]


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


def _number(value: float) -> float | None:
    return None if isnan(value) else round(float(value), 6)
