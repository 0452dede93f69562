"""A smart building's zone: people, room air, and the machine that heats, cools and ventilates it.

The zone is one body of air, furniture and walls with an effective heat capacity (classes of EN ISO 13790), joined to
the outside air by its envelope and its ventilation. People, their devices and the sun warm it; weather and sun are the
site's (see `climate`). People come by a profile of the week that each zone shifts and scatters in its own way; they
breathe out carbon dioxide into well-mixed air.

The controller decides every `HOLD_S`: it asks for what keeps the set-point and brings the room there within
`RESPONSE_S`, as a well-tuned one does, within what the machine can give. Between two decisions all inputs are constant
and both exponentials, of heat and of air, are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import climate, register
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform, whole
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

HOLD_S: Final = 900
HOLD_US: Final = HOLD_S * SECOND_US

# --- people -----------------------------------------------------------------------------------------------------------

_WORKDAY = (0, 0, 0, 0, 0, 0, 2, 20, 65, 90, 95, 95, 70, 75, 92, 92, 85, 60, 25, 8, 4, 1, 0, 0)
_SATURDAY = (0, 0, 0, 0, 0, 0, 0, 2, 8, 12, 14, 12, 8, 6, 6, 5, 2, 0, 0, 0, 0, 0, 0, 0)
_SUNDAY = (0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 4, 4, 3, 3, 4, 4, 2, 0, 0, 0, 0, 0, 0, 0)
PRESENCE: Final = week(_WORKDAY, _SATURDAY, _SUNDAY, 4) / np.float32(100.0)
"""Share of the seats that are taken, by quarter hours: offices and schools (assumed, in the manner of EN 16798-1)."""
CROWD: Final = Wander(5, HOLD_US, {1: 0.08, 4: 0.10, 64: 0.08})
"""By which more or fewer people come than usual, as a share."""
SHIFT_ENTRIES: Final = 16
"""A zone's day begins up to eight quarter hours early or late."""
M2_A_SEAT: Final = (6.0, 14.0)
SEATS: Final = (4.0, 40.0)
PERSON_W: Final = 75.0
"""Sensible heat of somebody at a desk (EN 16798-1)."""
PERSON_L_H: Final = 18.0
"""Carbon dioxide of somebody at a desk (0.005 l/s; ASTM D6245 for 1.2 met)."""

# --- room -------------------------------------------------------------------------------------------------------------

LOSS_W_K_M2: Final = (0.7, 1.8)
"""Envelope of a zone with one or two outer walls, per floor area."""
HEAT_J_K_M2: Final = (80e3, 260e3)
"""From very light to heavy (EN ISO 13790, table 12)."""
HEIGHT_M: Final = 2.8
WINDOW_SHARE: Final = (0.02, 0.06)
"""Sun on level ground that gets into the room, per floor area: glass, its angle, blinds (assumed)."""
DEVICES_W_M2: Final = 7.0
"""Computers and light when all seats are taken; a tenth of it always."""
OUTSIDE_PPM: Final = 425.0
AIR_J_K_M3: Final = 1206.0
LEAKS_PER_H: Final = 0.15
"""Air changes through cracks."""
OPEN_PER_H: Final = 6.0
"""Air changes through windows wide open (assumed: one side, a little wind)."""

# --- machine ----------------------------------------------------------------------------------------------------------

AIR_M3_H_SEAT: Final = 36.0
"""Fresh air: class II of EN 16798-1."""
RECOVERED: Final = 0.75
"""Of the heat in the air that the machine exchanges."""
RESTING_FAN: Final = 0.2
FAN_W_M3_H: Final = 0.45
"""Fan power at full flow: SFP 3 of EN 16798-3."""
PERFORMANCE: Final = (2.6, 3.8)
"""Heat moved over power taken by the compressor, of a heat pump that heats and cools."""
HEATS_W_M2, COOLS_W_M2 = (60.0, 90.0), 80.0
SET_POINT_C: Final = (20.5, 22.5)
COOLING_ABOVE_K: Final = 2.5
SETBACK_K: Final = 3.0
"""Away from both set-points while hardly anybody is there."""
PRESENT: Final = 0.04
RESPONSE_S: Final = 2_700.0
CLOGGED_FLOW, CLOGGED_HEAT, CLOGGED_FAN = 0.55, 0.40, 0.50
"""What the worst filter takes from the flow and from the machine's power to heat, and adds to the fan's consumption."""

