"""A chilled shelf behind a glass door in a shop: goods on a scale, customers at the door, a compressor that cycles.

Customers come by the shop's day, each opens the door and takes one thing or more; when few are left somebody fills the
shelf up, some time later. Air, shelves and the skin of the goods are one body (effective capacity) that gains heat
through walls and through the open door, and loses it to a compressor with a hysteresis thermostat.

The controller works in minutes: at the beginning of each it takes what `arrivals` says of the next, with the rate of
that instant, and switches the compressor; until the next one all inputs are constant and the exponential is exact. So
all counts are the same whoever samples whenever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import HOUR_US, SECOND_US, Channel, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import arrivals
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.sensing import disturb, disturb_share, keep_within
from twinstorm.twin.physics.spread import uniform, weibull
from twinstorm.twin.physics.stretches import stretches
from twinstorm.twin.physics.wander import Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week
from twinstorm.twin.physics.worn_parts import WornPart, WornParts, sooner

HOLD_S: Final = 60.0
HOLD_US: Final = 60 * SECOND_US
MEMORY_US: Final = 3 * HOUR_US
"""Further back only sums matter."""

# --- customers and goods ----------------------------------------------------------------------------------------------

_WORKDAY = (0, 0, 0, 0, 0, 0, 4, 30, 45, 42, 48, 62, 75, 66, 52, 50, 62, 85, 100, 84, 52, 22, 0, 0)
_SATURDAY = (0, 0, 0, 0, 0, 0, 2, 22, 50, 78, 98, 100, 96, 88, 82, 78, 76, 72, 62, 48, 30, 12, 0, 0)
_SUNDAY = (0,) * 24
CUSTOMERS: Final = week(_WORKDAY, _SATURDAY, _SUNDAY, 60) / np.float32(100.0)
"""As a share of those of the busiest hour, by minutes: a supermarket that closes at 22:00 and on Sundays (assumed)."""
MEAN_CUSTOMERS: Final = float(CUSTOMERS.mean(dtype=np.float64))
CROWD: Final = Wander(28, HOLD_US, {8: 0.15, 64: 0.20})
"""By which more or fewer come, as a share, the same in a whole shop (assumed)."""
BUSIEST_PER_H: Final = (12.0, 45.0)
"""Customers who open the door in the busiest hour."""
TAKEN: Final = (0.72, 0.19, 0.06, 0.03)
"""Shares of customers who take one thing, two, three, four."""
OPEN_S: Final = (6.0, 14.0)
"""How long each holds the door open on average."""
FULL: Final = (90.0, 220.0)
UNIT_KG: Final = (0.25, 1.1)
LOW_SHARE: Final = (0.15, 0.35)
"""Of a full shelf: when so few are left, somebody is told."""
RESTOCK_S: Final = (900.0, 5400.0)
"""From there to a full shelf."""

# --- cold -------------------------------------------------------------------------------------------------------------

SHOP_C: Final = (19.0, 25.0)
SET_POINT_C: Final = (3.0, 5.5)
HYSTERESIS_K: Final = 1.2
"""Either way of the set-point."""
WALLS_W_K: Final = (6.0, 10.0)
DOOR_W_K: Final = (45.0, 80.0)
"""More while the door is open: air that falls out, and the glass (assumed: about 1 kW, as cabinet makers count it)."""
LIGHT_W, FANS_W = 25.0, 30.0
"""Both warm the inside; light while the shop is open, fans always."""
HEAT_J_K: Final = (70e3, 130e3)
COOLING_W: Final = (520.0, 760.0)
PERFORMANCE: Final = (1.9, 2.6)
"""Heat moved over power taken by the compressor."""
WORN_LOSES: Final = 0.25
"""Of the cooling, at the end of the compressor's life; by the square of what is over."""
LIFE_S: Final = 12.0 * 365.25 * 86_400.0 * 0.4
"""Characteristic time of running: 12 years, two fifths of it (assumed); Weibull with `LIFE_SHAPE`."""
LIFE_SHAPE: Final = 3.0
SHORTEST_LIFE_S: Final = 0.05 * LIFE_S

RUNS: Final = 0.4
"""Share of the time in which the compressor of a shut cabinet runs."""
PARTS: Final = WornParts(
    WornPart("valves", "the compressor's valves", breaks={"compressor-failure": 1.0}),
    WornPart("scale", "the load cell", breaks={"scale-drift": 1.0}),
)
"""Besides the compressor's running time. A failure of full severity is the end of its part; what ended was not put
right by itself."""

