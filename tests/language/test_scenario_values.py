"""Values: what may be written, what it becomes, and the advice for what may not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Refused
from twinstorm.scenarios.language.quantities import Count, Instant, Quantity, Range, Rate
from twinstorm.scenarios.language.values import US

REPEATABLE = settings(derandomize=True, deadline=None)

S = US["s"]


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90 s", 90 * S),
        ("90s", 90 * S),
        ("5 min", 300 * S),
        ("5m", 300 * S),
        ("1h30min", 5_400 * S),
        ("1 h 30 min", 5_400 * S),
        ("1d 2h 3min 4s 5ms 6us", 93_784_005_006),
        ("1.5 h", 5_400 * S),
        ("0.000001 s", 1),
        ("250 ms", 250_000),
        ("2 w", 1_209_600 * S),
        ("0 s", 0),
    ],
)
def test_durations_are_whole_microseconds(text: str, us: int) -> None:
    assert values.duration(text) == us


REFUSED: list[tuple[Callable[[str], Any], str, str, str]] = [
    (values.duration, "300", "S201", "write `300 s` or `5 min`"),
    (values.duration, "45", "S201", "write `45 s` or `45 min`"),
    (values.duration, "7200", "S201", "write `7200 s` or `2 h`"),
    (values.duration, "1:30", "S202", "write `1 min 30 s` or `1h30min`"),
    (values.duration, "01:02:03", "S202", "write `1h2min3s`"),
    (values.duration, "0.1 us", "S202", "write `1 us`"),
    (values.duration, "0.0000001 s", "S202", "write `1 us`"),
    (values.duration, "0.0000025 s", "S202", "write `2 us`"),
    (values.portion, "1.5", "S205", "write `1.5 %`"),
    (values.duration, "30 min 1 h", "S202", "larger unit first"),
    (values.duration, "1 h 2 h", "S202", "each once"),
    (values.duration, "-5 s", "S202", "never negative"),
    (values.duration, "5 sec", "S202", "one of us, ms, s, min, h, d, w"),
    (values.duration, "1e3", "S202", "write digits and a unit"),
    (values.duration, "8 s .. 12 s", "S209", "write one of its ends"),
    (values.duration, "100000 w", "S210", "shorter"),
    (values.duration, "９０ s", "S202", "write a number"),
    (values.duration_range, "12 s .. 8 s", "S209", "write `8 s .. 12 s`"),
    (values.duration_range, "8 .. 12 s", "S201", "write `8 s` or `8 min`"),
    (values.duration_range, "8 s ..", "S202", "write a number"),
    (values.instant, "300", "S201", "write `300 s` or `5 min`"),
    (values.instant, "08:00", "S202", "write `8 min 0 s` or `8h0min`"),
    (values.instant, "outage.start", "S211", "write `outage` for its start or `outage.end`"),
    (values.instant, "end.end", "S211", "write `end`"),
    (values.instant, "outage.end + 30", "S201", "write `30 s` or `30 min`"),
    (values.instant, "Outage", "S211", "write `5 min`, `outage`"),
    (values.instant, "outage +", "S211", "`outage.end + 30 s`"),
    (values.share, "0.2", "S205", "write `20 %`"),
    (values.share, "20", "S205", "write `20 %`"),
    (values.share, "0.9995", "S205", "write `99.95 %`"),
    (values.share, "20 percent", "S205", "`99.95 %`"),
    (values.share, "101 %", "S210", "between `0 %` and `100 %`"),
    (values.rate, "500", "S206", "write `500/s` or `500/min`"),
    (values.rate, "1 %", "S206", "write `1 %/s`"),
    (values.rate, "fast", "S206", "`1 %/s`"),
    (values.rate, "500/w", "S206", "`500/s`"),
    (values.count, "10k", "S207", "write `10000`"),
    (values.count, "1e4", "S207", "write `10000`"),
    (values.count, "10,000", "S207", "write `10000`"),
    (values.count, "10_000", "S207", "write `10000`"),
    (values.count, "1.5k", "S207", "write `1500`"),
    (values.count, "2.5", "S207", "write a whole number"),
    (values.count, "-1", "S207", "write digits only"),
    (values.count, "ten", "S207", "write digits only"),
    (values.whole, "1 %", "S207", "write digits only"),
    (values.whole, "9" * 40, "S207", "write digits only"),
    (values.number, "many", "S207", "`2.5`"),
    (values.size, "64", "S208", "write `64 kB`"),
    (values.size, "64 KB", "S208", "write `64 kB` or `64 KiB`"),
    (values.size, "2 ki", "S208", "`2 MiB`"),
    (values.quantity, "80", "S208", "write `80 C`"),
    (values.quantity, "hot", "S208", "`7.1 mm/s`"),
    (values.calendar, "2030-01-07", "S213", "`2030-01-07T00:00:00Z`"),
    (values.calendar, "2030-01-07T00:00:00", "S213", "Z"),
    (values.calendar, "2030-02-30T00:00:00Z", "S213", "is not in the calendar"),
    (values.name, "My Storm", "S109", "write `my-storm`"),
    (values.name, "rebootStorm", "S109", "write `reboot-storm`"),
    (values.name, "9lives", "S109", "a letter first"),
    (values.name, "a" * 65, "S109", "shorter"),
    (values.version, "2.4 beta", "S109", "`2.4.1`"),
]


@pytest.mark.parametrize(("read", "text", "code", "advice"), REFUSED)
def test_what_cannot_be_read_is_refused_with_advice(
    read: Callable[[str], Any], text: str, code: str, advice: str
) -> None:
    with pytest.raises(Refused) as raised:
        read(text)
    assert raised.value.code == code
    assert advice in str(raised.value)


@pytest.mark.parametrize(
    ("text", "step", "edge", "offset_us"),
    [
        ("5 min", None, "start", 300 * S),
        ("0 s", None, "start", 0),
        ("outage", "outage", "start", 0),
        ("outage.end", "outage", "end", 0),
        ("outage.end + 30 s", "outage", "end", 30 * S),
        ("outage.end+30s", "outage", "end", 30 * S),
        ("outage - 1 min", "outage", "start", -60 * S),
        ("long-outage-2 + 1h30min", "long-outage-2", "start", 5_400 * S),
        ("end", None, "end", 0),
        ("end - 1 min", None, "end", -60 * S),
    ],
)
def test_instants_are_from_the_start_a_step_or_the_end(text: str, step: str | None, edge: str, offset_us: int) -> None:
    assert values.instant(text) == Instant(step, edge, offset_us, text)


def test_the_refused_part_of_an_instant_is_told() -> None:
    with pytest.raises(Refused) as raised:
        values.instant("outage.end + 30")
    assert (raised.value.offset, raised.value.length) == (13, 2)


def test_ranges_include_both_ends_and_may_be_one_value() -> None:
    assert values.duration_range("8 s .. 12 s") == Range(8 * S, 12 * S)
    assert values.duration_range("8s..12s") == Range(8 * S, 12 * S)
    assert values.duration_range("10 s") == Range(10 * S, 10 * S)


def test_shares_rates_and_counts_are_exact() -> None:
    assert values.share("99.95 %") == Fraction(9995, 10000)
    assert values.share("20%") == Fraction(1, 5)
    assert values.rate("30/min") == Rate(Fraction(1, 2), of_fleet=False)
    assert values.rate("1 %/s") == Rate(Fraction(1, 100), of_fleet=True)
    assert values.rate("2 / ms") == Rate(Fraction(2000), of_fleet=False)
    assert values.count("10000") == Count(Fraction(10_000), of_fleet=False)
    assert values.count("1 %") == Count(Fraction(1, 100), of_fleet=True)


def test_a_share_of_the_fleet_scales_and_never_falls_below_one_device() -> None:
    assert Rate(Fraction(1, 100), of_fleet=True).for_fleet(10_000) == 100
    assert Rate(Fraction(1, 100), of_fleet=True).for_fleet(20) == 1
    assert Rate(Fraction(1, 100), of_fleet=False).for_fleet(20) == Fraction(1, 100)
    assert Count(Fraction(1, 100), of_fleet=True).for_fleet(10_000) == 100
    assert Count(Fraction(1, 100), of_fleet=True).for_fleet(20) == 1
    assert Count(Fraction(0), of_fleet=False).for_fleet(20) == 0


def test_sizes_tell_thousands_from_kibi() -> None:
    assert values.size("64 kB") == Quantity(Fraction(64_000), "B")
    assert values.size("2 MiB") == Quantity(Fraction(2 << 20), "B")
    assert values.size("256 kbit/s") == Quantity(Fraction(256_000), "bit/s")
    assert values.size("5B") == Quantity(Fraction(5), "B")


def test_quantities_keep_their_unit() -> None:
    assert values.quantity("7.1 mm/s") == Quantity(Fraction(71, 10), "mm/s")
    assert values.quantity("-5 C") == Quantity(Fraction(-5), "C")


def test_numbers_and_calendar() -> None:
    assert values.number("-2.5") == -2.5
    assert values.calendar("2030-01-07T00:00:00.5+02:00") == "2030-01-07T00:00:00.5+02:00"


@REPEATABLE
@given(st.integers(0, values.LONGEST_US))
def test_a_duration_reads_back_as_it_is_shown(us: int) -> None:
    assert values.duration(values.show_duration(us)) == us


@REPEATABLE
@given(st.fractions(0, 1, max_denominator=10_000).filter(lambda share: 1_000_000 % share.denominator == 0))
def test_a_share_reads_back_as_it_is_shown(share: Fraction) -> None:
    assert values.share(values.show_share(share)) == share


@REPEATABLE
@given(st.lists(st.integers(1, 999), min_size=1, max_size=7), st.data())
def test_the_parts_of_a_duration_add_up_however_they_are_spaced(amounts: list[int], data: st.DataObject) -> None:
    units = sorted(data.draw(st.permutations(values.TIME_UNITS))[: len(amounts)], key=lambda unit: -US[unit])
    blanks = st.sampled_from(["", " ", "  "])
    text = "".join(
        f"{amount}{data.draw(blanks)}{unit}{data.draw(blanks)}" for amount, unit in zip(amounts, units, strict=True)
    )
    total = sum(amount * US[unit] for amount, unit in zip(amounts, units, strict=True))
    if total <= values.LONGEST_US:
        assert values.duration(text.strip()) == total


READERS = [
    values.duration,
    values.duration_range,
    values.instant,
    values.share,
    values.rate,
    values.count,
    values.whole,
    values.number,
    values.size,
    values.quantity,
    values.name,
    values.version,
    values.calendar,
]


@pytest.mark.parametrize("read", READERS)
@REPEATABLE
@given(text=st.text("0123456789.%/:+-_, eEkKMGTiBbtusmhdw\u0663Z", max_size=30) | st.text(max_size=20))
def test_a_reader_reads_or_refuses_any_text(read: Callable[[str], Any], text: str) -> None:
    refused = refusal(read, text)
    if refused:
        assert refused.message
        assert 0 <= refused.offset <= len(text)


def refusal(read: Callable[[str], Any], text: str) -> Refused | None:
    try:
        read(text)
    except Refused as refused:
        return refused
    return None
