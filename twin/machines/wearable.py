"""A wearable or patient monitor on a wrist: heart, breath, oxygen, skin, movement, and how well it sits.

Activity, as a share of the heart rate reserve, follows the day of its wearer: sleep, work, some sport, each at hours of
its own. Heart and breath go towards what activity, sleep, fever and lack of oxygen ask for, each with its own time
constant. Heart rate variability falls with the cube of the rate. Oxygen saturation is that of the blood gas: what the
lungs reach at this altitude, and the dissociation curve.

Every `HOLD_S` activity, and what depends on slow things such as fever, is decided; between, all goals are constant and
every exponential exact. A device without power measures nothing; its wearer lives on. Nothing here is a medical device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import DAY_US, HOUR_US, SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import air
from twinstorm.twin.physics.blood_gas import arterial_mmhg, saturation_pct
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.spread import uniform, unit, whole
from twinstorm.twin.physics.stretches import stretches
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

HOLD_US: Final = 60 * SECOND_US
MEMORY_US: Final = 3 * HOUR_US
"""After which heart, breath and skin have forgotten what was."""

# --- the day ----------------------------------------------------------------------------------------------------------

_AWAKE = (0, 0, 0, 0, 0, 10, 60, 100, 100, 100, 100, 100, 100, 95, 100, 100, 100, 100, 100, 100, 100, 85, 50, 15)
_LIE_IN = (5, 0, 0, 0, 0, 0, 10, 40, 90, 100, 100, 100, 100, 90, 95, 100, 100, 100, 100, 100, 100, 90, 60, 20)
AWAKE: Final = week(_AWAKE, _LIE_IN, _LIE_IN, 60) / np.float32(100.0)
"""How awake somebody is, by minutes: 0 fast asleep (assumed)."""
_WORKDAY = (0, 0, 0, 0, 0, 1, 4, 10, 11, 5, 6, 6, 10, 6, 5, 5, 7, 11, 11, 9, 6, 4, 2, 0)
_WEEKEND = (0, 0, 0, 0, 0, 0, 1, 3, 6, 10, 12, 12, 10, 7, 9, 11, 11, 10, 8, 7, 6, 4, 3, 1)
ACTIVITY: Final = week(_WORKDAY, _WEEKEND, _WEEKEND, 60) / np.float32(100.0)
"""Mean share of the heart rate reserve, by minutes (assumed: office, way there and back, weekend)."""
RESTLESS: Final = Wander(24, HOLD_US, {1: 0.45, 4: 0.45, 16: 0.35})
"""By which the minute is more or less active than the mean, as a share: getting up, sitting down (assumed)."""
SHIFT_ENTRIES: Final = 128
"""Minutes between the first and the last who get up."""
SPORT_US: Final = 40 * 60 * SECOND_US
SPORT_HOURS: Final = (7.0, 20.0)
SPORTY: Final = 0.5
"""Share of those who do sport every day."""
SPORT_LEVEL: Final = (0.45, 0.8)
LOWEST_HOUR_US: Final = 4 * HOUR_US
CIRCADIAN: Final = 0.05
"""Of the resting heart rate, lower at 04:00 and higher at 16:00 whatever one does (assumed: 3 beats either way)."""

# --- heart and breath -------------------------------------------------------------------------------------------------

AGE_YEARS: Final = (20.0, 85.0)
REST_BPM: Final = (54.0, 76.0)
ASLEEP: Final = 0.10
"""Of the resting heart rate, less in deep sleep."""
RISING_S, FALLING_S = (20.0, 40.0), (45.0, 90.0)
"""Time constants of the heart rate at the beginning and at the end of an effort."""
FEVER_BPM_K: Final = 8.5
"""Liebermeister's rule: 8 to 10 beats for each degree."""
TACHYCARDIA_BPM: Final = 168.0
"""Of a supraventricular tachycardia, which has 150 to 220."""
RMSSD_SPREAD: Final = (0.7, 1.3)
BREATHS: Final = (12.5, 17.5)
EFFORT_BREATHS: Final = 28.0
FEVER_BREATHS_K: Final = 2.5
BREATHING_S: Final = 40.0
SHORT_BPM, SHORT_BREATHS = 20.0, 8.0
"""More heart beats and breaths a minute when oxygen is short: at a saturation of 72 % (assumed)."""

# --- oxygen, warmth, contact ------------------------------------------------------------------------------------------

