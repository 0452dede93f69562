"""A smart electricity meter: what a household or a small shop draws, and what the feeder gives it.

Demand is a standby and a share of the hour and weekday times what is switched on: a table of appliances, made once from
a fridge, a kettle, a hob, a washing machine, lights and screens, in which every customer has a phase of its own. It is
constant for `SLOT_S` and changes at instants of the customer's own, so that the energy register is the exact integral
of the power told. Voltage is the feeder's, shared by a site, less what the customer's own current loses on the service
line. Appliances take the power they need at any normal voltage; under a lasting sag, the heating ones take less.

A meter without power stands for a customer without supply: nothing flows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import mains, register
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import Floats, uniform, unit, whole
from twinstorm.twin.physics.wander import ENTRIES, drawn
from twinstorm.twin.physics.weeks import of_week_us, week
from twinstorm.twin.physics.worn_parts import YEAR_H, WornPart, WornParts

# --- demand -----------------------------------------------------------------------------------------------------------

SLOT_S: Final = 256
"""How long what is switched on stays so: a power of two, so that the phase below is exact in float32."""
SLOT_US: Final = SLOT_S * SECOND_US
_PHASE_STEP_S: Final = 2.0**-10
HOME: Final = week(
    (5, 4, 3, 3, 3, 4, 8, 11, 10, 8, 8, 9, 10, 9, 8, 8, 10, 14, 19, 20, 18, 15, 11, 7),
    (6, 5, 4, 3, 3, 3, 4, 7, 11, 13, 13, 13, 14, 12, 11, 11, 12, 15, 18, 18, 16, 14, 11, 8),
    (6, 5, 4, 3, 3, 3, 4, 6, 10, 13, 14, 16, 16, 13, 11, 10, 11, 14, 18, 18, 16, 13, 10, 7),
    12,
) / np.float32(9.5)
"""Of a household, about 1 on average: mornings, noon and evenings as in published standard profiles (assumed)."""
SHOP: Final = week(
    (3, 3, 3, 3, 3, 3, 5, 11, 19, 22, 22, 22, 21, 21, 22, 22, 21, 20, 16, 8, 4, 3, 3, 3),
    (3, 3, 3, 3, 3, 3, 4, 9, 18, 21, 21, 21, 20, 18, 14, 8, 4, 3, 3, 3, 3, 3, 3, 3),
    (3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3),
    12,
) / np.float32(9.4)
"""Of a shop: open from 8 to 18, on Saturday to 14."""
APPLIANCES_W: Final = {
    "fridge": (90.0, 0.35, 3),
    "kettle": (2000.0, 0.02, 1),
    "hob": (1800.0, 0.03, 5),
    "washing": (700.0, 0.04, 16),
    "oven": (1500.0, 0.015, 8),
    "lights": (80.0, 0.50, 24),
    "screens": (120.0, 0.45, 32),
}
"""Power, share of the time that it is on in an average hour, and for how many slots at a time (assumed)."""
SHOP_SHARE: Final = 0.2
"""Of the customers."""
HOME_W, SHOP_W = (150.0, 420.0), (700.0, 2400.0)
"""Mean above the standby."""
FUSE_W: Final = 24_000.0
"""What the main fuse lets through: three times 35 A."""

# --- electricity ------------------------------------------------------------------------------------------------------

STANDBY_W: Final = (35.0, 130.0)
STANDBY_FACTOR: Final = (0.62, 0.85)
"""Power factor of power supplies on standby; what is switched on besides has nearly 1."""
LINE_OHM: Final = (0.05, 0.30)
"""There and back on the service line (assumed: 20 to 80 m of copper)."""
SAG: Final = 0.20
"""Voltage lost at the worst undervoltage: a brown-out, or a corroded joint."""
HEATING_SHARE: Final = 0.5
"""Of the demand that goes with the square of a lasting sag."""
BYPASSED_SHARE: Final = 0.7
"""Of the load that the worst theft takes past the meter."""

# --- what wears -------------------------------------------------------------------------------------------------------

SWITCHED_A_DAY: Final = 2.0
"""Operations of the load switch: the tariff lets the water heater on and off (assumed)."""
OPERATIONS: Final = 10_000.0
"""For which a load switch is rated (in the manner of IEC 62055-31; classes differ)."""
CHATTERS_PER_H: Final = 6.0
"""Operations at the worst undervoltage, at which the switch drops out and is closed again (assumed)."""
PARTS: Final = WornParts(
    WornPart(
        "switch",
        "the load switch",
        OPERATIONS / SWITCHED_A_DAY * 24.0,
        3.0,
        {"undervoltage": OPERATIONS / CHATTERS_PER_H},
    ),
    # A power supply takes the same power from less voltage: 1.6 times the ripple that warms its capacitor.
    WornPart("supply", "the capacitor of the power supply", 20.0 * YEAR_H, 4.0, {"undervoltage": 30.0 * YEAR_H}),
)

VOLTAGE_NOISE_V: Final = 0.15
POWER_NOISE: Final = 0.003
"""Of the value, of current and power alike: a class 1 meter within a reading."""
FACTOR_NOISE: Final = 0.002
FREQUENCY_NOISE_HZ: Final = 0.001


class Meter:
    """Smart electricity meter. See `MachineKind` for the contract."""

    name = "meter"
    summary = "smart electricity meter of a household or a shop: voltage, current, power, energy, frequency"
    channels: tuple[Channel, ...] = (
        Channel("voltage_v", "V", 0.0, 300.0, 0.01),
        Channel("current_a", "A", 0.0, 200.0, 0.01),
        Channel("active_power_w", "W", 0.0, 25_000.0, 1.0),
        Channel("power_factor", "1", 0.0, 1.0, 0.001),
        register.channel("energy_kwh"),
        Channel("frequency_hz", "Hz", 45.0, 65.0, 0.001, 55.0),
    )
    every_us = 60 * SECOND_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("standby_w", "W", 5.0, 5_000.0, "what flows all the time"),
        Quantity("usage_w", "W", 0.0, 10_000.0, "mean of what is switched on besides"),
        Quantity("supply_v", "V", 100.0, 270.0, "voltage at the connection when nobody draws"),
        Quantity("line_ohm", "ohm", 0.0, 1.0, "resistance of the service line, there and back"),
        Quantity("standby_factor", "1", 0.3, 1.0, "power factor of the standby"),
        Quantity("shop_share", "1", 0.0, 1.0, "0 lives like a household, 1 opens like a shop"),
        Quantity("start_wh", "Wh", 0.0, register.FULL_WH - 10.0, "what the register shows at the start"),
        *PARTS.settable,
    )
    drives: tuple[Quantity, ...] = (Quantity("load_w", "W", 0.0, FUSE_W, "power that the customer draws"),)
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "undervoltage",
            "the feeder sags: lower voltage, heating takes less power and the rest more current",
            ("voltage_v", "active_power_w"),
        ),
        FailureMode(
            "theft-bypass",
            "part of the load is led past the meter: less current, power and energy than the voltage tells",
            ("current_a", "active_power_w"),
            harms=False,
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `mains.of_place`, and
            phase_slot, phase_s: how far each customer is behind in the table of appliances, in slots and the rest.
            shop_share: of the shop's profile in the customer's. standby_w, usage_w, standby_factor, line_ohm: as set.
            ragged: how much appliances stand out: many at a time even each other out.
            crystal_hz: the grid's nominal frequency as the meter's crystal sees it.
        """
        shop = unit(draws(0)) < SHOP_SHARE
        usage_w = np.where(shop, uniform(draws(1), *SHOP_W), uniform(draws(1), *HOME_W))
        ragged = np.where(shop, uniform(draws(2), 0.04, 0.12), uniform(draws(2), 0.5, 0.75))
        nominal = np.where(mains.american(place), mains.AMERICA_HZ, mains.EUROPE_HZ)
        return mains.of_place(draws, place) | {
            "phase_slot": whole(draws(3), ENTRIES),
            "phase_s": whole(draws(4), int(SLOT_S / _PHASE_STEP_S)) * np.float32(_PHASE_STEP_S),
            "shop_share": np.where(shop, uniform(draws(5), 0.85, 1.0), uniform(draws(5), 0.0, 0.2)),
            "standby_w": uniform(draws(6), *STANDBY_W),
            "usage_w": usage_w,
            "ragged": ragged,
            "standby_factor": uniform(draws(7), *STANDBY_FACTOR),
            "line_ohm": uniform(draws(8), *LINE_OHM),
            "crystal_hz": (nominal * (1.0 + 20e-6 * (2.0 * unit(draws(9)) - 1.0))).astype(np.float32),
            "start_wh": uniform(draws(10), 0.0, 0.999 * register.FULL_WH),
            **PARTS.parameters(draws),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """A register that stands anywhere; demand has no memory."""
        energy_wh = parameters["start_wh"].copy()
        return {"energy_wh": energy_wh, "energy_rest_wh": np.zeros_like(energy_wh), **PARTS.initial(energy_wh)}

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. `out` holds zeros but for the register where a customer has no supply."""
        PARTS.wear(state, inputs)
        for start_us, end_us in parts(inputs.now_us, inputs.dt_us, SLOT_US):
            demand_w = _count(state, parameters, inputs, start_us, end_us)
        _measure(parameters, inputs, demand_w, noise, out)
        if inputs.running is not None:
            out *= inputs.running
        out[4] = register.shown_kwh(state)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new switch and a new power supply; the register stands where it stood."""
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends are the load switch and the power supply."""
        return PARTS.truth(state, parameters)


# --- demand -----------------------------------------------------------------------------------------------------------


def _count(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, start_us: int, end_us: int
) -> Values:
    """Count the energy of a part of a step that lies within one slot; returns the demand at its end, W."""
    slot = start_us // SLOT_US
    until_s, from_s = ((at_us - slot * SLOT_US) / SECOND_US for at_us in (end_us, start_us))
    phase_s = parameters["phase_s"]
    started = phase_s <= until_s
    demand_w = _level(parameters, inputs, slot, started)
    energy_j = demand_w * np.float32((end_us - start_us) / SECOND_US)

    changed = np.flatnonzero(started & (phase_s > from_s))
    if len(changed):
        some = {name: column[changed] for name, column in parameters.items()}
        before_w = _level(some, inputs, slot, np.zeros(len(changed), np.bool_))
        energy_j[changed] += (before_w - demand_w[changed]) * (some["phase_s"] - np.float32(from_s))

    load_w = inputs.drives.get("load_w")
    if load_w is not None:
        given = load_w == load_w
        np.copyto(demand_w, load_w, where=given)
        np.copyto(energy_j, load_w * np.float32((end_us - start_us) / SECOND_US), where=given)
    for share in (_sagging(inputs), _metered(inputs), inputs.running):
        if share is not None:
            energy_j *= share
    energy_j *= np.float32(1.0 / 3600.0)
    register.add_wh(state, energy_j)
    return demand_w


def _level(parameters: Mapping[str, Values], inputs: Inputs, slot: int, started: NDArray[np.bool_]) -> Values:
    """Demand in W in this slot of those who have started it, in the one before of the others: float32 (n,), new."""
    (home, home_before), (shop, shop_before) = (
        [float(profile[_entry(inputs, number)]) for number in (slot, slot - 1)] for profile in (HOME, SHOP)
    )
    usage = started * np.float32((shop - home) - (shop_before - home_before))
    usage += np.float32(shop_before - home_before)
    usage *= parameters["shop_share"]
    usage += started * np.float32(home - home_before)
    usage += np.float32(home_before)

    entry = parameters["phase_slot"].astype(np.int32)
    entry += (slot - 1) % ENTRIES
    entry += started
    entry &= ENTRIES - 1
    level = _switched_on().take(entry)
    level *= parameters["ragged"]
    level += 1.0
    level *= usage
    level *= parameters["usage_w"]
    level += parameters["standby_w"]
    return np.minimum(level, FUSE_W, out=level)


def _entry(inputs: Inputs, slot: int) -> int:
    """Entry of the profiles at the beginning of a slot."""
    return of_week_us(inputs, inputs.now_us - slot * SLOT_US) // (300 * SECOND_US)


@cache
def _switched_on() -> Values:
    """Power of what is switched on in each slot, over its mean, less 1."""
    total: Floats = np.zeros(ENTRIES)
    for number, (power_w, share, slots) in enumerate(APPLIANCES_W.values()):
        on = drawn(1_000 + number) < share / slots
        # Overlapping uses of one appliance count twice: two pots on one hob.
        for later in range(slots):
            total += power_w * np.roll(on, later)
    return (total / total.mean() - 1.0).astype(np.float32)


# --- electricity ------------------------------------------------------------------------------------------------------


def _sagging(inputs: Inputs) -> Values | None:
    """Share of the demand that is left under a sag."""
    sag = inputs.failures.get("undervoltage")
    if sag is None:
        return None
    left = 1.0 - np.float32(SAG) * sag
    left *= left
    left *= np.float32(HEATING_SHARE)
    left += np.float32(1.0 - HEATING_SHARE)
    return left


def _metered(inputs: Inputs) -> Values | None:
    """Share of the load that passes through the meter."""
    theft = inputs.failures.get("theft-bypass")
    return None if theft is None else 1.0 - np.float32(BYPASSED_SHARE) * theft


def _measure(parameters: Mapping[str, Values], inputs: Inputs, load_w: Values, noise: Values, out: Values) -> None:
    """Fill `out` but for the register, as if all had supply; `load_w` is overwritten."""
    voltage, current, power, factor, energy, frequency = out
    sagging, metered = _sagging(inputs), _metered(inputs)
    feeder = mains.voltage_v(parameters["supply_v"], parameters["feeder_share"], parameters["feeder_phase"], inputs)
    if sagging is not None:
        feeder *= 1.0 - np.float32(SAG) * inputs.failures["undervoltage"]
        load_w *= sagging

    standby_w = parameters["standby_w"]
    np.maximum(load_w, standby_w, out=factor)
    np.divide(standby_w, factor, out=factor)
    factor *= parameters["standby_factor"] - 1.0
    factor += 1.0

    np.multiply(feeder, factor, out=current)
    np.divide(load_w, current, out=current)
    np.multiply(current, parameters["line_ohm"], out=voltage)
    np.subtract(feeder, voltage, out=voltage)
    feeder *= 0.5  # no line passes on more power than it does at half the voltage
    np.maximum(voltage, feeder, out=voltage)

    np.copyto(power, load_w)
    if metered is not None:
        power *= metered
    np.multiply(voltage, factor, out=current)
    np.divide(power, current, out=current)

    np.multiply(noise[5], FREQUENCY_NOISE_HZ, out=frequency)
    frequency += np.float32(mains.deviation_hz(inputs.now_us))
    frequency += parameters["crystal_hz"]
    disturb(voltage, noise[0], VOLTAGE_NOISE_V)
    disturb_share(current, noise[1], POWER_NOISE)
    disturb_share(power, noise[2], POWER_NOISE)
    disturb(factor, noise[3], FACTOR_NOISE)
    energy[:] = 0.0  # the caller's
    keep_within(Meter.channels, out)
