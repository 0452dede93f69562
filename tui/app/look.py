"""How the application looks on this terminal: colours and signs. Decided at the start, changed from the palette."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from textual.theme import Theme

Colours = Literal["dark", "light", "16", "none"]


@dataclass(frozen=True)
class Look:
    """Attributes:
    colours: ``dark`` and ``light`` need 256 colours or more; ``16`` uses the terminal's own; ``none`` uses none.
    ascii: draw with ASCII only.
    """

    colours: Colours = "dark"
    ascii: bool = False

    @classmethod
    def detect(cls, environ: Mapping[str, str], *, ascii_only: bool = False, colour: str = "auto") -> Look:
        """What suits the terminal behind `environ`.

        Args:
            environ: environment variables; NO_COLOR, FORCE_COLOR, COLORTERM, TERM and the locale are read.
            ascii_only: ``--ascii`` was given.
            colour: ``auto``, ``always`` or ``never``.
        """
        return cls(_colours(environ, colour), ascii_only or _draws_signs_wide(environ))


def _colours(environ: Mapping[str, str], colour: str) -> Colours:
    forced = colour == "always" or (colour == "auto" and bool(environ.get("FORCE_COLOR")))
    if colour == "never" or (not forced and "NO_COLOR" in environ) or (not forced and environ.get("TERM") == "dumb"):
        return "none"
    if environ.get("COLORTERM") in ("truecolor", "24bit") or "256color" in environ.get("TERM", ""):
        return "dark"
    return "16"


def _draws_signs_wide(environ: Mapping[str, str]) -> bool:
    """Not UTF-8, or a locale whose terminals draw signs of ambiguous width two cells wide."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    language, _, encoding = locale.partition(".")
    if encoding.split("@")[0].lower().replace("-", "") != "utf8":
        # C.UTF-8 is fine, plain C and POSIX are not; an unset locale says nothing about a modern terminal.
        return bool(locale)
    return language[:2] in ("ja", "ko", "zh")


BACKGROUND = {"dark": "#121417", "light": "#ffffff"}

THEMES = {
    "dark": Theme(
        name="storm-dark",
        primary="#4c81b9",
        secondary="#7d7f81",
        accent="#4c81b9",
        warning="#f89909",
        error="#e55a3e",
        success="#4c81b9",
        foreground="#d8dbde",
        background=BACKGROUND["dark"],
        surface="#1a1d21",
        panel="#23272c",
        dark=True,
        variables={
            "storm-border": "#4a4f55",
            "storm-focus": "#d8dbde",
            "input-cursor-background": "#d8dbde",
            "input-cursor-foreground": "#121417",
        },
    ),
    "light": Theme(
        name="storm-light",
        primary="#448dd7",
        secondary="#7e848a",
        accent="#448dd7",
        warning="#b98a09",
        error="#660e0b",
        success="#448dd7",
        foreground="#000000",
        background=BACKGROUND["light"],
        surface="#f3f4f5",
        panel="#e4e6e8",
        dark=False,
        variables={
            "storm-border": "#9aa0a6",
            "storm-focus": "#000000",
            "input-cursor-background": "#000000",
            "input-cursor-foreground": "#ffffff",
        },
    ),
    "16": Theme(
        name="storm-16",
        primary="ansi_blue",
        secondary="ansi_bright_black",
        accent="ansi_blue",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_blue",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=True,
        ansi=True,
        variables={
            "storm-border": "ansi_bright_black",
            "storm-focus": "ansi_default",
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border-blurred": "ansi_black",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_bright_blue",
            "input-selection-foreground": "ansi_black",
            "screen-selection-background": "ansi_bright_blue",
            "screen-selection-foreground": "ansi_black",
        },
    ),
}
"""One Textual theme a set of colours; ``none`` uses that of ``16`` and takes the colours out afterwards."""


def theme_of(look: Look) -> Theme:
    return THEMES["16" if look.colours == "none" else look.colours]
