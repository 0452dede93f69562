"""Faults that somebody means: intruders at the broker; and papers that are no good any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Setting
from twinstorm.scenarios.faults.conduct import BrokerFault, SessionFault
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Broker, Device, FaultOrder, Knowledge
    from twinstorm.twin.machines.kind import MachineKind


class BadCertificate(SessionFault):
    """What faults of certificates share."""

    needs_tls: ClassVar[bool] = True
    reason: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("open", "word", "reset", "what becomes of sessions", ("reset", "stay")),
    )

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        on.distrust(order.step, device, cls.reason)
        if order.settings["open"] == "reset":
            on.bit(order.step, "sessions_ended", on.end_sessions(device, at_us))

    @classmethod
    def correct(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        core.certified(device)


_PAPERS = (
    " Connects of the targeted devices are refused for that reason until the fault ends: until somebody gives them new "
    "ones. With `open: reset` the sessions that they have end at once, with `open: stay` at their next connect. Live "
    "it needs --tls: the device finds a certificate that has ended in its file, or the broker a list with its number, "
    "and the handshake fails; the end of the fault brings new certificates. In virtual time it is a refused session. "
    "Evidence: connects refused, sessions ended."
)


class CertificateExpiry(BadCertificate):
    """Certificates run out."""

    name: ClassVar[str] = "certificate-expiry"
    summary: ClassVar[str] = "certificates of devices have expired, and nobody has renewed them"
    effect: ClassVar[str] = "The certificates of the targeted devices are past their last day." + _PAPERS
    reason: ClassVar[str] = "certificate has expired"


class CertificateRevocation(BadCertificate):
    """Certificates are called back."""

    name: ClassVar[str] = "certificate-revocation"
    summary: ClassVar[str] = "certificates of devices are revoked"
    effect: ClassVar[str] = "The certificates of the targeted devices stand on the list of revoked ones." + _PAPERS
    reason: ClassVar[str] = "certificate revoked"


class Intruder(BrokerFault):
    """What faults of intruders share: they act on the broker, from outside of the fleet."""

    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.SESSIONS, Sign.LETTERS, Sign.TOPICS, Sign.QUEUE})

    needs_target: ClassVar[bool] = False
    what: ClassVar[str]

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["rate"] > 0 else "an intruder with a rate of 0 does nothing"

    @classmethod
    def start(cls, on: Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        on.intrude(order.step, cls.what, device, at_us, order.settings["rate"])


class MalformedPackets(Intruder):
    """Bytes that are no MQTT."""

    name: ClassVar[str] = "malformed-packets"
    summary: ClassVar[str] = "somebody sends the broker bytes that are no MQTT"
    effect: ClassVar[str] = (
        "A stranger connects `rate` times and says something that is no packet, or no packet that may come first. The "
        "broker must hang up each time and serve everybody else as before. Live over a socket of its own; in virtual "
        "time a count. Evidence: connections ended."
    )
    what: ClassVar[str] = "malformed"
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "1/s", "attempts"),)


class OversizedPackets(Intruder):
    """Packets that are too long."""

    name: ClassVar[str] = "oversized-packets"
    summary: ClassVar[str] = "somebody announces packets to the broker that are far too long"
    effect: ClassVar[str] = (
        "A stranger connects `rate` times and announces a packet of 256 MiB. The broker must hang up each time without "
        "making room for it. Live over a socket of its own; in virtual time a count. Evidence: connections ended."
    )
    what: ClassVar[str] = "oversized"
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "1/s", "attempts"),)


class ForgedPublisher(Intruder):
    """Somebody speaks in the name of devices."""

    name: ClassVar[str] = "forged-publisher"
    summary: ClassVar[str] = "a client publishes in the name of other devices"
    effect: ClassVar[str] = (
        "A client with an identity of its own publishes `rate` messages on the topics of the targeted devices, one "
        "after the other. The broker must let nobody hear them: each topic belongs to one identity. The devices notice "
        "nothing. Over TLS the intruder has no certificate and does not get that far. Live over a socket of its own; "
        "in virtual time a count. Evidence: messages refused; over TLS, connections ended."
    )
    needs_target: ClassVar[bool] = True
    what: ClassVar[str] = "forged"
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "5/s", "messages"),)


class Flood(Intruder):
    """A client far over its rate."""

    name: ClassVar[str] = "flood"
    summary: ClassVar[str] = "a client sends far more than it should, and nobody can read it"
    effect: ClassVar[str] = (
        "A client with an identity of its own publishes `rate` messages that are no documents, on its own topic. They "
        "take their part of what the broker passes on (`broker.messages`), and the core sets them aside as dead "
        "letters. Over TLS the intruder has no certificate and does not get that far. Evidence: messages sent; over "
        "TLS, connections ended."
    )
    what: ClassVar[str] = "flood"
    settings: ClassVar[tuple[Setting, ...]] = (Setting("rate", "rate", "100/s", "messages", most="10000/s"),)
