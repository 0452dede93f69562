"""Rules that say where a reading goes: first that fits, changed, tried again, and nothing lost uncounted."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.deadletters import DeadLetters, LetterBody
from twinstorm.detectors.routing import KEPT, MOST_WAITING, Change, Condition, Router, Rule, Target, _Place
from twinstorm.detectors.rule_alarms import RuleAlarm
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import SECOND_US

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=1)
"""Devices 0 to 3 are motors of a-1, 4 to 7 of b-1, 8 and 9 climate sensors."""
HOT = Condition("winding_temperature_c", ">", 80.0)
AT_A = np.arange(10) < 4


def readings(device: Any, values: Any, at_us: Any = 0, good: Any = None, code: int = 0) -> Accepted:
    n = len(device)
    device = np.array(device, np.int32)
    at = np.broadcast_to(np.array(at_us, np.int64), n)
    table = np.array(values, np.float32).reshape(n, -1)
    seq = np.arange(1, n + 1)
    return Accepted(code, device, np.ones(n, np.int32), seq, at, at, at, table, good=good)


def told(router: Router, name: str) -> tuple[int, int, int, int]:
    count = router.counts[name]
    return count.taken, count.delivered, count.retried, count.dead


def test_the_first_rule_that_fits_takes_a_reading() -> None:
    rules = [Rule("hot", Target.ALARM, AT_A, (HOT,)), Rule("all", Target.STORE, AT_A)]
    router = Router(FLEET, rules)
    router.take(readings([0, 1, 2, 4], [[81, 1], [80, 1], [math.nan, 1], [81, 1]]))
    assert (told(router, "hot"), told(router, "all"), router.unrouted) == ((1, 1, 0, 0), (2, 2, 0, 0), 1)
    assert [each.device for each in router.kept] == [1, 2]


def test_rows_that_were_refused_are_nobodys() -> None:
    router = Router(FLEET, [Rule("all", Target.STORE)])
    router.take(readings([0, 1], [[1, 1], [2, 1]], good=np.array([False, True])))
    assert (told(router, "all"), router.unrouted) == ((1, 1, 0, 0), 0)


def test_a_kind_without_the_channel_fits_no_condition() -> None:
    router = Router(FLEET, [Rule("hot", Target.STORE, None, (HOT,))])
    router.take(readings([8, 9], [[50.0], [60.0]], code=1))
    assert (told(router, "hot"), router.unrouted) == ((0, 0, 0, 0), 2)


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("=", [False, True, False]),
        ("!=", [True, False, True]),
    ],
)
def test_conditions(compare: str, holds: list[bool]) -> None:
    column = np.array([5.0, 5.1, 5.2, math.nan], np.float32)
    assert Condition("x", compare, 5.1).holds(column).tolist() == [*holds, False]


def test_a_rule_changes_what_it_passes_on() -> None:
    fahrenheit = Change("winding_temperature_c", "temperature_f", 1.8, 32.0)
    whole = Rule("whole", Target.STORE, ~AT_A, changes=(fahrenheit,))
    cool = Rule("cool", Target.COMMAND, changes=(fahrenheit,), keep=("temperature_f",))
    router = Router(FLEET, [whole, cool])
    router.take(readings([0, 4], [[81.3, 1], [math.nan, 2.5]], at_us=7))
    assert [(each.rule, each.device, each.at_us, dict(each.told)) for each in router.kept] == [
        ("whole", 4, 7, {"current_a": 2.5}),
        ("cool", 0, 7, {"temperature_f": 178.34}),
    ]


def test_what_finds_no_place_is_tried_again_after_waits_that_double() -> None:
    router = Router(FLEET, [Rule("all", Target.STORE, takes=Fraction(1, 4), tries=3, wait_us=SECOND_US)])
    router.take(readings([0, 1], [[1, 1], [2, 1]]))
    found = []
    for second in range(1, 8):
        router.close(second * SECOND_US)
        found.append((*told(router, "all"), router.waiting))
    # Tries at 0, 1 and 3 s; there is a place at 0 and at 4 s.
    assert found == [(2, 1, 1, 0, 1)] * 2 + [(2, 1, 2, 1, 0)] * 5
    patient = Router(FLEET, [Rule("all", Target.STORE, takes=Fraction(1, 4), tries=4, wait_us=SECOND_US)])
    patient.take(readings([0, 1], [[1, 1], [2, 1]]))
    for second in range(1, 8):
        patient.close(second * SECOND_US)
    assert told(patient, "all") == (2, 2, 3, 0)
    assert [each.at_us for each in patient.kept] == [0, 7 * SECOND_US]


def test_what_is_dead_is_a_letter_that_can_be_played_again() -> None:
    router = Router(FLEET, [Rule("all", Target.STORE, takes=Fraction(1), tries=1), Rule("rest", Target.DEAD_LETTER)])
    router.letters = DeadLetters()
    router.take(readings([0, 4], [[1, 1], [2, 0.5]], at_us=9))
    assert told(router, "all") == (2, 1, 0, 1)
    (letter,) = router.letters.newest
    assert (letter.source, letter.reason, letter.detail) == (FLEET.names[4], "route `all`", "`store` had no place")
    body = msgspec.msgpack.decode(letter.body, type=LetterBody)
    assert (body.kind, body.device, body.seq, body.device_time_us, body.values) == ("motor", 4, 2, 9, (2.0, 0.5))
    assert not router.letters.counts, "it was accepted, and is in the ledger as that"


def test_a_rule_may_send_to_the_dead_letters() -> None:
    router = Router(FLEET, [Rule("noise", Target.DEAD_LETTER, AT_A)])
    router.letters = DeadLetters()
    router.take(readings([0, 4], [[1, 1], [2, 1]]))
    assert (told(router, "noise"), router.unrouted) == ((1, 0, 0, 1), 1)
    assert router.letters.newest[0].detail == "sent to the dead letters"


def test_memory_is_bounded_whatever_comes() -> None:
    router = Router(FLEET, [Rule("all", Target.STORE, ~AT_A), Rule("slow", Target.COMMAND, takes=Fraction(1))])
    router.letters = DeadLetters()
    n = 2 * MOST_WAITING
    router.take(readings(np.arange(n) % 8, np.ones((n, 2))))
    assert (router.noted, len(router.kept)) == (KEPT, KEPT)
    assert router.waiting == n // 2 - 1
    router.take(readings(np.zeros(n), np.ones((n, 2))))
    assert router.waiting == MOST_WAITING
    assert told(router, "slow")[3] == n - 1 - (MOST_WAITING - n // 2)
    assert len(router.letters.newest) == KEPT


ROW = st.tuples(st.integers(0, 7), st.integers(0, 120) | st.none(), st.integers(0, 12))


@settings(deadline=None)
@given(st.lists(st.lists(ROW, max_size=12), max_size=20), st.fractions(Fraction(1, 5), 5), st.integers(1, 4))
def test_every_reading_is_somewhere_and_where_the_rules_say(batches: Any, takes: Fraction, tries: int) -> None:
    rules = [
        Rule("hot", Target.COMMAND, AT_A, (HOT,), takes=takes, tries=tries),
        Rule("cold", Target.DEAD_LETTER, None, (Condition("winding_temperature_c", "<", 20.0),)),
        Rule("busy", Target.STORE, ~AT_A, (Condition("current_a", ">=", 6.0), Condition("current_a", "!=", 9.0))),
    ]
    router = Router(FLEET, rules)
    wanted = {"hot": 0, "cold": 0, "busy": 0, "": 0}
    for second, batch in enumerate(batches):
        values = [[math.nan if heat is None else heat, current] for _, heat, current in batch]
        if batch:
            router.take(readings([row[0] for row in batch], values, at_us=second * SECOND_US))
        for device, heat, current in batch:
            if heat is not None and heat > 80 and device < 4:
                wanted["hot"] += 1
            elif heat is not None and heat < 20:
                wanted["cold"] += 1
            elif device >= 4 and current >= 6 and current != 9:
                wanted["busy"] += 1
            else:
                wanted[""] += 1
        router.close((second + 1) * SECOND_US)
    assert {name: count.taken for name, count in router.counts.items()} | {"": router.unrouted} == wanted
    for name, count in router.counts.items():
        assert count.taken == count.delivered + count.dead + router.waiting_by_rule()[name]
    assert router.counts["hot"].delivered <= takes * len(batches) + max(takes, Fraction(1))


def scores(alarm: RuleAlarm, now_us: int) -> list[float]:
    n = len(FLEET)
    long_ago, no = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    batch = Batch(now_us, long_ago, no, long_ago, long_ago, long_ago, no, long_ago, long_ago, 0, broker_up=True)
    return [float(score) for score in alarm.score(batch)[:5]]


def test_a_device_scores_what_struck_it_in_its_present_spell() -> None:
    alarm = RuleAlarm("hot", FLEET, AT_A)
    assert scores(alarm, SECOND_US)[:4] == [0.0] * 4
    alarm.mark(np.array([1, 0, 1], np.int32), np.array([1, 2, 3], np.int64) * SECOND_US)
    found = scores(alarm, 4 * SECOND_US)
    assert found[:4] == [1.0, 2.0, 0.0, 0.0]
    assert math.isnan(found[4]), "the rule cannot strike it"
    assert scores(alarm, 13 * SECOND_US)[:2] == [0.0, 2.0]
    alarm.mark(np.array([0, 1], np.int32), np.array([13, 13], np.int64) * SECOND_US)
    assert scores(alarm, 13 * SECOND_US)[:2] == [1.0, 3.0]


def test_a_rule_raises_one_ticket_for_as_long_as_it_goes_on() -> None:
    lab = Lab.start(FLEET)
    lab.core.route_by(Router(FLEET, [Rule("hot", Target.ALARM, None, (HOT,))]))
    for second in range(200):
        hot = 20 <= second < 60
        lab.core.ingest(
            delivery([0, 1], second + 1, values=[[90.0 if hot else 20.0, 1.0]] * 2, arrived_us=second * SECOND_US)
        )
        lab.core.close_pane((second + 1) * SECOND_US, lab.counters)
    (alarm,) = [each for each in lab.core.alarms if each.name == "hot"]
    assert (alarm.at_us, alarm.device.tolist(), str(alarm.severity)) == (21 * SECOND_US, [0, 1], "ticket")
    assert alarm.resolved_us is not None
    assert 120 * SECOND_US <= alarm.resolved_us <= 140 * SECOND_US


def test_rules_that_cannot_be_meant_are_refused() -> None:
    for wrong in ({"tries": 0}, {"wait_us": 0}, {"takes": Fraction(0)}):
        with pytest.raises(ValueError, match="at least one try"):
            Rule("r", Target.STORE, **wrong)
    with pytest.raises(ValueError, match="compares nothing"):
        Condition("x", "~", 1.0)
    with pytest.raises(ValueError, match="two rules"):
        Router(FLEET, [Rule("r", Target.DEAD_LETTER)] * 2)
    core = Lab.start(FLEET).core
    with pytest.raises(ValueError, match="two sources of alarms are called `silence`"):
        core.route_by(Router(FLEET, [Rule("silence", Target.ALARM)]))


@pytest.mark.parametrize("takes", [Fraction(3, 2), Fraction(19, 10), Fraction(7, 10), Fraction(3, 10), Fraction(5)])
def test_what_a_target_takes_in_the_long_run_is_what_the_file_says(takes: Fraction) -> None:
    place = _Place(takes, max(takes, Fraction(1)))
    taken = 0
    for _ in range(1_000):
        taken += place.take(100)
        place.turn()
    assert 0 <= taken - 1_000 * takes <= max(takes, Fraction(1))
    for _ in range(1_000):
        place.turn()
    assert place.take(100) <= -(-takes // 1) + 1, "places that nobody took do not gather"
