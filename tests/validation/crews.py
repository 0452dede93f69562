"""The crews of the world, without a world: its own story alone, for as long as a steady state takes."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from twinstorm.twin.chance import words
from twinstorm.twin.flow import HOUR_US, Device, Int, Mask
from twinstorm.twin.maintenance import Maintenance, MaintenancePlan, Upkeep
from twinstorm.twin.stories import Stage

MACHINES = 5
HOURS = 30_000


class Plant:
    """What crews need of a world: machines that stand still or not, and an instant that nobody else cares about."""

    seed = 42

    def __init__(self) -> None:
        self.fleet = _Fleet()
        self.sampler = self
        self.log = self

    def advance_to(self, at_us: int) -> None:
        """Nothing moves but the crews."""

    def halt(self, device: Int, still: bool) -> None:
        """Who stands still is the crews' own knowledge."""

    def worn_out(self, asked: Mask) -> Int:
        return np.empty(0, np.int64)

    def renew(self, device: Device) -> None:
        """Nothing wears."""

    def tell(self, *row: object) -> None:
        """Nobody keeps a log."""


class _Fleet(SimpleNamespace):
    def __init__(self) -> None:
        key = words(1, np.arange(MACHINES, dtype=np.uint64), 0)
        super().__init__(key=key, site=np.zeros(MACHINES, np.int32))

    def __len__(self) -> int:
        return MACHINES


@cache
def kept(spares: int | None = None, lead_h: int = 1, crews: int = 1) -> Upkeep:
    """Five machines up 20 h and repaired 2 h, both by chance."""
    plan = MaintenancePlan(
        crews=(crews,),
        breakdown_us=20 * HOUR_US,
        repair_us=(2 * HOUR_US, 2 * HOUR_US),
        exponential=True,
        spares=spares,
        lead_us=lead_h * HOUR_US,
    )
    crew = Maintenance(cast("Any", Plant()), plan, np.arange(MACHINES, dtype=np.int32), look_us=1_000 * HOUR_US)
    stage = Stage({crew.story.kind: crew.act}, [crew.story], 0)
    until_us = HOURS * HOUR_US
    while stage.next_us() < until_us:
        stage.step()
    return crew.upkeep(until_us)


def down() -> float:
    """Mean number of machines that stand still."""
    return kept().down_us / (HOURS * HOUR_US)


def down_h() -> float:
    """Mean time from a stop to the end of its repair."""
    found = kept()
    return found.down_us / HOUR_US / found.repairs
