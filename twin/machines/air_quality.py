"""An outdoor air quality station with low-cost sensors: fine and coarse dust, CO2, NO2, temperature, humidity.

The air is that of `city_air`: it peaks in the rush hours and washes out in the afternoon. Neighbours share it and the
weather; they differ by how near a road they stand.

A low-cost particle counter sees wet particles as bigger ones: it reads high in humid air, less so for the warmth of its
own box. Dust settles on its optics
for ever. Its fan brings the air in; without it, what gets in is late and little.

Sensors follow what stands before them with time constants of their own; it is constant until the box moves again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import air, city_air, climate
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.physics.stretches import stretches
from twinstorm.twin.physics.worn_parts import WornPart, WornParts, sooner

EXPOSURE: Final = (0.7, 1.9)
"""Own emissions of a city, at a device: from a yard to a kerb."""

HYGROSCOPICITY: Final = (0.25, 0.55)
"""Kappa of ambient dust: 0.1 for organic matter, 0.6 for ammonium salts (Petters and Kreidenweis, 2007)."""
DRY_DENSITY: Final = 1.65
"""g/cm3; Crilley et al., Atmos. Meas. Tech. 11 (2018)."""
WARMER_K: Final = (2.7, 5.3)
"""By which the air in the box of the counter is warmer, and so drier, than outside (assumed: low-cost stations beside
reference sensors in 115 homes of Baltimore were 4 K warm; PubMed 40402320)."""
WETTEST: Final = 0.90
"""Water activity beyond which growth is cut off: the air does not stay in the counter for longer (assumed)."""
GAIN: Final = (0.88, 1.12)
INLET_S: Final = (20.0, 60.0)
CELL_S: Final = (45.0, 110.0)
"""Time constants of the particle counter with its fan, and of the gas cells."""
STILL: Final = 40.0
"""Times slower without fan: air comes in by itself."""
LOST_STILL: Final = 0.75
"""Of the dust, on the way in without fan; coarse dust is lost altogether as its square."""
PARTS: Final = WornParts(
    WornPart("film", "the optics", breaks={"pm-fouling": 1.0}), WornPart("fan", "the fan", breaks={"fan-failure": 1.0})
)
"""Besides the dose of dust: a film, or a fan that stands still, is an end however much of it was drawn in."""
DOSE_UG_H_M3: Final = (2.5e5, 6.0e5)
"""Fine dust times hours until the optics are done: two to five years in a city (assumed)."""
FILM_UG_M3, FILM_GAIN = 30.0, 0.35
"""What a film on the optics scatters, and by which it makes each particle look bigger, as a share."""

SENSED: Final = ("fine", "coarse", "no2_ppb", "co2_ppm")
"""What has an inlet or a cell of its own."""
PM_NOISE, NO2_NOISE_PPB, CO2_NOISE_PPM = 0.04, 0.8, 3.0
TEMPERATURE_NOISE_K, HUMIDITY_NOISE_PCT = 0.05, 0.4


class AirQuality:
    """Outdoor air quality station. See `MachineKind` for the contract."""

    name = "air-quality"
    summary = "outdoor air quality station: PM2.5, PM10, CO2, NO2, temperature, humidity"
    channels: tuple[Channel, ...] = (
        Channel("pm2_5_ug_m3", "ug/m3", 0.0, 1_000.0, 0.1),
        Channel("pm10_ug_m3", "ug/m3", 0.0, 2_000.0, 0.1),
        Channel("co2_ppm", "ppm", 0.0, 5_000.0, 1.0),
        Channel("no2_ppb", "ppb", 0.0, 500.0, 0.1),
        Channel("temperature_c", "C", -40.0, 85.0, 0.01),
        Channel("humidity_pct", "%", 0.0, 100.0, 0.01),
    )
    every_us = 60 * SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("exposure", "1", 0.0, 5.0, "own emissions of the city at the device: 0.7 in a yard, 2 at a kerb"),
        Quantity("background_ug_m3", "ug/m3", 0.0, 200.0, "mean fine dust of the country around"),
        Quantity("wind_m_s", "m/s", 0.5, 15.0, "mean wind"),
        Quantity("mean_c", "C", -40.0, 40.0, "mean temperature of the year"),
        Quantity("hygroscopicity", "1", 0.0, 1.2, "how much dust grows in humid air: kappa"),
        Quantity("fouled_at_start", "1", 0.0, 1.0, "share of the optics' life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (
        Quantity("traffic", "1", 0.0, 2.0, "vehicles as a share of those of the busiest hour"),
        Quantity("background_ug_m3", "ug/m3", 0.0, 800.0, "fine dust of the country around: smoke of wildfires"),
        Quantity("mixing_m", "m", 30.0, 3_000.0, "height of the mixed layer: an inversion holds it low"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "pm-fouling",
            "a film on the optics of the particle counter: it reads high even in clean air",
            ("pm2_5_ug_m3", "pm10_ug_m3"),
        ),
        FailureMode(
            "fan-failure",
            "the particle counter's fan slows and stops: dust reads low, coarse dust most; peaks come late and flat",
            ("pm2_5_ug_m3", "pm10_ug_m3"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `city_air.of_place`, and
            exposure, hygroscopicity, fouled_at_start: as set.
            dryness_k: of the site, see `climate.dryness_k`. gain, inlet_s, cell_s, warmer_k: of the sensors.
            dose_ug_h_m3: see `DOSE_UG_H_M3`.
        """
        return city_air.of_place(place) | {
            "exposure": uniform(draws(0), *EXPOSURE),
            "hygroscopicity": uniform(draws(1), *HYGROSCOPICITY),
            "fouled_at_start": uniform(draws(2), 0.0, 0.5),
            "gain": uniform(draws(3), *GAIN),
            "inlet_s": uniform(draws(4), *INLET_S),
            "cell_s": uniform(draws(5), *CELL_S),
            "dose_ug_h_m3": uniform(draws(6), *DOSE_UG_H_M3),
            "warmer_k": uniform(draws(7), *WARMER_K),
            "dryness_k": climate.dryness_k(place),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Sensors that have settled in the air of `city_air.initial`."""
        outside = city_air.initial(parameters)
        sensed = {f"{name}_sensed": outside[f"{name}_outside"].copy() for name in SENSED}
        fouled = parameters["fouled_at_start"].copy()
        worn = PARTS.initial(fouled)
        return outside | sensed | {"fouled": fouled, "fouled_rest": np.zeros_like(fouled)} | worn

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. Without power a station's fan stands still."""
        PARTS.wear(state, inputs)
        for start_us, end_us in stretches(inputs.now_us, inputs.dt_us, city_air.HOLD_US, city_air.MEMORY_US):
            if start_us % city_air.HOLD_US == 0:
                city_air.move(state, parameters, inputs, inputs.now_us - start_us)
            _sense(state, parameters, inputs, end_us - start_us)
        _measure(state, parameters, inputs, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. Clean optics and a new fan."""
        PARTS.renew(state, parameters, rows)
        state["fouled"][rows] = 0.0
        state["fouled_rest"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. The optics of the particle counter, in the air of a usual year, or its fan."""
        health = np.clip(1.0 - state["fouled"], 0.0, 1.0)
        fine_ug_m3 = np.maximum(city_air.mean_fine_ug_m3(parameters), np.float32(0.1))
        hours = health * parameters["dose_ug_h_m3"] / fine_ug_m3
        return sooner(Truth(health, hours * np.float32(3600.0)), PARTS.truth(state, parameters))


# --- sensors ----------------------------------------------------------------------------------------------------------


def _sense(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """Let the sensors follow what stands before them, and dust settle on the optics."""
    dt_s = np.float32(dt_us / SECOND_US)
    drawn_in = 1.0 / parameters["inlet_s"]
    still = inputs.failures.get("fan-failure")
    if inputs.running is not None:
        off = (~inputs.running).astype(np.float32)
        still = off if still is None else np.maximum(still, off)
    fine, coarse = state["fine_outside"].copy(), state["coarse_outside"].copy()
    if still is not None:
        drawn_in /= 1.0 + np.float32(STILL - 1.0) * still
        kept = 1.0 - np.float32(LOST_STILL) * still
        fine *= kept
        coarse *= kept
        coarse *= kept
    drawn_in *= dt_s
    share = gone(drawn_in)
    _follow(state["fine_sensed"], fine, share)
    _follow(state["coarse_sensed"], coarse, share)
    share = gone(dt_s / parameters["cell_s"])
    _follow(state["no2_ppb_sensed"], state["no2_ppb_outside"].copy(), share)
    _follow(state["co2_ppm_sensed"], state["co2_ppm_outside"].copy(), share)

    dose = state["fine_sensed"] * (dt_s * np.float32(1.0 / 3600.0))
    dose /= parameters["dose_ug_h_m3"]
    add_to(state["fouled"], state["fouled_rest"], dose)
    np.minimum(state["fouled"], np.float32(1.0), out=state["fouled"])


def _follow(sensed: Values, outside: Values, share: Values) -> None:
    """Go a share of the way in place; `outside` is overwritten."""
    outside -= sensed
    outside *= share
    sensed += outside


def growth(humidity_pct: Values, hygroscopicity: Values) -> Values:
    """By which an optical counter reads too much in air of this humidity, inside of it: float32 (n,), new.

    1 + (kappa / 1.65) a / (1 - a) with water activity a. Source: Crilley et al., Atmos. Meas. Tech. 11 (2018), from
    kappa-Koehler theory.
    """
    activity = np.minimum(humidity_pct * np.float32(0.01), np.float32(WETTEST))
    more = activity / (1.0 - activity)
    more *= hygroscopicity
    more *= 1.0 / DRY_DENSITY
    more += 1.0
    return more


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`."""
    fine, coarse, co2, no2, temperature, humidity = out
    at = climate.moment(inputs)
    np.copyto(temperature, climate.air_c(parameters, at))
    level_hpa, later_hpa = at.front_hpa
    vapour_hpa = parameters["front_cos"] * (climate.MOISTURE_PER_HPA * later_hpa)
    vapour_hpa -= parameters["front_sin"] * (climate.MOISTURE_PER_HPA * level_hpa)
    vapour_hpa += 1.0
    np.multiply(parameters["year_k"], at.year, out=humidity)
    humidity += parameters["mean_c"]
    climate.to_dew_point(humidity, parameters, at)
    vapour_hpa *= climate.vapour_hpa(humidity)
    np.minimum(vapour_hpa, climate.vapour_hpa(temperature), out=vapour_hpa)
    np.minimum(air.humidity_pct(vapour_hpa, temperature), 100.0, out=humidity)

    inside_pct = air.humidity_pct(vapour_hpa, temperature + parameters["warmer_k"])
    np.multiply(state["fine_sensed"], growth(inside_pct, parameters["hygroscopicity"]), out=fine)
    np.add(fine, state["coarse_sensed"], out=coarse)
    film = state["fouled"] * np.float32(0.5)
    fouling = inputs.failures.get("pm-fouling")
    if fouling is not None:
        film += (1.0 - film) * fouling
    scattered = film * np.float32(FILM_UG_M3)
    film *= FILM_GAIN
    film += 1.0
    film *= parameters["gain"]
    out[:2] *= film
    out[:2] += scattered
    np.copyto(co2, state["co2_ppm_sensed"])
    np.copyto(no2, state["no2_ppb_sensed"])

    # One counter, one volume of air: the coarse part alone has a chance of its own.
    noise[1] *= 0.5
    noise[1] += noise[0]
    disturb_share(fine, noise[0], PM_NOISE)
    disturb_share(coarse, noise[1], PM_NOISE)
    disturb(co2, noise[2], CO2_NOISE_PPM)
    disturb(no2, noise[3], NO2_NOISE_PPB)
    disturb(temperature, noise[4], TEMPERATURE_NOISE_K)
    disturb(humidity, noise[5], HUMIDITY_NOISE_PCT)
    keep_within(AirQuality.channels, out)
