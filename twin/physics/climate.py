"""Climate, weather and sun of a place: what all machines of a site stand in.

Temperature is the year, the day and the weather of the place: sums of a few waves, each the same for everybody up to a
phase or a size of its own (see `air`). The dew point follows the year less than the temperature does, and the day not
at all: so air is damp in winter and at night. Clouds follow the weather, low pressure bringing them, and a noise of the
site; rain falls where they are thickest. Nothing has a memory: all is a function of the instant.

The calendar's time of day counts as solar time, and every year has 365 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import DAY_US, SECOND_US, YEAR_US, Values
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import air
from twinstorm.twin.physics.spread import Floats, uniform, unit
from twinstorm.twin.physics.tables import Table, looked_up, table
from twinstorm.twin.physics.wander import Wander, phase

Columns = Mapping[str, Values]

RADIAN_DEG: Final = 360.0 / air.TURN

# --- temperature ------------------------------------------------------------------------------------------------------

EQUATOR_C: Final = 27.5
POLEWARD_K: Final = 28.7
"""Yearly mean at sea level: `EQUATOR_C` less this times the squared sine of the latitude. The form is that of energy
balance models (North, 1975); the figures are a fit by eye to cities between 0 and 60 degrees, which are warmer than the
mean of their parallel because people live near coasts. Right to about 4 K."""
LAPSE_K_M: Final = 0.0065
"""Colder with altitude: the standard atmosphere's (ISO 2533)."""
YEAR_NORTH_K, YEAR_SOUTH_K = 12.5, 8.5
"""Half the difference of the warmest and the coldest month is this times the sine of the latitude; less in the south,
which is mostly sea (fit by eye as above, right to about 5 K: coasts have less, the inside of continents more)."""
WARMEST_DAY: Final = 196.0
"""Middle of July, 25 days after the solstice."""
SITE_SPREAD_K: Final = 1.0
DAY_SWING_K: Final = (2.0, 5.5)
"""Half the difference of afternoon and morning (assumed: from a coast to inland)."""
WARMEST_HOUR: Final = (14.0, 15.5)
WARMTH_K_HPA: Final = 0.3
"""Temperature of the air masses before and behind a front, per hPa of the weather's wave."""

# --- moisture ---------------------------------------------------------------------------------------------------------

DRYNESS_K: Final = (4.0, 11.0)
"""Dew point of a place below its temperature, on the mean of the year (assumed: from a coast to a dry plain)."""
HELD_BACK_PER_K, HELD_BACK_FROM, HELD_BACK_MOST = 0.07, 0.1, 0.8
"""Share of the year's wave that the dew point does not follow: so much for each kelvin of dryness, less a tenth. Where
little water is at hand, a warm summer brings little more of it into the air. The line is a fit by eye to Frankfurt,
Helsinki and Madrid (relative humidity of January and July, published climate means); east coasts and monsoons, whose
summers are as damp as their winters, are none of it."""
MOISTURE_PER_HPA: Final = 0.012
"""Share of the vapour that comes and goes with a front (assumed)."""

# --- sky --------------------------------------------------------------------------------------------------------------

SOLSTICE_DAY: Final = 171.5
_SIN_OBLIQUITY: Final = 0.397777
"""Sine of 23.44 degrees."""
COVER_MEAN: Final = 0.55
COVER_PER_HPA: Final = 0.06
"""Cloud cover that a hPa less brings (assumed)."""
SKY: Final = Wander(1, 300 * SECOND_US, {1: 0.06, 4: 0.12, 32: 0.15, 256: 0.15})
"""Clouds of a site's own: from 5 minutes to a day (assumed)."""
RAIN_COVER: Final = 1.15
RAIN_MM_H: Final = 10.0
"""Clouds that would be thicker than a full cover by 0.15 begin to rain; so much an hour for each 1 more (assumed: about
700 mm a year in showers and long rains)."""
DIFFUSE_SHARE: Final = 0.1
"""Of the beam, from the clear sky around it."""
_SUN_ENTRIES: Final = 1024
_COVER_ENTRIES: Final = 128
_ENTRIES_PER_K: Final = 8


