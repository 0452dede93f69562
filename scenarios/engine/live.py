"""A live run: real MQTT over real sockets, in wall time. World and fleet in a worker, broker and core here."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinstorm.broker.admission import Admission
from twinstorm.broker.cloud_end import LiveCloudEnd
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.guest_files import GuestFiles
from twinstorm.broker.limits import Limits
from twinstorm.broker.url import BrokerUrl, parse_url
from twinstorm.scenarios.engine.account import Account, Sides, settle
from twinstorm.scenarios.engine.children import start_child
from twinstorm.scenarios.engine.crowd import Crowd, split
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused, Unavailable
from twinstorm.scenarios.engine.link_groups import are_whole_groups, groups_on_bad_links
from twinstorm.scenarios.engine.live_checks import unfit
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan, origin_us, start_of, year_us
from twinstorm.scenarios.engine.rates import Rates
from twinstorm.scenarios.engine.rates import Totals as Asked
from twinstorm.scenarios.engine.run import RunOptions, begin
from twinstorm.scenarios.engine.worker import (
    DRAIN_S,
    Act,
    Ask,
    Broken,
    Finish,
    Forget,
    Gathered,
    Go,
    Maintain,
    Task,
    Totals,
    work,
)
from twinstorm.scenarios.faults import base as calls
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.result import RunResult, Sink
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import (
    SECOND_US,
    BrokerCounters,
    CloudOutcome,
    Device,
    Evidence,
    FaultOrder,
    Int,
    Ledger,
    LossCause,
    Mask,
    Registry,
)
from twinstorm.twin.life import CLOUD
from twinstorm.twin.machines.kind import catalogue as machine_catalogue
from twinstorm.twin.maintenance import MaintenancePlan, Upkeep
from twinstorm.twin.slots import fallen_back
from twinstorm.twin.stories import Story
from twinstorm.twin.traffic import SegmentTraffic
from twinstorm.twin.wire.wires import Ear

if TYPE_CHECKING:
    from twinstorm.broker.run_certificates import RunCertificates

GATHER_PER_S = 200.0
GATHER_TLS_PER_S = 100.0
"""A handshake costs both ends some milliseconds."""
HEAD_START_S = 0.5
BROKER_GONE_S = 30.0
"""A broker that is not ours may be restarted during a run; one that stays away longer ends it."""
SWITCH_S = 0.0005
_NO_LIMITS = "limits on connects cannot be imposed on a foreign broker"
_TAKE_AWAY = "--set broker.connects=none judges the broker's own limits instead"
_PAUSE_S = 0.01
CLEAN_S, CLEAN_AT_ONCE_S = 3.0, 0.6
"""How long to wait until a broker has forgotten what the run retained."""
CUT_S = 0.8
"""How long a fleet may take to close its connections before its process is ended: two seconds are for all together."""
_LATE_MS = 500.0
"""Twins that act so much later than they should, no longer show what the scenario says."""


def play_live(
    scenario: Scenario,
    options: RunOptions,
    sinks: Sequence[Sink],
    interrupted: threading.Event,
    progress: Callable[[int], None] | None,
    repeat: str,
    rates: Rates,
) -> tuple[RunResult, LiveWiring | None]:
    """Play a scenario over real sockets and judge it.

    Args:
        options: checked by `live_checks`.
        rates: told how fast it goes, before `progress`.

    Returns:
        The result, and, with `hold_open`, the broker that is still there: whoever asked for it closes it.

    Raises:
        Unavailable: broker, port or worker is not there.
    """
    # The core shares this process with the broker's loop: at Python's 5 ms, milliseconds become hundreds (measured).
    sys.setswitchinterval(SWITCH_S)
    started = time.perf_counter()
    speed = Fraction(options.speed or 1).limit_denominator(1_000)
    scenario, rest = split(scenario)
    wiring = LiveWiring(scenario, options, speed, interrupted, rest)
    held = None
    try:
        engine = Engine(scenario, options.seed, wiring, options.until_us)
        if not interrupted.is_set():
            wiring.start_worker(engine)
            wiring.gather(interrupted)
        engine.sinks = sinks
        engine.judge.limits_missing = wiring.limits_missing
        wiring.send_ahead(engine)
        begin(engine)
        if options.hold_open:
            options.invite(wiring.invitation())
        # A full collection walks all that was ever imported: 70 to 150 ms in which no message moves (measured).
        gc.collect()
        gc.freeze()
        if interrupted.is_set():
            engine.finish("interrupted")
        else:
            wiring.go(engine.end_us, interrupted)
        stop_at = None if options.max_wall_s is None else started + options.max_wall_s
        _follow_the_clock(engine, wiring, interrupted, stop_at, progress, rates)
        wiring.drain(engine, at_once=interrupted.is_set())
        if wiring.failure:
            raise Unavailable(*wiring.failure)
        result = result_of(engine, speed=float(speed), wall_s=time.perf_counter() - started, repeat=repeat)
        if options.hold_open and wiring.has_own_broker and not interrupted.is_set():
            wiring.end_fleet()
            held = wiring
        return result, held
    except KeyboardInterrupt:
        wiring.kill_worker()  # Somebody does not want to wait for it.
        raise
    finally:
        gc.unfreeze()
        if held is None:
            wiring.close()


def _follow_the_clock(
    engine: Engine,
    wiring: LiveWiring,
    interrupted: threading.Event,
    stop_at: float | None,
    progress: Callable[[int], None] | None,
    rates: Rates,
) -> None:
    """Play to the end, or to this instant of `perf_counter`, or until somebody interrupts."""
    told = 0.0
    while not engine.ended:
        now_us = wiring.now_us()
        while not engine.ended and engine.next_us() <= now_us:
            engine.step()
        wiring.listen()
        if not engine.ended:
            engine.take_in(now_us)
        if interrupted.is_set():
            engine.now_us = min(now_us, engine.end_us)
            engine.finish("interrupted")
        elif stop_at is not None and time.perf_counter() > stop_at:
            engine.now_us = min(now_us, engine.end_us)
            engine.finish("stopped")
        elif wiring.failure:
            raise Unavailable(*wiring.failure)
        elif not engine.ended:
            if progress is not None and time.perf_counter() - told > 0.5:
                told = time.perf_counter()
                rates.note(wiring.reached(engine))
                progress(now_us)
            interrupted.wait(_PAUSE_S)


class LiveWiring:
    """World in a worker process; embedded broker (or one by URL) and cloud end in this one."""

    clock: Literal["virtual", "live"] = "live"

    def __init__(
        self,
        scenario: Scenario,
        options: RunOptions,
        speed: Fraction,
        interrupted: threading.Event,
        rest: Scenario | None = None,
    ) -> None:
        self._rest, self._seed = rest, options.seed
        """What of the scenario stays modelled; None: nothing."""
        self._crowd: Crowd | None = None
        plan = fleet_plan(scenario, options.phases)
        self.speed = speed
        self.log = EventLog()
        fleet = grow(plan)
        kinds = machine_catalogue()
        self.registry: Registry = fleet.registry({part.kind: kinds[part.kind].channels for part in plan.segments})
        self.device_keys: NDArray[np.uint64] = fleet.key
        self._qos0: Mask = fleet.qos == 0
        self._has_socket: Mask = fleet.carrier == CLOUD
        self.failure: tuple[str, str, str] | None = None
        self._started_s = float("inf")
        self._totals: Totals | None = None
        self._final: Totals | None = None
        self._ahead: set[str] = set()
        self._evidence_here: dict[str, Counter[str]] = {}
        self._account: Account | None = None
        """Of a run that is over; None: it is not, or the worker's end of it never came."""
        self._fleet_ended = False
        self._malformed = 0
        """Messages that nobody could read: what the worker did not spoil itself, some guest sent."""
        self._settings = broker_settings(scenario)
        is_limited = self._settings.connect_rate is not None
        self.limits_missing = _NO_LIMITS if options.broker_url is not None and is_limited else ""
        """Why the scenario's limits on connects are not imposed; empty: they are, or it has none."""
        speaker = zip(self.registry.names, fleet.speaker.tolist(), strict=True)
        through = {name: self.registry.names[who] for name, who in speaker if name != self.registry.names[who]}
        self._papers = self._certify(through) if options.tls else None
        self._ear = Ear(part.wire for part in plan.segments)
        self._embedded, target = self._open_broker(options, through)
        self._target = target
        self._guest_files: GuestFiles | None = None
        self._is_held_open = options.hold_open
        self._left_early = False
        """The worker has closed everything before there was a run."""
        self._removed = self._left = 0
        """Retained messages of this run."""
        start = start_of(scenario) if scenario.start else datetime.now(UTC)
        began_us = origin_us(start)
        self._cloud = LiveCloudEnd(
            host=target.host,
            port=target.port,
            username=target.username,
            password=target.password,
            registry=self.registry,
            now_us=self.now_us,
            origin_us=began_us,
            qos=max(int(fleet.qos.max()), 1),
            persistent=self._embedded is not None,
            tls=options.broker_tls if target.secure else None if self._papers is None else self._papers.core,
            path=target.path,
            ear=self._ear,
        )
        try:
            self._cloud.start(interrupted.is_set)
        except OSError as error:
            self._end_broker()
            raise Unavailable(
                f"the broker at {target.host}:{target.port}", str(error), "Is it running, and does it admit this user?"
            ) from error
        self._context = multiprocessing.get_context("spawn")
        self._pipe, self._pipe_of_worker = self._context.Pipe()
        self._worker: BaseProcess | None = None
        self._bad_links: list[Int] = []
        passwords = tuple(self._embedded.device_passwords) if self._embedded else ()
        self._task = Task(
            plan=plan,
            seed=options.seed,
            host=target.host,
            port=target.port,
            username=None if self._embedded else target.username,
            passwords=passwords if self._embedded else tuple([target.password or ""] * plan.devices),
            speed=speed,
            year_us=year_us(start),
            origin_us=began_us,
            gather_per_s=GATHER_TLS_PER_S if self._papers is not None or target.secure else GATHER_PER_S,
            tls=options.broker_tls if target.secure else None if self._papers is None else self._papers.devices,
            path=target.path,
        )

    def start_worker(self, engine: Engine) -> None:
        """Make world and fleet, as the faults to come need them.

        Raises:
            Unavailable: the machine has no room for it.
        """
        if self._rest is not None:
            self._crowd = Crowd(self._rest, self._seed, self.speed)
        self._bad_links = groups_on_bad_links(engine, self._has_socket)
        task = replace(self._task, bad_links=tuple(self._bad_links))
        worker = self._context.Process(
            target=work, args=(task, self._pipe_of_worker), name="twinstorm-world", daemon=True
        )
        try:
            start_child(worker, "the worker process")
            self._worker = worker
        finally:
            self._pipe_of_worker.close()

    def _certify(self, through: Mapping[str, str]) -> RunCertificates:
        from twinstorm.broker.run_certificates import RunCertificates

        try:
            return RunCertificates([name for name in self.registry.names if name not in through], datetime.now(UTC))
        except OSError as error:
            raise Unavailable(
                "a temporary folder for certificates", error.strerror or str(error), "Free some space, or set TMPDIR."
            ) from error

    def _end_broker(self) -> None:
        if self._guest_files is not None:
            self._guest_files.close()
        if self._embedded is not None:
            self._embedded.close()
        if self._papers is not None:
            self._papers.close()

    def _open_broker(self, options: RunOptions, through: Mapping[str, str]) -> tuple[EmbeddedBroker | None, BrokerUrl]:
        if options.broker_url is None:
            embedded = EmbeddedBroker(
                list(self.registry.names),
                now_us=self.now_us,
                speed=self.speed,
                limits=Limits(offline_messages=self._settings.offline_queue),
                core_per_s=self._settings.message_rate,
                core_queue=self._settings.message_queue,
                seed=options.seed,
                through=through,
                tls=None if self._papers is None else self._papers.server,
                ear=self._ear,
            )
            try:
                port = embedded.open()
            except OSError as error:
                embedded.close()
                if self._papers is not None:
                    self._papers.close()
                raise Unavailable(
                    "a port of 127.0.0.1 for the embedded broker",
                    error.strerror or str(error),
                    "The system chooses a free one: has this machine sockets left?",
                ) from error
            if self._papers is not None:
                return embedded, BrokerUrl(host="127.0.0.1", port=port)
            user, password = embedded.core_credentials
            return embedded, BrokerUrl(host="127.0.0.1", port=port, username=user, password=password)
        target = parse_url(options.broker_url)
        login = options.broker_login
        return None, target if login is None else replace(target, username=login.user, password=login.password)

    # --- time ---------------------------------------------------------------------------------------------------------

    def now_us(self) -> int:
        """Simulated instant of the wall clock; 0 before the run."""
        elapsed = time.monotonic() - self._started_s
        return int(elapsed * SECOND_US * self.speed) if elapsed > 0 else 0

    def gather(self, interrupted: threading.Event) -> None:
        """Wait until every device is online."""
        online = 0
        while not interrupted.is_set():
            if not self._pipe.poll(0.2):
                if self._worker is None or not self._worker.is_alive():
                    raise _ended_while_gathering()
                continue
            try:
                message = self._receive()
            except (EOFError, ConnectionError):
                raise _ended_while_gathering() from None
            if isinstance(message, Broken):
                raise message.error
            if isinstance(message, Gathered):
                online = message.online
                if message.ready:
                    if self._crowd is not None:
                        self._crowd.ready()
                    return
                if message.gave_up:
                    break
        if not interrupted.is_set():
            raise Unavailable(
                f"the broker at {self._target.host}:{self._target.port}",
                f"only {online:,} of {len(self.registry):,} devices came online in time",
                "Is it running, and does it admit these clients? Take fewer with --devices",
            )

    def go(self, end_us: int, interrupted: threading.Event) -> None:
        """Let simulated time begin in both processes.

        Args:
            end_us: when the run ends, if nothing ends it earlier.
        """
        self._cloud.collect_until(len(self.registry), interrupted=interrupted.is_set)
        self._cloud.begin()
        if self._embedded is not None:
            rate = self._settings.connect_rate
            burst, queue = self._settings.connect_burst, self._settings.connect_queue
            alone = None if rate is None else Admission(rate, burst, queue)
            self._embedded.begin(alone if self._crowd is None else self._crowd)
        self._started_s = time.monotonic() + HEAD_START_S
        if self._crowd is not None:
            self._crowd.go(self._started_s)
        self._send(Go(self._started_s, end_us))

    def listen(self) -> None:
        """Take what the worker tells."""
        try:
            while self._pipe.poll():
                message = self._receive()
                if isinstance(message, Broken):
                    raise message.error
                if isinstance(message, Gathered):
                    self._left_early = message.gave_up
                if isinstance(message, Totals):
                    self._totals = message
                    self.log.counts = {int(code): count for code, count in message.codes.items()} | {
                        code: count for code, count in self.log.counts.items() if code < 32
                    }
                    if message.final:
                        self._final = message
        except (EOFError, ConnectionError):
            if self._final is None and not self._left_early:
                assert self._worker is not None
                self._worker.join(timeout=1.0)
                self.failure = (
                    "the worker process",
                    f"it ended with code {self._worker.exitcode}",
                    "",
                )
        self._miss_broker(BROKER_GONE_S)
        if self._crowd is not None and self._crowd.failed:
            self.failure = ("the crowd's process", "it ended", "")

    def drain(self, engine: Engine, *, at_once: bool = False) -> None:
        """Let what was sent arrive: at most `DRAIN_S`, then what is missing is unexplained.

        Args:
            at_once: somebody wants it to end: close every connection, within `CUT_S` whatever the broker does.
        """
        if at_once:
            self._cut(engine)
            return
        self._send(Finish(engine.now_us))
        until = time.monotonic() + DRAIN_S + 5.0
        while self._final is None and self.failure is None and time.monotonic() < until:
            self.listen()
            self._deliver(engine)
            time.sleep(_PAUSE_S)
        quiet_since = time.monotonic()
        while time.monotonic() < min(until, quiet_since + 0.5):
            if self._deliver(engine):
                quiet_since = time.monotonic()
            time.sleep(_PAUSE_S)
        self._miss_broker(0.0)
        self._clean(CLEAN_S)
        self._explain(engine)

    def _cut(self, engine: Engine) -> None:
        """Close every connection now, of the fleet first, and count what has arrived until then."""
        if self._worker is not None:
            self._send(Finish(engine.now_us, at_once=True))
        until = time.monotonic() + CUT_S
        while not (self._final or self._left_early or self.failure) and time.monotonic() < until:
            if self._worker is None:
                break
            self.listen()
            self._deliver(engine)
            time.sleep(_PAUSE_S)
        if self._final is None and not self._left_early:
            self.kill_worker()  # busy, or broken: its connections go with it
        self.failure = None  # It was told to leave.
        self._clean(CLEAN_AT_ONCE_S)
        self._cloud.close(at_once=True)
        self._deliver(engine)
        self._explain(engine)

    def _clean(self, within_s: float) -> None:
        """Leave nothing retained on a broker that outlives the run."""
        if self._embedded is None or self._is_held_open:
            self._removed, self._left = self._cloud.clean(within_s)

    def _miss_broker(self, patience_s: float) -> None:
        """Fail if a broker that is not ours has been away for longer than this: then nothing can be judged."""
        if self._embedded is None and self.failure is None and self._cloud.gone_s > patience_s:
            self.failure = (
                f"the broker at {self._target.host}:{self._target.port}",
                f"it has been away for {self._cloud.gone_s:.0f} s",
                "",
            )

    def _deliver(self, engine: Engine) -> int:
        before = engine.core.accepted
        outcome = self.collect(self.now_us())
        for delivery in outcome.deliveries:
            engine.core.ingest(delivery)
        return int(engine.core.accepted - before)

    def _explain(self, engine: Engine) -> None:
        """Name the losses that only both sides together can see."""
        final, core = self._final, engine.core
        if final is None or final.produced_each is None:
            return
        assert final.buffered_each is not None
        assert final.lost_each is not None
        assert final.in_doubt_each is not None
        assert final.unacknowledged_each is not None
        under_way, in_broker = final.unacknowledged_each, {}
        if self._embedded is not None:
            under_way = under_way + self._each(self._embedded.kept_readings())
            in_broker = {
                LossCause.QUEUE_FULL: self._each(self._embedded.overflown_readings()),
                LossCause.SHED: self._each(self._embedded.shed_readings()),
                LossCause.SESSION_EXPIRED: self._each(self._embedded.expired_readings()),
                LossCause.OUTAGE: self._each(self._embedded.lost_readings()),
            }
        refused = core.refused_per_device
        self._account = settle(
            Sides(
                produced=final.produced_each,
                buffered=final.buffered_each,
                named=final.lost_each,
                accepted=core.accepted_per_device,
                refused=np.zeros(len(self.registry), np.int64) if refused is None else refused,
                letters=self._twin_letters(sum(core.dead_letters.values())),
                under_way=under_way,
                in_doubt=final.in_doubt_each,
                at_qos0=self._qos0,
                broker_lost=in_broker,
                # One that came after more newer ones than the core remembers was taken for a repeat.
                late=core.repeated if final.overtaken else 0,
            )
        )

    def _each(self, counts: Mapping[str, int]) -> Int:
        """Counts by name as a column."""
        return np.array([counts.get(name, 0) for name in self.registry.names], np.int64)

    def _twin_letters(self, dead_letters: int) -> int:
        """Dead letters that a twin sent: readable, but with a value that no sensor reports."""
        return max(dead_letters - self._malformed, 0)

    # --- Wiring -------------------------------------------------------------------------------------------------------

    @property
    def stories(self) -> list[Story]:
        return []

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        return {}

    def advance_to(self, at_us: int) -> None:
        """The worker moves by the clock."""

    def send_ahead(self, engine: Engine) -> None:
        """Send every order that is known already, so that it acts exactly at its instant."""
        for step in engine.planned_faults():
            self._ahead.add(step.name)
            for at_us, start, order, device in engine.planned_acts(step):
                self._send(Act(at_us, start, order, device))

    def admit(self, fault: type[Fault], settings: Mapping[str, Any], device: Device) -> None:
        """See `Wiring.admit`: a client that is connected cannot be led through the proxy any more."""
        papers = self._papers is not None
        encrypted = papers or self._target.secure
        if said := unfit(fault, own_broker=self.has_own_broker, certificates=papers, encrypted=encrypted):
            raise Refused(said)
        if not fault.needs_proxy(settings) or are_whole_groups(self._bad_links, device[self._has_socket[device]]):
            return
        raise Refused(
            f"live, {fault.name} strikes only devices that a step of the scenario with such a fault targets, "
            "all of them: others are connected without the proxy that slows them down"
        )

    def start_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        if fault.acts_on == "broker":
            calls.start(fault, self._broker(), order, device, at_us)
        elif order.step not in self._ahead:
            self._send(Act(at_us, True, order, device))

    def end_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        if fault.acts_on == "broker":
            calls.end(fault, self._broker(), order, device, at_us)
        elif order.step not in self._ahead or order.to_us is None or at_us < order.to_us:
            self._send(Forget(order.step, starts=False))
            self._send(Act(at_us, False, order, device))

    def _broker(self) -> EmbeddedBroker:
        if self._embedded is None:
            raise Unavailable(
                "a fault on a foreign broker", "twinstorm cannot reach into it", "Use the embedded broker (no --broker)"
            )
        return self._embedded

    def evidence(self, fault: type[Fault], order: FaultOrder) -> Evidence:
        if fault.acts_on == "broker":
            return calls.evidence(fault, self._broker(), order)
        told = self._final or self._totals
        return Evidence(dict(told.evidence.get(order.step, {})) if told is not None else {})

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        self._send(Maintain(plan, device))

    def ask(self, device: Device, at_us: int) -> None:  # noqa: ARG002 - it acts when it comes
        self._send(Ask(device))

    def upkeep(self, now_us: int) -> Upkeep | None:  # noqa: ARG002 - as told last
        told = self._final or self._totals
        return told.upkeep if told is not None else None

    def collect(self, now_us: int) -> CloudOutcome:
        outcome = self._cloud.poll(now_us)
        self._malformed += sum(len(delivery.malformed) for delivery in outcome.deliveries)
        return outcome

    def counters(self, now_us: int) -> BrokerCounters:
        if self._embedded is not None:
            return self._embedded.counters(now_us)
        return self._cloud.counters(now_us)

    def connects(self, now_us: int) -> Mapping[str, int]:
        counters = self.counters(now_us)
        return {
            "attempts": counters.attempts,
            "admitted": counters.admitted,
            "refused": counters.refused,
            "unanswered": max(counters.attempts - counters.admitted - counters.refused, 0),
        }

    def online(self) -> Mask:
        told = self._final or self._totals
        return told.online if told is not None else np.ones(len(self.registry), np.bool_)

    def buffered(self) -> int:
        told = self._final or self._totals
        return told.buffered if told is not None else 0

    def lost(self) -> Mapping[str, int]:
        told = self._final or self._totals
        lost = Counter(dict(told.lost) if told is not None else {})
        if self._account is not None:
            lost.update({str(cause): count for cause, count in self._account.lost.items()})
        return lost

    def ledger(self, delivered: int, repeated: int, lost: dict[str, int]) -> Ledger:
        """Readings of the twins; what guests sent in their name or unreadably stands in `notes`."""
        account, told = self._account, self._final or self._totals
        named = told.lost.get(str(LossCause.DEAD_LETTER), 0) if told is not None else 0
        came = lost.pop(str(LossCause.DEAD_LETTER), 0) - named
        letters = named + (self._twin_letters(came) if account is None else account.letters)
        if letters:
            lost[str(LossCause.DEAD_LETTER)] = letters
        if account is not None:
            delivered -= account.foreign
        known = delivered + self.buffered() + sum(lost.values())
        # The worker tells its totals once a second: between them more may have arrived than it has told.
        produced = max(told.produced if told is not None else 0, 0 if self._final is not None else known)
        rest = produced - known
        held = 0 if self._embedded is None else self._embedded.counters(0).queue
        in_flight = rest if account is None else min(account.in_flight + held, max(rest, 0))
        if rest > in_flight:
            lost[str(LossCause.UNEXPLAINED)] = rest - in_flight
        return Ledger(produced, delivered, self.buffered(), in_flight, lost, repeated)

    def notes(self) -> list[str]:
        if self._embedded is None:
            notes = [f"{_NO_LIMITS}: expectations that need them are open; {_TAKE_AWAY}"] if self.limits_missing else []
        else:
            over = "" if self._papers is None else " over TLS, a certificate each"
            notes = [
                f"embedded broker amqtt on 127.0.0.1:{self._target.port}{over}, worker lag {self._lag_ms():.0f} ms"
            ]
            if self._crowd is not None:
                notes += self._crowd.notes(len(self.registry))
            refused = sum(self._embedded.refusals.values())
            if refused:
                reasons = ", ".join(f"{why} {count:,}" for why, count in sorted(self._embedded.refusals.items()))
                notes.append(f"{refused:,} TLS handshakes failed at the broker: {reasons}")
            notes += self._embedded.remarks.lines()
            if self._lag_ms() > _LATE_MS:
                notes.append("twins were late: this machine has no time for such a fleet at such a speed")
        if self._cloud.kept_before:
            notes.append(
                f"{self._cloud.kept_before:,} retained messages about these devices were there before: no news"
            )
        if self._removed:
            notes.append(f"{self._removed:,} retained messages of this run were removed from the broker")
        if self._left:
            notes.append(f"{self._left:,} retained messages of this run may still be on the broker: it did not answer")
        told = self._final or self._totals
        notes += fallen_back(told.evidence if told is not None else {})
        notes += told.notes if told is not None else ()
        foreign = max(self._malformed - (told.unreadable if told is not None else 0), 0)
        readings = 0 if self._account is None else self._account.foreign
        if foreign or readings:
            notes.append(
                f"{foreign:,} unreadable payloads and {readings:,} readings came from no "
                "twin: they are no part of the ledger"
            )
        return notes

    def traffic(self) -> tuple[SegmentTraffic, ...]:
        told = self._final or self._totals
        return () if told is None else told.traffic

    def reached(self, engine: Engine) -> Asked:
        """What the twins have asked for so far, and what came of it."""
        counters, told = self.counters(engine.now_us), self._totals
        return Asked(
            wall_s=time.monotonic(),
            now_us=engine.now_us,
            asked=told.produced if told is not None else 0,
            reached=engine.core.accepted,
            attempts=counters.attempts,
            admitted=counters.admitted,
        )

    def _lag_ms(self) -> float:
        told = self._final or self._totals
        return told.lag_s * 1e3 if told is not None else 0.0

    def invitation(self) -> str:
        """How another client gets in while the broker is held open."""
        if self._embedded is None:
            return f"{self._target.host}:{self._target.port} stays as it was"
        if self._papers is not None and self._papers.guest.certificate is not None:
            self._embedded.guests_may_come()
            ca, pair = self._papers.guest.ca, self._papers.guest.certificate
            papers = f"--cafile {ca} --cert {pair} --key {pair}"
            return f"mosquitto_sub -h 127.0.0.1 -p {self._target.port} {papers} -t 'fleet/#'"
        if self._guest_files is None:
            try:
                self._guest_files = GuestFiles("127.0.0.1", self._target.port, *self._embedded.guest_credentials())
            except OSError as error:
                raise Unavailable(
                    "a temporary folder for a password", error.strerror or str(error), "Free some space, or set TMPDIR."
                ) from error
        files = self._guest_files
        return (
            f"{files.command('fleet/#')}\n"
            f"other clients: port {self._target.port}, name and password in {files.credentials}, "
            "which only you may read"
        )

    def _send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except (BrokenPipeError, OSError):
            self.failure = ("the worker process", "it ended", "")

    def _receive(self) -> object:
        return self._pipe.recv()

    @property
    def has_own_broker(self) -> bool:
        return self._embedded is not None

    @property
    def address(self) -> str:
        """Host and port of the broker."""
        return f"{self._target.host}:{self._target.port}"

    def kill_worker(self) -> None:
        """End the worker now, whatever it does."""
        if self._worker is not None:
            self._worker.kill()

    def end_fleet(self) -> None:
        """End the worker and the cloud end; the broker stays. A second call does nothing."""
        if self._fleet_ended:
            return
        self._fleet_ended = True
        self._pipe.close()
        self._pipe_of_worker.close()
        if self._worker is not None:
            self._worker.join(timeout=5.0)
            if self._worker.is_alive():
                self._worker.kill()  # It leaves signals that can be caught to the engine.
                self._worker.join(timeout=5.0)
        self._cloud.close()

    def close(self) -> None:
        """End the worker, the cloud end and the broker; leaves no process and no socket."""
        self.end_fleet()
        self._end_broker()
        if self._crowd is not None:
            self._crowd.close()


def _ended_while_gathering() -> Unavailable:
    return Unavailable("the worker process", "it ended while it connected the fleet", "Try -vv for its trace")
