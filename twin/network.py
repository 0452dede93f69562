"""Link classes: what a device's access network does to a message.

Every latency is `base` plus uniform jitter plus, for a share of messages, one retransmission timeout: whoever has a
connection repairs loss into delay. On slow networks the time on air comes on top, and messages of one device wait for
each other (`twin.uplink`). All figures are assumptions in the range of data sheets and published presets (network
emulators, 3GPP and Semtech documents, 2020s), not measurements; they stand in every report by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Self

import numpy as np

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import SECOND_US, Int, Mask
from twinstorm.twin.radio import BurstLoss, Lora, off_us
from twinstorm.twin.wire.sizes import Said

DOCUMENT_BYTES = 340
"""A reading as a JSON document, without its channels."""
DOCUMENT_CHANNEL_BYTES = 30
PACKED_BYTES = 8
"""A reading in the sensor's own steps, without its channels: boot, sequence number, flags."""
PACKED_CHANNEL_BYTES = 2
STATE_BYTES = 200
"""A birth as a document."""
PACKED_STATE_BYTES = 12
PING_BYTES = 2
"""What keeps a session alive where there is nothing to say."""
CONNECT_BYTES = 120
"""A CONNECT with its name, password and will."""
PACKED_CONNECT_BYTES = 23
"""What joins a device to a gateway that holds the session for it."""
TOPIC_BYTES = 42
"""Of a topic of the built-in profile: what the headers of a message over TCP hold of it."""
HANDSHAKE_BYTES = 5_000
"""TCP and TLS before a CONNECT, both ways, with certificates: what they cost a battery. A gateway spares them."""


