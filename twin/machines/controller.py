"""A programmable controller that runs a production cell: three stations in a line, two buffers, one repair crew.

Orders come at random, each a lot of parts. Station 1 takes the parts of an order one by one, after a changeover if the
order is of another product; each station works on a part for a time that scatters; finished parts wait for the next
station in a buffer with few places. A station whose part finds no place is *blocked*: it keeps the part and cannot take
another. One without a part is *starved*. Now and then a station stops as it takes a part and calls the crew, which all
three share and which comes to who called first.

Nothing happens between these events, so the cell goes from event to event in integer microseconds: exact, whoever asks
whenever. It reports when a part is finished, and when a station stops, is repaired, or is changed over. Chance hangs on
the number of the part, order or stop: a stop that takes longer changes no part.

Sources: blocking after service and stops that belong to the operation, as in Dallery and Gershwin, Manufacturing flow
line systems (Queueing Systems 12, 1992). Tests compare with Hunt (1956) and Pollaczek and Khinchine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import keyed, words
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, Channel, Int, Mask, Values
from twinstorm.twin.machines.kind import Course, Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics import production
from twinstorm.twin.physics.production import COUNTED, MENDS, ORDER, PART, STATIONS, TOLD, worn, worn_more
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.spread import uniform, weibull
from twinstorm.twin.physics.worn_parts import DAY_H, WornPart, WornParts, sooner

MEMORY_US: Final = 10 * MINUTE_US
"""Of a longer step only the end is lived event by event; what came before counts as parts at the usual pace."""

# --- what a cell is like (all assumed: an assembly cell of small parts) -----------------------------------------------

PROCESS_S: Final = (4.6, 6.6)
"""On a part, each station its own."""
SCATTER: Final = (0.02, 0.25)
"""Standard deviation of a process time over its mean; the rest is the same for every part."""
PLACES: Final = (2, 9)
LOT: Final = (8, 48)
LOAD: Final = (0.70, 0.92)
"""Work that orders bring, over what the slowest station could do."""
OTHER_PRODUCT_PCT: Final = (10.0, 60.0)
CHANGEOVER_S: Final = (20.0, 60.0)
STOP_EVERY_S: Final = (900.0, 2400.0)
"""Work of one station between two stops."""
REPAIR_S: Final = (20.0, 90.0)
"""Mean of an exponential repair."""
SCRAP_PCT: Final = (0.3, 2.0)
LIFE_S: Final = 3.0 * 365.25 * 86_400.0
"""Until the tools of a cell are worn out (Weibull with `LIFE_SHAPE`)."""
LIFE_SHAPE: Final = 3.0
SCAN_S: Final = 0.003
"""Standard deviation of an instant that a program sees in cycles of 10 ms."""
PARTS: Final = WornParts(
    WornPart("tool_2", "the tool of station 2", breaks={"worn-tool": 1.0}),
    # Each jam is a blow to the guides.
    WornPart("guides", "the guides of station 2", spoils_h={"jamming": 60.0 * DAY_H}),
)
"""Besides the tools, which wear with time (assumed)."""

Columns = Mapping[str, NDArray[Any]]


class Controller:
    """Controller of a production cell. See `EventKind` and `Foreseeable` for the contract."""

    name = "controller"
    summary = (
        "controller of a production cell: state, parts, scrap, cycle time, queue, blocked and stopped stations, stops"
    )
    channels: tuple[Channel, ...] = (
        Channel("state", "1", 0.0, 4.0, 1.0, averaged=False),
        Channel("parts", "1", 0.0, float(COUNTED), 1.0, COUNTED / 2.0, averaged=False),
        Channel("scrap", "1", 0.0, float(COUNTED), 1.0, COUNTED / 2.0, averaged=False),
        Channel("cycle_time_s", "s", 0.0, 600.0, 0.01, 300.0, by_event=True),
        Channel("queue", "1", 0.0, 30_000.0, 1.0, by_event=True),
        Channel("blocked_stations", "1", 0.0, 2.0, 1.0, by_event=True),
        Channel("stopped_stations", "1", 0.0, 3.0, 1.0, by_event=True),
        Channel("stops", "1", 0.0, float(COUNTED), 1.0, COUNTED / 2.0, averaged=False),
    )
    every_us = 30 * SECOND_US
    grid_us = 2 * SECOND_US
    words = 1
    settable: tuple[Quantity, ...] = (
        Quantity("process_1_s", "s", 0.001, 3600.0, "mean time that station 1 works on a part"),
        Quantity("process_2_s", "s", 0.001, 3600.0, "the same of station 2"),
        Quantity("process_3_s", "s", 0.001, 3600.0, "the same of station 3"),
        Quantity("scatter", "1", 0.0, 1.0, "standard deviation of process times over their mean; 1: exponential"),
        Quantity("places", "1", 0.0, 1000.0, "parts that each buffer holds"),
        Quantity("lot", "1", 1.0, 10_000.0, "parts of an order"),
        Quantity("order_every_s", "s", 0.01, 1e6, "mean time between orders"),
        Quantity("changeover_s", "s", 0.0, 86_400.0, "changeover to another product"),
        Quantity("stop_every_s", "s", 1.0, 1e9, "work of a station between two stops"),
        Quantity("repair_s", "s", 0.1, 86_400.0, "mean time in which the crew repairs a station"),
        Quantity("scrap_pct", "%", 0.0, 100.0, "share of the parts that are scrap, with new tools"),
        Quantity("worn_at_start", "1", 0.0, 1.0, "share of the tools' life that is over at the start"),
    )
    drives: tuple[Quantity, ...] = (Quantity("demand", "1", 0.0, 4.0, "orders as a multiple of the usual ones"),)
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            "worn-tool",
            "the tool of station 2 is blunt: it works longer and spoils parts; buffers before it fill",
            ("cycle_time_s", "scrap"),
        ),
        FailureMode(
            "jamming",
            "parts jam at station 2, which stops and stops; the others are blocked or starved",
            ("cycle_time_s", "stops"),
        ),
        FailureMode(
            "crew-short",
            "the crew is needed elsewhere: each repair takes several times as long, stopped stations wait for it",
            ("parts", "queue"),
            harms=False,
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Any]:  # noqa: ARG002
        """See `MachineKind`.

        Returns:
            process_1_s, process_2_s, process_3_s, scatter, places, lot, order_every_s, changeover_s, stop_every_s,
            repair_s, scrap_pct, worn_at_start: as set. other_product: chance that an order is of another product than
            the last. wear_per_s: of power. key: uint64, of the cell's chance; part_1, part_2, part_3: uint64, of that
            of the parts at each station (`chance.keyed`).
        """
        process_s = [uniform(draws(number), *PROCESS_S) for number in range(3)]
        slowest_s = np.maximum(np.maximum(process_s[0], process_s[1]), process_s[2])
        lot = np.rint(uniform(draws(3), *LOT)).astype(np.float32)
        key = draws(14)
        life_s = np.maximum(weibull(draws(4), LIFE_S, LIFE_SHAPE), 0.05 * LIFE_S)
        return {
            "process_1_s": process_s[0],
            "process_2_s": process_s[1],
            "process_3_s": process_s[2],
            "scatter": uniform(draws(5), *SCATTER),
            "places": uniform(draws(6), *PLACES),
            "lot": lot,
            "order_every_s": (lot * slowest_s / uniform(draws(7), *LOAD)).astype(np.float32),
            "changeover_s": uniform(draws(8), *CHANGEOVER_S),
            "stop_every_s": uniform(draws(9), *STOP_EVERY_S),
            "repair_s": uniform(draws(10), *REPAIR_S),
            "scrap_pct": uniform(draws(11), *SCRAP_PCT),
            "worn_at_start": uniform(draws(12), 0.0, 0.6),
            "other_product": uniform(draws(13), *OTHER_PRODUCT_PCT) / np.float32(100.0),
            "wear_per_s": (1.0 / life_s).astype(np.float32),
            "key": key,
            **{f"part_{s}": keyed(PART[s - 1], key) for s in STATIONS},
        }

    def initial(self, parameters: Columns) -> dict[str, Any]:
        """An empty cell; the first order is there, or nearly.

        Returns:
            clock_us: the cell's own time. order_us: when the next order comes. Of each station s: until_s_us: end of
            what it does; does_s: see `WAITS`; called_s_us: when it called the crew; taken_s, stops_s: parts and
            repairs so far. after_1, after_2: parts between two stations, one that blocks its station included. queue:
            parts of orders that station 1 has not taken; left: those of the order in work. orders, begun: that came,
            that were begun. parts, scrap: see the channels. finished_us: the last part; cycle_us: since the one before.
            news: something to tell. more: float32, times as many stops and scrap as with new tools, by their wear when
            the newest order was begun. renewed_us: when they were renewed last.
        """
        n = len(parameters["key"])
        names = ["clock_us", "left", "orders", "begun", "finished_us", *TOLD]
        names += [f"taken_{s}" for s in STATIONS]
        state: dict[str, Any] = {name: np.zeros(n, np.int64) for name in names}
        for s in STATIONS:
            state[f"until_{s}_us"] = np.full(n, NEVER_US, np.int64)
            state[f"called_{s}_us"] = np.full(n, NEVER_US, np.int64)
        first = words(ORDER, parameters["key"], 0)
        most_us = (parameters["process_1_s"].astype(np.float64) * SECOND_US).astype(np.int64)
        state["order_us"] = 1 + ((first >> np.uint64(40)).astype(np.int64) * most_us >> 24)
        state["renewed_us"] = np.full(n, NEVER_US, np.int64)
        every = np.arange(n)
        state["more"] = worn_more(worn(state, parameters, every, state["clock_us"]))
        return state | PARTS.initial(every)

    def step(self, state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
        """See `EventKind`. A cell without power stands still, with its parts where they are."""
        lived_us = inputs.lived(len(state["clock_us"]))
        PARTS.wear(state, inputs, (lived_us * (1.0 / SECOND_US)).astype(np.float32))
        left_out_us = lived_us - MEMORY_US
        if (left_out_us > 0).any():
            _skip(state, parameters, np.maximum(left_out_us, 0))
            lived_us = np.minimum(lived_us, MEMORY_US)
        production.live(state, parameters, inputs, lived_us)
        self.measure(state, parameters, noise, out)

    def foresee(self, state: Columns, parameters: Columns, inputs: Inputs) -> Course:
        """See `Foreseeable`."""
        PARTS.wear(state, inputs)
        return production.foresee(state, parameters, inputs, inputs.lived(len(state["clock_us"])))

    def measure(self, state: Columns, parameters: Columns, noise: Values, out: Values) -> None:
        """See `Foreseeable`."""
        does = [state[f"does_{s}"] for s in STATIONS]
        np.copyto(out[0], np.maximum(np.maximum(does[0], does[1]), does[2]))
        np.copyto(out[1], state["parts"])
        np.copyto(out[2], state["scrap"])
        np.multiply(state["cycle_us"], np.float32(1.0 / SECOND_US), out=out[3], casting="same_kind")
        disturb(out[3], noise[0], SCAN_S)
        np.copyto(out[4], np.minimum(state["queue"], 30_000))
        places = np.rint(parameters["places"])
        np.copyto(out[5], (state["after_1"] > places).astype(np.float32) + (state["after_2"] > places))
        np.copyto(out[6], sum((each >= MENDS).astype(np.float32) for each in does))
        np.copyto(out[7], (state["stops_1"] + state["stops_2"] + state["stops_3"]) % COUNTED)
        keep_within(Controller.channels, out)

    def ahead_us(self, state: Columns) -> Int:
        """See `EventKind`."""
        return production.soonest_us(state) - state["clock_us"]

    def has_news(self, state: Columns) -> Mask:
        """See `EventKind`."""
        news: Mask = state["news"] > 0
        return news

    def renew(self, state: Columns, parameters: Columns, rows: NDArray[np.intp]) -> None:
        """See `Renewable`. New tools and guides; they are felt from the next order on."""
        state["renewed_us"][rows] = state["clock_us"][rows]
        PARTS.renew(state, parameters, rows)

    def truth(self, state: Columns, parameters: Columns) -> Truth:
        """See `MachineKind`. What ends are the tools, or the guides that jams have bent."""
        over = worn(state, parameters, np.arange(len(state["clock_us"])), state["clock_us"])
        health = (1.0 - over).astype(np.float32)
        tools = Truth(health, (health / parameters["wear_per_s"]).astype(np.float32))
        return sooner(tools, PARTS.truth(state, parameters))


def _skip(state: Columns, parameters: Columns, left_out_us: Int) -> None:
    """Leave out a long time: everything stays where it is, parts are counted at the pace of the orders."""
    state["clock_us"] += left_out_us
    for name in ("order_us", "finished_us"):
        state[name] += left_out_us
    for s in STATIONS:
        for name in (f"until_{s}_us", f"called_{s}_us"):
            state[name] += np.where(state[name] < NEVER_US, left_out_us, 0)
    orders = left_out_us / (parameters["order_every_s"].astype(np.float64) * SECOND_US)
    made = np.floor(orders * parameters["lot"]).astype(np.int64)
    state["parts"] += made
    state["parts"] %= COUNTED
