"""Rules that say where a message goes: first that fits, changed, tried again, and nothing lost uncounted."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.routing import Change, Condition, Routed, Router, Rule, Target, matches
from twinstorm.twin.flow import SECOND_US

TOPIC = "fleet/default/a-1/m-1/telemetry"
HOT = Condition("temperature_c", ">", 80.0)


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        # MQTT 3.1.1, 4.7.1
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/x", True),
        (TOPIC, TOPIC, True),
    ],
)
def test_topic_filters_are_those_of_the_standard(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits


class Taker:
    """Fails so often before it takes."""

    def __init__(self, fails: int = 0, raises: bool = False) -> None:
        self.fails, self.raises = fails, raises
        self.taken: list[Routed] = []
        self.tries = 0

    def __call__(self, message: Routed) -> bool:
        self.tries += 1
        if self.tries <= self.fails:
            if self.raises:
                raise OSError("the store is full")
            return False
        self.taken.append(message)
        return True


def test_the_first_rule_that_fits_takes_a_message() -> None:
    alarm, store = Taker(), Taker()
    rules = [
        Rule("hot", "fleet/+/+/+/telemetry", Target.ALARM, when=(HOT,)),
        Rule("all", "fleet/#", Target.STORE),
    ]
    router = Router(rules, {Target.ALARM: alarm, Target.STORE: store})
    assert router.route(TOPIC, {"temperature_c": 81.0}, 0) == "hot"
    assert router.route(TOPIC, {"temperature_c": 80.0}, 1) == "all"
    assert router.route(TOPIC, {"temperature_c": math.nan}, 2) == "all"
    assert router.route(TOPIC, {}, 3) == "all"
    assert router.route("other/topic", {"temperature_c": 81.0}, 4) is None
    assert (len(alarm.taken), len(store.taken), router.unrouted) == (1, 3, 1)
    assert router.counts["all"] == {"taken": 3, "delivered": 3}


@pytest.mark.parametrize(
    ("compare", "value", "holds"),
    [("<", 4.0, True), ("<=", 5.0, True), (">", 5.0, False), (">=", 5.0, True), ("=", 5.0, True), ("!=", 5.0, False)],
)
def test_conditions(compare: str, value: float, holds: bool) -> None:
    assert Condition("x", compare, 5.0).holds({"x": value}) is holds
    assert not Condition("x", compare, 5.0).holds({"x": math.nan})


def test_a_rule_changes_what_it_passes_on() -> None:
    command = Taker()
    fahrenheit = Change("temperature_c", "temperature_f", 1.8, 32.0)
    rule = Rule("cool", "#", Target.COMMAND, changes=(fahrenheit,), keep=("temperature_f",))
    router = Router([rule], {Target.COMMAND: command})
    told = {"temperature_c": 100.0, "current_a": 1.0}
    router.route(TOPIC, told, 7)
    assert command.taken == [Routed(7, "cool", TOPIC, {"temperature_f": 212.0})]
    assert told == {"temperature_c": 100.0, "current_a": 1.0}


@pytest.mark.parametrize("raises", [False, True])
def test_what_fails_is_tried_again_after_waits_that_double(raises: bool) -> None:
    store = Taker(fails=2, raises=raises)
    router = Router([Rule("all", "#", Target.STORE, tries=3, wait_us=SECOND_US)], {Target.STORE: store})
    router.route(TOPIC, {}, 0)
    for now_us, tries in ((SECOND_US - 1, 1), (SECOND_US, 2), (3 * SECOND_US - 1, 2), (3 * SECOND_US, 3)):
        router.advance(now_us)
        assert store.tries == tries
    assert router.counts["all"] == {"taken": 1, "retried": 2, "delivered": 1}
    assert (router.waiting, router.dead) == (0, [])


def test_after_the_last_try_it_is_a_dead_letter() -> None:
    router = Router([Rule("all", "#", Target.STORE, tries=2)], {Target.STORE: Taker(fails=9)})
    router.route(TOPIC, {"x": 1.0}, 0)
    router.advance(60 * SECOND_US)
    (dead,) = router.dead
    assert (dead.reason, dead.message.told) == ("store failed 2 times", {"x": 1.0})
    assert router.counts["all"]["dead"] == 1


def test_a_rule_may_send_to_the_dead_letters() -> None:
    router = Router([Rule("noise", "#", Target.DEAD_LETTER)], {})
    router.route(TOPIC, {}, 0)
    assert router.dead[0].reason == "a rule says so"


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 100), st.booleans()), max_size=60), st.integers(0, 40))
def test_every_message_is_somewhere(sent: Any, fails: int) -> None:
    rules = [
        Rule("hot", "a/#", Target.ALARM, when=(HOT,), tries=2),
        Rule("cold", "a/#", Target.DEAD_LETTER, when=(Condition("temperature_c", "<", 5.0),)),
        Rule("all", "a/#", Target.STORE, tries=4),
    ]
    router = Router(rules, {Target.ALARM: Taker(fails), Target.STORE: Taker(fails)})
    at_us = 0
    for wait_s, value, ours in sent:
        at_us += wait_s * SECOND_US
        router.advance(at_us)
        router.route("a/b" if ours else "c", {"temperature_c": value}, at_us)
    counts = router.counts.values()
    taken, delivered, dead = (sum(each[name] for each in counts) for name in ("taken", "delivered", "dead"))
    assert taken + router.unrouted == len(sent)
    assert taken == delivered + dead + router.waiting


def test_rules_that_cannot_be_meant_are_refused() -> None:
    for topic in ("", "a#", "#/a", "a/+b"):
        with pytest.raises(ValueError, match="no topic filter"):
            Rule("r", topic, Target.STORE)
    with pytest.raises(ValueError, match="at least one try"):
        Rule("r", "#", Target.STORE, tries=0)
    with pytest.raises(ValueError, match="compares nothing"):
        Condition("x", "~", 1.0)
    with pytest.raises(ValueError, match="nobody takes"):
        Router([Rule("r", "#", Target.STORE)], {})
    with pytest.raises(ValueError, match="two rules"):
        Router([Rule("r", "#", Target.DEAD_LETTER)] * 2, {})
