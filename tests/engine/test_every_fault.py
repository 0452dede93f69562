"""Every installed fault shows that it bit, in a run with every installed kind of machine, and shows nothing unarmed.

A fault that is installed is played as anybody would write it: with its defaults, on the whole fleet. One whose defaults
cannot bite so soon is given a place in `NEEDS`; one that leaves no evidence fails here.
"""

from __future__ import annotations

from functools import cache

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.installed import catalogue as kinds

NEEDS = {
    "machine-failure": "mode: imbalance, grows: 1 s",
    "memory-leak": "rate: 500 kB/min, free: 1 MB",
    "churn": "rate: 20 %/min, away: 30 s",
    "watchdog-storm": "every: 1 min",
}
"""Settings without which a fault has nothing to do within minutes."""

BESIDE = {
    "buffer-overflow": "partition",
    "disk-full": "partition",
    "slow-close": "connection-reset",
    "session-expiry": "core-outage",
}
"""What must go on beside a fault that only makes it worse."""

OF_GATEWAYS = ("disk-full", "gateway-crash", "gateway-failover")
"""What can happen only to gateways that carry others."""


OF_TRUNKS = ("trunk-cut", "trunk-squeeze")
"""What can happen only on sites with a trunk."""

OF_BATTERIES = ("battery-drain",)
"""What can happen only to devices with a battery."""

OF_CONFIGURATIONS = ("wrong-configuration",)
"""What can happen only to devices that tell their configuration."""


@cache
def scenario(fault: str) -> Scenario:
    share = 100 // len(kinds())
    first = 100 - share * (len(kinds()) - 1)
    carried = fault in OF_GATEWAYS
    lines = []
    for number, kind in enumerate(kinds()):
        more = ", through: gateway" if carried else ""
        if carried and kind == "gateway":
            more = ", gateway: {spare: standby}"
        if fault in OF_BATTERIES:
            more = ", power: {battery: 5 Wh}"
        if fault in OF_CONFIGURATIONS:
            more = ", configuration: 7"
        lines.append(f"    {kind}: {{kind: {kind}, share: {share if number else first} %{more}}}")
    devices = "segment=gateway" if carried else "all"
    target = f", target: {devices}" if catalogue()[fault].needs_target else ""
    settings = f", with: {{{NEEDS[fault]}}}" if fault in NEEDS else ""
    other = BESIDE.get(fault)
    whom = f", target: {devices}" if other and catalogue()[other].needs_target else ""
    beside = [f"  - {{name: beside, at: 40 s, fault: {other}, lasts: 100 s{whom}}}"] if other else []
    return read(
        "\n".join(
            (
                "storm: 1",
                "name: one-fault",
                "story: One fault on every kind of machine.",
                "duration: 200 s",
                "fleet:",
                "  devices: 130",
                "  sites: {fra-1: {trunk: {rate: 1 MB/s}}, sin-1: {}}"
                if fault in OF_TRUNKS
                else "  sites: [fra-1, sin-1]",
                "  every: 5 s",
                "  segments:",
                *lines,
                *(["processing: {service: 1 ms}"] if catalogue()[fault].needs_consumers else []),
                "steps:",
                f"  - {{name: it, at: 30 s, fault: {fault}, lasts: 150 s{target}{settings}}}",
                *beside,
                "expect:",
                "  - {ledger: delivered, at_least: 1}",
            )
        ),
        "one-fault.storm.yaml",
    )


def played(fault: str, armed: frozenset[str] | None, until_us: int | None = None) -> RunResult:
    written = scenario(fault)
    wiring = ModelledWiring(fleet_plan(written), broker_settings(written), seed=1)
    engine = Engine(written, 1, wiring, until_us, armed)
    engine.play()
    assert engine.ledger().difference == 0
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


@pytest.mark.parametrize("fault", sorted(catalogue()))
def test_armed_it_bites_and_unarmed_it_makes_the_run_inconclusive(fault: str) -> None:
    result = played(fault, None)
    assert result.faults[0].bit, "no evidence: does its default do anything, and does it count what it does?"
    assert result.verdict == "held"
    nothing = played(fault, frozenset(), 60 * SECOND_US)
    assert not nothing.faults[0].bit
    assert nothing.verdict == "inconclusive"


def test_what_needs_settings_is_installed() -> None:
    assert set(NEEDS) <= set(catalogue())


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("broker-outage", "broker-outage"),
        ("core-outage", "core-outage"),
        ("latency", "partition"),
        ("bandwidth-squeeze", "partition"),
        ("burst-loss", "partition"),
        ("power-outage", "power-outage"),
        ("partition", "partition"),
    ],
)
def test_what_lies_within_something_that_leaves_it_nothing_to_do_has_no_evidence(inner: str, outer: str) -> None:
    def step(name: str, fault: str, at_s: int, lasts_s: int) -> str:
        target = ", target: all" if catalogue()[fault].needs_target else ""
        return f"  - {{name: {name}, at: {at_s} s, fault: {fault}, lasts: {lasts_s} s{target}}}"

    written = read(
        "\n".join(
            (
                "storm: 1",
                "name: two-faults",
                "story: One fault within another.",
                "duration: 5 min",
                "fleet: {devices: 30, sites: 2, keep_alive: 20 s, segments: {motors: {kind: motor, share: 100 %}}}",
                "steps:",
                step("outer", outer, 30, 150),
                step("inner", inner, 100, 40),
                "expect:",
                "  - {ledger: delivered, at_least: 1}",
            )
        ),
        "two-faults.storm.yaml",
    )
    wiring = ModelledWiring(fleet_plan(written), broker_settings(written), seed=1)
    engine = Engine(written, 1, wiring)
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert engine.ledger().difference == 0
    assert {fault.name: fault.bit for fault in result.faults} == {"outer": True, "inner": False}
