"""A battery-powered sensor of temperature, humidity and pressure, standing in a hall or a shed.

Temperature follows the day with the lag of the enclosure; the vapour in the air hardly changes over a day, so that
humidity falls when the air warms; pressure follows altitude, a slow weather and the half-daily tide. The battery is
counted in joules: so many a message, a floor while asleep, and self-discharge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.machines import air, battery
from twinstorm.twin.machines.counting import add_to
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.machines.spread import uniform

CELL_J: Final = battery.cell_j(7.7, 3.6)
"""Primary lithium cell, 7.7 Ah at a flat 3.6 V (data sheet of Saft LS 26500)."""
SLEEP_W: Final = 0.015e-3
"""Deep sleep as 3GPP TR 45.820 assumes it."""
MESSAGE_J: Final = (0.12, 0.20)
"""A burst of 0.24 to 0.40 s at 500 mW, from good to poor reception (assumed)."""
SELF_DISCHARGE_W: Final = battery.self_discharge_w(CELL_J, 0.01)

HIGHEST_ALTITUDE_M: Final = 600.0
FRONT_SPREAD: Final = 0.4
"""Phase by which the weather of one device may run ahead or behind, radians."""
WARMTH_K_HPA: Final = 0.3
"""Temperature of the air masses before and behind a front, per hPa of the weather's wave."""
MOISTURE_PER_HPA: Final = 0.012

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
    settable: tuple[Quantity, ...] = ()
    drives: tuple[Quantity, ...] = ()
    failures: tuple[FailureMode, ...] = ()

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:  # noqa: ARG002
        """See `MachineKind`.

        Returns:
            mean_c: mean temperature. day_cos_k, day_sin_k: daily wave at the sensor.
            vapour_hpa: mean vapour pressure. station_hpa: mean pressure.
            front_cos, front_sin: phase in the weather.
            message_j: energy of a message. spent_at_start_j: what the cell has given.
        """
        mean_c = uniform(draws(0), 12.0, 22.0)
        swing_k = uniform(draws(1), 1.5, 5.0).astype(np.float64)
        warmest = uniform(draws(2), 13.5 / 24.0, 16.0 / 24.0).astype(np.float64) * air.TURN
        tau_s = uniform(draws(3), 300.0, 1500.0).astype(np.float64)
        day_cos_k, day_sin_k = air.lagged(swing_k * exact.cos(warmest), swing_k * exact.sin(warmest), tau_s)
        dew_point_c = mean_c.astype(np.float64) - uniform(draws(4), 6.0, 14.0)
        front = uniform(draws(5), -FRONT_SPREAD, FRONT_SPREAD).astype(np.float64)
        altitude_m = uniform(draws(6), 0.0, HIGHEST_ALTITUDE_M).astype(np.float64)
        return {
            "mean_c": mean_c,
            "day_cos_k": day_cos_k.astype(np.float32),
            "day_sin_k": day_sin_k.astype(np.float32),
            "vapour_hpa": air.saturation_hpa(dew_point_c).astype(np.float32),
            "station_hpa": air.station_hpa(altitude_m).astype(np.float32),
            "front_cos": exact.cos(front).astype(np.float32),
            "front_sin": exact.sin(front).astype(np.float32),
            "message_j": uniform(draws(7), *MESSAGE_J),
            "spent_at_start_j": uniform(draws(8), 0.0, 0.7 * CELL_J),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """A cell somewhere in the first 70 % of its life; the air has no memory."""
        spent_j = parameters["spent_at_start_j"].copy()
        return {"spent_j": spent_j, "spent_rest_j": np.zeros_like(spent_j)}

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
        level_hpa, later_hpa = air.weather_hpa(inputs.now_us)
        day_cos, day_sin = air.day(inputs.calendar_us)
        front_cos, front_sin = parameters["front_cos"], parameters["front_sin"]

        # A device's own phase turns the pair of waves; `later` of it drives warmth and moisture.
        np.multiply(front_cos, level_hpa, out=pressure)
        np.multiply(front_sin, later_hpa, out=humidity)
        pressure += humidity
        np.multiply(front_cos, later_hpa, out=humidity)
        np.multiply(front_sin, level_hpa, out=temperature)
        humidity -= temperature
        later = humidity

        np.multiply(parameters["day_cos_k"], day_cos, out=temperature)
        np.multiply(parameters["day_sin_k"], day_sin, out=charge)
        temperature += charge
        np.multiply(later, WARMTH_K_HPA, out=charge)
        temperature += charge
        temperature += parameters["mean_c"]

        later *= MOISTURE_PER_HPA
        later += 1.0
        later *= parameters["vapour_hpa"]
        np.minimum(air.humidity_pct(later, temperature), 100.0, out=humidity)

        pressure += parameters["station_hpa"]
        pressure += air.tide_hpa(inputs.calendar_us)
        _spend(state, parameters, inputs)
        np.multiply(state["spent_j"], -100.0 / CELL_J, out=charge)
        charge += 100.0
        np.maximum(charge, 0.0, out=charge)

        _disturb(temperature, noise[0], TEMPERATURE_NOISE_K)
        _disturb(humidity, noise[1], HUMIDITY_NOISE_PCT)
        _disturb(pressure, noise[2], PRESSURE_NOISE_HPA)
        np.clip(humidity, 0.0, 100.0, out=humidity)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the cell."""
        left_j = np.maximum(CELL_J - state["spent_j"], 0.0)
        drain_w = parameters["message_j"] / np.float32(self.every_us / SECOND_US) + np.float32(
            SLEEP_W + SELF_DISCHARGE_W
        )
        return Truth(left_j / np.float32(CELL_J), left_j / drain_w)


def _disturb(values: Values, drawn: Values, size: float) -> None:
    drawn *= size
    values += drawn


def _spend(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
    """Take the energy of a step out of the cell; an empty cell gives no more."""
    part = parameters["message_j"].copy()
    if inputs.running is not None:
        part *= inputs.running
    part += (SLEEP_W + SELF_DISCHARGE_W) * (inputs.dt_us / SECOND_US)
    add_to(state["spent_j"], state["spent_rest_j"], part)
    np.minimum(state["spent_j"], np.float32(CELL_J), out=state["spent_j"])
