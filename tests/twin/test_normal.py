"""Normal draws by table: right distribution, right lanes, the same whatever the block."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from twinstorm.twin.chance import words
from twinstorm.twin.normal import GRID, LANES, normals

COUNT = 1 << 18
STANDARD = NormalDist()


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.float64]:
    """A million draws, float64 (4, n)."""
    return normals(words(11, np.arange(COUNT, dtype=np.uint64), 0)).astype(np.float64)


def word_of(*lanes: int) -> NDArray[np.uint64]:
    return np.array([sum(lane << 16 * place for place, lane in enumerate(lanes))], np.uint64)


def test_moments_are_those_of_a_standard_normal(drawn: NDArray[np.float64]) -> None:
    n = drawn.size
    assert abs(drawn.mean()) < 4 / n**0.5
    assert abs((drawn**2).mean() - 1) < 4 * (2 / n) ** 0.5
    assert abs((drawn**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((drawn**4).mean() - 3) < 4 * (96 / n) ** 0.5


def test_tails_hold_what_they_should(drawn: NDArray[np.float64]) -> None:
    for bound in (1.0, 2.0, 3.0, 4.0, 4.4):
        expected = 2 * STANDARD.cdf(-bound) * drawn.size
        assert abs((np.abs(drawn) > bound).sum() - expected) < 4 * expected**0.5 + 1
    assert 4.5 < np.abs(drawn).max() < 6.4


def test_lanes_of_a_word_are_independent(drawn: NDArray[np.float64]) -> None:
    correlation = np.corrcoef(drawn)
    assert np.abs(correlation - np.eye(LANES)).max() < 4 / COUNT**0.5


def test_each_lane_picks_the_middle_of_its_stratum() -> None:
    lanes = (1, 20_000, 40_000, 65_534)
    found = normals(word_of(*lanes))[:, 0].tolist()
    wanted = [STANDARD.inv_cdf((lane + 0.5) / 65_536) for lane in lanes]
    assert found == pytest.approx(wanted, abs=GRID)


def test_draws_are_points_of_the_grid_and_symmetric() -> None:
    every = np.arange(1, 65_535, dtype=np.uint64)
    table = normals(every)[0].astype(np.float64)
    assert np.array_equal(np.rint(table / GRID) * GRID, table)
    assert np.array_equal(table, -table[::-1])
    assert (np.diff(table) > 0).all()


def test_outermost_strata_are_drawn_anew_beyond_the_next_quantile() -> None:
    """A lane of 0 or 65,535 must lie outside all other quantiles, on its own side, and differ with the other lanes."""
    edge = STANDARD.inv_cdf(1 / 65_536)
    others = np.arange(1, 2_001, dtype=np.uint64) << np.uint64(16)
    low = normals(others)[0]
    high = normals(others | np.uint64(65_535))[0]
    assert (low < edge).all()
    assert (high > -edge).all()
    assert len(np.unique(low)) > 1_900
    both = normals(word_of(0, 0, 65_535, 65_535))[:, 0]
    assert len(set(np.abs(both).tolist())) == 4


def test_tail_follows_the_normal_within_the_outermost_stratum() -> None:
    others = np.arange(1, 40_001, dtype=np.uint64) << np.uint64(16)
    ranks = np.array([STANDARD.cdf(x) * 65_536 for x in normals(others)[0].tolist()])
    assert abs(ranks.mean() - 0.5) < 4 * (1 / 12 / len(ranks)) ** 0.5
    assert abs(ranks.std() - 12**-0.5) < 0.005


def test_draws_do_not_depend_on_the_block() -> None:
    keyed = np.stack([words(stream, np.arange(70_000, dtype=np.uint64), 3) for stream in (1, 2)])
    whole = normals(keyed)
    assert whole.shape == (8, 70_000)
    parts = [normals(keyed[:, first : first + 4_099]) for first in range(0, 70_000, 4_099)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    assert np.array_equal(normals(keyed[1]), whole[4:])
    assert np.array_equal(normals(np.asfortranarray(keyed)), whole)


def test_out_is_filled_and_returned() -> None:
    keyed = words(5, np.arange(100, dtype=np.uint64), 1)
    out = np.full((4, 100), np.nan, np.float32)
    assert normals(keyed, out=out) is out
    assert np.array_equal(out, normals(keyed))


def test_words_are_not_written_to() -> None:
    keyed = words(5, np.arange(100, dtype=np.uint64), 1)
    before = keyed.copy()
    normals(keyed)
    assert np.array_equal(keyed, before)


def test_nothing_drawn_from_no_words() -> None:
    assert normals(np.empty((2, 0), np.uint64)).shape == (8, 0)
