"""Where sites are: by the airport code that many site names begin with, else drawn from the name.

Latitude decides about seasons and sun, altitude about air pressure. Positions of the airports are rounded to a tenth of
a degree, which is what a climate needs (source: published airport reference points).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.chance import Words, device_key, stream, words
from twinstorm.twin.machines.kind import Place


class Spot(NamedTuple):
    """One position: degrees north and east, metres above the sea."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float


AIRPORTS: Final = {
    "akl": Spot(-37.0, 174.8, 7),
    "ams": Spot(52.3, 4.8, -3),
    "arn": Spot(59.7, 17.9, 42),
    "atl": Spot(33.6, -84.4, 313),
    "bcn": Spot(41.3, 2.1, 4),
    "blr": Spot(13.2, 77.7, 915),
    "bom": Spot(19.1, 72.9, 11),
    "bos": Spot(42.4, -71.0, 6),
    "bud": Spot(47.4, 19.3, 151),
    "cdg": Spot(49.0, 2.5, 119),
    "cph": Spot(55.6, 12.7, 5),
    "cpt": Spot(-34.0, 18.6, 46),
    "del": Spot(28.6, 77.1, 237),
    "den": Spot(39.9, -104.7, 1656),
    "dfw": Spot(32.9, -97.0, 185),
    "dub": Spot(53.4, -6.3, 74),
    "dxb": Spot(25.3, 55.4, 19),
    "eze": Spot(-34.8, -58.5, 20),
    "fco": Spot(41.8, 12.2, 5),
    "fra": Spot(50.0, 8.6, 111),
    "gru": Spot(-23.4, -46.5, 749),
    "hel": Spot(60.3, 25.0, 55),
    "hkg": Spot(22.3, 113.9, 9),
    "hnd": Spot(35.6, 139.8, 6),
    "iad": Spot(38.9, -77.5, 95),
    "icn": Spot(37.5, 126.4, 7),
    "jfk": Spot(40.6, -73.8, 4),
    "jnb": Spot(-26.1, 28.2, 1694),
    "lax": Spot(33.9, -118.4, 38),
    "lhr": Spot(51.5, -0.5, 25),
    "lis": Spot(38.8, -9.1, 114),
    "mad": Spot(40.5, -3.6, 609),
    "mel": Spot(-37.7, 144.8, 132),
    "mex": Spot(19.4, -99.1, 2230),
    "muc": Spot(48.4, 11.8, 453),
    "mxp": Spot(45.6, 8.7, 234),
    "ord": Spot(42.0, -87.9, 205),
    "osl": Spot(60.2, 11.1, 208),
    "pdx": Spot(45.6, -122.6, 9),
    "prg": Spot(50.1, 14.3, 380),
    "pvg": Spot(31.1, 121.8, 4),
    "sea": Spot(47.4, -122.3, 132),
    "sfo": Spot(37.6, -122.4, 4),
    "sin": Spot(1.4, 104.0, 7),
    "syd": Spot(-34.0, 151.2, 6),
    "vie": Spot(48.1, 16.6, 183),
    "waw": Spot(52.2, 21.0, 110),
    "yul": Spot(45.5, -73.7, 36),
    "yyz": Spot(43.7, -79.6, 173),
    "zrh": Spot(47.5, 8.5, 432),
}

_RADIAN: Final = 0.017453292519943295
_DRAWN: Final = ((40.0, 56.0), (-5.0, 25.0), (0.0, 600.0))
"""Latitude, longitude, altitude of a site whose name is no airport's: somewhere in the middle of Europe."""


def spot_of(site: str) -> Spot:
    """Position of a site, the same in every run.

    Example:
        >>> spot_of("fra-2").latitude_deg
        50.0
    """
    code = re.split(r"[-_.]", site, maxsplit=1)[0].lower()
    if code in AIRPORTS:
        return AIRPORTS[code]
    key = device_key(site)
    parts = [(key >> shift & 0xFFFF) / 0x10000 for shift in (0, 16, 32)]
    return Spot(*(round(low + (high - low) * part, 1) for (low, high), part in zip(_DRAWN, parts, strict=True)))


EARTH_KM: Final = 6371.0
"""Mean radius."""
_HALVINGS: Final = 40
"""Of a quarter of the globe: down to a hundredth of a millimetre."""


def distance_km(one: str, other: str) -> float:
    """Way between two sites along the great circle, by the haversine.

    Example:
        >>> round(distance_km("fra-1", "muc-1"))
        300
    """
    here, there = spot_of(one), spot_of(other)
    half = _RADIAN / 2.0
    north = exact.sin((there.latitude_deg - here.latitude_deg) * half)
    east = exact.sin((there.longitude_deg - here.longitude_deg) * half)
    cosines = exact.cos(here.latitude_deg * _RADIAN) * exact.cos(there.latitude_deg * _RADIAN)
    haversine = north * north + cosines * east * east
    low, high = 0.0, 90.0 * _RADIAN
    for _ in range(_HALVINGS if haversine else 0):
        middle = (low + high) / 2.0
        sine = exact.sin(middle)
        low, high = (middle, high) if sine * sine < haversine else (low, middle)
    return 2.0 * EARTH_KM * low


def spots(sites: Sequence[str], site: NDArray[np.integer]) -> Place:
    """Where the devices of some rows stand, without anything that is drawn by lot: all words are 0.

    Args:
        sites: names. site: row of each device in `sites`.
    """
    found = np.array([spot_of(name) for name in sites], np.float64).reshape(-1, 3)[site]
    return Place(found[:, 0], found[:, 1], found[:, 2], lambda _: np.zeros(len(site), np.uint64))


def place(seed: int, purpose: int, sites: Sequence[str], site: NDArray[np.integer]) -> Place:
    """Where the devices of some rows stand.

    Args:
        purpose: of the draws that neighbours share; word i of a site is keyed by ``purpose << 8 | i``.
        sites: names. site: row of each device in `sites`.
    """
    keys = np.array([device_key(name) for name in sites], np.uint64)[site]

    def of_site(number: int) -> Words:
        return words(stream(seed, purpose << 8 | number), keys, 0)

    return replace(spots(sites, site), of_site=of_site)
