"""Links that are bad at times: what is lost in the long run, what silence does, and what repetitions cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.broker import downstream
from twinstorm.scenarios.faults.network import BandwidthSqueeze, BurstLoss
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin import output
from twinstorm.twin.cells import PowerPlan
from twinstorm.twin.energy import MESSAGES
from twinstorm.twin.fading import Fading
from twinstorm.twin.flow import SECOND_US, FaultOrder, LossCause
from twinstorm.twin.network import LINKS, LinkClass, Links
from twinstorm.twin.radio import BurstLoss as Chain


def links_of(link: LinkClass, devices: int) -> Fading:
    key = np.arange(1, devices + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return Fading(7, Links.of((link,)), np.zeros(devices, np.uint8), key, np.ones(devices, np.bool_))


def sent_every(link: LinkClass, slots: int, transmissions: int = 1_500, devices: int = 400) -> Any:
    """Losses, bool (transmissions, devices), one transmission each so many steps of the chain."""
    fading, device = links_of(link, devices), np.arange(devices)
    every_us = slots * link.slot_us
    return np.array(
        [
            fading.transmit("reading", device, np.full(devices, nth), 0, np.full(devices, nth * every_us))
            for nth in range(transmissions)
        ]
    )


@pytest.mark.parametrize("slots", [1, 2, 5, 300])
@pytest.mark.parametrize("name", ["weak-wifi", "cellular", "congested"])
def test_silence_is_jumped_over_exactly(name: str, slots: int) -> None:
    """Whoever looks at every n-th step sees the chain: the same share, and neighbours correlated by (1 - p - r)^n."""
    link = LINKS[name]
    assert link.bursts is not None
    lost = sent_every(link, slots)
    share = lost.mean()
    assert share == pytest.approx(link.bursts.loss, rel=0.12)
    both = (lost[:-1] & lost[1:]).mean()
    correlation = (both - share**2) / (share - share**2)
    assert correlation == pytest.approx((1 - link.bursts.worsen - link.bursts.recover) ** slots, abs=0.02)


def test_the_probability_after_silence_is_that_of_the_steps_one_by_one() -> None:
    chain = Chain(worsen=0.03, recover=0.4, through_good=0.9, through_bad=0.2)
    fading = links_of(replace(LINKS["weak-wifi"], bursts=chain), 2)
    bad = np.array([True, False])
    share = bad.astype(np.float64)
    for steps in range(1, 200):
        share = share * (1 - chain.recover) + (1 - share) * chain.worsen
        jumped = fading._bad_after(np.zeros(2, np.uint8), bad, np.full(2, steps))
        assert jumped == pytest.approx(share, abs=1e-12)
    far = fading._bad_after(np.zeros(2, np.uint8), bad, np.full(2, 1 << 50))
    assert far == pytest.approx([chain.bad_share] * 2, abs=1e-12)


def test_what_the_table_says_is_the_probability_to_the_last_bit() -> None:
    fading = links_of(replace(LINKS["cellular"], bursts=Chain(worsen=0.03, recover=0.4, through_good=0.9)), 1)
    steps = np.arange(-1, 3_000)
    for bad in (False, True):
        was = np.full(len(steps), bad)
        wanted = np.rint(fading._bad_after(np.zeros(len(steps), np.uint8), was, steps) * (1 << 32)).astype(np.uint64)
        assert fading._chance(0, was, steps.copy()).tolist() == wanted.tolist()
        assert fading._chance(np.zeros(len(steps), np.uint8), was, steps.copy()).tolist() == wanted.tolist()


def on_link(name: str, **changes: Any) -> Any:
    fleet = plan(buffer=200, **changes)
    return replace(fleet, segments=tuple(replace(part, link=name) for part in fleet.segments))


@pytest.mark.parametrize("name", ["weak-wifi", "cellular", "congested", "lorawan-sf7", "lorawan-sf12"])
def test_over_a_connection_nothing_is_lost_and_order_stays(name: str) -> None:
    lab = Lab.make(on_link(name, motors=6, climate=4), connect_rate=None)
    lab.until(200 * SECOND_US)
    assert lab.missing() == 0
    assert not lab.world.lost
    assert lab.delivered
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())


@pytest.mark.parametrize("name", ["lte-m", "cellular", "lorawan-sf12", "datagram"])
def test_masked_blocks_and_stragglers_one_by_one_change_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def arrivals(way: int) -> dict[tuple[int, int], int]:
        monkeypatch.setattr(output, "MOSTLY", (2, 0, 1_000)[way])
        monkeypatch.setattr(downstream, "FEW", (16, 0, 1_000)[way])
        lab = Lab.make(on_link(name, motors=40, climate=0), connect_rate=None)
        lab.until(60 * SECOND_US)
        lab.world.power_off(np.arange(7, 30, dtype=np.int32), 60 * SECOND_US)
        for second in range(61, 120):  # as often as a core looks
            lab.until(second * SECOND_US)
        assert lab.missing() == 0
        return lab.arrived_us

    usual = arrivals(0)
    assert len(usual) > 1_000 or name.startswith("lorawan")
    assert arrivals(1) == usual, "gathered, and never dense"
    assert arrivals(2) == usual, "masked, and always dense"


def test_what_nobody_repeats_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bursty = replace(LINKS["datagram"], retry_per_65536=0, bursts=Chain(worsen=0.05, recover=0.2), slot_us=SECOND_US)
    monkeypatch.setitem(LINKS, "datagram", bursty)
    lab = Lab.make(on_link("datagram"), connect_rate=None)
    lab.until(300 * SECOND_US)
    assert lab.missing() == 0
    assert lab.world.lost[LossCause.QOS0] / lab.world.produced == pytest.approx(0.2, rel=0.2)


# --- energy -----------------------------------------------------------------------------------------------------------


def on_battery(name: str) -> Lab:
    fleet = on_link(name, motors=10, climate=0)
    power = PowerPlan(full_j=1e6)
    return Lab.make(
        replace(fleet, segments=tuple(replace(part, power=power) for part in fleet.segments)), connect_rate=None
    )


def messages_j(lab: Lab, to_s: int = 120) -> float:
    lab.until(to_s * SECOND_US)
    energy = lab.world.energy
    assert energy is not None
    energy.settle(np.arange(10), to_s * SECOND_US)
    return energy.spent_nj[MESSAGES] / 1e9


def test_every_repetition_costs_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    link = replace(LINKS["weak-wifi"], air_w=0.5)

    def spent_j(chain: Chain) -> float:
        monkeypatch.setitem(LINKS, "weak-wifi", replace(link, bursts=chain))
        lab = on_battery("weak-wifi")
        found = messages_j(lab)
        assert lab.world.fleet.seq.sum() == 1_200
        return found

    size = link.reading_bytes(6)
    good_j = spent_j(Chain(worsen=0.0, recover=1.0))
    assert good_j == pytest.approx(1_200 * link.message_j(size, 0), rel=0.001)
    # Each transmission is lost with this probability, whatever was before.
    bad_j = spent_j(Chain(worsen=0.2, recover=0.8))
    assert bad_j == pytest.approx(1_200 * link.message_j(size, 0) + 300 * link.repeat_j(size), rel=0.02)
    assert link.repeat_j(size) == pytest.approx(0.005 + 0.5 * link.air_us(size) / 1e6)


def test_repetitions_take_of_the_duty_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    link = LINKS["lorawan-sf7"]

    def delivered(chain: Chain) -> int:
        monkeypatch.setitem(LINKS, "lorawan-sf7", replace(link, bursts=chain))
        lab = Lab.make(on_link("lorawan-sf7", motors=10, climate=0), connect_rate=None)
        lab.until(600 * SECOND_US)
        return len(lab.delivered)

    good, bad = delivered(Chain(worsen=0.0, recover=1.0)), delivered(Chain(worsen=0.5, recover=0.5))
    # Two transmissions a message on the average, each with 99 times its time on air of silence, and timeouts of 8 s.
    cycle_s = 100 * link.air_us(link.reading_bytes(6)) / 1e6
    assert good == pytest.approx(6_000 / cycle_s, rel=0.05)
    assert bad == pytest.approx(6_000 / (2 * cycle_s + 8), rel=0.15)


def struck(fault: Any, given: dict[str, str]) -> Lab:
    lab = on_battery("lte-m")
    device = np.arange(10, dtype=np.int32)
    order = FaultOrder("f", fault.name, fault_settings(fault, given, 10), device, 0, None)
    lab.until(10 * SECOND_US)
    fault.start(lab.world, order, device, 10 * SECOND_US)
    return lab


def test_a_squeeze_costs_the_time_on_air() -> None:
    slow, usual = struck(BandwidthSqueeze, {"to": "1 kB/s"}), on_battery("lte-m")
    more_j = messages_j(slow, 61) - messages_j(usual, 61)
    size = slow.world.reading_sizes["motor"]
    slower_s = size.total_bytes[0] / 1_000 - size.air_us[0] / 1e6
    # From 10 s to 61 s, one message a second each.
    assert more_j == pytest.approx(10 * 51 * slower_s * LINKS["lte-m"].burst_w, rel=0.05)


def test_a_connect_that_is_repeated_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = struck(BurstLoss, {"loss": "50 %", "burst": "2"})
    device = np.arange(10, dtype=np.int64)
    lab.world.fleet.begin_us[:] = 10 * SECOND_US
    told: list[Any] = []
    monkeypatch.setattr(lab.world.parts, "count_repeated", (lambda who, times, slower_us: told.append(times.tolist()),))
    lab.world.uplinks.arriving(device, device + 1)
    wait_us = lab.world.uplinks.connect_extra_us(device, device + 1)
    assert len(told) == 1
    assert [times > 0 for times in told[0]] == (wait_us > 0).tolist()
    assert 2 < sum(told[0]) < 40
