"""Signs first, colour second."""

from __future__ import annotations

import pytest
from rich.color import Color

from twinstorm.scenarios.protocol import STATES
from twinstorm.tui.app.look import BACKGROUND, Look
from twinstorm.tui.app.signs import MARK_LETTERS, STATE_SIGNS, WORST_FIRST, Signs

ANSI = {"blue", "yellow", "bright_yellow", "magenta", "red", "white", "bright_black"}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("state", STATE_SIGNS, ids=[state.name for state in STATE_SIGNS])
def test_every_state_is_readable_on_both_backgrounds(state: object) -> None:
    assert contrast(state.dark, BACKGROUND["dark"]) >= 4.5  # type: ignore[attr-defined]
    assert contrast(state.light, BACKGROUND["light"]) >= 3.0  # type: ignore[attr-defined]
    assert state.ansi in ANSI  # type: ignore[attr-defined]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_states_differ_without_any_colour(ascii_only: bool) -> None:
    signs = Signs.of(Look("none", ascii_only))
    assert len(set(signs.states)) == len(STATES)
    assert all(style.color is None and style.bgcolor is None for style in signs.state_styles)
    assert not ascii_only or "".join(signs.states).isascii()


def test_the_order_of_need_begins_with_failed_and_ends_with_online() -> None:
    assert [STATES[code] for code in WORST_FIRST] == [
        "failed", "offline", "degraded", "reconnecting", "updating", "unknown", "online",
    ]  # fmt: skip


def test_sixteen_colours_are_the_terminals_own() -> None:
    for style in Signs.of(Look("16")).state_styles:
        assert style.color is not None
        assert (style.color.number or 0) < 16
        assert style.color == Color.parse(style.color.name)


def test_marks_have_letters_of_their_own() -> None:
    assert len(set(MARK_LETTERS.values())) == len(MARK_LETTERS)


@pytest.mark.parametrize(
    ("environ", "look"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, Look("dark", False)),
        ({"TERM": "xterm", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}, Look("dark", False)),
        ({"TERM": "linux", "LANG": "de_DE.UTF-8"}, Look("16", False)),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Look("none", False)),
        ({"TERM": "xterm-256color", "NO_COLOR": "", "FORCE_COLOR": "1"}, Look("dark", False)),
        ({"TERM": "xterm-256color", "LANG": "ja_JP.UTF-8"}, Look("dark", True)),
        ({"TERM": "xterm-256color", "LC_ALL": "C"}, Look("dark", True)),
        ({"TERM": "xterm-256color", "LANG": "de_DE.ISO-8859-1@euro"}, Look("dark", True)),
    ],
)
def test_the_terminal_decides_on_colours_and_signs(environ: dict[str, str], look: Look) -> None:
    assert Look.detect(environ) == look


def test_options_beat_the_environment() -> None:
    assert Look.detect({"TERM": "xterm-256color"}, ascii_only=True, colour="never") == Look("none", True)
    assert Look.detect({"TERM": "xterm-256color", "NO_COLOR": "1"}, colour="always") == Look("dark", False)
