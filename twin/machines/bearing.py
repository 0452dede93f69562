"""Rolling bearings: how long they live, and what their vibration says about it."""

from __future__ import annotations

from typing import Final

from twinstorm.twin import exact

BALL: Final = 3.0
ROLLER: Final = 10.0 / 3.0

ISO_10816_1_MM_S: Final = {
    "I": (0.71, 1.8, 4.5),
    "II": (1.12, 2.8, 7.1),
    "III": (1.8, 4.5, 11.2),
    "IV": (2.8, 7.1, 18.0),
}
"""Limits of the zones A/B, B/C and C/D in mm/s rms, 10-1000 Hz, by machine class: I up to 15 kW, II 15 to 75 kW, III
large on rigid and IV large on soft foundations. Source: ISO 10816-1, annex B."""


def rating_life_mrev(capacity_kn: float, load_kn: float, exponent: float = BALL) -> float:
    """Million revolutions that 90 % of identical bearings survive.

    Args:
        capacity_kn: basic dynamic load rating C, > 0.
        load_kn: equivalent dynamic load P, > 0.
        exponent: `BALL` or `ROLLER`.

    Raises:
        ValueError: if an argument is not positive; the text names it.

    Source: ISO 281, basic rating life.
    """
    for name, value in (("capacity_kn", capacity_kn), ("load_kn", load_kn), ("exponent", exponent)):
        if not value > 0.0:
            raise ValueError(f"{name} must be positive, not {value:g}")
    return exact.exp(exponent * exact.log(capacity_kn / load_kn))


def rating_life_hours(capacity_kn: float, load_kn: float, speed_rpm: float, exponent: float = BALL) -> float:
    """Hours that 90 % of identical bearings survive at constant load and speed.

    Raises:
        ValueError: if an argument is not positive; the text names it.

    Example:
        >>> round(rating_life_hours(55.3, 10.0, 3000.0))
        940
    """
    if not speed_rpm > 0.0:
        raise ValueError(f"speed_rpm must be positive, not {speed_rpm:g}")
    return rating_life_mrev(capacity_kn, load_kn, exponent) * 1e6 / (60.0 * speed_rpm)


def weibull_scale(life_10: float, shape: float) -> float:
    """Characteristic life, which 37 % survive, from the life that 90 % survive; same unit."""
    return life_10 / exact.exp(exact.log(-exact.log(0.9)) / shape)


def survival(age: float, scale: float, shape: float) -> float:
    """Share of bearings that reach an age (in the unit of `scale`)."""
    return exact.exp(-exact.exp(shape * exact.log(age / scale)))


def zone(velocity_mm_s: float, machine_class: str = "II") -> str:
    """Severity A (as new) to D (does damage) of a vibration velocity, mm/s rms.

    A limit belongs to the better zone.

    Raises:
        KeyError: if the class is none of I, II, III, IV.

    Example:
        >>> zone(3.2, "II")
        'C'
    """
    return "ABCD"[sum(velocity_mm_s > limit for limit in ISO_10816_1_MM_S[machine_class])]
