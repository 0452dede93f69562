"""The way from a device to the broker where messages are slow, wait for each other, or are lost: exact, per device.

Most links are far faster than their devices talk, and `twin.network` draws a latency for each message. This module
looks after the others, the *paced* devices: those on a slow or lossy class, and those that a link fault holds. Each has
one transmitter. A message starts when it is written or when the transmitter is free, is on air for its size, is
repeated while it is lost, and arrives a latency later, never before an older one. Over datagram nothing is repeated or
ordered. Pings take their time of it as well, between messages.

What cannot start before the next whole second waits in the device's buffer, where a power cut finds it. `World` moves
it on once a second; as each message starts at the earliest instant that it can, no result depends on that second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, Words, below, device_key, stream, words
from twinstorm.twin.fading import Fading
from twinstorm.twin.fleet import State
from twinstorm.twin.flow import SECOND_US, Device, Int, Mask
from twinstorm.twin.keepalive import pings
from twinstorm.twin.network import Size
from twinstorm.twin.radio import BurstLoss
from twinstorm.twin.rows import Rows, devices, put

if TYPE_CHECKING:
    from twinstorm.twin.world import World

AHEAD_US: Final = SECOND_US
"""Messages that start before the next multiple of this are on their way: nothing calls them back."""

LEAST_RETRY_US: Final = 200_000
"""First retransmission timeout of a class that has none of its own (TCP's smallest on Linux)."""
LONGEST_RETRY_US: Final = 60_000_000
"""A timeout doubles up to this (RFC 6298 allows no less)."""
MOST_RETRIES: Final = 8
"""The last of them gets through."""

DELAYED, RETRIED, LOST = "messages_delayed", "messages_retried", "messages_lost"

READING, STATE, CONNECT = "reading", "state", "connect"

Waiting = NDArray[np.int32]


@dataclass
class LinkFault:
    """What one order does to the messages that its devices send; arrays with one row a device.

    Attributes:
        device: int64, ascending. key: of these devices.
        from_us: messages sent at or after it are affected.
        seed: of the run.
    """

    step: str
    device: Int
    key: Words
    from_us: int
    seed: int

    def rows(self, device: Int) -> tuple[Int, Int]:
        """Rows of `device` (in any order) that this order holds, and which of its own rows they are."""
        own = np.searchsorted(self.device, device)
        own[own == len(self.device)] = 0
        mine = np.flatnonzero(self.device[own] == device) if len(self.device) else np.empty(0, np.int64)
        return mine, own[mine]

    def keep(self, rows: Mask) -> None:
        """Let go of all others."""
        self.device, self.key = self.device[rows], self.key[rows]

    def draws(self, what: str, own: Int, number: Int, nth: int = 0) -> Words:
        """A word of chance for each message, by the order's step, the device and the number of the message."""
        purpose = Purpose.UPLINK if what == CONNECT else Purpose.READING_LINK
        key = stream(self.seed, purpose << 64 | device_key(f"{self.step}/{what}/{nth}"))
        return words(key, self.key[own], number)


@dataclass
class Slowdown(LinkFault):
    """Every message takes `more_us` and up to `jitter_us` longer."""

    more_us: int
    jitter_us: int

    def extra_us(self, what: str, own: Int, number: Int) -> Int:
        """Jitter in milliseconds where it is long, so that it fits 32 bits."""
        unit_us = 1 if self.jitter_us < 1 << 31 else 1_000
        jitter_us = below(self.draws(what, own, number), self.jitter_us // unit_us + 1) * unit_us
        return self.more_us + jitter_us


@dataclass
class Squeeze(LinkFault):
    """A message takes its size over this rate, if its link is not slower anyway."""

    bytes_per_s: float

    def air_us(self, total_bytes: Int) -> Int:
        return np.ceil(total_bytes * (SECOND_US / self.bytes_per_s)).astype(np.int64)


@dataclass
class Slicing(LinkFault):
    """Every message arrives in slices of so many bytes, one after the other: it is there with the last of them."""

    slice_bytes: int
    gap_us: int

    def extra_us(self, total_bytes: Int) -> Int:
        return (-(-total_bytes // self.slice_bytes) - 1) * self.gap_us


@dataclass
class Losses(LinkFault):
    """Transmissions are lost in bursts: a chain of two states a device, which moves with every transmission.

    Attributes:
        bad: bool, the last transmission of each device was lost.
    """

    chain: BurstLoss
    bad: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.bad = self._begins(STATE, np.arange(len(self.device)), np.zeros(len(self.device), np.int64))

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.bad = self.bad[rows]

    def lost(self, what: str, own: Int, number: Int, bad: Mask, transmissions: int) -> Mask:
        """Which of so many transmissions in a row would be lost, bool (transmissions, n)."""
        draws = np.stack([self.draws(what, own, number, 1 + nth) for nth in range(transmissions)])
        lost, _ = self.chain.lost(bad, draws)
        return lost

    def send(self, what: str, own: Int, number: Int) -> Int:
        """How often each message is repeated until it gets through; moves the chain."""
        lost = self.lost(what, own, number, self.bad[own], MOST_RETRIES)
        retries = _first_false(lost)
        self.bad[own] = retries == MOST_RETRIES
        return retries

    def drop(self, what: str, own: Int, number: Int) -> Mask:
        """Which messages are gone, because nobody repeats them; moves the chain."""
        lost: Mask = self.lost(what, own, number, self.bad[own], 1)[0]
        self.bad[own] = lost
        return lost

    def connect_retries(self, own: Int, number: Int) -> Int:
        """As `send`, for a CONNECT: it comes so long after the message before that the chain is anywhere."""
        return _first_false(self.lost(CONNECT, own, number, self._begins(CONNECT, own, number), MOST_RETRIES))

    def _begins(self, what: str, own: Int, number: Int) -> Mask:
        share = round(self.chain.bad_share * (1 << 32))
        bad: Mask = (self.draws(what, own, number) >> np.uint64(32)) < np.uint64(share)
        return bad


def _first_false(lost: Mask) -> Int:
    """Of each column, its row; the number of rows if there is none."""
    got_through = np.concatenate([~lost, np.ones((1, lost.shape[1]), np.bool_)])
    return got_through.argmax(axis=0).astype(np.int64)


def retry_us(first_us: Int, retries: Int) -> Int:
    """How long so many timeouts take, each twice the one before."""
    total = np.zeros(len(retries), np.int64)
    for nth in range(int(retries.max(initial=0))):
        total += np.where(retries > nth, np.minimum(first_us << nth, LONGEST_RETRY_US), 0)
    return total


@dataclass(frozen=True)
class Sent:
    """What becomes of messages: when each arrives, int64 (n,), which do not, how often each had to be repeated beyond
    what is usual, and how much longer it was on air than its link takes. None: none did, never, no longer."""

    arrive_us: Int
    lost: Mask | None = None
    retries: Int | None = None
    slower_us: Int | None = None


class Wire(Protocol):
    """Real sockets on bad links: what becomes of messages is decided there, and only how much waits is asked."""

    def begin(self, order: LinkFault) -> None:
        """Let this happen to what the devices of the order send from now on."""

    def end(self, step: str, device: Int) -> None:
        """What this step does to these devices is over."""

    def backed_up(self, device: Int) -> Mask:
        """Which of these have so much unsent or unacknowledged that they should send nothing more."""


class Uplinks:
    """The transmitters of one fleet.

    Args:
        unforeseen: bool, devices whose messages real sockets carry, once they have left the air; None: there are none.
            What the wire does to them is not done here as well; of a squeeze only the pace is, so that what waits for
            it does so in the buffer of its device.
        wire: these sockets; None: no fault holds them.

    Attributes:
        paced: bool, whose messages are looked at one by one.
        free_us: when the transmitter of each has done all that it was given.
        last_us: when the newest message of each arrives.
        active: somebody is paced.
    """

    def __init__(self, world: World, unforeseen: Mask | None = None, wire: Wire | None = None) -> None:
        self._world = world
        self._wire = wire
        self._real = unforeseen if wire is not None else None
        self._on_wire: list[LinkFault] = []
        """Orders, or their parts, that the wire carries out."""
        self._fleet = fleet = world.fleet
        n = len(fleet)
        links = fleet.links
        self._always = links.paced[fleet.link] if links.paced.any() else np.zeros(n, np.bool_)
        self._trunks = world.trunks
        if self._trunks is not None:
            self._always = self._always | self._trunks.sends
        self._paced_for_good = bool(self._always.all())
        """All are paced by their class."""
        self.paced = self._always.copy()
        self.active = bool(self.paced.any())
        self.orders: list[LinkFault] = []
        self.free_us = np.zeros(n, np.int64)
        self.last_us = np.zeros(n, np.int64)
        self._latency = stream(world.seed, Purpose.READING_LINK)
        self._connect_bytes = links.connect_bytes()
        self._fading: Fading | None = None
        """Links that are bad at times by themselves; None: there are none."""
        if any(link.bursts is not None for link in links.classes):
            fades = np.array([link.bursts is not None for link in links.classes], np.bool_)[fleet.link]
            self._fading = Fading(world.seed, links, fleet.link, fleet.key, fades)
        self._rests = np.array([link.duty_per_mille < 1_000 for link in links.classes], np.bool_)
        self._lost_once_us: Int = links.base_us + np.maximum(links.retry_us, 1)
        """No message that was lost once is sooner there, by link code."""
        self._repeats = bool(np.any((links.retry_per_65536 > 0) & (links.ping_size().air_us > 0)))
        """On a class that loses messages one by one they take time on air."""
        ping = links.ping_size()
        self._ping_us: Int = ping.air_us + ping.rest_us
        """Time on air of a ping with the silence after it, by link code."""
        rare = pings(fleet.every_us, fleet.keep_alive_us) & self._always & (self._ping_us > 0)[fleet.link]
        self._rare: Mask | None = rare if rare.any() else None
        """Whose readings alone do not keep their session alive, and whose pings take time; None: nobody's."""
        self._said_us: Int = np.zeros(n if self._rare is not None else 0, np.int64)
        """When each of these last began a message or a ping, as far as anybody had to know."""

    # --- pings --------------------------------------------------------------------------------------------------------

    def ping(self, device: Rows, now_us: Int | int) -> None:
        """Let happen what these devices sent up to `now_us` so that their sessions live on.

        A ping is due when nothing was begun for a keep-alive, and starts when the transmitter is free: one after the
        other in the same distance, so that the last of them says all. Whoever is asked twice gives the same answer.
        """
        if self._rare is None:
            return
        fleet = self._fleet
        rows = np.flatnonzero(self._rare[device] & (fleet.state[device] == State.ONLINE))
        if not len(rows):
            return
        who = rows + (device.start or 0) if isinstance(device, slice) else device[rows].astype(np.int64)
        until_us = now_us if isinstance(now_us, int) else now_us[rows]
        turn_us, keep_alive_us = self._ping_us[fleet.link[who]], fleet.keep_alive_us[who]
        first_us = np.maximum(self._said_us[who] + keep_alive_us, self.free_us[who])
        apart_us = np.maximum(keep_alive_us, turn_us)
        last_us = first_us + (until_us - first_us) // apart_us * apart_us
        some = last_us >= first_us
        who, last_us = who[some], last_us[some]
        self._said_us[who] = last_us
        self.free_us[who] = last_us + turn_us[some]

    # --- messages -----------------------------------------------------------------------------------------------------

    def full(self, device: Rows, now_us: int, waiting: Waiting) -> Mask:
        """Paced devices that cannot begin a new message before the next whole second, because others come first.

        Args:
            waiting: how many messages wait in each buffer.
        """
        self.ping(device, now_us)
        ahead = (waiting > 0) | (self.free_us[device] >= horizon_us(now_us))
        if self._trunks is not None:
            ahead |= self._trunks.full[device] & ~self._fleet.links.datagram[self._fleet.link[device]]
        mask: Mask = self.paced[device] & ahead
        return mask

    def send(
        self,
        what: str,
        device: Rows,
        at_us: Int | int,
        number: Int,
        size: Size,
        latency_us: Int | None = None,
        link: int | None = None,
        only: Mask | None = None,
    ) -> Sent:
        """Send one message of each of these paced devices, which are distinct.

        Args:
            what: `READING` or `STATE`; a state is repeated until it arrives, also over datagram.
            number: of the message; chance hangs on it.
            latency_us: by the draw for that number, which stays as it is; None: nobody has drawn it.
            link: code of the link class of all of them; None: they may differ.
            only: of a slice, who sends at all, most of them; what is told of the others means nothing. None: all.
        """
        if self.orders or self._real is not None or (self._world.datagrams and what != STATE):
            return self._send_disturbed(what, device, at_us, number, size, only)
        if self._rare is not None:
            self.ping(device, at_us)
            put(self._said_us, device, np.maximum(self.free_us[device], at_us), only)
        fleet, links = self._fleet, self._fleet.links
        code = fleet.link[device] if link is None else link
        if latency_us is None:
            latency_us = links.latency_us(code, words(self._latency, fleet.key[device], number))
        air_us, rest_us = size.air_us[code], size.rest_us[code]
        sent_us = np.maximum(self.free_us[device], at_us)
        sent_us += air_us
        retries = None
        if self._fading is not None:
            first_us = np.maximum(links.retry_us[code], LEAST_RETRY_US)
            retries = self._repeat(self._fading, what, device, number, air_us, first_us, sent_us, link, only)
        free_us = sent_us
        if np.any(rest_us):
            free_us = sent_us + (rest_us if retries is None else rest_us * (retries + 1))
        arrive_us = sent_us + latency_us
        if self._repeats:
            again = self._lost_once(device, number, code, latency_us)
            arrive_us[again] += _of(air_us, again)
            free_us[again] += _of(air_us, again) + _of(rest_us, again)
        np.maximum(arrive_us, self.last_us[device], out=arrive_us)
        put(self.free_us, device, free_us, only)
        put(self.last_us, device, arrive_us, only)
        return Sent(arrive_us, retries=retries)

    def _lost_once(self, device: Rows, number: Int, code: NDArray[np.integer] | int, latency_us: Int) -> Int:
        """Rows of messages that are repeated once, which their latency knows: they are on air a second time."""
        rows = np.flatnonzero(latency_us >= self._lost_once_us[code])
        draws = words(self._latency, self._fleet.key[devices(device, rows)], number[rows])
        return rows[self._fleet.links.lost_once(_of(code, rows), draws)]

    def _send_disturbed(
        self, what: str, rows: Rows, at_us: Int | int, number: Int, size: Size, only: Mask | None
    ) -> Sent:
        """As `send`, where faults hold some of these devices, nobody repeats readings, or sockets carry them."""
        device = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        if only is not None:
            chosen = np.flatnonzero(only)
            some = self._send_disturbed(what, device[chosen], at_us, number[chosen], size, None)
            assert some.lost is not None
            assert some.retries is not None
            assert some.slower_us is not None
            arrive_us, retries, slower_us = np.zeros((3, len(device)), np.int64)
            lost = np.zeros(len(device), np.bool_)
            arrive_us[chosen], retries[chosen], slower_us[chosen] = some.arrive_us, some.retries, some.slower_us
            lost[chosen] = some.lost
            return Sent(arrive_us, lost, retries, slower_us)
        fleet = self._fleet
        self.ping(device, at_us)
        code = fleet.link[device]
        draws = words(self._latency, fleet.key[device], number)
        latency_us = fleet.links.latency_us(code, draws)
        repeated = ~fleet.links.datagram[code] | (what == STATE)
        lost_once = fleet.links.lost_once(code, draws)
        lost = lost_once & ~repeated
        air_us = size.air_us[code]
        usual_us = air_us
        paced_us = self._paced_us(device, air_us, size)
        retries = np.zeros(len(device), np.int64)
        for order in self.orders:
            mine, own = order.rows(device)
            if not len(mine):
                continue
            if isinstance(order, Squeeze):
                air_us = air_us.copy() if air_us is usual_us else air_us
                slower_us = np.maximum(air_us[mine], order.air_us(size.total_bytes[code[mine]]))
                self._count(order, DELAYED, slower_us > air_us[mine])
                air_us[mine] = slower_us
            elif isinstance(order, Slowdown):
                extra_us = order.extra_us(what, own, number[mine])
                self._count(order, DELAYED, extra_us > 0)
                latency_us[mine] += extra_us
            elif isinstance(order, Slicing):
                extra_us = order.extra_us(size.total_bytes[code[mine]])
                self._count(order, DELAYED, extra_us > 0)
                latency_us[mine] += extra_us
            elif isinstance(order, Losses):
                again = repeated[mine]
                times = order.send(what, own[again], number[mine[again]])
                self._count(order, RETRIED, times > 0)
                retries[mine[again]] += times
                gone = order.drop(what, own[~again], number[mine[~again]])
                self._count(order, LOST, gone)
                lost[mine[~again]] |= gone
        first_us = np.maximum(fleet.links.retry_us[code], LEAST_RETRY_US)
        if self._fading is not None:
            sent_us = np.maximum(self.free_us[device], at_us) + air_us
            repeats = self._repeat(
                self._fading, what, device, number, air_us, first_us, sent_us, None, None, repeated, lost
            )
            if repeats is not None:
                retries += repeats
        start_us = np.maximum(self.free_us[device], at_us)
        if self._rare is not None:
            self._said_us[device] = start_us
        sent_us = start_us + air_us * (retries + 1) + retry_us(first_us, retries)
        again_us = np.where(lost_once & repeated, air_us, 0)
        times = retries + 1 + (lost_once & repeated)
        self.free_us[device] = sent_us + again_us + (paced_us + size.rest_us[code]) * times
        self._wait_for_sockets(device, sent_us)
        arrive_us = sent_us + latency_us + again_us
        arrive_us = np.where(repeated, np.maximum(arrive_us, self.last_us[device]), arrive_us)
        self.last_us[device] = np.where(lost, self.last_us[device], np.maximum(arrive_us, self.last_us[device]))
        return Sent(arrive_us, lost, retries, (air_us - usual_us) * times)

    def _paced_us(self, device: Int, air_us: Int, size: Size) -> Int | int:
        """How much longer transmitters are busy because of a squeeze that the wire carries out on what they send."""
        squeezes = [order for order in self._on_wire if isinstance(order, Squeeze)]
        if not squeezes:
            return 0
        code, slowest_us = self._fleet.link[device], air_us.copy()
        for order in squeezes:
            mine, _ = order.rows(device)
            slowest_us[mine] = np.maximum(slowest_us[mine], order.air_us(size.total_bytes[code[mine]]))
        return slowest_us - air_us

    def _wait_for_sockets(self, device: Int, sent_us: Int) -> None:
        """Whoever finds that too much waits in its socket already, writes nothing more in this second."""
        if self._wire is None or self._real is None:
            return
        who, at_us = device[self._real[device]], sent_us[self._real[device]]
        full = self._wire.backed_up(who)
        self.free_us[who[full]] = np.maximum(self.free_us[who[full]], horizon_us(at_us[full]))

    def _repeat(
        self,
        fading: Fading,
        what: str,
        device: Rows,
        number: Int,
        air_us: Int,
        first_us: Int,
        sent_us: Int,
        link: int | None,
        only: Mask | None,
        repeated: Mask | None = None,
        lost: Mask | None = None,
    ) -> Int | None:
        """How often each message is repeated because its link is bad; None: nobody's is.

        Args:
            air_us, first_us: one each, or one for all. sent_us: when each has been sent once; moved on.
            link, only: see `send`.
            repeated: whose messages are repeated, None: everybody's; the others are marked in `lost`.
        """
        if link is None:
            rows = np.flatnonzero(fading.device[device])
            gone = rows[fading.transmit(what, devices(device, rows), number[rows], 0, sent_us[rows])]
        elif not fading.fades[link]:
            return None
        else:
            gone = np.flatnonzero(fading.transmit(what, device, number, 0, sent_us, link, only))
        retries = None
        for nth in range(MOST_RETRIES):
            if repeated is not None and lost is not None:
                lost[gone[~repeated[gone]]] = True
                gone = gone[repeated[gone]]
            if not len(gone):
                break
            if retries is None:
                retries = np.zeros(len(sent_us), np.int64)
            retries[gone] += 1
            sent_us[gone] += _of(air_us, gone) + np.minimum(_of(first_us, gone) << nth, LONGEST_RETRY_US)
            if nth + 1 < MOST_RETRIES:
                who = devices(device, gone)
                gone = gone[fading.transmit(what, who, number[gone], nth + 1, sent_us[gone], link)]
        return retries

    def restart(self, device: Int, at_us: Int) -> None:
        """A new connection: what the old one still had to repeat is given up; a duty cycle goes on."""
        given_up_us = np.minimum(self.free_us[device], at_us)
        rests = self._rests[self._fleet.link[device]]
        self.free_us[device] = np.where(rests, self.free_us[device], given_up_us)
        if self._rare is not None:
            self._said_us[device] = at_us

    def connect_extra_us(self, device: Int, tries: Int) -> Int:
        """How much longer a CONNECT that is sent now takes because of faults. Changes nothing."""
        extra_us = np.zeros(len(device), np.int64)
        if self._fading is not None:
            extra_us += retry_us(self._first_us(device), self._connect_retries(self._fading, device, tries))
        for order in self.orders:
            mine, own = order.rows(device)
            if len(mine):
                extra_us[mine] += self._connect_us(order, device[mine], own, tries[mine])
        return extra_us

    def _first_us(self, device: Int) -> Int:
        """First retransmission timeout of each."""
        links = self._fleet.links
        return np.maximum(links.retry_us[self._fleet.link[device]], LEAST_RETRY_US)

    def _connect_retries(self, fading: Fading, device: Int, tries: Int) -> Int:
        retries = np.zeros(len(device), np.int64)
        rows = np.flatnonzero(fading.device[device])
        first_us = self._first_us(device[rows])
        retries[rows] = fading.connect_retries(device[rows], tries[rows], first_us, MOST_RETRIES, LONGEST_RETRY_US)
        return retries

    def _connect_us(self, order: LinkFault, device: Int, own: Int, tries: Int) -> Int:
        links, code = self._fleet.links, self._fleet.link[device]
        if isinstance(order, Slowdown):
            return order.extra_us(CONNECT, own, tries)
        if isinstance(order, Squeeze):
            return np.maximum(order.air_us(self._connect_bytes[code]) - links.connect_us[code], 0)
        if isinstance(order, Slicing):
            return order.extra_us(self._connect_bytes[code])
        assert isinstance(order, Losses)
        return retry_us(self._first_us(device), order.connect_retries(own, tries))

    def arriving(self, device: Int, tries: Int) -> None:
        """CONNECTs of these devices, with these numbers, reach their broker."""
        if self.orders:
            self.count_connects(device, self._fleet.begin_us[device], tries)
        if self._world.parts.count_repeated and (self.orders or self._fading is not None):
            self._pay_for_connects(device, tries)

    def _pay_for_connects(self, device: Int, tries: Int) -> None:
        """What had to be repeated until these CONNECTs got through, and how much longer each was on air."""
        retries = np.zeros(len(device), np.int64)
        slower_us = np.zeros(len(device), np.int64)
        if self._fading is not None:
            retries += self._connect_retries(self._fading, device, tries)
        for order in self.orders:
            mine, own = order.rows(device)
            sent = self._fleet.begin_us[device[mine]] >= order.from_us
            mine, own = mine[sent], own[sent]
            if not len(mine):
                continue
            if isinstance(order, Losses):
                retries[mine] += order.connect_retries(own, tries[mine])
            elif isinstance(order, Squeeze):
                extra_us = self._connect_us(order, device[mine], own, tries[mine])
                slower_us[mine] = np.maximum(slower_us[mine], extra_us)
        for count_repeated in self._world.parts.count_repeated:
            count_repeated(device, retries, slower_us)

    def count_connects(self, device: Int, begin_us: Int, tries: Int, step: str | None = None) -> None:
        """These CONNECTs were sent at `begin_us`: count what faults, or those of one step, did to them. What is lost
        behind a cut, nothing else holds up."""
        whole = self._fleet.link_cuts[device] == 0
        device, begin_us, tries = device[whole], begin_us[whole], tries[whole]
        for order in self.orders:
            if step not in (None, order.step):
                continue
            mine, own = order.rows(device)
            sent = begin_us[mine] >= order.from_us
            mine, own = mine[sent], own[sent]
            if len(mine):
                what = RETRIED if isinstance(order, Losses) else DELAYED
                self._count(order, what, self._connect_us(order, device[mine], own, tries[mine]) > 0)

    def _count(self, order: LinkFault, what: str, rows: Mask) -> None:
        count = int(np.count_nonzero(rows))
        if count:
            self._world.bit(order.step, what, count)

    # --- faults -------------------------------------------------------------------------------------------------------

    def slow_down(self, step: str, device: Device, at_us: int, more_us: int, jitter_us: int) -> None:
        """Let everything that these devices send from now on take so much, and up to `jitter_us`, longer."""
        self._begin(Slowdown(*self._common(step, device, at_us), more_us, jitter_us))

    def squeeze(self, step: str, device: Device, at_us: int, bytes_per_s: float) -> None:
        """Let what these devices send from now on pass at this rate only."""
        self._begin(Squeeze(*self._common(step, device, at_us), bytes_per_s))

    def slice(self, step: str, device: Device, at_us: int, slice_bytes: int, gap_us: int) -> None:
        """Let what these devices send from now on arrive in slices, `gap_us` apart."""
        self._begin(Slicing(*self._common(step, device, at_us), slice_bytes, gap_us))

    def lose(self, step: str, device: Device, at_us: int, chain: BurstLoss) -> None:
        """Let what these devices send from now on be lost in bursts."""
        self._begin(Losses(*self._common(step, device, at_us), chain))

    def _common(self, step: str, device: Device, at_us: int) -> tuple[str, Int, Words, int, int]:
        who = device.astype(np.int64)
        return step, who, self._fleet.key[who], at_us, self._world.seed

    def _begin(self, order: LinkFault) -> None:
        self._world.settle(order.from_us)
        self.paced[order.device] = True
        self.active = True
        if self._wire is not None and self._real is not None:
            real = self._real[order.device]
            on_wire = replace(order)
            on_wire.keep(real)
            order.keep(~real)
            if len(on_wire.device):
                self._on_wire.append(on_wire)
                self._wire.begin(on_wire)
        self.orders.append(order)
        self._world.life.links_changed(order.device, order.from_us)

    def end(self, step: str, device: Device, at_us: int) -> None:
        """End the orders of a step on these devices; what they have sent stays on its way."""
        self._world.settle(at_us)
        fleet = self._fleet
        who = device.astype(np.int64)
        if self._wire is not None and self._real is not None:
            real = self._real[who]
            self._wire.end(step, who[real])
            # What the wire has not taken is free to go at once.
            self.free_us[who[real]] = np.minimum(self.free_us[who[real]], at_us)
            self._on_wire = _without(self._on_wire, step, device)
            who = who[~real]
        on_the_way = who[(fleet.state[who] == State.CONNECTING) & (fleet.begin_us[who] < at_us)]
        self.count_connects(on_the_way, fleet.begin_us[on_the_way], fleet.tries[on_the_way], step)
        self.orders = _without(self.orders, step, device)
        self._world.life.links_changed(who, at_us)

    def settle(self, now_us: int, waiting: Waiting) -> None:
        """Stop looking at devices that no fault holds any more and that have nothing left to send."""
        if self._paced_for_good:
            return
        links, code = self._fleet.links, self._fleet.link
        # What has just been sent is as late as on any other day.
        usual_us = now_us + (links.base_us + links.jitter_us)[code]
        held = self._always | (waiting > 0) | (self.free_us > now_us) | (self.last_us > usual_us)
        for order in (*self.orders, *self._on_wire):
            held[order.device] = True
        self.paced &= held
        self.active = bool(self.paced.any())


def _without(orders: list[LinkFault], step: str, device: Device) -> list[LinkFault]:
    """What is left when this step lets go of these devices."""
    for order in orders:
        if order.step == step:
            order.keep(~np.isin(order.device, device))
    return [order for order in orders if len(order.device)]


def _of(value: NDArray[np.integer] | int, rows: Int) -> NDArray[np.integer] | int:
    """Of a value each these, or the one value of all."""
    return value[rows] if isinstance(value, np.ndarray) and value.ndim else value


Instant = TypeVar("Instant", Int, int)


def horizon_us(now_us: Instant) -> Instant:
    """The next whole second after an instant."""
    return (now_us // AHEAD_US + 1) * AHEAD_US
