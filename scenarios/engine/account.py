"""The account of a live run: where every reading is that only both sides together can tell, device by device.

The worker knows what its devices made, hold, and have lost; the core knows what came. What is in neither is put down to
what may have befallen it, and never more to all causes together than is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twinstorm.twin.flow import Int, LossCause, Mask


@dataclass(frozen=True)
class Sides:
    """What both sides know when a run is over. Columns are int64 with one row a device, of readings.

    Attributes:
        produced, buffered: as the worker tells.
        named: lost, for causes that the worker has told.
        accepted: by the core.
        refused: by the core, whose registry lacked their device.
        letters: dead letters of the core that can be read, `refused` included.
        under_way: not acknowledged, or kept by the broker for a core that is away: in flight, unless they came.
        in_doubt: not acknowledged when their device lost its memory: lost, unless they came.
        at_qos0: whose readings nobody acknowledges.
        broker_lost: at most so many went missing in the broker, by cause.
        late: at most so many were taken for repeats, because a fault let newer ones overtake them.
    """

    produced: Int
    buffered: Int
    named: Int
    accepted: Int
    refused: Int
    letters: int
    under_way: Int
    in_doubt: Int
    at_qos0: Mask
    broker_lost: Mapping[LossCause, Int] = field(default_factory=dict)
    late: int = 0


@dataclass(frozen=True)
class Account:
    """Where readings are that the worker could not tell.

    Attributes:
        foreign: accepted, though their device cannot have sent them: somebody else spoke in its name.
        letters: dead letters of twins.
        in_flight: on their way when the run ended.
        lost: by causes that the worker does not know.
        unexplained: nobody can say.
    """

    foreign: int
    letters: int
    in_flight: int
    lost: Mapping[LossCause, int]
    unexplained: int


def settle(sides: Sides) -> Account:
    """Settle the account. If the worker's own columns agree (it holds and has lost no more than it made), it closes:
    produced + foreign = accepted + buffered + named + letters + in flight + lost + unexplained."""
    missing = sides.produced - sides.buffered - sides.named - sides.accepted
    foreign = int(np.minimum(np.maximum(-missing, 0), sides.accepted).sum())
    missing = np.maximum(missing, 0)
    # They came, and stand among the dead letters; of the other letters only the total is known.
    refused = np.minimum(missing, sides.refused)
    missing -= refused
    letters = min(max(sides.letters - int(refused.sum()), 0), int(missing.sum()))
    rest = int(missing.sum()) - letters

    def explained(at_most: Int) -> int:
        nonlocal missing, rest
        of_these = np.minimum(missing, at_most)
        missing = missing - of_these
        count = min(rest, int(of_these.sum()))
        rest -= count
        return count

    in_flight = explained(sides.under_way)
    lost: Counter[LossCause] = Counter()
    lost[LossCause.POWER] = explained(sides.in_doubt)
    lost[LossCause.QOS0] = explained(np.where(sides.at_qos0, missing, 0))
    for cause, at_most in sides.broker_lost.items():
        lost[cause] += explained(at_most)
    lost[LossCause.LATE] = min(rest, sides.late)
    rest -= lost[LossCause.LATE]
    return Account(foreign, letters + int(refused.sum()), in_flight, +lost, rest)
