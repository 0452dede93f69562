"""An electric motor on a belt drive: it warms with its load, and its bearing wears out.

A four-pole motor of 15 kW with a ball bearing 6309. The load follows a duty profile of constant levels; copper losses
grow with the load squared and warm winding and case; the bearing wears with the cube of its load towards a life that
was drawn at the start and is never told; vibration shows wear late and steeply.

What is measured lags nothing: each sensor tells the value of the instant with a noise of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.bearing import rating_life_hours, weibull_scale
from twinstorm.twin.machines.counting import add_to
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.machines.spread import uniform, weibull, whole
from twinstorm.twin.machines.thermal import TwoNode

# --- duty -------------------------------------------------------------------------------------------------------------

LEVEL_S: Final = 256
"""How long one level of the duty profile lasts: a power of two, so that the phase below is exact in float32."""
LEVEL_US: Final = LEVEL_S * SECOND_US
PROFILE: Final = np.array(
    [
        [0.62, 0.70, 0.78, 0.78, 0.85, 0.92, 0.92, 0.74, 0.55, 0.30, 0.62, 0.81, 0.88, 0.95, 1.00, 0.83],
        [0.66, 0.48, 0.25, 0.25, 0.58, 0.72, 0.86, 0.90, 0.90, 0.79, 0.68, 0.74, 0.97, 0.64, 0.42, 0.35],
    ],
    np.float32,
).reshape(-1)
"""Shares of the rated load, one after the other for `LEVEL_S` each, then again: set-up, runs, changeovers."""
_PHASE_STEP_S: Final = 2.0**-10
_MEAN_SQUARE: Final = float(np.round(sum(level * level for level in PROFILE.tolist()) / len(PROFILE), 6))

# --- electricity and heat ---------------------------------------------------------------------------------------------

SYNCHRONOUS_RPM: Final = 1500.0
RATED_SLIP_RPM: Final = 30.0
RATED_A: Final = 29.0
MAGNETISING_SHARE: Final = 0.4
"""Of the rated current, in quadrature with the load current: what flows without load."""
COPPER_W: Final = 800.0
"""Losses in the winding at rated load; its resistance is taken at working temperature."""
CONSTANT_W: Final = 480.0
"""Iron and friction losses, felt by the case."""
RUNNING: Final = TwoNode(6_000.0, 43_000.0, 0.05, 0.031, LEVEL_S)
"""15 kW with a fan on the shaft (assumed: textbook magnitudes; time constants 4 and 26 minutes)."""
STOPPED: Final = TwoNode(6_000.0, 43_000.0, 0.05, 0.093, LEVEL_S)
"""The fan stands still: three times the resistance to air."""
_LOAD_RISES_K: Final = RUNNING.final_rises_k(COPPER_W, 0.0)
_CONSTANT_RISE_K: Final = RUNNING.final_rises_k(0.0, CONSTANT_W)[1]

# --- bearing ----------------------------------------------------------------------------------------------------------

CAPACITY_KN: Final = 55.3
RATED_LOAD_KN: Final = 4.0
BELT_SHARE: Final = 0.4
"""Of the bearing's load, from belt tension: there at any load of the motor."""
LIFE_SHAPE: Final = 1.5
LIFE_SCALE_S: Final = 3600.0 * weibull_scale(
    rating_life_hours(CAPACITY_KN, RATED_LOAD_KN, SYNCHRONOUS_RPM - RATED_SLIP_RPM), LIFE_SHAPE
)
SHORTEST_LIFE_S: Final = 3600.0 * 100.0
"""Weibull has no shortest life; a bearing that failed on its first days was replaced under warranty."""
NEWEST_WEAR, OLDEST_WEAR = 0.02, 0.80
"""Wear of the fleet at the start: maintenance replaced what was older."""
WORST_WEAR: Final = 1.1
"""A bearing this far past its life does not get worse by turning."""
WORN_OUT_FACTOR: Final = 11.0
"""Vibration at the end of the life is 1 + this times that of a new bearing: zone C or D of ISO 10816."""

