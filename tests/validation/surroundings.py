"""What stands around the machines: vapour, pressure, the sun, the globe, and the dust of a city."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from tests.twin.machine_runs import Machines, some_keys
from tests.validation.case import Case, Subject
from twinstorm.twin.flow import DAY_US, HOUR_US, MINUTE_US
from twinstorm.twin.machines.air_quality import AirQuality
from twinstorm.twin.machines.kind import Inputs, Place
from twinstorm.twin.physics import air, climate, globe
from twinstorm.twin.physics.city_air import HOLD_US

VAPOUR = "saturation over water, tables by Goff and Gratch (Smithsonian Meteorological Tables)"
DEW = "dew point tables of building physics (DIN 4108)"
ISO_2533 = "ISO 2533, standard atmosphere, geopotential altitude"
IQBAL = "Iqbal, An Introduction to Solar Radiation (1983), table 4.2.1"
DAY_LENGTH = "arc cosine of -tan(latitude) tan(23.44°) (Duffie and Beckman, section 1.6)"
KASTEN = "Kasten and Czeplak, Solar Energy 24 (1980)"
WGS_84 = "NGA, TR8350.2 (WGS 84)"
ZHAO = "Zhao et al., Atmospheric Environment 43 (2009), a city"


def saturation_hpa(temperature_c: float) -> float:
    return float(air.saturation_hpa(np.array([temperature_c]))[0])


def humidity_pct(temperature_c: float, dew_point_c: float) -> float:
    """As the sensors come to it, by their tables."""
    vapour_hpa = climate.vapour_hpa(np.array([dew_point_c], np.float32))
    return float(air.humidity_pct(vapour_hpa, np.array([temperature_c], np.float32))[0])


def station_hpa(altitude_m: float) -> float:
    return float(air.station_hpa(np.array([altitude_m]))[0])


def at(day: float, minute: int = 720) -> climate.Moment:
    """A minute of a day of the year, the first of January being day 1."""
    into_us = minute * MINUTE_US
    return climate.moment(Inputs(0, 1, calendar_us=into_us, year_us=int((day - 1) * DAY_US) + into_us))


def declination_deg(day: int) -> float:
    return float(np.degrees(np.arcsin(at(day).sin_declination)))


@cache
def daylight_h(latitude_deg: float, day: int) -> float:
    """Hours with the sun above the horizon, minute by minute."""
    angle = np.radians(np.array([latitude_deg]))
    sine, cosine = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)
    up = sum(bool(climate.toward_sun(sine, cosine, at(day, minute))[0] > 0.0) for minute in range(0, 1440, 2))
    return up / 30.0


def noon_deg(latitude_deg: float, day: int) -> float:
    """The sun's elevation at noon."""
    angle = np.radians(np.array([latitude_deg]))
    sine, cosine = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)
    return float(np.degrees(np.arcsin(climate.toward_sun(sine, cosine, at(day))[0])))


def overcast_share() -> float:
    return float(climate.transmitted(np.ones(1, np.float32))[0])


def degree_m(latitude_deg: float, way: str) -> float:
    """Length of a degree at a latitude, as trackers project."""
    site = globe.of_place(Place(np.array([latitude_deg]), np.zeros(1), np.zeros(1), lambda _: some_keys(1)))
    return float(site["north_m_deg"][0] if way == "north" else site["equator_m_deg"][0] * site["site_cos"][0])


