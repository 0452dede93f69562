"""Causal windows against a heap that handles one event at a time: the same list of events, to the microsecond."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.heap_reference import (
    ADMITTED,
    BOOTED,
    CONNECTED,
    GAVE_UP,
    LOST,
    NEVER,
    REFUSED,
    UNANSWERED,
    Action,
    Broker,
    Device,
    Row,
    simulate,
)
from tests.twin.worlds import Lab, plan
from twinstorm.twin.chance import Purpose, below_one, device_key, stream, word
from twinstorm.twin.eventlog import FIRST_DEVICE_CODE
from twinstorm.twin.fleet import State, grow
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.network import LINKS
from twinstorm.twin.reconnect import ReconnectPolicy
from twinstorm.twin.stories import Stage

BROKERS: dict[str, dict[str, Any]] = {
    "fast": {"handshake_ns": 10_000, "backlog": 1_000, "connect_rate": None},
    "slow": {"handshake_ns": 8_000_000, "backlog": 200, "connect_rate": None},
    "tight": {"handshake_ns": 1_000_000, "backlog": 500, "connect_rate": Fraction(50), "connect_burst": 20},
    "queue": {
        "handshake_ns": 1_000_000,
        "backlog": 64,
        "connect_rate": Fraction(100, 3),
        "connect_burst": 5,
        "connect_queue": 40,
    },
    "tiny": {"handshake_ns": 20_000_000, "backlog": 2, "connect_rate": Fraction(7), "connect_burst": 1},
}


def real(fleet: Any, limits: dict[str, Any], actions: list[Action], seed: int, until_us: int) -> tuple[Lab, list[Row]]:
    lab = Lab.make(fleet, seed=seed, **limits)
    lab.stage = Stage(lab.world.acts, [], 0)  # sampling changes no life
    world = lab.world
    for action in sorted(actions, key=lambda each: each.at_us):
        lab.until(action.at_us)
        device = np.array(sorted(action.devices), np.int32)
        match action.kind:
            case "power-off":
                world.power_off(device, action.at_us)
            case "power-on":
                world.power_on(device, action.at_us)
            case "cut":
                world.cut(device, action.at_us, action.direction)
            case "heal":
                world.heal(device, action.at_us, action.direction)
            case "broker-stop":
                lab.broker.stop(action.at_us, silent=action.silent)
            case "broker-start":
                lab.broker.start(action.at_us)
    lab.until(until_us)
    assert lab.log.keep is not None
    rows = np.concatenate(lab.log.keep) if lab.log.keep else np.empty((0, 3), np.int64)
    code, device_of = rows[:, 1] >> 32, rows[:, 1] & 0xFFFFFFFF
    of_devices = code >= FIRST_DEVICE_CODE
    columns = (rows[of_devices, 0].tolist(), code[of_devices].tolist(), device_of[of_devices].tolist())
    return lab, list(zip(*columns, strict=True))


def reference(lab: Lab, limits: dict[str, Any], actions: list[Action], seed: int, until_us: int) -> list[Row]:
    fleet = lab.world.fleet
    devices = []
    for index, name in enumerate(fleet.names):
        part = fleet.plan.segments[fleet.segment[index]]
        link, policy = LINKS[part.link], part.reconnect
        devices.append(
            Device(
                name=name,
                link=(link.base_us, link.jitter_us, link.retry_us, link.retry_per_65536),
                backoff=policy.backoff,
                jitter=policy.jitter,
                base_us=policy.base_us,
                cap_us=policy.cap_us,
                timeout_us=policy.timeout_us,
                keep_alive_us=part.keep_alive_us,
                boot_low_us=part.boot_us[0],
                boot_high_us=part.boot_us[1],
                every_us=part.every_us,
                phase_us=int(fleet.phase_us[index]),
            )
        )
    broker = Broker(
        handshake_ns=limits["handshake_ns"],
        backlog=limits["backlog"],
        rate=limits["connect_rate"],
        burst=limits.get("connect_burst", 1),
        queue=limits.get("connect_queue", 0),
    )
    return simulate(devices, broker, actions, seed, until_us)


def same(fleet: Any, limits: dict[str, Any], actions: list[Action], seed: int, until_us: int) -> list[Row]:
    assert all(action.at_us < until_us for action in actions), "the real side would run on to a later action"
    limits = {"connect_burst": 1, "connect_queue": 0} | limits
    lab, found = real(fleet, limits, actions, seed, until_us)
    expected = reference(lab, limits, actions, seed, until_us)
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, (
            f"row {number}: windows {found[number - 3 : number + 3]}, heap {expected[number - 3 : number + 3]}"
        )
    assert len(found) == len(expected)
    content = (lab.world.fleet.state == State.ONLINE) & (lab.world.fleet.due_us == NEVER)
    assert lab.broker.live[content].all(), "a device is content with a session that the broker does not know"
    return found


HAND_PLACED = ReconnectPolicy("fixed", "none", 100_000, 2 * SECOND_US, SECOND_US)
TWENTY = tuple(range(20))


def by_hand(
    actions: list[Action],
    until_us: int,
    limits: dict[str, Any] = BROKERS["fast"],
    motors: int = 1,
    timeout_us: int = SECOND_US,
    phases: int = 1,
) -> list[Row]:
    """Boots take a second. Motors sample each second; the broker gives a session up 4.5 s after its last packet."""
    policy = replace(HAND_PLACED, timeout_us=timeout_us)
    boot_us = (SECOND_US, SECOND_US)
    fleet = plan(motors=motors, climate=0, reconnect=policy, keep_alive_us=3 * SECOND_US, boot_us=boot_us)
    return same(replace(fleet, phases=phases), limits, actions, 1, until_us)


def reboot(devices: tuple[int, ...] = (0,)) -> list[Action]:
    return [Action(0, "power-off", devices), Action(0, "power-on", devices)]


def first(code: int, rows: list[Row]) -> Row:
    return next(row for row in rows if row[1] == code)


def lost(rows: list[Row]) -> dict[int, int]:
    return {device: at_us for at_us, code, device in rows if code == LOST}


def states(rows: list[Row]) -> list[int]:
    return [code for _, code, _ in rows]


def test_a_session_is_not_lost_for_ever() -> None:
    rows = by_hand(
        [
            Action(2_000_000, "broker-stop"),
            Action(2_001_000, "cut", (0,)),
            Action(2_001_500, "heal", (0,)),
            Action(5_000_000, "broker-start"),
        ],
        6 * SECOND_US,
    )
    assert (states(rows)[0], states(rows)[-1]) == (LOST, CONNECTED)
    assert 2_003_500 <= rows[0][0] < 2_005_500, "a reset after the heal"


def test_a_silently_dead_broker_sends_no_reset() -> None:
    actions = [
        Action(1_000_000, "cut", (0,)),
        Action(1_500_000, "broker-stop", silent=True),
        Action(2_000_000, "heal", (0,)),
    ]
    rows = by_hand(actions, 7 * SECOND_US)
    assert states(rows)[0] == LOST
    assert 4_000_000 <= rows[0][0] < 7_000_000, "one to two keep-alives after the cut"


def test_no_cut_changes_the_timer_that_a_silent_death_started() -> None:
    stop = Action(1_000_000, "broker-stop", silent=True)
    cut = [Action(1_500_000, "cut", TWENTY), Action(2_000_000, "heal", TWENTY)]
    noticed = lost(by_hand([stop], 7 * SECOND_US, motors=20))
    assert len(noticed) == 20
    assert lost(by_hand([stop, *cut], 7 * SECOND_US, motors=20)) == noticed


@pytest.mark.parametrize("order", [("down", "up"), ("up", "down")])
def test_no_session_survives_a_dead_uplink(order: tuple[str, str]) -> None:
    one, other = order
    cuts = [Action(2_000_000, "cut", TWENTY, one), Action(2_000_001, "cut", TWENTY, other)]
    heals = [Action(7_500_000, "heal", TWENTY, direction) for direction in order]
    found = lost(by_hand([*cuts, *heals], 8 * SECOND_US, motors=20))
    assert len(found) == 20
    assert max(found.values()) > 7_500_000, "some had not noticed before"


@pytest.mark.parametrize("silent", [False, True])
def test_a_broker_stops_when_an_answer_is_due(silent: bool) -> None:
    connected_us, *_ = first(CONNECTED, by_hand(reboot(), 2 * SECOND_US))
    for stop_us, code in [(connected_us - 1, GAVE_UP), (connected_us, GAVE_UP), (connected_us + 1, CONNECTED)]:
        rows = by_hand([*reboot(), Action(stop_us, "broker-stop", silent=silent)], 3 * SECOND_US)
        assert states(rows)[:3] == [BOOTED, ADMITTED, code]


@pytest.mark.parametrize("direction", ["both", "up"])
def test_a_link_heals_when_the_broker_gives_up(direction: str) -> None:
    for heal_us, gone in [(6_499_999, False), (6_500_000, True), (6_500_001, True)]:
        actions = [Action(2_000_000, "cut", TWENTY, direction), Action(heal_us, "heal", TWENTY, direction)]
        after = [at_us for at_us in lost(by_hand(actions, 7 * SECOND_US, motors=20)).values() if at_us > heal_us]
        assert bool(after) == gone


def test_an_uplink_heals_when_the_broker_gives_up() -> None:
    cuts = [Action(2_000_000, "cut", TWENTY, "up"), Action(3_000_000, "cut", TWENTY, "down")]
    for heal_us, gone in [(6_499_999, False), (6_500_000, True)]:
        heals = [Action(heal_us, "heal", TWENTY, "up"), Action(6_600_000, "heal", TWENTY, "down")]
        found = lost(by_hand([*cuts, *heals], 7 * SECOND_US, motors=20))
        assert any(at_us > 6_600_000 for at_us in found.values()) == gone


@pytest.mark.parametrize("cut_us", [299_999, 300_000, 2_300_000])
def test_the_last_packet_left_in_the_phase_of_the_sample_group(cut_us: int) -> None:
    for phase_us in range(0, 1_000_000, 100_000):
        for heal_us in (cut_us // 1_000_000 * 1_000_000 + 4_500_000 + phase_us - early for early in (0, 1)):
            everybody = tuple(range(100))
            actions = [Action(cut_us, "cut", everybody), Action(heal_us, "heal", everybody)]
            by_hand(actions, heal_us + 5_000, motors=100, phases=10)


@pytest.mark.parametrize("silent", [False, True])
def test_a_broker_starts_when_it_stops(silent: bool) -> None:
    rows = by_hand([Action(2_000_000, "broker-stop", silent=silent), Action(2_000_000, "broker-start")], 3 * SECOND_US)
    assert states(rows) == [LOST, ADMITTED, CONNECTED]
    assert rows[0][0] < 2_004_000


def test_a_refusal_arrives_when_the_time_is_up() -> None:
    one_at_a_time = {"handshake_ns": 20_000_000, "backlog": 0, "connect_rate": None}
    refused_us, _, device = first(REFUSED, by_hand(reboot(TWENTY), 1_010_000, one_at_a_time, motors=20))
    ethernet, names = LINKS["ethernet"], grow(plan(motors=20, climate=0)).names
    draw = word(stream(1, Purpose.DOWNLINK), device_key(names[device]), 1)
    enough_us = refused_us + ethernet.base_us + below_one(draw, ethernet.jitter_us) - SECOND_US
    for timeout_us, code in [(enough_us, UNANSWERED), (enough_us + 1, REFUSED)]:
        rows = by_hand(reboot(TWENTY), 1_150_000, one_at_a_time, motors=20, timeout_us=timeout_us)
        assert (refused_us, code, device) in rows


def test_a_timeout_shorter_than_the_way_there_ends_after_the_arrival() -> None:
    rows = by_hand(reboot(), 1_200_000, timeout_us=1)
    assert states(rows) == [BOOTED, ADMITTED, GAVE_UP, ADMITTED, GAVE_UP]
    assert [rows[2][0] - rows[1][0], rows[4][0] - rows[3][0]] == [1, 1]


@pytest.mark.parametrize(
    "fault", [Action(0, "cut", (0,)), Action(0, "broker-stop", silent=True), Action(0, "broker-stop")]
)
def test_a_fault_strikes_when_the_time_is_up(fault: Action) -> None:
    # The CONNACK would come in that instant as well.
    connected_us, *_ = first(CONNECTED, by_hand(reboot(), 2 * SECOND_US))
    for late_us in (0, 1):
        strike = replace(fault, at_us=connected_us - late_us)
        rows = by_hand([*reboot(), strike], 1_050_000, timeout_us=connected_us - late_us - SECOND_US)
        assert rows[2] == (strike.at_us + 1, GAVE_UP, 0)


def random_actions(chance: random.Random, devices: int, last_us: int) -> list[Action]:
    """Faults of every kind that overlap, and end."""
    actions = []
    for _ in range(chance.randint(3, 6)):
        kind = chance.choice(["power", "cut", "cut", "broker"])
        at_us = chance.randrange(last_us)
        end_us = at_us + chance.randrange(1, last_us)
        chosen = tuple(sorted(chance.sample(range(devices), chance.randint(1, devices))))
        if kind == "power":
            actions += [Action(at_us, "power-off", chosen), Action(end_us, "power-on", chosen)]
        elif kind == "cut":
            direction = chance.choice(["both", "up", "down"])
            actions += [Action(at_us, "cut", chosen, direction), Action(end_us, "heal", chosen, direction)]
        elif not any(action.kind == "broker-stop" for action in actions):
            silent = chance.random() < 0.5
            actions += [Action(at_us, "broker-stop", silent=silent), Action(end_us, "broker-start")]
    return sorted(actions, key=lambda action: action.at_us)


POLICIES = [
    ("exponential", "full", "tight"),
    ("exponential", "none", "tight"),
    ("exponential", "equal", "queue"),
    ("exponential", "decorrelated", "queue"),
    ("exponential", "full", "slow"),
    ("fixed", "full", "tiny"),
    ("fixed", "none", "slow"),
    ("fixed", "equal", "fast"),
    ("exponential", "decorrelated", "fast"),
    ("none", "none", "tiny"),
]


@pytest.mark.parametrize(("backoff", "jitter", "broker"), POLICIES)
def test_ten_fleets_of_two_thousand(backoff: str, jitter: str, broker: str) -> None:
    policy = ReconnectPolicy(backoff, jitter, SECOND_US, 30 * SECOND_US, 5 * SECOND_US)
    fleet = plan(motors=1_600, climate=400, reconnect=policy, keep_alive_us=20 * SECOND_US)
    chance = random.Random(f"{backoff} {jitter} {broker}")
    hurried = backoff == "none"
    actions = random_actions(chance, 2_000, (2 if hurried else 40) * SECOND_US)
    everybody = tuple(range(2_000))
    storm = [Action(1, "power-off", everybody), Action(2, "power-on", everybody)]
    events = same(fleet, BROKERS[broker], storm + actions, 42, (11 if hurried else 90) * SECOND_US)
    assert len(events) > 8_000


def tied(chance: random.Random, actions: list[Action], rows: list[Row], last_us: int) -> list[Action]:
    """The same faults in the same order, most of them at the very instant of an event or 1 us beside it."""
    instants = [row[0] for row in rows if row[0] < last_us]
    if not instants:
        return actions
    moved = [
        max(chance.choice(instants) + chance.choice((0, 0, 0, 1, -1)), 0) if chance.random() < 0.7 else action.at_us
        for action in actions
    ]
    return [replace(action, at_us=at_us) for action, at_us in zip(actions, sorted(moved), strict=True)]


def outages(chance: random.Random, last_us: int) -> list[Action]:
    """Up to three of the broker, one after the other, from nothing to seconds long."""
    ends = sorted(chance.randrange(last_us) for _ in range(2 * chance.randint(0, 3)))
    actions = []
    for start_us, end_us in zip(ends[::2], ends[1::2], strict=True):
        actions += [Action(start_us, "broker-stop", silent=chance.random() < 0.5), Action(end_us, "broker-start")]
    return actions


ACTIONS = st.integers(0, 2**32 - 1).map(random.Random)


def check_small(chance: random.Random, backoff: str, jitter: str, broker: str) -> None:
    devices = chance.randint(20, 100)
    policy = ReconnectPolicy(backoff, jitter, 100_000, 2 * SECOND_US, SECOND_US)
    # Boots of one length: many devices ask in the same microseconds.
    fleet = plan(
        motors=devices, climate=0, reconnect=policy, keep_alive_us=3 * SECOND_US, boot_us=(SECOND_US, SECOND_US)
    )
    seed, last_us, until_us = chance.randint(1, 99), 8 * SECOND_US, 18 * SECOND_US
    faults = [each for each in random_actions(chance, devices, last_us) if not each.kind.startswith("broker")]
    actions = sorted(faults + outages(chance, last_us), key=lambda action: action.at_us)
    rows = same(fleet, BROKERS[broker], actions, seed, until_us)
    same(fleet, BROKERS[broker], tied(chance, actions, rows, 2 * last_us), seed, until_us)


CASES = (
    ACTIONS,
    st.sampled_from(["fixed", "exponential"]),
    st.sampled_from(["none", "equal", "full", "decorrelated"]),
    st.sampled_from(sorted(BROKERS)),
)


@settings(max_examples=30, deadline=None)
@given(*CASES)
def test_small_fleets_under_overlapping_faults(chance: random.Random, backoff: str, jitter: str, broker: str) -> None:
    check_small(chance, backoff, jitter, broker)


@pytest.mark.nightly
@settings(max_examples=600, deadline=None)
@given(*CASES)
def test_small_fleets_at_length(chance: random.Random, backoff: str, jitter: str, broker: str) -> None:
    check_small(chance, backoff, jitter, broker)
