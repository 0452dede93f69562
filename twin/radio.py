"""Narrow and lossy radio: how long a LoRa frame takes, how long its sender is silent after it, losses in bursts.

Time on air is exact in integers. Losses follow a chain of two states, after Gilbert (Bell System Technical Journal 39,
1960) and Elliott (ibid. 42, 1963): a link is good or bad, changes by chance at each packet, and loses by chance in
both.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Words
from twinstorm.twin.flow import SECOND_US, Mask

# --- LoRa -------------------------------------------------------------------------------------------------------------

LORAWAN_HEADER_BYTES: Final = 13
"""Least that LoRaWAN adds to what an application sends: MHDR 1, address 4, control 1, counter 2, port 1, MIC 4."""
LONGEST_BYTES: Final = 255
_LONG_SYMBOL_US: Final = 16_000
"""From longer symbols on, the low data rate optimisation is prescribed."""


@dataclass(frozen=True, slots=True)
class Lora:
    """Settings of a LoRa modem.

    Source: Semtech AN1200.13, LoRa Modem Designer's Guide (2013), section 4.

    Attributes:
        spreading: spreading factor, 6 to 12; 6 knows no explicit header.
        bandwidth_hz: > 0.
        coding: 1 to 4 for the code rates 4/5 to 4/8.
        preamble: programmed symbols, >= 0; the modem adds 4.25.
        checksum: whether the payload carries one, as LoRaWAN's uplinks do.
        explicit_header: whether the frame says its own length.
        low_rate: low data rate optimisation; None: where symbols last longer than 16 ms (SF11 and SF12 at 125 kHz).

    Raises:
        ValueError: if an attribute lies outside of its range; the text names it.
    """

    spreading: int
    bandwidth_hz: int = 125_000
    coding: int = 1
    preamble: int = 8
    checksum: bool = True
    explicit_header: bool = True
    low_rate: bool | None = None

    def __post_init__(self) -> None:
        if not 6 <= self.spreading <= 12:
            raise ValueError(f"spreading must lie in 6 to 12, not {self.spreading}")
        if self.spreading == 6 and self.explicit_header:
            raise ValueError("spreading 6 needs explicit_header false")
        if self.bandwidth_hz <= 0:
            raise ValueError(f"bandwidth_hz must be positive, not {self.bandwidth_hz}")
        if not 1 <= self.coding <= 4:
            raise ValueError(f"coding must lie in 1 to 4, not {self.coding}")
        if self.preamble < 0:
            raise ValueError(f"preamble must be 0 or more, not {self.preamble}")

    @property
    def symbol_us(self) -> Fraction:
        """How long one symbol lasts."""
        return Fraction(SECOND_US << self.spreading, self.bandwidth_hz)

    def symbols(self, payload_bytes: int) -> int:
        """Symbols after the preamble.

        Raises:
            ValueError: if the payload lies outside of 0 to 255 bytes.
        """
        if not 0 <= payload_bytes <= LONGEST_BYTES:
            raise ValueError(f"payload_bytes must lie in 0 to {LONGEST_BYTES}, not {payload_bytes}")
        slow = self.symbol_us > _LONG_SYMBOL_US if self.low_rate is None else self.low_rate
        bits = 8 * payload_bytes - 4 * self.spreading + 28 + 16 * self.checksum - 20 * (not self.explicit_header)
        blocks = -(-bits // (4 * (self.spreading - 2 * slow)))
        return 8 + max(blocks * (self.coding + 4), 0)

    def airtime_us(self, payload_bytes: int) -> int:
        """Time on air of a frame, a begun microsecond counted whole.

        Args:
            payload_bytes: of the radio, that is with LoRaWAN's header if there is one.

        Example:
            >>> Lora(spreading=7).airtime_us(10)
            41216
        """
        symbols = self.preamble + Fraction(17, 4) + self.symbols(payload_bytes)
        return _up(symbols * self.symbol_us)


def off_us(airtime_us: int, duty: Fraction) -> int:
    """How long a sender must be silent after a frame, if it uses its duty cycle up frame by frame.

    Args:
        duty: share of the time on air that regulation leaves, 0 < duty <= 1.

    Raises:
        ValueError: if the duty lies outside of its range.

    Example:
        >>> off_us(41_216, Fraction(1, 100))
        4080384
    """
    if not 0 < duty <= 1:
        raise ValueError(f"duty must lie above 0 and up to 1, not {duty}")
    return _up(airtime_us / duty - airtime_us)


def _up(exact: Fraction) -> int:
    return -(-exact.numerator // exact.denominator)


# --- losses in bursts -------------------------------------------------------------------------------------------------

_WORD: Final = 1 << 32
_HALF_BITS: Final = np.uint64(32)


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """The chain of Gilbert and Elliott. Probabilities are those of one packet.

    `tc-netem` writes the same chain ``loss gemodel p r 1-h 1-k``.

    Attributes:
        worsen: p, from good to bad.
        recover: r, from bad to good; one of p and r is above 0.
        through_good: k, that a packet arrives while the link is good.
        through_bad: h, while it is bad.

    Raises:
        ValueError: if a probability lies outside of 0 to 1, or the link never changes; the text names it.
    """

    worsen: float
    recover: float
    through_good: float = 1.0
    through_bad: float = 0.0

    def __post_init__(self) -> None:
        for name in ("worsen", "recover", "through_good", "through_bad"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0 to 1, not {getattr(self, name):g}")
        if self.worsen + self.recover == 0.0:
            raise ValueError("worsen or recover must be above 0, or the link never changes")

    @property
    def bad_share(self) -> float:
        """Of the packets, those that meet a bad link."""
        return self.worsen / (self.worsen + self.recover)

    @property
    def loss(self) -> float:
        """Share of packets that are lost."""
        bad = self.bad_share
        return (1.0 - self.through_good) * (1.0 - bad) + (1.0 - self.through_bad) * bad

    @property
    def correlation(self) -> float:
        """Of losing a packet with losing the next one; 0 where all or none are lost."""
        loss = self.loss
        return self._shared / (loss * (1.0 - loss)) if 0.0 < loss < 1.0 else 0.0

    @property
    def mean_burst(self) -> float:
        """Mean number of packets lost in a row; infinite where nothing ever arrives after a loss, 0 without losses."""
        return self.loss / self._ends if self._ends else (np.inf if self.loss else 0.0)

    @property
    def mean_gap(self) -> float:
        """Mean number of packets that arrive in a row."""
        return (1.0 - self.loss) / self._ends if self._ends else (np.inf if self.loss < 1.0 else 0.0)

    @property
    def _shared(self) -> float:
        """Covariance of losing a packet and losing the next one."""
        bad, apart = self.bad_share, self.through_good - self.through_bad
        return apart * apart * bad * (1.0 - bad) * (1.0 - self.worsen - self.recover)

    @property
    def _ends(self) -> float:
        """Bursts that end, per packet."""
        ends = self.loss * (1.0 - self.loss) - self._shared
        return ends if ends > 1e-15 else 0.0

    def lost(self, bad: Mask, draws: Words) -> tuple[Mask, Mask]:
        """What becomes of the next packets of many links.

        All links and packets are worked out at once: a draw that leaves every link bad, or every one good, makes what
        was before irrelevant, and between two such draws a link stays as it is, or changes at each packet.

        Args:
            bad: bool (n,), how the last packet of each link found it. Not changed.
            draws: uint64 (packets, n), a keyed word a packet, in the order of sending.

        Returns:
            Which packets are lost, bool (packets, n); how the last one found its link, bool (n,), `bad` if there is
            none.
        """
        if not len(draws):
            return np.zeros(draws.shape, np.bool_), bad.copy()
        found = self._found(bad, draws >> _HALF_BITS)
        below = np.where(found, _bound(1.0 - self.through_bad), _bound(1.0 - self.through_good))
        return (draws & np.uint64(_WORD - 1)) < below, found[-1].copy()

    def _found(self, bad: Mask, draws: Words) -> Mask:
        """Whether each packet finds its link bad; draws of 32 bits."""
        from_good, from_bad = draws < _bound(self.worsen), draws < _bound(1.0 - self.recover)
        settled = from_good == from_bad
        turned = np.cumsum(from_good & ~from_bad, axis=0)
        row = np.arange(1, len(draws) + 1)[:, None]
        last = np.maximum.accumulate(np.where(settled, row, 0), axis=0)
        # Row 0 stands for the beginning.
        states = np.concatenate([bad[None, :], from_good])
        turns = np.concatenate([np.zeros((1, len(bad)), turned.dtype), turned])
        odd = (turned - np.take_along_axis(turns, last, axis=0)) % 2 == 1
        found: NDArray[np.bool_] = np.take_along_axis(states, last, axis=0) ^ odd
        return found


def _bound(probability: float) -> np.uint64:
    """Draws of 32 bits below it: this share of them, to 2**-32."""
    return np.uint64(round(probability * _WORD))
