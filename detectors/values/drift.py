"""Drift found by windows that fit themselves to the data: ADWIN, by River."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.charts import TRAIN
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector, Which
from twinstorm.detectors.values.memory import Baseline

REACH = 6.0
"""Standard deviations from the first mean, either way, that are told apart: ADWIN promises what it does for values
between 0 and 1."""


class Adwin(ValueDetector):
    """The newest values fall into an older and a younger part whose means differ by more than chance: the score is 1 at
    the value at which that is found, else 0. Then the older part is dropped, so that a new level is normal from there
    on. On a fleet `within` lets such a value count for longer.

    Values are measured by the mean and the deviation of the first `train`, and cut off six deviations away. ADWIN looks
    at every 32nd value.

    Limits: cycles and load are drifts to it, and so is what depends on its own past: use it on what should be noise
    about a level. It is a call of Python a value and series, some hundred times what a chart takes.

    Source: Bifet and Gavalda 2007, doi:10.1137/1.9781611972771.42; the code is that of River (`river.drift.ADWIN`).
    """

    name: ClassVar[str] = "adwin"
    summary: ClassVar[str] = "a drift: the mean of the newest values has left that of those before"
    headline: ClassVar[str] = "drift"
    leap: ClassVar[float] = 1.5
    options: ClassVar[tuple[Option, ...]] = (
        TRAIN,
        Option("delta", "share", "0.2 %", "chance of a false drift at a look", least="0.000001 %", most="50 %"),
        Option("longest", "count", "100000", "values in a window; it begins anew behind them", least="100"),
    )
    most_bytes: ClassVar[int] = 4_096

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._baseline = Baseline(settings["train"], series)
        self._windows = [self._window() for _ in range(series)]

    @classmethod
    def missing(cls) -> str:
        return "" if find_spec("river") is not None else "pip install 'twinstorm[streaming]'"

    def _window(self) -> Any:
        from river.drift import ADWIN

        return ADWIN(delta=float(self.settings["delta"]))

    def score(self, sample: Sample) -> Reals:
        return self._looked_at(sample, copy.deepcopy)

    def learn(self, sample: Sample) -> None:
        self.step(sample)

    def step(self, sample: Sample) -> Reals:
        score = self._looked_at(sample, lambda window: window)
        self._baseline.learn(sample.series, sample.values)
        for number in np.arange(self.series)[sample.series].tolist():
            if self._windows[number].width >= self.settings["longest"]:
                self._windows[number] = self._window()
        return score

    def forget(self, series: Which) -> None:
        super().forget(series)
        for number in np.arange(self.series)[series].tolist():
            self._windows[number] = self._window()

    def _looked_at(self, sample: Sample, taken: Any) -> Reals:
        """Scores of values that the windows, or copies of them, have taken."""
        z = self._baseline.z(sample.series, sample.values)
        scaled = np.clip(0.5 + z / (2.0 * REACH), 0.0, 1.0)
        score = np.where(scaled == scaled, 0.0, np.nan)
        numbers = np.arange(self.series)[sample.series]
        for place in np.flatnonzero(scaled == scaled).tolist():
            window = taken(self._windows[numbers[place]])
            window.update(float(scaled[place]))
            score[place] = float(window.drift_detected)
        return score
