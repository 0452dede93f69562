"""When the certificates of devices end, as whoever issued them has noted. Nobody is refused by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinstorm.twin.chance import Purpose, below, device_key, stream, words
from twinstorm.twin.fleet import NO_BATCH, Fleet
from twinstorm.twin.flow import NEVER_US, SECOND_US, Int, Registry


def dated(registry: Registry, fleet: Fleet, seed: int) -> Registry:
    """The registry of this fleet with the dates of its certificates, if its plan says any."""
    return replace(registry, certificate_expires_us=_expires_us(fleet, seed))


def _expires_us(fleet: Fleet, seed: int) -> Int | None:
    """int64 (n,), `NEVER_US` where the plan says nothing; None: it says nothing of anybody.

    Certificates of a batch were issued together, and end together.
    """
    segments = fleet.plan.segments
    if all(each.certificate_expires_us is None for each in segments):
        return None
    expires_us = np.full(len(fleet), NEVER_US, np.int64)
    key = stream(seed, Purpose.CERTIFICATE)
    for number, segment in enumerate(segments):
        if segment.certificate_expires_us is None:
            continue
        mine = np.flatnonzero(fleet.segment == number)
        drawn_for = fleet.key[mine]
        if segment.certificate_batch != NO_BATCH:
            drawn_for = np.full(len(mine), device_key(segment.certificate_batch), np.uint64)
        first_us, last_us = segment.certificate_expires_us
        # X.509 knows whole seconds.
        seconds = below(words(key, drawn_for, 0), (last_us - first_us) // SECOND_US + 1)
        expires_us[mine] = first_us + seconds * SECOND_US
    return expires_us
