"""Network faults between devices and broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Site
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.world import World


class Partition(Fault):
    """Packets between the targeted devices and the broker stop getting through."""

    name: ClassVar[str] = "partition"
    summary: ClassVar[str] = "packets between devices and broker stop getting through, in one direction or both"
    effect: ClassVar[str] = (
        "Connections are not closed: they go silent. New connects are not answered. Devices keep sampling and buffer "
        "what they cannot deliver. A client notices when a ping stays unanswered, one to two keep-alives later; the "
        "broker after 1.5 keep-alives without a packet (not with direction: down). If the cut ends before that, the "
        "session goes on and the buffer is flushed; else the devices reconnect. Behind a cut of the direction down, "
        "readings at QoS 1 arrive but stay unacknowledged, and are sent again later; at QoS 2 they wait. Live, `on` "
        "says who does it: "
        "`model`, the fleet, whose clients fall silent and deaf; `wire`, a proxy that lets no byte through, and nobody "
        "tells the devices: what they send waits in their sockets; `both` at once. In virtual time all is modelled. "
        "Evidence: sessions cut off, sessions that survived; of a proxy, streams silenced."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "direction", "word", "both", "which packets are cut; up is from device to broker", ("both", "up", "down")
        ),
        Setting("on", "word", "model", "who cuts them in a live run", ("model", "wire", "both")),
    )

    @classmethod
    def needs_proxy(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("on", "model") != "model"

    @classmethod
    def direction(cls, order: FaultOrder) -> str:
        chosen: str = order.settings["direction"]
        return chosen

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if cls.needs_proxy(order.settings):
            on.breaks.black_out(order.step, device, at_us, cls.direction(order))
        on.bit(order.step, "sessions_cut_off", on.cut(cls._modelled(on, order, device), at_us, cls.direction(order)))

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if cls.needs_proxy(order.settings):
            on.breaks.end(order.step, device, at_us)
        survived = on.heal(cls._modelled(on, order, device), at_us, cls.direction(order))
        on.bit(order.step, "sessions_survived", survived)

    @classmethod
    def _modelled(cls, on: World, order: FaultOrder, device: Device) -> Device:
        return on.breaks.without_socket(device) if order.settings.get("on") == "wire" else device


NO_TRUNK = "no targeted device stands on a site with a trunk; give one to its site, e.g. `trunk: {rate: 250 kB/s}`"


class TrunkCut(Partition):
    """The line of a site is cut."""

    name: ClassVar[str] = "trunk-cut"
    summary: ClassVar[str] = "the line that a site shares is cut, in one direction or both; inside, all goes on"
    effect: ClassVar[str] = (
        "As `partition`, for those among the targeted devices that talk over the trunk of their site: gateways and "
        "devices without one. Devices behind a gateway keep their sessions with it, and it buffers for them. What "
        "waits for the trunk already still gets through. Evidence: sessions cut off, sessions that survived."
    )
    settings: ClassVar[tuple[Setting, ...]] = (Partition.settings[0],)

    @classmethod
    def misfit_of_sites(cls, sites: Callable[[], Sequence[Site]]) -> str:
        return "" if any(site.trunk for site in sites()) else NO_TRUNK

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        super().start(on, order, _on_trunks(on, device), at_us)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        super().end(on, order, _on_trunks(on, device), at_us)


def _on_trunks(on: World, device: Device) -> Device:
    """Of these devices, those that talk over the trunk of their site."""
    return device[on.fleet.shares_a_line[device]]


class TrunkSqueeze(Fault):
    """The line of a site becomes narrow."""

    name: ClassVar[str] = "trunk-squeeze"
    summary: ClassVar[str] = "the line that a site shares is narrow: its devices wait for each other"
    effect: ClassVar[str] = (
        "All that the sites of the targeted devices send, together, passes at `to`: messages and handshakes wait in "
        "one line. While more waits than the queue of the trunk holds, devices keep what they sample, and their "
        "buffers overflow in the end (lost: evicted); datagrams are lost (queue_full), and so are connects. When the "
        "fault ends, what waits is sent in turn, as fast as the trunk is. One targeted device is enough for its site. "
        "Evidence: messages delayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    settings: ClassVar[tuple[Setting, ...]] = (Setting("to", "size_rate", "2 kB/s", "what is left for each site"),)

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["to"] > 0 else "nothing at all gets through at a rate of 0; use the fault `trunk-cut`"

    @classmethod
    def misfit_of_sites(cls, sites: Callable[[], Sequence[Site]]) -> str:
        return "" if any(site.trunk for site in sites()) else NO_TRUNK

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.trunks is not None:
            on.trunks.squeeze(order.step, device, at_us, order.settings["to"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.trunks is not None:
            on.trunks.let_go(order.step, device, at_us)


class SimExpiry(Partition):
    """The plan of SIM cards has run out."""

    name: ClassVar[str] = "sim-expiry"
    summary: ClassVar[str] = "SIM plans run out: devices are cut off until somebody renews them"
    effect: ClassVar[str] = (
        "The operator of the mobile network lets no packet of the targeted devices through any more, in either "
        "direction. They work, sample and buffer on, and ask for a session in vain, until the fault ends: nothing that "
        "a device does brings it back. Evidence: sessions cut off, sessions that survived."
    )
    survivable: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = ()

    @classmethod
    def direction(cls, order: FaultOrder) -> str:  # noqa: ARG003
        return "both"


class SlowLink(Fault):
    """What faults share that change how messages travel from devices to the broker."""

    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE

    slows_links: ClassVar[bool] = True

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.uplinks.end(order.step, device, at_us)


class Latency(SlowLink):
    """Everything takes longer."""

    name: ClassVar[str] = "latency"
    summary: ClassVar[str] = "messages of devices take longer on their way to the broker"
    effect: ClassVar[str] = (
        "Whatever the targeted devices send, connects and readings, arrives later by `more` and by a part of `jitter` "
        "that is drawn for each message. Over a connection the order stays: who is overtaken by chance, waits. A "
        "connect that takes longer than its client waits fails, though the broker pays for it. What was sent before "
        "the fault ends, arrives as late as it would have. Live, a proxy before the broker does it, with one jitter "
        "for all that it reads at once. Evidence: messages delayed; live, bytes delayed."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("more", "duration", "2 s", "what each message takes longer"),
        Setting("jitter", "duration", "500 ms", "and up to this on top"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.uplinks.slow_down(order.step, device, at_us, order.settings["more"], order.settings["jitter"])


class BandwidthSqueeze(SlowLink):
    """Hardly anything gets through."""

    name: ClassVar[str] = "bandwidth-squeeze"
    summary: ClassVar[str] = "the way to the broker is so narrow that messages queue in the devices"
    effect: ClassVar[str] = (
        "Each targeted device sends no faster than `to`: a message, of some 600 bytes with its headers, takes its size "
        "over that, and those behind it wait in the buffer of the device, which overflows in the end (lost: evicted). "
        "Connects take their time too. When the fault ends, what waits is sent. Live, a proxy before the broker does "
        "it for each connection, and the device sends no sooner than a link of that rate would let it, headers "
        "included. Evidence: messages delayed; live, bytes delayed."
    )
    settings: ClassVar[tuple[Setting, ...]] = (Setting("to", "size_rate", "2 kB/min", "what is left for each device"),)

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["to"] > 0 else "nothing at all gets through at a rate of 0; use the fault `partition`"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.uplinks.squeeze(order.step, device, at_us, order.settings["to"])


class BurstLoss(SlowLink):
    """Packets are lost in bursts."""

    name: ClassVar[str] = "burst-loss"
    summary: ClassVar[str] = "messages of devices are lost in bursts, and sent again later and later"
    effect: ClassVar[str] = (
        "Of what the targeted devices transmit, the share `loss` is lost, `burst` transmissions in a row on average "
        "(the chain of Gilbert and Elliott: a link is good or bad). Over a connection each is repeated after a timeout "
        "that doubles up to a minute, at most eight times, and what follows waits behind it: loss becomes delay. Over "
        "`datagram` it is gone (lost: qos0). Bursts are never shorter than the share needs: at 80 % four. Live, a "
        "proxy before the broker delays what it reads at once as such repetitions would, and nothing is ever gone. "
        "Evidence: messages retried, messages lost; live, retransmissions and bytes delayed."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("loss", "share", "20 %", "transmissions that are lost"),
        Setting("burst", "count", "4", "how many in a row, on the average"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        if settings["loss"] >= 1:
            return "nothing at all gets through at a loss of 100 %; use the fault `partition`"
        return "" if settings["burst"] >= 1 else "a burst is at least 1 message"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        from twinstorm.twin.radio import BurstLoss as Chain

        loss, burst = order.settings["loss"], order.settings["burst"]
        recover = min(1 / max(burst, 1), (1 - loss) / loss) if loss else 1.0
        on.uplinks.lose(order.step, device, at_us, Chain(worsen=min(recover * loss / (1 - loss), 1.0), recover=recover))
