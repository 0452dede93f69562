"""Batteries: how long a charge lasts, asleep, sending, and at high currents."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tests.twin.worlds import Lab, plan
from tests.validation.case import Case, Subject
from twinstorm.twin.cells import PowerPlan
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.physics import battery
from twinstorm.twin.power_tables import NJ

TR_45_820 = "3GPP TR 45.820, assumptions on energy"
CELL_J = 5.0 * 3600.0
DEVICE = PowerPlan(
    CELL_J,
    floor_w=0.0,
    reading_j=0.0,
    message_j=0.0,
    resistance_ohm=0.0,
    resets_below_v=0.0,
    self_discharge=0.0,
)
"""A device whose battery gives all it has and that draws nothing yet."""


def a_device(power: PowerPlan, every_s: int) -> Lab:
    """One sensor in a world of its own, without pings between its readings."""
    every_us = every_s * SECOND_US
    fleet = plan(0, 1)
    segment = replace(fleet.segments[1], power=power, every_us=every_us, keep_alive_us=every_us)
    return Lab.make(replace(fleet, segments=(segment,)))


def life_h(power: PowerPlan, every_s: int = 24 * 3600) -> float:
    """How long the device lasts if it goes on as in its first day."""
    lab = a_device(power, every_s)
    assert lab.world.energy is not None
    lab.until(24 * HOUR_US + 1)
    left_j = int(lab.world.energy.charge_nj[0]) / NJ
    return 24.0 * power.full_j / (power.full_j - left_j)


@cache
def dark_after_h() -> float:
    """A message of 30 J a minute is 500 mW; to the minute in which the device dies."""
    lab = a_device(replace(DEVICE, message_j=30.0), 60)
    assert lab.world.energy is not None
    minute = 0
    while not lab.world.energy.dark[0]:
        minute += 1
        lab.until(minute * 60 * SECOND_US + 1)
    return minute / 60.0


def asleep_years() -> float:
    return battery.EnergyBudget(CELL_J, 0.0, 60.0, sleep_w=0.015e-3).life_s() / battery.YEAR_S


def sending_hours() -> float:
    """500 mW without a pause, told as a message of half a joule each second."""
    return battery.EnergyBudget(CELL_J, 0.5, 1.0, sleep_w=0.0).life_s() / 3600.0


def shelf_loss_pct() -> float:
    """Of an LS 26500 in its first year on the shelf."""
    cell_j = battery.cell_j(7.7, 3.6)
    return 100.0 * battery.self_discharge_w(cell_j, 0.01) * battery.YEAR_S / cell_j


SUBJECT = Subject(
    "Batteries",
    "`twin/physics/battery.py`; of devices: `twin/energy.py`, a world with one of them",
    (
        Case("cell of 5 Wh asleep at 0.015 mW, years", TR_45_820, 38.0, 0.1, asleep_years),
        Case("cell of 5 Wh sending at 500 mW, h", TR_45_820, 10.0, 1e-6, sending_hours),
        Case(
            "Peukert's basic form, 100 Ah, k 1.2, 5 A, h",
            "electrotechnik.net",
            14.5,
            0.05,
            lambda: battery.peukert_hours(100.0, 5.0, 1.2),
        ),
        Case(
            "Peukert's rated form at the rated current, 100 Ah in 20 h, h",
            "Peukert's law: by definition",
            20.0,
            1e-6,
            lambda: battery.peukert_rated_hours(100.0, 20.0, 5.0, 1.2),
        ),
        Case(
            "the same at twice that current, k 1.2, h",
            "Peukert's law, recomputed",
            8.706,
            1e-3,
            lambda: battery.peukert_rated_hours(100.0, 20.0, 10.0, 1.2),
        ),
        Case("Li-SOCl2 cell on the shelf, % in a year", "Saft LS 26500: under 1 %", 1.0, 1e-6, shelf_loss_pct),
        Case(
            "the same cell, Wh",
            "Saft LS 26500: 7.7 Ah at 3.6 V",
            27.72,
            1e-6,
            lambda: battery.cell_j(7.7, 3.6) / 3600.0,
        ),
        Case(
            "device with a cell of 5 Wh asleep at 0.015 mW, years",
            TR_45_820,
            38.0,
            0.1,
            lambda: life_h(replace(DEVICE, floor_w=0.015e-3)) * 3600.0 / battery.YEAR_S,
        ),
        Case("device with a cell of 5 Wh sending at 500 mW, h until it is dark", TR_45_820, 10.0, 0.02, dark_after_h),
        Case(
            "device with a cell of 7.7 Ah that draws 1 mA, h",
            "Saft LS 26500: 7.7 Ah",
            7700.0,
            0.5,
            lambda: life_h(replace(DEVICE, full_j=battery.cell_j(7.7, 3.6), floor_w=3.6e-3)),
        ),
        Case(
            "device with the same cell on the shelf, % in a year",
            "Saft LS 26500: under 1 %",
            1.0,
            1e-3,
            lambda: (
                100.0
                * battery.YEAR_S
                / (3600.0 * life_h(replace(DEVICE, full_j=battery.cell_j(7.7, 3.6), self_discharge=None)))
            ),
        ),
        Case("18650 cell, Wh", "2600 mAh at 3.6 V", 9.36, 1e-6, lambda: battery.cell_j(2.6, 3.6) / 3600.0),
    ),
)
