"""Heat: a small body in a fluid, and what is left of a step."""

from __future__ import annotations

from functools import partial

from tests.validation.case import Case, Subject
from twinstorm.twin.physics.thermal import relaxed_c, sphere_tau_s

CENGEL = "Cengel, Heat and Mass Transfer, example 4-1"
FIRST_ORDER = "step response of a first-order system"


def junction_tau_s() -> float:
    """A thermocouple junction of 1 mm."""
    return sphere_tau_s(
        diameter_m=1e-3, density_kg_m3=8500.0, heat_j_kg_k=320.0, film_w_m2_k=210.0, conductivity_w_m_k=35.0
    )


def settled_after_s(share: float) -> float:
    """When the junction has gone this share of a step, searched for on its trajectory."""
    early_s, late_s = 0.0, 100.0
    for _ in range(60):
        middle_s = (early_s + late_s) / 2.0
        gone = relaxed_c(0.0, 1.0, junction_tau_s(), middle_s)
        early_s, late_s = (middle_s, late_s) if gone < share else (early_s, middle_s)
    return early_s


def step_in_parts(parts: int) -> float:
    """What is reached after one time constant, sampled so often on the way."""
    temperature_c = 0.0
    for _ in range(parts):
        temperature_c = relaxed_c(temperature_c, 100.0, 60.0, 60.0 / parts)
    return temperature_c


SUBJECT = Subject(
    "Heat",
    "`twin/physics/thermal.py`",
    (
        Case("junction of 1 mm, rate, 1/s", CENGEL, 0.4632, 1e-4, lambda: 1.0 / junction_tau_s()),
        Case("junction of 1 mm, time constant, s", CENGEL, 2.159, 1e-3, junction_tau_s),
        Case("junction of 1 mm, 99 % of a step, s", CENGEL + ", as printed", 10.0, 0.1, partial(settled_after_s, 0.99)),
        Case("the same, unrounded, s", CENGEL, 9.94, 5e-3, partial(settled_after_s, 0.99)),
        Case("after one time constant, % of a step", FIRST_ORDER, 63.212, 1e-3, partial(step_in_parts, 1)),
        Case("the same in 7 steps", FIRST_ORDER, 63.212, 1e-3, partial(step_in_parts, 7)),
        Case("the same in 10,000 steps", FIRST_ORDER, 63.212, 1e-3, partial(step_in_parts, 10_000)),
    ),
)
