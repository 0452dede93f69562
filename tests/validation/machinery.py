"""Machines: pumps at another speed, what a refrigerant boils at."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from tests.validation.case import Case, Subject
from twinstorm.twin.physics import pump_curves
from twinstorm.twin.physics.pump_curves import Asked, Ills
from twinstorm.twin.physics.refrigerant import pressure_bar

AFFINITY = "affinity laws: flow by the speed, head by its square, power by its cube"
R134A = "saturation table of R134a (Cengel and Boles, table A-11)"


@cache
def ring(speed: float) -> pump_curves.Duty:
    """A pump in a ring of pipes without static lift, at a share of its rated speed."""
    usual = {
        "speed": speed,
        "demand": 0.9,
        "vessel": 0.6 + pump_curves.STATIC,
        "usual": 0.6,
        "vapour": 0.0,
        "need": 0.1,
    }
    return pump_curves.meet(Asked(**{name: np.full(1, value, np.float32) for name, value in usual.items()}), Ills())


def share_at(speed: float, what: str) -> float:
    return float(getattr(ring(speed), what)[0] / getattr(ring(1.0), what)[0])


def boiling_kpa(temperature_c: float) -> float:
    return 100.0 * float(pressure_bar(np.array([temperature_c], np.float32))[0])


SUBJECT = Subject(
    "Machines",
    "`twin/physics/pump_curves.py`, `refrigerant.py`",
    (
        *(
            Case(
                f"pump at {speed * 100:g} % of its speed: {told}",
                AFFINITY,
                speed**power,
                2e-3,
                partial(share_at, speed, what),
            )
            for speed in (0.5, 0.8, 1.1)
            for told, what, power in (("flow", "flow", 1), ("head", "lift", 2), ("power of the impeller", "churned", 3))
        ),
        *(
            Case(f"R134a at {degrees:g} °C, kPa", R134A, kpa, 0.002, partial(boiling_kpa, degrees), relative=True)
            for degrees, kpa in (
                (-40.0, 51.25),
                (-20.0, 132.82),
                (0.0, 293.01),
                (20.0, 572.07),
                (40.0, 1017.1),
                (60.0, 1682.8),
            )
        ),
    ),
)
