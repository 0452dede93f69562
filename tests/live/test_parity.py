"""One scenario, two clocks, one answer: modelled with calibrated constants, and live at the pace of the wall clock.

Compared is what reached the core: which readings of each device, in which order, what alarms were raised for which
fault and how soon, and when the fleet was back. Readings under way at the edge of a fault may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np
import pytest

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import SECOND_US, Delivery

TICK_S = 1.0
"""The core looks once a second."""
DELAY_SHARE = RECOVERY_SHARE = 0.15
EDGE_READINGS = 2
"""Of a device: one under way when a fault began, one when it ended."""

TEXT = """storm: 1
name: parity
story: The same on both clocks.
duration: {duration} s
warm_up: 3 s
start: 2030-01-07T08:00:00Z
fleet:
  devices: 24
  sites: [fra-1, fra-2, arn-1]
  keep_alive: {keep_alive} s
  boot: 1 s .. 3 s
  reconnect: {{backoff: exponential, base: 500 ms, cap: 4 s, jitter: full, timeout: 3 s}}
  buffer: {{readings: 200, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 75 %, every: 1 s, link: ethernet}}
    climate: {{kind: environment, share: 25 %, every: 2 s, link: ethernet}}
broker: {{model: amqtt{broker}}}
objectives:
  connected: {{sli: connectivity, at_least: 1 %}}
steps:
  - {{name: trouble, at: {at} s, fault: {fault}, lasts: {lasts} s}}
"""


@dataclass(frozen=True)
class Case:
    """What is played.

    Attributes:
        back: the fleet was away, and how long it takes to come back is compared.
        each: of every device: nothing else but its own draws decides when it is back.
    """

    fault: str
    at: int
    lasts: int
    duration: int
    broker: str = ""
    keep_alive: int = 12
    back: bool = True
    each: bool = False


CASES = {
    "storm": Case("power-outage, target: site=fra-*", 10, 6, 45, broker=", connects: {rate: 2/s, burst: 2, queue: 2}"),
    "outage": Case("broker-outage", 10, 8, 40),
    "partition": Case("partition, target: site=fra-*", 8, 22, 60, keep_alive=6, each=True),
    "slow-broker": Case("slow-broker, with: {connect: 200 ms, message: 800 ms}", 8, 14, 32, back=False),
}
SHORT = Case("broker-outage", 4, 2, 11)


@dataclass
class Seen:
    """What reached the core of a run.

    Attributes:
        order: of each device, readings in the order of their first arrival.
        values: of each reading.
        at_s: when each arrived.
    """

    order: dict[int, list[int]] = field(default_factory=dict)
    values: dict[tuple[int, int], bytes] = field(default_factory=dict)
    at_s: dict[tuple[int, int], float] = field(default_factory=dict)
    result: RunResult = field(init=False)

    def take(self, delivery: Delivery) -> None:
        readings = delivery.readings
        if readings is None:
            return
        present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
        for row in np.flatnonzero(present).tolist():
            key = int(readings.device[row]), int(readings.seq[row])
            if key not in self.values:
                self.order.setdefault(key[0], []).append(key[1])
                self.values[key] = readings.values[row].tobytes()
                self.at_s[key] = float(delivery.arrived_us[row]) / SECOND_US

    def back_s(self, case: Case) -> dict[int, float]:
        """How long after the fault each of those that were away was heard again."""
        ended_s = float(case.at + case.lasts)
        heard: dict[int, list[float]] = {}
        for (device, _), at_s in sorted(self.at_s.items()):
            heard.setdefault(device, []).append(at_s)
        away = {device: times for device, times in heard.items() if not _is_heard(times, case)}
        assert away
        return {who: min(at_s for at_s in times if at_s >= ended_s) - ended_s for who, times in away.items()}

    def alarms(self) -> dict[tuple[str, str], float]:
        """By name and cause: how soon the first of them came."""
        found: dict[tuple[str, str], float] = {}
        for alarm in self.result.alarms:
            key = alarm.name, alarm.fault or ""
            found.setdefault(key, alarm.at_s)
        return found


def play(path: Path, live: bool) -> Seen:
    seen, ingest = Seen(), Core.ingest

    def taking(core: Core, delivery: Delivery) -> None:
        seen.take(delivery)
        ingest(core, delivery)

    with patch.object(Core, "ingest", taking):
        seen.result = Run(load(str(path)), RunOptions(seed=7, live=live, speed=1.0 if live else 0.0)).execute()
    return seen


@pytest.fixture
def both(tmp_path: Path) -> Callable[[Case], tuple[Seen, Seen]]:
    def run(case: Case) -> tuple[Seen, Seen]:
        path = tmp_path / "parity.storm.yaml"
        fields = {name: getattr(case, name) for name in ("fault", "at", "lasts", "duration", "broker", "keep_alive")}
        path.write_text(TEXT.format(**fields), encoding="utf-8")
        return play(path, live=False), play(path, live=True)

    return run


def compare(case: Case, modelled: Seen, live: Seen) -> None:
    assert modelled.order.keys() == live.order.keys()
    # What a dying broker had acknowledged is lost by name, on a busy machine more of it.
    named = sum(live.result.ledger.lost.values())
    assert named <= len(live.order)
    for device, told in modelled.order.items():
        heard = live.order[device]
        common = set(told) & set(heard)
        assert [seq for seq in told if seq in common] == [seq for seq in heard if seq in common], device
        assert len(set(told) ^ set(heard)) <= EDGE_READINGS + named, (device, sorted(set(told) ^ set(heard)))
    both = modelled.values.keys() & live.values.keys()
    assert {key: modelled.values[key] for key in both} == {key: live.values[key] for key in both}
    assert modelled.result.faults[0].bit
    assert live.result.faults[0].bit
    expected, found = modelled.alarms(), live.alarms()
    assert expected.keys() == found.keys()
    for name, at_s in expected.items():
        allowed = max(2 * TICK_S, DELAY_SHARE * (at_s - case.at))
        assert abs(found[name] - at_s) <= allowed, (name, at_s, found[name])
    if case.back:
        want, got = modelled.back_s(case), live.back_s(case)
        assert is_alike(fmean(got.values()), fmean(want.values()))
        if case.each:
            assert want.keys() == got.keys()
            assert all(is_alike(got[who], back_s) for who, back_s in want.items()), (want, got)
            assert is_alike(max(got.values()), max(want.values()))


def is_alike(found_s: float, wanted_s: float) -> bool:
    return abs(found_s - wanted_s) <= max(RECOVERY_SHARE * wanted_s, TICK_S / 2)


def _is_heard(times: list[float], case: Case) -> bool:
    """While the fault lasts, but for what was under way when it began."""
    return any(case.at + TICK_S < at_s < case.at + case.lasts for at_s in times)


def test_a_short_outage_is_the_same_on_both_clocks(both: Callable[[Case], tuple[Seen, Seen]]) -> None:
    compare(SHORT, *both(SHORT))


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_both_clocks_tell_the_same(name: str, both: Callable[[Case], tuple[Seen, Seen]]) -> None:
    compare(CASES[name], *both(CASES[name]))
