"""Colour for lines of text on a terminal."""

from __future__ import annotations

STYLES = {"bold": "1", "dim": "2", "bad": "1;31", "warn": "33", "good": "36"}
"""Names for what is meant; sixteen colours, so that the terminal's own palette decides. A sign always stands beside."""


def paint(text: str, style: str, color: bool) -> str:
    """Text in a style of `STYLES`, if there is colour."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if color and text else text
