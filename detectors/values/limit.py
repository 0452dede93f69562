"""The oldest detector: limits that somebody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from twinstorm.detectors.options import Option
from twinstorm.detectors.values.contract import Reals, Sample, ValueDetector

FAR: Final = 1e9
"""A limit as far away as this is none."""


class Limit(ValueDetector):
    """A value beyond limits from a data sheet, a standard, or experience.

    It learns nothing, so that it knows from the first value on, and a limit must fit all series that it looks at: what
    is hot for one machine is usual for another, or for the same one at another load. Of channels with a
    mirror the residual is the better one to limit. Between two limits scores rise evenly from the middle; beyond a
    single one by 1 for as much as the limit itself, at least for 1.
    """

    name: ClassVar[str] = "limit"
    summary: ClassVar[str] = "a value beyond a limit that is known"
    headline: ClassVar[str] = "are beyond their limit"
    leap: ClassVar[float] = 0.0
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "lowest",
            "number",
            "-1000000000",
            "from there down a value counts, in the unit of the channel",
            least="-1000000000",
        ),
        Option(
            "highest",
            "number",
            "1000000000",
            "from there up a value counts, in the unit of the channel",
            least="-1000000000",
        ),
    )

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self._lowest, self._highest = float(settings["lowest"]), float(settings["highest"])
        known = [abs(end) for end in (self._lowest, self._highest) if abs(end) < FAR]
        between = (self._highest - self._lowest) / 2.0
        self._scale = between if len(known) > 1 and between > 0.0 else max([1.0, *known])

    @classmethod
    def contradiction(cls, settings: Mapping[str, Any]) -> str:
        lowest, highest = float(settings["lowest"]), float(settings["highest"])
        if lowest <= -FAR and highest >= FAR:
            return (
                "no limit is set, so it could never alarm: say `lowest`, `highest` or both, in the unit of the channel"
            )
        return "" if lowest < highest else f"`lowest` is {lowest:g}, and `highest` no more than {highest:g}"

    def score(self, sample: Sample) -> Reals:
        over = np.maximum(sample.values - self._highest, self._lowest - sample.values)
        return np.maximum(1.0 + over / self._scale, 0.0)

    def normal(self, sample: Sample, reach: Reals) -> tuple[Reals, Reals]:  # noqa: ARG002
        allowed = (reach - 1.0) * self._scale
        lowest = self._lowest if self._lowest > -FAR else -np.inf
        highest = self._highest if self._highest < FAR else np.inf
        return lowest - allowed, highest + allowed

    def learn(self, sample: Sample) -> None:
        """Nothing: limits are given."""
