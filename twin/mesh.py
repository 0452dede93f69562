"""Meshes: devices that reach their gateway by way of others, and lose it when one of these loses its power.

All devices of a gateway on a mesh link are one network. Each has a place, drawn by its name within the area, and a
parent: the gateway if that is within its range, else the nearest of the routers in range that are fewest hops away from
it. Where nobody is in range, the nearest one is: whoever installs such a network sees to it that everybody is heard. A
message takes every hop's time and every hop's risk (`LinkClass.over`); what a device pays is its own transmission, for
routers live on the mains.

A router that has no power, or is booting, passes nothing on: at the next whole second the links of all behind it are
cut. Each looks for another way some time later, half to one and a half of the mean, and keeps looking until there is
one; then its link is whole, and as many hops long as it is now. A way that holds is never given up for a shorter one.

A device that passes nothing on is nobody's parent: it changes no other's way by being there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, below, stream, words
from twinstorm.twin.fleet import MOST_HOPS, State
from twinstorm.twin.flow import NEVER_US, SECOND_US, Int, Mask
from twinstorm.twin.parts import Part

if TYPE_CHECKING:
    from twinstorm.twin.world import World

GATEWAY: Final = -1
"""As a parent."""

_ROUTER, _EAST, _NORTH, _REJOIN = range(4)
_MILLION: Final = 1_000_000
_MS_US: Final = 1_000


class Mesh(Part):
    """The meshes of one fleet; a row is a device on one of them.

    Attributes:
        device: int64, ascending.
        router: bool, passes on what others send.
        network: int32, whose gateway it stands behind, as in `Fleet.carrier`.
        east_mm, north_mm: int64, where it is, seen from its gateway. reach_mm2: square of its range.
        parent: int64, a row or `GATEWAY`. hops: int64, from it to the gateway, 1 to `MOST_HOPS`.
        adrift: bool, it has no way to its gateway. due_us: when it looks for one.
        up: bool, it has booted.
        broken, found: ways so far that ended, and that were found instead.
    """

    def __init__(self, world: World) -> None:
        fleet = world.fleet
        self._world, self._fleet = world, fleet
        plans = [part.mesh for part in fleet.plan.segments]
        self.device: Int = np.flatnonzero(np.array([plan is not None for plan in plans], np.bool_)[fleet.segment])
        self._segment = segment = fleet.segment[self.device].astype(np.int64)
        self.network = fleet.carrier[self.device]
        self._members = np.argsort(self.network, kind="stable")
        self._sorted = self.network[self._members]
        key = fleet.key[self.device]
        seed = world.seed

        def column(what: str, per: float) -> Int:
            return np.array([0 if plan is None else round(getattr(plan, what) * per) for plan in plans], np.int64)

        def drawn(what: int, limit: Int | int) -> Int:
            return below(words(stream(seed, Purpose.MESH << 8 | what), key, 0), limit)

        self.router: Mask = drawn(_ROUTER, _MILLION) < column("routers", _MILLION)[segment]
        side_mm = column("area_m", 1_000)[segment]
        self.east_mm = drawn(_EAST, side_mm + 1) - side_mm // 2
        self.north_mm = drawn(_NORTH, side_mm + 1) - side_mm // 2
        self.reach_mm2 = column("range_m", 1_000)[segment] ** 2
        self._rejoin_us = column("rejoin_us", 1)[segment]
        n = len(self.device)
        self.parent: Int = np.full(n, GATEWAY, np.int64)
        self.hops: Int = np.ones(n, np.int64)
        self.up = np.ones(n, np.bool_)
        self.adrift = np.ones(n, np.bool_)
        self.due_us: Int = np.full(n, NEVER_US, np.int64)
        self._next_us = NEVER_US
        self._looked: Int = np.zeros(n, np.int64)
        """How often each has looked for another way."""
        self.broken = self.found = 0
        self._chance = stream(seed, Purpose.MESH << 8 | _REJOIN)
        self._routers = np.flatnonzero(self.router)
        self._join(np.arange(n), installed=True)

    # --- ways ---------------------------------------------------------------------------------------------------------

    def _join(self, rows: Int, installed: bool = False) -> Int:
        """Find ways for these, which have none. Returns those for whom there is one.

        Args:
            installed: at the start of the run: everybody has one.
        """
        for members, seekers in self._networks(rows):
            left = self._by_range(members, seekers)
            while installed and len(left):
                left = self._by_range(members, self._by_hand(members, left))
        joined = rows[~self.adrift[rows]]
        fleet = self._fleet
        fleet.link[self.device[joined]] = fleet.hop_links[self._segment[joined], self.hops[joined] - 1]
        return joined

    def _networks(self, rows: Int) -> Iterator[tuple[Int, Int]]:
        """Members of each network, and those of these rows that belong to it."""
        seekers = rows[np.argsort(self.network[rows], kind="stable")]
        first = np.flatnonzero(np.diff(self.network[seekers], prepend=-1))
        for mine in np.split(seekers, first[1:]) if len(seekers) else ():
            ends = np.searchsorted(self._sorted, [self.network[mine[0]], self.network[mine[0]] + 1])
            yield self._members[ends[0] : ends[1]], mine

    def _by_range(self, members: Int, left: Int) -> Int:
        """Fewest hops first, then the nearest. Returns those whom nobody hears."""
        near = self._from_gateway(left) <= self.reach_mm2[left]
        self._attach(left[near], GATEWAY, 1)
        left = left[~near]
        for hops in range(2, MOST_HOPS + 1):
            if not len(left):
                break
            servers = self._servers(members)
            servers = servers[self.hops[servers] == hops - 1]
            if not len(servers):
                continue
            nearest, away_mm2 = self._nearest(left, servers)
            near = away_mm2 <= self.reach_mm2[left]
            self._attach(left[near], nearest[near], hops)
            left = left[~near]
        return left

    def _by_hand(self, members: Int, left: Int) -> Int:
        """Beyond everybody's range: the router that is nearest to the rest of the network gets an antenna, and without
        routers everybody does. Returns who is left; leaves change nothing for anybody."""
        routers = left[self.router[left]]
        seekers = routers if len(routers) else left
        parent, away_mm2 = np.full(len(seekers), GATEWAY, np.int64), self._from_gateway(seekers)
        servers = self._servers(members)
        servers = servers[self.hops[servers] < MOST_HOPS]
        if len(servers):
            nearest, by_router_mm2 = self._nearest(seekers, servers)
            parent = np.where(by_router_mm2 < away_mm2, nearest, parent)
            away_mm2 = np.minimum(by_router_mm2, away_mm2)
        chosen = np.array([int(away_mm2.argmin())]) if len(routers) else np.arange(len(seekers))
        rows, parent = seekers[chosen], parent[chosen]
        self.reach_mm2[rows] = away_mm2[chosen]
        self._attach(rows, parent, np.where(parent == GATEWAY, 1, self.hops[parent] + 1))
        return left[self.adrift[left]]

    def _servers(self, members: Int) -> Int:
        """Those who pass on what others send, and can."""
        servers: Int = members[self.router[members] & self.up[members] & ~self.adrift[members]]
        return servers

    def _from_gateway(self, rows: Int) -> Int:
        away_mm2: Int = self.east_mm[rows] ** 2 + self.north_mm[rows] ** 2
        return away_mm2

    def _nearest(self, rows: Int, servers: Int) -> tuple[Int, Int]:
        """Of each row the nearest server, and the square of its distance."""
        east = self.east_mm[rows, np.newaxis] - self.east_mm[servers]
        north = self.north_mm[rows, np.newaxis] - self.north_mm[servers]
        away_mm2 = east**2 + north**2
        best = away_mm2.argmin(axis=1)
        return servers[best], away_mm2[np.arange(len(rows)), best]

    def _attach(self, rows: Int, parent: Int | int, hops: Int | int) -> None:
        self.parent[rows], self.hops[rows], self.adrift[rows] = parent, hops, False

    # --- once a second ------------------------------------------------------------------------------------------------

    def look(self, now_us: int) -> None:
        """Ways that end with the power of a router, and ways that are found."""
        self._world.advance_to(now_us)
        state: NDArray[np.uint8] = self._fleet.state
        up = state[self.device[self._routers]] >= State.CONNECTING
        if (up != self.up[self._routers]).any():
            self.up[self._routers] = up
            self._break(now_us)
        if self._next_us > now_us:
            return
        # Who has no power, or boots, looks as soon as it has booted.
        due = self.adrift & (self.due_us <= now_us) & (state[self.device] >= State.CONNECTING)
        if due.any():
            self._look_for_ways(np.flatnonzero(due), now_us)
        self._next_us = int(self.due_us[self.adrift].min(initial=NEVER_US))

    def _break(self, now_us: int) -> None:
        """Cut off whoever is behind a router that passes nothing on."""
        whole = ~self.adrift
        for hops in range(2, int(self.hops.max()) + 1):
            rows = np.flatnonzero(self.hops == hops)
            parent = self.parent[rows]
            whole[rows] &= self.up[parent] & whole[parent]
        rows = np.flatnonzero(~whole & ~self.adrift)
        if len(rows):
            self.broken += len(rows)
            self.adrift[rows] = True
            self._look_later(rows, now_us)
            self._world.cut(self.device[rows].astype(np.int32), now_us, "both")

    def _look_for_ways(self, rows: Int, now_us: int) -> None:
        joined = self._join(rows)
        self.found += len(joined)
        self._look_later(rows[self.adrift[rows]], now_us)
        if len(joined):
            self._world.heal(self.device[joined].astype(np.int32), now_us, "both")

    def _look_later(self, rows: Int, now_us: int) -> None:
        draws = words(self._chance, self._fleet.key[self.device[rows]], self._looked[rows])
        self._looked[rows] += 1
        mean_ms = self._rejoin_us[rows] // _MS_US
        wait_us = (mean_ms // 2 + below(draws, mean_ms + 1)) * _MS_US
        # At least a second, so that nobody looks twice at one instant.
        self.due_us[rows] = now_us + np.maximum(wait_us, SECOND_US)
        self._next_us = min(self._next_us, int(self.due_us[rows].min(initial=NEVER_US)))

    def note(self) -> str:
        """What became of the ways."""
        count = len(self.device)
        routers, hops = len(self._routers), int(self.hops.max(initial=0))
        ways = f"{count:,} devices, {routers:,} of them routers, up to {hops} hops from their gateways"
        return f"mesh: {ways}; {self.broken:,} ways broken, {self.found:,} found instead"