# --- what wears -------------------------------------------------------------------------------------------------------

PARTS: Final = WornParts(
    # First stages are changed once a year (VDI 6022 part 1, EN 16798-3).
    # Open windows bring the dust of the street.
    WornPart(
        "filter", "the air filter", 1.1 * YEAR_H, 5.0, {"window-open": 2.0 * YEAR_H}, breaks={"filter-clogged": 1.0}
    ),
    # Twice the running time behind open windows, longer runs behind a clogged filter (assumed).
    WornPart(
        "compressor",
        "the compressor",
        15.0 * YEAR_H,
        3.0,
        {"window-open": 12.0 * YEAR_H, "filter-clogged": 20.0 * YEAR_H},
        {"hvac-off": 1.0},
    ),
)
"""Life of a compressor: ASHRAE Handbook, HVAC Applications, service life of heat pumps. A filter at its end is noticed
by a pressure switch; that its resistance rises late is taken as not to be felt before."""

TEMPERATURE_NOISE_K: Final = 0.04
CO2_NOISE_PPM: Final = 6.0
POWER_NOISE: Final = 0.005
"""Of the value."""


class Building:
    """Zone of a smart building. See `MachineKind` for the contract."""

    name = "building"
    summary = "zone of a smart building: people, room temperature, carbon dioxide, power and energy of its HVAC"
    channels: tuple[Channel, ...] = (
        Channel("people", "1", 0.0, 500.0, 1.0, by_event=True),
        Channel("room_temperature_c", "C", -40.0, 85.0, 0.01),
        Channel("co2_ppm", "ppm", 0.0, 5_000.0, 1.0),
        Channel("hvac_power_w", "W", 0.0, 50_000.0, 1.0, 25_000.0),
        register.channel("hvac_energy_kwh"),
    )
    every_us = 60 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("seats", "1", 1.0, 300.0, "people who fit in"),
        Quantity("floor_m2", "m2", 8.0, 3_000.0, "floor area"),
        Quantity("loss_w_k_m2", "W/(K m2)", 0.1, 10.0, "heat lost through the envelope, per floor area"),
        Quantity("heat_j_k_m2", "J/(K m2)", 20e3, 600e3, "effective heat capacity, per floor area"),
        Quantity("set_point_c", "C", 10.0, 30.0, "room temperature below which it is heated"),
        Quantity("performance", "1", 1.0, 6.0, "heat moved over power taken"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (
        Quantity("set_point_c", "C", 10.0, 30.0, "set-point of heating, day and night"),
        Quantity("people", "1", 0.0, 300.0, "people in the zone"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "hvac-off",
            "the machine gives less, then nothing: the room drifts towards the weather and its air grows stale",
            ("hvac_power_w", "room_temperature_c"),
        ),
        FailureMode(
            "window-open",
            "windows stay open: fresh air, and heating or cooling for the street",
            ("co2_ppm", "hvac_power_w"),
        ),
        FailureMode(
            "filter-clogged",
            "less air for more fan power: stale air when people are in, and a weaker machine",
            ("co2_ppm", "hvac_power_w"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `climate.of_place`, and
            seats, floor_m2, loss_w_k_m2, heat_j_k_m2, set_point_c, performance: as set.
            window_share: of the sun on level ground that comes in. heats_w_m2: most that the machine heats with.
            shift_entry: quarter hours by which the day is late. crowd_phase: in `CROWD`. start_wh: of the register.
        """
        seats = np.rint(uniform(draws(0), *SEATS)).astype(np.float32)
        return climate.of_place(place) | {
            "seats": seats,
            "floor_m2": seats * uniform(draws(1), *M2_A_SEAT),
            "loss_w_k_m2": uniform(draws(2), *LOSS_W_K_M2),
            "heat_j_k_m2": uniform(draws(3), *HEAT_J_K_M2),
            "set_point_c": uniform(draws(4), *SET_POINT_C),
            "performance": uniform(draws(5), *PERFORMANCE),
            "window_share": uniform(draws(6), *WINDOW_SHARE),
            "heats_w_m2": uniform(draws(7), *HEATS_W_M2),
            "shift_entry": whole(draws(8), SHIFT_ENTRIES) - np.float32(SHIFT_ENTRIES // 2),
            "crowd_phase": phase(draws(9)),
            "start_wh": uniform(draws(10), 0.0, 0.999 * register.FULL_WH),
            **PARTS.parameters(draws),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """At the set-point with fresh air and nobody in; the first decision comes with the first instant."""
        room_c = parameters["set_point_c"].copy()
        zeros = np.zeros_like(room_c)
        return {
            "room_c": room_c,
            "co2_ppm": np.full_like(room_c, OUTSIDE_PPM),
            "energy_wh": parameters["start_wh"].copy(),
            "energy_rest_wh": zeros,
            "people": zeros.copy(),
            "fan": zeros.copy(),
            "outside_c": parameters["mean_c"].copy(),
            "gains_w": zeros.copy(),
            "thermal_w": zeros.copy(),
            **PARTS.initial(zeros),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. `out` holds zero power where the machine has none."""
        PARTS.wear(state, inputs)
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, HOLD_US):
            if start_us % HOLD_US == 0:
                _decide(state, parameters, inputs, inputs.now_us - start_us)
            work = _work(state, parameters, inputs)
            _live(state, parameters, work, end_us - start_us)
        _measure(state, work, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new filter and a new compressor."""
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends first of filter and compressor."""
        return PARTS.truth(state, parameters)


class _Work(NamedTuple):
    """What the machine does and the zone exchanges with the outside: float32 (n,) each."""

    thermal_w: Values
    power_w: Values
    loss_w_k: Values
    air_m3_s: Values


# --- decisions --------------------------------------------------------------------------------------------------------


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """What people, weather and controller do until the next decision."""
    at = climate.moment(inputs, ago_us)
    floor_m2, seats = parameters["floor_m2"], parameters["seats"]
    entry = parameters["shift_entry"].astype(np.int32)
    np.subtract(of_week_us(inputs, ago_us) // HOLD_US, entry, out=entry)
    presence = PRESENCE.take(entry, mode="wrap")
    people = state["people"]
    np.copyto(people, CROWD.at(parameters["crowd_phase"], at.now_us))
    people += 1.0
    people *= presence
    people *= seats
    driven = inputs.drives.get("people")
    if driven is not None:
        np.copyto(people, driven, where=driven == driven)
    np.rint(people, out=people)
    np.maximum(people, 0.0, out=people)

    used = people / seats
    busy = (used > 0.0) | (presence > PRESENT)
    fan = state["fan"]
    np.copyto(fan, np.where(busy, np.float32(1.0), np.float32(RESTING_FAN)))
    np.copyto(state["outside_c"], climate.air_c(parameters, at))

    gains = state["gains_w"]
    np.minimum(used, 1.0, out=used)
    used *= 0.9 * DEVICES_W_M2
    used += 0.1 * DEVICES_W_M2
    used += climate.ground_w_m2(parameters, at) * parameters["window_share"]
    used *= floor_m2
    np.multiply(people, PERSON_W, out=gains)
    gains += used
    _control(state, parameters, inputs, busy)


def _control(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, busy: Mask) -> None:
    """Ask for the heat that keeps the set-point and removes a deviation within `RESPONSE_S`."""
    floor_m2 = parameters["floor_m2"]
    away_k = np.where(busy, np.float32(0.0), np.float32(SETBACK_K))
    lowest_c = parameters["set_point_c"] - away_k
    driven = inputs.drives.get("set_point_c")
    if driven is not None:
        given = driven == driven
        np.copyto(lowest_c, driven, where=given)
        np.copyto(away_k, np.float32(0.0), where=given)
    highest_c = lowest_c + (away_k + away_k)
    highest_c += COOLING_ABOVE_K

    loss_w_k, _ = _exchange(state, parameters, inputs)
    quick_w_k = parameters["heat_j_k_m2"] * floor_m2
    quick_w_k *= 1.0 / RESPONSE_S
    free_w = state["outside_c"] * loss_w_k
    free_w += state["gains_w"]
    free_w += state["room_c"] * quick_w_k
    quick_w_k += loss_w_k
    heating = np.maximum(lowest_c * quick_w_k - free_w, 0.0)
    cooling = np.minimum(highest_c * quick_w_k - free_w, 0.0)

    most_w = parameters["heats_w_m2"] * floor_m2
    least_w = floor_m2 * -COOLS_W_M2
    clogged = inputs.failures.get("filter-clogged")
    if clogged is not None:
        weaker = 1.0 - np.float32(CLOGGED_HEAT) * clogged
        most_w *= weaker
        least_w *= weaker
    np.minimum(heating, most_w, out=heating)
    np.maximum(cooling, least_w, out=cooling)
    np.add(heating, cooling, out=state["thermal_w"])


# --- between decisions ------------------------------------------------------------------------------------------------


def _exchange(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> tuple[Values, Values]:
    """Heat lost per kelvin, W/K, and air exchanged with the outside, m3/s: float32 (n,) each, new."""
    moved_m3_s = parameters["seats"] * state["fan"]
    moved_m3_s *= AIR_M3_H_SEAT / 3600.0
    clogged, off = inputs.failures.get("filter-clogged"), inputs.failures.get("hvac-off")
    if clogged is not None:
        moved_m3_s *= 1.0 - np.float32(CLOGGED_FLOW) * clogged
    if off is not None:
        moved_m3_s *= 1.0 - off
    if inputs.running is not None:
        moved_m3_s *= inputs.running

    through_m3_s = parameters["floor_m2"] * (HEIGHT_M * LEAKS_PER_H / 3600.0)
    opened = inputs.failures.get("window-open")
    if opened is not None:
        through_m3_s *= 1.0 + np.float32(OPEN_PER_H / LEAKS_PER_H) * opened
    loss_w_k = moved_m3_s * (1.0 - RECOVERED)
    loss_w_k += through_m3_s
    loss_w_k *= AIR_J_K_M3
    loss_w_k += parameters["loss_w_k_m2"] * parameters["floor_m2"]
    through_m3_s += moved_m3_s
    return loss_w_k, through_m3_s


def _work(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> _Work:
    """What the machine does by its last decision, with what has failed and who has power."""
    loss_w_k, air_m3_s = _exchange(state, parameters, inputs)
    thermal_w = state["thermal_w"].copy()
    fan_w = state["fan"] * state["fan"]  # between even and the cube of the fan laws (assumed)
    fan_w *= parameters["seats"]
    fan_w *= AIR_M3_H_SEAT * FAN_W_M3_H
    clogged, off = inputs.failures.get("filter-clogged"), inputs.failures.get("hvac-off")
    if clogged is not None:
        fan_w *= 1.0 + np.float32(CLOGGED_FAN) * clogged
    if off is not None:
        thermal_w *= 1.0 - off
        fan_w *= 1.0 - off
    if inputs.running is not None:
        thermal_w *= inputs.running
        fan_w *= inputs.running
    power_w = np.abs(thermal_w)
    power_w /= parameters["performance"]
    power_w += fan_w
    return _Work(thermal_w, power_w, loss_w_k, air_m3_s)


def _live(state: Mapping[str, Values], parameters: Mapping[str, Values], work: _Work, dt_us: int) -> None:
    """Let heat and air go on with constant inputs, and count the energy."""
    dt_s = np.float32(dt_us / SECOND_US)
    room_c, co2_ppm = state["room_c"], state["co2_ppm"]
    way = work.thermal_w + state["gains_w"]
    way /= work.loss_w_k
    way += state["outside_c"]
    way -= room_c
    taus = work.loss_w_k * dt_s
    taus /= parameters["heat_j_k_m2"]
    taus /= parameters["floor_m2"]
    way *= gone(taus)
    room_c += way

    np.multiply(state["people"], PERSON_L_H / 3600.0 * 1000.0, out=way)  # 1e-3 m3 a litre, 1e6 ppm
    way /= work.air_m3_s
    way += OUTSIDE_PPM
    way -= co2_ppm
    taus = work.air_m3_s * dt_s
    taus /= parameters["floor_m2"]
    taus *= 1.0 / HEIGHT_M
    way *= gone(taus)
    co2_ppm += way
    register.count(state, work.power_w, dt_us)


def _measure(state: Mapping[str, Values], work: _Work, noise: Values, out: Values) -> None:
    """Fill `out`."""
    for row, true in zip(
        out, (state["people"], state["room_c"], state["co2_ppm"], work.power_w, register.shown_kwh(state)), strict=True
    ):
        np.copyto(row, true)
    _, room_c, co2_ppm, power_w, _ = out
    disturb(room_c, noise[0], TEMPERATURE_NOISE_K)
    disturb(co2_ppm, noise[1], CO2_NOISE_PPM)
    disturb_share(power_w, noise[2], POWER_NOISE)
    keep_within(Building.channels, out)
