"""The account of a live run closes, whatever both sides know, and names what it can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.scenarios.engine.account import Account, Sides, settle
from twinstorm.twin.flow import Int, LossCause

SOME = st.integers(0, 12)


def column(*values: int) -> Int:
    return np.array(values, np.int64)


def sides(produced: int, **known: int) -> Sides:
    """One device at QoS 1 of which nothing is known but this."""
    columns = ("buffered", "named", "accepted", "refused", "under_way", "in_doubt")
    given = {name: column(known.get(name, 0)) for name in columns}
    return Sides(
        produced=column(produced),
        letters=known.get("letters", 0),
        at_qos0=np.array([known.get("at_qos0", 0) > 0]),
        broker_lost={},
        late=known.get("late", 0),
        **given,
    )


def difference(known: Sides, account: Account) -> int:
    """What does not close."""
    there = sum(int(each.sum()) for each in (known.accepted, known.buffered, known.named))
    there += account.letters + account.in_flight + sum(account.lost.values()) + account.unexplained
    return int(known.produced.sum()) + account.foreign - there


@st.composite
def both_sides(draw: st.DrawFn) -> Sides:
    """Whatever both sides may tell, as long as the worker's own columns agree."""
    n = draw(st.integers(0, 5))

    def each() -> Int:
        return column(*draw(st.lists(SOME, min_size=n, max_size=n)))

    buffered, named = each(), each()
    refused = each()
    return Sides(
        produced=buffered + named + each() * 2,
        buffered=buffered,
        named=named,
        accepted=each() * 2,
        refused=refused,
        letters=draw(st.integers(0, 30)) + int(refused.sum()),
        under_way=each(),
        in_doubt=each(),
        at_qos0=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_),
        broker_lost={LossCause.QUEUE_FULL: each(), LossCause.OUTAGE: each()},
        late=draw(SOME),
    )


@given(both_sides())
def test_the_account_closes_whatever_both_sides_tell(known: Sides) -> None:
    account = settle(known)
    assert difference(known, account) == 0
    parts = (account.foreign, account.letters, account.in_flight, account.unexplained, *account.lost.values())
    assert min(parts) >= 0


@given(both_sides())
def test_nothing_is_put_down_to_what_nobody_knows_of(known: Sides) -> None:
    nobody = np.zeros_like(known.produced)
    blank = replace(
        known, refused=nobody, letters=0, under_way=nobody, in_doubt=nobody, at_qos0=nobody > 0, broker_lost={}, late=0
    )
    account = settle(blank)
    assert (account.letters, account.in_flight, dict(account.lost)) == (0, 0, {})
    assert difference(blank, account) == 0


def test_what_was_in_doubt_and_came_is_not_lost_to_power_beside_what_was_evicted() -> None:
    known = sides(100, accepted=60, buffered=10, named=30, in_doubt=29)
    account = settle(known)
    assert account.lost == {}
    assert difference(known, account) == 0


def test_what_one_device_lost_to_power_is_not_made_up_for_by_what_another_evicted() -> None:
    lost, evicted = sides(50, accepted=45, in_doubt=5), sides(50, accepted=30, named=20, in_doubt=5)
    fields = ("produced", "buffered", "named", "accepted", "refused", "under_way", "in_doubt", "at_qos0")
    both: dict[str, Any] = {name: np.concatenate([getattr(lost, name), getattr(evicted, name)]) for name in fields}
    known = replace(lost, **both)
    assert settle(known).lost == {LossCause.POWER: 5}


def test_causes_share_what_is_missing_and_the_rest_has_none() -> None:
    def lost(known: Sides) -> Mapping[LossCause, int]:
        return settle(known).lost

    assert lost(sides(10, accepted=4, in_doubt=2, at_qos0=1)) == {LossCause.POWER: 2, LossCause.QOS0: 4}
    assert lost(sides(10, accepted=4, late=9)) == {LossCause.LATE: 6}
    assert settle(sides(10, accepted=4, in_doubt=2)).unexplained == 4
    assert settle(sides(10, accepted=4, under_way=8)).in_flight == 6


def test_dead_letters_are_no_more_than_what_is_missing() -> None:
    account = settle(sides(10, accepted=7, refused=2, letters=9))
    assert (account.letters, account.unexplained) == (3, 0)


def test_what_a_device_cannot_have_sent_came_from_somebody_else() -> None:
    assert settle(sides(10, accepted=9, named=4)).foreign == 3
    assert settle(sides(10, accepted=12)).foreign == 2


def test_a_worker_that_contradicts_itself_leaves_the_account_open() -> None:
    known = sides(10, accepted=1, named=12)
    assert difference(known, settle(known)) < 0
