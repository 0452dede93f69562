"""An irrigation node: a field's root zone as a bucket of water, and a valve that the node opens by itself.

The bucket fills by rain and by the emitters, and empties by evapotranspiration and, above field capacity, by drainage.
Evapotranspiration follows sun and temperature (Priestley and Taylor, Monthly Weather Review 100, 1972) times a crop
coefficient, and falls with the water that is left (FAO Irrigation and Drainage Paper 56, chapter 8). Sun, temperature
and rain are the site's (see `climate`).

The node wakes every `WAKE_S`, opens its valve below one moisture and shuts it above another; once a day it flushes the
line for one turn, so that a fault shows in winter too. Between two wakings all flows are constant, so that the sampling
period cannot bend the balance. Line pressure is what the supply gives less the losses of the pipe; emitters, like the
hole of a leak, pass the square root of the pressure.

A node without power lets its valve fall shut, if it can; the field goes on drying.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import air, climate
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform, unit, whole
from twinstorm.twin.physics.tables import Table, looked_up, table
from twinstorm.twin.physics.wander import Wander
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

# --- soil and crop ----------------------------------------------------------------------------------------------------

WILTING_PCT: Final = (8.0, 16.0)
AVAILABLE_PCT: Final = (12.0, 18.0)
"""Of volume, between wilting point and field capacity: sandy loam to silt loam (FAO 56, table 19)."""
PORES_PCT: Final = 12.0
"""Of volume, between field capacity and saturation (assumed)."""
ROOTS_MM: Final = (300.0, 800.0)
READY_SHARE: Final = 0.5
"""Of the available water that plants take without stress (FAO 56, table 22: most crops)."""
DRAINS_S: Final = (1.0 * 86_400.0, 2.5 * 86_400.0)
"""Time constant of what is above field capacity."""
CROP: Final = (0.7, 1.15)
"""Crop coefficient (FAO 56, table 12, middle of the season)."""
NET_SHARE: Final = 0.62
"""Of the sun's light that is left as net radiation over a day (assumed; FAO 56 example 12 comes to 0.6)."""
PRIESTLEY_TAYLOR: Final = 1.26
LATENT_J_KG: Final = 2.45e6
"""Heat that evaporates a kilogram, which is a millimetre on a square metre."""
PSYCHROMETRIC_HPA_K: Final = 0.66

# --- node and line ----------------------------------------------------------------------------------------------------

WAKE_S: Final = 900
WAKE_US: Final = WAKE_S * SECOND_US
WAKES_A_DAY: Final = 96
OPEN_SHARE, SHUT_SHARE = (0.40, 0.55), (0.85, 0.97)
"""Of the available water: where the valve opens, and where it shuts again."""
SUPPLY_KPA: Final = (280.0, 420.0)
PIPE_SHARE: Final = (0.15, 0.35)
"""Of the supply's pressure that the pipe loses at the designed flow."""
DESIGN_L_MIN: Final = (20.0, 60.0)
RATE_MM_H: Final = (4.0, 10.0)
"""Water on the field with all emitters open: drip lines and micro sprinklers."""
PUMPS: Final = Wander(4, 300 * SECOND_US, {1: 0.008, 16: 0.012, 256: 0.012})
"""What the other fields of the site make of the supply's pressure, as a share of it (assumed)."""
CLOGGED: Final = 0.85
"""Of the emitters' opening that the worst clogging closes."""
LEAK: Final = 0.6
"""Opening of the worst leak, before the valve, over that of all emitters."""
STUCK_OPEN: Final = (0.4, 1.0)
STUCK_SHUT: Final = (0.0, 0.02)

# --- what wears -------------------------------------------------------------------------------------------------------

OPERATIONS: Final = (4_000.0, 9_000.0)
"""After which the valve's diaphragm is worn out (assumed)."""
OPENINGS_A_DAY: Final = 1.5
"""On the mean: a flush, and water every other day; what is foretold is reckoned by it."""
PARTS: Final = WornParts(
    WornPart("valve", "the valve", breaks={"valve-stuck": 1.0}, counted=True),
    WornPart("pipe", "pipe and joints", 25.0 * YEAR_H, 4.0, breaks={"pipe-leak": 1.0}),
    WornPart(
        "emitters", "the emitters, which lime and roots close", 8.0 * YEAR_H, 4.0, breaks={"clogged-emitter": 1.0}
    ),
)
"""Lives are assumed. A failure of full severity is the end of its part."""

