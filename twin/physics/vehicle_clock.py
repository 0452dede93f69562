"""How far a vehicle runs behind its own timetable, or ahead of it, when its speed is given from outside.

A vehicle's place follows from its clock: the time of day less what it is late. A given speed moves that clock along the
round; a vehicle that is let go carries on from where it is and makes up for the difference in the depot: who is late
skips the break or sleeps less, who is early waits. So it never jumps. Everything is in whole microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import DAY_US, SECOND_US, Int, Values
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.physics.routes import ROWS, tables
from twinstorm.twin.physics.spread import Floats

KM_H: Final = 3.6

Columns = Mapping[str, Values]


def route_of(parameters: Columns) -> NDArray[np.intp]:
    """Number of the round that each drives."""
    return (parameters["route_row"] * np.float32(1.0 / ROWS)).astype(np.intp)


def rounds_a_day(parameters: Columns) -> Values:
    """Rounds that begin within the shift."""
    return np.ceil(parameters["shift_s"] / parameters["cycle_s"])


def lateness(state: Columns, parameters: Columns, inputs: Inputs, given_km_h: Values | None) -> Values | None:
    """Bring ``late_s`` and ``extra_km`` up to the instant of the step.

    Args:
        given_km_h: float32 (n,), speed from outside, NaN: its own; None: nobody's.

    Returns:
        How late each is, s, negative: early; None: nobody is.
    """
    late_s = state["late_s"]
    if given_km_h is None:
        if not late_s.any():
            return None
        rows = np.flatnonzero(late_s)
    else:
        given = ~np.isnan(given_km_h)
        driven = np.flatnonzero(given)
        if len(driven):
            late_s[driven], more_km = _driven(
                late_s[driven], _part(parameters, driven), inputs, given_km_h[driven].astype(np.float64)
            )
            state["extra_km"][driven] += more_km
        rows = np.flatnonzero((late_s != 0.0) & ~given)
    if len(rows):
        late_s[rows] = _made_up(late_s[rows], _part(parameters, rows), inputs)
    return late_s


def _part(parameters: Columns, rows: NDArray[np.intp]) -> Columns:
    return {name: parameters[name][rows] for name in ("route_row", "pace", "cycle_s", "start_s", "shift_s")}


def _whole_us(seconds: Values | Floats) -> Int:
    return np.rint(np.asarray(seconds, np.float64) * SECOND_US).astype(np.int64)


def _driven(late_s: Values, parameters: Columns, inputs: Inputs, speed_km_h: Floats) -> tuple[Values, Values]:
    """Lateness after a step at a given speed, and kilometres that whole days of lateness stand for.

    One day is like any other, so lateness is kept within half a day of zero. A vehicle with a speed does not stop
    where its round would have it stop, and leaves the depot at once.
    """
    cycle, shift, start = (_whole_us(parameters[name]) for name in ("cycle_s", "shift_s", "start_s"))
    pace = parameters["pace"].astype(np.float64)
    route = route_of(parameters)
    length_m = tables().length_m[route].astype(np.float64)
    most = rounds_a_day(parameters).astype(np.int64)

    clock = inputs.calendar_us - inputs.dt_us - _whole_us(late_s) - start
    day, into = np.divmod(clock, DAY_US)
    number = into // cycle
    tau_s = np.minimum((into - number * cycle) / SECOND_US * pace, ROWS - 1.0)
    tau_s[number * cycle >= shift] = ROWS - 1.0
    metres = np.minimum(number, most - 1) * length_m + _metres_at(route, tau_s)
    metres += speed_km_h / KM_H * (inputs.dt_us / SECOND_US)
    number = np.floor(metres / length_m).astype(np.int64)
    ahead_us = _whole_us(_second_of(route, np.maximum(metres - number * length_m, 0.0)) / pace)
    moved = (day + number // most) * DAY_US + number % most * cycle + ahead_us
    clock = np.where(speed_km_h > 0.0, np.maximum(moved, clock), clock)

    late = inputs.calendar_us - start - clock
    days = np.rint(late / DAY_US).astype(np.int64)
    more_km = -days * most * length_m * 1e-3
    return ((late - days * DAY_US) / SECOND_US).astype(np.float32), more_km.astype(np.float32)


def _metres_at(route: NDArray[np.intp], tau_s: Floats) -> Floats:
    """Driven since the depot at these seconds of the tables."""
    driven_m = tables().rows.driven_m
    row = tau_s.astype(np.intp)
    first = route * ROWS + row
    there = driven_m[first].astype(np.float64)
    onward = driven_m[np.where(row < ROWS - 1, first + 1, first)].astype(np.float64)
    return there + (tau_s - row) * (onward - there)


def _second_of(route: NDArray[np.intp], metres: Floats) -> Floats:
    """The last second of the tables at which no more than this is driven: what `_metres_at` undoes."""
    driven_m = tables().rows.driven_m
    row = np.zeros(len(route), np.intp)
    half = ROWS // 2
    while half:
        further = driven_m[route * ROWS + row + half] <= metres
        row[further] += half
        half //= 2
    first = route * ROWS + row
    there = driven_m[first].astype(np.float64)
    onward = driven_m[np.where(row < ROWS - 1, first + 1, first)].astype(np.float64)
    return row + np.clip((metres - there) / np.where(onward > there, onward - there, 1.0), 0.0, 1.0)


def _made_up(late_s: Values, parameters: Columns, inputs: Inputs) -> Values:
    """What is left of a delay, or of a lead, after a step by one's own rule.

    On a round it stays. In the depot a delay shrinks by the time that is skipped, a lead by the time that is waited.
    """
    late, cycle, shift = (_whole_us(column) for column in (late_s, parameters["cycle_s"], parameters["shift_s"]))
    duration_s = tables().duration_s[route_of(parameters)].astype(np.float64)
    round_us = _whole_us(duration_s / parameters["pace"])
    clock = inputs.calendar_us - inputs.dt_us - late - _whole_us(parameters["start_s"])
    left = np.full(len(late), inputs.dt_us, np.int64)
    while True:
        going = (late != 0) & (left > 0)
        if not going.any():
            return (late / SECOND_US).astype(np.float32)
        into = clock % DAY_US
        begun = into // cycle * cycle
        parked = begun >= shift
        in_depot = parked | (into - begun >= round_us)
        on_round = np.where(going & ~in_depot, np.minimum(left, round_us - (into - begun)), 0)
        rest = np.where(parked, DAY_US - into, begun + cycle - into)
        skipped = np.where(going & in_depot & (late > 0), np.minimum(rest, late), 0)
        waited = np.where(going & in_depot & (late < 0), np.minimum(left, -late), 0)
        clock += on_round + skipped
        left -= on_round + waited
        late += waited - skipped
