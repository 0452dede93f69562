"""The world: fleet, lives, machines, links and buffers in one object that moves through simulated time.

Everything here is the truth. What the core may know leaves through the `DeviceEnd` only. Whoever reads or changes life
calls `advance_to` first; calling it more often changes nothing. A pickle of the world (with its device end) is a
snapshot; derived lists are rebuilt.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.buffer import Buffers
from twinstorm.twin.chance import Purpose, Words, stream, words
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.fleet import Fleet, FleetPlan, SampleGroup, State, grow
from twinstorm.twin.flow import (
    HOUR_US,
    NEVER_US,
    Device,
    DeviceEnd,
    Evidence,
    Exhibits,
    Identities,
    Int,
    LossCause,
    Mask,
    Readings,
    Values,
)
from twinstorm.twin.life import Hooks, Life
from twinstorm.twin.machines.kind import Inputs, MachineKind, catalogue
from twinstorm.twin.normal import normals
from twinstorm.twin.places import place
from twinstorm.twin.sensors import StuckSensors
from twinstorm.twin.stories import Story

BLOCK_DEVICES = 16_384
"""Rows of one pass over a sample group: what fits the L2 cache. No result depends on it."""

UNACKED_WINDOW = 20
"""QoS 1 messages a client has in flight before it queues."""

SAMPLING = "sampling"
DAY_US = 24 * HOUR_US
YEAR_US = 365 * DAY_US


@dataclass
class Sampling(Story):
    """The one story of all sample groups: row i of `next_us` is when group i samples next."""

    next_us: list[int] = field(default_factory=list)


@dataclass
class Machines:
    """State of the machines of one sample group, float32 columns of equal length."""

    kind: MachineKind
    parameters: dict[str, Values]
    state: dict[str, Values]
    offset: Values
    step: Values


class World(Exhibits):
    """Twins of one run.

    Args:
        plan: the fleet to grow.
        seed: of the run; every draw is keyed by it.
        device_end: the fleet's side of the wire, modelled or live.
        year_us: microseconds since the first midnight of the calendar year at the start of the run, local to every
            device.
        block_devices: see `BLOCK_DEVICES`; tests vary it.
        foreseen: the device end knows what becomes of every connection (modelled); False: real sockets will tell.
    """

    def __init__(
        self,
        plan: FleetPlan,
        seed: int,
        device_end: DeviceEnd,
        log: EventLog,
        year_us: int = 0,
        block_devices: int = BLOCK_DEVICES,
        foreseen: bool = True,
    ) -> None:
        self.seed = seed
        self.fleet: Fleet = grow(plan)
        self.log = log
        self.kinds = {name: kind for name, kind in catalogue().items() if name in {s.kind for s in plan.segments}}
        self.channels = {name: kind.channels for name, kind in self.kinds.items()}
        self.life = Life(self.fleet, seed, device_end, log, Hooks(self._connected, self._lost), foreseen)
        self.buffers = Buffers.of(self.fleet, self.channels)
        n = len(self.fleet)
        self.blocked: Mask = np.zeros(n, np.bool_)
        """Online devices whose packets do not reach a broker that knows them."""
        self.produced = 0
        self.lost: Counter[str] = Counter()
        self.evidence: dict[str, Counter[str]] = {}
        self.stuck: list[StuckSensors] = []
        self._device_end = device_end
        self._year_us = year_us
        self._block_devices = block_devices
        self._uplink = stream(seed, Purpose.READING_LINK)
        self._scale: dict[str, tuple[Values, Values]] = {}
        for name, channels in self.channels.items():
            offset = np.array([channel.offset for channel in channels], np.float32)
            self._scale[name] = offset, np.array([channel.step for channel in channels], np.float32)
        self._machines = [self._set_up(group) for group in self.fleet.groups]
        widest = max((kind.words for kind in self.kinds.values()), default=0)
        self._noise = [stream(seed, Purpose.NOISE << 8 | number) for number in range(widest)]
        groups = self.fleet.groups
        self.sampling = Sampling(SAMPLING, rank=0, due_us=0, next_us=[group.phase_us for group in groups])
        self.sampling.due_us = min(self.sampling.next_us, default=NEVER_US)
        device_end.open(Identities(self.fleet.names, self.fleet.keep_alive_us, self.fleet.qos))

    @property
    def stories(self) -> list[Story]:
        return [self.sampling]

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        """Functions of the world's stories, by kind (`twin.stories.Stage`)."""
        return {SAMPLING: self._act_sampling}

    def advance_to(self, at_us: int) -> None:
        """Let everything happen that lies before `at_us`."""
        self.life.advance_to(at_us)

    def online(self) -> Mask:
        """Devices with a session on which their packets get through: the truth."""
        return (self.fleet.state == State.ONLINE) & ~self.blocked

    # --- sampling -----------------------------------------------------------------------------------------------------

    def _set_up(self, group: SampleGroup) -> Machines:
        kind = self.kinds[group.kind]
        key = self.fleet.key[group.first : group.last]
        machine = [stream(self.seed, Purpose.MACHINE << 8 | number) for number in range(256)]

        def draws(number: int) -> Words:
            return words(machine[number], key, 0)

        sites = [name for name, _ in self.fleet.plan.sites]
        where = place(self.seed, Purpose.SITE, sites, self.fleet.site[group.first : group.last])
        parameters = kind.parameters(draws, where)
        offset, step = self._scale[group.kind]
        return Machines(kind, parameters, kind.initial(parameters), offset, step)

    def _act_sampling(self, story: Sampling, now_us: int) -> None:
        self.advance_to(now_us)
        for number, group in enumerate(self.fleet.groups):
            if story.next_us[number] == now_us:
                self._sample(number, group, now_us)
                story.next_us[number] = now_us + group.every_us
        story.due_us = min(story.next_us)

    def _sample(self, number: int, group: SampleGroup, now_us: int) -> None:
        """One sampling of every device of a group: values, ledger, buffers, publish, digest."""
        machines = self._machines[number]
        checksums = [0] * len(machines.kind.channels)
        for first in range(group.first, group.last, self._block_devices):
            rows = slice(first, min(first + self._block_devices, group.last))
            quantised = self._sample_block(number, group, machines, rows, now_us)
            for channel, values in enumerate(quantised):
                checksums[channel] = zlib.crc32(values.data, checksums[channel])
        for channel, checksum in enumerate(checksums):
            self.log.tell(now_us, Code.READINGS, number << 8 | channel, checksum)

    def _sample_block(
        self, number: int, group: SampleGroup, machines: Machines, rows: slice, now_us: int
    ) -> NDArray[np.int16]:
        fleet, kind = self.fleet, machines.kind
        n = rows.stop - rows.start
        state = fleet.state[rows]
        powered = state >= State.CONNECTING
        online = state == State.ONLINE
        all_powered = bool(powered.all())
        seq = fleet.seq[rows] + 1
        key = fleet.key[rows]

        draws = np.empty((kind.words, n), np.uint64)
        for word in range(kind.words):
            draws[word] = words(self._noise[word], key, seq)
        part = slice(rows.start - group.first, rows.stop - group.first)
        values = np.empty((len(kind.channels), n), np.float32)
        kind.step(
            {name: column[part] for name, column in machines.state.items()},
            {name: column[part] for name, column in machines.parameters.items()},
            Inputs(
                now_us=now_us,
                dt_us=group.every_us,
                running=None if all_powered else powered,
                calendar_us=(self._year_us + now_us) % DAY_US,
                year_us=(self._year_us + now_us) % YEAR_US,
            ),
            normals(draws),
            values,
        )
        quantised = self._quantise(machines, values)
        for sensor in self.stuck:
            if group.first <= sensor.device[0] < group.last:
                sensor.overlay(rows.start, quantised, powered)
                values[sensor.channel] = quantised[sensor.channel] * machines.step[sensor.channel]
                values[sensor.channel] += machines.offset[sensor.channel]

        fleet.seq[rows] = seq if all_powered else np.where(powered, seq, seq - 1)
        self.produced += n if all_powered else int(np.count_nonzero(powered))
        direct = online & ~self.blocked[rows]
        if not direct.all():
            held = powered & ~direct
            if held.any():
                self._hold(number, rows, held, seq, now_us, quantised)
        if fleet.link_cuts[rows].any():
            self._hold_unacknowledged(number, rows, direct, seq, now_us, quantised)
        if direct.any():
            self._publish_dense(group, rows, direct, seq, now_us, values)
        return quantised

    @staticmethod
    def _quantise(machines: Machines, values: Values) -> NDArray[np.int16]:
        """Round to the sensor's resolution, in place, and return the int16 steps."""
        quantised = np.empty(values.shape, np.int16)
        for channel in range(len(values)):
            row = values[channel]
            offset, step = machines.offset[channel], machines.step[channel]
            if offset:
                np.subtract(row, offset, out=row)
            np.divide(row, step, out=row)
            np.rint(row, out=row)
            np.clip(row, -32768.0, 32767.0, out=row)
            quantised[channel] = row
            np.multiply(row, step, out=row)
            if offset:
                np.add(row, offset, out=row)
        return quantised

    def _hold(self, number: int, rows: slice, held: Mask, seq: Int, now_us: int, quantised: NDArray[np.int16]) -> None:
        chosen = np.flatnonzero(held)
        device = chosen + rows.start
        stalls = (self.fleet.state[device] == State.ONLINE) & (self.fleet.qos[device] == 0)
        before = self.buffers.depth[device]
        self.buffers.keep(number, device, seq[chosen], now_us, quantised[:, chosen].T, np.zeros(len(device), np.bool_))
        self.buffers.stalled[device] += stalls & (self.buffers.depth[device] > before)

    def _hold_unacknowledged(
        self, number: int, rows: slice, direct: Mask, seq: Int, now_us: int, quantised: NDArray[np.int16]
    ) -> None:
        """QoS 1 behind a link that is cut downwards only: readings arrive, but stay with the device, unacknowledged.

        Takes out of `direct` what the full in-flight window holds back.
        """
        fleet = self.fleet
        chosen = np.flatnonzero(direct & (fleet.link_cuts[rows] > 0) & (fleet.qos[rows] == 1))
        device = chosen + rows.start
        unacked = self.buffers.unacked[device]
        arrives = (unacked < UNACKED_WINDOW) & (self.buffers.depth[device] == unacked)
        self.buffers.keep(number, device, seq[chosen], now_us, quantised[:, chosen].T, arrives)
        direct[chosen[~arrives]] = False

    def _publish_dense(
        self, group: SampleGroup, rows: slice, direct: Mask, seq: Int, now_us: int, values: Values
    ) -> None:
        fleet = self.fleet
        n = rows.stop - rows.start
        latency_us = fleet.links.latency_us(fleet.link[rows], words(self._uplink, fleet.key[rows], seq))
        latency_us += now_us
        now = np.broadcast_to(np.int64(now_us), n)
        readings = Readings(
            kind=group.kind,
            device=np.arange(rows.start, rows.stop, dtype=np.int32),
            boot=fleet.boot[rows].copy(),
            seq=seq,
            device_time_us=now,
            sent_us=now,
            values=values.T,
            dense_from=rows.start,
            present=direct,
        )
        self._device_end.publish(readings, latency_us)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _connected(self, device: Int, at_us: Int) -> None:
        self.blocked[device] = False
        self._device_end.announce(device.astype(np.int32), self.fleet.boot[device], self._arrive_us(device, at_us))
        self.flush(device, at_us)

    def flush(self, device: Int, at_us: Int) -> None:
        """Send what these devices hold, oldest first, at `at_us` each."""
        if not self.buffers.depth[device].any():
            return
        arrive_us = self._arrive_us(device, at_us)
        for readings, sender in self.buffers.flush(device, at_us, self.fleet.boot, self._scale):
            self._device_end.publish(readings, arrive_us[sender])

    def _arrive_us(self, device: Int, at_us: Int) -> Int:
        """When what these devices write at `at_us` reaches the broker."""
        fleet = self.fleet
        draws = words(self._uplink, fleet.key[device], fleet.seq[device])
        return at_us + fleet.links.latency_us(fleet.link[device], draws)

    def _lost(self, device: Int, at_us: Int) -> None:
        """These devices gave their session up; where their packets still get through, the broker sees it close."""
        self.blocked[device] = False
        self.lost[LossCause.QOS0] += self.buffers.drop_stalled(device)
        heard = self.fleet.up_cuts[device] == 0
        self._device_end.disconnect(device[heard].astype(np.int32), at_us[heard], at_us[heard], abrupt=False)

    # --- what faults may do -------------------------------------------------------------------------------------------

    def power_off(self, device: Device, at_us: int) -> int:
        """Cut the power of these devices. Returns how many had it."""
        fleet = self.fleet
        who = device.astype(np.int64)
        heard = (fleet.state[who] == State.ONLINE) & ~self.blocked[who] & (fleet.power_cuts[who] == 0)
        last_us = np.where(heard, self.life.heard_us(who, at_us), NEVER_US)
        powered = fleet.power_cuts[who] == 0
        had_power = self.life.power_off(who)
        now = np.full(len(had_power), at_us, np.int64)
        self._device_end.disconnect(had_power.astype(np.int32), now, last_us[powered], abrupt=True)
        self.lost[LossCause.POWER] += self.buffers.drop(had_power)
        self.blocked[had_power] = False
        return len(had_power)

    def power_on(self, device: Device, at_us: int) -> int:
        """Give the power back. Returns how many boot."""
        return len(self.life.power_on(device.astype(np.int64), at_us))

    def cut(self, device: Device, at_us: int, direction: str) -> int:
        """Cut links: ``both``, ``up`` (device to broker) or ``down``. Returns how many sessions it cuts off."""
        fleet = self.fleet
        who = device.astype(np.int64)
        up = direction != "down"
        whole = fleet.link_cuts[who] == 0
        first, deaf = who[whole], who[~whole & (fleet.up_cuts[who] == 0)]
        online = fleet.state[first] == State.ONLINE
        silenced = self.life.cut(who, at_us, up)
        if up:
            self.blocked[who[fleet.state[who] == State.ONLINE]] = True
        self._silence(first, silenced, at_us, direction)
        if up:
            self._silence(deaf, silenced, at_us, "both")
        return int(np.count_nonzero(online))

    def _silence(self, device: Int, silenced: Int, at_us: int, direction: str) -> None:
        """Tell the device end; `silenced`: those that have a session and whose packets no longer reach the broker."""
        had_one = np.isin(device, silenced)
        last_us = np.full(len(device), NEVER_US, np.int64)
        last_us[had_one] = self.life.heard_us(device[had_one], at_us)
        self._device_end.silence(device.astype(np.int32), at_us, last_us, direction)

    def heal(self, device: Device, at_us: int, direction: str) -> int:
        """End a cut. Returns how many sessions survived it."""
        fleet = self.fleet
        who = device.astype(np.int64)
        kept = self.life.heal(who, at_us, direction != "down")
        heard = who[fleet.up_cuts[who] == 0]
        known = (fleet.state[heard] == State.ONLINE) & (fleet.stale_us[heard] > at_us)
        self._device_end.resume(heard.astype(np.int32), at_us, known)
        deaf = fleet.link_cuts[heard] > 0
        none = np.empty(0, np.int64)
        self._silence(heard[deaf], none, at_us, "down")
        self.blocked[heard[known]] = False
        # At QoS 1 nothing leaves a buffer until its acknowledgement can come back.
        sends = heard[known & (~deaf | (fleet.qos[heard] == 0))]
        self.flush(sends, np.full(len(sends), at_us, np.int64))
        return len(kept)

    def broker_stopped(self, at_us: int, silent: bool) -> int:
        """The broker died. Returns how many devices were online with it."""
        self.advance_to(at_us)
        cut_off = self.life.broker_stops(at_us, silent)
        self.blocked[self.fleet.state == State.ONLINE] = True
        return len(cut_off)

    def broker_started(self, at_us: int) -> None:
        self.advance_to(at_us)
        self.life.broker_starts(at_us)

    def stick(self, step: str, device: Device, channel: str) -> None:
        """Freeze a channel of these devices at its next value: a name, ``first`` or ``all``."""
        for group in self.fleet.groups:
            low, high = np.searchsorted(device, [group.first, group.last]).tolist()
            if low == high:
                continue
            for column, each in enumerate(self.channels[group.kind]):
                if channel in ("all", each.name) or (channel == "first" and column == 0):
                    self.stuck.append(StuckSensors(step, device[low:high], column))

    def unstick(self, step: str, device: Device) -> None:
        """Let the sensors that this step froze on these devices tell the truth again."""
        mine = [sensor for sensor in self.stuck if sensor.step == step and sensor.device[0] in device]
        for sensor in mine:
            self.bit(step, "readings_changed", sensor.changed)
        self.stuck = [sensor for sensor in self.stuck if not any(sensor is one for one in mine)]

    def evidence_of(self, step: str) -> Evidence:
        for sensor in self.stuck:
            if sensor.step == step:
                self.bit(step, "readings_changed", sensor.changed)
                sensor.changed = 0
        return super().evidence_of(step)
