"""Rolling bearings: how long they live, at which rates their defects knock, and what their vibration says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

Limits = tuple[float, float, float]
"""Of the zones A/B, B/C and C/D in mm/s rms, ascending."""

ISO_10816_3_MM_S: Final[Mapping[tuple[int, str], Limits]] = {
    (1, "rigid"): (2.3, 4.5, 7.1),
    (1, "soft"): (3.5, 7.1, 11.0),
    (2, "rigid"): (1.4, 2.8, 4.5),
    (2, "soft"): (2.3, 4.5, 7.1),
}
"""Limits by group and foundation: group 1 large machines (300 kW to 50 MW), group 2 medium ones (15 to 300 kW). Source:
ISO 10816-3, now ISO 20816-3. Charts in circulation differ; `zone_within` takes the limits that a plant works by."""


ISO_10816_7_MM_S: Final[Mapping[tuple[str, str], Limits]] = {
    ("I", "small"): (2.5, 4.0, 6.6),
    ("I", "large"): (3.5, 5.0, 7.6),
    ("II", "small"): (3.2, 5.1, 8.5),
    ("II", "large"): (4.2, 6.1, 9.5),
}
"""Limits of rotodynamic pumps by category and power: I where much depends on them, II all others; small up to 200 kW.
Source: ISO 10816-7:2009, table A.1, as charts in circulation give it; not compared with the standard itself."""


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


def zone_within(velocity_mm_s: float, limits: Limits) -> str:
    """Severity A to D of a vibration velocity, mm/s rms, by limits of one's own or of `ISO_10816_3_MM_S`.

    A limit belongs to the better zone.

    Raises:
        ValueError: if the limits do not ascend from above zero, or the velocity is negative or NaN.

    Example:
        >>> zone_within(3.2, ISO_10816_3_MM_S[2, "rigid"])
        'C'
    """
    if not 0.0 < limits[0] < limits[1] < limits[2]:
        raise ValueError(f"limits of the zones must ascend from above 0, not {limits}")
    if not velocity_mm_s >= 0.0:
        raise ValueError(f"velocity_mm_s must be 0 or more, not {velocity_mm_s:g}")
    return "ABCD"[sum(velocity_mm_s > limit for limit in limits)]


# --- defects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Geometry:
    """What decides how often the parts of a rolling bearing meet, its inner ring turning and its outer ring at rest.

    The orders are rates per turn of the shaft, for rolling without sliding. Real ones differ by a percent or two.
    Source: e.g. Randall and Antoni, Rolling element bearing diagnostics, Mech. Syst. Signal Process. 25 (2011).

    Attributes:
        rollers: number of balls or rollers, >= 3.
        roller_mm, pitch_mm: diameters of one roller, and of the circle on which their centres run; 0 < roller < pitch.
        contact_cos: cosine of the contact angle, in (0, 1]: 1 for a deep groove ball bearing.

    Raises:
        ValueError: if an attribute lies outside of its range; the text names it.

    Example:
        >>> round(CWRU_6205.outer, 4), round(CWRU_6205.inner, 4)
        (3.5848, 5.4152)
    """

    rollers: int
    roller_mm: float
    pitch_mm: float
    contact_cos: float = 1.0

    def __post_init__(self) -> None:
        if self.rollers < 3:
            raise ValueError(f"rollers must be 3 or more, not {self.rollers}")
        if not 0.0 < self.roller_mm < self.pitch_mm:
            raise ValueError(f"roller_mm must lie between 0 and the pitch of {self.pitch_mm:g}, not {self.roller_mm:g}")
        if not 0.0 < self.contact_cos <= 1.0:
            raise ValueError(f"contact_cos must lie in (0, 1], not {self.contact_cos:g}")

    @property
    def _ratio(self) -> float:
        return self.roller_mm / self.pitch_mm * self.contact_cos

    @property
    def outer(self) -> float:
        """Rollers that pass a point of the outer ring in a turn of the shaft: BPFO."""
        return self.rollers / 2.0 * (1.0 - self._ratio)

    @property
    def inner(self) -> float:
        """Rollers that pass a point of the inner ring: BPFI."""
        return self.rollers / 2.0 * (1.0 + self._ratio)

    @property
    def cage(self) -> float:
        """Turns of the cage: FTF."""
        return (1.0 - self._ratio) / 2.0

    @property
    def spin(self) -> float:
        """Turns of a roller about its own axis: BSF. A point on it strikes a race twice in each."""
        return self.pitch_mm / (2.0 * self.roller_mm) * (1.0 - self._ratio * self._ratio)


CWRU_6205: Final = Geometry(9, 0.3126 * 25.4, 1.537 * 25.4)
"""SKF 6205-2RS JEM, drive end of the test rig of the Case Western Reserve University Bearing Data Center."""
IMS_ZA_2115: Final = Geometry(16, 0.331 * 25.4, 2.815 * 25.4, 0.96515)
"""Rexnord ZA-2115, a row of its rollers at 15.17 degrees: the test to failure of the Center for Intelligent Maintenance
Systems, University of Cincinnati (Qiu and others, J. Sound Vib. 289 (2006)), as its data set describes it."""
BALL_6309: Final = Geometry(8, 17.462, 72.5)
"""Deep groove ball bearing 6309, 45 x 100 x 25 mm: eight balls of 11/16 inch (assumed: the usual inner dimensions of
this size; makers differ)."""
