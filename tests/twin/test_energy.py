"""Batteries: where the charge goes, how long it lasts, what cold and emptiness do, and what storms cost."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.worlds import FULL, Lab, plan
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.cells import CELLS, OUTSIDE, PowerPlan
from twinstorm.twin.energy import BOOTS, CONNECTS, FLOOR, MESSAGES, READINGS, SHELF, Energy
from twinstorm.twin.eventlog import Code
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import HOUR_US, SECOND_US, FaultOrder
from twinstorm.twin.network import LINKS
from twinstorm.twin.physics.battery import EnergyBudget
from twinstorm.twin.power_tables import NJ
from twinstorm.twin.stories import Stage
from twinstorm.twin.world import World

MINUTE_US = 60 * SECOND_US
MOTORS = 4
IDEAL: dict[str, Any] = {"resistance_ohm": 0.0, "resets_below_v": 0.0, "self_discharge": 0.0}
"""A battery that gives all that it has."""


def lab_of(power: PowerPlan | None, devices: int = 10, every_s: int = 60, link: str = "lte-m", **changes: Any) -> Lab:
    """Four motors on the mains (the last rows of the fleet) and sensors on a battery."""
    base = plan(MOTORS, devices)
    motors, climate = base.segments
    motors = replace(motors, every_us=MINUTE_US)
    climate = replace(climate, power=power, every_us=every_s * SECOND_US, link=link, **changes)
    return Lab.make(replace(base, segments=(motors, climate)), connect_rate=None)


def energy(lab: Lab) -> Energy:
    assert lab.world.energy is not None
    return lab.world.energy


def drawn_j(lab: Lab, start_nj: np.ndarray) -> float:
    """Of one battery, the mean."""
    return float((start_nj - energy(lab).charge_nj).mean() / NJ)


def start(lab: Lab, fault: str, given: dict[str, str], device: np.ndarray, at_us: int, step: str = "f") -> FaultOrder:
    order = FaultOrder(step, fault, fault_settings(catalogue()[fault], given), device.astype(np.int32), at_us, None)
    catalogue()[fault].start(lab.world, order, order.device, at_us)
    return order


def end(lab: Lab, order: FaultOrder, at_us: int) -> None:
    catalogue()[order.fault].end(lab.world, order, order.device, at_us)


# --- where it goes ----------------------------------------------------------------------------------------------------


def test_a_fleet_without_batteries_has_none_of_this() -> None:
    lab = lab_of(None)
    assert lab.world.energy is None
    assert "energy" not in lab.world.acts


def test_every_reading_and_message_is_paid_once() -> None:
    """An hour of sixty readings a device, each sent at once; energy per message as the link class says."""
    lab = lab_of(PowerPlan(full_j=1000.0, floor_w=1e-3, reading_j=0.25, self_discharge=0.0))
    before = energy(lab).charge_nj.copy()
    lab.until(HOUR_US + 1)
    message_j = LINKS["lte-m"].message_j(LINKS["lte-m"].reading_bytes(4))
    readings = 61  # at 0 s and at 3,600 s
    assert drawn_j(lab, before) == pytest.approx(3.6 + readings * (0.25 + message_j), rel=1e-6)
    spent = {cause: nj / NJ / 10 for cause, nj in energy(lab).spent_nj.items()}
    assert spent[FLOOR] == pytest.approx(3.6)
    assert spent[READINGS] == pytest.approx(readings * 0.25)
    assert spent[MESSAGES] == pytest.approx(readings * message_j, rel=1e-6)
    assert spent[CONNECTS] == spent[BOOTS] == spent[SHELF] == 0


def test_the_shelf_takes_its_share_of_the_full_battery_in_a_year() -> None:
    lab = lab_of(PowerPlan(full_j=87_660.0, floor_w=0.0, reading_j=0.0, message_j=0.0, self_discharge=0.5))
    before = energy(lab).charge_nj.copy()
    lab.until(HOUR_US + 1)
    assert drawn_j(lab, before) == pytest.approx(87_660 * 0.5 / 8766, rel=1e-5)


def test_a_buffered_reading_costs_its_message_when_it_is_sent() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0, floor_w=0.0, reading_j=0.0, message_j=1.0, connect_j=0.0, self_discharge=0.0))
    sensors = energy(lab).device.astype(np.int32)
    lab.until(MINUTE_US - 1)
    lab.world.cut(sensors, MINUTE_US - 1, "both")
    lab.until(10 * MINUTE_US + 1)
    assert energy(lab).spent_nj[MESSAGES] / NJ == 10  # the readings at 0 s
    lab.world.heal(sensors, 10 * MINUTE_US + 1, "both")
    lab.until(20 * MINUTE_US + 1)
    born = lab.world.fleet.tries[sensors].astype(bool).sum()
    assert energy(lab).spent_nj[MESSAGES] / NJ == 10 * 21 + born


def test_pings_keep_a_rare_talker_alive_and_are_paid() -> None:
    """A reading an hour and a keep-alive of five minutes: eleven pings between two readings."""
    power = PowerPlan(full_j=1000.0, floor_w=0.0, reading_j=0.0, message_j=1.0, self_discharge=0.0)
    lab = lab_of(power, every_s=3600, keep_alive_us=300 * SECOND_US)
    lab.until(2 * HOUR_US + 1)
    assert energy(lab).spent_nj[MESSAGES] / NJ / 10 == 3 + 2 * 11
    often = lab_of(power, every_s=60, keep_alive_us=300 * SECOND_US)
    often.until(2 * HOUR_US + 1)
    assert energy(often).spent_nj[MESSAGES] / NJ / 10 == 121


def test_repetitions_that_a_fault_causes_cost_more() -> None:
    def messages_j(loss: str | None) -> float:
        lab = lab_of(PowerPlan(full_j=1000.0))
        if loss is not None:
            start(lab, "burst-loss", {"loss": loss, "burst": "2"}, energy(lab).device, 0)
        lab.until(HOUR_US + 1)
        return energy(lab).spent_nj[MESSAGES] / NJ

    calm, lossy = messages_j(None), messages_j("40 %")
    # 40 % lost: two thirds of a repetition a message, at 0.05 J each.
    assert lossy - calm == pytest.approx(10 * 61 * 0.05 * 2 / 3, rel=0.2)


# --- how long it lasts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every_s", "message_j", "floor_w"), [(60, 0.5, 15e-6), (20, 0.1, 5e-3), (300, 2.0, 1e-3)])
def test_the_lifetime_at_a_rhythm_is_the_closed_form(every_s: int, message_j: float, floor_w: float) -> None:
    full_j = 30.0
    budget = EnergyBudget(full_j, message_j, every_s, floor_w, 0.0)
    power = PowerPlan(full_j, floor_w=floor_w, reading_j=0.0, message_j=message_j, **IDEAL)
    lab = lab_of(power, devices=2, every_s=every_s, keep_alive_us=3600 * SECOND_US)
    lab.until(round(budget.life_s() * 0.95) * SECOND_US - 2 * MINUTE_US)
    assert not energy(lab).dark.any()
    lab.until(round(budget.life_s() * 1.05) * SECOND_US + 2 * MINUTE_US)
    assert energy(lab).dark.all()
    assert (lab.world.fleet.state[energy(lab).device] == State.OFF).all()
    assert lab.missing() == 0


def test_a_reconnect_storm_empties_batteries_faster_than_a_calm_hour() -> None:
    """The broker is away for an hour; devices that ask every two seconds pay for each attempt."""

    def hour_j(base_s: int | None) -> tuple[float, float]:
        impatient = replace(FULL, backoff="fixed", jitter="none", base_us=(base_s or 1) * SECOND_US)
        power = PowerPlan(full_j=10_000.0, connect_j=0.6, message_j=0.5, reading_j=0.0, self_discharge=0.0)
        lab = lab_of(power, reconnect=impatient)
        if base_s:
            lab.until(SECOND_US)
            lab.broker.stop(SECOND_US, silent=False)
        lab.until(HOUR_US + 1)
        attempts = energy(lab).spent_nj[CONNECTS] / NJ / 0.6 / 10
        return sum(energy(lab).spent_nj.values()) / NJ / 10, attempts

    calm_j, none = hour_j(None)
    patient_j, few = hour_j(120)
    storm_j, many = hour_j(2)
    assert none == 0
    assert 25 <= few <= 31
    assert 1_500 <= many <= 1_800
    # The storm sends no reading, and costs thirty times as much all the same.
    assert calm_j == pytest.approx(61 * 0.5, rel=0.01)
    assert patient_j < calm_j
    assert storm_j > 28 * calm_j


# --- cold and emptiness -----------------------------------------------------------------------------------------------


def voltages(charge: float, temperature_c: float, cell: str = "lithium") -> tuple[float, float]:
    lab = lab_of(PowerPlan(1000.0, cell, charge=(charge, charge), temperature_c=(temperature_c, temperature_c)))
    open_uv, resistance_uohm = energy(lab).supply(np.arange(1), 0)
    return int(open_uv[0]) / 1e6, int(resistance_uohm[0]) / 1e6


@pytest.mark.parametrize("cell", CELLS)
def test_a_battery_gives_less_when_it_is_emptier_or_colder(cell: str) -> None:
    warm, cold = [[voltages(charge, at_c, cell) for charge in (1.0, 0.6, 0.3, 0.15)] for at_c in (20.0, -20.0)]
    assert warm[0][1] == pytest.approx(CELLS[cell].resistance_ohm, rel=1e-3)
    for one in (warm, cold):
        assert [volts for volts, _ in one] == sorted((volts for volts, _ in one), reverse=True)
    assert all(c[1] > 2 * w[1] or c[0] == 0.0 for w, c in zip(warm, cold, strict=True))


def test_the_flat_voltage_of_lithium_is_no_guide_to_its_charge() -> None:
    assert voltages(1.0, 20.0)[0] == voltages(0.15, 20.0)[0] == pytest.approx(3.6, abs=1e-3)
    assert voltages(0.02, 20.0)[0] < 3.1


def looping(charge: float = 0.25, devices: int = 10, every_s: int = 20, **changes: Any) -> Lab:
    cold: dict[str, Any] = {"full_j": 2000.0, "temperature_c": (-20.0, -20.0)} | changes
    power = PowerPlan(charge=(charge, charge), self_discharge=0.0, **cold)
    return lab_of(power, devices, every_s)


def test_a_nearly_empty_battery_in_the_cold_is_a_reboot_loop_that_ends_dark() -> None:
    lab = looping()
    fleet, sensors = lab.world.fleet, energy(lab).device
    lab.until(4 * MINUTE_US)
    first = fleet.boot[sensors].copy()
    assert (first > 3).all(), "every transmission resets it"
    assert energy(lab).resets == int((first - 1).sum())
    lab.until(2 * HOUR_US)
    assert energy(lab).dark.all()
    assert (fleet.state[sensors] == State.OFF).all()
    assert (energy(lab).charge_nj > 0).all(), "what the cold locks in stays"
    assert energy(lab).spent_nj[BOOTS] > energy(lab).spent_nj[MESSAGES]
    assert (fleet.boot[:MOTORS] == 1).all() or (fleet.boot[-MOTORS:] == 1).all(), "others have their own supply"
    assert lab.missing() == 0


def test_the_same_battery_in_a_warm_room_does_not_notice() -> None:
    lab = looping(temperature_c=(20.0, 20.0))
    lab.until(4 * MINUTE_US)
    assert energy(lab).resets == 0


def test_the_loop_is_seen_as_reboots_by_whoever_listens() -> None:
    lab = looping()
    lab.until(10 * MINUTE_US)
    boots = {int(who): lab.world.fleet.boot[who] for who in energy(lab).device}
    assert min(boots.values()) > 5
    assert 4 * len(boots) < lab.log.counts[Code.BOOTED] < sum(boots.values()), "some resets end a boot"


@pytest.mark.parametrize(
    ("cell", "link", "charge", "full_j"),
    [("lithium-ion", "lte-m", 0.42, 300.0), ("alkaline", "lte-m", 0.9, 1000.0), ("lithium", "ble", 0.203, 100.0)],
)
def test_whatever_the_battery_reboots_in_the_cold_come_before_the_dark(
    cell: str, link: str, charge: float, full_j: float
) -> None:
    """As it empties in the frost, bursts, or boots where these draw more, reset every device before it is dark."""
    power = PowerPlan(full_j, cell, charge=(charge, charge), temperature_c=(-20.0, -20.0), self_discharge=0.0)
    cold, warm = (lab_of(replace(power, temperature_c=(at_c, at_c)), 6, 20, link) for at_c in (-20.0, 20.0))
    fleet, device = cold.world.fleet, energy(cold).device
    cold.until(2 * HOUR_US)
    assert energy(cold).dark.all()
    assert (fleet.boot[device] > 4).all()
    assert (energy(cold).charge_nj > 0).all(), "in the warm there is some left"
    assert cold.missing() == 0
    warm.until(30 * MINUTE_US)
    assert energy(warm).resets == 0


def test_what_the_cold_locks_in_gives_ever_less() -> None:
    lab = lab_of(PowerPlan(1000.0, "lithium-ion", temperature_c=(-20.0, -20.0)))
    battery, one = energy(lab), np.arange(1)
    found = []
    for share in (0.45, 0.4, 0.3, 0.1):
        battery.charge_nj[0] = round(share * 1000) * NJ
        found.append(battery.supply(one, 0)[1][0])
    assert found == sorted(found)
    assert found[2] == pytest.approx(4 * found[1], rel=0.01)


def test_what_the_cold_took_comes_back_with_the_day() -> None:
    """Dark at 4:00, at work three hours later, if from reset to reset: the calendar of the tests begins at midnight."""
    lab = looping(0.22, 2, 120, full_j=20_000.0, temperature_c=(-25.0, 25.0))
    lab.until(4 * HOUR_US)
    dark = energy(lab).dark.copy()
    assert dark.all()
    lab.until(7 * HOUR_US)
    assert not energy(lab).dark.any()
    assert (lab.world.fleet.state[energy(lab).device] >= State.BOOTING).all()
    assert lab.missing() == 0


def test_a_full_battery_ends_the_dark() -> None:
    lab = looping()
    order = start(lab, "battery-drain", {"share": "100 %", "over": "0 s", "swap": "yes"}, energy(lab).device, 0)
    lab.until(10 * MINUTE_US)
    assert energy(lab).dark.all()
    end(lab, order, 10 * MINUTE_US)
    lab.until(15 * MINUTE_US)
    assert not energy(lab).dark.any()
    assert (lab.world.fleet.state[energy(lab).device] == State.ONLINE).all()
    assert lab.missing() == 0


def test_a_supply_that_sags_resets_the_batteries_with_the_least_margin() -> None:
    lab = lab_of(PowerPlan(full_j=5000.0, charge=(0.02, 1.0)), devices=40)
    sensors = energy(lab).device
    lab.until(SECOND_US)
    margins = energy(lab).margins(np.arange(len(sensors)), SECOND_US)
    assert set(lab.world.supply.with_margin_below(sensors.astype(np.int32), 0.2, SECOND_US)) == set(
        sensors[margins < 0.2]
    )
    assert 0 < (margins < 0.2).sum() < len(sensors)
    emptiest = int(np.argmin(energy(lab).charge_nj))
    assert margins[emptiest] == margins.min()


# --- chargers ---------------------------------------------------------------------------------------------------------


def test_a_charger_fills_the_battery_and_no_further() -> None:
    power = PowerPlan(full_j=100.0, cell="lithium-ion", charge=(0.5, 0.5), mains_w=0.05, message_j=0.0, reading_j=0.0)
    lab = lab_of(replace(power, floor_w=0.0, self_discharge=0.0))
    lab.until(10 * MINUTE_US + 1)
    assert energy(lab).charge_nj[0] / NJ == pytest.approx(50 + 600 * 0.05, rel=1e-3)
    lab.until(HOUR_US + 1)
    assert (energy(lab).charge_nj == energy(lab).full_nj).all()
    assert energy(lab).charged_nj / NJ == pytest.approx(10 * 50.0, rel=1e-3)


def test_lithium_ion_takes_no_charge_in_the_frost() -> None:
    power = PowerPlan(100.0, "lithium-ion", charge=(0.5, 0.5), mains_w=0.05, temperature_c=(-5.0, -5.0))
    lab = lab_of(power)
    lab.until(MINUTE_US * 10)
    assert energy(lab).charged_nj == 0


def test_the_sun_charges_by_day_only() -> None:
    power = PowerPlan(5000.0, "lithium-ion", charge=(0.5, 0.5), solar_w=0.2)
    lab = lab_of(power, devices=2, every_s=600)
    lab.until(5 * HOUR_US)
    assert energy(lab).charged_nj == 0
    lab.until(11 * HOUR_US)
    assert energy(lab).charged_nj > 0


def test_the_weather_of_the_site_is_the_batterys() -> None:
    lab = lab_of(PowerPlan(1000.0, temperature_c=OUTSIDE), devices=10)
    ohm = energy(lab).supply(np.arange(10), 3 * HOUR_US)[1]
    assert len(set(ohm.tolist())) == 2, "two sites, two weathers"


def test_in_an_outage_of_the_mains_a_charged_device_lives_on_until_it_is_empty() -> None:
    power = PowerPlan(full_j=100.0, cell="lithium-ion", mains_w=1.0, floor_w=0.05, self_discharge=0.0)
    lab = lab_of(power)
    everybody = np.arange(len(lab.world.fleet))
    lab.until(MINUTE_US)
    order = start(lab, "power-outage", {}, everybody, MINUTE_US)
    counts = lab.world.evidence_of("f").counts
    assert counts == {"devices_without_power": MOTORS, "devices_on_battery": 10}
    sensors = energy(lab).device
    assert (lab.world.fleet.state[sensors] == State.ONLINE).all()
    lab.until(40 * MINUTE_US)
    assert energy(lab).dark.all()
    end(lab, order, 40 * MINUTE_US)
    lab.until(45 * MINUTE_US)
    assert (lab.world.fleet.state == State.ONLINE).all()
    assert (lab.world.fleet.power_cuts == 0).all()
    assert lab.missing() == 0


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_drain_takes_its_share_in_its_time_and_from_nobody_else() -> None:
    power = PowerPlan(full_j=1000.0, floor_w=0.0, reading_j=0.0, message_j=0.0, self_discharge=0.0)
    lab = lab_of(power)
    half = energy(lab).device[:5]
    order = start(lab, "battery-drain", {"share": "40 %", "over": "20 min"}, half, 0)
    lab.until(10 * MINUTE_US + 1)
    assert energy(lab).charge_nj[:5] / NJ == pytest.approx(800, abs=0.1)
    lab.until(30 * MINUTE_US + 1)
    assert energy(lab).charge_nj[:5] / NJ == pytest.approx(600, abs=0.1)
    assert energy(lab).charge_nj[5:] / NJ == pytest.approx(1000)
    assert lab.world.evidence_of("f").counts == {"devices_drained": 5, "joules_drained": pytest.approx(2000, abs=1)}
    end(lab, order, 30 * MINUTE_US + 1)
    assert not energy(lab).drains


def test_a_multiplied_draw_follows_what_the_device_does() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0, floor_w=0.01, reading_j=0.0, message_j=0.0, self_discharge=0.0))
    start(lab, "battery-drain", {"share": "0 %", "times": "4"}, energy(lab).device[:5], 0)
    lab.until(HOUR_US + 1)
    left = energy(lab).charge_nj / NJ
    assert left[:5] == pytest.approx(1000 - 4 * 36)
    assert left[5:] == pytest.approx(1000 - 36)


def test_a_drain_of_devices_without_batteries_leaves_no_evidence() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0))
    motors = np.setdiff1d(np.arange(len(lab.world.fleet)), energy(lab).device)
    start(lab, "battery-drain", {}, motors, 0)
    lab.until(10 * MINUTE_US)
    assert not lab.world.evidence_of("f").counts


# --- what is told, and state ------------------------------------------------------------------------------------------


def test_the_channel_tells_the_charge_of_the_device() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0, charge=(0.2, 0.9)))
    lab.until(MINUTE_US + 1)
    for who, charge_nj in zip(energy(lab).device.tolist(), energy(lab).charge_nj, strict=True):
        told = np.frombuffer(lab.delivered[who, 1], np.float32)[3]
        assert told == pytest.approx(charge_nj / NJ / 10, abs=0.2)


def test_the_charge_at_the_start_is_drawn_within_its_range() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0, charge=(0.2, 0.9)), devices=400)
    share = energy(lab).charge_nj / energy(lab).full_nj
    assert share.min() >= 0.2
    assert share.max() <= 0.9
    assert share.mean() == pytest.approx(0.55, abs=0.05)


def test_a_failing_machine_is_not_blamed_for_the_battery() -> None:
    lab = lab_of(PowerPlan(full_j=1000.0, charge=(0.2, 0.9)))
    lab.world.sampler.fail("f", energy(lab).device.astype(np.int32), "radiation-error", 0.0, 0, 0)
    lab.until(10 * MINUTE_US)
    assert lab.world.evidence_of("f").counts.get("readings_changed", 0) == 0


def conserved(lab: Lab, start_nj: int) -> bool:
    have = energy(lab)
    return int(have.charge_nj.sum()) == start_nj - sum(have.spent_nj.values()) + have.short_nj + have.charged_nj


ACTS = ["battery-drain", "brown-out", "crash-loop", "power-outage", "partition", "device-freeze", "burst-loss"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ACTS), st.integers(1, 400), st.integers(1, 400), st.sets(st.integers(0, 23), min_size=1)
        ),
        max_size=4,
    ),
    st.sampled_from([0, 1]),
    st.sampled_from(
        [
            PowerPlan(60.0, charge=(0.0, 0.5), temperature_c=(-25.0, 0.0)),
            PowerPlan(60.0, "lithium-ion", charge=(0.0, 1.0), mains_w=0.1, solar_w=0.1),
            PowerPlan(60.0, "alkaline", charge=(0.1, 0.4), temperature_c=OUTSIDE),
        ]
    ),
)
def test_energy_is_conserved_and_the_ledger_closes_whatever_happens(
    faults: list[tuple[str, int, int, set[int]]], qos: int, power: PowerPlan
) -> None:
    lab = lab_of(power, devices=20, every_s=20, qos=qos)
    start_nj = int(energy(lab).charge_nj.sum())
    acts: list[tuple[int, int, bool, FaultOrder]] = []
    for number, (name, from_s, lasts_s, who) in enumerate(faults):
        device = np.array(sorted(who), np.int32)
        order = FaultOrder(
            f"f{number}", name, fault_settings(catalogue()[name], {}, 24), device, from_s * SECOND_US, None
        )
        acts += [(from_s, number, True, order), (from_s + lasts_s, number, False, order)]
    for at_s, _, begins, order in sorted(acts, key=lambda one: one[:2]):
        lab.until(at_s * SECOND_US)
        act = catalogue()[order.fault].start if begins else catalogue()[order.fault].end
        act(lab.world, order, order.device, at_s * SECOND_US)
        assert lab.missing() == 0
    lab.until(15 * MINUTE_US + 1)
    have = energy(lab)
    assert lab.missing() == 0
    assert conserved(lab, start_nj)
    assert (have.charge_nj >= 0).all()
    assert (have.charge_nj <= have.full_nj).all()
    assert (lab.world.fleet.power_cuts[have.device] == have.dark).all()
    assert (have.mains_cuts == 0).all()


@pytest.mark.parametrize("at_us", [MINUTE_US - 1, 3 * MINUTE_US, 200 * SECOND_US + 1])
def test_a_world_saved_in_a_brown_out_loop_goes_on_as_if_nothing_had_been(at_us: int) -> None:
    lab, other = looping(), looping()
    other.until(at_us)
    world: World
    world, broker, log = pickle.loads(pickle.dumps((other.world, other.broker, other.log)))
    again = Lab(world, broker, log, Stage(world.acts, world.stories, at_us))
    for one in (lab, again):
        one.until(10 * MINUTE_US)
    assert again.log.digest() == lab.log.digest()
    assert (energy(again).charge_nj == energy(lab).charge_nj).all()


def test_neither_block_nor_looking_changes_a_battery() -> None:
    base = looping().world.fleet.plan
    labs = [Lab.make(base, block=block, connect_rate=None) for block in (16_384, 3)]
    labs[0].until(10 * MINUTE_US)
    labs[1].until(10 * MINUTE_US, watch=labs[1].world.advance_to)
    assert labs[0].log.digest() == labs[1].log.digest()
    assert (energy(labs[0]).charge_nj == energy(labs[1]).charge_nj).all()


def test_another_device_changes_nobodys_battery() -> None:
    few, many = (lab_of(PowerPlan(200.0, charge=(0.1, 0.9)), devices=count) for count in (6, 8))
    for lab in (few, many):
        lab.until(10 * MINUTE_US)
    named = {
        many.world.fleet.names[int(who)]: energy(many).charge_nj[row] for row, who in enumerate(energy(many).device)
    }
    for row, who in enumerate(energy(few).device):
        assert energy(few).charge_nj[row] == named[few.world.fleet.names[int(who)]]
