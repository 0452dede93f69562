"""The wiring of a live run: the engine's view of a fleet in a worker process and of a broker over real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinstorm.broker.cloud_end import LiveCloudEnd
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.scenarios.engine.crowd import Crowd
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused, Unavailable
from twinstorm.scenarios.engine.link_groups import are_whole_groups, groups_on_bad_links
from twinstorm.scenarios.engine.live_books import LiveBooks
from twinstorm.scenarios.engine.live_broker import LiveBroker, open_broker, sure_of_files
from twinstorm.scenarios.engine.live_checks import connect_ceiling, unfit
from twinstorm.scenarios.engine.live_fleet import LiveFleet
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan, origin_us, start_of, year_us
from twinstorm.scenarios.engine.rates import Totals as Asked
from twinstorm.scenarios.engine.run import RunOptions
from twinstorm.scenarios.engine.wall_clock import WallClock
from twinstorm.scenarios.engine.worker import Act, Ask, Forget, Go, Maintain, Task, Totals
from twinstorm.scenarios.faults import base as calls
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.language.model import Scenario
from twinstorm.twin.eventlog import EventLog
from twinstorm.twin.expiry import dated
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import (
    MIRRORED,
    BrokerCounters,
    CloudOutcome,
    Device,
    Evidence,
    FaultOrder,
    Int,
    Ledger,
    Mask,
    Registry,
    Values,
)
from twinstorm.twin.health import KindHealth, MachineHealth
from twinstorm.twin.life import CLOUD
from twinstorm.twin.machines.kind import catalogue as machine_catalogue
from twinstorm.twin.maintenance import MaintenancePlan, Upkeep, Work
from twinstorm.twin.slots import fallen_back
from twinstorm.twin.stories import Story
from twinstorm.twin.traffic import SegmentTraffic
from twinstorm.twin.wire.wires import Ear

GATHER_PER_S = 200.0
GATHER_TLS_PER_S = 100.0
"""A handshake costs both ends some milliseconds."""
HEAD_START_S = 0.5
BROKER_GONE_S = 30.0
"""A broker that is not ours may be restarted during a run; one that stays away longer ends it."""
WORTH_SAYING_S = 1.0
_NO_LIMITS = "limits on connects cannot be imposed on a foreign broker"
_TAKE_AWAY = "--set broker.connects=none judges the broker's own limits instead"
_LATE_MS = 500.0
"""Twins that act so much later than they should, no longer show what the scenario says."""


REAL_DEVICES = "real-devices"
"""Whose twins have no power, as the step of an order."""


class LiveWiring:
    """World in a worker process; embedded broker (or one by URL) and cloud end in this one.

    Attributes:
        broker, fleet, cloud: the parts; whoever drives the run begins and ends them through here.
    """

    clock: Literal["virtual", "live"] = "live"
    leaps = False

    def __init__(
        self,
        scenario: Scenario,
        options: RunOptions,
        speed: Fraction,
        interrupted: Callable[[], bool],
        rest: Scenario | None = None,
    ) -> None:
        self._rest, self._seed = rest, options.seed
        """What of the scenario stays modelled; None: nothing."""
        self._crowd: Crowd | None = None
        plan = fleet_plan(scenario)
        self._clock = WallClock(speed)
        self.now_us: Callable[[], int] = self._clock.now_us
        self.log = EventLog()
        fleet = grow(plan)
        kinds = machine_catalogue()
        channels = {part.kind: kinds[part.kind].channels for part in plan.segments}
        self.registry: Registry = dated(fleet.registry(channels), fleet, options.seed)
        self.device_keys: NDArray[np.uint64] = fleet.key
        self.real: Device = np.flatnonzero(self.registry.origin == MIRRORED).astype(np.int32)
        """Devices that are no twins, and connect by themselves."""
        self._has_socket: Mask = (fleet.carrier == CLOUD) & (self.registry.origin != MIRRORED)
        self._bad_links: list[Int] = []
        self._ahead: set[str] = set()
        self.closing = ""
        """How the connections were closed, if somebody wanted it at once."""
        self._removed = self._left = 0
        """Retained messages of this run."""
        settings = broker_settings(scenario)
        is_limited = settings.connect_rate is not None
        self.limits_missing = _NO_LIMITS if options.broker_url is not None and is_limited else ""
        """Why the scenario's limits on connects are not imposed; empty: they are, or it has none."""
        speaker = zip(self.registry.names, fleet.speaker.tolist(), strict=True)
        through = {name: self.registry.names[who] for name, who in speaker if name != self.registry.names[who]}
        ear = Ear(part.wire for part in plan.segments)
        self.broker: LiveBroker = open_broker(
            options, settings, self.registry.names, through, ear, self._clock.now_us, speed
        )
        self._is_dated = bool(scenario.start)
        start = start_of(scenario) if scenario.start else datetime.now(UTC)
        self.year_us = year_us(start)
        began_us, target = origin_us(start), self.broker.target
        self.cloud = LiveCloudEnd(
            host=target.host,
            port=target.port,
            username=target.username,
            password=target.password,
            registry=self.registry,
            now_us=self._clock.now_us,
            origin_us=began_us,
            qos=max(int(fleet.qos.max()), 1),
            persistent=self.has_own_broker,
            tls=self.broker.core_tls,
            path=target.path,
            ear=ear,
        )
        try:
            self.cloud.start(interrupted)
        except OSError as error:
            self.broker.close()
            raise Unavailable(
                f"the broker at {self.broker.address}", str(error), "Is it running, and does it admit this user?"
            ) from error
        self.fleet = LiveFleet()
        self.books = LiveBooks(self.fleet, self.broker.embedded, self.registry, fleet.qos == 0)
        self.connect_ceiling = connect_ceiling(
            broker_url=options.broker_url, yes=options.yes, max_connects_per_s=options.max_connects_per_s
        )
        """Connects of the fleet in any second, at most."""
        self._task = Task(
            plan=plan,
            seed=options.seed,
            host=target.host,
            port=target.port,
            username=self.broker.username,
            passwords=self.broker.passwords(plan.devices),
            speed=speed,
            year_us=self.year_us,
            origin_us=began_us,
            gather_per_s=min(GATHER_TLS_PER_S if self.broker.is_encrypted else GATHER_PER_S, self.connect_ceiling),
            tls=self.broker.devices_tls,
            path=target.path,
            connects_per_s=self.connect_ceiling,
        )

    # --- the run ------------------------------------------------------------------------------------------------------

    def start_worker(self, engine: Engine) -> None:
        """Make world and fleet, as the faults to come need them.

        Raises:
            Unavailable: the machine has no room for it.
        """
        if self._rest is not None:
            self._crowd = Crowd(self._rest, self._seed, self._clock.speed)
        self._bad_links = groups_on_bad_links(engine, self._has_socket)
        clients = int(self._has_socket.sum())
        sure_of_files(clients, proxied=sum(group.size for group in self._bad_links))
        self.fleet.start(replace(self._task, bad_links=tuple(self._bad_links)))

    def gather(self, interrupted: Callable[[], bool], tell: Callable[[int], None] | None = None) -> None:
        """Wait until every device is online.

        Args:
            tell: gets how many are.

        Raises:
            Unavailable: they do not come.
        """
        online, ready = self.fleet.gather(interrupted, tell)
        if ready:
            if self._crowd is not None:
                self._crowd.ready()
        elif not interrupted():
            raise Unavailable(
                f"the broker at {self.broker.address}",
                f"only {online:,} of {len(self.registry):,} devices came online in time",
                "Is it running, and does it admit these clients? Take fewer with --devices",
            )

    def go(self, end_us: int, interrupted: Callable[[], bool]) -> None:
        """Let simulated time begin in both processes.

        Args:
            end_us: when the run ends, if nothing ends it earlier.
        """
        self.cloud.collect_until(len(self.registry) - len(self.real), interrupted=interrupted)
        self.cloud.begin()
        self.broker.begin(self._crowd)
        at_s = time.monotonic() + HEAD_START_S
        self._clock.begin(at_s)
        if self._crowd is not None:
            self._crowd.go(at_s)
        self.fleet.send(Go(at_s, end_us))

    def send_ahead(self, engine: Engine) -> None:
        """Send every order that is known already, so that it acts exactly at its instant."""
        if len(self.real):
            # Whoever comes in their name is no twin: theirs have no power from the first instant on.
            order = FaultOrder(REAL_DEVICES, "power-outage", {}, self.real, 0, None)
            self.fleet.send(Act(0, True, order, self.real))
        for step in engine.planned_faults():
            self._ahead.add(step.name)
            for at_us, start, order, device in engine.planned_acts(step):
                self.fleet.send(Act(at_us, start, order, device))

    def listen(self) -> None:
        """Take what the worker tells."""
        self.fleet.listen(self._hear)

    def _hear(self, totals: Totals) -> None:
        self.log.counts = {int(code): count for code, count in totals.codes.items()} | {
            code: count for code, count in self.log.counts.items() if code < 32
        }

    def trouble(self, patience_s: float | None = None) -> Unavailable | None:
        """What is no longer there, so that nothing can be judged; None: all is.

        Args:
            patience_s: for how long a broker that is not ours may be away; None: `BROKER_GONE_S`.
        """
        if self._crowd is not None and self._crowd.failed:
            return Unavailable("the crowd's process", "it ended", "")
        if self.fleet.trouble is not None:
            return self.fleet.trouble
        if self.away_s > (BROKER_GONE_S if patience_s is None else patience_s):
            why = f"it has been away for {self.away_s:.0f} s"
            return Unavailable(f"the broker at {self.broker.address}", why, "")
        return None

    @property
    def warning(self) -> str:
        """What will end the run if it lasts; empty: nothing."""
        if self.away_s < WORTH_SAYING_S:
            return ""
        return f"BROKER AWAY for {self.away_s:.0f} s: after {BROKER_GONE_S:.0f} s the run ends"

    def clean(self, within_s: float, *, held_open: bool) -> None:
        """Leave nothing retained on a broker that outlives the run."""
        if not self.has_own_broker or held_open:
            self._removed, self._left = self.cloud.clean(within_s)

    def end_fleet(self) -> None:
        """End the worker and the cloud end; the broker stays. A second call does nothing."""
        self.fleet.end()
        self.cloud.close()

    def close(self) -> None:
        """End the worker, the cloud end and the broker; leaves no process and no socket."""
        self.end_fleet()
        self.broker.close()
        if self._crowd is not None:
            self._crowd.close()

    @property
    def has_own_broker(self) -> bool:
        return self.broker.embedded is not None

    @property
    def address(self) -> str:
        """Host and port of the broker."""
        return self.broker.address

    @property
    def broker_words(self) -> str:
        """The broker for people, e.g. ``embedded 127.0.0.1:40123 over TLS``."""
        what = "embedded " if self.has_own_broker else ""
        return f"{what}{self.address}{' over TLS' if self.broker.is_encrypted else ''}"

    # --- Wiring -------------------------------------------------------------------------------------------------------

    @property
    def stories(self) -> list[Story]:
        return []

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        return {}

    def pass_calmly(self, now_us: int, latest_us: int) -> int:  # noqa: ARG002
        return now_us

    def advance_to(self, at_us: int) -> None:
        """The worker moves by the clock."""

    def admit(self, fault: type[Fault], settings: Mapping[str, Any], device: Device) -> None:
        """See `Wiring.admit`: a client that is connected cannot be led through the proxy any more."""
        broker = self.broker
        said = unfit(
            fault,
            own_broker=self.has_own_broker,
            certificates=broker.papers is not None,
            encrypted=broker.is_encrypted,
        )
        if said:
            raise Refused(said)
        if not fault.needs_proxy(settings) or are_whole_groups(self._bad_links, device[self._has_socket[device]]):
            return
        raise Refused(
            f"live, {fault.name} strikes only devices that a step of the scenario with such a fault targets, "
            "all of them: others are connected without the proxy that slows them down"
        )

    def start_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        if fault.acts_on == "broker":
            calls.start(fault, self._own_broker(), order, device, at_us)
        elif order.step not in self._ahead:
            self.fleet.send(Act(at_us, True, order, device))

    def end_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        if fault.acts_on == "broker":
            calls.end(fault, self._own_broker(), order, device, at_us)
        elif order.step not in self._ahead or order.to_us is None or at_us < order.to_us:
            self.fleet.send(Forget(order.step, starts=False))
            self.fleet.send(Act(at_us, False, order, device))

    def _own_broker(self) -> EmbeddedBroker:
        if self.broker.embedded is None:
            raise Unavailable(
                "a fault on a foreign broker", "twinstorm cannot reach into it", "Use the embedded broker (no --broker)"
            )
        return self.broker.embedded

    def evidence(self, fault: type[Fault], order: FaultOrder) -> Evidence:
        if fault.acts_on == "broker":
            return calls.evidence(fault, self._own_broker(), order)
        told = self.fleet.totals
        return Evidence(dict(told.evidence.get(order.step, {})) if told is not None else {})

    def stamp(self) -> None:
        if self.broker.embedded is not None:
            self.cloud.admissions = self.broker.embedded.tell_admissions()

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        self.fleet.send(Maintain(plan, device))

    def ask(self, device: Device, at_us: int) -> None:  # noqa: ARG002 - it acts when it comes
        self.fleet.send(Ask(device))

    def upkeep(self, now_us: int) -> Upkeep | None:  # noqa: ARG002 - as told last
        told = self.fleet.totals
        return told.upkeep if told is not None else None

    def collect(self, now_us: int) -> CloudOutcome:
        outcome = self.cloud.poll(now_us)
        self.books.take(outcome)
        return outcome

    def counters(self, now_us: int) -> BrokerCounters:
        if self.broker.embedded is not None:
            return self.broker.embedded.counters(now_us)
        return self.cloud.counters(now_us)

    def connects(self, now_us: int) -> Mapping[str, int]:
        """As the embedded broker counts them; as the fleet does, for a broker that tells us nothing."""
        seen = self.counters(now_us) if self.has_own_broker else None
        told = self.fleet.totals
        if seen is not None:
            attempts, admitted, refused = seen.attempts, seen.admitted, seen.refused
        elif told is not None:
            attempts, admitted, refused = told.connects.asked, told.connects.admitted, told.connects.refused
        else:
            attempts = admitted = refused = 0
        return {
            "attempts": attempts,
            "admitted": admitted,
            "refused": refused,
            "unanswered": max(attempts - admitted - refused, 0),
        }

    def online(self) -> Mask:
        told = self.fleet.totals
        return told.online if told is not None else np.ones(len(self.registry), np.bool_)

    def buffered(self) -> int:
        return self.books.buffered

    def lost(self) -> Mapping[str, int]:
        return self.books.lost()

    def ledger(self, delivered: int, repeated: int, lost: dict[str, int]) -> Ledger:
        return self.books.ledger(delivered, repeated, lost)

    def traffic(self) -> tuple[SegmentTraffic, ...]:
        told = self.fleet.totals
        return () if told is None else told.traffic

    def health(self) -> tuple[KindHealth, ...]:
        told = self.fleet.totals
        return () if told is None else told.health

    def works(self) -> tuple[Work, ...]:
        told = self.fleet.totals
        return () if told is None else told.works

    def truth_of(self, device: int) -> MachineHealth | None:  # noqa: ARG002 - the worker tells of all at the end
        return None

    def remaining_s(self, now_us: int) -> Values | None:  # noqa: ARG002 - likewise
        return None

    def reached(self, engine: Engine) -> Asked:
        """What the twins have asked for so far, and what came of it."""
        connects, told = self.connects(engine.now_us), self.fleet.totals
        return Asked(
            wall_s=time.monotonic(),
            now_us=engine.now_us,
            asked=told.produced if told is not None else 0,
            reached=engine.core.accepted,
            attempts=connects["attempts"],
            admitted=connects["admitted"],
            held=self.connects_held,
        )

    def notes(self) -> list[str]:
        notes = self._broker_notes()
        if self.closing:
            notes.append(self.closing)
        if self.cloud.kept_before:
            notes.append(f"{self.cloud.kept_before:,} retained messages about these devices were there before: no news")
        if self._removed:
            notes.append(f"{self._removed:,} retained messages of this run were removed from the broker")
        if self._left:
            notes.append(f"{self._left:,} retained messages of this run may still be on the broker: it did not answer")
        if self.connects_held:
            notes.append(
                f"{self.connects_held:,} connects had to wait: {self.connect_ceiling:,} a second is the ceiling of "
                "this run, and its storm was a smaller one"
            )
        told = self.fleet.totals
        if told is not None:
            notes += [*fallen_back(told.evidence), *told.notes]
        if len(self.real):
            many = "s" * (len(self.real) != 1)
            notes.append(f"{len(self.real):,} real device{many}: what they tell is no part of the ledger")
            if self._is_dated:
                notes.append("`start` dates this run otherwise than the clocks of real devices: windows may miss them")
        return notes + self.books.notes()

    def _broker_notes(self) -> list[str]:
        embedded = self.broker.embedded
        if embedded is None:
            return [f"{_NO_LIMITS}: expectations that need them are open; {_TAKE_AWAY}"] if self.limits_missing else []
        over = "" if self.broker.papers is None else " over TLS, a certificate each"
        lag_ms = self.lag_s * 1e3
        notes = [
            f"embedded broker amqtt on 127.0.0.1:{self.broker.target.port}{over}, worker lag {lag_ms:.0f} ms",
            *([] if self._crowd is None else self._crowd.notes(len(self.registry))),
        ]
        notes += embedded.remarks.lines()
        if lag_ms > _LATE_MS:
            notes.append("twins were late: this machine has no time for such a fleet at such a speed")
        return notes

    @property
    def lag_s(self) -> float:
        """Simulated seconds by which the twins act too late, as told last."""
        told = self.fleet.totals
        return told.lag_s if told is not None else 0.0

    @property
    def connects_held(self) -> int:
        """Connects so far that had to wait below the ceiling."""
        told = self.fleet.totals
        return told.connects_held if told is not None else 0

    @property
    def away_s(self) -> float:
        """For how long a broker that is not ours has been away, wall seconds; 0: it is there."""
        return 0.0 if self.has_own_broker else self.cloud.gone_s
