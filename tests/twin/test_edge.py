"""Gateways whose processor passes on fewer readings than it takes in."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, carried
from twinstorm.twin.backlog import Messages
from twinstorm.twin.edge import EdgeProcessors
from twinstorm.twin.fleet import GatewayPlan, grow
from twinstorm.twin.flow import MINUTE_US, SECOND_US, LossCause
from twinstorm.twin.gateways import BROKER, BUFFER, PROCESSOR
from twinstorm.twin.machines.installed import catalogue
from twinstorm.twin.stories import Stage

EVERY_US = 10 * SECOND_US
MOTORS, CLIMATE = 12, 4


def lab_of(every_us: int = EVERY_US, mean: bool = False) -> Lab:
    fleet = carried(MOTORS, CLIMATE, gateways=2, edge_every_us=every_us, edge_mean=mean)
    return Lab.make(fleet, connect_rate=None)


def motors(lab: Lab) -> list[int]:
    names = lab.world.fleet.names
    return [who for who in range(len(names)) if "/motors-" in names[who]]


def values(lab: Lab, who: int) -> dict[int, np.ndarray]:
    """By number of the reading."""
    return {seq: np.frombuffer(raw, np.float32) for (one, seq), raw in lab.delivered.items() if one == who}


def test_the_first_reading_of_each_window_goes_on_at_once_and_the_others_are_lost_on_purpose() -> None:
    lab, whole = lab_of(), lab_of(0)
    for one in (lab, whole):
        one.until(5 * MINUTE_US)
        assert one.missing() == 0
    for who in motors(lab):
        kept, every = values(lab, who), values(whole, who)
        assert len(kept) == pytest.approx(30, abs=1)
        assert all((every[seq] == each).all() for seq, each in kept.items()), "as it was measured"
        windows = [whole.arrived_us[who, seq] // EVERY_US for seq in sorted(kept)]
        assert np.mean([lab.arrived_us[who, seq] - (seq - 1) * SECOND_US for seq in kept]) < SECOND_US
        assert len(set(windows)) >= len(windows) - 1
    lost = lab.world.lost[LossCause.EDGE_FILTERED]
    assert lost == lab.world.produced - len(lab.delivered) - lab.world.held - lab.world.in_flight - lab.broker.in_flight
    assert lost > 0.8 * MOTORS * 300
    assert set(lab.world.lost) - {LossCause.EDGE_FILTERED} == set(whole.world.lost)


def test_a_mean_goes_on_at_the_end_of_its_window_by_the_name_of_its_newest_reading() -> None:
    lab, whole = lab_of(mean=True), lab_of(0)
    for one in (lab, whole):
        one.until(5 * MINUTE_US + SECOND_US)
        assert one.missing() == 0
    for who in motors(lab):
        found, every = values(lab, who), values(whole, who)
        assert len(found) == pytest.approx(30, abs=1)
        numbers = sorted(found)
        for before, seq in zip([0, *numbers], numbers, strict=False):
            inside = np.stack([every[each] for each in range(before + 1, seq + 1)])
            assert len(inside) == pytest.approx(10, abs=1)
            steps = [channel.step for channel in lab.world.channels["motor"]]
            assert (np.abs(inside.astype(np.float64).mean(axis=0) - found[seq]) <= np.array(steps) * 0.501 + 1e-4).all()
        late_us = [lab.arrived_us[who, seq] % EVERY_US for seq in numbers]
        assert max(late_us) < SECOND_US, "just after the end of a window"
    assert lab.world.lost[LossCause.EDGE_AGGREGATED] > 0.8 * MOTORS * 300


@pytest.mark.parametrize("mean", [False, True])
def test_without_the_word_a_gateway_passes_on_all(mean: bool) -> None:
    lab = lab_of(0, mean)
    lab.until(MINUTE_US)
    assert lab.world.gateways is not None
    assert lab.world.gateways._edge is None
    assert not lab.world.lost


def test_a_processor_that_stops_loses_the_means_that_it_had_begun() -> None:
    lab = lab_of(mean=True)
    gateways = lab.world.gateways
    assert gateways is not None
    everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
    lab.until(65 * SECOND_US)
    found = gateways.stop(everybody, PROCESSOR, 65 * SECOND_US)
    assert found["readings_lost"] == lab.world.lost[LossCause.OUTAGE] >= MOTORS
    lab.until(90 * SECOND_US)
    assert lab.missing() == 0
    gateways.start(everybody, PROCESSOR, 90 * SECOND_US)
    lab.until(3 * MINUTE_US)
    assert lab.missing() == 0
    assert lab.world.held <= MOTORS + CLIMATE


@pytest.mark.parametrize("mean", [False, True])
def test_the_ledger_closes_and_no_block_or_snapshot_changes_anything_whatever_stops(mean: bool) -> None:
    def played(block: int, save: bool) -> Lab:
        fleet = carried(MOTORS, CLIMATE, gateways=2, edge_every_us=EVERY_US, edge_mean=mean, durable=False)
        lab = Lab.make(fleet, block=block, connect_rate=None)
        everybody = np.arange(len(lab.world.fleet), dtype=np.int32)
        for number, service in enumerate((PROCESSOR, BUFFER, BROKER)):
            at_us = (1 + number) * MINUTE_US + 3_300_000
            lab.until(at_us)
            assert lab.world.gateways is not None
            lab.world.gateways.stop(everybody, service, at_us)
            if save:
                world, broker, log = pickle.loads(pickle.dumps((lab.world, lab.broker, lab.log)))
                again = Lab(world, broker, log, Stage(world.acts, world.stories, at_us))
                again.delivered, again.arrived_us, lab = lab.delivered, lab.arrived_us, again
            lab.until(at_us + 25 * SECOND_US)
            assert lab.world.gateways is not None
            lab.world.gateways.start(everybody, service, at_us + 25 * SECOND_US)
        assert lab.world.gateways is not None
        lab.world.power_off(lab.world.gateways.device.astype(np.int32), at_us + 30 * SECOND_US)
        lab.until(5 * MINUTE_US)
        assert lab.missing() == 0
        return lab

    reference = played(16_384, save=False)
    assert played(5, save=False).arrived_us == reference.arrived_us
    saved = played(16_384, save=True)
    assert saved.arrived_us == reference.arrived_us
    assert saved.log.digest() == reference.log.digest()


def test_readings_of_a_gateway_itself_are_not_condensed() -> None:
    lab = lab_of(MINUTE_US)
    lab.until(5 * MINUTE_US)
    assert lab.world.gateways is not None
    device = lab.world.gateways.device.tolist()
    assert all(len(lab.order[who]) == 30 for who in device)


def test_the_core_expects_devices_behind_a_processor_as_often_as_it_passes_their_readings_on() -> None:
    made = carried(MOTORS, CLIMATE, gateways=2, edge_every_us=MINUTE_US)
    edge, motors, climate = made.segments
    direct = replace(motors, name="direct", through="")
    fleet = grow(replace(made, segments=(edge, motors, replace(climate, every_us=2 * MINUTE_US), direct)))
    channels = {part.kind: catalogue()[part.kind].channels for part in fleet.plan.segments}
    registry = fleet.registry(channels)
    found = {name: set(registry.every_us[registry.segment == code]) for code, name in enumerate(registry.segments)}
    assert found == {
        "edge": {10 * SECOND_US},
        "motors": {MINUTE_US},
        "climate": {2 * MINUTE_US},
        "direct": {SECOND_US},
    }
    assert set(fleet.every_us[fleet.segment == 1]) == {SECOND_US}, "they sample as ever"


def test_of_what_has_no_mean_the_newest_value_that_was_told_goes_on_as_it_is() -> None:
    channels = catalogue()["vehicle"].channels
    names = [channel.name for channel in channels]
    heading, speed, longitude = (names.index(name) for name in ("heading_deg", "speed_km_h", "longitude_deg"))
    lost: list[int] = []
    processor = EdgeProcessors(
        [GatewayPlan(rate_per_s=1.0, edge_every_us=EVERY_US, edge_mean=True)],
        2,
        ["vehicle"],
        {"vehicle": channels},
        len(channels),
        lambda _cause, device: lost.extend(device.tolist()),
    )

    def messages(device: list[int], at_us: int, values: np.ndarray) -> Messages:
        n = np.zeros(len(device), np.int64)
        who, boot = np.array(device, np.int32), n.astype(np.int32)
        return Messages(n, n.astype(np.int16), who, boot, n, n, n, n + at_us, values)

    def came(at_s: int, device: list[int], told: list[tuple[float, float, float]]) -> None:
        values = np.zeros((len(device), len(channels)), np.float32)
        values[:, [heading, speed, longitude]] = told
        assert not len(processor.take(messages(device, at_s * SECOND_US, values)).device)

    came(1, [0, 1], [(359.0, 10.0, 179.9), (90.0, 30.0, 5.0)])
    came(2, [0, 0], [(2.0, 20.0, -179.9), (1.03, 60.0, -179.8)])
    came(3, [1], [(np.nan, 50.0, np.nan)])
    passed = processor.finished(EVERY_US, np.ones(1, np.bool_))
    assert passed.device.tolist() == [0, 1]
    expected = np.array([[1.03, 30.0, -179.8], [90.0, 40.0, 5.0]], np.float32)
    assert (passed.values[:, [heading, speed, longitude]] == expected).all()
    assert sorted(lost) == [0, 0, 1]

    came(11, [0], [(np.nan, 8.0, 3.0)])
    again = processor.finished(2 * EVERY_US, np.ones(1, np.bool_)).values[0]
    assert np.isnan(again[heading]), "a new window knows nothing of the one before"
    assert again[longitude] == 3.0


def test_angles_counters_and_codes_have_no_mean() -> None:
    kinds = [kind for kind in catalogue().values() if kind.__module__.startswith("twinstorm.")]
    found = {f"{kind.name} {one.name}" for kind in kinds for one in kind.channels if not one.averaged}
    assert found == {
        "building hvac_energy_kwh",
        "camera pictures",
        "controller parts",
        "controller scrap",
        "controller state",
        "controller stops",
        "meter energy_kwh",
        "shelf door_openings",
        "vehicle heading_deg",
        "vehicle inside_geofence",
        "vehicle longitude_deg",
    }
