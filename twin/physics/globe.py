"""From metres around a site to degrees on the globe.

The projection is that of Cassini and Soldner on the ellipsoid WGS 84, to second order: `north_m` is the way along the
site's meridian to the foot of the perpendicular on which one is, `east_m` the way along that perpendicular. Over the
16 km that a tracker can be away this is right to a metre of the geodesic, which is what its digits are worth
(Snyder, Map Projections: A Working Manual, USGS 1395, chapter 13; a test asks the geodesic itself).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twinstorm.twin import exact
from twinstorm.twin.flow import Values
from twinstorm.twin.machines.kind import Place

Columns = Mapping[str, Values]

EQUATOR_M: Final = 6_378_137.0
_FLATTENING: Final = 1.0 / 298.257223563
_SQUARE: Final = _FLATTENING * (2.0 - _FLATTENING)
"""Of the ellipsoid's eccentricity."""
_DEGREE: Final = 0.017453292519943295
_TWICE_M2: Final = 2.0 * EQUATOR_M * EQUATOR_M * (1.0 - _SQUARE) * _DEGREE
_NEAREST_POLE: Final = 0.001
"""Cosine of the latitude up to which meridians are told apart: 6 km from a pole."""


def of_place(place: Place) -> dict[str, Values]:
    """What a projection around a site needs: float32 (n,) each.

    Returns:
        site_north_deg, site_east_deg: where the site is. north_m_deg: metres of a degree of its meridian.
        equator_m_deg: metres of a degree of a parallel, over the cosine of its latitude. site_cos, site_slope: that
        cosine at the site, and by how much it falls with a degree to the north. bend_deg_m2: by how much a
        perpendicular turns back to the equator, by the square of its length.
    """
    angle = place.latitude_deg * _DEGREE
    sine, cosine = exact.sin(angle), exact.cos(angle)
    square = 1.0 - _SQUARE * sine * sine
    root = np.sqrt(square)
    return {
        "site_north_deg": place.latitude_deg.astype(np.float32),
        "site_east_deg": place.longitude_deg.astype(np.float32),
        "north_m_deg": (EQUATOR_M * (1.0 - _SQUARE) / (square * root) * _DEGREE).astype(np.float32),
        "equator_m_deg": (EQUATOR_M / root * _DEGREE).astype(np.float32),
        "site_cos": cosine.astype(np.float32),
        "site_slope": (sine * _DEGREE).astype(np.float32),
        "bend_deg_m2": (sine / np.maximum(cosine, _NEAREST_POLE) * square * square / _TWICE_M2).astype(np.float32),
    }


def to_degrees(site: Columns, east_m: Values, north_m: Values, out: Values) -> None:
    """Fill the two rows of `out`, (2, n), with latitude and longitude in degrees, north and east positive."""
    latitude, longitude = out
    np.divide(north_m, site["north_m_deg"], out=latitude)
    np.multiply(latitude, site["site_slope"], out=longitude)
    np.subtract(site["site_cos"], longitude, out=longitude)
    np.maximum(longitude, _NEAREST_POLE, out=longitude)
    longitude *= site["equator_m_deg"]
    np.divide(east_m, longitude, out=longitude)
    latitude -= east_m * east_m * site["bend_deg_m2"]
    longitude += site["site_east_deg"]
    longitude[longitude >= 180.0] -= 360.0
    longitude[longitude < -180.0] += 360.0
    latitude += site["site_north_deg"]
    np.clip(latitude, -90.0, 90.0, out=latitude)
