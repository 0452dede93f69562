"""Gateways in a file: who stands behind whom, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from twinstorm.scenarios.engine.memory import needed_bytes
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import fleet_plan
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.select import FleetSelector
from twinstorm.scenarios.language import selectors
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.gateways import NEED_A_GATEWAY
from twinstorm.scenarios.language.reach import Reach
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.fleet import grow
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.mesh_plan import MeshPlan

FILE = """
storm: 1
name: carried
story: Some stand behind others.
duration: 10 min
fleet:
  devices: 67
  sites: [oslo, rome]
  segments:
    edge: {kind: gateway, share: 10 %, gateway: {rate: 30/min, store: memory, memory: 8 MB, spare: standby}}
    soil: {kind: environment, share: 50 %, through: edge}
    halls: {kind: environment, share: 40 %}
steps:
  - {name: crash, at: 1 min, fault: gateway-crash, target: segment=edge, lasts: 1 min}
"""


def test_what_gateways_do_is_read_with_defaults() -> None:
    edge, soil, halls = read(FILE, "carried.storm.yaml").fleet.segments
    assert edge.gateway is not None
    assert (edge.gateway.store, edge.gateway.memory_bytes, edge.gateway.spare) == ("memory", 8e6, "standby")
    assert (edge.gateway.queue, edge.gateway.buffer.readings, edge.gateway.power) == (1_000, 20_000, "mains")
    assert (soil.through, halls.through, soil.gateway) == ("edge", "", None)
    plan = fleet_plan(read(FILE, "carried.storm.yaml")).segments[0].gateway
    assert plan is not None
    assert (plan.rate_per_s, plan.durable, plan.spare) == (0.5, False, True)


def test_what_a_processor_leaves_is_read() -> None:
    def edge(processor: str) -> tuple[int, bool]:
        plan = fleet_plan(read(FILE.replace("store: memory", processor), "carried.storm.yaml")).segments[0].gateway
        assert plan is not None
        return plan.edge_every_us, plan.edge_mean

    assert edge("store: memory") == (0, False)
    assert edge("processor: {every: 10 s}, store: memory") == (10_000_000, False)
    assert edge("processor: {every: 1 min, keep: mean}, store: memory") == (60_000_000, True)


def test_a_mesh_is_read_with_defaults_and_devices_on_batteries_pass_nothing_on() -> None:
    def soil(more: str) -> MeshPlan | None:
        text = FILE.replace("through: edge", f"through: edge, link: zigbee, mesh: {more}")
        return fleet_plan(read(text, "carried.storm.yaml")).segments[1].mesh

    assert soil("{}") == MeshPlan(1.0, 20.0, 60.0, 20_000_000)
    assert soil("{}, power: {battery: 19 Wh}") == MeshPlan(0.0, 20.0, 60.0, 20_000_000)
    assert soil("{routers: 25 %, range: 30 m, area: 1000 m, rejoin: 1 min}") == MeshPlan(0.25, 30, 1000, 60_000_000)
    assert fleet_plan(read(FILE, "carried.storm.yaml")).segments[1].mesh is None


@pytest.mark.parametrize(
    "text",
    [
        "gateway=none",
        "gateway=oslo/edge-0001",
        "gateway=rome/*",
        "gateway!=none kind=environment",
        "gateway=oslo/edge-0002 kind=gateway",
        "gateway=oslo/edge-0001 id=oslo/soil-00*",
    ],
)
def test_a_file_counts_the_devices_that_the_run_will_find(text: str) -> None:
    scenario = read(FILE, "carried.storm.yaml")
    fleet = grow(fleet_plan(scenario))
    registry = fleet.registry({kind: catalogue()[kind].channels for kind in ("environment", "gateway")})
    selector = selectors.parse(text)
    found = int(np.count_nonzero(FleetSelector(registry, fleet.key, 1).mask(selector)))
    assert found == Reach(scenario.fleet).count(selector) > 0


def test_every_device_stands_behind_a_gateway_of_its_site() -> None:
    fleet = grow(fleet_plan(read(FILE, "carried.storm.yaml")))
    behind = np.flatnonzero(fleet.carrier)
    assert len(behind) == 33
    assert (fleet.site[fleet.gateway[fleet.carrier[behind] - 1]] == fleet.site[behind]).all()
    assert set(np.bincount(fleet.carrier)[1:].tolist()) <= {4, 5, 6}


def test_a_gateway_brings_those_behind_it() -> None:
    fleet = grow(fleet_plan(read(FILE, "carried.storm.yaml")))
    registry = fleet.registry({kind: catalogue()[kind].channels for kind in ("environment", "gateway")})
    first = fleet.gateway[:1].astype(np.int32)
    assert registry.with_carried(first).tolist() == sorted([*first.tolist(), *np.flatnonzero(fleet.carrier == 1)])
    soil = np.flatnonzero(fleet.carrier)[:3].astype(np.int32)
    assert registry.with_carried(soil).tolist() == soil.tolist()


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("through: edge", "through: egde", "S302", "there is no segment `egde`"),
        ("through: edge", "through: halls", "S212", "carries nobody"),
        ("share: 40 %}", "share: 40 %, gateway: {}}", "S212", "is of kind `environment`, which carries nobody"),
        ("kind: gateway,", "kind: gateway, link: datagram,", "S212", "carries others over `datagram`"),
        ("kind: gateway,", "kind: gateway, through: edge,", "S212", "stand behind others"),
        ("store: memory", "store: memory, disk: 1 MB", "S212", "have a disk and keep what waits in memory"),
        ("store: memory", "panel: 60 W", "S212", "live by the mains and need no panel"),
        ("store: memory", "processor: {keep: mean}", "S212", "keep one reading of each device, in no time"),
        ("store: memory", "processor: {every: 1500 ms}", "S212", "condense at whole seconds"),
        ("store: memory", "processor: {every: 10 s, keep: last}", "S204", "`last`"),
        ("store: memory", "power: solar, panel: 60 Wh", "S208", "this is in W, not in Wh"),
        ("devices: 67", "devices: 10", "S212", "has devices of `soil` and no gateway"),
        ("kind: gateway,", "kind: gateway, link: zigbee,", "S212", "ends at a gateway, and stands behind none"),
        ("through: edge", "through: edge, mesh: {}", "S212", "is on `ethernet`, whose devices pass on nothing"),
        (
            "through: edge",
            "through: edge, link: zigbee, power: {battery: 19 Wh}, mesh: {routers: 10 %}",
            "S212",
            "would have to listen all the time, and live on batteries",
        ),
        ("through: edge", "through: edge, link: zigbee, mesh: {range: 20}", "S208", "needs a unit"),
        ("target: segment=edge", "target: segment=soil", "S309", "no targeted device is a gateway that carries others"),
        ("gateway-crash", "disk-full", "S309", "no targeted gateway buffers on a disk"),
        ("target: segment=edge", "target: gateway=oslo/egde-0001", "S301", "matches 0 of 67 devices"),
    ],
)
def test_what_does_not_fit_is_told(old: str, new: str, code: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as error:
        read(FILE.replace(old, new), "carried.storm.yaml")
    assert any(one.code == code and said in one.message for one in error.value.problems), error.value.problems


def test_a_failover_needs_a_spare() -> None:
    read(FILE.replace("gateway-crash", "gateway-failover"), "carried.storm.yaml")
    alone = FILE.replace("gateway-crash", "gateway-failover").replace(", spare: standby", "")
    with pytest.raises(ScenarioErrors) as error:
        read(alone, "carried.storm.yaml")
    assert "has a spare" in error.value.problems[0].message


def test_memory_for_what_gateways_hold_is_asked_for_before_the_run() -> None:
    direct = needed_bytes(read(FILE.replace(", through: edge", ""), "carried.storm.yaml"))
    carried = needed_bytes(read(FILE, "carried.storm.yaml"))
    longer = needed_bytes(read(FILE.replace("10 min", "10 d"), "carried.storm.yaml"))
    assert direct < carried < longer
    assert longer - direct == 150 * 7 * 21_000, "as many as have a place, however long the run"


def ward(wearables: int, gateways: int) -> str:
    return f"""
