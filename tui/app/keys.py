"""Every key of the application in one table: bindings, key row, help and palette all come from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding

SCREENS = {
    "1": ("overview", "Overview"),
    "2": ("fleet", "Fleet"),
    "3": ("objectives", "Objectives"),
    "4": ("incidents", "Incidents"),
    "5": ("broker", "Broker"),
    "8": ("timeline", "Timeline"),
    "0": ("streams", "Streams"),
}
"""Key to mode and name of the screens of this version."""


@dataclass(frozen=True)
class Key:
    """One thing a key does.

    Attributes:
        id: name of the binding in the settings file.
        keys: as Textual spells them, separated by commas; the first is shown.
        action: Textual action of the application.
        command: how the palette calls it, ``noun: verb``; empty: not in the palette.
        does: for the help, in the infinitive.
        priority: works in dialogs and fields, too.
    """

    id: str
    keys: str
    action: str
    command: str
    does: str
    priority: bool = False


KEYS = (
    Key("fault.abort", "ctrl+x", "abort", "fault: abort all", "end every fault, also in dialogs", priority=True),
    Key("fault.abort-plain", "X", "abort", "", "the same, outside dialogs"),
    Key("help.keys", "question_mark,f1", "keys", "help: keys of this screen", "keys, signs, words"),
    Key("help.commands", "colon,ctrl+p", "palette", "", "command palette"),
    Key("app.quit", "q", "quit", "app: quit", "quit; asks during a run"),
    Key("run.pause", "space", "pause", "run: pause or resume", "pause, resume"),
    Key("run.faster", "plus,equals_sign", "speed(1)", "run: faster", "faster: 1x, 10x, 100x, max"),
    Key("run.slower", "minus", "speed(-1)", "run: slower", "slower"),
    Key("run.step", "full_stop", "step", "run: one second on", "one second on while paused"),
    Key("fault.inject", "i", "inject", "fault: inject", "inject a fault; asks"),
    Key("fault.end", "u", "end_newest", "fault: end the newest you started", "end the newest fault you started"),
    Key("fault.arm", "", "rearm", "fault: arm again", "allow faults again after an abort"),
    Key("incident.acknowledge", "a", "acknowledge", "incident: acknowledge", "take the incident: it escalates no more"),
    Key("alarm.wrong", "m", "mark_wrong", "alarm: mark wrong", "say that there was nothing: its detector learns"),
    Key("filter.set", "slash", "filter", "filter: set", "show only some devices: state=offline site=fra-*"),
    Key("filter.clear", "", "clear_filter", "filter: clear", "show all devices"),
    Key("note.add", "n", "note", "note: add", "note, stamped when its line opens"),
    Key("note.bookmark", "b", "bookmark", "note: bookmark", "bookmark without a question"),
    Key("device.find", "", "find_device", "device: find", "open a device by its name"),
    Key("view.zoom", "z", "zoom", "view: enlarge the panel and back", "enlarge the panel and back"),
    Key("report.verdict", "", "verdict", "report: show the verdict", "the verdict again, once the run has ended"),
)
BY_ID = {key.id: key for key in KEYS}

LOCAL = {"map.group": "o", "map.sort": "s", "devices.sort": "s", "timeline.kinds": "v"}
"""Bindings of single panels and screens, by id."""

NOT_YET = {
    "6": "Updates (6) is not in this version: scenarios have no update campaigns yet.",
    "7": "Detectors (7) is not in this version: alarms stand in Incidents (4), scores in the report.",
    "9": "Report (9) is not in this version: it is written at the end of the run.",
    "d": "Declaring incidents (d) is not in this version.",
    "r": "Resolving incidents (r) is not in this version.",
    "w": "What if (w) is not in this version: compare two runs with `twinstorm run --vary`.",
    "p": "Presenting (p) is not in this version.",
    "c": "Captions (c) are not in this version.",
    "e": "Exporting a screen (e) is not in this version: the run folder has the numbers.",
    "y": "Copying (y) is not in this version: hold shift and select, the terminal copies.",
    "left_square_bracket": "Looking back ([ and ]) is not in this version.",
    "right_square_bracket": "Looking back ([ and ]) is not in this version.",
}
"""Keys that people know from the manual and that cannot work yet, with the reason."""

_SHOWN = {
    "question_mark": "?",
    "colon": ":",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "slash": "/",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "f1": "F1",
}


def shown(keys: str) -> str:
    """How the first of `keys` is written on the screen."""
    first = keys.split(",")[0].strip()
    return _SHOWN.get(first, first)


def bindings() -> list[Binding]:
    """Bindings of the application, with ids, so that a key map can replace them."""
    made = [
        Binding(key.keys, key.action, key.does, id=key.id, priority=key.priority, show=False)
        for key in KEYS
        if key.keys
    ]
    made += [
        Binding(key, f"screen('{mode}')", name, id=f"screen.{mode}", show=False)
        for key, (mode, name) in SCREENS.items()
    ]
    made += [Binding(key, f"not_yet('{key}')", why, show=False) for key, why in NOT_YET.items()]
    return made


def key_of(key_id: str, changed: Mapping[str, str]) -> str:
    """The key as shown for a binding, after the changes of the settings file."""
    keys = LOCAL[key_id] if key_id in LOCAL else BY_ID[key_id].keys
    return shown(changed.get(key_id, keys))
