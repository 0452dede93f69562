"""How much devices send, and at what hours, against a plain loop over their readings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.conduct import Chatter, Conduct, OddHours
from twinstorm.detectors.options import typed
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import DAY_US, HOUR_US, SECOND_US

FLEET = registry_of(sites=("a-1",), motors=3, climate=1)
"""Devices 0 to 2 are motors at 1 Hz."""


def made(kind: type[Any], **settings: Any) -> Any:
    return kind(FLEET, typed(kind.name, kind.options, settings))


def accepted(device: list[int], dated_us: list[int], *, late: bool = False, arrived_us: int | None = None) -> Accepted:
    n = len(device)
    dated = np.array(dated_us, np.int64)
    arrived = dated if arrived_us is None else np.full(n, arrived_us, np.int64)
    ones = np.ones(n, np.int64)
    values = np.zeros((n, 2), np.float32)
    return Accepted(
        0, np.array(device, np.int32), ones.astype(np.int32), ones, dated, dated, arrived, values, late=late
    )


def levels(detector: Chatter) -> list[float]:
    return [round(level, 6) for level in detector._level.tolist()]


BATCH = st.lists(st.tuples(st.integers(0, 2), st.integers(-3_000_000, 3_000_000)), min_size=1, max_size=12)


@given(st.lists(BATCH, min_size=1, max_size=5))
def test_buckets_are_those_of_a_plain_loop_however_readings_come_together(batches: list[list[tuple[int, int]]]) -> None:
    together, plain = made(Chatter), [0.0, 0.0, 0.0]
    at_us = [0, 0, 0]
    for batch in batches:
        device, dated_us = [], []
        for who, step_us in batch:
            plain[who] = max(plain[who] - 2e-6 * max(step_us, 0), 0.0) + 1.0
            at_us[who] += step_us
            device.append(who)
            dated_us.append(at_us[who])
        together.take(accepted(device, dated_us))
    assert levels(together)[:3] == pytest.approx(plain, abs=1e-5)


def test_of_what_comes_late_nothing_counts() -> None:
    detector = made(Chatter)
    detector.take(accepted([0], [100 * SECOND_US]))
    detector.take(accepted([0] * 50, [0] * 50, late=True))
    assert levels(detector)[0] == 1.0


def test_what_comes_with_a_clock_that_is_set_back_counts_by_the_clock_that_it_has_then() -> None:
    """Once a second is no chatter on either side of the step; fifty at once are, though the first is dated before."""
    detector = made(Chatter)
    seconds = [100, 101, 2, 3, 4]
    detector.take(accepted([0] * 5, [each * SECOND_US for each in seconds]))
    assert levels(detector)[0] == 1.0
    detector.take(accepted([0] * 50, list(range(50))))
    assert levels(detector)[0] == pytest.approx(51.0, abs=0.01)


def test_the_hours_of_a_device_are_those_of_its_first_days() -> None:
    wanted: Any = {"odd-hours": {"train": "3 d"}}
    lab = Lab.start(FLEET, **wanted)
    (detector,) = (each for each in lab.core._panel if isinstance(each, OddHours))
    for day in range(5):
        for hour in (8, 9) if day < 4 else (9, 23):
            detector.take(accepted([0, 1], [day * DAY_US + hour * HOUR_US] * 2))
    assert [at // HOUR_US for at in detector._odd_us[:2].tolist()] == [4 * 24 + 23] * 2
    detector.take(accepted([2], [200 * DAY_US]))
    assert detector._odd_us[2] < 0, "its own first days have only begun"


class Raising(Conduct):
    name, summary, headline, options = "raising", "", "", ()

    def __init__(self, registry: Any, settings: Any) -> None:
        self.policy = made(Chatter).policy

    def take(self, accepted: Accepted) -> None:
        raise KeyError("no such thing")

    def score(self, batch: Any) -> Any:
        return np.zeros(len(batch), np.float32)


def test_one_that_breaks_on_a_reading_is_taken_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinstorm.detectors.contract.requested", lambda: {"raising": Raising})
    lab = Lab.start(FLEET, silence={}, raising={})
    lab.play(3)
    (out,) = lab.core.taken_out
    assert (out.name, out.what) == ("raising", "`take` raised KeyError: 'no such thing'")
    assert lab.core.accepted == 9 + 1
    assert [incident.title for incident in lab.core.incidents]