@cache
def dust_by_hour() -> tuple[float, ...]:
    """Fine dust as 60 stations all over the world tell it: means of the hours of two working days in each season."""
    days = []
    for season in range(4):
        machines = Machines(AirQuality(), some_keys(60), start_us=(6 + 91 * season) * DAY_US)
        for name, value in (("hygroscopicity", 0.0), ("gain", 1.0)):
            machines.parameters[name][:] = value
        told = [float(machines.step(HOLD_US)[0].mean()) for _ in range(2 * DAY_US // HOLD_US)]
        days.append(np.array(told).reshape(2, 24, HOUR_US // HOLD_US).mean(axis=(0, 2)))
    return tuple(np.mean(days, axis=0).tolist())


def hour_of(which: str) -> float:
    """Middle of the hour in which dust peaks in the morning or the evening, or is least."""
    dust = np.array(dust_by_hour())
    if which == "least":
        return float(dust.argmin()) + 0.5
    return float(dust[:12].argmax() if which == "morning" else 12 + dust[12:].argmax()) + 0.5


SUBJECT = Subject(
    "Surroundings",
    "`twin/physics/air.py`, `climate.py`, `globe.py`, `city_air.py`",
    (
        *(
            Case(f"vapour pressure at {degrees:g} °C, hPa", VAPOUR, hpa, 0.006, partial(saturation_hpa, degrees), True)
            for degrees, hpa in ((-20.0, 1.2540), (-10.0, 2.8627), (0.0, 6.1078), (10.0, 12.272), (20.0, 23.373))
        ),
        *(
            Case(f"vapour pressure at {degrees:g} °C, hPa", VAPOUR, hpa, 0.003, partial(saturation_hpa, degrees), True)
            for degrees, hpa in ((30.0, 42.430), (40.0, 73.777))
        ),
        *(
            Case(
                f"{degrees:g} °C, dew point {dew:g} °C: humidity, %", DEW, pct, 0.5, partial(humidity_pct, degrees, dew)
            )
            for degrees, dew, pct in (
                (20.0, 6.0, 40.0),
                (20.0, 9.3, 50.0),
                (20.0, 12.0, 60.0),
                (20.0, 14.4, 70.0),
                (20.0, 16.4, 80.0),
                (25.0, 16.7, 60.0),
                (10.0, 2.6, 60.0),
            )
        ),
        *(
            Case(f"air pressure at {metres:g} m, hPa", ISO_2533, hpa, 0.05, partial(station_hpa, metres))
            for metres, hpa in (
                (0.0, 1013.25),
                (500.0, 954.61),
                (1_000.0, 898.75),
                (2_000.0, 794.95),
                (5_000.0, 540.20),
            )
        ),
        *(
            Case(f"declination on {told}, °", IQBAL, degrees, 1.2, partial(declination_deg, day))
            for told, day, degrees in (
                ("17 January", 17, -20.84),
                ("15 March", 74, -2.40),
                ("15 May", 135, 18.78),
                ("18 July", 199, 21.11),
                ("18 September", 261, 1.97),
                ("18 November", 322, -19.02),
            )
        ),
        *(
            Case(
                f"{told}, {latitude:g}° north: daylight, h", DAY_LENGTH, hours, 0.1, partial(daylight_h, latitude, day)
            )
            for told, day, latitude, hours in (
                ("21 June", 172, 0.0, 12.0),
                ("21 June", 172, 30.0, 13.93),
                ("21 June", 172, 50.0, 16.15),
                ("21 June", 172, 60.0, 18.49),
                ("21 June", 172, 70.0, 24.0),
                ("21 December", 355, 50.0, 7.85),
                ("21 December", 355, 70.0, 0.0),
            )
        ),
        Case("21 June, 50° north: sun at noon, °", "90° - 50° + 23.44°", 63.44, 0.2, partial(noon_deg, 50.0, 172)),
        Case("21 December, 50° north: sun at noon, °", "90° - 50° - 23.44°", 16.56, 0.2, partial(noon_deg, 50.0, 355)),
        Case("light under a full cover of clouds, share", KASTEN, 0.25, 1e-6, overcast_share),
        Case("a degree of latitude at the equator, m", WGS_84, 110_574.0, 1.0, partial(degree_m, 0.0, "north")),
        Case("a degree of latitude at 45°, m", WGS_84, 111_132.0, 1.0, partial(degree_m, 45.0, "north")),
        Case("a degree of longitude at 45°, m", WGS_84, 78_847.0, 1.0, partial(degree_m, 45.0, "east")),
        Case("a degree of longitude at 60°, m", WGS_84, 55_800.0, 1.0, partial(degree_m, 60.0, "east")),
        Case("fine dust, morning's peak, o'clock", ZHAO + ": 7 to 8", 7.5, 1.0, partial(hour_of, "morning")),
        Case("fine dust, evening's peak, o'clock", ZHAO + ": 19 to 23", 21.0, 2.0, partial(hour_of, "evening")),
        Case("fine dust, least, o'clock", ZHAO + ": about noon", 12.0, 3.0, partial(hour_of, "least")),
    ),
)
