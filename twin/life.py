"""The life of every device as one vectorised state machine, exact to the event: ``docs/storm-model.md`` is its text.

Events are handled in *causal windows*. Take all events in [first, first + width), work out what each would do as a pure
function, find the earliest consequence m, commit the rows before m and leave the rest for the next window. So feedback
(a refused device is back after its wait, also within the same millisecond) is exact at every fleet size. The width
adapts to how soon consequences come; no result depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.agenda import Agenda, Devices
from twinstorm.twin.chance import Purpose, below, stream, words
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.fleet import Fleet, State
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Answer,
    DeviceEnd,
    DeviceEvent,
    DeviceOutcome,
    Int,
    Mask,
)
from twinstorm.twin.keepalive import FOREVER_US, TCP_GIVES_UP_US, beat_us, patience_us

if TYPE_CHECKING:
    from twinstorm.twin.trunks import SiteTrunks

NO_ANSWER = -1
"""`Fleet.ok_us` of an attempt that no CONNACK will answer."""

CLOUD = 0
"""`Fleet.carrier` of devices that talk with the broker in the cloud."""
UP, DOWN, SILENT = 0, 1, 2
"""A broker answers; is down and its host refuses and resets; is down and nobody answers."""

_NARROWEST_US = 1_000
_GROWTH = 1.25

_Codes = NDArray[np.uint8]
_CLOUD_ALONE: Int = np.array([CLOUD], np.int64)


@dataclass(slots=True)
class _Window:
    """What the events of one window would do; row i is the event of `device[i]` at `at_us[i]`."""

    at_us: Int
    device: Devices
    code: _Codes
    next_us: Int
    """When the device is due again."""
    ok_us: Int
    """With ADMITTED: when the CONNACK arrives."""
    heard_us: Int
    """With a failure: when the device hears of it."""
    wait_us: Int
    """With a failure: the back-off."""
    offered: Int
    """Rows whose CONNECT was offered to the broker, ascending."""
    lined: Int
    """Rows whose CONNECT joins the line of its site's trunk, ascending."""

    def cut_to(self, count: int) -> _Window:
        return _Window(
            self.at_us[:count],
            self.device[:count],
            self.code[:count],
            self.next_us[:count],
            self.ok_us[:count],
            self.heard_us[:count],
            self.wait_us[:count],
            self.offered[: int(np.searchsorted(self.offered, count))],
            self.lined[: int(np.searchsorted(self.lined, count))],
        )


_FAILURES = np.zeros(64, np.bool_)
_FAILURES[[Code.REFUSED, Code.GAVE_UP, Code.LOST]] = True


@dataclass(frozen=True)
class Hooks:
    """What the world does when lives change; called in order of time.

    Attributes:
        connected: devices and instants of CONNACKs that arrived.
        lost: devices that noticed, at these instants, that their session is gone.
        arriving: devices whose CONNECTs, with these numbers, reach the broker.
        connect_extra_us: how much longer the CONNECTs of these devices, with these numbers, take than their links say.
        turned_away: devices whose CONNECTs a closed port refused (`Life.shut`).
        close_extra_us: how much later these devices learn that their connection was reset; asked once an end.
    """

    connected: Callable[[Devices, Int], None]
    lost: Callable[[Devices, Int], None]
    arriving: Callable[[Devices, Int], None]
    connect_extra_us: Callable[[Devices, Int], Int]
    turned_away: Callable[[Devices], None] = lambda _: None
    close_extra_us: Callable[[Devices], Int | int] = lambda _: 0


