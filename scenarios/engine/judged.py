"""What counts against objectives, second by second, for the record: counts, and which devices they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.alarm_results import example_result
from twinstorm.scenarios.result import JudgedRow

EXAMPLES_EVERY_S: Final = 10
"""Devices are named in the first second of a stretch in which something counts, then so often, and whenever twice as
much counts as when they were named last: then it is no longer these."""


class Judged:
    """What the counts of each objective were, so that the next second is told apart.

    Args:
        names: of objectives.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._before = dict.fromkeys(names, (0, 0))
        self._last_s = dict.fromkeys(names, -2)
        """The last second in which anything counted, and `_named_s` in which devices were named."""
        self._named_s = dict.fromkeys(names, -EXAMPLES_EVERY_S)
        self._named_bad = dict.fromkeys(names, 0)

    def rows(self, core: Core, at_s: int) -> list[JudgedRow]:
        """One an objective against which something counted in the second that ends now."""
        found = []
        for name, (bad_before, total_before) in self._before.items():
            bad, total = core.objective_counts(name)
            self._before[name] = bad, total
            if bad > bad_before:
                found.append(self._row(core, name, at_s, (bad - bad_before, total - total_before, bad, total)))
        return found

    def _row(self, core: Core, name: str, at_s: int, counts: tuple[int, int, int, int]) -> JudgedRow:
        bad, total, bad_so_far, total_so_far = counts
        named = self._last_s[name] < at_s - 1 or at_s - self._named_s[name] >= EXAMPLES_EVERY_S
        named |= bad >= 2 * self._named_bad[name]
        self._last_s[name] = at_s
        devices = []
        if named:
            self._named_s[name], self._named_bad[name] = at_s, bad
            devices = [example_result(each, core.registry) for each in core.spoilers(name)]
        return JudgedRow(
            at_s=at_s,
            objective=name,
            bad=bad,
            total=total,
            bad_so_far=bad_so_far,
            total_so_far=total_so_far,
            devices=devices,
        )
