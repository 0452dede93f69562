"""What shows of a fault to whoever looks from outside: a fault says which signs it may leave, a detector which one it
looks for.

Only scoring compares the two, after a run. This module imports no NumPy, because the catalogue of faults does not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Sign(StrEnum):
    """A sort of evidence."""

    SILENCE = "silence"
    """Devices that nothing comes from."""
    SESSIONS = "sessions"
    """Connects, refused or too many."""
    REBOOTS = "reboots"
    TRAFFIC = "traffic"
    """More messages than there should be, or at other times."""
    LETTERS = "letters"
    """Messages that nobody can read or believe."""
    TOPICS = "topics"
    """Messages on topics of nobody, or in the name of others."""
    QUEUE = "queue"
    """Messages that wait for the core, or in it."""
    CONFIGURATION = "configuration"
    """What devices say of how they are set up."""
    VALUES = "values"
    """What sensors tell."""


OF_NOBODY: Final = frozenset({Sign.LETTERS, Sign.TOPICS, Sign.QUEUE})
"""Signs that tell nothing of who is concerned: an alarm about one is an alarm about the fleet."""

OF_REGISTRY: Final = frozenset({"expiring-certificates"})
"""Alarms that tell what the registry says: no fault causes them, and no score counts them."""

OF_ABSENCE: Final = frozenset({Sign.SILENCE, Sign.SESSIONS, Sign.QUEUE})
"""What shows when devices cannot be reached: they are silent, come back all at once, and bring what they kept."""
