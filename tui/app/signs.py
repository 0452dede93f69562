"""Signs and their colours: one table for the map, the lists, the rows and the help. The sign carries the meaning, the
colour repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rich.style import Style

from twinstorm.scenarios.protocol import STATES
from twinstorm.tui.app.look import Colours, Look


@dataclass(frozen=True)
class StateSign:
    """How one observed state is drawn and what it means.

    Attributes:
        dark, light: ``#rrggbb``. Dark: 4.5:1 on ``#121417``; light: 3:1 on white.
        ansi: name of one of the 16 colours of the terminal.
        attributes: Rich style words added in every set of colours, and the only ones without colour.
        rank: 0 is worst; the order of the state row and of worst-first lists.
    """

    name: str
    sign: str
    ascii: str
    dark: str
    light: str
    ansi: str
    attributes: str
    rank: int
    means: str


STATE_SIGNS: tuple[StateSign, ...] = (
    StateSign("online", "·", ".", "#4c81b9", "#448dd7", "blue", "", 6, "as it should be; asleep on schedule counts"),
    StateSign(
        "degraded", "▲", "^", "#f89909", "#b98a09", "yellow", "", 2, "slow, low battery, bad sensor, wrong clock"
    ),
    StateSign("reconnecting", "~", "~", "#fefcb2", "#715f01", "bright_yellow", "", 3, "lost its session just now"),
    StateSign("updating", "↑", "u", "#b453fd", "#741cb4", "magenta", "", 4, "loading, verifying, trial boot"),
    StateSign("offline", "×", "x", "#e55a3e", "#660e0b", "red", "bold", 1, "silent for longer than allowed"),
    StateSign("failed", "!", "!", "#fab7df", "#320525", "white", "reverse", 0, "will not come back by itself"),
    StateSign("unknown", "?", "?", "#7d7f81", "#7e848a", "bright_black", "", 5, "never seen, or the view is stale"),
)
assert tuple(state.name for state in STATE_SIGNS) == STATES
CODE = {state.name: code for code, state in enumerate(STATE_SIGNS)}
WORST_FIRST = tuple(sorted(range(len(STATES)), key=lambda code: STATE_SIGNS[code].rank))
"""State codes in the order of need."""


@dataclass(frozen=True)
class Signs:
    """Everything a widget draws with, for one `Look`."""

    ascii: bool
    states: tuple[str, ...]
    """One column each, by state code."""
    state_styles: tuple[Style, ...]
    plain: Style
    muted: Style
    strong: Style
    warning: Style
    bad: Style
    selected: Style
    blocks: str
    """Heights of a bar within one row, none to full."""
    past: str
    now: str
    future: str
    hollow: str
    bar_full: str
    bar_empty: str
    pointer: str
    at_least: str
    at_most: str

    @classmethod
    def of(cls, look: Look) -> Signs:
        return _signs(look)

    def objective(self, verdict: str) -> tuple[str, str, Style]:
        """Sign, word and style of an objective's verdict."""
        return {
            "held": ("+", "held", self.plain),
            "at risk": ("^", "AT RISK", self.warning),
            "missed": ("x", "MISSED", self.bad),
            "warming up": ("-", "warming up", self.muted),
            "no data": ("?", "no data", self.muted),
        }.get(verdict, ("?", verdict, self.muted))

    def severity(self, severity: str) -> tuple[str, Style]:
        """Sign and style of an alarm's or incident's severity."""
        if severity in ("page", "critical"):
            return "!", self.bad
        if severity in ("ticket", "warning"):
            return "^", self.warning
        return ("." if self.ascii else "·"), self.muted

    def bar(self, share: float, width: int) -> str:
        """``[######....]``, `width` columns in all; `share` outside 0..1 is shown as the nearer end."""
        inside = max(width - 2, 1)
        full = round(min(max(share, 0.0), 1.0) * inside)
        return f"[{self.bar_full * full}{self.bar_empty * (inside - full)}]"


MARK_LETTERS = {
    "abort": "X",
    "stop": "!",
    "fault": "F",
    "incident": "I",
    "alarm": "A",
    "note": "N",
    "mark": "M",
    "steady": "B",
    "fault-end": "E",
    "step": "S",
}
"""Letter of each kind of mark on the timeline, the most needed first: it wins a shared column. Faults come before the
alarms that they cause, which have a panel of their own."""
OTHER_MARK = "*"
"""Letter of a kind that is not in the table."""


@cache
def _signs(look: Look) -> Signs:
    plain_signs = look.ascii
    return Signs(
        ascii=plain_signs,
        states=tuple(state.ascii if plain_signs else state.sign for state in STATE_SIGNS),
        state_styles=tuple(_state_style(state, look.colours) for state in STATE_SIGNS),
        plain=Style.null(),
        muted=_role(look.colours, "unknown", ""),
        strong=Style(bold=True),
        warning=_role(look.colours, "degraded", "bold"),
        bad=_role(look.colours, "offline", "bold"),
        selected=Style(reverse=True),
        blocks=" .:|#" if plain_signs else " ▁▂▃▄▅▆▇█",
        past="=" if plain_signs else "━",
        now="|" if plain_signs else "┃",
        future="-" if plain_signs else "╌",
        hollow="o" if plain_signs else "○",
        bar_full="#" if plain_signs else "█",
        bar_empty="." if plain_signs else "░",
        pointer=">" if plain_signs else "▸",
        at_least=">=" if plain_signs else "≥",
        at_most="<=" if plain_signs else "≤",
    )


def _state_style(state: StateSign, colours: Colours) -> Style:
    attributes = Style.parse(state.attributes) if state.attributes else Style.null()
    if colours == "none":
        return attributes
    return Style(color={"dark": state.dark, "light": state.light, "16": state.ansi}[colours]) + attributes


def _role(colours: Colours, state: str, attributes: str) -> Style:
    """Style of words. On white all text stays black; only signs are coloured."""
    style = Style.parse(attributes) if attributes else Style.null()
    if colours == "none":
        return style or Style(dim=True)
    if colours == "light":
        return style or Style(color="#4d5257")
    entry = STATE_SIGNS[CODE[state]]
    return Style(color=entry.dark if colours == "dark" else entry.ansi) + style
