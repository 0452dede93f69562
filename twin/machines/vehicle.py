"""A delivery vehicle with a GPS tracker: it drives its rounds by day, or some by night, and stands in the depot else.

Where it is follows from the clock: a shift that begins when its driver does, rounds of one of a dozen kinds (`routes`)
with a break after each, and the depot until the next day. All vehicles of a site drive on the same streets. The tracker
reports where its receiver finds it (`receiver`), in degrees (`globe`) and in metres from its site: streets between
houses widen the scatter, tunnels take the fix away.

Weekends are days like others (assumed). A tracker without power tells nothing; its vehicle drives on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import chance, exact
from twinstorm.twin.flow import DAY_US, MINUTE_US, SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.kind import Draws, FailureMode, Inputs, Place, Quantity, Truth
from twinstorm.twin.normal import normals
from twinstorm.twin.physics import globe, receiver
from twinstorm.twin.physics.routes import ROWS, heading_deg, tables
from twinstorm.twin.physics.spread import uniform, unit
from twinstorm.twin.physics.vehicle_clock import KM_H, lateness, rounds_a_day, route_of

DAY_S: Final = 86_400.0
TURN: Final = 6.283185307179586

# --- rhythm -----------------------------------------------------------------------------------------------------------

NIGHT_SHARE: Final = 0.15
DAY_START_S: Final = (5.5 * 3_600.0, 8.5 * 3_600.0)
NIGHT_START_S: Final = (20.0 * 3_600.0, 22.5 * 3_600.0)
SHIFT_S: Final = (6.5 * 3_600.0, 9.5 * 3_600.0)
LONGEST_SHIFT_S: Final = 72_000.0
"""With the last round and its break still within the day."""
BREAK_S: Final = (600.0, 2_400.0)
SERVICE_KM: Final = 30_000.0
"""From one service to the next (makers of vans say 30,000 to 50,000 km)."""

# --- failures ---------------------------------------------------------------------------------------------------------

SPEED: Final = "speed_km_h"
JAMMING: Final = "gps-jamming"
OFF_ROUTE: Final = "off-route"
ASTRAY_M: Final = 9_200.0
"""How far off its streets a vehicle goes at severity 1: beyond any fence around any round."""
ASTRAY_M_S: Final = 12.0


class Vehicle:
    """GPS tracker on a vehicle. See `MachineKind` for the contract."""

    name = "vehicle"
    summary = "GPS tracker on a delivery vehicle: position, speed, heading, satellites, dilution, geofence, coordinates"
    channels: tuple[Channel, ...] = (
        Channel("east_m", "m", -16_000.0, 16_000.0, 0.5, by_event=True),
        Channel("north_m", "m", -16_000.0, 16_000.0, 0.5, by_event=True),
        Channel("speed_km_h", "km/h", 0.0, 160.0, 0.1, by_event=True),
        Channel("heading_deg", "deg", 0.0, 360.0, 0.1, averaged=False),
        Channel("satellites", "1", 0.0, float(receiver.MOST_SATELLITES), 1.0, by_event=True),
        Channel("hdop", "1", 0.0, 100.0, 0.01, by_event=True),
        Channel("inside_geofence", "1", 0.0, 1.0, 1.0, averaged=False),
        Channel("latitude_deg", "deg", -90.0, 90.0, 1e-5, by_event=True),
        Channel("longitude_deg", "deg", -180.0, 180.0, 2e-5, averaged=False),
    )
    every_us = MINUTE_US
    words = 2
    settable: tuple[Quantity, ...] = (
        Quantity("start_s", "s", 0.0, DAY_S - 1.0, "time of day at which the first round begins, after midnight"),
        Quantity("shift_s", "s", 3_600.0, LONGEST_SHIFT_S, "how long after that the last round may begin"),
        Quantity("geofence_m", "m", 500.0, 16_000.0, "radius of the fence around the site"),
        Quantity("sky", "1", 5.0, 14.0, "satellites in use under an open sky"),
        Quantity("error_m", "m", 0.1, 20.0, "error of a coordinate per unit of dilution, standard deviation"),
        Quantity("odometer_at_start_km", "km", 0.0, SERVICE_KM, "driven since the last service, at the first midnight"),
    )
    drives: tuple[Quantity, ...] = (
        Quantity(
            SPEED, "km/h", 0.0, 130.0, "speed along its round, instead of its timetable; 0: it stands where it is"
        ),
    )
    failures: tuple[FailureMode, ...] = (
        FailureMode(
            JAMMING,
            "a jammer drowns the satellites: fewer and fewer in use, a wider scatter, then the last fix for ever",
            ("satellites", "hdop"),
            harms=False,
        ),
        FailureMode(
            OFF_ROUTE,
            "the vehicle leaves its streets and then its geofence: a theft, or a driver who is lost",
            ("east_m", "north_m", "latitude_deg", "longitude_deg"),
            harms=False,
        ),
    )

    def parameters(self, draws: Draws, place: Place) -> dict[str, Values]:
        """See `MachineKind`.

        Returns:
            Those of `globe.of_place`, and
            route_row: first row of its round in the tables. pace: its speed over that of the tables.
            cycle_s: from the beginning of a round to that of the next. start_s, shift_s: see `settable`.
            streets_cos, streets_sin, streets_deg: how the streets of the site are turned, clockwise.
            bay_east_m, bay_north_m: its place in the yard.
            stray_east, stray_north: unit vector of where it goes when it leaves its streets.
            slow_east, slow_north: slow error at the start.
            geofence_m, sky, error_m, odometer_at_start_km: see `settable`.
        """
        rounds = chance.below(draws(0), len(tables().duration_s))
        pace = uniform(draws(1), 0.85, 1.0)
        by_night = unit(draws(2)) < NIGHT_SHARE
        streets = unit(place.of_site(0))
        astray = unit(draws(3)) * TURN
        slow = normals(draws(4))
        return globe.of_place(place) | {
            "route_row": (rounds * ROWS).astype(np.float32),
            "pace": pace,
            "cycle_s": tables().duration_s[rounds] / pace + uniform(draws(5), *BREAK_S),
            "start_s": np.where(by_night, uniform(draws(6), *NIGHT_START_S), uniform(draws(6), *DAY_START_S)),
            "shift_s": uniform(draws(7), *SHIFT_S),
            "streets_cos": exact.cos(streets * TURN).astype(np.float32),
            "streets_sin": exact.sin(streets * TURN).astype(np.float32),
            "streets_deg": (streets * 360.0).astype(np.float32),
            "bay_east_m": uniform(draws(8), -20.0, 20.0),
            "bay_north_m": uniform(draws(9), -20.0, 20.0),
            "stray_east": exact.sin(astray).astype(np.float32),
            "stray_north": exact.cos(astray).astype(np.float32),
            "slow_east": slow[0].copy(),
            "slow_north": slow[1].copy(),
            "geofence_m": uniform(draws(10), 4_200.0, 5_200.0),
            "sky": uniform(draws(11), 9.0, 13.0),
            "error_m": uniform(draws(12), 1.0, 2.5),
            "odometer_at_start_km": uniform(draws(13), 0.0, 0.8 * SERVICE_KM),
        }

    def initial(self, parameters: Mapping[str, Values]) -> dict[str, Values]:
        """In the depot, somewhere between two services."""
        zeros = np.zeros_like(parameters["pace"])
        return {
            "odometer_km": parameters["odometer_at_start_km"].copy(),
            "slow_east": parameters["slow_east"].copy(),
            "slow_north": parameters["slow_north"].copy(),
            "late_s": zeros,
            "extra_km": zeros.copy(),
            "astray_m": zeros.copy(),
            "fix_east_m": parameters["bay_east_m"].copy(),
            "fix_north_m": parameters["bay_north_m"].copy(),
            "fix_speed_km_h": zeros.copy(),
            "fix_heading_deg": zeros.copy(),
        }

    def step(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],
        inputs: Inputs,
        noise: Values,
        out: Values,
    ) -> None:
        """See `MachineKind`. A row without power holds what its tracker would tell."""
        east, north, hdop, inside = out[0], out[1], out[5], out[6]
        given = inputs.drives.get(SPEED)
        if given is not None:
            given = np.clip(given, self.drives[0].lowest, self.drives[0].highest)
        late = lateness(state, parameters, inputs, given)
        hidden = _drive(state, parameters, inputs, late, out)
        if given is not None:
            _pace(given, out)
        astray = _stray(state["astray_m"], parameters, inputs, hdop, inside, out)

        jammed = inputs.failures.get(JAMMING)
        fix = receiver.look(parameters["sky"], hidden, jammed, noise[6], out[4], out[5])
        receiver.err(state, parameters["error_m"], inputs.dt_us, fix, noise, out)
        receiver.hold(state, jammed, astray, fix, out)

        np.multiply(east, east, out=inside)
        inside += north * north
        np.less_equal(inside, parameters["geofence_m"] * parameters["geofence_m"], out=inside)
        for channel, row in zip(self.channels[:4], out[:4], strict=True):
            row.clip(channel.lowest, channel.highest, out=row)
        globe.to_degrees(parameters, east, north, out[7:])

    def renew(
        self,
        state: Mapping[str, Values],
        parameters: Mapping[str, Values],  # noqa: ARG002
        rows: NDArray[np.intp],
    ) -> None:
        """See `Renewable`. A service: the odometer counts from here."""
        state["extra_km"][rows] -= state["odometer_km"][rows]
        state["odometer_km"][rows] = 0.0

    def truth(self, state: Mapping[str, Values], parameters: Mapping[str, Values]) -> Truth:
        """See `MachineKind`. What ends is the interval between two services."""
        left_km = np.maximum(np.float32(SERVICE_KM) - state["odometer_km"], np.float32(0.0))
        day_km = rounds_a_day(parameters) * tables().length_m.take(route_of(parameters)) * np.float32(1e-3)
        return Truth(left_km / np.float32(SERVICE_KM), left_km / day_km * np.float32(DAY_S))


# --- where it is ------------------------------------------------------------------------------------------------------


def _drive(
    state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs, late: Values | None, out: Values
) -> Values:
    """Fill position, speed and heading as a receiver without error under this sky tells them, and the odometer.

    The rows of dilution and geofence receive the velocity along and across the streets, m/s.

    Returns:
        Satellites that are hidden.
    """
    east, north, speed, heading, into, east_m_s, north_m_s = out[:7]
    rows = tables().rows
    start_us = inputs.now_us - inputs.calendar_us
    # Time since the first round of the day, and days since the midnight before the run.
    np.subtract(np.float32(inputs.calendar_us / SECOND_US), parameters["start_s"], out=into)
    if late is not None:
        into -= late
    days = into * np.float32(1.0 / DAY_S)
    np.floor(days, out=days)
    np.multiply(days, DAY_S, out=east)
    into -= east
    days += np.float32((start_us - _first_midnight_us(inputs)) // DAY_US)

    rounds = into / parameters["cycle_s"]
    np.floor(rounds, out=rounds)
    np.multiply(rounds, parameters["cycle_s"], out=east)
    parked = east >= parameters["shift_s"]
    into -= east
    np.maximum(into, 0.0, out=into)
    into *= parameters["pace"]
    np.minimum(into, ROWS - 1, out=into)
    np.copyto(into, ROWS - 1, where=parked)
    row = into.astype(np.int32)
    into -= row
    row += parameters["route_row"].astype(np.int32)

    rows.speed_m_s.take(row, out=speed, mode="clip")
    speed *= parameters["pace"]
    rows.east_m_s.take(row, out=east_m_s, mode="clip")
    rows.north_m_s.take(row, out=north_m_s, mode="clip")
    along, across = rows.east_m.take(row), rows.north_m.take(row)
    np.multiply(east_m_s, into, out=heading)
    along += heading
    np.multiply(north_m_s, into, out=heading)
    across += heading
    cosine, sine = parameters["streets_cos"], parameters["streets_sin"]
    _turn(along, across, cosine, sine, east, north)
    east += parameters["bay_east_m"]
    north += parameters["bay_north_m"]
    rows.heading_deg.take(row, out=heading, mode="clip")
    heading += parameters["streets_deg"]
    heading[heading >= 360.0] -= 360.0

    # Whole rounds, and what is driven of this one; days before the first round began count as none.
    most = rounds_a_day(parameters)
    lap_m = tables().length_m.take(route_of(parameters))
    np.minimum(rounds, most - 1.0, out=rounds)
    days *= most
    rounds += days
    rounds *= lap_m
    rounds += rows.driven_m.take(row)
    rounds *= np.float32(1e-3)
    rounds += parameters["odometer_at_start_km"]
    rounds += state["extra_km"]
    np.maximum(state["odometer_km"], rounds, out=state["odometer_km"])

    speed *= KM_H
    return rows.hidden.take(row)


def _pace(given_km_h: Values, out: Values) -> None:
    """Put the given speed in place of that of the tables."""
    rows = np.flatnonzero(~np.isnan(given_km_h))
    own_km_h = out[2][rows]
    share = given_km_h[rows] / np.where(own_km_h > 0.0, own_km_h, np.float32(1.0))
    out[2][rows] = given_km_h[rows]
    out[5][rows] *= share
    out[6][rows] *= share


def _first_midnight_us(inputs: Inputs) -> int:
    """The midnight before the run began, on the clock of `now_us`: 0 or earlier."""
    return -((inputs.calendar_us - inputs.now_us) % DAY_US)


def _turn(along: Values, across: Values, cosine: Values, sine: Values, east: Values, north: Values) -> None:
    """Turn vectors clockwise, into `east` and `north`."""
    np.multiply(along, cosine, out=east)
    east += across * sine
    np.multiply(across, cosine, out=north)
    north -= along * sine


# --- what comes between -----------------------------------------------------------------------------------------------


def _stray(
    astray_m: Values, parameters: Mapping[str, Values], inputs: Inputs, along: Values, across: Values, out: Values
) -> Mask | None:
    """Move those who leave their streets, at a speed that a road allows.

    Args:
        along, across: velocity on the streets as they lie, m/s.

    Returns:
        Who is off its streets; None: nobody.
    """
    severity = inputs.failures.get(OFF_ROUTE)
    if severity is None and not astray_m.any():
        return None
    goal = np.zeros_like(astray_m) if severity is None else severity * np.float32(ASTRAY_M)
    rows = np.flatnonzero((goal > 0.0) | (astray_m > 0.0))
    if not len(rows):
        return None
    east, north, speed, heading = out[:4]
    dt_s = inputs.dt_us / SECOND_US
    before = astray_m[rows]
    after = before + np.clip(goal[rows] - before, -ASTRAY_M_S * dt_s, ASTRAY_M_S * dt_s).astype(np.float32)
    astray_m[rows] = after
    towards = parameters["stray_east"][rows], parameters["stray_north"][rows]
    east[rows] += after * towards[0]
    north[rows] += after * towards[1]

    moved = after != before
    moving = rows[moved]
    own_east, own_north = np.empty((2, len(moving)), np.float32)
    cosine, sine, pace = (parameters[name][moving] for name in ("streets_cos", "streets_sin", "pace"))
    _turn(along[moving] * pace, across[moving] * pace, cosine, sine, own_east, own_north)
    away_m_s = (after - before)[moved] / np.float32(dt_s)
    own_east += away_m_s * towards[0][moved]
    own_north += away_m_s * towards[1][moved]
    speed[moving] = np.sqrt(own_east * own_east + own_north * own_north) * np.float32(KM_H)
    heading[moving] = heading_deg(own_east.astype(np.float64), own_north.astype(np.float64)).astype(np.float32)
    return astray_m > 0.0
