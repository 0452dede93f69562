"""Objectives: what an SLI should be over a run, what is left of the error budget, and how fast it burns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.burn import Burning, Spent
from twinstorm.detectors.series import Members, Series, Totals
from twinstorm.twin.flow import SECOND_US, Mask


@dataclass(frozen=True)
class Objective:
    """What must hold.

    Attributes:
        at_least, at_most: exactly one is set, in the SLI's own unit (a share as 0..1, reboots per device and hour too).
        mask: the devices that count, None: all.
        within_us: the SLI's own setting of that name, None: its default.
        percentile: for SLIs that measure a duration.
        limit: the SLI's own setting of that name, None: its default.
        of: the selector that `mask` came from, for alarms; empty: all.
        burning: when its burn is an alarm; None: never.
    """

    name: str
    sli: str
    at_least: float | None = None
    at_most: float | None = None
    mask: Mask | None = None
    within_us: int | None = None
    percentile: float | None = None
    limit: int | None = None
    of: str = ""
    burning: Burning | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the SLI that differ from its defaults."""
        given = {"within_us": self.within_us, "percentile": self.percentile, "limit": self.limit}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Standing:
    """An objective so far, over the panes after the warm-up.

    Attributes:
        value: in `unit`; None without data.
        verdict: ``held``, ``missed`` or ``no data``.
        budget_left: share of the error budget that is left, negative when overspent; None without a budget (nothing
            may go wrong, or nothing can).
        first_broken_us, last_broken_us: begin of the first and end of the last second that broke the bound by itself.
    """

    value: float | None
    unit: str
    verdict: str
    good: int
    total: int
    budget_left: float | None
    first_broken_us: int | None
    last_broken_us: int | None


class Track:
    """Follows one objective.

    Args:
        series: panes of its SLI.
        run_us: length of the run if it is known: the budget is then that of the whole run, else of the run so far.

    Raises:
        ValueError: if not exactly one bound is set.
    """

    def __init__(self, objective: Objective, series: Series, warm_up_us: int, run_us: int | None) -> None:
        if (objective.at_least is None) == (objective.at_most is None):
            raise ValueError(f"objective `{objective.name}` needs exactly one of at_least and at_most")
        self.objective = objective
        self.series = series
        self._members = None if objective.mask is None else Members.of(objective.mask)
        self._bits: NDArray[np.uint8] | None = None
        """Good devices of the pane that `_counts` were counted in."""
        self._counts = 0, 0
        self._warm_up_us, self._run_us = warm_up_us, run_us
        self._panes = Totals()
        self._good = 0
        self._total = 0
        self._first_broken_us: int | None = None
        self._last_broken_us: int | None = None
        self._now_us = 0

    def close(self, now_us: int) -> tuple[int, int]:
        """Add the newest pane of the series. Returns its good and total."""
        counts = self._newest()
        self._panes.add(*counts)
        self._now_us = now_us
        if now_us <= self._warm_up_us:
            return counts
        self._good += counts[0]
        self._total += counts[1]
        if self._holds(self.series.value(counts)) is False:
            if self._first_broken_us is None:
                self._first_broken_us = now_us - SECOND_US
            self._last_broken_us = now_us
        return counts

    def repeat(self, panes: int, now_us: int) -> None:
        """Add so many panes after the warm-up, the last of which ends now, that are like the newest."""
        good, total = counts = self._newest()
        self._panes.add(good, total, panes)
        self._now_us = now_us
        self._good += good * panes
        self._total += total * panes
        if self._holds(self.series.value(counts)) is False:
            self._last_broken_us = now_us

    def _newest(self) -> tuple[int, int]:
        if self._members is None:
            return self.series.fleet.last(1)
        if (each := self.series.each) is not None:
            mask = self.objective.mask
            return int(each.good[mask].sum(dtype=np.int64)), int(each.total[mask].sum(dtype=np.int64))
        bits = self.series.newest
        if bits is not self._bits or bits is None:
            self._bits = bits
            self._counts = self.series.last(self._members, 1)
        return self._counts

    def skip(self) -> None:
        """A pane in which nobody looked."""
        self._panes.add(0, 0)

    def window(self, panes: int) -> float | None:
        """The SLI over the newest panes, warm-up or not."""
        return self.series.value(self._panes.last(panes))

    def burn(self, panes: int) -> float | None:
        """How many times as fast as allowed the error budget went in the newest panes; None without data or budget."""
        good, total = self._panes.last(panes)
        allowed = self._allowed(total)
        return self._spent(good, total) / allowed if allowed else None

    def spent(self, panes: int) -> Spent:
        """What the newest panes after the warm-up took of the error budget."""
        judged = max(self._now_us - self._warm_up_us, 0) // SECOND_US
        covered = min(panes, judged)
        good, total = self._panes.last(covered) if covered else (0, 0)
        return Spent(self._spent(good, total), self._allowed(total), total, covered)

    def spoilt(self, panes: int) -> Mask | None:
        """Devices that counted against the objective in the newest panes, of the last minute at most; None: the
        indicator has no devices."""
        found = self.series.found(panes, good=self.objective.at_most is not None)
        return found if found is None or self.objective.mask is None else found & self.objective.mask

    def counts(self) -> tuple[int, int]:
        """What counted against the objective since the warm-up, and all that counted."""
        return self._spent(self._good, self._total), self._total

    def standing(self) -> Standing:
        value = self.series.value((self._good, self._total))
        holds = self._holds(value)
        return Standing(
            value=value,
            unit=self.series.sli.unit,
            verdict="no data" if holds is None else ("held" if holds else "missed"),
            good=self._good,
            total=self._total,
            budget_left=self._budget_left(),
            first_broken_us=self._first_broken_us,
            last_broken_us=self._last_broken_us,
        )

    def _holds(self, value: float | None) -> bool | None:
        if value is None:
            return None
        objective = self.objective
        if objective.at_least is not None:
            return value >= objective.at_least
        assert objective.at_most is not None
        return value <= objective.at_most

    def _spent(self, good: int, total: int) -> int:
        """Counts that go against the objective."""
        return total - good if self.objective.at_least is not None else good

    def _allowed(self, total: float) -> float:
        """Counts that may go against it among `total`; 0: there is no budget."""
        objective, scale = self.objective, self.series.sli.scale
        if objective.at_most is not None:
            return objective.at_most * total / scale
        assert objective.at_least is not None
        # At least so many events an hour is no promise that errors could be counted against.
        return (1.0 - objective.at_least) * total if scale == 1 else 0.0

    def _budget_left(self) -> float | None:
        total = float(self._total)
        judged_us = self._now_us - self._warm_up_us
        if self._run_us is not None and 0 < judged_us < self._run_us - self._warm_up_us:
            total *= (self._run_us - self._warm_up_us) / judged_us
        allowed = self._allowed(total)
        return 1.0 - self._spent(self._good, self._total) / allowed if allowed > 0 else None
