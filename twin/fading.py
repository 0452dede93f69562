"""Links that are good and bad by turns: the chain of Gilbert and Elliott as a property of a link class, in time.

The chain (`twin.radio.BurstLoss`) takes one step every `slot_us`, whether the device sends or is silent. Only
transmissions look at it: one that comes n steps after the last finds the link bad with probability
``share + (before - share) (1 - p - r)^n``, worked out at once however long the silence was. So a repetition that comes
soon meets the same bad spell, and one that comes late does not. State and chance belong to the device alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import Purpose, Words, device_key, keyed, numbered, stream, words
from twinstorm.twin.flow import Int, Mask
from twinstorm.twin.network import Links
from twinstorm.twin.rows import Rows, put

_WORD: Final = 1 << 32
_LOW: Final = np.uint64(_WORD - 1)
_HALF_BITS: Final = np.uint64(32)
_NEAR: Final = 1_024
"""Steps of silence that are looked up in a table."""
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
        self.fades = [chain is not None for chain in chains]
        """Which classes have such a chain."""
        self._lost_good = _of_word(np.array([0.0 if chain is None else 1.0 - chain.through_good for chain in chains]))
        self._lost_bad = _of_word(np.array([1.0 if chain is None else 1.0 - chain.through_bad for chain in chains]))
        self._plain = not self._lost_good.any() and bool((self._lost_bad == _WORD).all())
        """Nothing gets through a bad link, and everything through a good one."""
        keeps = [0.0 if chain is None else 1.0 - chain.worsen - chain.recover for chain in chains]
        self._powers = np.array([_squares(each) for each in keeps]).T
        steps = np.tile(np.arange(-1, _NEAR), 2)
        was = np.repeat(np.array([False, True]), _NEAR + 1)
        of_class = [self._bad_after(np.full(len(steps), each, np.uint8), was, steps) for each in range(len(chains))]
        self._near: Words = np.array([_of_word(each) for each in of_class])
        """Of each class: how likely it is bad so many steps, from -1 on, after it was good, and after it was bad."""
        self._streams: dict[tuple[str, int], int] = {}
        self._halves: dict[tuple[str, int], Words] = {}

    def __getstate__(self) -> dict[str, Any]:
        # A snapshot need not carry what can be worked out again.
        return self.__dict__ | {"_halves": {}}

    def _draws(self, what: str, device: Rows, number: Int, nth: int) -> Words:
        half = self._halves.get((what, nth))
        if half is not None:
            return numbered(half[device], number)
        known = self._streams.get((what, nth))
        if known is None:
            known = stream(self._seed, Purpose.FADING << 64 | device_key(f"{what}/{nth}"))
            self._streams[what, nth] = known
        if isinstance(device, slice):
            # Every reading asks for this one: what hangs on the device alone is worked out once.
            self._halves[what, nth] = half = keyed(known, self._key)
            return numbered(half[device], number)
        return words(known, self._key[device], number)

    def _bad_after(self, code: NDArray[np.uint8], bad: Mask, steps: Int) -> NDArray[np.float64]:
        """Probability that a link that was so is bad after so many steps; negative: nobody knows how it was."""
        left = np.ones(len(steps))
        for bit in range(int(steps.max(initial=0)).bit_length()):
            left = np.where((steps >> bit) & 1 == 1, left * self._powers[bit][code], left)
        share = self._bad_share[code]
        probability: NDArray[np.float64] = np.where(steps < 0, share, share + (bad - share) * left)
        return probability

    def transmit(
        self,
        what: str,
        device: Rows,
        number: Int,
        nth: int,
        at_us: Int,
        link: int | None = None,
        only: Mask | None = None,
    ) -> Mask:
        """Whether the nth transmission of a message of each of these distinct devices is lost. Moves their links.

        Args:
            number: of the message; chance hangs on it.
            at_us: when each is sent, no earlier than the one before.
            link: code of the link class of all of them; None: they may differ.
            only: of a slice, who transmits at all; None: all.
        """
        code = self._code[device] if link is None else link
        slot = at_us // self._slot_us[code]
        before, bad = self.slot[device], self.bad[device]
        steps = np.maximum(slot - before, 0)
        unknown = before < 0
        if np.count_nonzero(unknown):
            steps[unknown] = -1
        bad, lost = self._drawn(code, self._chance(code, bad, steps), self._draws(what, device, number, nth))
        put(self.bad, device, bad, only)
        put(self.slot, device, slot, only)
        return lost if only is None else lost & only

    def _chance(self, code: NDArray[np.uint8] | int, bad: Mask, steps: Int) -> Words:
        """As `_bad_after`, as 32 bits and one more of them: from a table, unless it was silent for long."""
        far = np.flatnonzero(steps >= _NEAR)
        place = np.minimum(steps, _NEAR - 1)
        place += bad * (_NEAR + 1)
        place += 1 if isinstance(code, int) else code * np.int64(2 * (_NEAR + 1)) + 1
        chance: Words = (self._near[code] if isinstance(code, int) else self._near.reshape(-1)).take(place)
        if len(far):
            some = np.full(len(far), code) if isinstance(code, int) else code[far]
            chance[far] = _of_word(self._bad_after(some, bad[far], steps[far]))
        return chance

    def connect_retries(self, device: Int, number: Int, first_us: Int, most: int, longest_us: int) -> Int:
        """How often a CONNECT has to be sent again. It comes so long after the message before that the link may be in
        any state; changes nothing."""
        code = self._code[device]
        retries = np.zeros(len(device), np.int64)
        probability = self._bad_share[code]
        waits = np.ones(len(device), np.bool_)
        for nth in range(most):
            bad, lost = self._drawn(code, _of_word(probability), self._draws("connect", device, number, nth))
            waits &= lost
            if not waits.any():
                break
            retries += waits
            steps = np.minimum(first_us << nth, longest_us) // self._slot_us[code]
            probability = self._bad_after(code, bad, steps)
        return retries

    def _drawn(self, code: NDArray[np.uint8] | int, chance: Words, draws: Words) -> tuple[Mask, Mask]:
        bad: Mask = (draws >> _HALF_BITS) < chance
        if self._plain:
            return bad, bad
        lost: Mask = (draws & _LOW) < np.where(bad, self._lost_bad[code], self._lost_good[code])
        return bad, lost


def _of_word(probability: NDArray[np.float64]) -> Words:
    """A probability as what 32 bits have to lie below."""
    return np.rint(probability * _WORD).astype(np.uint64)


def _squares(value: float) -> list[float]:
    """The value to the power of 1, 2, 4, 8 ..., by squaring: the same bits everywhere."""
    found = [value]
    for _ in range(_DOUBLINGS):
        found.append(found[-1] * found[-1])
    return found
