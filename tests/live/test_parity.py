"""One scenario, two clocks, one answer: modelled with calibrated constants, and live at the pace of the wall clock.

Compared is what reached the core: the readings of each device, all of them and in their order, what alarms were raised
for which fault and how soon, and when the fleet was back. One thing may differ, and the run names and counts it: what
was sampled in the second in which the broker died, and acknowledged by it, but had not reached the core.
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
from twinstorm.scenarios.engine.live_books import LiveBooks
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.flow import SECOND_US, Codes, Delivery, Device, Int

TICK_S = 1.0
"""The core looks once a second."""
SHARE = 0.15
"""Of a delay, and of a recovery."""
MOMENT_S = 0.25
"""Of a single device: 15 % of how long it was away may be less than a few turns of the loops."""

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
        luck_s: but for those that ask so close to the end of the fault: moments decide whether the broker is there.
        in_gate: whose machine has other work to do: the mean of the fleet may differ by half a tick.
    """

    fault: str
    at: int
    lasts: int
    duration: int
    broker: str = ""
    keep_alive: int = 12
    back: bool = True
    each: bool = False
    luck_s: float = 0.0
    in_gate: bool = False


CASES = {
    "storm": Case("power-outage, target: site=fra-*", 10, 6, 45, broker=", connects: {rate: 2/s, burst: 2, queue: 2}"),
    "outage": Case("broker-outage", 10, 8, 40, each=True, luck_s=MOMENT_S),
    "partition": Case("partition, target: site=fra-*", 8, 22, 60, keep_alive=6, each=True),
    "slow-broker": Case("slow-broker, with: {connect: 200 ms, message: 800 ms}", 8, 14, 32, back=False),
}
SHORT = Case("broker-outage", 4, 2, 11, in_gate=True)
_ASKED = [Code.ADMITTED, Code.REFUSED, Code.UNANSWERED]


class Spectator:
    """A sink: a virtual run that nobody watches leaps over calm seconds, past `Core.ingest`."""

    def event(self, row: EventRow) -> None: ...

    def pane(self, row: PaneRow) -> None: ...

    def close(self, result: RunResult | None, why: str = "") -> None: ...


@dataclass
class Seen:
    """What reached the core of a run.

    Attributes:
        order: of each device, readings in the order of their first arrival.
        values: of each reading.
        sampled_s, at_s: when each was, and when it arrived.
        asked_s: when each device asked for a session, in virtual time.
        named: of each device, at most so many readings were acknowledged by a broker that died with them.
    """

    order: dict[int, list[int]] = field(default_factory=dict)
    values: dict[tuple[int, int], bytes] = field(default_factory=dict)
    sampled_s: dict[tuple[int, int], float] = field(default_factory=dict)
    at_s: dict[tuple[int, int], float] = field(default_factory=dict)
    asked_s: dict[int, list[float]] = field(default_factory=dict)
    named: dict[int, int] = field(default_factory=dict)
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
                self.sampled_s[key] = float(readings.device_time_us[row]) / SECOND_US
                self.at_s[key] = float(delivery.arrived_us[row]) / SECOND_US

    def note(self, at_us: Int, code: Codes, subject: Device) -> None:
        """Rows of the event log."""
        asks = np.isin(code, _ASKED)
        for instant, who in zip(at_us[asks].tolist(), subject[asks].tolist(), strict=True):
            self.asked_s.setdefault(who, []).append(instant / SECOND_US)

    def lucky(self, case: Case) -> set[int]:
        """Who asked close to the end of the fault."""
        end_s = case.at + case.lasts
        return {who for who, asked in self.asked_s.items() if any(abs(at_s - end_s) < case.luck_s for at_s in asked)}

    def waits_s(self, case: Case) -> list[float]:
        """How long those sampled while the fault lasted were on their way, but for the last two seconds of it."""
        return [
            self.at_s[key] - at_s for key, at_s in self.sampled_s.items() if case.at < at_s < case.at + case.lasts - 2
        ]

    def back_s(self, case: Case) -> dict[int, float]:
        """How long after the fault each of those that were away was heard again."""
        ended_s = float(case.at + case.lasts)
        heard: dict[int, list[float]] = {}
        for (device, _), at_s in sorted(self.at_s.items()):
            heard.setdefault(device, []).append(at_s)
        away = {device: times for device, times in heard.items() if not _is_heard(times, case)}
        assert away
        return {who: min(at_s for at_s in times if at_s >= ended_s) - ended_s for who, times in away.items()}

    def alarms(self) -> dict[tuple[str, str], list[float]]:
        """By name and cause: when they came."""
        found: dict[tuple[str, str], list[float]] = {}
        for alarm in self.result.alarms:
            found.setdefault((alarm.name, alarm.fault or ""), []).append(alarm.at_s)
        return found


