"""An electric motor on a belt drive: it warms with its load, and its bearing wears out.

A four-pole motor of 15 kW with a ball bearing 6309. The load follows a duty profile of constant levels; copper losses
grow with the load squared and warm winding and case; the bearing wears with the cube of its load towards a life that
was drawn at the start and is never told; vibration shows wear late and steeply.

The highest of the three vibrations tells the zone of severity by ISO 10816-1, class II: A up to 1.12 mm/s, B up to
2.8, C up to 7.1, D above. What an accelerometer would record is shown by `twinstorm waveform`.

What is measured lags nothing: each sensor tells the value of the instant with a noise of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.bearing import BALL_6309, ISO_10816_1_MM_S
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.motor_apart import DRIVES, FAILURES, Apart
from twinstorm.twin.physics.motor_body import (
    BELT_SHARE,
    CAPACITY_KN,
    CONSTANT_RISE_K,
    CONSTANT_W,
    COPPER_W,
    LIFE_SCALE_S,
    LIFE_SHAPE,
    LOAD_RISES_K,
    MAGNETISING_SHARE,
    NEWEST_WEAR,
    OLDEST_WEAR,
    RATED_A,
    RATED_LOAD_KN,
    RATED_SLIP_RPM,
    RUNNING,
    SHORTEST_LIFE_S,
    STOPPED,
    SYNCHRONOUS_RPM,
    VIBRATION_NOISE,
    WORN_OUT_FACTOR,
    WORST_WEAR,
    mean_cube,
    wear_rate,
)
from twinstorm.twin.physics.motor_duty import (
    LEVEL_S,
    LEVEL_US,
    MEAN_SQUARE,
    PHASE_STEP_S,
    PROFILE,
    changed_levels,
    level,
)
from twinstorm.twin.physics.motor_waveform import defects_of, turns_per_s
from twinstorm.twin.physics.shaken import Shaken, is_running
from twinstorm.twin.physics.spread import uniform, weibull, whole
from twinstorm.twin.physics.worn_parts import sooner

__all__ = [
    "BELT_SHARE",
    "CAPACITY_KN",
    "CONSTANT_W",
    "COPPER_W",
    "LEVEL_S",
    "LEVEL_US",
    "MAGNETISING_SHARE",
    "PROFILE",
    "RATED_A",
    "RATED_LOAD_KN",
    "RATED_SLIP_RPM",
    "RUNNING",
    "STOPPED",
    "SYNCHRONOUS_RPM",
    "VIBRATION_NOISE",
    "Motor",
]

# --- sensors ----------------------------------------------------------------------------------------------------------

TEMPERATURE_NOISE_K: Final = 0.15
CURRENT_NOISE_A: Final = 0.08
SPEED_NOISE_RPM: Final = 0.4


VELOCITY: Final = ("vibration_x_mm_s", "vibration_y_mm_s", "vibration_z_mm_s")


class Motor:
    """Electric motor with bearing. See `MachineKind` for the contract."""

    name = "motor"
    summary = "electric motor with bearing: winding temperature, vibration on three axes, current, speed"
    channels: tuple[Channel, ...] = (
        Channel("winding_temperature_c", "C", -40.0, 200.0, 0.1),
        Channel("vibration_x_mm_s", "mm/s", 0.0, 50.0, 0.01, zones=ISO_10816_1_MM_S["II"]),
        Channel("vibration_y_mm_s", "mm/s", 0.0, 50.0, 0.01, zones=ISO_10816_1_MM_S["II"]),
        Channel("vibration_z_mm_s", "mm/s", 0.0, 50.0, 0.01, zones=ISO_10816_1_MM_S["II"]),
        Channel("current_a", "A", 0.0, 100.0, 0.01),
        Channel("speed_rpm", "rpm", 0.0, 1800.0, 0.1),
    )
    every_us = SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("duty", "1", 0.2, 1.0, "share of the rated load that a level of 1 of the duty profile asks for"),
        Quantity("ambient_c", "C", -30.0, 60.0, "air around the motor"),
        Quantity("rise", "1", 0.7, 1.5, "thermal resistance over the typical one"),
        Quantity(
            "life_rate_per_s", "1/s", 1e-11, 1e-3, "wear of the bearing a second at rated load; its life is 1 over this"
        ),
        Quantity("smooth_mm_s", "mm/s", 0.2, 1.6, "vibration as new, rms"),
        Quantity("wear_at_start", "1", 0.0, 1.0, "share of the bearing's life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = DRIVES
    failures: tuple[FailureMode, ...] = FAILURES

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
            "phase_s": whole(draws(1), int(LEVEL_S / PHASE_STEP_S)) * np.float32(PHASE_STEP_S),
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
        mean_square = duty * duty * np.float32(MEAN_SQUARE)
        winding_k, case_k = LOAD_RISES_K
        return {
            "load": PROFILE[parameters["phase_level"].astype(np.intp)] * duty,
            "winding_c": parameters["ambient_c"] + parameters["rise"] * (mean_square * winding_k + CONSTANT_RISE_K),
            "case_c": parameters["ambient_c"] + parameters["rise"] * (mean_square * case_k + CONSTANT_RISE_K),
            "wear": parameters["wear_at_start"].copy(),
            "wear_rest": np.zeros_like(duty),
            "pace": np.ones_like(duty),
            "spall": np.zeros_like(duty),
            "apart": np.zeros_like(duty),
            "aged": np.zeros_like(duty),
            "aged_rest": np.zeros_like(duty),
            "ageing_per_s": np.zeros_like(duty),
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
        load = state["load"]
        apart = Apart.of(state, parameters, inputs)
        if apart is None or len(apart.rows) < len(load):
            _live(state, parameters, inputs)
        if apart is not None:
            apart.work(inputs)
            apart.write(state)
            load = apart.shaft_load(load)
        _measure(state, load, parameters, noise, out)
        if apart is not None:
            apart.tell(parameters, noise, out, self.channels)
        if inputs.running is not None:
            out[1:] *= inputs.running

    def repeat(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Sequence[Inputs],
        noise: Values,
        out: Values,
    ) -> None:
        """See `Repeatable`."""
        if Apart.of(state, parameters, inputs[0]) is not None:
            for nth, each in enumerate(inputs):
                self.step(state, parameters, each, noise[:, nth], out[:, nth])
            return
        seen = {name: np.empty(out.shape[1:], np.float32) for name in ("load", "winding_c", "wear")}
        for nth, each in enumerate(inputs):
            _live(state, parameters, each)
            for name, column in seen.items():
                column[nth] = state[name]
        _measure(seen, seen["load"], parameters, noise, out)

    def shaken(self, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, key: int) -> Shaken:
        """See `Shaking`."""
        load = float(state["load"][0])
        turning = turns_per_s(load) if is_running(inputs) else 0.0
        defects = defects_of(state, parameters, inputs.failures, 0, key)
        return Shaken(
            "6309",
            BALL_6309,
            turning,
            defects,
            load=f"{load:.0%} of the rated load" if turning else "at rest",
            velocity=VELOCITY,
            standard="ISO 10816-1, class II",
        )

    def renew(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],  # noqa: ARG002
        rows: NDArray[np.intp],
    ) -> None:
        """See `Renewable`. A new bearing, new windings, whatever else failed put right; all stays as warm as it is."""
        state["wear"][rows] = 0.0
        state["wear_rest"][rows] = 0.0
        state["spall"][rows] = 0.0
        state["apart"][rows] = 0.0
        state["pace"][rows] = 1.0
        for name in ("aged", "aged_rest", "ageing_per_s"):
            state[name][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. Life ends at a wear of 1, at the mean pace of the duty profile or of what is driven.

        Or before it with the insulation that heat has aged.
        """
        health = np.clip(1.0 - state["wear"], 0.0, 1.0)
        rate = mean_cube(parameters["duty"])
        rate *= parameters["life_rate_per_s"]
        rate *= state["pace"]
        sound = np.clip(1.0 - state["aged"], 0.0, 1.0)
        lasts_s = np.full_like(sound, np.inf)
        np.divide(sound, state["ageing_per_s"], out=lasts_s, where=state["ageing_per_s"] > 0.0)
        np.copyto(lasts_s, np.float32(0.0), where=sound <= 0.0)
        return sooner(Truth(health, health / rate), Truth(sound, lasts_s))


