"""A solar inverter on a roof: sun to direct current, direct current to the grid, and a heat sink that limits it.

Three strings of panels face the equator. Beam and sky light on them follow latitude, day of the year, time of day and
the clouds that a site shares (see `climate`). Cells are warmer than the air by the light that falls on them, which
costs voltage. The inverter keeps the panels at their best point unless it may not give so much: by the set-point that a
controller sent, because the heat sink is hot, or because the grid's voltage is high. Then it moves the panels towards
their open-circuit voltage, so that the voltage rises while the current falls.

The heat sink is a body with one time constant. Its controller decides every `CONTROL_S` how much it may give, and
losses count as constant from one decision to the next, so that its temperature is integrated exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import climate, mains
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

# --- panels -----------------------------------------------------------------------------------------------------------

STRINGS: Final = 3
RATED_W: Final = (3_000.0, 10_000.0)
OVERSIZE: Final = (1.0, 1.3)
"""Panels over inverter, as roofs are built."""
BEST_V: Final = (480.0, 640.0)
"""Of a string at its best point under standard conditions: 1 kW/m2, cells at 25 C."""
TILT_DEG: Final = (15.0, 45.0)
LARGEST_LATITUDE_DEG: Final = 15.0
"""Panels near the equator are tilted by no more than the latitude and this."""
OPEN_SHARE: Final = 0.22
"""Open-circuit voltage above that of the best point (data sheets of crystalline modules: 20 to 24 %)."""
POWER_PER_K: Final = -0.0036
VOLTAGE_PER_K: Final = -0.0030
"""Of power and voltage at the best point, per kelvin of the cells (data sheets of crystalline modules)."""
DIM_W_M2: Final = 15.0
"""Light at which half the voltage is left (assumed: 6 % less at 200 W/m2, as in data sheets)."""
CELLS_K_PER_W_M2: Final = (45.0 - 20.0) / 800.0
"""Cells above air: the nominal operating cell temperature of 45 C (IEC 61215)."""

# --- inverter ---------------------------------------------------------------------------------------------------------

OWN_W: Final = 18.0
"""What the electronics take while the sun is up."""
SQUARE_LOSS: Final = 0.024
"""Losses at rated power that grow with its square, over the rated power: 97.4 % are left there. Form by Schmidt and
Sauer, Sonnenenergie 4 (1996)."""
CONTROL_S: Final = 120
CONTROL_US: Final = CONTROL_S * SECOND_US
SINK_RISE_K: Final = (28.0, 40.0)
"""Heat sink above air at rated power with its fan."""
SINK_TAU_S: Final = (420.0, 900.0)
FANLESS: Final = 1.6
"""Thermal resistance without the fan is 1 + this times that with it (assumed)."""
DERATES_C, STOPS_C = 65.0, 90.0
"""Heat sink temperatures at which power begins to be limited, and at which none is left."""
MEMORY_US: Final = 12 * 3600 * SECOND_US
"""What a heat sink has forgotten: at least 18 time constants without fan."""
RAMP_PCT_S: Final = 0.5
"""A new set-point is taken up so quickly. Source: VDE-AR-N 4105, 0.33 to 0.66 % of rated power a second."""

# --- grid -------------------------------------------------------------------------------------------------------------

GRID_RISE: Final = 0.20
"""Voltage above normal at the worst: a neutral that comes loose, or a feeder full of sun."""
LIMITS_PU, TRIPS_PU = 1.08, 1.10
"""Of nominal voltage: power is taken back from here on, and at the limit of EN 50160 the inverter disconnects
(volt-watt function as in IEEE 1547-2018, steeper)."""
FEED_IN_RISE: Final = 0.015
"""Voltage that the inverter itself adds at rated power."""

# --- what wears -------------------------------------------------------------------------------------------------------

PARTS: Final = WornParts(
    # Without the fan the sink runs some 20 K hotter on the mean of a day: a quarter of the life (10 K rule).
    WornPart(
        "capacitors", "the capacitors of the direct-current link", 15.0 * YEAR_H, 4.0, {"fan-failure": 5.0 * YEAR_H}
    ),
    WornPart("fan", "the fan", 10.0 * YEAR_H, 3.0, breaks={"fan-failure": 1.0}),
    # It parts from the grid every few minutes instead of twice a day (assumed).
    WornPart("relay", "the grid relay", 20.0 * YEAR_H, 3.0, {"grid-overvoltage": 60.0 * 24.0}),
    # 0.7 % a year down to 80 % of the power (magnitude: Jordan and Kurtz, Prog. Photovolt. 21 (2013)).
    WornPart("panels", "the panels and their strings", 28.0 * YEAR_H, 5.0, breaks={"string-fault": 1.0 / STRINGS}),
)
"""Lives are assumed but for that of the panels: magnitudes of makers' warranties and design lives."""

