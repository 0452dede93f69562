"""Mirrors: a twin that knows its machine measures what it measures, however its readings come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.campaigns import campaign
from twinstorm.twin.flow import DAY_US, MINUTE_US, SECOND_US, Int, Values
from twinstorm.twin.machines.kind import Inputs, MachineKind, Place, catalogue, is_event_driven
from twinstorm.twin.mirror import GRAIN_US, MIDDLE, Driven, Mirror, residual_of
from twinstorm.twin.places import spots

PERIODIC = [name for name, kind in catalogue().items() if not is_event_driven(kind)]
AMONG = np.zeros(3, np.int64)
ALL = np.arange(3)


def here(n: int = 3) -> Place:
    return spots(["fra-1"], np.zeros(n, np.int64))


def middling(kind: MachineKind, n: int = 3) -> tuple[dict[str, Values], dict[str, Values]]:
    """Parameters and state of machines in the middle of their lot."""
    where = replace(here(n), of_site=lambda _: words(n))
    parameters = kind.parameters(lambda _: words(n), where)
    return parameters, dict(kind.initial(parameters))


def words(n: int) -> Any:
    return np.full(n, MIDDLE)


def lived(kind: MachineKind, at_us: list[int], drives: dict[str, list[float]]) -> list[Values]:
    """What three machines without noise tell at these instants."""
    parameters, state = middling(kind)
    told, before_us = [], 0
    for row, now_us in enumerate(at_us):
        given = {name: np.full(3, values[row], np.float32) for name, values in drives.items()}
        out = np.zeros((len(kind.channels), 3), np.float32)
        noise = np.zeros((4 * kind.words, 3), np.float32)
        kind.step(
            state, parameters, Inputs(now_us, now_us - before_us, None, now_us % DAY_US, now_us, given), noise, out
        )
        told.append(out.T.copy())
        before_us = now_us
    return told


@pytest.mark.parametrize("name", PERIODIC)
def test_a_machine_in_the_middle_of_its_lot_has_no_residual(name: str) -> None:
    kind = catalogue()[name]
    at_us = [10 * SECOND_US * number for number in range(1, 31)]
    mirror = Mirror(kind, here(), {}, (), 0)
    for now_us, told in zip(at_us, lived(kind, at_us, {}), strict=True):
        assert np.array_equal(mirror.measure(ALL, AMONG + now_us, told), told)


def test_a_drive_follows_its_channel_and_silence_leaves_the_rule_of_the_machine() -> None:
    kind = catalogue()["motor"]
    load = next(one for one in kind.drives if one.name == "load_share")
    at_us = [MINUTE_US * number for number in range(1, 61)]
    loads = [0.2 + 0.01 * number for number in range(60)]
    speed = [one.name for one in kind.channels].index("speed_rpm")
    driven = Mirror(kind, here(), {}, [Driven(load, speed, -1.0 / 30.0, 50.0)], 0)
    alone = Mirror(kind, here(), {}, (), 0)
    away_driven, away_alone = [], []
    for now_us, told in zip(at_us, lived(kind, at_us, {"load_share": loads}), strict=True):
        silent = told.copy()
        silent[2, speed] = np.nan
        seen = driven.measure(ALL, AMONG + now_us, silent)
        rule = alone.measure(ALL, AMONG + now_us, told)
        away_driven.append(told - seen)
        away_alone.append(told - rule)
    driven_c, alone_c = (np.abs(np.array(away)[:, :, 0]) for away in (away_driven, away_alone))
    assert driven_c[:, :2].max() < 0.1, "its load is known to a tenth of a turn"
    assert alone_c[:, :2].max() > 5.0
    assert np.array_equal(driven_c[:, 2], alone_c[:, 2]), "of whom nothing is known follows the rule"


def test_what_is_known_of_a_machine_counts() -> None:
    kind = catalogue()["motor"]
    hot, usual = Mirror(kind, here(), {"ambient_c": 45.0}, (), 0), Mirror(kind, here(), {}, (), 0)
    told = lived(kind, [MINUTE_US], {})[0]
    away = hot.measure(ALL, AMONG + MINUTE_US, told) - usual.measure(ALL, AMONG + MINUTE_US, told)
    assert (away[:, 0] > 10.0).all()


@campaign(40, nightly=1_000)
@given(
    st.sampled_from(["motor", "inverter", "chiller"]),
    st.lists(st.lists(st.integers(0, 2), max_size=3, unique=True), min_size=1, max_size=30),
    st.tuples(*[st.integers(0, 20 * 3_600)] * 3),
    st.data(),
)
def test_it_does_not_matter_whose_readings_come_together(
    name: str, turns: list[list[int]], ahead_s: tuple[int, ...], data: st.DataObject
) -> None:
    """Each device has a clock of its own."""
    kind = catalogue()[name]
    together, apart = Mirror(kind, here(), {}, (), 0), Mirror(kind, here(), {}, (), 0)
    told = lived(kind, [SECOND_US], {})[0]
    for number, who in enumerate(turns, 1):
        rows: NDArray[np.intp] = np.array(data.draw(st.permutations(who)), np.intp)
        at_us: Int = np.array([(number + ahead_s[row]) * SECOND_US for row in rows.tolist()], np.int64)
        seen = together.measure(rows, at_us, told[rows])
        for place, row in enumerate(rows.tolist()):
            mine = apart.measure(np.array([row]), at_us[[place]], told[[row]])
            assert np.array_equal(mine[0], seen[place], equal_nan=True)


@given(st.lists(st.integers(-GRAIN_US // 2 + 1, GRAIN_US // 2 - 1), min_size=10, max_size=50))
def test_stamps_that_are_a_little_off_leave_no_mirror_behind(off_us: list[int]) -> None:
    kind = catalogue()["motor"]
    mirror = Mirror(kind, here(), {}, (), 0)
    told = lived(kind, [SECOND_US], {})[0]
    for number, off in enumerate(off_us, 1):
        at_us = AMONG + number * SECOND_US + off
        assert not np.isnan(mirror.measure(ALL, at_us, told)).any()
        assert (np.abs(mirror._at_us - at_us) <= GRAIN_US // 2).all()


def test_a_clock_that_is_set_says_nothing_and_is_followed() -> None:
    kind = catalogue()["motor"]
    mirror = Mirror(kind, here(), {}, (), 0)
    told = lived(kind, [SECOND_US], {})[0]
    for at_us, speaks in [
        (10 * SECOND_US, True),
        (10 * SECOND_US, False),
        (-1_893_456_000 * SECOND_US, False),
        (-1_893_455_999 * SECOND_US, True),
        (11 * SECOND_US, False),
        (12 * SECOND_US, True),
        (12 * SECOND_US + DAY_US, True),
        (13 * SECOND_US + 3 * DAY_US, False),
    ]:
        seen = mirror.measure(ALL, AMONG + at_us, told)
        assert (not np.isnan(seen).any()) == speaks, at_us


def test_a_residual_is_as_fine_as_its_channel_and_reaches_both_ways() -> None:
    one = next(one for one in catalogue()["environment"].channels if one.name == "temperature_c")
    away = residual_of(one)
    assert (away.name, away.unit, away.step) == ("residual_temperature_c", "C", one.step)
    assert (away.lowest, away.highest) == (one.lowest - one.highest, one.highest - one.lowest)
