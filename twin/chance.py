"""Keyed, stateless chance: a draw is a function of (run seed, purpose, device key, draw number) and of nothing else.

No generator state exists, so a draw does not depend on order, on other devices, on block size or on who watches. The
mix is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014),
two rounds. Only integer arithmetic: the same on every CPU.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_STRIDE = 0xD1342543DE82EF95
_MUL_1 = 0xBF58476D1CE4E5B9
_MUL_2 = 0x94D049BB133111EB
_MASK = (1 << 64) - 1

_U = np.uint64


class Purpose(IntEnum):
    """What a draw is for. Numbers are part of every digest: add at the end, never renumber."""

    UPLINK = 1
    DOWNLINK = 2
    BACKOFF = 3
    BOOT = 4
    RESET = 5
    DETECT = 6
    MACHINE = 7
    """Parameters of a machine, drawn once."""
    NOISE = 8
    READING_LINK = 9
    SELECT = 10
    """Which devices `share=` and `first=` take."""
    RANGE = 11
    """A range in a step, drawn once a run."""
    PORT = 12
    """Test ports and credentials never use this; it is reserved."""
    SITE = 13
    """What all machines of a site share, drawn once."""
    SENSOR = 14
    """What a faulty sensor tells."""
    RESET_AGAIN = 15
    """How long a device is up until it resets, in a crash loop and the like."""
    MARGIN = 16
    """How far the supply of a device may sag before it resets."""
    SETTING = 17
    """A parameter of a machine for which the scenario gives a range."""
    CLOCK = 18
    """How fast a clock is, when it is synchronised, and how far off that leaves it."""
    PAYLOAD = 19
    """Which messages faults change, and how."""
    TRUNK = 20
    """Latency of what a gateway forwards."""
    CHARGE = 21
    """What is in a battery at the start."""
    BURST = 22
    """How hard a transmission pulls on a supply that is nearly empty."""
    UPKEEP = 23
    """How long a machine runs until it breaks down by chance, and how long a repair by chance takes."""
    CREW = 24
    """How long a crew's way and its work take within their range; when a planned renewal is due first."""
    PROXY = 25
    """What a fault proxy does to what passes through it."""
    FADING = 26
    """When the link of a device is bad, and what is lost on it."""
    MESH = 27
    """Where a device of a mesh stands, whether it passes on what others send, and when it looks for another way."""
    CERTIFICATE = 28
    """When certificates expire, within their range."""


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * _MUL_1) & _MASK
    z = ((z ^ (z >> 27)) * _MUL_2) & _MASK
    return z ^ (z >> 31)


def device_key(name: str) -> int:
    """64-bit key of a device: a hash of its name, never its index, so that adding a device moves no other's chance."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def stream(seed: int, purpose: int) -> int:
    """Key of one stream: all draws of one purpose in one run."""
    return _mix((_mix((seed * _GOLDEN) & _MASK) + purpose * _GOLDEN) & _MASK)


def word(stream_key: int, key: int, number: int) -> int:
    """One draw as a 64-bit integer; the scalar twin of `words`.

    Example:
        >>> int(words(7, np.array([3], np.uint64), 5)[0]) == word(7, 3, 5)
        True
    """
    inner = _mix((key * _GOLDEN + stream_key) & _MASK)
    return _mix((inner + number * _STRIDE) & _MASK)


def words(stream_key: int, keys: Words, number: NDArray[np.integer] | int) -> Words:
    """Draws for many devices: uint64, shape of `keys`.

    Args:
        keys: uint64 device keys.
        number: draw number of each device (integers >= 0), or one for all.
    """
    z = keyed(stream_key, keys)
    return numbered(z, number, out=z)


def keyed(stream_key: int, keys: Words) -> Words:
    """The half of `words` that hangs on stream and device alone: uint64, shape of `keys`, for `numbered`."""
    z = keys * _U(_GOLDEN)
    z += _U(stream_key)
    _mix_in_place(z)
    return z


def numbered(half: Words, number: NDArray[np.integer] | int, out: Words | None = None) -> Words:
    """The other half: the draws of these numbers.

    Args:
        half: of `keyed`, uint64 (..., n); it stays as it is unless it is `out`.
        number: see `words`, integers (n,) or one for all.
    """
    if isinstance(number, int):
        z = np.add(half, _U((number * _STRIDE) & _MASK), out=out)
    else:
        step = number.astype(np.uint64)
        step *= _U(_STRIDE)
        z = np.add(half, step, out=out)
    _mix_in_place(z)
    return z


def _mix_in_place(z: Words) -> None:
    z ^= z >> _U(30)
    z *= _U(_MUL_1)
    z ^= z >> _U(27)
    z *= _U(_MUL_2)
    z ^= z >> _U(31)


def below(draws: Words, limit: NDArray[np.integer] | int) -> NDArray[np.int64]:
    """Uniform integers in [0, limit): int64, shape of `draws`.

    Args:
        limit: 0 <= limit < 2**32, one for all or one a draw; 0 gives 0.
    """
    bound = _U(limit) if isinstance(limit, int) else limit.astype(np.uint64)
    scaled = (draws >> _U(32)) * bound
    scaled >>= _U(32)
    return scaled.view(np.int64)


def below_one(draw: int, limit: int) -> int:
    """The scalar twin of `below`."""
    return (draw >> 32) * limit >> 32
