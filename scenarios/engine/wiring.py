"""What lies between engine and devices: the world and the two ends of the wire, modelled here, live in `live`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.broker.modelled import BrokerSettings, ModelledBroker
from twinstorm.scenarios.faults import base as calls
from twinstorm.scenarios.faults.base import Fault
from twinstorm.twin.eventlog import Code, EventLog
from twinstorm.twin.expiry import dated
from twinstorm.twin.fleet import FleetPlan
from twinstorm.twin.flow import (
    BrokerCounters,
    CloudOutcome,
    Device,
    Evidence,
    FaultOrder,
    Ledger,
    LossCause,
    Mask,
    Registry,
    Values,
)
from twinstorm.twin.health import KindHealth, MachineHealth
from twinstorm.twin.maintenance import MaintenancePlan, Upkeep, Work
from twinstorm.twin.slots import fallen_back
from twinstorm.twin.stories import Story
from twinstorm.twin.traffic import SegmentTraffic
from twinstorm.twin.wire.inbox import Inbox
from twinstorm.twin.wire.merging import merged
from twinstorm.twin.wire.wires import Ear
from twinstorm.twin.world import World


class Wiring(Protocol):
    """The engine's view of world and wire; nothing in it is truth that the core could read."""

    registry: Registry
    device_keys: NDArray[np.uint64]
    log: EventLog
    clock: Literal["virtual", "live"]
    year_us: int
    """Microseconds since the first midnight of the calendar year at the start of the run."""
    leaps: bool
    """It is worth asking for `pass_calmly`."""

    @property
    def stories(self) -> list[Story]: ...
    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]: ...
    def advance_to(self, at_us: int) -> None: ...
    def pass_calmly(self, now_us: int, latest_us: int) -> int:
        """Let some seconds happen at once in which devices only sample and send: see `World.pass_calmly`."""

    def admit(self, fault: type[Fault], settings: Mapping[str, Any], device: Device) -> None:
        """Say whether somebody may let this happen to these devices (ascending; none, if it needs no target) now.

        Raises:
            Refused: it was not prepared for them, or this run has not what the fault is about.
        """

    def start_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None: ...
    def end_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None: ...
    def evidence(self, fault: type[Fault], order: FaultOrder) -> Evidence: ...
    def stamp(self) -> None:
        """Let readings say when their broker took them, if it can tell; before the run begins."""

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        """Let crews look after these devices; before the run begins."""

    def ask(self, device: Device, at_us: int) -> None:
        """Ask for a crew for each of these devices (ascending)."""

    def upkeep(self, now_us: int) -> Upkeep | None:
        """What crews did so far; None without them, or before they have told."""

    def works(self) -> tuple[Work, ...]:
        """Repairs that are done, in that order; empty without crews, or before anybody has told."""

    def collect(self, now_us: int) -> CloudOutcome: ...
    def counters(self, now_us: int) -> BrokerCounters: ...
    def connects(self, now_us: int) -> Mapping[str, int]:
        """CONNECTs so far, as the fleet saw them: attempts, admitted, refused, unanswered."""

    def online(self) -> Mask:
        """The truth of who is back, for recovery times; nothing that detects may see it."""

    def buffered(self) -> int: ...
    def lost(self) -> Mapping[str, int]: ...
    def ledger(self, delivered: int, repeated: int, lost: dict[str, int]) -> Ledger: ...
    def notes(self) -> list[str]: ...
    def traffic(self) -> tuple[SegmentTraffic, ...]:
        """What devices sent so far; empty before anybody has told."""

    def health(self) -> tuple[KindHealth, ...]:
        """The truth about all machines, for the report; empty before anybody has told."""

    def truth_of(self, device: int) -> MachineHealth | None:
        """The truth about the machine of one device; None where nobody tells."""

    def remaining_s(self, now_us: int) -> Values | None:
        """The truth about the life that each machine has left, float32 (n,), infinite where nothing wears; None where
        nobody tells."""

    def close(self) -> None: ...


