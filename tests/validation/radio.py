"""Radio: LoRa's time on air, the silence after it, and losses in bursts."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from tests.validation.case import Case, Subject
from twinstorm.twin import radio
from twinstorm.twin.chance import stream, words
from twinstorm.twin.fading import Fading
from twinstorm.twin.flow import Mask
from twinstorm.twin.network import LINKS, Links

AN1200_13 = "Semtech AN1200.13"
GILBERT = "Gilbert 1960, Elliott 1963"
PRESET = "str0m-netem, its author's choice"
CALCULATOR = "airtime calculator of The Things Network, 13 B of header included"
ETSI = "duty cycle of 1 %: 99 times the airtime"
EXAMPLE = radio.BurstLoss(worsen=0.01, recover=0.2)
MIXED = radio.BurstLoss(worsen=0.05, recover=0.3, through_good=0.99, through_bad=0.4)


def airtime_ms(spreading: int, payload_bytes: int) -> float:
    return radio.Lora(spreading).airtime_us(payload_bytes) / 1e3


def silence_over_airtime(spreading: int, payload_bytes: int) -> float:
    airtime_us = radio.Lora(spreading).airtime_us(payload_bytes)
    return radio.off_us(airtime_us, Fraction(1, 100)) / airtime_us


class Seen(NamedTuple):
    """What a receiver could tell of a lossy link."""

    loss: float
    mean_burst: float
    mean_gap: float
    correlation: float


@cache
def arrived_not(chain: radio.BurstLoss) -> Mask:
    """Of 500 links with 4,000 packets each, all good at first, after 200 packets: which are lost, a column a link."""
    links, packets, settling = 500, 4_000, 200
    keys = np.arange(links, dtype=np.uint64)
    numbers = np.arange(packets + settling)
    draws = words(stream(42, 2), np.tile(keys, len(numbers)), np.repeat(numbers, links)).reshape(-1, links)
    return chain.lost(np.zeros(links, np.bool_), draws)[0][settling:]


@cache
def seen(chain: radio.BurstLoss) -> Seen:
    """What comes of them."""
    lost = arrived_not(chain)
    before, after = lost[:-1], lost[1:]
    share = float(lost.mean())
    both = float((before & after).mean())
    ends = float((before & ~after).mean())
    return Seen(share, share / ends, (1.0 - share) / ends, (both - share * share) / (share - share * share))


class Faded(NamedTuple):
    """What transmissions see of a link class, one each step of its chain."""

    loss: float
    mean_burst: float


@cache
def faded(name: str) -> Faded:
    """500 links of the class with 3,000 transmissions each, through the model that a run uses."""
    link, devices, sent = LINKS[name], 500, 3_000
    device = np.arange(devices)
    key = (device.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    fading = Fading(42, Links.of((link,)), np.zeros(devices, np.uint8), key, np.ones(devices, np.bool_))
    lost = np.array(
        [
            fading.transmit("reading", device, np.full(devices, nth), 0, np.full(devices, nth * link.slot_us))
            for nth in range(sent)
        ]
    )
    share = float(lost.mean())
    return Faded(share, share / float((lost[:-1] & ~lost[1:]).mean()))


def of_class(name: str, loss: float, burst: float, source: str) -> tuple[Case, Case]:
    return (
        Case(f"link class {name}, loss as seen", source, loss, 0.05, lambda: faded(name).loss, relative=True),
        Case(
            f"link class {name}, mean burst as seen",
            "ours",
            burst,
            0.05,
            lambda: faded(name).mean_burst,
            relative=True,
        ),
    )


@cache
def share_of_long_bursts(longer_than: int) -> float:
    """Of the bursts of the example, as the receiver counts them, those of more packets than this."""
    lost = arrived_not(EXAMPLE)
    starts = lost[1:-longer_than] & ~lost[: -longer_than - 1]
    long = starts.copy()
    for later in range(1, longer_than + 1):
        long &= lost[1 + later : len(lost) - longer_than + later]
    return float(long.sum() / starts.sum())


SUBJECT = Subject(
    "Radio",
    "`twin/radio.py`, `twin/fading.py`; what is seen: one and a half to two million packets by their samplers",
    (
        Case("LoRa SF7, 125 kHz, 4/5, 10 B, ms", AN1200_13, 41.216, 0.0005, partial(airtime_ms, 7, 10)),
        Case("LoRa SF11, 125 kHz, 4/5, 10 B, ms", AN1200_13, 577.536, 0.0005, partial(airtime_ms, 11, 10)),
        Case("LoRa SF9, 125 kHz, 4/5, 13 B, ms", AN1200_13, 164.864, 0.0005, partial(airtime_ms, 9, 13)),
        *(
            Case(
                f"LoRaWAN SF{spreading}, {size} B in all, ms",
                CALCULATOR,
                ms,
                0.05,
                partial(airtime_ms, spreading, size),
            )
            for spreading, size, ms in (
                (7, 24, 61.7),
                (8, 24, 113.2),
                (10, 24, 370.7),
                (12, 24, 1482.8),
                (12, 64, 2793.5),
            )
        ),
        Case("silence after SF7, 10 B, over its airtime", ETSI, 99.0, 1e-6, partial(silence_over_airtime, 7, 10)),
        Case("silence after SF12, 51 B, over its airtime", ETSI, 99.0, 1e-6, partial(silence_over_airtime, 12, 51)),
        Case("bad link, p 0.01, r 0.2, share of packets", GILBERT, 0.0476, 5e-5, lambda: EXAMPLE.bad_share),
        Case("loss, p 0.01, r 0.2", GILBERT, 0.0476, 5e-5, lambda: EXAMPLE.loss),
        Case("mean burst, p 0.01, r 0.2, packets", GILBERT, 5.0, 1e-6, lambda: EXAMPLE.mean_burst),
        Case("mean gap, p 0.01, r 0.2, packets", GILBERT, 100.0, 1e-6, lambda: EXAMPLE.mean_gap),
        Case("correlation of neighbours, p 0.01, r 0.2", GILBERT, 0.79, 1e-6, lambda: EXAMPLE.correlation),
        Case("loss as seen", GILBERT, 1 / 21, 0.03, lambda: seen(EXAMPLE).loss, relative=True),
        Case("mean burst as seen, packets", GILBERT, 5.0, 0.02, lambda: seen(EXAMPLE).mean_burst, relative=True),
        Case("mean gap as seen, packets", GILBERT, 100.0, 0.03, lambda: seen(EXAMPLE).mean_gap, relative=True),
        Case(
            "correlation of neighbours as seen", GILBERT, 0.79, 0.01, lambda: seen(EXAMPLE).correlation, relative=True
        ),
        Case("loss, p 0.05, r 0.3, k 0.99, h 0.4", GILBERT, 0.094286, 1e-6, lambda: MIXED.loss),
        Case("the same as seen", GILBERT, 0.094286, 0.02, lambda: seen(MIXED).loss, relative=True),
        Case(
            "correlation of neighbours, the same chain",
            GILBERT + ": (k - h)² pr/(p+r)² (1-p-r) / (loss (1 - loss))",
            0.324441,
            1e-6,
            lambda: MIXED.correlation,
        ),
        Case("the same as seen, correlation", GILBERT, 0.324441, 0.02, lambda: seen(MIXED).correlation, relative=True),
        Case(
            "bursts of more than 3 packets as seen, share",
            "(1 - r)³",
            0.512,
            0.025,
            partial(share_of_long_bursts, 3),
            True,
        ),
        Case(
            "bursts of more than 10 packets as seen, share",
            "(1 - r)¹⁰",
            0.10737,
            0.07,
            partial(share_of_long_bursts, 10),
            True,
        ),
    ),
)

ASSUMED = Subject(
    "Assumptions of ours",
    "`twin/network.py` (the classes), `twin/fading.py` (their links, as a run uses them)",
    (
        *of_class("weak-wifi", 0.05, 5.0, PRESET),
        *of_class("cellular", 0.02, 10.0, PRESET),
        *of_class("congested", 0.03, 3.0, PRESET),
        *of_class("lorawan-sf7", 0.05, 2.0, "ours"),
    ),
    note="No measured table of losses and bursts by class of link was found: three losses are the presets of a public"
    " network emulator, whose author chose them, and all lengths of bursts are ours. Ours within tolerance means that a"
    " link of a class behaves as the class says, not that links in the field do.",
    told="assumed",
)