def _live(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> None:
    """Advance by the time of a step."""
    at_us = inputs.now_us - inputs.dt_us
    while at_us < inputs.now_us:
        # At most one change of level per motor and part.
        part_us = min(LEVEL_US, inputs.now_us - at_us)
        at_us += part_us
        _work(state, parameters, at_us, part_us, inputs.running)


def _work(
    state: Mapping[str, Values], parameters: Mapping[str, Values], now_us: int, dt_us: int, running: Mask | None
) -> None:
    """Advance by at most one level of the profile."""
    stopped = _stopped(running)
    load = state["load"]
    wear_part = wear_rate(load, parameters["life_rate_per_s"])
    wear_part *= dt_us / SECOND_US
    if stopped is not None:
        cooled = _cooled(state, parameters, stopped, dt_us)
    _warm(state, parameters, dt_us)

    changed, ago_s = changed_levels(parameters["phase_s"], now_us, dt_us)
    if len(changed):
        new = level(parameters, changed, now_us)
        old = load[changed]
        life_rate = parameters["life_rate_per_s"][changed]
        wear_part[changed] += (wear_rate(new, life_rate) - wear_rate(old, life_rate)) * ago_s.astype(np.float32)
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


def _warm(state: Mapping[str, Values], parameters: Mapping[str, Values], dt_us: int) -> None:
    """Move winding and case towards where the load would take them, as if all were running at their present level."""
    winding, case, load = state["winding_c"], state["case_c"], state["load"]
    from_winding, winding_from_case, case_from_winding, from_case = RUNNING.transition(dt_us / SECOND_US)
    square = load * load
    winding_end = square * LOAD_RISES_K[0]
    winding_end += CONSTANT_RISE_K
    winding_end *= parameters["rise"]
    winding_end += parameters["ambient_c"]
    case_end = square
    case_end *= LOAD_RISES_K[1]
    case_end += CONSTANT_RISE_K
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
    winding_end, case_end = (heat * rise_k for rise_k in LOAD_RISES_K)
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


def _measure(
    state: Mapping[str, Values], load: Values, parameters: Mapping[str, Values], noise: Values, out: Values
) -> None:
    """Fill `out` as if all were running, with this load at the shaft."""
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
