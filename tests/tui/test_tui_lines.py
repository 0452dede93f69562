"""Lines of text: nothing a terminal obeys gets through, and nothing is wider than its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from twinstorm.scenarios.protocol import BrokerRow, ObjectiveRow
from twinstorm.tui.app.broker_lines import facts
from twinstorm.tui.app.lines import PLAIN, clean, cut, ends, fit, plain, shorten, text, width_of, wrap
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.objective_lines import headline, judged
from twinstorm.tui.app.plot import bars, resample, span_of, spark
from twinstorm.tui.app.signs import Signs

SIGNS = Signs.of(Look())
BAR = (" | ", PLAIN)


@pytest.mark.parametrize("letter", ["\x1b", "\n", "\r", "\t", "\x07", "\u202e", "\u200b", "\x9b"])
def test_what_a_terminal_obeys_becomes_a_question_mark(letter: str) -> None:
    assert clean(f"fra-1{letter}[31m") == "fra-1?[31m"


def test_brackets_stay_and_ascii_replaces_the_rest() -> None:
    assert clean("[bold]Zürich[/]") == "[bold]Zürich[/]"
    assert clean("[bold]Zürich[/]", ascii_only=True) == "[bold]Z?rich[/]"


@given(st.lists(st.text(max_size=12), max_size=5), st.integers(0, 40))
def test_a_cut_line_is_as_wide_as_it_can_be(parts: list[str], width: int) -> None:
    line = [(part, PLAIN) for part in parts]
    assert width_of(cut(line, width)) <= width
    assert width_of(line) > width or text(cut(line, width)) == "".join(parts)


@given(st.text(max_size=200), st.integers(1, 60))
def test_wrapping_keeps_every_letter_and_the_width(words: str, width: int) -> None:
    rows = wrap(words, width)
    assert "".join("".join(rows).split()) == "".join(words.split())
    assert all(cell_len(row) <= max(width, 2) for row in rows)


def test_pieces_go_from_the_right_once_the_shortest_words_do_not_fit() -> None:
    variants = [[plain("speed ten"), plain("clock"), plain("run")], [plain("10x"), plain("clock"), plain("run")]]
    assert text(fit(variants, BAR, 40)) == "speed ten | clock | run"
    assert text(fit(variants, BAR, 20)) == "10x | clock | run"
    assert text(fit(variants, BAR, 16)) == "10x | clock"
    assert text(fit(variants, BAR, 2)) == "10"


def test_the_right_end_goes_before_the_left_is_cut() -> None:
    assert text(ends(plain("left"), plain("right"), 12)) == "left   right"
    assert text(ends(plain("left"), plain("right"), 9)) == "left"


def test_the_peak_survives_any_width() -> None:
    values: list[float | None] = [*([0.0] * 119), 7.0]
    for width in (1, 7, 40, 119, 120, 333):
        assert max(value for value in resample(values, width) if value is not None) == 7.0


def test_bars_stand_on_the_floor_and_the_highest_fills_its_column() -> None:
    rows = [text(row) for row in bars([0.0, 1.0, 8.0, None], 4, 2, SIGNS, Style())]
    assert rows == ["  █ ", " ▂█ "]


def test_ascii_bars_and_sparklines_are_ascii() -> None:
    signs = Signs.of(Look(ascii=True))
    drawn = "".join(text(row) for row in bars([1.0, 2.0, 3.0], 9, 3, signs, PLAIN)) + spark([1.0, None, 3.0], 9, signs)
    assert drawn.isascii()


def test_a_sparkline_of_equal_values_is_flat_in_the_middle_and_gaps_are_blank() -> None:
    assert spark([5.0, None, 5.0], 3, SIGNS) == "▅ ▅"
    assert spark([0.0, 0.0], 2, SIGNS) == "▁▁"
    assert spark([None, None], 4, SIGNS) == "    "


def test_what_hardly_moves_looks_steady_and_what_moves_does_not() -> None:
    steady: list[float | None] = [2_390.0, 2_410.0, 2_400.0]
    assert set(spark(steady, 3, SIGNS, span_of(steady, least_share=0.1))) <= set("▄▅")
    moving: list[float | None] = [0.0, 2_400.0]
    assert spark(moving, 2, SIGNS, span_of(moving, least_share=0.1)) == "▁█"


@pytest.mark.parametrize("values", [[100.0] * 4, [99.0, 100.0, 99.5, 99.9], [40.0, 100.0, 100.0, 40.0]])
def test_bars_and_sparkline_of_an_objective_have_one_scale(values: list[float | None]) -> None:
    ends = span_of(values, 1.0)
    (row,) = bars(values, 4, 1, SIGNS, PLAIN, ends)
    assert text(row) == spark(values, 4, SIGNS, ends)


@given(st.text(max_size=60), st.integers(6, 40))
def test_shortened_words_fit_and_begin_as_they_did(words: str, width: int) -> None:
    short = shorten(words, width)
    assert cell_len(short) <= width
    assert (
        short == words
        or short.removesuffix(" ...").split() == words.split()[: len(short.split()) - 1]
        or (" ..." not in short)
    )


@pytest.mark.parametrize("width", [39, 68])
def test_an_objective_says_which_number_is_now_and_which_is_judged(width: int) -> None:
    row = ObjectiveRow(
        name="connected", sli="connectivity", value=100.0, so_far=50.4, wanted="at least 90 %", unit="%",
        verdict="at risk", budget_left=0.81, burn=0.0,
    )  # fmt: skip
    first, second = text(headline(row, SIGNS, width)), text(judged(row, SIGNS, width))
    assert first.startswith("^ connected AT RISK  now 100 %")
    assert "90 %" in first
    assert second.startswith("  so far 50.4 %  budget ")
    assert second.endswith("81 %  burn 0x")
    assert len(second) <= width


@pytest.mark.parametrize("width", [39, 60])
def test_a_broker_in_a_storm_shows_drops_and_refusals_also_where_it_is_narrow(width: int) -> None:
    broker = BrokerRow(
        up=True, sessions=94_210, connecting=12_400, queue=88_412, attempts_per_s=3_690.0, admitted_per_s=100.0,
        refused_per_s=3_590.0, messages_in_per_s=8_290.0, messages_out_per_s=8_290.0, dropped=1_203,
    )  # fmt: skip
    rows = [text(row) for row in facts(broker, SIGNS, width)]
    assert all(len(row) <= width for row in rows)
    assert "queue 88" in rows[1]
    assert "drops 1" in rows[1]
    assert "3.59k/s" in rows[2]
