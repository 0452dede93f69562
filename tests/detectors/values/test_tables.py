"""Tables as people have them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.detectors.values.tables import Manner, Table, TableError, instant_us


def table(*lines: str, separator: str = ",", time: str = "", channels: tuple[str, ...] = ()) -> Table:
    return Table((line + "\n" for line in lines), Manner(separator), time, channels)


def test_columns_with_numbers_are_channels_and_a_usual_name_is_the_time() -> None:
    read = table("Time,flow,site,pressure", "2026-01-01 00:00:00,1.5,north,", "2026-01-01T00:00:10Z,x,north,3")
    assert (read.time, read.channels) == ("Time", ("flow", "pressure"))
    first, second = read.rows()
    assert (first.stamp, second.at_us - first.at_us) == ("2026-01-01 00:00:00", 10_000_000)
    np.testing.assert_array_equal(first.values, [1.5, np.nan])
    np.testing.assert_array_equal(second.values, [np.nan, 3.0])
    assert read.unreadable == 1


def test_without_times_rows_are_a_second_apart_and_numbered() -> None:
    rows = list(table("a;b", "1;2", "3;4", "", separator=";").rows())
    assert [(row.stamp, row.at_us) for row in rows] == [("1", 1_000_000), ("2", 2_000_000)]


def test_separators_behind_the_last_column_are_no_columns() -> None:
    assert table("time,flow,,", "2026-01-01,1.5,,").channels == ("flow",)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(TableError, match="2 columns of the header are called `flow`: rename them"):
        table("flow,flow", "1,2")


def test_infinity_and_nan_are_no_values() -> None:
    (row,) = table("t,v", "1,inf", time="t").rows()
    assert np.isnan(row.values).all()


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ((), {}, "there is no header"),
        (("a,b", "x,y"), {}, "no column holds numbers; columns: a, b"),
        (("a,b", "1,2"), {"channels": ("c",)}, "no column `c`; columns: a, b"),
        (("a,b", "1,2"), {"time": "when"}, "no column `when`; columns: a, b"),
        (("a,b", "1,2", "3"), {}, "row 2 has 1 cells, the header 2"),
        (("time,b", "noon,2"), {}, "row 1: `noon` in column `time` is no time"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(lines: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        list(table(*lines, **options).rows())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01 00:01", 60),
        ("1970-01-01T01:00:00+01:00", 0),
        ("12.5", 12.5),
        ("", None),
        ("1e400", None),
        ("-1", -1),
    ],
)
def test_times_are_iso_or_seconds(text: str, seconds: float | None) -> None:
    assert instant_us(text) == (None if seconds is None else round(seconds * 1_000_000))


GERMAN = Manner(";", ",", "%d.%m.%Y %H:%M")


def test_a_table_with_decimal_commas_and_german_times() -> None:
    lines = ["Zeit;Druck;Ort\n", "01.02.2026 00:00;1,5;Ulm\n", "01.02.2026 00:01;-1.234,5;Ulm\n", ";\n"[:0]]
    read = Table(lines, GERMAN, "Zeit")
    assert read.channels == ("Druck",)
    first, second = read.rows()
    assert (first.stamp, first.at_us) == ("01.02.2026 00:00", instant_us("2026-02-01"))
    assert second.at_us - first.at_us == 60_000_000
    assert (first.values[0], second.values[0], read.unreadable) == (1.5, -1234.5, 0)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1,5", 1.5), (" 12 ", 12.0), ("1.234", 1234.0), ("-0,5e3", -500.0), ("1.234.567,25", 1234567.25), (",5", 0.5)],
)
def test_numbers_with_a_comma(cell: str, number: float) -> None:
    assert GERMAN.number(cell) == number


@pytest.mark.parametrize("cell", ["1.5", "1,5,5", "12.34,5", "1,234.5", "", "x", "1.2345"])
def test_what_is_no_number_with_a_comma(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        GERMAN.number(cell)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_same_with_a_comma(number: float) -> None:
    assert GERMAN.number(repr(number).replace(".", ",")) == Manner().number(repr(number)) == number


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("", ".", ""), "a separator is one character"),
        ((";", "'", ""), "numbers have a decimal `.` or `,`, not `'`"),
        ((",", ",", ""), "`,` cannot stand both between cells and in numbers"),
        ((";", ",", "%d.%m.%Q"), "`%d.%m.%Q` is no format of times"),
        ((";", ",", "%d.%d"), "`%d.%d` is no format of times"),
        ((";", ",", "dd.mm.yyyy"), "`dd.mm.yyyy` is no format of times: it holds no `%d`"),
    ],
)
def test_a_manner_that_cannot_be(options: tuple[str, str, str], said: str) -> None:
    with pytest.raises(TableError, match=re.escape(said)):
        Manner(*options)


def test_seconds_with_a_comma_and_times_of_another_format() -> None:
    assert Manner(";", ",").instant_us("1,5") == 1_500_000
    assert Manner(";", ",").instant_us("2026-01-01T00:00:00,5Z") == instant_us("2026-01-01T00:00:00.5Z")
    with pytest.raises(TableError, match=r"`2026-02-01` in column `Zeit` is no time; wanted: as `%d.%m.%Y %H:%M`"):
        list(Table(["Zeit;a\n", "2026-02-01;1\n"], GERMAN, "Zeit").rows())
    with pytest.raises(TableError, match=r"which column holds the times\? name it by --time; columns: Zeit, a"):
        Table(["Zeit;a\n", "01.02.2026 00:00;1\n"], GERMAN)
    with pytest.raises(TableError, match="numbers with a comma are read by --decimal ,"):
        Table(["Zeit;a\n", "01.02.2026 00:00;1,5\n"], Manner(";"))