def play(path: Path, live: bool) -> Seen:
    seen, ingest, close, add = Seen(), Core.ingest, LiveBooks.close, EventLog.add

    def taking(core: Core, delivery: Delivery) -> None:
        seen.take(delivery)
        ingest(core, delivery)

    def closing(books: LiveBooks, core: Core) -> None:
        close(books, core)
        assert books._embedded is not None
        seen.named = dict(enumerate(books._each(books._embedded.lost_readings()).tolist()))

    def adding(log: EventLog, at_us: Int, code: Codes, subject: Device) -> None:
        seen.note(at_us, code, subject)
        add(log, at_us, code, subject)

    options = RunOptions(seed=7, live=live, speed=1.0 if live else 0.0)
    with (
        patch.object(Core, "ingest", taking),
        patch.object(LiveBooks, "close", closing),
        patch.object(EventLog, "add", adding),
    ):
        seen.result = Run(load(str(path)), options, [Spectator()]).execute()
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
    compare_readings(case, modelled, live)
    assert modelled.result.faults[0].bit
    assert live.result.faults[0].bit
    expected, found = modelled.alarms(), live.alarms()
    assert expected or not case.back, "there is nothing to compare"
    assert {key: len(times) for key, times in expected.items()} == {key: len(times) for key, times in found.items()}
    for name, times in expected.items():
        for want_s, got_s in zip(times, found[name], strict=True):
            assert abs(got_s - want_s) <= max(2 * TICK_S, SHARE * (want_s - case.at)), (name, want_s, got_s)
    if not case.back:
        assert is_alike(fmean(live.waits_s(case)), fmean(modelled.waits_s(case)))
        return
    want, got = modelled.back_s(case), live.back_s(case)
    assert want.keys() == got.keys()
    assert is_alike(fmean(got.values()), fmean(want.values()), TICK_S / 2 if case.in_gate else 0.0)
    if case.in_gate:
        return
    sure = sorted(want.keys() - modelled.lucky(case))
    assert len(sure) > len(want) / 2
    assert is_alike(max(got[who] for who in sure), max(want[who] for who in sure))
    if case.each:
        assert all(is_alike(got[who], want[who], MOMENT_S) for who in sure), (want, got)


def compare_readings(case: Case, modelled: Seen, live: Seen) -> None:
    """Of every device the same, in the same order, with the same values."""
    assert modelled.result.ledger.lost == {}
    missing = modelled.values.keys() - live.values.keys()
    assert {
        who: [seq for seq in told if (who, seq) not in missing] for who, told in modelled.order.items()
    } == live.order
    assert {key: modelled.values[key] for key in live.values} == live.values
    assert live.result.ledger.lost == ({"outage": len(missing)} if missing else {})
    assert all(sum(device == who for device, _ in missing) <= live.named[who] for who in modelled.order)
    assert all(abs(modelled.sampled_s[key] - case.at) < TICK_S for key in missing), sorted(missing)


def is_alike(found_s: float, wanted_s: float, at_least_s: float = 0.0) -> bool:
    return abs(found_s - wanted_s) <= max(SHARE * wanted_s, at_least_s)


def _is_heard(times: list[float], case: Case) -> bool:
    """While the fault lasts, but for what was under way when it began."""
    return any(case.at + TICK_S < at_s < case.at + case.lasts for at_s in times)


def test_a_short_outage_is_the_same_on_both_clocks(both: Callable[[Case], tuple[Seen, Seen]]) -> None:
    compare(SHORT, *both(SHORT))


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_both_clocks_tell_the_same(name: str, both: Callable[[Case], tuple[Seen, Seen]]) -> None:
    compare(CASES[name], *both(CASES[name]))
