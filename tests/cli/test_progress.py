"""How far a run is: a bar on a terminal, else a line every half a minute."""

from __future__ import annotations

import io

from tests.cli.conftest import plain
from twinstorm.scenarios.engine.rates import Rates
from twinstorm.tui.cli.progress import Meter
from twinstorm.tui.cli.talk import Talk


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class WallClock:
    """Seconds that a test lets go by."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def meter(talk: Talk, clock: WallClock) -> Meter:
    return Meter(talk, "storm", 600_000_000, clock)


def test_without_a_terminal_a_line_comes_every_30_s_of_wall_time() -> None:
    talk, clock = Talk(io.StringIO(), io.StringIO()), WallClock()
    shown = meter(talk, clock)
    for second in range(1, 71):
        clock.now_s = 100.0 + second
        shown(second * 6_000_000)
    assert talk.err.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "storm: 00:03:00 of 00:10:00 simulated, 30 %, 30 s",
        "storm: 00:06:00 of 00:10:00 simulated, 60 %, 60 s",
    ]
    assert talk.out.getvalue() == ""  # type: ignore[attr-defined]


def test_a_terminal_gets_a_bar_after_a_second_and_is_left_clean() -> None:
    talk, clock = Talk(Terminal(), Terminal()), WallClock()
    shown = meter(talk, clock)
    shown(1_000_000)
    assert talk.err.getvalue() == ""  # type: ignore[attr-defined]
    clock.now_s += 2.0
    shown(300_000_000)
    shown.line("  00:05:00  mark    \x1b[33mnoon\x1b[0m")
    shown.close()
    drawn = talk.err.getvalue()  # type: ignore[attr-defined]
    assert "00:05:00" in plain(drawn)
    # One terminal: the line went through the bar's console, so that neither tears the other apart.
    assert "mark" in plain(drawn)
    assert talk.out.getvalue() == ""  # type: ignore[attr-defined]
    shown.line("after it")
    assert talk.out.getvalue() == "after it\n"  # type: ignore[attr-defined]


def test_data_goes_to_its_file_while_a_bar_is_shown() -> None:
    talk, clock = Talk(io.StringIO(), Terminal()), WallClock()
    shown = meter(talk, clock)
    clock.now_s += 2.0
    shown(300_000_000)
    shown.line("data")
    shown.close()
    assert talk.out.getvalue() == "data\n"  # type: ignore[attr-defined]


def test_no_progress_means_none() -> None:
    talk, clock = Talk(Terminal(), Terminal(), progress=False), WallClock()
    shown = meter(talk, clock)
    clock.now_s += 100.0
    shown(300_000_000)
    assert talk.err.getvalue() == ""  # type: ignore[attr-defined]


def test_a_dumb_terminal_gets_lines(monkeypatch: object) -> None:
    import os
    from unittest.mock import patch

    with patch.dict(os.environ, {"TERM": "dumb"}):
        talk, clock = Talk(Terminal(), Terminal()), WallClock()
        shown = meter(talk, clock)
        clock.now_s += 31.0
        shown(300_000_000)
    assert talk.err.getvalue() == "storm: 00:05:00 of 00:10:00 simulated, 50 %, 31 s\n"  # type: ignore[attr-defined]


def test_a_broker_that_is_away_is_told_at_once_and_so_is_its_return() -> None:
    talk, clock = Talk(io.StringIO(), io.StringIO()), WallClock()
    shown = meter(talk, clock)
    shown.rates = Rates(1.0)
    for trouble in ("", "BROKER AWAY for 2 s: after 30 s the run ends", "BROKER AWAY for 3 s: the same", "", ""):
        shown.rates.trouble = trouble
        clock.now_s += 1.0
        shown(1_000_000)
    assert talk.err.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "storm: BROKER AWAY for 2 s: after 30 s the run ends",
        "storm: the broker is back",
    ]


def test_the_bar_of_a_live_run_says_that_its_broker_is_away() -> None:
    talk, clock = Talk(Terminal(), Terminal()), WallClock()
    shown = meter(talk, clock)
    shown.rates = Rates(1.0)
    shown.rates.trouble = "BROKER AWAY for 2 s"
    shown(1_000_000)
    clock.now_s += 2.0
    shown(2_000_000)
    shown.close()
    assert "BROKER AWAY for 2 s" in plain(talk.err.getvalue())  # type: ignore[attr-defined]
