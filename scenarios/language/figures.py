"""Figures that a scenario names and its expressions ask for: ``window(bearing-heat, least)``.

To whoever looks names up, such a figure is a name like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from twinstorm.scenarios.language import values

KEYS: Final[Mapping[str, str]] = {
    "window": "windows",
    "correlation": "correlations",
    "difference": "joins",
    "pairs": "joins",
    "routed": "routes",
}
"""Functions whose argument is a name that the scenario has under this key."""

MOST, LEAST = "most", "least"
"""Which of several keys is told."""

ARGUMENTS: Final = re.compile(rf"\s*\(\s*({values.NAME})\s*(?:,\s*({MOST}|{LEAST})\s*)?\)")
"""What stands behind the function."""

_TOLD = re.compile(rf"([a-z]+)\(({values.NAME})(?:, ({LEAST}))?\)")


class Asked(NamedTuple):
    """What `function(of)` or `function(of, least)` asks for."""

    function: str
    of: str
    least: bool = False

    @property
    def name(self) -> str:
        """As expressions look it up."""
        return f"{self.function}({self.of}{f', {LEAST}' if self.least else ''})"


def asked(name: str) -> Asked | None:
    """What a name asks for; None if it is that of no figure."""
    found = _TOLD.fullmatch(name)
    return None if found is None else Asked(found[1], found[2], found[3] is not None)
