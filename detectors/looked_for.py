"""Which sign each detector looks for, so that scoring knows which fault may explain its alarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twinstorm.detectors.burn_alarms import SUFFIX
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.detectors.core import Core

BUILT_IN: Final[Mapping[str, Sign]] = {
    "backlog": Sign.QUEUE,
    "chatter": Sign.TRAFFIC,
    "config-drift": Sign.CONFIGURATION,
    "connect-storm": Sign.SESSIONS,
    "dead-letters": Sign.LETTERS,
    "odd-hours": Sign.TRAFFIC,
    "reboot-storm": Sign.REBOOTS,
    "silence": Sign.SILENCE,
    "strange-topics": Sign.TOPICS,
}

OF_SLIS: Final[Mapping[str, Sign]] = {
    "auth_errors": Sign.SESSIONS,
    "backlog": Sign.QUEUE,
    "backlog_drain": Sign.QUEUE,
    "ingress_errors": Sign.LETTERS,
    "reboot_rate": Sign.REBOOTS,
}
"""What an objective with such an indicator burns by; the others may burn by several."""


def signs_of(core: Core, objectives: Mapping[str, str]) -> dict[str, Sign]:
    """Name of an alarm to what it is about; whose is not among them, nobody has said.

    Args:
        objectives: name to SLI.
    """
    burning = {name + SUFFIX: OF_SLIS[sli] for name, sli in objectives.items() if sli in OF_SLIS}
    return {**burning, **BUILT_IN, **{each.name: Sign.VALUES for each in core.on_values}}
