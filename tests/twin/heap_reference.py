"""The rules of ``docs/storm-model.md``, one event at a time on a heap: slow, plain, and written from the page alone."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from fractions import Fraction

from twinstorm.twin.chance import Purpose, below_one, device_key, stream, word

BOOTED, ADMITTED, REFUSED, UNANSWERED, GAVE_UP, CONNECTED, LOST = range(33, 40)
NEVER = 1 << 62
Row = tuple[int, int, int]


@dataclass
class Device:
    name: str
    link: tuple[int, int, int, int]
    """base_us, jitter_us, retry_us, retry_per_65536"""
    backoff: str
    jitter: str
    base_us: int
    cap_us: int
    timeout_us: int
    keep_alive_us: int
    boot_low_us: int
    boot_high_us: int
    every_us: int
    phase_us: int
    air_us: int = 0
    """Of a CONNECT."""
    state: str = "online"
    due: int = NEVER
    tries: int = 0
    failures: int = 0
    previous: int = 0
    begin: int = 0
    ok: int = -1
    stale: int = NEVER
    connected: int = 0
    power_cuts: int = 0
    link_cuts: int = 0
    up_cuts: int = 0
    key: int = field(init=False)

    def __post_init__(self) -> None:
        self.key = device_key(self.name)


@dataclass
class Broker:
    handshake_ns: int
    backlog: int
    rate: Fraction | None
    burst: int
    queue: int
    free: int = 0
    tat: int = 0
    down: bool = False
    silent: bool = False

    def connect(self, at: int) -> tuple[bool, int]:
        """Admitted?, and when the broker answers."""
        if self.free - self.backlog * self.handshake_ns > 1_000 * at:
            return False, at
        self.free = max(self.free, 1_000 * at) + self.handshake_ns
        leaves = -(-self.free // 1_000)
        if self.rate is None:
            return True, leaves
        p, interval = self.rate.numerator, self.rate.denominator * 1_000_000
        if self.tat - (self.burst - 1 + self.queue) * interval > p * leaves:
            return False, leaves
        start = max(p * leaves, self.tat - (self.burst - 1) * interval)
        self.tat = max(self.tat, p * leaves) + interval
        return True, -(-start // p)


@dataclass(frozen=True)
class Action:
    """`kind`: power-off, power-on, cut, heal, broker-stop, broker-start, slow, lossy, recover.

    The last three have the name of their step; `more_us` and `jitter_us` belong to slow, `worsen` and `recover` to
    lossy.
    """

    at_us: int
    kind: str
    devices: tuple[int, ...] = ()
    direction: str = "both"
    silent: bool = False
    step: str = ""
    more_us: int = 0
    jitter_us: int = 0
    worsen: float = 0.0
    recover: float = 1.0


class Simulation:
    def __init__(self, devices: list[Device], broker: Broker, seed: int) -> None:
        self.devices, self.broker = devices, broker
        self.streams = {purpose: stream(seed, purpose) for purpose in Purpose}
        self.seed = seed
        self.orders: list[Action] = []
        self.heap: list[tuple[int, int]] = []
        self.rows: list[Row] = []

    def draw(self, purpose: Purpose, device: Device, number: int) -> int:
        return word(self.streams[purpose], device.key, number)

    def latency(self, purpose: Purpose, device: Device, number: int) -> int:
        base, jitter, retry, share = device.link
        w = self.draw(purpose, device, number)
        return base + below_one(w, jitter) + (retry if (w & 0xFFFF) < share else 0)

    def up(self, index: int) -> int:
        """How long the CONNECT of this attempt is on its way."""
        device = self.devices[index]
        extra = sum(self.extra(order, device) for order in self.orders if index in order.devices)
        return self.latency(Purpose.UPLINK, device, device.tries) + device.air_us + extra

    def extra(self, order: Action, device: Device) -> int:
        def draw(nth: int) -> int:
            key = stream(self.seed, Purpose.UPLINK << 64 | device_key(f"{order.step}/connect/{nth}"))
            return word(key, device.key, device.tries)

        if order.kind == "slow":
            return order.more_us + below_one(draw(0), order.jitter_us + 1)
        bad = draw(0) >> 32 < round(order.worsen / (order.worsen + order.recover) * 2**32)
        rto, total = max(device.link[2], 200_000), 0
        for nth in range(8):
            bad = draw(1 + nth) >> 32 < round((1 - order.recover if bad else order.worsen) * 2**32)
            if not bad:
                break
            total += min(rto << nth, 60_000_000)
        return total

    def set_due(self, index: int, due: int) -> None:
        self.devices[index].due = due
        if due != NEVER:
            heapq.heappush(self.heap, (due, index))

    def fail(self, index: int, heard: int) -> None:
        device = self.devices[index]
        device.failures += 1
        wait = self.wait(device)
        device.previous = wait
        device.begin = heard + wait
        device.tries += 1
        device.state = "connecting"
        self.set_due(index, device.begin + self.up(index))

    def wait(self, device: Device) -> int:
        w = self.draw(Purpose.BACKOFF, device, device.tries)
        if device.backoff == "none":
            return 0
        v = device.base_us
        if device.backoff == "exponential":
            v = min(device.cap_us, device.base_us * 2 ** min(device.failures, 20))
        if device.jitter == "full":
            return below_one(w, v)
        if device.jitter == "equal":
            return v // 2 + below_one(w, v - v // 2)
        if device.jitter == "decorrelated":
            s = max(device.previous, device.base_us)
            return min(device.cap_us, device.base_us + below_one(w, 3 * s - device.base_us))
        return v

    def event(self, at: int, index: int) -> None:
        device = self.devices[index]
        if device.state == "booting":
            self.rows.append((at, BOOTED, index))
            device.tries += 1
            device.failures = device.previous = 0
            device.begin = at
            device.state = "connecting"
            self.set_due(index, at + self.up(index))
        elif device.state == "connecting":
            self.arrive(at, index)
        elif device.state == "waiting" and device.ok == at:
            self.rows.append((at, CONNECTED, index))
            device.state = "online"
            device.failures = device.previous = 0
            device.stale, device.due, device.connected, device.ok = NEVER, NEVER, at, -1
        elif device.state == "waiting":
            self.rows.append((at, GAVE_UP, index))
            self.fail(index, at)
        else:
            self.rows.append((at, LOST, index))
            self.fail(index, at)

    def arrive(self, at: int, index: int) -> None:
        device, broker = self.devices[index], self.broker
        give = max(device.begin + device.timeout_us, at + 1)
        unreachable = device.link_cuts > 0 or (broker.down and broker.silent)
        heard = NEVER
        if not unreachable and broker.down:
            admitted, heard = False, at + self.latency(Purpose.DOWNLINK, device, device.tries)
        elif not unreachable:
            admitted, answer = broker.connect(at)
            heard = answer + self.latency(Purpose.DOWNLINK, device, device.tries)
            if admitted:
                self.rows.append((at, ADMITTED, index))
                device.state, device.ok = "waiting", heard
                self.set_due(index, min(heard, give))
                return
        if heard >= give:
            self.rows.append((at, UNANSWERED, index))
            device.state, device.ok = "waiting", -1
            self.set_due(index, give)
        else:
            self.rows.append((at, REFUSED, index))
            self.fail(index, heard)

    # --- faults -------------------------------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        at = action.at_us
        if action.kind == "broker-stop":
            self.broker_stop(at, action.silent)
        elif action.kind == "broker-start":
            self.broker_start(at)
        elif action.kind in ("slow", "lossy", "recover"):
            self.orders = [order for order in self.orders if order.step != action.step]
            if action.kind != "recover":
                self.orders.append(action)
            for index in action.devices:
                device = self.devices[index]
                if device.state == "connecting" and device.begin >= at:
                    self.set_due(index, device.begin + self.up(index))
        else:
            do = {"power-off": self.power_off, "power-on": self.power_on, "cut": self.cut, "heal": self.heal}
            for index in action.devices:
                do[action.kind](at, index, action.direction)

    def power_off(self, at: int, index: int, direction: str) -> None:
        device = self.devices[index]
        device.power_cuts += 1
        if device.power_cuts == 1:
            device.state, device.due, device.ok, device.stale = "off", NEVER, -1, NEVER
            device.failures = device.previous = 0

    def power_on(self, at: int, index: int, direction: str) -> None:
        device = self.devices[index]
        device.power_cuts -= 1
        if device.power_cuts == 0:
            device.state = "booting"
            width = device.boot_high_us - device.boot_low_us + 1
            self.set_due(index, at + device.boot_low_us + below_one(self.draw(Purpose.BOOT, device, 0), width))

    def notice_later(self, at: int, index: int) -> None:
        device = self.devices[index]
        k = device.keep_alive_us
        self.set_due(index, at + k + below_one(self.draw(Purpose.DETECT, device, device.tries), k))

    def lose_answer(self, at: int, index: int) -> None:
        device = self.devices[index]
        device.ok = -1
        self.set_due(index, max(device.begin + device.timeout_us, at + 1))

    def cut(self, at: int, index: int, direction: str) -> None:
        device = self.devices[index]
        device.link_cuts += 1
        if device.link_cuts == 1 and device.state == "waiting":
            self.lose_answer(at, index)
        if device.link_cuts == 1 and device.state == "online" and not (self.broker.silent and device.due != NEVER):
            self.notice_later(at, index)
        if direction == "down":
            return
        device.up_cuts += 1
        if device.up_cuts == 1 and device.state == "online":
            gap = min(device.every_us, device.keep_alive_us)
            last = 0
            if at >= device.phase_us:
                last = device.phase_us + (at - device.phase_us) // gap * gap
            device.stale = min(device.stale, max(device.connected, last) + -(-3 * device.keep_alive_us // 2))

    def heal(self, at: int, index: int, direction: str) -> None:
        device = self.devices[index]
        device.link_cuts -= 1
        device.up_cuts -= direction != "down"
        if device.up_cuts == 0 and device.stale > at:
            device.stale = NEVER
        if device.link_cuts == 0 and device.state == "online" and not self.broker.silent:
            if device.stale <= at:
                self.reset(at, index)
            else:
                device.due = NEVER

    def reset(self, at: int, index: int) -> None:
        device = self.devices[index]
        self.set_due(index, min(device.due, at + self.latency(Purpose.RESET, device, device.tries)))

    def broker_stop(self, at: int, silent: bool) -> None:
        self.broker.down, self.broker.silent = True, silent
        for index, device in enumerate(self.devices):
            reachable = device.link_cuts == 0
            if device.state == "online":
                device.stale = min(device.stale, at)
                if reachable and not silent:
                    self.reset(at, index)
                elif reachable and device.due == NEVER:
                    self.notice_later(at, index)
            elif device.state == "waiting" and reachable and device.ok >= at:
                self.lose_answer(at, index)
                if not silent:
                    self.reset(at, index)

    def broker_start(self, at: int) -> None:
        self.broker.down = self.broker.silent = False
        self.broker.free = self.broker.tat = 0
        for index, device in enumerate(self.devices):
            if device.state == "online" and device.link_cuts == 0 and device.stale <= at:
                self.reset(at, index)


def simulate(devices: list[Device], broker: Broker, actions: list[Action], seed: int, until_us: int) -> list[Row]:
    """Device events before `until_us`, sorted; actions act before the events of their instant, in their order."""
    simulation = Simulation(devices, broker, seed)
    waiting = sorted(actions, key=lambda action: action.at_us)
    while True:
        while simulation.heap and devices[simulation.heap[0][1]].due != simulation.heap[0][0]:
            heapq.heappop(simulation.heap)  # moved since
        next_event = simulation.heap[0][0] if simulation.heap else NEVER
        next_action = waiting[0].at_us if waiting else NEVER
        if min(next_event, next_action) >= until_us:
            return sorted(simulation.rows)
        if next_action <= next_event:
            simulation.act(waiting.pop(0))
        else:
            at, index = heapq.heappop(simulation.heap)
            simulation.devices[index].due = NEVER
            simulation.event(at, index)
