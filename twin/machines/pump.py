"""A centrifugal pump on a network of consumers: it works where its curve meets that of the pipes.

An end-suction pump of some 100 m3/h with a speed-controlled motor of 15 kW. Consumers open and close valves; the drive
follows the demand on a straight line; `pump_curves` tells flow, heads and power. What the water does not carry off as
useful power warms it and the casing: not to be felt in a stream, soon at a closed valve, and most where a seal rubs
without liquid. The bearing wears with the hours of work and shows it late.

The control system looks at the demand every minute and holds it; between two looks all is integrated exactly. All
pressures are absolute, at the level of the shaft. Magnitudes without another source are assumed, as is usual for pumps
to ISO 2858.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import DAY_US, SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.bearing import BALL_6309, ISO_10816_7_MM_S, rating_life_hours, weibull_scale
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.pump_curves import EFFICIENCY, Asked, Duty, Ills, meet
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.shaken import RESIDUAL, Shaken, damaged
from twinstorm.twin.physics.spread import uniform, unit, weibull, whole
from twinstorm.twin.physics.waveform import Housing
from twinstorm.twin.physics.worn_parts import WornPart, WornParts, sooner

# --- demand -----------------------------------------------------------------------------------------------------------

CYCLE_S: Final = 60
CYCLE_US: Final = CYCLE_S * SECOND_US
"""How long the control system holds what it saw of the demand."""
MEMORY_US: Final = 16_200 * SECOND_US
"""Seven time constants of the slowest temperature."""
_MORNING: Final = (0.48, 0.44, 0.42, 0.42, 0.45, 0.58, 0.80, 0.95, 0.92, 0.84, 0.78, 0.76)
_AFTERNOON: Final = (0.80, 0.76, 0.70, 0.68, 0.72, 0.82, 0.94, 1.00, 0.94, 0.80, 0.66, 0.54)
"""Demand at each full hour over that of the busiest, as waterworks see it: a morning and an evening peak (assumed)."""
_ENTRY_H: Final = CYCLE_S / 3600.0
_HOURS: Final = (*_MORNING, *_AFTERNOON, _MORNING[0])
DAY: Final = np.interp(np.arange(86_400 // CYCLE_S) * _ENTRY_H, np.arange(25), _HOURS).astype(np.float32)
CONSUMERS: Final = np.array(
    [
        [1.00, 0.94, 0.94, 1.05, 1.05, 1.05, 0.98, 0.98, 1.10, 1.10, 0.90, 0.90, 0.90, 1.00, 1.06, 1.06],
        [0.95, 0.95, 0.95, 0.95, 1.03, 1.03, 0.97, 1.08, 1.08, 1.08, 0.92, 0.92, 1.00, 1.00, 1.04, 0.96],
    ],
    np.float32,
).repeat(8)
"""Large consumers that come and go, eight minutes each, over four hours; every pump has a phase of its own in it."""
VESSEL_DROP: Final = 0.08
"""Share of the usual pressure that the suction vessel lacks in the busiest hour."""
SMALLEST_DEMAND, LARGEST_DEMAND = 0.02, 1.2
"""Valves never close wholly; past the end of its curve no pump is run."""

# --- power and heat ---------------------------------------------------------------------------------------------------

BAR_PER_M: Final = 998.2 * 9.80665e-5
"""Water of 20 C."""
MOTOR_EFFICIENCY: Final = 0.90
DRIVE_KW: Final = 0.15
"""What the drive takes by itself."""
IRON_J_K, WATER_J_K = 14e3, 42e3
"""Casing: 30 kg of cast iron and 10 kg of water."""
FILM_W_K: Final = 120.0
"""From casing to the water that flows through."""
CARRIED: Final = 0.001
"""Rated flows at which the water carries off as much heat a kelvin as the film passes on."""
CASING_AIR_W_K: Final = 25.0
"""To the hall and along the pipes."""
SEAL_W, DRY_SEAL_W = 60.0, 1500.0
"""Friction of the shaft seal at rated speed, and what is added without a film of liquid between its faces."""
HOTTEST_C: Final = 145.0
"""The seal gives way and vents: nothing gets hotter."""
BEARING_TAU_S: Final = 1200.0
BEARING_RISE_K: Final = 28.0
"""Over the hall at rated speed."""
WORN_FRICTION: Final = 1.6
"""Friction of a bearing at its end over that of a new one, less 1."""

# --- bearing ----------------------------------------------------------------------------------------------------------

LIFE_SHAPE: Final = 1.5
LIFE_SCALE_S: Final = 3600.0 * weibull_scale(rating_life_hours(55.3, 4.2, 2950.0), LIFE_SHAPE)
"""Ball bearing 6309 (capacity from SKF's catalogue) under 4.2 kN of radial thrust; counted in hours of work."""
SHORTEST_LIFE_S: Final = 3600.0 * 100.0
OLDEST_WEAR: Final = 0.75
WORST_WEAR: Final = 1.1
SPOILT_S: Final = 14 * 86_400.0
"""At full severity of `bearing-wear` (dirt, no grease) a bearing is worn out within this time."""
WORN_OUT_FACTOR: Final = 8.0
"""Vibration of a bearing at its end over that of a smooth pump."""

# --- seal and impeller ------------------------------------------------------------------------------------------------

SEAL: Final = "seal"
PARTS: Final = WornParts(
    # Faces without a film of liquid are burnt within minutes; bubbles that burst shake them open within months.
    WornPart(SEAL, "the shaft seal", spoils_h={"dry-running": 0.25, "cavitation": 2_000.0}, breaks={"seal-leak": 1.0}),
    # Cast iron under violent cavitation: holes within weeks.
    WornPart("impeller", "the impeller", spoils_h={"cavitation": 600.0}),
)
"""Magnitudes assumed, as maintenance handbooks tell them. Sound ones are renewed together with the bearing, before
they wear out: only failures count. A seal that is gone leaks, whatever spoilt it."""

# --- vibration and sensors --------------------------------------------------------------------------------------------

RECIRCULATION: Final = 2.2
"""Vibration over that of the best point, far away from it: 1 + this times (q / n - 1)**2."""
CAVITATION_MM_S: Final = 9.0
DRY_MM_S: Final = 4.0
SYNCHRONOUS_RPM: Final = 2950.0
"""At rated speed: that of the bearing's life."""
QUIET_M_S2, ROAR_M_S2, RUB_M_S2 = 0.5, 18.0, 8.0
"""Noise of the housing, of violent cavitation and of a dry seal, rms (assumed, so that integrated it is no more than
what they add to the velocity)."""
SCATTER: Final = ((0.003, 0.12), (0.004, 0.04), (0.012, 0.35))
"""Of flow (rated ones), suction and discharge pressure (bar): turbulence, and surging at breakdown."""
POWER_NOISE_KW: Final = 0.03
TEMPERATURE_NOISE_K: Final = 0.15
VIBRATION_NOISE: Final = 0.04


class Pump:
    """Centrifugal pump. See `MachineKind` for the contract."""

    name = "pump"
    summary = "centrifugal pump: flow, absolute suction and discharge pressure, power, temperatures, vibration"
    channels: tuple[Channel, ...] = (
        Channel("flow_m3_h", "m3/h", 0.0, 300.0, 0.01),
        Channel("suction_pressure_bar", "bar", 0.0, 10.0, 0.001),
        Channel("discharge_pressure_bar", "bar", 0.0, 20.0, 0.001),
        Channel("power_kw", "kW", 0.0, 60.0, 0.002),
        Channel("casing_temperature_c", "C", -20.0, 150.0, 0.05),
        Channel("bearing_temperature_c", "C", -20.0, 150.0, 0.05),
        Channel("vibration_mm_s", "mm/s", 0.0, 50.0, 0.01, zones=ISO_10816_7_MM_S["II", "small"]),
    )
    every_us = SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("rated_m3_h", "m3/h", 60.0, 150.0, "flow at the best point"),
        Quantity("rated_head_m", "m", 15.0, 50.0, "head at the best point"),
        Quantity("npsh_required_m", "m", 1.0, 8.0, "suction head that the pump needs at the best point"),
        Quantity("vapour_pressure_bar", "bar", 0.005, 1.2, "of the liquid: water of 20 C 0.023, of 90 C 0.7"),
        Quantity("vessel_pressure_bar", "bar", 0.5, 6.0, "in the suction vessel, at the level of the shaft"),
        Quantity("lowest_speed_share", "", 0.6, 1.0, "speed without demand; 1: fixed speed"),
        Quantity(
            "life_rate_per_s", "1/s", 1e-11, 1e-3, "wear of the bearing a second of work; its life is 1 over this"
        ),
        Quantity("wear_at_start", "1", 0.0, 1.0, "share of the bearing's life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (
        Quantity("demand_share", "", 0.0, LARGEST_DEMAND, "what the consumers would take at rated speed, rated flows"),
        Quantity("speed_share", "", 0.0, 1.1, "speed over the rated speed"),
        Quantity("suction_pressure_bar", "bar", 0.05, 6.0, "in the suction vessel, absolute"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "cavitation",
            "a strainer clogs: suction pressure falls to that of vapour; flow surges and falls, the pump rattles",
            ("suction_pressure_bar", "flow_m3_h", "vibration_mm_s"),
        ),
        FailureMode(
            "seal-leak",
            "water is lost through seal and wear rings: less flow and pressure arrive for more power",
            ("flow_m3_h", "discharge_pressure_bar", "power_kw"),
        ),
        FailureMode(
            "dry-running",
            "gas instead of liquid: no pressure difference, no flow, little power, and a seal that runs hot",
            ("flow_m3_h", "discharge_pressure_bar", "power_kw", "casing_temperature_c"),
        ),
        FailureMode(
            "bearing-wear",
            "dirt or no grease in the bearing: it runs hot and rough; what it has worn stays",
            ("bearing_temperature_c", "vibration_mm_s"),
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            the settable ones, and
            consumer: phase in `CONSUMERS`, entries. site_phase: of the site's habits in `DAY`, entries.
            demand_scale: rated flows in the busiest hour.
            liquid_c, ambient_c: of the liquid and the hall.
            smooth_mm_s: vibration as new at the best point.
            bearing_rise: friction over the typical one. life_rate_per_s: wear a second of work.
            wear_at_start: of the bearing.
        """
        life_s = np.maximum(weibull(draws(9), LIFE_SCALE_S, LIFE_SHAPE), SHORTEST_LIFE_S)
        liquid_c = uniform(draws(5), 8.0, 24.0)
        minutes = 120.0 * (unit(place.of_site(0)) - 0.5)
        return {
            "rated_m3_h": uniform(draws(0), 85.0, 115.0),
            "rated_head_m": uniform(draws(1), 27.0, 35.0),
            "npsh_required_m": uniform(draws(2), 2.6, 3.6),
            # Linear between the ends is 15 % high in the middle: 3 mbar, a hand of water.
            "vapour_pressure_bar": (np.float32(0.0107) + (liquid_c - 8.0) * np.float32(0.0012)),
            "vessel_pressure_bar": uniform(draws(3), 1.2, 1.7),
            "lowest_speed_share": uniform(draws(4), 0.78, 0.86),
            "consumer": whole(draws(6), len(CONSUMERS)),
            "site_phase": (minutes * (60.0 / CYCLE_S) + len(DAY)).astype(np.int64).astype(np.float32),
            "demand_scale": uniform(draws(7), 0.80, 1.02),
            "liquid_c": liquid_c,
            "ambient_c": uniform(draws(8), 15.0, 28.0),
            "smooth_mm_s": uniform(draws(10), 0.7, 1.2),
            "bearing_rise": uniform(draws(11), 0.9, 1.12),
            "life_rate_per_s": (1.0 / life_s).astype(np.float32),
            "wear_at_start": uniform(draws(12), 0.02, OLDEST_WEAR),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Warmed up. `demand` and `habit` of the site, and how far a spoilt seal leaks, are as they were seen last."""
        wear = parameters["wear_at_start"].copy()
        friction = wear * wear * wear * wear * np.float32(WORN_FRICTION) + np.float32(1.0)
        rise = parameters["bearing_rise"] * np.float32(0.93 * BEARING_RISE_K)
        return {
            "demand": parameters["demand_scale"] * np.float32(0.7),
            "habit": np.full_like(wear, 0.7),
            "casing_c": parameters["liquid_c"] + np.float32(0.7),
            "bearing_c": parameters["ambient_c"] + rise * friction,
            "wear": wear,
            "wear_rest": np.zeros_like(wear),
            "spoilt_per_s": np.zeros_like(wear),
            "leak": np.zeros_like(wear),
            **PARTS.initial(wear),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. A pump without power stands still: no flow, the pressures of its vessels."""
        _wear(state, parameters, inputs)
        failures = inputs.failures
        worn = _worn(state, failures.get("bearing-wear"))
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, CYCLE_US, MEMORY_US):
            if start_us % CYCLE_US == 0:
                _look(state, parameters, start_us, inputs.calendar_us - (inputs.now_us - start_us))
                _drip(state, parameters, inputs, inputs.now_us - start_us)
            asked = _asked(state, parameters, inputs)
            duty = meet(asked, _ills(state, failures))
            warming = _Warming.of(parameters, asked.speed, duty, (end_us - start_us) / SECOND_US)
            warming.go(state, parameters, worn)
        _tell(parameters, worn, asked.speed, duty, out)
        _disturb(state["casing_c"], state["bearing_c"], parameters, duty, noise, out)

    def repeat(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Sequence[Inputs],
        noise: Values,
        out: Values,
    ) -> None:
        """See `Repeatable`. Where a pump works is worked out anew only when demand is looked at."""
        worn, casing, bearing = np.empty((3, *out.shape[1:]), np.float32)
        asked, first = _asked(state, parameters, inputs[0]), 0
        duty: Duty | None = None
        warming: _Warming | None = None
        for nth, each in enumerate(inputs):
            _wear(state, parameters, each)
            worn[nth] = _worn(state, None)
            for start_us, end_us in parts(each.now_us, each.dt_us, CYCLE_US, MEMORY_US):
                if duty is None or start_us % CYCLE_US == 0:
                    if start_us % CYCLE_US == 0:
                        _look(state, parameters, start_us, each.calendar_us - (each.now_us - start_us))
                        _drip(state, parameters, each, each.now_us - start_us)
                    if duty is not None and nth > first:
                        done = slice(first, nth)
                        speed = np.tile(asked.speed, (nth - first, 1))
                        _tell(parameters, worn[done], speed, duty, out[:, done])
                        _disturb(casing[done], bearing[done], parameters, duty, noise[:, done], out[:, done])
                    first, warming = nth, None
                    asked = _asked(state, parameters, each)
                    duty = meet(asked, _ills(state, {}))
                dt_s = (end_us - start_us) / SECOND_US
                if warming is None or warming.dt_s != dt_s:
                    warming = _Warming.of(parameters, asked.speed, duty, dt_s)
                warming.go(state, parameters, worn[nth])
            casing[nth], bearing[nth] = state["casing_c"], state["bearing_c"]
        assert duty is not None
        rest = slice(first, len(inputs))
        _tell(parameters, worn[rest], np.tile(asked.speed, (len(inputs) - first, 1)), duty, out[:, rest])
        _disturb(casing[rest], bearing[rest], parameters, duty, noise[:, rest], out[:, rest])

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new bearing, a new seal and, if need be, a new impeller."""
        PARTS.renew(state, parameters, rows)
        state["leak"][rows] = 0.0
        state["wear"][rows] = 0.0
        state["wear_rest"][rows] = 0.0

    def shaken(self, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, key: int) -> Shaken:
        """See `Shaking`. Bubbles that burst are a roar without a pitch."""
        asked = _asked(state, parameters, inputs)
        duty = meet(asked, _ills(state, inputs.failures))
        worn = _worn(state, inputs.failures.get("bearing-wear"))
        told = np.zeros((len(self.channels), 1), np.float32)
        _tell(parameters, worn, asked.speed, duty, told)
        speed, roar, severity, velocity_mm_s = (float(one[0]) for one in (asked.speed, duty.bubbles, worn, told[-1]))
        dry = 0.0 if duty.wet is None else 1.0 - float(duty.wet[0])
        return Shaken(
            "6309",
            BALL_6309,
            SYNCHRONOUS_RPM / 60.0 * speed,
            damaged(
                key, min(severity, 1.0), RESIDUAL * float(parameters["smooth_mm_s"][0]) * speed * speed, velocity_mm_s
            ),
            Housing(noise_m_s2=QUIET_M_S2 + speed * (ROAR_M_S2 * roar + RUB_M_S2 * dry)),
            load=f"{speed:.0%} of the rated speed" if speed else "at rest",
            velocity=("vibration_mm_s",),
            standard="ISO 10816-7, category II, up to 200 kW",
        )

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the bearing, at a wear of 1, or before it the seal or the impeller."""
        health = np.clip(1.0 - state["wear"], 0.0, 1.0)
        bearing = Truth(health, health / (parameters["life_rate_per_s"] + state["spoilt_per_s"]))
        return sooner(bearing, PARTS.truth(state, parameters))


def _look(state: Mapping[str, Values], parameters: Mapping[str, Values], at_us: int, calendar_us: int) -> None:
    """Demand at the beginning of a cycle."""
    entry = parameters["site_phase"].astype(np.int32)
    entry += calendar_us % DAY_US // CYCLE_US
    entry %= len(DAY)
    habit = state["habit"]
    np.take(DAY, entry, out=habit)
    entry = parameters["consumer"].astype(np.int32)
    entry += at_us // CYCLE_US % len(CONSUMERS)
    entry &= len(CONSUMERS) - 1
    demand = state["demand"]
    np.multiply(habit, CONSUMERS.take(entry), out=demand)
    demand *= parameters["demand_scale"]


def _wear(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
    """Hours of work towards the end of the bearing's life, and what fails towards that of seal and impeller."""
    PARTS.wear(state, inputs)
    dt_s = inputs.dt_us / SECOND_US
    grown = parameters["life_rate_per_s"] * dt_s
    spoilt = inputs.failures.get("bearing-wear")
    if spoilt is None:
        state["spoilt_per_s"].fill(0.0)
    else:
        np.multiply(spoilt, np.float32(1.0 / SPOILT_S), out=state["spoilt_per_s"])
        grown += spoilt * (dt_s / SPOILT_S)
    if inputs.running is not None:
        grown *= inputs.running
    add_to(state["wear"], state["wear_rest"], grown)
    np.minimum(state["wear"], WORST_WEAR, out=state["wear"])


def _ills(state: Mapping[str, Values], failures: Mapping[str, Values]) -> Ills:
    """What is wrong now; a seal that was spoilt leaks whatever else fails."""
    leak, spoilt = failures.get("seal-leak"), state["leak"]
    if spoilt.any():
        leak = spoilt if leak is None else np.maximum(leak, spoilt)
    return Ills(failures.get("dry-running"), failures.get("cavitation"), leak)


def _drip(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """How far seals leak at the beginning of a cycle, which lies so long before the end of the step."""
    leak = state["leak"]
    if not (state[f"{SEAL}_harm"].any() or state[f"{SEAL}_broken"].any() or leak.any()):
        return
    since = state[f"{SEAL}_haste"] * np.float32(ago_us / SECOND_US)
    if inputs.running is not None:
        since *= inputs.running
    np.subtract(PARTS.worn(SEAL, state, parameters), since, out=leak)
    np.maximum(leak, 0.0, out=leak)


def _worn(state: Mapping[str, Values], failing: Values | None) -> Values:
    """Fourth power of the damage in the bearing: it shows late. A failing one is as rough as a worn one."""
    damage = state["wear"]
    if failing is not None:
        damage = np.maximum(damage, failing)
    square = damage * damage
    square *= square
    return square


def _asked(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> Asked:
    """What demand, drive and suction vessel ask of the pump."""
    drives = inputs.drives
    demand = _given(drives.get("demand_share"), state["demand"])
    demand.clip(SMALLEST_DEMAND, LARGEST_DEMAND, out=demand)
    lowest = parameters["lowest_speed_share"]
    speed = np.minimum(demand, 1.0)
    speed *= 1.0 - lowest
    speed += lowest
    speed = _given(drives.get("speed_share"), speed)
    if inputs.running is not None:
        speed *= inputs.running
    usual = parameters["vessel_pressure_bar"]
    vessel = state["habit"] * np.float32(-VESSEL_DROP)
    vessel += 1.0
    vessel *= usual
    vessel = _given(drives.get("suction_pressure_bar"), vessel)
    per_m = np.float32(1.0) / parameters["rated_head_m"]
    per_bar = per_m * np.float32(1.0 / BAR_PER_M)
    vessel *= per_bar
    return Asked(
        speed=speed,
        demand=demand,
        vessel=vessel,
        usual=usual * per_bar,
        vapour=parameters["vapour_pressure_bar"] * per_bar,
        need=parameters["npsh_required_m"] * per_m,
    )


@dataclass(frozen=True, slots=True)
class _Warming:
    """What makes casing and bearing warm for so long, each as one body with constant heat.

    Attributes:
        heat_w: that the casing feels. to_liquid_w_k: what it loses to the liquid. loss_w_k: and to the hall as well.
        share: of its way to the final temperature that it goes.
    """

    dt_s: float
    speed: Values
    heat_w: Values
    to_liquid_w_k: Values
    loss_w_k: Values
    share: Values

    @staticmethod
    def of(parameters: Mapping[str, Values], speed: Values, duty: Duty, dt_s: float) -> _Warming:
        # Film and stream pass the heat on one after the other; what the stream does not carry off the casing feels.
        kept = duty.flow + np.float32(CARRIED)
        np.divide(CARRIED, kept, out=kept)
        heat = duty.churned - duty.useful
        heat *= _rated_kw(parameters)
        heat *= kept
        heat *= 1000.0
        heat += speed * np.float32(SEAL_W)
        to_liquid = np.float32(1.0) - kept
        to_liquid *= FILM_W_K
        capacity: Values | float = IRON_J_K + WATER_J_K
        if duty.wet is not None:
            heat += (np.float32(1.0) - duty.wet) * speed * np.float32(DRY_SEAL_W)
            to_liquid *= duty.wet
            capacity = duty.wet * np.float32(WATER_J_K) + np.float32(IRON_J_K)
        loss = to_liquid + CASING_AIR_W_K
        taus = loss * dt_s
        taus /= capacity
        return _Warming(dt_s, speed, heat, to_liquid, loss, gone(taus))

    def go(self, state: Mapping[str, Values], parameters: Mapping[str, Values], worn: Values) -> None:
        """Let that time pass."""
        casing = state["casing_c"]
        heat = self.heat_w - self.to_liquid_w_k * (casing - parameters["liquid_c"])
        heat -= (casing - parameters["ambient_c"]) * np.float32(CASING_AIR_W_K)
        heat /= self.loss_w_k
        heat *= self.share
        casing += heat
        np.minimum(casing, HOTTEST_C, out=casing)

        rise = worn * np.float32(WORN_FRICTION)
        rise += 1.0
        rise *= parameters["bearing_rise"]
        rise *= self.speed
        rise *= BEARING_RISE_K
        rise += parameters["ambient_c"]
        rise -= state["bearing_c"]
        rise *= _bearing_share(self.dt_s)
        state["bearing_c"] += rise


@lru_cache(maxsize=64)
def _bearing_share(dt_s: float) -> float:
    """Of its way to the final temperature that the bearing goes."""
    return 1.0 - exact.exp(-dt_s / BEARING_TAU_S)


def _tell(parameters: Mapping[str, Values], worn: Values, speed: Values, duty: Duty, out: Values) -> None:
    """Hydraulics, power and vibration into `out`."""
    flow, suction, discharge, power, _, _, vibration = out
    dry = None if duty.wet is None else (np.float32(1.0) - duty.wet) * speed
    bar = parameters["rated_head_m"] * np.float32(BAR_PER_M)
    np.multiply(duty.flow, parameters["rated_m3_h"], out=flow)
    np.multiply(duty.inlet, bar, out=suction)
    np.multiply(duty.lift, bar, out=discharge)
    discharge += suction
    np.multiply(duty.shaft, _rated_kw(parameters), out=power)
    if dry is not None:
        power += dry * np.float32(DRY_SEAL_W / 1000.0)
    power *= 1.0 / MOTOR_EFFICIENCY
    power += (speed > 0.0) * np.float32(DRIVE_KW)

    # Independent sources add as squares: rotor and flow, bearing, bubbles, rubbing of a dry seal.
    source = duty.through - speed
    source *= source
    source *= RECIRCULATION
    if duty.wet is not None:
        source *= duty.wet
    square = speed * speed
    source += square
    source *= parameters["smooth_mm_s"]
    source *= source
    square *= parameters["smooth_mm_s"]
    square *= worn
    square *= worn
    square *= WORN_OUT_FACTOR
    square *= square
    square += source
    np.multiply(duty.bubbles, speed, out=source)
    source *= CAVITATION_MM_S
    source *= source
    square += source
    if dry is not None:
        dry *= DRY_MM_S
        dry *= dry
        square += dry
    np.sqrt(square, out=vibration)


def _disturb(
    casing: Values, bearing: Values, parameters: Mapping[str, Values], duty: Duty, noise: Values, out: Values
) -> None:
    """Temperatures into `out`; what turbulence, surging and the sensors add, within the sensors' ranges."""
    np.copyto(out[4], casing)
    np.copyto(out[5], bearing)
    for row, (steady, surging) in enumerate(SCATTER):
        size = duty.bubbles * np.float32(surging)
        size += steady
        noise[row] *= size
    noise[0] *= parameters["rated_m3_h"]
    noise[0] *= duty.flow > 0.0
    noise[3] *= POWER_NOISE_KW
    noise[4:6] *= TEMPERATURE_NOISE_K
    noise[6] *= VIBRATION_NOISE
    noise[6] *= out[6]
    out += noise[: len(out)]
    for channel, column in zip(Pump.channels, out, strict=True):
        column.clip(channel.lowest, channel.highest, out=column)


def _given(drive: Values | None, own: Values) -> Values:
    """What is set from outside, or the machine's own rule; always a new array."""
    return own.copy() if drive is None else np.where(np.isnan(drive), own, drive)


def _rated_kw(parameters: Mapping[str, Values]) -> Values:
    """Shaft power at the rated point: rho g Q H / efficiency."""
    return parameters["rated_m3_h"] * parameters["rated_head_m"] * np.float32(BAR_PER_M * 100.0 / 3600.0 / EFFICIENCY)
