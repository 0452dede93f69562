"""What a run says of the messages and bytes that its devices sent."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.words import size
from twinstorm.scenarios.result import RunResult, TrafficResult
from twinstorm.twin.flow import SECOND_US

SCENARIO = """storm: 1
name: random
story: Who sends how much.
duration: 5 min
fleet:
  devices: 40
  sites: [oslo, bergen]
  every: 5 s
  segments:
    edge: {kind: gateway, share: 10 %, link: lte-m}
    behind: {kind: motor, share: 40 %, codec: cbor, link: wifi, through: edge}
    plain: {kind: motor, share: 25 %}
    cell: {kind: environment, share: 25 %, link: nb-iot, codec: msgpack, power: {battery: 20 Wh}}
steps:
  - {name: outage, at: 2 min, fault: power-outage, target: site=oslo, lasts: 1 min}
  - {name: lossy, at: 4 min, fault: burst-loss, target: segment=cell, lasts: 50 s}
expect:
  - {ledger: lost, at_most: 100 %}
"""


def played(block: int = 16_384, until_us: int | None = None) -> Engine:
    written = read(SCENARIO, "random.storm.yaml")
    wiring = ModelledWiring(fleet_plan(written), broker_settings(written), seed=3, block_devices=block)
    engine = Engine(written, 3, wiring)
    engine.play() if until_us is None else engine.advance(until_us)
    return engine


@pytest.fixture(scope="module")
def engine() -> Engine:
    return played()


@pytest.fixture(scope="module")
def result(engine: Engine) -> RunResult:
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


@pytest.fixture(scope="module")
def rows(result: RunResult) -> dict[str, TrafficResult]:
    return {row.segment: row for row in result.traffic}


def test_every_reading_that_left_its_device_is_a_message(result: RunResult, rows: dict[str, TrafficResult]) -> None:
    ledger = result.ledger
    lost_before = sum(ledger.lost.values())
    sent = sum(row.readings for row in rows.values())
    assert ledger.delivered <= sent <= ledger.produced + ledger.repeated
    assert sent >= ledger.produced - ledger.buffered - lost_before
    assert rows["plain"].births == rows["plain"].connects - result.counts["refused"] > 0
    for row in rows.values():
        assert row.messages == row.readings + row.births + row.forwarded


def test_bytes_follow_from_the_lengths_that_links_have(engine: Engine, rows: dict[str, TrafficResult]) -> None:
    world: Any = engine.wiring.world  # type: ignore[attr-defined]
    links = dict(zip(rows, world.fleet.link_of_segment, strict=True))
    plain, link = rows["plain"], links["plain"]
    assert plain.payload_bytes == plain.readings * link.reading_bytes(6) + plain.births * link.state_bytes
    assert plain.wire_bytes == plain.payload_bytes + plain.messages * link.overhead_bytes
    assert plain.connect_bytes == plain.connects * (link.connect_bytes + link.overhead_bytes)
    cell, link = rows["cell"], links["cell"]
    again = cell.repeats * (link.reading_bytes(5) + link.overhead_bytes)
    assert cell.repeats > 0
    assert cell.wire_bytes == cell.payload_bytes + cell.messages * link.overhead_bytes + again
    assert (plain.measured, cell.measured, cell.codec) == (False, True, "msgpack")


def test_what_gateways_send_on_counts_on_their_own_links(engine: Engine, rows: dict[str, TrafficResult]) -> None:
    world: Any = engine.wiring.world  # type: ignore[attr-defined]
    edge, behind = rows["edge"], rows["behind"]
    assert edge.forwarded == behind.readings - world.gateways.held - world.gateways.in_flight
    own = world.fleet.link_of_segment[0]
    carried = world.fleet.link_of_segment[1].reading_bytes(6)
    theirs = edge.readings * own.reading_bytes(6) + edge.births * own.state_bytes
    assert edge.payload_bytes == pytest.approx(theirs + edge.forwarded * carried, rel=0.01)


def test_energy_of_messages_is_what_batteries_gave_for_them(engine: Engine, rows: dict[str, TrafficResult]) -> None:
    world: Any = engine.wiring.world  # type: ignore[attr-defined]
    energy = world.energy
    energy.settle(np.arange(len(energy.device)), engine.now_us)
    assert rows["cell"].energy_j == pytest.approx(energy.spent_nj["messages"] / 1e9, rel=1e-6)
    spent_j = rows["cell"].energy_j
    assert spent_j is not None
    assert rows["cell"].message_energy_j == pytest.approx(spent_j / rows["cell"].messages, rel=1e-6)
    assert rows["plain"].energy_j is None


def test_blocks_and_snapshots_change_nothing(engine: Engine) -> None:
    told = engine.wiring.traffic()
    assert played(block=3).wiring.traffic() == told
    wiring = pickle.loads(pickle.dumps(played(until_us=100 * SECOND_US).wiring))
    assert wiring.traffic()[0].readings > 0


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (21_195_000, "21.2 MB"), (999_600, "1 MB"), (4 * 10**15, "4e+03 TB")],
)
def test_numbers_of_bytes_have_three_digits(bytes_: int, text: str) -> None:
    assert size(bytes_) == text
