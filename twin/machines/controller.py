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
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, keyed, numbered, stream, words
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, Channel, Int, Mask, Values
from twinstorm.twin.machines.kind import Course, Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.keyed import exponential, share, to_us
from twinstorm.twin.physics.sensing import disturb, keep_within
from twinstorm.twin.physics.spread import uniform, weibull
from twinstorm.twin.physics.worn_parts import DAY_H, WornPart, WornParts, sooner

STATIONS: Final = (1, 2, 3)
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
WORN_MORE: Final = 2.0
"""More stops and more scrap at the end of that life, as a share; by the square of the wear."""

# --- what failures do at full severity --------------------------------------------------------------------------------

SLOWER: Final = 0.6
"""Longer process time of station 2 with a worn tool, as a share."""
WORN_SCRAP: Final = 0.15
"""Share of parts that a worn tool spoils."""
JAMS: Final = 0.08
"""Share of the parts that jam at station 2."""
CREW_LATER: Final = 6.0
"""Times as long until a station runs again when the crew is needed elsewhere."""

SCAN_S: Final = 0.003
"""Standard deviation of an instant that a program sees in cycles of 10 ms."""
COUNTED: Final = 65_000
"""Parts after which a counter begins again at 0."""
LEAST_DEMAND: Final = 0.01
PARTS_AHEAD: Final = 60
"""Parts of a station whose chance is drawn at one call, at most, when cells live for long: what it takes in five
minutes."""

PARTS: Final = WornParts(
    WornPart("tool_2", "the tool of station 2", breaks={"worn-tool": 1.0}),
    # Each jam is a blow to the guides.
    WornPart("guides", "the guides of station 2", spoils_h={"jamming": 60.0 * DAY_H}),
)
"""Besides the tools, which wear with time (assumed)."""

# --- codes ------------------------------------------------------------------------------------------------------------

WAITS, WORKS, CHANGES, MENDS, STOPS = 0, 1, 2, 3, 4
"""What a station does; the `state` of a cell is the highest of its stations. Blocked and starved stations wait."""

TOLD: Final = (
    *(f"does_{s}" for s in STATIONS),
    *(f"stops_{s}" for s in STATIONS),
    "after_1",
    "after_2",
    "queue",
    "parts",
    "scrap",
    "cycle_us",
    "news",
)
"""What a reading tells of; the stations' columns first."""

_PART, _REPAIR = (tuple(stream(0, 40 + 4 * what + s) for s in STATIONS) for what in range(2))
_ORDER, _PRODUCT = stream(0, 48), stream(0, 49)

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
        Channel("cycle_time_s", "s", 0.0, 600.0, 0.01, 300.0),
        Channel("queue", "1", 0.0, 30_000.0, 1.0),
        Channel("blocked_stations", "1", 0.0, 2.0, 1.0),
        Channel("stopped_stations", "1", 0.0, 3.0, 1.0),
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
            **{f"part_{s}": keyed(_PART[s - 1], key) for s in STATIONS},
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
        first = words(_ORDER, parameters["key"], 0)
        most_us = (parameters["process_1_s"].astype(np.float64) * SECOND_US).astype(np.int64)
        state["order_us"] = 1 + ((first >> np.uint64(40)).astype(np.int64) * most_us >> 24)
        state["renewed_us"] = np.full(n, NEVER_US, np.int64)
        every = np.arange(n)
        state["more"] = _worn_more(_worn(state, parameters, every, state["clock_us"]))
        return state | PARTS.initial(every)

    def step(self, state: Columns, parameters: Columns, inputs: Inputs, noise: Values, out: Values) -> None:
        """See `EventKind`. A cell without power stands still, with its parts where they are."""
        lived_us = inputs.lived(len(state["clock_us"]))
        PARTS.wear(state, inputs, (lived_us * (1.0 / SECOND_US)).astype(np.float32))
        left_out_us = lived_us - MEMORY_US
        if (left_out_us > 0).any():
            _skip(state, parameters, np.maximum(left_out_us, 0))
            lived_us = np.minimum(lived_us, MEMORY_US)
        _live(state, parameters, inputs, lived_us, None)
        self.measure(state, parameters, noise, out)

    def foresee(self, state: Columns, parameters: Columns, inputs: Inputs) -> Course:
        """See `Foreseeable`."""
        PARTS.wear(state, inputs)
        seen = _Seen()
        _live(state, parameters, inputs, inputs.lived(len(state["clock_us"])), seen)
        return seen.course()

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
        return _soonest_us(state) - state["clock_us"]

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
        worn = _worn(state, parameters, np.arange(len(state["clock_us"])), state["clock_us"])
        health = (1.0 - worn).astype(np.float32)
        tools = Truth(health, (health / parameters["wear_per_s"]).astype(np.float32))
        return sooner(tools, PARTS.truth(state, parameters))


