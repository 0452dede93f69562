"""Parts that wear: sums of damage, what breaks, what is counted, what is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from tests.twin.worlds import Lab, plan
from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import HOUR_US, MINUTE_US, Mask, Values
from twinstorm.twin.machines import checked, conformance
from twinstorm.twin.machines.installed import catalogue
from twinstorm.twin.machines.kind import FailureMode, Inputs, Truth
from twinstorm.twin.machines.meter import Meter
from twinstorm.twin.maintenance import MaintenancePlan
from twinstorm.twin.physics.worn_parts import WornPart, WornParts
from twinstorm.twin.stories import Stage

N = 20
PARTS = WornParts(
    WornPart("belt", "the belt", 100.0, 3.0, {"dust": 10.0}, {"tear": 0.5}),
    WornPart("brush", "the brush", spoils_h={"dust": 40.0}),
    WornPart("latch", "the latch", spoils_h={"rattling": 5.0}, counted=True),
)
MADE = PARTS.parameters(lambda number: words(stream(3, number), some_keys(N), 0))
SEVERE = np.full(N, 0.5, np.float32)


def go(state: dict[str, Values], hours: float, running: Mask | None = None, **failures: Values) -> None:
    PARTS.wear(state, Inputs(0, int(hours * HOUR_US), running=running, failures=failures))


def fresh() -> dict[str, Values]:
    state = PARTS.initial(np.zeros(N))
    PARTS.renew(state, MADE, np.arange(N))
    return state


def test_time_in_service_is_a_share_of_the_life_that_was_drawn() -> None:
    state = fresh()
    for _ in range(600):
        go(state, 1 / 60)
    assert PARTS.worn("belt", state, MADE) == pytest.approx(10.0 / MADE["belt_life_h"], rel=1e-4)
    go(state, 1.0, np.zeros(N, np.bool_))
    assert PARTS.worn("belt", state, MADE) == pytest.approx(10.0 / MADE["belt_life_h"], rel=1e-4), "nothing worked"


def test_what_fails_uses_up_its_life_within_its_own_time_and_shortens_what_is_foretold() -> None:
    state = fresh()
    go(state, 2.0, dust=SEVERE)
    expected = 2.0 / MADE["belt_life_h"] + 2.0 * 0.5 / 10.0
    assert PARTS.worn("belt", state, MADE) == pytest.approx(expected, rel=1e-4)
    truth = PARTS.truth(state, MADE)
    rate_per_h = 1.0 / MADE["belt_life_h"] + 0.5 / 10.0
    assert truth.remaining_s / 3600.0 == pytest.approx((1.0 - expected) / rate_per_h, rel=1e-4)
    go(state, 1e-9)
    assert (PARTS.truth(state, MADE).remaining_s > truth.remaining_s).all(), "the dust has settled"
    assert PARTS.truth(state, MADE).health == pytest.approx(truth.health, abs=1e-6), "what it did stays"


def test_a_breakage_is_damage_at_once_by_its_worst_and_stays() -> None:
    state = fresh()
    go(state, 1e-9, tear=SEVERE)
    go(state, 1e-9, tear=SEVERE * np.float32(0.2))
    go(state, 1e-9)
    assert PARTS.worn("belt", state, MADE) == pytest.approx(np.full(N, 0.25), abs=1e-6)
    assert PARTS.worn("brush", state, MADE).max() == 0.0


def test_what_is_counted_wears_by_its_counts_and_haste_only_foretells() -> None:
    state = fresh()
    go(state, 1.0, rattling=np.ones(N, np.float32))
    assert PARTS.worn("latch", state, MADE).max() == 0.0
    assert (PARTS.truth(state, MADE).remaining_s <= 5.0 * 3600.0).all()
    PARTS.count(state, "latch", np.array([3]), np.array([0.25], np.float32))
    assert np.flatnonzero(PARTS.worn("latch", state, MADE)).tolist() == [3]


def test_small_damage_next_to_large_is_not_lost() -> None:
    """A second of an hour's haste is far below the last bit of a life that is nearly over."""
    state = fresh()
    PARTS.count(state, "brush", np.arange(N), np.full(N, 0.9, np.float32))
    for _ in range(2_000):
        PARTS.wear(state, Inputs(0, 1_000, failures={"dust": np.ones(N, np.float32)}))
    assert PARTS.worn("brush", state, MADE) - 0.9 == pytest.approx(2.0 / 3600.0 / 40.0, abs=1e-6)