# --- sensors ----------------------------------------------------------------------------------------------------------

TEMPERATURE_NOISE_K: Final = 0.15
VIBRATION_NOISE: Final = 0.04
"""Of the value: what an rms value over about 300 independent samples scatters."""
CURRENT_NOISE_A: Final = 0.08
SPEED_NOISE_RPM: Final = 0.4


class Motor:
    """Electric motor with bearing. See `MachineKind` for the contract."""

    name = "motor"
    summary = "electric motor with bearing: winding temperature, vibration on three axes, current, speed"
    channels: tuple[Channel, ...] = (
        Channel("winding_temperature_c", "C", -40.0, 200.0, 0.1),
        Channel("vibration_x_mm_s", "mm/s", 0.0, 50.0, 0.01),
        Channel("vibration_y_mm_s", "mm/s", 0.0, 50.0, 0.01),
        Channel("vibration_z_mm_s", "mm/s", 0.0, 50.0, 0.01),
        Channel("current_a", "A", 0.0, 100.0, 0.01),
        Channel("speed_rpm", "rpm", 0.0, 1800.0, 0.1),
    )
    every_us = SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = ()
    drives: tuple[Quantity, ...] = ()
    failures: tuple[FailureMode, ...] = ()

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:  # noqa: ARG002
        """See `MachineKind`.

        Returns:
            phase_level, phase_s: how far each motor is ahead in the duty profile, in whole levels and the rest.
            duty: rated share of a level of 1.
            ambient_c, rise: surroundings, and thermal resistance over the typical one.
            life_rate_per_s: wear a second at rated load.
            smooth_mm_s: vibration as new, at rated load. x_share, y_share, z_share: of the axes.
            wear_at_start: see `NEWEST_WEAR`.
        """
        life_s = np.maximum(weibull(draws(5), LIFE_SCALE_S, LIFE_SHAPE), SHORTEST_LIFE_S)
        return {
            "phase_level": whole(draws(0), len(PROFILE)),
            "phase_s": whole(draws(1), int(LEVEL_S / _PHASE_STEP_S)) * np.float32(_PHASE_STEP_S),
            "duty": uniform(draws(2), 0.85, 1.0),
            "ambient_c": uniform(draws(3), 18.0, 30.0),
            "rise": uniform(draws(4), 0.92, 1.08),
            "life_rate_per_s": (1.0 / life_s).astype(np.float32),
            "smooth_mm_s": uniform(draws(6), 0.45, 0.95),
            "x_share": uniform(draws(7), 0.85, 1.0),
            "y_share": uniform(draws(8), 0.70, 0.90),
            "z_share": uniform(draws(9), 0.35, 0.60),
            "wear_at_start": uniform(draws(10), NEWEST_WEAR, OLDEST_WEAR),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Warmed up to what the duty profile asks for on average, wear somewhere in the bearing's life."""
        duty = parameters["duty"]
        mean_square = duty * duty * np.float32(_MEAN_SQUARE)
        winding_k, case_k = _LOAD_RISES_K
        return {
            "load": PROFILE[parameters["phase_level"].astype(np.intp)] * duty,
            "winding_c": parameters["ambient_c"] + parameters["rise"] * (mean_square * winding_k + _CONSTANT_RISE_K),
            "case_c": parameters["ambient_c"] + parameters["rise"] * (mean_square * case_k + _CONSTANT_RISE_K),
            "wear": parameters["wear_at_start"].copy(),
            "wear_rest": np.zeros_like(duty),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. `out` holds zeros of speed, current and vibration where a motor has no power."""
        at_us = inputs.now_us - inputs.dt_us
        while at_us < inputs.now_us:
            # At most one change of level per motor and part.
            part_us = min(LEVEL_US, inputs.now_us - at_us)
            at_us += part_us
            _work(state, parameters, at_us, part_us, inputs.running)
        _measure(state, parameters, noise, out)
        if inputs.running is not None:
            out[1:] *= inputs.running

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. Life ends at a wear of 1."""
        health = np.clip(1.0 - state["wear"], 0.0, 1.0)
        return Truth(health, health / _wear_rate(state["load"], parameters["life_rate_per_s"]))


def _work(
    state: Mapping[str, Values], parameters: Mapping[str, Values], now_us: int, dt_us: int, running: Mask | None
) -> None:
    """Advance by at most one level of the profile."""
    stopped = _stopped(running)
    load = state["load"]
    wear_part = _wear_rate(load, parameters["life_rate_per_s"])
    wear_part *= dt_us / SECOND_US
    if stopped is not None:
        cooled = _cooled(state, parameters, stopped, dt_us)
    _warm(state, parameters, dt_us)

    changed, ago_s = _changed(parameters["phase_s"], now_us, dt_us)
    if len(changed):
        new = _level(parameters, changed, now_us)
        old = load[changed]
        life_rate = parameters["life_rate_per_s"][changed]
        wear_part[changed] += (_wear_rate(new, life_rate) - _wear_rate(old, life_rate)) * ago_s.astype(np.float32)
        _warm_since_change(state, parameters["rise"][changed] * (new * new - old * old), changed, ago_s)
        load[changed] = new
    if stopped is not None:
        state["winding_c"][stopped], state["case_c"][stopped] = cooled
        wear_part[stopped] = 0.0
    add_to(state["wear"], state["wear_rest"], wear_part)
    np.minimum(state["wear"], WORST_WEAR, out=state["wear"])


def _stopped(running: Mask | None) -> NDArray[np.intp] | None:
    """Rows without power; None if there are none."""
    if running is None:
        return None
    rows = np.flatnonzero(~running)
    return rows if len(rows) else None


def _wear_rate(load: Values, life_rate_per_s: Values) -> Values:
    """Wear a second: the cube of the bearing's load over the rated one (Palmgren and Miner, with ISO 281)."""
    rate = load * (1.0 - BELT_SHARE)
    rate += BELT_SHARE
    cube = rate * rate
    cube *= rate
    cube *= life_rate_per_s
    return cube


def _warm(state: Mapping[str, Values], parameters: Mapping[str, Values], dt_us: int) -> None:
    """Move winding and case towards where the load would take them, as if all were running at their present level."""
    winding, case, load = state["winding_c"], state["case_c"], state["load"]
    from_winding, winding_from_case, case_from_winding, from_case = RUNNING.transition(dt_us / SECOND_US)
    square = load * load
    winding_end = square * _LOAD_RISES_K[0]
    winding_end += _CONSTANT_RISE_K
    winding_end *= parameters["rise"]
    winding_end += parameters["ambient_c"]
    case_end = square
    case_end *= _LOAD_RISES_K[1]
    case_end += _CONSTANT_RISE_K
    case_end *= parameters["rise"]
    case_end += parameters["ambient_c"]

    # As differences, whose factors are small: factors next to 1 would lose what short steps change to float32.
    winding_end -= winding
    case_end -= case
    part = winding_end * case_from_winding
    winding_end *= 1.0 - from_winding
    winding += winding_end
    np.multiply(case_end, winding_from_case, out=winding_end)
    winding -= winding_end
    case_end *= 1.0 - from_case
    case += case_end
    case -= part


def _warm_since_change(
    state: Mapping[str, Values], heat: Values, changed: NDArray[np.intp], ago_s: NDArray[np.float64]
) -> None:
    """Add what the change of level `ago_s` ago, by `heat` of the rated copper losses, did since."""
    winding_end, case_end = (heat * rise_k for rise_k in _LOAD_RISES_K)
    from_winding, winding_from_case, case_from_winding, from_case = RUNNING.transitions(ago_s)
    winding_left = from_winding * winding_end + winding_from_case * case_end
    case_left = case_from_winding * winding_end + from_case * case_end
    state["winding_c"][changed] += (winding_end - winding_left).astype(np.float32)
    state["case_c"][changed] += (case_end - case_left).astype(np.float32)


def _cooled(
    state: Mapping[str, Values], parameters: Mapping[str, Values], stopped: NDArray[np.intp], dt_us: int
) -> tuple[Values, Values]:
    """Winding and case of motors that stand still for the whole time."""
    winding, case = state["winding_c"][stopped], state["case_c"][stopped]
    winding_k = winding - parameters["ambient_c"][stopped]
    case_k = case - parameters["ambient_c"][stopped]
    from_winding, winding_from_case, case_from_winding, from_case = STOPPED.transition(dt_us / SECOND_US)
    return (
        winding - (winding_k * (1.0 - from_winding) - case_k * winding_from_case),
        case - (case_k * (1.0 - from_case) - winding_k * case_from_winding),
    )


def _changed(phase_s: Values, now_us: int, dt_us: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Motors whose level changed within the last `dt_us` <= `LEVEL_US`, and how long ago."""
    # Compared as quotients of whole microseconds, so that the end of one step is the start of the next to the last bit.
    into_level_us = now_us % LEVEL_US
    now_changing_us = LEVEL_US - into_level_us
    past_end = phase_s >= now_changing_us / SECOND_US
    rows = past_end & (phase_s < (now_changing_us + dt_us) / SECOND_US)
    if dt_us > into_level_us:
        rows |= phase_s < (dt_us - into_level_us) / SECOND_US
    changed = np.flatnonzero(rows)
    ago_s = phase_s[changed].astype(np.float64) + into_level_us / SECOND_US
    ago_s[past_end[changed]] -= LEVEL_S
    # The comparisons above round to float32, so that "now" may come out as a microsecond ahead.
    return changed, np.maximum(ago_s, 0.0)


def _level(parameters: Mapping[str, Values], rows: NDArray[np.intp], now_us: int) -> Values:
    """Load that the profile asks of some motors at an instant, as a share of the rated load."""
    levels, into_level_us = divmod(now_us, LEVEL_US)
    ahead = parameters["phase_level"][rows].astype(np.int64) + levels
    ahead += parameters["phase_s"][rows] >= (LEVEL_US - into_level_us) / SECOND_US
    return PROFILE[ahead % len(PROFILE)] * parameters["duty"][rows]


def _measure(state: Mapping[str, Values], parameters: Mapping[str, Values], noise: Values, out: Values) -> None:
    """Fill `out` as if all were running."""
    load = state["load"]
    temperature, current, speed = out[0], out[4], out[5]
    np.multiply(noise[0], TEMPERATURE_NOISE_K, out=temperature)
    temperature += state["winding_c"]

    # Spalling shows late: the eighth power of wear (assumed, in the manner of run-to-failure records).
    severity = state["wear"] * state["wear"]
    severity *= severity
    severity *= severity
    severity *= WORN_OUT_FACTOR
    severity += 1.0
    severity *= parameters["smooth_mm_s"]
    for axis, share in ((1, "x_share"), (2, "y_share"), (3, "z_share")):
        vibration = out[axis]
        np.multiply(noise[axis], VIBRATION_NOISE, out=vibration)
        vibration += 1.0
        vibration *= severity
        vibration *= parameters[share]

    np.multiply(load, load, out=current)
    current *= 1.0 - MAGNETISING_SHARE**2
    current += MAGNETISING_SHARE**2
    np.sqrt(current, out=current)
    current *= RATED_A
    np.multiply(noise[4], CURRENT_NOISE_A, out=speed)
    current += speed

    np.multiply(load, -RATED_SLIP_RPM, out=speed)
    speed += SYNCHRONOUS_RPM
    ripple = noise[5]
    ripple *= SPEED_NOISE_RPM
    speed += ripple
