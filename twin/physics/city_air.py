"""The air over a city as one box: what traffic and homes put into it, wind exchanges and the mixed layer thins out.

Traffic and homes fill the box from below, the wind exchanges it with the background, and its height is that of the
mixed layer, low at night and high some hours after the sun (Seinfeld and Pandis, Atmospheric Chemistry and Physics,
chapter on box models). So concentrations peak in the rush hours, most of all in the morning and in winter; the
evening's peak waits for the layer to come down, and midday is clean. That is the curve with two peaks that cities
measure (Zhao et al., Atmospheric Environment 43, 2009: peaks at 7 to 8 and 19 to 23 h, least about noon).

The box is moved every `HOLD_S`, exactly for the inputs of that time, as mass over the ground: a layer that grows thins
it out with clean air from above, one that shrinks leaves its share above.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin.flow import HOUR_US, SECOND_US, Values
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import climate
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.spread import uniform, whole
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week

Columns = Mapping[str, Values]

HOLD_S: Final = 300
HOLD_US: Final = HOLD_S * SECOND_US
MINUTE_US: Final = 60 * SECOND_US
MEMORY_US: Final = 30 * HOUR_US
"""After which the box has forgotten what was in it; in a week of calms almost."""

# --- what fills the box -----------------------------------------------------------------------------------------------

_WORKDAY = (8, 5, 4, 4, 7, 20, 52, 92, 100, 74, 62, 62, 66, 66, 68, 76, 92, 98, 80, 56, 40, 32, 25, 15)
_SATURDAY = (14, 10, 7, 6, 6, 8, 14, 24, 38, 52, 62, 66, 66, 62, 60, 60, 60, 58, 52, 42, 34, 30, 28, 22)
_SUNDAY = (18, 13, 9, 7, 6, 6, 8, 12, 20, 30, 40, 46, 48, 48, 50, 54, 58, 58, 50, 40, 32, 26, 20, 13)
TRAFFIC: Final = week(_WORKDAY, _SATURDAY, _SUNDAY, 60) / np.float32(100.0)
"""Vehicles as a share of those of the busiest hour, by minutes (assumed, in the manner of city counts)."""
MEAN_TRAFFIC: Final = float(np.round(sum(TRAFFIC.tolist()) / len(TRAFFIC), 6))
SHIFT_ENTRIES: Final = 64
"""Rush hours of sites begin up to half an hour early or late."""
FLOW: Final = Wander(25, HOLD_US, {1: 0.06, 4: 0.06, 64: 0.06})
"""By which more or fewer come, as a share."""

FINE_UG_M2_S, COARSE_UG_M2_S = (0.12, 0.35), (0.10, 0.35)
"""Dust by the traffic of the busiest hour: exhaust, brakes and tyres; dust whirled up from dry roads (assumed: 4 to 11
tonnes a year and km2, as inventories of dense cities have it)."""
NITROGEN_UG_M2_S: Final = (0.5, 1.5)
"""Nitrogen dioxide by that traffic (assumed: half of the 30 to 90 tonnes a year and km2 of oxides)."""
CARBON_MG_M2_S: Final = (0.3, 1.5)
"""Carbon dioxide by that traffic (flux towers in cities: 0.2 to 2 mg/(m2 s))."""
HOMES: Final = 0.15
"""Of the traffic's emissions, from homes and works, on the mean of a week."""
HEATING_FROM_C, HEATING_PER_K = 15.0, 0.03
"""Below this homes heat; so much for each degree, of the traffic's emissions, on the mean of a week."""
_HEARTH = (0.38, 0.36, 0.36, 0.36, 0.37, 0.50, 1.19, 1.53, 1.57, 1.56, 1.35, 1.16,
           1.07, 1.06, 1.00, 0.98, 0.99, 1.12, 1.41, 1.52, 1.39, 1.35, 1.00, 0.42)  # fmt: skip
_WEEKDAY, _WEEKEND = (tuple(share * hour for hour in _HEARTH) for share in (1.08, 0.80))
HEARTHS: Final = week(_WEEKDAY, _WEEKEND, _WEEKEND, 60)
"""What burns in homes and works, about 1 on the mean of a week, by minutes: hardly anything at night. Source: Denier
van der Gon et al., Description of current temporal emission patterns and sensitivity of predicted AQ (TNO, 2011), for
residential, commercial and other combustion (SNAP 2)."""
BACKGROUND_UG_M3: Final = (4.0, 11.0)
"""Fine dust in the country around; the coarse part is half of it."""
BACKGROUND: Final = Wander(26, HOUR_US, {4: 0.10, 32: 0.25, 128: 0.25})
"""By which it is more or less, as a share: hours to a week (assumed)."""
BACKGROUND_COARSE: Final = 0.5
BACKGROUND_NO2_PPB, BACKGROUND_CO2_PPM = 3.0, 425.0
PPB_UG_M3, PPM_MG_M3 = 1.0 / 1.88, 1.0 / 1.80
"""Nitrogen dioxide and carbon dioxide at 25 C and 1013 hPa."""
SPLIT_BY_SUN: Final = 0.35
"""Of the nitrogen dioxide, split to monoxide by a sun overhead (assumed, after Leighton's photostationary state)."""