@dataclass(frozen=True)
class LinkClass:
    """One class of access network.

    Attributes:
        base_us: smallest one-way latency, at least 1, so that an effect comes after its cause.
        jitter_us: width of the uniform jitter on top.
        retry_us: what one lost packet costs (TCP's retransmission timeout, or the radio's).
        retry_per_65536: share of messages that meet such a loss.
        bits_per_s: from device to network; a message takes its bits over this, on top of the latency. 0: too fast to
            matter. A class for which it matters keeps the messages of a device in order, one after the other.
        spreading_factor: of LoRa at 125 kHz and coding rate 4/5; gives the time on air, not `bits_per_s`. 0: none.
        duty_per_mille: share of time that a device may be on air.
        datagram: nobody repeats or orders readings: the share that `retry_per_65536` gives does not arrive. What
            belongs to a session (CONNECT, birth) is repeated all the same.
        packed: readings travel in the sensor's own steps to a gateway, which makes documents of them.
        overhead_bytes: headers of one message.
        payload_bytes: largest payload, a longer one is not sent; 0: any, the network cuts it up.
        bursts: how transmissions are lost where that comes in bursts, each repeated with its time on air and its energy
            (`twin.fading`); None: `retry_per_65536` is all.
        slot_us: time of one step of that chain; a burst lasts 1 / r of them.
        energy_j, energy_byte_j, energy_retry_j: what a message costs a battery: to wake up, send and listen; for each
            byte with its headers; and for each repetition.
        burst_w: drawn while it transmits, which makes a supply sag.
        air_w: drawn for the time on air of every transmission, on top of the above; 0: `energy_byte_j` has it.
    """

    name: str
    base_us: int
    jitter_us: int
    retry_us: int
    retry_per_65536: int
    bits_per_s: int = 0
    spreading_factor: int = 0
    duty_per_mille: int = 1_000
    datagram: bool = False
    packed: bool = False
    overhead_bytes: int = 100
    payload_bytes: int = 0
    energy_j: float = 0.0
    energy_byte_j: float = 0.0
    energy_retry_j: float = 0.0
    burst_w: float = 0.0
    bursts: BurstLoss | None = None
    slot_us: int = 0
    air_w: float = 0.0

    @property
    def paced(self) -> bool:
        """Messages of one device have to wait for each other, or may be lost: `twin.uplink` looks at each."""
        return self.bits_per_s > 0 or self.spreading_factor > 0 or self.datagram or self.bursts is not None

    def reading_bytes(self, channels: int) -> int:
        """Payload of one reading."""
        if self.packed:
            return PACKED_BYTES + PACKED_CHANNEL_BYTES * channels
        return DOCUMENT_BYTES + DOCUMENT_CHANNEL_BYTES * channels

    def longest_bytes(self, channels: int) -> int:
        """Payload of the longest reading."""
        return self.reading_bytes(channels)

    def cargo_bytes(self, channels: int, said: Said | None) -> int:
        """Payload of a reading that a gateway sends on over this link as it came, with what its topic is longer or
        shorter than one of the built-in profile.

        Args:
            said: what its device says, where the scenario chooses that.
        """
        if said is None or (self.packed and not said.always):
            return LinkClass.reading_bytes(self, channels)
        return said.reading + (said.topic - TOPIC_BYTES if self._has_topics else 0)

    def over(self, hops: int) -> Self:
        """This class by way of others, each of which receives a message before it sends it on: the time of every hop,
        its own on air included, and the risk of a repetition at each. What it costs is the first transmission."""
        if hops == 1:
            return self
        relay_us = self.air_us(self.payload_bytes // 2)
        once = 1.0 - self.retry_per_65536 / 65_536
        through = 1.0
        for _ in range(hops):
            through *= once
        return replace(
            self,
            base_us=hops * self.base_us + (hops - 1) * relay_us,
            jitter_us=hops * self.jitter_us,
            retry_per_65536=_per_65536(1.0 - through),
        )

    @property
    def _has_topics(self) -> bool:
        """Every message carries its topic."""
        return not self.packed and not self.datagram

    @property
    def state_bytes(self) -> int:
        """Payload of a birth."""
        return PACKED_STATE_BYTES if self.packed else STATE_BYTES

    @property
    def connect_bytes(self) -> int:
        """Payload of what asks for a session."""
        return PACKED_CONNECT_BYTES if self.packed else CONNECT_BYTES

    def fits(self, payload_bytes: int) -> bool:
        return self.payload_bytes == 0 or payload_bytes <= self.payload_bytes

    def air_us(self, payload_bytes: int) -> int:
        """Time that one transmission of this payload with its headers takes, rounded up."""
        size = payload_bytes + self.overhead_bytes
        if self.spreading_factor:
            return Lora(self.spreading_factor).airtime_us(size)
        return -(-size * 8 * SECOND_US // self.bits_per_s) if self.bits_per_s else 0

    def message_j(self, payload_bytes: int, retries: int | None = None) -> float:
        """Energy of one message, joules, with so many repetitions; None: as many as it needs on the average."""
        size = payload_bytes + self.overhead_bytes
        usual = 0.0 if self.datagram else self.retry_per_65536 / 65_536
        retries_j = self.repeat_j(payload_bytes) * (usual if retries is None else retries)
        return self.energy_j + self.energy_byte_j * size + self._air_j(payload_bytes) + retries_j

    @property
    def connect_j(self) -> float:
        """Energy of one attempt to connect, answered or not."""
        return self.message_j(self.connect_bytes + (0 if self.packed else HANDSHAKE_BYTES))

    def repeat_j(self, payload_bytes: int) -> float:
        """Energy of one more transmission of this payload."""
        return self.energy_retry_j + self._air_j(payload_bytes)

    def _air_j(self, payload_bytes: int) -> float:
        """Energy of its time on air; what is too long is not sent."""
        sent = min(payload_bytes, self.payload_bytes) if self.payload_bytes else payload_bytes
        return self.air_w * self.air_us(sent) / SECOND_US if self.air_w else 0.0


@dataclass(frozen=True, kw_only=True)
class SpokenLink(LinkClass):
    """A class of access network on which devices say what the scenario chooses, as long as it really is.

    Attributes:
        said: what they say. Whoever does not send documents itself packs its readings where the class has them packed.
    """

    said: Said

    @classmethod
    def of(cls, link: LinkClass, said: Said) -> SpokenLink:
        """`link` with headers for their topics."""
        of_class = {each.name: getattr(link, each.name) for each in fields(LinkClass)}
        if link._has_topics:
            of_class["overhead_bytes"] += said.topic - TOPIC_BYTES
        return cls(**of_class, said=said)

    @property
    def _packs(self) -> bool:
        return self.packed and not self.said.always

    def reading_bytes(self, channels: int) -> int:
        return super().reading_bytes(channels) if self._packs else self.said.reading

    def longest_bytes(self, channels: int) -> int:
        return super().reading_bytes(channels) if self._packs else self.said.longest

    def cargo_bytes(self, channels: int, said: Said | None) -> int:
        # The headers here are those of its own topic.
        own = self.said.topic - TOPIC_BYTES if self._has_topics else 0
        return super().cargo_bytes(channels, said) - own

    @property
    def state_bytes(self) -> int:
        return PACKED_STATE_BYTES if self._packs else self.said.birth

    @property
    def connect_bytes(self) -> int:
        if self.packed:
            return PACKED_CONNECT_BYTES  # joining is the network's affair
        return self.said.connect - (self.said.topic - TOPIC_BYTES if self._has_topics else 0)


def said_on(link: LinkClass) -> Said | None:
    """What devices say there, where the scenario chooses that."""
    return link.said if isinstance(link, SpokenLink) else None


def _per_65536(share: float) -> int:
    return round(share * 65_536)


def _in_bursts(loss: float, burst: float) -> BurstLoss:
    """Of transmissions one step of the chain apart, this share is lost, so many in a row on the average; nothing gets
    through a bad link."""
    return BurstLoss(worsen=loss / (burst * (1.0 - loss)), recover=1.0 / burst)


def _lorawan(spreading: int, payload_bytes: int) -> LinkClass:
    """LoRaWAN in Europe (EU868): payload limits of its regional parameters, without a repeater; 1 % of the time.

    One frame in twenty is lost, two in a row on the average, by what comes and goes within seconds. Energy: 30 mJ for
    waking up and two windows of reception, 150 mW on air.
    """
    return LinkClass(
        f"lorawan-sf{spreading}",
        base_us=80_000,
        jitter_us=120_000,
        retry_us=2_000_000,
        retry_per_65536=0,
        spreading_factor=spreading,
        duty_per_mille=10,
        packed=True,
        overhead_bytes=13,
        payload_bytes=payload_bytes,
        energy_j=0.03,
        energy_retry_j=0.03,
        burst_w=0.15,
        air_w=0.15,
        bursts=_in_bursts(0.05, 2.0),
        slot_us=2_000_000,
    )


_LORAWAN_BYTES = {7: 222, 8: 222, 9: 115, 10: 51, 11: 51, 12: 51}


LINKS = {
    link.name: link
    for link in (
        LinkClass("ethernet", base_us=2_000, jitter_us=2_000, retry_us=0, retry_per_65536=0),
        LinkClass(
            "wifi",
            base_us=3_000,
            jitter_us=4_000,
            retry_us=200_000,
            retry_per_65536=655,
            energy_j=0.02,
            energy_byte_j=1e-6,
            energy_retry_j=0.005,
            burst_w=0.8,
        ),
        LinkClass(
            "lte-m",
            base_us=50_000,
            jitter_us=50_000,
            retry_us=400_000,
            retry_per_65536=_per_65536(0.02),
            bits_per_s=375_000,
            energy_j=0.5,
            energy_byte_j=2e-5,
            energy_retry_j=0.05,
            burst_w=0.5,
        ),
        LinkClass(
            "nb-iot",
            base_us=700_000,
            jitter_us=1_600_000,
            retry_us=4_000_000,
            retry_per_65536=_per_65536(0.05),
            bits_per_s=20_000,
            energy_j=0.8,
            energy_byte_j=1e-4,
            energy_retry_j=0.2,
            burst_w=0.5,
        ),
        LinkClass(
            "lorawan",
            base_us=80_000,
            jitter_us=120_000,
            retry_us=2_000_000,
            retry_per_65536=_per_65536(0.05),
            spreading_factor=9,
            duty_per_mille=10,
            packed=True,
            overhead_bytes=13,
            payload_bytes=115,
            energy_j=0.02,
            energy_byte_j=5e-4,
            energy_retry_j=0.04,
            burst_w=0.15,
        ),
        LinkClass(
            "satellite",
            base_us=285_000,
            jitter_us=30_000,
            retry_us=1_200_000,
            retry_per_65536=_per_65536(0.03),
            bits_per_s=64_000,
            energy_j=5.0,
            energy_byte_j=5e-4,
            energy_retry_j=1.0,
            burst_w=4.0,
        ),
        LinkClass(
            "ble",
            base_us=30_000,
            jitter_us=70_000,
            retry_us=100_000,
            retry_per_65536=_per_65536(0.02),
            bits_per_s=200_000,
            packed=True,
            overhead_bytes=17,
            payload_bytes=244,
            energy_j=1e-4,
            energy_byte_j=5e-7,
            energy_retry_j=3e-5,
            burst_w=0.03,
        ),
        LinkClass(
            "zigbee",
            base_us=15_000,
            jitter_us=45_000,
            retry_us=60_000,
            retry_per_65536=_per_65536(0.03),
            bits_per_s=60_000,
            packed=True,
            overhead_bytes=33,
            payload_bytes=80,
            energy_j=3e-4,
            energy_byte_j=2e-6,
            energy_retry_j=1e-4,
            burst_w=0.1,
        ),
        LinkClass(
            "datagram",
            base_us=20_000,
            jitter_us=40_000,
            retry_us=2_000_000,
            retry_per_65536=_per_65536(0.01),
            bits_per_s=1_000_000,
            datagram=True,
            overhead_bytes=60,
            payload_bytes=1_200,
            energy_j=0.1,
            energy_byte_j=2e-6,
            burst_w=0.5,
        ),
        LinkClass(
            "weak-wifi",
            base_us=5_000,
            jitter_us=20_000,
            retry_us=200_000,
            retry_per_65536=0,
            bits_per_s=6_000_000,
            energy_j=0.02,
            energy_byte_j=2e-6,
            energy_retry_j=0.005,
            burst_w=0.8,
            bursts=_in_bursts(0.05, 5.0),
            slot_us=100_000,
        ),
        LinkClass(
            "cellular",
            base_us=35_000,
            jitter_us=30_000,
            retry_us=300_000,
            retry_per_65536=0,
            bits_per_s=5_000_000,
            energy_j=0.6,
            energy_byte_j=5e-6,
            energy_retry_j=0.05,
            burst_w=1.0,
            bursts=_in_bursts(0.02, 10.0),
            slot_us=100_000,
        ),
        LinkClass(
            "congested",
            base_us=40_000,
            jitter_us=80_000,
            retry_us=300_000,
            retry_per_65536=0,
            bits_per_s=1_000_000,
            bursts=_in_bursts(0.03, 3.0),
            slot_us=20_000,
        ),
        *(_lorawan(spreading, payload_bytes) for spreading, payload_bytes in _LORAWAN_BYTES.items()),
    )
}

_JITTER_BITS = np.uint64(32)
_LOW_BITS = np.uint64(0xFFFF)


@dataclass(frozen=True)
class Size:
    """One kind of message on every link class of a fleet; row i belongs to link code i.

    Attributes:
        total_bytes: payload and headers, of a usual one.
        air_us: of one transmission.
        rest_us: how long the device must be silent after it (duty cycle).
        fits: even the longest one can be sent at all.
    """

    total_bytes: Int
    air_us: Int
    rest_us: Int
    fits: Mask


@dataclass(frozen=True)
class Links:
    """The link classes of a fleet as columns: one row a class, `code` picks the row of each device."""

    base_us: Int
    jitter_us: Int
    retry_us: Int
    retry_per_65536: Int
    classes: tuple[LinkClass, ...] = ()
    connect_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    """Time on air of a CONNECT."""
    paced: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    datagram: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))

    @classmethod
    def of(cls, links: tuple[LinkClass, ...]) -> Links:
        def column(name: str) -> Int:
            return np.array([getattr(link, name) for link in links], np.int64)

        return cls(
            column("base_us"),
            column("jitter_us"),
            column("retry_us"),
            column("retry_per_65536"),
            links,
            np.array([link.air_us(link.connect_bytes) for link in links], np.int64),
            np.array([link.paced for link in links], np.bool_),
            np.array([link.datagram for link in links], np.bool_),
        )

    def latency_us(self, code: np.ndarray | int, draws: Words) -> Int:
        """Latency of one message each: int64, shape of `draws`.

        Args:
            code: link class of each message's device, or one integer for all.
        """
        jitter = (draws >> _JITTER_BITS) * self.jitter_us.astype(np.uint64)[code]
        jitter >>= _JITTER_BITS
        latency = jitter.view(np.int64)
        latency += self.base_us[code]
        share = self.retry_per_65536[code]
        if isinstance(code, int):
            if share:
                latency[np.flatnonzero((draws & _LOW_BITS) < np.uint64(share))] += self.retry_us[code]
        elif np.any(share):
            latency += np.where((draws & _LOW_BITS).view(np.int64) < share, self.retry_us[code], 0)
        return latency

    def lost_once(self, code: np.ndarray | int, draws: Words) -> Mask:
        """Which of these messages are lost, and if somebody repeats them, get through the second time."""
        lost: Mask = (draws & _LOW_BITS).view(np.int64) < self.retry_per_65536[code]
        return lost

    def reading_size(self, channels: int) -> Size:
        longest = [link.longest_bytes(channels) for link in self.classes]
        return self._size([link.reading_bytes(channels) for link in self.classes], longest)

    def cargo_size(self, channels: int, said: Said | None) -> Size:
        """A reading that a gateway on each of these links sends on."""
        return self._size([link.cargo_bytes(channels, said) for link in self.classes])

    def plain_size(self, payload_bytes: int) -> Size:
        """A message of this payload on each of these links."""
        return self._size([payload_bytes] * len(self.classes))

    def state_size(self) -> Size:
        return self._size([link.state_bytes for link in self.classes])

    def ping_size(self) -> Size:
        return self._size([PING_BYTES] * len(self.classes))

    def connect_bytes(self) -> Int:
        """A CONNECT with its headers, by link code."""
        return np.array([link.connect_bytes + link.overhead_bytes for link in self.classes], np.int64)

    def _size(self, payloads: list[int], longest: list[int] | None = None) -> Size:
        both = list(zip(self.classes, payloads, strict=True))
        air_us = [link.air_us(payload) for link, payload in both]
        rest_us = [
            off_us(air, Fraction(link.duty_per_mille, 1_000)) for air, link in zip(air_us, self.classes, strict=True)
        ]
        return Size(
            np.array([payload + link.overhead_bytes for link, payload in both], np.int64),
            np.array(air_us, np.int64),
            np.array(rest_us, np.int64),
            np.array([link.fits(most) for link, most in zip(self.classes, longest or payloads, strict=True)], np.bool_),
        )
