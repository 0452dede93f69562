"""What machines stand in: sun, sky, rain, the public grid, the week; and the tools that hold and count."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.machine_runs import some_keys, somewhere
from twinstorm.twin.flow import HOUR_US, SECOND_US
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import air, climate, mains, register
from twinstorm.twin.physics.holding import parts
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.tables import looked_up, table
from twinstorm.twin.physics.wander import ENTRIES, Wander, phase
from twinstorm.twin.physics.weeks import of_week_us, week

DAY_US = 24 * HOUR_US


def instant(year_us: int) -> Inputs:
    """An instant of a run that began with the year."""
    return Inputs(year_us, SECOND_US, None, year_us % DAY_US, year_us % (365 * DAY_US))


def at_latitudes(*degrees: float) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    keys = some_keys(len(degrees))
    place = somewhere(keys)
    zeros = np.zeros(len(degrees))
    return climate.of_place(Place(np.array(degrees), zeros, zeros, place.of_site))


# --- sun --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "latitude_deg", "elevation_deg"),
    [(171.5, 50.0, 63.44), (354.0, 50.0, 16.56), (80.0, 0.0, 90.0), (171.5, 23.44, 90.0), (354.0, -34.0, 79.44)],
)
def test_the_sun_stands_at_noon_where_almanacs_say(day: float, latitude_deg: float, elevation_deg: float) -> None:
    """90 degrees less latitude plus declination, to the degree that a circular year costs."""
    site = at_latitudes(latitude_deg)
    at = climate.moment(instant(int(day) * DAY_US + 12 * HOUR_US))
    sine = climate.toward_sun(site["sin_latitude"], site["cos_latitude"], at)
    assert np.degrees(np.arcsin(np.minimum(sine, 1.0))) == pytest.approx([elevation_deg], abs=2.0)
    assert float(sine[0]) == pytest.approx(np.sin(np.radians(elevation_deg)), abs=0.02)


@pytest.mark.parametrize(("latitude_deg", "hours"), [(0.0, 12.0), (50.0, 16.1), (60.0, 18.5), (-34.0, 9.8)])
def test_the_longest_day_has_the_length_of_almanacs(latitude_deg: float, hours: float) -> None:
    """2/15 arccos(-tan latitude tan declination) hours, from sunrise to sunset of the sun's centre."""
    site, up = at_latitudes(latitude_deg), 0
    for minute in range(0, 1440, 5):
        at = climate.moment(instant(171 * DAY_US + minute * 60 * SECOND_US))
        up += int(climate.toward_sun(site["sin_latitude"], site["cos_latitude"], at)[0] > 0.0)
    assert up / 12 == pytest.approx(hours, abs=0.2)


def test_the_beam_follows_meinels_formula_and_ends_at_the_horizon() -> None:
    """Air mass 1.5, an elevation of 41.8 degrees: 1353 * 0.7 ** (1.5 ** 0.678) = 846 W/m2."""
    assert climate.beam_w_m2(np.array([1 / 1.5], np.float32)) == pytest.approx([846.0], abs=2.0)
    sines = np.linspace(-1.0, 1.0, 500, dtype=np.float32)
    beam = climate.beam_w_m2(sines)
    assert not beam[sines <= 0].any()
    assert (np.diff(beam) >= -1e-3).all()
    assert 900 < float(beam[-1]) < 1_000


def test_clouds_take_up_to_three_quarters_of_the_light() -> None:
    cover = np.array([-0.5, 0.0, 0.5, 1.0, 2.0], np.float32)
    assert climate.transmitted(cover) == pytest.approx([1.0, 1.0, 1 - 0.75 * 0.5**3.4, 0.25, 0.25], abs=2e-4)


# --- weather ----------------------------------------------------------------------------------------------------------


def test_a_year_has_the_rain_and_the_clouds_of_a_mild_climate() -> None:
    site = climate.of_place(somewhere(some_keys(200)))
    covers = [climate.cloud_cover(site, climate.moment(instant(hour * HOUR_US))) for hour in range(0, 8760, 3)]
    rain_mm = 3 * np.stack([climate.rain_mm_h(cover).astype(np.float64) for cover in covers]).sum(axis=0)
    assert 450 < rain_mm.min() < rain_mm.max() < 1_000
    whole = np.stack(covers)
    assert 0.45 < np.clip(whole, 0, 1).mean() < 0.65
    assert 0.02 < (whole > climate.RAIN_COVER).mean() < 0.12


def test_low_pressure_brings_clouds() -> None:
    site = climate.of_place(somewhere(some_keys(100)))
    covers, pressures = [], []
    for hour in range(0, 2_000, 5):
        at = climate.moment(instant(hour * HOUR_US))
        covers.append(climate.cloud_cover(site, at))
        pressures.append(site["front_cos"] * at.front_hpa[0] + site["front_sin"] * at.front_hpa[1])
    for cover, pressure in zip(np.stack(covers).T, np.stack(pressures).T, strict=True):
        assert np.corrcoef(cover, pressure)[0, 1] < -0.5


