"""The fleet as a struct of arrays: who the devices are and in which state their lives stand.

Devices are ordered by (kind, period, phase, segment, site), so that the devices that sample together are one slice.
`FleetPlan` is what a scenario asks for; `Fleet` is what grows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.cells import PowerPlan
from twinstorm.twin.chance import Words, device_key
from twinstorm.twin.clockwork import PERFECT, ClockPlan
from twinstorm.twin.flow import NEVER_US, ORIGINS, SECOND_US, UNSAID, Channel, Device, Int, Mask, Registry
from twinstorm.twin.hazards import SAFE, HazardPlan
from twinstorm.twin.machines.installed import catalogue
from twinstorm.twin.mesh_plan import MeshPlan
from twinstorm.twin.network import LINKS, LinkClass, Links, SpokenLink
from twinstorm.twin.reconnect import ReconnectPolicy
from twinstorm.twin.slots import SlotPlan
from twinstorm.twin.wire.documents import SCHEMA
from twinstorm.twin.wire.sizes import said
from twinstorm.twin.wire.wires import BUILT_IN, Wire

if TYPE_CHECKING:
    from twinstorm.twin.trunks import TrunkPlan

ONE_PHASE_BELOW = 40_000
"""Where nothing is said of phases, fewer devices of a kind sample at one instant: slices keep enough rows to be fast
(perf: 4,000)."""
MANY_PHASES = 10
MOST_HOPS = 15
"""From a device of a mesh to its gateway (Zigbee's depth of a network)."""

NO_GATEWAY = NO_TENANT = NO_BATCH = NO_WAVE = NO_LINE = "none"
"""Name of the gateway of devices that reach the broker directly."""


@dataclass(frozen=True)
class GatewayPlan:
    """What the gateways of a segment carry for others, one row's worth; see ``docs/storm-model.md``.

    Attributes:
        rate_per_s: messages that the forwarder starts a second, at most.
        queue_readings: places in front of the processor; beyond them the newest is lost.
        buffer_readings: places of the buffer.
        evict_oldest: which goes when the buffer is full.
        durable: the buffer lies on a disk and survives crashes.
        disk_bytes: size of that disk; None: as large as the places need.
        memory_bytes: above it the gateway is killed and restarts; None: no ceiling.
        spare: a second machine stands by and takes over.
        solar: it lives by a panel and a battery.
        panel_w: peak power of the panel, at 1,000 W/m2.
        battery_wh: what the full battery holds.
        batch_readings: it gathers, and sends at most so many together; 0: each alone.
        batch_every_us: how often it looks for what to send, if it gathers.
        edge_every_us: of each device its processor passes on one reading in this time; 0: all.
        edge_mean: the mean of them, not the first.
    """

    rate_per_s: float = 200.0
    queue_readings: int = 1_000
    buffer_readings: int = 20_000
    evict_oldest: bool = True
    durable: bool = True
    disk_bytes: float | None = None
    memory_bytes: float | None = None
    spare: bool = False
    solar: bool = False
    panel_w: float = 60.0
    battery_wh: float = 240.0
    batch_readings: int = 0
    batch_every_us: int = SECOND_US
    edge_every_us: int = 0
    edge_mean: bool = False


@dataclass(frozen=True)
class SegmentPlan:
    """One segment: machines of one kind with one firmware profile.

    Attributes:
        devices: how many stand on each site, in the order of `FleetPlan.sites`.
        boot_us: shortest and longest boot, inclusive; one draw a device.
        machine: parameters of its machines that are set, not drawn by the kind: name, lowest, highest.
        origin: one of `ORIGINS`.
        keep_alive_us: MQTT's; 0: none.
        gateway: its machines carry others.
        through: segment of the gateways through which its devices reach the broker; empty: directly.
        power: their batteries; None: supplied from outside, whatever they do.
        schema: of the documents that they send.
        slots: the other image that their boot loader has; None: there is none.
        mesh: they reach their gateway by way of others; None: each for itself.
        certificate_expires_us: when their certificates end at the earliest and at the latest, whole seconds; one draw a
            batch, or a device that is of none. None: nobody says so.
        wire: what they say, as the scenario chooses it; None: it does not, and messages have the assumed length.
    """

    name: str
    kind: str
    devices: tuple[int, ...]
    every_us: int
    link: str
    keep_alive_us: int
    boot_us: tuple[int, int]
    reconnect: ReconnectPolicy
    buffer_readings: int
    evict_oldest: bool
    qos: int
    firmware: str
    machine: tuple[tuple[str, float, float], ...] = ()
    clock: ClockPlan = PERFECT
    hazards: HazardPlan = SAFE
    origin: str = "simulated"
    gateway: GatewayPlan | None = None
    through: str = ""
    power: PowerPlan | None = None
    schema: int = SCHEMA
    slots: SlotPlan | None = None
    wire: Wire | None = None
    mesh: MeshPlan | None = None
    tenant: str = NO_TENANT
    certificate_batch: str = NO_BATCH
    certificate_expires_us: tuple[int, int] | None = None
    wave: str = NO_WAVE
    line: str = NO_LINE
    configuration: int = UNSAID
    """Number of the one that they should have, and come with."""

    @property
    def speaks(self) -> Wire:
        """What they say, chosen or not."""
        return BUILT_IN if self.wire is None else self.wire


@dataclass(frozen=True)
class FleetPlan:
    """Sites as (name, region), and segments. `phases`: sample groups per kind and period, None: by size, so that one
    device more may change when others of its kind sample. `trunks`: the line of each site, if any site has one."""

    sites: tuple[tuple[str, str], ...]
    segments: tuple[SegmentPlan, ...]
    phases: int | None = None
    trunks: tuple[TrunkPlan | None, ...] = ()

    @property
    def devices(self) -> int:
        return sum(sum(segment.devices) for segment in self.segments)


@dataclass(frozen=True)
class SampleGroup:
    """Devices [first, last) of one kind that sample at phase_us, phase_us + every_us, ...

    Attributes:
        grid_us: > 0: they are event-driven, and speak at some of phase_us, phase_us + grid_us, ..., at the latest
            `every_us` after they last spoke.
    """

    kind: str
    first: int
    last: int
    every_us: int
    phase_us: int
    grid_us: int = 0


class DeviceNames(Sequence[str]):
    """Names such as ``fra-2/motors-0042``, formatted on demand: a million strings would cost 80 MB."""

    def __init__(self, prefix: NDArray[np.int32], prefixes: Sequence[str], number: NDArray[np.int32]) -> None:
        self._prefix = prefix
        self._prefixes = tuple(prefixes)
        self._number = number

    def __len__(self) -> int:
        return len(self._prefix)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return f"{self._prefixes[self._prefix[index]]}-{self._number[index]:04d}"

    def __iter__(self) -> Iterator[str]:
        prefixes = self._prefixes
        for prefix, number in zip(self._prefix.tolist(), self._number.tolist(), strict=True):
            yield f"{prefixes[prefix]}-{number:04d}"


class State:
    """Life states, as uint8 codes. A device is powered and awake from CONNECTING on."""

    OFF = 0
    BOOTING = 1
    CONNECTING = 2
    WAITING = 3
    ONLINE = 4


@dataclass
class Fleet:
    """All columns have one row a device. Identity never changes during a run; the life columns do.

    See ``docs/storm-model.md`` for the meaning of each life column.
    """

    plan: FleetPlan
    groups: tuple[SampleGroup, ...]
    names: DeviceNames
    key: Words
    segment: NDArray[np.int16]
    site: NDArray[np.int32]
    link: NDArray[np.uint8]
    """Row of `links`."""
    links: Links
    link_of_segment: tuple[LinkClass, ...]
    origin: NDArray[np.uint8]
    every_us: Int
    phase_us: Int
    keep_alive_us: Int
    qos: NDArray[np.uint8]
    carrier: NDArray[np.int32]
    """Whose broker a device talks with: 0 the one in the cloud, 1 + i that of gateway i."""
    gateway: Int
    """Gateways that carry others, as devices of the fleet, ascending; row i is gateway i."""
    hop_links: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    """Rows of `links` over 1 to `MOST_HOPS` hops, by segment; empty: nobody is on a mesh."""

    state: NDArray[np.uint8] = field(init=False)
    due_us: Int = field(init=False)
    tries: Int = field(init=False)
    failures: NDArray[np.int32] = field(init=False)
    previous_us: Int = field(init=False)
    begin_us: Int = field(init=False)
    ok_us: Int = field(init=False)
    stale_us: Int = field(init=False)
    connected_us: Int = field(init=False)
    boot: NDArray[np.int32] = field(init=False)
    power_cuts: NDArray[np.uint8] = field(init=False)
    link_cuts: NDArray[np.uint8] = field(init=False)
    up_cuts: NDArray[np.uint8] = field(init=False)
    seq: Int = field(init=False)
    told_us: Int = field(init=False)
    between_us: Int = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.key)
        self.state = np.full(n, State.ONLINE, np.uint8)
        self.due_us = np.full(n, NEVER_US, np.int64)
        self.tries = np.zeros(n, np.int64)
        self.failures = np.zeros(n, np.int32)
        self.previous_us = np.zeros(n, np.int64)
        self.begin_us = np.zeros(n, np.int64)
        self.ok_us = np.full(n, -1, np.int64)
        self.stale_us = np.full(n, NEVER_US, np.int64)
        self.connected_us = np.zeros(n, np.int64)
        self.boot = np.ones(n, np.int32)
        self.power_cuts = np.zeros(n, np.uint8)
        self.link_cuts = np.zeros(n, np.uint8)
        self.up_cuts = np.zeros(n, np.uint8)
        self.seq = np.zeros(n, np.int64)
        # Written for event-driven devices only, and in peaks; else these pages are never touched.
        self.told_us = np.zeros(n, np.int64)
        self.between_us = np.zeros(n, np.int64)

    def __len__(self) -> int:
        return len(self.key)

    def registry(self, channels: dict[str, tuple[Channel, ...]]) -> Registry:
        """What operators know of this fleet."""
        segments = self.plan.segments
        kinds = tuple(sorted({segment.kind for segment in segments}))
        link_names = tuple(sorted({segment.link for segment in segments}))
        firmwares = tuple(sorted({segment.firmware for segment in segments}))
        tenants = (NO_TENANT, *sorted({segment.tenant for segment in segments} - {NO_TENANT}))
        batches = (NO_BATCH, *sorted({segment.certificate_batch for segment in segments} - {NO_BATCH}))
        waves = (NO_WAVE, *sorted({segment.wave for segment in segments} - {NO_WAVE}))
        lines = (NO_LINE, *sorted({segment.line for segment in segments} - {NO_LINE}))
        regions = tuple(sorted({region for _, region in self.plan.sites}))
        of_segment = self.segment.astype(np.intp)

        def column(values: tuple[str, ...], attribute: str) -> NDArray[np.uint8]:
            codes = np.array([values.index(getattr(segment, attribute)) for segment in segments], np.uint8)
            return codes[of_segment]

        region_of_site = np.array([regions.index(region) for _, region in self.plan.sites], np.int32)
        return Registry(
            names=self.names,
            kind=column(kinds, "kind"),
            kinds=kinds,
            segment=self.segment,
            segments=tuple(segment.name for segment in segments),
            site=self.site,
            sites=tuple(name for name, _ in self.plan.sites),
            region=region_of_site[self.site],
            regions=regions,
            link=column(link_names, "link"),
            links=link_names,
            firmware=column(firmwares, "firmware"),
            firmwares=firmwares,
            origin=self.origin,
            every_us=self._heard_us(),
            keep_alive_us=self.keep_alive_us,
            channels={kind: channels[kind] for kind in kinds},
            gateway=self._beside(),
            tenant=column(tenants, "tenant") if len(tenants) > 1 else None,
            tenants=tenants,
            certificate_batch=column(batches, "certificate_batch") if len(batches) > 1 else None,
            certificate_batches=batches,
            wave=column(waves, "wave") if len(waves) > 1 else None,
            waves=waves,
            line=column(lines, "line") if len(lines) > 1 else None,
            lines=lines,
            configuration=self.configuration(),
            gateways=(NO_GATEWAY, *(self.names[device] for device in self.gateway.tolist())),
        )

    def configuration(self) -> Device | None:
        """`Registry.configuration`, a new array."""
        numbers = np.array([segment.configuration for segment in self.plan.segments], np.int32)
        return numbers[self.segment.astype(np.intp)] if (numbers != UNSAID).any() else None

    @property
    def speaker(self) -> Int:
        """On whose connection to the cloud each device speaks, as devices: its own, or that of its gateway."""
        speaker = np.arange(len(self), dtype=np.int64)
        carried = np.flatnonzero(self.carrier)
        speaker[carried] = self.gateway[self.carrier[carried] - 1]
        return speaker

    @property
    def shares_a_line(self) -> Mask:
        """bool, one a device: its own connection passes the trunk of its site."""
        trunks = self.plan.trunks or (None,) * len(self.plan.sites)
        shared: Mask = np.array([plan is not None for plan in trunks], np.bool_)[self.site] & (self.carrier == 0)
        return shared

    def _heard_us(self) -> Int:
        """How often each device is to be heard: not more often than the processor of its gateway passes readings on."""
        thinned_us = {part.name: part.gateway.edge_every_us for part in self.plan.segments if part.gateway is not None}
        if not any(thinned_us.values()):
            return self.every_us
        least_us = np.array([thinned_us.get(part.through, 0) for part in self.plan.segments], np.int64)
        return np.maximum(self.every_us, least_us[self.segment])

    def _beside(self) -> NDArray[np.int32]:
        """Code of the gateway that each device belongs to; a gateway belongs to itself."""
        beside = self.carrier.copy()
        beside[self.gateway] = np.arange(1, len(self.gateway) + 1)
        return beside


