"""The truth about faults, for scoring: whom they struck and for how long, when their evidence began, and how long
machines that fail would have lasted. Nobody who detects may see any of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from twinstorm.detectors.looked_for import signs_of
from twinstorm.detectors.scoring import attribute
from twinstorm.detectors.values.trained import DRIFT_SUFFIX
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Alarm, TruthLabel
from twinstorm.twin.signs import OF_REGISTRY

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.engine import Engine
    from twinstorm.scenarios.engine.timeline import StepRun

LONGEST_AFTERMATH_US = 30 * MINUTE_US
SETTLE_US = 60 * SECOND_US


class Witness:
    """Sees when the evidence of each fault begins. Plain data.

    Attributes:
        evident_us: step to the start of the second in which its evidence was first counted; live a second earlier, for
            the fleet is heard so late.
        lives_s: step of a fault that shortens lives to instants (its start, and each alarm about values while it goes
            on) and the life that its machines had left then, the median, in seconds.
    """

    def __init__(self) -> None:
        self.evident_us: dict[str, int] = {}
        self.lives_s: dict[str, dict[int, float]] = {}
        self._waits: list[str] = []

    @property
    def waits(self) -> bool:
        """A fault goes on that has not shown yet: each second matters."""
        return bool(self._waits)

    def begin(self, engine: Engine, step: StepRun, now_us: int) -> None:
        """A fault begins, and has done nothing yet."""
        self._waits.append(step.name)
        if catalogue()[step.value].shortens_lives:
            self.lives_s[step.name] = {}
            self._note_life(engine, step, now_us)

    def look(self, engine: Engine, now_us: int, alarms: Iterable[Alarm]) -> None:
        """A second has ended.

        Args:
            alarms: that were raised at its end.
        """
        for name in list(self._waits):
            step = engine.steps[name]
            if any(engine.evidence(step).values()):
                least_us = step.start_instant_us()
                late_us = SECOND_US if engine.wiring.clock == "virtual" else 2 * SECOND_US
                self.evident_us[name] = max(least_us, now_us - late_us)
                self._waits.remove(name)
            elif step.ended_us is not None and now_us > step.ended_us + SETTLE_US:
                self._waits.remove(name)
        about_values = {each.name for each in engine.core.on_values}
        if self.lives_s and any(alarm.name in about_values for alarm in alarms):
            for name in self.lives_s:
                if engine.steps[name].active:
                    self._note_life(engine, engine.steps[name], now_us)

    def _note_life(self, engine: Engine, step: StepRun, now_us: int) -> None:
        left_s = engine.wiring.remaining_s(now_us)
        if left_s is None:
            return
        mine = left_s[step.struck].astype(np.float64)
        mine = mine[np.isfinite(mine)]
        if len(mine):
            self.lives_s[step.name][now_us] = float(np.median(mine))


def labels(engine: Engine) -> list[TruthLabel]:
    """The truth about every fault that started."""
    return [_label(engine, step) for step in engine.steps.runs if step.order is not None]


def attributed(engine: Engine, alarms: Iterable[Alarm]) -> list[tuple[Alarm, TruthLabel | None]]:
    """Each alarm with the fault that caused it. A fault that did nothing caused none, and that a model is out of date
    or a certificate ends has no fault behind it, whatever goes wrong meanwhile."""
    truth = [label for label in labels(engine) if any(engine.evidence(engine.steps[label.step]).values())]
    of_no_fault = OF_REGISTRY | {each.name + DRIFT_SUFFIX for each in engine.core.models}
    signs = signs_of(engine.core, {each.name: each.sli for each in engine.scenario.objectives})
    return [
        (alarm, None if alarm.name in of_no_fault else attribute(alarm, truth, signs.get(alarm.name)))
        for alarm in alarms
    ]


def _label(engine: Engine, step: StepRun) -> TruthLabel:
    assert step.order is not None
    to_us = engine.now_us if step.ended_us is None else step.ended_us
    recovery = engine.recoveries.get(step.name)
    back_us = recovery.reached_us(0.99, engine.now_us) if recovery is not None else None
    latest_us = to_us + LONGEST_AFTERMATH_US
    return TruthLabel(
        step=step.name,
        fault=step.value,
        device=step.struck,
        from_us=step.order.from_us,
        to_us=to_us,
        aftermath_to_us=latest_us if back_us is None else min(back_us + SETTLE_US, latest_us),
        signs=catalogue()[step.value].signs,
        evident_us=engine.witness.evident_us.get(step.name),
    )