def test_no_life_left_is_none_whatever_is_foretold() -> None:
    state = fresh()
    go(state, 100.0, dust=np.ones(N, np.float32))
    truth = PARTS.truth(state, MADE)
    assert not truth.health.any()
    assert not truth.remaining_s.any()


def test_only_what_is_renewed_is_new() -> None:
    state = PARTS.initial(np.zeros(N))
    go(state, 20.0, dust=SEVERE, tear=SEVERE)
    before = PARTS.truth(state, MADE).health
    PARTS.renew(state, MADE, np.array([2, 5]))
    after = PARTS.truth(state, MADE).health
    assert (after[[2, 5]] == 1.0).all()
    assert np.array_equal(np.delete(after, [2, 5]), np.delete(before, [2, 5]))


# --- the conformance suite can fail -----------------------------------------------------------------------------------


class _Immortal(Meter):
    """A meter that knows of no damage, and of nothing else either."""

    def step(self, *of_everything: object) -> None:
        pass

    def truth(self, state: dict[str, Values], parameters: dict[str, Values]) -> Truth:  # type: ignore[override]
        return Truth(np.ones_like(state["energy_wh"]), np.full_like(state["energy_wh"], np.inf))


class _Forgiving(Meter):
    """A meter whose damage is gone when its cause is."""

    def truth(self, state: dict[str, Values], parameters: dict[str, Values]) -> Truth:  # type: ignore[override]
        health = np.where(state["switch_haste"] > 0.0, np.float32(0.5), np.float32(0.9))
        return Truth(health, np.full_like(health, np.inf))


class _Liar(Meter):
    """A meter that says of a failure that it harms, and of another that it does not."""

    failures = tuple(replace(mode, harms=not mode.harms) for mode in Meter.failures)


class _Undead(Meter):
    """A meter that has years before it with no health left."""

    def truth(self, state: dict[str, Values], parameters: dict[str, Values]) -> Truth:  # type: ignore[override]
        truth = super().truth(state, parameters)
        return Truth(truth.health, truth.remaining_s + np.float32(1e6))


