"""From a score to an alarm: when a detector's scores are a decision that somebody should know about.

Scoring a device and raising an alarm are two decisions. A detector says how far each device is from normal; its policy
says how many such devices, sharing what, for how long, are an alarm, and when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twinstorm.twin.flow import SECOND_US, Severity


@dataclass(frozen=True)
class Policy:
    """Threshold, hysteresis, persistence and quiet period of one detector.

    Attributes:
        share: an alarm names a group (a site, a segment, ...) when at least this share of the group's devices that can
            be judged is affected, 0..1.
        fleet_share: the same for the fleet as a whole; lower, because nothing excuses a part of everything.
        devices: at least this many affected devices make a group. In a fleet of fewer than twice as many it is half of
            the fleet.
        threshold: a device is affected from this score on.
        clear_threshold: while an alarm is open, a device stays affected down to this score.
        clear_share: an open alarm is over when fewer than this share of its group is affected, and no device for
            which there is no such group.
        hold_us: a condition must last this long before it is an alarm.
        clear_us: it must be absent this long before the alarm is resolved.
        quiet_us: after that, the same group raises no alarm of this detector for so long.
        severity: of an alarm about a group.
        cascades: it is a page after all if its devices hang on more than one gateway (or stand at more than one site,
            where they have none): then it is no single thing that broke.
        learns: what is raised when somebody calls an alarm wrong: ``score``, the threshold; ``share``, that of a group.
        single: the score is that of the fleet, so that an open alarm, whatever group it names, covers every device.
        nameless: nobody knows whose it is: its alarms have no devices, so that they explain nothing that befalls one.
        lone_threshold: devices outside every group make one ticket together once they score this much; None: never.
        apart: each of its alarms is an incident of its own, which explains nothing that befalls its devices and is
            explained by nothing.
        names_first: label that is named before all others, the fleet too, where it explains as well.
        shadow: what it finds is kept as a finding and is no alarm.
    """

    share: float
    fleet_share: float
    devices: int = 5
    threshold: float = 1.0
    clear_threshold: float = 1.0
    clear_share: float = 0.05
    hold_us: int = 3 * SECOND_US
    clear_us: int = 60 * SECOND_US
    quiet_us: int = 60 * SECOND_US
    severity: Severity = Severity.TICKET
    cascades: bool = False
    single: bool = False
    nameless: bool = False
    lone_threshold: float | None = None
    apart: bool = False
    names_first: str = ""
    shadow: bool = False
    learns: Literal["score", "share"] = "score"

    def fewest(self, fleet: int) -> int:
        """Affected devices that make a group in a fleet of this size."""
        return max(1, min(self.devices, (fleet + 1) // 2))
