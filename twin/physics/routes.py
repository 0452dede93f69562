"""Rounds that vehicles drive: closed loops of legs with stops, compiled into tables by the second.

A round leaves the depot at (0, 0), keeps to the speed limit of each leg, slows down for corners, stands at its stops,
and comes back. Where a leg runs under ground no satellite is seen: a receiver goes on telling its last fix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Values

Floats = NDArray[np.float64]

ROWS: Final = 4_096
"""Seconds of a table; in its last row every vehicle stands in the depot. A power of two."""
ACCELERATION_M_S2: Final = 1.2
"""Of a laden van, speeding up and braking (assumed)."""
CORNER_M_S: Final = 5.0
"""Around a corner (assumed: 18 km/h)."""
STRAIGHT_COS: Final = 0.94
"""A bend of less than 20 degrees is none."""
HIDDEN: Final = 99
"""Satellites that are not seen under ground: all."""
DEPOT_HIDES: Final = 2
"""Satellites behind the walls of the yard."""


class Leg(NamedTuple):
    """A straight leg to (east_m, north_m), from where the last one ended.

    Attributes:
        limit_m_s: speed limit. stop_s: how long the vehicle stands at the end; 0: it drives on.
        hidden: satellites that houses along the leg hide.
    """

    east_m: float
    north_m: float
    limit_m_s: float = 13.9
    stop_s: float = 0.0
    hidden: int = 1


_LANE, _TOWN, _ROAD = 8.3, 13.9, 19.4
"""30, 50 and 70 km/h."""

ROUNDS: Final[tuple[tuple[Leg, ...], ...]] = (
    (  # a ring with a tunnel
        Leg(0, 600, _LANE),
        Leg(800, 600, _TOWN, 150, 2),
        Leg(800, 2_000, _TOWN),
        Leg(2_400, 2_000, _TOWN, 240),
        Leg(2_400, 2_900, _ROAD, 0, 0),
        Leg(-1_200, 2_900, _ROAD, 300, 0),
        Leg(-1_200, 1_500, _TOWN, 0, 3),
        Leg(-1_200, 900, _TOWN, 0, HIDDEN),
        Leg(-1_200, 200, _TOWN, 180, 3),
        Leg(0, 200, _LANE, 0, 2),
        Leg(0, 0, _LANE),
    ),
    (  # the old town, street by street
        Leg(300, 0, _LANE, 0, 2),
        Leg(300, 500, _LANE, 120, 3),
        Leg(700, 500, _LANE, 90, 4),
        Leg(700, 900, _LANE, 150, 4),
        Leg(200, 900, _LANE, 90, 5),
        Leg(200, 1_400, _LANE, 180, 3),
        Leg(-400, 1_400, _LANE, 60, 4),
        Leg(-400, 700, _LANE, 210, 3),
        Leg(-900, 700, _TOWN, 120, 2),
        Leg(-900, 0, _TOWN, 90),
        Leg(0, 0, _LANE),
    ),
    (  # out to a warehouse and back by another road
        Leg(400, -300, _LANE),
        Leg(1_300, -900, _TOWN),
        Leg(2_700, -1_700, _ROAD, 0, 0),
        Leg(2_900, -1_500, _LANE, 900, 3),
        Leg(2_400, -300, _ROAD, 0, 0),
        Leg(1_300, 100, _TOWN, 0, 1),
        Leg(900, 200, _TOWN, 0, HIDDEN),
        Leg(400, 300, _TOWN, 300, 2),
        Leg(0, 0, _LANE),
    ),
    (  # villages
        Leg(-600, -400, _TOWN),
        Leg(-1_500, -700, _ROAD, 240, 0),
        Leg(-2_600, -400, _ROAD, 180, 0),
        Leg(-3_000, 700, _ROAD, 300, 0),
        Leg(-2_100, 1_600, _ROAD, 240, 0),
        Leg(-1_100, 1_200, _ROAD, 120, 0),
        Leg(-500, 400, _TOWN, 180),
        Leg(0, 0, _LANE),
    ),
    (  # across the river by a tunnel, back over the bridge
        Leg(0, -500, _LANE, 0, 2),
        Leg(0, -900, _TOWN, 0, 2),
        Leg(0, -1_700, _TOWN, 0, HIDDEN),
        Leg(0, -2_300, _TOWN, 240, 2),
        Leg(1_100, -2_300, _TOWN, 180, 2),
        Leg(1_700, -2_900, _ROAD, 300, 0),
        Leg(2_500, -2_100, _ROAD, 120, 0),
        Leg(1_500, -900, _ROAD, 0, 0),
        Leg(700, -300, _TOWN, 150),
        Leg(0, 0, _LANE),
    ),
    (  # between factory gates, with long stops
        Leg(-300, 300, _LANE, 300, 3),
        Leg(-300, 1_100, _TOWN, 420, 2),
        Leg(-1_000, 1_800, _TOWN, 360),
        Leg(-200, 2_600, _TOWN, 480),
        Leg(700, 2_100, _TOWN, 300),
        Leg(900, 900, _TOWN, 240, 2),
        Leg(0, 0, _LANE),
    ),
)
"""Each is driven in both directions (assumed: towns of a few kilometres, which no map has)."""


class Row(NamedTuple):
    """Columns of a table: what a receiver would tell at a second, and how it goes on until the next.

    Attributes:
        east_m, north_m, east_m_s, north_m_s: position and its change. speed_m_s, heading_deg: clockwise from north.
        hidden: satellites. driven_m: since the depot.
    """

    east_m: Values
    north_m: Values
    east_m_s: Values
    north_m_s: Values
    speed_m_s: Values
    heading_deg: Values
    hidden: Values
    driven_m: Values


@dataclass(frozen=True)
class Tables:
    """All rounds, one after the other, `ROWS` rows each.

    Attributes:
        rows: float32 (rounds * `ROWS`,) a column. length_m, duration_s: float32 (rounds,).
    """

    rows: Row
    length_m: Values
    duration_s: Values


@cache
def tables() -> Tables:
    """The rounds, each forwards and backwards."""
    made = [_compiled(legs) for one in ROUNDS for legs in (one, backwards(one))]
    columns = [np.concatenate([each[0][name] for each in made]).astype(np.float32) for name in Row._fields]
    lengths, durations = (np.array([each[i] for each in made], np.float32) for i in (1, 2))
    return Tables(Row(*columns), lengths, durations)


def backwards(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """The same round from its end to its beginning; stops stay where they are."""
    ends = [(0.0, 0.0, 0.0), *((leg.east_m, leg.north_m, leg.stop_s) for leg in legs)]
    return tuple(
        Leg(*ends[i][:2], legs[i].limit_m_s, ends[i][2] if i else 0.0, legs[i].hidden)
        for i in range(len(legs) - 1, -1, -1)
    )


class _Phase(NamedTuple):
    """A time of constant acceleration on one leg: from second and metre of the leg, speed and acceleration there."""

    leg: int
    from_s: float
    from_m: float
    speed_m_s: float
    gain_m_s2: float


def _compiled(legs: tuple[Leg, ...]) -> tuple[dict[str, Floats], float, float]:
    """Columns of a table, its length and how long it takes."""
    ends = np.array([(0.0, 0.0), *((leg.east_m, leg.north_m) for leg in legs)])
    ways = np.diff(ends, axis=0)
    lengths = np.sqrt((ways * ways).sum(axis=1))
    units = ways / lengths[:, None]
    phases, duration_s = _phases(legs, lengths.tolist(), units)

    second = np.arange(ROWS, dtype=np.float64)
    number = np.searchsorted([phase.from_s for phase in phases], second, side="right") - 1
    columns = np.array(phases)[number].T
    leg = columns[0].astype(np.intp)
    since_s = second - columns[1]
    on_leg_m = columns[2] + since_s * (columns[3] + 0.5 * since_s * columns[4])
    place = ends[leg] + units[leg] * on_leg_m[:, None]
    speed = columns[3] + since_s * columns[4]
    heading = heading_deg(*units.T)[leg]
    hidden = np.array([one.hidden for one in legs], np.float64)[leg]
    hidden[second >= duration_s] = DEPOT_HIDES
    driven = np.concatenate([[0.0], np.cumsum(lengths)])[leg] + on_leg_m

    for row in np.flatnonzero(hidden == HIDDEN).tolist():
        # Under ground the receiver tells where it last saw the sky.
        place[row], speed[row], heading[row] = place[row - 1], speed[row - 1], heading[row - 1]
    change = np.vstack([np.diff(place, axis=0), np.zeros((1, 2))])
    change[:-1][(hidden == HIDDEN)[1:] | (hidden == HIDDEN)[:-1]] = 0.0
    told = (place[:, 0], place[:, 1], change[:, 0], change[:, 1], speed, heading, hidden, driven)
    return dict(zip(Row._fields, told, strict=True)), sum(lengths.tolist()), duration_s


def _phases(legs: tuple[Leg, ...], lengths_m: list[float], units: Floats) -> tuple[list[_Phase], float]:
    """Speeding up, going on, braking and standing, leg by leg; the last one stands in the depot for ever."""
    bends = [0.0, *np.einsum("ij,ij->i", units[1:], units[:-1]).tolist(), 0.0]
    gain = ACCELERATION_M_S2
    squares = [0.0]  # of the speeds at the ends of the legs
    for i, leg in enumerate(legs):
        after = legs[i + 1].limit_m_s if i + 1 < len(legs) else 0.0
        through = min(leg.limit_m_s, after) if bends[i + 1] > STRAIGHT_COS else min(CORNER_M_S, after)
        wanted = 0.0 if leg.stop_s or i + 1 == len(legs) else through * through
        squares.append(min(wanted, squares[-1] + 2.0 * gain * lengths_m[i]))
    for i in range(len(legs) - 1, -1, -1):
        squares[i] = min(squares[i], squares[i + 1] + 2.0 * gain * lengths_m[i])

    phases: list[_Phase] = []
    at_s = 0.0
    for i, leg in enumerate(legs):
        first, last = sqrt(squares[i]), sqrt(squares[i + 1])
        top = sqrt(min(leg.limit_m_s * leg.limit_m_s, (squares[i] + squares[i + 1]) / 2.0 + gain * lengths_m[i]))
        gaining_m, braking_m = ((top * top - square) / (2.0 * gain) for square in squares[i : i + 2])
        going_m = max(lengths_m[i] - gaining_m - braking_m, 0.0)
        for from_m, speed, change, seconds in (
            (0.0, first, gain, (top - first) / gain),
            (gaining_m, top, 0.0, going_m / top),
            (gaining_m + going_m, top, -gain, (top - last) / gain),
            (lengths_m[i], 0.0, 0.0, leg.stop_s),
        ):
            if seconds > 0.0:
                phases.append(_Phase(i, at_s, from_m, speed, change))
                at_s += seconds
    return [*phases, _Phase(len(legs) - 1, at_s, lengths_m[-1], 0.0, 0.0)], at_s


def heading_deg(east: Floats, north: Floats) -> Floats:
    """Direction of a vector clockwise from north, 0 <= heading < 360, to 1e-6; 0 for no vector.

    From ``+ - * /`` and roots alone, the same bits on every CPU: the angle is halved twice, the rest is a short series.
    """
    across, along = np.abs(east), np.abs(north)
    longer = np.maximum(across, along)
    slope = np.minimum(across, along) / np.where(longer > 0.0, longer, 1.0)
    for _ in range(2):
        slope = slope / (1.0 + np.sqrt(1.0 + slope * slope))
    square = slope * slope
    series = slope * (1.0 - square * (1.0 / 3.0 - square * (1.0 / 5.0 - square * (1.0 / 7.0 - square / 9.0))))
    angle = series * (4.0 * 57.29577951308232)
    angle = np.where(across > along, 90.0 - angle, angle)
    angle = np.where(north < 0.0, 180.0 - angle, angle)
    angle = np.where(east < 0.0, 360.0 - angle, angle)
    return np.where(angle >= 360.0, 0.0, angle)