ASLEEP_MMHG: Final = 4.0
DESATURATED_MMHG: Final = 45.0
"""By which the worst desaturation widens the step from lung to blood."""
BLOOD_S: Final = 40.0
"""Until blood that left the lungs is at the finger and stores have followed."""
SKIN_C: Final = (32.0, 34.0)
SKIN_S: Final = 600.0
ASLEEP_SKIN_K, EFFORT_SKIN_K, FEVER_SKIN = 0.9, 1.0, 0.6
"""Warmer by sleep, by full effort, and for each degree of fever."""
FEVER_K, FEVER_S = 2.7, 3600.0
ROOM_C: Final = 23.0
WORST_CONTACT_PCT: Final = 78.0
"""What the worst contact costs of the signal's quality."""

PARTS: Final = WornParts(
    # 600 full charges, one a day. A loose sensor drives its light as far as it goes: charged half as often again.
    WornPart("battery", "the battery", 600.0 * 24.0, 4.0, {"poor-contact": 1_200.0 * 24.0}),
    # Light-emitting diodes fade, and sweat and cloth wear the window; with a loose band both faster.
    WornPart("optics", "light and window of the optical sensor", 4.0 * YEAR_H, 3.0, {"poor-contact": 1.0 * YEAR_H}),
)
"""Lives are assumed. What happens to the body does not wear what it wears."""

HEART_NOISE_BPM, RMSSD_NOISE, OXYGEN_NOISE_PCT = 0.8, 0.10, 0.3
SKIN_NOISE_K, BREATH_NOISE, STEPS_NOISE, CONTACT_NOISE_PCT = 0.04, 0.5, 4.0, 1.5
POOR_NOISE: Final = 14.0
"""Times the heart rate's noise, and half as much the others', with the worst contact."""


