"""A large transformer whose oil is pumped through its windings: it heats up with its load, and the heat ages its paper.

The oil and the hottest spot of the winding follow their final rises with a time constant each; with directed oil flow
both exponents are whole, of losses over oil and of load over winding, so that no powers are needed. The paper ages
twice as fast for every 6 K. Source: IEC 60076-7, the loading guide: exponential equations, relative rate of ageing,
class OD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import MINUTE_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.spread import uniform

OIL_RISE_K: Final = 49.0
"""Of the top oil over the air at rated load."""
SPOT_RISE_K: Final = 29.0
"""Of the hottest spot over the top oil at rated load."""
LOSS_RATIO: Final = 6.0
"""Losses under rated load over losses without load."""
OIL_TAU_S: Final = 90.0 * 60.0
SPOT_TAU_S: Final = 7.0 * 60.0
NORMAL_C: Final = 98.0
"""Hottest spot at which the paper ages as fast as it was meant to."""
DOUBLES_K: Final = 6.0
LIFE_S: Final = 150_000.0 * 3600.0

STALLED: Final = 0.8
"""How much more both rise when the oil is not pumped (assumed)."""

COLDEST_C: Final = -60
AGEING: Final[Values] = exact.exp(
    (np.arange(COLDEST_C, 321, dtype=np.float64) - NORMAL_C) * (exact.log(2.0) / DOUBLES_K)
).astype(np.float32)
"""Rate of ageing, 1 is normal, at every degree from `COLDEST_C` on."""

OIL_NOISE_C, SPOT_NOISE_C, LOAD_NOISE_PCT = 0.2, 0.4, 0.1


class Transformer:
    """Power transformer. See `MachineKind` for the contract."""

    name = "transformer"
    summary = "power transformer with pumped oil: temperatures of oil and winding, load"
    channels: tuple[Channel, ...] = (
        Channel("top_oil_c", "C", -50.0, 200.0, 0.1),
        Channel("hot_spot_c", "C", -50.0, 300.0, 0.1),
        Channel("load_pct", "%", 0.0, 150.0, 0.1),
    )
    every_us = MINUTE_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("load_pct", "%", 0.0, 150.0, "load, of the rated one"),
        Quantity("ambient_c", "C", -50.0, 50.0, "temperature of the air"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the life of its paper that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (
        Quantity("load_pct", "%", 0.0, 150.0, "load, of the rated one"),
        Quantity("ambient_c", "C", -50.0, 50.0, "temperature of the air"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode("oil-pump-failure", "the oil stands still, and with it the heat", ("top_oil_c", "hot_spot_c")),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:  # noqa: ARG002
        """See `MachineKind`. Returns those that may be set."""
        return {
            "load_pct": uniform(draws(0), 40.0, 95.0),
            "ambient_c": uniform(draws(1), 5.0, 30.0),
            "worn_at_start": uniform(draws(2), 0.0, 0.6),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Warm from its load, as it has been for long.

        Returns:
            oil_k: rise of the top oil over the air. spot_k: of the hottest spot over the oil. used, used_rest: share of
            the life of the paper.
        """
        oil_k, spot_k = _final_rises(parameters["load_pct"])
        used = parameters["worn_at_start"].copy()
        return {"oil_k": oil_k, "spot_k": spot_k, "used": used, "used_rest": np.zeros_like(used)}

    def step(
        self, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
    ) -> None:
        """See `MachineKind`. Without power there is no load and no loss: it cools."""
        load_pct, ambient_c = parameters["load_pct"].copy(), parameters["ambient_c"].copy()
        follow(load_pct, inputs, "load_pct")
        follow(ambient_c, inputs, "ambient_c")
        final_oil_k, final_spot_k = _final_rises(load_pct)
        stalled = inputs.failures.get("oil-pump-failure")
        if stalled is not None:
            more = np.float32(1.0) + np.float32(STALLED) * stalled
            final_oil_k *= more
            final_spot_k *= more
        if inputs.running is not None:
            final_oil_k *= inputs.running
            final_spot_k *= inputs.running
        dt_s = inputs.dt_us / 1e6
        _approach(state["oil_k"], final_oil_k, dt_s / OIL_TAU_S)
        _approach(state["spot_k"], final_spot_k, dt_s / SPOT_TAU_S)

        top_oil_c, hot_spot_c, told_pct = out
        np.add(ambient_c, state["oil_k"], out=top_oil_c)
        np.add(top_oil_c, state["spot_k"], out=hot_spot_c)
        np.copyto(told_pct, load_pct)
        # Slow against a sampling period: the paper ages as at the end of it.
        aged = _ageing(hot_spot_c)
        aged *= np.float32(dt_s / LIFE_S)
        add_to(state["used"], state["used_rest"], aged)
        np.minimum(state["used"], 1.0, out=state["used"])

        disturb(top_oil_c, noise[0], OIL_NOISE_C)
        disturb(hot_spot_c, noise[1], SPOT_NOISE_C)
        disturb(told_pct, noise[2], LOAD_NOISE_PCT)
        keep_within(self.channels, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:  # noqa: ARG002
        """New windings."""
        state["used"][rows] = 0.0
        state["used_rest"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. Its life ends with that of the paper; how soon, says the heat of now."""
        health = 1.0 - state["used"]
        spot_c = parameters["ambient_c"] + state["oil_k"] + state["spot_k"]
        return Truth(health, health * np.float32(LIFE_S) / _ageing(spot_c))


def _final_rises(load_pct: Values) -> tuple[Values, Values]:
    """Of oil over air and of the hottest spot over oil, K, new, when this load has lasted."""
    square = (load_pct * np.float32(0.01)) ** 2
    oil_k = square * np.float32(LOSS_RATIO * OIL_RISE_K / (1.0 + LOSS_RATIO))
    oil_k += np.float32(OIL_RISE_K / (1.0 + LOSS_RATIO))
    return oil_k, square * np.float32(SPOT_RISE_K)


def _approach(rise_k: Values, final_k: Values, times: float) -> None:
    """Go `times` time constants towards the final rise, in place: exact, however long."""
    rise_k -= final_k
    rise_k *= np.float32(exact.exp(-times))
    rise_k += final_k


def _ageing(spot_c: Values) -> Values:
    """Rate of ageing, 1 is normal; linear between whole degrees."""
    place = np.clip(spot_c - np.float32(COLDEST_C), 0.0, len(AGEING) - 2.0)
    degree = place.astype(np.int64)
    low: Values = AGEING[degree]
    return low + (AGEING[degree + 1] - low) * (place - degree).astype(np.float32)
