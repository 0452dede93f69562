"""Classes of terminal sizes, decided in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SMALLEST = (60, 16)
"""Columns and rows below which there is a notice instead of a screen."""


@dataclass(frozen=True)
class SizeClass:
    """A terminal's size in the words of the layout."""

    wide: Literal["narrow", "normal", "wide"]
    tall: Literal["short", "mid", "tall"]
    too_small: bool

    @classmethod
    def of(cls, columns: int, rows: int) -> SizeClass:
        return cls(
            "narrow" if columns < 100 else "normal" if columns < 160 else "wide",
            "short" if rows < 30 else "mid" if rows < 50 else "tall",
            columns < SMALLEST[0] or rows < SMALLEST[1],
        )

    @property
    def classes(self) -> dict[str, bool]:
        """Style classes of a screen of this size."""
        every = ("narrow", "normal", "wide", "short", "mid", "tall")
        return {f"-{name}": name in (self.wide, self.tall) for name in every} | {"-too-small": self.too_small}


def fault_row_count(size: SizeClass) -> int:
    """Rows that faults may take: one each for the first three where there is plenty."""
    return 3 if size.wide == "wide" and size.tall == "tall" else 1
