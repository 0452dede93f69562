"""Devices that send nothing any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from twinstorm.detectors.blocks import blocks
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.lasting import Lasting
from twinstorm.detectors.options import Option
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import NEVER_US, Int, Registry, Severity, Values


class Silence:
    """A device is silent when neither a reading nor a birth came for `periods` sampling periods, and for `least`.

    Nothing is learnt: the limit follows from the sampling period in the registry. Between `least` and a device's own
    limit nobody can know, so such a device is neither silent nor proof of the contrary; a device that was never heard
    of at all is not commissioned as far as this detector knows.

    Limits: a device that is meant to be quiet (asleep, retired) must have a sampling period that says so. One that
    reboots in circles is never silent for long; `RebootStorm` and `reboot_rate` see it.
    """

    name: ClassVar[str] = "silence"
    summary: ClassVar[str] = "devices that sent nothing for longer than their sampling period explains"
    headline: ClassVar[str] = "fell silent"
    options: ClassVar[tuple[Option, ...]] = (
        Option("periods", "number", "3", "sampling periods without a reading"),
        Option("least", "duration", "6 s", "never less than this long"),
        Option("share", "share", "30 %", "of a site, segment, ... that must be silent for an alarm about it"),
        Option("devices", "count", "5", "silent devices that make a group"),
        Option("hold", "duration", "3 s", "how long a group must be silent"),
        Option("severity", "word", "ticket", "of an alarm about a group", choices=("page", "ticket")),
    )

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self._least_us: int = settings["least"]
        limit_us = np.maximum(registry.every_us * float(settings["periods"]), float(max(self._least_us, 1)))
        self._limit_us = limit_us
        self._slow = bool((limit_us > self._least_us).any())
        # A score is rounded to float32, upwards too: a millionth less is certainly under the limit.
        self._sure_us: Int = (limit_us * (1 - 1e-6)).astype(np.int64) - 1
        self._shortest_us = int(self._sure_us.min(initial=NEVER_US))
        self.policy = Policy(
            share=settings["share"],
            fleet_share=min(0.05, settings["share"]),
            devices=settings["devices"],
            hold_us=settings["hold"],
            severity=Severity(settings["severity"]),
            lone_threshold=3.0,
            learns="share",
        )

    def learn(self, batch: Batch) -> None:
        """Nothing: see the class."""

    def pass_by(self, panes: int) -> None:
        """Nothing."""

    def quiet(self, batch: Batch) -> Lasting | None:
        """Until the first device that was ever heard reaches its limit; who is heard later has that time as well."""
        until_us = NEVER_US
        for rows in blocks(len(batch)):
            heard_us = np.maximum(batch.last_arrival_us[rows], batch.born_us[rows])
            due_us = heard_us + self._sure_us[rows]
            first_us = int(due_us.min())
            if first_us < 0:
                first_us = int(due_us[heard_us >= 0].min(initial=NEVER_US))
            if first_us <= batch.now_us:
                return None
            until_us = min(until_us, first_us)
        return Lasting(until_us, reading_us=self._shortest_us, session_us=self._shortest_us, silence_us=self._sure_us)

    def score(self, batch: Batch) -> Values:
        """Silence over its limit."""
        score = np.empty(len(batch), np.float32)
        for rows in blocks(len(batch)):
            self._score(batch, rows, score[rows])
        return score

    def _score(self, batch: Batch, rows: slice, score: Values) -> None:
        heard_us = np.maximum(batch.last_arrival_us[rows], batch.born_us[rows])
        silent_us = batch.now_us - heard_us
        np.divide(silent_us, self._limit_us[rows], out=score, casting="unsafe")
        if self._slow:
            score[(silent_us >= self._least_us) & (score < 1)] = np.nan
        if silent_us.max() > batch.now_us:
            score[heard_us < 0] = np.nan
