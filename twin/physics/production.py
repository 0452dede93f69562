"""What happens in production cells, event after event: three stations in a line, two buffers, one repair crew.

See `machines.controller` for what a cell is. Here each turn of a loop lets happen in every cell what is due in it next.
A call on thirty cells costs as much as one on a few of them, so nothing is gathered: what concerns some stations is
done with their places in flat arrays, everything else with all cells, those in which nothing happens masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words, keyed, numbered, stream, words
from twinstorm.twin.flow import NEVER_US, SECOND_US, Int, Mask, Values
from twinstorm.twin.machines.kind import Course, Inputs
from twinstorm.twin.physics.driving import follow
from twinstorm.twin.physics.keyed import exponential, share, to_us

STATIONS: Final = (1, 2, 3)
WORN_MORE: Final = 2.0
"""More stops and more scrap at the end of the tools' life, as a share; by the square of the wear (assumed)."""

# --- what failures do at full severity (assumed) ----------------------------------------------------------------------

SLOWER: Final = 0.6
"""Longer process time of station 2 with a worn tool, as a share."""
WORN_SCRAP: Final = 0.15
"""Share of parts that a worn tool spoils."""
JAMS: Final = 0.08
"""Share of the parts that jam at station 2."""
CREW_LATER: Final = 6.0
"""Times as long until a station runs again when the crew is needed elsewhere."""

COUNTED: Final = 65_000
"""Parts after which a counter begins again at 0."""
LEAST_DEMAND: Final = 0.01
PARTS_AHEAD: Final = 60
"""Parts of a station whose chance is drawn at one call, at most, when cells live for long: what it takes in five
minutes."""

# --- codes ------------------------------------------------------------------------------------------------------------

WAITS, WORKS, CHANGES, MENDS, STOPS = 0, 1, 2, 3, 4
"""What a station does; the `state` of a cell is the highest of its stations. Blocked and starved stations wait."""

TOLD: Final = (
    *(f"does_{s}" for s in STATIONS),
    *(f"stops_{s}" for s in STATIONS),
    "queue",
    "after_1",
    "after_2",
    "parts",
    "scrap",
    "cycle_us",
    "news",
)
"""What a reading tells of; the stations' columns first."""

PART: Final = tuple(stream(0, 40 + s) for s in STATIONS)
ORDER: Final = stream(0, 48)
_REPAIR = tuple(stream(0, 44 + s) for s in STATIONS)
_PRODUCT = stream(0, 49)

Columns = Mapping[str, NDArray[Any]]


def worn(state: Columns, parameters: Columns, rows: Int, at_us: Int) -> NDArray[np.float64]:
    """Share of the tools' life that is over in these cells, each at an instant of its own time."""
    renewed_us = state["renewed_us"][rows]
    anew = renewed_us < NEVER_US
    over = np.where(anew, at_us - renewed_us, at_us).astype(np.float64)
    over *= 1.0 / SECOND_US
    over *= parameters["wear_per_s"][rows]
    over += np.where(anew, np.float32(0.0), parameters["worn_at_start"][rows])
    return np.minimum(over, 1.0, out=over)


def worn_more(over: NDArray[np.float64]) -> Values:
    """How many times as much worn tools stop and spoil as new ones."""
    return (1.0 + WORN_MORE * over * over).astype(np.float32)


def soonest_us(state: Columns) -> Int:
    """When something happens next in each cell."""
    at_us: Int = state["order_us"].copy()
    for s in STATIONS:
        np.minimum(at_us, state[f"until_{s}_us"], out=at_us)
    return at_us


def live(state: Columns, parameters: Columns, inputs: Inputs, lived_us: Int) -> None:
    """Let cells live for so long, and all happen that is due by then."""
    _go_on(state, parameters, inputs, lived_us, None)


def foresee(state: Columns, parameters: Columns, inputs: Inputs, lived_us: Int) -> Course:
    """As `live`; what happens is told."""
    seen = _Seen(len(lived_us))
    _go_on(state, parameters, inputs, lived_us, seen)
    return seen.course()


