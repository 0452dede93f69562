"""Periods that are stepped together: whatever happens in between, readings and digest are those of single steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.twin.fleet import FleetPlan, SegmentPlan
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Values
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.plugins import PluginError
from twinstorm.twin.sensors import Stuck
from twinstorm.twin.stretch import LONGEST_US, MACHINE_STEPS, periods

Look = Callable[[Lab, int], None]


def works(motors: int = 8, pumps: int = 6) -> FleetPlan:
    drawn = plan(motors=motors, climate=0)
    sample: SegmentPlan = drawn.segments[0]
    share = (pumps - pumps // 2, pumps // 2)
    return replace(
        drawn, segments=(sample, replace(sample, name="pumps", kind="pump", devices=share, every_us=5_000_000))
    )


def eventful(lab: Lab) -> Lab:
    """Every way in which something reaches a machine or what it tells."""
    world, everybody = lab.world, np.arange(len(lab.world.fleet), dtype=np.int32)
    some, few = everybody[::2], everybody[:3]
    lab.until(63 * SECOND_US)
    world.power_off(some, 63 * SECOND_US)
    lab.until(77 * SECOND_US)
    world.power_on(some, 77 * SECOND_US)
    lab.until(171 * SECOND_US)
    world.sampler.fail("ill", everybody, "bearing-wear", 0.7, 20 * SECOND_US, 171 * SECOND_US)
    lab.until(190 * SECOND_US)
    world.sampler.mend("ill", everybody)
    lab.until(262 * SECOND_US)
    world.sampler.renew(few)
    lab.until(301 * SECOND_US)

    world.sampler.sense("stuck", few, "first", 301 * SECOND_US, Stuck)
    lab.until(333 * SECOND_US)
    world.sampler.sense_no_more("stuck", few)
    lab.until(420 * SECOND_US)
    world.sampler.halt(few.astype(np.int64), True)
    lab.until(431 * SECOND_US)
    world.sampler.halt(few.astype(np.int64), False)
    lab.until(500 * SECOND_US)
    return lab


def played(look: Look, **changes: Any) -> Lab:
    lab = Lab.make(works(), **changes)
    original = lab.until

    def until(at_us: int) -> None:
        for each_us in (*range(lab.world.life.moved_us, at_us, 7_333_337), at_us):
            original(each_us)
            look(lab, each_us)

    lab.until = until  # type: ignore[method-assign, assignment]
    return eventful(lab)


def test_stepping_periods_together_changes_nothing() -> None:
    seen = 0

    def along(lab: Lab, at_us: int) -> None:
        nonlocal seen
        seen += len(lab.world.sampler._stretches)

    def looked_at(lab: Lab, at_us: int) -> None:
        if at_us % 2:
            for number in range(len(lab.world.fleet.groups)):
                lab.world.sampler.settle(number)

    def stepped(lab: Lab, at_us: int) -> None:
        lab.world.sampler._repeatable.clear()

    far, interrupted, near, blocks = played(along), played(looked_at), played(stepped), played(along, block=4)
    assert seen > 20, "nobody stepped several periods together"
    digests = {lab.log.digest() for lab in (far, interrupted, near, blocks)}
    assert len(digests) == 1
    assert far.delivered == interrupted.delivered == near.delivered == blocks.delivered
    for number in range(len(far.world.fleet.groups)):
        far.world.sampler.settle(number)
        mine, theirs = far.world.sampler._machines[number].state, near.world.sampler._machines[number].state
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine), "machines ended elsewhere"


class Broken(Motor):
    """It breaks at an instant of the middle of a stretch."""

    name = "motor"
    breaks_us: ClassVar[int] = 100 * SECOND_US

    def step(self, state: Any, parameters: Any, inputs: Any, noise: Values, out: Values) -> None:
        super().step(state, parameters, inputs, noise, out)
        if inputs.now_us == self.breaks_us:
            out[0] = 1e9

    def repeat(self, state: Any, parameters: Any, inputs: Any, noise: Values, out: Values) -> None:
        for nth, each in enumerate(inputs):
            self.step(state, parameters, each, noise[:, nth], out[:, nth])


def test_what_goes_wrong_in_a_stretch_is_told_at_its_own_instant() -> None:
    lab = Lab.make(works(pumps=2))
    for machines in lab.world.sampler._machines:
        if machines.kind.name == "motor":
            machines.kind = Broken()
    lab.until(99 * SECOND_US + 1)
    with pytest.raises(PluginError, match=r"at 100 s"):
        lab.until(100 * SECOND_US + 1)


def test_a_stretch_is_worth_it_for_few_machines_and_not_long() -> None:
    assert periods(1, SECOND_US) == LONGEST_US // SECOND_US
    assert periods(64, SECOND_US) == MACHINE_STEPS // 64
    assert periods(MACHINE_STEPS, SECOND_US) == periods(10 * MACHINE_STEPS, SECOND_US) == 1
    assert periods(1, 2 * LONGEST_US) == 1
    assert LONGEST_US == 5 * MINUTE_US
