"""The ledger closes in scenarios that nobody would write: any installed faults, on any machines, over anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.engine.test_every_fault import NEEDS
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.gateways import NEED_A_GATEWAY
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.installed import catalogue as kinds

DURATION_S = 150

TARGETS = ("all", "site=fra-1", "segment=a", "segment=b", "segment=gates", "all share=30 %", "all first=7")
OF_SOME = (
    "cavitation",
    "seal-leak",
    "refrigerant-loss",
    "bearing-spall",
    "imbalance",
    "lubrication-loss",
    "overheating",
    "consumer-crash",
)
FLAT = (
    "wire: {wire: 1, name: flat, topics: {telemetry: 'p/{site}/{device}/t', state: 'p/{site}/{device}/s'}, "
    "documents: flat}"
)
SEGMENT_EXTRAS = (
    "",
    ", qos: 0",
    ", qos: 2",
    ", power: {battery: 2 Wh, charge: 1 % .. 30 %}",
    ", clock: {sync: 1 min, drift: 50 ppm, backup: none}",
    ", buffer: {readings: 4, evict: newest}",
    ", synthetic: true",
    ", firmware: 2.5.0",
    ", firmware: 3.0.0, watchdog: 5 s",
    ", codec: cbor",
    f", codec: msgpack, {FLAT}",
    f", {FLAT}",
)
SITES = (
    "[fra-1, sin-1]",
    "{fra-1: {trunk: {rate: 4 kB/s, queue: 4 kB}}, sin-1: {}}",
    "{fra-1: {trunk: {rate: 200 kB/s, latency: 1 s}}, sin-1: {trunk: {rate: 20 kB/s}}}",
)
LINKS = (
    *("ethernet", "wifi", "lte-m", "nb-iot", "lorawan", "satellite", "ble", "zigbee", "datagram"),
    *("weak-wifi", "cellular", "congested", "lorawan-sf7", "lorawan-sf12"),
)
GATEWAYS = (
    "",
    ", gateway: {store: memory}",
    ", gateway: {spare: standby, rate: 20/s}",
    ", gateway: {power: solar, panel: 8 W, battery: 2 Wh, buffer: {readings: 30}}",
)
CREWS = (
    "",
    "maintenance: {policy: run-to-failure, crews: 1, repair: 20 s, travel: 5 s, breakdown: 2 min}\n",
    "maintenance: {policy: preventive, interval: 1 min, crews: 2, repair: 10 s, travel: 2 s}\n",
)
IMAGES = (
    "firmware:\n"
    "  2.5.0: {fault: crash-loop, with: {uptime: 5 s}, slots: {other: 3.0.0, boot_limit: 2, healthy: 8 s}}\n"
    "  3.0.0: {schema: 2, hazards: {crash_every: 1 min, freeze_every: 1 min}}\n"
)
BROKERS = (
    "",
    "broker: {connects: {rate: 5/s, burst: 2, queue: 3}, offline_queue: 20}\n",
    "broker: {messages: {rate: 30/s, queue: 40}}\n",
    "broker: {model: mosquitto, messages: {rate: 8/s, queue: 10}, offline_queue: 0}\n",
)


POOLS = (
    "",
    "processing: {service: 5 ms, checkpoint: 10 s, consumers: 2}\n",
    "processing: {service: 40 ms, partitions: 3, by: site, room: 40, checkpoint: 5 s, scale: {lag: 20, most: 3}}\n",
    "processing: {service: 100 ms, room: 5, shed: oldest, scale: {busy: 60 %, down_after: 10 s}}\n",
    "processing: {service: 300 ms, serverless: {cold: 2 s, keep: 5 s, most: 9}}\n",
)


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """The text of a scenario; some of them are refused, as a fault may fit none of its machines."""
    every_kind = sorted(set(kinds()) - {"gateway"})
    lines = ["storm: 1", "name: random", "story: Whatever comes.", f"duration: {DURATION_S} s", "fleet:"]
    lines += ["  devices: 60", f"  sites: {draw(st.sampled_from(SITES))}", "  keep_alive: 20 s", "  boot: 1 s .. 4 s"]
    lines += draw(st.sampled_from([[], ["  codec: msgpack"]]))
    lines += [f"  reconnect: {{base: 1 s, cap: 8 s, jitter: {draw(st.sampled_from(['none', 'full']))}, timeout: 4 s}}"]
    lines += ["  segments:", f"    gates: {{kind: gateway, share: 10 %, every: 5 s{draw(st.sampled_from(GATEWAYS))}}}"]
    for name in ("a", "b"):
        kind, every_s = draw(st.sampled_from(every_kind)), draw(st.sampled_from([1, 2, 5]))
        link = draw(st.sampled_from(LINKS))
        extra = draw(st.sampled_from(SEGMENT_EXTRAS))
        through = ", through: gates" if link in NEED_A_GATEWAY or (name == "b" and draw(st.booleans())) else ""
        lines.append(f"    {name}: {{kind: {kind}, share: 45 %, every: {every_s} s, link: {link}{extra}{through}}}")
    steps: list[str] = []
    for number in range(draw(st.integers(1, 5))):
        steps += draw(_step(number))
    lines += ["steps:", *steps, "expect:", "  - {ledger: delivered, at_least: 0}"]
    return (
        "\n".join(lines)
        + "\n"
        + draw(st.sampled_from(BROKERS))
        + draw(st.sampled_from(CREWS))
        + draw(st.sampled_from(POOLS))
        + IMAGES
    )


@st.composite
def _step(draw: st.DrawFn, number: int) -> list[str]:
    # What only some machines can have is tried less often: most of it would be refused.
    anywhere = [name for name in sorted(catalogue()) if name not in OF_SOME]
    fault = draw(st.sampled_from(anywhere * 3 + list(OF_SOME)))
    target = f", target: {draw(st.sampled_from(TARGETS))}" if catalogue()[fault].needs_target else ""
    words = [f"{one.name}: {draw(st.sampled_from(one.choices))}" for one in catalogue()[fault].settings if one.choices]
    words += [NEEDS[fault]] if fault in NEEDS else []
    given = f", with: {{{', '.join(words)}}}" if words else ""
    at_ms, lasts_ms = draw(st.integers(1, 120_000)), draw(st.integers(1, 90_000))
    ramp = f", ramp: {max(lasts_ms // 2, 1)} ms" if target and draw(st.booleans()) else ""
    return [f"  - {{name: f{number}, at: {at_ms} ms, fault: {fault}, lasts: {lasts_ms} ms{target}{given}{ramp}}}"]


def played(text: str) -> Iterator[tuple[int, Any]]:
    """The ledger at odd instants and at the end."""
    try:
        written: Scenario = read(text, "random.storm.yaml")
    except ScenarioErrors:
        reject()
    engine = Engine(written, 3, ModelledWiring(fleet_plan(written), broker_settings(written), seed=3))
    for at_us in range(7 * SECOND_US + 3, DURATION_S * SECOND_US, 29 * SECOND_US):
        engine.advance(at_us)
        yield at_us, engine.ledger()
    engine.play()
    yield engine.now_us, engine.ledger()


def closes(text: str) -> None:
    for at_us, ledger in played(text):
        assert ledger.difference == 0, f"at {at_us / SECOND_US} s: {ledger}"
        assert min(ledger.buffered, ledger.in_flight, *ledger.lost.values(), 0) == 0, f"{ledger}"


FLEET = """storm: 1
name: random
story: Whatever comes.
duration: 150 s
fleet:
  devices: 60
  sites: [fra-1, sin-1]
  keep_alive: 20 s
  boot: 1 s .. 4 s
  reconnect: {base: 1 s, cap: 8 s, jitter: none, timeout: 4 s}
  segments:
"""
EXPECT = """
expect:
  - {ledger: delivered, at_least: 0}
"""
FOUND = {
    "a repeat overtakes its first copy, which waits in a gateway and meets a full queue": """
    gates: {kind: gateway, share: 10 %, every: 5 s}
    a: {kind: air-quality, share: 45 %, every: 1 s, link: ethernet}
    b: {kind: air-quality, share: 45 %, every: 1 s, link: ethernet, through: gates}
broker: {messages: {rate: 30/s, queue: 40}}
steps:
  - {name: twice, at: 1 ms, fault: payload-duplicate, lasts: 4 s, target: all}
""",
}
"""What the search has found once."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_closed(name: str) -> None:
    closes(FLEET + FOUND[name] + EXPECT)


_LOOSE = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
}


@settings(max_examples=12, **_LOOSE)  # type: ignore[arg-type]
@given(scenarios())
def test_the_ledger_closes_in_random_scenarios(text: str) -> None:
    closes(text)


@pytest.mark.nightly
@settings(max_examples=500, **_LOOSE)  # type: ignore[arg-type]
@given(scenarios())
def test_the_ledger_closes_in_500_random_scenarios(text: str) -> None:
    closes(text)