VOLTAGE_NOISE_V: Final = 0.4
CURRENT_NOISE_A: Final = 0.01
POWER_NOISE: Final = 0.003
"""Of the value."""
TEMPERATURE_NOISE_K: Final = 0.1


class Inverter:
    """Solar inverter. See `MachineKind` for the contract."""

    name = "inverter"
    summary = "solar inverter: direct voltage and current, power to the grid, heat sink, set-point in force"
    channels: tuple[Channel, ...] = (
        Channel("dc_voltage_v", "V", 0.0, 1_000.0, 0.1),
        Channel("dc_current_a", "A", 0.0, 60.0, 0.01),
        Channel("ac_power_w", "W", 0.0, 20_000.0, 1.0),
        Channel("ac_voltage_v", "V", 0.0, 350.0, 0.1),
        Channel("heat_sink_c", "C", -40.0, 125.0, 0.1),
        Channel("set_point_in_force_pct", "%", 0.0, 100.0, 0.1, by_event=True),
    )
    every_us = 60 * SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("rated_w", "W", 500.0, 20_000.0, "most that the inverter gives to the grid"),
        Quantity("oversize", "1", 0.3, 2.0, "panels under standard conditions over the inverter's rated power"),
        Quantity("best_v", "V", 150.0, 750.0, "voltage of a string at its best point under standard conditions"),
        Quantity("sink_rise_k", "K", 5.0, 80.0, "heat sink above air at rated power"),
        Quantity("sink_tau_s", "s", 240.0, 1_500.0, "time constant of the heat sink"),
        Quantity("supply_v", "V", 100.0, 260.0, "voltage of the grid without load on the feeder"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (
        Quantity("set_point_pct", "%", 0.0, 100.0, "curtailment: most that may be given, of rated power"),
        Quantity("irradiance_w_m2", "W/m2", 0.0, 1_400.0, "light in the plane of the panels"),
        Quantity("air_c", "C", -40.0, 55.0, "temperature of the outside air"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "string-fault",
            "one of three strings is gone: a third less current, the voltage stays",
            ("dc_current_a", "ac_power_w"),
        ),
        FailureMode("fan-failure", "the heat sink grows hotter and power is limited early", ("heat_sink_c",)),
        FailureMode(
            "grid-overvoltage",
            "the grid's voltage rises: less power is given, then none; panels go to their open voltage",
            ("ac_voltage_v", "ac_power_w", "dc_current_a"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `climate.of_place` and `mains.of_place`, and
            sin_tilted, cos_tilted: of the latitude at which level ground lies as the panels do.
            rated_w, oversize, best_v, sink_rise_k, sink_tau_s: as set. nominal_v: what the inverter takes for nominal.
        """
        latitude = place.latitude_deg
        tilt_deg = np.minimum(uniform(draws(0), *TILT_DEG).astype(np.float64), np.abs(latitude) + LARGEST_LATITUDE_DEG)
        tilted = (latitude - np.where(latitude < 0.0, -tilt_deg, tilt_deg)) / climate.RADIAN_DEG
        nominal_v = np.where(mains.american(place), mains.AMERICA_V, mains.EUROPE_V)
        return (
            climate.of_place(place)
            | mains.of_place(draws, place)
            | {
                "sin_tilted": exact.sin(tilted).astype(np.float32),
                "cos_tilted": exact.cos(tilted).astype(np.float32),
                "rated_w": uniform(draws(1), *RATED_W),
                "oversize": uniform(draws(2), *OVERSIZE),
                "best_v": uniform(draws(3), *BEST_V),
                "sink_rise_k": uniform(draws(4), *SINK_RISE_K),
                "sink_tau_s": uniform(draws(5), *SINK_TAU_S),
                "nominal_v": (nominal_v * uniform(draws(6), 0.998, 1.002)).astype(np.float32),
                **PARTS.parameters(draws),
            }
        )

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Cold, with the mean of the year for its air; nobody has curtailed anything."""
        mean_c = parameters["mean_c"].copy()
        return {
            "sink_c": mean_c,
            "sink_goal_k": np.zeros_like(mean_c),
            "air_c": mean_c.copy(),
            "thermal_limit": np.ones_like(mean_c),
            "set_point_pct": np.full_like(mean_c, 100.0),
            **PARTS.initial(mean_c),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. `out` holds zeros but for temperature and set-point where an inverter has no power."""
        PARTS.wear(state, inputs)
        wanted_pct = inputs.drives.get("set_point_pct")
        forgotten_us = max(inputs.dt_us - MEMORY_US, 0)
        if forgotten_us:
            _follow(state["set_point_pct"], wanted_pct, forgotten_us)
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, CONTROL_US, MEMORY_US):
            if start_us % CONTROL_US == 0:
                _decide(state, parameters, inputs, inputs.now_us - start_us)
            _follow(state["set_point_pct"], wanted_pct, end_us - start_us)
            _warm(state, parameters, inputs, end_us - start_us)
        _measure(state, parameters, inputs, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. New capacitors, fan and relay, and strings that are whole."""
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends first of capacitors, fan, relay and panels."""
        return PARTS.truth(state, parameters)


class _Power(NamedTuple):
    """Where an inverter works: float32 (n,) each."""

    dc_v: Values
    dc_w: Values
    ac_w: Values
    grid_v: Values


# --- heat -------------------------------------------------------------------------------------------------------------


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """What the controller does at one of its instants: limit by heat, and take losses and air as they are now."""
    at = climate.moment(inputs, ago_us)
    limit = state["thermal_limit"]
    np.subtract(STOPS_C, state["sink_c"], out=limit)
    limit *= 1.0 / (STOPS_C - DERATES_C)
    limit.clip(0.0, 1.0, out=limit)

    air_c = state["air_c"]
    air_c[:] = _given(climate.air_c(parameters, at), inputs.drives.get("air_c"))
    power = _power(state, parameters, inputs, at)
    lost_share = power.dc_w - power.ac_w
    lost_share /= parameters["rated_w"]
    lost_share *= 1.0 / (SQUARE_LOSS + 0.003)  # the electronics' own share at the size of 6 kW
    lost_share *= parameters["sink_rise_k"]
    np.copyto(state["sink_goal_k"], lost_share)


def _warm(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """Move the heat sink towards where its losses take it."""
    way_k = state["sink_goal_k"].copy()
    taus = np.float32(dt_us / SECOND_US) / parameters["sink_tau_s"]
    fanless = inputs.failures.get("fan-failure")
    if fanless is not None:
        resistance = 1.0 + np.float32(FANLESS) * fanless
        way_k *= resistance
        taus /= resistance
    if inputs.running is not None:
        way_k *= inputs.running
    way_k += state["air_c"]
    way_k -= state["sink_c"]
    way_k *= gone(taus)
    state["sink_c"] += way_k


def _follow(set_point_pct: Values, wanted_pct: Values | None, dt_us: int) -> None:
    """Ramp to what the controller sent; without word from it, back to everything."""
    most = np.float32(min(RAMP_PCT_S * dt_us / SECOND_US, 100.0))
    way = np.float32(100.0) - set_point_pct if wanted_pct is None else _or(wanted_pct, 100.0) - set_point_pct
    way.clip(-most, most, out=way)
    set_point_pct += way


def _or(drive: Values, own: float) -> Values:
    """A drive, or a number where it says nothing."""
    return np.where(drive == drive, drive, np.float32(own))


def _given(own: Values, drive: Values | None) -> Values:
    """What is given from outside, where it is."""
    if drive is not None:
        np.copyto(own, drive, where=drive == drive)
    return own


# --- power ------------------------------------------------------------------------------------------------------------


def _light_w_m2(parameters: Mapping[str, Values], inputs: Inputs, at: climate.Moment) -> Values:
    """Sun and sky in the plane of the panels."""
    light = climate.beam_w_m2(climate.toward_sun(parameters["sin_latitude"], parameters["cos_latitude"], at))
    facing = climate.toward_sun(parameters["sin_tilted"], parameters["cos_tilted"], at)
    np.maximum(facing, 0.0, out=facing)
    facing += climate.DIFFUSE_SHARE
    light *= facing
    light *= climate.transmitted(climate.cloud_cover(parameters, at))
    return _given(light, inputs.drives.get("irradiance_w_m2"))


def _power(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, at: climate.Moment) -> _Power:
    """Where panels and inverter work at an instant, by the limits in force."""
    rated_w = parameters["rated_w"]
    light = _light_w_m2(parameters, inputs, at)
    warm_k = light * CELLS_K_PER_W_M2
    warm_k += state["air_c"]
    warm_k -= 25.0

    # The best point of the panels. Strings stand side by side: one that is gone takes current, not voltage.
    best_w = warm_k * POWER_PER_K
    best_w += 1.0
    best_w *= light
    best_w *= parameters["oversize"]
    best_w *= rated_w
    best_w *= 1.0 / 1000.0
    lost = inputs.failures.get("string-fault")
    if lost is not None:
        best_w *= 1.0 - np.float32(1.0 / STRINGS) * lost
    dc_v = warm_k
    dc_v *= VOLTAGE_PER_K
    dc_v += 1.0
    dc_v *= parameters["best_v"]
    dim = light + DIM_W_M2
    dim *= 1.0 / (1.0 + DIM_W_M2 / 1000.0)
    np.divide(light, dim, out=dim)
    dc_v *= dim

    # What may be given, and what direct power that takes: D - own - k D**2 = allowed.
    grid_v = mains.voltage_v(parameters["supply_v"], parameters["feeder_share"], parameters["feeder_phase"], inputs)
    raised = inputs.failures.get("grid-overvoltage")
    if raised is not None:
        grid_v *= 1.0 + np.float32(GRID_RISE) * raised
    allowed = np.divide(grid_v, parameters["nominal_v"])
    np.subtract(TRIPS_PU, allowed, out=allowed)
    allowed *= 1.0 / (TRIPS_PU - LIMITS_PU)
    allowed.clip(0.0, 1.0, out=allowed)
    np.minimum(allowed, state["thermal_limit"], out=allowed)
    np.minimum(allowed, state["set_point_pct"] * 0.01, out=allowed)
    own = np.float32(OWN_W) / rated_w
    need = allowed
    need += own
    need *= -4.0 * SQUARE_LOSS
    need += 1.0
    np.sqrt(need, out=need)
    np.subtract(1.0, need, out=need)
    need *= 0.5 / SQUARE_LOSS
    need *= rated_w

    # The panels' curve right of the best point is a parabola that ends at the open voltage.
    dc_w = np.minimum(best_w, need)
    np.maximum(best_w, 1.0, out=best_w)
    np.divide(dc_w, best_w, out=best_w)
    np.subtract(1.0, best_w, out=best_w)
    np.maximum(best_w, 0.0, out=best_w)
    np.sqrt(best_w, out=best_w)
    best_w *= OPEN_SHARE
    best_w += 1.0
    dc_v *= best_w

    ac_w = dc_w * dc_w
    ac_w *= -SQUARE_LOSS
    ac_w /= rated_w
    ac_w += dc_w
    ac_w -= OWN_W
    np.maximum(ac_w, 0.0, out=ac_w)
    return _Power(dc_v, dc_w, ac_w, grid_v)


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`."""
    voltage, current, ac_w, ac_v, sink_c, set_point = out
    power = _power(state, parameters, inputs, climate.moment(inputs))
    np.maximum(power.dc_v, 1.0, out=voltage)
    np.divide(power.dc_w, voltage, out=current)
    np.copyto(voltage, power.dc_v)
    np.copyto(ac_w, power.ac_w)
    np.divide(power.ac_w, parameters["rated_w"], out=ac_v)
    ac_v *= FEED_IN_RISE
    ac_v += 1.0
    ac_v *= power.grid_v
    np.copyto(sink_c, state["sink_c"])
    np.copyto(set_point, state["set_point_pct"])

    disturb(voltage, noise[0], VOLTAGE_NOISE_V)
    disturb(current, noise[1], CURRENT_NOISE_A)
    disturb_share(ac_w, noise[2], POWER_NOISE)
    disturb(ac_v, noise[3], VOLTAGE_NOISE_V)
    disturb(sink_c, noise[4], TEMPERATURE_NOISE_K)
    keep_within(Inverter.channels, out)
    if inputs.running is not None:
        out[:4] *= inputs.running
