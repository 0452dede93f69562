"""Gateways on connections of which no model knows: what they say there, and when they stop to send.

The broker here is the modelled one, so that both ways of telling the core can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.engine.test_gateway_faults import ALL, GATEWAYS, behind, end, gateways, start, until
from tests.twin.worlds import Lab, broker_settings, carried
from twinstorm.broker.modelled import ModelledBroker
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.flow import SECOND_US, Int, Mask, SessionEvent, SessionEvents
from twinstorm.twin.stories import Stage
from twinstorm.twin.world import World


class Wire(ModelledBroker):
    """A `Trunk` whose other end is the modelled broker."""

    def __init__(self) -> None:
        super().__init__(broker_settings(connect_rate=None))
        self.full = np.zeros(64, np.bool_)
        self.said: list[tuple[int, int, int, int]] = []

    def backed_up(self, device: Int) -> Mask:
        return self.full[device]

    def forward(self, events: SessionEvents) -> None:
        columns = (events.at_us, events.device, events.what, events.boot)
        self.said += list(zip(*(column.tolist() for column in columns), strict=True))


def on_a_trunk(**gateway: Any) -> tuple[Lab, Wire]:
    log, wire = EventLog(keep=[]), Wire()
    world = World(carried(**gateway), 7, wire, log)
    wire.watcher = world
    return Lab(world, wire, log, Stage(world.acts, world.stories, 0)), wire


class Core:
    """Whom a core takes for present: by births and ends of sessions, an end of a gateway's for all behind it."""

    def __init__(self, lab: Lab) -> None:
        self.carrier = lab.world.fleet.carrier
        self.present = set(ALL.tolist())
        self.boot: dict[int, int] = {}

    def take(self, device: int, what: int) -> None:
        if what == SessionEvent.BORN:
            self.present.add(device)
        elif what in (SessionEvent.LOST, SessionEvent.CLOSED):
            self.present.discard(device)
            if device in GATEWAYS:
                self.present -= set(np.flatnonzero(self.carrier == 1 + device - GATEWAYS[0]).tolist())


LASTS_S = 160

CUTS: list[tuple[str, Mapping[str, str], Any, int]] = [
    ("partition", {}, GATEWAYS[:1], 8),
    ("partition", {}, GATEWAYS[:2], 70),
    ("link-up", {}, GATEWAYS[:1], 70),
    ("gateway-crash", {}, GATEWAYS[:2], 5),
    ("gateway-crash", {}, GATEWAYS[:2], 60),
    ("gateway-crash", {"service": "broker"}, GATEWAYS[:2], 20),
    ("gateway-crash", {"service": "forwarder"}, GATEWAYS[:2], 20),
    ("power-outage", {}, ALL[12:20], 30),
    ("power-outage", {}, ALL, 30),
    ("broker-outage", {}, None, 30),
    ("broker-outage", {"silent": "yes"}, None, 30),
]


@pytest.mark.parametrize(
    ("fault", "given", "device", "lasts_s"),
    CUTS,
    ids=["-".join([name, *given.values(), str(lasts_s)]) for name, given, _, lasts_s in CUTS],
)
def test_the_core_knows_whom_it_would_know_of_a_model(
    fault: str, given: Mapping[str, str], device: Any, lasts_s: int
) -> None:
    modelled, (lab, wire) = Lab.make(carried(), connect_rate=None), on_a_trunk()
    by_model, by_words = Core(modelled), Core(lab)
    heard = said = 0
    orders: dict[int, Any] = {}
    for second in range(1, LASTS_S):
        for nth, each in enumerate((modelled, lab)):
            if second == 20:
                orders[nth] = _begin(each, fault, device, dict(given))
            elif second == 20 + lasts_s:
                _end(each, fault, orders[nth], second)
            else:
                until(each, second)
        told = modelled.told[heard:]
        for _, who, what in told:
            by_model.take(who, what)
        heard = len(modelled.told)
        cloud = [row for row in lab.told if row[1] in GATEWAYS]
        words = [*cloud, *((at_us, who, what) for at_us, who, what, _ in wire.said[said:])]
        said = len(wire.said)
        lab.told.clear()
        # The broker hears the birth of a gateway before what the gateway says next on the same connection.
        for _, who, what in sorted(words, key=lambda row: (row[0], row[1] not in GATEWAYS)):
            by_words.take(who, what)
        assert by_words.present == by_model.present, f"at {second} s"
    assert by_words.present == set(ALL.tolist())
    assert lab.delivered.keys() == modelled.delivered.keys()


def _begin(lab: Lab, fault: str, device: Any, given: dict[str, str]) -> Any:
    if fault == "broker-outage":
        lab.until(20 * SECOND_US)
        return lab.broker.stop(20 * SECOND_US, silent="silent" in given)
    if fault == "link-up":
        lab.until(20 * SECOND_US)
        return lab.world.cut(device, 20 * SECOND_US, "up")
    return start(lab, 20, fault, device, **given)


def _end(lab: Lab, fault: str, order: Any, second: int) -> None:
    if fault in ("broker-outage", "link-up"):
        lab.until(second * SECOND_US)
        if fault == "link-up":
            lab.world.heal(GATEWAYS[:1], second * SECOND_US, "up")
        else:
            lab.broker.start(second * SECOND_US)
    else:
        end(lab, second, order)


def test_a_gateway_says_nothing_of_a_good_day() -> None:
    lab, wire = on_a_trunk()
    until(lab, 120)
    assert wire.said == []
    assert lab.missing() == 0


def test_a_device_that_reboots_behind_a_gateway_is_told_once_with_its_new_boot() -> None:
    lab, wire = on_a_trunk()
    one = np.array(behind(lab)[:1], np.int32)
    end(lab, 30, start(lab, 20, "power-outage", one))
    until(lab, 60)
    born = [(who, boot) for _, who, what, boot in wire.said if what == SessionEvent.BORN]
    assert born == [(int(one[0]), 2)]


def test_with_too_much_unacknowledged_readings_wait_where_the_limits_are() -> None:
    lab, wire = on_a_trunk(buffer_readings=100)
    until(lab, 20)
    wire.full[GATEWAYS[0]] = True
    before = {device: len(lab.order[device]) for device in behind(lab)}
    until(lab, 60)
    assert all(len(lab.order[device]) <= before[device] + 1 for device in before)
    assert gateways(lab).held == 100
    assert np.count_nonzero(gateways(lab).held_each()) == len(before)
    assert sum(lab.world.lost.values()) > 100
    wire.full[:] = False
    until(lab, 90)
    assert gateways(lab).held == 0
    assert all(seqs == sorted(seqs) for seqs in lab.order.values())
    assert lab.missing() == 0


def test_what_waits_and_what_travels_is_known_device_by_device() -> None:
    lab, _ = on_a_trunk()
    end_of_it = start(lab, 20, "partition", GATEWAYS)
    until(lab, 60)
    inside = gateways(lab)
    assert inside.held_each().sum() == inside.held > 0
    assert inside.in_flight_each().sum() == inside.in_flight
    assert not inside.held_each()[GATEWAYS].any()
    end(lab, 60, end_of_it)
    until(lab, 120)
    assert inside.held_each().sum() == 0
