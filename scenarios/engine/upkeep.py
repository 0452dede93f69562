"""Maintenance as the engine sees it: the plan for the world, the watch over what arrives, and what it costs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twinstorm.scenarios.language.catalogue import OF_MAINTENANCE
from twinstorm.scenarios.language.model import Fleet, Maintenance
from twinstorm.scenarios.result import MaintenanceResult
from twinstorm.twin.flow import HOUR_US, SECOND_US, Device, Int, Mask, Registry
from twinstorm.twin.maintenance import MaintenancePlan, Upkeep

if TYPE_CHECKING:
    from twinstorm.detectors.core import Core
    from twinstorm.scenarios.engine.wiring import Wiring

_COMPARE: Final[Mapping[str, Callable[[Any, float], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plan_of(written: Maintenance, fleet: Fleet) -> MaintenancePlan:
    """What crews do, for the world: neither whom they look after nor what it costs."""
    pools = [region for region, _ in written.crews]
    preventive = written.policy == "preventive"
    return MaintenancePlan(
        crews=tuple(crews for _, crews in written.crews),
        # A region without crews has nobody to look after: `of` leaves it out.
        pool=tuple(pools.index(site.region) if site.region in pools else 0 for site in fleet.sites),
        travel_us=(written.travel_us.low, written.travel_us.high),
        speed_km_h=written.speed_km_h,
        repair_us=(written.repair_us.low, written.repair_us.high),
        exponential=written.exponential,
        breakdown_us=written.breakdown_us,
        spares=written.spares,
        lead_us=written.lead_us,
        interval_us=written.interval_us if preventive else None,
        asked=written.policy == "condition",
    )


class ConditionWatch:
    """Asks for crews by what the core has received, never by what is true.

    A condition holds while every newest reading that comes fulfils it; silence proves nothing. Readings that were
    sampled before a repair ended do not count after it.

    Args:
        device: int32, ascending, whom the crews look after.
    """

    def __init__(self, written: Maintenance, registry: Registry, device: Device) -> None:
        self._rules = written.when
        self._every_us = registry.every_us
        self._mine: Mask = np.zeros(len(registry), np.bool_)
        self._mine[device] = True
        self._since_us: list[Int] = [np.full(len(registry), -1, np.int64) for _ in written.when]
        """Per rule, when the first reading of the present run of them arrived; -1: none."""

    def look(self, core: Core, upkeep: Upkeep) -> Device:
        """Once a simulated second: whom to ask a crew for, ascending."""
        arrived_us = core.last_arrival_us
        able = self._mine & ~upkeep.busy & (arrived_us > upkeep.renewed_us + self._every_us)
        asks = np.zeros(len(able), np.bool_)
        for rule, since_us in zip(self._rules, self._since_us, strict=True):
            beyond = able & _COMPARE[rule.op](core.newest_of(rule.channel), rule.level)
            since_us[~beyond] = -1
            np.copyto(since_us, arrived_us, where=beyond & (since_us < 0))
            asks |= beyond & (arrived_us - since_us >= rule.for_us)
        return np.flatnonzero(asks).astype(np.int32)


class UpkeepDesk:
    """Where crews are asked for and report back: what the operator of a fleet knows of maintenance.

    Args: as those of `ConditionWatch`.
    """

    def __init__(self, written: Maintenance, registry: Registry, device: Device) -> None:
        self._watch = ConditionWatch(written, registry, device) if written.policy == "condition" else None
        self._renewed_us: Int = np.full(len(registry), -1, np.int64)

    def look(self, core: Core, wiring: Wiring, now_us: int) -> None:
        """Once a simulated second: enter in the log what crews have finished, and ask for crews."""
        if self._watch is None and not core.on_values:
            return
        upkeep = wiring.upkeep(now_us)
        if upkeep is None:
            return
        core.serviced(np.flatnonzero(upkeep.renewed_us > self._renewed_us).astype(np.int32), now_us)
        self._renewed_us = upkeep.renewed_us
        device = self._watch.look(core, upkeep) if self._watch is not None else ()
        if len(device):
            wiring.ask(np.asarray(device, np.int32), now_us)


def cost_of(written: Maintenance, upkeep: Upkeep) -> float:
    """What it has cost so far, in whatever the scenario counts in."""
    downtime = upkeep.down_us / HOUR_US * written.downtime_cost_per_h
    return downtime + upkeep.repairs * written.repair_cost + upkeep.spares * written.spare_cost


def figures_of(written: Maintenance, upkeep: Upkeep) -> dict[str, float]:
    """Value of every counter of maintenance."""
    return {
        "breakdowns": float(upkeep.stops),
        "repairs": float(upkeep.repairs),
        "spares": float(upkeep.spares),
        "downtime": upkeep.down_us / SECOND_US,
        "cost": cost_of(written, upkeep),
    }


def counts_of(written: Maintenance, upkeep: Upkeep | None) -> dict[str, int]:
    """As `figures_of`, in whole numbers: what `count` may bound; a cost is rounded up. None: nothing was told yet."""
    if upkeep is None:
        return dict.fromkeys((name for name in OF_MAINTENANCE if name != "downtime"), 0)
    figures = figures_of(written, upkeep)
    return {name: math.ceil(value) for name, value in figures.items() if name != "downtime"}


def result_of(written: Maintenance, upkeep: Upkeep, now_us: int) -> MaintenanceResult:
    """For the document of a run."""
    all_us = upkeep.machines * now_us
    return MaintenanceResult(
        policy=written.policy,
        machines=upkeep.machines,
        breakdowns=upkeep.stops,
        requests=upkeep.asked,
        repairs=upkeep.repairs,
        spares=upkeep.spares,
        downtime_s=upkeep.down_us / SECOND_US,
        availability=1.0 - upkeep.down_us / all_us if all_us else None,
        mean_wait_s=upkeep.waited_us / upkeep.begun / SECOND_US if upkeep.begun else None,
        cost=round(cost_of(written, upkeep), 2),
    )
