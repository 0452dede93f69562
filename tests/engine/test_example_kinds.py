"""The kinds of machine in `examples/`: installed as anybody would, they are fit for use, and their physics is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US
from twinstorm.twin.machines.conformance import CHECKS
from twinstorm.twin.machines.kind import MachineKind, catalogue

KINDS = ("charge-point", "transformer")
PROJECT = Path(__file__).parents[2] / "examples" / "plant_kinds"


@pytest.fixture
def project(install_project: Callable[[Path], None]) -> Path:
    install_project(PROJECT)
    return PROJECT


def machines(name: str, count: int = 50, **parameters: float) -> Machines:
    kind = catalogue()[name]
    made = Machines(kind, some_keys(count))
    for each, value in parameters.items():
        made.parameters[each][:] = value
    made.state = {**kind.initial(made.parameters)}
    return made


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", KINDS)
def test_they_keep_to_the_contract(name: str, check: str) -> None:
    assert catalogue().is_foreign(name)
    kind: MachineKind = catalogue()[name]
    CHECKS[check](kind)


def test_their_scenario_holds_and_both_failures_are_seen(project: Path) -> None:
    engine = build(load(str(project / "plant-kinds.storm.yaml")), RunOptions(seed=1))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.verdict == "held", [each for each in result.expectations if each.verdict != "held"]
    assert [fault.bit for fault in result.faults] == [True, True]
    assert engine.ledger().difference == 0


@pytest.mark.usefixtures("project")
def test_a_transformer_at_rated_load_has_its_rated_rises_and_ages_as_the_guide_says() -> None:
    rated = machines("transformer", load_pct=100.0, ambient_c=20.0, worn_at_start=0.0)
    values = rated.step(MINUTE_US)
    assert values[0] == pytest.approx(20.0 + 49.0, abs=0.01)
    assert values[1] == pytest.approx(20.0 + 49.0 + 29.0, abs=0.01)
    # At 98 C one hour is an hour of 150,000; for 6 K more it is two.
    life_s = rated.kind.truth(rated.state, rated.parameters).remaining_s
    assert life_s == pytest.approx(150_000 * 3600, rel=1e-3)
    hotter = machines("transformer", load_pct=100.0, ambient_c=26.0, worn_at_start=0.0)
    assert hotter.kind.truth(hotter.state, hotter.parameters).remaining_s == pytest.approx(75_000 * 3600, rel=1e-3)


@pytest.mark.usefixtures("project")
def test_half_the_period_gives_the_same_temperatures_and_one_time_constant_63_per_cent() -> None:
    fine, coarse = machines("transformer", load_pct=0.0), machines("transformer", load_pct=0.0)
    for each in (fine, coarse):
        each.drives = {"load_pct": np.full(50, 100.0, np.float32)}
    before_k = fine.state["oil_k"].copy()
    for _ in range(6):
        fine.step(15 * MINUTE_US)
    coarse.step(90 * MINUTE_US)
    assert fine.state["oil_k"] == pytest.approx(coarse.state["oil_k"], rel=1e-5)
    assert (coarse.state["oil_k"] - before_k) / (49.0 - before_k) == pytest.approx(1.0 - np.exp(-1.0), rel=1e-4)


@pytest.mark.usefixtures("project")
def test_a_charge_point_gives_each_car_its_need_at_its_power_and_speaks_twice_a_car() -> None:
    points = machines("charge-point", 400, power_kw=22.0, pause_s=1_800.0)
    told = np.zeros(400, np.int64)
    for _ in range(12 * 3600):
        values = points.step(SECOND_US)
        told += points.kind.has_news(points.state)  # type: ignore[attr-defined]
        assert (values[2] <= 40.01).all()
    cars = points.state["cars"]
    assert told == pytest.approx(2 * cars - points.state["plugged"], abs=1)
    # 22 kWh at 22 kW take an hour, and half an hour passes between two cars.
    assert cars.mean() == pytest.approx(12 / 1.5, rel=0.1)


@pytest.mark.usefixtures("project")
def test_contacts_warm_up_with_the_square_of_the_power() -> None:
    rises = []
    for power_kw in (11.0, 22.0):
        points = machines("charge-point", 100, power_kw=power_kw, ambient_c=10.0, pause_s=1.0)
        values = points.step(HOUR_US // 60)
        rises.append(values[3][values[0] > 0] - 10.0)
        assert len(rises[-1]) > 90
    assert rises[0] == pytest.approx(35.0 / 4, abs=0.1)
    assert rises[1] == pytest.approx(35.0, abs=0.1)