@pytest.mark.parametrize(
    ("kind", "check", "said"),
    [
        (_Immortal(), conformance.failures_cost_health_or_life, "undervoltage costs 0%"),
        (_Immortal(), conformance.life_comes_to_an_end, "never end"),
        (_Forgiving(), conformance.failures_cost_health_or_life, "came back"),
        (_Liar(), conformance.failures_cost_health_or_life, "undervoltage harms, whatever it says"),
        (_Undead(), conformance.life_comes_to_an_end, "no life left"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_a_kind_that_tells_no_truth_does_not_conform(kind: Meter, check: conformance.Check, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check(kind)


# --- in the world -----------------------------------------------------------------------------------------------------

ENDS = {
    "air-quality": "fan-failure",
    "building": "hvac-off",
    "camera": "dirty-lens",
    "chiller": "refrigerant-loss",
    "controller": "worn-tool",
    "inverter": "fan-failure",
    "irrigation": "valve-stuck",
    "pump": "seal-leak",
    "shelf": "compressor-failure",
}
"""Failures whose full severity is the end."""
HASTENS = {
    "meter": ("undervoltage", (("switch_life_h", 1.0, 1.0), ("switch_worn_at_start", 0.5, 0.5))),
    "wearable": ("poor-contact", (("battery_life_h", 1.0, 1.0), ("battery_worn_at_start", 0.5, 0.5))),
}
"""Those that shorten a life, which is short."""


def halted(kind: str, mode: str, machine: tuple[tuple[str, float, float], ...], until_us: int) -> tuple[int, Lab]:
    parts = plan(motors=10, climate=0)
    segment = replace(parts.segments[0], kind=kind, every_us=MINUTE_US, machine=machine)
    lab = Lab.make(replace(parts, segments=(segment,)))
    everybody = np.arange(10, dtype=np.int32)
    lab.world.maintain(MaintenancePlan(pool=(0, 0), travel_us=(HOUR_US, HOUR_US)), everybody)
    lab.stage = Stage(lab.world.acts, lab.world.stories, 0)
    lab.until(MINUTE_US)
    if mode:
        lab.world.sampler.fail("x", everybody[:5], mode, 1.0, 10 * MINUTE_US, MINUTE_US)
    lab.until(until_us)
    assert lab.world.maintenance is not None
    return lab.world.maintenance.upkeep(until_us).stops, lab


@pytest.mark.parametrize("kind", sorted(ENDS))
def test_run_to_failure_halts_a_machine_when_its_failure_has_gone_all_the_way(kind: str) -> None:
    stops, _ = halted(kind, ENDS[kind], (), 14 * MINUTE_US)
    assert stops == 5


@pytest.mark.parametrize("kind", sorted(HASTENS))
def test_run_to_failure_halts_a_machine_when_its_life_is_over(kind: str) -> None:
    mode, machine = HASTENS[kind]
    assert halted(kind, "", machine, 28 * MINUTE_US)[0] == 0
    assert halted(kind, "", machine, 32 * MINUTE_US)[0] == 10
    assert mode in {one.name for one in catalogue()[kind].failures}


@pytest.mark.parametrize("kind", ["camera", "controller"])
def test_a_repair_renews_an_event_driven_machine(kind: str) -> None:
    _, lab = halted(kind, ENDS[kind], (), 14 * MINUTE_US)
    machines = lab.world.sampler._machines[0]
    lab.world.sampler.renew(np.arange(3, dtype=np.int32))
    health = machines.kind.truth(machines.state, machines.parameters).health
    assert (health[:3] == 1.0).all()
    assert not health[3:5].any()


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_a_seal_that_ran_dry_leaks_until_it_is_renewed() -> None:
    wet, dry = (Machines(catalogue()["pump"], some_keys(10)) for _ in range(2))
    for machines in (wet, dry):
        machines.drives = {"demand_share": np.full(10, 0.8, np.float32)}
    dry.failures = {"dry-running": np.ones(10, np.float32)}
    for machines in (wet, dry):
        machines.run(MINUTE_US, 20)
    dry.failures = {}
    flows = [machines.run(MINUTE_US, 2)[0].copy() for machines in (wet, dry)]
    assert (flows[1] < 0.95 * flows[0]).all()
    checked.renew(dry.kind, dry.state, dry.parameters, np.arange(10))
    flows = [machines.run(MINUTE_US, 2)[0].copy() for machines in (wet, dry)]
    assert np.array_equal(*flows)


def test_a_hot_winding_ages_its_insulation_by_the_rule_of_ten_kelvin() -> None:
    hot, well = (Machines(catalogue()["motor"], some_keys(10)) for _ in range(2))
    hot.failures = {"overheating": np.ones(10, np.float32)}
    for machines in (hot, well):
        machines.drives = {"load_share": np.ones(10, np.float32), "ambient_c": np.full(10, 25.0, np.float32)}
        machines.run(10 * MINUTE_US, 60)
        machines.state["aged"][:] = 0.0
        machines.run(10 * MINUTE_US, 6)
    halvings = (hot.state["winding_c"].astype(np.float64) - well.state["winding_c"]) / 10.0
    assert (halvings > 4.0).all()
    ratio = hot.state["aged"].astype(np.float64) / well.state["aged"]
    assert ratio == pytest.approx(2.0**halvings, rel=0.02)
    life_h = 20_000.0 * 2.0 ** ((145.0 - hot.state["winding_c"].astype(np.float64)) / 10.0)
    told_h = hot.kind.truth(hot.state, hot.parameters).remaining_s / 3600.0
    assert told_h == pytest.approx(life_h, rel=0.05)


def test_a_door_that_does_not_close_wears_the_compressor_as_fast_as_is_foretold() -> None:
    machines = Machines(catalogue()["shelf"], some_keys(10))
    machines.failures = {"door-ajar": np.ones(10, np.float32)}
    machines.run(MINUTE_US, 5)
    before = machines.kind.truth(machines.state, machines.parameters).remaining_s.astype(np.float64)
    machines.run(10 * MINUTE_US, 6 * 24 * 10)
    after = machines.kind.truth(machines.state, machines.parameters).remaining_s
    assert before - after == pytest.approx(np.full(10, 10 * 86_400.0), rel=0.1)


def test_a_failure_says_whether_it_harms() -> None:
    assert FailureMode("rust", "it rusts", ()).harms
    told = {kind.name: {mode.name for mode in kind.failures if not mode.harms} for kind in catalogue().values()}
    assert told["wearable"] == {"tachycardia", "desaturation", "fever"}
    assert not told["chiller"] | told["inverter"] | told["irrigation"] | told["building"] | told["pump"]
