"""Alarms against the truth, after the fact. Nothing that detects may read labels: only this module does.

An alarm is caused by a fault if it was raised during the fault or its aftermath and the two share devices: at least
half of the smaller side. A label without devices (a fault of the broker) concerns everybody, and an alarm without
devices (about what all of them use) may be about any.

Of several faults it is the one of which such a sign shows (`twin.signs`), so that dead letters are not put down to a
power cut. An alarm about a sign of nobody in particular is about the fleet, shares devices with every fault, and has a
cause only if some fault explains it. A fault or a detector that says nothing of signs fits all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinstorm.detectors.grouping import LONE
from twinstorm.twin.flow import Alarm, Severity, TruthLabel
from twinstorm.twin.signs import OF_NOBODY, Sign


def attribute(alarm: Alarm, labels: Sequence[TruthLabel], sign: Sign | None = None) -> TruthLabel | None:
    """The fault that caused an alarm; None: it has no cause.

    Of several, the one that explains what the alarm is about, then the one that shares the larger part of the alarm's
    devices, then the one whose evidence began last.

    Args:
        sign: what the alarm is about; None: nobody has said.
    """
    best: TruthLabel | None = None
    most = (0, 0, 0)
    for label in labels:
        if not label.from_us <= alarm.at_us <= label.aftermath_to_us:
            continue
        explains = _explains(label, sign)
        of_nobody = sign in OF_NOBODY
        if of_nobody and not explains:
            continue
        if of_nobody or not len(label.device) or not len(alarm.device):
            # Whoever is concerned says nothing of the cause, nor does how many they are.
            common = smaller = 1 if of_nobody else max(len(alarm.device), 1)
        else:
            common, smaller = _common(alarm, label), min(len(alarm.device), len(label.device))
        if not common or 2 * common < smaller:
            continue
        fits = (explains, common, label.from_us if label.evident_us is None else label.evident_us)
        if best is None or fits > most:
            best, most = label, fits
    return best


def _explains(label: TruthLabel, sign: Sign | None) -> int:
    """2: the fault leaves such a sign, 1: it may, for nobody has said, 0: it does not."""
    if sign is None or label.signs is None:
        return 1
    return 2 if sign in label.signs else 0


RIGHT = 0.8
"""The group of an alarm is that of the fault if they share this much of all their devices."""


def names_the_cause(alarm: Alarm, label: TruthLabel, fleet: int) -> bool | None:
    """Whether the group that an alarm names is the devices that the fault struck: common devices over all of both. A
    fault without devices strikes the fleet.

    Args:
        fleet: number of devices.

    Returns:
        None: its group was set by whoever asked, that of an objective say, and is no finding.
    """
    if alarm.members is None:
        return False if alarm.group == LONE else None
    struck = np.ones(fleet, np.bool_)
    if len(label.device):
        struck[:] = False
        struck[label.device] = True
    both, either = (int(np.count_nonzero(how(alarm.members, struck))) for how in (np.logical_and, np.logical_or))
    return both >= RIGHT * either


def _common(alarm: Alarm, label: TruthLabel) -> int:
    return len(np.intersect1d(alarm.device, label.device, assume_unique=True))


@dataclass(frozen=True, slots=True)
class Found:
    """What the alarms made of one fault.

    Attributes:
        alarms: names of the alarms that it caused, in order of raising.
        delay_us: from its start to the first of them; None: it was missed.
        pages: of those alarms.
    """

    step: str
    fault: str
    alarms: tuple[str, ...]
    delay_us: int | None
    pages: int


@dataclass(frozen=True, slots=True)
class Score:
    """Alarms of a run against its faults.

    Attributes:
        precision: share of the alarms that have a cause; None without alarms.
        recall: share of the faults that raised an alarm; None without faults.
        pages_per_fault: pages with a cause over faults that were found; None if none was.
        false_alarms, false_pages: those without a cause.
    """

    faults: tuple[Found, ...]
    precision: float | None
    recall: float | None
    pages_per_fault: float | None
    false_alarms: int
    false_pages: int


def score(alarms: Sequence[Alarm], labels: Sequence[TruthLabel], since_us: int = 0) -> Score:
    """Delay, precision and recall of all alarms together.

    Args:
        since_us: alarms before it do not count (the warm-up).
    """
    counted = [alarm for alarm in alarms if alarm.at_us >= since_us]
    causes = [attribute(alarm, labels) for alarm in counted]
    faults = tuple(
        _found(label, [alarm for alarm, cause in zip(counted, causes, strict=True) if cause is label])
        for label in labels
    )
    false = [alarm for alarm, cause in zip(counted, causes, strict=True) if cause is None]
    hit = [fault for fault in faults if fault.delay_us is not None]
    return Score(
        faults=faults,
        precision=1 - len(false) / len(counted) if counted else None,
        recall=len(hit) / len(faults) if faults else None,
        pages_per_fault=sum(fault.pages for fault in hit) / len(hit) if hit else None,
        false_alarms=len(false),
        false_pages=sum(alarm.severity == Severity.PAGE for alarm in false),
    )


def _found(label: TruthLabel, alarms: Sequence[Alarm]) -> Found:
    return Found(
        step=label.step,
        fault=label.fault,
        alarms=tuple(alarm.name for alarm in alarms),
        delay_us=min((alarm.at_us for alarm in alarms), default=label.from_us) - label.from_us if alarms else None,
        pages=sum(alarm.severity == Severity.PAGE for alarm in alarms),
    )
