"""``docs/validation.md``: published figures beside ours. Run as a module, this writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.validation.case import Case, Subject, figure
from tests.validation.cases import SUBJECTS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "validation.md"

_HEAD: Final = (
    "# Checks against the outside\n\n"
    "Figures that others published, beside what the models here give. Each line is a test in `tests/validation`; a"
    " figure outside its tolerance fails the build, and so does this page when it is not up to date. `make validation`"
    " writes it.\n\n"
    "A tolerance is what the published figure was rounded to or, where chance has a say, at least three times the"
    " scatter that is left after so many draws, theirs and ours. Every simulation is keyed, so the figures are the same"
    " on every machine.\n\n"
    "What nobody measured stands apart, in the last section: there ours is held against what we assumed ourselves,"
    " which proves the sampler and not the assumption.\n"
)


def page() -> str:
    """The page as it should be.

    Raises:
        ValueError: if a figure is outside its tolerance: nothing false is written.
    """
    return "\n".join([_HEAD, *(_section(subject) for subject in SUBJECTS)])


def _section(subject: Subject) -> str:
    lines = [
        f"## {subject.title}",
        "",
        f"Ours: {subject.models}.",
        "",
        *([subject.note, ""] if subject.note else []),
        f"| case | source | {subject.told} | ours | tolerance |",
        "|---|---|--:|--:|--:|",
    ]
    return "\n".join([*lines, *map(_line, subject.cases), ""])


def _line(case: Case) -> str:
    value = figure(case)
    if not case.holds(value):
        raise ValueError(f"{case.name}: {case.told(value)} is not {case.told_published} within {case.told_tolerance}")
    cells = (case.name, case.source, case.told_published, case.told(value), case.told_tolerance)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
