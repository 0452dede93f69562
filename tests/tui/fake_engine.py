"""A scripted engine for the screen: 10,000 devices at five sites, an outage of three of them, a reboot storm, recovery.

Frames are a pure function of the simulated second and of the commands received, so that pictures repeat. Run as a
program it plays in wall time, to be looked at: ``python tests/tui/fake_engine.py [--ascii] [--colours 16]``.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import msgspec

from twinstorm.scenarios.protocol import (
    PROTOCOL,
    STATES,
    AbortAll,
    Acknowledge,
    ActiveFault,
    AddNote,
    Answered,
    AskCell,
    AskDevice,
    AskStreams,
    BrokerRow,
    Command,
    DeviceList,
    DevicePage,
    DeviceRow,
    Ended,
    EndFault,
    Event,
    FaultInfo,
    FaultSetting,
    Frame,
    Hello,
    IncidentRow,
    Inject,
    LedgerRow,
    LiveRow,
    Loading,
    MapGroup,
    Mark,
    MarkWrong,
    ObjectiveRow,
    Pause,
    Quit,
    Rearm,
    Resume,
    SetCells,
    SetFilter,
    SetSpeed,
    Step,
)
from twinstorm.tui.app.connection import Inbox

SECOND = 1_000_000
SITES = (("eu-north", "arn-1"), ("eu-mid", "fra-1"), ("eu-mid", "fra-2"), ("eu-mid", "fra-3"), ("ap-south", "sin-1"))
PER_SITE = 2_000
DEVICES = PER_SITE * len(SITES)
DURATION_S, WARM_UP_S = 1_800, 180
OUTAGE_S, POWER_S, RESOLVED_S = 300, 420, 700
ONLINE, DEGRADED, RECONNECTING, UPDATING, OFFLINE, FAILED, UNKNOWN = range(7)
BAD_NAME = "fra-1/[bold]motor[/]-0007"
"""A device whose name looks like markup."""

HELLO = Hello(
    protocol=PROTOCOL,
    version="0.1.0",
    scenario="reboot-storm",
    title="Reboot storm",
    story="Three of five sites lose power for two minutes.",
    seed=42,
    clock="virtual",
    devices=DEVICES,
    duration_us=DURATION_S * SECOND,
    warm_up_us=WARM_UP_S * SECOND,
    run_folder="runs/reboot-storm-42",
    repeat="twinstorm run reboot-storm --seed 42",
    faults=[
        FaultInfo(
            name="broker-outage",
            summary="the broker is gone",
            effect="Every session ends and nobody is admitted until it is over. Devices keep what they measure.",
            needs_target=False,
            settings=[
                FaultSetting(name="restart", summary="what it remembers", default="cold", choices=["cold", "warm"])
            ],
        ),
        FaultInfo(
            name="melt-down",
            summary="boards burn",
            effect="The devices stop for good.",
            needs_target=True,
            survivable=False,
        ),
        FaultInfo(
            name="partition",
            summary="links are cut",
            effect="Devices of the target keep running and cannot reach the broker.",
            needs_target=True,
            settings=[
                FaultSetting(name="direction", summary="which way", default="both", choices=["both", "up", "down"]),
                FaultSetting(name="loss", summary="share of messages that vanish", default="100 %"),
            ],
        ),
    ],
    sites=[site for _, site in SITES],
)


def chance(device: int, purpose: int) -> float:
    """A repeatable number in [0, 1)."""
    mixed = (device * 2_654_435_761 + purpose * 40_503) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 15)) * 2_246_822_519) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 13)) / 2**32


def back_s(device: int) -> float:
    """Second at which a device of the outage has its session again."""
    return POWER_S + 10 + 110 * chance(device, 1) ** 1.3


def state_of(device: int, at_s: float) -> int:
    """Observed state by the story; injected faults come on top."""
    if at_s < 12 * chance(device, 2):
        return UNKNOWN
    if device == 9_321 and at_s >= 600:
        return FAILED
    site = device // PER_SITE
    if 1 <= site <= 3 and at_s >= OUTAGE_S + 2 + 20 * chance(device, 3):
        if at_s < POWER_S + 8 + 4 * chance(device, 4):
            return OFFLINE
        if at_s < back_s(device):
            return RECONNECTING
    return DEGRADED if chance(device, 5) < 0.002 and at_s > 60 else ONLINE


@cache
def codes_at(at_s: float) -> bytes:
    """State code of every device."""
    return bytes(state_of(device, at_s) for device in range(DEVICES))


BACK = sorted(back_s(device) for device in range(PER_SITE, 4 * PER_SITE))


@cache
def attempts_per_s(second: int) -> float:
    """Connect attempts in one second: those who come back, and those who are refused on the way."""
    if second < 12:
        return DEVICES / 12
    before, after = bisect_left(BACK, second), bisect_left(BACK, second + 1)
    waiting = len(BACK) - after if second >= POWER_S + 8 else 0
    return after - before + waiting * 0.12


def device_name(device: int) -> str:
    if device == PER_SITE + 7:
        return BAD_NAME
    return f"{SITES[device // PER_SITE][1]}/motors-{device % PER_SITE:04d}"


def scale(cells: int) -> int:
    """Devices a cell, as the protocol promises: the fewest of 1, 2, 5, 10, ... that fit."""
    for per_cell in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000):
        if len(SITES) * -(-PER_SITE // per_cell) <= cells:
            return per_cell
    return 2_000


@dataclass
class FakeEngine:
    """A `Connection`. `sent` has every command; `show` lets time pass to a second and sends the frame of it."""

    at_s: float = 0.0
    state: str = "running"
    speed: float = 10.0
    cells: int = 500
    armed: bool = True
    filter: str = ""
    device: str = ""
    notes: list[Mark] = field(default_factory=list)
    faults: list[ActiveFault] = field(default_factory=list)
    aborted_us: int | None = None
    taken_us: int | None = None
    sent: list[Command] = field(default_factory=list)
    inbox: Inbox = field(default_factory=Inbox)
    answers: bool = True
    """False: commands are recorded and nothing comes back."""
    writable: bool = True
    """False: it is gone as soon as somebody writes."""
    live: LiveRow | None = None
    """What its frames tell of a live run; None: it plays in virtual time."""
    lag_s: float = 0.0

    async def receive(self) -> Event | None:
        return await self.inbox.get()

    async def send(self, command: Command) -> None:
        if not self.writable:
            self.inbox.close()
            raise BrokenPipeError(32, "Broken pipe")
        self.sent.append(command)
        if self.answers:
            self.obey(command)

    def sent_of(self, kind: type) -> list[Command]:
        return [command for command in self.sent if isinstance(command, kind)]

    def greet(self) -> None:
        self.inbox.put(HELLO if self.live is None else msgspec.structs.replace(HELLO, clock="live"))

    def load(self, share: float) -> None:
        self.inbox.put(Loading(what="Placing 10,000 devices", share=share))

    def show(self, at_s: float | None = None, *, change: Callable[[Frame], Frame] | None = None) -> None:
        if at_s is not None:
            self.at_s = at_s
        frame = self.frame()
        self.inbox.put(change(frame) if change is not None else frame)

    # --- commands ---------------------------------------------------------------------------------------------------

    def obey(self, command: Command) -> None:  # noqa: C901 - one branch a command, in the order of the protocol
        match command:
            case Pause():
                self.state = "paused"
            case Resume():
                self.state = "running"
            case SetSpeed():
                self.speed = command.speed
            case Step():
                self.at_s += command.us / SECOND
            case Inject():
                self.inject(command)
            case EndFault():
                self.faults = [fault for fault in self.faults if command.step not in ("", fault.step)]
            case AbortAll():
                self.faults, self.armed, self.aborted_us = [], False, int(self.at_s * SECOND)
                if self.live is not None:
                    self.state = "ended"
                    self.show()
                    self.end("aborted")
                    return
            case Rearm():
                self.armed = True
            case Acknowledge():
                self.taken_us = int(self.at_s * SECOND)
                self.inbox.put(Answered(ok=True, text="acknowledged INC-1", to="Acknowledge"))
            case MarkWrong():
                words = f"alarm {command.alarm} (silence site=fra-*) is marked wrong"
                self.inbox.put(Answered(ok=True, text=words, to="MarkWrong"))
            case AddNote():
                at_us = int(self.at_s * SECOND) if command.at_us is None else command.at_us
                self.notes.append(Mark(at_us=at_us, kind="note", text=command.text))
            case AskDevice():
                if command.name and all(command.name != device_name(device) for device in range(DEVICES)):
                    words = f"no device `{command.name}`; nearest: {device_name(0)}, {device_name(1)}"
                    self.inbox.put(Answered(ok=False, text=words, to="AskDevice"))
                    return
                self.device = command.name
                self.inbox.put(Answered(ok=True, text="", to="AskDevice"))
            case AskCell():
                self.inbox.put(self.list_cell(command))
                return
            case SetFilter():
                if command.selector and not self.matching(command.selector):
                    words = f"`{command.selector}` is not a selector: write key=value"
                    self.inbox.put(Answered(ok=False, text=words, to="SetFilter"))
                    return
                self.filter = command.selector
                self.inbox.put(Answered(ok=True, text="", to="SetFilter"))
            case SetCells():
                self.cells = command.cells
            case AskStreams():
                return
            case Quit():
                self.end("stopped")
                return
        self.show()

    def inject(self, order: Inject) -> None:
        reach = self.matching(order.target) if order.target else DEVICES
        if not self.armed:
            self.inbox.put(Answered(ok=False, text="disarmed by an abort", to="Inject"))
        elif not reach:
            sites = ", ".join(site for _, site in SITES)
            words = f"0 of 10,000 devices match `{order.target}`; sites: {sites}"
            self.inbox.put(Answered(ok=False, text=words, to="Inject"))
        else:
            if not order.dry:
                now_us = int(self.at_s * SECOND)
                to_us = None if order.lasts_us is None else now_us + order.lasts_us
                step = f"injected-{len(self.faults) + 1}"
                self.faults.append(
                    ActiveFault(
                        step=step, fault=order.fault, target=order.target, devices=reach,
                        from_us=now_us, to_us=to_us, injected=True,
                    )
                )  # fmt: skip
            words = "" if order.dry else f"{order.fault} started on {reach:,} devices"
            self.inbox.put(Answered(ok=True, text=words, reach=reach, to="Inject"))

    def matching(self, selector: str) -> int:
        return sum(PER_SITE for _, site in SITES if matches(selector, site))

    def list_cell(self, asked: AskCell) -> DeviceList:
        site = next(number for number, (_, name) in enumerate(SITES) if name == asked.group)
        per_cell = scale(self.cells)
        first = site * PER_SITE + max(asked.cell, 0) * per_cell
        last = (site + 1) * PER_SITE if asked.cell < 0 else min(first + per_cell, (site + 1) * PER_SITE)
        rows = [
            DeviceRow(
                name=device_name(device), kind="motor", state=STATES[state_of(device, self.at_s)],
                last_arrival_us=int(min(self.at_s, OUTAGE_S) * SECOND), boot=2,
            )
            for device in range(first, last)
        ]  # fmt: skip
        return DeviceList(group=asked.group, cell=asked.cell, rows=rows[:500], total=len(rows))

    def end(self, ended: str) -> None:
        text = (
            "x connected                                         86.2 %     want at least 90 %    "
            "missed 00:05:08 to 00:08:31\n"
            "+ fresh                                             92.4 %     want at least 90 %\n"
            "+ alarm: reboot-storm, after: outage, within: 60 s  9 s after  want within 60 s\n"
            "MISSED 1 of 3 in 180 s (10x)   report: runs/reboot-storm-42/report.html\n"
            f"digest: {'5f' * 32}\n"
            "repeat: twinstorm run reboot-storm --seed 42"
        )
        self.inbox.put(
            Ended(ended=ended, verdict="missed", exit_code=1 if ended == "completed" else 5,
                  report="runs/reboot-storm-42/report.html", text=text)
        )  # fmt: skip
        self.inbox.close()

    # --- frames -----------------------------------------------------------------------------------------------------

    def codes(self) -> bytes:
        cut = {site for fault in self.faults for _, site in SITES if fault.target and matches(fault.target, site)}
        made = bytearray(codes_at(self.at_s))
        for number, (_, site) in enumerate(SITES):
            if site in cut:
                made[number * PER_SITE : (number + 1) * PER_SITE] = bytes([OFFLINE]) * PER_SITE
        return bytes(made)

    def frame(self) -> Frame:
        at_us, second = int(self.at_s * SECOND), int(self.at_s)
        codes = self.codes()
        counts = [codes.count(code) for code in range(7)]
        chosen = self.matching(self.filter) if self.filter else -1
        online = counts[ONLINE] + counts[DEGRADED]
        return Frame(
            at_us=at_us,
            state=self.state,
            speed=self.speed,
            holding=self.speed if self.speed <= 100 else 0.0,
            states=dict(zip(STATES, counts, strict=True)),
            groups=self.groups(codes),
            objectives=self.objectives(100 * online / DEVICES),
            incidents=self.incidents(at_us),
            faults=self.active(at_us),
            marks=self.marks(at_us),
            next_mark=next((mark for mark in STEPS if mark.at_us > at_us), None),
            broker=self.broker(second, online),
            ledger=LedgerRow(
                produced=second * 8_067, delivered=second * 7_800, buffered=second * 200, in_flight=120,
                lost={"power": second * 60, "queue_full": 0, "evicted": 7}, repeated=31,
            ),
            connects_per_s=[attempts_per_s(past) for past in range(max(second - 120, 0), second)],
            armed=self.armed,
            lag_s=self.lag_s,
            live=self.live,
            filter=self.filter,
            matching=chosen,
            device=self.page(at_us) if self.device else None,
        )  # fmt: skip

    def groups(self, codes: bytes) -> list[MapGroup]:
        per_cell = scale(self.cells)
        made = []
        for number, (region, site) in enumerate(SITES):
            if self.filter and not matches(self.filter, site):
                continue
            own = codes[number * PER_SITE : (number + 1) * PER_SITE]
            cells = bytes(worst(own[start : start + per_cell]) for start in range(0, PER_SITE, per_cell))
            counts = [own.count(code) for code in range(7)]
            made.append(
                MapGroup(region=region, site=site, devices=PER_SITE, per_cell=per_cell, cells=cells, counts=counts)
            )
        return made

    def objectives(self, connected: float) -> list[ObjectiveRow]:
        if self.at_s < WARM_UP_S:
            verdicts = ("warming up", "warming up")
        else:
            verdicts = ("missed" if self.at_s >= 405 else "held" if self.at_s < 305 else "at risk", "held")
        warm = self.at_s >= WARM_UP_S
        so_far = 99.98 if self.at_s < 305 else 86.2
        left = None if not warm else max(1.0 - max(self.at_s - 305, 0) / 100, -0.4)
        return [
            ObjectiveRow(
                name="connected", sli="connectivity", value=connected, so_far=so_far if warm else None,
                wanted="at least 90 %", unit="%", verdict=verdicts[0], budget_left=left,
                burn=(100 - connected) / 10 if warm else None,
            ),
            ObjectiveRow(
                name="fresh", sli="freshness", value=min(connected + 4, 100.0), so_far=92.4 if warm else None,
                wanted="at least 90 %", unit="%", verdict=verdicts[1], budget_left=0.61 if warm else None,
                burn=1.2 if warm else None,
            ),
        ]  # fmt: skip

    def incidents(self, at_us: int) -> list[IncidentRow]:
        if self.at_s < OUTAGE_S + 20:
            return []
        alarms = ["silence fra-*"] + (["connect-storm broker", "reboot-storm fra-*"] if self.at_s > 430 else [])
        state = "open" if self.taken_us is None else "acknowledged"
        state = state if self.at_s < RESOLVED_S else "resolved"
        opened_us = (OUTAGE_S + 20) * SECOND
        return [
            IncidentRow(number=1, title="sessions lost eu-mid", severity="page", group="eu-mid", opened_us=opened_us,
                        state=state, alarms=alarms, causes=["region=eu-mid (lift 3.1)"],
                        resolved_us=RESOLVED_S * SECOND if state == "resolved" else None,
                        acknowledged_us=self.taken_us, newest_alarm=len(alarms))
        ]  # fmt: skip

    def active(self, at_us: int) -> list[ActiveFault]:
        story = ActiveFault(
            step="outage", fault="power-outage", target="site=fra-*", devices=3 * PER_SITE,
            from_us=OUTAGE_S * SECOND, to_us=POWER_S * SECOND, injected=False,
        )  # fmt: skip
        happens = OUTAGE_S <= self.at_s < POWER_S and self.aborted_us is None
        return ([story] if happens else []) + [
            fault for fault in self.faults if fault.to_us is None or fault.to_us > at_us
        ]

    def marks(self, at_us: int) -> list[Mark]:
        past = [mark for mark in EVENTS if mark.at_us <= at_us]
        if self.aborted_us is not None:
            past.append(Mark(at_us=self.aborted_us, kind="abort", text="ctrl+x on the screen"))
        return sorted([*STEPS, *past, *self.notes], key=lambda mark: mark.at_us)

    def broker(self, second: int, online: int) -> BrokerRow:
        attempts = attempts_per_s(second - 1) if second else 0.0
        return BrokerRow(
            up=True, sessions=online, connecting=min(int(attempts), 900), queue=120 + int(attempts * 8),
            attempts_per_s=attempts, admitted_per_s=min(attempts, 100.0), refused_per_s=max(attempts - 100, 0.0),
            messages_in_per_s=online * 0.8067, messages_out_per_s=online * 0.8, dropped=0,
        )  # fmt: skip

    def page(self, at_us: int) -> DevicePage | None:
        device = next((device for device in range(DEVICES) if device_name(device) == self.device), None)
        if device is None:
            return None
        region, site = SITES[device // PER_SITE]
        channels = ["winding_temperature_c", "vibration_x_mm_s", "current_a", "speed_rpm"]
        base = (62.0, 2.1, 14.2, 1_480.0)
        history: list[list[float | None]] = [
            [None if 40 <= step < 52 else middle * (1 + 0.02 * chance(step, number)) for step in range(120)]
            for number, middle in enumerate(base)
        ]
        state = state_of(device, self.at_s)
        return DevicePage(
            name=self.device, kind="motor", segment="motors", site=site, region=region, link="ethernet",
            firmware="2.4.1", origin="simulated", state=STATES[state], since_us=max(at_us - 41 * SECOND, 0), boot=2,
            last_seq=412, last_arrival_us=at_us - SECOND, session=state == ONLINE, connects=3, channels=channels,
            units=["C", "mm/s", "A", "rpm"], history=history,
            history_us=[at_us - (119 - step) * SECOND for step in range(120)],
            faults=["outage"] if state == OFFLINE else [],
        )  # fmt: skip


STEPS = [
    Mark(at_us=OUTAGE_S * SECOND, kind="step", text="outage: power-outage site=fra-*"),
    Mark(at_us=1_200 * SECOND, kind="step", text="drill: mark half time"),
]
EVENTS = [
    Mark(at_us=OUTAGE_S * SECOND, kind="fault", text="power-outage site=fra-*"),
    Mark(at_us=(OUTAGE_S + 20) * SECOND, kind="alarm", text="silence fra-*"),
    Mark(at_us=(OUTAGE_S + 20) * SECOND, kind="incident", text="INC-1 sessions lost eu-mid"),
    Mark(at_us=431 * SECOND, kind="alarm", text="reboot-storm fra-*"),
]


def matches(selector: str, site: str) -> bool:
    """``all``, ``site=NAME`` or ``site=PREFIX*``; anything else matches nothing."""
    if selector == "all":
        return True
    key, _, value = selector.partition("=")
    return key == "site" and (site == value or (value.endswith("*") and site.startswith(value[:-1])))


def worst(codes: bytes) -> int:
    """The worst state that 5 % of the devices of a cell hold; a single failed one always shows."""
    if FAILED in codes:
        return FAILED
    for code in (OFFLINE, DEGRADED, RECONNECTING, UPDATING, UNKNOWN):
        if codes.count(code) * 20 >= len(codes) and code in codes:
            return code
    return ONLINE


def renamed(frame: Frame, site: str) -> Frame:
    """The frame with its first site called otherwise, to try names that look like markup."""
    first, *rest = frame.groups
    return msgspec.structs.replace(frame, groups=[msgspec.structs.replace(first, site=site), *rest])


async def play(engine: FakeEngine, *, load_s: float = 1.0) -> None:
    """Let the engine run in wall time until somebody quits."""
    engine.greet()
    for step in range(11):
        engine.load(step / 10)
        await asyncio.sleep(load_s / 11)
    while engine.at_s < DURATION_S:
        engine.show()
        await asyncio.sleep(0.1)
        if engine.state == "running":
            engine.at_s = min(engine.at_s + 0.1 * (engine.speed or 500.0), float(DURATION_S))
    engine.state = "ended"
    engine.show()
    engine.end("completed")


def main() -> None:
    import argparse

    from twinstorm.tui.app.app import StormApp
    from twinstorm.tui.app.look import Look

    parser = argparse.ArgumentParser(description="Play the fake engine in the real application.")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--colours", default="dark", choices=["dark", "light", "16", "none"])
    parser.add_argument("--from-s", type=float, default=240.0)
    chosen = parser.parse_args()
    players: list[asyncio.Task[None]] = []

    async def start(name: str) -> FakeEngine:
        if name != "reboot-storm":
            raise OSError(f"port 1883 is taken, {name} cannot listen")
        engine = FakeEngine(at_s=chosen.from_s)
        players.append(asyncio.create_task(play(engine)))
        return engine

    stories = [
        ("reboot-storm", "Reboot storm", "Three of five sites lose power for two minutes. Then 6,000 machines boot."),
        ("partition", "Partition", "A site is cut off and comes back."),
    ]
    app = StormApp(scenarios=stories, start=start, look=Look(chosen.colours, chosen.ascii))
    app.run()


if __name__ == "__main__":
    main()
