"""How readings are made: physics, noise, failures, the sensor's resolution, and what is wrong with the sensor.

One `Sampler` a run. It knows machines and sensors, not sessions: what becomes of a reading is the world's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np

from twinstorm.twin import plugins
from twinstorm.twin.ahead import GroupDraws
from twinstorm.twin.chance import Purpose, Words, device_key, stream, words
from twinstorm.twin.condition import Conditions, conditions_of
from twinstorm.twin.event_groups import EventGroup, Spoken
from twinstorm.twin.failures import Counterfactual, MachineFailure, counterfactuals, severities
from twinstorm.twin.fleet import Fleet, SampleGroup
from twinstorm.twin.flow import DAY_US, YEAR_US, Device, Int, Mask, Values
from twinstorm.twin.foresight import LONGEST_US, Foresight, foresee, horizon_us
from twinstorm.twin.health import KindHealth, MachineHealth, by_kind
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.kind import (
    Foreseeable,
    Inputs,
    MachineKind,
    Renewable,
    Repeatable,
    Timeless,
    Truth,
    is_event_driven,
)
from twinstorm.twin.normal import normals
from twinstorm.twin.parts import Part
from twinstorm.twin.physics.shaken import Shaken, Shaking
from twinstorm.twin.physics.spread import uniform
from twinstorm.twin.places import place
from twinstorm.twin.plugins import PluginError
from twinstorm.twin.resolution import OutOfRange, Scale, Steps, keep_in_range
from twinstorm.twin.rows import Rows, compact, count, devices, shifted
from twinstorm.twin.sensors import Order, Sampled, SensorFault
from twinstorm.twin.stretch import Stretch, periods

Gauge = Callable[[str, Rows], tuple[int, Values, Mask] | None]
"""Of a kind and rows of the fleet: a channel, its values, and which of the rows tell them."""
MakeFault = Callable[[Order], SensorFault]
"""A sensor fault for the devices of one sample group."""
Bit = Callable[[str, str, int], None]
"""See `Exhibits.bit`."""
READINGS_CHANGED: Final = "readings_changed"

Told = TypeVar("Told", SensorFault, MachineFailure)


@dataclass
class Machines:
    """State of the machines of one sample group, columns of equal length: float32, or also integers (`EventKind`).

    Attributes:
        look_us: the next step from this instant on is looked at closely; 0 before the first. glance_us: its state is.
    """

    kind: MachineKind
    parameters: dict[str, Any]
    state: dict[str, Any]
    look_us: int = 0
    glance_us: int = 0

    def is_due(self, what: str, now_us: int, every_us: int) -> bool:
        """Whether it is time for one of these, for all blocks of this instant; then the next is `every_us` later."""
        due_us: int = getattr(self, what)
        if now_us >= due_us:
            setattr(self, what, now_us + every_us)
            return True
        return now_us == due_us - every_us


@dataclass
class Made:
    """Machines of a block, stepped and measured; see `Sampled` and `Counterfactual`."""

    now_us: int
    rows: Rows
    parameters: dict[str, Any]
    seq: Int
    key: Words
    without: list[Counterfactual]
    values: Values
    steps: Steps


class Sampler(Part):
    """Machines and sensors of one fleet.

    Args:
        year_us: microseconds since the first midnight of the calendar year at the start of the run, local to every
            device.
        bit: counts evidence.
    """

    def __init__(self, fleet: Fleet, kinds: Mapping[str, MachineKind], seed: int, year_us: int, bit: Bit) -> None:
        self._fleet = fleet
        self._bit = bit
        self._seed = seed
        self._year_us = year_us
        self.scales = {name: Scale(kind.channels) for name, kind in kinds.items()}
        self._machines = [self._set_up(kinds[group.kind], group) for group in fleet.groups]
        self.event_groups = {
            number: EventGroup(
                group,
                fleet.key[group.first : group.last],
                checked.ahead_us(machines.kind, machines.state, group.last - group.first),
            )
            for number, (group, machines) in enumerate(zip(fleet.groups, self._machines, strict=True))
            if group.grid_us and is_event_driven(machines.kind)
        }
        widest = max((kind.words for kind in kinds.values()), default=0)
        self._noise = [stream(seed, Purpose.NOISE << 8 | number) for number in range(widest)]
        self._draws = [
            GroupDraws(self._noise[: kinds[group.kind].words], fleet.key[group.first : group.last], normals)
            for group in fleet.groups
        ]
        self._foreseeable = {
            number
            for number, event_group in self.event_groups.items()
            if isinstance(self._machines[number].kind, Foreseeable)
            and event_group.every_us <= LONGEST_US
            and horizon_us(len(event_group.due_us))
        }
        self._foresights: dict[int, Foresight] = {}
        """By group; none: its machines are stepped at every instant at which something happens."""
        self._repeatable = {
            number
            for number, (group, machines) in enumerate(zip(fleet.groups, self._machines, strict=True))
            if isinstance(machines.kind, Repeatable) and periods(group.last - group.first, group.every_us) > 1
        }
        self._stretches: dict[int, Stretch] = {}
        """By periodic group; none: its machines are where they are now."""
        self.sensor_faults: list[list[SensorFault]] = [[] for _ in fleet.groups]
        self.failures: list[list[MachineFailure]] = [[] for _ in fleet.groups]
        self.gauge: Gauge | None = None
        """What devices tell of their batteries, in place of what their kind counts; None: no device has one."""
        self._stepped_us: dict[int, Int] = {}
        """When the machines of a periodic group were stepped last, one row each; no entry: all at its last instant."""
        self.halted: Mask | None = None
        """Whose machine stands still though it has power; None: nobody's ever did."""

    @property
    def is_idle(self) -> bool:
        return True

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
        self, number: int, rows: Rows, now_us: int, seq: Int, powered: Mask, all_powered: bool
    ) -> tuple[Values, Steps]:
        """Step the machines of a block to `now_us` and read their sensors.

        Args:
            number: of the sample group. rows: its devices, as rows of the fleet.
            seq: number of each reading; chance hangs on it.

        Returns:
            float32 and steps (channels, n): what is told, rounded to the sensors' resolution. Rows without power hold
            numbers that nobody sends.
        """
        group = self._fleet.groups[number]
        if number in self._repeatable:
            stretch = self._along(number, rows, now_us, seq) if all_powered else None
            if stretch is not None:
                return stretch.next()
            self.settle(number)
        column = self._stepped_us.get(number)
        if column is None:
            return self._measure(number, rows, now_us, group.every_us, seq, powered, all_powered)
        part = shifted(rows, group.first)
        stepped_us = column[part].copy()
        column[part] = now_us
        earliest_us = int(stepped_us.min())
        if earliest_us == stepped_us.max():
            return self._measure(number, rows, now_us, now_us - earliest_us, seq, powered, all_powered)
        n = len(seq)
        channels = len(self._machines[number].kind.channels)
        values, steps = np.empty((channels, n), np.float32), np.empty((channels, n), self.scales[group.kind].dtype)
        for since_us in np.unique(stepped_us).tolist():
            chosen = np.flatnonzero(stepped_us == since_us)
            some, dt_us = compact(devices(rows, chosen)), now_us - since_us
            values[:, chosen], steps[:, chosen] = self._measure(
                number, some, now_us, dt_us, seq[chosen], powered[chosen], all_powered
            )
        return values, steps

    def _measure(
        self, number: int, rows: Rows, now_us: int, dt_us: int, seq: Int, powered: Mask, all_powered: bool
    ) -> tuple[Values, Steps]:
        """As `measure`, of machines that were stepped together, `dt_us` ago."""
        part = shifted(rows, self._fleet.groups[number].first)
        columns = self._machines[number].state
        state = {name: column[part] for name, column in columns.items()}
        inputs = self._inputs(number, rows, now_us, dt_us)
        if self.halted is not None:
            inputs = replace(inputs, running=powered & ~self.halted[rows])
        elif not all_powered:
            inputs = replace(inputs, running=powered)
        made = self._step(number, rows, inputs, seq, state)
        if not isinstance(part, slice):  # these were copies
            for name, column in state.items():
                columns[name][part] = column
        self._tell(number, made, powered)
        return made.values, made.steps

    def new_period(self, number: int, now_us: int, apart: bool) -> None:
        """A periodic group has sampled at one of its ordinary instants.

        Args:
            apart: some of its devices sample again before the next one.
        """
        if apart:
            group = self._fleet.groups[number]
            self._stepped_us[number] = np.full(group.last - group.first, now_us, np.int64)
        else:
            self._stepped_us.pop(number, None)

    def measure_due(self, number: int, device: Int, now_us: int, seq: Int, powered: Mask) -> Spoken:
        """Step those event-driven machines that are due, and read the sensors of those that speak.

        Args:
            number: of the sample group. device: ascending, see `EventGroup.due`.
            seq: number of the reading that each makes if it speaks. powered: whose machine works.
        """
        group, kind = self._fleet.groups[number], self.kind(number)
        if self.halted is not None:
            powered = powered & ~self.halted[device]
        awake = np.flatnonzero(powered)
        if len(awake) < len(device):
            self.event_groups[number].stand_still(device[~powered] - group.first, now_us)
        if not len(awake):
            nothing = np.empty((len(kind.channels), 0), np.float32)
            return Spoken(awake, nothing, nothing.astype(self.scales[group.kind].dtype))
        inputs = self._inputs(number, device[awake], now_us, group.every_us)
        spoken = self._live(number, device[awake], now_us, inputs, seq[awake])
        return Spoken(awake[spoken.chosen], spoken.values, spoken.steps)

    def measure_next(self, number: int, now_us: int, end_us: int) -> tuple[Int, Int, Spoken]:
        """As `measure_due`, of all that are due at `now_us`, who have power; of machines that can be stepped together,
        also of all others that are due before `end_us`, each at its next instant.

        Returns:
            Those who were asked, int64, and when.
        """
        event_group = self.event_groups[number]
        group, seq = self._fleet.groups[number], self._fleet.seq
        if not (isinstance(self.kind(number), Timeless) and self._is_left_alone(number)):
            due = event_group.due(now_us)
            at_us = np.full(len(due), now_us, np.int64)
            return due, at_us, self.measure_due(number, due, now_us, seq[due] + 1, np.ones(len(due), np.bool_))
        due = event_group.due(end_us - 1)
        at_us = event_group.due_us[due - group.first]
        inputs = self._inputs(number, due, int(at_us.max()), group.every_us)
        return due, at_us, self._live(number, due, at_us, inputs, seq[due] + 1)

    def _live(self, number: int, device: Int, at_us: Int | int, inputs: Inputs, seq: Int) -> Spoken:
        """Step event-driven machines that work, and read the sensors of those that speak."""
        group, machines, event_group = self._fleet.groups[number], self._machines[number], self.event_groups[number]
        kind, rows = machines.kind, device - group.first
        assert is_event_driven(kind)
        state = {name: column[rows] for name, column in machines.state.items()}
        made = self._step(number, device, replace(inputs, lived_us=event_group.lived_us(rows, at_us)), seq, state)
        for name, column in state.items():
            machines.state[name][rows] = column
        news, ahead_us = checked.has_news(kind, state, len(rows)), checked.ahead_us(kind, state, len(rows))
        told = event_group.speak(rows, at_us, news, ahead_us)
        self._tell(number, made, told)
        speaks = np.flatnonzero(told)
        return Spoken(speaks, made.values.take(speaks, axis=1), made.steps.take(speaks, axis=1))

    # --- small periodic groups that nothing disturbs ------------------------------------------------------------------

    def measure_on(self, number: int, rows: slice, now_us: int, seq: Int, most: int) -> tuple[Values, Steps]:
        """As `measure`, all devices of a group, with power, at this instant and perhaps at some after it, at most so
        many; (channels, instants * n), instant after instant."""
        stretch = self._along(number, rows, now_us, seq) if number in self._repeatable else None
        if stretch is not None:
            return stretch.next(most)
        return self.measure(number, rows, now_us, seq, np.ones(len(seq), np.bool_), True)

    def _along(self, number: int, rows: Rows, now_us: int, seq: Int) -> Stretch | None:
        """What machines with power measure on which nothing but time acts, from this instant on; None: they must be
        stepped."""
        group = self._fleet.groups[number]
        if (
            count(rows) < group.last - group.first
            or number in self._stepped_us
            or self.failures[number]
            or self.sensor_faults[number]
            or self.gauge is not None
            or self.halted is not None
        ):
            return None
        stretch = self._stretches.get(number)
        if stretch is None or not stretch.is_at(now_us, seq):
            self.settle(number)
            stretch = self._look_along(number, now_us, seq)
            if stretch is None:
                return None
            self._stretches[number] = stretch
        return stretch

    def _look_along(self, number: int, now_us: int, seq: Int) -> Stretch | None:
        """Step some periods together; None: this instant must be looked at by itself."""
        group, machines = self._fleet.groups[number], self._machines[number]
        # Up to the instant at which a step is watched closely.
        times = -(-(machines.look_us - now_us) // group.every_us)
        times = min(times, periods(group.last - group.first, group.every_us))
        if times < 2:
            return None
        before = {name: column.copy() for name, column in machines.state.items()}
        try:
            values = self._repeat(number, now_us, seq, times)
            steps = self.scales[group.kind].rounded(values)
        except (PluginError, OutOfRange):
            # It will be told at its own instant, if it happens at all.
            self._repeatable.discard(number)
            self._put_back(number, before)
            return None
        return Stretch(now_us, group.every_us, seq.copy(), before, values, steps)

    def _repeat(self, number: int, first_us: int, seq: Int, times: int) -> Values:
        """Step all machines of a group at so many instants; float32 (channels, times * n), what they measure."""
        group, machines = self._fleet.groups[number], self._machines[number]
        kind, n = machines.kind, group.last - group.first
        numbers = seq + np.arange(times)[:, np.newaxis]
        key = np.tile(self._fleet.key[group.first : group.last], times)
        noise = self._noise_of(kind.words, key, numbers.reshape(-1))
        values = np.empty((len(kind.channels), times, n), np.float32)
        rows, every_us = slice(group.first, group.last), group.every_us
        inputs = [self._inputs(number, rows, first_us + nth * every_us, every_us) for nth in range(times)]
        noise = noise.reshape(len(noise), times, n)
        checked.repeat(kind, machines.state, machines.parameters, inputs, noise, values)
        checked.glance(kind, machines.state, "repeat")
        return values.reshape(len(values), times * n)

    def _put_back(self, number: int, before: Mapping[str, Any]) -> None:
        for name, column in self._machines[number].state.items():
            np.copyto(column, before[name])

    # --- small event-driven groups that nothing disturbs --------------------------------------------------------------

    def wake_us(self, number: int, now_us: int) -> int:
        """When somebody of an event-driven group is due next."""
        sight = self._foresights.get(number)
        if sight is not None:
            next_us = sight.next_us()
            if next_us is not None:
                return next_us
            self.settle(number)
        return self.event_groups[number].wake_us(now_us)

    def foreseen(self, number: int, now_us: int, all_powered: bool) -> Spoken | None:
        """What is told at an instant at which somebody of an event-driven group is due, as `Spoken` of all its devices.

        Args:
            all_powered: of the group.

        Returns:
            None: nobody knows; they must be stepped.
        """
        sight = self._sight(number, now_us, all_powered)
        return None if sight is None else sight.at(now_us)

    def foreseen_before(self, number: int, now_us: int, end_us: int) -> tuple[Int, Spoken] | None:
        """As `foreseen`, at this and some more instants before `end_us`, and when; all have power."""
        sight = self._sight(number, now_us, True)
        return None if sight is None else sight.before(end_us)

    def _sight(self, number: int, now_us: int, all_powered: bool) -> Foresight | None:
        if not (all_powered and self._is_undisturbed(number)):
            self.settle(number)
            return None
        sight = self._foresights.get(number)
        if sight is None:
            sight = self._foresights[number] = self._foresee(number, now_us)
        return sight

    def _is_undisturbed(self, number: int) -> bool:
        """Nothing but time acts on these machines, whose future can be seen, and on what they tell."""
        return number in self._foreseeable and self._machines[number].look_us > 0 and self._is_left_alone(number)

    def _is_left_alone(self, number: int) -> bool:
        """Nothing but time acts on these event-driven machines and on what they tell."""
        group = self._fleet.groups[number]
        return (
            not self.failures[number]
            and not self.sensor_faults[number]
            and self.gauge is None
            and self.event_groups[number].is_even
            and (self.halted is None or not self.halted[group.first : group.last].any())
        )

    def _foresee(self, number: int, now_us: int) -> Foresight:
        group, machines = self._fleet.groups[number], self._machines[number]
        kind, fleet, scale = machines.kind, self._fleet, self.scales[group.kind]
        assert is_event_driven(kind)

        def measure(machine: Int, at_us: Int, nth: Int, state: Mapping[str, Any]) -> tuple[Values, Steps]:
            device = machine + group.first
            noise = self._noise_of(kind.words, fleet.key[device], fleet.seq[device] + 1 + nth)
            parameters = {name: column[machine] for name, column in machines.parameters.items()}
            values = np.empty((len(kind.channels), len(machine)), np.float32)
            checked.measure(kind, state, parameters, noise, values)
            try:
                return values, scale.rounded(values)
            except OutOfRange as wrong:
                name, when_us = fleet.names[int(device[wrong.row])], int(at_us[wrong.row])
                raise checked.measured_wrong(kind, wrong.channel, wrong.value, name, when_us) from None

        until_us = now_us + horizon_us(group.last - group.first) // group.grid_us * group.grid_us
        return foresee(self.event_groups[number], kind, machines.state, machines.parameters, until_us, measure)

    def settle(self, number: int) -> None:
        """Somebody looks at the machines of a group, or acts on them: they must be where they are now."""
        sight = self._foresights.pop(number, None)
        if sight is not None:
            machines = self._machines[number]
            assert is_event_driven(machines.kind)
            sight.settle(self.event_groups[number], machines.kind, machines.state, machines.parameters)
        stretch = self._stretches.pop(number, None)
        if stretch is not None and stretch.done < stretch.periods:
            self._put_back(number, stretch.before)
            if stretch.done:
                self._repeat(number, stretch.first_us, stretch.seq, stretch.done)

    def live_at(self, number: int, paces: Int) -> None:
        """See `EventGroup.live_at`."""
        self.settle(number)
        self.event_groups[number].live_at(paces)

    def _inputs(self, number: int, rows: Rows, now_us: int, dt_us: int) -> Inputs:
        failing = self.failures[number]
        return Inputs(
            now_us=now_us,
            dt_us=dt_us,
            calendar_us=(self._year_us + now_us) % DAY_US,
            year_us=(self._year_us + now_us) % YEAR_US,
            failures=severities(failing, rows, now_us) if failing else {},
        )

    def _step(self, number: int, rows: Rows, inputs: Inputs, seq: Int, state: dict[str, Any]) -> Made:
        """Step machines and measure; `state`, of these rows, is changed in place."""
        group, machines = self._fleet.groups[number], self._machines[number]
        kind, n, key = machines.kind, count(rows), self._fleet.key[rows]
        part = shifted(rows, group.first)
        if isinstance(part, slice):
            noise = self._draws[number].draws(part, seq)
        else:
            noise = self._noise_of(kind.words, key, seq)
        parameters = {name: column[part] for name, column in machines.parameters.items()}
        failing = self.failures[number]
        without = counterfactuals(failing, rows, inputs, noise) if failing else []
        running = inputs.running
        # What a machine at rest does not write is the same in every run.
        values = (np.empty if running is None else np.zeros)((len(kind.channels), n), np.float32)
        if machines.is_due("look_us", inputs.now_us, checked.LOOK_US):
            checked.watched_step(kind, state, parameters, inputs, noise, values)
        else:
            checked.step(kind, state, parameters, inputs, noise, values)
            if machines.is_due("glance_us", inputs.now_us, checked.GLANCE_US):
                checked.glance(kind, state)
        if self.halted is not None:
            keep_in_range(values, self.halted[rows], kind.channels)
        told = None if self.gauge is None else self.gauge(group.kind, rows)
        if told is not None:
            channel, level, mine = told
            np.copyto(values[channel], level, where=mine)
        try:
            steps = self.scales[group.kind].rounded(values, running)
        except OutOfRange as wrong:
            device = self._fleet.names[int(devices(rows, np.array([wrong.row]))[0])]
            raise checked.measured_wrong(kind, wrong.channel, wrong.value, device, inputs.now_us) from None
        return Made(inputs.now_us, rows, parameters, seq, key, without, values, steps)

    def _tell(self, number: int, made: Made, exist: Mask) -> None:
        """Count what failures changed in the readings that exist, and let faulty sensors change them."""
        kind = self._machines[number].kind
        scale = self.scales[kind.name]
        gauged = self.gauge(kind.name, made.rows) if made.without and self.gauge is not None else None
        foreign = None if gauged is None else gauged[0]
        for each in made.without:
            each.count(kind, made.parameters, made.steps, scale, exist, foreign)
        if self.sensor_faults[number]:
            block = Sampled(made.now_us, made.rows, made.values, made.steps, exist, made.seq, made.key, scale)
            for fault in self.sensor_faults[number]:
                fault.overlay(block)

    # --- what faults may do -------------------------------------------------------------------------------------------

    def groups_of(self, device: Device) -> Iterator[tuple[int, SampleGroup, Device]]:
        """Sample groups that some of these devices (ascending) belong to, with their share of them."""
        for number, group in enumerate(self._fleet.groups):
            low, high = np.searchsorted(device, [group.first, group.last]).tolist()
            if low < high:
                yield number, group, device[low:high]

    def sense(self, step: str, device: Device, channel: str, at_us: int, make: MakeFault) -> None:
        """Let sensors of these devices tell something else than the truth.

        Args:
            channel: see `columns_of`; devices that have none of these tell the truth.
        """
        for number, group, mine in self.groups_of(device):
            kind = self.kind(number)
            columns = columns_of(kind, channel)
            if columns:
                key = stream(self._seed, Purpose.SENSOR << 64 | device_key(f"{step}/{group.kind}"))
                channels = tuple(kind.channels[column] for column in columns)
                self.sensor_faults[number].append(make(Order(step, mine, columns, channels, key, at_us)))

    def sense_no_more(self, step: str, device: Device) -> None:
        """Let the sensors that this step changed on these devices tell the truth again."""
        self._bit(step, READINGS_CHANGED, sum(_end(faults, step, device) for faults in self.sensor_faults))

    def fail(self, step: str, device: Device, mode: str, severity: float, grows_us: int, at_us: int) -> int:
        """Let machines fail, from nothing to `severity` within `grows_us`. Returns how many of these can fail so."""
        reached = 0
        for number, group, mine in self.groups_of(device):
            if any(known.name == mode for known in self.kind(number).failures):
                known = (one for one in self.failures[number] if one.step == step)
                failure = next(known, None)
                self.settle(number)
                if failure is None:
                    failure = MachineFailure(step, mode, severity, grows_us)
                    self.failures[number].append(failure)
                failure.join(mine, at_us, group.first, self._machines[number].state)
                reached += len(mine)
        return reached

    def mend(self, step: str, device: Device) -> None:
        """Repair what this step broke on these devices; the damage that it did stays."""
        self._bit(step, READINGS_CHANGED, sum(_end(failures, step, device) for failures in self.failures))

    # --- what crews may do --------------------------------------------------------------------------------------------

    def halt(self, device: Int, still: bool) -> None:
        """Let machines stand still from their next sampling on, or work again."""
        if self.halted is None:
            self.halted = np.zeros(len(self._fleet), np.bool_)
        self.halted[device] = still

    def worn_out(self, asked: Mask) -> Int:
        """Those of these devices whose machine has no health left: ascending. This is the truth."""
        found = [np.empty(0, np.int64)]
        for number, group in enumerate(self._fleet.groups):
            mine = asked[group.first : group.last]
            if mine.any():
                # Whoever asks asks again soon: seeing ahead would be given up as often.
                self._foreseeable.discard(number)
                self._repeatable.discard(number)
                found.append(np.flatnonzero(mine & (self._truth(number).health <= 0.0)) + group.first)
        return np.concatenate(found)

    def health(self) -> tuple[KindHealth, ...]:
        """How all machines are, in short. This is the truth."""

        def truths() -> Iterator[tuple[str, int, Truth]]:
            for number, group in enumerate(self._fleet.groups):
                yield group.kind, group.first, self._truth(number)

        return by_kind(truths())

    def conditions(self, now_us: int) -> Conditions:
        """What fails in each machine, how healthy it is, and how long it will last. This is the truth."""
        truths = ((group.first, self._truth(number)) for number, group in enumerate(self._fleet.groups))
        return conditions_of(len(self._fleet), truths, self.failures, now_us)

    def truth_of(self, device: int) -> MachineHealth:
        """How the machine of one device is. This is the truth."""
        for number, group, _ in self.groups_of(np.array([device], np.int32)):
            truth, row = self._truth(number), device - group.first
            return MachineHealth(device, float(truth.health[row]), float(truth.remaining_s[row]))
        raise IndexError(f"no device {device}")

    def can_be_heard(self, device: int) -> bool:
        """Whether the machine of one device has a bearing to listen to."""
        return any(isinstance(self.kind(number), Shaking) for number, _, _ in self.groups_of(np.array([device])))

    def shaken(self, device: int, now_us: int, powered: bool) -> Shaken | None:
        """What shakes the machine of one device as it is now; None: its kind has no bearing to listen to."""
        for number, group, _ in self.groups_of(np.array([device], np.int32)):
            self.settle(number)
            machines, part = self._machines[number], slice(device - group.first, device - group.first + 1)
            if not isinstance(machines.kind, Shaking):
                return None
            works = powered and not (self.halted is not None and bool(self.halted[device]))
            rows = slice(device, device + 1)
            inputs = replace(self._inputs(number, rows, now_us, group.every_us), running=np.array([works]))
            state, parameters = (
                {name: column[part].copy() for name, column in columns.items()}
                for columns in (machines.state, machines.parameters)
            )
            with plugins.blamed("machine kind", machines.kind.name, type(machines.kind), "shaken"):
                return machines.kind.shaken(state, parameters, inputs, int(self._fleet.key[device]))
        raise IndexError(f"no device {device}")

    def _truth(self, number: int) -> Truth:
        """Of all machines of a group."""
        self.settle(number)
        machines = self._machines[number]
        return checked.truth(machines.kind, machines.state, machines.parameters)

    def renew(self, device: Device) -> None:
        """Repair machines: what wears is new, what failed in them fails no more."""
        for number, group, mine in self.groups_of(device):
            machines = self._machines[number]
            self.settle(number)
            # What else lies in an event-driven machine is what it is at work on: it stays.
            if isinstance(machines.kind, Renewable) or not is_event_driven(machines.kind):
                checked.renew(machines.kind, machines.state, machines.parameters, mine.astype(np.intp) - group.first)
            for failure in self.failures[number]:
                failure.leave(mine)
                if not len(failure.device):
                    self._bit(failure.step, READINGS_CHANGED, failure.changed)
            self.failures[number] = [one for one in self.failures[number] if len(one.device)]

    def count_evidence(self, step: str) -> None:
        changed = sum(_collect(orders, step) for orders in self.sensor_faults)
        changed += sum(_collect(orders, step) for orders in self.failures)
        if changed:
            self._bit(step, READINGS_CHANGED, changed)


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
