"""A charge point for cars: it tells when one is plugged in, and when it has been charged and leaves.

Cars come at random, each with a need of its own, and are charged at constant power: time is energy over power. The
contacts warm up with the square of the current, that is of the power, and wear with every car. Contacts and their life
of 10,000 mating cycles: IEC 62196-1; three phases of 230 V. Chance hangs on the number of the car.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Channel, Int, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.keyed import exponential, share, to_us
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform

CYCLES: Final = 10_000
LEAST_KWH, MOST_KWH = 4.0, 40.0
"""What a car needs, uniform (assumed)."""
FULL_KW: Final = 22.0
"""32 A in three phases."""
CONTACT_RISE_K: Final = 35.0
"""Of the contacts over the air at full power (the standard allows 50 K)."""
BURNT: Final = 2.5
"""How much more resistance contacts have when they are burnt."""
COUNTED: Final = 60_000
POWER_NOISE, CONTACT_NOISE_C = 0.002, 0.3

_NEED, _GAP = stream(0, 70), stream(0, 71)

Columns = Mapping[str, NDArray[Any]]


class ChargePoint:
    """Charge point. See `EventKind` for the contract."""

    name = "charge-point"
    summary = "charge point for cars, speaks when one comes or leaves: power, energy, contacts"
    channels: tuple[Channel, ...] = (
        Channel("plugged", "1", 0.0, 1.0, 1.0, averaged=False),
        Channel("power_kw", "kW", 0.0, 25.0, 0.01),
        Channel("energy_kwh", "kWh", 0.0, 50.0, 0.01, averaged=False),
        Channel("contact_c", "C", -40.0, 200.0, 0.1),
        Channel("cars", "1", 0.0, float(COUNTED), 1.0, COUNTED / 2.0, averaged=False),
    )
    every_us = 15 * MINUTE_US
    grid_us = SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("power_kw", "kW", 1.0, FULL_KW, "at which it charges"),
        Quantity("pause_s", "s", 1.0, 604_800.0, "mean time from a car to the next"),
        Quantity("ambient_c", "C", -40.0, 50.0, "temperature of the air"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the life of its contacts that is over at the start"),
    )
    drives: tuple[Quantity, ...] = ()
    failures: tuple[FailureMode, ...] = (
        FailureMode("burnt-contacts", "the contacts have more resistance and run hot", ("contact_c",)),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Any]:  # noqa: ARG002
        """See `MachineKind`. Returns those that may be set, and key: uint64, of the chance of its cars."""
        return {
            "power_kw": uniform(draws(0), 3.7, FULL_KW),
            "pause_s": uniform(draws(1), 600.0, 5_400.0),
            "ambient_c": uniform(draws(2), 0.0, 25.0),
            "worn_at_start": uniform(draws(3), 0.0, 0.8),
            "key": draws(4),
        }

    def initial(self, parameters: Columns) -> dict[str, Any]:
        """Nobody is there.

        Returns:
            clock_us: the machine's own time. next_us: when a car comes, or leaves if one is there. since_us: when that
            came. plugged: whether one is there. cars: so far. energy_kwh: of the newest. news: to tell. burnt:
            share of the life of its contacts that arcs have taken.
        """
        n = len(parameters["key"])
        state: dict[str, Any] = {
            name: np.zeros(n, np.int64) for name in ("clock_us", "since_us", "plugged", "cars", "news")
        }
        state["next_us"] = _pause_us(parameters, np.arange(n), state["cars"])
        state["energy_kwh"] = np.zeros(n, np.float32)
        state["burnt"] = np.zeros(n, np.float32)
        return state

    def step(self, state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
        """See `EventKind`. Without power nobody comes and nobody is charged."""
        until_us = state["clock_us"] + inputs.lived(len(state["clock_us"]))
        state["news"].fill(0)
        rows = np.flatnonzero(state["next_us"] <= until_us)
        while len(rows):
            plugged = state["plugged"][rows] > 0
            _leave(state, parameters, rows[plugged])
            _come(state, parameters, rows[~plugged])
            state["news"][rows] = 1
            rows = rows[state["next_us"][rows] <= until_us[rows]]
        np.copyto(state["clock_us"], until_us)
        np.maximum(state["burnt"], inputs.failures.get("burnt-contacts", 0.0), out=state["burnt"])
        _measure(state, parameters, inputs, noise, out)

    def ahead_us(self, state: Columns) -> Int:
        """See `EventKind`."""
        ahead_us: Int = state["next_us"] - state["clock_us"]
        return ahead_us

    def has_news(self, state: Columns) -> Mask:
        """See `EventKind`."""
        news: Mask = state["news"] > 0
        return news

    def truth(self, state: Columns, parameters: Columns) -> Truth:
        """See `MachineKind`. The life of the contacts, and the time in which so many cars come."""
        worn = parameters["worn_at_start"] + state["cars"] / CYCLES + state["burnt"]
        left = np.maximum(1.0 - worn, 0.0).astype(np.float32)
        each_s = np.float32(0.5 * (LEAST_KWH + MOST_KWH) * 3600.0) / parameters["power_kw"] + parameters["pause_s"]
        return Truth(left, (left * np.float32(CYCLES) * each_s).astype(np.float32))


def _come(state: Columns, parameters: Columns, rows: Int) -> None:
    """A car is plugged in at each of these."""
    state["cars"][rows] += 1
    need = share(words(_NEED, parameters["key"][rows], state["cars"][rows]), 0).astype(np.float64)
    need_kwh = LEAST_KWH + (MOST_KWH - LEAST_KWH) * need
    state["plugged"][rows] = 1
    state["since_us"][rows] = state["next_us"][rows]
    state["next_us"][rows] += to_us(need_kwh / parameters["power_kw"][rows] * 3600.0)


def _leave(state: Columns, parameters: Columns, rows: Int) -> None:
    """The car at each of these has what it needs."""
    charged_us = state["next_us"][rows] - state["since_us"][rows]
    state["energy_kwh"][rows] = _kwh(charged_us, parameters["power_kw"][rows])
    state["plugged"][rows] = 0
    state["next_us"][rows] += _pause_us(parameters, rows, state["cars"][rows])


def _pause_us(parameters: Columns, rows: Int, cars: Int) -> Int:
    drawn = exponential(words(_GAP, parameters["key"][rows], cars))
    return to_us(drawn * parameters["pause_s"][rows])


def _kwh(charged_us: Int, power_kw: Values) -> Values:
    return (charged_us / (3600.0 * SECOND_US)).astype(np.float32) * power_kw


def _measure(state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
    """Fill `out`: what is now."""
    plugged, power_kw, energy_kwh, contact_c, cars = out
    there = state["plugged"] > 0
    np.copyto(plugged, there)
    np.multiply(parameters["power_kw"], there, out=power_kw)
    so_far = _kwh(state["clock_us"] - state["since_us"], parameters["power_kw"])
    np.copyto(energy_kwh, np.where(there, so_far, state["energy_kwh"]))
    rise_k = (power_kw * np.float32(1.0 / FULL_KW)) ** 2
    rise_k *= np.float32(CONTACT_RISE_K)
    burnt = inputs.failures.get("burnt-contacts")
    if burnt is not None:
        rise_k *= np.float32(1.0) + np.float32(BURNT) * burnt
    np.add(parameters["ambient_c"], rise_k, out=contact_c)
    np.copyto(cars, state["cars"] % COUNTED)
    disturb_share(power_kw, noise[0], POWER_NOISE)
    disturb(contact_c, noise[1], CONTACT_NOISE_C)
    keep_within(ChargePoint.channels, out)
