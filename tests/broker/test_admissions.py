"""When a broker took a message, for whoever asks once."""

from __future__ import annotations

from itertools import count

from twinstorm.broker.admissions import Admissions


def test_each_message_is_told_once_and_of_a_repeat_the_first_time() -> None:
    admissions = Admissions(count(1).__next__)
    for payload in (b"one", b"two", b"one"):
        admissions.enter("fleet/a", payload)
    assert admissions.taken("fleet/a", b"one") == 1
    assert admissions.taken("fleet/a", b"one") is None
    assert admissions.taken("fleet/b", b"two") is None
    assert admissions.taken("fleet/a", b"two") == 2


def test_memory_is_bounded_and_the_oldest_go() -> None:
    admissions = Admissions(count(1).__next__, most=3)
    for number in range(10):
        admissions.enter("fleet/a", b"%d" % number)
    assert len(admissions) == 3
    assert admissions.taken("fleet/a", b"6") is None
    assert admissions.taken("fleet/a", b"9") == 10