# --- the box ----------------------------------------------------------------------------------------------------------

NIGHT_M, DAY_M = (120.0, 280.0), (1_200.0, 2_200.0)
"""Height of the mixed layer at night, and more of it under a sun overhead."""
MEAN_LAYER: Final = 2.2
"""Height of a layer that never changes and leaves as much in the box, over the one at night: the mean of a year of 400
stations all over the world (a test has it again)."""
MIXING_LATE_US: Final = 2 * HOUR_US
"""By which the height follows the sun."""
BOX_M: Final = 12_000.0
"""Length of the city along the wind."""
WIND_M_S: Final = (1.8, 4.5)
WIND: Final = Wander(27, HOUR_US, {1: 0.15, 8: 0.25, 64: 0.20})
"""By which it blows more or less than the mean, as a share."""
LEAST_WIND: Final = 0.15
"""Of the mean."""
COARSE_FALLS_M_S: Final = 0.006
"""Deposition of coarse dust."""


def of_place(place: Place) -> dict[str, Values]:
    """What stations of a site share: float32 (n,) each.

    Returns:
        Those of `climate.of_place`, and
        background_ug_m3, wind_m_s: means. fine_ug_m2_s, coarse_ug_m2_s, nitrogen_ug_m2_s, carbon_mg_m2_s: emissions of
        the busiest hour's traffic. night_m, day_m: see `NIGHT_M`. shift_min: how late the rush hours are. flow_phase,
        wind_phase: in `FLOW` and `BACKGROUND`, and in `WIND`.
    """
    of_site = place.of_site
    return climate.of_place(place) | {
        "background_ug_m3": uniform(of_site(33), *BACKGROUND_UG_M3),
        "wind_m_s": uniform(of_site(34), *WIND_M_S),
        "fine_ug_m2_s": uniform(of_site(35), *FINE_UG_M2_S),
        "coarse_ug_m2_s": uniform(of_site(36), *COARSE_UG_M2_S),
        "nitrogen_ug_m2_s": uniform(of_site(37), *NITROGEN_UG_M2_S),
        "carbon_mg_m2_s": uniform(of_site(38), *CARBON_MG_M2_S),
        "night_m": uniform(of_site(39), *NIGHT_M),
        "day_m": uniform(of_site(40), *DAY_M),
        "shift_min": whole(of_site(41), SHIFT_ENTRIES) - np.float32(SHIFT_ENTRIES // 2),
        "flow_phase": phase(of_site(42)),
        "wind_phase": phase(of_site(43)),
    }


def mean_fine_ug_m3(parameters: Columns) -> Values:
    """Fine dust where a station stands, on the mean of years: float32 (n,), new. See `move` for the parameters.

    The background, and what a week of traffic and the heating of a usual day leave in a layer of twice its height at
    night: that is what the days and years of the box come to, within a fifth of this.
    """
    own = HEATING_FROM_C - parameters["mean_c"]
    np.maximum(own, 0.0, out=own)
    own *= HEATING_PER_K
    own += HOMES + MEAN_TRAFFIC
    own *= parameters["fine_ug_m2_s"]
    own *= parameters["exposure"]
    own *= BOX_M / MEAN_LAYER
    own /= parameters["wind_m_s"]
    own /= parameters["night_m"]
    own += parameters["background_ug_m3"]
    return own


def initial(parameters: Columns) -> dict[str, Values]:
    """A night after a windy evening: nothing but the background. See `move` for what the columns are."""
    zeros = np.zeros_like(parameters["night_m"])
    state = {f"{name}_held": zeros.copy() for name in ("fine", "coarse", "nitrogen", "carbon")}
    return state | {
        "mixing_m": parameters["night_m"].copy(),
        "fine_outside": parameters["background_ug_m3"].copy(),
        "coarse_outside": parameters["background_ug_m3"] * np.float32(BACKGROUND_COARSE),
        "no2_ppb_outside": np.full_like(zeros, BACKGROUND_NO2_PPB),
        "co2_ppm_outside": np.full_like(zeros, BACKGROUND_CO2_PPM),
    }


def move(state: Columns, parameters: Columns, inputs: Inputs, ago_us: int) -> None:
    """Move the box on by `HOLD_S`, and put what is then in it before the sensors.

    Args:
        state: ``..._held``, mass over the ground, ug/m2 (carbon: mg/m2); ``mixing_m``; ``..._outside``, what a station
            stands in: dust in ug/m3, gases as named. Changed in place.
        parameters: those of `of_place`, and exposure: own emissions of the city where the station stands.
        ago_us: before the instant of the step.
    """
    at = climate.moment(inputs, ago_us)
    traffic, homes = _sources(parameters, inputs, at, ago_us)
    mixing_m = _layer(state, parameters, inputs, ago_us)
    rate = WIND.at(parameters["wind_phase"], at.now_us)
    rate += 1.0
    np.maximum(rate, LEAST_WIND, out=rate)
    rate *= parameters["wind_m_s"]
    rate *= 1.0 / BOX_M
    falls = rate + np.float32(COARSE_FALLS_M_S) / mixing_m

    homes += traffic
    for name, source, emitted, leaves in (
        ("fine_held", homes, "fine_ug_m2_s", rate),
        ("coarse_held", traffic, "coarse_ug_m2_s", falls),
        ("nitrogen_held", homes, "nitrogen_ug_m2_s", rate),
        ("carbon_held", homes, "carbon_mg_m2_s", rate),
    ):
        held = state[name]
        way = source * parameters[emitted]
        way /= leaves
        way -= held
        way *= gone(leaves * np.float32(HOLD_S))
        held += way

    near = parameters["exposure"] / mixing_m
    background = BACKGROUND.at(parameters["flow_phase"], at.now_us)
    background += 1.0
    background *= parameters["background_ug_m3"]
    follow(background, inputs, "background_ug_m3")
    fine, coarse = state["fine_outside"], state["coarse_outside"]
    np.multiply(state["fine_held"], near, out=fine)
    fine += background
    background *= BACKGROUND_COARSE
    np.multiply(state["coarse_held"], near, out=coarse)
    coarse += background
    sun = climate.toward_sun(parameters["sin_latitude"], parameters["cos_latitude"], at)
    np.maximum(sun, 0.0, out=sun)
    sun *= -SPLIT_BY_SUN * PPB_UG_M3
    sun += PPB_UG_M3
    sun *= near
    sun *= state["nitrogen_held"]
    np.add(sun, BACKGROUND_NO2_PPB, out=state["no2_ppb_outside"])
    near *= PPM_MG_M3
    near *= state["carbon_held"]
    np.add(near, BACKGROUND_CO2_PPM, out=state["co2_ppm_outside"])


def _sources(parameters: Columns, inputs: Inputs, at: climate.Moment, ago_us: int) -> tuple[Values, Values]:
    """Traffic, and what homes emit, both as shares of the busiest hour's traffic: float32 (n,) each, new."""
    minute = parameters["shift_min"].astype(np.int32)
    np.subtract(of_week_us(inputs, ago_us) // MINUTE_US, minute, out=minute)
    traffic = FLOW.at(parameters["flow_phase"], at.now_us)
    traffic += 1.0
    traffic *= TRAFFIC.take(minute, mode="wrap")
    follow(traffic, inputs, "traffic")
    homes = HEATING_FROM_C - climate.air_c(parameters, at)
    np.maximum(homes, 0.0, out=homes)
    homes *= HEATING_PER_K
    homes += HOMES
    homes *= HEARTHS.take(minute, mode="wrap")
    return traffic, homes


def _layer(state: Columns, parameters: Columns, inputs: Inputs, ago_us: int) -> Values:
    """Height of the mixed layer; what a shrinking one leaves above is gone from the box: a view of the state."""
    before_m = state["mixing_m"]
    late = climate.moment(inputs, ago_us + MIXING_LATE_US)
    mixing_m = climate.toward_sun(parameters["sin_latitude"], parameters["cos_latitude"], late)
    np.maximum(mixing_m, 0.0, out=mixing_m)
    mixing_m *= parameters["day_m"]
    mixing_m += parameters["night_m"]
    follow(mixing_m, inputs, "mixing_m")
    kept = mixing_m / before_m
    np.minimum(kept, 1.0, out=kept)
    for name in ("fine_held", "coarse_held", "nitrogen_held", "carbon_held"):
        state[name] *= kept
    np.copyto(before_m, mixing_m)
    return before_m
