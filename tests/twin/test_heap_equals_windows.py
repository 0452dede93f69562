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

from tests.twin.heap_reference import Action, Broker, Device, Row, simulate
from tests.twin.worlds import Lab, plan
from twinstorm.twin.eventlog import FIRST_DEVICE_CODE
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
    return found


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


@settings(max_examples=60, deadline=None)
@given(*CASES)
def test_small_fleets_under_overlapping_faults(chance: random.Random, backoff: str, jitter: str, broker: str) -> None:
    check_small(chance, backoff, jitter, broker)


@pytest.mark.nightly
@settings(max_examples=600, deadline=None)
@given(*CASES)
def test_small_fleets_at_length(chance: random.Random, backoff: str, jitter: str, broker: str) -> None:
    check_small(chance, backoff, jitter, broker)
