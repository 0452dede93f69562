"""`power` of a segment: what people write, and what the world takes."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.plan import fleet_plan
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.cells import CELLS, OUTSIDE, PowerPlan

TEXT = """\
storm: 1
name: t
story: Sensors on batteries.
duration: 10 min
fleet: {{devices: 20, segments: {{all: {{kind: environment, share: 100 %{power}}}}}}}
"""


def plan(power: str) -> PowerPlan | None:
    return fleet_plan(read(TEXT.format(power=power), "t.yaml")).segments[0].power


def test_a_segment_without_it_has_no_battery() -> None:
    assert plan("") is None


def test_defaults_of_the_language_are_those_of_the_world() -> None:
    assert plan(", power: {battery: 19 Wh}") == PowerPlan(full_j=19 * 3600.0)


def test_currents_and_charges_count_at_the_nominal_voltage() -> None:
    found = plan(", power: {battery: 7.7 Ah, floor: 10 uA, awake: 50 mA, burst: 250 mA}")
    assert found is not None
    assert found.full_j == pytest.approx(27.72 * 3600)
    assert (found.floor_w, found.awake_w, found.burst_w) == pytest.approx((36e-6, 0.18, 0.9))
    twelve = plan(", power: {battery: 1 Ah, voltage: 12 V, floor: 36 uW, resets_below: 9500 mV}")
    assert twelve is not None
    assert twelve.full_j == 12 * 3600
    assert twelve.floor_w == pytest.approx(36e-6)
    assert twelve.lowest_v == 9.5


def test_everything_else_is_as_written() -> None:
    words = (
        ", power: {battery: 10 Wh, cell: lithium-ion, charge: 20 % .. 90 %, reading: 2 mJ, message: 0.15 J, "
        "connect: 2 J, resistance: 300 mohm, self_discharge: 5 %, temperature: -25 C .. -5 C, "
        "solar: 2 W, mains: 500 mW}"
    )
    assert plan(words) == PowerPlan(
        full_j=36_000.0,
        cell="lithium-ion",
        charge=(0.2, 0.9),
        reading_j=0.002,
        message_j=0.15,
        connect_j=2.0,
        resistance_ohm=0.3,
        self_discharge=0.05,
        temperature_c=(-25.0, -5.0),
        solar_w=2.0,
        mains_w=0.5,
    )
    outside = plan(", power: {battery: 10 Wh, temperature: outside}")
    assert outside is not None
    assert outside.temperature_c == OUTSIDE


def test_every_cell_can_be_named() -> None:
    for cell in CELLS:
        found = plan(f", power: {{battery: 10 Wh, cell: {cell}}}")
        assert found is not None
        assert found.nominal_v == CELLS[cell].voltage_v


DRAINED = (
    TEXT.format(power=", power: {battery: 5 Wh}")
    + """\
steps:
  - {name: drain, at: 1 min, fault: battery-drain, target: segment=all}
"""
)


def test_batteries_drain_where_some_targeted_device_has_one_and_else_it_is_an_error_of_the_file() -> None:
    read(DRAINED, "t.storm.yaml")
    with pytest.raises(ScenarioErrors) as raised:
        read(DRAINED.replace(", power: {battery: 5 Wh}", ""), "t.storm.yaml")
    (problem,) = raised.value.problems
    assert (problem.code, problem.path) == ("S309", "steps[0].fault")
    assert problem.message == "no targeted device has a battery"
    assert "power: {battery: 19 Wh}" in problem.hint