def grow(plan: FleetPlan, grids_us: Mapping[str, int] | None = None) -> Fleet:
    """Grow the fleet of a plan: names, keys, order, sample groups. Every device starts online.

    Args:
        grids_us: of the kinds that are event-driven, their grid.
    """
    segment, site, number = _rows(plan)
    prefixes = [f"{name}/{part.name}" for part in plan.segments for name, _ in plan.sites]
    prefix = (segment * len(plan.sites) + site).astype(np.int32)
    key = np.fromiter(
        (device_key(name) for name in DeviceNames(prefix, prefixes, number)), np.uint64, count=len(segment)
    )

    kinds = sorted({part.kind for part in plan.segments})
    kind = np.array([kinds.index(part.kind) for part in plan.segments], np.int64)[segment]
    every_us = np.array([part.every_us for part in plan.segments], np.int64)[segment]
    phases = np.ones(len(kinds), np.uint64)
    for code in range(len(kinds)):
        count = int(np.count_nonzero(kind == code))
        phases[code] = plan.phases or (1 if count < ONE_PHASE_BELOW else MANY_PHASES)
    phase = (key % phases[kind]).astype(np.int64)
    order = np.lexsort((number, site, segment, phase, every_us, kind))
    segment, site, number, prefix, key = segment[order], site[order], number[order], prefix[order], key[order]
    kind, every_us, phase = kind[order], every_us[order], phase[order]
    grid_of_kind_us = np.array([(grids_us or {}).get(name, 0) for name in kinds], np.int64)
    grid_us = grid_of_kind_us[kind]
    phase_us = phase * np.where(grid_us > 0, grid_us, every_us) // phases[kind].astype(np.int64)

    carrier, gateway = carriers(plan, segment, site, number)
    link_of_segment = tuple(link_of(part, plan.sites) for part in plan.segments)
    links = sorted(dict.fromkeys(link_of_segment), key=lambda link: link.name)
    link = np.array([links.index(one) for one in link_of_segment], np.uint8)[segment]
    hop_links = np.zeros((0, 0), np.uint8)
    if any(part.mesh for part in plan.segments):
        hop_links = _over_hops(plan, link_of_segment, links)
    return Fleet(
        plan=plan,
        groups=_groups(kinds, kind, every_us, phase_us, grid_us),
        names=DeviceNames(prefix, prefixes, number),
        key=key,
        segment=segment.astype(np.int16),
        site=site.astype(np.int32),
        link=link,
        links=Links.of(tuple(links)),
        link_of_segment=link_of_segment,
        origin=np.array([ORIGINS.index(part.origin) for part in plan.segments], np.uint8)[segment],
        every_us=every_us,
        phase_us=phase_us,
        keep_alive_us=np.array([part.keep_alive_us for part in plan.segments], np.int64)[segment],
        qos=np.array([part.qos for part in plan.segments], np.uint8)[segment],
        carrier=carrier,
        gateway=gateway,
        hop_links=hop_links,
    )


