"""How the devices of a fault come back: seconds and counts, by the truth, for verdicts and labels alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinstorm.twin.flow import SECOND_US

STAY_US = 60 * SECOND_US
"""Recovered means back and staying back for this long."""


@dataclass
class Recovery:
    """Devices of one fault that are online, at each pane since the fault's end.

    Attributes:
        devices: of the fault.
        away: some of them were away at some pane since the fault began; else there is nothing to recover from.
        online: pane instant and count, ascending.
    """

    devices: int
    away: bool = False
    online: list[tuple[int, int]] = field(default_factory=list)

    def see(self, now_us: int, online: int) -> None:
        self.online.append((now_us, online))

    def share_now(self) -> float:
        return self.online[-1][1] / self.devices if self.online else 0.0

    def reached_us(self, share: float, end_us: int) -> int | None:
        """First instant from which this share was online and stayed so for 60 s; None: not seen (yet)."""
        since = None
        for at_us, online in self.online:
            if online < share * self.devices:
                since = None
                continue
            since = at_us if since is None else since
            if at_us - since >= STAY_US:
                return since
        return None if since is None or end_us - since < STAY_US else since

    def too_late(self, share: float, limit_us: int, end_us: int) -> bool:
        """It is certain that the share did not come back by `limit_us`."""
        if end_us <= limit_us:
            return False
        since = None
        for at_us, online in self.online:
            since = None if online < share * self.devices else (since if since is not None else at_us)
        # Back before the limit but not yet for 60 s when the run ended: nobody knows.
        return since is None or since > limit_us
