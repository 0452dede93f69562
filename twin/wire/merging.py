"""Fewer deliveries for the core: a call costs more than the few readings of a device that came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twinstorm.twin.flow import Delivery, Readings

_COLUMNS = ("device", "boot", "seq", "device_time_us", "sent_us", "values")


def merged(deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """The same readings, those of each kind in the same order: sparse ones that follow one another become one delivery.

    Devices of different kinds are different devices, so that nothing hangs on the order between kinds.
    """
    runs: list[list[Delivery]] = []
    last: dict[str, list[Delivery]] = {}
    for each in deliveries:
        readings = each.readings
        run = None if readings is None else last.get(readings.kind)
        if readings is not None and run is not None and _alike(readings, run[0].readings):
            run.append(each)
            continue
        runs.append([each])
        if readings is not None:
            last[readings.kind] = runs[-1]
    return tuple(run[0] if len(run) == 1 else _joined(run) for run in runs)


def _alike(one: Readings, other: Readings | None) -> bool:
    if other is None or (one.admitted_us is None) != (other.admitted_us is None):
        return False
    if one.duplicate != other.duplicate or one.values.shape[1] != other.values.shape[1]:
        return False
    return all(part.dense_from < 0 and part.present is None and not part.wire for part in (one, other))


def _joined(run: Sequence[Delivery]) -> Delivery:
    parts = [each.readings for each in run if each.readings is not None]
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    if parts[0].admitted_us is not None:
        columns["admitted_us"] = np.concatenate([part.admitted_us for part in parts if part.admitted_us is not None])
    return Delivery(
        replace(parts[0], **columns, together=None),
        np.concatenate([each.arrived_us for each in run]),
        max(each.last_us for each in run),
        tuple(message for each in run for message in each.malformed),
    )


def parted(deliveries: Iterable[Delivery], at_us: int) -> tuple[tuple[Delivery, ...], tuple[Delivery, ...]]:
    """What of these arrived up to and including this instant, and the rest."""
    here: list[Delivery] = []
    rest: list[Delivery] = []
    for each in deliveries:
        if each.last_us <= at_us:
            here.append(each)
            continue
        for part, early in ((here, True), (rest, False)):
            for message in each.malformed:
                if (message.arrived_us <= at_us) == early:
                    part.append(Delivery(None, np.empty(0, np.int64), message.arrived_us, (message,)))
        if each.readings is None:
            continue
        counts = each.arrived_us <= at_us
        for part, rows in ((here, counts), (rest, ~counts)):
            chosen = np.flatnonzero(rows if each.readings.present is None else rows & each.readings.present)
            if len(chosen):
                arrived_us = each.arrived_us[chosen]
                part.append(Delivery(each.readings.taken(chosen), arrived_us, int(arrived_us.max())))
    return tuple(here), tuple(rest)
