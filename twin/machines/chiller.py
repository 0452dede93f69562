"""A water chiller on a roof: R134a, an air-cooled condenser, one compressor that is on or off.

Rooms warm the water of a buffer tank; a thermostat starts the compressor above the set-point by half its differential
and stops it as far below. While it runs, `vapour_cycle` tells evaporating and condensing temperature, capacity and
power; while it rests, the evaporator takes the temperature of the water and the condenser that of the air, and the
pressures with them (`refrigerant`). A pressure switch stops the compressor before the condenser bursts. The circuit
holds 30 % glycol, so that a starved evaporator may go below zero.

The controller looks every ten seconds, weather and load are renewed every minute; between two looks the water follows a
linear equation, which is solved exactly. Both saturation temperatures settle with time constants of their own.
Magnitudes without another source are assumed: data sheets of 100 kW machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import DAY_US, SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import climate, vapour_cycle
from twinstorm.twin.physics.bearing import IMS_ZA_2115
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.refrigerant import pressure_bar
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.shaken import Shaken, damaged, is_running
from twinstorm.twin.physics.spread import uniform, unit
from twinstorm.twin.physics.waveform import Housing
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

# --- time -------------------------------------------------------------------------------------------------------------

CYCLE_US: Final = 10 * SECOND_US
"""How often the controller decides."""
RENEWED_S: Final = 60
RENEWED_US: Final = RENEWED_S * SECOND_US
"""How long weather and load are held."""
MEMORY_US: Final = 2 * 3600 * SECOND_US
"""Many runs of the compressor: where in its cycle a machine stood before does not matter for what it does."""

# --- load -------------------------------------------------------------------------------------------------------------

_MORNING: Final = (0.35, 0.33, 0.32, 0.32, 0.34, 0.40, 0.52, 0.68, 0.80, 0.88, 0.93, 0.97)
_EVENING: Final = (0.98, 1.00, 1.00, 0.98, 0.92, 0.82, 0.70, 0.60, 0.52, 0.46, 0.42, 0.38)
_HOURS: Final = (*_MORNING, *_EVENING, _MORNING[0])
"""People, lights and machines at each full hour over the busiest, with servers at night (assumed)."""
DAY: Final = np.interp(np.arange(86_400 // RENEWED_S) * (RENEWED_S / 3600.0), np.arange(25), _HOURS).astype(np.float32)
COMFORT_C: Final = 24.0
PER_AMBIENT_K: Final = 0.02
"""Of the load, from walls and fresh air, a kelvin above `COMFORT_C`."""
LEAST_LOAD, MOST_LOAD = 0.08, 1.3
"""Rated capacities."""
ROOM_C: Final = 26.0
"""Air coils warm the water towards this."""
GLYCOL_KJ_L_K: Final = 3.85
"""30 % propylene glycol: 1.03 kg/l times 3.74 kJ/(kg K), ASHRAE Handbook, Fundamentals."""
RETURN_K: Final = 5.0
"""By which the water comes back warmer at rated load."""

# --- machine ----------------------------------------------------------------------------------------------------------

EVAPORATOR_TAU_S: Final = 35.0
CONDENSER_TAU_S: Final = 70.0
SWITCH_OFF_C, SWITCH_ON_C = 71.5, 58.0
"""Condensing temperature of the pressure switch: it opens at 22 and closes at 16 bar absolute."""
FANS: Final = 0.08
"""Power of the condenser's fans over the compressor's rated one."""
CONTROL_KW: Final = 0.25
EMPTIED: Final = 0.9
"""Share of the evaporator that boils nothing any more at full severity of `refrigerant-loss`."""
STARVED_SUPERHEAT: Final = 0.97
"""Gas of a starved evaporator has gone this far from boiling to the temperature of the returning water."""
FOULED: Final = 0.65
"""Share of the condenser that dirt has closed at full severity of `fouled-condenser`."""
NARROWED: Final = 0.92
"""Share of the thermostat's differential that is lost at full severity of `short-cycling`."""
LOWEST_WATER_C: Final = -14.0
"""The glycol turns to slush and gives its heat of freezing."""

# --- what wears -------------------------------------------------------------------------------------------------------

