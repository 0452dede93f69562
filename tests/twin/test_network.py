"""Slow and lossy links: what a class costs, one transmitter a device, order, the ledger, and who may not notice."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.twin.chance import words
from twinstorm.twin.flow import SECOND_US, LossCause
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.network import LINKS, LinkClass
from twinstorm.twin.uplink import retry_us
from twinstorm.twin.wire.codecs import Sender, encode_reading
from twinstorm.twin.wire.layout import layouts

ALIKE = [f"lorawan-sf{spreading}" for spreading in range(8, 12)]
"""Differ from those that are tried in their figures only."""
SLOW = [name for name, link in LINKS.items() if link.paced and name not in ALIKE]


def on_link(name: str, **changes: Any) -> Any:
    """Motors that sample each second and sensors each 7 s, all on one class."""
    fleet = plan(**changes)
    return replace(fleet, segments=tuple(replace(part, link=name) for part in fleet.segments))


def test_the_first_two_classes_are_what_they_were() -> None:
    assert [(LINKS[name].base_us, LINKS[name].jitter_us) for name in ("ethernet", "wifi")] == [
        (2_000, 2_000),
        (3_000, 4_000),
    ]
    assert (LINKS["wifi"].retry_us, LINKS["wifi"].retry_per_65536) == (200_000, 655)
    assert not LINKS["ethernet"].paced
    assert not LINKS["wifi"].paced


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_every_class_is_possible(link: LinkClass) -> None:
    assert link.base_us >= 1
    assert link.jitter_us < 1 << 32
    assert 0 <= link.retry_per_65536 < 65_536
    assert 1 <= link.duty_per_mille <= 1_000
    for kind in catalogue().values():
        assert link.fits(link.reading_bytes(len(kind.channels)))
    assert link.message_j(100, retries=2) >= link.message_j(100) >= link.message_j(10) >= 0


def test_spreading_doubles_the_time_on_air_and_shortens_what_may_be_sent() -> None:
    classes = [LINKS[f"lorawan-sf{spreading}"] for spreading in range(7, 13)]
    assert [link.payload_bytes for link in classes] == [222, 222, 115, 51, 51, 51]
    air_us = np.array([link.air_us(20) for link in classes])
    assert ((air_us[1:] > 1.7 * air_us[:-1]) & (air_us[1:] < 2.2 * air_us[:-1])).all()
    energy_j = [link.message_j(20) for link in classes]
    assert energy_j == pytest.approx((0.03 + 0.15 * air_us / 1e6).tolist())
    assert LINKS["lorawan-sf9"].air_us(20) == LINKS["lorawan"].air_us(20)


def test_time_on_air_is_the_size_over_the_bandwidth_or_that_of_lora() -> None:
    assert replace(LINKS["nb-iot"], bits_per_s=8_000, overhead_bytes=100).air_us(400) == 500_000
    assert LINKS["lorawan"].overhead_bytes == 13
    assert LINKS["lorawan"].air_us(0) == 164_864
    assert LINKS["ethernet"].air_us(10_000) == 0


def test_the_size_of_a_document_is_about_what_the_codec_writes() -> None:
    kinds = catalogue()
    layout = layouts({name: kind.channels for name, kind in kinds.items()})
    for name, kind in kinds.items():
        values = [float(f"{(each.lowest + each.highest) / 2:.4g}") for each in kind.channels]
        sender = Sender("fra-1/segment-0042", name, "segment", "1.0.0")
        written = len(encode_reading(sender, layout[name], 3, 12_345, 1_893_456_000_000_000, values))
        assert LINKS["lte-m"].reading_bytes(len(kind.channels)) == pytest.approx(written, rel=0.1)


def test_timeouts_double_up_to_a_minute() -> None:
    first_us, retries = np.full(4, SECOND_US), np.array([0, 1, 3, 8])
    assert (retry_us(first_us, retries) // SECOND_US).tolist() == [0, 1, 7, 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60]


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_readings_arrive_in_order_and_each_is_accounted_for(name: str, qos: int) -> None:
    lab = Lab.make(on_link(name, motors=20, climate=10, qos=qos), connect_rate=None)
    lab.until(120 * SECOND_US)
    assert lab.missing() == 0
    lost = sum(lab.world.lost.values())
    if name == "datagram":
        assert 0 < lost < 0.03 * lab.world.produced
        assert lab.world.lost[LossCause.QOS0] == lost
    else:
        assert lost == 0
        for seqs in lab.order.values():
            assert seqs == sorted(seqs)
        assert len(lab.order) == 30


def test_lora_keeps_its_duty_cycle() -> None:
    """Each frame of 31 bytes is 247 ms on air, and so is each repetition: one in 25 s."""
    lab = Lab.make(on_link("lorawan", motors=40, climate=0, buffer=400), connect_rate=None)
    air_us = LINKS["lorawan"].air_us(LINKS["lorawan"].reading_bytes(6))
    lab.until(300 * SECOND_US)
    fleet, links = lab.world.fleet, lab.world.fleet.links
    repeated = 0
    for device, numbers in lab.order.items():
        number = np.array(numbers)
        draws = words(lab.world.output.uplink, np.repeat(fleet.key[device], len(number)), number)
        again = int(np.count_nonzero(links.lost_once(int(fleet.link[device]), draws)))
        turns, rest = divmod(int(lab.world.uplinks.free_us[device] - fleet.phase_us[device]), 100 * air_us)
        assert (turns, rest) == (len(numbers) + again, 0)
        assert turns - 2 <= 300 * SECOND_US // (100 * air_us) <= turns
        repeated += again
    assert 0 < repeated < 0.1 * len(lab.arrived_us)


@pytest.mark.parametrize("name", [name for name in SLOW if not LINKS[name].datagram])
def test_a_fault_that_adds_nothing_changes_nothing(name: str) -> None:
    """Messages that a fault holds go another way through the code."""

    def arrived(held: bool) -> dict[tuple[int, int], int]:
        lab = Lab.make(on_link(name, motors=20, climate=10), connect_rate=None)
        lab.until(SECOND_US)
        if held:
            lab.world.uplinks.slow_down("nothing", np.arange(30, dtype=np.int32), SECOND_US, 0, 0)
        lab.until(120 * SECOND_US)
        return lab.arrived_us

    assert arrived(held=True) == arrived(held=False)


def test_a_cut_of_datagrams_loses_what_is_sent_into_it() -> None:
    lab = Lab.make(on_link("datagram", motors=10, climate=0), connect_rate=None)
    everybody = np.arange(10, dtype=np.int32)
    lab.until(10 * SECOND_US + 1)
    lab.world.cut(everybody, 10 * SECOND_US + 1, "both")
    lab.until(20 * SECOND_US + 1)
    assert lab.world.lost[LossCause.QOS0] >= 100
    lab.world.heal(everybody, 20 * SECOND_US + 1, "both")
    lab.until(30 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.buffers.held == 0


def test_what_is_longer_than_a_payload_may_be_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LINKS, "zigbee", replace(LINKS["zigbee"], payload_bytes=10))
    lab = Lab.make(on_link("zigbee", motors=5, climate=0), connect_rate=None)
    lab.until(10 * SECOND_US)
    assert lab.world.lost[LossCause.QOS0] == lab.world.produced == 50
    assert not lab.delivered
    assert lab.missing() == 0


@pytest.mark.parametrize("name", SLOW)
def test_blocks_watchers_and_other_devices_change_nothing(name: str) -> None:
    def played(block: int = 16_384, motors: int = 6, step_us: int = 60 * SECOND_US) -> dict[tuple[str, int], bytes]:
        lab = Lab.make(on_link(name, motors=motors, climate=4), connect_rate=None, block=block)
        for at_us in range(step_us, 90 * SECOND_US, step_us):
            lab.until(at_us)
        lab.until(90 * SECOND_US)
        names = lab.world.fleet.names
        return {(names[who], seq): values for (who, seq), values in lab.delivered.items()}

    expected = played()
    assert played(block=3) == expected
    assert played(step_us=777_777) == expected
    assert expected.items() <= played(motors=16).items()


def test_a_world_in_the_middle_of_it_can_be_saved() -> None:
    lab = Lab.make(on_link("nb-iot", motors=5, climate=5), connect_rate=None)
    lab.until(20 * SECOND_US)
    again = pickle.loads(pickle.dumps(lab.world))
    assert again.uplinks.free_us.tolist() == lab.world.uplinks.free_us.tolist()
    assert again.uplinks._world is again