# --- scale and sensors ------------------------------------------------------------------------------------------------

ZERO_KG, SPAN = 2.5, 0.06
"""By which the worst load cell moves its zero, and its sensitivity as a share."""
COUNTED: Final = 65_000.0
"""Openings after which the counter begins again at 0."""
WEIGHT_NOISE_KG, TEMPERATURE_NOISE_K, POWER_NOISE = 0.02, 0.05, 0.01


class Shelf:
    """Chilled retail shelf. See `MachineKind` for the contract."""

    name = "shelf"
    summary = "chilled retail shelf: items, weight, door, temperature, power of the compressor"
    channels: tuple[Channel, ...] = (
        Channel("items", "1", 0.0, 500.0, 1.0, by_event=True),
        Channel("weight_kg", "kg", 0.0, 400.0, 0.02, by_event=True),
        Channel("door_open_pct", "%", 0.0, 100.0, 0.1, by_event=True),
        Channel("door_openings", "1", 0.0, COUNTED, 1.0, COUNTED / 2.0, averaged=False),
        Channel("temperature_c", "C", -20.0, 60.0, 0.01),
        Channel("power_w", "W", 0.0, 1_500.0, 0.1),
    )
    every_us = 60 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("customers_per_h", "1/h", 0.0, 300.0, "customers at the door in the busiest hour"),
        Quantity("set_point_c", "C", -5.0, 15.0, "middle of the thermostat's hysteresis"),
        Quantity("shop_c", "C", 5.0, 40.0, "air in the shop"),
        Quantity("cooling_w", "W", 100.0, 2_000.0, "heat that a new compressor takes out"),
        Quantity("restock_s", "s", 0.0, 86_400.0, "from a low shelf to a full one"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the compressor's life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (
        Quantity("customers_per_h", "1/h", 0.0, 300.0, "customers at the door"),
        Quantity("set_point_c", "C", -5.0, 15.0, "middle of the thermostat's hysteresis"),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "door-ajar",
            "the door does not close: open without customers, warm inside, a compressor that never rests",
            ("door_open_pct", "temperature_c"),
        ),
        FailureMode(
            "compressor-failure",
            "the compressor moves less heat, runs longer, then trips: the cabinet goes to the shop's temperature",
            ("temperature_c", "power_w"),
        ),
        FailureMode(
            "scale-drift", "the load cell creeps: weight leaves what the items weigh, also when empty", ("weight_kg",)
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            customers_per_h, set_point_c, shop_c, cooling_w, restock_s, worn_at_start: as set.
            crowd_phase: of the shop. begin: in `arrivals`. open_s: see `OPEN_S`. full, low: items. unit_kg: of an item.
            walls_w_k, door_w_k, heat_j_k, performance: see above. wear_per_s: of running. items_at_start.
        """
        full = np.rint(uniform(draws(0), *FULL)).astype(np.float32)
        low = np.rint(full * uniform(draws(1), *LOW_SHARE)).astype(np.float32)
        life_s = np.maximum(weibull(draws(2), LIFE_S, LIFE_SHAPE), SHORTEST_LIFE_S)
        return {
            "customers_per_h": uniform(draws(3), *BUSIEST_PER_H),
            "set_point_c": uniform(draws(4), *SET_POINT_C),
            "shop_c": uniform(place.of_site(45), *SHOP_C),
            "cooling_w": uniform(draws(5), *COOLING_W),
            "restock_s": uniform(draws(6), *RESTOCK_S),
            "worn_at_start": uniform(draws(7), 0.0, 0.6),
            "crowd_phase": phase(place.of_site(46)),
            "begin": arrivals.begin(draws(8)),
            "open_s": uniform(draws(9), *OPEN_S),
            "full": full,
            "low": low,
            "unit_kg": uniform(draws(10), *UNIT_KG),
            "walls_w_k": uniform(draws(11), *WALLS_W_K),
            "door_w_k": uniform(draws(12), *DOOR_W_K),
            "heat_j_k": uniform(draws(13), *HEAT_J_K),
            "performance": uniform(draws(14), *PERFORMANCE),
            "wear_per_s": (1.0 / life_s).astype(np.float32),
            "items_at_start": np.rint(low + (full - low) * uniform(draws(15), 0.05, 1.0)).astype(np.float32),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """Somewhere between two fillings, cold, with the compressor at rest."""
        zeros = np.zeros_like(parameters["full"])
        return {
            "place": parameters["begin"].copy(),
            "place_rest": zeros,
            "items": parameters["items_at_start"].copy(),
            "waited_s": zeros.copy(),
            "opened": zeros.copy(),
            "open_due_s": zeros.copy(),
            "open_share": zeros.copy(),
            "light": zeros.copy(),
            "cooling": zeros.copy(),
            "inside_c": parameters["set_point_c"].copy(),
            "worn": parameters["worn_at_start"].copy(),
            "worn_rest": zeros.copy(),
            "ajar": zeros.copy(),
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
        """See `MachineKind`. Without power the compressor rests and it grows warm; customers still come."""
        PARTS.wear(state, inputs)
        state["ajar"][...] = inputs.failures.get("door-ajar", 0.0)
        for start_us, end_us in stretches(inputs.now_us, inputs.dt_us, HOLD_US, MEMORY_US):
            long = end_us - start_us > HOLD_US
            if long:
                _sell(state, parameters, inputs, end_us - start_us)
            elif start_us % HOLD_US == 0:
                _decide(state, parameters, inputs, inputs.now_us - start_us)
            _live(state, parameters, inputs, end_us - start_us)
            if long:
                state["cooling"].fill(0.0)
        _measure(state, parameters, inputs, noise, out)

    def renew(self, state: Mapping[str, Values], parameters: Mapping[str, Values], rows: NDArray[np.intp]) -> None:
        """See `Renewable`. A new compressor, and a scale that weighs right."""
        PARTS.renew(state, parameters, rows)
        state["worn"][rows] = 0.0
        state["worn_rest"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the compressor, which runs about two fifths of the time, or always when the
        door does not close; or its valves, or the scale."""
        health = np.clip(1.0 - state["worn"], 0.0, 1.0)
        runs = state["ajar"] * np.float32(1.0 - RUNS) + np.float32(RUNS)
        return sooner(Truth(health, health / (parameters["wear_per_s"] * runs)), PARTS.truth(state, parameters))


# --- customers and goods ----------------------------------------------------------------------------------------------


def _decide(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, ago_us: int) -> None:
    """Who comes in the next minute, what they take, and whether the compressor runs."""
    share = CUSTOMERS[of_week_us(inputs, ago_us) // HOLD_US]
    coming = CROWD.at(parameters["crowd_phase"], inputs.now_us - ago_us)
    coming += 1.0
    np.maximum(coming, 0.0, out=coming)
    coming *= share
    coming *= parameters["customers_per_h"]
    follow(coming, inputs, "customers_per_h")
    light = float(share > 0.0)
    state["light"].fill(light)
    coming *= HOLD_S / 3600.0
    stretch = arrivals.along(state["place"], state["place_rest"], coming)
    came = arrivals.brought(stretch, arrivals.events())

    items, waited_s = state["items"], state["waited_s"]
    items -= arrivals.brought(stretch, arrivals.batches(TAKEN))
    np.maximum(items, 0.0, out=items)
    waited_s += HOLD_S * light  # nobody fills shelves at night
    waited_s *= items <= parameters["low"]
    np.copyto(items, parameters["full"], where=(waited_s > parameters["restock_s"]) & (waited_s > 0.0))

    _count(state, came)
    open_s, due_s = state["open_share"], state["open_due_s"]
    came *= parameters["open_s"]
    due_s += came
    np.minimum(due_s, HOLD_S, out=open_s)  # one after the other: who comes while it is open opens it for longer
    due_s -= open_s
    open_s *= 1.0 / HOLD_S

    set_point = parameters["set_point_c"].copy()
    follow(set_point, inputs, "set_point_c")
    over_k = state["inside_c"] - set_point
    cooling = state["cooling"]
    np.copyto(cooling, np.float32(1.0), where=over_k >= HYSTERESIS_K)
    np.copyto(cooling, np.float32(0.0), where=over_k <= -HYSTERESIS_K)


def _sell(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """A long time in one: customers of a mean week, fillings as often as they ask for, cooling as much as it takes."""
    hours = dt_us / HOUR_US
    coming = parameters["customers_per_h"] * np.float32(MEAN_CUSTOMERS)
    follow(coming, inputs, "customers_per_h")
    coming *= np.float32(hours)
    stretch = arrivals.along(state["place"], state["place_rest"], coming)
    _count(state, arrivals.brought(stretch, arrivals.events()))
    span = parameters["full"] - parameters["low"]
    gone_since = parameters["full"] - state["items"]
    gone_since += arrivals.brought(stretch, arrivals.batches(TAKEN))
    fillings = np.floor(gone_since / span)
    fillings *= span
    gone_since -= fillings
    np.subtract(parameters["full"], gone_since, out=state["items"])

    set_point = parameters["set_point_c"].copy()
    follow(set_point, inputs, "set_point_c")
    needed_w = parameters["shop_c"] - set_point
    needed_w *= parameters["walls_w_k"] + parameters["door_w_k"] * _open_share(state, inputs)
    needed_w += FANS_W
    needed_w /= parameters["cooling_w"]
    np.clip(needed_w, 0.0, 1.0, out=state["cooling"])


def _count(state: Mapping[str, Values], came: Values) -> None:
    opened = state["opened"]
    opened += came
    turns = np.floor(opened * np.float32(1.0 / COUNTED))
    turns *= COUNTED
    opened -= turns


# --- cold -------------------------------------------------------------------------------------------------------------


def _open_share(state: Mapping[str, Values], inputs: Inputs) -> Values:
    """Share of the time for which the door is open: by customers, or because it does not close."""
    ajar = inputs.failures.get("door-ajar")
    share = state["open_share"]
    return share.copy() if ajar is None else share + (1.0 - share) * ajar


def _compressor(state: Mapping[str, Values], inputs: Inputs) -> Values:
    """1 where a compressor runs."""
    return state["cooling"].copy() if inputs.running is None else state["cooling"] * inputs.running


def _live(state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, dt_us: int) -> None:
    """Let heat go on with constant inputs, and the compressor wear."""
    dt_s = np.float32(dt_us / SECOND_US)
    runs = _compressor(state, inputs)
    taken_w = state["worn"] * state["worn"]
    taken_w *= -WORN_LOSES
    taken_w += 1.0
    taken_w *= parameters["cooling_w"]
    taken_w *= runs
    failed = inputs.failures.get("compressor-failure")
    if failed is not None:
        taken_w *= 1.0 - failed
    made_w = state["light"] * np.float32(LIGHT_W)
    made_w += FANS_W
    if inputs.running is not None:
        made_w *= inputs.running
    made_w -= taken_w

    inside_c = state["inside_c"]
    loss_w_k = _open_share(state, inputs)
    loss_w_k *= parameters["door_w_k"]
    loss_w_k += parameters["walls_w_k"]
    made_w /= loss_w_k
    made_w += parameters["shop_c"]
    made_w -= inside_c
    loss_w_k *= dt_s
    loss_w_k /= parameters["heat_j_k"]
    made_w *= gone(loss_w_k)
    inside_c += made_w

    runs *= parameters["wear_per_s"]
    runs *= dt_s
    add_to(state["worn"], state["worn_rest"], runs)
    np.minimum(state["worn"], np.float32(1.0), out=state["worn"])


def _measure(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, noise: Values, out: Values
) -> None:
    """Fill `out`."""
    items, weight_kg, open_pct, opened, inside_c, power_w = out
    np.copyto(items, state["items"])
    np.multiply(items, parameters["unit_kg"], out=weight_kg)
    drift = inputs.failures.get("scale-drift")
    if drift is not None:
        weight_kg *= 1.0 + np.float32(SPAN) * drift
        weight_kg += np.float32(ZERO_KG) * drift
    np.multiply(_open_share(state, inputs), 100.0, out=open_pct)
    np.copyto(opened, state["opened"])
    np.copyto(inside_c, state["inside_c"])

    np.multiply(_compressor(state, inputs), parameters["cooling_w"], out=power_w)
    power_w /= parameters["performance"]
    failed = inputs.failures.get("compressor-failure")
    if failed is not None:
        # Leaking valves cost heat sooner than power; at the end it trips.
        power_w *= 1.0 - failed * failed
    power_w += state["light"] * np.float32(LIGHT_W)
    power_w += FANS_W
    disturb(weight_kg, noise[0], WEIGHT_NOISE_KG)
    disturb(inside_c, noise[1], TEMPERATURE_NOISE_K)
    disturb_share(power_w, noise[2], POWER_NOISE)
    keep_within(Shelf.channels, out)
