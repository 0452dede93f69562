"""Recovered means back and staying back for a minute."""

from __future__ import annotations

from twinstorm.scenarios.engine.recovery import Recovery
from twinstorm.twin.flow import SECOND_US


def seen(online: list[int], devices: int = 100) -> Recovery:
    recovery = Recovery(devices)
    for second, count in enumerate(online, 1):
        recovery.see(second * SECOND_US, count)
    return recovery


def test_counts_from_the_first_second_of_the_minute() -> None:
    assert seen([50] * 10 + [99] * 61).reached_us(0.99, 71 * SECOND_US) == 11 * SECOND_US


def test_a_relapse_starts_the_minute_again() -> None:
    assert seen([99] * 30 + [98] + [99] * 61).reached_us(0.99, 92 * SECOND_US) == 32 * SECOND_US


def test_less_than_a_minute_is_not_known() -> None:
    recovery = seen([50] * 10 + [99] * 30)
    assert recovery.reached_us(0.99, 40 * SECOND_US) is None
    assert not recovery.too_late(0.99, 20 * SECOND_US, 40 * SECOND_US)


def test_not_back_by_the_limit_is_certain_once_the_limit_has_passed() -> None:
    recovery = seen([50] * 100)
    assert recovery.too_late(0.99, 60 * SECOND_US, 100 * SECOND_US)
    assert not recovery.too_late(0.99, 200 * SECOND_US, 100 * SECOND_US)