OPERATIONS: Final = (200_000.0, 400_000.0)
"""Starts after which contactor and motor of the compressor are worn out (assumed; makers allow ten an hour)."""
CHARGE: Final = "charge"
PARTS: Final = WornParts(
    # Of what may leak until the evaporator starves; above that the receiver makes up for it, and nothing is felt. At
    # some 3 % of the charge a year (IPCC 2006 guidelines, vol. 3, table 7.9: chillers 2 to 15 %) of a third (assumed).
    WornPart(
        CHARGE,
        "the refrigerant charge above what the evaporator needs",
        12.0 * YEAR_H,
        2.0,
        breaks={"refrigerant-loss": 1.0},
    ),
    # Hot gas breaks the oil down: 20 K more are a quarter of the life (10 K rule).
    WornPart("compressor", "the compressor", 18.0 * YEAR_H, 3.0, {"fouled-condenser": 6.0 * YEAR_H}),
    WornPart("contactor", "the contactor", spoils_h={"short-cycling": 1.0 * YEAR_H}, counted=True),
)

COMPRESSOR_RPM: Final = 2950.0
COMPRESSOR_MM_S: Final = 0.8
COMPRESSOR_M_S2: Final = 2.0
"""Speed of a two-pole motor on 50 Hz, its imbalance, and the noise of the gas on its housing, rms (assumed); no channel
tells vibration. Its bearing is that of a published test rig with a shaft of such a size."""

# --- sensors ----------------------------------------------------------------------------------------------------------

NOISE: Final = (0.03, 0.012, 0.04, 0.15, 0.03, 0.0)
"""Standard deviation of each channel, in its unit; starts are counted."""
COUNT_S: Final = 3600.0


