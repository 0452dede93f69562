"""Run lengths of control charts: how many values until the first alarm, on average, without a shift and after one."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from tests.validation.case import Case, Subject
from twinstorm.detectors.values.charts import Chart, Cusum, Ewma, Shewhart
from twinstorm.detectors.values.contract import Sample, build

MONTGOMERY = "Montgomery, Introduction to Statistical Quality Control"
LUCAS_CROSIER = f"{MONTGOMERY}, after Lucas and Crosier 1982"
LUCAS_SACCUCCI = f"{MONTGOMERY}, after Lucas and Saccucci 1990"

CHARTS = 2_500
"""Of which the mean is taken: a mean of 500 is then known to 2 %."""
ENOUGH = 12
"""Times the published figure: by then one chart in a hundred thousand has not ended."""


@cache
def run_length(chart: str, settings: tuple[tuple[str, str], ...], shift: float, published: float) -> float:
    """Mean number of values until a chart first reaches its limit, from normal values around a shifted mean."""
    detector = build(chart, CHARTS, dict(settings))
    assert isinstance(detector, Chart)
    detector.baseline.know(0.0, 1.0)
    chance = np.random.default_rng(42)
    at_us = np.zeros(CHARTS, np.int64)
    lengths = np.zeros(CHARTS, np.int64)
    going = np.ones(CHARTS, np.bool_)
    for _ in range(round(published * ENOUGH) + 20):
        lengths += going
        going &= ~(detector.step(Sample(at_us, chance.normal(shift, 1.0, CHARTS))) >= 1.0)
        if not going.any():
            break
    return float(lengths.mean())


def _case(chart: type[Chart], source: str, shift: float, published: float, **settings: str) -> Case:
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    name = f"{chart.name}, {told}, shift {shift:g} sigma: values to an alarm"
    run = partial(run_length, chart.name, tuple(settings.items()), shift, published)
    return Case(name, source, published, 0.06, run, relative=True)


SUBJECT = Subject(
    "Control charts",
    "`detectors/values/charts.py`",
    (
        *(
            _case(Shewhart, MONTGOMERY, shift, published, deviations="3")
            for shift, published in ((0.0, 370.4), (0.5, 155.2), (1.0, 43.9), (2.0, 6.3), (3.0, 2.0))
        ),
        *(
            _case(Cusum, LUCAS_CROSIER, shift, published, slack="0.5", limit="4")
            for shift, published in ((0.0, 168.0), (0.25, 74.2), (0.5, 26.6), (1.0, 8.38), (2.0, 3.34), (3.0, 2.19))
        ),
        *(
            _case(Cusum, LUCAS_CROSIER, shift, published, slack="0.5", limit="5")
            for shift, published in ((0.0, 465.0), (0.5, 38.0), (1.0, 10.4), (2.0, 4.01))
        ),
        *(
            _case(Ewma, LUCAS_SACCUCCI, shift, published, weight="10 %", deviations="2.814", limits="steady")
            for shift, published in ((0.0, 500.0), (0.5, 31.3), (1.0, 10.3), (2.0, 4.4))
        ),
        *(
            _case(Ewma, LUCAS_SACCUCCI, shift, published, weight="40 %", deviations="3.054", limits="steady")
            for shift, published in ((0.0, 500.0), (0.5, 71.2), (1.0, 14.3), (2.0, 3.5))
        ),
    ),
)