@dataclass(frozen=True, slots=True)
class Moment:
    """What is the same for everybody at an instant: waves as (cosine, sine) or (level, a quarter of a wave later)."""

    now_us: int
    day: tuple[float, float]
    year: float
    front_hpa: tuple[float, float]
    sin_declination: float
    cos_declination: float


def moment(inputs: Inputs, ago_us: int = 0) -> Moment:
    """The instant of a step, or one before it."""
    year_us = inputs.year_us - ago_us
    # Sun's way through the year taken as a circle at constant speed: right to 1 degree.
    sin_declination = _SIN_OBLIQUITY * _year_wave(year_us, SOLSTICE_DAY)
    return Moment(
        inputs.now_us - ago_us,
        air.day(inputs.calendar_us - ago_us),
        _year_wave(year_us, WARMEST_DAY),
        air.weather_hpa(inputs.now_us - ago_us),
        sin_declination,
        float(np.sqrt(1.0 - sin_declination * sin_declination)),
    )


def _year_wave(year_us: int, highest_day: float) -> float:
    """1 on a day of the year, -1 half a year later."""
    return air.day((year_us - int(highest_day * DAY_US)) % YEAR_US * DAY_US // YEAR_US)[0]


def of_place(place: Place) -> dict[str, Values]:
    """What the machines of a site share: float32 (n,) each.

    Returns:
        mean_c: mean temperature of the year. year_k: half its difference of summer and winter, negative in the south.
        day_cos_k, day_sin_k: daily wave. front_cos, front_sin: phase in the weather. sky_phase: in `SKY`.
        sin_latitude, cos_latitude.
    """
    mean_c, year_k = mean_and_year(place.latitude_deg, place.altitude_m)
    swing_k = uniform(place.of_site(1), *DAY_SWING_K).astype(np.float64)
    warmest = uniform(place.of_site(2), *WARMEST_HOUR).astype(np.float64) * (air.TURN / 24.0)
    front = unit(place.of_site(3)) * air.TURN
    angle = place.latitude_deg / RADIAN_DEG
    columns: dict[str, Floats | Values] = {
        "mean_c": mean_c + uniform(place.of_site(0), -SITE_SPREAD_K, SITE_SPREAD_K),
        "year_k": year_k,
        "day_cos_k": swing_k * exact.cos(warmest),
        "day_sin_k": swing_k * exact.sin(warmest),
        "front_cos": exact.cos(front),
        "front_sin": exact.sin(front),
        "sky_phase": phase(place.of_site(4)),
        "sin_latitude": exact.sin(angle),
        "cos_latitude": exact.cos(angle),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def mean_and_year(latitude_deg: Floats, altitude_m: Floats) -> tuple[Floats, Floats]:
    """Mean temperature in C and half the yearly difference in K, negative in the south: float64."""
    sine = exact.sin(latitude_deg / RADIAN_DEG)
    mean_c = EQUATOR_C - POLEWARD_K * sine * sine - LAPSE_K_M * altitude_m
    return mean_c, np.where(sine > 0.0, YEAR_NORTH_K, YEAR_SOUTH_K) * sine


def air_c(site: Columns, at: Moment) -> Values:
    """Temperature of the outside air: float32 (n,), new."""
    air_c = site["year_k"] * at.year
    air_c += site["mean_c"]
    air_c += site["day_cos_k"] * at.day[0]
    air_c += site["day_sin_k"] * at.day[1]
    level, later = at.front_hpa
    air_c += site["front_cos"] * (WARMTH_K_HPA * later)
    air_c -= site["front_sin"] * (WARMTH_K_HPA * level)
    return air_c


def dryness_k(place: Place) -> Values:
    """Dew point below the temperature, on the mean of the year: float32 (n,), the same for all machines of a site.

    Half of it comes from where the wave of the day does: a small one speaks for a coast, and so for moist air.
    """
    inland = (unit(place.of_site(1)) + unit(place.of_site(44))) / 2.0
    low, high = DRYNESS_K
    return (low + (high - low) * inland).astype(np.float32)


def to_dew_point(season_c: Values, site: Columns, at: Moment) -> None:
    """Turn the mean temperature of the season into the dew point of the day, in place.

    Args:
        site: with ``dryness_k`` besides ``year_k``.
    """
    dryness = site["dryness_k"]
    held_back = dryness * HELD_BACK_PER_K
    held_back -= HELD_BACK_FROM
    np.clip(held_back, 0.0, HELD_BACK_MOST, out=held_back)
    held_back *= site["year_k"]
    held_back *= at.year
    held_back += dryness
    season_c -= held_back


def cloud_cover(site: Columns, at: Moment) -> Values:
    """Share of the sky that clouds take; below 0 it is clear, above 1 they are thick: float32 (n,), new."""
    level, later = at.front_hpa
    cover = SKY.at(site["sky_phase"], at.now_us)
    cover -= site["front_cos"] * (COVER_PER_HPA * level)
    cover -= site["front_sin"] * (COVER_PER_HPA * later)
    cover += COVER_MEAN
    return cover


def rain_mm_h(cover: Values) -> Values:
    """Rain out of clouds: float32, new."""
    rain = cover - RAIN_COVER
    np.maximum(rain, 0.0, out=rain)
    rain *= RAIN_MM_H
    return rain


def toward_sun(sin_latitude: Values, cos_latitude: Values, at: Moment) -> Values:
    """Cosine of the angle between the sun and a plane that is level at a latitude: float32 (n,), new.

    At the latitude of the place that is the sine of the sun's elevation; panels tilted towards the equator lie as level
    ground does so many degrees nearer to it.
    Source: Duffie and Beckman, Solar Engineering of Thermal Processes, section 1.6.
    """
    cosine = sin_latitude * at.sin_declination
    cosine -= cos_latitude * (at.cos_declination * at.day[0])
    return cosine


def beam_w_m2(sin_elevation: Values) -> Values:
    """Direct sun on a plane that faces it under a clear sky: float32, new; 0 at night."""
    return looked_up(_beam(), sin_elevation * _SUN_ENTRIES)


def transmitted(cover: Values) -> Values:
    """Share of the clear sky's light that clouds let through, 1 - 0.75 cover**3.4: float32, new.

    Source: Kasten and Czeplak, Solar Energy 24 (1980).
    """
    return looked_up(_transmission(), cover * _COVER_ENTRIES)


def ground_w_m2(site: Columns, at: Moment) -> Values:
    """Sun and sky on level ground: float32 (n,), new."""
    level = toward_sun(site["sin_latitude"], site["cos_latitude"], at)
    ground = beam_w_m2(level)
    np.maximum(level, 0.0, out=level)
    level += DIFFUSE_SHARE
    ground *= level
    ground *= transmitted(cloud_cover(site, at))
    return ground


def vapour_hpa(dew_point_c: Values) -> Values:
    """Vapour pressure of air with this dew point: float32, new; by a table over -40..85 C, to 0.01 %."""
    place = dew_point_c - air.LOWEST_C
    place *= _ENTRIES_PER_K
    return looked_up(_saturation(), place)


@cache
def _beam() -> Table:
    """By the sine of the elevation: 1353 * 0.7 ** (air mass ** 0.678).

    Sources: Meinel and Meinel, Applied Solar Energy (1976); air mass by Rozenberg, Twilight (1966). The last degree
    above the horizon is faded out, where hills and haze decide (assumed).
    """
    sine = np.arange(_SUN_ENTRIES + 1, dtype=np.float64) / _SUN_ENTRIES
    mass = 1.0 / (sine + 0.025 * exact.exp(-11.0 * sine))
    beam = 1353.0 * exact.exp(exact.log(0.7) * exact.exp(0.678 * exact.log(mass)))
    return table(beam * np.minimum(sine / 0.0175, 1.0))


@cache
def _transmission() -> Table:
    cover = np.arange(_COVER_ENTRIES + 1, dtype=np.float64) / _COVER_ENTRIES
    power = np.concatenate([[0.0], exact.exp(3.4 * exact.log(cover[1:]))])
    return table(1.0 - 0.75 * power)


@cache
def _saturation() -> Table:
    entries = np.arange(int(air.HIGHEST_C - air.LOWEST_C) * _ENTRIES_PER_K + 1, dtype=np.float64)
    return table(air.saturation_hpa(air.LOWEST_C + entries / _ENTRIES_PER_K))
