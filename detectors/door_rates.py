"""What the counters of the broker and of the door say of each second."""

from __future__ import annotations

from twinstorm.detectors.panes import Rates
from twinstorm.twin.flow import BrokerCounters


class DoorRates:
    """
    Attributes:
        attempts, refused: CONNECTs a second. letters, astray: refused readings and messages, and those among them on
            strange topics, likewise.
    """

    def __init__(self) -> None:
        self.attempts, self.refused, self.letters, self.astray = (Rates() for _ in range(4))
        self._broker: BrokerCounters | None = None
        self._letters = self._astray = 0

    def add(self, broker: BrokerCounters, letters: int, astray: int, seconds: int) -> tuple[int, int]:
        """So many seconds are over. Returns attempts and refused since the last ones, by the broker's counters: the
        first ones only set the mark, for the fleet may have connected before them.

        A counter that fell belongs to a broker that began anew.
        """
        before = self._broker or broker
        attempts = broker.attempts - before.attempts if broker.attempts >= before.attempts else broker.attempts
        refused = broker.refused - before.refused if broker.refused >= before.refused else broker.refused
        self._broker = broker
        self.attempts.add(attempts, seconds)
        self.refused.add(refused, seconds)
        self.letters.add(letters - self._letters, seconds)
        self.astray.add(astray - self._astray, seconds)
        self._letters, self._astray = letters, astray
        return attempts, refused

    def is_unchanged(self, broker: BrokerCounters) -> bool:
        """Of what panes tell of the broker nothing is different from the pane before."""
        before = self._broker
        return (
            before is not None
            and broker.attempts == before.attempts
            and broker.refused == before.refused
            and broker.queue == before.queue
            and broker.up == before.up
        )
