"""All published figures, by subject, in the order of the page."""

from __future__ import annotations

from tests.validation import (
    arithmetic,
    battery,
    bearings,
    burn,
    charts,
    clocks,
    machinery,
    queues,
    radio,
    storms,
    surroundings,
    thermal,
    updates,
)
from tests.validation.case import Case, Subject

_OF = (
    thermal,
    bearings,
    machinery,
    battery,
    radio,
    storms,
    queues,
    clocks,
    updates,
    charts,
    burn,
    surroundings,
    arithmetic,
)
SUBJECTS: tuple[Subject, ...] = (*(module.SUBJECT for module in _OF), radio.ASSUMED)
CASES: tuple[Case, ...] = tuple(case for subject in SUBJECTS for case in subject.cases)
