"""Batteries of devices: what drains them, what the cold does to them, and devices that die of it and come back.

A battery is counted in whole nanojoules. What a device did since it was last looked at is told by counters that are
there anyway (readings, attempts, boots) and by the messages that the world counts; so no idle device costs a call and
none of this is on the way of a reading. All batteries are looked at once a minute, those near their end once a second,
and every one whose power is switched in that instant.

The voltage under load is Voc(charge) - I R(charge, temperature). Where a burst of transmission pulls it under the
device's limit, the device resets, boots, connects and may be reset by that again: a loop that costs more than it gives.
Where booting pulls as hard, it resets again and again while it boots, and after a few times it is *dark* until the
battery is charged, swapped or warmer. The cold does both long before the battery is empty.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.cells import CELLS, OUTSIDE, PowerPlan
from twinstorm.twin.chance import Purpose, below, stream, words
from twinstorm.twin.fleet import SegmentPlan, State
from twinstorm.twin.flow import DAY_US, SECOND_US, YEAR_US, Device, Int, Mask, Values
from twinstorm.twin.keepalive import pings
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.parts import Part
from twinstorm.twin.physics import air, climate
from twinstorm.twin.places import place
from twinstorm.twin.power_tables import MILLION, NJ, Curves, between, by_segment
from twinstorm.twin.rows import Rows
from twinstorm.twin.stories import Story

if TYPE_CHECKING:
    from twinstorm.twin.world import World

ENERGY: Final = "energy"
LOOK_US: Final = 60 * SECOND_US
"""All batteries are looked at on multiples of this."""

WAKE_MARGIN: Final = 0.1
"""A dark device boots when the supply is above its limit by this share of the nominal voltage (assumed)."""
LEAST_BURST: Final = 0.5
"""Bursts draw between this and all of the link's power, by lot: transmission power follows reception (assumed)."""
BOOT_TRIES: Final = 5
"""Boots in a row that a sagging supply may end, each within a second; then a supervisor holds the device (assumed)."""
LOCKED_STIFFNESS: Final = 30
"""What the cold locks in still gives a little: the resistance grows by so many times the share of the full charge that
is drawn of it (assumed: four times as much at a tenth of the charge)."""
FULL_SUN_W_M2: Final = 1000.0

_MOST_NJ: Final = 4e18
"""More than any battery holds, and still an int64."""
_SIN_45: Final = 0.7071067811865476

FLOOR, SHELF, READINGS, MESSAGES, CONNECTS, BOOTS, DRAINED = CAUSES = (
    "asleep",
    "self-discharge",
    "readings",
    "messages",
    "connects",
    "boots",
    "drained by faults",
)

DEVICES_DRAINED, JOULES_DRAINED, BROWN_OUTS = "devices_drained", "joules_drained", "brown_outs"


@dataclass
class Drain:
    """What one order takes from the batteries of its devices; arrays with one row a device.

    Attributes:
        row: of the batteries, ascending.
        left_nj: int64, what is still to be taken. nj_per_us: float64, how fast.
        times: the device draws so many times what it would.
        hit: bool, whom it has cost something.
        taken_nj: from all of them.
    """

    step: str
    row: Int
    left_nj: Int
    nj_per_us: NDArray[np.float64]
    times: float
    hit: Mask = field(init=False)
    taken_nj: int = 0

    def __post_init__(self) -> None:
        self.hit = np.zeros(len(self.row), np.bool_)

    def of(self, rows: Int) -> tuple[Int, Int]:
        """Which of these batteries it drains, as places in `rows` and in its own columns."""
        own = np.searchsorted(self.row, rows)
        own[own == len(self.row)] = 0
        mine = np.flatnonzero(self.row[own] == rows)
        return mine, own[mine]

    def take(self, own: Int, drawn_nj: Int, dt_us: Int) -> Int:
        """What it takes from batteries that gave `drawn_nj` in that time by themselves."""
        wanted_nj = np.ceil(np.minimum(self.nj_per_us[own] * dt_us, _MOST_NJ)).astype(np.int64)
        taken = np.minimum(self.left_nj[own], wanted_nj)
        self.left_nj[own] -= taken
        taken += (drawn_nj * (self.times - 1.0)).astype(np.int64)
        self.hit[own] |= taken > 0
        self.taken_nj += int(taken.sum())
        return taken