def _worn(state: Columns, parameters: Columns, rows: Int, at_us: Int) -> NDArray[np.float64]:
    """Share of the tools' life that is over in these cells, each at an instant of its own time."""
    renewed_us = state["renewed_us"][rows]
    anew = renewed_us < NEVER_US
    worn = np.where(anew, at_us - renewed_us, at_us).astype(np.float64)
    worn *= 1.0 / SECOND_US
    worn *= parameters["wear_per_s"][rows]
    worn += np.where(anew, np.float32(0.0), parameters["worn_at_start"][rows])
    return np.minimum(worn, 1.0, out=worn)


def _worn_more(worn: NDArray[np.float64]) -> Values:
    """How many times as much worn tools stop and spoil as new ones."""
    return (1.0 + WORN_MORE * worn * worn).astype(np.float32)


def _soonest_us(state: Columns) -> Int:
    """When something happens next in each cell."""
    soonest_us: Int = state["order_us"].copy()
    for s in STATIONS:
        np.minimum(soonest_us, state[f"until_{s}_us"], out=soonest_us)
    return soonest_us


def _live(state: Columns, parameters: Columns, inputs: Inputs, lived_us: Int, seen: _Seen | None) -> None:
    """Let cells live for so long, at most `MEMORY_US`; what happens is also told to whoever wants to see it."""
    state["news"].fill(0)
    until_us = state["clock_us"] + lived_us
    ahead_us = _soonest_us(state)
    rows = np.flatnonzero(ahead_us <= until_us)
    if len(rows):
        cells = _Cells(state, parameters, inputs)
        if seen is not None:
            cells.draw_ahead(int(lived_us.max()) // (5 * SECOND_US) + 1)
        cells.go_on(rows, ahead_us[rows], until_us, seen)
    np.copyto(state["clock_us"], until_us)


class _Seen:
    """Everything that happened in some cells."""

    def __init__(self) -> None:
        none = np.empty(0, np.int64)
        self._rows, self._at_us, self._told = [none], [none], [np.empty((len(TOLD), 0), np.int64)]

    def happened(self, rows: Int, at_us: Int, told: Int) -> None:
        """Something in these cells, each another one; told: int64 (columns of `TOLD`, rows), afterwards."""
        self._rows.append(rows)
        self._at_us.append(at_us)
        self._told.append(told)

    def course(self) -> Course:
        told = dict(zip(TOLD, np.concatenate(self._told, axis=1), strict=True))
        return Course(np.concatenate(self._rows), np.concatenate(self._at_us), told["news"] > 0, told)


@dataclass(slots=True)
class _Drawn:
    """What chance makes of some parts, each at a station (from 0) of a cell."""

    cells: _Cells
    station: Int
    rows: Int
    words: Words

    def process_us(self) -> Int:
        """How long their stations work on them."""
        return self.cells.process_us(self.station, self.rows, self.words)

    def stops(self) -> Values:
        """A station stops as it takes one if this is less than its share."""
        return share(self.words, 24)

    def spoils(self) -> Values:
        """It is scrap if this is less than the share of scrap."""
        return share(self.words, 0)


@dataclass(slots=True)
class _Ahead:
    """The same of all parts to come, from those with the numbers `first` on: (stations, cells, parts)."""

    first: Int
    process_us: Int
    stops: Values
    spoils: Values

    @staticmethod
    def of(cells: _Cells, first: Int, parts: int) -> _Ahead:
        shape = (*first.shape, parts)
        station, rows, nth = np.indices(shape).reshape(3, -1)
        drawn = cells.drawn(station, rows, first[station, rows] + nth)
        return _Ahead(first, *(each.reshape(shape) for each in (drawn.process_us(), drawn.stops(), drawn.spoils())))


@dataclass(slots=True)
class _Known:
    """Some of them: as `_Drawn`."""

    ahead: _Ahead
    here: tuple[Int, Int, Int]

    def process_us(self) -> Int:
        return self.ahead.process_us[self.here]

    def stops(self) -> Values:
        return self.ahead.stops[self.here]

    def spoils(self) -> Values:
        return self.ahead.spoils[self.here]


class _Cells:
    """Some cells while they go through what happens in them; all rows are int64 and distinct.

    What changes with every part lies in arrays (stations or columns, cells) meanwhile.
    """

    def __init__(self, state: Columns, parameters: Columns, inputs: Inputs) -> None:
        self._state = state
        self._parameters = parameters
        self._inputs = inputs
        self._told = np.stack([state[name] for name in TOLD])
        n = len(STATIONS)
        self._does, self._stops, self._after = self._told[:n], self._told[n : 2 * n], self._told[2 * n : 3 * n - 1]
        self._queue, self._parts, self._scrap, self._cycle_us, self._news = self._told[3 * n - 1 :]
        self._until_us = np.stack([state[f"until_{s}_us"] for s in STATIONS])
        self._taken = np.stack([state[f"taken_{s}"] for s in STATIONS])
        self._part = np.stack([parameters[f"part_{s}"] for s in STATIONS])
        self._process_s = np.stack([parameters[f"process_{s}_s"] for s in STATIONS])
        self._places = np.rint(parameters["places"])
        self._stop_share = np.empty_like(self._process_s)
        """Of the parts that a station takes, at how many it stops."""
        self._find_stop_share(np.arange(len(self._places)))
        self._ahead: _Ahead | None = None
        self._parts_ahead = 1

    def draw_ahead(self, parts: int) -> None:
        """Draw what the next parts will bring: for a few cells that costs little more than for one part of each."""
        self._parts_ahead = min(parts, PARTS_AHEAD)
        self._ahead = _Ahead.of(self, self._taken.copy(), self._parts_ahead)

    def drawn(self, station: Int, rows: Int, number: Int) -> _Drawn:
        """Chance of the parts with these numbers."""
        return _Drawn(self, station, rows, numbered(self._part[station, rows], number))

    def _newest(self, station: Int, rows: Int) -> _Drawn | _Known:
        """Chance of the newest parts of these stations, which are at least one."""
        number = self._taken[station, rows]
        if self._ahead is None:
            return self.drawn(station, rows, number)
        nth = number - self._ahead.first[station, rows]
        if int(np.maximum.reduce(nth)) >= self._parts_ahead:
            self.draw_ahead(self._parts_ahead)
            return self._newest(station, rows)
        return _Known(self._ahead, (station, rows, nth))

    def _find_stop_share(self, rows: Int) -> None:
        parameters = self._parameters
        stop_share = self._process_s[:, rows] / parameters["stop_every_s"][rows] * self._state["more"][rows]
        jams = self._inputs.failures.get("jamming")
        if jams is not None:
            stop_share[1] += np.float32(JAMS) * jams[rows]
        self._stop_share[:, rows] = stop_share

    def go_on(self, rows: Int, at_us: Int, until_us: Int, seen: _Seen | None) -> None:
        """Let everything happen that lies up to these instants, int64 (cells,); `at_us`: when it begins in `rows`."""
        state = self._state
        order_us = state["order_us"]
        while len(rows):
            if seen is not None:
                self._news[rows] = 0
            self._happen(rows, at_us)
            if seen is not None:
                seen.happened(rows, at_us, self._told[:, rows])
            ahead_us = np.minimum(order_us[rows], np.minimum.reduce(self._until_us[:, rows]))
            more = (ahead_us <= until_us[rows]).nonzero()[0]
            rows, at_us = rows[more], ahead_us[more]
        for name, column in zip(TOLD, self._told, strict=True):
            np.copyto(state[name], column)
        for place, s in enumerate(STATIONS):
            np.copyto(state[f"until_{s}_us"], self._until_us[place])
            np.copyto(state[f"taken_{s}"], self._taken[place])

    def _happen(self, rows: Int, at_us: Int) -> None:
        """Let happen what is due in these cells at these instants, and all that follows from it at once."""
        comes = (self._state["order_us"][rows] == at_us).nonzero()[0]
        if len(comes):
            self._order(rows[comes], at_us[comes])
        freed = self._end(rows, at_us)
        called = self._take(rows, at_us)
        if freed or called:
            self._call(rows, at_us)

    def _order(self, rows: Int, at_us: Int) -> None:
        """An order comes; when will the next one?"""
        state, parameters = self._state, self._parameters
        self._queue[rows] += np.rint(parameters["lot"][rows]).astype(np.int64)
        state["orders"][rows] += 1
        demand = np.ones(len(self._queue), np.float32)
        follow(demand, self._inputs, "demand")
        drawn = words(_ORDER, parameters["key"][rows], state["orders"][rows])
        mean_s = parameters["order_every_s"][rows].astype(np.float64)
        mean_s /= np.maximum(demand[rows], LEAST_DEMAND)
        state["order_us"][rows] = at_us + to_us(mean_s * exponential(drawn))

    def _end(self, rows: Int, at_us: Int) -> bool:
        """What stations of these cells do may be over. Returns whether a crew is free again."""
        station, place = (self._until_us[:, rows] == at_us).nonzero()
        if not len(place):
            return False
        cells, at_us = rows[place], at_us[place]
        was = self._does[station, cells]
        worked = was == WORKS
        if np.count_nonzero(worked) == len(worked):
            self._done(station, cells, at_us)
            return False
        self._done(station[worked], cells[worked], at_us[worked])
        ready = ~worked
        station, cells = station[ready], cells[ready]
        here = station, cells
        self._news[cells] = 1
        self._does[here] = WORKS
        self._until_us[here] = at_us[ready] + self._newest(station, cells).process_us()
        return bool((was == MENDS).any())

    def _done(self, station: Int, rows: Int, at_us: Int) -> None:
        """These stations, by their places and ascending, have worked on a part."""
        here = station, rows
        self._does[here] = WAITS
        self._until_us[here] = NEVER_US
        passed_on = len(station) - int(np.count_nonzero(station == len(STATIONS) - 1))
        self._after[station[:passed_on], rows[:passed_on]] += 1
        if passed_on < len(rows):
            self._finish(rows[passed_on:], at_us[passed_on:])

    def _finish(self, rows: Int, at_us: Int) -> None:
        """A part leaves the cell, good or not."""
        parts = self._newest(np.full(len(rows), len(STATIONS) - 1), rows)
        spoils = self._parameters["scrap_pct"][rows] * self._state["more"][rows] * np.float32(0.01)
        blunt = self._inputs.failures.get("worn-tool")
        if blunt is not None:
            spoils += np.float32(WORN_SCRAP) * blunt[rows]
        spoilt = parts.spoils() < spoils
        self._parts[rows] = (self._parts[rows] + ~spoilt) % COUNTED
        self._scrap[rows] = (self._scrap[rows] + spoilt) % COUNTED
        finished_us = self._state["finished_us"]
        self._cycle_us[rows] = at_us - finished_us[rows]
        finished_us[rows] = at_us
        self._news[rows] = 1

    def _take(self, rows: Int, at_us: Int) -> bool:
        """Let stations take a part where they can, the last of the line first. Returns whether one stopped."""
        waits = self._does[:, rows] == WAITS
        queue, after = self._queue[rows], self._after[:, rows]
        places = self._places[rows]
        takes = np.empty((len(STATIONS), len(rows)), np.bool_)
        np.logical_and(waits[2], after[1] > 0, out=takes[2])
        after[1] -= takes[2]
        # Where what it has made finds no place, a station is blocked.
        np.logical_and(waits[1], (after[0] > 0) & (after[1] <= places), out=takes[1])
        after[0] -= takes[1]
        np.logical_and(waits[0], (queue > 0) & (after[0] <= places), out=takes[0])
        station, place = takes.nonzero()
        if not len(place):
            return False
        queue -= takes[0]
        self._queue[rows], self._after[:, rows] = queue, after
        rows, at_us = rows[place], at_us[place]
        here = station, rows
        self._taken[here] += 1
        parts = self._newest(station, rows)
        until_us = at_us + parts.process_us()
        does = np.full(len(rows), WORKS, np.int64)
        first = int(np.count_nonzero(takes[0]))
        stops = (parts.stops() < self._stop_share[here]).nonzero()[0]
        if len(stops):
            does[stops] = STOPS
            until_us[stops] = NEVER_US
            self._news[rows[stops]] = 1
            for s in STATIONS:
                calls = stops[station[stops] == s - 1]
                self._state[f"called_{s}_us"][rows[calls]] = at_us[calls]
        if first:
            self._begin_orders(rows[:first], at_us[:first], does[:first], until_us[:first])
        self._does[here] = does
        self._until_us[here] = until_us
        return len(stops) > 0

    def _begin_orders(self, rows: Int, at_us: Int, does: Int, until_us: Int) -> None:
        """Where the part is the first of its order, perhaps a changeover comes before; writes `does` and `until_us`."""
        state, parameters = self._state, self._parameters
        first = (state["left"][rows] == 0).nonzero()[0]
        state["left"][rows] -= 1
        if not len(first):
            return
        cells = rows[first]
        state["left"][cells] = np.rint(parameters["lot"][cells]).astype(np.int64) - 1
        state["begun"][cells] += 1
        state["more"][cells] = _worn_more(_worn(state, parameters, cells, at_us[first]))
        self._find_stop_share(cells)
        drawn = words(_PRODUCT, parameters["key"][cells], state["begun"][cells])
        other = (share(drawn, 0) < parameters["other_product"][cells]) & (does[first] == WORKS)
        if other.any():
            first, cells = first[other], cells[other]
            does[first] = CHANGES
            until_us[first] = at_us[first] + to_us(parameters["changeover_s"][cells].astype(np.float64))
            self._news[cells] = 1

    def _call(self, rows: Int, at_us: Int) -> None:
        """Where the crew is free, it goes to the station that called first."""
        state = self._state
        does = self._does[:, rows]
        waits = (does == STOPS).any(axis=0) & ~(does == MENDS).any(axis=0)
        rows, at_us = rows[waits], at_us[waits]
        if not len(rows):
            return
        called_us = np.stack([state[f"called_{s}_us"][rows] for s in STATIONS])
        called_us[self._does[:, rows] != STOPS] = NEVER_US
        first = np.argmin(called_us, axis=0)  # at one instant the first station in the line
        for place, s in enumerate(STATIONS):
            mine = np.flatnonzero(first == place)
            if not len(mine):
                continue
            cells = rows[mine]
            self._stops[place, cells] += 1
            drawn = words(_REPAIR[place], self._parameters["key"][cells], self._stops[place, cells])
            repair_s = self._parameters["repair_s"][cells] * exponential(drawn)
            short = self._inputs.failures.get("crew-short")
            if short is not None:
                repair_s *= 1.0 + (CREW_LATER - 1.0) * short[cells]
            self._does[place, cells] = MENDS
            self._until_us[place, cells] = at_us[mine] + to_us(repair_s)
            state[f"called_{s}_us"][cells] = NEVER_US
            self._news[cells] = 1

    def process_us(self, station: Int, rows: Int, drawn: Words) -> Int:
        """How long these stations, counted from 0, of these cells work on a part."""
        process_s = exponential(drawn)
        process_s -= 1.0
        process_s *= self._parameters["scatter"][rows]
        process_s += 1.0
        process_s *= self._process_s[station, rows]
        blunt = self._inputs.failures.get("worn-tool")
        if blunt is not None:
            process_s *= np.where(station == 1, 1.0 + SLOWER * blunt[rows].astype(np.float64), 1.0)
        return to_us(process_s)


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