def _go_on(state: Columns, parameters: Columns, inputs: Inputs, lived_us: Int, seen: _Seen | None) -> None:
    state["news"].fill(0)
    until_us = state["clock_us"] + lived_us
    if np.count_nonzero(soonest_us(state) <= until_us):
        cells = _Cells(state, parameters, inputs)
        if seen is not None:
            cells.draw_ahead(int(lived_us.max()) // (5 * SECOND_US) + 1)
        cells.go_on(until_us, seen)
    np.copyto(state["clock_us"], until_us)


class _Seen:
    """Everything that happened in some cells."""

    def __init__(self, cells: int) -> None:
        self._lives = [np.empty((0, cells), np.bool_)]
        self._at_us = [np.empty((0, cells), np.int64)]
        self._told = [np.empty((0, len(TOLD), cells), np.int64)]

    def happened(self, lives: Mask, at_us: Int, told: Int) -> None:
        """Something in the cells that `lives` marks; told: int64 (columns of `TOLD`, cells), afterwards."""
        self._lives.append(lives[np.newaxis])
        self._at_us.append(at_us[np.newaxis])
        self._told.append(told[np.newaxis].copy())

    def course(self) -> Course:
        lives = np.concatenate(self._lives)
        row = lives.nonzero()[1]
        told = np.concatenate(self._told).swapaxes(0, 1)[:, lives]
        columns = dict(zip(TOLD, told, strict=True))
        return Course(row, np.concatenate(self._at_us)[lives], columns["news"] > 0, columns)


@dataclass(slots=True)
class _Drawn:
    """What chance makes of some parts, each at a station of a cell; see `_Cells` for `here`."""

    cells: _Cells
    here: Int
    words: Words

    def process_us(self) -> Int:
        """How long their stations work on them."""
        return self.cells.process_us(self.here, self.words)

    def stops(self) -> Values:
        """A station stops as it takes one if this is less than its share."""
        return share(self.words, 24)

    def spoils(self) -> Values:
        """It is scrap if this is less than the share of scrap."""
        return share(self.words, 0)


@dataclass(slots=True)
class _Ahead:
    """The same of all parts to come of all stations, `parts` of each, one station after the other.

    Attributes:
        begins: of each station, where its part with the number 0 would stand.
        ends: where those of the next station stand.
    """

    begins: Int
    ends: Int
    process_us: Int
    stops: Values
    spoils: Values

    @staticmethod
    def of(cells: _Cells, first: Int, parts: int) -> _Ahead:
        """From those with the numbers `first` on."""
        every = np.arange(len(first))
        here = np.repeat(every, parts)
        drawn = cells.drawn(here, first[here] + np.tile(np.arange(parts), len(first)))
        return _Ahead(every * parts - first, (every + 1) * parts, drawn.process_us(), drawn.stops(), drawn.spoils())


@dataclass(slots=True)
class _Known:
    """Some of them: as `_Drawn`."""

    ahead: _Ahead
    where: Int

    def process_us(self) -> Int:
        return self.ahead.process_us[self.where]

    def stops(self) -> Values:
        return self.ahead.stops[self.where]

    def spoils(self) -> Values:
        return self.ahead.spoils[self.where]


class _Cells:
    """Some cells while they go through what happens in them.

    What changes with every part lies in arrays (stations or columns, cells) meanwhile. `here` are places of stations in
    them, int64 and ascending: those of station 1 in all cells, then those of station 2, then those of station 3.
    """

    def __init__(self, state: Columns, parameters: Columns, inputs: Inputs) -> None:
        self._state = state
        self._parameters = parameters
        self._inputs = inputs
        self._told = np.stack([state[name] for name in TOLD])
        n, self._n = len(STATIONS), self._told.shape[1]
        self._all_does, self._all_before = self._told[:n], self._told[2 * n : 3 * n]
        self._does, self._stops, self._before = self._told[: 3 * n].reshape(n, -1)
        """What each station does, how often it stopped, and how many parts stand before it."""
        self._parts, self._scrap, self._cycle_us, self._news = self._told[3 * n :]
        self._due_us = np.stack([*(state[f"until_{s}_us"] for s in STATIONS), state["order_us"]])
        self._until_us, self._order_us = self._due_us[:n].reshape(-1), self._due_us[n]
        self._taken = np.concatenate([state[f"taken_{s}"] for s in STATIONS])
        self._part = np.concatenate([parameters[f"part_{s}"] for s in STATIONS])
        self._process_s = np.concatenate([parameters[f"process_{s}_s"] for s in STATIONS])
        self._places = np.rint(parameters["places"]).astype(np.int64)
        self._lot = np.rint(parameters["lot"]).astype(np.int64)
        self._last = self._taken[: self._n] + state["left"]
        """Number of the last part of the order in work."""
        self._usual_stops = self._process_s.reshape(n, -1) / parameters["stop_every_s"]
        self._all_stop_share = np.empty_like(self._usual_stops)
        self._stop_share = self._all_stop_share.reshape(-1)
        """Of the parts that a station takes, at how many it stops."""
        self._spoilt_share = np.empty(self._n, np.float32)
        self._find_shares(np.arange(self._n))
        self._keyed: dict[int, Words] = {}
        """By stream, where parts are drawn ahead: see `_words`."""
        self._ahead: _Ahead | None = None
        self._parts_ahead = 1

    def draw_ahead(self, parts: int) -> None:
        """Draw what the next parts will bring: for a few cells that costs little more than for one part of each."""
        self._parts_ahead = min(parts, PARTS_AHEAD)
        self._ahead = _Ahead.of(self, self._taken.copy(), self._parts_ahead)

    def drawn(self, here: Int, number: Int) -> _Drawn:
        """Chance of the parts with these numbers."""
        return _Drawn(self, here, numbered(self._part[here], number))

    def _words(self, stream_key: int, cells: Int, number: Int) -> Words:
        """Chance of these cells, numbered by anything but parts."""
        key: Words = self._parameters["key"]
        if self._ahead is None:
            return words(stream_key, key[cells], number)
        if stream_key not in self._keyed:
            self._keyed[stream_key] = keyed(stream_key, key)
        return numbered(self._keyed[stream_key][cells], number)

    def _next(self, here: Int) -> _Drawn | _Known:
        """Chance of the parts that these stations take now."""
        number = self._taken[here]
        number += 1
        self._taken[here] = number
        ahead = self._ahead
        if ahead is None:
            return self.drawn(here, number)
        number += ahead.begins[here]
        if np.count_nonzero(number >= ahead.ends[here]):  # all that were drawn are taken
            self.draw_ahead(self._parts_ahead)
            return self._newest(here)
        return _Known(ahead, number)

    def _newest(self, here: Int) -> _Drawn | _Known:
        """Chance of the newest parts of these stations, which have taken one."""
        number = self._taken[here]
        if self._ahead is None:
            return self.drawn(here, number)
        number += self._ahead.begins[here]
        return _Known(self._ahead, number)

    def _find_shares(self, cells: Int) -> None:
        """How often stations of these cells stop, and how much is scrap, by the wear of their tools."""
        more, failures = self._state["more"][cells], self._inputs.failures
        stop_share = self._usual_stops[:, cells] * more
        jams = failures.get("jamming")
        if jams is not None:
            stop_share[1] += np.float32(JAMS) * jams[cells]
        self._all_stop_share[:, cells] = stop_share
        spoilt_share = self._parameters["scrap_pct"][cells] * more * np.float32(0.01)
        blunt = failures.get("worn-tool")
        if blunt is not None:
            spoilt_share += np.float32(WORN_SCRAP) * blunt[cells]
        self._spoilt_share[cells] = spoilt_share

    def go_on(self, until_us: Int, seen: _Seen | None) -> None:
        """Let everything happen that lies up to these instants, int64 (cells,)."""
        state = self._state
        while True:
            at_us = np.minimum.reduce(self._due_us)
            lives = at_us <= until_us
            if not np.count_nonzero(lives):
                break
            if seen is not None:
                np.copyto(self._news, 0, where=lives)
            self._happen(lives, at_us)
            if seen is not None:
                seen.happened(lives, at_us, self._told)
        for name, column in zip(TOLD, self._told, strict=True):
            np.copyto(state[name], column)
        np.copyto(state["order_us"], self._order_us)
        np.copyto(state["left"], self._last - self._taken[: self._n])
        for s, until, taken in zip(STATIONS, self._due_us, self._taken.reshape(-1, self._n), strict=False):
            np.copyto(state[f"until_{s}_us"], until)
            np.copyto(state[f"taken_{s}"], taken)

    def _happen(self, lives: Mask, at_us: Int) -> None:
        """Let happen what is due at these instants in the cells that `lives` marks, and all that follows at once."""
        is_due = self._due_us == at_us
        is_due &= lives
        due = is_due.reshape(-1).nonzero()[0]
        over = due
        if due[-1] >= len(self._until_us):
            stations = due.searchsorted(len(self._until_us))
            self._order(due[stations:] - len(self._until_us), at_us)
            over = due[:stations]
        freed = len(over) > 0 and self._end(over, at_us)
        if self._take(lives, at_us) or freed:
            self._call(lives.nonzero()[0], at_us)

    def _order(self, cells: Int, at_us: Int) -> None:
        """An order comes; when will the next one?"""
        state, parameters = self._state, self._parameters
        self._before[cells] += self._lot[cells]
        state["orders"][cells] += 1
        demand = np.ones(self._n, np.float32)
        follow(demand, self._inputs, "demand")
        drawn = self._words(ORDER, cells, state["orders"][cells])
        mean_s = parameters["order_every_s"][cells].astype(np.float64)
        mean_s /= np.maximum(demand[cells], LEAST_DEMAND)
        self._order_us[cells] = at_us[cells] + to_us(mean_s * exponential(drawn))

    def _end(self, here: Int, at_us: Int) -> bool:
        """What these stations do is over. Returns whether a crew is free again."""
        was = self._does[here]
        worked = was == WORKS
        if np.count_nonzero(worked) == len(worked):
            self._done(here, at_us)
            return False
        self._done(here[worked], at_us)
        here = here[~worked]
        cells = here % self._n
        self._news[cells] = 1
        self._does[here] = WORKS
        self._until_us[here] = at_us[cells] + self._newest(here).process_us()
        return bool((was == MENDS).any())

    def _done(self, here: Int, at_us: Int) -> None:
        """These stations have worked on a part."""
        self._does[here] = WAITS
        self._until_us[here] = NEVER_US
        passed_on = here.searchsorted((len(STATIONS) - 1) * self._n)
        self._before[here[:passed_on] + self._n] += 1
        if passed_on < len(here):
            self._finish(here[passed_on:], at_us)

    def _finish(self, last: Int, at_us: Int) -> None:
        """A part leaves the cell by each of these last stations, good or not."""
        cells = last % self._n
        spoilt = self._newest(last).spoils() < self._spoilt_share[cells]
        self._parts[cells] = (self._parts[cells] + ~spoilt) % COUNTED
        if np.count_nonzero(spoilt):
            self._scrap[cells] = (self._scrap[cells] + spoilt) % COUNTED
        finished_us = self._state["finished_us"]
        now_us = at_us[cells]
        self._cycle_us[cells] = now_us - finished_us[cells]
        finished_us[cells] = now_us
        self._news[cells] = 1

    def _take(self, lives: Mask, at_us: Int) -> bool:
        """Let stations take a part where they can, the last of the line first. Returns whether one stopped."""
        takes = self._all_does == WAITS
        takes &= lives
        takes &= self._all_before > 0
        # Where what it has made finds no place, a station is blocked. One more at the most is there: whoever takes it
        # ends that.
        first, second, third = takes
        _, room_1, room_2 = self._all_before <= self._places
        room_2 |= third
        second &= room_2
        room_1 |= second
        first &= room_1
        here = takes.reshape(-1).nonzero()[0]
        if not len(here):
            return False
        self._before[here] -= 1
        cells = here % self._n
        parts = self._next(here)
        until_us = parts.process_us()
        until_us += at_us[cells]
        self._does[here] = WORKS
        self._until_us[here] = until_us
        stops = (parts.stops() < self._stop_share[here]).nonzero()[0]
        if len(stops):
            self._stop(here[stops], at_us)
        firsts = here.searchsorted(self._n)
        if firsts:
            self._begin_orders(here[:firsts], at_us)
        return len(stops) > 0

    def _stop(self, here: Int, at_us: Int) -> None:
        """These stations stop as they take a part, and call the crew."""
        self._does[here] = STOPS
        self._until_us[here] = NEVER_US
        self._news[here % self._n] = 1
        for station, s in enumerate(STATIONS):
            calls = here[here // self._n == station] - station * self._n
            self._state[f"called_{s}_us"][calls] = at_us[calls]

    def _begin_orders(self, cells: Int, at_us: Int) -> None:
        """Where the part that station 1 of these cells took is the first of its order, perhaps a changeover comes
        before."""
        number = self._taken[cells]
        first = (number > self._last[cells]).nonzero()[0]
        if not len(first):
            return
        state, parameters, cells = self._state, self._parameters, cells[first]
        self._last[cells] = number[first] + self._lot[cells] - 1
        state["begun"][cells] += 1
        state["more"][cells] = worn_more(worn(state, parameters, cells, at_us[cells]))
        self._find_shares(cells)
        other = share(self._words(_PRODUCT, cells, state["begun"][cells]), 0) < parameters["other_product"][cells]
        other &= self._does[cells] == WORKS  # not where it stops
        if other.any():
            cells = cells[other]
            self._does[cells] = CHANGES
            self._until_us[cells] = at_us[cells] + to_us(parameters["changeover_s"][cells].astype(np.float64))
            self._news[cells] = 1

    def _call(self, cells: Int, at_us: Int) -> None:
        """Where the crew is free, it goes to the station that called first."""
        state = self._state
        does = self._all_does[:, cells]
        waits = (does == STOPS).any(axis=0) & ~(does == MENDS).any(axis=0)
        cells, does = cells[waits], does[:, waits]
        if not len(cells):
            return
        called_us = np.stack([state[f"called_{s}_us"][cells] for s in STATIONS])
        called_us[does != STOPS] = NEVER_US
        first = np.argmin(called_us, axis=0)  # at one instant the first station in the line
        for station, s in enumerate(STATIONS):
            mine = cells[first == station]
            if not len(mine):
                continue
            here = mine + station * self._n
            self._stops[here] += 1
            drawn = self._words(_REPAIR[station], mine, self._stops[here])
            repair_s = self._parameters["repair_s"][mine] * exponential(drawn)
            short = self._inputs.failures.get("crew-short")
            if short is not None:
                repair_s *= 1.0 + (CREW_LATER - 1.0) * short[mine]
            self._does[here] = MENDS
            self._until_us[here] = at_us[mine] + to_us(repair_s)
            state[f"called_{s}_us"][mine] = NEVER_US
            self._news[mine] = 1

    def process_us(self, here: Int, drawn: Words) -> Int:
        """How long these stations work on a part."""
        cells = here % self._n
        process_s = exponential(drawn)
        process_s -= 1.0
        process_s *= self._parameters["scatter"][cells]
        process_s += 1.0
        process_s *= self._process_s[here]
        blunt = self._inputs.failures.get("worn-tool")
        if blunt is not None:
            station_2 = here // self._n == 1
            process_s *= np.where(station_2, 1.0 + SLOWER * blunt[cells].astype(np.float64), 1.0)
        return to_us(process_s)
