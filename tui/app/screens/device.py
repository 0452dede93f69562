"""One device: who it is, how it is, and its last readings. All of it is what the core knows, but for one line that is
the truth and says so."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.geometry import Size

from twinstorm.scenarios.protocol import AskDevice, DevicePage, Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut, plain, wrap
from twinstorm.tui.app.plot import spark
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.signs import CODE, Signs
from twinstorm.tui.app.widgets.key_row import KeyWords
from twinstorm.tui.app.widgets.text_panel import TextPanel

SEVERE = ("C", "D")
"""Zones of ISO 10816 in which a machine must not run for long."""


class DeviceScreen(BaseScreen):
    """Asks for the page with every frame while it is open; the page of a device below waits until it is on top."""

    TITLE_HERE = "Device"

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.refused = ""

    def body(self) -> ComposeResult:
        yield TextPanel(self._lines, name_of_panel="Device", widget_id="device")

    def on_screen_resume(self) -> None:
        """On top again, or for the first time: another page may have been asked for since."""
        if self.host.board.followed != self.device:
            self.host.tell(AskDevice(name=self.device))

    def on_unmount(self) -> None:
        if not self.host.board.goes_on:
            return
        if not any(isinstance(screen, DeviceScreen) for screen in self.app.screen_stack):
            self.host.tell(AskDevice(name=""))

    def keys_here(self) -> KeyWords:
        return [("Esc", "back", "app.back")]

    def target(self) -> str:
        return f"id={self.device}"

    def _lines(self, size: Size) -> list[Line]:
        width = size.width
        frame, signs = self.host.board.frame, self.host.signs
        page = frame.device if frame is not None else None
        if frame is None or page is None or page.name != self.device:
            words = self.refused or self.host.board.why_not or f"Asking the engine for {self.device}."
            return [plain(row) for row in wrap(words, width)]
        return [cut(line, width) for line in page_lines(page, frame, signs, width)]


def page_lines(page: DevicePage, frame: Frame, signs: Signs, width: int) -> list[Line]:
    """Identity, state, session, readings, faults."""
    code = CODE.get(page.state, CODE["unknown"])
    for_s = numbers.span(frame.at_us - page.since_us)
    made: list[Line] = [
        [
            (page.name, signs.strong),
            ("   ", PLAIN),
            (signs.states[code], signs.state_styles[code]),
            (f" {page.state} for {for_s}, since {numbers.clock(page.since_us)}", PLAIN),
        ],
        [],
    ]

    def say(*facts: tuple[str, str]) -> None:
        line: Line = []
        for name, words in facts:
            line += [(f"{name:<10}", signs.muted), (f"{words:<{max(min(width // 3 - 11, 24), 8)}} ", PLAIN)]
        made.append(line)

    last = "never" if page.last_arrival_us < 0 else f"{numbers.span(frame.at_us - page.last_arrival_us)} ago"
    say(("kind", page.kind), ("segment", page.segment), ("origin", page.origin))
    say(("site", page.site), ("region", page.region), ("link", page.link))
    say(("firmware", page.firmware), ("boots", numbers.count(page.boot)), ("connects", numbers.count(page.connects)))
    session = "open" if page.session else "none"
    say(("session", session), ("reading", f"#{page.last_seq}"), ("arrived", last))
    made += [[], [("Readings", signs.strong), (_covered(page), signs.muted)]]
    made += _readings(page, signs, width)
    made += [[], [("Faults on it: ", signs.strong), (", ".join(page.faults) or "none", PLAIN)]]
    if page.health is not None:
        made += [[], [("TRUTH ", signs.strong), (_truth(page.health, page.remaining_us), PLAIN)]]
    return made


def _truth(health: float, remaining_us: int | None) -> str:
    """Hidden health and life, for whoever leads an exercise."""
    lasts = "nothing wears" if remaining_us is None else f"{numbers.lifetime(remaining_us)} of life left"
    return f"health {health * 100:.1f} %, {lasts} (the core and its operators do not know)"


def _covered(page: DevicePage) -> str:
    if not page.history_us:
        return "  none yet"
    covered_us = page.history_us[-1] - page.history_us[0]
    if not covered_us:
        return "  the newest"
    return f"  the newest at each simulated second for {numbers.span(covered_us)}, lowest to highest"


def _readings(page: DevicePage, signs: Signs, width: int) -> list[Line]:
    name_width = max((len(channel) for channel in page.channels), default=0)
    room = max(min(width - name_width - 42, 120), 8)
    made: list[Line] = []
    zones = page.zones or [""] * len(page.channels)
    for channel, unit, values, zone in zip(page.channels, page.units, page.history, zones, strict=True):
        known = [value for value in values if value is not None]
        newest = next((value for value in reversed(values) if value is not None), None)
        line: Line = [(f"  {channel:<{name_width}} ", PLAIN), (f"{numbers.value(newest, unit):>12} ", signs.strong)]
        if len(values) > 1 and known:
            line.append((spark(values, room, signs), PLAIN))
            line.append((f" {numbers.value(min(known), '')} to {numbers.value(max(known), unit)}", signs.muted))
        if zone:
            line.append((f"  zone {zone}", signs.strong if zone in SEVERE else PLAIN))
        made.append(line)
    return made
