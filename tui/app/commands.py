"""The entries of the command palette for this moment."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.css.query import NoMatches

from twinstorm.tui.app.actions import RunActions
from twinstorm.tui.app.keys import KEYS, SCREENS, shown
from twinstorm.tui.app.rows import fault_words
from twinstorm.tui.app.screens.palette import Entry
from twinstorm.tui.app.widgets.fleet_map import FleetMap

Commanded = RunActions[Any]


def entries(app: Commanded) -> list[Entry]:
    """Everything that can be done now: what has a key, every fault, every active fault, and the look."""
    made = [
        Entry(key.command, app.key(key.id) if key.keys else "", key.does, partial(_run, app, key.action))
        for key in KEYS
        if key.command
    ]
    made += _faults(app)
    made += [
        Entry(f"view: {name}", shown(key), "screen", partial(app.action_screen, mode))
        for key, (mode, name) in SCREENS.items()
    ]
    made += _map(app) + _look(app)
    hello = app.board.hello
    if hello is not None and hello.repeat:
        made.append(Entry("report: copy the repeating command", "", hello.repeat, partial(_copy, app, hello.repeat)))
    return made


def _run(app: Commanded, action: str) -> None:
    app.call_later(app.run_action, action)


def _faults(app: Commanded) -> list[Entry]:
    made = []
    if app.board.hello is not None:
        for fault in app.board.hello.faults:
            run = partial(app.action_inject, fault.name)
            made.append(Entry(f"fault: inject {fault.name}", "", fault.summary, run))
    frame = app.board.frame
    if frame is not None:
        for active in frame.faults:
            words = fault_words(active, frame.at_us, brief=False)
            made.append(Entry(f"fault: end {active.step}", "", words, partial(app.end_fault, active.step)))
    return made


def _map(app: Commanded) -> list[Entry]:
    try:
        fleet = app.screen.query_one(FleetMap)
    except NoMatches:
        return []
    return [
        Entry("view: group the map", app.key("map.group"), "by region, site", fleet.action_group),
        Entry("view: sort the map", app.key("map.sort"), "in order, worst first", fleet.action_sort),
    ]


def _look(app: Commanded) -> list[Entry]:
    made = [
        Entry("view: dark colours", "", "for dark terminals", partial(app.change_look, colours="dark")),
        Entry("view: light colours", "", "for light terminals", partial(app.change_look, colours="light")),
        Entry("view: 16 colours", "", "the terminal's own", partial(app.change_look, colours="16")),
        Entry("view: no colours", "", "signs, bold, reverse", partial(app.change_look, colours="none")),
    ]
    name = "view: all signs" if app.look.ascii else "view: ASCII signs"
    made.append(Entry(name, "", "signs and borders", partial(app.change_look, ascii_only=not app.look.ascii)))
    return made


def _copy(app: Commanded, text: str) -> None:
    app.copy_to_clipboard(text)
    app.say(f"Copied: {text}")
