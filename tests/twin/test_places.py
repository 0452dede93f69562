"""Where sites are."""

from __future__ import annotations

import numpy as np

from twinstorm.twin.chance import Purpose
from twinstorm.twin.places import AIRPORTS, place, spot_of


def test_an_airport_code_says_where_a_site_is() -> None:
    assert spot_of("fra-2") == spot_of("FRA") == AIRPORTS["fra"]
    assert spot_of("sin-1").latitude_deg < 5
    assert spot_of("syd_3").latitude_deg < 0


def test_any_other_name_has_its_own_place_in_every_run() -> None:
    spots = [spot_of(f"plant-{number}") for number in range(200)]
    assert spots == [spot_of(f"plant-{number}") for number in range(200)]
    assert len(set(spots)) > 190
    latitudes, longitudes, altitudes = zip(*spots, strict=True)
    assert min(latitudes) >= 40
    assert max(latitudes) <= 56
    assert min(longitudes) >= -5
    assert max(longitudes) <= 25
    assert min(altitudes) >= 0
    assert max(altitudes) <= 600


def test_neighbours_share_the_words_of_their_site() -> None:
    site = np.array([0, 1, 0, 2, 1])
    here = place(7, Purpose.SITE, ["fra-1", "sin-1", "plant-9"], site)
    drawn = here.of_site(3)
    assert drawn[0] == drawn[2]
    assert drawn[1] == drawn[4]
    assert len(set(drawn.tolist())) == 3
    assert not np.array_equal(drawn, here.of_site(4))
    assert here.latitude_deg[0] == here.latitude_deg[2] == 50.0


def test_another_site_moves_no_word() -> None:
    before = place(7, Purpose.SITE, ["fra-1", "sin-1"], np.array([0, 1])).of_site(0)
    after = place(7, Purpose.SITE, ["arn-1", "fra-1", "sin-1"], np.array([1, 2])).of_site(0)
    assert np.array_equal(before, after)