def _over_hops(plan: FleetPlan, of_segment: Sequence[LinkClass], links: list[LinkClass]) -> NDArray[np.uint8]:
    """`Fleet.hop_links`; adds what is missing to `links`."""
    codes = np.zeros((len(of_segment), MOST_HOPS), np.uint8)
    for number, (part, link) in enumerate(zip(plan.segments, of_segment, strict=True)):
        for hops in range(1, MOST_HOPS + 1 if part.mesh else 2):
            far = link.over(hops)
            if far not in links:
                links.append(far)
            codes[number, hops - 1] = links.index(far)
    return codes


def link_of(part: SegmentPlan, sites: Sequence[tuple[str, str]]) -> LinkClass:
    """The access network of a segment, with what its devices say on it."""
    link = LINKS[part.link]
    if part.wire is None:
        return link
    names = [f"{site}/{part.name}-{count:04d}" for (site, _), count in zip(sites, part.devices, strict=True) if count]
    channels = catalogue()[part.kind].channels
    names = names or [f"{sites[0][0]}/{part.name}-0000"]
    return SpokenLink.of(link, said(part.wire, names, part.name, part.kind, part.firmware, channels))


def carriers(plan: FleetPlan, segment: Int, site: Int, number: NDArray[np.int32]) -> tuple[NDArray[np.int32], Int]:
    """Deal devices to the gateways of their site in turn: one more moves no other, and all gateways have as many, give
    or take one.

    Args:
        segment, site, number: columns of the fleet, in its order.

    Returns:
        `Fleet.carrier` and `Fleet.gateway`.

    Raises:
        ValueError: devices of a site have no gateway there.
    """
    carrier = np.zeros(len(segment), np.int32)
    carrying = np.array([part.gateway is not None for part in plan.segments], np.bool_)
    gateway = np.flatnonzero(carrying[segment]) if carrying.any() else np.empty(0, np.int64)
    names = [part.name for part in plan.segments]
    for code, part in enumerate(plan.segments):
        if not part.through:
            continue
        through = names.index(part.through)
        mine = np.flatnonzero(segment == code)
        there = np.array(plan.segments[through].devices, np.int64)[site[mine]]
        if not there.all():
            raise ValueError(f"a site has devices of {part.name} and no gateway of {part.through}")
        nth = (number[mine] - 1) % there
        # Gateway rows of a segment, by site and running number.
        rows = np.flatnonzero(segment[gateway] == through)
        first = np.zeros(len(plan.sites) + 1, np.int64)
        np.cumsum(np.array(plan.segments[through].devices, np.int64), out=first[1:])
        place = np.empty(len(rows), np.int64)
        place[first[site[gateway[rows]]] + number[gateway[rows]] - 1] = rows
        carrier[mine] = 1 + place[first[site[mine]] + nth]
    return carrier, gateway.astype(np.int64)


def _rows(plan: FleetPlan) -> tuple[Int, Int, NDArray[np.int32]]:
    """Segment, site and running number (from 1, per segment and site) of every device, in plan order."""
    segment, site, number = [], [], []
    for s, part in enumerate(plan.segments):
        for where, count in enumerate(part.devices):
            segment.append(np.full(count, s, np.int64))
            site.append(np.full(count, where, np.int64))
            number.append(np.arange(1, count + 1, dtype=np.int32))
    return np.concatenate(segment), np.concatenate(site), np.concatenate(number)


def _groups(kinds: list[str], kind: Int, every_us: Int, phase_us: Int, grid_us: Int) -> tuple[SampleGroup, ...]:
    if not len(kind):
        return ()
    new = (np.diff(kind) != 0) | (np.diff(every_us) != 0) | (np.diff(phase_us) != 0)
    edges = [0, *(np.flatnonzero(new) + 1).tolist(), len(kind)]
    return tuple(
        SampleGroup(kinds[kind[first]], first, last, int(every_us[first]), int(phase_us[first]), int(grid_us[first]))
        for first, last in pairwise(edges)
    )