class Chiller:
    """Vapour-compression chiller. See `MachineKind` for the contract."""

    name = "chiller"
    summary = "R134a water chiller: water temperature, absolute pressures, superheat, power, starts of the compressor"
    channels: tuple[Channel, ...] = (
        Channel("water_temperature_c", "C", -20.0, 60.0, 0.01),
        Channel("suction_pressure_bar", "bar", 0.0, 16.0, 0.002),
        Channel("discharge_pressure_bar", "bar", 0.0, 40.0, 0.005),
        Channel("superheat_k", "K", 0.0, 60.0, 0.05),
        Channel("power_kw", "kW", 0.0, 250.0, 0.01),
        Channel("starts_per_h", "1/h", 0.0, 200.0, 0.05, by_event=True),
    )
    every_us = CYCLE_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("capacity_kw", "kW", 20.0, 300.0, "rated capacity: water at 7 C, air at 32 C"),
        Quantity("cop", "", 2.0, 5.0, "rated capacity over rated power of the compressor"),
        Quantity("set_point_c", "C", -5.0, 18.0, "middle of the thermostat's differential"),
        Quantity("differential_k", "K", 0.2, 8.0, "from where the compressor stops to where it starts"),
        Quantity("water_l_kw", "l/kW", 3.0, 60.0, "water in circuit and buffer tank for each kW of capacity"),
        Quantity("duty_share", "", 0.1, 1.2, "load in the busiest hour over capacity; a small one: oversized"),
        Quantity("contactor_operations", "1", 1.0, 1e8, "starts after which the contactor is worn out"),
        Quantity("contactor_worn_at_start", "1", 0.0, 1.0, "share of them that it has done at the start"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (
        Quantity("ambient_c", "C", -20.0, 50.0, "air at the condenser"),
        Quantity("load_share", "", LEAST_LOAD, MOST_LOAD, "heat from the rooms to water of 7 C, over rated capacity"),
        Quantity("set_point_c", "C", -5.0, 18.0, "middle of the thermostat's differential"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "refrigerant-loss",
            "the charge leaks: a starved evaporator boils colder, the gas leaves hot, both pressures and capacity fall",
            ("suction_pressure_bar", "discharge_pressure_bar", "superheat_k"),
        ),
        FailureMode(
            "short-cycling",
            "the thermostat has lost its differential: the compressor starts many times an hour",
            ("starts_per_h",),
        ),
        FailureMode(
            "fouled-condenser",
            "dirt on the fins: condensing temperature, discharge pressure and power rise until a pressure switch opens",
            ("discharge_pressure_bar", "power_kw"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            the settable ones, and
            evaporator, condenser: heat transfer over the typical one.
            expansion: how far the gas goes from boiling to the temperature of the returning water.
            late_entries: by which the day of the site lags behind `DAY`.
            at_start: where in its cycle the machine stands, 0 to 1 from one start to the next.
            mean_c, year_k, day_cos_k, day_sin_k, front_cos, front_sin: of the site, see `climate`.
        """
        outside = climate.of_place(place)
        climate_names = ("mean_c", "year_k", "day_cos_k", "day_sin_k", "front_cos", "front_sin")
        return {
            "capacity_kw": uniform(draws(0), 80.0, 140.0),
            "cop": uniform(draws(1), 3.0, 3.6),
            "set_point_c": uniform(draws(2), 5.5, 8.5),
            "differential_k": uniform(draws(3), 2.4, 4.0),
            "water_l_kw": uniform(draws(4), 18.0, 28.0),
            "duty_share": uniform(draws(5), 0.45, 0.75),
            "evaporator": uniform(draws(6), 0.92, 1.08),
            "condenser": uniform(draws(7), 0.90, 1.10),
            "expansion": uniform(draws(8), 0.45, 0.60),
            "late_entries": (unit(place.of_site(20)) * (5400.0 / RENEWED_S)).astype(np.int64).astype(np.float32),
            "at_start": uniform(draws(9), 0.0, 1.0),
            "contactor_operations": uniform(draws(10), *OPERATIONS),
            "contactor_worn_at_start": uniform(draws(11), 0.0, 0.6),
            **PARTS.parameters(draws),
            **{name: outside[name] for name in climate_names},
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Somewhere between two starts: cooling in the first half of the way, then warming."""
        on = parameters["at_start"] < np.float32(0.5)
        from_middle = np.abs(np.float32(2.0) * parameters["at_start"] - np.float32(1.0)) - np.float32(0.5)
        # Falling from the top while it runs, rising from the bottom while it rests.
        water = parameters["set_point_c"] + from_middle * parameters["differential_k"]
        mean = parameters["mean_c"]
        worn = PARTS.initial(mean)
        worn["contactor_harm"] = parameters["contactor_worn_at_start"].copy()
        return {
            **worn,
            "water_c": water,
            "seen_c": water.copy(),
            "on": on.astype(np.float32),
            "evaporating_c": np.where(on, water - np.float32(5.0), water),
            "condensing_c": np.where(on, np.maximum(mean + np.float32(12.0), np.float32(28.0)), mean),
            "starts_per_h": _usual_starts(parameters),
            "outside_c": mean.copy(),
            "load": parameters["duty_share"] * np.float32(0.6),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. Without power the compressor rests; the rooms go on warming the water.

        A step beyond `MEMORY_US` lets machines that work go through that time only.
        """
        PARTS.wear(state, inputs)
        self._start_unseen(state, parameters, inputs)
        ills = _ills(state, parameters, inputs)
        if inputs.running is not None:
            state["on"][...] *= inputs.running
            _warm_forgotten(state, parameters, inputs, ~inputs.running)
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, CYCLE_US, MEMORY_US):
            if start_us % RENEWED_US == 0:
                _renew(state, parameters, inputs, inputs.now_us - start_us)
            if start_us % CYCLE_US == 0:
                _decide(state, parameters, inputs)
            _work(state, parameters, inputs, ills, (end_us - start_us) / SECOND_US)
        _tell(state, parameters, inputs, noise, out)

    def _start_unseen(self, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
        """Count the usual starts of the time of a long step that nobody goes through."""
        unseen_s = np.float32((inputs.dt_us - MEMORY_US) / SECOND_US)
        if unseen_s > 0.0:
            working = np.arange(len(state["on"])) if inputs.running is None else np.flatnonzero(inputs.running)
            usual = self._usual_wear_per_s(parameters)[working] + state["contactor_haste"][working]
            PARTS.count(state, "contactor", working, usual * unseen_s)

    @staticmethod
    def _usual_wear_per_s(parameters: Mapping[str, Values]) -> Values:
        """Of the contactor: share of its life."""
        return _usual_starts(parameters) * np.float32(1.0 / COUNT_S) / parameters["contactor_operations"]

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A full charge, a new compressor and a new contactor; the water stays as warm as it is."""
        PARTS.renew(state, parameters, rows)

    def shaken(self, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, key: int) -> Shaken:
        """See `Shaking`. Bearings of a compressor break out late, as others do: by the fourth power of its wear."""
        runs = float(state["on"][0]) > 0.0 and is_running(inputs)
        worn = float(PARTS.worn("compressor", state, parameters)[0])
        square = worn * worn
        return Shaken(
            "ZA-2115, one row",
            IMS_ZA_2115,
            COMPRESSOR_RPM / 60.0 if runs else 0.0,
            damaged(key, square * square, COMPRESSOR_MM_S),
            Housing(resonance_hz=4_500.0, noise_m_s2=COMPRESSOR_M_S2 if runs else Housing().noise_m_s2),
            load="compressor runs" if runs else "compressor rests",
        )

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends first of charge, compressor and contactor."""
        return PARTS.truth(state, parameters, {"contactor": self._usual_wear_per_s(parameters)})


def _usual_starts(parameters: Mapping[str, Values]) -> Values:
    """Starts an hour at the mean load, when rest and run are as long as the water takes over the differential."""
    load = parameters["duty_share"] * np.float32(0.6)
    through_s = parameters["differential_k"] * parameters["water_l_kw"] * np.float32(GLYCOL_KJ_L_K)
    return np.float32(COUNT_S) * load * (np.float32(1.0) - load) / through_s


def _lost(state: Mapping[str, Values]) -> Values | None:
    """How far the evaporator starves: what has leaked does not come back by itself. None: nowhere."""
    lost = state[f"{CHARGE}_broken"]
    return lost if lost.any() else None


def _ills(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> tuple[Values, Values]:
    """Heat transfer of evaporator and condenser, 1/K."""
    evaporator = parameters["evaporator"] * np.float32(vapour_cycle.EVAPORATOR)
    lost = _lost(state)
    if lost is not None:
        evaporator *= np.float32(1.0) - lost * np.float32(EMPTIED)
    condenser = vapour_cycle.condenser(parameters["cop"])
    condenser *= parameters["condenser"]
    fouled = inputs.failures.get("fouled-condenser")
    if fouled is not None:
        condenser *= np.float32(1.0) - fouled * np.float32(FOULED)
    return evaporator, condenser


def _renew(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """Weather and load by the machine's own rule."""
    np.copyto(state["outside_c"], climate.air_c(parameters, climate.moment(inputs, ago_us)))
    entry = parameters["late_entries"].astype(np.int32)
    np.subtract((inputs.calendar_us - ago_us) % DAY_US // RENEWED_US + len(DAY), entry, out=entry)
    entry %= len(DAY)
    load = _given(inputs.drives.get("ambient_c"), state["outside_c"])
    load -= COMFORT_C
    load *= PER_AMBIENT_K
    load += 1.0
    load *= DAY.take(entry)
    load *= parameters["duty_share"]
    np.clip(load, LEAST_LOAD, MOST_LOAD, out=state["load"])


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
    """Thermostat and pressure switch, each with its own difference between on and off.

    `seen_c` is the water at this look: until the next one the refrigerant is what it asks for.
    """
    half = parameters["differential_k"] * np.float32(0.5)
    narrowed = inputs.failures.get("short-cycling")
    if narrowed is not None:
        half *= np.float32(1.0) - narrowed * np.float32(NARROWED)
    np.copyto(state["seen_c"], state["water_c"])
    above = state["water_c"] - _given(inputs.drives.get("set_point_c"), parameters["set_point_c"])
    was = state["on"] > 0.0
    on = above > half
    np.negative(half, out=half)
    on |= was & (above > half)
    limit = state["on"] * np.float32(SWITCH_OFF_C - SWITCH_ON_C)
    limit += SWITCH_ON_C
    on &= state["condensing_c"] < limit
    if inputs.running is not None:
        on &= inputs.running
    np.copyto(state["on"], on)
    on &= ~was
    state["starts_per_h"][...] += on
    started = np.flatnonzero(on)
    if len(started):
        PARTS.count(state, "contactor", started, 1.0 / parameters["contactor_operations"][started])


def _work(
    state: Mapping[str, Values],
    parameters: Mapping[str, Values],
    inputs: Inputs,
    ills: tuple[Values, Values],
    dt_s: float,
) -> None:
    """Water and refrigerant over a time in which nothing is decided."""
    water, on = state["water_c"], state["on"]
    ambient = _given(inputs.drives.get("ambient_c"), state["outside_c"])
    seen = state["seen_c"]
    settled = vapour_cycle.balance(seen, ambient, *ills, parameters["cop"])

    per_k = _coils(state, inputs)
    heat = ROOM_C - water
    heat *= per_k
    taken = water - seen
    taken *= settled.per_k
    taken += settled.capacity
    taken *= on
    heat -= taken
    per_k += settled.per_k * on
    heat /= per_k
    per_k *= np.float32(dt_s / GLYCOL_KJ_L_K)
    per_k /= parameters["water_l_kw"]
    heat *= gone(per_k)

    evaporating, condensing = settled.evaporating_c, settled.condensing_c
    evaporating -= seen
    evaporating *= on
    evaporating += seen
    evaporating -= state["evaporating_c"]
    condensing -= ambient
    condensing *= on
    condensing += ambient
    condensing -= state["condensing_c"]
    evaporator_share, condenser_share, counted = _shares(dt_s)
    evaporating *= evaporator_share
    condensing *= condenser_share
    state["evaporating_c"][...] += evaporating
    state["condensing_c"][...] += condensing
    state["starts_per_h"][...] *= counted
    water += heat
    np.maximum(water, LOWEST_WATER_C, out=water)


def _coils(state: Mapping[str, Values], inputs: Inputs) -> Values:
    """Heat from the rooms a kelvin between them and the water, rated capacities: new."""
    load = _given(inputs.drives.get("load_share"), state["load"])
    load *= 1.0 / (ROOM_C - vapour_cycle.RATED_COOLED_C)
    return load


@lru_cache(maxsize=64)
def _shares(dt_s: float) -> tuple[float, float, float]:
    """Of its way that each saturation temperature goes; what is left of the starts that were counted."""
    return (
        1.0 - exact.exp(-dt_s / EVAPORATOR_TAU_S),
        1.0 - exact.exp(-dt_s / CONDENSER_TAU_S),
        exact.exp(-dt_s / COUNT_S),
    )


def _warm_forgotten(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, stopped: np.ndarray
) -> None:
    """Water of machines without power over the time that lies beyond the memory of those that work."""
    forgotten_us = inputs.dt_us - MEMORY_US
    if forgotten_us > 0:
        taus = _coils(state, inputs) * np.float32(forgotten_us / SECOND_US / GLYCOL_KJ_L_K)
        taus /= parameters["water_l_kw"]
        state["water_c"][...] += (ROOM_C - state["water_c"]) * gone(taus) * stopped


def _tell(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`."""
    water, suction, discharge, superheat, power, starts = out
    np.copyto(water, state["water_c"])
    np.copyto(suction, pressure_bar(state["evaporating_c"]))
    np.copyto(discharge, pressure_bar(state["condensing_c"]))

    share = parameters["expansion"]
    lost = _lost(state)
    if lost is not None:
        share = share + lost * (np.float32(STARVED_SUPERHEAT) - share)
    np.multiply(_given(inputs.drives.get("load_share"), state["load"]), RETURN_K, out=superheat)
    superheat += water
    superheat -= state["evaporating_c"]
    superheat *= share

    np.copyto(power, vapour_cycle.power(state["evaporating_c"], state["condensing_c"]))
    power += FANS
    power *= state["on"]
    power *= parameters["capacity_kw"]
    power /= parameters["cop"]
    power += CONTROL_KW
    np.copyto(starts, state["starts_per_h"])
    for row, (channel, size) in enumerate(zip(Chiller.channels, NOISE, strict=True)):
        noise[row] *= size
        out[row] += noise[row]
        np.clip(out[row], channel.lowest, channel.highest, out=out[row])


def _given(drive: Values | None, own: Values) -> Values:
    """What is set from outside, or the machine's own rule; always a new array."""
    return own.copy() if drive is None else np.where(np.isnan(drive), own, drive)
