"""How readings are made: physics, noise, failures, the sensor's resolution, and what is wrong with the sensor.

One `Sampler` a run. It knows machines and sensors, not sessions: what becomes of a reading is the world's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np

from twinstorm.twin.ahead import Ahead
from twinstorm.twin.chance import Purpose, Words, device_key, stream, words
from twinstorm.twin.failures import MachineFailure, counterfactuals, severities
from twinstorm.twin.fleet import Fleet, SampleGroup
from twinstorm.twin.flow import HOUR_US, Device, Int, Mask, Values
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.kind import Inputs, MachineKind
from twinstorm.twin.normal import normals
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.places import place
from twinstorm.twin.resolution import OutOfRange, Scale, Steps
from twinstorm.twin.sensors import Order, Sampled, SensorFault

DAY_US: Final = 24 * HOUR_US
YEAR_US: Final = 365 * DAY_US


MakeFault = Callable[[Order], SensorFault]
"""A sensor fault for the devices of one sample group."""
Told = TypeVar("Told", SensorFault, MachineFailure)


@dataclass
class Machines:
    """State of the machines of one sample group, float32 columns of equal length.

    Attributes:
        is_known: a first step of them was looked at.
    """

    kind: MachineKind
    parameters: dict[str, Values]
    state: dict[str, Values]
    is_known: bool = False


class Sampler:
    """Machines and sensors of one fleet.

    Args:
        year_us: microseconds since the first midnight of the calendar year at the start of the run, local to every
            device.
    """

    def __init__(self, fleet: Fleet, kinds: Mapping[str, MachineKind], seed: int, year_us: int) -> None:
        self._fleet = fleet
        self._seed = seed
        self._year_us = year_us
        self.scales = {name: Scale(kind.channels) for name, kind in kinds.items()}
        self._machines = [self._set_up(kinds[group.kind], group) for group in fleet.groups]
        widest = max((kind.words for kind in kinds.values()), default=0)
        self._noise = [stream(seed, Purpose.NOISE << 8 | number) for number in range(widest)]
        self._ahead = [
            Ahead(partial(self._noise_of, kinds[group.kind].words), fleet.key[group.first : group.last])
            if Ahead.pays(group.last - group.first)
            else None
            for group in fleet.groups
        ]
        self.sensor_faults: list[list[SensorFault]] = [[] for _ in fleet.groups]
        self.failures: list[list[MachineFailure]] = [[] for _ in fleet.groups]

    def _noise_of(self, count: int, key: Words, seq: Int) -> Values:
        """So many words of noise, as normal draws."""
        draws = np.empty((count, len(key)), np.uint64)
        for word in range(count):
            draws[word] = words(self._noise[word], key, seq)
        return normals(draws)

    def kind(self, group: int) -> MachineKind:
        return self._machines[group].kind

    def _set_up(self, kind: MachineKind, group: SampleGroup) -> Machines:
        fleet = self._fleet
        key = fleet.key[group.first : group.last]
        machine = [stream(self._seed, Purpose.MACHINE << 8 | number) for number in range(256)]

        def draws(number: int) -> Words:
            return words(machine[number], key, 0)

        sites = [name for name, _ in fleet.plan.sites]
        where = place(self._seed, Purpose.SITE, sites, fleet.site[group.first : group.last])
        parameters = checked.set_up(kind, draws, where, len(key))
        self._set(parameters, group)
        return Machines(kind, parameters, checked.begin(kind, parameters, len(key)))

    def _set(self, parameters: dict[str, Values], group: SampleGroup) -> None:
        """Put in what the scenario says of the machines of some segments; of a range, one draw a machine."""
        fleet = self._fleet
        segment = fleet.segment[group.first : group.last]
        for number, plan in enumerate(fleet.plan.segments):
            if not plan.machine:
                continue
            rows = np.flatnonzero(segment == number)
            for name, low, high in plan.machine if len(rows) else ():
                key = stream(self._seed, Purpose.SETTING << 64 | device_key(name))
                parameters[name][rows] = uniform(words(key, fleet.key[group.first + rows], 0), low, high)

    def measure(
        self, number: int, rows: slice, now_us: int, seq: Int, powered: Mask, all_powered: bool
    ) -> tuple[Values, Steps]:
        """Step the machines of a block to `now_us` and read their sensors.

        Args:
            number: of the sample group. rows: its devices, as rows of the fleet.
            seq: number of each reading; chance hangs on it.

        Returns:
            float32 and int16 (channels, n): what is told, rounded to the sensors' resolution. Rows without power hold
            numbers that nobody sends.
        """
        group, machines = self._fleet.groups[number], self._machines[number]
        kind, scale = machines.kind, self.scales[group.kind]
        key = self._fleet.key[rows]
        n = rows.stop - rows.start
        ahead = self._ahead[number] if n == group.last - group.first else None
        noise = self._noise_of(kind.words, key, seq) if ahead is None else ahead.draws(seq)
        part = slice(rows.start - group.first, rows.stop - group.first)
        parameters = {name: column[part] for name, column in machines.parameters.items()}
        failing = self.failures[number]
        inputs = Inputs(
            now_us=now_us,
            dt_us=group.every_us,
            running=None if all_powered else powered,
            calendar_us=(self._year_us + now_us) % DAY_US,
            year_us=(self._year_us + now_us) % YEAR_US,
            failures=severities(failing, rows.start, n, now_us) if failing else {},
        )
        without = counterfactuals(failing, rows.start, inputs, noise) if failing else []
        state = {name: column[part] for name, column in machines.state.items()}
        # What a machine without power does not write is the same in every run.
        values = (np.empty if all_powered else np.zeros)((len(kind.channels), n), np.float32)
        if machines.is_known:
            checked.step(kind, state, parameters, inputs, noise, values)
        else:
            checked.first_step(kind, state, parameters, inputs, noise, values)
            machines.is_known = True
        try:
            steps = scale.rounded(values, None if all_powered else powered)
        except OutOfRange as wrong:
            device = self._fleet.names[rows.start + wrong.row]
            raise checked.measured_wrong(kind, wrong.channel, wrong.value, device, now_us) from None
        for each in without:
            each.count(kind, parameters, steps, scale, powered)
        if self.sensor_faults[number]:
            block = Sampled(now_us, rows.start, values, steps, powered, seq, key, scale)
            for fault in self.sensor_faults[number]:
                fault.overlay(block)
        return values, steps

    # --- what faults may do -------------------------------------------------------------------------------------------

    def groups_of(self, device: Device) -> Iterator[tuple[int, SampleGroup, Device]]:
        """Sample groups that some of these devices (ascending) belong to, with their share of them."""
        for number, group in enumerate(self._fleet.groups):
            low, high = np.searchsorted(device, [group.first, group.last]).tolist()
            if low < high:
                yield number, group, device[low:high]

    def sense(self, step: str, device: Device, channel: str, at_us: int, make: MakeFault) -> None:
        """Lay a sensor fault over some channels (see `columns_of`) of those of these devices that have them."""
        for number, group, mine in self.groups_of(device):
            kind = self.kind(number)
            columns = columns_of(kind, channel)
            if columns:
                key = stream(self._seed, Purpose.SENSOR << 64 | device_key(f"{step}/{group.kind}"))
                channels = tuple(kind.channels[column] for column in columns)
                self.sensor_faults[number].append(make(Order(step, mine, columns, channels, key, at_us)))

    def sense_no_more(self, step: str, device: Device) -> int:
        """End the sensor faults of a step on these devices. Returns the readings that they changed."""
        return sum(_end(faults, step, device) for faults in self.sensor_faults)

    def fail(self, step: str, device: Device, mode: str, severity: float, grows_us: int, at_us: int) -> int:
        """Let machines fail. Returns how many of these can fail in this way."""
        reached = 0
        for number, group, mine in self.groups_of(device):
            if any(known.name == mode for known in self.kind(number).failures):
                known = (one for one in self.failures[number] if one.step == step)
                failure = next(known, None)
                if failure is None:
                    failure = MachineFailure(step, mode, severity, grows_us)
                    self.failures[number].append(failure)
                failure.join(mine, at_us, group.first, self._machines[number].state)
                reached += len(mine)
        return reached

    def mend(self, step: str, device: Device) -> int:
        """End the failures of a step on these devices; what they damaged stays. Returns the readings they changed."""
        return sum(_end(failures, step, device) for failures in self.failures)

    def changed(self, step: str) -> int:
        """Readings that sensor faults and failures of this step have changed since the last call."""
        sensed = sum(_collect(faults, step) for faults in self.sensor_faults)
        return sensed + sum(_collect(failures, step) for failures in self.failures)


def _end(orders: list[Told], step: str, device: Device) -> int:
    """Take out the orders of a step that began on these devices. Returns what they have changed and not told yet."""
    mine = [one for one in orders if one.step == step and one.device[0] in device]
    orders[:] = [one for one in orders if not any(one is ended for ended in mine)]
    return _collect(mine, step)


def _collect(orders: list[Told], step: str) -> int:
    total = 0
    for one in orders:
        if one.step == step:
            total += one.changed
            one.changed = 0
    return total


def columns_of(kind: MachineKind, channel: str) -> tuple[int, ...]:
    """Columns that a name means: of one channel, of several joined by commas, of the ``first`` or of ``all``.

    Returns:
        None of them if the kind lacks one.
    """
    names = [each.name for each in kind.channels]
    if channel == "all":
        return tuple(range(len(names)))
    wanted = names[:1] if channel == "first" else [name.strip() for name in channel.split(",")]
    return tuple(names.index(name) for name in wanted) if set(wanted) <= set(names) else ()
