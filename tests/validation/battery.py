"""Batteries: how long a charge lasts, asleep, sending, and at high currents."""

from __future__ import annotations

from tests.validation.case import Case, Subject
from twinstorm.twin.physics import battery

TR_45_820 = "3GPP TR 45.820, assumptions on energy"
CELL_J = 5.0 * 3600.0


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
    "`twin/physics/battery.py`",
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
        Case("18650 cell, Wh", "2600 mAh at 3.6 V", 9.36, 1e-6, lambda: battery.cell_j(2.6, 3.6) / 3600.0),
    ),
)
