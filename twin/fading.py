"""Links that are good and bad by turns: the chain of Gilbert and Elliott as a property of a link class, in time.

The chain (`twin.radio.BurstLoss`) takes one step every `slot_us`, whether the device sends or is silent. Only
transmissions look at it: one that comes n steps after the last finds the link bad with probability
``share + (before - share) (1 - p - r)^n``, worked out at once however long the silence was. So a repetition that comes
soon meets the same bad spell, and one that comes late does not. State and chance belong to the device alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, Words, device_key, stream, words
from twinstorm.twin.flow import Int, Mask
from twinstorm.twin.network import Links

_WORD: Final = 1 << 32
_LOW: Final = np.uint64(_WORD - 1)
_HALF_BITS: Final = np.uint64(32)
_DOUBLINGS: Final = 62
"""Powers of two that make up any number of steps."""


class Fading:
    """The links of one fleet that have such a class.

    Args:
        device: bool, which devices.

    Attributes:
        bad: bool, one a device: how its last transmission found the link.
        slot: int64, one a device: the step of the chain at which that was; -1: it has sent nothing yet.
    """

    def __init__(self, seed: int, links: Links, code: NDArray[np.uint8], key: Words, device: Mask) -> None:
        self._seed, self._code, self._key = seed, code, key
        self.device = device
        self.bad: Mask = np.zeros(len(device), np.bool_)
        self.slot: Int = np.full(len(device), -1, np.int64)
        chains = [link.bursts for link in links.classes]
        self._slot_us = np.array([max(link.slot_us, 1) for link in links.classes], np.int64)
        self._bad_share = np.array([0.0 if chain is None else chain.bad_share for chain in chains])
        self._lost_good = np.array([0.0 if chain is None else 1.0 - chain.through_good for chain in chains])
        self._lost_bad = np.array([0.0 if chain is None else 1.0 - chain.through_bad for chain in chains])
        keeps = [0.0 if chain is None else 1.0 - chain.worsen - chain.recover for chain in chains]
        self._powers = np.array([_squares(each) for each in keeps]).T
        self._streams: dict[tuple[str, int], int] = {}

    def _draws(self, what: str, device: Int, number: Int, nth: int) -> Words:
        known = self._streams.get((what, nth))
        if known is None:
            known = stream(self._seed, Purpose.FADING << 64 | device_key(f"{what}/{nth}"))
            self._streams[what, nth] = known
        return words(known, self._key[device], number)

    def _bad_after(self, code: NDArray[np.uint8], bad: Mask, steps: Int) -> NDArray[np.float64]:
        """Probability that a link that was so is bad after so many steps; negative: nobody knows how it was."""
        left = np.ones(len(steps))
        for bit in range(int(steps.max(initial=0)).bit_length()):
            left = np.where((steps >> bit) & 1 == 1, left * self._powers[bit][code], left)
        share = self._bad_share[code]
        probability: NDArray[np.float64] = np.where(steps < 0, share, share + (bad - share) * left)
        return probability

    def transmit(self, what: str, device: Int, number: Int, nth: int, at_us: Int) -> Mask:
        """Whether the nth transmission of a message of each of these distinct devices is lost. Moves their links.

        Args:
            number: of the message; chance hangs on it.
            at_us: when each is sent, no earlier than the one before.
        """
        code = self._code[device]
        slot = at_us // self._slot_us[code]
        steps = np.where(self.slot[device] < 0, -1, np.maximum(slot - self.slot[device], 0))
        draws = self._draws(what, device, number, nth)
        bad, lost = self._drawn(code, self._bad_after(code, self.bad[device], steps), draws)
        self.bad[device], self.slot[device] = bad, slot
        return lost

    def connect_retries(self, device: Int, number: Int, first_us: Int, most: int, longest_us: int) -> Int:
        """How often a CONNECT has to be sent again. It comes so long after the message before that the link may be in
        any state; changes nothing."""
        code = self._code[device]
        retries = np.zeros(len(device), np.int64)
        probability = self._bad_share[code]
        waits = np.ones(len(device), np.bool_)
        for nth in range(most):
            bad, lost = self._drawn(code, probability, self._draws("connect", device, number, nth))
            waits &= lost
            if not waits.any():
                break
            retries += waits
            steps = np.minimum(first_us << nth, longest_us) // self._slot_us[code]
            probability = self._bad_after(code, bad, steps)
        return retries

    def _drawn(self, code: NDArray[np.uint8], bad_with: NDArray[np.float64], draws: Words) -> tuple[Mask, Mask]:
        bad: Mask = (draws >> _HALF_BITS) < np.rint(bad_with * _WORD).astype(np.uint64)
        below = np.where(bad, self._lost_bad[code], self._lost_good[code])
        lost: Mask = (draws & _LOW) < np.rint(below * _WORD).astype(np.uint64)
        return bad, lost


def _squares(value: float) -> list[float]:
    """The value to the power of 1, 2, 4, 8 ..., by squaring: the same bits everywhere."""
    found = [value]
    for _ in range(_DOUBLINGS):
        found.append(found[-1] * found[-1])
    return found
