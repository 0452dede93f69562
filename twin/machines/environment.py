"""A battery-powered sensor of temperature, humidity and pressure, standing outside or in a shed.

Temperature is the place's (see `climate`): mean and year by latitude and altitude, day and weather of the site; devices
of a site differ by their exposure: how sheltered, how slow the housing, how early a front reaches them. The vapour in
the air is the site's: its dew point follows the season by less than the temperature does and hardly changes over a day,
so that it is damp in winter and at night. Pressure follows altitude, the weather and the half-daily tide. The battery
is counted in joules: so many a message, a floor while asleep, and self-discharge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import air, battery, climate
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.spread import uniform

CELL_J: Final = battery.cell_j(7.7, 3.6)
"""Primary lithium cell, 7.7 Ah at a flat 3.6 V (data sheet of Saft LS 26500)."""
SLEEP_W: Final = 0.015e-3
"""Deep sleep as 3GPP TR 45.820 assumes it."""
MESSAGE_J: Final = (0.12, 0.20)
"""A burst of 0.24 to 0.40 s at 500 mW, from good to poor reception (assumed)."""
SELF_DISCHARGE_W: Final = battery.self_discharge_w(CELL_J, 0.01)

EXPOSURE_K: Final = 0.8
"""By which the mean at a device may differ from the site's, either way (assumed)."""
EXPOSURE_SWING: Final = (0.75, 1.15)
"""Share of the site's daily wave that reaches a device: from a shed to a sunny yard (assumed)."""
HOUSING_S: Final = (300.0, 1500.0)
"""Time constant of the housing."""
HIGHEST_FLOOR_M: Final = 30.0
"""Above the ground of the site."""
FRONT_SPREAD: Final = 0.1
"""Phase by which the weather of one device may run ahead of or behind the site's, radians."""

SUN_ERROR_K: Final = 7.0
"""What 1 kW/m2 of sun does to a sensor whose shield is broken and whose air does not move. Source: WMO-No. 8 tells of
errors of several K in poor screens."""
WET_PCT: Final = 99.5
"""What a wet humidity sensor tells."""

TEMPERATURE_NOISE_K: Final = 0.04
HUMIDITY_NOISE_PCT: Final = 0.25
PRESSURE_NOISE_HPA: Final = 0.05


