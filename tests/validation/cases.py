"""All published figures, by subject, in the order of the page."""

from __future__ import annotations

from tests.validation import battery, bearings, charts, clocks, queues, radio, storms, thermal
from tests.validation.case import Case, Subject

SUBJECTS: tuple[Subject, ...] = tuple(
    module.SUBJECT for module in (thermal, bearings, battery, radio, storms, queues, clocks, charts)
)
CASES: tuple[Case, ...] = tuple(case for subject in SUBJECTS for case in subject.cases)