def test_neighbours_share_the_sky() -> None:
    keys = some_keys(100)
    site = climate.of_place(somewhere(keys))
    cover = climate.cloud_cover(site, climate.moment(instant(40 * DAY_US)))
    for number in range(10):
        assert len(np.unique(cover[keys % np.uint64(10) == number])) == 1
    assert len(np.unique(cover)) == 10


def test_vapour_by_the_table_is_that_of_the_formula() -> None:
    dew_c = np.linspace(-39.9, 84.9, 999)
    assert climate.vapour_hpa(dew_c.astype(np.float32)) == pytest.approx(air.saturation_hpa(dew_c), rel=3e-4)


# --- grid -------------------------------------------------------------------------------------------------------------


def test_voltage_stays_within_what_a_customer_may_be_given_and_is_lower_in_the_evening() -> None:
    place = somewhere(some_keys(300))
    columns = mains.of_place(lambda number: place.of_site(number + 999), place)
    nominal = np.where(mains.american(place), 240.0, 230.0)
    share = np.stack([mains.voltage_v(**columns, inputs=instant(hour * HOUR_US)) / nominal for hour in range(24 * 14)])
    assert mains.LOWEST < share.min() < share.max() < 1.06
    day = share.reshape(14, 24, -1).mean(axis=(0, 2))
    assert day[19] < day[3] - 0.02


def test_frequency_wanders_as_in_a_large_grid() -> None:
    deviation = np.array([mains.deviation_hz(second * SECOND_US) for second in range(0, 4 * 3600, 7)])
    assert np.abs(deviation).max() < 0.08
    assert 0.01 < deviation.std() < 0.03


# --- week -------------------------------------------------------------------------------------------------------------


def test_the_week_begins_on_monday_and_the_year_on_a_tuesday() -> None:
    assert of_week_us(instant(0)) == DAY_US
    assert of_week_us(instant(6 * DAY_US)) == 0
    assert of_week_us(instant(6 * DAY_US), ago_us=1) == 7 * DAY_US - 1


def test_profiles_are_linear_between_hours_and_from_sunday_to_monday() -> None:
    profile = week([4.0] * 24, [8.0] * 24, [0.0] * 24, 4)
    assert len(profile) == 7 * 96
    assert profile[5 * 96 - 2] == pytest.approx(6.0)
    assert profile[-2] == pytest.approx(2.0)


# --- tools ------------------------------------------------------------------------------------------------------------


@given(st.floats(1e-12, 100.0))
def test_what_is_gone_is_an_exponential_however_short_the_step(taus: float) -> None:
    assert float(gone(np.array([taus], np.float32))[0]) == pytest.approx(-np.expm1(-np.float32(taus)), rel=1e-6)


@given(st.integers(0, 10**9), st.integers(1, 10**7), st.integers(10**4, 10**7))
def test_parts_fill_the_step_and_end_at_the_multiples(now_us: int, dt_us: int, every_us: int) -> None:
    cut = list(parts(now_us, dt_us, every_us))
    assert cut[0][0] == now_us - dt_us
    assert cut[-1][1] == now_us
    assert all(before[1] == after[0] for before, after in pairwise(cut))
    assert all(start < end <= (start // every_us + 1) * every_us for start, end in cut)


def test_what_is_forgotten_is_left_out_from_a_multiple_on() -> None:
    assert list(parts(100, 90, 10, memory_us=25)) == [(70, 80), (80, 90), (90, 100)]


def test_tables_are_linear_and_end_at_their_ends() -> None:
    of = table(np.array([1.0, 3.0, 4.0]))
    place = np.array([-5.0, 0.0, 0.5, 1.5, 2.0, 9.0], np.float32)
    assert looked_up(of, place).tolist() == [1.0, 1.0, 2.0, 3.5, 4.0, 4.0]


def test_noise_with_a_memory_repeats_shares_phases_and_has_its_size() -> None:
    noise = Wander(9, SECOND_US, {1: 0.3, 16: 0.4})
    phases = phase(some_keys(5_000))
    first = noise.at(phases, 7_500_000)
    assert first.std() == pytest.approx(0.5, rel=0.15)
    assert abs(first.mean()) < 0.03
    assert np.array_equal(first, noise.at(phases, 7_500_000 + ENTRIES * SECOND_US))
    assert noise.at(phases + np.float32(2.0), 5_500_000) == pytest.approx(first, abs=1e-3)
    same = noise.at(np.full(3, 16_383.5, np.float32), 0)
    assert same == pytest.approx([(noise.values[-1] + noise.values[0]) / 2] * 3, abs=1e-6)


def test_a_register_counts_every_joule_and_rolls_over() -> None:
    state = {"energy_wh": np.array([99_999_992.0, 5.0], np.float32), "energy_rest_wh": np.zeros(2, np.float32)}
    for _ in range(20_000):
        register.count(state, np.array([3_600.0, 1.0], np.float32), SECOND_US)
    told = state["energy_wh"].astype(np.float64) + state["energy_rest_wh"]
    assert told == pytest.approx([19_992.0, 5.0 + 20_000 / 3_600], rel=1e-6)
