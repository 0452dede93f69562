"""Gateways whose processor passes on fewer readings than it takes in."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.twin.worlds import Lab, carried
from twinstorm.twin.flow import MINUTE_US, SECOND_US, LossCause
from twinstorm.twin.gateways import BROKER, BUFFER, PROCESSOR
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
