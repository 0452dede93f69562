"""A stored model of what is strange at work: who scores by it, and whether the fleet is still the one that it learnt.

Two versions may look at once, one of them in the shadow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.model import Model
from twinstorm.detectors.values.shift import MOVED
from twinstorm.detectors.values.stored import MODEL, ByModel, Version
from twinstorm.detectors.values.whole import WholeDevices, feature_names
from twinstorm.twin.flow import Alarm, Int, Registry, Severity

DRIFT_SUFFIX: Final = "-drift"
"""Behind the name of the detector: the alarm that its model is out of date."""
LEAST_DRIFT_ROWS: Final = 500
"""Rows of a window that is compared; one with fewer goes on."""
MARGIN: Final = 1.5
"""So many times what a stretch of the training rows differed from the whole is no drift of a feature yet."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the fleet has moved from what taught a model.

    Attributes:
        index: population stability index of the feature that has moved most, by what it is allowed to.
        limit: of that feature, from which it is a drift.
    """

    at_us: int
    index: float
    feature: str
    limit: float

    @property
    def is_one(self) -> bool:
        return self.index > self.limit


class _Rows(WholeDevices):
    """Scores rows by a model and counts where they lie."""

    name: ClassVar[str] = "model"
    summary: ClassVar[str] = "a stored model of whole devices"
    options: ClassVar[tuple[Option, ...]] = (
        MODEL,
        Option("persist", "count", "3", "readings in a row that must count", least="1", most="30000"),
        Option("drift", "number", str(MOVED), "index of a feature from which the model is out of date", least="0.01"),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.version: Version = settings["model"]
        model = self.version.model
        assert isinstance(model, Model)
        self.model: Model = model
        self.of_width(len(model.channels), model.level, model.held)
        self.begin()

    def begin(self) -> None:
        """Count anew where rows lie."""
        self.rows = 0
        self.counts: Int = np.zeros_like(self.model.population.share, np.int64)

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:  # noqa: ARG002 - all are alike
        model = self.model
        if learns:
            self.rows += len(rows)
            self.counts += model.population.counts(rows[:, model.judge.moving])
        return model.judge.score(rows)


class Trained(ByModel):
    """A model that `twinstorm models` keeps, as a detector: one row of features a device and reading, or minute, all
    channels of the model together, scored by what was learnt from a recorded run. 1.0 is what all but a few of the rows
    that taught it stay below.

    Values are told from the level of their device, the mean of its first readings; until then, and while a channel is
    silent, a device has no score. Devices of other kinds it does not look at. Once an hour (or a quarter of the time
    that taught it, if that is less) the rows since are compared with those that taught it: if a feature has moved
    (`drift`), one ticket of the run says that the model is out of date, NAME-drift.

    Source of the index: Siddiqi 2006, Credit Risk Scorecards; see `twinstorm.detectors.values.shift`.
    """

    summary: str = "a stored model, trained on a recorded run"
    options = _Rows.fleet_options()

    def __init__(self, name: str, registry: Registry, settings: Mapping[str, Any]) -> None:
        """See `ByModel`."""
        super().__init__(_Rows, name, registry, settings)
        model = self._rows.model
        self._model = model
        self.headline = "are not as their model learnt"
        own = self._detector.settings
        self._window_us = model.population.stretch_us
        self._limits: Reals = np.maximum(float(own["drift"]), MARGIN * model.population.usual)
        self.most = Drift(0, 0.0, "", float(self._limits.min()))
        """The highest of all windows."""
        self.told = False
        """The ticket of this run was raised."""
        self._names = feature_names(model.channels, model.held)
        self._end_us = self._window_us

    @property
    def _rows(self) -> _Rows:
        assert isinstance(self._detector, _Rows)
        return self._detector

    def drifted(self, now_us: int, *, judged: bool) -> Drift | None:
        """The end of a pane: how far the fleet has moved, if a window ends here in which enough was heard.

        Args:
            judged: the warm-up is over; what came in it counts for nothing.
        """
        rows = self._rows
        if not judged:
            rows.begin()
        if not rows.rows:
            # A window begins with its first row: levels take their time.
            self._end_us = now_us + self._window_us
            return None
        if now_us < self._end_us or rows.rows < LEAST_DRIFT_ROWS:
            return None
        self._end_us = now_us + self._window_us
        found = self._compared(now_us, rows.counts)
        rows.begin()
        if found.index * self.most.limit > self.most.index * found.limit:
            self.most = found
        return found

    def _compared(self, now_us: int, counts: Int) -> Drift:
        model = self._model
        index = model.population.index(counts)
        most = int(np.argmax(index / self._limits))
        name = self._names[int(model.judge.moving[most])]
        return Drift(now_us, float(index[most]), name, float(self._limits[most]))

    @property
    def drift_headline(self) -> str:
        """What is wrong and what to do, for the title of the incident."""
        name = self.version.name
        return f"has left what the model {self.version} learnt; twinstorm models retrain {name} RUN"

    def alarm_of(self, drift: Drift) -> Alarm:
        """The ticket that the model is out of date. It is about no device: nothing is wrong with them."""
        return Alarm(
            name=self.name + DRIFT_SUFFIX,
            at_us=drift.at_us,
            severity=Severity.TICKET,
            group=f"kind={self.version.model.kind}",
            device=np.empty(0, np.int32),
            cause="",
            incident=0,
            score=round(drift.index, 3),
            limit=round(drift.limit, 3),
        )