MOISTURE_NOISE_PCT: Final = 0.05
FLOW_NOISE: Final = 0.01
"""Of the value: a turbine meter."""
PRESSURE_NOISE_KPA: Final = 0.8


class Irrigation:
    """Irrigation node. See `MachineKind` for the contract."""

    name = "irrigation"
    summary = "irrigation node: soil moisture, valve, flow, line pressure; opens and shuts by itself"
    channels: tuple[Channel, ...] = (
        Channel("soil_moisture_pct", "%", 0.0, 60.0, 0.01),
        Channel("valve_pct", "%", 0.0, 100.0, 1.0, by_event=True),
        Channel("flow_l_min", "l/min", 0.0, 200.0, 0.05, by_event=True),
        Channel("line_pressure_kpa", "kPa", 0.0, 1_000.0, 0.1, by_event=True),
    )
    every_us = 300 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("wilting_pct", "%", 2.0, 30.0, "soil moisture at which plants wilt, of volume"),
        Quantity("available_pct", "%", 3.0, 25.0, "water between wilting point and field capacity, of volume"),
        Quantity("roots_mm", "mm", 100.0, 2_000.0, "depth of the root zone"),
        Quantity("crop", "1", 0.1, 1.4, "crop coefficient: evapotranspiration over that of reference grass"),
        Quantity("open_share", "1", 0.0, 0.8, "available water below which the valve opens"),
        Quantity("shut_share", "1", 0.1, 1.2, "available water above which the valve shuts"),
        Quantity("valve_operations", "1", 1.0, 1e7, "openings after which the valve is worn out"),
        Quantity("valve_worn_at_start", "1", 0.0, 1.0, "share of them that it has done at the start"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (
        Quantity("valve_pct", "%", 0.0, 100.0, "valve command, instead of the node's own"),
        Quantity("rain_mm_h", "mm/h", 0.0, 120.0, "rain on the field"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "valve-stuck",
            "the valve stays open or shut whatever it is told: flow and command disagree",
            ("flow_l_min", "line_pressure_kpa"),
        ),
        FailureMode(
            "pipe-leak",
            "a hole before the valve: flow at all times, less pressure, less water on the field",
            ("flow_l_min", "line_pressure_kpa"),
        ),
        FailureMode(
            "clogged-emitter",
            "emitters clog: less flow at more pressure, and the valve stays open for longer",
            ("flow_l_min", "line_pressure_kpa"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `climate.of_place`, and
            wilting_pct, available_pct, roots_mm, crop, open_share, shut_share: as set. start_share: available water.
            drains_per_s: share of what is above field capacity. flush_wake: when in the day the line is flushed.
            supply_kpa: at rest. pipe: pressure lost for a flow, kPa/(l/min)**2. emitters: flow for a pressure,
            (l/min)/sqrt(kPa). field_m2. stuck_at: opening at which a stuck valve stays. valve_operations,
            valve_worn_at_start: as set.
        """
        supply_kpa = uniform(draws(7), *SUPPLY_KPA).astype(np.float64)
        lost_kpa = supply_kpa * uniform(draws(8), *PIPE_SHARE)
        flow_l_min = uniform(draws(9), *DESIGN_L_MIN).astype(np.float64)
        shut = unit(draws(12)) < 0.5
        drains_s = uniform(draws(4), *DRAINS_S).astype(np.float64)
        return climate.of_place(place) | {
            "wilting_pct": uniform(draws(0), *WILTING_PCT),
            "available_pct": uniform(draws(1), *AVAILABLE_PCT),
            "roots_mm": uniform(draws(2), *ROOTS_MM),
            "crop": uniform(draws(3), *CROP),
            # What an exponential loses from one waking to the next, spread evenly over that time.
            "drains_per_s": ((1.0 - exact.exp(-WAKE_S / drains_s)) / WAKE_S).astype(np.float32),
            "open_share": uniform(draws(5), *OPEN_SHARE),
            "shut_share": uniform(draws(6), *SHUT_SHARE),
            "supply_kpa": supply_kpa.astype(np.float32),
            "pipe": (lost_kpa / (flow_l_min * flow_l_min)).astype(np.float32),
            "emitters": (flow_l_min / np.sqrt(supply_kpa - lost_kpa)).astype(np.float32),
            "field_m2": (flow_l_min * 60.0 / uniform(draws(10), *RATE_MM_H)).astype(np.float32),
            "flush_wake": np.minimum(whole(draws(11), 128), np.float32(WAKES_A_DAY - 1)),
            "stuck_at": np.where(shut, uniform(draws(13), *STUCK_SHUT), uniform(draws(13), *STUCK_OPEN)),
            "start_share": uniform(draws(14), 0.4, 1.05),
            "valve_operations": uniform(draws(15), *OPERATIONS),
            "valve_worn_at_start": uniform(draws(16), 0.0, 0.6),
            **PARTS.parameters(draws),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Soil anywhere between the valve's thresholds and a little above field capacity; the valve is shut."""
        moisture_pct = parameters["wilting_pct"] + parameters["start_share"] * parameters["available_pct"]
        zeros = np.zeros_like(moisture_pct)
        worn = PARTS.initial(zeros)
        worn["valve_harm"] = parameters["valve_worn_at_start"].copy()
        return {
            **worn,
            "water_mm": moisture_pct * parameters["roots_mm"] * np.float32(0.01),
            "water_rest_mm": zeros,
            "thirsty": zeros.copy(),
            "valve": zeros.copy(),
            "nature_mm_s": zeros.copy(),
            "supply_kpa": parameters["supply_kpa"].copy(),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. `out` holds zeros where a node has no power."""
        PARTS.wear(state, inputs)
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, WAKE_US):
            if start_us % WAKE_US == 0:
                _wake(state, parameters, inputs, inputs.now_us - start_us)
            _soak(state, parameters, inputs, end_us - start_us)
        _measure(state, parameters, inputs, noise, out)
        if inputs.running is not None:
            out *= inputs.running

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new valve, a tight pipe, clean emitters."""
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends first of valve, pipe and emitters."""
        usual_per_s = np.float32(OPENINGS_A_DAY / 86_400.0) / parameters["valve_operations"]
        return PARTS.truth(state, parameters, {"valve": usual_per_s})


# --- soil -------------------------------------------------------------------------------------------------------------


def _wake(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """What is decided at an instant of waking, and what nature does until the next."""
    at = climate.moment(inputs, ago_us)
    share = _available_share(state, parameters)
    _decide(state, parameters, inputs, ago_us, share)

    rain_mm_h = climate.rain_mm_h(climate.cloud_cover(parameters, at))
    driven = inputs.drives.get("rain_mm_h")
    if driven is not None:
        np.copyto(rain_mm_h, driven, where=driven == driven)
    nature = state["nature_mm_s"]
    np.multiply(rain_mm_h, 1.0 / 3600.0, out=nature)

    above_mm = share - 1.0
    np.maximum(above_mm, 0.0, out=above_mm)
    above_mm *= parameters["available_pct"]
    above_mm *= parameters["roots_mm"]
    above_mm *= 0.01
    above_mm *= parameters["drains_per_s"]
    nature -= above_mm

    share *= 1.0 / (1.0 - READY_SHARE)
    share.clip(0.0, 1.0, out=share)
    share *= parameters["crop"]
    share *= evaporation_mm_s(climate.ground_w_m2(parameters, at), climate.air_c(parameters, at))
    nature -= share

    supply_kpa = state["supply_kpa"]
    np.copyto(supply_kpa, PUMPS.at(parameters["sky_phase"], at.now_us))
    supply_kpa += 1.0
    supply_kpa *= parameters["supply_kpa"]


def _decide(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int, share: Values
) -> None:
    """Open below one threshold until above the other, or to flush; who has no power decides nothing."""
    thirsty, valve = state["thirsty"], state["valve"]
    wants = share < parameters["open_share"]
    wants |= (thirsty > 0.0) & (share < parameters["shut_share"])
    flushes = parameters["flush_wake"] == (inputs.calendar_us - ago_us) // WAKE_US % WAKES_A_DAY
    awake = True if inputs.running is None else inputs.running
    shut: Mask = valve == 0.0
    np.copyto(thirsty, wants, where=awake)
    np.copyto(valve, wants | flushes, where=awake)
    shut &= valve > 0.0
    opened = np.flatnonzero(shut)
    if len(opened):
        PARTS.count(state, "valve", opened, 1.0 / parameters["valve_operations"][opened])


def _available_share(state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Values:
    """Water above the wilting point over what field capacity holds: float32 (n,), new."""
    share = state["water_mm"] * 100.0
    share /= parameters["roots_mm"]
    share -= parameters["wilting_pct"]
    share /= parameters["available_pct"]
    return share


def evaporation_mm_s(light_w_m2: Values, air_c: Values) -> Values:
    """Reference evapotranspiration under this light on level ground: float32, new; `light_w_m2` is overwritten."""
    place = air_c - air.LOWEST_C
    light_w_m2 *= PRIESTLEY_TAYLOR * NET_SHARE / LATENT_J_KG
    light_w_m2 *= looked_up(_radiation_weight(), place)
    return light_w_m2


@cache
def _radiation_weight() -> Table:
    """Slope of the saturation pressure over itself and the psychrometric constant, by degree; nothing below frost."""
    warm_c = air.LOWEST_C + np.arange(int(air.HIGHEST_C - air.LOWEST_C) + 1, dtype=np.float64)
    slope = air.saturation_hpa(warm_c) * (17.62 * 243.12) / ((243.12 + warm_c) * (243.12 + warm_c))
    return table(np.where(warm_c > -1.0, slope / (slope + PSYCHROMETRIC_HPA_K), 0.0))


def _soak(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """Let constant flows fill and empty the root zone."""
    part_mm, _, _ = _flows(state, parameters, inputs)
    part_mm /= parameters["field_m2"]
    part_mm *= 1.0 / 60.0
    part_mm += state["nature_mm_s"]
    part_mm *= np.float32(dt_us / SECOND_US)
    add_to(state["water_mm"], state["water_rest_mm"], part_mm)
    full_mm = parameters["wilting_pct"] + parameters["available_pct"]
    full_mm += PORES_PCT
    full_mm *= parameters["roots_mm"]
    full_mm *= 0.01
    np.clip(state["water_mm"], 0.0, full_mm, out=state["water_mm"])  # what a full soil cannot take runs off


# --- line -------------------------------------------------------------------------------------------------------------


def _flows(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs
) -> tuple[Values, Values, Values]:
    """Flow of the emitters and of the whole line, l/min, and line pressure, kPa: float32 (n,) each, new."""
    opening = _opening(state, parameters, inputs)
    opening *= parameters["emitters"]
    clogged, leaking = inputs.failures.get("clogged-emitter"), inputs.failures.get("pipe-leak")
    if clogged is not None:
        opening *= 1.0 - np.float32(CLOGGED) * clogged
    whole_line = opening.copy()
    if leaking is not None:
        whole_line += np.float32(LEAK) * leaking * parameters["emitters"]

    # Q = c sqrt(p) at the openings and p = supply - pipe Q**2 in the pipe.
    pressure = whole_line * whole_line
    pressure *= parameters["pipe"]
    pressure += 1.0
    np.divide(state["supply_kpa"], pressure, out=pressure)
    root = np.sqrt(pressure)
    opening *= root
    whole_line *= root
    return opening, whole_line, pressure


def _command(state: Mapping[str, Values], inputs: Inputs) -> Values:
    """What the valve is told, 0 shut to 1 open: float32 (n,), new."""
    command = state["valve"].copy()
    driven = inputs.drives.get("valve_pct")
    if driven is not None:
        np.copyto(command, driven * np.float32(0.01), where=driven == driven)
    if inputs.running is not None:
        command *= inputs.running
    return command


def _opening(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> Values:
    """Where the valve is: float32 (n,), new."""
    opening = _command(state, inputs)
    stuck = inputs.failures.get("valve-stuck")
    if stuck is not None:
        opening *= 1.0 - stuck
        opening += stuck * parameters["stuck_at"]
    return opening


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`."""
    moisture, valve, flow, pressure = out
    np.multiply(state["water_mm"], 100.0, out=moisture)
    moisture /= parameters["roots_mm"]
    np.multiply(_command(state, inputs), 100.0, out=valve)
    _, whole_line, line_kpa = _flows(state, parameters, inputs)
    np.copyto(flow, whole_line)
    np.copyto(pressure, line_kpa)

    disturb(moisture, noise[0], MOISTURE_NOISE_PCT)
    disturb_share(flow, noise[1], FLOW_NOISE)
    disturb(pressure, noise[2], PRESSURE_NOISE_KPA)
    keep_within(Irrigation.channels, out)
