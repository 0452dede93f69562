"""Rates beside what is asked."""

from __future__ import annotations

from twinstorm.scenarios.engine.rates import WINDOW_S, Rates, Totals


def test_rates_are_those_of_the_last_seconds() -> None:
    rates = Rates(10.0)
    assert str(rates) == ""
    rates.note(Totals(0.0, 0, 0, 0, 0, 0))
    assert str(rates) == ""
    rates.note(Totals(1.0, 10_000_000, 9_000, 9_000, 500, 500))
    for second in range(2, 12):
        rates.note(Totals(second, second * 9_500_000, 9_000 + second * 1_000, 9_000 + second * 900, 500 + second, 500))
    assert str(rates) == (
        "messages/s 1,000 asked 900 reached, connects/s 1 asked 0 admitted, speed 10x asked 9.5x held"
    )
    rates.note(Totals(11.0 + 10 * WINDOW_S, 11 * 9_500_000, 20_000, 20_000, 511, 500))
    assert "0.0x held" in str(rates)  # nothing has gone on since


def test_a_clock_that_stands_still_divides_nothing() -> None:
    rates = Rates(1.0)
    rates.note(Totals(1.0, 0, 0, 0, 0, 0))
    rates.note(Totals(1.0, 5, 5, 5, 5, 5))
    assert str(rates) == ""


def test_connects_that_the_ceiling_held_back_and_what_will_end_the_run_are_told() -> None:
    rates = Rates(1.0)
    rates.note(Totals(0.0, 0, 0, 0, 0, 0))
    rates.trouble = "BROKER AWAY"
    rates.note(Totals(1.0, 1_000_000, 10, 10, 30, 5, held=25))
    assert str(rates).startswith("BROKER AWAY, messages/s 10 asked")
    assert str(rates).endswith(", 25 connects held back by the ceiling")