class Environment:
    """Battery-powered environmental sensor. See `MachineKind` for the contract."""

    name = "environment"
    summary = "battery-powered environmental sensor: temperature, humidity, air pressure, battery"
    channels: tuple[Channel, ...] = (
        Channel("temperature_c", "C", -40.0, 85.0, 0.01),
        Channel("humidity_pct", "%", 0.0, 100.0, 0.01),
        Channel("pressure_hpa", "hPa", 300.0, 1100.0, 0.02, 700.0),
        Channel("battery_pct", "%", 0.0, 100.0, 0.1),
    )
    every_us = 30 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("mean_c", "C", -40.0, 40.0, "mean temperature of the year"),
        Quantity("year_k", "K", -30.0, 30.0, "half the difference of summer and winter, negative in the south"),
        Quantity("dryness_k", "K", 0.0, 40.0, "dew point below the temperature, mean of the year"),
        Quantity("station_hpa", "hPa", 500.0, 1080.0, "mean air pressure"),
        Quantity("message_j", "J", 0.001, 5.0, "energy of a message"),
        Quantity("spent_at_start_j", "J", 0.0, CELL_J, "what the cell has given before the run"),
    )
    drives: tuple[Quantity, ...] = (Quantity("air_c", "C", -40.0, 85.0, "temperature of the air around the sensor"),)
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "condensation", "water on the humidity sensor: it reads near 100 % whatever", ("humidity_pct",), harms=False
        ),
        FailureMode(
            "radiation-error",
            "the sun heats the housing: too warm and too dry around noon, right at night and under clouds",
            ("temperature_c", "humidity_pct"),
            harms=False,
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `climate.of_place`, as the device stands exposed to it, and
            dryness_k: of the site, see `climate.dryness_k`. station_hpa: mean pressure.
            message_j: energy of a message. spent_at_start_j: what the cell has given.
        """
        site = climate.of_place(place)
        share = uniform(draws(1), *EXPOSURE_SWING).astype(np.float64)
        tau_s = uniform(draws(2), *HOUSING_S).astype(np.float64)
        day_cos_k, day_sin_k = air.lagged(share * site["day_cos_k"], share * site["day_sin_k"], tau_s)
        ahead = uniform(draws(5), -FRONT_SPREAD, FRONT_SPREAD).astype(np.float64)
        cosine, sine = exact.cos(ahead), exact.sin(ahead)
        height_m = uniform(draws(6), 0.0, HIGHEST_FLOOR_M).astype(np.float64)
        return site | {
            "mean_c": site["mean_c"] + uniform(draws(0), -EXPOSURE_K, EXPOSURE_K),
            "day_cos_k": day_cos_k.astype(np.float32),
            "day_sin_k": day_sin_k.astype(np.float32),
            "front_cos": (site["front_cos"] * cosine - site["front_sin"] * sine).astype(np.float32),
            "front_sin": (site["front_sin"] * cosine + site["front_cos"] * sine).astype(np.float32),
            "dryness_k": climate.dryness_k(place),
            "station_hpa": air.station_hpa(place.altitude_m + height_m).astype(np.float32),
            "message_j": uniform(draws(7), *MESSAGE_J),
            "spent_at_start_j": uniform(draws(8), 0.0, 0.7 * CELL_J),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """A cell somewhere in the first 70 % of its life, a message every `every_us`; the air has no memory."""
        spent_j = parameters["spent_at_start_j"].copy()
        every_s = np.full_like(spent_j, self.every_us / SECOND_US)
        return {"spent_j": spent_j, "spent_rest_j": np.zeros_like(spent_j), "every_s": every_s}

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. A step is one message; a sensor that is not running only sleeps."""
        temperature, humidity, pressure, charge = out
        at = climate.moment(inputs)
        level_hpa, later_hpa = at.front_hpa
        front_cos, front_sin = parameters["front_cos"], parameters["front_sin"]

        # A device's own phase turns the pair of waves; `later` of it drives warmth and moisture.
        np.multiply(front_cos, level_hpa, out=pressure)
        np.multiply(front_sin, later_hpa, out=humidity)
        pressure += humidity
        np.multiply(front_cos, later_hpa, out=humidity)
        np.multiply(front_sin, level_hpa, out=temperature)
        humidity -= temperature
        later = humidity

        np.multiply(parameters["year_k"], at.year, out=charge)
        charge += parameters["mean_c"]
        np.multiply(parameters["day_cos_k"], at.day[0], out=temperature)
        temperature += parameters["day_sin_k"] * at.day[1]
        temperature += charge
        temperature += later * climate.WARMTH_K_HPA
        _drive(temperature, inputs.drives.get("air_c"))
        _shine(temperature, parameters, at, inputs.failures.get("radiation-error"))

        climate.to_dew_point(charge, parameters, at)
        later *= climate.MOISTURE_PER_HPA
        later += 1.0
        later *= climate.vapour_hpa(charge)
        np.minimum(air.humidity_pct(later, temperature), 100.0, out=humidity)
        _wet(humidity, inputs.failures.get("condensation"))

        pressure += parameters["station_hpa"]
        pressure += air.tide_hpa(inputs.calendar_us)
        _spend(state, parameters, inputs)
        np.multiply(state["spent_j"], -100.0 / CELL_J, out=charge)
        charge += 100.0

        disturb(temperature, noise[0], TEMPERATURE_NOISE_K)
        disturb(humidity, noise[1], HUMIDITY_NOISE_PCT)
        disturb(pressure, noise[2], PRESSURE_NOISE_HPA)
        keep_within(self.channels, out)

    def renew(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],  # noqa: ARG002
        rows: NDArray[np.intp],
    ) -> None:
        """See `Renewable`. A new cell."""
        state["spent_j"][rows] = 0.0
        state["spent_rest_j"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the cell, at a message as often as the last ones."""
        left_j = np.maximum(CELL_J - state["spent_j"], 0.0)
        drain_w = parameters["message_j"] / state["every_s"] + np.float32(SLEEP_W + SELF_DISCHARGE_W)
        return Truth(left_j / np.float32(CELL_J), left_j / drain_w)


def _drive(temperature: Values, air_c: Values | None) -> None:
    """Take the temperature from outside where it is given."""
    if air_c is not None:
        np.copyto(temperature, air_c, where=air_c == air_c)


def _shine(temperature: Values, parameters: Mapping[str, Values], at: climate.Moment, severity: Values | None) -> None:
    """Warm a housing whose radiation shield does not shield."""
    if severity is not None and severity.any():
        warmer = climate.ground_w_m2(parameters, at)
        warmer *= SUN_ERROR_K / 1000.0
        warmer *= severity
        temperature += warmer


def _wet(humidity: Values, severity: Values | None) -> None:
    """Move what the sensor tells towards what water tells; the wet sensor is never drier than the air."""
    if severity is not None:
        wetter = WET_PCT - humidity
        np.maximum(wetter, 0.0, out=wetter)
        wetter *= severity
        humidity += wetter


def _spend(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
    """Take the energy of a step out of the cell; an empty cell gives no more."""
    part = parameters["message_j"].copy()
    if inputs.running is None:
        state["every_s"].fill(inputs.dt_us / SECOND_US)
    else:
        part *= inputs.running
        np.copyto(state["every_s"], np.float32(inputs.dt_us / SECOND_US), where=inputs.running)
    part += (SLEEP_W + SELF_DISCHARGE_W) * (inputs.dt_us / SECOND_US)
    add_to(state["spent_j"], state["spent_rest_j"], part)
    np.minimum(state["spent_j"], np.float32(CELL_J), out=state["spent_j"])
