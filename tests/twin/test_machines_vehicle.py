"""The vehicle: its rounds, its day, and what a satellite receiver makes of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys, somewhere
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US, Values
from twinstorm.twin.machines import vehicle
from twinstorm.twin.machines.kind import Place
from twinstorm.twin.machines.vehicle import Vehicle
from twinstorm.twin.physics import globe, receiver, routes
from twinstorm.twin.physics.receiver import FIX_SATELLITES, NO_FIX_HDOP
from twinstorm.twin.physics.routes import HIDDEN, ROWS, Leg, backwards, heading_deg, tables

N = 120
DAY_US = 24 * HOUR_US


def vehicles(count: int = N, noisy: bool = False, start_us: int = 0) -> Machines:
    machines = Machines(Vehicle(), some_keys(count), noisy=noisy, start_us=start_us)
    if not noisy:
        for name in ("slow_east", "slow_north"):
            machines.state[name][:] = 0.0
    return machines


def every(value: float, count: int = N) -> Values:
    return np.full(count, value, np.float32)


def spot(machines: Machines) -> NDArray[np.float64]:
    """Positions, (n, 2) metres."""
    return machines.values[:2].T.astype(np.float64)


def away(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(((a - b) ** 2).sum(axis=-1))


# --- rounds -----------------------------------------------------------------------------------------------------------


def test_rounds_are_closed_fit_their_tables_and_stay_within_any_fence() -> None:
    made = tables()
    assert (made.duration_s < ROWS - 1).all()
    for column in (made.rows.east_m, made.rows.north_m):
        by_round = column.reshape(-1, ROWS)
        assert not by_round[:, 0].any()
        assert not by_round[:, -1].any()
        assert not np.any(by_round * (np.arange(ROWS) >= made.duration_s[:, None]))
    furthest = np.sqrt(made.rows.east_m.astype(np.float64) ** 2 + made.rows.north_m.astype(np.float64) ** 2).max()
    assert furthest < 4_000


def test_no_vehicle_speeds_jumps_or_brakes_harder_than_a_van() -> None:
    made = tables().rows
    limits = {leg.limit_m_s for legs in routes.ROUNDS for leg in legs}
    assert made.speed_m_s.max() <= max(limits) + 1e-5
    driven = np.diff(made.driven_m.astype(np.float64).reshape(-1, ROWS), axis=1)
    assert driven.min() > -1e-2
    assert driven.max() <= max(limits) + 1e-2
    assert np.abs(np.diff(driven, axis=1)).max() <= routes.ACCELERATION_M_S2 + 1e-2


def test_a_round_takes_the_time_of_its_limits_corners_and_stops() -> None:
    """A square of 1 km a side with one stop: speeding up and braking by hand."""
    gain, corner, limit = routes.ACCELERATION_M_S2, routes.CORNER_M_S, 10.0
    legs = (Leg(0, 1_000, limit), Leg(1_000, 1_000, limit, 60.0), Leg(1_000, 0, limit), Leg(0, 0, limit))

    def leg_s(first: float, last: float) -> float:
        ramps_m = (2 * limit**2 - first**2 - last**2) / (2 * gain)
        return (2 * limit - first - last) / gain + (1_000 - ramps_m) / limit

    found, length_m, duration_s = routes._compiled(legs)
    assert length_m == 4_000
    assert duration_s == pytest.approx(leg_s(0, corner) + leg_s(corner, 0) + 60 + leg_s(0, corner) + leg_s(corner, 0))
    assert found["heading_deg"][[10, 150, 300]] == pytest.approx([0.0, 90.0, 180.0])


def test_a_round_backwards_visits_the_same_stops() -> None:
    legs = routes.ROUNDS[0]
    again = backwards(backwards(legs))
    assert again == legs
    stops = {(*leg[:2], leg.stop_s) for leg in legs if leg.stop_s}
    assert {(*leg[:2], leg.stop_s) for leg in backwards(legs) if leg.stop_s} == stops


def test_headings_are_those_of_a_compass() -> None:
    angles = np.linspace(0, 2 * math.pi, 721)[:-1]
    found = heading_deg(np.sin(angles), np.cos(angles))
    assert np.abs((found - np.degrees(angles) + 180) % 360 - 180).max() < 1e-6
    assert ((found >= 0) & (found < 360)).all()
    assert heading_deg(np.zeros(1), np.zeros(1))[0] == 0.0


# --- a day ------------------------------------------------------------------------------------------------------------


def test_place_is_a_function_of_the_clock_whatever_the_period() -> None:
    often, seldom, shifted = vehicles(start_us=9 * HOUR_US), vehicles(start_us=9 * HOUR_US), vehicles()
    often.run(30 * SECOND_US, 40)
    seldom.step(20 * MINUTE_US)
    shifted.step(9 * HOUR_US + 20 * MINUTE_US)
    assert np.array_equal(often.values, seldom.values)
    assert np.array_equal(often.values, shifted.values)
    assert often.state["odometer_km"] == pytest.approx(seldom.state["odometer_km"])
    shifted.step(DAY_US)
    assert shifted.values == pytest.approx(seldom.values, abs=0.2)


def test_what_is_told_of_speed_and_heading_is_how_the_position_changes() -> None:
    machines = vehicles(start_us=10 * HOUR_US)
    told = np.stack([machines.step(SECOND_US).astype(np.float64) for _ in range(200)], axis=1)
    east, north, speed, heading, satellites = told[0], told[1], told[2] / 3.6, told[3], told[4]

    def same(values: NDArray[np.float64], within: float) -> NDArray[np.bool_]:
        return (np.abs(values[1:-1] - values[:-2]) < within) & (np.abs(values[2:] - values[1:-1]) < within)

    # Away from corners, ramps and the mouths of tunnels.
    open_sky = np.vstack([satellites > 3, np.zeros((1, N), np.bool_)])
    steady = same(heading, 0.01) & same(speed, 0.01) & open_sky[:-3] & open_sky[3:] & (speed[1:-1] > 3)
    moved = np.stack([np.diff(east, axis=0)[:-1], np.diff(north, axis=0)[:-1]])[:, steady]
    assert steady.sum() > 2_000
    along = np.radians(heading[1:-1][steady])
    assert moved[0] == pytest.approx(speed[1:-1][steady] * np.sin(along), abs=0.05)
    assert moved[1] == pytest.approx(speed[1:-1][steady] * np.cos(along), abs=0.05)


def test_vans_drive_by_day_some_by_night_and_all_come_home() -> None:
    machines = vehicles(400)
    moving = []
    parked = np.zeros(400)
    for _ in range(24 * 12):
        machines.step(5 * MINUTE_US)
        at_home = away(spot(machines), np.stack([machines.parameters[f"bay_{a}_m"] for a in ("east", "north")], 1)) < 1
        parked += at_home
        moving.append(float((~at_home).mean()))
    by_hour = np.array(moving).reshape(24, 12).mean(axis=1)
    assert by_hour[10:14].min() > 0.4
    assert 0.03 < by_hour[2:4].mean() < 0.2
    assert by_hour[18:19].max() < 0.25
    assert (parked > 24 * 12 / 2).all()


def test_the_odometer_counts_whole_rounds() -> None:
    machines = vehicles()
    machines.parameters["start_s"][:] = 6 * 3_600
    machines.state = Vehicle().initial(machines.parameters)
    machines.run(6 * HOUR_US, 8)
    rounds = np.ceil(machines.parameters["shift_s"] / machines.parameters["cycle_s"])
    length_m = tables().length_m[(machines.parameters["route_row"] / ROWS).astype(int)]
    driven = machines.state["odometer_km"] - machines.parameters["odometer_at_start_km"]
    assert driven == pytest.approx(2 * rounds * length_m / 1e3, rel=1e-3)
    kind = Vehicle()
    before = kind.truth(machines.state, machines.parameters)
    machines.step(DAY_US)
    after = kind.truth(machines.state, machines.parameters)
    assert before.remaining_s - after.remaining_s == pytest.approx(86_400, rel=0.02)


def test_vehicles_of_a_site_share_their_streets() -> None:
    machines = Machines(Vehicle(), some_keys(N), place=somewhere(some_keys(N)))
    site = machines.place.of_site(0) if machines.place else np.zeros(0)
    turned = machines.parameters["streets_deg"]
    assert len(np.unique(turned)) == len(np.unique(site)) > 5
    assert len(np.unique(machines.parameters["route_row"])) == len(tables().duration_s)


# --- the receiver -----------------------------------------------------------------------------------------------------


def test_scatter_has_the_size_of_error_and_dilution_and_a_memory() -> None:
    count = 4_000
    quiet, noisy = vehicles(count), vehicles(count, noisy=True)
    errors = []
    for _ in range(2):
        quiet.step(MINUTE_US), noisy.step(MINUTE_US)
        seen = noisy.channel("satellites") >= FIX_SATELLITES
        size = noisy.parameters["error_m"] * noisy.channel("hdop")
        errors.append((spot(noisy)[:, 0] - spot(quiet)[:, 0]) / size)
    assert seen.mean() > 0.99
    assert errors[1][seen].std() == pytest.approx(1.0, rel=0.05)
    assert abs(errors[1][seen].mean()) < 0.05
    memory = math.exp(-60 / receiver.MEMORY_S) * receiver.SLOW_SHARE**2
    assert np.corrcoef(errors[0][seen], errors[1][seen])[0, 1] == pytest.approx(memory, abs=0.05)


def test_fewer_satellites_dilute_the_position() -> None:
    table = receiver._HDOP
    assert (np.diff(table[FIX_SATELLITES:]) < 0).all()
    assert (table[:FIX_SATELLITES] == np.float32(NO_FIX_HDOP)).all()
    machines = vehicles(2_000, noisy=True, start_us=10 * HOUR_US)
    machines.step(MINUTE_US)
    order = np.argsort(machines.channel("satellites"), kind="stable")
    assert (np.diff(machines.channel("hdop")[order]) <= 0).all()
    assert len(np.unique(machines.channel("satellites"))) > 6


def test_under_ground_the_fix_stands_still_and_no_satellite_is_seen() -> None:
    made = tables().rows
    row = int(np.flatnonzero(made.hidden == HIDDEN)[0])
    length = int((made.hidden[row : row + 500] == HIDDEN).argmin())
    assert length > 20
    machines = vehicles(noisy=True)
    machines.parameters["route_row"][:] = row // ROWS * ROWS
    machines.parameters["pace"][:] = 1.0
    machines.parameters["cycle_s"][:] = 5_000.0
    machines.parameters["start_s"][:] = 3_600.0
    machines.step((3_600 + row % ROWS - 5) * SECOND_US)
    outside = spot(machines)
    assert (machines.channel("satellites") > 0).all()
    told = [machines.step(4 * SECOND_US)[:5].copy() for _ in range(length // 4 - 1)][2:]
    for values in told[1:]:
        assert np.array_equal(values, told[0])
    assert not told[0][4].any()
    assert (machines.channel("hdop") == np.float32(NO_FIX_HDOP)).all()
    machines.step(20 * SECOND_US)
    assert (machines.channel("satellites") >= FIX_SATELLITES).all()
    assert (away(spot(machines), outside) > 200).all()


# --- drives -----------------------------------------------------------------------------------------------------------


def test_a_given_speed_moves_it_along_its_round_and_is_told() -> None:
    machines = vehicles(start_us=9 * HOUR_US)
    machines.drives = {"speed_km_h": every(36.0)}
    machines.run(SECOND_US, 10)
    before, odometer = spot(machines), machines.state["odometer_km"].astype(np.float64)
    for _ in range(30):
        machines.step(SECOND_US)
        assert (away(spot(machines), before) < 10.4).all()
        before = spot(machines)
    assert machines.channel("speed_km_h") == pytest.approx(36.0)
    machines.run(MINUTE_US, 100)
    assert machines.state["odometer_km"] - odometer == pytest.approx((6_000 + 30) * 10e-3, abs=0.2)


def test_a_vehicle_that_is_held_stands_still_and_later_carries_on_without_a_jump() -> None:
    machines, plain = vehicles(start_us=9 * HOUR_US), vehicles(start_us=9 * HOUR_US)
    machines.step(MINUTE_US), plain.step(MINUTE_US)
    here = spot(machines)
    machines.drives = {"speed_km_h": every(0.0)}
    for dt_us in (SECOND_US, MINUTE_US, HOUR_US):
        machines.step(dt_us), plain.step(dt_us)
        assert away(spot(machines), here) == pytest.approx(0.0, abs=0.3)
        assert not machines.channel("speed_km_h").any()
    assert (machines.state["late_s"] == 3_661).all()
    machines.drives = {}
    before = spot(machines)
    for _ in range(120):
        machines.step(SECOND_US)
        seen = machines.channel("satellites") >= FIX_SATELLITES
        jump = away(spot(machines), before)
        assert (jump[seen & (jump < 150)] < 20).all()
        before = spot(machines)
    machines.step(22 * HOUR_US), plain.step(22 * HOUR_US + 2 * MINUTE_US)
    assert not machines.state["late_s"].any()
    assert np.array_equal(spot(machines), spot(plain))


@pytest.mark.parametrize("speed_km_h", [0.0, 90.0])
def test_a_delay_or_a_lead_is_made_up_alike_in_short_and_long_steps(speed_km_h: float) -> None:
    often, seldom = vehicles(start_us=9 * HOUR_US), vehicles(start_us=9 * HOUR_US)
    for machines in (often, seldom):
        machines.drives = {"speed_km_h": every(speed_km_h)}
        machines.step(HOUR_US)
        machines.drives = {}
    assert (seldom.state["late_s"] > 0).all() if speed_km_h == 0.0 else (seldom.state["late_s"] < 0).any()
    often.run(MINUTE_US, 180)
    seldom.step(180 * MINUTE_US)
    assert often.state["late_s"] == pytest.approx(seldom.state["late_s"], abs=1.0)
    assert np.median(away(spot(often), spot(seldom))) < 0.5


def test_whole_days_of_lateness_do_not_cost_kilometres() -> None:
    machines = vehicles()
    machines.drives = {"speed_km_h": every(100.0)}
    machines.run(6 * HOUR_US, 12)
    driven = machines.state["odometer_km"] - machines.parameters["odometer_at_start_km"]
    assert np.abs(machines.state["late_s"]).max() <= 43_201
    by_day = machines.parameters["start_s"] < 12 * 3_600  # the others begin amid a round of the night before
    assert driven[by_day] == pytest.approx(7_200.0, abs=0.1)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_jamming_takes_satellites_then_the_fix() -> None:
    told = []
    for severity in (0.0, 0.4, 1.0):
        machines = vehicles(start_us=10 * HOUR_US)
        machines.step(MINUTE_US)
        before = machines.values[:4].copy()
        machines.failures = {"gps-jamming": every(severity)}
        machines.step(5 * MINUTE_US)
        told.append((machines.channel("satellites").copy(), machines.channel("hdop").copy()))
    assert np.array_equal(machines.values[:4], before)
    assert not told[2][0].any()
    assert (told[1][0] <= told[0][0]).all()
    assert (told[1][1] >= told[0][1]).all()
    assert told[1][1].mean() > 1.5 * told[0][1].mean()
    machines.failures = {}
    machines.step(SECOND_US)
    assert (away(spot(machines), before[:2].T.astype(np.float64)) > 50).mean() > 0.4


def test_who_leaves_the_route_drives_out_of_the_fence_at_the_speed_of_a_road() -> None:
    machines = vehicles()
    machines.step(MINUTE_US)
    assert machines.channel("inside_geofence").all()
    machines.failures = {"off-route": every(1.0)}
    still = machines.parameters["start_s"] < 12 * 3_600  # parked at night
    before = spot(machines)
    for _ in range(10):
        machines.step(MINUTE_US)
        assert away(spot(machines), before)[still] == pytest.approx(vehicle.ASTRAY_M_S * 60, abs=1)
        assert machines.channel("speed_km_h")[still] == pytest.approx(vehicle.ASTRAY_M_S * 3.6, rel=1e-3)
        heading = np.radians(machines.channel("heading_deg").astype(np.float64))
        moved = spot(machines) - before
        assert moved[still, 0] == pytest.approx((vehicle.ASTRAY_M_S * 60 * np.sin(heading))[still], abs=2)
        before = spot(machines)
    machines.run(MINUTE_US, 5)
    assert not machines.channel("inside_geofence").any()
    assert away(spot(machines), np.zeros(2)).max() < 16_000
    machines.failures = {}
    machines.run(MINUTE_US, 14)
    assert machines.channel("inside_geofence").all()
    assert not machines.state["astray_m"].any()


def test_a_fence_drawn_too_tight_is_left_by_every_round() -> None:
    machines = vehicles(start_us=6 * HOUR_US)
    machines.parameters["geofence_m"][:] = 500.0
    inside: list[Any] = [machines.step(MINUTE_US)[6].copy() for _ in range(600)]
    outside = 1.0 - np.array(inside).mean(axis=0)
    by_day = machines.parameters["start_s"] < 12 * 3_600
    assert (outside[by_day] > 0.1).all()
    assert set(np.unique(inside).tolist()) == {0.0, 1.0}


# --- on the globe -----------------------------------------------------------------------------------------------------


def geodesic_m(start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    """Length of the shortest way on WGS 84 between two places in degrees (Vincenty's inverse formulae, 1975)."""
    a, f = 6_378_137.0, 1 / 298.257223563
    b = (1 - f) * a
    (lat1, lon1), (lat2, lon2) = np.radians(start), np.radians(end)
    u1, u2 = math.atan((1 - f) * math.tan(lat1)), math.atan((1 - f) * math.tan(lat2))
    turn = lon2 - lon1
    for _ in range(50):
        across = math.hypot(
            math.cos(u2) * math.sin(turn),
            math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(turn),
        )
        along = math.sin(u1) * math.sin(u2) + math.cos(u1) * math.cos(u2) * math.cos(turn)
        arc = math.atan2(across, along)
        sine = math.cos(u1) * math.cos(u2) * math.sin(turn) / across
        square = 1 - sine * sine
        middle = along - 2 * math.sin(u1) * math.sin(u2) / square
        c = f / 16 * square * (4 + f * (4 - 3 * square))
        turn = (lon2 - lon1) + (1 - c) * f * sine * (
            arc + c * across * (middle + c * along * (2 * middle * middle - 1))
        )
    u = square * (a * a - b * b) / (b * b)
    big = 1 + u / 16384 * (4096 + u * (-768 + u * (320 - 175 * u)))
    small = u / 1024 * (256 + u * (-128 + u * (74 - 47 * u)))
    less = (
        small
        * across
        * (
            middle
            + small / 4 * (along * (2 * middle**2 - 1) - small / 6 * middle * (4 * across**2 - 3) * (4 * middle**2 - 3))
        )
    )
    return b * big * (arc - less)


@pytest.mark.parametrize("latitude_deg", [-37.0, 1.4, 50.0, 60.3])
@pytest.mark.parametrize("longitude_deg", [8.6, -73.8])
def test_degrees_and_metres_tell_the_same_place(latitude_deg: float, longitude_deg: float) -> None:
    """Distances of the ellipsoid, 16 km to all sides, to what float32 and the projection leave."""
    bearing = np.arange(0.0, 360.0, 15.0) * np.pi / 180.0
    east, north = (16_000.0 * side(bearing) for side in (np.sin, np.cos))
    count = len(bearing)
    site = np.full((3, count), [[latitude_deg], [longitude_deg], [0.0]])
    place = Place(site[0], site[1], site[2], lambda _: some_keys(count))
    told = np.empty((2, count), np.float32)
    globe.to_degrees(globe.of_place(place), east.astype(np.float32), north.astype(np.float32), told)
    start = np.array([latitude_deg, longitude_deg])
    lengths = [geodesic_m(start, end) for end in told.T.astype(np.float64)]
    assert lengths == pytest.approx([16_000.0] * count, abs=2.0)
    far = np.abs(north) > 1_000.0
    assert (np.sign(told[0] - latitude_deg)[far] == np.sign(north)[far]).all()


def test_a_degree_has_the_length_that_tables_say() -> None:
    """WGS 84 (NGA TR8350.2): a degree of latitude at 45 degrees is 111,132 m, one of longitude 78,847 m."""
    place = Place(np.array([45.0]), np.array([0.0]), np.zeros(1), lambda _: some_keys(1))
    site = globe.of_place(place)
    assert float(site["north_m_deg"][0]) == pytest.approx(111_132.0, abs=1.0)
    assert float(site["equator_m_deg"][0] * site["site_cos"][0]) == pytest.approx(78_847.0, abs=1.0)


def test_the_date_line_is_crossed_and_the_pole_is_not() -> None:
    place = Place(np.array([-17.0, 89.9999]), np.array([179.99, 10.0]), np.zeros(2), lambda _: some_keys(2))
    told = np.empty((2, 2), np.float32)
    globe.to_degrees(
        globe.of_place(place), np.array([5_000.0, 0.0], np.float32), np.array([0.0, 900.0], np.float32), told
    )
    assert told[1, 0] == pytest.approx(-179.963, abs=1e-3)
    assert told[0, 1] <= 90.0


def test_a_tracker_tells_its_coordinates_with_its_metres() -> None:
    machines = vehicles()
    site = somewhere(machines.keys)
    machines.step(10 * HOUR_US)
    latitude, longitude = machines.channel("latitude_deg"), machines.channel("longitude_deg")
    north_m = (latitude - site.latitude_deg) * 111_200.0
    east_m = (longitude - site.longitude_deg) * 111_320.0 * np.cos(np.radians(latitude))
    assert north_m == pytest.approx(machines.channel("north_m"), rel=0.01, abs=1.5)
    assert east_m == pytest.approx(machines.channel("east_m"), rel=0.01, abs=2.5)