class Energy(Part):
    """The batteries of one fleet; a row is a device that has one.

    Args:
        year_us: as `World`'s.

    Attributes:
        device: int64, ascending. row_of: int32, a row a device; -1: no battery.
        charge_nj: what is in it. full_nj: what fits.
        dark: bool, too empty or too cold to boot.
        sent, repeated, born: messages, repetitions beyond the usual ones and births of each *device* since its battery
            was last looked at. slower_us: time that a squeeze kept it on air.
        spent_nj: by cause, of all. short_nj: of that, what an empty battery could not give. charged_nj: given to all.
        resets: brown-outs so far.
    """

    def __init__(self, world: World, year_us: int) -> None:
        fleet = world.fleet
        segments = fleet.plan.segments
        self._world, self._fleet, self._year_us = world, fleet, year_us
        powered = np.array([part.power is not None for part in segments], np.bool_)
        self.device: Int = np.flatnonzero(powered[fleet.segment])
        n = len(self.device)
        self.row_of = np.full(len(fleet), -1, np.int32)
        self.row_of[self.device] = np.arange(n)
        self._segment = fleet.segment[self.device].astype(np.int64)
        self._site = fleet.site[self.device]
        self._of = by_segment(
            segments, fleet.link_of_segment, {kind: len(columns) for kind, columns in world.channels.items()}
        )
        self.full_nj = self._of["full"][self._segment]
        self.charge_nj = self._start(world.seed, segments)
        self.sent = np.zeros(len(fleet), np.int32)
        self.repeated = np.zeros(len(fleet), np.int32)
        self.born = np.zeros(len(fleet), np.int32)
        self.slower_us: Int = np.zeros(len(fleet), np.int64)
        self.dark = np.zeros(n, np.bool_)
        self._failed_boots = np.zeros(n, np.uint8)
        self.mains_cuts = np.zeros(n, np.uint8)
        self.drains: list[Drain] = []
        self.spent_nj: Counter[str] = Counter()
        self.short_nj = self.charged_nj = self.resets = 0
        self._settled_us = np.zeros(n, np.int64)
        self._rest = np.zeros(n, np.int64)
        self._seq = fleet.seq[self.device]
        self._tries = fleet.tries[self.device]
        self._boot = fleet.boot[self.device]
        self._bursts = np.zeros(n, np.int64)
        self._chance = stream(world.seed, Purpose.BURST)
        self._near: Int = np.empty(0, np.int64)
        self._has_mains = self._of["mains"] > 0
        cells = [part.power.cell if part.power is not None else "lithium" for part in segments]
        self._cells = [Curves(CELLS[name]) for name in sorted(set(cells))]
        self._cell = np.array([sorted(set(cells)).index(name) for name in cells], np.int64)
        self._plans = [part.power for part in segments]
        sites = [name for name, _ in fleet.plan.sites]
        self._climate = climate.of_place(place(world.seed, Purpose.SITE, sites, np.arange(len(sites))))
        self._outside = np.array([_is_outside(plan) for plan in self._plans], np.bool_)
        charges_mc = [CELLS[name].charges_from_c for name in cells]
        self._charges_mc = np.array([round((0.0 if at is None else at) * 1_000) for at in charges_mc], np.int64)
        self._channel = {
            kind: next(i for i, channel in enumerate(columns) if channel.name == "battery_pct")
            for kind, columns in world.channels.items()
            if any(channel.name == "battery_pct" for channel in columns)
        }
        self.story = Story(ENERGY, rank=5, due_us=LOOK_US)

    def _start(self, seed: int, segments: tuple[SegmentPlan, ...]) -> Int:
        """Charge at the start, by lot within what the segment says."""
        ends = [(0.0, 0.0) if part.power is None else part.power.charge for part in segments]
        low, high = np.array([[round(end * MILLION) for end in pair] for pair in ends], np.int64).T
        draws = words(stream(seed, Purpose.CHARGE), self._fleet.key[self.device], 0)
        share = low[self._segment] + below(draws, (high - low)[self._segment] + 1)
        return self.full_nj // MILLION * share + self.full_nj % MILLION * share // MILLION

    # --- what the world tells -----------------------------------------------------------------------------------------

    def count_sent(self, device: Rows, messages: Int | Mask | int) -> None:
        self.sent[device] += messages

    def count_repeated(self, device: Int, times: Int, slower_us: Int) -> None:
        self.repeated[device] += times.astype(np.int32)
        self.slower_us[device] += slower_us

    def connected(self, device: Int, at_us: Int) -> None:  # noqa: ARG002
        self.born[device] += 1

    def power_switches(self, device: Int, at_us: int) -> None:
        """Who is off draws nothing."""
        rows = self.rows_of(device)
        if len(rows):
            self.settle(rows, at_us)

    # --- counting -----------------------------------------------------------------------------------------------------

    def rows_of(self, device: Int | Device) -> Int:
        """Rows of those of these devices that have a battery."""
        rows = self.row_of[device]
        return rows[rows >= 0].astype(np.int64)

    def settle(self, rows: Int, now_us: int) -> Mask:
        """Take what these devices have drawn since they were last looked at. Returns which of them transmitted."""
        fleet, of = self._fleet, self._of
        who, segment = self.device[rows], self._segment[rows]
        dt_us = np.maximum(now_us - self._settled_us[rows], 0)
        readings = fleet.seq[who] - self._seq[rows]
        attempts = fleet.tries[who] - self._tries[rows]
        boots = (fleet.boot[who] - self._boot[rows]).astype(np.int64)
        sent, born = self.sent[who].astype(np.int64), self.born[who].astype(np.int64)
        pinged = self._pings(who, sent, now_us, dt_us)

        idle = of["floor"][segment] * (fleet.state[who] != State.OFF)
        steady = (idle + of["shelf"][segment]) * dt_us + self._rest[rows]
        self._rest[rows] = steady % MILLION
        steady //= MILLION
        asleep = idle * dt_us // MILLION
        messages = sent * of["message"][segment] + born * of["state"][segment] + pinged * of["ping"][segment]
        messages += self.repeated[who] * of["repeat"][segment]
        messages += of["on_air"][segment] * self.slower_us[who]
        spent = {
            FLOOR: asleep,
            SHELF: steady - asleep,
            READINGS: readings * of["reading"][segment],
            MESSAGES: messages,
            CONNECTS: attempts * of["connect"][segment],
            BOOTS: boots * of["boot"][segment],
        }
        drawn: Int = np.zeros(len(rows), np.int64)
        for part in spent.values():
            drawn += part
        if self.drains:
            spent[DRAINED] = self._drained(rows, drawn - spent[SHELF], dt_us)
            drawn += spent[DRAINED]
        for cause, part in spent.items():
            self.spent_nj[cause] += int(part.sum())

        left = self.charge_nj[rows] - drawn + self._income(rows, now_us, dt_us)
        over, short = np.maximum(left - self.full_nj[rows], 0), np.maximum(-left, 0)
        self.charged_nj -= int(over.sum())
        self.short_nj += int(short.sum())
        self.charge_nj[rows] = left - over + short

        self._settled_us[rows] = now_us
        self._seq[rows], self._tries[rows], self._boot[rows] = fleet.seq[who], fleet.tries[who], fleet.boot[who]
        self.sent[who] = self.repeated[who] = self.born[who] = 0
        self.slower_us[who] = 0
        transmitted: Mask = (sent + born + pinged + attempts) > 0
        return transmitted

    def _pings(self, who: Int, sent: Int, now_us: int, dt_us: Int) -> Int:
        """Packets that keep a session alive where readings are too rare: on the beat of `Life.heard_us`."""
        fleet = self._fleet
        rare = pings(fleet.every_us[who], fleet.keep_alive_us[who])
        if not rare.any():
            return np.zeros(len(who), np.int64)
        gap_us = np.where(rare, fleet.keep_alive_us[who], fleet.every_us[who])
        since_us = np.maximum(now_us - dt_us, fleet.connected_us[who])
        phase_us = fleet.phase_us[who]
        beats = (now_us - phase_us) // gap_us - (np.minimum(since_us, now_us) - phase_us) // gap_us
        extra = np.maximum(beats - sent, 0)
        extra[(fleet.state[who] != State.ONLINE) | ~rare] = 0
        return extra

    def _drained(self, rows: Int, drawn_nj: Int, dt_us: Int) -> Int:
        total: Int = np.zeros(len(rows), np.int64)
        for order in self.drains:
            mine, own = order.of(rows)
            hit, joules = int(np.count_nonzero(order.hit)), order.taken_nj // NJ
            total[mine] += order.take(own, drawn_nj[mine], dt_us[mine])
            self._world.bit(order.step, DEVICES_DRAINED, int(np.count_nonzero(order.hit)) - hit)
            self._world.bit(order.step, JOULES_DRAINED, order.taken_nj // NJ - joules)
        return total

    def _income(self, rows: Int, now_us: int, dt_us: Int) -> Int:
        """What chargers give, before the battery is full."""
        of, segment = self._of, self._segment[rows]
        if not (of["solar"].any() or of["mains"].any()):
            return np.zeros(len(rows), np.int64)
        power_nw = np.where(self.mains_cuts[rows] == 0, of["mains"][segment], 0)
        if of["solar"].any():
            at = climate.moment(self._inputs(now_us))
            sun = (climate.ground_w_m2(self._climate, at) / np.float32(FULL_SUN_W_M2)).astype(np.float64)
            power_nw = power_nw + (of["solar"][segment] * sun[self._site[rows]]).astype(np.int64)
        power_nw[self._temperature_mc(rows, now_us) < self._charges_mc[segment]] = 0
        income: Int = power_nw * (dt_us // 1_000) // 1_000
        self.charged_nj += int(income.sum())
        return income

    # --- voltage ------------------------------------------------------------------------------------------------------

    def _inputs(self, now_us: int) -> Inputs:
        year_us = (self._year_us + now_us) % YEAR_US
        return Inputs(now_us, LOOK_US, None, year_us % DAY_US, year_us)

    def _temperature_mc(self, rows: Int, now_us: int) -> Int:
        inputs = self._inputs(now_us)
        cosine, sine = air.day(inputs.calendar_us)
        warmth = -(cosine + sine) * _SIN_45
        of_segment = np.zeros(len(self._plans), np.int64)
        for number, plan in enumerate(self._plans):
            if plan is not None and not self._outside[number]:
                low, high = plan.temperature_c
                of_segment[number] = round((low + (high - low) * (1.0 + warmth) / 2.0) * 1_000)
        temperature: Int = of_segment[self._segment[rows]]
        outside = self._outside[self._segment[rows]]
        if outside.any():
            of_site = np.rint(climate.air_c(self._climate, climate.moment(inputs)) * np.float32(1_000))
            temperature = np.where(outside, of_site.astype(np.int64)[self._site[rows]], temperature)
        return temperature

    def _along(self, name: str, rows: Int, where: Int) -> Int:
        """A curve of each battery's cell."""
        if len(self._cells) == 1:
            return between(getattr(self._cells[0], name), where)
        value = np.empty(len(rows), np.int64)
        cell = self._cell[self._segment[rows]]
        for code, curves in enumerate(self._cells):
            mine = cell == code
            value[mine] = between(getattr(curves, name), where[mine])
        return value

    def supply(self, rows: Int, now_us: int) -> tuple[Int, Int]:
        """Voltage without load, uV, and resistance, uOhm, of these batteries now; an empty one has no voltage."""
        temperature_mc = self._temperature_mc(rows, now_us)
        full = self.full_nj[rows] // MILLION
        usable = self._along("usable", rows, temperature_mc)
        left = self.charge_nj[rows] - full * (MILLION - usable)
        charge = np.maximum(left, 0) // np.maximum(full * usable // MILLION, 1)
        of, segment = self._of, self._segment[rows]
        open_uv = of["nominal_uv"][segment] * self._along("open_v", rows, charge) // MILLION
        worse = self._along("colder", rows, temperature_mc) * self._along("emptier", rows, charge) // MILLION
        worse += worse * LOCKED_STIFFNESS * (np.maximum(-left, 0) // np.maximum(full, 1)) // MILLION
        return np.where(self.charge_nj[rows] > 0, open_uv, 0), of["resistance_uohm"][segment] * worse // MILLION

    def margins(self, rows: Int, now_us: int) -> NDArray[np.float64]:
        """Share by which the supply of these devices may sag before a burst resets them; negative: none is left."""
        of, segment = self._of, self._segment[rows]
        open_uv, resistance_uohm = self.supply(rows, now_us)
        loaded_uv = open_uv - of["burst_ua"][segment] * resistance_uohm // MILLION
        return 1.0 - of["lowest_uv"][segment] / np.maximum(loaded_uv, 1)

    def _fed(self, rows: Int) -> Mask:
        """Where a charger carries the device."""
        fed: Mask = self._has_mains[self._segment[rows]] & (self.mains_cuts[rows] == 0)
        return fed

    def act(self, story: Story, now_us: int) -> None:
        """Look at the batteries: at all of them once a minute, else at those near their end that transmitted."""
        minute = now_us % LOOK_US == 0
        self._world.advance_to(now_us)
        if minute:
            every = np.arange(len(self.device))
            self._near = every[self._look(every, now_us)]
        else:
            who = self.device[self._near]
            moved = (self._fleet.tries[who] != self._tries[self._near]) | (self.sent[who] > 0) | (self.born[who] > 0)
            moved |= self._fleet.state[who] == State.BOOTING
            if moved.any():
                stays = ~moved
                stays[moved] = self._look(self._near[moved], now_us)
                self._near = self._near[stays]
        next_minute_us = (now_us // LOOK_US + 1) * LOOK_US
        story.due_us = now_us + SECOND_US if len(self._near) else next_minute_us

    def _look(self, rows: Int, now_us: int) -> Mask:
        """Settle these batteries, and reset, darken or wake their devices. Returns which are near their end."""
        transmitted = self.settle(rows, now_us)
        of, segment = self._of, self._segment[rows]
        open_uv, resistance_uohm = self.supply(rows, now_us)
        lowest_uv, burst_ua = of["lowest_uv"][segment], of["burst_ua"][segment]
        awake_uv = open_uv - of["awake_ua"][segment] * resistance_uohm // MILLION
        dark, fed = self.dark[rows], self._fed(rows)
        state = self._fleet.state[self.device[rows]]

        wake_uv = lowest_uv + (of["nominal_uv"][segment] * WAKE_MARGIN).astype(np.int64)
        self._wake(rows[dark & ((awake_uv >= wake_uv) | fed)], now_us)
        lives = ~dark & ~fed
        fails = lives & (state == State.BOOTING) & (awake_uv < lowest_uv)
        self._failed_boots[rows[state > State.BOOTING]] = 0
        self._failed_boots[rows[fails]] += 1
        dies = lives & ((open_uv < lowest_uv) | (open_uv == 0)) | fails & (self._failed_boots[rows] > BOOT_TRIES)
        self._go_dark(rows[dies], now_us)
        self._reset(rows[fails & ~dies], now_us)
        weak_ua = np.maximum(burst_ua, of["awake_ua"][segment])
        near: Mask = lives & ~dies & (open_uv - weak_ua * resistance_uohm // MILLION < lowest_uv)

        pulls = near & ~fails & transmitted
        if pulls.any():
            weak = rows[pulls]
            draws = words(self._chance, self._fleet.key[self.device[weak]], self._bursts[weak])
            self._bursts[weak] += 1
            least = round(LEAST_BURST * MILLION)
            pull_ua = burst_ua[pulls] * (least + below(draws, MILLION - least + 1)) // MILLION
            sagging = open_uv[pulls] - pull_ua * resistance_uohm[pulls] // MILLION < lowest_uv[pulls]
            self._reset(weak[sagging], now_us)
        return near

    def _reset(self, rows: Int, now_us: int) -> None:
        rows = rows[self._fleet.power_cuts[self.device[rows]] == 0]
        if not len(rows):
            return
        device = self.device[rows].astype(np.int32)
        self._world.power_off(device, now_us)
        self._world.power_on(device, now_us)
        self.resets += len(rows)
        for order in self.drains:
            mine, _ = order.of(rows)
            if len(mine):
                self._world.bit(order.step, BROWN_OUTS, len(mine))

    def _go_dark(self, rows: Int, now_us: int) -> None:
        self.dark[rows] = True
        self._failed_boots[rows] = 0
        if len(rows):
            self._world.power_off(self.device[rows].astype(np.int32), now_us)

    def _wake(self, rows: Int, now_us: int) -> None:
        self.dark[rows] = False
        if len(rows):
            self._world.power_on(self.device[rows].astype(np.int32), now_us)

    # --- what is told -------------------------------------------------------------------------------------------------

    def gauge(self, kind: str, rows: Rows) -> tuple[int, Values, Mask] | None:
        """What devices of this kind tell of their batteries: channel, percent of the full charge as counted, and which
        of these devices have one; None: nobody tells."""
        channel = self._channel.get(kind)
        if channel is None:
            return None
        own = self.row_of[rows]
        mine = own >= 0
        if not mine.any():
            return None
        percent = self.charge_nj[own] * 100.0 / self.full_nj[own]
        return channel, percent.astype(np.float32), mine

    def messages_nj(self, segment: int, readings: int, births: int, repeats: int, slower_us: int) -> int | None:
        """What so many messages cost the batteries of a segment; None: it has none. Pings are not among them."""
        if self._plans[segment] is None:
            return None
        of = {name: int(self._of[name][segment]) for name in ("message", "state", "repeat", "on_air")}
        return readings * of["message"] + births * of["state"] + repeats * of["repeat"] + slower_us * of["on_air"]

    def note(self) -> str:
        """Where the energy has gone."""
        total = sum(self.spent_nj.values())
        parts = [f"{100 * self.spent_nj[cause] / total:.0f} % {cause}" for cause in CAUSES if self.spent_nj[cause]]
        return f"batteries: {', '.join(parts)}; {self.resets:,} brown-outs, {int(self.dark.sum()):,} dark"

    # --- what faults may do -------------------------------------------------------------------------------------------

    def drain(self, step: str, device: Device, at_us: int, share: float, over_us: int, times: float) -> None:
        """Take a share of the full charge within a time, and let devices draw so many times what they would."""
        rows = self.rows_of(device)
        if not len(rows):
            return
        self.settle(rows, at_us)
        total_nj = (self.full_nj[rows] * share).astype(np.int64)
        self.drains.append(Drain(step, rows, total_nj, total_nj / max(over_us, 1), times))

    def end_drain(self, step: str, device: Device, at_us: int) -> None:
        """End the orders of a step that began on these devices."""
        rows = self.rows_of(device)
        self.settle(rows, at_us)
        self.drains = [one for one in self.drains if one.step != step or not np.isin(one.row, rows).any()]

    def swap(self, device: Device, at_us: int) -> None:
        """Put full batteries in; who was dark boots when next looked at."""
        rows = self.rows_of(device)
        self.settle(rows, at_us)
        self.charged_nj += int((self.full_nj[rows] - self.charge_nj[rows]).sum())
        self.charge_nj[rows] = self.full_nj[rows]

    def mains(self, device: Device, at_us: int, on: bool) -> int:
        """Cut the mains of these devices, or give it back. Returns how many have a charger on it."""
        rows = self.rows_of(device)
        self.settle(rows, at_us)
        if on:
            self.mains_cuts[rows] -= 1
        else:
            self.mains_cuts[rows] += 1
        return int(np.count_nonzero(self._has_mains[self._segment[rows]]))


def _is_outside(plan: PowerPlan | None) -> bool:
    return plan is not None and plan.temperature_c == OUTSIDE