class Life:
    """Moves the lives of a fleet forward and lets faults act on them.

    Only `fleet` (and `brokers`, `moved_us`) are state; the rest is rebuilt. Devices talk with the broker in the cloud
    or with that of their gateway: `brokers` says of each, by `Fleet.carrier`, whether it answers.
    """

    def __init__(
        self,
        fleet: Fleet,
        seed: int,
        device_end: DeviceEnd,
        log: EventLog,
        hooks: Hooks,
        unforeseen: Mask | None = None,
        trunks: SiteTrunks | None = None,
    ) -> None:
        self.fleet = fleet
        self._trunks = trunks
        self.moved_us = 0
        self.brokers: _Codes = np.full(1 + len(fleet.gateway), UP, np.uint8)
        self._device_end = device_end
        self._log = log
        self._hooks = hooks
        self._unforeseen = np.zeros(len(fleet), np.bool_) if unforeseen is None else unforeseen
        """Nobody works out when these clients notice that their session is gone; `hear` tells (live)."""
        self._shut: Int | None = None
        """Faults that close the port to each device; None: there was none yet."""
        self._streams = {purpose: stream(seed, purpose) for purpose in Purpose}
        self._policies = [segment.reconnect for segment in fleet.plan.segments]
        self._one_policy = len(set(self._policies)) == 1
        self._timeout_us = np.array([policy.timeout_us for policy in self._policies], np.int64)
        self._boot_us = np.array([segment.boot_us for segment in fleet.plan.segments], np.int64).reshape(-1, 2)
        self._agenda = Agenda(fleet.due_us)
        self._width_us = 100_000

    def _broker_of(self, device: Devices) -> _Codes:
        """Whether the broker of each of these devices answers."""
        return self.brokers[self.fleet.carrier[device]]

    # --- time -------------------------------------------------------------------------------------------------------

    def advance_to(self, target_us: int) -> None:
        """Handle every device event before `target_us`; those at the instant itself stay for later."""
        agenda = self._agenda
        while self.moved_us < target_us:
            agenda.look_from(self.moved_us)
            end_us = min(target_us, agenda.slot_end_us)
            first_us = agenda.first_us()
            if first_us >= end_us:
                self.moved_us = end_us
                continue
            limit_us = min(end_us, first_us + self._width_us)
            at_us, device = agenda.before(limit_us)
            if not len(at_us):
                agenda.drop_before(limit_us)
                self.moved_us = limit_us
                continue
            window = self._foresee(at_us, device)
            done_us = self._causal_end(window, limit_us)
            self._commit(window.cut_to(int(np.searchsorted(at_us, done_us))))
            agenda.drop_before(done_us)
            agenda.add(device[: int(np.searchsorted(at_us, done_us))])
            self.moved_us = done_us

    def rest(self, until_us: int) -> None:
        """As `advance_to`, when nobody is due before it."""
        self.moved_us = max(self.moved_us, until_us)

    def _causal_end(self, window: _Window, limit_us: int) -> int:
        """The instant up to which this window holds: its earliest consequence, at most its end."""
        consequence_us = int(window.next_us.min())
        if consequence_us <= int(window.at_us[-1]):
            self._width_us = max(_NARROWEST_US, consequence_us - int(window.at_us[0]))
            return consequence_us
        self._width_us = min(int(self._width_us * _GROWTH), SECOND_US)
        return min(consequence_us, limit_us)

    def _foresee(self, at_us: Int, device: Devices) -> _Window:
        """What each event would do; writes nothing."""
        n = len(at_us)
        window = _Window(
            at_us,
            device,
            code=np.zeros(n, np.uint8),
            next_us=np.full(n, NEVER_US, np.int64),
            ok_us=np.full(n, NO_ANSWER, np.int64),
            heard_us=at_us.copy(),
            wait_us=np.zeros(n, np.int64),
            offered=np.empty(0, np.int64),
            lined=np.empty(0, np.int64),
        )
        state = self.fleet.state[device]
        booted = np.flatnonzero(state == State.BOOTING)
        if len(booted):
            window.code[booted] = Code.BOOTED
            who = device[booted]
            window.next_us[booted] = at_us[booted] + self._connect_us(who, self.fleet.tries[who] + 1)
        arrived = np.flatnonzero(state == State.CONNECTING)
        if len(arrived):
            self._foresee_connects(window, arrived)
        waiting = np.flatnonzero(state == State.WAITING)
        if len(waiting):
            connected = self.fleet.ok_us[device[waiting]] == at_us[waiting]
            window.code[waiting] = np.where(connected, Code.CONNECTED, Code.GAVE_UP)
        window.code[state == State.ONLINE] = Code.LOST
        failed = np.flatnonzero(_FAILURES[window.code])
        if len(failed):
            self._foresee_failures(window, failed)
        return window

    def _foresee_lines(self, window: _Window, rows: Int, trunks: SiteTrunks) -> Int:
        """CONNECTs that reach the trunk of their site first. Returns all others."""
        device = window.device[rows]
        line = trunks.sends[device] & ~trunks.passed[device] & (self.fleet.link_cuts[device] == 0)
        if not line.any():
            return rows
        lined = rows[line]
        reach_us, lost = trunks.foresee_connects(window.at_us[lined], device[line])
        window.lined = lined[~lost]
        window.next_us[window.lined] = reach_us[~lost]
        line[np.flatnonzero(line)[lost]] = False
        return rows[~line]

    def _foresee_connects(self, window: _Window, rows: Int) -> None:
        fleet = self.fleet
        if self._trunks is not None:
            rows = self._foresee_lines(window, rows, self._trunks)
        at_us, device = window.at_us[rows], window.device[rows]
        tries = fleet.tries[device]
        give_up_us = np.maximum(fleet.begin_us[device] + self._timeout_us[fleet.segment[device]], at_us + 1)
        answer_us = at_us.copy()
        answer = np.full(len(rows), Answer.NONE, np.uint8)
        broker = self._broker_of(device)
        if self._shut is not None:
            broker = np.where((self._shut[device] > 0) & ~self._unforeseen[device], DOWN, broker)
        answer[(fleet.link_cuts[device] == 0) & (broker == DOWN)] = Answer.REFUSED
        reached = (fleet.link_cuts[device] == 0) & (broker == UP)
        if self._trunks is not None:
            lost = self._trunks.sends[device] & ~self._trunks.passed[device]
            answer[lost] = Answer.NONE
            reached &= ~lost
        if reached.any():
            window.offered = rows[reached]
            who = device[reached]
            outcome = self._device_end.offer(at_us[reached], who.astype(np.int32), tries[reached], fleet.begin_us[who])
            answer[reached] = outcome.answer
            answer_us[reached] = outcome.answer_us
        known = (answer == Answer.ADMITTED) | (answer == Answer.REFUSED)
        heard_us = np.full(len(rows), NEVER_US, np.int64)
        heard_us[known] = answer_us[known] + self._latency_us(Purpose.DOWNLINK, device[known], tries[known])

        refused = (answer == Answer.REFUSED) & (heard_us < give_up_us)
        admitted = answer == Answer.ADMITTED
        code = np.where(refused, Code.REFUSED, np.where(admitted, Code.ADMITTED, Code.UNANSWERED))
        code[answer == Answer.OPEN] = 0
        window.code[rows] = code
        window.next_us[rows] = np.where(admitted, np.minimum(heard_us, give_up_us), give_up_us)
        window.ok_us[rows[admitted]] = heard_us[admitted]
        window.heard_us[rows[refused]] = heard_us[refused]

    def _foresee_failures(self, window: _Window, rows: Int) -> None:
        device = window.device[rows]
        wait_us = self._wait_us(device)
        window.wait_us[rows] = wait_us
        uplink_us = self._connect_us(device, self.fleet.tries[device] + 1)
        window.next_us[rows] = window.heard_us[rows] + wait_us + uplink_us

    def _wait_us(self, device: Devices) -> Int:
        fleet = self.fleet
        draws = words(self._streams[Purpose.BACKOFF], fleet.key[device], fleet.tries[device])
        failures, previous_us = fleet.failures[device] + 1, fleet.previous_us[device]
        if self._one_policy:
            return self._policies[0].wait_us(failures, previous_us, draws)
        wait_us = np.empty(len(device), np.int64)
        segment = fleet.segment[device]
        for code in np.flatnonzero(np.bincount(segment)).tolist():
            rows = segment == code
            wait_us[rows] = self._policies[code].wait_us(failures[rows], previous_us[rows], draws[rows])
        return wait_us

    def _commit(self, window: _Window) -> None:
        """Write what happened: the only place where events change lives."""
        fleet, device, code = self.fleet, window.device, window.code
        if len(window.offered):
            self._device_end.commit(len(window.offered))
        fleet.due_us[device] = window.next_us
        fleet.ok_us[device] = window.ok_us
        told = code != 0
        self._log.add(window.at_us[told], code[told], device[told].astype(np.int32))

        if len(window.offered):
            who = device[window.offered]
            self._hooks.arriving(who, fleet.tries[who])
        if self._trunks is not None:
            self._trunks.passed[device] = False
            self._trunks.let_pass(window.at_us[window.lined], device[window.lined])
        booted = code == Code.BOOTED
        if booted.any():
            who = device[booted]
            fleet.state[who] = State.CONNECTING
            fleet.tries[who] += 1
            fleet.failures[who] = 0
            fleet.previous_us[who] = 0
            fleet.begin_us[who] = window.at_us[booted]
        waits = (code == Code.ADMITTED) | (code == Code.UNANSWERED) | ~told
        waits[window.lined] = False
        fleet.state[device[waits]] = State.WAITING
        failed = _FAILURES[code]
        if failed.any():
            who = device[failed]
            fleet.state[who] = State.CONNECTING
            fleet.tries[who] += 1
            fleet.failures[who] += 1
            fleet.previous_us[who] = window.wait_us[failed]
            fleet.begin_us[who] = window.heard_us[failed] + window.wait_us[failed]
            if self._shut is not None:
                refused = device[code == Code.REFUSED]
                self._hooks.turned_away(refused[self._shut[refused] > 0])
            lost = code == Code.LOST
            if lost.any():
                self._hooks.lost(device[lost], window.at_us[lost])
        connected = code == Code.CONNECTED
        if connected.any():
            who = device[connected]
            fleet.state[who] = State.ONLINE
            fleet.failures[who] = 0
            fleet.previous_us[who] = 0
            fleet.stale_us[who] = NEVER_US
            fleet.connected_us[who] = window.at_us[connected]
            self._hooks.connected(who, window.at_us[connected])

    def _latency_us(self, purpose: Purpose, device: Devices, number: Int) -> Int:
        draws = words(self._streams[purpose], self.fleet.key[device], number)
        return self.fleet.links.latency_us(self.fleet.link[device], draws)

    def _connect_us(self, device: Devices, number: Int) -> Int:
        """How long a CONNECT with this number is on its way."""
        latency_us = self._latency_us(Purpose.UPLINK, device, number)
        latency_us += self.fleet.links.connect_us[self.fleet.link[device]]
        latency_us += self._hooks.connect_extra_us(device, number)
        return latency_us

    # --- what came by itself (live) -----------------------------------------------------------------------------------

    def hear(self, outcome: DeviceOutcome) -> None:
        """Apply what really happened to connections; answers to attempts that are over change nothing."""
        fleet = self.fleet
        device = outcome.device.astype(np.int64)
        mine = outcome.tries == fleet.tries[device]
        waiting, online = fleet.state[device] == State.WAITING, fleet.state[device] == State.ONLINE
        self._hear_one(outcome, device, mine & waiting & (outcome.what == DeviceEvent.CONNECTED), Code.CONNECTED)
        self._hear_one(outcome, device, mine & waiting & (outcome.what == DeviceEvent.REFUSED), Code.REFUSED)
        self._hear_one(outcome, device, mine & online & (outcome.what == DeviceEvent.LOST), Code.LOST)

    def _hear_one(self, outcome: DeviceOutcome, device: Devices, rows: Mask, code: Code) -> None:
        if not rows.any():
            return
        who, at_us = device[rows], outcome.at_us[rows]
        window = _Window(
            at_us,
            who,
            code=np.full(len(who), code, np.uint8),
            next_us=np.full(len(who), NEVER_US, np.int64),
            ok_us=np.full(len(who), NO_ANSWER, np.int64),
            heard_us=at_us.copy(),
            wait_us=np.zeros(len(who), np.int64),
            offered=np.empty(0, np.int64),
            lined=np.empty(0, np.int64),
        )
        if _FAILURES[code]:
            self._foresee_failures(window, np.arange(len(who)))
            np.maximum(window.next_us, self.moved_us + 1, out=window.next_us)
        self._commit(window)
        self._agenda.add(who)

    # --- what faults do -----------------------------------------------------------------------------------------------

    def power_off(self, device: Devices) -> Devices:
        """Power fails. Returns those that had power until now."""
        fleet = self.fleet
        had_power = device[fleet.power_cuts[device] == 0]
        fleet.power_cuts[device] += 1
        fleet.state[had_power] = State.OFF
        fleet.due_us[had_power] = NEVER_US
        fleet.failures[had_power] = 0
        fleet.previous_us[had_power] = 0
        fleet.ok_us[had_power] = NO_ANSWER
        fleet.stale_us[had_power] = NEVER_US
        return had_power

    def power_on(self, device: Devices, at_us: int, at_once: bool = False) -> Devices:
        """Power comes back. Returns those that boot now; `at_once`: they have booted already."""
        fleet = self.fleet
        fleet.power_cuts[device] -= 1
        boots = device[fleet.power_cuts[device] == 0]
        fleet.boot[boots] += 1
        fleet.state[boots] = State.BOOTING
        low, high = self._boot_us[fleet.segment[boots]].T
        draws = words(self._streams[Purpose.BOOT], fleet.key[boots], 0)
        fleet.due_us[boots] = at_us + (1 if at_once else low + below(draws, high - low + 1))
        self._agenda.add(boots)
        return boots

    def cut(self, device: Devices, at_us: int, up: bool) -> Devices:
        """Links are cut, at least in one direction. Returns the online devices whose packets stop reaching the broker.

        Args:
            up: the direction from device to broker is cut (too).
        """
        fleet = self.fleet
        first = device[fleet.link_cuts[device] == 0]
        unheard = device[(fleet.up_cuts[device] == 0) & (fleet.state[device] == State.ONLINE)] if up else device[:0]
        fleet.link_cuts[device] += 1
        if up:
            fleet.up_cuts[device] += 1
        self._lose_answers(first[fleet.state[first] == State.WAITING])
        # Real clients notice here as well: whom the world cuts off, no socket tells anything.
        deaf = first[fleet.state[first] == State.ONLINE]
        deaf = deaf[(fleet.due_us[deaf] == NEVER_US) | (self._broker_of(deaf) != SILENT)]
        self._notice_by_keep_alive(deaf, at_us)
        stale = unheard[~self._unforeseen[unheard]]
        expires_us = self.heard_us(stale, at_us) + patience_us(fleet.keep_alive_us[stale])
        fleet.stale_us[stale] = np.minimum(fleet.stale_us[stale], expires_us)
        return unheard

    def heal(self, device: Devices, at_us: int, up: bool) -> Devices:
        """A cut ends. Returns the online devices that go on with the session that they had."""
        fleet = self.fleet
        fleet.link_cuts[device] -= 1
        if up:
            fleet.up_cuts[device] -= 1
        heard = device[(fleet.up_cuts[device] == 0) & (fleet.stale_us[device] > at_us)]
        fleet.stale_us[heard] = NEVER_US
        whole = device[(fleet.link_cuts[device] == 0) & (fleet.state[device] == State.ONLINE)]
        whole = whole[self._broker_of(whole) != SILENT]
        gone = fleet.stale_us[whole] <= at_us
        self._notice_by_reset(whole[gone], at_us)
        kept = whole[~gone]
        fleet.due_us[kept] = NEVER_US
        return kept

    def break_off(self, device: Devices, at_us: int) -> Devices:
        """Connections to brokers that answer end, with resets. Returns the devices that had a session on one."""
        fleet = self.fleet
        had_one = (fleet.state[device] == State.ONLINE) & (fleet.stale_us[device] > at_us)
        ended = device[had_one & (self._broker_of(device) == UP) & ~self._unforeseen[device]]
        fleet.stale_us[ended] = at_us
        self._notice_by_reset(ended[fleet.link_cuts[ended] == 0], at_us)
        return ended

    def shut(self, device: Devices, more: int) -> None:
        """So many more (or fewer, with a minus) faults refuse connects of these devices, as a closed port does."""
        if self._shut is None:
            self._shut = np.zeros(len(self.fleet), np.int64)
        self._shut[device] += more

    def links_changed(self, device: Devices, at_us: int) -> None:
        """CONNECTs of these devices that are still to be sent take another time than foreseen."""
        fleet = self.fleet
        waits = (fleet.state[device] == State.CONNECTING) & (fleet.begin_us[device] >= at_us)
        who = device[waits]
        fleet.due_us[who] = fleet.begin_us[who] + self._connect_us(who, fleet.tries[who])
        self._agenda.add(who)

    def broker_stops(self, at_us: int, silent: bool, broker: Int = _CLOUD_ALONE) -> Devices:
        """Brokers die. Returns the online devices that can no longer deliver.

        Args:
            broker: which, as in `Fleet.carrier`; they answered until now, or the host of one that was down dies too.
        """
        fleet = self.fleet
        self.brokers[broker] = SILENT if silent else DOWN
        mine = self._clients_of(broker)
        every = np.flatnonzero((fleet.state == State.ONLINE) & mine)
        fleet.stale_us[every] = np.minimum(fleet.stale_us[every], at_us)
        online = every[fleet.link_cuts[every] == 0]
        queued = np.flatnonzero((fleet.state == State.WAITING) & (fleet.link_cuts == 0) & (fleet.ok_us >= at_us) & mine)
        self._lose_answers(queued)
        if silent:
            self._notice_by_keep_alive(online[fleet.due_us[online] == NEVER_US], at_us)
        else:
            self._notice_by_reset(np.concatenate((online, queued)), at_us)
        return online

    def broker_starts(self, at_us: int, broker: Int = _CLOUD_ALONE) -> None:
        """Brokers are back and know no session."""
        fleet = self.fleet
        self.brokers[broker] = UP
        stale = (fleet.state == State.ONLINE) & (fleet.link_cuts == 0) & (fleet.stale_us <= at_us)
        stale &= self._clients_of(broker)
        self._notice_by_reset(np.flatnonzero(stale), at_us)

    def _clients_of(self, broker: Int) -> Mask:
        """Devices that talk with one of these brokers."""
        named = np.zeros(len(self.brokers), np.bool_)
        named[broker] = True
        clients: Mask = named[self.fleet.carrier]
        return clients

    def heard_us(self, device: Devices, at_us: int) -> Int:
        """When the broker last got a packet from these online devices: a reading or a ping, or their CONNECT.

        In a peak also a reading between two of their period.
        """
        fleet = self.fleet
        gap_us = beat_us(fleet.every_us[device], fleet.keep_alive_us[device])
        phase_us = fleet.phase_us[device]
        told_us = fleet.told_us[device]
        if told_us.any():  # event-driven: since what it told last, pings
            keep_alive_us = fleet.keep_alive_us[device]
            gap_us = np.where(told_us > 0, np.where(keep_alive_us > 0, keep_alive_us, FOREVER_US), gap_us)
            phase_us = np.where(told_us > 0, told_us, phase_us)
        last_us = phase_us + (at_us - phase_us) // gap_us * gap_us
        heard_us: Int = np.maximum(fleet.connected_us[device], np.where(at_us >= phase_us, last_us, 0))
        return np.maximum(heard_us, fleet.between_us[device])

    def _lose_answers(self, device: Devices) -> None:
        """Their CONNACK will not come: they find out by their timeout."""
        fleet = self.fleet
        fleet.ok_us[device] = NO_ANSWER
        timeout_us = self._timeout_us[fleet.segment[device]]
        fleet.due_us[device] = np.maximum(fleet.begin_us[device] + timeout_us, self.moved_us + 1)
        self._agenda.add(device)

    def _notice_by_keep_alive(self, device: Devices, at_us: int) -> None:
        """Nothing comes back any more: the client misses a ping answer one to two keep-alives later, and without one
        finds out when TCP gives up its next reading."""
        fleet = self.fleet
        keep_alive_us = fleet.keep_alive_us[device]
        draws = words(self._streams[Purpose.DETECT], fleet.key[device], fleet.tries[device])
        # In milliseconds where a draw of 32 bits is too short.
        unit_us = np.where(keep_alive_us < 1 << 32, 1, 1_000)
        due_us = at_us + keep_alive_us + below(draws, keep_alive_us // unit_us) * unit_us
        none = keep_alive_us == 0
        if none.any():
            due_us[none] = self._tcp_gives_up_us(device[none], at_us)
        fleet.due_us[device] = due_us
        self._agenda.add(device)

    def _tcp_gives_up_us(self, device: Devices, at_us: int) -> Int:
        """When TCP ends the connections of these devices, behind which nothing is acknowledged; datagrams have none."""
        fleet = self.fleet
        every_us, phase_us = fleet.every_us[device], fleet.phase_us[device]
        next_us = phase_us + ((at_us - phase_us) // every_us + 1) * every_us
        told_us = fleet.told_us[device]
        next_us = np.where(told_us > 0, np.maximum(told_us + every_us, at_us), next_us)
        return np.where(fleet.links.datagram[fleet.link[device]], NEVER_US, next_us + TCP_GIVES_UP_US)

    def _notice_by_reset(self, device: Devices, at_us: int) -> None:
        """Their next packet meets a broker that does not know them."""
        fleet = self.fleet
        reset_us = at_us + self._latency_us(Purpose.RESET, device, fleet.tries[device])
        reset_us += self._hooks.close_extra_us(device)
        fleet.due_us[device] = np.minimum(fleet.due_us[device], reset_us)
        self._agenda.add(device)
