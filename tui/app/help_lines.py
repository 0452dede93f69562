"""The help: keys of this screen, keys everywhere, signs, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twinstorm.tui.app.keys import KEYS, NOT_YET, SCREENS, shown
from twinstorm.tui.app.lines import PLAIN, Line, cut, plain, wrap
from twinstorm.tui.app.signs import MARK_LETTERS, STATE_SIGNS, Signs

WORDS = (
    ("cell", "a column of the map: 1, 2, 5, 10, ... devices of a site; shows the worst state that 5 % of them hold"),
    ("burn", "how fast the error budget goes: 1x uses it up exactly by the end of the run"),
    ("stale", "no frame for 2 s: what you see is old; the values stay, dimmed"),
    ("disarmed", "after an abort no fault can start until you choose `fault: arm again` (or i)"),
)  # fmt: skip
_LISTS = (
    ("Enter, Esc", "open; back, close, clear the filter (Esc never quits)"),
    ("tab, shift+tab", "next panel, panel before"),
    ("j k h l, arrows", "move in lists and on the map"),
    ("g G, Home End", "first, last"),
    ("o, s", "on the map: group by, sort; s sorts devices, too"),
    ("v", "on the timeline: which kinds"),
    ("ctrl+c", "says how to leave; in a field it copies"),
)


def help_lines(
    here: str, keys_here: Sequence[tuple[str, str]], changed: Mapping[str, str], signs: Signs, width: int
) -> list[Line]:
    """Everything, the most specific first."""
    made: list[Line] = []

    def table(title: str, rows: Sequence[tuple[str, str]]) -> None:
        made.extend([[(title, signs.strong)]])
        for key, does in rows:
            lines = wrap(does, max(width - 19, 10))
            for number, line in enumerate(lines):
                made.append([(f"  {key if number == 0 else '':<16} ", signs.strong), (line, PLAIN)])
        made.append([])

    if keys_here:
        table(f"This screen: {here}", keys_here)
    table("Everywhere", [(_keys(key.id, key.keys, changed), key.does) for key in KEYS if key.keys])
    table("Screens", [(key, name) for key, (_, name) in SCREENS.items()])
    table("Moving", _LISTS)
    made.append([("Signs on the map", signs.strong)])
    for code, state in enumerate(STATE_SIGNS):
        sign = (signs.states[code], signs.state_styles[code])
        made.append([("  ", PLAIN), sign, (f" {state.name:<14} {state.means}", PLAIN)])
    made.append([])
    letters = ", ".join(f"{letter} {kind}" for kind, letter in MARK_LETTERS.items())
    table("More signs", [
        ("objectives", "+ held, ^ at risk, x missed, - warming up, ? no data"),
        ("severity", "! page, ^ ticket"),
        ("timeline", f"{letters}; {signs.hollow} to come, {signs.now} now"),
    ])  # fmt: skip
    table("Words", WORDS)
    keys = ", ".join(dict.fromkeys(shown(key) for key in NOT_YET))
    made += [plain(line) for line in wrap(f"Not in this version: {keys}. Pressed, they say why.", width)]
    return [cut(line, width) for line in made]


def _keys(key_id: str, keys: str, changed: Mapping[str, str]) -> str:
    return ", ".join(shown(key.strip()) for key in changed.get(key_id, keys).split(","))
