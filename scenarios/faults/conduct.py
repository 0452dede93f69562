"""Faults of a broker that is up and does not do what it should: it refuses, is slow, loses packets, ends sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Segment
    from twinstorm.twin.flow import Broker, Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind

CODES: Final[Mapping[str, int]] = {
    "identifier-rejected": 2,
    "unavailable": 3,
    "bad-credentials": 4,
    "not-authorised": 5,
}
"""CONNACK return codes of MQTT 3.1.1."""


class BrokerFault(Fault):
    """What faults share that make the broker do something until they end."""

    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE

    acts_on: ClassVar[Literal["world", "broker"]] = "broker"

    @classmethod
    def end(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        on.behave(order.step, device, at_us)


class SessionFault(BrokerFault):
    """What those share that meet sessions of clients."""

    @classmethod
    def misfit_of_segments(cls, segments: Sequence[Segment]) -> str:
        if segments and all(segment.through for segment in segments):
            return "devices behind gateways are no clients of the broker; target their gateways"
        return ""


class MassDisconnect(SessionFault):
    """The broker throws clients out."""

    name: ClassVar[str] = "mass-disconnect"
    summary: ClassVar[str] = "the broker ends the sessions of many clients at once"
    effect: ClassVar[str] = (
        "The broker closes the connections of the targeted devices, as when a node of a cluster is drained, and lets "
        "them in again at once: they all ask in the same instant. Their wills are sent. Those behind a gateway have no "
        "connection to the broker. Evidence: sessions ended."
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "sessions_ended", on.end_sessions(device, at_us))


class ConnectRefusal(SessionFault):
    """The broker does not let clients in."""

    name: ClassVar[str] = "connect-refusal"
    summary: ClassVar[str] = "the broker refuses sessions with a given CONNACK code"
    effect: ClassVar[str] = (
        "Each CONNECT of the targeted devices costs the broker its handshake and is answered with the code `code`; "
        "devices take all codes alike and come back by their reconnect policy. With `open: reset` the broker ends the "
        "sessions that they have, with `open: stay` it asks them only when they connect again. Evidence: connects "
        "refused, sessions ended."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("code", "word", "not-authorised", "what the broker answers", tuple(sorted(CODES))),
        Setting("open", "word", "reset", "what becomes of sessions", ("reset", "stay")),
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        on.refuse(order.step, device, CODES[order.settings["code"]])
        if order.settings["open"] == "reset":
            on.bit(order.step, "sessions_ended", on.end_sessions(device, at_us))


class SlowBroker(BrokerFault):
    """Everything takes the broker longer."""

    name: ClassVar[str] = "slow-broker"
    summary: ClassVar[str] = "the broker needs longer for each connect and each message"
    effect: ClassVar[str] = (
        "Each CONNECT occupies the broker `connect` longer, one after the other, so that a storm takes so much longer; "
        "each message is acknowledged at once and passed on `message` later. What waits counts into its queue, dies "
        "with it, and is passed on when the fault ends. Evidence: connects delayed, messages delayed."
    )
    needs_target: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("connect", "duration", "20 ms", "what a connect takes longer", most="10 s"),
        Setting("message", "duration", "2 s", "what a message takes longer"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["connect"] + settings["message"] > 0 else "a broker that takes 0 s longer is not slow"

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.slow_down(order.step, order.settings["connect"], order.settings["message"])


def _fast_enough(settings: Mapping[str, Any]) -> str:
    return "" if settings["rate"] > 0 else "nothing at all gets through at a rate of 0; use `core-outage`"


class Throttle(BrokerFault):
    """The broker holds clients to a rate."""

    name: ClassVar[str] = "throttle"
    summary: ClassVar[str] = "the broker passes on only so many messages of each client"
    effect: ClassVar[str] = (
        "Of each targeted device the broker passes on `rate` messages a second, in their order; it takes and "
        "acknowledges more, and these wait in it, die with it, and are passed on when the fault ends. Evidence: "
        "messages delayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.SILENCE, Sign.QUEUE})
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "6/min", "messages of each client"),)

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return _fast_enough(settings)

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.throttle(order.step, device, order.settings["rate"])


class BrokerThrottle(BrokerFault):
    """The broker as a whole passes on less than it gets."""

    name: ClassVar[str] = "broker-throttle"
    summary: ClassVar[str] = "the broker passes on only so many messages of all clients together"
    effect: ClassVar[str] = (
        "The broker passes on `rate` messages a second in all, in the order in which they came; it takes and "
        "acknowledges more. With `broker.messages` its own queue limits what waits, and the newest beyond it are lost "
        "(queue_full); else all waits, dies with it, and is passed on when the fault ends. Evidence: messages delayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.SILENCE, Sign.QUEUE})
    needs_target: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "5/s", "messages of all clients"),)

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return _fast_enough(settings)

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.throttle_all(order.step, order.settings["rate"])


class MishandledPackets(BrokerFault):
    """What those share that meet a part of the packets."""

    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("share", "share", "10 %", "how many of them"),
        Setting("nth", "count", "0", "only this one of each device; 0: the share of all", most="1000000"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["nth"] or settings["share"] > 0 else "a `share` of 0 % takes no packet"


class DroppedPackets(MishandledPackets):
    """The broker loses packets."""

    name: ClassVar[str] = "dropped-packets"
    summary: ClassVar[str] = "the broker loses messages that it has acknowledged, or its answers to connects"
    effect: ClassVar[str] = (
        "With packet: publish, the broker acknowledges messages of the targeted devices and passes them on to nobody "
        "(lost: shed). With packet: connack it lets a device in and its answer is lost: the device gives up and tries "
        "again, and the session that nobody uses is taken over or ends by keep-alive. Either happens to the share "
        "`share` of these packets, or, with `nth`, to the nth one of each device since the fault began alone. "
        "Evidence: messages dropped, answers dropped."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("packet", "word", "publish", "which packets", ("publish", "connack")),
        *MishandledPackets.settings,
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        given = order.settings
        on.mishandle(order.step, device, given["packet"], twice=False, share=given["share"], nth=given["nth"])


class DuplicatedPackets(MishandledPackets):
    """The broker passes messages on twice."""

    name: ClassVar[str] = "duplicated-packets"
    summary: ClassVar[str] = "the broker passes messages on twice"
    effect: ClassVar[str] = (
        "Messages of the targeted devices reach the core twice in a row, as after a failover of the broker: the share "
        "`share` of them, or, with `nth`, the nth one of each device since the fault began alone. The core must take "
        "each reading once; repeats are counted beside the ledger. Evidence: messages duplicated."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.TRAFFIC, Sign.QUEUE})

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        given = order.settings
        on.mishandle(order.step, device, "publish", twice=True, share=given["share"], nth=given["nth"])


class SessionExpiry(BrokerFault):
    """The broker forgets whom it keeps messages for."""

    name: ClassVar[str] = "session-expiry"
    summary: ClassVar[str] = "the broker keeps the session of a core that is away for so long only"
    effect: ClassVar[str] = (
        "When the core has been away for `after`, the session that the broker keeps for it ends, with every message "
        "that waits in it (lost: session_expired); until the core is back the broker keeps nothing more for it (lost: "
        "outage), and then it knows of nobody until they connect anew. While the core is there nothing happens: it "
        "needs a `core-outage`. Devices have no sessions that outlive their connections; `mass-disconnect` ends those. "
        "Evidence: messages expired."
    )
    needs_target: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("after", "duration", "30 s", "how long the broker waits for the core"),
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.expire_core(order.step, order.settings["after"])
