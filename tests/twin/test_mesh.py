"""Meshes: who stands where, whose way leads through whom, and what becomes of it when a router has no power."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.twin.worlds import Lab, carried
from twinstorm.twin.fleet import FleetPlan, SegmentPlan, State
from twinstorm.twin.flow import MINUTE_US, SECOND_US
from twinstorm.twin.mesh import GATEWAY, Mesh
from twinstorm.twin.mesh_plan import MeshPlan
from twinstorm.twin.network import LINKS
from twinstorm.twin.stories import Stage

WIDE = MeshPlan(1.0, range_m=24.0, area_m=80.0, rejoin_us=10 * SECOND_US)
RANGE_MM2 = 24_000**2


def meshed(lamps: int = 60, leaves: int = 60, plan: MeshPlan = WIDE) -> FleetPlan:
    """Two gateways, routers of one kind and leaves of another, all behind them."""
    base = carried(lamps, leaves, gateways=2)
    edge, *parts = base.segments
    assert [part.kind for part in parts] == ["motor", "environment"]

    def on_the_mesh(part: SegmentPlan, share: float) -> SegmentPlan:
        return replace(part, link="zigbee", every_us=5 * SECOND_US, mesh=replace(plan, routers=share))

    return replace(base, segments=(edge, on_the_mesh(parts[0], plan.routers), on_the_mesh(parts[1], 0.0)))


def lab_of(fleet: FleetPlan, **changes: Any) -> Lab:
    return Lab.make(fleet, connect_rate=None, **changes)


def mesh(lab: Lab) -> Mesh:
    assert lab.world.mesh is not None
    return lab.world.mesh


def way(net: Mesh, row: int) -> list[int]:
    """Rows from a device to its gateway."""
    rows = [row]
    while (parent := int(net.parent[rows[-1]])) != GATEWAY:
        rows.append(parent)
    return rows


def behind(net: Mesh, routers: Sequence[int]) -> set[int]:
    """Rows whose way leads through one of these."""
    named = set(routers)
    return {row for row in range(len(net.device)) if set(way(net, row)[1:]) & named}


def hubs(net: Mesh, count: int = 3) -> list[int]:
    """Routers through which most ways lead."""
    load = {row: len(behind(net, [row])) for row in np.flatnonzero(net.router).tolist()}
    return sorted(sorted(load), key=lambda row: -load[row])[:count]


# --- where the ways are -----------------------------------------------------------------------------------------------


def away_mm2(net: Mesh, row: int, other: int) -> int:
    """Square of the distance to another device, or to the gateway."""
    east, north = (0, 0) if other == GATEWAY else (int(net.east_mm[other]), int(net.north_mm[other]))
    return (int(net.east_mm[row]) - east) ** 2 + (int(net.north_mm[row]) - north) ** 2


def routers_of(net: Mesh, row: int) -> list[int]:
    """All that a device may talk with, if it hears them."""
    same = net.router & (net.network == net.network[row])
    return [GATEWAY, *(each for each in np.flatnonzero(same).tolist() if each != row)]


def test_every_way_leads_by_routers_in_range_over_fewest_hops_to_its_own_gateway() -> None:
    net = mesh(lab_of(meshed(plan=replace(WIDE, area_m=70.0))))
    assert (net.reach_mm2 == RANGE_MM2).all(), "dense enough that everybody hears somebody"
    assert net.hops.max() >= 3
    hops = {GATEWAY: 0} | dict(enumerate(net.hops.tolist()))
    for row in range(len(net.device)):
        rows = way(net, row)
        assert len(rows) == hops[row]
        assert {int(net.network[each]) for each in rows} == {int(net.network[row])}
        heard = [each for each in routers_of(net, row) if away_mm2(net, row, each) <= RANGE_MM2]
        fewest = [each for each in heard if hops[each] == min(hops[one] for one in heard)]
        assert net.parent[row] == min(fewest, key=lambda each: away_mm2(net, row, each))


def test_where_nobody_is_in_range_the_nearest_one_hears_it_all_the_same() -> None:
    net = mesh(lab_of(meshed(plan=replace(WIDE, range_m=12.0))))
    assert not net.adrift.any()
    by_hand = np.flatnonzero(net.reach_mm2 > 12_000**2).tolist()
    assert by_hand
    for row in by_hand:
        assert net.reach_mm2[row] == away_mm2(net, row, int(net.parent[row]))
        assert net.hops[row] == len(way(net, row))
        if not net.router[row]:
            assert net.reach_mm2[row] == min(away_mm2(net, row, each) for each in routers_of(net, row))


def test_a_leaf_more_changes_no_way_and_no_reading_of_the_others() -> None:
    def played(leaves: int) -> tuple[dict[str, tuple[str, int]], dict[tuple[str, int], int]]:
        lab = lab_of(meshed(leaves=leaves))
        net, names = mesh(lab), lab.world.fleet.names
        lamps = [int(net.device[row]) for row in hubs(net, 1)]
        lab.until(MINUTE_US)
        lab.world.power_off(np.array(lamps, np.int32), MINUTE_US)
        lab.until(3 * MINUTE_US)
        parents = ["" if row == GATEWAY else names[int(net.device[row])] for row in net.parent.tolist()]
        ways = {names[who]: (parents[row], int(net.hops[row])) for row, who in enumerate(net.device.tolist())}
        arrived = {(names[who], seq): at_us for (who, seq), at_us in lab.arrived_us.items()}
        return ways, arrived

    few, more = played(10), played(14)
    assert len(more[0]) == len(few[0]) + 4
    assert all(more[0][name] == each for name, each in few[0].items())
    edge = [one for one in few[1] if "/edge-" not in one[0]]
    # What a gateway forwards waits for what it forwarded before: instants are its own, readings are everybody's.
    assert {one for one in more[1] if one[0] in few[0]} == set(edge)


def test_latency_and_repetitions_grow_with_every_hop() -> None:
    link = LINKS["zigbee"]
    far = link.over(4)
    assert link.over(1) is link
    assert far.base_us > 4 * link.base_us
    assert far.jitter_us == 4 * link.jitter_us
    assert far.retry_per_65536 / 65_536 == pytest.approx(1 - (1 - link.retry_per_65536 / 65_536) ** 4, abs=1e-4)
    assert far.message_j(20, 0) == link.message_j(20, 0), "the sender transmits once"
    lab = lab_of(meshed())
    net, fleet = mesh(lab), lab.world.fleet
    lab.until(2 * MINUTE_US)
    trip_us: dict[int, list[int]] = {}
    for (who, seq), at_us in lab.arrived_us.items():
        row = int(np.searchsorted(net.device, who))
        if row < len(net.device) and net.device[row] == who:
            sampled_us = int(fleet.phase_us[who] + (seq - 1) * fleet.every_us[who])
            trip_us.setdefault(int(net.hops[row]), []).append(at_us - sampled_us)
    least = [min(trip_us[hops]) for hops in sorted(trip_us)]
    assert len(least) >= 3
    assert all(later - sooner > 10_000 for sooner, later in pairwise(least))


# --- routers without power --------------------------------------------------------------------------------------------


def test_a_router_without_power_takes_all_behind_it_along_until_they_find_another_way() -> None:
    lab = lab_of(meshed())
    net, fleet = mesh(lab), lab.world.fleet
    gone = hubs(net)
    orphans = sorted(behind(net, gone) - set(gone))
    others = sorted(set(range(len(net.device))) - set(orphans) - set(gone))
    assert len(orphans) >= 10
    lab.until(MINUTE_US)
    lab.world.power_off(net.device[gone].astype(np.int32), MINUTE_US)
    lab.until(MINUTE_US + 2 * SECOND_US)
    assert net.adrift[orphans].all()
    assert not net.adrift[others].any()
    assert not lab.world.online()[net.device[orphans]].any()
    assert lab.world.online()[net.device[others]].all()
    lab.until(3 * MINUTE_US)
    back = [row for row in orphans if not net.adrift[row]]
    assert len(back) > len(orphans) // 2
    assert all(not set(way(net, row)) & set(gone) for row in back), "by another way"
    assert (fleet.state[net.device[back]] == State.ONLINE).all()
    lab.world.power_on(net.device[gone].astype(np.int32), 3 * MINUTE_US)
    lab.until(6 * MINUTE_US)
    assert not net.adrift.any(), "whom nobody else hears has waited for them"
    assert (fleet.link_cuts == 0).all()
    assert lab.world.online().all()
    assert net.broken == net.found == len(orphans)
    assert lab.missing() == 0


def test_without_a_fault_no_way_ever_changes_and_nobody_is_cut_off() -> None:
    lab = lab_of(meshed())
    net = mesh(lab)
    before = net.parent.copy()
    lab.until(4 * MINUTE_US)
    assert (net.parent == before).all()
    assert (net.broken, net.found) == (0, 0)
    assert not lab.world.fleet.link_cuts.any()
    assert "0 ways broken" in net.note()


def test_a_fleet_without_a_mesh_has_none_of_this() -> None:
    lab = lab_of(carried())
    assert lab.world.mesh is None
    assert not len(lab.world.fleet.hop_links)
    assert {link.name for link in lab.world.fleet.links.classes} == {"ethernet", "wifi"}


def test_a_fleet_of_leaves_talks_with_its_gateways_itself() -> None:
    lab = lab_of(meshed(plan=replace(WIDE, routers=0.0)))
    assert (mesh(lab).hops == 1).all()
    assert (mesh(lab).parent == GATEWAY).all()


def test_a_world_saved_while_ways_are_lost_goes_on_alike() -> None:
    def cut_off() -> Lab:
        lab = lab_of(meshed(30, 30))
        net = mesh(lab)
        lab.until(MINUTE_US)
        lab.world.power_off(net.device[hubs(net)].astype(np.int32), MINUTE_US)
        lab.until(MINUTE_US + 8 * SECOND_US)
        return lab

    whole, saved = cut_off(), cut_off()
    assert mesh(saved).adrift.any()
    world, broker, log = pickle.loads(pickle.dumps((saved.world, saved.broker, saved.log)))
    rest = Lab(world, broker, log, Stage(world.acts, world.stories, MINUTE_US + 8 * SECOND_US))
    for lab in (whole, rest):
        lab.until(4 * MINUTE_US)
    assert rest.log.digest() == whole.log.digest()
    assert (mesh(rest).parent == mesh(whole).parent).all()


@pytest.mark.parametrize("block", [7, 16_384])
def test_the_size_of_a_block_changes_nothing(block: int) -> None:
    lab = lab_of(meshed(20, 20), block=block)
    lab.until(MINUTE_US)
    lab.world.power_off(mesh(lab).device[hubs(mesh(lab))].astype(np.int32), MINUTE_US)
    lab.until(2 * MINUTE_US)
    reference = lab_of(meshed(20, 20), block=64)
    reference.until(MINUTE_US)
    reference.world.power_off(mesh(reference).device[hubs(mesh(reference))].astype(np.int32), MINUTE_US)
    reference.until(2 * MINUTE_US)
    assert lab.arrived_us == reference.arrived_us
