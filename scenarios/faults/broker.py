"""Faults of the broker itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Broker, Device, Evidence, FaultOrder, Knowledge


class BrokerOutage(Fault):
    """The broker is gone for a while and comes back without state."""

    name: ClassVar[str] = "broker-outage"
    summary: ClassVar[str] = "the broker dies and comes back empty"
    effect: ClassVar[str] = (
        "Every session ends and what the broker had queued is lost. With connections: reset, clients notice at once "
        "and new connects are refused; with silent, the host is gone too: clients notice by keep-alive and connects "
        "stay unanswered. When the broker is back it knows nobody, and the whole fleet asks for sessions. Evidence: "
        "sessions ended, seconds without a broker for which no earlier outage answers."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    acts_on: ClassVar[Literal["world", "broker"]] = "broker"
    needs_target: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("connections", "word", "reset", "how clients find out", ("reset", "silent")),
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.outages_of.begin(order.step, at_us)
        on.bit(order.step, "sessions_ended", on.stop(at_us, silent=order.settings["connections"] == "silent"))

    @classmethod
    def end(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.start(at_us)
        on.bit(order.step, "seconds_down", on.outages_of.end(order.step, at_us) // 1_000_000)


class BrokerRestart(Fault):
    """The broker is gone for a while and comes back with what it had."""

    name: ClassVar[str] = "broker-restart"
    summary: ClassVar[str] = "the broker dies and comes back with the messages and the session of the core that it had"
    effect: ClassVar[str] = (
        "As `broker-outage`, but what had reached the broker and waits in it, for its own rate or for a core that is "
        "away, lies on its disk and is passed on when it is back. Sessions of devices end with their connections all "
        "the same, and what had not reached it is sent again. Evidence: messages and sessions kept, sessions ended, "
        "seconds without a broker for which no earlier outage answers; all are zero if it had nothing to keep, which "
        "is no more than a `broker-outage`."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    acts_on: ClassVar[Literal["world", "broker"]] = "broker"
    needs_target: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = BrokerOutage.settings
    kept: ClassVar[tuple[str, ...]] = ("messages_kept", "sessions_kept")
    """Evidence without which it was an outage."""

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.outages_of.begin(order.step, at_us)
        before = on.counters(at_us)
        cost = on.stop(at_us, order.settings["connections"] == "silent", with_state=True)
        on.bit(order.step, "messages_kept", before.queue if before.up else 0)
        on.bit(order.step, "sessions_kept", on.sessions_saved() if before.up else 0)
        on.bit(order.step, "sessions_ended", cost)

    @classmethod
    def end(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.start(at_us)
        on.bit(order.step, "seconds_down", on.outages_of.end(order.step, at_us) // 1_000_000)

    @classmethod
    def evidence(cls, on: Broker, order: FaultOrder) -> Evidence:
        from twinstorm.twin.flow import Evidence

        counts = super().evidence(on, order).counts
        if any(counts.get(kept, 0) for kept in cls.kept):
            return Evidence(counts)
        return Evidence(dict.fromkeys(counts, 0))


class CoreOutage(Fault):
    """The core loses its connection to the broker, while the fleet keeps its own."""

    name: ClassVar[str] = "core-outage"
    summary: ClassVar[str] = "the core is away; the broker queues for it"
    effect: ClassVar[str] = (
        "The processing core is cut off from the broker, while devices stay connected and publish. The broker keeps "
        "the core's session and queues for it what comes at QoS 1 and 2, up to `broker.offline_queue` messages; the "
        "newest beyond that are lost (queue_full), as is everything at QoS 0, and no device learns of it. To the core "
        "the whole fleet falls silent. When it is back it is told who is online and gets what was kept, late. If the "
        "broker dies meanwhile, the session dies with it. Evidence: sessions that the core lost sight of, messages "
        "kept for it, seconds away for which no earlier outage answers."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    acts_on: ClassVar[Literal["world", "broker"]] = "broker"
    needs_target: ClassVar[bool] = False

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.absences_of.begin(order.step, at_us)
        on.bit(order.step, "sessions_out_of_sight", on.core_leaves(at_us))

    @classmethod
    def end(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.bit(order.step, "messages_kept", on.core_returns(at_us))
        on.bit(order.step, "seconds_away", on.absences_of.end(order.step, at_us) // 1_000_000)


class ConsumerCrash(Fault):
    """Consumers of the pool that processes readings die."""

    name: ClassVar[str] = "consumer-crash"
    summary: ClassVar[str] = "consumers of the processing pool die at once and start again"
    effect: ClassVar[str] = (
        "So many consumers of the pool that `processing` describes die at once, what they had in hand with them, and "
        "start again, which takes `start`. Until they have, the others read their partitions, later but in order. What "
        "they had processed since their last `checkpoint` is processed once more: the core counts it as repeated, and "
        "nothing is lost but where there is no room for what waits. It happens at an instant; nothing is left to end. "
        "Evidence: consumers crashed, readings replayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.QUEUE, Sign.SILENCE})
    acts_on: ClassVar[Literal["world", "broker"]] = "broker"
    needs_target: ClassVar[bool] = False
    needs_consumers: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("consumers", "count", "1", "how many of them; not more than there are", least="1", most="10000"),
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        """It is the core that is struck: see `misinform`."""

    @classmethod
    def misinform(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        core.crash_consumers(order.step, order.settings["consumers"])