storm: 1
name: ward
story: Patients, and gateways that hear them.
duration: 3 min
fleet:
  sites: [oslo, rome]
  segments:
    ear: {{kind: gateway, devices: {gateways}}}
    patients: {{kind: wearable, devices: {wearables}, link: ble, through: ear, every: 5 s}}
objectives:
  fresh: {{sli: freshness, within: 30 s, of: segment=patients, at_least: 95 %}}
"""


def test_a_gateway_holds_no_more_devices_over_ble_than_its_radio_can() -> None:
    with pytest.raises(ScenarioErrors) as raised:
        read(ward(130, 4), "ward.storm.yaml")
    (problem,) = raised.value.problems
    assert (problem.code, problem.path) == ("S212", "fleet.segments.patients.through")
    assert "65 devices behind 2 of `ear`" in problem.message
    assert "a gateway holds 30" in problem.message
    assert "at least 3 devices on that site" in problem.advice


def test_wearables_behind_ble_gateways_are_heard() -> None:
    engine = build(read(ward(120, 4), "ward.storm.yaml"), RunOptions(seed=1))
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.verdict == "held"
    assert engine.ledger().difference == 0
    assert engine.ledger().delivered > 120 * 30


@pytest.mark.parametrize("link", NEED_A_GATEWAY)
def test_a_link_that_ends_at_a_gateway_needs_one(link: str) -> None:
    alone = ward(40, 4).replace("link: ble, through: ear", f"link: {link}")
    with pytest.raises(ScenarioErrors) as raised:
        read(alone, "ward.storm.yaml")
    (problem,) = raised.value.problems
    assert (problem.code, problem.path) == ("S212", "fleet.segments.patients.link")
    assert problem.place.line == alone[: alone.index("patients:")].count("\n") + 1
    assert f"segment `patients` is on `{link}`" in problem.message
    assert "write `through: ear`" in problem.advice
    read(ward(40, 4).replace("link: ble", f"link: {link}"), "ward.storm.yaml")


def test_a_link_of_the_whole_fleet_that_ends_at_a_gateway_is_told_where_it_bites() -> None:
    everybody = ward(40, 4).replace("link: ble, ", "").replace("fleet:", "fleet:\n  link: zigbee")
    with pytest.raises(ScenarioErrors) as raised:
        read(everybody, "ward.storm.yaml")
    (problem,) = raised.value.problems
    assert problem.path == "fleet.segments.ear"
    assert "such as `lte-m`" in problem.advice


def test_gateways_gather_if_the_file_says_so() -> None:
    assert read(FILE, "carried.storm.yaml").fleet.segments[0].gateway.batch is None  # type: ignore[union-attr]
    said = FILE.replace("spare: standby", "batch: {readings: 50, every: 500 ms}")
    plan = fleet_plan(read(said, "carried.storm.yaml")).segments[0].gateway
    assert plan is not None
    assert (plan.batch_readings, plan.batch_every_us) == (50, 500_000)
    usual = fleet_plan(read(FILE.replace("spare: standby", "batch: {}"), "carried.storm.yaml")).segments[0].gateway
    assert usual is not None
    assert (usual.batch_readings, usual.batch_every_us) == (200, 1_000_000)


@pytest.mark.parametrize("batch", ["readings: 1", "readings: 1001", "every: 1 ms", "every: 2 h", "rows: 3"])
def test_batches_have_bounds(batch: str) -> None:
    with pytest.raises(ScenarioErrors):
        read(FILE.replace("spare: standby", f"batch: {{{batch}}}"), "carried.storm.yaml")


def test_gateways_that_gather_stand_at_no_trunk() -> None:
    said = FILE.replace("spare: standby", "batch: {}")
    said = said.replace("sites: [oslo, rome]", "sites: {oslo: {trunk: {rate: 1 MB/s}}, rome: {}}")
    with pytest.raises(ScenarioErrors, match="sites have trunks") as error:
        read(said, "carried.storm.yaml")
    assert "messages of one reading each: remove `batch`" in error.value.problems[0].hint
