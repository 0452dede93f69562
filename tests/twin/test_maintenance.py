"""Crews, parts and repairs in the world: who waits for whom, what a repair leaves, and the model it must agree with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.twin.chance import Purpose, stream
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US
from twinstorm.twin.machines.installed import catalogue
from twinstorm.twin.machines.kind import is_event_driven
from twinstorm.twin.maintenance import LOOK_US, MaintenancePlan, Upkeep
from twinstorm.twin.places import distance_km
from twinstorm.twin.repairs import Scatter, simulate
from twinstorm.twin.stories import Stage

N = 10
ALL = np.arange(N, dtype=np.int32)
TWO_SITES = (0, 0)
Settings = tuple[tuple[str, float, float], ...]


def lab(crews: MaintenancePlan, kind: str = "motor", every_us: int = MINUTE_US, machine: Settings = ()) -> Lab:
    """Ten machines on two sites, looked after from the start."""
    parts = plan(motors=N, climate=0)
    segment = replace(parts.segments[0], kind=kind, every_us=every_us, machine=machine)
    made = Lab.make(replace(parts, segments=(segment,)))
    made.world.maintain(crews, np.arange(N, dtype=np.int32))
    made.stage = Stage(made.world.acts, made.world.stories, 0)
    return made


def upkeep(made: Lab, at_us: int) -> Upkeep:
    made.until(at_us)
    assert made.missing() == 0
    assert made.world.maintenance is not None
    return made.world.maintenance.upkeep(at_us)


def told(made: Lab, code: Code) -> list[tuple[int, int]]:
    """Instant and device of every row of this code."""
    rows = np.concatenate(made.log.keep or [np.empty((0, 3), np.int64)])
    mine = rows[rows[:, 1] >> 32 == code]
    return [(int(at_us), int(subject) & 0xFFFFFFFF) for at_us, subject, _ in mine]


WORN = (("life_rate_per_s", 1e-5, 1e-5), ("wear_at_start", 0.5, 0.999))


def test_a_worn_machine_stops_is_repaired_and_is_as_new() -> None:
    made = lab(
        MaintenancePlan(pool=TWO_SITES, crews=(N,), travel_us=(HOUR_US, HOUR_US), repair_us=(HOUR_US,) * 2),
        machine=WORN,
    )
    found = upkeep(made, 30 * HOUR_US)
    stopped, begun, done = (told(made, code) for code in (Code.MACHINE_STOPPED, Code.REPAIR_BEGUN, Code.REPAIRED))
    assert found.stops == found.repairs == found.spares == len(stopped) == len(done) >= 5
    assert all(at_us % LOOK_US == 0 for at_us, _ in stopped)
    assert begun == [(at_us + HOUR_US, device) for at_us, device in stopped]
    assert done == [(at_us + 2 * HOUR_US, device) for at_us, device in stopped]
    assert found.down_us == 2 * HOUR_US * found.repairs
    machines = made.world.sampler._machines[0]
    health = machines.kind.truth(machines.state, machines.parameters).health
    assert (health[[device for _, device in done]] > 0.3).all()


def test_what_stands_still_tells_so_and_keeps_its_session() -> None:
    """Speed is 0 from the stop to the end of the repair; not a reading is missing."""
    made = lab(
        MaintenancePlan(pool=TWO_SITES, crews=(N,), travel_us=(HOUR_US,) * 2, repair_us=(HOUR_US,) * 2), machine=WORN
    )
    upkeep(made, 30 * HOUR_US)
    stopped = {device: at_us for at_us, device in told(made, Code.MACHINE_STOPPED)}
    speed = len(catalogue()["motor"].channels) - 1
    for device, at_us in stopped.items():
        values = [np.frombuffer(made.delivered[device, seq], np.float32)[speed] for seq in made.order[device]]
        still = [number * MINUTE_US for number, value in enumerate(values) if value == 0.0]
        # The sampling of an instant comes before the crews of that instant.
        assert still[0] == at_us + MINUTE_US
        assert len(still) == 120
        assert len(values) == 30 * 60


@pytest.mark.parametrize("kind", sorted(catalogue()))
def test_every_kind_can_stand_still_and_be_renewed_without_a_dead_letter(kind: str) -> None:
    """Values at rest lie within what the sensors can tell, and machines come back."""
    # Something happens in a cell every few seconds: two hours of one are as much work as a day of others.
    day_us = 2 * HOUR_US if is_event_driven(catalogue()[kind]) else 24 * HOUR_US
    made = lab(
        MaintenancePlan(
            pool=TWO_SITES, crews=(N,), breakdown_us=day_us // 6, repair_us=(day_us // 24,) * 2, exponential=True
        ),
        kind=kind,
    )
    found = upkeep(made, day_us)
    assert found.repairs >= 10
    channels = catalogue()[kind].channels
    values = np.frombuffer(b"".join(made.delivered.values()), np.float32).reshape(-1, len(channels))
    lowest, highest = np.array([(each.lowest, each.highest) for each in channels], np.float32).T
    outside = ((values < lowest) | (values > highest)).any(axis=0)
    assert not outside.any(), [each.name for each, is_out in zip(channels, outside, strict=True) if is_out]


@pytest.mark.parametrize(("crews", "up_min", "repair_min"), [(1, 36, 12), (2, 18, 18), (10, 24, 12)])
def test_by_chance_the_story_is_the_model_of_finite_source_event_by_event(
    crews: int, up_min: int, repair_min: int
) -> None:
    """`twin.repairs.simulate` meets the formula; the crews of the world fail, begin and end at its very instants."""
    until_us = 20 * HOUR_US
    up_us, repair_us = up_min * MINUTE_US, repair_min * MINUTE_US
    made = lab(
        MaintenancePlan(
            pool=TWO_SITES, crews=(crews,), breakdown_us=up_us, repair_us=(repair_us, repair_us), exponential=True
        ),
        kind="environment",
        every_us=HOUR_US,
    )
    found = upkeep(made, until_us)
    model = simulate(
        stream(7, Purpose.UPKEEP), made.world.fleet.key, crews, Scatter(up_us), Scatter(repair_us), until_us
    )
    assert told(made, Code.MACHINE_STOPPED) == list(zip(model.failed_us.tolist(), model.machine.tolist(), strict=True))
    both = zip(model.begun_us.tolist(), model.machine.tolist(), strict=True)
    assert sorted(told(made, Code.REPAIR_BEGUN)) == sorted(one for one in both if one[0] < until_us)
    both = zip(model.repaired_us.tolist(), model.machine.tolist(), strict=True)
    assert sorted(told(made, Code.REPAIRED)) == sorted(one for one in both if one[0] < until_us)
    assert 1.0 - found.down_us / (N * until_us) == pytest.approx(model.availability, abs=1e-12)


def test_who_was_asked_for_works_on_until_the_crew_begins() -> None:
    made = lab(MaintenancePlan(pool=TWO_SITES, travel_us=(HOUR_US,) * 2, repair_us=(HOUR_US,) * 2, asked=True))
    made.until(HOUR_US)
    assert made.world.maintenance is not None
    assert made.world.maintenance.ask(np.array([3], np.int32), HOUR_US) == 1
    assert made.world.maintenance.ask(np.array([3], np.int32), HOUR_US) == 0, "one job is enough"
    found = upkeep(made, 10 * HOUR_US)
    assert (found.stops, found.asked, found.repairs) == (0, 1, 1)
    assert found.down_us == HOUR_US
    assert abs(found.waited_us - HOUR_US) <= SECOND_US
    assert found.renewed_us[3] > 0
    assert not found.busy.any()


def test_without_a_part_the_crew_waits_and_parts_are_ordered_one_for_one() -> None:
    lead_us = 2 * HOUR_US
    made = lab(
        MaintenancePlan(pool=TWO_SITES, crews=(N,), repair_us=(HOUR_US,) * 2, spares=2, lead_us=lead_us, asked=True)
    )
    made.until(HOUR_US)
    assert made.world.maintenance is not None
    made.world.maintenance.ask(ALL[:5], HOUR_US)
    found = upkeep(made, 8 * HOUR_US)
    begun = [at_us for at_us, _ in told(made, Code.REPAIR_BEGUN)]
    first = begun[0]
    assert begun == [first, first, first + lead_us, first + lead_us, first + 2 * lead_us]
    assert found.spares == 5
    assert made.world.maintenance.stock.parts == 2, "in the end all that was taken has come back"


def test_a_machine_that_stops_while_it_waits_has_one_job_and_stands_still_from_then() -> None:
    made = lab(
        MaintenancePlan(pool=TWO_SITES, repair_us=(HOUR_US,) * 2, travel_us=(10 * HOUR_US,) * 2, asked=True),
        machine=(("life_rate_per_s", 1e-4, 1e-4), ("wear_at_start", 0.9, 0.9)),
    )
    assert made.world.maintenance is not None
    made.world.maintenance.ask(ALL[:1], 0)
    found = upkeep(made, 6 * HOUR_US)
    assert found.stops == N
    assert found.asked == N
    assert found.repairs == 0
    assert found.down_us == sum(6 * HOUR_US - at_us for at_us, _ in told(made, Code.MACHINE_STOPPED))


def test_plans_renew_every_machine_once_an_interval_and_not_all_at_once() -> None:
    made = lab(MaintenancePlan(pool=TWO_SITES, crews=(N,), repair_us=(MINUTE_US,) * 2, interval_us=5 * HOUR_US))
    found = upkeep(made, 15 * HOUR_US)
    assert 2 * N <= found.repairs <= 3 * N
    assert found.stops == 0
    times: dict[int, list[int]] = {}
    for at_us, device in told(made, Code.REPAIRED):
        times.setdefault(device, []).append(at_us)
    assert {gap for mine in times.values() for gap in np.diff(mine).tolist()} == {5 * HOUR_US + MINUTE_US}
    assert len({mine[0] for mine in times.values()}) == N


def test_crews_serve_their_own_region_only() -> None:
    made = lab(MaintenancePlan(pool=(0, 1), crews=(1, 5), repair_us=(HOUR_US,) * 2, asked=True))
    assert made.world.maintenance is not None
    made.world.maintenance.ask(ALL, 0)
    found = upkeep(made, 3 * HOUR_US)
    done = [device for _, device in told(made, Code.REPAIRED)]
    site = made.world.fleet.site
    assert sorted(site[done].tolist()) == [0, 0, 1, 1, 1, 1, 1]
    assert found.repairs == 7


def test_by_speed_the_nearest_free_crew_comes_and_stays_where_it_worked() -> None:
    """Both begin at arn-1: the first way to fra-1 takes as long as it is far, the next there none."""
    made = lab(MaintenancePlan(pool=TWO_SITES, crews=(2,), speed_km_h=1_000.0, repair_us=(MINUTE_US,) * 2, asked=True))
    assert made.world.maintenance is not None
    at_fra = np.flatnonzero(made.world.fleet.site == 1).astype(np.int32)
    made.world.maintenance.ask(at_fra[:1], 0)
    made.until(4 * HOUR_US)
    made.world.maintenance.ask(at_fra[1:2], 4 * HOUR_US)
    made.until(6 * HOUR_US)
    (first, _), (second, _) = told(made, Code.REPAIR_BEGUN)
    way_h = distance_km("arn-1", "fra-1") / 1_000.0
    assert first / HOUR_US == pytest.approx(way_h, abs=0.001)
    assert second - 4 * HOUR_US <= SECOND_US


def test_a_repair_ends_the_failures_of_its_machine_and_of_no_other() -> None:
    made = lab(MaintenancePlan(pool=TWO_SITES, repair_us=(HOUR_US,) * 2, asked=True))
    made.until(HOUR_US)
    world = made.world
    world.sampler.fail("shaky", ALL[:2], "imbalance", 1.0, 0, HOUR_US)
    assert world.maintenance is not None
    world.maintenance.ask(ALL[:1], HOUR_US)
    made.until(3 * HOUR_US)
    (failure,) = world.sampler.failures[0]
    assert failure.device.tolist() == [1]
    before = world.evidence_of("shaky").counts["readings_changed"]
    world.maintenance.ask(ALL[1:2], 3 * HOUR_US)
    made.until(6 * HOUR_US)
    assert world.sampler.failures[0] == []
    assert world.evidence_of("shaky").counts["readings_changed"] > before, "what it had changed until then still counts"
    world.sampler.mend("shaky", ALL[:2])


def test_nobody_looks_after_machines_that_were_not_named() -> None:
    made = lab(MaintenancePlan(pool=TWO_SITES, breakdown_us=HOUR_US))
    other = Lab.make(made.world.fleet.plan)
    other.world.maintain(MaintenancePlan(pool=TWO_SITES, breakdown_us=HOUR_US), ALL[:3])
    other.stage = Stage(other.world.acts, other.world.stories, 0)
    found = upkeep(other, 20 * HOUR_US)
    assert found.machines == 3
    assert {device for _, device in told(other, Code.MACHINE_STOPPED)} == {0, 1, 2}
    assert other.world.maintenance is not None
    assert other.world.maintenance.ask(ALL[5:], 20 * HOUR_US) == 0