class ModelledWiring:
    """World and modelled broker in one process, in virtual time."""

    clock: Literal["virtual", "live"] = "virtual"

    def __init__(
        self,
        plan: FleetPlan,
        settings: BrokerSettings,
        seed: int,
        year_us: int = 0,
        block_devices: int = 16_384,
        origin_us: int = 0,
    ) -> None:
        self.log = EventLog()
        self.year_us = year_us
        self.broker = ModelledBroker(settings, seed=seed)
        self.world = World(plan, seed, self.broker, self.log, year_us, block_devices, origin_us=origin_us)
        self.broker.watch(self.world)
        self.registry = dated(self.world.fleet.registry(self.world.channels), self.world.fleet, seed)
        self.device_keys = self.world.fleet.key
        self.leaps = self.world.is_small
        self._inbox = Inbox(self.registry, origin_us, Ear(part.wire for part in plan.segments))
        self._malformed = 0
        """Messages that nobody could read: the world has said what became of their readings."""
        self._repeats = 0
        """Readings that reached the core for another time, as the world knows."""

    @property
    def stories(self) -> list[Story]:
        return self.world.stories

    @property
    def acts(self) -> dict[str, Callable[[Any, int], None]]:
        return self.world.acts

    def advance_to(self, at_us: int) -> None:
        self.world.advance_to(at_us)

    def pass_calmly(self, now_us: int, latest_us: int) -> int:
        return self.world.pass_calmly(now_us, latest_us) if self.broker.is_idle else now_us

    def admit(self, fault: type[Fault], settings: Mapping[str, Any], device: Device) -> None:
        """Everything can happen to everybody."""

    def _on(self, fault: type[Fault]) -> Any:
        return self.world if fault.acts_on == "world" else self.broker

    def start_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        self.world.settle(at_us)
        calls.start(fault, self._on(fault), order, device, at_us)

    def end_fault(self, fault: type[Fault], order: FaultOrder, device: Device, at_us: int) -> None:
        self.world.settle(at_us)
        calls.end(fault, self._on(fault), order, device, at_us)

    def evidence(self, fault: type[Fault], order: FaultOrder) -> Evidence:
        return calls.evidence(fault, self._on(fault), order)

    def stamp(self) -> None:
        self.broker.downstream.stamps = True

    def maintain(self, plan: MaintenancePlan, device: Device) -> None:
        self.world.maintain(plan, device)

    def ask(self, device: Device, at_us: int) -> None:
        assert self.world.maintenance is not None
        self.world.maintenance.ask(device, at_us)

    def upkeep(self, now_us: int) -> Upkeep | None:
        return None if self.world.maintenance is None else self.world.maintenance.upkeep(now_us)

    def works(self) -> tuple[Work, ...]:
        return () if self.world.maintenance is None else tuple(self.world.maintenance.done)

    def collect(self, now_us: int) -> CloudOutcome:
        self.world.settle(now_us)
        outcome = self.broker.collect(now_us)
        deliveries = []
        for sent in outcome.deliveries:
            read = self._inbox.opened(sent)
            self._malformed += len(read.malformed)
            if sent.readings is not None and sent.readings.duplicate and read.readings is not None:
                self._repeats += len(read.readings)
            deliveries.append(read)
        return CloudOutcome(merged(deliveries), self.world.told(outcome.sessions, now_us))

    def counters(self, now_us: int) -> BrokerCounters:
        return self.broker.counters(now_us)

    def connects(self, now_us: int) -> Mapping[str, int]:  # noqa: ARG002
        counts = self.log.counts
        admitted, refused, unanswered = (counts.get(code, 0) for code in (Code.ADMITTED, Code.REFUSED, Code.UNANSWERED))
        attempts = admitted + refused + unanswered
        return {"attempts": attempts, "admitted": admitted, "refused": refused, "unanswered": unanswered}

    def online(self) -> Mask:
        return self.world.online()

    def buffered(self) -> int:
        return self.world.held

    def lost(self) -> Mapping[str, int]:
        lost = Counter(self.world.lost)
        lost.update(self.broker.lost)
        lost["evicted"] += self.world.buffers.evicted
        return lost

    def ledger(self, delivered: int, repeated: int, lost: dict[str, int]) -> Ledger:
        # The core takes a first copy for a repeat if it comes after more readings than the core remembers.
        late = max(repeated - self._repeats, 0)
        letters = lost.get(LossCause.DEAD_LETTER, 0) - self._malformed
        lost = lost | {str(LossCause.DEAD_LETTER): letters, str(LossCause.LATE): late}
        return Ledger(
            produced=self.world.produced,
            delivered=delivered,
            buffered=self.buffered(),
            in_flight=self.broker.in_flight + self.world.in_flight,
            lost={cause: count for cause, count in lost.items() if count},
            repeated=repeated - late,
        )

    def notes(self) -> list[str]:
        settings = self.broker.settings
        notes = [
            (
                f"broker model {settings.model}: {settings.handshake_ns / 1e6:.3g} ms a connect, "
                f"backlog {settings.backlog:,}"
            )
        ]
        return notes + fallen_back(self.world.evidence) + self.world.notes()

    def traffic(self) -> tuple[SegmentTraffic, ...]:
        return self.world.traffic.by_segment()

    def health(self) -> tuple[KindHealth, ...]:
        return self.world.sampler.health()

    def truth_of(self, device: int) -> MachineHealth | None:
        return self.world.sampler.truth_of(device)

    def remaining_s(self, now_us: int) -> Values | None:
        return self.world.sampler.conditions(now_us).remaining_s

    def close(self) -> None:
        self.broker.close()