class Wearable:
    """Wearable or patient monitor. See `MachineKind` for the contract."""

    name = "wearable"
    summary = "wearable or patient monitor: heart rate and its variability, oxygen, skin, breath, steps, contact"
    channels: tuple[Channel, ...] = (
        Channel("heart_rate_bpm", "1/min", 20.0, 250.0, 0.5),
        Channel("rmssd_ms", "ms", 0.0, 300.0, 0.5),
        Channel("spo2_pct", "%", 50.0, 100.0, 0.1),
        Channel("skin_temperature_c", "C", 10.0, 45.0, 0.01),
        Channel("respiration_per_min", "1/min", 0.0, 70.0, 0.1),
        Channel("steps_per_min", "1/min", 0.0, 250.0, 1.0),
        Channel("contact_pct", "%", 0.0, 100.0, 1.0),
    )
    every_us = 10 * SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("rest_bpm", "1/min", 35.0, 110.0, "heart rate awake at rest"),
        Quantity("most_bpm", "1/min", 110.0, 225.0, "highest heart rate"),
        Quantity("calm_rmssd_ms", "ms", 5.0, 200.0, "heart rate variability at 60 beats a minute"),
        Quantity("breaths_per_min", "1/min", 8.0, 30.0, "respiration at rest"),
        Quantity("oxygen_mmhg", "mmHg", 30.0, 110.0, "partial pressure of oxygen in arterial blood"),
        Quantity("skin_c", "C", 25.0, 37.0, "skin temperature awake at rest"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (
        Quantity("activity", "1", 0.0, 1.0, "effort as a share of the heart rate reserve: 0 rest, 0.3 walking, 1 most"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "tachycardia",
            "the heart races without effort: a sudden high rate, hardly any variability, no steps",
            ("heart_rate_bpm", "rmssd_ms"),
            harms=False,
        ),
        FailureMode(
            "desaturation",
            "less oxygen passes into the blood: saturation falls along its curve, heart and breath make up for it",
            ("spo2_pct", "respiration_per_min"),
            harms=False,
        ),
        FailureMode(
            "poor-contact",
            "a loose band: noise, a heart rate that follows the steps, false variability, skin that reads as the room",
            ("contact_pct", "rmssd_ms", "skin_temperature_c"),
        ),
        FailureMode(
            "fever",
            "core temperature rises within hours; skin, heart and breath with it, night and day",
            ("skin_temperature_c", "heart_rate_bpm", "respiration_per_min"),
            harms=False,
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            rest_bpm, most_bpm, calm_rmssd_ms, breaths_per_min, oxygen_mmhg, skin_c: as set.
            shift_min: how late one gets up. sport_hour: when sport begins, and sport_level: how hard, 0: none.
            restless_phase: in `RESTLESS`. rising_s, falling_s: of the heart.
        """
        age = uniform(draws(0), *AGE_YEARS).astype(np.float64)
        level = uniform(draws(1), *SPORT_LEVEL) * (unit(draws(2)) < SPORTY)
        return {
            "rest_bpm": uniform(draws(3), *REST_BPM),
            # Tanaka, Monahan and Seals, J. Am. Coll. Cardiol. 37 (2001).
            "most_bpm": (208.0 - 0.7 * age + 5.0 * (2.0 * unit(draws(4)) - 1.0)).astype(np.float32),
            "calm_rmssd_ms": ((72.0 - 0.6 * age) * uniform(draws(5), *RMSSD_SPREAD)).astype(np.float32),
            "breaths_per_min": uniform(draws(6), *BREATHS),
            "oxygen_mmhg": arterial_mmhg(place.altitude_m, age).astype(np.float32),
            "skin_c": uniform(draws(7), *SKIN_C),
            "shift_min": whole(draws(8), SHIFT_ENTRIES) - np.float32(SHIFT_ENTRIES // 2),
            "sport_hour": uniform(draws(9), *SPORT_HOURS),
            "sport_level": level.astype(np.float32),
            "restless_phase": phase(draws(10)),
            "rising_s": uniform(draws(11), *RISING_S),
            "falling_s": uniform(draws(12), *FALLING_S),
            **PARTS.parameters(draws),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """At rest, well, and awake until the first instant decides."""
        rest = parameters["rest_bpm"]
        return {
            "activity": np.zeros_like(rest),
            "asleep": np.zeros_like(rest),
            "heart_goal_bpm": rest.copy(),
            "heart_bpm": rest.copy(),
            "breath_goal": parameters["breaths_per_min"].copy(),
            "breath": parameters["breaths_per_min"].copy(),
            "oxygen_mmhg": parameters["oxygen_mmhg"].copy(),
            "skin_goal_c": parameters["skin_c"].copy(),
            "skin_c": parameters["skin_c"].copy(),
            "fever_k": np.zeros_like(rest),
            **PARTS.initial(rest),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`."""
        PARTS.wear(state, inputs)
        for start_us, end_us in stretches(inputs.now_us, inputs.dt_us, HOLD_US, MEMORY_US):
            if start_us % HOLD_US == 0:
                _decide(state, parameters, inputs, inputs.now_us - start_us)
            _live(state, parameters, inputs, end_us - start_us)
        _measure(state, parameters, inputs, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new battery and new optics; the body stays as it is."""
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends first of battery and optics; not the wearer."""
        return PARTS.truth(state, parameters)


def steps_per_min(activity: Values) -> Values:
    """Steps that an effort takes: none at a desk, about 100 when walking, 170 when running: float32 (n,), new.

    Walking sets in between 0.12 and 0.22 of the reserve; the rise is linear (assumed).
    """
    walks = activity - 0.12
    walks *= 10.0
    walks.clip(0.0, 1.0, out=walks)
    walks *= activity * np.float32(157.0) + np.float32(55.0)
    return walks


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """Where the body goes for the next minute."""
    minute = parameters["shift_min"].astype(np.int32)
    np.subtract(of_week_us(inputs, ago_us) // HOLD_US, minute, out=minute)
    asleep, activity = state["asleep"], state["activity"]
    np.subtract(1.0, AWAKE.take(minute, mode="wrap"), out=asleep)
    np.copyto(activity, RESTLESS.at(parameters["restless_phase"], inputs.now_us - ago_us))
    activity += 1.0
    np.maximum(activity, 0.0, out=activity)
    activity *= ACTIVITY.take(minute, mode="wrap")
    hour = np.float32((inputs.calendar_us - ago_us) % DAY_US / HOUR_US)
    since = hour - parameters["sport_hour"]
    sport = (since >= 0.0) & (since < SPORT_US / HOUR_US)
    np.copyto(activity, parameters["sport_level"], where=sport & (parameters["sport_level"] > 0.0))
    follow(activity, inputs, "activity")

    # Oxygen and fever are slow enough to be what they are for a minute.
    short = saturation_pct(state["oxygen_mmhg"])
    np.subtract(92.0, short, out=short)
    short *= 0.05
    short.clip(0.0, 1.0, out=short)

    rest, heart = parameters["rest_bpm"], state["heart_goal_bpm"]
    wave = CIRCADIAN * air.day(inputs.calendar_us - ago_us - LOWEST_HOUR_US)[0]
    np.multiply(asleep, -ASLEEP, out=heart)
    heart += 1.0 - wave
    heart *= rest
    heart += (parameters["most_bpm"] - rest) * activity
    heart += state["fever_k"] * np.float32(FEVER_BPM_K)
    heart += short * np.float32(SHORT_BPM)
    # What beats at more than the highest rate is not this model's.
    np.minimum(heart, parameters["most_bpm"], out=heart)

    breath = state["breath_goal"]
    np.multiply(asleep, -0.1, out=breath)
    breath += 1.0
    breath *= parameters["breaths_per_min"]
    breath += activity * np.float32(EFFORT_BREATHS)
    breath += state["fever_k"] * np.float32(FEVER_BREATHS_K)
    short *= SHORT_BREATHS
    breath += short

    skin = state["skin_goal_c"]
    np.multiply(asleep, ASLEEP_SKIN_K, out=skin)
    skin += activity * np.float32(EFFORT_SKIN_K)
    skin += state["fever_k"] * np.float32(FEVER_SKIN)
    skin += parameters["skin_c"]


def _live(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """Let everything go towards where it is going."""
    dt_s = np.float32(dt_us / SECOND_US)
    racing, poor_lung, fever = (inputs.failures.get(name) for name in ("tachycardia", "desaturation", "fever"))

    heart = state["heart_bpm"]
    way = state["heart_goal_bpm"].copy()
    if racing is not None:
        way += np.maximum(TACHYCARDIA_BPM - way, 0.0) * racing
    way -= heart
    tau_s = parameters["falling_s"].copy()
    np.copyto(tau_s, parameters["rising_s"], where=way > 0.0)
    way *= gone(dt_s / tau_s)
    heart += way

    np.multiply(state["asleep"], -ASLEEP_MMHG, out=way)
    way += parameters["oxygen_mmhg"]
    if poor_lung is not None:
        # As a share of what a place offers: high up there is less to lose.
        way *= 1.0 - np.float32(DESATURATED_MMHG / 90.0) * poor_lung
    _go(state["oxygen_mmhg"], way, dt_us, BLOOD_S)
    np.copyto(way, state["breath_goal"])
    _go(state["breath"], way, dt_us, BREATHING_S)
    np.copyto(way, state["skin_goal_c"])
    _go(state["skin_c"], way, dt_us, SKIN_S)
    if fever is None:
        way.fill(0.0)
    else:
        np.multiply(fever, FEVER_K, out=way)
    _go(state["fever_k"], way, dt_us, FEVER_S)


def _go(column: Values, goal: Values, dt_us: int, tau_s: float) -> None:
    """Move a column towards a goal in place; `goal` is overwritten."""
    goal -= column
    goal *= gone(np.full(1, dt_us / SECOND_US / tau_s, np.float32))
    column += goal


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`: the truth, what a loose band makes of it, and noise."""
    heart, rmssd, oxygen, skin, breath, steps, contact = out
    activity = state["activity"]
    np.copyto(heart, state["heart_bpm"])
    # Sacha, J. Appl. Physiol. and Front. Physiol. (2013): variability goes with a power of the beat's length.
    np.divide(60.0, heart, out=rmssd)
    np.multiply(rmssd, rmssd, out=oxygen)
    rmssd *= oxygen
    rmssd *= parameters["calm_rmssd_ms"]
    np.copyto(oxygen, saturation_pct(state["oxygen_mmhg"]))
    np.copyto(skin, state["skin_c"])
    np.copyto(breath, state["breath"])
    np.copyto(steps, steps_per_min(activity))
    np.multiply(activity, -22.0, out=contact)
    contact += 97.0

    noise[1] *= rmssd
    noise[5] *= steps > 0.0
    poor = inputs.failures.get("poor-contact")
    if poor is not None and poor.any():
        # A light sensor that moves with each step takes the steps for the pulse.
        heart += (steps - heart) * (poor * np.float32(0.6)) * (steps > 0.0)
        rmssd += poor * np.float32(80.0)
        oxygen -= poor * np.float32(5.0)
        skin += (ROOM_C - skin) * (poor * np.float32(0.6))
        contact -= poor * np.float32(WORST_CONTACT_PCT)
        noisier = poor * np.float32(POOR_NOISE)
        noisier += 1.0
        noise[0] *= noisier
        noisier *= 0.5
        noisier += 0.5
        noise[1:5] *= noisier
    for row, drawn, size in zip(out, noise, _NOISES, strict=False):
        disturb(row, drawn, size)
    keep_within(Wearable.channels, out)


_NOISES: Final = (
    HEART_NOISE_BPM,
    RMSSD_NOISE,
    OXYGEN_NOISE_PCT,
    SKIN_NOISE_K,
    BREATH_NOISE,
    STEPS_NOISE,
    CONTACT_NOISE_PCT,
)
"""In the order of the channels; of the value for the variability."""
